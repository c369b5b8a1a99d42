"""Reading 3MF: core specification, production extension, and what a slicer's project adds.

The package is checked first and handed to lib3mf repacked, so that lib3mf unpacks nothing unseen. ``printable="0"`` on
a build item is not in the specification, but all slicers of the field write and obey it.
"""

from __future__ import annotations

import re
from typing import Any

import lib3mf
import numpy as np
from lib3mf import Lib3MF

from quotes.modelfiles.errors import DamagedFile, EmptyModel, FileTooLarge
from quotes.modelfiles.geometry import Faces, Vertices
from quotes.modelfiles.lib3mf_buffers import faces_of, read_into, vertices_of
from quotes.modelfiles.limits import DEFAULT_LIMITS, ReadLimits
from quotes.modelfiles.package import Package, parse_xml
from quotes.modelfiles.scene import MILLIMETRES, Matrix, Piece, Scene, Shape
from quotes.modelfiles.sliced import read_slice_info
from quotes.modelfiles.structure import check_structure

UNITS = {
    Lib3MF.ModelUnit.MicroMeter: "micron",
    Lib3MF.ModelUnit.MilliMeter: "millimeter",
    Lib3MF.ModelUnit.CentiMeter: "centimeter",
    Lib3MF.ModelUnit.Inch: "inch",
    Lib3MF.ModelUnit.Foot: "foot",
    Lib3MF.ModelUnit.Meter: "meter",
}
MODEL_SETTINGS = "Metadata/model_settings.config"
_NOT_PRINTABLE = re.compile(rb"""printable\s*=\s*["'](0|false)["']""")
_MODIFIER = re.compile(rb"""subtype\s*=\s*["'](modifier_part|negative_part|support_enforcer|support_blocker)["']""")
_DEEPEST = 32
#: No place or scale of an object is larger than this (mm); also false for what is not a number.
_FARTHEST = 1e9
_LARGEST_THUMBNAIL = 8 * 1024 * 1024


def read_3mf(data: bytes, limits: ReadLimits = DEFAULT_LIMITS) -> Scene:
    """Read a 3MF file into millimetres; raises subclasses of ``UnusableFile``."""
    package = Package(data, limits)
    if "[Content_Types].xml" not in package or "_rels/.rels" not in package:
        raise DamagedFile("It is a zip archive, but not a 3MF package.")
    sliced = read_slice_info(package)
    needs_person = check_structure(package, limits)
    model = lib3mf.get_wrapper().CreateModel()
    try:
        notes = read_into(model, package.repacked(without=(".gcode", ".gcode.md5", ".config", ".json", ".png", ".jpg")))
        reading = _Reading(model, limits)
        pieces = reading.pieces(_hidden_items(package))
    except Lib3MF.ELib3MFException as error:
        raise DamagedFile(f"The 3MF content breaks the format ({error.error_description}).") from error
    if not pieces and sliced is None:
        raise EmptyModel("It holds nothing to print.")
    warnings = list(reading.warnings)
    if notes:
        warnings.append(
            f"The file is written carelessly ({len(notes)} remarks of the reader); please check the preview."
        )
    needs_person = reading.needs_person or needs_person
    if MODEL_SETTINGS in package and _MODIFIER.search(package.read(MODEL_SETTINGS)):
        needs_person = needs_person or "The project holds modifier or negative volumes."
    return Scene(
        format="3mf",
        unit=reading.unit,
        pieces=pieces,
        warnings=tuple(warnings),
        needs_person=needs_person,
        sliced=sliced,
        thumbnail_png=_thumbnail(package),
    )


def _thumbnail(package: Package) -> bytes:
    """The picture the file brings along, if it is a PNG."""
    named = (
        "Metadata/plate_1.png",
        "Metadata/thumbnail.png",
        "Thumbnails/thumbnail.png",
        ".thumbnails/thumbnail_3mf.png",
    )
    for name in named:
        if name in package:
            content = package.read(name)
            if content.startswith(b"\x89PNG\r\n\x1a\n") and len(content) <= _LARGEST_THUMBNAIL:
                return content
    return b""


def _hidden_items(package: Package) -> set[int]:
    """Positions of the root model's build items that are marked as not to be printed."""
    root_name = _root_model(package)
    content = package.read(root_name)
    if not _NOT_PRINTABLE.search(content):
        return set()
    root = parse_xml(content, root_name)
    items = [node for node in root.iter() if node.tag.rpartition("}")[2] == "item"]
    return {
        position
        for position, item in enumerate(items)
        if any(key.rpartition("}")[2] == "printable" and value in ("0", "false") for key, value in item.attrib.items())
    }


def _root_model(package: Package) -> str:
    for relation in parse_xml(package.read("_rels/.rels"), "_rels/.rels"):
        if relation.get("Type", "").endswith("/3dmodel"):
            return relation.get("Target", "").lstrip("/")
    raise DamagedFile("The package names no model.")


