"""Material planning's ground read from the tables: everything in a constant number of queries, one snapshot of it all.

Quantities are scaled by the database, because a hundred thousand decimals cost more than the plan.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection, transaction
from django.db.models import BigIntegerField, Case, Exists, F, OuterRef, Q, QuerySet, Sum, Value, When
from django.db.models.expressions import Combinable, ExpressionWrapper
from django.db.models.fields import DecimalField
from django.db.models.functions import Cast, Coalesce, Round
from django.utils import timezone

from blb3d.core.units import Unit
from inventory.models import (
    BOM,
    BOMLine,
    Inventory,
    InventoryTransaction,
    MaterialLot,
    Product,
    ProductUnit,
    PurchaseOrder,
    PurchaseOrderLine,
    Reference,
    Reservation,
)
from inventory.selectors.sourcing import Source, sources
from inventory.selectors.stock import usable_balances
from inventory.selectors.units import Factors, to_stock
from production.models import Demand as DemandRow
from production.models import FirmOrder, Forecast, PrintJob, PrintJobPart, ProductionOrder, Replenish
from production.mrp.ground import (
    FIRM,
    FORECAST,
    PER_SCALE,
    PRODUCTION,
    PURCHASE,
    SCALE,
    STOCK,
    Demand,
    Item,
    Key,
    Problem,
    Supply,
)
from production.mrp.memory import collecting_later
from production.mrp.netchange import Change
from production.ports import OpenDemand, open_demand

#: What a vendor is thought to need who is not known, as the model has it.
BUY_LEAD_DAYS = 7
OPEN_PURCHASES = (
    PurchaseOrder.Status.DRAFT,
    PurchaseOrder.Status.ORDERED,
    PurchaseOrder.Status.PARTIALLY_RECEIVED,
)
_WIDE = DecimalField(max_digits=30, decimal_places=4)
_Held = tuple[tuple[Key, int], ...]


def load_problem(today: datetime.date) -> Problem:
    """Read all that planning knows on a day, as of one moment; nobody is kept from writing meanwhile.

    Stock is what lies in usable lots or came and waits for its release; what is on its way are purchase orders in every
    open state, open production orders and firm orders; what is wanted are open order lines and what they leave of
    forecasts. A product that is switched off is planned only where somebody needs it.

    Raises:
        UnknownConversion: an open purchase order counts in a unit that its product no longer has.
    """
    with _one_moment(), collecting_later():
        return _Reading(today).problem()


def load_change(network: Problem, products: Collection[int]) -> Change | None:
    """Read what some products need and have now, as :func:`load_problem` would.

    ``network`` has the items and bills that were known before, as ``Planner.network``.

    Returns None where only reading everything will do: a product is new, or is made by another bill than before.
    Bills are taken as they were read: whoever changes a line of one plans everything.
    """
    with _one_moment():
        return _Reading(datetime.date.fromordinal(network.today), sorted(products)).change(network)


@contextmanager
def _one_moment() -> Iterator[None]:
    """Have all queries of the block see the same moment, where no transaction of the caller does already."""
    nested = connection.in_atomic_block
    with transaction.atomic():
        if connection.vendor == "postgresql" and not nested:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def _scaled(expression: str | Combinable, by: int = SCALE) -> Cast:
    """Return a decimal as a whole number of its smallest units; SQLite computes it as a float, which is rounded."""
    value = F(expression) if isinstance(expression, str) else expression
    product = ExpressionWrapper(value * Value(by), output_field=_WIDE)
    return Cast(Round(product), BigIntegerField())


def _fetched(queryset: Callable[[], QuerySet[Any, Any]]) -> list[tuple[Any, ...]]:
    """Return the rows of a query set of whole numbers, words, flags and days as the driver gives them.

    They need no conversion, and to ask for one costs as much as to read them. The statement is made once.
    """
    sql, params = _statement(queryset, connection.vendor)
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


@cache
def _statement(queryset: Callable[[], QuerySet[Any, Any]], vendor: str) -> tuple[str, tuple[Any, ...]]:
    return queryset().query.sql_with_params()  # type: ignore[no-any-return]


def scaled(quantity: Decimal) -> int:
    """Return a quantity in ten-thousandths, half up."""
    return int((quantity * SCALE).to_integral_value(ROUND_HALF_UP))


def _local_day(at: datetime.datetime) -> int:
    """Return the day of a moment as the driver gives it: SQLite's says nothing of the zone, which is UTC."""
    return timezone.localdate(at if timezone.is_aware(at) else at.replace(tzinfo=datetime.UTC)).toordinal()


