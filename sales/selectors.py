"""Who may see what of sales, and how far orders are."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum

from blb3d.accounts.models import User
from blb3d.core.documents import Document
from inventory.models import MaterialLot, Reference, Reservation
from production import selectors as production
from production.models import (
    Demand,
    Printer,
    ProductionOrder,
    ProductionOrderMaterial,
    QualityInspection,
    SerialNumber,
    TraceLink,
)
from production.selectors.outlook import order_outlooks
from sales.models import (
    Customer,
    CustomerAddress,
    CustomerUser,
    Invoice,
    Payment,
    PriceRules,
    SalesOrder,
    SalesOrderLine,
    Shipment,
)
from sales.pricing import PricingRules

M = TypeVar("M", bound=Document)

#: Where each document says whose it is.
_OWNER: dict[type[Document], str] = {
    Customer: "",
    CustomerAddress: "customer",
    CustomerUser: "customer",
    Invoice: "sales_order__customer",
    Payment: "sales_order__customer",
    SalesOrder: "customer",
    Shipment: "sales_order__customer",
}


def for_user(user: User, model: type[M]) -> QuerySet[M]:
    """Return the rows of a sales document that this user may see: staff by permission, a customer's user its own."""
    rows: QuerySet[M] = model.objects.all()
    if user.is_staff:
        return rows if user.has_perm(f"sales.view_{model._meta.model_name}") else rows.none()
    prefix = f"{_OWNER[model]}__" if _OWNER[model] else ""
    # Both conditions in one filter: they must hold for the same membership.
    return rows.filter(
        **{
            f"{prefix}users__user": user.pk,
            f"{prefix}users__is_active": True,
            f"{prefix}users__deleted_at__isnull": True,
        }
    )


def membership_of(user: User) -> CustomerUser | None:
    """Return for which customer a user acts, or None for staff, machines and strangers."""
    return (
        CustomerUser.objects.filter(user=user.pk, is_active=True, customer__is_active=True)
        .select_related("customer")
        .first()
    )


def order_of_source(source: str, source_order_id: str) -> SalesOrder | None:
    """Return the order that was placed for a source's own order id; an empty id is nobody's."""
    if not source_order_id:
        return None
    orders = SalesOrder.all_objects.filter(source=source, source_order_id=source_order_id)
    # Nearly always there is none, which is cheaper to ask for than its sixty columns.
    return orders.first() if orders.exists() else None


def reserved_for_lines(line_ids: Iterable[int]) -> dict[int, Decimal]:
    """Return how much stock each order line has reserved."""
    rows = (
        Reservation.objects.filter(reference_type=Reference.SALES_ORDER_LINE, reference_id__in=list(line_ids))
        .order_by()
        .values("reference_id")
        .annotate(total=Sum("quantity"))
    )
    return {row["reference_id"]: row["total"] for row in rows}


def packed_of_lines(line_ids: Iterable[int]) -> dict[int, int]:
    """Return how many of each order line lie in parcels that have not left yet."""
    rows = (
        SalesOrderLine.objects.filter(
            pk__in=list(line_ids),
            shipment_lines__shipment__status__in=[Shipment.Status.DRAFT, Shipment.Status.PACKED],
        )
        .order_by()
        .values("pk")
        .annotate(total=Sum("shipment_lines__quantity"))
    )
    return {row["pk"]: row["total"] for row in rows}


def has_paid_order(customer: Customer) -> bool:
    """Return whether the customer ever paid an order in full."""
    return SalesOrder.objects.filter(customer=customer, payment_status=SalesOrder.PaymentStatus.PAID).exists()


def active_rules() -> PricingRules:
    """Return the price rules that rule now: those that staff activated, else the installation's settings."""
    rules = PriceRules.objects.filter(is_active=True).prefetch_related("machine_rates", "quantity_breaks").first()
    return PricingRules.from_settings() if rules is None else rules_of(rules)


def rules_of(rules: PriceRules) -> PricingRules:
    """Return a version of the price rules as :func:`sales.pricing.price` takes them."""
    return PricingRules(
        name=str(rules.number),
        material_basis=rules.material_basis,
        machine_hourly_rate=rules.machine_hourly_rate,
        machine_rates={row.printer_model: row.hourly_rate for row in rules.machine_rates.all()},
        markup_percent=rules.markup_percent,
        setup_per_job=rules.setup_per_job,
        setup_per_plate=rules.setup_per_plate,
        minimum=rules.minimum,
        finish_factors={"standard": Decimal(1), "smooth": rules.smooth_factor, "painted": rules.painted_factor},
        rush_factors={
            "standard": Decimal(1),
            "rush": rules.rush_factor,
            "super_rush": rules.super_rush_factor,
            "urgent": rules.urgent_factor,
        },
        quantity_breaks=tuple((row.from_quantity, row.discount_percent / 100) for row in rules.quantity_breaks.all()),
        labour_hourly_rate=rules.labour_hourly_rate,
        finish_minutes={"smooth": rules.smooth_minutes, "painted": rules.painted_minutes},
        tax_rate=None if rules.tax_percent is None else rules.tax_percent / 100,
    )


