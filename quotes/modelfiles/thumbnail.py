"""A shaded picture of a scene with numpy and Pillow: orthographic, from the front right above, on a light ground.

Triangles are rasterised in batches of like size at twice the resolution, the nearest one wins each pixel, edges are
found where the normal or the depth jumps, and the result is scaled down.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from quotes.modelfiles.scene import Scene
from quotes.modelfiles.simplify import lighter

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

SIZE = (480, 360)
PART_COLOR = (86, 124, 158)
_SCALE = 2
_MARGIN = 0.12
_SKY, _GROUND = (250, 251, 253), (226, 231, 238)
#: Pixels tested at once; bounds the memory of one batch.
_BATCH = 2_000_000
#: Triangles wider or higher than this are filled row by row: a square around each would be tested many times over.
_LARGE = 64
#: More triangles than this cannot be told apart in a picture.
_MOST_TRIANGLES = 120_000
#: Triangles of one size are drawn from the nearest on, until this many pixels are looked at; the rest lies behind them.
#: A large one costs as much as so many pixels by itself.
_MOST_PIXELS, _PIXELS_OF_EFFORT = 30_000_000, 2_000
#: A picture in a file may have this many pixels a side.
_LARGEST_SIDE = 2048


def render_png(scene: Scene, *, color: tuple[int, int, int] = PART_COLOR, size: tuple[int, int] = SIZE) -> bytes:
    """Draw all pieces as they lie on the plate, in the filaments' colours where the file names them, else in ``color``.

    Returns a PNG of ``size`` pixels.
    """
    triangles, filaments = _triangles(scene)
    width, height = size[0] * _SCALE, size[1] * _SCALE
    basis = _camera()
    shadow = triangles.copy()
    floor = shadow[..., 2].min()
    # Light from the left front, high up: what is higher throws its shadow further to the back right.
    shadow[..., 0] += (shadow[..., 2] - floor) * 0.35
    shadow[..., 1] += (shadow[..., 2] - floor) * 0.25
    shadow[..., 2] = floor

    seen = triangles @ basis.T
    fallen = shadow @ basis.T
    both = np.concatenate([seen.reshape(-1, 3), fallen.reshape(-1, 3)])
    low, high = both[:, :2].min(axis=0), both[:, :2].max(axis=0)
    zoom = min(
        width * (1 - 2 * _MARGIN) / max(high[0] - low[0], 1e-9),
        height * (1 - 2 * _MARGIN) / max(high[1] - low[1], 1e-9),
    )
    for points in (seen, fallen):
        points[..., :2] = (points[..., :2] - (low + high) / 2) * zoom
        points[..., 0] += width / 2
        points[..., 1] = height / 2 - points[..., 1]

    picture = _background(width, height)
    picture = _with_shadow(picture, fallen)
    nearest, depth = _nearest(seen, width, height)
    picture = _with_parts(picture, triangles, nearest, depth * zoom, _palette(scene, color)[filaments])
    image = Image.fromarray(picture.clip(0, 255).astype(np.uint8)).resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _triangles(scene: Scene) -> tuple[Floats, Indices]:
    """The corners (n, 3, 3) and the filament (n) of all triangles of the scene, coarser where there are too many."""
    shapes = {id(piece.shape): piece.shape for piece in scene.pieces}
    share = _MOST_TRIANGLES / sum(len(piece.shape.faces) for piece in scene.pieces)
    drawn = {
        key: lighter(shape, share) if share < 1 else (shape.vertices, shape.faces, shape.filaments_of_faces())
        for key, shape in shapes.items()
    }
    meshes = [(*drawn[id(piece.shape)], piece.at) for piece in scene.pieces]
    corners = np.concatenate([vertices[faces] + at for vertices, faces, _, at in meshes])
    return corners, np.concatenate([filaments for _, _, filaments, _ in meshes])


def _palette(scene: Scene, plain: tuple[int, int, int]) -> Floats:
    """The colour (0 to 255) of every filament of the scene."""
    table = np.full((1 + max((slot.number for slot in scene.filaments), default=0), 3), plain, dtype=np.float64)
    for slot in scene.filaments:
        if slot.color_hex:
            table[slot.number] = [int(slot.color_hex[at : at + 2], 16) for at in (1, 3, 5)]
    return table


def clean_png(content: bytes) -> bytes:
    """A stranger's PNG decoded and written again, no larger than 512 pixels; empty when it is none, or a bomb."""
    try:
        with Image.open(io.BytesIO(content), formats=("PNG",)) as image:
            if not 0 < max(image.size) <= _LARGEST_SIDE:
                return b""
            picture = image.convert("RGBA")
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError):
        return b""
    picture.thumbnail((512, 512))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def _camera() -> Floats:
    """Rows: right, up and towards the viewer."""
    towards = np.array([0.62, -0.95, 0.72])
    towards /= np.linalg.norm(towards)
    right = np.cross([0.0, 0.0, 1.0], towards)
    right /= np.linalg.norm(right)
    return np.stack([right, np.cross(towards, right), towards])


