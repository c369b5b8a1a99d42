"""The end of the soak: every job held against the machines' own record, and the books against themselves."""

from __future__ import annotations

import datetime
import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import Count, Sum

from blb3d.core.inbox import InboundMessage
from blb3d.core.outbox import EventDelivery, OutboxEvent
from blb3d.core.units import Unit, convert, round_quantity
from blb3d.core.work import WorkStatus
from blb3d.demo.soak.robot import OVER, Plan, good_of, scrap_of
from blb3d.demo.soak.truth import Ended, Truth
from integrations.models import PrinterCommand
from inventory.models import Inventory
from inventory.selectors import filaments_of, verify_ledger
from production.models import PrintJob, PrintJobFilament, PrintJobPart, ProductionOrder, ProductionOrderMaterial

Status = PrintJob.Status
ENDINGS = ("production.job_finished", "production.job_failed", "production.job_cancelled")
#: How long before and after a kill a printer may not have been heard.
GAP = datetime.timedelta(seconds=20)
#: A job's filament is booked to a ten thousandth of a kilogram per lot and order.
ROUNDING = Decimal("0.0005")


@dataclass
class Verdict:
    """What was compared and every disagreement; ``asked`` are jobs whose end a person had to tell."""

    figures: dict[str, Any] = field(default_factory=dict)
    disagreements: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON takes it."""
        return {"figures": self.figures, "disagreements": self.disagreements, "remarks": self.remarks,
                "asked": self.asked}  # fmt: skip


def judge(plan: Plan, *, kills: list[dict[str, Any]], share_asked: float) -> Verdict:
    """Compare all there is; ``kills`` are the killer's notes (``name``, ``at``, ``back`` as seconds since 1970)."""
    truth = Truth(plan.truth)
    truth.refresh()
    verdict = Verdict(asked=sorted(plan.asked.read_text().split()) if plan.asked.exists() else [])
    jobs = {job.code: job for job in PrintJob.objects.select_related("printer", "plate__product", "print_file")}
    gaps = [(_time(kill["at"]), _time(kill["back"]) + GAP) for kill in kills if kill["name"] in ("listener", "broker")]
    found = verdict.disagreements
    found += _ends(jobs, truth, verdict)
    found += _plates(jobs)
    found += _grams(jobs, truth, gaps, verdict)
    found += _parts(plan, jobs, verdict)
    found += _books(verdict)
    made = len(jobs)
    if len(verdict.asked) > share_asked * made:
        found.append(f"a person was asked about {len(verdict.asked)} of {made} jobs, more than {share_asked:.0%}")
    verdict.figures |= {
        "jobs": made,
        "jobs by status": dict(Counter(job.status for job in jobs.values())),
        "ends at the machines": dict(Counter(end.ending for ends in truth.by_code.values() for end in ends)),
        "ends concluded after a gap": sum(job.end_inferred for job in jobs.values()),
        "asked": len(verdict.asked),
        "kills": dict(Counter(kill["name"] for kill in kills)),
    }
    return verdict


def _time(seconds: float) -> datetime.datetime:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC)


# --- how jobs ended ------------------------------------------------------------------------------------------------


def _ends(jobs: dict[str, PrintJob], truth: Truth, verdict: Verdict) -> Iterator[str]:
    """Every job ended once, as its machine knows; what a machine knows is in the books."""
    told = Counter(OutboxEvent.objects.filter(topic__in=ENDINGS).values_list("key", flat=True))
    overtaken = 0
    for code, job in sorted(jobs.items()):
        ends = truth.by_code.get(code, [])
        if job.status not in OVER:
            yield f"{code} never ended: it is {job.status}"
            continue
        if told[f"production.printjob:{job.pk}"] != 1:
            yield f"{code} ended {told[f'production.printjob:{job.pk}']} times in the books"
        if sum(end.printed for end in ends) > 1:
            yield f"{code} was printed {len(ends)} times: {[_words(end) for end in ends]}"
            continue
        if not ends:
            # A person who was asked and found nothing cancelled it; it counts as begun then.
            if job.status != Status.CANCELLED or (job.started_at is not None and code not in verdict.asked):
                yield f"{code} is {job.status}, and no machine knows it"
            continue
        end = ends[-1]
        if len(ends) > 1:
            verdict.remarks.append(f"{code} was accepted {len(ends)} times: {[_words(end) for end in ends]}")
        if job.printer is None or job.printer.serial != end.serial:
            yield f"{code} ended on {end.serial}, the books say {job.printer}"
        if job.status == end.status:
            continue
        if job.status == Status.CANCELLED and job.cancel_requested_at:
            overtaken += 1  # Our stop and the end crossed: what we stopped is cancelled, whatever the machine calls it.
            continue
        yield f"{code} is {job.status}, its machine says {_words(end)}"
    for code in sorted(set(truth.by_code) - set(jobs)):
        yield f"{code} was printed, and nobody here knows it: {[_words(end) for end in truth.by_code[code]]}"
    for refused in truth.refused:
        yield f"{refused.code} was sent to {refused.serial} while it had {refused.busy_with}"
    verdict.figures["stops that the machine's own end overtook"] = overtaken


