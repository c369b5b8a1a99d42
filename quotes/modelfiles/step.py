"""Reading STEP: the solids are meshed by Open CASCADE (package cascadio), in the units that the file declares.

cascadio answers a binary glTF in metres with the axes of the file: one mesh per part, placed by nodes. A file whose
references are of the wrong kind can crash it: strangers' files are read in a process of their own (``isolated``).
"""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import Any

import cascadio
import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from quotes.modelfiles.errors import AskAnEngineer, DamagedFile, EmptyModel, FileTooLarge
from quotes.modelfiles.geometry import without_twins
from quotes.modelfiles.limits import DEFAULT_LIMITS, MEBIBYTE, ReadLimits
from quotes.modelfiles.scene import Matrix, Piece, Scene, Shape

#: How far the mesh may lie from the true surface (mm), and between its facets (radians).
LINEAR_TOLERANCE, ANGULAR_TOLERANCE = 0.02, 0.25
_SIGNATURE, _END = b"ISO-10303-21", b"END-ISO-10303-21"
_SOLIDS = (b"MANIFOLD_SOLID_BREP", b"BREP_WITH_VOIDS", b"FACETED_BREP", b"SHELL_BASED_SURFACE_MODEL")
_NUMBERS = {5121: "<u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_DEEPEST = 16


def is_step(data: bytes) -> bool:
    """Whether the content starts as a STEP exchange file does."""
    return data[:64].lstrip(b"\xef\xbb\xbf \r\n\t").startswith(_SIGNATURE)


def read_step(data: bytes, limits: ReadLimits = DEFAULT_LIMITS) -> Scene:
    """Read a STEP file into meshes in millimetres; raises subclasses of ``UnusableFile``."""
    if len(data) > limits.max_step_bytes:
        raise FileTooLarge(f"STEP files up to {limits.max_step_bytes // MEBIBYTE} MB can be priced automatically.")
    if _END not in data[-1024:]:
        raise AskAnEngineer("The STEP file has no end; upload it again, or ask an engineer.")
    if data.count(b"=") > limits.max_step_entities:
        raise AskAnEngineer("The STEP file is too detailed to be priced automatically.")
    if not any(solid in data for solid in _SOLIDS):
        raise EmptyModel("It holds no solid.")
    meshed = cascadio.load(data, tol_linear=LINEAR_TOLERANCE, tol_angular=ANGULAR_TOLERANCE, use_parallel=False)
    if not meshed:
        raise AskAnEngineer("The STEP file cannot be read automatically; please ask an engineer, or send a 3MF.")
    pieces = _pieces(meshed, limits)
    if not pieces:
        raise AskAnEngineer("The solids in the STEP file are broken; please ask an engineer, or send a 3MF.")
    bodies, is_closed = _bodies(pieces)
    needs_person = ""
    if not is_closed or bodies < sum(data.count(solid + b"(") for solid in _SOLIDS):
        needs_person = "Not all faces and solids of the STEP file could be read."
    return Scene(format="step", unit="millimeter", pieces=pieces, needs_person=needs_person)


def _bodies(pieces: tuple[Piece, ...]) -> tuple[int, bool]:
    """Connected bodies of all different shapes, and whether all are closed.

    Open CASCADE leaves out what it cannot mesh without a word: a body or a hole is how it shows.
    """
    found, is_closed = 0, True
    for shape in {id(piece.shape): piece.shape for piece in pieces}.values():
        vertices, faces = without_twins(shape.vertices, shape.faces)
        starts, ends = faces.ravel(), faces[:, [1, 2, 0]].ravel()
        graph = coo_array((np.ones(len(ends), dtype=np.int8), (starts, ends)), shape=(len(vertices),) * 2)
        labels = connected_components(graph, directed=False)[1]
        found += len(np.unique(labels[faces[:, 0]]))
        edges = np.minimum(starts, ends) * len(vertices) + np.maximum(starts, ends)
        is_closed &= bool((np.unique(edges, return_counts=True)[1] % 2 == 0).all())
    return found, is_closed


def _pieces(content: bytes, limits: ReadLimits) -> tuple[Piece, ...]:
    """The parts of a GLB as pieces in mm; a turn on the plate is the same part, another one a shape of its own."""
    length = struct.unpack_from("<I", content, 12)[0]
    document: dict[str, Any] = json.loads(content[20 : 20 + length])
    binary = content[28 + length :]
    meshes = [_shape(mesh, document, binary) for mesh in document.get("meshes", [])]
    # An assembly repeats the mesh of a part for every use.
    digests = [(shape.name, hash(shape.vertices.tobytes()), hash(shape.faces.tobytes())) for shape in meshes]
    pieces: list[Piece] = []
    shapes: dict[tuple[Any, ...], Shape] = {}
    triangles = 0
    roots = document["scenes"][document.get("scene", 0)].get("nodes", []) if document.get("scenes") else []
    waiting = [(number, np.eye(4), 0) for number in roots]
    while waiting:
        number, above, depth = waiting.pop()
        node = document["nodes"][number]
        matrix = _placing(node) @ above
        if depth < _DEEPEST:
            waiting += [(child, matrix, depth + 1) for child in node.get("children", [])]
        if "mesh" not in node or not len(meshes[node["mesh"]].faces):
            continue
        plain = meshes[node["mesh"]]
        linear = matrix[:3, :3]
        key = (*digests[node["mesh"]], *np.round(linear @ linear.T, 5).ravel(), *np.round(linear[:, 2], 5))
        if key not in shapes:
            shapes[key] = replace(plain, vertices=plain.vertices @ linear)
        triangles += len(plain.faces)
        if triangles > limits.max_triangles or len(pieces) >= limits.max_pieces:
            raise FileTooLarge("Its surface is too detailed.")
        at = matrix[3, :3] * 1000
        pieces.append(Piece(shapes[key], (float(at[0]), float(at[1]), float(at[2]))))
    return tuple(pieces)


def _shape(mesh: dict[str, Any], document: dict[str, Any], binary: bytes) -> Shape:
    """All surfaces of one part, in mm."""
    points, corners, count = [], [], 0
    for primitive in mesh["primitives"]:
        if primitive.get("mode", 4) != 4 or "indices" not in primitive:
            continue
        vertices = _array(document["accessors"][primitive["attributes"]["POSITION"]], document, binary, width=3)
        indices = _array(document["accessors"][primitive["indices"]], document, binary, width=1)
        corners.append(indices.astype(np.int64) + count)
        points.append(vertices.astype(np.float64) * 1000)
        count += len(vertices)
    name = str(mesh.get("name", "")).strip()[:120]
    if not points:
        return Shape(name, np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64))
    vertices = np.concatenate(points)
    if not np.isfinite(vertices).all():
        raise DamagedFile("The model holds coordinates that are not numbers.")
    return Shape(name, vertices, np.concatenate(corners).reshape(-1, 3))


