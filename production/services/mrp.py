"""Material planning as people work with it: run it, make firm, release, drop, do what a message says.

A run is announced first, then read and worked out outside of any transaction, then written in one. What is made of a
plan and the start of the next run exclude each other by the newest run's row, so that no run misses an order that
came out of the one before it.
"""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Exists, F, OuterRef
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents, lock_documents, update_documents
from blb3d.core.errors import InvalidTransition, InvalidValue
from blb3d.core.numbering import next_number, next_numbers
from blb3d.core.outbox import emit
from blb3d.core.units import round_quantity
from blb3d.core.verbs import verb
from inventory import services as inventory
from inventory.models import Product, PurchaseOrder, PurchaseOrderLine, Vendor
from production.errors import CircularBills, MessageDone, PlanMoved, PlannedOrderTaken, PlanningFailed, PlanningRuns
from production.lifecycles import FIRM_ORDER
from production.models import (
    FirmOrder,
    Forecast,
    MRPRun,
    PlanLate,
    PlanMessage,
    PlannedOrder,
    PlanSupply,
    ProductionOrder,
    Replenish,
)
from production.mrp.engine import plan as make_plan
from production.mrp.ground import FIRM, PRODUCTION, PURCHASE, Plan, Problem, date_of
from production.selectors.mrp_ground import OPEN_PURCHASES, load_problem
from production.selectors.mrp_plan import in_words, newest_run, why
from production.services.mrp_writing import write_plan
from production.services.planning import (
    MAX_QUANTITY,
    PlanRequest,
    cancel_production_order,
    plan_production_orders,
    reschedule_production_order,
)

log = logging.getLogger(__name__)

#: A run that takes longer has died with its process.
GIVE_UP = datetime.timedelta(minutes=10)
_CHUNK = 900
_WHY = 500
#: Whom a firm order is for, as it is written down.
_REASONS = 5


# --- Runs -------------------------------------------------------------------------------------------------------------
def run_mrp(*, actor: User, kind: str = MRPRun.Kind.FULL, cause: str = "") -> MRPRun:
    """Plan all material anew and store the plan; return the run.

    Requests go on meanwhile: it reads one snapshot and writes once. A run that fails says why in the list of runs, and
    the plan before it holds on.

    Raises:
        PlanningRuns: another run is under way.
    """
    run = _begin(kind=kind, cause=cause, actor=actor)
    started = time.perf_counter()
    try:
        problem = load_problem(run.planned_from)
        plan = _made(problem)
        _store(run, problem=problem, plan=plan, started=started, actor=actor)
    except Exception as error:
        log.exception("material planning %s failed", run.number)
        _fail(run, error=str(error) or type(error).__name__, seconds=time.perf_counter() - started, actor=actor)
        raise
    put_away_rows(actor=actor)
    return run


def _made(problem: Problem) -> Plan:
    """Return the plan; a circle of bills is named by products, as people know them."""
    try:
        return make_plan(problem)
    except CircularBills as error:
        pks = error.details["items"]
        skus = sorted(Product.all_objects.filter(pk__in=pks).values_list("sku", flat=True))
        raise CircularBills(
            f"Bills of materials go round: {', '.join(skus)}.", details={"products": skus, "items": pks}
        ) from error


@verb
def _begin(*, kind: str, cause: str, actor: User) -> MRPRun:
    """Announce a run; from here on nothing is made of the plan before it."""
    number = next_number("MRP")
    now = timezone.now()
    MRPRun.objects.filter(status=MRPRun.Status.RUNNING, started_at__lt=now - GIVE_UP).update(
        status=MRPRun.Status.FAILED, finished_at=now, has_rows=False, error="It never came to its end."
    )
    _hold_newest()
    if MRPRun.objects.filter(status=MRPRun.Status.RUNNING).exists():
        raise PlanningRuns
    try:
        with transaction.atomic():
            return MRPRun.objects.create(
                number=number,
                kind=kind,
                status=MRPRun.Status.RUNNING,
                cause=cause[:200],
                planned_from=timezone.localdate(),
                started_by=actor,
            )
    except IntegrityError:
        raise PlanningRuns from None


