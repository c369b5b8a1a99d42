"""What is known of a model file after reading it: exact at the boundary (Decimal), and storable as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class Section:
    """A slab of a part between two heights (mm), as a cut through its middle shows it.

    ``loops`` are all outlines, ``islands`` those that are not around a hole.
    ``inner_*`` is what lies within two walls, ``nooks_mm2`` the part of it in islands so small that they print solid.
    ``bends_s``: the seconds that corners and curves of the outlines cost at 60 and at 200 mm/s
    (``sections.BEND_SPEEDS``). ``roof_mm2`` is what of the inside lies open on the slab's top, ``floor_mm2`` what hangs
    free or stands on the plate at its bottom; their margins are the inside within 3 mm around them.
    ``support_mm2`` is the room under overhangs, with its border.
    """

    bottom_mm: Decimal
    top_mm: Decimal
    area_mm2: Decimal
    outline_mm: Decimal
    loops: int
    islands: int
    inner_area_mm2: Decimal
    inner_outline_mm: Decimal
    inner_loops: int
    nooks_mm2: Decimal
    bends_s: tuple[Decimal, Decimal]
    roof_mm2: Decimal
    roof_margin_mm2: Decimal
    floor_mm2: Decimal
    floor_margin_mm2: Decimal
    support_mm2: Decimal
    support_border_mm: Decimal


@dataclass(frozen=True)
class SlopeBand:
    """Sloping surface of ten degrees, from flat to upright: as seen from above, and weighted by the sine of its slope.

    First what faces up, then what faces down.
    """

    up_mm2: Decimal
    up_side_mm2: Decimal
    down_mm2: Decimal
    down_side_mm2: Decimal


@dataclass(frozen=True)
class PartGeometry:
    """One kind of part and how often the file holds it; all numbers are for one piece, in mm as it lies on the plate.

    ``side_area`` is the surface weighted by the sine of its angle to the plate, i.e. the sum of all outlines times the
    layer height; ``up_area`` and ``down_area`` are the surface as seen from above and from below. ``overhang`` is the
    part of ``down_area`` that prints into the air, ``support_column`` the space between it and the plate.
    ``overlapping``: bodies may share space, so that the volume is counted more than once.
    """

    name: str
    count: int
    volume_mm3: Decimal
    area_mm2: Decimal
    bbox_mm: tuple[Decimal, Decimal, Decimal]
    triangles: int
    watertight: bool
    bodies: int
    overlapping: bool
    side_area_mm2: Decimal
    up_area_mm2: Decimal
    down_area_mm2: Decimal
    overhang_mm2: Decimal
    support_column_mm3: Decimal
    #: (filament number from 0, share of the part from 0 to 1) of a part painted or assembled in several filaments; the
    #: shares add up to 1. Empty: filament 0 alone.
    filament_shares: tuple[tuple[int, Decimal], ...] = ()
    #: The thinnest wall that was found, as a hint; None where none was looked for.
    min_wall_mm: Decimal | None = None
    #: Cuts from the plate up; empty in what was read before there were any.
    sections: tuple[Section, ...] = ()
    slopes: tuple[SlopeBand, ...] = ()
    #: The overhang with each side on the plate: as it lies, upside down, on -x, +x, -y, +y (``geometry.SIDES``).
    side_overhangs_mm2: tuple[Decimal, ...] = ()


@dataclass(frozen=True)
class FilamentSlot:
    """A filament that a slicer's project names; ``number`` counts from 0, as ``PartGeometry.filament_shares`` does."""

    number: int
    material_type: str
    color_hex: str


@dataclass(frozen=True)
class ModelPlate:
    """A plate of a slicer's project: ``parts`` are (position in the analysis' parts, how many lie on it)."""

    index: int
    name: str
    parts: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class PrintWishes:
    """What a slicer's project says of how it wants to be printed; None or empty where it says nothing."""

    layer_height_mm: Decimal | None = None
    infill_percent: int | None = None
    walls: int | None = None
    supports: bool | None = None
    printer_model_id: str = ""


@dataclass(frozen=True)
class SlicedFilament:
    """One filament of a sliced plate, as the slicer wrote it."""

    id: int
    material_type: str
    color_hex: str
    used_m: Decimal
    used_g: Decimal


@dataclass(frozen=True)
class SlicedPlate:
    """One sliced plate: predicted time (s), total weight (g), filaments, and where its G-code lies in the package."""

    index: int
    prediction_seconds: int
    weight_g: Decimal
    filaments: tuple[SlicedFilament, ...]
    printer_model_id: str = ""
    nozzle_mm: str = ""
    gcode_path: str = ""
    gcode_md5: str = ""
    #: What the G-code itself extrudes, all filaments, mm3: the check of what the slicer claims. None: not counted.
    extruded_mm3: Decimal | None = None


