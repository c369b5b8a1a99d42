"""What if: material planning with something changed, worked out and shown, never stored."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal

from django.utils import timezone

from blb3d.core.errors import InvalidValue
from inventory.models import Product, PurchaseOrderLine
from production.models import ProductionOrder
from production.mrp.engine import plan as make_plan
from production.mrp.ground import PRODUCTION, PURCHASE, SALES, SCALE, Demand, Key, Late, Plan, Problem, Supply, date_of
from production.ports import open_demand
from production.selectors.mrp_ground import load_problem
from production.selectors.mrp_plan import Difference, Named, Proposal, compare, names_of, proposals_of

#: Demand that nobody has placed.
IMAGINED = "what_if"


@dataclass(frozen=True)
class ExtraDemand:
    """Somebody orders so much of a product for a day."""

    product: Product
    quantity: Decimal
    due: datetime.date


@dataclass(frozen=True)
class ChangedDemand:
    """What an order owes of a product becomes another quantity, or due on another day; None: as it is."""

    order: str
    product: Product
    quantity: Decimal | None = None
    due: datetime.date | None = None


@dataclass(frozen=True)
class LateSupply:
    """A purchase order or a production order, by its number, comes on another day."""

    number: str
    day: datetime.date


@dataclass(frozen=True)
class LeadTime:
    """Getting or making a product takes so many days."""

    product: Product
    days: int


Change = ExtraDemand | ChangedDemand | LateSupply | LeadTime


@dataclass(frozen=True)
class LateChange:
    """A demand that becomes late, is late no more, or is late by another number of days."""

    key: Key
    name: Named
    product_id: int
    due: datetime.date
    before: datetime.date | None
    after: datetime.date | None
    cause_id: int


@dataclass(frozen=True)
class WhatIf:
    """The plan as it would be, held against the plan of this moment without the changes."""

    today: datetime.date
    before: list[Proposal]
    after: list[Proposal]
    differences: list[Difference]
    late: list[LateChange]


def what_if(changes: Sequence[Change]) -> WhatIf:
    """Return what planning would say if this were so; both plans come from one reading, and nothing is written.

    Raises:
        InvalidValue: nothing is changed, a quantity or a number of days is below 0, or what should change is not open.
    """
    if not changes:
        raise InvalidValue("Please say what should be different.", details={"field": "changes"})
    today = timezone.localdate()
    problem = load_problem(today)
    other = changed(problem, changes)
    was, now = make_plan(problem), make_plan(other)
    made = {item.id for item in problem.items.values() if item.is_made}
    before, after = proposals_of(was, made), proposals_of(now, made)
    return WhatIf(today, before, after, compare(before, after), _late(was, now))


def changed(problem: Problem, changes: Sequence[Change]) -> Problem:
    """Return the problem with the changes made to it."""
    for number, change in enumerate(changes, start=1):
        if isinstance(change, ExtraDemand):
            demand = Demand((IMAGINED, number, 0), _known(problem, change.product), _scaled(change.quantity),
                            change.due.toordinal())  # fmt: skip
            problem = replace(problem, demands=[*problem.demands, demand])
        elif isinstance(change, ChangedDemand):
            problem = _demand_changed(problem, change)
        elif isinstance(change, LateSupply):
            problem = _supply_moved(problem, change)
        else:
            if change.days < 0:
                raise InvalidValue("A lead time is not below 0 days.", details={"field": "days"})
            pk = _known(problem, change.product)
            items = {**problem.items, pk: problem.items[pk]._replace(lead_days=change.days)}
            problem = replace(problem, items=items)
    return problem


def _known(problem: Problem, product: Product) -> int:
    if product.pk not in problem.items:
        raise InvalidValue(f"{product.sku} is not planned.", details={"field": "product", "value": product.sku})
    return product.pk


def _scaled(quantity: Decimal) -> int:
    if quantity < 0:
        raise InvalidValue("A quantity is not below 0.", details={"field": "quantity", "value": str(quantity)})
    return int((quantity * SCALE).to_integral_value(ROUND_HALF_UP))


def _demand_changed(problem: Problem, change: ChangedDemand) -> Problem:
    lines = {
        row.reference_id
        for row in open_demand()
        if row.reference_type == SALES and row.product_id == change.product.pk and row.label == change.order
    }
    demands: list[Demand] = []
    found = False
    for demand in problem.demands:
        if demand.key[0] != SALES or demand.key[1] not in lines:
            demands.append(demand)
            continue
        # Where an order has two lines of the product, the first carries the quantity.
        quantity = demand.quantity if change.quantity is None else 0 if found else _scaled(change.quantity)
        day = demand.day if change.due is None else change.due.toordinal()
        found = True
        if quantity:
            demands.append(demand._replace(quantity=quantity, day=day))
    if not found:
        raise InvalidValue(
            f"{change.order} owes nothing of {change.product.sku}.", details={"field": "order", "value": change.order}
        )
    return replace(problem, demands=demands)


def _supply_moved(problem: Problem, change: LateSupply) -> Problem:
    lines = PurchaseOrderLine.objects.filter(purchase_order__po_number=change.number)
    orders = ProductionOrder.objects.filter(code=change.number)
    keys = {(PURCHASE, pk, 0) for pk in lines.values_list("id", flat=True)}
    keys |= {(PRODUCTION, pk, 0) for pk in orders.values_list("id", flat=True)}
    day = change.day.toordinal()
    supplies: list[Supply] = []
    found = False
    for supply in problem.supplies:
        if supply.key in keys:
            found = True
            # It takes as long as before, so it starts that much later, too.
            start = supply.start and max(supply.start + day - supply.day, 0)
            supply = supply._replace(day=day, start=start)
        supplies.append(supply)
    if not found:
        raise InvalidValue(f"Nothing is open of {change.number}.", details={"field": "number", "value": change.number})
    return replace(problem, supplies=supplies)


def _late(was: Plan, now: Plan) -> list[LateChange]:
    before: dict[Key, Late] = {row.key: row for row in was.late}
    after: dict[Key, Late] = {row.key: row for row in now.late}
    keys = [key for key in sorted({*before, *after}) if _ready(before.get(key)) != _ready(after.get(key))]
    names = names_of(keys)
    found = []
    for key in keys:
        row = after.get(key) or before[key]
        name = Named("the order you imagine") if key[0] == IMAGINED else names[key]
        found.append(
            LateChange(
                key,
                name,
                row.item,
                date_of(row.day),
                _ready(before.get(key)),
                _ready(after.get(key)),
                row.cause,
            )
        )
    return sorted(found, key=lambda row: (row.due, row.key))


def _ready(late: Late | None) -> datetime.date | None:
    return date_of(late.ready) if late is not None else None
