"""Whom it concerns among customers when a lot cannot be used any more."""

from __future__ import annotations

from collections.abc import Iterator

from blb3d.core.effects import Effect
from inventory.models import MaterialLot, Reference, Reservation
from sales.models import SalesOrderLine

#: So many orders a sentence names.
_NAMED = 4


def lot_effects(lot: MaterialLot) -> Iterator[Effect]:
    """Tell which orders have stock of a lot kept for them; one query."""
    kept = Reservation.objects.filter(balance__lot=lot, reference_type=Reference.SALES_ORDER_LINE)
    lines = SalesOrderLine.objects.filter(pk__in=kept.values("reference_id")).order_by("sales_order__order_number")
    numbers = list(dict.fromkeys(lines.values_list("sales_order__order_number", flat=True)))
    if numbers:
        more = f" and {len(numbers) - _NAMED} more" if len(numbers) > _NAMED else ""
        text = f"Kept for {', '.join(numbers[:_NAMED])}{more}: it becomes free and must be found elsewhere."
        yield Effect("promise", text, is_warning=True)
