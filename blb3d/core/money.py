"""Money: one rounding, half up, to the cent; sums that agree on every document."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
ZERO = Decimal("0.00")


def round_money(amount: Decimal) -> Decimal:
    """Round an amount to the cent, half up (0.005 -> 0.01, -0.005 -> -0.01)."""
    return amount.quantize(CENT, rounding=ROUND_HALF_UP)


def line_total(unit_price: Decimal, quantity: Decimal | int) -> Decimal:
    """Return a line's total: unit price times quantity, rounded once."""
    return round_money(unit_price * quantity)


def tax_on(net: Decimal, rate: Decimal) -> Decimal:
    """Return the tax on a document's net, ``rate`` being a fraction (0.07); once per document and rate."""
    return round_money(net * rate)