@dataclass(frozen=True)
class SlicedInfo:
    """The slicer's own numbers of a sliced package."""

    plates: tuple[SlicedPlate, ...]
    sliced_by: str = ""

    @property
    def prediction_seconds(self) -> int:
        """All plates together."""
        return sum(plate.prediction_seconds for plate in self.plates)

    @property
    def weight_g(self) -> Decimal:
        """All plates together."""
        return sum((plate.weight_g for plate in self.plates), Decimal(0))


@dataclass(frozen=True)
class ModelAnalysis:
    """A file, read: its parts and what a person should know about it.

    ``format`` is 3mf, stl, step or gcode; ``unit`` the unit the file was written in (all numbers here are mm already);
    ``needs_person`` is empty or says why no automatic price may be given. The pictures stay out of ``as_dict``:
    ``thumbnail_png``, and ``viewer_mesh``, a binary glTF (GLB) in mm with Z up for the browser.
    """

    format: str
    unit: str
    parts: tuple[PartGeometry, ...]
    warnings: tuple[str, ...] = ()
    needs_person: str = ""
    sliced: SlicedInfo | None = None
    filaments: tuple[FilamentSlot, ...] = ()
    plates: tuple[ModelPlate, ...] = ()
    wishes: PrintWishes | None = None
    thumbnail_png: bytes = field(default=b"", repr=False)
    viewer_mesh: bytes = field(default=b"", repr=False)

    @property
    def total_volume_mm3(self) -> Decimal:
        """Volume of all pieces in the file."""
        return sum((part.volume_mm3 * part.count for part in self.parts), Decimal(0))

    @property
    def piece_count(self) -> int:
        """Pieces in the file, instances counted."""
        return sum(part.count for part in self.parts)

    def as_dict(self) -> dict[str, Any]:
        """The analysis as JSON-ready data (decimals as strings, without the pictures)."""
        return _plain(asdict(replace(self, thumbnail_png=b"", viewer_mesh=b"")))

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ModelAnalysis:
        """The inverse of ``as_dict``: an estimate needs no second reading of the file."""
        sliced = data.get("sliced")
        return cls(
            format=data["format"],
            unit=data["unit"],
            parts=tuple(_part(row) for row in data["parts"]),
            warnings=tuple(data["warnings"]),
            needs_person=data["needs_person"],
            sliced=sliced and SlicedInfo(tuple(_plate(row) for row in sliced["plates"]), sliced["sliced_by"]),
            filaments=tuple(FilamentSlot(**row) for row in data.get("filaments", ())),
            plates=tuple(
                ModelPlate(row["index"], row["name"], tuple((part, count) for part, count in row["parts"]))
                for row in data.get("plates", ())
            ),
            wishes=_wishes(data.get("wishes")),
        )


_PICTURES = ("thumbnail_png", "viewer_mesh")


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key not in _PICTURES}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Decimal) else value


def _part(row: dict[str, Any]) -> PartGeometry:
    exact = {key: Decimal(row[key]) for key in row if key.endswith(("_mm2", "_mm3")) and isinstance(row[key], str)}
    width, depth, height = (Decimal(side) for side in row["bbox_mm"])
    later = {
        "bbox_mm": (width, depth, height),
        "filament_shares": tuple((number, Decimal(share)) for number, share in row.get("filament_shares", ())),
        "min_wall_mm": _decimal(row.get("min_wall_mm")),
        "sections": tuple(_section(section) for section in row.get("sections", ())),
        "slopes": tuple(
            SlopeBand(**{key: Decimal(area) for key, area in band.items()}) for band in row.get("slopes", ())
        ),
        "side_overhangs_mm2": tuple(Decimal(area) for area in row.get("side_overhangs_mm2", ())),
    }
    return PartGeometry(**(row | exact | later))


def _section(row: dict[str, Any]) -> Section:
    slow, fast = (Decimal(seconds) for seconds in row["bends_s"])
    exact = {key: Decimal(row[key]) for key in row if key.endswith(("_mm", "_mm2"))}
    return Section(**(row | exact | {"bends_s": (slow, fast)}))


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _wishes(row: dict[str, Any] | None) -> PrintWishes | None:
    return None if row is None else PrintWishes(**(row | {"layer_height_mm": _decimal(row["layer_height_mm"])}))


def _plate(row: dict[str, Any]) -> SlicedPlate:
    filaments = tuple(
        SlicedFilament(**(item | {"used_m": Decimal(item["used_m"]), "used_g": Decimal(item["used_g"])}))
        for item in row["filaments"]
    )
    exact = {"weight_g": Decimal(row["weight_g"]), "extruded_mm3": _decimal(row.get("extruded_mm3"))}
    return SlicedPlate(**(row | exact | {"filaments": filaments}))
