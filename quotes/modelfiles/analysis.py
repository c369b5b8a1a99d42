"""What is known of a model file after reading it: exact at the boundary (Decimal), and storable as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from typing import Any


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

    ``format`` is 3mf or stl; ``unit`` the unit the file was written in (all numbers here are mm already);
    ``needs_person`` is empty or says why no automatic price may be given. ``thumbnail_png`` stays out of ``as_dict``.
    """

    format: str
    unit: str
    parts: tuple[PartGeometry, ...]
    warnings: tuple[str, ...] = ()
    needs_person: str = ""
    sliced: SlicedInfo | None = None
    thumbnail_png: bytes = field(default=b"", repr=False)

    @property
    def total_volume_mm3(self) -> Decimal:
        """Volume of all pieces in the file."""
        return sum((part.volume_mm3 * part.count for part in self.parts), Decimal(0))

    @property
    def piece_count(self) -> int:
        """Pieces in the file, instances counted."""
        return sum(part.count for part in self.parts)

    def as_dict(self) -> dict[str, Any]:
        """The analysis as JSON-ready data (decimals as strings, without the thumbnail)."""
        return _plain(asdict(replace(self, thumbnail_png=b"")))

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
        )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if key != "thumbnail_png"}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Decimal) else value


def _part(row: dict[str, Any]) -> PartGeometry:
    exact = {key: Decimal(row[key]) for key in row if key.endswith(("_mm2", "_mm3"))}
    width, depth, height = (Decimal(side) for side in row["bbox_mm"])
    return PartGeometry(**(row | exact | {"bbox_mm": (width, depth, height)}))


def _plate(row: dict[str, Any]) -> SlicedPlate:
    filaments = tuple(
        SlicedFilament(**(item | {"used_m": Decimal(item["used_m"]), "used_g": Decimal(item["used_g"])}))
        for item in row["filaments"]
    )
    return SlicedPlate(**(row | {"weight_g": Decimal(row["weight_g"]), "filaments": filaments}))
