"""A bill beside the order and the receipts it is for."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from django.conf import settings

from blb3d.core.templatetags.blb3d_ui import plain_number
from blb3d.core.units import round_quantity
from inventory.models import VendorBill, VendorBillLine


@dataclass(frozen=True)
class MatchRow:
    """One billed line: what was ordered, what came and stayed, what is billed in all, and what differs in words."""

    line: VendorBillLine
    ordered: Decimal
    received: Decimal
    returned: Decimal
    billed: Decimal
    ordered_price: Decimal
    price_percent: Decimal | None
    too_much: bool
    differences: list[str] = field(default_factory=list)


def match_rows(bill: VendorBill) -> list[MatchRow]:
    """Return a bill's lines beside what they are for, in one query; every live bill of a line counts as billed."""
    tolerance: Decimal = settings.BILL_PRICE_TOLERANCE_PERCENT  # type: ignore[misc]
    rows = []
    said: dict[int, bool] = defaultdict(bool)
    for line in bill.lines.select_related("order_line__product", "order_line__purchase_order").order_by("line_number"):
        bought = line.order_line
        unit, name = bought.unit_of_measure, f"Line {line.line_number} ({bought.product.sku})"
        payable = bought.quantity_received - bought.quantity_returned
        words = []
        too_much = bought.quantity_billed > payable
        if too_much and not said[bought.pk]:
            said[bought.pk] = True
            stayed = f"{plain_number(payable)} {unit} came"
            if bought.quantity_returned:
                stayed += f" and stayed ({plain_number(bought.quantity_returned)} went back)"
            elsewhere = bought.quantity_billed - line.quantity
            more = f", {plain_number(elsewhere)} of them elsewhere" if elsewhere else ""
            words.append(f"{name}: {plain_number(bought.quantity_billed)} {unit} are billed{more}, {stayed}.")
        percent = None
        if bought.unit_price:
            percent = round_quantity((line.unit_price / bought.unit_price - 1) * 100)
        differs = bool(line.unit_price) if percent is None else abs(percent) > tolerance
        if differs:
            by = "" if percent is None else f" ({'+' if percent > 0 else ''}{plain_number(round(percent, 1))} %)"
            words.append(
                f"{name}: billed at {plain_number(line.unit_price)} per {unit}, "
                f"ordered at {plain_number(bought.unit_price)}{by}."
            )
        rows.append(
            MatchRow(
                line,
                bought.quantity - bought.quantity_cancelled,
                bought.quantity_received,
                bought.quantity_returned,
                bought.quantity_billed,
                bought.unit_price,
                percent,
                too_much,
                words,
            )
        )
    return rows
