"""lib3mf with whole buffers: its own Python lists are five times slower than handing memory to numpy."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from lib3mf import Lib3MF

from quotes.modelfiles.geometry import Faces, Vertices

#: lib3mf's codes for an attribute it does not know, an object without UUID, and metadata it does not know.
_ADDITIONS = {0x80A7, 0x80B0, 0x80B2}


def read_into(model: Any, content: bytes) -> int:
    """Read a 3MF package into ``model``; raises ``ELib3MFException``.

    Returns how many remarks lib3mf makes (of the first thousand), but for those on what slicers add to the format.
    """
    reader = model.QueryReader("3mf")
    buffer = (ctypes.c_uint8 * len(content)).from_buffer_copy(content)
    library = reader._wrapper
    library.checkError(
        reader, library.lib.lib3mf_reader_readfrombuffer(reader._handle, ctypes.c_uint64(len(content)), buffer)
    )
    remarks = (reader.GetWarning(index)[0] for index in range(min(reader.GetWarningCount(), 1000)))
    return sum(code not in _ADDITIONS for code in remarks)


def vertices_of(mesh: Any) -> Vertices:
    """Corner coordinates (n, 3) in the file's unit."""
    count = mesh.GetVertexCount()
    buffer = (Lib3MF.Position * count)()
    _fill(mesh, "lib3mf_meshobject_getvertices", count, buffer)
    return np.frombuffer(buffer, dtype=np.float32).reshape(count, 3).astype(np.float64)


def faces_of(mesh: Any) -> Faces:
    """Corner indices (m, 3) of the triangles."""
    count = mesh.GetTriangleCount()
    buffer = (Lib3MF.Triangle * count)()
    _fill(mesh, "lib3mf_meshobject_gettriangleindices", count, buffer)
    return np.frombuffer(buffer, dtype=np.uint32).reshape(count, 3).astype(np.int64)


def triangle_properties(mesh: Any) -> tuple[Faces, Faces]:
    """The resource (m) and the row in it (m) that each triangle's first corner points at; 0 where it points at none."""
    count = mesh.GetTriangleCount()
    buffer = (Lib3MF.TriangleProperties * count)()
    _fill(mesh, "lib3mf_meshobject_getalltriangleproperties", count, buffer)
    rows = np.frombuffer(buffer, dtype=np.uint32).reshape(count, 4).astype(np.int64)
    return rows[:, 0].copy(), rows[:, 1].copy()


def set_geometry(mesh: Any, vertices: Vertices, faces: Faces) -> None:
    """Give a mesh object its corners and triangles."""
    points = (Lib3MF.Position * len(vertices)).from_buffer_copy(np.ascontiguousarray(vertices, dtype=np.float32))
    corners = (Lib3MF.Triangle * len(faces)).from_buffer_copy(np.ascontiguousarray(faces, dtype=np.uint32))
    mesh.SetGeometry(points, corners)


def _fill(mesh: Any, function: str, count: int, buffer: ctypes.Array[Any]) -> None:
    library = mesh._wrapper
    needed = ctypes.c_uint64(0)
    call = getattr(library.lib, function)
    library.checkError(mesh, call(mesh._handle, ctypes.c_uint64(count), needed, buffer))