class _Product(NamedTuple):
    """A product's columns; quantities scaled."""

    pk: int
    is_active: bool
    replenishment: str
    lead_days: int
    reorder_point: int
    safety_stock: int
    minimum: int
    multiple: int
    period: int
    goods: int


class _Order(NamedTuple):
    """An open production order's columns."""

    pk: int
    product: int
    bom: int
    quantity: int
    completed: int
    lost: int
    starts_at: datetime.datetime | None
    ends_at: datetime.datetime | None
    due: datetime.date | None


class _Purchase(NamedTuple):
    """An open purchase line's columns; ``owed`` is scaled, in the line's own unit."""

    pk: int
    product: int
    unit: str
    stock_unit: str
    owed: int
    expected: datetime.date | None
    order_expected: datetime.date | None


# Query sets that never change are built, or even compiled, once: with few rows that is most of their cost.


def _products() -> QuerySet[Product, tuple[Any, ...]]:
    return (
        Product.all_objects.exclude(category=Product.Category.SERVICE)
        .order_by()
        .values_list(
            "pk",
            "is_active",
            "replenishment",
            "lead_time_days",
            _scaled("reorder_point"),
            _scaled("safety_stock"),
            _scaled("minimum_quantity"),
            _scaled("order_multiple"),
            "period_of_supply_days",
            _scaled("yield_percent", 100),
        )
    )


def _boms() -> QuerySet[BOM, tuple[int, int]]:
    return BOM.objects.filter(is_active=True).order_by().values_list("product_id", "pk")


def _lines() -> QuerySet[BOMLine, tuple[Any, ...]]:
    """Return bill, its product, component, quantity and scrap of every line in use, services left out."""
    open_orders = ProductionOrder.objects.filter(bom=OuterRef("bom"), status__in=ProductionOrder.OPEN)
    rows = BOMLine.objects.filter(Q(bom__is_active=True) | Exists(open_orders))
    return (
        rows.exclude(component__category=Product.Category.SERVICE)
        .order_by()
        .values_list("bom_id", "bom__product_id", "component_id", _scaled("quantity"), _scaled("scrap_percent", 100))
    )


def _materials() -> QuerySet[Product, tuple[int]]:
    return Product.all_objects.filter(category=Product.Category.MATERIAL).order_by().values_list("pk")


def _open_orders() -> QuerySet[ProductionOrder, tuple[Any, ...]]:
    return (
        ProductionOrder.objects.filter(status__in=ProductionOrder.OPEN)
        .order_by()
        .values_list(
            "pk",
            "product_id",
            "bom_id",
            "quantity",
            "quantity_completed",
            "quantity_lost",
            "scheduled_start",
            "scheduled_end",
            "due_date",
        )
    )


def _holders() -> QuerySet[DemandRow, tuple[int, int, str, int]]:
    rows = DemandRow.objects.filter(
        production_order__status__in=ProductionOrder.OPEN, production_order__deleted_at__isnull=True
    )
    return rows.order_by("pk").values_list("production_order_id", "quantity", "reference_type", "reference_id")


def _printed() -> QuerySet[PrintJobPart, tuple[int, int, int]]:
    """Return by order and plate how many parts are good or lie printed and uncounted: they have their filament."""
    uncounted = Q(job__status=PrintJob.Status.FINISHED, job__cleared_at__isnull=True)
    rows = PrintJobPart.objects.filter(
        production_order__status__in=(Status.QUEUED, Status.PRINTING, Status.FAILED),
        production_order__deleted_at__isnull=True,
        job__deleted_at__isnull=True,
    )
    there = F("good") + Case(When(uncounted, then=F("planned")), default=Value(0))
    return (
        rows.order_by()
        .annotate(made_on=Coalesce("plate", "job__plate"))
        .values_list("production_order_id", "made_on")
        .annotate(there=Sum(there))
    )


Status = ProductionOrder.Status


def _purchases() -> QuerySet[PurchaseOrderLine, tuple[Any, ...]]:
    owed = F("quantity") - F("quantity_cancelled") - F("quantity_received")
    return (
        PurchaseOrderLine.objects.filter(
            purchase_order__status__in=OPEN_PURCHASES, purchase_order__deleted_at__isnull=True
        )
        .order_by()
        .values_list(
            "pk",
            "product_id",
            "unit_of_measure",
            "product__unit_of_measure",
            _scaled(ExpressionWrapper(owed, output_field=_WIDE)),
            "expected_on",
            "purchase_order__expected_on",
        )
    )


