"""Who may see what of sales, and how far orders are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from django.db.models import Q, QuerySet, Sum

from blb3d.accounts.models import User
from blb3d.core.documents import Document
from inventory.models import Reference, Reservation
from production import selectors as production
from production.models import ProductionOrder, QualityInspection
from sales.models import (
    Customer,
    CustomerAddress,
    CustomerUser,
    Invoice,
    Payment,
    SalesOrder,
    SalesOrderLine,
    Shipment,
)

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
    made = production.order_progress([pk for pk, _ in orders])
    inspected = dict(
        QualityInspection.objects.filter(
            production_order__sales_order_id__in=ids, inspection_type=QualityInspection.Type.FINAL, passed=True
        )
        .order_by()
        .values_list("production_order__sales_order_id")
        .annotate(Sum("quantity"))
    )
    found: dict[int, OrderProgress] = {}
    for order_id in ids:
        total = sum(quantity for owner, quantity, _ in lines if owner == order_id)
        parts: list[Any] = [made[pk] for pk, owner in orders if owner == order_id and pk in made]
        shelf = max(total - sum(part.total for part in parts), 0)
        found[order_id] = OrderProgress(
            total=total,
            printed=shelf + sum(part.printed for part in parts),
            good=shelf + sum(part.good for part in parts),
            scrapped=sum(part.scrapped for part in parts),
            inspected=inspected.get(order_id, 0),
            shipped=sum(shipped for owner, _, shipped in lines if owner == order_id),
        )
    return found