class _Reading:
    """One pass over a lib3mf model."""

    def __init__(self, model: Any, limits: ReadLimits) -> None:
        self._model = model
        self._limits = limits
        self._triangles = 0
        self._meshes: dict[int, tuple[Vertices, Faces]] = {}
        self._shapes: dict[tuple[Any, ...], Shape] = {}
        self.unit = UNITS[model.GetUnit()]
        self.warnings: list[str] = []
        self.needs_person = ""
        if model.GetLevelSets().Count() or model.GetFunctions().Count():
            self.needs_person = "The model is described by volumetric data, not by a surface."

    def pieces(self, hidden: set[int]) -> tuple[Piece, ...]:
        """The build items in file order; those in ``hidden`` are left out and said."""
        pieces: list[Piece] = []
        items = self._model.GetBuildItems()
        if items.Count() > self._limits.max_pieces:
            raise FileTooLarge(f"It holds more than {self._limits.max_pieces} objects.")
        position = -1
        while items.MoveNext():
            position += 1
            if position in hidden:
                continue
            item = items.GetCurrent()
            matrix = _matrix(item.GetObjectTransform()) if item.HasObjectTransform() else np.eye(4)
            matrix[3, :3] *= MILLIMETRES[self.unit]
            shape = self._shape(item.GetObjectResource(), matrix)
            if len(shape.faces):
                pieces.append(Piece(shape, (matrix[3, 0], matrix[3, 1], matrix[3, 2])))
        if hidden:
            self.warnings.append(f"{len(hidden)} objects are marked as not to be printed and were left out.")
        return tuple(pieces)

    def _shape(self, resource: Any, matrix: Matrix) -> Shape:
        """The object turned and scaled as the item asks; equal ones are made once, turns on the plate being equal."""
        if not (np.abs(matrix) < _FARTHEST).all():
            raise DamagedFile("An object is placed at an absurd distance.")
        linear = matrix[:3, :3]
        mirrored = np.linalg.det(linear) < 0
        key = (
            resource.GetUniqueResourceID(),
            mirrored,
            *np.round(linear @ linear.T, 5).ravel(),
            *np.round(linear[:, 2], 5),
        )
        if key not in self._shapes:
            if abs(np.linalg.det(linear)) < 1e-12:
                raise DamagedFile("An object is scaled to nothing.")
            rest = matrix.copy()
            rest[3] = (0, 0, 0, 1)
            collected: list[tuple[Vertices, Faces]] = []
            self._collect(resource, rest, collected, depth=0)
            vertices, faces = _joined(collected)
            vertices *= MILLIMETRES[self.unit]
            if not np.isfinite(vertices).all():
                raise DamagedFile("The model holds coordinates that are not numbers.")
            self._shapes[key] = Shape(_name(resource), vertices, faces)
        return self._shapes[key]

    def _collect(self, resource: Any, matrix: Matrix, into: list[tuple[Vertices, Faces]], *, depth: int) -> None:
        if depth > _DEEPEST or len(into) > self._limits.max_pieces:
            raise FileTooLarge("Its objects are nested too deeply.")
        if resource.IsMeshObject():
            vertices, faces = self._mesh(resource)
            self._triangles += len(faces)
            if self._triangles > self._limits.max_triangles:
                raise FileTooLarge(f"It holds more than {self._limits.max_triangles} triangles.")
            if len(faces):
                turned = vertices @ matrix[:3, :3] + matrix[3, :3]
                into.append((turned, faces if np.linalg.det(matrix[:3, :3]) > 0 else faces[:, ::-1]))
        elif resource.IsComponentsObject():
            for index in range(resource.GetComponentCount()):
                component = resource.GetComponent(index)
                own = _matrix(component.GetTransform()) if component.HasTransform() else np.eye(4)
                self._collect(component.GetObjectResource(), own @ matrix, into, depth=depth + 1)

    def _mesh(self, mesh: Any) -> tuple[Vertices, Faces]:
        number = mesh.GetUniqueResourceID()
        if number not in self._meshes:
            if mesh.GetTriangleCount() > self._limits.max_triangles:
                raise FileTooLarge(f"It holds more than {self._limits.max_triangles} triangles.")
            vertices, faces = vertices_of(mesh), faces_of(mesh)
            if len(faces) and faces.max() >= len(vertices):
                raise DamagedFile("A triangle names a corner that does not exist.")
            self._meshes[number] = (vertices, faces)
            self._note_extensions(mesh)
        return self._meshes[number]

    def _note_extensions(self, mesh: Any) -> None:
        if mesh.BeamLattice().GetBeamCount():
            self.needs_person = "The model holds a beam lattice, whose mass the mesh does not show."
        elif mesh.HasSlices(True):
            self.needs_person = "The model brings its own slices; its mesh may be only a box around it."
        elif mesh.GetVolumeData() is not None:
            self.needs_person = "The model is described by volumetric data, not by a surface."


def _matrix(transform: Any) -> Matrix:
    """A 3MF transform (row vectors, four rows of three) as a 4 x 4 matrix."""
    matrix = np.eye(4)
    matrix[:, :3] = np.array([list(row) for row in transform.Fields], dtype=np.float64)
    return matrix


def _joined(meshes: list[tuple[Vertices, Faces]]) -> tuple[Vertices, Faces]:
    if not meshes:
        return np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64)
    starts = np.cumsum([0] + [len(vertices) for vertices, _ in meshes[:-1]])
    faces = [faces + start for (_, faces), start in zip(meshes, starts, strict=True)]
    return np.concatenate([vertices for vertices, _ in meshes]), np.concatenate(faces)


def _name(resource: Any) -> str:
    return resource.GetName().strip()[:120]
