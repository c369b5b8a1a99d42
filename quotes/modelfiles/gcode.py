"""G-code: what it extrudes by its own moves, and what its slicer wrote above and below them.

Moves (G0 to G3) carry E in mm of filament, absolute until M83 says relative, M82 absolute again; G92 E sets the
counter. Retractions count against what is pushed again, so the sum is what leaves the nozzle. Bambu Studio, Orca and
PrusaSlicer write comments as ``; key = value`` or ``; key: value``, lists per filament by comma or semicolon.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from production.printer_models import printer_model_id
from quotes.modelfiles.analysis import FilamentSlot, PrintWishes, SlicedFilament, SlicedInfo, SlicedPlate
from quotes.modelfiles.errors import AskAnEngineer, DamagedFile, FileTooLarge
from quotes.modelfiles.limits import DEFAULT_LIMITS, MEBIBYTE, ReadLimits
from quotes.modelfiles.package import Package
from quotes.modelfiles.scene import Scene

#: Starting with a fixed sign lets the search skip quickly; a chunk is given a line feed in front.
_EVENT = re.compile(
    rb"\n(?:G([0-3]|92)(?!\d)[^;\n]*?E([-+]?[\d.]{1,15})|M8([23])(?!\d)|T(\d{1,2})(?!\d)|M200(?!\d)[^;\nD]{0,20}D([\d.]{1,15}))"
)
_COMMAND = re.compile(rb"\n(?:G(?:0|1|21|28|90|92)|M(?:82|83|104|109|140|190))(?!\d)")
_MAKER = re.compile(rb"(?:BambuStudio|OrcaSlicer|PrusaSlicer|SuperSlicer)[^\n;]{0,60}")
_ROW = re.compile(r"^; *([A-Za-z][\w \[\]()^]{1,60}?) *[=:] *([^\n]{0,2000})$", re.MULTILINE)
_PICTURE = re.compile(rb"; thumbnail begin[^\n]{0,60}\n((?:;(?! thumbnail)[^\n]{0,200}\n){1,4000}); thumbnail end")
_CHUNK = MEBIBYTE
#: What is written above and below the moves, at most.
_COMMENTS = 256 * 1024
#: No line of G-code is longer; no move extrudes more (mm).
_LONGEST_LINE, _LONGEST_MOVE = 64 * 1024, 20_000.0
DEFAULT_DIAMETER = 1.75
_MOST_SECONDS, _MOST_GRAMS = 31 * 24 * 3600, Decimal(100_000)
_DURATION = re.compile(r"(?:(\d+)d)? *(?:(\d+)h)? *(?:(\d+)m)? *(?:(\d+)s)?")


def is_gcode(data: bytes) -> bool:
    """Whether the content is text that commands a printer."""
    head = data[:_COMMENTS]
    return b"\x00" not in head and (_COMMAND.search(b"\n" + head) or _MAKER.search(head[:4096])) is not None


def extruded_mm3(package: Package, name: str) -> Decimal | None:
    """What the G-code of a package extrudes, all filaments, mm3; None where it cannot be counted."""
    with package.stream(name) as stream:
        return _extruded(iter(lambda: stream.read(_CHUNK), b""))


def read_gcode(data: bytes, limits: ReadLimits = DEFAULT_LIMITS) -> Scene:
    """Read plain G-code: no mesh, one sliced plate with what the slicer says and what the moves extrude."""
    if len(data) > limits.max_gcode_bytes:
        raise FileTooLarge(f"It is larger than {limits.max_gcode_bytes // MEBIBYTE} MB.")
    if max(map(len, data.split(b"\n")), default=0) > _LONGEST_LINE:
        raise DamagedFile("It holds lines that no printer reads.")
    rows = _rows(data[:_COMMENTS], data[-_COMMENTS:])
    seconds = _seconds(rows)
    filaments = _filaments(rows)
    if not seconds or not filaments:
        raise AskAnEngineer("The G-code does not say how long it prints or how much material it takes.")
    maker = _MAKER.search(data[:4096])
    plate = SlicedPlate(
        index=1,
        prediction_seconds=seconds,
        weight_g=sum((filament.used_g for filament in filaments), Decimal(0)),
        filaments=filaments,
        printer_model_id=_printer(rows),
        nozzle_mm=_list(rows, "nozzle_diameter")[0],
        extruded_mm3=_extruded(data[at : at + _CHUNK] for at in range(0, len(data), _CHUNK)),
    )
    return Scene(
        format="gcode",
        unit="millimeter",
        pieces=(),
        needs_person="G-code can be priced, but not checked or printed: somebody has to ask for the model.",
        sliced=SlicedInfo((plate,), sliced_by=maker[0].decode("ascii", "replace").strip() if maker else ""),
        filaments=tuple(FilamentSlot(used.id - 1, used.material_type, used.color_hex) for used in filaments),
        wishes=PrintWishes(
            layer_height_mm=_number(_list(rows, "layer_height")[0], most=Decimal(2)) or None,
            printer_model_id=plate.printer_model_id,
        ),
        thumbnail_png=_picture(data[:_COMMENTS]),
    )


def _picture(head: bytes) -> bytes:
    """The largest picture that the slicer wrote above the moves, as base64 in comments."""
    pictures = [b""]
    for lines in _PICTURE.findall(head):
        try:
            pictures.append(base64.b64decode(re.sub(rb"[;\s]", b"", lines), validate=True))
        except ValueError:
            continue
    return max((picture for picture in pictures if picture[:4] in (b"\x89PNG", b"")), key=len)


def _extruded(chunks: Iterator[bytes]) -> Decimal | None:
    """Sum the moves tool by tool, and make volume of them by each filament's diameter."""
    millimetres: dict[int, float] = {}
    tool, relative, counter = 0, False, 0.0
    first = last = b""
    for lines in _whole_lines(chunks):
        first, last = first or lines[:_COMMENTS], (last + lines)[-_COMMENTS:]
        for event in _EVENT.finditer(lines):
            move, amount, mode, number, volumetric = event.groups()
            if amount is not None:
                try:
                    value = float(amount)
                except ValueError:
                    return None
                if move == b"92":
                    counter = value
                    continue
                pushed = value if relative else value - counter
                counter = value
                if abs(pushed) > _LONGEST_MOVE:
                    return None
                millimetres[tool] = millimetres.get(tool, 0.0) + pushed
            elif mode is not None:
                relative = mode == b"3"
            elif number is not None:
                tool = int(number)
            elif volumetric is not None and volumetric.strip(b"0."):
                return None
    diameters = [_diameter(text) for text in _list(_rows(first, last), "filament_diameter")]
    volume = sum(
        length * math.pi / 4 * diameters[tool if tool < len(diameters) else 0] ** 2
        for tool, length in millimetres.items()
    )
    return Decimal(repr(round(volume, 3))).quantize(Decimal("0.001")) if volume > 0 else None