@verb
def _store(run: MRPRun, *, problem: Problem, plan: Plan, started: float, actor: User) -> None:
    """Write the plan's rows and close the run, all or nothing."""
    # First of all, because whoever thought it dead has closed it.
    if not MRPRun.objects.filter(pk=run.pk, status=MRPRun.Status.RUNNING).update(status=MRPRun.Status.DONE):
        raise PlanningFailed(f"{run.number} took so long that it was given up.")
    write_plan(run, problem, plan)
    to_make = sum(problem.items[row.item].is_made for row in plan.planned)
    run.status = MRPRun.Status.DONE
    run.items, run.demands = len(problem.items), len(problem.demands)
    run.planned_to_make, run.planned_to_buy = to_make, len(plan.planned) - to_make
    run.messages, run.late = len(plan.messages), len(plan.late)
    run.finished_at, run.seconds = timezone.now(), round(time.perf_counter() - started, 3)
    run.save()
    emit("production.mrp_run_done", f"production.mrprun:{run.pk}", id=run.pk, number=run.number, late=run.late)


@verb
def _fail(run: MRPRun, *, error: str, seconds: float, actor: User) -> None:
    """Close a run that could not be made, and say why."""
    run.status, run.error, run.has_rows = MRPRun.Status.FAILED, error[:500], False
    run.finished_at, run.seconds = timezone.now(), round(seconds, 3)
    run.save()
    emit("production.mrp_run_failed", f"production.mrprun:{run.pk}", id=run.pk, number=run.number, error=run.error)


@verb
def put_away_rows(*, actor: User) -> int:
    """Delete the rows of all but the last runs, whose figures stay; return of how many runs."""
    kept = MRPRun.objects.filter(status=MRPRun.Status.DONE).order_by("-id").values_list("id", flat=True)
    kept_ids = list(kept[: settings.MRP_RUNS_KEPT])  # type: ignore[misc]
    old = list(
        MRPRun.objects.filter(status=MRPRun.Status.DONE, has_rows=True)
        .exclude(pk__in=kept_ids)
        .values_list("id", flat=True)
    )
    if old:
        for model in (PlannedOrder, PlanSupply, PlanMessage, PlanLate):
            model._default_manager.filter(run__in=old).delete()
        MRPRun.objects.filter(pk__in=old).update(has_rows=False)
    return len(old)


def _hold_newest() -> MRPRun | None:
    """Lock the newest run's row until the end of the transaction and return it."""
    run = newest_run()
    if run is not None:
        MRPRun.objects.filter(pk=run.pk).update(has_rows=F("has_rows"))
    return run


def _hold_plan(run_ids: Iterable[int]) -> MRPRun:
    """Lock the plan that these rows are of against the next run, if it is the one that holds.

    Raises:
        PlanMoved: a newer run replaced it.
        PlanningRuns: the next run has begun.
    """
    run = _hold_newest()
    newest = newest_run()
    if run is None or newest is None or newest.pk != run.pk or set(run_ids) != {run.pk}:
        raise PlanMoved(details={"newest": newest.number if newest else None})
    if MRPRun.objects.filter(status=MRPRun.Status.RUNNING).exists():
        raise PlanningRuns
    return run