def tax_rate() -> Decimal:
    """Return the sales tax as a fraction."""
    percent = PriceRules.objects.filter(is_active=True).values_list("tax_percent", flat=True).first()
    return settings.TAX_RATE if percent is None else percent / 100  # type: ignore[misc]


def farm_machine_rate(rules: PricingRules) -> Decimal:
    """Return what a printing hour costs where the printer is not known yet: the mean over the printers in service."""
    if not rules.machine_rates:
        return rules.machine_hourly_rate
    return rules.machine_rate(list(Printer.objects.filter(is_active=True).values_list("model", flat=True)))


@dataclass(frozen=True)
class OrderProgress:
    """How far an order's parts are; ``percent`` is of those that are made or on the shelf."""

    total: int = 0
    printed: int = 0
    good: int = 0
    scrapped: int = 0
    inspected: int = 0
    shipped: int = 0

    @property
    def percent(self) -> Decimal:
        """Return the share of good parts, 0 to 100."""
        return Decimal(100 * min(self.good, self.total)) / self.total if self.total else Decimal(0)


def made_for(order: SalesOrder) -> QuerySet[ProductionOrder]:
    """Return the production orders of an order: its own, and those that make parts for several orders."""
    waits = Demand.objects.filter(
        production_order=OuterRef("pk"),
        reference_type=Reference.SALES_ORDER_LINE,
        reference_id__in=SalesOrderLine.objects.filter(sales_order=order).values("pk"),
    )
    return ProductionOrder.objects.filter(Q(sales_order=order) | Exists(waits))


@dataclass(frozen=True)
class ShipmentOutlook:
    """When what is still made for an order can be shipped by the schedule, None where that is not known.

    ``late_days`` is by how many days that is after the promised day; ``lines`` the same day by order line.
    """

    ships_on: datetime.date | None
    late_days: int
    lines: dict[int, datetime.date | None]


def shipment_outlook(order: SalesOrder) -> ShipmentOutlook | None:
    """Return when the schedule has an order's parts ready to ship, in five queries; None when nothing is being made."""
    making = list(made_for(order).filter(status__in=ProductionOrder.OPEN))
    if not making:
        return None
    found = order_outlooks(making)
    own = set(SalesOrderLine.objects.filter(sales_order=order).values_list("pk", flat=True))
    demands = Demand.objects.filter(production_order__in=making, reference_type=Reference.SALES_ORDER_LINE)
    pairs = {(row.sales_order_line_id, row.pk) for row in making if row.sales_order_line_id is not None}
    pairs |= set(demands.values_list("reference_id", "production_order_id"))
    lines: dict[int, datetime.date | None] = {}
    for line, pk in pairs:
        if line in own:
            lines[line] = _later(lines.get(line, datetime.date.min), found[pk].ships_on)
    ships_on: datetime.date | None = datetime.date.min
    for row in found.values():
        ships_on = _later(ships_on, row.ships_on)
    late = 0
    if order.promised_date is not None:
        days = (ships_on - order.promised_date).days if ships_on else max(row.late_days for row in found.values())
        late = max(days, 0)
    return ShipmentOutlook(ships_on, late, lines)


def _later(one: datetime.date | None, other: datetime.date | None) -> datetime.date | None:
    """Return the later day; a day that is not known is later than any."""
    return None if one is None or other is None else max(one, other)


def waiting_for(production_order_id: int) -> list[SalesOrder]:
    """Return the orders that a production order is for, by demand or because it was planned for them, by id."""
    lines = Demand.objects.filter(production_order=production_order_id, reference_type=Reference.SALES_ORDER_LINE)
    rows = SalesOrder.objects.filter(
        Q(production_orders=production_order_id) | Q(lines__in=lines.values("reference_id"))
    )
    return list(rows.distinct().order_by("pk"))