def _background(width: int, height: int) -> Floats:
    share = np.linspace(0, 1, height)[:, None, None]
    return np.array(_SKY) * (1 - share) + np.array(_GROUND) * share + np.zeros((height, width, 3))


def _with_shadow(picture: Floats, fallen: Floats) -> Floats:
    height, width = picture.shape[:2]
    mask = np.zeros(width * height, dtype=np.uint8)
    for pixels, _, _ in _pixels(fallen, width, height):
        mask[pixels] = 255
    blurred = Image.fromarray(mask.reshape(height, width)).filter(ImageFilter.GaussianBlur(9 * _SCALE))
    return picture * (1 - 0.28 * (np.asarray(blurred, dtype=np.float64) / 255)[..., None])


def _with_parts(picture: Floats, triangles: Floats, nearest: Indices, depth: Floats, colors: Floats) -> Floats:
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1), 1e-30)[:, None]
    towards = _camera()[2]
    normals *= np.where(normals @ towards < 0, -1.0, 1.0)[:, None]  # open and inside-out meshes show their back

    covered = nearest >= 0
    normal = np.where(covered[..., None], normals[nearest], 0)
    light = 0.42 + 0.62 * _lambert(normal, (-0.45, -0.70, 0.95)) + 0.16 * _lambert(normal, (0.9, -0.1, 0.3))
    shine = np.maximum(normal @ _halfway((-0.45, -0.70, 0.95), towards), 0) ** 40
    shaded = colors[nearest] * light[..., None] + 42 * shine[..., None]

    edge = np.zeros(covered.shape)
    for axis in (0, 1):
        turn = 1 - (normal * np.roll(normal, 1, axis=axis)).sum(axis=2)
        step = np.abs(depth - np.roll(depth, 1, axis=axis))
        inside = covered & np.roll(covered, 1, axis=axis)
        edge = np.maximum(edge, np.where(inside & ((turn > 0.25) | (step > 14)), 0.34, 0))
        edge = np.maximum(edge, np.where(covered ^ np.roll(covered, 1, axis=axis), 0.45, 0))
    return np.where(covered[..., None], shaded, picture) * (1 - edge[..., None])


def _lambert(normal: Floats, light: tuple[float, float, float]) -> Floats:
    direction = np.array(light) / np.linalg.norm(light)
    return np.maximum(normal @ direction, 0)


def _halfway(light: tuple[float, float, float], towards: Floats) -> Floats:
    between = np.array(light) / np.linalg.norm(light) + towards
    return between / np.linalg.norm(between)


def _nearest(seen: Floats, width: int, height: int) -> tuple[Indices, Floats]:
    """The index of the triangle nearest to the viewer at each pixel (-1: none), and its depth."""
    winner = np.full(width * height, -1, dtype=np.int64)
    depth = np.full(width * height, -np.inf)
    for pixels, distances, owners in _pixels(seen, width, height):
        if len(owners) and owners[0] != owners[-1]:
            order = np.argsort(distances, kind="stable")  # the nearest is written last
            pixels, distances, owners = pixels[order], distances[order], owners[order]
        closer = distances > depth[pixels]
        winner[pixels[closer]] = owners[closer]
        depth[pixels[closer]] = distances[closer]
    depth[winner < 0] = 0
    return winner.reshape(height, width), depth.reshape(height, width)