# --- From planned to firm to real -------------------------------------------------------------------------------------
@verb
def firm(
    planned_orders: Sequence[PlannedOrder],
    *,
    quantity: Decimal | None = None,
    due_on: datetime.date | None = None,
    vendor: Vendor | None = None,
    actor: User,
) -> list[FirmOrder]:
    """Decide on planned orders: the next runs take them as given, in this quantity and on this day.

    Raises:
        InvalidValue: nothing was chosen, one quantity was given for several, or one that is not above 0 or, of what is
            made, not whole.
        PlanMoved: a newer run replaced the one that they are of, or somebody ordered a product beside the plan
            since; ``details["products"]`` names them.
        PlanningRuns: the next run has begun.
        PlannedOrderTaken: something was made of one of them before; ``details["orders"]`` names them.
    """
    chosen = {row.pk: row for row in planned_orders}
    if not chosen:
        raise InvalidValue("Please choose planned orders.", details={"field": "planned_orders"})
    if quantity is not None:
        _check_quantity(quantity, list(chosen.values()))
    numbers = next_numbers("FIRM", len(chosen))
    run = _hold_plan(row.run_id for row in chosen.values())
    _take(list(chosen))
    rows = list(PlannedOrder.objects.filter(run=run, pk__in=chosen).select_related("product").order_by("id"))
    _refuse_overtaken(run, rows)
    today = timezone.localdate()
    orders = []
    for number, row, reasons in zip(numbers, rows, why(run, rows, most=_REASONS), strict=True):
        due = due_on or row.due_on
        orders.append(
            FirmOrder(
                number=number,
                product=row.product,
                kind=row.kind,
                quantity=row.quantity if quantity is None else round_quantity(quantity),
                start_on=_moved(row.start_on, row.due_on, due, today),
                due_on=due,
                vendor=vendor if row.kind == Replenish.BUY else None,
                run=run,
                planned_number=row.number,
                why=in_words(reasons, row.product.unit_of_measure, most=_REASONS)[:_WHY],
            )
        )
    return insert_documents(orders, natural_key="number")


def _moved(start: datetime.date, due: datetime.date, to_day: datetime.date, today: datetime.date) -> datetime.date:
    """Return when an order starts that is due on another day: as long before, not before today nor after it is due."""
    return min(max(date_of(start.toordinal() + (to_day - due).days), today), to_day)


def _check_quantity(quantity: Decimal, rows: Sequence[PlannedOrder]) -> None:
    if len(rows) != 1:
        raise InvalidValue("A quantity is for one planned order.", details={"field": "quantity"})
    is_whole = quantity == quantity.to_integral_value()
    if not 0 < quantity <= MAX_QUANTITY or (rows[0].kind == Replenish.MAKE and not is_whole):
        raise InvalidValue(
            "The quantity must be above 0, and whole where the product is made.",
            details={"field": "quantity", "value": str(quantity)},
        )


def _take(pks: Sequence[int]) -> None:
    """Mark planned orders as taken; each can be taken once. Whoever holds the plan is alone here."""
    taken: list[str] = []
    for part in _chunks(sorted(pks)):
        before = PlannedOrder.objects.filter(pk__in=part, is_taken=True).select_related("product").order_by("id")
        taken += [f"{row.product.sku} {row.due_on}" for row in before]
        PlannedOrder.objects.filter(pk__in=part).update(is_taken=True)
    if taken:
        raise PlannedOrderTaken(details={"orders": taken[:20]})


def _refuse_overtaken(run: MRPRun, rows: Sequence[PlannedOrder]) -> None:
    """Refuse products that were bought, or planned for the shelf, beside the plan since it was made.

    The run does not know of these orders, and what it proposes would come on top of them.
    """
    skus = {row.product_id: row.product.sku for row in rows}
    decided = FirmOrder.objects.filter(product=OuterRef("product"))
    lines = PurchaseOrderLine.objects.filter(
        created_at__gt=run.started_at,
        purchase_order__status__in=OPEN_PURCHASES,
        purchase_order__deleted_at__isnull=True,
    ).exclude(Exists(decided.filter(purchase_order=OuterRef("purchase_order"))))
    orders = ProductionOrder.objects.filter(
        created_at__gt=run.started_at, source_type=ProductionOrder.Source.STOCK, status__in=ProductionOrder.OPEN
    ).exclude(Exists(decided.filter(production_order=OuterRef("pk"))))
    overtaken: set[int] = set()
    for part in _chunks(sorted(skus)):
        for ordered in (lines, orders):
            overtaken.update(ordered.filter(product__in=part).order_by().values_list("product", flat=True))
    if overtaken:
        told = sorted(skus[pk] for pk in overtaken)
        raise PlanMoved(
            f"{', '.join(told[:20])}: ordered since {run.number} was made. Please plan anew.",
            details={"newest": run.number, "products": told},
        )


