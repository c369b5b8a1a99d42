"""Analyses to estimate, built from real packages."""

from __future__ import annotations

import numpy as np

from quotes.estimators.corpus import solids
from quotes.modelfiles import ModelAnalysis, read_model
from quotes.modelfiles.make import box
from quotes.modelfiles.make import write_3mf as packed
from quotes.modelfiles.tests.packages import box_object, model, package, slice_info


def block(width: float, depth: float, height: float, *, count: int = 1) -> ModelAnalysis:
    """A file with ``count`` equal boxes."""
    places = [[(number * (width + 10.0), 0.0, 0.0) for number in range(count)]]
    return read_model(
        packed([("Block", *box(width, depth, height))], places=places), file_name="a.3mf", thumbnail=False
    )


def sliced_cube(**numbers: object) -> ModelAnalysis:
    """A 20 mm cube with a slicer's numbers."""
    root = model(box_object(1, 20, 20, 20), '<item objectid="1"/>')
    others: dict[str, str | bytes] = {"Metadata/slice_info.config": slice_info(**numbers)}
    return read_model(package(root, others=others), file_name="a.3mf", thumbnail=False)


def sliced_without_mesh() -> ModelAnalysis:
    """A sliced package as printers get it: numbers, but nothing on the build list."""
    others: dict[str, str | bytes] = {"Metadata/slice_info.config": slice_info()}
    return read_model(package(model("", ""), others=others), file_name="a.gcode.3mf", thumbnail=False)


def legged_table() -> ModelAnalysis:
    """A table top of 40 x 40 x 4 mm on one leg of 8 x 8 x 20 mm."""
    solid = solids.block(8, 8, 20.5) + solids.block(40, 40, 4, (0, 0, 20))
    mesh = solid.to_mesh()
    vertices = np.asarray(mesh.vert_properties[:, :3], dtype=np.float64)
    faces = np.asarray(mesh.tri_verts, dtype=np.int64)
    return read_model(packed([("Table", vertices, faces)]), file_name="a.3mf", thumbnail=False)
