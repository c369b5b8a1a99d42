"""The mesh that a browser shows: a binary glTF (GLB) of all pieces as they lie in the file, in mm, Z up.

Written by hand: a header, a JSON chunk and a binary chunk (Khronos glTF 2.0, section 4.4). Equal pieces share a mesh
and are placed by nodes; the faces of each filament are a primitive with a material in its colour, named after it. glTF
itself has Y up and metres: the page that shows it knows better. Normals do not travel, the page makes flat ones.
"""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quotes.modelfiles.geometry import Faces, Vertices
from quotes.modelfiles.scene import Scene, Shape
from quotes.modelfiles.simplify import lighter

#: What a phone can hold and a slow line can carry: about 6 MB.
MOST_TRIANGLES = 300_000
_PLAIN = "#9AA5B1"
_FLOAT, _UINT = 5126, 5125
_ARRAY_BUFFER, _ELEMENT_BUFFER = 34962, 34963
_JSON_CHUNK, _BINARY_CHUNK = 0x4E4F534A, 0x004E4942


def viewer_mesh(scene: Scene, *, most_triangles: int = MOST_TRIANGLES) -> bytes:
    """All pieces as GLB, coarsened where they have more than ``most_triangles`` together; empty when there are none."""
    shapes = {id(piece.shape): piece.shape for piece in scene.pieces}
    if not shapes:
        return b""
    share = most_triangles / sum(len(shape.faces) for shape in shapes.values())
    colors = {slot.number: slot.color_hex for slot in scene.filaments if slot.color_hex}
    document = _Document(colors)
    meshes = {key: document.add_mesh(shape, *lighter(shape, share)) for key, shape in shapes.items()}
    for piece in scene.pieces:
        document.nodes.append({"mesh": meshes[id(piece.shape)], "translation": [float(along) for along in piece.at]})
    return document.as_glb()


class _Document:
    """A glTF document that grows mesh by mesh."""

    def __init__(self, colors: dict[int, str]) -> None:
        self._colors = colors
        self._binary = bytearray()
        self._views: list[dict[str, Any]] = []
        self._accessors: list[dict[str, Any]] = []
        self._meshes: list[dict[str, Any]] = []
        self._materials: dict[int, int] = {}
        self.nodes: list[dict[str, Any]] = []

    def add_mesh(self, shape: Shape, vertices: Vertices, faces: Faces, filaments: NDArray[np.int64]) -> int:
        """Add a mesh whose faces are made of these filaments; returns its number."""
        points = vertices.astype("<f4")
        position = self._accessor(points, _FLOAT, "VEC3", len(points), _ARRAY_BUFFER)
        self._accessors[position] |= {"min": points.min(axis=0).tolist(), "max": points.max(axis=0).tolist()}
        primitives = []
        for filament in np.unique(filaments):
            corners = faces[filaments == filament].astype("<u4").ravel()
            indices = self._accessor(corners, _UINT, "SCALAR", len(corners), _ELEMENT_BUFFER)
            material = self._materials.setdefault(int(filament), len(self._materials))
            primitives.append({"attributes": {"POSITION": position}, "indices": indices, "material": material})
        self._meshes.append({"name": shape.name, "primitives": primitives})
        return len(self._meshes) - 1

    def as_glb(self) -> bytes:
        """Header, JSON chunk, binary chunk, each padded to four bytes."""
        document = {
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": list(range(len(self.nodes)))}],
            "nodes": self.nodes,
            "meshes": self._meshes,
            "materials": [self._material(filament) for filament in self._materials],
            "accessors": self._accessors,
            "bufferViews": self._views,
            "buffers": [{"byteLength": len(self._binary)}],
        }
        text = json.dumps(document, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<II", len(text), _JSON_CHUNK) + text
        chunks += struct.pack("<II", len(self._binary), _BINARY_CHUNK) + self._binary
        return b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks

    def _accessor(self, array: NDArray[Any], component: int, kind: str, count: int, target: int) -> int:
        content = array.tobytes()  # four bytes a number: always a multiple of four
        self._views.append({"buffer": 0, "byteOffset": len(self._binary), "byteLength": len(content), "target": target})
        self._binary += content
        view = len(self._views) - 1
        self._accessors.append({"bufferView": view, "componentType": component, "count": count, "type": kind})
        return len(self._accessors) - 1

    def _material(self, filament: int) -> dict[str, Any]:
        color = self._colors.get(filament, _PLAIN)
        linear = [_linear(int(color[at : at + 2], 16) / 255) for at in (1, 3, 5)]
        return {
            "name": f"filament-{filament}",
            "doubleSided": True,
            "pbrMetallicRoughness": {"baseColorFactor": [*linear, 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.7},
        }


def _linear(value: float) -> float:
    """A channel of an sRGB colour as linear light (IEC 61966-2-1), as glTF wants it."""
    return round(value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4, 4)
