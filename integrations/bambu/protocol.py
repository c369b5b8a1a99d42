"""The printer's MQTT messages: topics, the commands we send, and payload bytes read into typed events.

Bambu LAN protocol as documented by its community; section numbers in the docstrings name its parts: 1 connection,
2 messages, 3 fields, 4 filament units, 5 errors, 6 starting a job, 7 blocked commands, 8 stream, 9 end of a job.
"""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

FULL_FRAME_KEYS = 40
USERNAME = "bblp"
MQTT_PORT = 8883
FTPS_PORT = 990
MAX_SUBMISSION_ID = 2**31 - 1
MAX_PAYLOAD_BYTES = 1_000_000
EXTERNAL_TRAY = 254
NO_TRAY = 255

#: "MQTT message verify failed" and "bad signature": the printer takes signed commands only (section 7).
UNSIGNED_REFUSALS = frozenset({0x05024007, 0x05024009})
#: The printer was busy with another job when ``project_file`` arrived (section 6).
BUSY = 0x05004004
#: A person pressed cancel, at the printer or in its maker's software (section 9).
CANCELLED_BY_PERSON = frozenset({0x0300400C, 0x0500400E})


def report_topic(serial: str) -> str:
    """Return the topic on which the printer reports; the serial is case-sensitive (section 1)."""
    return f"device/{serial}/report"


def request_topic(serial: str) -> str:
    """Return the topic on which the printer takes commands (section 1)."""
    return f"device/{serial}/request"


# --- numbers that may arrive as text ---------------------------------------------------------------------------------


def as_int(value: object) -> int | None:
    """Return the whole number in a field that may hold a number, its text or rubbish; None for rubbish (section 2)."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        if isinstance(value, str):
            return int(value) if len(value) <= 20 else None
        if isinstance(value, int):
            return value
        if isinstance(value, float) and math.isfinite(value):
            return int(value)
    except ValueError:
        return None
    return None


def as_hex(value: object) -> int | None:
    """Return the number in a field that holds hexadecimal text, None for anything else (sections 3 and 4)."""
    if not isinstance(value, str) or not 0 < len(value) <= 32:
        return None
    try:
        return int(value, 16)
    except ValueError:
        return None


def as_text(value: object, *, limit: int = 255) -> str:
    """Return a field as storable text: no control characters, no broken code points, at most ``limit`` characters."""
    if value is None or isinstance(value, dict | list | bool):
        return ""
    whole = str(value)[: limit * 2].encode("utf-8", "replace").decode("utf-8")
    return "".join(character for character in whole if character.isprintable())[:limit]


def error_code_text(number: int) -> str:
    """Write a print error as people and manuals do: 50348044 is ``0300_400C`` (section 3)."""
    number &= 0xFFFFFFFF
    return f"{number >> 16:04X}_{number & 0xFFFF:04X}"


# --- commands --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Command:
    """One message for a printer's request topic."""

    kind: str
    name: str
    fields: dict[str, Any]

    def encode(self) -> bytes:
        """Return the message as UTF-8 JSON inside its envelope (section 2)."""
        return json.dumps({self.kind: self.fields}, separators=(",", ":")).encode()


def _command(kind: str, name: str, sequence_id: int, **fields: Any) -> Command:
    return Command(kind, name, {"sequence_id": str(sequence_id), "command": name, **fields})


def pushall(*, sequence_id: int = 0) -> Command:
    """Ask for the whole state: once per connection, P1 hardware at most every five minutes (section 2)."""
    return _command("pushing", "pushall", sequence_id, version=1, push_target=1)


def start_pushing(*, sequence_id: int = 0) -> Command:
    """Ask a printer whose stream fell silent to report again (section 2)."""
    return _command("pushing", "start", sequence_id)


def get_version(*, sequence_id: int = 0) -> Command:
    """Ask for the firmware of each module; the module named ``ota`` is the printer's own (section 2)."""
    return _command("info", "get_version", sequence_id)


def pause(*, sequence_id: int = 0) -> Command:
    """Pause the running job (section 6)."""
    return _command("print", "pause", sequence_id, param="")


