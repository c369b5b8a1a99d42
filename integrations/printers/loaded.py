"""What hangs in a printer's feeders, and which of it a job really took.

A reel is known by its tag: first by the id of the reel, then by that of the tag that was read. A tag that nobody here
knows is shown for a person to match, never guessed. What a person said of a slot holds until the slot is seen empty or
something else is seen in it.
"""

from __future__ import annotations

import datetime
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from integrations.bambu.protocol import EXTERNAL_TRAY
from integrations.bambu.state import GcodeState, PrinterState, Tray
from inventory.models import Product, SliceFilament, Spool
from inventory.selectors import filaments_of, match_filaments
from production.models import PrinterSlot, PrintJob, PrintJobFilament, TrayChange
from production.selectors.spools import remain_differs

if TYPE_CHECKING:
    from integrations.printers.session import PrinterSession

log = logging.getLogger(__name__)

_EMPTY: dict[str, Any] = {
    "material": None,
    "spool": None,
    "material_type": "",
    "color_hex": "",
    "remain_percent": None,
    "tag_uid": "",
    "tray_uuid": "",
    "full_grams": 0,
}


# --- slots -----------------------------------------------------------------------------------------------------------


def write_slots(session: PrinterSession, at: datetime.datetime) -> None:
    """Write what the feeders hold; the known material of a slot is kept until something else is seen in it.

    Feeders read type and colour from a tag, or repeat what a person chose from the few colours of the printer's
    screen: the colour of a reel without a tag is believed when it changes, not when it is first seen.
    """
    state = session.state
    if state is None or state.trays == session.trays:
        return
    rows = PrinterSlot.objects.filter(printer=session.printer).select_related("material", "spool")
    slots = {slot.tray: slot for slot in rows}
    trays = {tray.number: tray for tray in state.trays}
    before = {tray.number: tray for tray in session.trays or ()}
    spools = _spools_by_tag(state.trays)
    reported = isinstance(session.merged.get("ams"), dict) and "ams" in session.merged["ams"]
    unmatched = False
    with transaction.atomic():
        for number, tray in trays.items():
            is_new = session.trays is not None and not _same_reel(before.get(number), tray)
            spool = spools.get(tray.tray_uuid.upper()) or spools.get(tray.tag_uid.upper())
            slot = _write_slot(session, slots.get(number), tray, spool, is_new=is_new or tray.has_tag)
            unmatched |= slot.spool is None and bool(tray.tray_uuid or tray.tag_uid)
            _point_out(session, slot, tray, at)
        for number, slot in slots.items():
            # An external spool is only ever entered by a person, or seen; that it is gone is not reported.
            if reported and number not in trays and number != EXTERNAL_TRAY and (slot.material_type or slot.material):
                PrinterSlot.objects.filter(pk=slot.pk).update(**_EMPTY, updated_at=timezone.now())
    session.trays = state.trays
    session.awaits_match = unmatched


def look_again(session: PrinterSession) -> None:
    """Look up the tags anew that nobody knew: a person may have given one to a reel since."""
    if session.awaits_match:
        session.trays = None


def _spools_by_tag(trays: tuple[Tray, ...]) -> dict[str, Spool]:
    """Return the reels that we know by the ids of their tags, in capitals; one query, none where no tag is seen."""
    ids = {known for tray in trays for known in (tray.tray_uuid, tray.tag_uid) if known}
    if not ids:
        return {}
    spelt = [*ids, *(known.upper() for known in ids), *(known.lower() for known in ids)]
    found: dict[str, Spool] = {}
    rows = Spool.objects.filter(Q(tray_uuid__in=spelt) | Q(tag_uid__in=spelt)).select_related("lot__product")
    for spool in rows.order_by("-id"):
        for known in (spool.tag_uid, spool.tray_uuid):
            if known:
                found[known.upper()] = spool
    return found


def _same_reel(before: Tray | None, tray: Tray) -> bool:
    return before is not None and replace(before, remain=None) == replace(tray, remain=None)


