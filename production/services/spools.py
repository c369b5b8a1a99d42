"""Reels at the printers: hung into a slot by their label, taken off the scale while nothing prints with them."""

from __future__ import annotations

from decimal import Decimal

from django.db.models import Q

from blb3d.accounts.models import User
from blb3d.core.verbs import verb
from inventory.models import MaterialLot, Spool
from inventory.services.spools import Weighed, weigh_spool
from production.errors import SpoolInUse, SpoolNotUsable
from production.models import Printer, PrinterSlot, PrintJob
from production.services.printers import load_slot

_UNUSABLE = (MaterialLot.Status.QUARANTINE, MaterialLot.Status.EXPIRED)
_AT_WORK = (PrintJob.Status.PRINTING, PrintJob.Status.PAUSED)


@verb
def load_spool(printer: Printer, spool: Spool, *, tray: int, actor: User) -> PrinterSlot:
    """Say that a reel hangs in a slot of a printer; it leaves the slot that it was in.

    Raises:
        SpoolNotUsable: its lot is in quarantine or expired.
        InvalidValue: it does not hold a filament.
    """
    if spool.lot.status in _UNUSABLE:
        raise SpoolNotUsable(
            f"{spool.label} is of lot {spool.lot.lot_number}, which is {spool.lot.get_status_display()}.",
            details={"spool": spool.label, "lot": spool.lot.lot_number, "status": spool.lot.status},
        )
    return load_slot(printer, tray=tray, spool=spool, actor=actor)


@verb
def weigh_in(
    spool: Spool, *, gross_grams: Decimal, actor: User, tare_grams: Decimal | None = None, reason: str = ""
) -> Weighed:
    """Weigh a reel that no job prints with; see ``inventory.services.weigh_spool``, which may refuse it too.

    Raises:
        SpoolInUse: a job prints with it: what it takes is booked at its end and would be counted twice.
    """
    # It was sent with the job, or the printer went on with it when another one ran out.
    takes = Q(filaments__spool=spool) | Q(tray_changes__spool=spool)
    job = PrintJob.objects.filter(takes, status__in=_AT_WORK).first()
    if job is not None:
        raise SpoolInUse(
            f"{job.code} is printing with {spool.label}: weigh it when the job is over.",
            details={"spool": spool.label, "job": job.code},
        )
    return weigh_spool(spool, gross_grams=gross_grams, tare_grams=tare_grams, reason=reason, actor=actor)
