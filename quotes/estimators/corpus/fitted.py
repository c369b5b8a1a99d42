"""The families that coefficients are fitted on."""

from __future__ import annotations

import numpy as np
from manifold3d import CrossSection, Manifold

from quotes.estimators.corpus.solids import Family, ball, block, joined, rod, turned


def pocketed_block(chance: np.random.Generator) -> Manifold:
    """A box with pockets milled from above and a slot from the side."""
    width, depth, height = chance.uniform(25, 60), chance.uniform(25, 60), chance.uniform(10, 35)
    body = block(width, depth, height)
    for _ in range(chance.integers(1, 4)):
        size = chance.uniform(0.2, 0.5, 2) * (width, depth)
        at = chance.uniform(-0.25, 0.25, 2) * (width, depth)
        body -= block(size[0], size[1], height, (at[0], at[1], chance.uniform(0.2, 0.7) * height))
    slot = chance.uniform(4, 9)
    return body - block(width, slot, slot, (width * 0.6, 0, height * 0.15))


def drilled_plate(chance: np.random.Generator) -> Manifold:
    """A flat plate with a pattern of holes, some with a raised rim."""
    width, depth, thick = chance.uniform(30, 60), chance.uniform(30, 60), chance.uniform(2, 7)
    body = block(width, depth, thick)
    pitch = chance.uniform(9, 16)
    hole = chance.uniform(1.5, pitch / 2.8)
    rim = chance.uniform(0, 5) if chance.random() < 0.6 else 0.0
    places = [
        (x, y)
        for x in np.arange(-width / 2 + pitch / 2, width / 2 - hole - 1.5, pitch)
        for y in np.arange(-depth / 2 + pitch / 2, depth / 2 - hole - 1.5, pitch)
    ]
    if rim > 1:
        body += joined([rod(hole + 1.6, thick + rim, (x, y, 0)) for x, y in places])
    return body - joined([rod(hole, 4 * (thick + rim), (x, y, -1)) for x, y in places])


def bracket(chance: np.random.Generator) -> Manifold:
    """An L bracket with ribs and screw holes, standing or lying on its back."""
    length, width, thick = chance.uniform(25, 55), chance.uniform(15, 40), chance.uniform(3, 7)
    wall = chance.uniform(20, 55)
    body = block(length, width, thick, (length / 2, 0, 0)) + block(thick, width, wall, (thick / 2, 0, 0))
    reach = chance.uniform(0.4, 0.8) * min(length, wall)
    rib = Manifold.extrude(CrossSection([[(0, 0), (reach, 0), (0, reach)]]), 3.0).rotate((90, 0, 0))
    for side in (-width / 2 + 3.0, width / 2):
        body += rib.translate((thick * 0.9, side, thick * 0.9))
    hole = chance.uniform(1.6, 3.2)
    body -= rod(hole, 3 * thick, (length * 0.75, 0, -thick))
    body -= rod(hole, 3 * thick).rotate((0, 90, 0)).translate((-thick, 0, wall * 0.75))
    return body.rotate((0, -90, 0)) if chance.random() < 0.35 else body


def vase(chance: np.random.Generator) -> Manifold:
    """A turned vessel with a bellied wall, or the full body of it."""
    height, base = chance.uniform(25, 60), chance.uniform(10, 20)
    z = np.linspace(0, height, 40)
    radius = base + chance.uniform(2, 8) * np.sin(z / height * chance.uniform(1.5, 5.5) + chance.uniform(0, 2))
    outer = np.vstack([[(0, 0)], np.column_stack([radius, z]), [(0, height)]])
    body = turned(outer)
    if chance.random() < 0.65:
        wall, floor = chance.uniform(1.2, 3.5), chance.uniform(1.2, 4)
        inside = np.column_stack([np.maximum(radius - wall, 1), z])[z > floor]
        rim = np.vstack([[(0, floor)], inside, [(inside[-1, 0], height + 1), (0, height + 1)]])
        body -= turned(rim)
    return body


def gear(chance: np.random.Generator) -> Manifold:
    """A toothed wheel with a bore and lightening holes, sometimes with a hub or twisted teeth."""
    teeth, radius, thick = int(chance.integers(10, 30)), chance.uniform(12, 28), chance.uniform(5, 14)
    depth = radius * 3.0 / teeth
    angle = np.arange(teeth * 4) * 2 * np.pi / (teeth * 4)
    reach = radius + depth * np.tile([1, 1, -1, -1], teeth)
    outline = CrossSection([np.column_stack([reach * np.cos(angle), reach * np.sin(angle)])])
    body = Manifold.extrude(outline, thick, 16, float(chance.choice([0, 0, chance.uniform(5, 20)])))
    if chance.random() < 0.5:
        body += rod(radius * 0.4, thick + chance.uniform(3, 9))
    body -= rod(chance.uniform(2, radius * 0.25), 100, (0, 0, -10))
    for turn in range(int(chance.integers(0, 6))):
        place = (0.62 * radius * np.cos(turn * 1.05), 0.62 * radius * np.sin(turn * 1.05), -10.0)
        body -= rod(radius * 0.13, 100, place)
    return body


