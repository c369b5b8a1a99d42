"""Reels at the printers: hung into a slot, weighed, split and put together while nothing prints with them."""

from __future__ import annotations

from decimal import Decimal

from django.db.models import Q

from blb3d.accounts.models import User
from blb3d.core.verbs import verb
from inventory.models import MaterialLot, Spool
from inventory.services.drying import open_spool, start_drying
from inventory.services.spools import Weighed, merge_spools, require_out_of_dryer, split_spool, weigh_spool
from production.errors import SpoolInUse, SpoolNotUsable
from production.models import Printer, PrinterSlot, PrintJob
from production.services.printers import load_slot

_UNUSABLE = (MaterialLot.Status.QUARANTINE, MaterialLot.Status.EXPIRED)
_AT_WORK = (PrintJob.Status.PRINTING, PrintJob.Status.PAUSED)


@verb
def load_spool(printer: Printer, spool: Spool, *, tray: int, actor: User) -> PrinterSlot:
    """Say that a reel hangs in a slot of a printer; it leaves the slot that it was in, and lies open from now on.

    Raises:
        SpoolNotUsable: its lot is in quarantine or expired, or it was put together with another reel.
        SpoolInDryer: it is in the dryer.
        InvalidValue: it does not hold a filament.
    """
    if spool.lot.status in _UNUSABLE:
        raise SpoolNotUsable(
            f"{spool.label} is of lot {spool.lot.lot_number}, which is {spool.lot.get_status_display()}.",
            details={"spool": spool.label, "lot": spool.lot.lot_number, "status": spool.lot.status},
        )
    if spool.merged_into is not None:
        raise SpoolNotUsable(
            f"What was on {spool.label} is on {spool.merged_into.label} now.",
            details={"spool": spool.label, "merged_into": spool.merged_into.label},
        )
    require_out_of_dryer([spool])
    slot = load_slot(printer, tray=tray, spool=spool, actor=actor)
    if spool.lot.product.is_hygroscopic:
        open_spool(spool, actor=actor)
    return slot


@verb
def weigh_in(
    spool: Spool, *, gross_grams: Decimal, actor: User, tare_grams: Decimal | None = None, reason: str = ""
) -> Weighed:
    """Weigh a reel that no job prints with; see ``inventory.services.weigh_spool``, which may refuse it too.

    Raises:
        SpoolInUse: a job prints with it: what it takes is booked at its end and would be counted twice.
    """
    _refuse_at_work(spool, "weigh it")
    return weigh_spool(spool, gross_grams=gross_grams, tare_grams=tare_grams, reason=reason, actor=actor)


@verb
def split_reel(spool: Spool, *, grams: Decimal, actor: User, tare_grams: Decimal = Decimal(0)) -> Spool:
    """Wind part of a reel that no job prints with onto a new one; see ``inventory.services.split_spool``.

    Raises:
        SpoolInUse: a job prints with it.
    """
    _refuse_at_work(spool, "split it")
    return split_spool(spool, grams=grams, tare_grams=tare_grams, actor=actor)


@verb
def merge_reels(source: Spool, *, into: Spool, actor: User) -> Spool:
    """Wind a reel onto another one, and take the empty one out of its printer; see ``inventory.services.merge_spools``.

    Raises:
        SpoolInUse: a job prints with one of them.
    """
    for spool in (source, into):
        _refuse_at_work(spool, "put it together with another one")
    merge_spools(source, into=into, actor=actor)
    PrinterSlot.objects.filter(spool=source).update(spool=None)
    return into


@verb
def dry_reel(spool: Spool, *, actor: User, celsius: int | None = None, notes: str = "") -> Spool:
    """Put a reel that no job prints with into the dryer, out of its printer; see ``inventory.services.start_drying``.

    Raises:
        SpoolInUse: a job prints with it.
    """
    _refuse_at_work(spool, "dry it")
    start_drying(spool, celsius=celsius, notes=notes, actor=actor)
    PrinterSlot.objects.filter(spool=spool).update(spool=None)
    return spool


def _refuse_at_work(spool: Spool, what: str) -> None:
    # It was sent with the job, or the printer went on with it when another one ran out.
    takes = Q(filaments__spool=spool) | Q(tray_changes__spool=spool)
    job = PrintJob.objects.filter(takes, status__in=_AT_WORK).first()
    if job is not None:
        raise SpoolInUse(
            f"{job.code} is printing with {spool.label}: {what} when the job is over.",
            details={"spool": spool.label, "job": job.code},
        )