def lot_customers(lot: MaterialLot) -> list[Customer]:
    """Return everybody who has to be told of a lot, by id, in one query.

    These are the customers for whom a production order took of it, alone or with others (also where that was merged or
    divided later), who hold a serial number of such an order, or to whom the lot itself was sent.
    """
    used = ProductionOrderMaterial.objects.filter(material_lot=lot, quantity_used__gt=0)
    made = used.order_by().values("production_order")
    node = TraceLink.Node
    linked = TraceLink.objects.filter(
        source_type=node.PRODUCTION_ORDER, source_id__in=made, target_type=node.SALES_ORDER
    )
    lines = Demand.objects.filter(production_order__in=made, reference_type=Reference.SALES_ORDER_LINE)
    held = SerialNumber.objects.filter(production_order__in=made, sales_order__isnull=False)
    sent = TraceLink.objects.filter(source_type=node.LOT, source_id=lot.pk, target_type=node.SHIPMENT)
    orders = SalesOrder.all_objects.filter(
        Q(production_orders__in=made)
        | Q(pk__in=linked.order_by().values("target_id"))
        | Q(lines__in=lines.order_by().values("reference_id"))
        | Q(pk__in=held.order_by().values("sales_order"))
        | Q(shipments__in=sent.order_by().values("target_id"))
    )
    return list(Customer.all_objects.filter(pk__in=orders.order_by().values("customer")).order_by("pk"))


@dataclass
class _Share:
    """What of a production order that is for several is one line's: units by their place in its row of demands."""

    start: int
    total: int

    def of(self, units: int) -> int:
        """Return how many of so many units are the line's."""
        return max(min(units - self.start, self.total), 0)


def _shares(order_ids: Iterable[int]) -> list[tuple[int, int, _Share]]:
    """Return (order, production order, share) for production orders that are nobody's own, in two queries."""
    lines = dict(SalesOrderLine.objects.filter(sales_order_id__in=list(order_ids)).values_list("pk", "sales_order_id"))
    kind = Reference.SALES_ORDER_LINE
    shared = Demand.objects.filter(
        reference_type=kind, reference_id__in=lines, production_order__sales_order__isnull=True
    ).exclude(production_order__status=ProductionOrder.Status.CANCELLED)
    found: list[tuple[int, int, _Share]] = []
    starts: dict[int, int] = {}
    rows = Demand.objects.filter(production_order__in=shared.values("production_order")).order_by("id")
    for pk, reference_type, line, quantity in rows.values_list(
        "production_order_id", "reference_type", "reference_id", "quantity"
    ):
        start = starts.get(pk, 0)
        starts[pk] = start + quantity
        if reference_type == kind and line in lines:
            found.append((lines[line], pk, _Share(start, quantity)))
    return found


def order_progress(order_ids: Iterable[int]) -> dict[int, OrderProgress]:
    """Return the progress of orders in a constant number of queries.

    Parts from the shelf count as printed and good, because nothing has to be made for them.
    """
    ids = list(order_ids)
    lines = list(
        SalesOrderLine.objects.filter(
            Q(supply=SalesOrderLine.Supply.MAKE) | Q(supply=SalesOrderLine.Supply.SHELF), sales_order_id__in=ids
        ).values_list("sales_order_id", "quantity", "quantity_shipped")
    )
    orders = list(
        ProductionOrder.objects.filter(sales_order_id__in=ids)
        .exclude(status=ProductionOrder.Status.CANCELLED)
        .values_list("pk", "sales_order_id")
    )
    shares = _shares(ids)
    made = production.order_progress([*(pk for pk, _ in orders), *(pk for _, pk, _ in shares)])
    inspected = dict(
        QualityInspection.objects.filter(
            production_order__sales_order_id__in=ids, inspection_type=QualityInspection.Type.FINAL, passed=True
        )
        .order_by()
        .values_list("production_order__sales_order_id")
        .annotate(Sum("quantity"))
    )
    passed: dict[int, int] = {}
    if shares:
        rows = QualityInspection.objects.filter(
            production_order__in=[pk for _, pk, _ in shares],
            inspection_type=QualityInspection.Type.FINAL,
            passed=True,
        )
        passed = dict(rows.order_by().values_list("production_order_id").annotate(Sum("quantity")))
    found: dict[int, OrderProgress] = {}
    for order_id in ids:
        total = sum(quantity for owner, quantity, _ in lines if owner == order_id)
        parts: list[Any] = [made[pk] for pk, owner in orders if owner == order_id and pk in made]
        own = [(share, made[pk], passed.get(pk, 0)) for owner, pk, share in shares if owner == order_id and pk in made]
        shelf = max(total - sum(part.total for part in parts) - sum(share.total for share, _, _ in own), 0)
        found[order_id] = OrderProgress(
            total=total,
            printed=shelf + sum(part.printed for part in parts) + sum(share.of(row.printed) for share, row, _ in own),
            good=shelf + sum(part.good for part in parts) + sum(share.of(row.good) for share, row, _ in own),
            scrapped=sum(part.scrapped for part in parts),
            inspected=inspected.get(order_id, 0) + sum(share.of(number) for share, _, number in own),
            shipped=sum(shipped for owner, _, shipped in lines if owner == order_id),
        )
    return found
