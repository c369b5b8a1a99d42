"""PrusaSlicer as an estimator: each part sliced once, and how sets share plates from the built-in estimate."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from blb3d.core.errors import BLB3DError
from integrations.slicers.prusaslicer.cache import SliceCache
from integrations.slicers.prusaslicer.profile import PrintSettings
from integrations.slicers.prusaslicer.runner import Mesh, PrusaSlicerCommand, Slice
from quotes.estimators import CannotEstimate, GeometricEstimator
from quotes.estimators.geometric import cent, minutes_per_set, per_set, tenth
from quotes.estimators.profiles import PrinterProfile
from quotes.modelfiles import ModelAnalysis
from quotes.modelfiles.analysis import PartGeometry
from quotes.modelfiles.reader import read_scene
from quotes.modelfiles.scene import Scene, Shape
from quotes.ports import Estimate, EstimateSettings, ModelSource, PlateEstimate

METHOD = "prusaslicer"
#: A slicer for a machine like ours, but not the one that will slice the print: half width, percent.
INTERVAL = Decimal(6)
#: A part is found again among the file's meshes by its triangles and its size, to this many mm.
_SAME_SIZE = Decimal("0.01")


class PrusaSlicerEstimator:
    """Slices one piece of every part; counts, plates and purge are those of the built-in estimate."""

    #: Nobody waits for it: the worker prices.
    is_slow = True

    def __init__(self, slicer: SliceCache | None = None) -> None:
        self._slicer = slicer or SliceCache(PrusaSlicerCommand())
        self._mesh = GeometricEstimator()

    def estimate(
        self, analysis: ModelAnalysis, settings: EstimateSettings, source: ModelSource | None = None
    ) -> Estimate:
        """Estimate by slicing; raises ``CannotEstimate`` where the model or the slicer is not at hand, or refuses."""
        if not analysis.parts:
            raise CannotEstimate("The file holds no mesh to slice.")
        if source is None:
            raise CannotEstimate("The model itself is not at hand to slice.")
        laid = self._mesh.estimate(analysis, settings)
        try:
            file_name, content = source.read()
            scene = read_scene(content, file_name=file_name)
            sliced = [self._sliced(_shape_of(part, scene), settings) for part in analysis.parts]
        except (BLB3DError, OSError) as error:
            raise CannotEstimate(f"PrusaSlicer gave no answer: {getattr(error, 'message', error)}") from error
        guessed = [self._mesh.alone(part, settings) for part in analysis.parts]
        counts = [part.count for part in analysis.parts]
        mass = _ratio([one.extruded_mm3 for one in sliced], [volume for volume, _ in guessed], counts)
        time = _ratio([one.seconds for one in sliced], [seconds for _, seconds in guessed], counts)
        plates = tuple(_scaled(plate, mass, time) for plate in laid.plates)
        return replace(
            laid,
            method=METHOD,
            version="",
            plates=plates,
            filaments=per_set(plates, settings.quantity),
            minutes=minutes_per_set(plates, settings.quantity),
            interval_percent=INTERVAL,
            methods_differ_percent=tenth(abs(mass - 1) * 100),
        )

    def _sliced(self, shape: Shape, settings: EstimateSettings) -> Slice:
        wanted = PrintSettings(
            material_type=settings.material_type,
            layer_height=float(settings.layer_height_mm),
            infill_percent=settings.infill_percent,
            supports=settings.supports,
        )
        return self._slicer.slice([Mesh(shape.vertices, shape.faces)], wanted)


def _shape_of(part: PartGeometry, scene: Scene) -> Shape:
    for piece in scene.pieces:
        vertices = piece.shape.vertices
        size = vertices.max(axis=0) - vertices.min(axis=0)
        same = all(
            abs(Decimal(str(side)) - known) <= _SAME_SIZE
            for side, known in zip(size.tolist(), part.bbox_mm, strict=True)
        )
        if same and len(piece.shape.faces) >= part.triangles:
            return piece.shape
    raise CannotEstimate(f"{part.name} was not found in the file again.")


def _ratio(sliced: list[float], guessed: list[float], counts: list[int]) -> Decimal:
    """What the slicer says against the built-in estimate, over all pieces."""
    whole = sum(one * count for one, count in zip(sliced, counts, strict=True))
    return Decimal(str(whole / sum(one * count for one, count in zip(guessed, counts, strict=True))))


def _scaled(plate: PlateEstimate, mass: Decimal, time: Decimal) -> PlateEstimate:
    """Pieces and their printing are scaled; what is primed, flushed and waited for stays as it is."""
    printer = PrinterProfile()
    idle = Decimal(str(printer.start_seconds + plate.changes * printer.change_seconds)) / 60
    still = min((plate.flushed_grams + Decimal("0.6")) / plate.grams, Decimal(1)) if plate.grams else Decimal(0)
    factor = mass * (1 - still) + still
    return replace(
        plate,
        minutes=tenth(idle + max(plate.minutes - idle, Decimal(0)) * time),
        filaments=tuple(replace(use, grams=cent(use.grams * factor)) for use in plate.filaments),
    )
