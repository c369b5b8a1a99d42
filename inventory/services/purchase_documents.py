"""The purchase order on paper."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

from django.conf import settings
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format

from blb3d.core.letters import address_of, letter_pdf
from blb3d.core.money import line_total
from blb3d.core.templatetags.blb3d_ui import plain_number
from inventory.models import PurchaseOrder, PurchaseOrderLine
from inventory.selectors.units import unit_factors

_TEMPLATE = Path(__file__).resolve().parent.parent / "documents" / "purchase_order.typ"


def purchase_order_pdf(order: PurchaseOrder) -> bytes:
    """Return an order as the vendor gets it: their SKUs, our units said in full, prices and dates. Three queries.

    What is noted for us alone is not on it; a draft says that it is one.
    """
    vendor = order.vendor
    lines = list(order.lines.select_related("product").order_by("line_number"))
    factors = unit_factors([line.product_id for line in lines])
    seller: str = settings.COMPANY_NAME  # type: ignore[misc]
    address: str = settings.COMPANY_ADDRESS  # type: ignore[misc]
    totals = [["Lines", f"{order.subtotal:,.2f}"]]
    totals += [[name, f"{amount:,.2f}"] for name, amount in (("Freight", order.freight), ("Tax", order.tax)) if amount]
    data = {
        "title": "Draft order" if order.status == PurchaseOrder.Status.DRAFT else "Purchase order",
        "number": order.po_number,
        "vendor": "\n".join(filter(None, (vendor.name, vendor.contact_name, vendor.address, vendor.email))),
        "ship_to": "\n".join([seller, *(part.strip() for part in address.split("|") if part.strip())]),
        "ordered_on": _day(order.ordered_on or timezone.localdate()),
        "expected_on": _day(order.expected_on),
        "account": vendor.our_account,
        "currency": order.currency,
        "message": order.message.replace("\r\n", "\n"),
        "lines": [_shown(line, order, factors.get(line.product_id, {})) for line in lines],
        "totals": totals,
        "total": f"{order.total:,.2f}",
    }
    return letter_pdf(_TEMPLATE, data, url=purchase_order_url(order))


def purchase_order_url(order: PurchaseOrder) -> str:
    """Return the address of the order's page in the console."""
    return address_of(reverse("admin:inventory_purchaseorder_change", args=[order.pk]))


def _shown(line: PurchaseOrderLine, order: PurchaseOrder, own: Mapping[str, Decimal]) -> list[str]:
    unit = line.unit_of_measure
    if unit in own:
        # A spool is not the same everywhere: say what we mean by it.
        unit = f"{unit} of {plain_number(own[unit])} {line.product.unit_of_measure}"
    price = f"{line.unit_price:,.2f}" if line.unit_price == round(line.unit_price, 2) else f"{line.unit_price:,.4f}"
    return [
        line.vendor_sku or "–",
        line.product.name,
        line.product.sku,
        plain_number(line.quantity),
        unit,
        _day(line.needed_on or line.expected_on or order.expected_on) or "–",
        price,
        f"{line_total(line.unit_price, line.quantity):,.2f}",
    ]


def _day(day: datetime.date | None) -> str:
    return date_format(day, "M j, Y") if day is not None else ""
