"""A printer's state: deltas merged into one picture, and that picture as typed values."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import Any

from integrations.bambu.protocol import (
    EXTERNAL_TRAY,
    NO_TRAY,
    CommandAnswer,
    Event,
    StatusReport,
    Unreadable,
    VersionReport,
    as_hex,
    as_int,
    as_text,
    error_code_text,
    parse,
)

#: Lists whose entries are known by their ``id``, not by their place (section 4).
KEYED_LISTS = frozenset({("ams", "ams"), ("ams", "ams", "tray"), ("vir_slot",), ("device", "extruder", "info"),
                         ("device", "nozzle", "info")})  # fmt: skip
SIGNED_COMMANDS_BIT = 0x20000000
SIGNATURE_HMS = "0500_0500_0001_0007"
EMPTY_TRAY_STATES = frozenset({9, 10})
#: Real states nest five deep; anything deeper is taken as it comes, so that no payload can exhaust the stack.
MAX_DEPTH = 8
#: A picture is about 20 kB. One that became this large is not one, and is looked at after so many bytes were merged.
MAX_PICTURE_BYTES = 1_000_000
LOOK_AFTER_BYTES = 8_000_000
#: More filaments than any file has.
MAX_FILAMENTS = 64


# --- merging ---------------------------------------------------------------------------------------------------------


def merge(state: dict[str, Any], change: dict[str, Any], *, is_full: bool = False) -> dict[str, Any]:
    """Return ``state`` with ``change`` laid over it; neither argument is altered.

    A missing key means unchanged. Units and trays are matched by id; an entry that is nothing but its id has been
    emptied; a full frame drops the units it no longer lists. What a printer says about its trays while it is shutting
    down is ignored (Bambu LAN protocol, sections 2 and 4).
    """
    if _is_shutting_down(change.get("ams")):
        change = {key: value for key, value in change.items() if key != "ams"}
    return _merge_dict(state, change, (), is_full)


def _is_shutting_down(ams: object) -> bool:
    return isinstance(ams, dict) and as_hex(ams.get("tray_exist_bits")) == 0 and ams.get("power_on_flag") is False


def _merge_dict(old: dict[str, Any], new: dict[str, Any], path: tuple[str, ...], is_full: bool) -> dict[str, Any]:
    merged = dict(old)
    for key, value in new.items():
        here = (*path, key)
        before = merged.get(key)
        if here in KEYED_LISTS and isinstance(value, list):
            merged[key] = _merge_by_id(before if isinstance(before, list) else [], value, here, is_full)
        elif isinstance(value, dict) and isinstance(before, dict) and len(here) < MAX_DEPTH:
            merged[key] = _merge_dict(before, value, here, is_full)
        else:
            merged[key] = value
    return merged


def _merge_by_id(old: list[Any], new: list[Any], path: tuple[str, ...], is_full: bool) -> list[Any]:
    before = {str(entry.get("id")): entry for entry in old if isinstance(entry, dict)}
    after = {} if is_full else dict(before)
    for entry in new:
        if not isinstance(entry, dict) or "id" not in entry:
            continue
        key = str(entry["id"])
        emptied = path[-1] == "tray" and set(entry) == {"id"}
        after[key] = entry if emptied else _merge_dict(before.get(key, {}), entry, path, is_full)
    return list(after.values())


# --- the typed view --------------------------------------------------------------------------------------------------


class GcodeState(StrEnum):
    """What the printer says it is doing (Bambu LAN protocol, section 3)."""

    IDLE = "IDLE"
    PREPARE = "PREPARE"
    SLICING = "SLICING"
    RUNNING = "RUNNING"
    PAUSE = "PAUSE"
    FINISH = "FINISH"
    FAILED = "FAILED"
    INIT = "INIT"
    OFFLINE = "OFFLINE"
    UNKNOWN = "UNKNOWN"

    @classmethod
    def read(cls, value: object) -> GcodeState:
        """Return the state, UNKNOWN for an empty or new word."""
        try:
            return cls(as_text(value).upper())
        except ValueError:
            return cls.UNKNOWN

    @property
    def is_preparing(self) -> bool:
        return self in (GcodeState.PREPARE, GcodeState.SLICING)

    @property
    def is_active(self) -> bool:
        """Tell whether a job occupies the printer."""
        return self.is_preparing or self in (GcodeState.RUNNING, GcodeState.PAUSE)

    @property
    def takes_a_job(self) -> bool:
        """Tell whether ``project_file`` may be sent: never in any other state (section 6)."""
        return self in (GcodeState.IDLE, GcodeState.FINISH, GcodeState.FAILED)


class Severity(IntEnum):
    """How bad a health message is, 1 the worst (section 5)."""

    FATAL = 1
    SERIOUS = 2
    COMMON = 3
    INFO = 4
    UNKNOWN = 99


class WriteAccess(StrEnum):
    """Whether the printer obeys commands that are not signed (section 7); reading always works."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class HealthMessage:
    """One entry of the printer's health list: present while the condition lasts (section 5)."""

    code: str
    severity: Severity

    @classmethod
    def read(cls, entry: object) -> HealthMessage | None:
        """Return the entry as code text ``AAAA_AAAA_CCCC_CCCC`` and severity, None for rubbish."""
        if not isinstance(entry, dict):
            return None
        attribute, code = as_int(entry.get("attr")), as_int(entry.get("code"))
        if attribute is None or code is None:
            return None
        level = (code & 0xFFFFFFFF) >> 16
        severity = Severity(level) if level in (1, 2, 3, 4) else Severity.UNKNOWN
        return cls(f"{error_code_text(attribute)}_{error_code_text(code)}", severity)


