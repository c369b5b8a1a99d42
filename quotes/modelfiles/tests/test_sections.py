from __future__ import annotations

import math
from decimal import Decimal

import manifold3d
import numpy as np
import pytest
from manifold3d import Manifold

from quotes.estimators.corpus import solids
from quotes.modelfiles.analysis import ModelAnalysis, PartGeometry
from quotes.modelfiles.geometry import Faces, Measures, Vertices, measure
from quotes.modelfiles.make import box


def mesh(solid: Manifold) -> tuple[Vertices, Faces]:
    made = solid.to_mesh()
    return np.asarray(made.vert_properties[:, :3], dtype=np.float64), np.asarray(made.tri_verts, dtype=np.int64)


def measured(solid: Manifold) -> Measures:
    return measure(*mesh(solid))


def test_a_box_shows_the_same_cut_at_every_height():
    found = measure(*box(20.0, 30.0, 40.0))
    assert found.slabs[0].bottom == 0
    assert found.slabs[-1].top == pytest.approx(40)
    for slab in found.slabs:
        assert (slab.area, slab.outline) == (pytest.approx(600), pytest.approx(100))
        # Two walls are 0.86 mm deep.
        assert slab.inner_area == pytest.approx((20 - 1.72) * (30 - 1.72))
        assert (slab.loops, slab.islands, slab.inner_loops) == (1, 1, 1)
    assert [slab.floor for slab in found.slabs if slab.floor] == [pytest.approx(18.28 * 28.28)]
    assert [slab.roof for slab in found.slabs if slab.roof] == [pytest.approx(18.28 * 28.28)]


def test_slabs_end_where_surfaces_are_flat():
    stepped = solids.block(30, 30, 7.3) + solids.block(10, 10, 19.1)
    tops = [slab.top for slab in measured(stepped).slabs]
    assert any(abs(top - 7.3) < 0.01 for top in tops)
    assert tops[-1] == pytest.approx(19.1)


def test_a_pocket_is_a_roof_with_a_margin_inside_the_part():
    pocketed = solids.block(40, 40, 20) - solids.block(15, 15, 11, (0, 0, 10))
    found = measured(pocketed)
    (pocket,) = [slab for slab in found.slabs if slab.roof and abs(slab.top - 10) < 0.01]
    assert pocket.roof == pytest.approx(225, rel=0.01)
    # 3 mm around it, with corners cut at two margins' length at most: 21 x 21 less the pocket.
    assert pocket.roof_margin == pytest.approx(21**2 - 15**2, rel=0.02)
    above = found.slabs[-1]
    assert (above.loops, above.islands) == (2, 1)


def test_cuts_and_totals_say_the_same_of_a_ball():
    found = measured(solids.ball(20, (0, 0, 20), 96))
    assert len(found.slabs) >= 20
    volume = sum(slab.area * (slab.top - slab.bottom) for slab in found.slabs)
    assert volume == pytest.approx(found.volume, rel=1e-3)
    side = sum(slab.outline * (slab.top - slab.bottom) for slab in found.slabs)
    assert side == pytest.approx(found.side_area, rel=0.02)


def test_bodies_that_share_space_show_one_outline():
    vertices, faces = box(20.0, 20.0, 20.0)
    both = measure(np.concatenate([vertices, vertices + np.array([10.0, 0, 0])]), np.concatenate([faces, faces + 8]))
    for slab in both.slabs:
        assert slab.islands == 1
        # 30 x 20 is seen; the areas keep the volume that the bodies claim, as far as they are cut.
        assert slab.outline == pytest.approx(100)


def test_corners_cost_a_machine_time_and_round_ones_less():
    square = measured(solids.block(20, 20, 10)).slabs[0]
    disc = measured(solids.rod(12.7, 10)).slabs[0]
    assert square.outline == pytest.approx(disc.outline, rel=0.01)
    slow, fast = square.bends
    assert 0 < slow < fast
    # Four corners from 200 mm/s down to 9 and up again at 5000 mm/s2: 4 x (200 - 9)^2 / (200 x 5000).
    assert fast == pytest.approx(4 * 191**2 / (200 * 5000), rel=0.01)
    assert disc.bends[0] < slow