def _write_slot(
    session: PrinterSession, slot: PrinterSlot | None, tray: Tray, spool: Spool | None, *, is_new: bool
) -> PrinterSlot:
    seen: dict[str, Any] = {
        "remain_percent": tray.remain,
        "tag_uid": tray.tag_uid,
        "tray_uuid": tray.tray_uuid,
        "full_grams": min(tray.full_grams, 100_000),
    }
    values: dict[str, Any] = {**seen, "material_type": tray.material[:20], "color_hex": tray.color}
    if spool is not None:
        values |= {"material": spool.lot.product, "spool": spool}
        elsewhere = PrinterSlot.objects.filter(spool=spool)
        elsewhere.exclude(printer=session.printer, tray=tray.number).update(spool=None)
    elif slot is None:
        values |= {"material": _material(tray)}
    elif slot.material is not None and _is(slot.material, tray, any_color=not is_new) and not _other_tag(slot, tray):
        values = seen
    else:
        values |= {"material": _material(tray), "spool": None}
    if slot is None:
        return PrinterSlot.objects.create(printer=session.printer, tray=tray.number, **values)
    changed = {name: value for name, value in values.items() if getattr(slot, name) != value}
    if changed:
        PrinterSlot.objects.filter(pk=slot.pk).update(**changed, updated_at=timezone.now())
        for name, value in changed.items():
            setattr(slot, name, value)
    return slot


def _other_tag(slot: PrinterSlot, tray: Tray) -> bool:
    """Tell whether another reel hangs there than the one whose tag was read; the first reading tells nothing."""
    if slot.tray_uuid and tray.tray_uuid:
        return slot.tray_uuid != tray.tray_uuid  # the two tags of one reel share this id
    return bool(slot.tag_uid) and slot.tag_uid != tray.tag_uid


def _is(material: Product, tray: Tray, *, any_color: bool) -> bool:
    same_type = material.material_type.upper() == tray.material.upper()
    return same_type and (any_color or material.color_hex.upper() in ("", tray.color))


def _material(tray: Tray) -> Product | None:
    """Return the one filament of this type and colour; where there are several, a person must choose."""
    filaments = Product.objects.filter(category=Product.Category.MATERIAL, is_active=True)
    found = filaments.filter(material_type__iexact=tray.material, color_hex__iexact=tray.color).order_by("id")[:2]
    return found[0] if len(found) == 1 else None


def _point_out(session: PrinterSession, slot: PrinterSlot, tray: Tray, at: datetime.datetime) -> None:
    """Tell once of a tag that nobody knows, and of a reel whose tag tells another remainder than the books."""
    unknown = tray.tray_uuid or tray.tag_uid if slot.spool is None else ""
    if session.watcher.flag(f"tag {tray.number}", unknown) and unknown:
        text = f"tray {tray.number}: a reel of {tray.material} {tray.color} whose tag nobody knows"
        session.watcher.tell("unknown_spool", text, at, None, tray=tray.number, tag=unknown)
    away = None
    if slot.spool is not None and tray.remain is not None and tray.full_grams:
        away = remain_differs(slot.spool.remaining_grams, tray.remain, tray.full_grams)
    spool = slot.spool.label if slot.spool is not None and away is not None else ""
    if session.watcher.flag(f"remain {tray.number}", spool) and spool:
        text = f"{spool}: its tag tells {tray.remain} %, the books {away:.0f} %"
        session.watcher.tell("spool_differs", text, at, None, tray=tray.number, spool=spool)


# --- what a job takes ------------------------------------------------------------------------------------------------


def note_loaded(session: PrinterSession, job: PrintJob, state: PrinterState | None) -> None:
    """Note for a job that begins from which tray and reel each filament comes; runs in the transaction of its start.

    Where the printer tells its own mapping that counts, else what was sent, else the tray that feeds.
    """
    rows = list(PrintJobFilament.objects.filter(job=job).select_related("material").order_by("position"))
    told = _told_trays(job, rows, state)
    slots = {slot.tray: slot for slot in _slots(session.printer.pk)}
    changed = []
    for row in rows:
        tray = told.get(row.position, row.tray)
        spool = _spool_in(slots.get(tray), row) if tray is not None else None
        if (row.tray, row.spool_id) != (tray, spool.pk if spool else None):
            row.tray, row.spool = tray, spool
            changed.append(row)
    PrintJobFilament.objects.bulk_update(changed, ["tray", "spool"])


