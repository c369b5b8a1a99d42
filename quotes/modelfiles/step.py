"""Reading STEP: solids are meshed by Open CASCADE (cascadio) and measured like any mesh."""

from __future__ import annotations

import tempfile
from pathlib import Path

import cascadio
import trimesh

from quotes.modelfiles.errors import AskAnEngineer, EmptyModel, FileTooLarge
from quotes.modelfiles.limits import DEFAULT_LIMITS, MEBIBYTE, ReadLimits
from quotes.modelfiles.scene import MILLIMETRES, Piece, Scene, Shape

STEP_SIGNATURE = b"ISO-10303-21"
#: Largest distance (mm) and angle (radians) between the solid and its mesh.
TOLERANCE_MM, TOLERANCE_ANGLE = 0.05, 0.3


def read_step(data: bytes, limits: ReadLimits = DEFAULT_LIMITS) -> Scene:
    """Mesh a STEP file into millimetres; raises subclasses of ``UnusableFile``."""
    if len(data) > limits.max_bytes:
        raise FileTooLarge(f"It is larger than {limits.max_bytes // MEBIBYTE} MB.")
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "model.step", Path(folder) / "model.glb"
        source.write_bytes(data)
        try:
            cascadio.step_to_glb(str(source), str(target), TOLERANCE_MM, TOLERANCE_ANGLE)
        except RuntimeError as error:
            raise AskAnEngineer("The STEP file could not be meshed; ask an engineer.") from error
        if not target.exists() or not target.stat().st_size:
            raise AskAnEngineer("The STEP file could not be meshed; ask an engineer.")
        meshes = trimesh.load_scene(target, file_type="glb").dump()
    pieces = []
    for mesh in meshes:
        if isinstance(mesh, trimesh.Trimesh) and len(mesh.faces):
            # glTF is in metres.
            vertices = mesh.vertices * MILLIMETRES["meter"]
            pieces.append(Piece(Shape("", vertices, mesh.faces.astype("int64")), (0.0, 0.0, 0.0)))
    if not pieces:
        raise EmptyModel("It holds no solid.")
    if sum(len(piece.shape.faces) for piece in pieces) > limits.max_triangles or len(pieces) > limits.max_pieces:
        raise FileTooLarge("It is too detailed to be quoted automatically.")
    return Scene("step", "millimeter", tuple(pieces))