def _firm() -> QuerySet[FirmOrder, tuple[Any, ...]]:
    return (
        FirmOrder.objects.filter(status=FirmOrder.Status.FIRM)
        .order_by()
        .values_list("pk", "product_id", "kind", _scaled("quantity"), "start_on", "due_on")
    )


class _Reading:
    """One reading of the tables."""

    def __init__(self, today: datetime.date, products: Collection[int] | None = None) -> None:
        """Read for a day; of some products only where they are given."""
        self.date = today
        self.today = today.toordinal()
        self.products = products
        self.lines: dict[int, Sequence[tuple[int, int]]] = {}
        self.supplies: list[Supply] = []
        self.demands: list[Demand] = []

    def problem(self) -> Problem:
        """Read everything; see :func:`load_problem`."""
        self._read(None)
        return Problem(self.today, self.items, self.lines, self.demands, self.supplies)

    def change(self, before: Problem) -> Change | None:
        """Read some products; see :func:`load_change`."""
        self.lines = dict(before.lines)
        active_boms = self._read(before)
        for pk in self.products or ():
            item, now = before.items.get(pk), self.items.get(pk)
            if item is None or now is None or (item.is_made, item.bom) != (now.is_made, now.bom):
                return None
            if now.is_made and active_boms.get(pk, 0) not in before.lines:
                return None
        if any(supply.bom and supply.bom not in before.lines for supply in self.supplies):
            return None
        return Change(self.products or (), self.demands, self.supplies, self.items)

    def _rows(self, queryset: Callable[[], QuerySet[Any, Any]], product: str = "product_id") -> list[Any]:
        if self.products is None:
            return list(queryset().all())
        return list(queryset().filter(**{f"{product}__in": self.products}))

    def _plain(self, queryset: Callable[[], QuerySet[Any, Any]], product: str = "product_id") -> list[Any]:
        return _fetched(queryset) if self.products is None else self._rows(queryset, product)

    def _read(self, before: Problem | None) -> dict[int, int]:
        """Read everything, or what changed; return the active bills."""
        products = {row[0]: _Product._make(row) for row in self._plain(_products, "pk")}
        active_boms = dict(self._plain(_boms))
        if before is None:
            self._read_lines(products)
        is_made = {
            pk: pk in active_boms and row.replenishment != Product.Replenishment.BUY for pk, row in products.items()
        }
        self._read_demands(open_demand(self.products))
        purchases = [_Purchase._make(row) for row in self._plain(_purchases)]
        orders = [_Order._make(row) for row in self._plain(_open_orders)]
        firm = self._plain(_firm)
        stock = dict(self._rows(_stock))
        for product, quantity in self._rows(_awaited):
            stock[product] = stock.get(product, 0) + quantity
        wanted = self._wanted(
            products,
            [demand.item for demand in self.demands],
            [row.product for row in purchases],
            [row.product for row in orders],
            [row[1] for row in firm],
            stock,
            before.items if before is not None else (),
        )
        places = sources([pk for pk in wanted if not is_made[pk]])
        self.items = {
            pk: self._item(products[pk], is_made[pk], active_boms.get(pk, 0), places.get(pk)) for pk in wanted
        }
        self._read_stock(stock)
        self._read_purchases(purchases)
        self._read_orders(orders)
        for pk, product, kind, quantity, start, due in firm:
            bom = active_boms.get(product, 0) if kind == Replenish.MAKE else 0
            units = quantity if bom in self.lines else 0
            self._supply(Supply((FIRM, pk, 0), product, quantity, due.toordinal(), (), bom, units, start.toordinal()))
        return active_boms

    def _wanted(self, products: Mapping[int, _Product], *used: Collection[int]) -> list[int]:
        """Return the products to plan: active ones, and what is wanted, there or on its way of the others."""
        chosen = {pk for pk, row in products.items() if row.is_active}
        for ids in used:
            chosen.update(ids)
        if self.products is None:
            for lines in self.lines.values():
                chosen.update([component for component, _ in lines])
        return sorted(chosen & products.keys())

    def _item(self, row: _Product, is_made: bool, bom: int, source: Source | None) -> Item:
        minimum, multiple, lead = row.minimum, row.multiple, row.lead_days
        if is_made:
            lead = lead or settings.MRP_MAKE_LEAD_DAYS
        else:
            lead = lead or (source.lead_days if source is not None else BUY_LEAD_DAYS)
            if source is not None:
                minimum = max(minimum, scaled(source.minimum))
                multiple = max(multiple, scaled(source.multiple))
        floor = max(row.reorder_point, row.safety_stock) if row.is_active else 0
        return Item(
            row.pk, is_made, lead, max(floor, 0), minimum, multiple, row.period, bom if bom in self.lines else 0
        )

    def _read_lines(self, products: Mapping[int, _Product]) -> None:
        """Read the bills; ``per`` has the line's planned scrap and the expected yield of what is made."""
        lines: dict[int, list[tuple[int, int]]] = {}
        goods = {pk: row.goods for pk, row in products.items() if row.goods != SCALE and row.goods > 0}
        for bom, product, component, quantity, scrap in _fetched(_lines):
            per = quantity * (SCALE + scrap)
            if product in goods:
                per = (2 * per * SCALE + goods[product]) // (2 * goods[product])
            if bom in lines:
                lines[bom].append((component, per))
            else:
                lines[bom] = [(component, per)]
        self.lines.update(lines)

    def _supply(self, row: Supply) -> None:
        if row.item in self.items:
            self.supplies.append(row)

    def _read_stock(self, stock: Mapping[int, int]) -> None:
        held: dict[int, list[tuple[Key, int]]] = defaultdict(list)
        for product, kind, reference, quantity in self._rows(_reserved, "balance__product_id"):
            held[product].append(((kind, reference, 0), quantity))
        for product, quantity in stock.items():
            if quantity > 0:
                key = (STOCK, product, 0)
                self._supply(Supply(key, product, quantity, self.today, tuple(held.get(product, ()))))

    def _read_purchases(self, rows: list[_Purchase]) -> None:
        foreign = {row.product for row in rows if row.unit not in Unit.values}
        factors: Factors = {}
        if foreign:
            own = ProductUnit.objects.filter(product_id__in=foreign).values_list("product_id", "unit", "factor")
            for product, unit, factor in own:
                factors.setdefault(product, {})[unit] = factor
        for row in rows:
            if row.owed <= 0 or row.product not in self.items:
                continue
            quantity = row.owed
            if row.unit != row.stock_unit:
                product = Product(pk=row.product, sku=f"product {row.product}", unit_of_measure=row.stock_unit)
                quantity = scaled(to_stock(product, Decimal(row.owed) / SCALE, row.unit, factors=factors))
            expected = row.expected or row.order_expected
            day = expected.toordinal() if expected else self.today + self.items[row.product].lead_days
            self._supply(Supply((PURCHASE, row.pk, 0), row.product, quantity, day))

    def _read_orders(self, rows: list[_Order]) -> None:
        if not rows:
            return
        holders: dict[int, list[tuple[int, str, int]]] = defaultdict(list)
        for order, quantity, kind, reference in self._plain(_holders, "production_order__product_id"):
            holders[order].append((quantity, kind, reference))
        printed: dict[int, int] = {}
        for order, _plate, there in self._plain(_printed, "production_order__product_id"):
            printed[order] = min(there, printed.get(order, there))
        materials = {pk for (pk,) in _fetched(_materials)} if any(printed.values()) else set()
        for row in rows:
            missing = max(row.quantity - row.completed, 0)
            if not missing or row.product not in self.items:
                continue
            start, day = self._days(row)
            # Filament was taken when it was printed, everything else is taken when a person counts the units as good.
            to_print = min(max(row.quantity + row.lost - printed.get(row.pk, 0), 0), missing)
            key, held = (PRODUCTION, row.pk, 0), _left_for(holders.get(row.pk, ()), row.completed)
            bom = row.bom if row.bom in self.lines else 0
            units = to_print * SCALE if bom else 0
            self._supply(Supply(key, row.product, missing * SCALE, day, held, bom, units, start))
            if bom and to_print < missing:
                rest = self._without(bom, materials)
                if rest:
                    self._supply(Supply(key, row.product, 0, day, (), rest, (missing - to_print) * SCALE, start))

    def _without(self, bom: int, materials: Collection[int]) -> int:
        """Return a bill of the lines of ``bom`` that no printer takes; 0 where there are none."""
        if -bom not in self.lines:
            self.lines[-bom] = [line for line in self.lines[bom] if line[0] not in materials]
        return -bom if self.lines[-bom] else 0

    def _days(self, row: _Order) -> tuple[int, int]:
        """Return on which day an open order needs its material, and on which it is there."""
        lead = self.items[row.product].lead_days
        start = _local_day(row.starts_at) if row.starts_at else None
        if row.ends_at:
            day = _local_day(row.ends_at)
        elif row.due:
            day = row.due.toordinal()
        else:
            day = (self.today if start is None else start) + lead
        return (day - lead if start is None else start), day

    def _read_demands(self, rows: Iterable[OpenDemand]) -> None:
        wanted: dict[int, list[list[int]]] = defaultdict(list)
        for row in rows:
            day = self.today if row.due is None else row.due.toordinal()
            quantity, key = scaled(row.quantity), (row.reference_type, row.reference_id, 0)
            self.demands.append(Demand(key, row.product_id, quantity, max(day, self.today)))
            wanted[row.product_id].append([day, quantity])
        forecasts = self._rows(self._forecasts)
        if not forecasts:
            return
        self._count_shipped(wanted, forecasts)
        for pk, product, quantity, starts, ends in forecasts:
            # An order counts against one forecast only, also where two overlap.
            first, last = starts.toordinal(), ends.toordinal()
            for order in wanted[product]:
                if first <= order[0] <= last:
                    part = min(order[1], quantity)
                    order[1] -= part
                    quantity -= part
            if quantity > 0:
                self.demands.append(Demand((FORECAST, pk, 0), product, quantity, max(first, self.today)))

    def _forecasts(self) -> QuerySet[Forecast, tuple[Any, ...]]:
        rows = Forecast.objects.filter(ends_on__gte=self.date).order_by("starts_on", "pk")
        return rows.values_list("pk", "product_id", _scaled("quantity"), "starts_on", "ends_on")

    def _count_shipped(self, wanted: dict[int, list[list[int]]], forecasts: list[Any]) -> None:
        """Count what has left for customers since the forecasts began, or they would be planned once more."""
        kind = InventoryTransaction.Kind.SHIPMENT
        since = min(row[3] for row in forecasts)
        begin = timezone.make_aware(datetime.datetime.combine(since, datetime.time()))
        rows = InventoryTransaction.objects.filter(
            transaction_type=kind,
            reference_type=Reference.SHIPMENT,
            product_id__in={row[1] for row in forecasts},
            transaction_date__gte=begin,
        )
        for product, at, quantity in rows.order_by().values_list("product_id", "transaction_date", _scaled("quantity")):
            wanted[product].append([timezone.localdate(at).toordinal(), abs(quantity)])