@dataclass(frozen=True)
class Tray:
    """A loaded filament: global tray number, type, colour ``RRGGBB``, and percent left where a tag tells it."""

    number: int
    material: str
    color: str
    profile: str
    remain: int | None
    tag_uid: str
    tray_uuid: str
    #: What a full reel of this kind holds, from its tag; 0 where nothing tells.
    full_grams: int = 0

    @property
    def has_tag(self) -> bool:
        """Tell whether the spool carries a readable tag; without one ``remain`` means nothing (section 4)."""
        return self.remain is not None


@dataclass(frozen=True)
class PrinterState:
    """What a merged picture says, read once into values that can be trusted to have their types."""

    gcode_state: GcodeState
    percent: int = 0
    remaining_minutes: int | None = None
    layer: int = 0
    total_layers: int = 0
    subtask_id: str = ""
    subtask_name: str = ""
    task_id: str = ""
    project_id: str = ""
    stage: int | None = None
    print_error: int = 0
    fail_reason: int = 0
    health: tuple[HealthMessage, ...] = ()
    trays: tuple[Tray, ...] = ()
    active_tray: int | None = None
    mapping: tuple[int | None, ...] = ()
    nozzle_diameter: str = ""
    firmware: str = ""
    product_name: str = ""
    write_access: WriteAccess = WriteAccess.UNKNOWN

    @classmethod
    def read(cls, merged: dict[str, Any]) -> PrinterState:
        """Read a merged picture; fields that are missing or rubbish get their empty value."""
        health = tuple(message for entry in _list(merged.get("hms")) if (message := HealthMessage.read(entry)))
        return cls(
            gcode_state=GcodeState.read(merged.get("gcode_state")),
            **_progress(merged),
            total_layers=max(0, as_int(merged.get("total_layer_num")) or 0),
            subtask_id=_job_id(merged.get("subtask_id")),
            subtask_name=as_text(merged.get("subtask_name")),
            task_id=_job_id(merged.get("task_id")),
            project_id=_job_id(merged.get("project_id")),
            stage=as_int(merged.get("stg_cur")),
            print_error=as_int(merged.get("print_error")) or 0,
            fail_reason=as_int(merged.get("fail_reason")) or 0,
            health=health,
            trays=tuple(loaded_trays(merged)),
            active_tray=_active_tray(merged),
            mapping=tuple(tray_number(value) for value in _list(merged.get("mapping"))[:MAX_FILAMENTS]),
            nozzle_diameter=as_text(merged.get("nozzle_diameter"), limit=10),
            write_access=_write_access(merged.get("fun"), health),
        )


def _progress(merged: dict[str, Any]) -> dict[str, Any]:
    """Return what changes all the time while a job runs."""
    return {
        "percent": min(100, max(0, as_int(merged.get("mc_percent")) or 0)),
        "remaining_minutes": as_int(merged.get("mc_remaining_time")),
        "layer": max(0, as_int(merged.get("layer_num")) or 0),
    }