def test_slopes_are_summed_by_ten_degrees():
    # A cone of 45 degrees from the plate: all of its mantle lies in the fifth band.
    found = measured(Manifold.cylinder(20, 20, 0, 256))
    (band,) = [number for number, row in enumerate(found.slopes) if row[0] > 1]
    assert band == 4
    up, up_side, down, down_side = found.slopes[4]
    assert (up, up_side) == (pytest.approx(math.pi * 400, rel=0.01), pytest.approx(math.pi * 400, rel=0.01))
    assert (down, down_side) == (0, 0)


def test_a_support_stands_on_the_part_where_there_is_one_below():
    # A shelf of 20 x 20 at 30 mm, over a foot of 10 mm: 20 mm of air, not 30.
    shelf = solids.block(60, 20, 10) + solids.block(20, 20, 34) + solids.block(20, 20, 4, (20, 0, 30))
    found = measured(shelf)
    assert found.overhang == pytest.approx(400, rel=0.02)
    assert found.support_column == pytest.approx(400 * 20, rel=0.05)
    room = sum(area * (slab.top - slab.bottom) for slab, area in zip(found.slabs, found.room.areas, strict=True))
    assert room == pytest.approx(400 * 20, rel=0.15)


def test_each_side_on_the_plate_has_its_own_overhang():
    table = solids.block(8, 8, 20.5) + solids.block(40, 40, 4, (0, 0, 20))
    found = measured(table).side_overhangs
    as_it_lies, upside_down, *sides = found
    assert as_it_lies == pytest.approx(1536, rel=0.01)
    assert upside_down == 0
    # On its side the leg hangs out: 20 x 8.
    assert sides == [pytest.approx(160, rel=0.05)] * 4


def test_many_faces_as_high_as_the_part_are_cut_at_fewer_heights():
    tall = Manifold.cylinder(40, 20, 20, 60_000)
    found = measured(tall)
    assert 2 <= len(found.slabs) < 20
    assert found.slabs[0].area == pytest.approx(math.pi * 400, rel=0.001)


def test_an_open_mesh_is_cut_as_far_as_it_closes():
    vertices, faces = box(20.0, 20.0, 20.0)
    found = measure(vertices, faces[:-1])
    assert not found.watertight
    assert found.slabs
    assert all(math.isfinite(slab.area) for slab in found.slabs)


def test_turning_corners_that_repeat_into_one_keeps_the_mesh_closed():
    vertices, faces = box(20.0, 20.0, 20.0)
    loose = vertices[faces].reshape(-1, 3)
    assert measure(loose, np.arange(len(loose)).reshape(-1, 3)).watertight


def test_what_was_cut_comes_back_from_json():
    part = measured(manifold3d.Manifold.sphere(10, 32)).as_part("Ball", 1)
    analysis = ModelAnalysis("stl", "millimeter", (part,))
    again = ModelAnalysis.from_dict(analysis.as_dict())
    assert again.parts[0].sections == part.sections
    assert again.parts[0].slopes == part.slopes
    assert again.parts[0].side_overhangs_mm2 == part.side_overhangs_mm2
    assert isinstance(part.sections[0].area_mm2, Decimal)


def test_what_was_read_before_there_were_cuts_still_comes_back():
    part = measured(manifold3d.Manifold.sphere(10, 32)).as_part("Ball", 1)
    kept = ModelAnalysis("stl", "millimeter", (part,)).as_dict()
    for name in ("sections", "slopes", "side_overhangs_mm2"):
        del kept["parts"][0][name]
    old: PartGeometry = ModelAnalysis.from_dict(kept).parts[0]
    assert (old.sections, old.slopes, old.volume_mm3) == ((), (), part.volume_mm3)


@pytest.mark.parametrize(
    ("solid", "wall"),
    [
        (solids.block(40, 40, 20) - solids.block(39, 39, 30), 0.49),
        (solids.block(30, 0.6, 20), 0.59),
        (solids.block(20, 20, 20), 10.0),
    ],
)
def test_the_thinnest_wall_is_told_from_area_and_outline_of_the_cuts(solid, wall):
    assert float(measured(solid).as_part("Part", 1).min_wall_mm) == pytest.approx(wall, abs=0.02)


def test_a_point_is_no_thin_wall():
    cone = Manifold.cylinder(30, 15, 0.0, 64)
    assert measured(cone).as_part("Cone", 1).min_wall_mm > Decimal("0.8")
