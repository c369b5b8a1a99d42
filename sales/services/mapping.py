"""Giving a product to a line whose SKU nobody knew."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Max

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents
from blb3d.core.errors import InvalidValue
from blb3d.core.lifecycle import allow
from blb3d.core.money import ZERO, round_money
from blb3d.core.verbs import verb
from inventory.models import Product
from sales.models import SalesOrder, SalesOrderLine
from sales.services.orders import MAX_QUANTITY, confirm_if_due, resume
from sales.services.supply import locked_order, supply_lines, supply_of

Supply = SalesOrderLine.Supply


@verb
def map_order_line(line: SalesOrderLine, products: Sequence[tuple[Product, int]], *, actor: User) -> SalesOrder:
    """Say which products an unmapped line is, and how many of each one sold piece takes; plan them.

    The first product goes on the line, a kit's further ones on lines of their own at no price: what was paid stands.
    When no line is left unmapped, an order that was held for it goes on.

    Raises:
        InvalidValue: the line is mapped already, there is no product, or there would be absurdly many of it.
    """
    allow(actor, "sales.change_salesorder")
    order = locked_order(line.sales_order)
    line.refresh_from_db()
    if line.supply != Supply.UNMAPPED:
        raise InvalidValue("This line has a product already.", details={"line": line.line_number})
    if not products or any(quantity < 1 for _, quantity in products):
        raise InvalidValue("Please name at least one product.", details={"field": "products"})
    for product, _ in products:
        if not product.is_active:
            raise InvalidValue(f"{product.sku} is not sold any more.", details={"field": "products"})
    sold = line.quantity
    if any(sold * quantity > MAX_QUANTITY for _, quantity in products):
        raise InvalidValue(f"A line is of at most {MAX_QUANTITY}.", details={"field": "products", "sold": sold})
    (first, each), *others = products
    line.product, line.supply, line.quantity = first, supply_of(first), sold * each
    line.unit_price = round_money(line.total / line.quantity)
    line.save()
    number = order.lines.aggregate(last=Max("line_number"))["last"]
    added = insert_documents(
        [
            SalesOrderLine(
                sales_order=order,
                line_number=number + index,
                product=product,
                external_sku=line.external_sku,
                external_product_id=line.external_product_id,
                name=f"{product.name} (of {line.name})"[:300],
                supply=supply_of(product),
                quantity=sold * quantity,
                unit_price=ZERO,
                total=ZERO,
            )
            for index, (product, quantity) in enumerate(others, start=1)
        ],
        natural_key="line_number",
        within={"sales_order": order},
    )
    supply_lines(order, [line, *added], customer=order.customer, actor=actor)
    is_mapped = not order.lines.filter(supply=Supply.UNMAPPED).exists()
    if is_mapped and order.status == SalesOrder.Status.ON_HOLD and order.held_for_mapping:
        resume(order, actor=actor, reason="All SKUs are mapped.")
    return confirm_if_due(order, actor=actor)
