"""Building real 3MF files: the sample part of the project, and what tests and the demo upload.

``python -m quotes.modelfiles.make PATH`` writes the sample bracket again.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import lib3mf
import manifold3d
import numpy as np
from lib3mf import Lib3MF

from quotes.modelfiles.geometry import Faces, Vertices
from quotes.modelfiles.lib3mf_buffers import set_geometry
from quotes.modelfiles.pieces import UNITS

SAMPLES = Path(__file__).parent / "samples"
BRACKET = SAMPLES / "bracket.3mf"

#: The bracket in mm: two plates of 60 x 40 x 5, and two ribs of 4 mm in the corner between them.
LENGTH, WIDTH, THICK, RIB, RIB_REACH = 60.0, 40.0, 5.0, 4.0, 28.0
HOLE_RADIUS, HOLE_SIDES = 2.75, 48


def box(width: float, depth: float, height: float) -> tuple[Vertices, Faces]:
    """A closed box with one corner at the origin, 12 triangles, normals out."""
    corners = np.array([(x, y, z) for x in (0, width) for y in (0, depth) for z in (0, height)], dtype=np.float64)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))]
    return corners, np.array(faces, dtype=np.int64)


def bracket() -> tuple[Vertices, Faces]:
    """An L bracket with four screw holes and two ribs, as a closed mesh standing on its foot."""
    foot = manifold3d.Manifold.cube((LENGTH, WIDTH, THICK))
    wall = manifold3d.Manifold.cube((THICK, WIDTH, LENGTH))
    body = foot + wall
    triangle = manifold3d.CrossSection([[(0, 0), (RIB_REACH, 0), (0, RIB_REACH)]])
    rib = manifold3d.Manifold.extrude(triangle, RIB).rotate((90, 0, 0)).translate((THICK, RIB, THICK))
    for offset in (0.0, WIDTH - RIB):
        body += rib.translate((0, offset, 0))
    drill = manifold3d.Manifold.cylinder(3 * THICK, HOLE_RADIUS, HOLE_RADIUS, HOLE_SIDES, True)
    for across in (WIDTH / 2 - 9, WIDTH / 2 + 9):
        body -= drill.translate((LENGTH - 14, across, THICK / 2))
        body -= drill.rotate((0, 90, 0)).translate((THICK / 2, across, LENGTH - 14))
    mesh = body.to_mesh()
    return np.asarray(mesh.vert_properties[:, :3], dtype=np.float64), np.asarray(mesh.tri_verts, dtype=np.int64)


def bracket_volume() -> float:
    """The bracket's volume in mm3 by hand: plates, ribs, minus the four holes (regular prisms)."""
    plates = LENGTH * WIDTH * THICK + THICK * WIDTH * (LENGTH - THICK)
    ribs = 2 * RIB * RIB_REACH**2 / 2
    hole = HOLE_SIDES / 2 * HOLE_RADIUS**2 * np.sin(2 * np.pi / HOLE_SIDES) * THICK
    return float(plates + ribs - 4 * hole)


def write_3mf(
    meshes: Sequence[tuple[str, Vertices, Faces]],
    *,
    unit: str = "millimeter",
    places: Sequence[Sequence[Sequence[float]]] | None = None,
) -> bytes:
    """A 3MF package of named meshes in ``unit``.

    ``places`` holds, for each mesh, the points (x, y, z) where it stands; without it each stands once where it is.
    """
    model = lib3mf.get_wrapper().CreateModel()
    model.SetUnit(next(code for code, name in UNITS.items() if name == unit))
    wrapper = lib3mf.get_wrapper()
    for position, (name, vertices, faces) in enumerate(meshes):
        mesh = model.AddMeshObject()
        mesh.SetName(name)
        set_geometry(mesh, vertices, faces)
        for x, y, z in places[position] if places else [(0.0, 0.0, 0.0)]:
            model.AddBuildItem(mesh, wrapper.GetTranslationTransform(x, y, z))
    return package_of(model)


def package_of(model: Lib3MF.Model) -> bytes:
    """The bytes of a lib3mf model as a 3MF package."""
    return bytes(model.QueryWriter("3mf").WriteToBuffer())


def demo_bracket_3mf() -> bytes:
    """The sample part as a 3MF file, in millimetres."""
    vertices, faces = bracket()
    return write_3mf([("L bracket", vertices, faces)])


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(demo_bracket_3mf())
