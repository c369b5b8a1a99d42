"""What production orders cost: material by lot, machine minutes, labour, and how much of it was lost.

Amounts are in the system's currency and rounded to the cent at the end. A plate that several orders share is theirs by
their parts on it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from django.conf import settings

from blb3d.core.money import round_money
from blb3d.core.units import round_quantity
from inventory.models import ProductPlate
from production.models import (
    OperationReport,
    PrintJob,
    PrintJobPart,
    ProductionOperation,
    ProductionOrder,
    ProductionOrderMaterial,
    RoutingStep,
)
from production.selectors.needs import per_unit, stocked_lines

_ZERO = Decimal(0)
_GONE = (PrintJob.Status.FAILED, PrintJob.Status.CANCELLED)


@dataclass
class Cost:
    """Amounts by what they are paid for."""

    material: Decimal = _ZERO
    machine: Decimal = _ZERO
    labour: Decimal = _ZERO

    @property
    def total(self) -> Decimal:
        """Return the sum."""
        return self.material + self.machine + self.labour

    def rounded(self) -> Cost:
        """Return the same to the cent."""
        return Cost(round_money(self.material), round_money(self.machine), round_money(self.labour))


@dataclass
class OrderCost:
    """What an order of ``units`` should cost, and what it did so far for its ``good`` units.

    ``planned`` is by bill of materials, plates and routing for all units; ``actual`` is what lots, printers and people
    took; ``failures`` is the part of it that went into failed prints, scrap and rework. Minutes are of printers
    (``machine``) and of people (``labour``).
    """

    units: int
    good: int
    planned: Cost = field(default_factory=Cost)
    actual: Cost = field(default_factory=Cost)
    failures: Decimal = _ZERO
    planned_machine_minutes: Decimal = _ZERO
    actual_machine_minutes: Decimal = _ZERO
    planned_labour_minutes: Decimal = _ZERO
    actual_labour_minutes: Decimal = _ZERO

    @property
    def planned_per_unit(self) -> Decimal:
        """Return what one unit should cost, to the hundredth of a cent."""
        return round_quantity(self.planned.total / self.units)

    @property
    def actual_per_good(self) -> Decimal | None:
        """Return what a good unit cost with all that failed, to the hundredth of a cent; None before the first."""
        return round_quantity(self.actual.total / self.good) if self.good else None


@dataclass(frozen=True)
class LotUse:
    """How much of a lot an order took, in the product's stock unit, and what that cost; no lot where none is kept."""

    product_id: int
    sku: str
    unit: str
    lot_id: int | None
    lot_number: str
    quantity: Decimal
    cost: Decimal


@dataclass
class _Share:
    """An order's part of a job: the fraction of its minutes, and the fraction of that which was lost."""

    of_job: Decimal
    lost: Decimal


def production_costs(order_ids: Iterable[int]) -> dict[int, OrderCost]:
    """Return what orders should cost and cost so far, in the order asked for, in a constant number of queries."""
    ids = list(order_ids)
    found = {
        order.pk: order
        for order in ProductionOrder.objects.filter(pk__in=ids).only(
            "quantity", "quantity_completed", "quantity_lost", "status", "bom_id", "product_id"
        )
    }
    orders = {pk: found[pk] for pk in ids if pk in found}
    if not orders:
        return {}
    costs = {pk: OrderCost(order.quantity, order.quantity_completed) for pk, order in orders.items()}
    _plan_print(orders, costs)
    _plan_labour(orders, costs)
    shares, printed = _print(orders, costs)
    _take_material(costs, shares)
    for pk, units in printed.items():
        lost = orders[pk].quantity_lost
        if lost and units:
            cost = costs[pk]
            whole = cost.actual.material + cost.actual.machine - cost.failures
            cost.failures += whole * min(lost, units) / units
    _work(costs)
    for cost in costs.values():
        cost.planned, cost.actual = cost.planned.rounded(), cost.actual.rounded()
        cost.failures = round_money(cost.failures)
        for name in ("planned_machine", "actual_machine", "planned_labour", "actual_labour"):
            setattr(cost, f"{name}_minutes", round_money(getattr(cost, f"{name}_minutes")))
    return costs


def _rate() -> Decimal:
    return Decimal(settings.MACHINE_HOURLY_RATE)  # type: ignore[misc]


def _plan_print(orders: dict[int, ProductionOrder], costs: dict[int, OrderCost]) -> None:
    lines = stocked_lines(order.bom_id for order in orders.values())
    per_product: dict[int, Decimal] = defaultdict(Decimal)
    plates = ProductPlate.objects.filter(product__in={order.product_id for order in orders.values()}, is_active=True)
    for product_id, minutes, parts in plates.values_list("product_id", "estimated_minutes", "parts_per_plate"):
        per_product[product_id] += minutes / parts
    for pk, order in orders.items():
        cost = costs[pk]
        one = sum((per_unit(line) * line.component.unit_cost for line in lines.get(order.bom_id, [])), _ZERO)
        cost.planned.material = one * order.quantity
        cost.planned_machine_minutes = per_product[order.product_id] * order.quantity
        cost.planned.machine = cost.planned_machine_minutes / 60 * _rate()


