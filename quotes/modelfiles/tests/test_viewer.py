"""The mesh for the browser, read back as the glTF specification says."""

from __future__ import annotations

import json
import struct
from typing import Any

import manifold3d
import numpy as np

from quotes.modelfiles import read_scene
from quotes.modelfiles.make import box, write_3mf
from quotes.modelfiles.make_project import demo_two_colour_3mf
from quotes.modelfiles.tests.test_read_stl import binary, corners
from quotes.modelfiles.viewer import viewer_mesh


def parsed(content: bytes) -> tuple[dict[str, Any], bytes]:
    magic, version, length = struct.unpack_from("<4sII", content)
    assert (magic, version, length) == (b"glTF", 2, len(content))
    size, kind = struct.unpack_from("<II", content, 12)
    assert (kind, size % 4) == (0x4E4F534A, 0)
    document = json.loads(content[20 : 20 + size])
    binary_size, kind = struct.unpack_from("<II", content, 20 + size)
    assert kind == 0x004E4942
    assert binary_size == document["buffers"][0]["byteLength"] == len(content) - 28 - size
    return document, content[28 + size :]


def triangles(document: dict[str, Any], data: bytes) -> np.ndarray:
    """All placed triangles (n, 3, 3) in mm."""
    found = []
    for node in document["nodes"]:
        for primitive in document["meshes"][node["mesh"]]["primitives"]:
            points = _array(document, data, primitive["attributes"]["POSITION"], "<f4").reshape(-1, 3)
            indices = _array(document, data, primitive["indices"], "<u4").reshape(-1, 3)
            found.append(points[indices] + np.array(node["translation"]))
    return np.concatenate(found)


def _array(document: dict[str, Any], data: bytes, accessor: int, kind: str) -> np.ndarray:
    entry = document["accessors"][accessor]
    view = document["bufferViews"][entry["bufferView"]]
    width = {"SCALAR": 1, "VEC3": 3}[entry["type"]]
    return np.frombuffer(data, kind, count=entry["count"] * width, offset=view["byteOffset"])


def test_pieces_lie_where_the_file_puts_them_and_share_their_mesh():
    data = write_3mf([("Clip", *box(10, 20, 30))], places=[[(0, 0, 0), (50, 0, 0), (0, 60, 5)]])
    document, content = parsed(viewer_mesh(read_scene(data, file_name="clip.3mf")))
    assert (len(document["meshes"]), len(document["nodes"])) == (1, 3)
    points = triangles(document, content).reshape(-1, 3)
    assert points.min(axis=0).tolist() == [0, 0, 0]
    assert points.max(axis=0).tolist() == [60, 80, 35]
    position = document["accessors"][document["meshes"][0]["primitives"][0]["attributes"]["POSITION"]]
    assert (position["min"], position["max"], position["count"]) == ([0, 0, 0], [10, 20, 30], 8)


def test_each_filament_is_a_material_in_its_colour():
    document, content = parsed(viewer_mesh(read_scene(demo_two_colour_3mf(), file_name="badge.3mf")))
    assert [material["name"] for material in document["materials"]] == ["filament-0", "filament-1"]
    white, green = (material["pbrMetallicRoughness"]["baseColorFactor"] for material in document["materials"])
    assert white == [1, 1, 1, 1]
    assert green == [0, 0.4233, 0.0545, 1]  # #00AE42 as linear light
    shown = triangles(document, content)
    assert len(shown) == 1196
    above = _array(document, content, document["meshes"][0]["primitives"][1]["indices"], "<u4")
    points = _array(document, content, 0, "<f4").reshape(-1, 3)[above]
    assert round(float(points[:, 2].min()), 3) == 2.4


def test_the_corners_of_an_stl_travel_once():
    document, _ = parsed(viewer_mesh(read_scene(binary(corners()), file_name="cube.stl")))
    assert document["accessors"][0]["count"] == 8


def test_a_mesh_with_too_many_triangles_is_coarsened_in_its_shape():
    ball = manifold3d.Manifold.sphere(20, 256).to_mesh()
    data = write_3mf([("Ball", np.asarray(ball.vert_properties, dtype=float), np.asarray(ball.tri_verts, dtype=int))])
    scene = read_scene(data, file_name="ball.3mf")
    document, content = parsed(viewer_mesh(scene, most_triangles=4000))
    shown = triangles(document, content)
    assert len(scene.pieces[0].shape.faces) > 30_000
    assert 2000 < len(shown) <= 4000
    volume = np.einsum("ij,ij->", shown[:, 0], np.cross(shown[:, 1], shown[:, 2])) / 6
    assert abs(volume / (4 / 3 * np.pi * 20**3) - 1) < 0.03