def _words(end: Ended) -> str:
    return f"{end.ending} at {end.percent} % on {end.serial}"


def _plates(jobs: dict[str, PrintJob]) -> Iterator[str]:
    """No printer had two jobs, and none began before the plate of the one before was cleared."""
    by_printer: dict[int, list[PrintJob]] = defaultdict(list)
    for job in jobs.values():
        if job.printer_id and job.started_at:
            by_printer[job.printer_id].append(job)
    for rows in by_printer.values():
        rows.sort(key=lambda job: (job.sent_at or job.started_at, job.pk))
        for before, after in itertools.pairwise(rows):
            begin = after.sent_at or after.started_at
            if before.cleared_at is None or (begin is not None and begin < before.cleared_at):
                yield f"{after.code} was sent to {after.printer} before the plate of {before.code} was cleared"


# --- grams ---------------------------------------------------------------------------------------------------------


def _grams(
    jobs: dict[str, PrintJob], truth: Truth, gaps: list[tuple[datetime.datetime, datetime.datetime]], verdict: Verdict
) -> Iterator[str]:
    """Each job took the grams of its file times its progress, and its progress is the machine's."""
    filaments: dict[int, list[PrintJobFilament]] = defaultdict(list)
    for row in PrintJobFilament.objects.select_related("material").order_by("position"):
        filaments[row.job_id].append(row)
    planned = dict(PrintJobPart.objects.order_by().values_list("job").annotate(Sum("planned")))
    booked = {
        (job, position): quantity
        for job, position, quantity in ProductionOrderMaterial.objects.filter(filament_position__isnull=False)
        .order_by()
        .values_list("print_job", "filament_position")
        .annotate(Sum("quantity_used"))
    }
    behind: list[int] = []
    used_total, true_total = Decimal(0), 0.0
    for code, job in sorted(jobs.items()):
        rows = filaments[job.pk]
        if job.started_at is None:
            if any(row.used_grams for row in rows) or any((job.pk, row.position) in booked for row in rows):
                yield f"{code} never began and took filament"
            continue
        ends = truth.by_code.get(code, [])
        share = Decimal(planned.get(job.pk, 0)) / job.plate.parts_per_plate
        should = round_quantity(_grams_in_file(job) * share)
        if abs(sum((row.planned_grams for row in rows), Decimal(0)) - should) > ROUNDING:
            yield f"{code} was planned with other grams than its file's {should}"
        for row in rows:
            right = round_quantity(row.planned_grams * job.progress_percent / 100)
            if row.used_grams != right:
                yield f"{code} took {row.used_grams} g, {right} g is its file at {job.progress_percent} %"
            in_stock_unit = round_quantity(convert(right, Unit.GRAM, row.material.unit_of_measure))
            if abs(round_quantity(booked.get((job.pk, row.position), Decimal(0))) - in_stock_unit) > Decimal("0.0001"):
                yield f"{code} is booked with {booked.get((job.pk, row.position))}, {in_stock_unit} is right"
        used_total += sum((row.used_grams or Decimal(0) for row in rows), Decimal(0))
        if not ends:
            continue
        end = ends[-1]
        true_total += end.grams * float(share)
        if job.status != end.status or (end.told <= job.progress_percent <= end.percent):
            continue
        if job.progress_percent > end.percent:
            yield f"{code} was booked at {job.progress_percent} %, its machine stopped at {end.percent} %"
        elif code in verdict.asked or any(start <= end.ended_at <= stop for start, stop in gaps):
            behind.append(int(end.percent - job.progress_percent))
        else:
            yield f"{code} was booked at {job.progress_percent} %, its machine had told {end.told} %"
    verdict.figures |= {
        "grams booked": str(used_total),
        "grams at the machines": f"{true_total:.1f}",
        "ended in a gap, booked at the last progress heard": len(behind),
        "of these at most percent behind": max(behind, default=0),
    }


