"""From lib3mf's model to pieces on a plate: build items walked, components joined, filaments shared out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from lib3mf import Lib3MF
from numpy.typing import NDArray

from quotes.modelfiles.analysis import FilamentSlot
from quotes.modelfiles.colors import Colors
from quotes.modelfiles.errors import DamagedFile, FileTooLarge
from quotes.modelfiles.geometry import Faces, Vertices
from quotes.modelfiles.layers import LayerChange, layered
from quotes.modelfiles.lib3mf_buffers import faces_of, vertices_of
from quotes.modelfiles.limits import ReadLimits
from quotes.modelfiles.paint import Paint
from quotes.modelfiles.project import Project, ProjectObject, ProjectPart
from quotes.modelfiles.scene import MILLIMETRES, Matrix, Piece, Shape

UNITS = {
    Lib3MF.ModelUnit.MicroMeter: "micron",
    Lib3MF.ModelUnit.MilliMeter: "millimeter",
    Lib3MF.ModelUnit.CentiMeter: "centimeter",
    Lib3MF.ModelUnit.Inch: "inch",
    Lib3MF.ModelUnit.Foot: "foot",
    Lib3MF.ModelUnit.Meter: "meter",
}
_DEEPEST = 32
#: No place or scale of an object is larger than this (mm); also false for what is not a number.
_FARTHEST = 1e9
#: A filament with a smaller share of a part is not printed: a stray speck of paint.
_LEAST_SHARE = 1e-4


@dataclass(frozen=True)
class _Body:
    """One mesh of an object, placed; ``paint`` overrides ``filament`` (from 0) where it says so."""

    vertices: Vertices
    faces: Faces
    filament: int
    paint: Paint | None

    def fits(self, volumes: tuple[tuple[int, int, ProjectPart], ...]) -> bool:
        """Whether the ranges hold every triangle once."""
        held = np.zeros(len(self.faces), dtype=np.int64)
        for first, last, _ in volumes:
            held[first : last + 1] += 1
        return max(last for _, last, _ in volumes) < len(held) and bool((held == 1).all())

    def split(self, volumes: tuple[tuple[int, int, ProjectPart], ...]) -> list[_Body]:
        """The parts that are ranges of its triangles, without those that are not printed."""
        bodies = []
        for first, last, part in volumes:
            faces = self.faces[first : last + 1]
            if part.is_helper or not len(faces):
                continue
            used, renumbered = np.unique(faces, return_inverse=True)
            paint = self.paint and Paint(self.paint.rows[first : last + 1], self.paint.table)
            filament = self.filament if part.filament is None else part.filament
            bodies.append(_Body(self.vertices[used], renumbered.reshape(-1, 3), filament, paint))
        return bodies


class Reading:
    """One pass over a lib3mf model."""

    def __init__(
        self,
        model: Any,
        limits: ReadLimits,
        project: Project,
        paints: dict[tuple[str, int], Paint],
        colors: Colors | None,
    ) -> None:
        self._model = model
        self._limits = limits
        self._project = project
        self._paints = paints
        self._colors = colors
        self._triangles = 0
        self._meshes: dict[int, tuple[Vertices, Faces, Paint | None]] = {}
        self._shapes: dict[tuple[Any, ...], Shape] = {}
        self._used: set[int] = set()
        self.unit = UNITS[model.GetUnit()]
        self.warnings: list[str] = []
        self.needs_person = ""
        if model.GetLevelSets().Count() or model.GetFunctions().Count():
            self.needs_person = "The model is described by volumetric data, not by a surface."

    def filaments(self) -> tuple[FilamentSlot, ...]:
        """The filaments that the pieces use, as the project or the colours of the meshes name them."""
        known = self._project.filaments or (self._colors.filaments() if self._colors else ())
        slots = {slot.number: slot for slot in known}
        if not slots and self._used <= {0}:
            return ()
        return tuple(slots.get(number) or FilamentSlot(number, "", "") for number in sorted(self._used))

    def pieces(self, hidden: set[int]) -> tuple[Piece, ...]:
        """The build items in file order; those in ``hidden`` are left out and said."""
        pieces: list[Piece] = []
        items = self._model.GetBuildItems()
        if items.Count() > self._limits.max_pieces:
            raise FileTooLarge(f"It holds more than {self._limits.max_pieces} objects.")
        plates = {
            instance: position for position, plate in enumerate(self._project.plates) for instance in plate.instances
        }
        instances: dict[int, int] = {}
        outside = 0
        position = -1
        while items.MoveNext():
            position += 1
            item = items.GetCurrent()
            resource = item.GetObjectResource()
            number = resource.GetModelResourceID()
            instance = (number, instances.get(number, 0))
            instances[number] = instance[1] + 1
            if position in hidden:
                continue
            matrix = _matrix(item.GetObjectTransform()) if item.HasObjectTransform() else np.eye(4)
            matrix[3, :3] *= MILLIMETRES[self.unit]
            plate = plates.get(instance)
            shape = self._shape(resource, matrix, self._project.changes_on(plate))
            if len(shape.faces):
                outside += bool(plates) and plate is None
                pieces.append(Piece(shape, (matrix[3, 0], matrix[3, 1], matrix[3, 2]), plate))
        if hidden:
            self.warnings.append(f"{len(hidden)} objects are marked as not to be printed and were left out.")
        if outside:
            self.needs_person = self.needs_person or f"{outside} objects of the project lie outside of its plates."
        return tuple(pieces)

    def _shape(self, resource: Any, matrix: Matrix, changes: tuple[LayerChange, ...]) -> Shape:
        """The object turned and scaled as the item asks; equal ones are made once, turns on the plate being equal."""
        if not (np.abs(matrix) < _FARTHEST).all():
            raise DamagedFile("An object is placed at an absurd distance.")
        linear = matrix[:3, :3]
        mirrored = np.linalg.det(linear) < 0
        key = (
            resource.GetUniqueResourceID(),
            mirrored,
            changes,
            *np.round(linear @ linear.T, 5).ravel(),
            *np.round(linear[:, 2], 5),
        )
        if key not in self._shapes:
            if abs(np.linalg.det(linear)) < 1e-12:
                raise DamagedFile("An object is scaled to nothing.")
            rest = matrix.copy()
            rest[3] = (0, 0, 0, 1)
            said = self._project.object(resource.GetModelResourceID())
            bodies: list[_Body] = []
            self._collect(resource, rest, said, said.filament, bodies, depth=0)
            shape = self._joined(said.name or resource.GetName(), bodies)
            if changes and len(shape.faces):
                shape = layered(shape, changes)
            self._used.update(filament for filament, _ in shape.shares)
            self._shapes[key] = shape
        return self._shapes[key]

    def _collect(
        self, resource: Any, matrix: Matrix, said: ProjectObject, filament: int, into: list[_Body], *, depth: int
    ) -> None:
        if depth > _DEEPEST or len(into) > self._limits.max_pieces:
            raise FileTooLarge("Its objects are nested too deeply.")
        if resource.GetType() == Lib3MF.ObjectType.Other:
            return  # the core specification: not to be printed
        if resource.IsMeshObject():
            vertices, faces, paint = self._mesh(resource)
            self._triangles += len(faces)
            if self._triangles > self._limits.max_triangles:
                raise FileTooLarge(f"It holds more than {self._limits.max_triangles} triangles.")
            if len(faces):
                turned = vertices @ matrix[:3, :3] + matrix[3, :3]
                outward = faces if np.linalg.det(matrix[:3, :3]) > 0 else faces[:, ::-1]
                body = _Body(turned, outward, filament, paint)
                if not said.volumes or depth:
                    into.append(body)
                elif body.fits(said.volumes):
                    into += body.split(said.volumes)
                else:
                    self.needs_person = "The project's volumes do not fit its mesh."
                    into.append(body)
        elif resource.IsComponentsObject():
            for index in range(resource.GetComponentCount()):
                component = resource.GetComponent(index)
                child = component.GetObjectResource()
                part = said.parts.get(child.GetModelResourceID()) if depth == 0 else None
                if part and part.is_helper:
                    continue
                own = filament if part is None or part.filament is None else part.filament
                placed = _matrix(component.GetTransform()) if component.HasTransform() else np.eye(4)
                self._collect(child, placed @ matrix, said, own, into, depth=depth + 1)

    def _mesh(self, mesh: Any) -> tuple[Vertices, Faces, Paint | None]:
        number = mesh.GetUniqueResourceID()
        if number not in self._meshes:
            if mesh.GetTriangleCount() > self._limits.max_triangles:
                raise FileTooLarge(f"It holds more than {self._limits.max_triangles} triangles.")
            vertices, faces = vertices_of(mesh), faces_of(mesh)
            if len(faces) and faces.max() >= len(vertices):
                raise DamagedFile("A triangle names a corner that does not exist.")
            self._meshes[number] = (*_without_strays(vertices, faces), self._paint_of(mesh, len(faces)))
            self._note_extensions(mesh)
        return self._meshes[number]

    def _paint_of(self, mesh: Any, triangles: int) -> Paint | None:
        if self._colors:
            return self._colors.paint_of(mesh)
        if not self._paints:
            return None
        paint = self._paints.get((mesh.PackagePart().GetPath().lstrip("/"), mesh.GetModelResourceID()))
        if paint is not None and len(paint.rows) != triangles:
            self.needs_person = "The painted colours do not fit the mesh."
            return None
        return paint

    def _joined(self, name: str, bodies: list[_Body]) -> Shape:
        """One shape of all bodies, in millimetres, with the share that each filament has of it."""
        if not bodies:
            return Shape(name, np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64))
        starts = np.cumsum([0] + [len(body.vertices) for body in bodies[:-1]])
        faces = np.concatenate([body.faces + start for body, start in zip(bodies, starts, strict=True)])
        vertices = np.concatenate([body.vertices for body in bodies]) * MILLIMETRES[self.unit]
        if not np.isfinite(vertices).all():
            raise DamagedFile("The model holds coordinates that are not numbers.")
        name = name.strip()[:120]
        if len({body.filament for body in bodies}) == 1 and not any(body.paint for body in bodies):
            self._used.add(bodies[0].filament)
            return Shape(name, vertices, faces, ((bodies[0].filament, 1.0),) if bodies[0].filament else ())
        shares = self._shares(bodies)
        self._used.update(shares)
        per_face = np.concatenate([self._filament_of_faces(body) for body in bodies])
        return Shape(name, vertices, faces, tuple(sorted(shares.items())) if set(shares) != {0} else (), per_face)

    def _shares(self, bodies: list[_Body]) -> dict[int, float]:
        """The share of each filament: bodies weigh by volume, paint within a body by the area it covers."""
        amounts: dict[int, float] = {}
        for body in bodies:
            corners = (body.vertices - body.vertices.mean(axis=0))[body.faces]
            cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
            volume = abs(float(np.einsum("ij,ij->", corners[:, 0], cross)))
            if body.paint is None:
                amounts[body.filament] = amounts.get(body.filament, 0.0) + volume
                continue
            for state, share in enumerate(body.paint.shares(np.linalg.norm(cross, axis=1))):
                filament = self._filament(state, body.filament)
                amounts[filament] = amounts.get(filament, 0.0) + volume * float(share)
        whole = sum(amounts.values()) or 1.0
        kept = {filament: amount for filament, amount in amounts.items() if amount >= _LEAST_SHARE * whole}
        return {filament: amount / sum(kept.values()) for filament, amount in kept.items()} or {bodies[0].filament: 1.0}

    def _filament_of_faces(self, body: _Body) -> NDArray[np.int64]:
        if body.paint is None:
            return np.full(len(body.faces), body.filament, dtype=np.int64)
        states = range(body.paint.table.shape[1])
        return np.array([self._filament(state, body.filament) for state in states])[body.paint.strongest()]

    def _filament(self, state: int, own: int) -> int:
        """The filament (from 0) of a painted state; what the project does not have is not painted."""
        known = len(self._project.filaments)
        return state - 1 if state and (not known or state <= known) else own

    def _note_extensions(self, mesh: Any) -> None:
        if mesh.BeamLattice().GetBeamCount():
            self.needs_person = "The model holds a beam lattice, whose mass the mesh does not show."
        elif mesh.HasSlices(True):
            self.needs_person = "The model brings its own slices; its mesh may be only a box around it."
        elif mesh.GetVolumeData() is not None:
            self.needs_person = "The model is described by volumetric data, not by a surface."


def _without_strays(vertices: Vertices, faces: Faces) -> tuple[Vertices, Faces]:
    """The mesh without corners that no triangle uses: they would count for its size."""
    used = np.zeros(len(vertices), dtype=bool)
    used[faces] = True
    return (vertices, faces) if used.all() else (vertices[used], (np.cumsum(used) - 1)[faces])


def _matrix(transform: Any) -> Matrix:
    """A 3MF transform (row vectors, four rows of three) as a 4 x 4 matrix."""
    matrix = np.eye(4)
    matrix[:, :3] = np.array([list(row) for row in transform.Fields], dtype=np.float64)
    return matrix
