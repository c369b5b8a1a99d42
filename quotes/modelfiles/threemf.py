"""Reading 3MF: core specification, production extension, and what a slicer's project adds.

The package is checked first and handed to lib3mf repacked, so that lib3mf unpacks nothing unseen. ``printable="0"`` on
a build item is not in the specification, but all slicers of the field write and obey it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import lib3mf
from lib3mf import Lib3MF

from quotes.modelfiles.colors import Colors
from quotes.modelfiles.errors import DamagedFile, EmptyModel
from quotes.modelfiles.lib3mf_buffers import read_into
from quotes.modelfiles.limits import DEFAULT_LIMITS, ReadLimits
from quotes.modelfiles.package import Package, walk_xml
from quotes.modelfiles.paint import Paint, is_painted, read_paint, without_paint
from quotes.modelfiles.pieces import Reading
from quotes.modelfiles.project import read_project
from quotes.modelfiles.repack import CONTENT_TYPES, ROOT_RELATIONS, repacked, root_model
from quotes.modelfiles.scene import Scene
from quotes.modelfiles.sliced import read_slice_info
from quotes.modelfiles.structure import check_structure, mended

_NOT_PRINTABLE = re.compile(rb"""printable\s*=\s*["'](0|false)["']""")
_MOST_REMARKS = 20
_LARGEST_THUMBNAIL = 8 * 1024 * 1024


def read_3mf(data: bytes, limits: ReadLimits = DEFAULT_LIMITS) -> Scene:
    """Read a 3MF file into millimetres; raises subclasses of ``UnusableFile``."""
    package = Package(data, limits)
    if CONTENT_TYPES not in package or ROOT_RELATIONS not in package:
        raise DamagedFile("It is a zip archive, but not a 3MF package.")
    sliced = read_slice_info(package, limits)
    project = read_project(package)
    needs_person = check_structure(package, limits)
    paints = _paints(package)
    try:
        model, notes = _opened(package, without_paint if paints else None)
        colors = None if paints or project.filaments else Colors(model)
        reading = Reading(model, limits, project, paints, colors)
        pieces = reading.pieces(_hidden_items(package))
    except Lib3MF.ELib3MFException as error:
        raise DamagedFile(f"The 3MF content breaks the format ({error.error_description}).") from error
    if not pieces and sliced is None:
        raise EmptyModel("It holds nothing to print.")
    warnings = list(reading.warnings)
    if notes:
        warnings.append(f"The file is written carelessly (remarks of the reader: {notes}); please check the preview.")
    wilful = [said for said in project.objects.values() if said.settings]
    for said in wilful[:_MOST_REMARKS]:
        own = ", ".join(f"{what} {value}" for what, value in said.settings[:4])
        warnings.append(f"{said.name or 'An object'} asks for settings of its own in the project ({own}).")
    if sliced and len(project.plates) > len(sliced.plates):
        warnings.append(f"Only {len(sliced.plates)} of {len(project.plates)} plates of the project are sliced.")
    needs_person = reading.needs_person or needs_person
    if project.layers.has_gcode:
        warnings.append("The project holds G-code of its own, which is left out.")
    if project.layers.has_work_by_hand:
        needs_person = needs_person or "The project asks for a pause or a change by hand during the print."
    if project.has_changers:
        needs_person = needs_person or "The project holds modifier or negative volumes."
    return Scene(
        format="3mf",
        unit=reading.unit,
        pieces=pieces,
        warnings=tuple(warnings),
        needs_person=needs_person,
        sliced=sliced,
        filaments=reading.filaments(),
        plates=tuple((plate.index, plate.name) for plate in project.plates),
        wishes=project.wishes,
        thumbnail_png=_thumbnail(package),
    )


def _opened(package: Package, cleaned: Callable[[bytes], bytes] | None) -> tuple[Any, int]:
    """lib3mf's model and how many remarks it makes; what it would not read is mended as other readers do, and said."""
    wrapper = lib3mf.get_wrapper()
    model = wrapper.CreateModel()
    try:
        return model, read_into(model, repacked(package, cleaned))
    except Lib3MF.ELib3MFException:
        parts = [package.read(name) for name in package.names if name.lower().endswith(".model")]
        if all(mended(part) is part for part in parts):
            raise
    model = wrapper.CreateModel()
    return model, 1 + read_into(model, repacked(package, lambda part: mended(cleaned(part) if cleaned else part)))


def _paints(package: Package) -> dict[tuple[str, int], Paint]:
    """The paint of every painted mesh, by the model part and the object's number in it."""
    paints: dict[tuple[str, int], Paint] = {}
    for name in package.names:
        if name.lower().endswith(".model") and is_painted(content := package.read(name)):
            paints |= {(name, number): paint for number, paint in read_paint(content).items()}
    return paints


def _thumbnail(package: Package) -> bytes:
    """The picture the file brings along, if it is a PNG."""
    named = (
        "Metadata/plate_1.png",
        "Metadata/thumbnail.png",
        "Thumbnails/thumbnail.png",
        "Auxiliaries/.thumbnails/thumbnail_3mf.png",
        ".thumbnails/thumbnail_3mf.png",
    )
    for name in named:
        if name in package and package.size(name) <= _LARGEST_THUMBNAIL:
            content = package.read(name)
            if content.startswith(b"\x89PNG\r\n\x1a\n"):
                return content
    return b""


def _hidden_items(package: Package) -> set[int]:
    """Positions of the root model's build items that are marked as not to be printed."""
    root_name = root_model(package)
    content = package.read(root_name)
    if not _NOT_PRINTABLE.search(content):
        return set()
    hidden: set[int] = set()
    position = -1

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal position
        if tag == "item":
            position += 1
            if any(key.rpartition(":")[2] == "printable" and attributes[key] in ("0", "false") for key in attributes):
                hidden.add(position)

    walk_xml(content, root_name, start)
    return hidden