def _array(accessor: dict[str, Any], document: dict[str, Any], binary: bytes, *, width: int) -> Any:
    view = document["bufferViews"][accessor["bufferView"]]
    kind = np.dtype(_NUMBERS[accessor["componentType"]])
    start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    return np.ndarray(
        (accessor["count"], width),
        dtype=kind,
        buffer=binary,
        offset=start,
        strides=(view.get("byteStride") or kind.itemsize * width, kind.itemsize),
    )


def _placing(node: dict[str, Any]) -> Matrix:
    """A node's transform for row vectors; glTF keeps columns, which is the same thing."""
    if "matrix" in node:
        return np.array(node["matrix"], dtype=np.float64).reshape(4, 4)
    matrix = np.eye(4)
    x, y, z, w = node.get("rotation", (0.0, 0.0, 0.0, 1.0))
    turned = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y + z * w), 2 * (x * z - y * w)],
            [2 * (x * y - z * w), 1 - 2 * (x * x + z * z), 2 * (y * z + x * w)],
            [2 * (x * z + y * w), 2 * (y * z - x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix[:3, :3] = np.diag(node.get("scale", (1.0, 1.0, 1.0))) @ turned
    matrix[3, :3] = node.get("translation", (0.0, 0.0, 0.0))
    return matrix