@dataclass
class Released:
    """What became of planned orders."""

    firm_orders: list[FirmOrder]
    production_orders: list[ProductionOrder] = field(default_factory=list)
    purchase_orders: list[PurchaseOrder] = field(default_factory=list)


@verb
def release(orders: Sequence[PlannedOrder | FirmOrder], *, actor: User) -> Released:
    """Make real orders of planned or firm ones: draft production orders for stock, draft purchase orders by vendor.

    Production orders are for the shelf also where they were planned for a customer: what lies there is reserved by the
    order line itself, first come, first served.

    Raises:
        InvalidTransition: a firm order was released or dropped before; nothing is released then.
        NotMakeable: a product cannot be made; nothing is released then.
        PlanMoved, PlanningRuns, PlannedOrderTaken: as :func:`firm`.
    """
    planned = [order for order in orders if isinstance(order, PlannedOrder)]
    firm_orders = list({order.pk: order for order in orders if isinstance(order, FirmOrder)}.values())
    if not planned and not firm_orders:
        raise InvalidValue("Please choose what to release.", details={"field": "orders"})
    if planned:
        firm_orders += firm(planned, actor=actor)
    with FIRM_ORDER.step_many(firm_orders, "release", actor=actor):
        pass
    firm_orders.sort(key=lambda order: order.pk)
    released = Released(firm_orders)
    to_make = [order for order in firm_orders if order.kind == Replenish.MAKE]
    to_buy = [order for order in firm_orders if order.kind == Replenish.BUY]
    products = {row.pk: row for row in Product.objects.filter(pk__in={order.product_id for order in firm_orders})}
    if to_make:
        released.production_orders = plan_production_orders(
            [
                PlanRequest(
                    products[order.product_id],
                    int(order.quantity.to_integral_value(ROUND_CEILING)),
                    ProductionOrder.Source.STOCK,
                    due_date=order.due_on,
                    notes=_told(order),
                )
                for order in to_make
            ],
            actor=actor,
        )
        for order, made in zip(to_make, released.production_orders, strict=True):
            order.production_order = made
    if to_buy:
        released.purchase_orders = _buy(to_buy, products, actor=actor)
    update_documents(firm_orders, ["production_order", "purchase_order"])
    return released


def _told(order: FirmOrder) -> str:
    return f"{order.number}: {order.why}".rstrip(": ")


def _buy(orders: Sequence[FirmOrder], products: dict[int, Product], *, actor: User) -> list[PurchaseOrder]:
    """Write purchase orders for firm orders and name to each the one that it is on."""
    wants = [
        inventory.Want(
            product=products[order.product_id],
            quantity=order.quantity,
            needed_on=order.due_on,
            vendor=order.vendor,
            note=_told(order),
        )
        for order in orders
    ]
    bought = list(inventory.buy(wants, actor=actor))
    by_pk = {purchase.pk: purchase for purchase in bought}
    on: dict[tuple[int | None, int], PurchaseOrder] = {}
    lines = PurchaseOrderLine.objects.filter(purchase_order__in=by_pk).order_by("-id")
    for purchase_id, product_id in lines.values_list("purchase_order", "product"):
        purchase = by_pk[purchase_id]
        on[purchase.vendor_id, product_id] = on[None, product_id] = purchase
    for order in orders:
        order.purchase_order = on.get((order.vendor_id, order.product_id)) or on[None, order.product_id]
    return bought


@verb
def drop(order: FirmOrder, *, actor: User, reason: str = "") -> FirmOrder:
    """Give a firm order up: planning is free again to propose what is needed."""
    with FIRM_ORDER.step(order, "drop", actor=actor, reason=reason):
        # Until the next run it can be decided on again.
        if order.planned_number is not None:
            again = PlannedOrder.objects.filter(run=order.run_id, product=order.product_id)
            again.filter(number=order.planned_number).update(is_taken=False)
            order.planned_number = None
    return order


