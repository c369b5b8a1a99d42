"""The families that only judge: none of them is of a kind that coefficients were fitted on."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from manifold3d import CrossSection, Manifold

from quotes.estimators.corpus.solids import Family, ball, block, joined, rod


def enclosure(chance: np.random.Generator) -> Manifold:
    """A box for electronics with screw posts and openings, and its lid beside it."""
    width, depth, height = chance.uniform(30, 55), chance.uniform(22, 45), chance.uniform(12, 28)
    wall = chance.uniform(1.4, 2.8)
    body = block(width, depth, height) - block(width - 2 * wall, depth - 2 * wall, height, (0, 0, wall))
    for x in (-1, 1):
        for y in (-1, 1):
            post = (x * (width / 2 - wall - 2.4), y * (depth / 2 - wall - 2.4), 0.0)
            body += rod(2.8, height - 2, post) - rod(1.1, height, (post[0], post[1], wall + 1))
    body -= block(3 * wall, depth * 0.3, height * 0.35, (width / 2, 0, height * 0.4))
    lid = block(width, depth, wall) + block(width - 2 * wall - 0.4, depth - 2 * wall - 0.4, wall + 1.5)
    for x in np.arange(-width / 2 + 7, width / 2 - 6, 4.0):
        lid -= block(1.6, depth * 0.5, 20, (x, 0, -1))
    return body + lid.translate((0, depth + 4, 0))


def helix(chance: np.random.Generator) -> Manifold:
    """A twisted column or a coil around a core."""
    height = chance.uniform(25, 50)
    if chance.random() < 0.5:
        arms, reach, thick = int(chance.integers(2, 6)), chance.uniform(8, 17), chance.uniform(3, 6)
        star = CrossSection.circle(thick, 48)
        for arm in range(arms):
            star += CrossSection.square((reach, thick)).translate((0, -thick / 2)).rotate(arm * 360 / arms)
        return Manifold.extrude(star, height, 80, chance.uniform(60, 240))
    core, thread, turns = chance.uniform(6, 13), chance.uniform(2, 4), chance.uniform(3, 7)
    steps = np.linspace(0, turns * 2 * np.pi, int(turns * 14))
    coil = [
        ball(thread, (core * np.cos(turn), core * np.sin(turn), thread + turn / (turns * 2 * np.pi) * height), 20)
        for turn in steps
    ]
    wound = joined([(one + other).hull() for one, other in pairwise(coil)])
    return rod(core, height + 2 * thread) + wound + rod(core + thread + 2, 2)


def hollow_shell(chance: np.random.Generator) -> Manifold:
    """A closed ball, egg or box with a hollow inside and windows."""
    radius, wall = chance.uniform(12, 24), chance.uniform(1.6, 4.5)
    stretch = chance.uniform(0.8, 1.3)
    if chance.random() < 0.6:
        outer, inner = ball(radius, (0, 0, 0), 80), ball(radius - wall, (0, 0, 0), 80)
    else:
        side = 1.7 * radius
        outer = block(side, side, side, (0, 0, -side / 2))
        inner = block(side - 2 * wall, side - 2 * wall, side - 2 * wall, (0, 0, -side / 2 + wall))
    shell = outer - inner
    if chance.random() < 0.6:
        shell -= rod(radius * chance.uniform(0.25, 0.5), 4 * radius, (0, 0, -2 * radius)).rotate((90, 0, 0))
    return shell.scale((1, 1, stretch)).trim_by_plane((0, 0, 1), -0.8 * radius * stretch)


def lattice_tower(chance: np.random.Generator) -> Manifold:
    """Storeys of posts, braces and floors."""
    size, storey, storeys = chance.uniform(16, 30), chance.uniform(9, 15), int(chance.integers(2, 5))
    bar = chance.uniform(2.2, 4.0)
    solids = [block(size + bar, size + bar, 2)]
    for level in range(storeys):
        low = level * storey
        for x in (-size / 2, size / 2):
            for y in (-size / 2, size / 2):
                solids.append(block(bar, bar, storey, (x, y, low)))
        for turn in (0, 90, 180, 270):
            brace = (
                block(bar * 0.7, bar * 0.7, 0.5, (-size / 2, size / 2, low))
                + block(bar * 0.7, bar * 0.7, 0.5, (size / 2, size / 2, low + storey))
            ).hull()
            solids.append(brace.rotate((0, 0, turn)))
        floor = block(size + bar, size + bar, 1.6) - block(size - bar, size - bar, 9, (0, 0, -1))
        solids.append(floor.translate((0, 0, low + storey)))
    return joined(solids)


def figurine(chance: np.random.Generator) -> Manifold:
    """A standing figure of balls and limbs, arms held out."""
    scale = chance.uniform(0.8, 1.3)

    def limb(start: tuple[float, float, float], end: tuple[float, float, float], thick: float) -> Manifold:
        return (ball(thick, start, 28) + ball(thick * 0.8, end, 28)).hull()

    arm, spread = chance.uniform(-4, 9), chance.uniform(3, 7)
    solids = [
        rod(11, 2.5),
        limb((-spread, 0, 3), (-2.5, 0, 17), 3.2),
        limb((spread, 0, 3), (2.5, 0, 17), 3.2),
        limb((0, 0, 18), (0, 0, 28), chance.uniform(5.5, 7.5)),
        limb((-5, 0, 28), (-15, chance.uniform(-5, 3), 26 + arm), 2.4),
        limb((5, 0, 28), (15, chance.uniform(-5, 3), 26 + chance.uniform(-4, 9)), 2.4),
        ball(chance.uniform(5, 7), (0, 0, 38), 48),
        rod(7.5, 1.2, (0, 0, 41)),
        rod(4.5, chance.uniform(4, 9), (0, 0, 41), top=3.5),
    ]
    return joined(solids).scale((scale, scale, scale))


def bridge(chance: np.random.Generator) -> Manifold:
    """Wedges, ramps and an arched or flat bridge between two piers."""
    length, width, height = chance.uniform(35, 60), chance.uniform(10, 22), chance.uniform(14, 30)
    pier = chance.uniform(4, 9)
    if chance.random() < 0.5:
        gap = length - 2 * pier
        body = block(length, width, height)
        arch = rod(gap / 2, 3 * width).scale((1, min(1.0, (height - 4) / (gap / 2)), 1)).rotate((90, 0, 0))
        body -= arch.translate((0, 1.5 * width, 0))
    else:
        body = block(length, width, chance.uniform(2.5, 5), (0, 0, height))
        for x in (-1, 1):
            body += block(pier, width, height + 0.1, (x * (length - pier) / 2, 0, 0))
    reach = chance.uniform(10, 20)
    wedge = Manifold.extrude(CrossSection([[(0, 0), (reach, 0), (0, height)]]), width).rotate((90, 0, 0))
    return body + wedge.translate((length / 2 - 0.1, width / 2, 0))


HELD_OUT: dict[str, Family] = {
    "enclosure": enclosure,
    "helix": helix,
    "hollow-shell": hollow_shell,
    "lattice-tower": lattice_tower,
    "figurine": figurine,
    "bridge": bridge,
}