def _grams_in_file(job: PrintJob) -> Decimal:
    """Return what the slicer counts for the full plate, by filament where it names them."""
    if job.print_file is None:
        return Decimal(0)
    return sum((row.grams for row in filaments_of(job.print_file)), Decimal(0)) or job.print_file.grams


# --- parts and orders ----------------------------------------------------------------------------------------------


def _parts(plan: Plan, jobs: dict[str, PrintJob], verdict: Verdict) -> Iterator[str]:
    """What the robot counted is in the books; good, scrapped and missing add up; nothing is made twice."""
    codes = {job.pk: code for code, job in jobs.items()}
    good: Counter[int] = Counter()
    scrap: Counter[int] = Counter()
    missing = 0
    for part in PrintJobPart.objects.order_by("id"):
        job = jobs.get(codes.get(part.job_id, ""))
        if job is None or job.cleared_at is None:
            if part.good or part.scrap:
                yield f"{codes.get(part.job_id)} was not cleared and has counts"
            continue
        right_good = good_of(plan.seed, job.code, job.status, part.planned)
        right = (right_good, scrap_of(plan.seed, job.code, part.planned, right_good))
        if (part.good, part.scrap) != right:
            yield f"{job.code} has {(part.good, part.scrap)} good and scrap, the robot counted {right}"
        good[part.production_order_id] += part.good
        scrap[part.production_order_id] += part.scrap
        missing += part.planned - part.good - part.scrap
    orders = list(ProductionOrder.objects.select_related("product"))
    for order in orders:
        if order.quantity_completed + order.quantity_missing != order.quantity:
            yield f"{order.code} was over-produced: {order.quantity_completed} of {order.quantity}"
        if good[order.pk] > order.quantity:
            yield f"{order.code} has {good[order.pk]} good parts of {order.quantity}"
        if order.quantity_completed != min(good[order.pk], order.quantity):
            yield f"{order.code} counts {order.quantity_completed} parts, {good[order.pk]} were counted good"
        if order.quantity_scrapped != scrap[order.pk]:
            yield f"{order.code} counts {order.quantity_scrapped} as scrap, {scrap[order.pk]} were counted"
        if order.status != ProductionOrder.Status.COMPLETED:
            yield f"{order.code} is {order.status}: {order.quantity_completed} of {order.quantity}"
    made: Counter[int] = Counter()
    for order in orders:
        made[order.product_id] += order.quantity_completed
    stocked = Inventory.objects.filter(product__in=made).order_by().values_list("product")
    for product, on_hand in stocked.annotate(Sum("on_hand_quantity")):
        if on_hand != made.pop(product):
            yield f"product {product}: {on_hand} on the shelf is not what was made"
    for product, number in made.items():
        if number:
            yield f"product {product}: {number} made, none on the shelf"
    verdict.figures |= {"orders": len(orders), "parts good": good.total(), "parts scrapped": scrap.total(),
                        "parts missing on plates": missing}  # fmt: skip


# --- the books -----------------------------------------------------------------------------------------------------


def _books(verdict: Verdict) -> Iterator[str]:
    """The ledger agrees, everything was delivered, and what was laid before a person says why."""
    ledger = verify_ledger()
    yield from (str(difference) for difference in ledger.differences)
    deliveries = dict(EventDelivery.objects.order_by().values_list("status").annotate(Count("pk")))
    for row in EventDelivery.objects.filter(status=WorkStatus.DEAD).select_related("event"):
        yield f"{row.event.topic} {row.event.key} was not delivered to {row}: {row.last_error}"
    if deliveries.get(WorkStatus.PENDING):
        yield f"{deliveries[WorkStatus.PENDING]} deliveries are still on their way"
    unrelayed = OutboxEvent.objects.filter(relayed_at__isnull=True).count()
    if unrelayed:
        yield f"{unrelayed} events were not relayed"
    for message in InboundMessage.objects.filter(status=WorkStatus.DEAD):
        yield f"{message} is a dead letter"
    for command in PrinterCommand.objects.exclude(status__in=(WorkStatus.DONE, WorkStatus.IGNORED)):
        if command.status == WorkStatus.DEAD and command.last_error:
            verdict.remarks.append(f"{command} was laid before a person: {command.last_error}")
        else:
            yield f"{command} is {command.status}: {command.last_error}"
    verdict.figures |= {
        "ledger movements": ledger.transactions,
        "events delivered": deliveries.get(WorkStatus.DONE, 0),
    }