def _whole_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes cut at line ends, each piece with a line feed in front; absurdly long lines are dropped."""
    rest = b""
    for chunk in chunks:
        rest += chunk
        end = rest.rfind(b"\n")
        if end >= 0:
            yield b"\n" + rest[: end + 1]
            rest = rest[end + 1 :]
        rest = rest[-_LONGEST_LINE:]
    yield b"\n" + rest


def _rows(head: bytes, tail: bytes) -> dict[str, str]:
    """The comments above and below the moves; what comes first counts."""
    rows: dict[str, str] = {}
    for text in (head, tail):
        for key, value in _ROW.findall(text.decode("utf-8", "replace").replace("\r", "")):
            rows.setdefault(key.lower(), value.strip())
    return rows


def _seconds(rows: dict[str, str]) -> int:
    text = rows.get("estimated printing time (normal mode)", "")
    if not text:  # Bambu writes two on one line: "model printing time: 15m 2s; total estimated time: 21m 30s"
        text = rows.get("model printing time", "").rpartition("total estimated time:")[2].strip()
    found = _DURATION.fullmatch(text) if text and len(text) < 60 else None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (0, 0, 0, 0)
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if total > _MOST_SECONDS:
        raise DamagedFile("It claims to print for months.")
    return total


def _filaments(rows: dict[str, str]) -> tuple[SlicedFilament, ...]:
    """The filaments that are used, numbered from 1 as in the slicer; grams, or volume times density."""
    grams = _numbers(rows, "filament used [g]") or _numbers(rows, "total filament weight [g]")
    if not any(grams):
        densities = _numbers(rows, "filament_density")
        volumes = _numbers(rows, "filament used [cm3]")
        grams = [volume * density for volume, density in zip(volumes, densities, strict=False)]
    lengths = _numbers(rows, "filament used [mm]") or _numbers(rows, "total filament length [mm]")
    types, colors = _list(rows, "filament_type"), _list(rows, "filament_colour")
    return tuple(
        SlicedFilament(
            id=position + 1,
            material_type=types[min(position, len(types) - 1)][:40],
            color_hex=colors[min(position, len(colors) - 1)][:9].upper(),
            used_m=lengths[position] / 1000 if position < len(lengths) else Decimal(0),
            used_g=used,
        )
        for position, used in enumerate(grams)
        if used
    )


def _printer(rows: dict[str, str]) -> str:
    name = _list(rows, "printer_model")[0][:60]
    return printer_model_id(name) or name


def _list(rows: dict[str, str], key: str) -> list[str]:
    return [text.strip().strip('"') for text in re.split("[,;]", rows.get(key, ""))[:64]]


def _numbers(rows: dict[str, str], key: str) -> list[Decimal]:
    return [_number(text, most=_MOST_GRAMS * 1000) for text in _list(rows, key)] if key in rows else []


def _number(text: str, *, most: Decimal) -> Decimal:
    try:
        number = Decimal(text or "0")
    except InvalidOperation as error:
        raise DamagedFile(f"It holds {text[:40]!r} where a number belongs.") from error
    if not number.is_finite() or not 0 <= number <= most:
        raise DamagedFile(f"It holds an absurd number: {text[:40]}.")
    return number


def _diameter(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return DEFAULT_DIAMETER
    return number if 0.5 <= number <= 5 else DEFAULT_DIAMETER
