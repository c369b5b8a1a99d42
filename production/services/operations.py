"""Work after printing: started, reported, skipped. What the last operation reports good is the order's output."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.errors import AlreadyDone, InvalidTransition, InvalidValue, ReasonRequired
from blb3d.core.lifecycle import allow
from blb3d.core.numbering import next_numbers
from blb3d.core.outbox import emit
from blb3d.core.verbs import verb
from inventory.models import ProductPlate
from production.errors import TooManyUnits
from production.lifecycles import PRODUCTION_OPERATION
from production.models import (
    DefectReason,
    Nonconformance,
    OperationReport,
    ProductionOperation,
    ProductionOrder,
    QualityInspection,
    SerialNumber,
    WorkCenter,
)
from production.selectors.fleet import PRINTABLE
from production.selectors.progress import count_plates, missing_by_plate
from production.services.flow import Flow, finish
from production.services.inspection import raise_nonconformance, write_inspections
from production.services.making import PlannedJob, active_plates, lock_order, make_jobs
from production.services.output import draw_serial_numbers, take_in

Status = ProductionOperation.Status

#: No report is of more work than two months without a break: what is above it was mistyped.
MAX_MINUTES = Decimal(90_000)


@verb
def start_operation(operation: ProductionOperation, *, actor: User, reason: str = "") -> ProductionOperation:
    """Say that somebody works on an operation; units may still be on their way to it.

    Raises:
        InvalidTransition: it does not wait to be started, or its order is not in work and nothing waits here.
    """
    order = _locked_order(operation)
    with PRODUCTION_OPERATION.step(operation, "start", actor=actor, reason=reason):
        if order.status not in PRINTABLE and not operation.quantity_waiting:
            raise InvalidTransition(
                f"{order.code} is {order.get_status_display()} and nothing waits at {operation.name}.",
                details={"status": order.status},
            )
        _begin(operation, actor=actor)
    return operation


@verb
def report_operation(
    operation: ProductionOperation,
    *,
    actor: User,
    good: int = 0,
    scrap: int = 0,
    rework: int = 0,
    rework_to: ProductionOperation | None = None,
    defect: DefectReason | None = None,
    minutes: Decimal = Decimal(0),
    note: str = "",
    request_key: str | None = None,
    requeue_missing: bool = True,
) -> OperationReport:
    """Report units of an operation: good ones go on, scrap is made again, rework goes back to be done again.

    Good units of the last operation become stock and get their serial numbers; an order with every unit good
    completes. Scrapped units come back as new print jobs, unless ``requeue_missing`` is off or other jobs bring them.
    ``rework_to`` is this operation or an earlier one, this one when it is not given. At an inspection the report is
    the inspection: good units pass (finally, when nothing follows), scrap fails and raises a nonconformance. A
    ``request_key`` that was reported before returns that report; nothing is counted twice.

    Raises:
        TooManyUnits: more than wait here.
        InvalidTransition: the operation is skipped.
        InvalidValue: nothing is reported, a figure is negative or absurd, or rework cannot go there.
        ReasonRequired: units fail an inspection, and neither defect nor note says why.
        NotAllowed: an inspection is reported by somebody who may not inspect.
        AlreadyDone: the key belongs to a report of another operation.
    """
    _check(good, scrap, rework, minutes)
    repeated = _repeated(operation, request_key)
    if repeated is not None:
        return repeated
    is_inspection = operation.work_center.kind == WorkCenter.Kind.INSPECT
    if is_inspection:
        _check_inspector(good, scrap + rework, defect, note, actor=actor)
    follows = ProductionOperation.objects.filter(
        production_order=operation.production_order_id, sequence__gt=operation.sequence
    )
    is_out = not follows.exclude(status=Status.SKIPPED).exists()
    order = operation.production_order
    serials = draw_serial_numbers(good if is_out and order.product.is_serialized else 0)
    plates = active_plates(order) if scrap and requeue_missing else []
    numbers = next_numbers("PJ", len(plates))

    _locked_order(operation)
    order = operation.production_order
    repeated = _repeated(operation, request_key)
    if repeated is not None:
        return repeated
    flow = Flow(order)
    here = flow.find(operation.pk)
    _check_units(here, good + scrap + rework)
    back = _rework_target(flow, here, rework_to) if rework else None
    if here.status == Status.PENDING:
        with PRODUCTION_OPERATION.step(here, "start", actor=actor):
            _begin(here, actor=actor)
    report = OperationReport.objects.create(
        operation=here,
        good=good,
        scrap=scrap,
        rework=rework,
        rework_to=back,
        defect=defect,
        note=note[:200],
        minutes=minutes,
        request_key=request_key or None,
        reported_by=actor,
    )
    here.quantity_good += good
    here.quantity_scrapped += scrap
    here.actual_minutes += minutes
    here.operator = actor
    if back is not None:
        here.quantity_reworked += rework
        back.quantity_returned += rework
    flow.arrive(flow.after(here), good)
    flow.save(actor=actor)
    order.quantity_lost += scrap
    made = take_in(order, None, serials, actor=actor)
    if plates and order.status in PRINTABLE:
        _make_again(order, plates, scrap, numbers)
    if is_inspection:
        _record_inspection(flow, here, report, made, actor=actor)
    emit(
        "production.operation_reported",
        f"production.productionoperation:{here.pk}",
        id=here.pk,
        number=here.code,
        production_order_id=order.pk,
        good=good,
        scrap=scrap,
        rework=rework,
    )
    operation.refresh_from_db()
    return report


@verb
def finish_operation(operation: ProductionOperation, *, actor: User, reason: str = "") -> ProductionOperation:
    """Say that an operation is through; it opens again by itself when further units come.

    Raises:
        TooManyUnits: units still wait here: report them.
        InvalidTransition: it is over already.
    """
    _locked_order(operation)
    operation.refresh_from_db()
    if operation.quantity_waiting:
        raise TooManyUnits(
            f"{operation.quantity_waiting} units still wait at {operation.name}: report them first.",
            details={"waiting": operation.quantity_waiting},
        )
    finish(operation, actor=actor, reason=reason)
    return operation


@verb
def skip_operation(operation: ProductionOperation, *, actor: User, reason: str) -> ProductionOperation:
    """Leave an operation out: units that wait here, and those that come, go on to the next one, or into stock.

    Raises:
        ReasonRequired: nobody says why.
        InvalidTransition: it is over already.
    """
    order = operation.production_order
    serials = draw_serial_numbers(operation.quantity_waiting if order.product.is_serialized else 0)
    order = _locked_order(operation)
    with PRODUCTION_OPERATION.step(operation, "skip", actor=actor, reason=reason):
        operation.finished_at = timezone.now()
    flow = Flow(order)
    here = flow.find(operation.pk)
    waiting = here.quantity_waiting
    if waiting:
        here.quantity_good += waiting
        flow.arrive(flow.after(here), waiting)
        flow.save(actor=actor)
        take_in(order, None, serials, actor=actor)
    operation.refresh_from_db()
    return operation


@verb
def reopen_operation(operation: ProductionOperation, *, actor: User, reason: str = "") -> ProductionOperation:
    """Open an operation again that is done or was skipped; units that went past it are not called back.

    Raises:
        InvalidTransition: it is open, or its order is over.
    """
    order = _locked_order(operation)
    if order.status not in ProductionOrder.OPEN:
        raise InvalidTransition(
            f"{order.code} is {order.get_status_display()}: its operations stay as they are.",
            details={"status": order.status},
        )
    with PRODUCTION_OPERATION.step(operation, "reopen", actor=actor, reason=reason):
        operation.finished_at = None
    return operation


@verb
def scrap_units_in_work(order: ProductionOrder, *, actor: User, reason: str) -> list[OperationReport]:
    """Scrap every printed unit that is still at an operation of an order; nothing is made again for them.

    So an order can be closed short or cancelled that has units in work.

    Raises:
        ReasonRequired: nobody says why.
    """
    if not reason.strip():
        raise ReasonRequired(details={"step": "scrap_units_in_work"})
    lock_order(order)
    flow, reports = Flow(order), []
    for operation in flow.operations:
        units = operation.quantity_waiting
        if units:
            reports.append(
                OperationReport.objects.create(operation=operation, scrap=units, note=reason[:200], reported_by=actor)
            )
            operation.quantity_scrapped += units
            order.quantity_lost += units
    if reports:
        flow.save(actor=actor)
        take_in(order, None, [], actor=actor)
    return reports


def _locked_order(operation: ProductionOperation) -> ProductionOrder:
    """Lock the order of an operation and return it as it is now: whoever changes operations holds their order."""
    order: ProductionOrder = operation.production_order
    product = order.product
    lock_order(order)
    order.product = product
    return order


def _begin(operation: ProductionOperation, *, actor: User) -> None:
    operation.operator = actor
    operation.started_at = operation.started_at or timezone.now()
    operation.finished_at = None


def _repeated(operation: ProductionOperation, request_key: str | None) -> OperationReport | None:
    if not request_key:
        return None
    if len(request_key) > 64:
        raise InvalidValue("A key has at most 64 characters.", details={"field": "request_key"})
    report = OperationReport.objects.filter(request_key=request_key).first()
    if report is not None and report.operation_id != operation.pk:
        raise AlreadyDone(
            "This key was used for another operation.",
            details={"request_key": request_key, "operation_id": report.operation_id},
        )
    return report


def _check(good: int, scrap: int, rework: int, minutes: Decimal) -> None:
    figures = {"good": good, "scrap": scrap, "rework": rework}
    if any(value < 0 for value in figures.values()):
        raise InvalidValue("Counts must not be negative.", details=figures)
    if not minutes.is_finite() or not 0 <= minutes <= MAX_MINUTES:
        raise InvalidValue(f"Minutes go from 0 to {MAX_MINUTES}.", details={"field": "minutes"})
    if not (good or scrap or rework or minutes):
        raise InvalidValue("Please report units or minutes.", details=figures)


def _check_units(operation: ProductionOperation, units: int) -> None:
    if operation.status in (Status.SKIPPED, Status.CANCELLED):
        raise InvalidTransition(
            f"{operation.code} is {operation.get_status_display()}: nothing is reported of it.",
            details={"status": operation.status},
        )
    if units > operation.quantity_waiting:
        raise TooManyUnits(
            f"{operation.quantity_waiting} units wait at {operation.name}, {units} were reported.",
            details={"waiting": operation.quantity_waiting, "reported": units},
        )


def _check_inspector(good: int, failed: int, defect: DefectReason | None, note: str, *, actor: User) -> None:
    if good:
        allow(actor, "production.pass_qualityinspection")
    if failed:
        allow(actor, "production.fail_qualityinspection")
        if defect is None and not note.strip():
            raise ReasonRequired("Please say why the units fail.", details={"fields": ["defect", "note"]})


def _rework_target(flow: Flow, here: ProductionOperation, rework_to: ProductionOperation | None) -> ProductionOperation:
    target = here
    if rework_to is not None:
        target = next((row for row in flow.operations if row.pk == rework_to.pk), here)
        if target.pk != rework_to.pk or target.sequence > here.sequence or target.status == Status.SKIPPED:
            raise InvalidValue(
                "Units go back to this operation or to an earlier one of the same order that is not skipped.",
                details={"field": "rework_to", "operation_id": rework_to.pk},
            )
    return target


def _make_again(order: ProductionOrder, plates: Sequence[ProductPlate], units: int, numbers: Sequence[str]) -> None:
    """Make jobs for so many units that were scrapped after printing, as far as no other job brings them."""
    owed = missing_by_plate(order, count_plates([order.pk])[order.pk], [plate.pk for plate in plates])
    jobs = []
    for plate in plates:
        left = min(owed.get(plate.pk, 0), units)
        while left > 0:
            number = min(left, plate.parts_per_plate)
            jobs.append(PlannedJob(plate, ((order, number),)))
            left -= number
    make_jobs(jobs, numbers)


def _record_inspection(
    flow: Flow, operation: ProductionOperation, report: OperationReport, made: list[SerialNumber], *, actor: User
) -> None:
    """Write what a report means to quality: good units passed, the others failed; scrap is a nonconformance."""
    kind = QualityInspection.Type
    inspection = kind.IN_PROCESS if flow.after(operation) else kind.FINAL
    order = flow.order
    why = ": ".join(word for word in (report.defect.name if report.defect else "", report.note) if word)
    if report.good:
        passed = made if inspection == kind.FINAL else []
        write_inspections(order, passed, report.good, True, inspection, None, report.note, actor=actor)
    if report.scrap:
        write_inspections(order, [], report.scrap, False, inspection, None, why, actor=actor)
        severity = Nonconformance.Severity.MAJOR
        raise_nonconformance(order, [], report.scrap, why, severity, inspection, actor=actor)
    if report.rework:
        words = f"sent back to {report.rework_to.name if report.rework_to else operation.name}: {why}"
        write_inspections(order, [], report.rework, False, inspection, None, words, actor=actor)
