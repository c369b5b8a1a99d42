"""What open orders still owe, for material planning."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from inventory.models import Reference
from production.ports import OpenDemand
from sales.models import SalesOrder, SalesOrderLine

_Status = SalesOrder.Status
#: Nothing more leaves the house for these.
_OVER = (_Status.SHIPPED, _Status.DELIVERED, _Status.COMPLETED, _Status.CANCELLED)


def open_lines(products: Collection[int] | None = None) -> list[OpenDemand]:
    """Return the unshipped quantity of every line of an open order that has a product to make or to keep. One query.

    ``products``: of these only. Orders that are not confirmed yet count, as their draft production orders do.
    """
    lines = SalesOrderLine.objects.all() if products is None else SalesOrderLine.objects.filter(product__in=products)
    rows = (
        lines.filter(
            supply__in=(SalesOrderLine.Supply.MAKE, SalesOrderLine.Supply.SHELF), sales_order__deleted_at__isnull=True
        )
        .exclude(sales_order__status__in=_OVER)
        .order_by("id")
        .values_list(
            "product_id",
            "quantity",
            "quantity_shipped",
            "sales_order__promised_date",
            "id",
            "sales_order__order_number",
        )
    )
    return [
        OpenDemand(product, Decimal(quantity - shipped), due, Reference.SALES_ORDER_LINE, pk, number)
        for product, quantity, shipped, due, pk, number in rows
        if quantity > shipped
    ]
