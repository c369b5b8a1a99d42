"""From the cuts of a part to what its layers extrude and how long they take: the built-in estimate's physics.

Each slab stands for its layers. Walls cover what moving the outlines inwards takes away. Behind open flat surfaces and
slopes the inside is solid: a slope of cotangent c shifts the outline by c per height, so that n layers of height h
close n h c of it, of which the walls are a part already. The rest is infill. A straight line of length l takes
l / v + v / a with acceleration a from stop to stop, or 2 sqrt(l / a) where it is too short to reach speed v. Lines
within an outline are as long as its mean chord, pi A / P (Cauchy-Crofton).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quotes.estimators.calibration import Coefficients
from quotes.estimators.profiles import MaterialProfile, PrinterProfile
from quotes.modelfiles.analysis import PartGeometry
from quotes.modelfiles.sections import BEND_SPEEDS, SOLID_MARGIN, WALLS_DEPTH

Floats = NDArray[np.float64]
#: Bands of ten degrees, from flat on, whose steps may show beyond the walls.
_TREADS = 6


@dataclass(frozen=True)
class Wishes:
    """How it is to be printed: layer height in mm, infill as a share of 1."""

    layer: float
    infill: float
    supports: bool


@dataclass(frozen=True)
class PieceWork:
    """What one piece takes. Volumes are mm3; the arrays are per slab: its ends (mm) and what **one layer** of it takes.

    ``plain`` is the time of a layer without any acceleration, which a slicer compares with the least time of a layer;
    ``lost`` what corners and short lines add at full speed, ``idle`` what is not printed. ``lengths`` is what it
    extrudes (mm), ``once`` what happens once per piece.
    """

    walls: float
    solid: float
    infill: float
    support: float
    tops: Floats
    plain: Floats
    lost: Floats
    idle: Floats
    lengths: Floats
    once: float

    @property
    def total(self) -> float:
        """Everything extruded for the piece."""
        return self.walls + self.solid + self.infill + self.support


def piece_work(
    part: PartGeometry, wishes: Wishes, printer: PrinterProfile, material: MaterialProfile, fitted: Coefficients
) -> PieceWork:
    """What one piece of the part takes."""
    return _Piece(part, wishes, printer, material, fitted).work()


def plate_seconds(
    pieces: list[tuple[PieceWork, int]],
    layer: float,
    printer: PrinterProfile,
    material: MaterialProfile,
    fitted: Coefficients,
) -> float:
    """Seconds of printing a plate of (piece, count): its layers, slowed down where they are too short to cool."""
    height = max(float(piece.tops[-1]) for piece, _ in pieces)
    ends = np.unique(np.concatenate([piece.tops for piece, _ in pieces]))
    layers = np.diff(ends, prepend=0.0) / layer
    plain, lost, idle, lengths = (np.zeros(len(ends)) for _ in range(4))
    once = 0.0
    for piece, count in pieces:
        place = np.searchsorted(piece.tops, ends)
        there = place < len(piece.tops)
        where = place[there]
        plain[there] += piece.plain[where] * count
        lost[there] += piece.lost[where] * count
        idle[there] += piece.idle[where] * count
        lengths[there] += piece.lengths[where] * count
        once += piece.once * count
    slowest = lengths / printer.least_speed
    slowed = np.maximum(plain, np.minimum(material.min_layer_seconds, slowest) * fitted.cooling_time)
    # Corners cost less at less speed.
    seconds = slowed + lost * (plain / np.maximum(slowed, 1e-9)) + idle + fitted.layer_seconds
    whole = printed_height(height, layer, printer) / height
    return float((seconds * layers).sum()) * whole + once


def printed_height(height: float, layer: float, printer: PrinterProfile) -> float:
    """The height of a part in whole layers: one is printed where the part reaches its middle."""
    first = printer.first_layer_height
    return first + max(math.floor((height - first) / layer + 0.5), 0) * layer


class _Piece:
    """One part under one set of wishes, as arrays over its slabs."""

    def __init__(
        self,
        part: PartGeometry,
        wishes: Wishes,
        printer: PrinterProfile,
        material: MaterialProfile,
        fitted: Coefficients,
    ) -> None:
        self.part, self.wishes, self.printer, self.material, self.fitted = part, wishes, printer, material, fitted
        rows = np.array(_rows(part), dtype=np.float64).T
        self.tops, self.thick = rows[0], rows[1]
        self.area, self.outline, self.loops = rows[2], rows[3], rows[4]
        self.inner, self.inner_outline, self.nooks = rows[5], rows[6], rows[7]
        self.slow_bends, self.fast_bends = rows[8], rows[9]
        self.roof, self.roof_margin, self.floor, self.floor_margin = rows[10], rows[11], rows[12], rows[13]
        self.room, self.room_border, self.islands, self.inner_loops = rows[14], rows[15], rows[16], rows[17]
        layer, width = wishes.layer, printer.line_width
        # A line is a rectangle with round ends; lines lie so close that the ends overlap.
        self.spacing = width - layer * (1 - math.pi / 4)
        self.section = layer * self.spacing
        self.layers = self.thick / layer

    def work(self) -> PieceWork:
        """Volumes and seconds."""
        fitted, layer, section = self.fitted, self.wishes.layer, self.section
        walls = self._walls()
        solid, slopes, bridged = self._solid()
        sparse = np.maximum(self.inner - solid - slopes, 0)
        share = self.wishes.infill
        infill = fitted.infill * share * sparse * layer
        if 0 < share < 1:
            # Where nearly everything is solid there is little to join.
            open_share = sparse / np.maximum(self.inner, 1e-9)
            infill = infill + fitted.infill_joints * self.inner_outline * open_share * section
        solid_volume = fitted.solid * (solid + slopes) * layer
        support, support_seconds, support_plain, hops = self._support()

        wall_length, solid_length, infill_length = walls / section, solid_volume / section, infill / section
        printer = self.printer
        wall_seconds, wall_plain = self._wall_seconds(wall_length)
        chord = np.maximum(np.pi * self.inner / np.maximum(self.inner_outline, 1e-9), 0.5)
        infill_seconds, infill_plain = self._line_seconds(infill_length, chord, printer.infill_speed)
        narrow = np.minimum(chord, 3.0 * solid_length * self.spacing / np.maximum(self.inner_outline, 1e-9) + 1.0)
        solid_seconds, solid_plain = self._line_seconds(solid_length, narrow, printer.solid_speed)
        bridge = bridged / self.spacing / printer.bridge_speed / np.maximum(self.layers, 1e-9)
        plain = wall_plain + infill_plain + solid_plain + bridge + support_plain
        seconds = (
            wall_seconds
            + fitted.infill_time * infill_seconds
            + fitted.solid_time * solid_seconds
            + fitted.bridge_time * bridge
            + support_seconds
        )
        idle = fitted.loop_seconds * self.loops + fitted.island_seconds * (self.islands - 1) + hops
        idle = idle + fitted.region_seconds * self.inner_loops
        height = float(self.tops[-1])
        whole = printed_height(height, layer, printer) / height
        first = self.area[0] / self.spacing / printer.first_layer_speed
        return PieceWork(
            walls=float((walls * self.layers).sum()) * whole,
            solid=float((solid_volume * self.layers).sum()),
            infill=float((infill * self.layers).sum()) * whole,
            support=float((support * self.layers).sum()),
            tops=self.tops,
            plain=plain,
            lost=seconds - plain,
            idle=idle,
            lengths=wall_length + solid_length + infill_length + support / section,
            once=fitted.first_layer_time * float(first),
        )

    def _walls(self) -> Floats:
        """mm3 per layer."""
        covered = np.maximum(self.area - self.inner, 0) * self.wishes.layer
        return self.fitted.walls * self.section / (self.wishes.layer * WALLS_DEPTH / 2) * covered

    def _solid(self) -> tuple[Floats, Floats, Floats]:
        """Solid area of a layer behind flat surfaces, and behind slopes; area that is printed as a bridge, per slab."""
        printer, fitted, layer = self.printer, self.fitted, self.wishes.layer
        top, bottom = printer.top_layers(layer) * layer, printer.bottom_layers(layer) * layer
        flat = self._spread(self.roof + fitted.solid_margin * self.roof_margin, top, downwards=True)
        flat += self._spread(self.floor + fitted.solid_margin * self.floor_margin, bottom, downwards=False)
        flat = np.minimum(flat, self.inner * self.thick)
        room = np.maximum(self.inner * self.thick - flat, 0)
        slope = 0.0
        treads = self._treads()
        for band in self.part.slopes:
            slope += max(float(band.up_mm2) * top - fitted.slope_walls * WALLS_DEPTH * float(band.up_side_mm2), 0.0)
            slope += max(
                float(band.down_mm2) * bottom - fitted.slope_walls * WALLS_DEPTH * float(band.down_side_mm2), 0.0
            )
        ring = np.minimum(self.inner_outline * self.thick, room)
        total = float(ring.sum())
        slope = fitted.slope_solid * slope + fitted.slope_margin * SOLID_MARGIN * (treads[0] + treads[1])
        slopes = np.minimum(slope * ring / total, room) if total else np.zeros_like(ring)
        nooks = np.minimum(self.nooks * self.thick, np.maximum(room - slopes, 0))
        bridged = self.roof + fitted.solid_margin * self.roof_margin if self.wishes.infill < 1 else np.zeros_like(ring)
        hanging = self.floor.copy()
        hanging[0] = 0
        if total:
            hanging += fitted.slope_margin * SOLID_MARGIN * treads[1] / layer * slopes / max(float(slopes.sum()), 1e-9)
        return (flat + nooks) / self.thick, slopes / self.thick, bridged + hanging

    def _treads(self) -> tuple[float, float]:
        """Sides (mm2) of slopes so flat that their steps reach beyond the walls: those facing up, those facing down.

        Their steps are closed like flat surfaces, with a margin.
        """
        up = down = 0.0
        for number, band in enumerate(self.part.slopes[:_TREADS]):
            step = self.wishes.layer / math.tan(math.radians(10 * number + 5))
            share = min(step / WALLS_DEPTH, 1.0) ** 2
            up += share * float(band.up_side_mm2)
            down += share * float(band.down_side_mm2)
        return up, down

    def _spread(self, areas: Floats, thickness: float, *, downwards: bool) -> Floats:
        """Volume per slab of solid layers that begin at the given areas and reach ``thickness`` into the part."""
        volume = np.zeros_like(areas)
        for start in np.flatnonzero(areas):
            left = thickness
            for slab in range(start, -1, -1) if downwards else range(start, len(areas)):
                depth = min(self.thick[slab], left)
                volume[slab] += min(areas[start], self.inner[slab]) * depth
                left -= depth
                if left <= 0:
                    break
        return volume

    def _wall_seconds(self, length: Floats) -> tuple[Floats, Floats]:
        seconds, plain = np.zeros_like(length), np.zeros_like(length)
        for asked in (self.printer.outer_wall_speed, self.printer.inner_wall_speed):
            speed = self._speed(asked)
            plain += length / 2 / speed
            seconds += self.fitted.wall_time * length / 2 / speed
        # Blades have no room for a second wall, nor for its corners.
        second = np.clip(length / np.maximum(self.outline, 1e-9) - 1, 0, 1)
        seconds += self.fitted.bend_time * self._bends(self._speed(self.printer.outer_wall_speed))
        seconds += self.fitted.bend_time * self._bends(self._speed(self.printer.inner_wall_speed)) * second
        return seconds, plain

    def _bends(self, speed: float) -> Floats:
        """Seconds lost at corners, between what was computed for two speeds; it grows with the speed's square below."""
        slow, fast = BEND_SPEEDS
        if speed <= slow:
            return self.slow_bends * (speed / slow) ** 2
        return self.slow_bends + (self.fast_bends - self.slow_bends) * (speed - slow) / (fast - slow)

    def _line_seconds(self, length: Floats, chord: Floats, asked: float) -> tuple[Floats, Floats]:
        speed, acceleration = self._speed(asked), self.printer.acceleration
        ramp = speed**2 / acceleration
        each = np.where(chord >= ramp, chord / speed + speed / acceleration, 2 * np.sqrt(chord / acceleration))
        # And the step to the next line.
        each = each + 2 * math.sqrt(self.spacing / acceleration)
        return length / chord * each, length / speed

    def _speed(self, asked: float) -> float:
        return min(asked, self.material.max_flow / self.section)

    def _support(self) -> tuple[Floats, Floats, Floats, Floats]:
        """mm3, seconds with and without acceleration, and seconds between its islands, each for one layer."""
        part, printer, fitted = self.part, self.printer, self.fitted
        overhang, volume = float(part.overhang_mm2), float((self.room * self.thick).sum())
        if not self.wishes.supports or not overhang or not volume:
            return (np.zeros_like(self.thick),) * 4
        layer, width = self.wishes.layer, printer.support_line_width
        section = layer * (width - layer * (1 - math.pi / 4))
        body = (
            fitted.support * self.room / printer.support_spacing + fitted.support_border * self.room_border
        ) * section
        faces = fitted.interface * overhang * printer.interface_layers * section / (width + 0.5)
        faces = faces * self.room / volume * layer
        chord = np.maximum(np.pi * self.room / np.maximum(self.room_border, 1e-9), 1.0)
        seconds, plain = self._line_seconds(body / section, chord, printer.support_speed)
        upper, upper_plain = self._line_seconds(faces / section, chord, printer.interface_speed)
        hops = fitted.hop_seconds * self.room_border / 20.0
        return body + faces, fitted.support_time * (seconds + upper), plain + upper_plain, hops


