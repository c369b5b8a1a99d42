from __future__ import annotations

import numpy as np
import pytest
from manifold3d import Manifold

from quotes.modelfiles import read_model
from quotes.modelfiles.geometry import measure
from quotes.modelfiles.make import box, write_3mf
from quotes.modelfiles.repair import repaired


def ball() -> tuple[np.ndarray, np.ndarray]:
    made = Manifold.sphere(10, 64).to_mesh()
    return np.asarray(made.vert_properties[:, :3], dtype=np.float64), np.asarray(made.tri_verts, dtype=np.int64)


def test_small_holes_are_filled_and_the_volume_is_that_of_the_closed_part():
    vertices, faces = ball()
    whole = measure(vertices, faces)
    kept = np.delete(faces, [3, 500, 501], axis=0)
    found = measure(vertices, kept)
    assert (found.watertight, found.bodies, found.inside_out) == (True, 1, False)
    assert found.holes_closed in (2, 3)
    assert found.volume == pytest.approx(whole.volume, rel=0.002)
    assert found.area == pytest.approx(whole.area, rel=0.002)


def test_a_filled_hole_is_said_with_the_part():
    vertices, faces = ball()
    analysis = read_model(write_3mf([("Ball", vertices, faces[1:])]), file_name="ball.3mf", thumbnail=False)
    assert analysis.parts[0].watertight
    assert analysis.warnings == ("Ball had a small hole, which was closed for measuring.",)


def test_a_missing_side_is_filled_but_stays_a_guess():
    vertices, faces = box(20.0, 20.0, 20.0)
    top = (vertices[faces][:, :, 2] == vertices[:, 2].max()).all(axis=1)
    assert top.sum() == 2
    found = measure(vertices, faces[~top])
    assert (found.watertight, found.holes_closed) == (False, 1)
    assert found.volume == pytest.approx(8000)


def test_corners_that_rounding_moved_apart_are_one_again():
    vertices, faces = box(20.0, 20.0, 20.0)
    loose = vertices[faces].reshape(-1, 3) + 1e-5 * np.sin(np.arange(36 * 3)).reshape(-1, 3)
    found = measure(loose, np.arange(36).reshape(-1, 3))
    assert (found.watertight, found.holes_closed) == (True, 0)
    assert found.volume == pytest.approx(8000, rel=1e-4)


def test_an_edge_that_three_faces_share_is_left_alone():
    vertices, faces = box(20.0, 20.0, 20.0)
    fin = np.array([[faces[0][0], faces[0][1], len(vertices)]])
    assert repaired(np.vstack([vertices, [[50.0, 50.0, 50.0]]]), np.vstack([faces, fin])) is None


def test_an_inside_out_part_with_a_hole_is_turned_and_filled():
    vertices, faces = ball()
    found = measure(vertices, faces[1:, ::-1])
    assert (found.watertight, found.inside_out) == (True, True)
    assert found.volume == pytest.approx(measure(vertices, faces).volume, rel=0.002)


@pytest.mark.parametrize("seed", range(20))
def test_any_few_missing_faces_are_filled(seed):
    vertices, faces = ball()
    gone = np.random.default_rng(seed).choice(len(faces), 12, replace=False)
    found = measure(vertices, np.delete(faces, gone, axis=0))
    assert found.watertight
    assert found.volume == pytest.approx(measure(vertices, faces).volume, rel=0.01)
