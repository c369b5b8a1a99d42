"""Reels that take up water: opened, dried, opened again; the log says who dried what, how hot and how long."""

from __future__ import annotations

import datetime

from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.errors import InvalidValue
from blb3d.core.outbox import emit
from blb3d.core.verbs import verb
from inventory.errors import SpoolGone, SpoolNotInDryer
from inventory.models import DryingRecord, Spool
from inventory.services.spools import require_out_of_dryer

#: No filament is dried hotter.
MAX_CELSIUS = 200
#: Clocks of two machines may differ.
_CLOCKS = datetime.timedelta(minutes=1)


@verb
def open_spool(spool: Spool, *, actor: User, at: datetime.datetime | None = None) -> Spool:
    """Note that a reel lies open from now on; one that does already keeps its time."""
    opened = _not_in_the_future(at)
    [row] = lock_documents(Spool.objects.filter(pk=spool.pk))
    if row.opened_at is None:
        row.opened_at = opened
        row.save()
    spool.refresh_from_db()
    return spool


@verb
def start_drying(
    spool: Spool, *, actor: User, celsius: int | None = None, at: datetime.datetime | None = None, notes: str = ""
) -> DryingRecord:
    """Put a reel into the dryer, at its material's temperature unless told otherwise.

    Emits ``inventory.drying_started``.

    Raises:
        InvalidValue: no temperature is given and the material names none, or it cannot be.
        SpoolInDryer: it is there already.
        SpoolGone: there is nothing left on it.
    """
    started = _not_in_the_future(at)
    heat = celsius if celsius is not None else spool.lot.product.drying_celsius
    if not 1 <= heat <= MAX_CELSIUS:
        raise InvalidValue(f"How hot? From 1 to {MAX_CELSIUS} °C.", details={"field": "celsius"})
    [row] = lock_documents(Spool.objects.filter(pk=spool.pk))
    require_out_of_dryer([row])
    if not row.remaining_grams:
        raise SpoolGone(details={"spool": row.label})
    record = DryingRecord(spool=row, started_at=started, celsius=heat, started_by=actor, notes=notes[:500])
    record.save()
    emit(
        "inventory.drying_started",
        f"inventory.spool:{row.pk}",
        id=row.pk,
        number=row.label,
        record_id=record.pk,
        celsius=heat,
    )
    return record


@verb
def end_drying(
    spool: Spool, *, actor: User, sealed: bool = False, at: datetime.datetime | None = None, notes: str = ""
) -> DryingRecord:
    """Take a reel out of the dryer; it lies open from then on, or ``sealed`` away it does not.

    A reel that was in for less than its material's hours stays due: the log has it, but it does not count as dried.
    Emits ``inventory.drying_ended``.

    Raises:
        SpoolNotInDryer: it is not there.
        InvalidValue: the end is before the start.
    """
    ended = _not_in_the_future(at)
    [row] = lock_documents(Spool.objects.filter(pk=spool.pk))
    open_records = DryingRecord.objects.filter(spool=row, ended_at__isnull=True)
    record = next(iter(lock_documents(open_records)), None)
    if record is None:
        raise SpoolNotInDryer(f"{row.label} is not in the dryer.", details={"spool": row.label})
    if ended < record.started_at:
        raise InvalidValue("It cannot come out before it went in.", details={"field": "at"})
    record.ended_at, record.ended_by = ended, actor
    record.notes = "; ".join(filter(None, (record.notes, notes)))[:500]
    record.save()
    hours = spool.lot.product.drying_hours
    is_dry = ended - record.started_at >= datetime.timedelta(hours=float(hours))
    if is_dry:
        row.dried_at = ended
        row.opened_at = None if sealed else ended
    elif row.opened_at is None and not sealed:
        row.opened_at = ended
    row.save()
    emit(
        "inventory.drying_ended",
        f"inventory.spool:{row.pk}",
        id=row.pk,
        number=row.label,
        record_id=record.pk,
        is_dry=is_dry,
    )
    spool.refresh_from_db()
    return record


def _not_in_the_future(at: datetime.datetime | None) -> datetime.datetime:
    now = timezone.now()
    if at is not None and at > now + _CLOCKS:
        raise InvalidValue("That is in the future.", details={"field": "at"})
    return at or now