def _rows(part: PartGeometry) -> list[tuple[float, ...]]:
    """The sections as numbers; a part that was read without cuts is one slab of even outlines."""
    if not part.sections:
        return [_even(part)]
    return [
        (
            float(section.top_mm),
            float(section.top_mm - section.bottom_mm),
            float(section.area_mm2),
            float(section.outline_mm),
            float(section.loops),
            float(section.inner_area_mm2),
            float(section.inner_outline_mm),
            float(section.nooks_mm2),
            float(section.bends_s[0]),
            float(section.bends_s[1]),
            float(section.roof_mm2),
            float(section.roof_margin_mm2),
            float(section.floor_mm2),
            float(section.floor_margin_mm2),
            float(section.support_mm2),
            float(section.support_border_mm),
            float(section.islands),
            float(section.inner_loops),
        )
        for section in part.sections
    ]


def _even(part: PartGeometry) -> tuple[float, ...]:
    """One slab with the mean section: walls share corners of ``4 t^2`` per body, exact for rectangles."""
    height = max(float(part.bbox_mm[2]), 1e-3)
    area, outline = float(part.volume_mm3) / height, float(part.side_area_mm2) / height
    walls = WALLS_DEPTH * outline
    corners = min(4 * WALLS_DEPTH**2 * part.bodies, walls**2 / (4 * area))
    inner = max(area - walls + corners, 0.0) if walls < 2 * area else 0.0
    share = inner / area
    inner_outline = max(outline - 8 * WALLS_DEPTH * part.bodies, 0.0) if inner else 0.0
    roof, floor = float(part.up_area_mm2) * share, float(part.down_area_mm2) * share
    bends = 0.1 * part.bodies
    room = float(part.support_column_mm3) / height
    return (
        height,
        height,
        area,
        outline,
        part.bodies,
        inner,
        inner_outline,
        0.0,
        bends / 4,
        bends,
        roof,
        0.0,
        floor,
        0.0,
        room,
        4 * math.sqrt(room),
        part.bodies,
        part.bodies,
    )
