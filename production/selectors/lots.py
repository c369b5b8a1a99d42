"""Whom it concerns when a lot cannot be used any more: printers, jobs and orders."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from django.db.models import Q

from blb3d.core.effects import Effect
from blb3d.core.units import round_quantity
from inventory.models import MaterialLot, Reference, Reservation
from production.models import PrinterSlot, PrintJob, ProductionOrder, ProductionOrderMaterial
from production.selectors.effects import amount, named


def lot_effects(lot: MaterialLot) -> Iterator[Effect]:
    """Tell what hangs in printers, what prints with it, for whom it is kept and what was made of it; five queries."""
    slots = (
        PrinterSlot.objects.filter(spool__lot=lot).select_related("printer", "spool").order_by("printer__name", "id")
    )
    loaded = [f"{slot.spool.label} in {slot.printer.name}" for slot in slots if slot.spool is not None]
    if loaded:
        yield Effect("jobs", f"Take out of the printers: {named(loaded)}.", is_warning=True)
    takes = Q(filaments__spool__lot=lot) | Q(tray_changes__spool__lot=lot)
    jobs = PrintJob.objects.filter(takes, status__in=PrintJob.ACTIVE).distinct().order_by("code")
    codes = list(jobs.values_list("code", flat=True))
    if codes:
        yield Effect("jobs", f"Printing with it now, and going on: {named(codes)}.", is_warning=True)
    kept = Reservation.objects.filter(balance__lot=lot, reference_type=Reference.PRODUCTION_ORDER).order_by("id")
    held: dict[int, Decimal] = {}
    for order_id, quantity in kept.values_list("reference_id", "quantity"):
        held[order_id] = held.get(order_id, Decimal(0)) + quantity
    if held:
        orders = ProductionOrder.objects.filter(pk__in=held).order_by("code").values_list("code", flat=True)
        total = round_quantity(sum(held.values(), Decimal(0)))
        text = f"{amount(total, lot.product)} is kept for {named(orders)} and becomes free: they need other stock."
        yield Effect("orders", text, is_warning=True)
    used = ProductionOrderMaterial.objects.filter(material_lot=lot, quantity_used__gt=0)
    made = ProductionOrder.objects.filter(pk__in=used.values("production_order")).order_by("-id")
    made_codes = list(made.values_list("code", flat=True))
    if made_codes:
        yield Effect("parts", f"Already used for {named(made_codes)}: the lot's trace names serials and customers.")