@verb
def change_firm_order(
    order: FirmOrder,
    *,
    quantity: Decimal | None = None,
    due_on: datetime.date | None = None,
    vendor: Vendor | None = None,
    actor: User,
    reason: str = "",
) -> FirmOrder:
    """Change what was decided, as long as it is not released.

    Raises:
        InvalidTransition: it was released or dropped.
        InvalidValue: the quantity is not above 0 or, of what is made, not whole.
    """
    [locked] = lock_documents(FirmOrder.objects.filter(pk=order.pk))
    if locked.status != FirmOrder.Status.FIRM:
        raise InvalidTransition(
            f"A firm order that is {locked.get_status_display()} is not changed.", details={"status": locked.status}
        )
    if quantity is not None:
        if quantity <= 0 or (locked.kind == Replenish.MAKE and quantity != quantity.to_integral_value()):
            raise InvalidValue(
                "The quantity must be above 0, and whole where the product is made.", details={"field": "quantity"}
            )
        locked.quantity = round_quantity(quantity)
    if due_on is not None:
        locked.start_on = _moved(locked.start_on, locked.due_on, due_on, timezone.localdate())
        locked.due_on = due_on
    if vendor is not None and locked.kind == Replenish.BUY:
        locked.vendor = vendor
    locked.save()
    return locked


@verb
def remove_forecast(forecast: Forecast, *, actor: User) -> Forecast:
    """Take a forecast back; its history stays."""
    forecast.deleted_at = timezone.now()
    forecast.save()
    return forecast


# --- Messages ---------------------------------------------------------------------------------------------------------
@verb
def apply_message(message: PlanMessage, *, actor: User, reason: str = "") -> None:
    """Do what a message says: cancel the open order that it is about, or move it to the day.

    Raises:
        MessageDone: somebody did it before, or the order is gone.
        PlanMoved: a newer run replaced the one that it is of.
        PlanningRuns: the next run has begun.
        InvalidTransition: the order cannot be cancelled any more.
    """
    run = _hold_plan([message.run_id])
    if not PlanMessage.objects.filter(pk=message.pk, is_done=False).update(is_done=True):
        raise MessageDone
    message.is_done = True
    said = reason.strip() or f"{run.number}: {message.get_kind_display()}"
    cancels = message.kind == PlanMessage.Kind.CANCEL
    pk = message.reference_id
    to_day = message.to_on or message.from_on
    if message.reference_type == PRODUCTION:
        order = ProductionOrder.objects.filter(pk=pk).first()
        if order is None:
            raise MessageDone
        if cancels:
            cancel_production_order(order, actor=actor, reason=said)
        else:
            reschedule_production_order(order, due_date=to_day, actor=actor, reason=said)
    elif message.reference_type == FIRM:
        decided = FirmOrder.objects.filter(pk=pk).first()
        if decided is None:
            raise MessageDone
        if cancels:
            drop(decided, actor=actor, reason=said)
        else:
            change_firm_order(decided, due_on=to_day, actor=actor, reason=said)
    elif message.reference_type == PURCHASE:
        line = PurchaseOrderLine.objects.filter(pk=pk).select_related("purchase_order").first()
        if line is None:
            raise MessageDone
        _change_purchase(line, to_day=None if cancels else to_day, actor=actor, reason=said)


def _change_purchase(line: PurchaseOrderLine, *, to_day: datetime.date | None, actor: User, reason: str) -> None:
    """Expect a line of a purchase order on another day, or, without one, no more of it."""
    if to_day is not None:
        inventory.reschedule_purchase(
            line.purchase_order, expected_on=to_day, line_ids=[line.pk], actor=actor, reason=reason
        )
    else:
        inventory.cancel_purchase_rest(line.purchase_order, line_ids=[line.pk], actor=actor, reason=reason)


def _chunks(pks: Sequence[int]) -> Iterable[Sequence[int]]:
    return (pks[index : index + _CHUNK] for index in range(0, len(pks), _CHUNK))