def _pixels(triangles: Floats, width: int, height: int) -> Iterator[tuple[Indices, Floats, Indices]]:
    """Yield (pixel, depth, triangle) for every pixel centre that a triangle covers, in batches."""
    low = np.floor(triangles[..., :2].min(axis=1)).astype(np.int64)
    span = (np.ceil(triangles[..., :2].max(axis=1)).astype(np.int64) - low).max(axis=1) + 1
    a, b, c = (triangles[:, corner] for corner in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    visible = np.abs(area) > 1e-12
    side = 2
    while True:
        chosen = np.flatnonzero(visible & (span <= side) & (span > side // 2 if side > 2 else True))
        offsets = np.stack(np.meshgrid(np.arange(side), np.arange(side), indexing="ij"), axis=-1).reshape(-1, 2)
        most = _MOST_PIXELS // len(offsets)
        if len(chosen) > most:
            chosen = chosen[np.argsort(-triangles[chosen, :, 2].max(axis=1), kind="stable")[:most]]
        step = max(1, _BATCH // len(offsets))
        for start in range(0, len(chosen), step):
            yield _covered(chosen[start : start + step], offsets, low, (a, b, c), area, width, height)
        if side >= _LARGE:
            break
        side *= 2
    large = np.flatnonzero(visible & (span > _LARGE))
    room = _MOST_PIXELS
    for owner in large[np.argsort(-triangles[large, :, 2].max(axis=1), kind="stable")].tolist():
        filled = _filled(triangles[owner], owner, width, height)
        yield filled
        room -= len(filled[0]) + _PIXELS_OF_EFFORT
        if room < 0:
            return


def _filled(triangle: Floats, owner: int, width: int, height: int) -> tuple[Indices, Floats, Indices]:
    """Fill one triangle row by row: from the leftmost to the rightmost crossing of each row of pixel centres."""
    first = max(int(np.ceil(triangle[:, 1].min() - 0.5)), 0)
    last = min(int(np.floor(triangle[:, 1].max() - 0.5)), height - 1)
    rows = np.arange(first, last + 1)
    left, right = np.full(len(rows), np.inf), np.full(len(rows), -np.inf)
    for start, end in zip(triangle, np.roll(triangle, -1, axis=0), strict=True):
        if start[1] == end[1]:
            continue
        share = (rows + 0.5 - start[1]) / (end[1] - start[1])
        crossing = start[0] + share * (end[0] - start[0])
        meets = (share >= 0) & (share <= 1)
        left[meets] = np.minimum(left[meets], crossing[meets])
        right[meets] = np.maximum(right[meets], crossing[meets])
    begin = np.maximum(np.ceil(np.clip(left, -1, width + 1) - 0.5), 0).astype(np.int64)
    end_at = np.minimum(np.floor(np.clip(right, -1, width + 1) - 0.5), width - 1).astype(np.int64)
    counts = np.maximum(end_at - begin + 1, 0)
    # Each row's columns follow each other: the run's own place is what it starts at, less all pixels before it.
    columns = np.arange(counts.sum()) + np.repeat(begin - (np.cumsum(counts) - counts), counts)
    down = np.repeat(rows, counts)
    normal = np.cross(triangle[1] - triangle[0], triangle[2] - triangle[0])
    slopes = -normal[:2] / normal[2]
    depth = triangle[0, 2] + (columns + 0.5 - triangle[0, 0]) * slopes[0] + (down + 0.5 - triangle[0, 1]) * slopes[1]
    return down * width + columns, depth, np.full(len(columns), owner, dtype=np.int64)


def _covered(
    chosen: Indices,
    offsets: Indices,
    low: Indices,
    corners: tuple[Floats, Floats, Floats],
    area: Floats,
    width: int,
    height: int,
) -> tuple[Indices, Floats, Indices]:
    spots = low[chosen][:, None] + offsets[None]
    x, y = spots[..., 0] + 0.5, spots[..., 1] + 0.5
    a, b, c = (corner[chosen][:, None] for corner in corners)
    whole = area[chosen][:, None]
    by_b = ((x - a[..., 0]) * (c[..., 1] - a[..., 1]) - (y - a[..., 1]) * (c[..., 0] - a[..., 0])) / whole
    by_c = ((b[..., 0] - a[..., 0]) * (y - a[..., 1]) - (b[..., 1] - a[..., 1]) * (x - a[..., 0])) / whole
    inside = (by_b >= 0) & (by_c >= 0) & (by_b + by_c <= 1)
    inside &= (spots[..., 0] >= 0) & (spots[..., 0] < width) & (spots[..., 1] >= 0) & (spots[..., 1] < height)
    depth = a[..., 2] + by_b * (b[..., 2] - a[..., 2]) + by_c * (c[..., 2] - a[..., 2])
    owners = np.broadcast_to(chosen[:, None], inside.shape)
    pixels = spots[..., 1] * width + spots[..., 0]
    return pixels[inside], depth[inside], owners[inside]