def resume(*, sequence_id: int = 0) -> Command:
    """Resume the paused job (section 6)."""
    return _command("print", "resume", sequence_id, param="")


def stop(*, sequence_id: int = 0) -> Command:
    """Cancel the job for good (section 6)."""
    return _command("print", "stop", sequence_id, param="")


class UrlForm(StrEnum):
    """How a printer wants the uploaded file named in ``project_file``; models and sources differ (section 6)."""

    FTP = "ftp://{file}"
    FTP_ROOT = "ftp:///{file}"
    SD_CARD = "file:///sdcard/{file}"


@dataclass(frozen=True)
class PrintOptions:
    """Choices of one print; the last two are sent only to hardware that has the part (section 6)."""

    bed_leveling: bool = True
    flow_calibration: bool = False
    vibration_calibration: bool = True
    timelapse: bool = False
    first_layer_inspection: bool | None = None
    nozzle_offset_calibration: bool | None = None
    url_form: UrlForm = UrlForm.FTP


def new_submission_id(generator: random.Random | None = None) -> int:
    """Draw the number that the printer echoes, 1 to 2**31 - 1: bigger ones get clamped (section 6)."""
    return (generator or random.SystemRandom()).randint(1, MAX_SUBMISSION_ID)


def tray_address(tray: int) -> dict[str, int]:
    """Split a global tray number into unit and slot; -1, 254 and 255 are the external spool (section 4)."""
    if tray in (-1, EXTERNAL_TRAY, NO_TRAY):
        return {"ams_id": 255, "slot_id": 0}
    if 128 <= tray <= 135:
        return {"ams_id": tray, "slot_id": 0}
    return {"ams_id": tray // 4, "slot_id": tray % 4}


def project_file(
    *,
    file_name: str,
    submission_id: int,
    name: str,
    trays: Sequence[int],
    plate: int = 1,
    md5: str = "",
    options: PrintOptions = PrintOptions(),
    sequence_id: int = 0,
) -> Command:
    """Start plate ``plate`` of an uploaded sliced 3MF.

    ``trays`` holds the global tray number for each filament of the file, in the file's order; -1 is the external spool.
    ``submission_id`` must be fresh: the printer echoes it and it is how the job is recognised (section 6).
    Raises ValueError for an id, a name or a tray number that the printer would misread.
    """
    if not 1 <= submission_id <= MAX_SUBMISSION_ID:
        raise ValueError(f"submission id {submission_id} is outside 1..{MAX_SUBMISSION_ID}")
    if not file_name or "/" in file_name or "\\" in file_name or not file_name.isprintable():
        raise ValueError(f"{file_name!r} is not a plain file name")
    if any(not (-1 <= tray <= 135 or tray in (EXTERNAL_TRAY, NO_TRAY)) for tray in trays):
        raise ValueError(f"tray numbers {list(trays)} are not global tray numbers")
    mapping = [-1 if tray in (EXTERNAL_TRAY, NO_TRAY) else tray for tray in trays]
    fields: dict[str, Any] = {
        "param": f"Metadata/plate_{plate}.gcode",
        "url": options.url_form.value.format(file=file_name),
        "file": file_name,
        "md5": md5,
        "bed_type": "auto",
        "timelapse": options.timelapse,
        "bed_leveling": options.bed_leveling,
        "auto_bed_leveling": 2 if options.bed_leveling else 0,
        "flow_cali": options.flow_calibration,
        "vibration_cali": options.vibration_calibration,
        "use_ams": any(tray >= 0 for tray in mapping),
        "ams_mapping": mapping,
        "ams_mapping2": [tray_address(tray) for tray in mapping],
        "cfg": "0",
        "extrude_cali_flag": 2 if options.flow_calibration else 0,
        "subtask_name": name,
        "profile_id": "0",
        "project_id": str(submission_id),
        "subtask_id": str(submission_id),
        "task_id": str(submission_id),
    }
    if options.first_layer_inspection is not None:
        fields["layer_inspect"] = options.first_layer_inspection
    if options.nozzle_offset_calibration is not None:
        fields["nozzle_offset_cali"] = 2 if options.nozzle_offset_calibration else 0
    return _command("print", "project_file", sequence_id, **fields)


# --- events ----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class StatusReport:
    """A status push, whole or only what changed: the one kind of message that is merged into a printer's state."""

    fields: dict[str, Any]

    @property
    def is_full(self) -> bool:
        """Tell whether this is the whole state: it names the job state and has more than 40 keys (section 2)."""
        return "gcode_state" in self.fields and len(self.fields) > FULL_FRAME_KEYS


@dataclass(frozen=True)
class CommandAnswer:
    """The printer's answer to a command; never part of its state. ``succeeded`` is None where it did not say."""

    kind: str
    command: str
    sequence_id: str
    succeeded: bool | None
    reason: str
    error: int | None
    fields: dict[str, Any]

    @property
    def wants_signature(self) -> bool:
        """Tell whether the command was refused because it was not signed (section 7)."""
        return self.error in UNSIGNED_REFUSALS or "verify failed" in self.reason.lower()

    @property
    def was_busy(self) -> bool:
        """Tell whether the command was refused because another job is running (section 6)."""
        return self.error == BUSY


@dataclass(frozen=True)
class VersionReport:
    """Firmware of the printer and its parts, with the product's name where the firmware tells it."""

    firmware: str
    product_name: str
    modules: dict[str, str]


@dataclass(frozen=True)
class OtherMessage:
    """A well-formed message that says nothing about jobs, such as the answer of a camera."""

    kind: str
    command: str


@dataclass(frozen=True)
class Unreadable:
    """Bytes that are no message of this protocol, and why."""

    reason: str
    size: int


Event = StatusReport | CommandAnswer | VersionReport | OtherMessage | Unreadable


def parse(payload: bytes) -> tuple[Event, ...]:
    """Read one payload into its events; never raises, whatever the bytes (section 2: not always UTF-8)."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        return (Unreadable("too long", len(payload)),)
    try:
        document = orjson.loads(payload)
    except orjson.JSONDecodeError:
        # Not always UTF-8, and now and then numbers that are none: what the strict reader refuses may still be read.
        try:
            document = json.loads(payload.decode("utf-8", "replace"))
        except (ValueError, RecursionError) as failure:
            return (Unreadable(f"not JSON: {type(failure).__name__}", len(payload)),)
    if not isinstance(document, dict):
        return (Unreadable("not an object", len(payload)),)
    events = tuple(_event(kind, body) for kind, body in document.items() if isinstance(body, dict))
    return events or (Unreadable("no envelope", len(payload)),)


def _event(kind: str, body: dict[str, Any]) -> Event:
    if kind == "print" and body.get("command") == "push_status":
        return StatusReport(body)
    command = as_text(body.get("command"))
    # A delta may come without a command; an answer always repeats the one it answers.
    if kind == "print" and not command and "result" not in body:
        return StatusReport(body)
    if kind == "info" and command == "get_version" and isinstance(body.get("module"), list):
        return _version_report(body["module"])
    if kind == "print" or "result" in body:
        return _command_answer(kind, command, body)
    return OtherMessage(as_text(kind), command)


def _command_answer(kind: str, command: str, body: dict[str, Any]) -> CommandAnswer:
    result = as_text(body.get("result")).lower()
    errors = (as_int(body.get(key)) for key in ("err_code", "print_error"))
    return CommandAnswer(
        kind=as_text(kind),
        command=command,
        sequence_id=as_text(body.get("sequence_id")),
        succeeded={"success": True, "failed": False, "fail": False}.get(result),
        reason=as_text(body.get("reason")),
        error=next((error for error in errors if error), None),
        fields=body,
    )


def _version_report(modules: list[Any]) -> VersionReport:
    known = [module for module in modules if isinstance(module, dict)]
    versions = {as_text(module.get("name")): as_text(module.get("sw_ver")) for module in known}
    products = (as_text(module.get("product_name")) for module in known if module.get("name") == "ota")
    return VersionReport(firmware=versions.get("ota", ""), product_name=next(products, ""), modules=versions)