def blob(chance: np.random.Generator) -> Manifold:
    """An organic lump: a ball with waves, flattened and cut off below."""
    radius = chance.uniform(12, 26)
    phase, count, swing = chance.uniform(0, 6, 3), chance.uniform(1.5, 4.5, 3), chance.uniform(0.03, 0.11)
    stretch = chance.uniform(0.7, 1.2, 3)

    def warp(points: np.ndarray) -> np.ndarray:
        direction = points / np.linalg.norm(points, axis=1, keepdims=True)
        swell = 1 + swing * np.sin(direction * count * np.pi + phase).sum(axis=1, keepdims=True)
        return direction * swell * radius * stretch

    lump = Manifold.sphere(radius, 96).warp_batch(warp)
    floor = -radius * stretch[2] * chance.uniform(0.35, 0.9)
    return lump.trim_by_plane((0, 0, 1), floor)


def fins(chance: np.random.Generator) -> Manifold:
    """A foot with thin upright blades and letters-like strokes: text, combs, heat sinks."""
    width, depth, foot = chance.uniform(25, 55), chance.uniform(15, 40), chance.uniform(1.6, 5)
    body = block(width, depth, foot)
    pitch, thick = chance.uniform(3.5, 8), chance.uniform(0.8, 2.4)
    parts = []
    for x in np.arange(-width / 2 + pitch / 2, width / 2 - thick, pitch):
        length, height = chance.uniform(0.4, 1.0) * depth, chance.uniform(3, 25)
        parts.append(block(thick, length, foot + height, (x, 0, 0)))
        if chance.random() < 0.4:
            parts.append(block(min(pitch, 4), thick, foot + height * 0.7, (x, chance.uniform(-0.3, 0.3) * length, 0)))
    return body + joined(parts)


def mushroom(chance: np.random.Generator) -> Manifold:
    """A stem with a wide cap, flat or round below, and knobs beside: what needs supports."""
    height, stem, cap = chance.uniform(12, 32), chance.uniform(4, 9), chance.uniform(12, 24)
    thick = chance.uniform(3, 9)
    body = rod(stem * 1.4, 3) + rod(stem, height + thick / 2)
    if chance.random() < 0.5:
        body += rod(cap, thick, (0, 0, height), top=cap * chance.uniform(0.6, 1.0))
    else:
        body += block(2 * cap, cap * chance.uniform(0.8, 2), thick, (0, 0, height))
    for _ in range(int(chance.integers(0, 3))):
        turn = chance.uniform(0, 6.3)
        body += ball(chance.uniform(3, 6), (stem * np.cos(turn), stem * np.sin(turn), chance.uniform(6, height)))
    return body


def pegs(chance: np.random.Generator) -> Manifold:
    """A foot with pegs, cones and square posts of many thicknesses: layers of many small islands."""
    width, depth, foot = chance.uniform(22, 48), chance.uniform(16, 36), chance.uniform(1.2, 4)
    pitch = chance.uniform(7, 14)
    parts = [block(width, depth, foot)]
    for x in np.arange(-width / 2 + pitch / 2, width / 2 - 2, pitch):
        for y in np.arange(-depth / 2 + pitch / 2, depth / 2 - 2, pitch):
            thick, height = chance.uniform(0.9, pitch * 0.3), foot + chance.uniform(4, 26)
            kind = chance.integers(0, 3)
            if kind == 0:
                parts.append(rod(thick, height, (x, y, 0)))
            elif kind == 1:
                parts.append(rod(thick * 1.3, height, (x, y, 0), top=thick * 0.5))
            else:
                parts.append(block(2 * thick, 2 * thick, height, (x, y, 0)))
    return joined(parts)


FITTED: dict[str, Family] = {
    "pocketed-block": pocketed_block,
    "drilled-plate": drilled_plate,
    "bracket": bracket,
    "vase": vase,
    "gear": gear,
    "blob": blob,
    "fins": fins,
    "mushroom": mushroom,
    "pegs": pegs,
}
