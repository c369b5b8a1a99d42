"""What all families share: a seeded solid standing on the plate, and its mesh."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import manifold3d
import numpy as np
from manifold3d import CrossSection, Manifold

from quotes.modelfiles.geometry import Faces, Vertices

#: Makes one solid of the family from a source of chance; lengths in mm.
Family = Callable[[np.random.Generator], Manifold]


@dataclass(frozen=True)
class CorpusModel:
    """A closed mesh in mm that stands on the plate."""

    family: str
    seed: int
    vertices: Vertices
    faces: Faces

    @property
    def name(self) -> str:
        """The family with its seed."""
        return f"{self.family}-{self.seed}"


def models(families: Mapping[str, Family], seeds: range) -> Iterator[CorpusModel]:
    """Every family with every seed."""
    for family, make in families.items():
        for seed in seeds:
            # The name is part of the seed, so that families of one list do not draw the same numbers.
            solid = make(np.random.default_rng([seed, *family.encode()]))
            mesh = solid.to_mesh()
            vertices = np.asarray(mesh.vert_properties[:, :3], dtype=np.float64)
            vertices -= (*(vertices.min(axis=0) + vertices.max(axis=0))[:2] / 2, vertices[:, 2].min())
            yield CorpusModel(family, seed, vertices, np.asarray(mesh.tri_verts, dtype=np.int64))


def block(width: float, depth: float, height: float, at: tuple[float, float, float] = (0, 0, 0)) -> Manifold:
    """A box, centred in x and y on ``at``, standing on its z."""
    return Manifold.cube((width, depth, height)).translate((at[0] - width / 2, at[1] - depth / 2, at[2]))


def rod(radius: float, height: float, at: tuple[float, float, float] = (0, 0, 0), top: float | None = None) -> Manifold:
    """A cylinder or cone standing on ``at``."""
    sides = int(np.clip(radius * 8, 24, 128))
    return Manifold.cylinder(height, radius, radius if top is None else top, sides).translate(at)


def ball(radius: float, at: tuple[float, float, float], sides: int = 48) -> Manifold:
    """A ball around ``at``."""
    return Manifold.sphere(radius, sides).translate(at)


def joined(solids: list[Manifold]) -> Manifold:
    """The union of the solids."""
    return Manifold.batch_boolean(solids, manifold3d.OpType.Add)


def turned(outline: np.ndarray, sides: int = 96) -> Manifold:
    """The solid of revolution of an outline of (radius, height) around the z axis."""
    return Manifold.revolve(CrossSection([outline]), sides)