def _plan_labour(orders: dict[int, ProductionOrder], costs: dict[int, OrderCost]) -> None:
    """Plan by the order's own operations, before it has any by its product's routing."""
    own: dict[int, list[tuple[Decimal, Decimal, Decimal]]] = defaultdict(list)
    operations = ProductionOperation.objects.filter(production_order__in=orders).exclude(
        status=ProductionOperation.Status.SKIPPED
    )
    columns = ("setup_minutes", "minutes_per_unit", "work_center__hourly_rate")
    for pk, *row in operations.order_by().values_list("production_order_id", *columns):
        own[pk].append((row[0], row[1], row[2]))
    routed: dict[int, list[tuple[Decimal, Decimal, Decimal]]] = defaultdict(list)
    steps = RoutingStep.objects.filter(
        routing__product__in={order.product_id for order in orders.values()},
        routing__is_active=True,
        routing__deleted_at__isnull=True,
    )
    for product_id, *row in steps.order_by().values_list("routing__product_id", *columns):
        routed[product_id].append((row[0], row[1], row[2]))
    for pk, order in orders.items():
        is_draft = order.status == ProductionOrder.Status.DRAFT
        for setup, each, rate in routed[order.product_id] if is_draft else own[pk]:
            minutes = setup + each * order.quantity
            costs[pk].planned_labour_minutes += minutes
            costs[pk].planned.labour += minutes / 60 * rate


def _print(
    orders: Collection[int], costs: dict[int, OrderCost]
) -> tuple[dict[tuple[int, int], _Share], dict[int, int]]:
    """Add machine time; return each order's share of each job, and how many whole units came good off its plates."""
    jobs = PrintJob.objects.filter(parts__production_order__in=orders, started_at__isnull=False)
    rows = list(PrintJobPart.objects.filter(job__in=jobs.values("pk")).select_related("job__printer").order_by("id"))
    on_plate: dict[int, Decimal] = defaultdict(Decimal)
    for part in rows:
        on_plate[part.job_id] += part.minutes_weight
    shares: dict[tuple[int, int], _Share] = {}
    good: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for part in rows:
        if part.production_order_id not in costs:
            continue
        job, cost = part.job, costs[part.production_order_id]
        weight = on_plate[job.pk]
        share = _Share(part.minutes_weight / weight if weight else _ZERO, _lost(part))
        shares[(job.pk, part.production_order_id)] = share
        good[part.production_order_id][part.source_id] += part.good
        minutes = _minutes(job) * share.of_job
        rate = job.printer.hourly_rate if job.printer is not None and job.printer.hourly_rate is not None else _rate()
        cost.actual_machine_minutes += minutes
        cost.actual.machine += minutes / 60 * rate
        cost.failures += minutes / 60 * rate * share.lost
    return shares, {pk: min(plates.values()) for pk, plates in good.items()}


def _minutes(job: PrintJob) -> Decimal:
    """Return how long a job printed: as told, else from start to end, while it runs what its progress says."""
    if job.actual_time_minutes is not None:
        return job.actual_time_minutes
    if job.finished_at is not None and job.started_at is not None:
        seconds = (job.finished_at - job.started_at).total_seconds()
        return max(Decimal(int(seconds)) / 60, _ZERO)
    return job.estimated_time_minutes * job.progress_percent / 100


def _lost(part: PrintJobPart) -> Decimal:
    """Return the fraction of an order's parts on a job that came to nothing, as far as that is known."""
    if part.job.cleared_at is not None:
        return Decimal(part.planned - part.good) / part.planned
    return Decimal(part.job.status in _GONE)


def _take_material(costs: dict[int, OrderCost], shares: dict[tuple[int, int], _Share]) -> None:
    """Add what lots cost; what a printer took of filament is lost as the parts of the job are."""
    rows = ProductionOrderMaterial.objects.filter(production_order__in=costs).values_list(
        "production_order_id", "print_job_id", "filament_position", "quantity_used", "unit_cost"
    )
    for pk, job_id, position, quantity, unit_cost in rows.order_by():
        amount = quantity * unit_cost
        costs[pk].actual.material += amount
        share = shares.get((job_id, pk)) if position is not None else None
        if share is not None:
            costs[pk].failures += amount * share.lost


def _work(costs: dict[int, OrderCost]) -> None:
    """Add what people reported; scrap and rework are lost by their share of the units."""
    rows = OperationReport.objects.filter(operation__production_order__in=costs).values_list(
        "operation__production_order_id", "operation__work_center__hourly_rate", "minutes", "good", "scrap", "rework"
    )
    for pk, rate, minutes, good, scrap, rework in rows.order_by():
        amount = minutes / 60 * rate
        costs[pk].actual_labour_minutes += minutes
        costs[pk].actual.labour += amount
        if scrap or rework:
            costs[pk].failures += amount * (scrap + rework) / (good + scrap + rework)


def lots_used(order: ProductionOrder) -> list[LotUse]:
    """Return what an order took of which lot, by SKU and lot, in one query."""
    rows = ProductionOrderMaterial.objects.filter(production_order=order).select_related("product", "material_lot")
    found: dict[tuple[int, int | None], list[ProductionOrderMaterial]] = defaultdict(list)
    for row in rows.order_by("product__sku", "material_lot__lot_number", "id"):
        if row.quantity_used:
            found[(row.product_id, row.material_lot_id)].append(row)
    return [
        LotUse(
            product_id,
            used[0].product.sku,
            used[0].product.unit_of_measure,
            lot_id,
            used[0].material_lot.lot_number if used[0].material_lot is not None else "",
            sum((row.quantity_used for row in used), _ZERO),
            round_money(sum((row.quantity_used * row.unit_cost for row in used), _ZERO)),
        )
        for (product_id, lot_id), used in found.items()
    ]
