"""What a slicer's project says besides its meshes, as Bambu Studio and Orca write it.

``Metadata/project_settings.config`` is JSON: one flat object of presets, lists for what there is per filament.
``Metadata/model_settings.config`` is XML: ``object`` (id as in the root model) with ``part`` (id of the component's
object) rows, both with an ``extruder`` counted from 1, and ``plate`` rows with their ``model_instance``s, which count
the build items of an object from 0. PrusaSlicer's ``Metadata/Slic3r_PE.config`` holds ``; key = value`` lines, and its
``Metadata/Slic3r_PE_model.config`` names ranges of an object's triangles as ``volume``s.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any
from xml.etree.ElementTree import Element

from production.printer_models import printer_model_id
from quotes.modelfiles.analysis import FilamentSlot, PrintWishes
from quotes.modelfiles.layers import LayerChange, LayerSettings, read_layer_settings
from quotes.modelfiles.package import Package, parse_xml
from quotes.modelfiles.paint import MOST_FILAMENTS

PROJECT_SETTINGS = "Metadata/project_settings.config"
MODEL_SETTINGS = "Metadata/model_settings.config"
PRUSA_SETTINGS = "Metadata/Slic3r_PE.config"
PRUSA_MODEL_SETTINGS = "Metadata/Slic3r_PE_model.config"
_PRUSA_ROW = re.compile(r"^; (\w+) = (.*)$", re.MULTILINE)
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}(?:[0-9A-Fa-f]{2})?")
_MOST_PLATES = 100
_LARGEST_SETTINGS = 4 * 1024 * 1024
#: What an object may want for itself that changes its price.
_OWN_SETTINGS = {
    "sparse_infill_density": "infill",
    "wall_loops": "walls",
    "layer_height": "layer height",
    "enable_support": "supports",
}
_HELPERS = {"modifier_part", "negative_part", "support_enforcer", "support_blocker"}
#: PrusaSlicer's names for the same.
_KINDS = {
    "ParameterModifier": "modifier_part",
    "NegativeVolume": "negative_part",
    "SupportEnforcer": "support_enforcer",
    "SupportBlocker": "support_blocker",
}
#: These change what is printed in a way that the mesh does not show.
_CHANGERS = {"modifier_part", "negative_part"}
_MOST_VOLUMES = 200
#: A layer (mm) where nothing is said.
_USUAL_LAYER = Decimal("0.2")


@dataclass(frozen=True)
class ProjectPart:
    """A part of an object: its filament (from 0; None: the object's), and its kind as Bambu Studio names it."""

    filament: int | None
    kind: str

    @property
    def is_helper(self) -> bool:
        """Whether it is drawn to steer the slicer, not to be printed."""
        return self.kind in _HELPERS


@dataclass(frozen=True)
class ProjectObject:
    """An object of the root model: its filament from 0, and its parts by the number of the component's object."""

    name: str = ""
    filament: int = 0
    #: Settings of the object or its parts that differ from the project's, as (what, value).
    settings: tuple[tuple[str, str], ...] = ()
    parts: dict[int, ProjectPart] = field(default_factory=dict)
    #: Parts that are ranges (first, last) of the object's own triangles.
    volumes: tuple[tuple[int, int, ProjectPart], ...] = ()

    def all_parts(self) -> list[ProjectPart]:
        """Its parts of either sort."""
        return [*self.parts.values(), *(part for _, _, part in self.volumes)]


@dataclass(frozen=True)
class ProjectPlate:
    """A plate and what lies on it, as (object, which of its build items from 0)."""

    index: int
    name: str
    instances: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Project:
    """A project; everything is empty where the file is none."""

    filaments: tuple[FilamentSlot, ...] = ()
    wishes: PrintWishes | None = None
    objects: dict[int, ProjectObject] = field(default_factory=dict)
    plates: tuple[ProjectPlate, ...] = ()
    layers: LayerSettings = field(default_factory=LayerSettings)
    has_changers: bool = False

    def changes_on(self, plate: int | None) -> tuple[LayerChange, ...]:
        """The filament changes on a plate (its position from 0); without plates those of the first."""
        number = 1 if plate is None or not self.plates else self.plates[plate].index
        return self.layers.changes.get(number, ())

    def object(self, number: int) -> ProjectObject:
        """What is said of an object of the root model."""
        return self.objects.get(number) or ProjectObject()


def read_project(package: Package) -> Project:
    """Read the settings of a package; values that make no sense are passed over, broken XML is a ``DamagedFile``."""
    settings = _settings(package)
    objects: dict[int, ProjectObject] = {}
    plates: list[ProjectPlate] = []
    for name in (MODEL_SETTINGS, PRUSA_MODEL_SETTINGS):
        if name not in package:
            continue
        root = parse_xml(package.read(name), name)
        numbered = [(_count(node.get("id")), node) for node in root.iter("object")]
        objects = {number: _object(node) for number, node in numbered if number is not None}
        plates = [_plate(node, position) for position, node in enumerate(root.iter("plate"), start=1)]
    wishes = _wishes(settings) if settings else None
    layer_height = wishes.layer_height_mm if wishes else None
    return Project(
        filaments=_filaments(settings),
        wishes=wishes,
        layers=read_layer_settings(package, float(layer_height or _USUAL_LAYER)),
        objects=objects,
        plates=tuple(plate for plate in plates[:_MOST_PLATES] if plate.instances),
        has_changers=any(part.kind in _CHANGERS for said in objects.values() for part in said.all_parts()),
    )


def _settings(package: Package) -> dict[str, Any]:
    """The flat presets of whichever slicer saved the project."""
    if PROJECT_SETTINGS in package and package.size(PROJECT_SETTINGS) <= _LARGEST_SETTINGS:
        try:
            read = json.loads(package.read(PROJECT_SETTINGS))
        except (ValueError, RecursionError):
            return {}
        return read if isinstance(read, dict) else {}
    if PRUSA_SETTINGS in package and package.size(PRUSA_SETTINGS) <= _LARGEST_SETTINGS:
        rows = dict(_PRUSA_ROW.findall(package.read(PRUSA_SETTINGS).decode("utf-8", "replace")))
        return {
            "filament_type": rows.get("filament_type", "").split(";"),
            "filament_colour": rows.get("extruder_colour", "").split(";"),
            "layer_height": rows.get("layer_height"),
            "sparse_infill_density": rows.get("fill_density"),
            "wall_loops": rows.get("perimeters"),
            "enable_support": rows.get("support_material"),
            "printer_model": rows.get("printer_model"),
        }
    return {}


def _filaments(settings: dict[str, Any]) -> tuple[FilamentSlot, ...]:
    types, colors = _texts(settings.get("filament_type")), _texts(settings.get("filament_colour"))
    if not any(types) and not any(colors):
        return ()
    count = min(max(len(types), len(colors)), MOST_FILAMENTS)
    padding = [""] * count
    return tuple(
        FilamentSlot(number, material_type[:40], color.upper()[:7] if _COLOR.fullmatch(color) else "")
        for number, material_type, color in zip(range(count), types + padding, colors + padding, strict=False)
    )


def _wishes(settings: dict[str, Any]) -> PrintWishes:
    infill = _within(settings.get("sparse_infill_density"), 0, 100)
    walls = _within(settings.get("wall_loops"), 0, 100)
    supports = _texts(settings.get("enable_support"))[:1]
    printer = (_texts(settings.get("printer_model")) or [""])[0][:60]
    return PrintWishes(
        layer_height_mm=_within(settings.get("layer_height"), Decimal("0.01"), 2),
        infill_percent=None if infill is None else int(infill),
        walls=None if walls is None else int(walls),
        supports={"1": True, "0": False}.get(supports[0]) if supports else None,
        printer_model_id=printer_model_id(printer) or printer,
    )


def _object(node: Element) -> ProjectObject:
    parts = {
        number: ProjectPart(_filament(part), part.get("subtype", ""))
        for part in node.findall("part")
        if (number := _count(part.get("id"))) is not None
    }
    own = tuple(
        (_OWN_SETTINGS[item.get("key", "")], item.get("value", "")[:40])
        for item in node.iter("metadata")
        if item.get("key", "") in _OWN_SETTINGS
    )
    volumes = tuple(
        (first, last, ProjectPart(_filament(volume), _KINDS.get(_values(volume).get("volume_type", ""), "")))
        for volume in node.findall("volume")[:_MOST_VOLUMES]
        if (first := _count(volume.get("firstid"))) is not None and (last := _count(volume.get("lastid"))) is not None
    )
    return ProjectObject(_values(node).get("name", "").strip()[:120], _filament(node) or 0, own, parts, volumes)


def _plate(node: Element, position: int) -> ProjectPlate:
    values = _values(node)
    instances: list[tuple[int, int]] = []
    for instance in node.findall("model_instance"):
        said = _values(instance)
        number, which = _count(said.get("object_id")), _count(said.get("instance_id"))
        if number is not None and which is not None:
            instances.append((number, which))
    index = _count(values.get("plater_id"))
    return ProjectPlate(position if index is None else index, values.get("plater_name", "")[:120], tuple(instances))


def _filament(node: Element) -> int | None:
    """The filament from 0 that an ``extruder`` row names from 1; 0 there means: whatever is above."""
    number = _count(_values(node).get("extruder"))
    return number - 1 if number and number <= MOST_FILAMENTS else None


def _values(node: Element) -> dict[str, str]:
    return {item.get("key", ""): item.get("value", "") for item in node.findall("metadata")}


def _count(text: str | None) -> int | None:
    return int(text) if text and len(text) <= 12 and text.isascii() and text.isdigit() else None


def _texts(value: Any) -> list[str]:
    """A preset's value as list of texts: slicers write one text, or a list of them."""
    if isinstance(value, list):
        return [item if isinstance(item, str) else "" for item in value[:MOST_FILAMENTS]]
    return [value] if isinstance(value, str) else []


def _within(value: Any, least: Decimal | int, most: Decimal | int) -> Decimal | None:
    text = (_texts(value) or [""])[0].rstrip("%")
    try:
        number = Decimal(text) if len(text) <= 20 else None
    except InvalidOperation:
        return None
    return number if number is not None and number.is_finite() and least <= number <= most else None