def _slots(printer_id: int) -> list[PrinterSlot]:
    return list(PrinterSlot.objects.filter(printer=printer_id).select_related("spool__lot"))


def _spool_in(slot: PrinterSlot | None, row: PrintJobFilament) -> Spool | None:
    """Return the reel in a slot if it is of the filament's material: another material is never booked for it."""
    spool = slot.spool if slot else None
    return spool if spool is not None and spool.lot.product_id == row.material_id else None


def _told_trays(job: PrintJob, rows: list[PrintJobFilament], state: PrinterState | None) -> dict[int, int]:
    """Return by filament position the tray that the printer says it takes it from."""
    if state is None:
        return {}
    used = [tray for tray in state.mapping if tray is not None]
    if len(rows) == 1:
        if len(set(used)) == 1:
            return {rows[0].position: used[0]}
        if rows[0].tray is None and state.active_tray is not None and not used:
            return {rows[0].position: state.active_tray}
        return {}
    if not used:
        return {}
    file: list[SliceFilament] = filaments_of(job.print_file) if job.print_file else []
    numbers = match_filaments(file, [row.as_sliced for row in rows]) if file else None
    if not numbers:
        return {}
    return {
        position: tray
        for number, position in numbers.items()
        if number < len(state.mapping) and (tray := state.mapping[number]) is not None
    }


class Feeding:
    """From which tray each filament of a running job comes, and which of them feeds."""

    def __init__(self, job_id: int, trays: dict[int, int | None]) -> None:
        self.job_id = job_id
        self.trays = trays
        self.active: int | None = None

    @classmethod
    def of(cls, job_id: int) -> Feeding:
        """Read it from the books, with the changes that were noted before a restart."""
        rows = PrintJobFilament.objects.filter(job=job_id).order_by("position")
        trays: dict[int, int | None] = dict(rows.values_list("position", "tray"))
        for position, tray in (
            TrayChange.objects.filter(job=job_id).order_by("percent", "id").values_list("position", "tray")
        ):
            trays[position] = tray
        return cls(job_id, trays)


def follow_trays(session: PrinterSession, at: datetime.datetime) -> None:
    """Note that the printer went on with another tray when one ran out: what is printed from here on comes from there.

    A change between trays that the job was sent with is a change of colour and nothing new.
    """
    state, job = session.state, session.watch.job
    if state is None or job is None or not job.started or session.job_id is None:
        session.feeding = None
        return
    if session.feeding is None or session.feeding.job_id != session.job_id:
        session.feeding = Feeding.of(session.job_id)
    active, feeding = state.active_tray, session.feeding
    if active is None or state.gcode_state is not GcodeState.RUNNING or active == feeding.active:
        return
    if active in feeding.trays.values():
        feeding.active = active
        return
    empty = [position for position, tray in feeding.trays.items() if tray == feeding.active or tray is None]
    position = empty[0] if empty else next(iter(feeding.trays)) if len(feeding.trays) == 1 else None
    feeding.active = active
    if position is None:
        text = f"tray {active} feeds, which the job was not sent with"
        session.watcher.tell("tray_unclear", text, at, session.job_id, tray=active)
        return
    _change_tray(session, feeding, position, active, max(job.max_percent, state.percent), at)


def _change_tray(
    session: PrinterSession, feeding: Feeding, position: int, tray: int, percent: int, at: datetime.datetime
) -> None:
    before = feeding.trays[position]
    row = PrintJobFilament.objects.select_related("material").get(job=feeding.job_id, position=position)
    slot = next((slot for slot in _slots(session.printer.pk) if slot.tray == tray), None)
    spool = _spool_in(slot, row)
    if before is None:
        PrintJobFilament.objects.filter(pk=row.pk).update(tray=tray, spool=spool)
    else:
        TrayChange.objects.get_or_create(
            job_id=feeding.job_id, position=position, percent=percent, tray=tray, defaults={"spool": spool, "at": at}
        )
        text = f"tray {before} is empty, tray {tray} goes on at {percent} %"
        session.watcher.tell("tray_change", text, at, feeding.job_id, before=before, tray=tray, percent=percent)
    feeding.trays[position] = tray
