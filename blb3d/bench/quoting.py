"""Bench 6 and 7: reading and pricing a large file against lib3mf alone, and estimates against a slicer."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import lib3mf
import manifold3d
import numpy as np

from blb3d.bench.measure import Report, interleaved
from integrations.errors import PartnerNotSetUp
from integrations.slicers.prusaslicer.cache import SliceCache
from integrations.slicers.prusaslicer.reference import Reference
from integrations.slicers.prusaslicer.runner import PrusaSlicerCommand
from quotes.estimators import estimate
from quotes.estimators.calibration import calibrated
from quotes.estimators.corpus import HELD_OUT
from quotes.estimators.fitting import Error, errors
from quotes.modelfiles import ModelAnalysis, UnusableFile, read_model
from quotes.modelfiles.geometry import Faces, Vertices
from quotes.modelfiles.lib3mf_buffers import read_into
from quotes.modelfiles.make import box, write_3mf
from quotes.ports import EstimateSettings
from sales import pricing

FACES = 100_000
#: Models that judge the estimate: seeds that neither the fit nor the choice of its formulas has seen.
SEEDS = range(20, 24)
SETTINGS = EstimateSettings(quantity=10)
#: mm3 of the box of 20 x 30 x 40 mm that traps are made of.
_BOX = Decimal(24_000)


def run(folder: Path | None = None) -> Report:
    """Measure both; the models of a folder are told, and judge nothing."""
    report = Report("quoting")
    _read_and_price(report)
    _traps(report)
    _against_slicer(report, folder)
    return report


def _read_and_price(report: Report) -> None:
    content = _large_file()
    found: list[tuple[int, Decimal]] = []

    def subject() -> None:
        analysis = read_model(content, file_name="large.3mf", thumbnail=False)
        found[:] = [(analysis.parts[0].triangles, _price(analysis))]

    def floor() -> None:
        read_into(lib3mf.get_wrapper().CreateModel(), content)

    ours, bare = interleaved(subject, floor)
    ((triangles, price),) = found
    report.tell(f"{triangles:,} faces, {len(content) / 1e6:.1f} MB, priced at {price}")
    report.timing("read, measured, estimated, priced", ours)
    report.timing("read by lib3mf", bare)
    report.judge("CPU against lib3mf's own read", ours.median_cpu / bare.median_cpu, 4)


def _large_file() -> bytes:
    """A ball with waves of about 100,000 faces."""
    sides = 4 * round((FACES / 8) ** 0.5)
    ball = manifold3d.Manifold.sphere(30.0, sides).to_mesh()
    points = np.asarray(ball.vert_properties[:, :3], dtype=np.float64)
    points *= 1 + 0.06 * np.sin(points[:, [2]] / 2) * np.cos(points[:, [0]] / 3)
    return write_3mf([("Ball", points, np.asarray(ball.tri_verts, dtype=np.int64))])


def _price(analysis: ModelAnalysis) -> Decimal:
    answer = estimate(analysis, SETTINGS)
    given = pricing.PriceInput(
        material_grams=answer.grams,
        print_minutes=answer.minutes,
        quantity=SETTINGS.quantity,
        price_per_kg=Decimal(20),
        plates=answer.plate_runs,
    )
    return pricing.price(given).total


def _traps(report: Report) -> None:
    """Files that look like another volume than they are: right, or said, or refused; never silently wrong."""
    wrong = [name for name, content in _trap_files().items() if _is_silently_wrong(content)]
    report.tell(f"{len(_trap_files())} traps{': ' + ', '.join(wrong) + ' priced wrong' if wrong else ''}")
    report.judge("traps priced silently wrong", len(wrong), 0)


def _trap_files() -> dict[str, bytes]:
    vertices, faces = box(20.0, 30.0, 40.0)
    half, twice = vertices.copy(), [(0.0, 0.0, 0.0), (60.0, 0.0, 0.0)]
    half[:, 0] /= 2
    units = {"micron": 0.001, "centimeter": 10.0, "inch": 25.4, "meter": 1000.0}
    inside_out: tuple[Vertices, Faces] = (vertices, faces[:, ::-1])
    overlapping = (np.concatenate([vertices, vertices + 5]), np.concatenate([faces, faces + len(vertices)]))
    return {
        **{f"in {unit}s": write_3mf([("Box", vertices / scale, faces)], unit=unit) for unit, scale in units.items()},
        "two instances": write_3mf([("Box", half, faces)], places=[twice]),
        "two objects": write_3mf([("One", half, faces), ("Other", half, faces)]),
        "inside out": write_3mf([("Box", *inside_out)]),
        "open": write_3mf([("Box", vertices, faces[:-1])]),
        "overlapping bodies": write_3mf([("Boxes", *overlapping)]),
    }


def _is_silently_wrong(content: bytes) -> bool:
    try:
        analysis = read_model(content, file_name="trap.3mf", thumbnail=False)
    except UnusableFile:
        return False
    said = analysis.needs_person or analysis.warnings or estimate(analysis, SETTINGS).interval_percent >= 30
    return not said and abs(analysis.total_volume_mm3 - _BOX) > _BOX / 100


def _against_slicer(report: Report, folder: Path | None) -> None:
    command = PrusaSlicerCommand()
    try:
        version = command.version()
    except PartnerNotSetUp as missing:
        report.tell(f"the error of estimates is not measured: {missing.message}")
        return
    calibration = calibrated()
    reference = Reference(SliceCache(command))
    judged = errors(reference.of_families(HELD_OUT, SEEDS), calibration.coefficients)
    report.tell(
        f"{len(judged)} slices of {len({error.observation.name for error in judged})} models by {version}; "
        f"calibration {calibration.version}"
    )
    for kind, median, tail in (("mass", 3, 8), ("time", 10, 20)):
        _judge_error(report, kind, judged, median, tail)
    widths = [calibration.intervals[error.situation] for error in judged]
    held = [error.worst * 100 <= width for error, width in zip(judged, widths, strict=True)]
    report.judge("share of intervals that hold", float(np.mean(held)), 0.9, at_least=True)
    report.judge("median interval, from its lower to its upper end, percent", 2 * float(np.median(widths)), 20)
    report.figures["estimate"] = {
        error.observation.name + (" supported" if error.observation.wishes.supports else ""): {
            "mass_percent": round(error.mass * 100, 1),
            "time_percent": round(error.time * 100, 1),
        }
        for error in judged
    }
    if folder is not None:
        _tell_folder(report, errors(list(reference.of_folder(folder)), calibration.coefficients))


def _judge_error(report: Report, kind: str, found: Sequence[Error], median: float, tail: float) -> None:
    sizes = np.abs([getattr(error, kind) for error in found]) * 100
    report.judge(f"{kind}: median error, percent", float(np.median(sizes)), median)
    report.judge(f"{kind}: 90th percentile of the error, percent", float(np.quantile(sizes, 0.9)), tail)


def _tell_folder(report: Report, found: Sequence[Error]) -> None:
    for error in found:
        supports = "with" if error.observation.wishes.supports else "without"
        report.tell(
            f"{error.observation.name}, {supports} supports: mass {error.mass * 100:+.1f} %, "
            f"time {error.time * 100:+.1f} %"
        )