def tray_number(address: object) -> int | None:
    """Return the global tray number of ``unit << 8 | slot``, None for an unused or empty place (section 4)."""
    value = as_int(address)
    if value is None or not 0 <= value < 0xFFFF:
        return None
    unit, slot = value >> 8, value & 0xFF
    if unit >= EXTERNAL_TRAY:
        return None if slot == 0xFF else EXTERNAL_TRAY
    if slot == 0xFF:
        return None
    return unit if unit >= 128 else unit * 4 + slot


def _active_tray(merged: dict[str, Any]) -> int | None:
    """Return the global number of the tray that feeds now, None where nothing does.

    Machines with several hot ends tell it by hot end, which one is in use stands in bits 4 to 7 of their state; their
    ``tray_now`` counts within one unit only (section 4).
    """
    extruder = _dict(_dict(merged.get("device")).get("extruder"))
    in_use = (as_int(extruder.get("state")) or 0) >> 4 & 0xF
    for entry in _list(extruder.get("info")):
        if isinstance(entry, dict) and as_int(entry.get("id")) == in_use and "snow" in entry:
            return tray_number(entry["snow"])
    now = as_int(_dict(merged.get("ams")).get("tray_now"))
    return None if now is None or now == NO_TRAY or not 0 <= now <= NO_TRAY else now


def _job_id(value: object) -> str:
    """Return a job id as text; "0" and blank both mean none (section 3)."""
    text = as_text(value, limit=40)
    return "" if text == "0" else text


def _write_access(fun: object, health: Iterable[HealthMessage]) -> WriteAccess:
    if any(message.code == SIGNATURE_HMS for message in health):
        return WriteAccess.NO
    bits = as_hex(fun)
    if bits is None:
        return WriteAccess.UNKNOWN
    return WriteAccess.NO if bits & SIGNED_COMMANDS_BIT else WriteAccess.YES


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def loaded_trays(merged: dict[str, Any]) -> Iterable[Tray]:
    """Yield the trays that hold filament: unit x 4 + slot, 128 and up for one-tray units, 254 for the external spool.

    The firmware's presence bits win over what a tray still says about a spool that was taken out (section 4).
    """
    ams = _dict(merged.get("ams"))
    present = as_hex(ams.get("tray_exist_bits"))
    for unit in _list(ams.get("ams")):
        unit_id = as_int(_dict(unit).get("id"))
        if unit_id is None:
            continue
        for slot in _list(unit.get("tray")):
            slot_id = as_int(_dict(slot).get("id"))
            if slot_id is None or not _is_present(present, unit_id, slot_id):
                continue
            number = unit_id if unit_id >= 128 else unit_id * 4 + slot_id
            if tray := _tray(number, slot):
                yield tray
    if external := _tray(EXTERNAL_TRAY, _dict(merged.get("vt_tray"))):
        yield external


def _is_present(bits: int | None, unit: int, slot: int) -> bool:
    if bits is None:
        return True
    if unit >= 128:
        bit = 16 + unit - 128
    elif unit == 16:  # the small open unit of one model counts as unit 16 but reports in bits 24 to 27
        bit = 24 + slot
    else:
        bit = unit * 4 + slot
    return bool(bits >> bit & 1)


def _tray(number: int, slot: dict[str, Any]) -> Tray | None:
    material = as_text(slot.get("tray_type"), limit=40)
    if not material or as_int(slot.get("state")) in EMPTY_TRAY_STATES:
        return None
    tag, uuid = as_text(slot.get("tag_uid"), limit=32), as_text(slot.get("tray_uuid"), limit=40)
    remain = as_int(slot.get("remain"))
    has_tag = bool(tag.strip("0"))
    return Tray(
        number=number,
        material=material,
        color=as_text(slot.get("tray_color"), limit=6).upper(),
        profile=as_text(slot.get("tray_info_idx"), limit=20),
        remain=remain if has_tag and remain is not None and 0 <= remain <= 100 else None,
        tag_uid=tag if has_tag else "",
        tray_uuid=uuid if uuid.strip("0") else "",
        full_grams=max(0, as_int(slot.get("tray_weight")) or 0) if has_tag else 0,
    )


# --- one printer's running picture -----------------------------------------------------------------------------------