def _stock() -> QuerySet[Inventory, tuple[int, int]]:
    """Return how much of each product lies in usable lots."""
    rows = usable_balances().order_by().values_list("product_id")
    return rows.annotate(there=_scaled(Sum("on_hand_quantity")))


def _awaited() -> QuerySet[Inventory, tuple[int, int]]:
    """Return how much came and waits for its first release: it is there, and ordering it again would be a mistake.

    What was taken out of use again has shown that it may be no good, so it counts for nothing.
    """
    lots = MaterialLot.history.model
    released = lots.objects.filter(id=OuterRef("lot_id"), status=MaterialLot.Status.ACTIVE)
    rows = (
        Inventory.objects.filter(lot__status=MaterialLot.Status.QUARANTINE, on_hand_quantity__gt=0)
        .exclude(lot__expiration_date__lte=timezone.now())
        .exclude(Exists(released))
    )
    return rows.order_by().values_list("product_id").annotate(there=_scaled(Sum("on_hand_quantity")))


def _reserved() -> QuerySet[Reservation, tuple[int, str, int, int]]:
    """Return what of that is kept for whom."""
    rows = Reservation.objects.filter(balance__in=usable_balances().order_by().values("pk"))
    return (
        rows.order_by("balance__product_id", "reference_type", "reference_id")
        .values_list("balance__product_id", "reference_type", "reference_id")
        .annotate(held=_scaled(Sum("quantity")))
    )


def _left_for(holders: Iterable[tuple[int, str, int]], completed: int) -> _Held:
    """Return whom an order's missing units are for: good units served those before, in their order."""
    held = []
    for quantity, kind, reference in holders:
        served = min(quantity, completed)
        completed -= served
        if quantity > served:
            held.append(((kind, reference, 0), (quantity - served) * SCALE))
    return tuple(held)


assert PER_SCALE == SCALE * SCALE  # ``per`` is quantity times scrap, four decimals each