#: What a change of the typed state can come from. Temperatures, fans and the like change many times a minute and say
#: nothing about jobs: they are merged, and nothing else is done about them.
_SPOOL_KEYS = frozenset({"ams", "vt_tray", "vir_slot", "mapping", "device"})
_PROGRESS_KEYS = frozenset({"mc_percent", "mc_remaining_time", "layer_num"})
_JOB_KEYS = frozenset({"gcode_state", "total_layer_num", "subtask_id", "subtask_name", "task_id", "project_id",
                       "stg_cur", "print_error", "fail_reason", "hms", "fun", "nozzle_diameter"})  # fmt: skip
TELLING_KEYS = _SPOOL_KEYS | _PROGRESS_KEYS | _JOB_KEYS
_MISSING: Any = object()


class _Reading(IntEnum):
    """How much of the typed state must be read anew."""

    NOTHING = 0
    PROGRESS = 1
    EVERYTHING = 2


class PrinterMirror:
    """The merged picture of one printer, fed with payload bytes; not thread-safe, one per connection.

    ``merged`` is changed in place. ``changed`` tells whether the last payload may have changed the typed state,
    ``forgotten`` how often a picture grew beyond all measure and was thrown away: the whole of it must be asked for.
    """

    __slots__ = ("_bytes", "_reading", "_state", "changed", "forgotten", "merged", "refused_unsigned", "version")

    def __init__(self) -> None:
        self.merged: dict[str, Any] = {}
        self.version: VersionReport | None = None
        self.refused_unsigned = False
        self.changed = False
        self.forgotten = 0
        self._state: PrinterState | None = None
        self._reading = _Reading.NOTHING
        self._bytes = 0

    def receive(self, payload: bytes) -> tuple[Event, ...]:
        """Take in one payload and return what it was; only status reports change the picture. Never raises."""
        self.changed = False
        self._bytes += len(payload)
        if self._bytes > LOOK_AFTER_BYTES:
            self._bytes = 0
            self._weigh()
        events = parse(payload)
        for event in events:
            if event.__class__ is StatusReport:
                try:
                    self._merge(event)  # type: ignore[arg-type]
                except RecursionError:
                    return (Unreadable("too deep", len(payload)),)
            elif isinstance(event, VersionReport):
                self.version = event
                self._touch(_Reading.EVERYTHING)
            elif isinstance(event, CommandAnswer) and event.wants_signature:
                self.refused_unsigned = True
                self._touch(_Reading.EVERYTHING)
        return events

    def _weigh(self) -> None:
        """Forget a picture that only grows: nothing that one printer says may take the memory of all."""
        try:
            is_one = len(json.dumps(self.merged)) <= MAX_PICTURE_BYTES
        except (RecursionError, ValueError):
            is_one = False
        if not is_one:
            self.merged.clear()
            self.forgotten += 1

    def _touch(self, reading: _Reading) -> None:
        self.changed = True
        self._reading = max(self._reading, reading)

    def _merge(self, report: StatusReport) -> None:
        merged, fields = self.merged, report.fields
        news = [key for key in fields.keys() & TELLING_KEYS if merged.get(key, _MISSING) != fields[key]]
        nested = {
            key: value
            for key, value in fields.items()
            if (value.__class__ is dict or value.__class__ is list) and merged.get(key) != value
        }
        if nested:
            before = {key: merged[key] for key in nested if key in merged}
            merged.update({key: value for key, value in fields.items() if key not in nested})
            merged.update(merge(before, nested, is_full=report.is_full))
        else:
            merged.update(fields)
        if self.refused_unsigned and _write_access(fields.get("fun"), ()) is WriteAccess.YES:
            self.refused_unsigned = False
            self._touch(_Reading.EVERYTHING)
        if news:
            self._touch(_Reading.PROGRESS if _PROGRESS_KEYS.issuperset(news) else _Reading.EVERYTHING)

    @property
    def state(self) -> PrinterState | None:
        """The typed state, None until the printer has said what it is doing."""
        if self._reading is _Reading.NOTHING or "gcode_state" not in self.merged:
            return self._state
        if self._reading is _Reading.PROGRESS and self._state is not None:
            self._state = replace(self._state, **_progress(self.merged))
        else:
            self._state = self._read()
        self._reading = _Reading.NOTHING
        return self._state

    def _read(self) -> PrinterState:
        read = PrinterState.read(self.merged)
        extra: dict[str, Any] = {}
        if self.version:
            extra |= {"firmware": self.version.firmware, "product_name": self.version.product_name}
        if self.refused_unsigned:
            extra["write_access"] = WriteAccess.NO
        return replace(read, **extra) if extra else read
