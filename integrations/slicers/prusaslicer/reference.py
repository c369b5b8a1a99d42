"""Slices to measure the built-in estimator by: models of the corpus, or of a folder, in several settings each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from integrations.slicers.errors import CannotSlice
from integrations.slicers.prusaslicer.cache import SliceCache
from integrations.slicers.prusaslicer.profile import PrintSettings
from integrations.slicers.prusaslicer.runner import Mesh
from quotes.estimators.corpus import Family, models
from quotes.estimators.fitting import Observation
from quotes.estimators.toolpaths import Wishes
from quotes.modelfiles import UnusableFile
from quotes.modelfiles.geometry import Faces, Vertices, measure
from quotes.modelfiles.reader import EXTENSIONS, read_scene

#: What is asked for in turn: material, layer height (mm), infill (percent).
CASES = (("PLA", 0.2, 20), ("PETG", 0.2, 15), ("PLA", 0.28, 10), ("ABS", 0.2, 30), ("PLA", 0.12, 20), ("TPU", 0.2, 25))


@dataclass(frozen=True)
class Reference:
    """Observations from a slicer; what it has sliced before comes from its cache."""

    slicer: SliceCache

    def of_families(self, families: Mapping[str, Family], seeds: range) -> list[Observation]:
        """Every model twice: with supports in the case of its seed, without them in a case further on."""
        found = []
        for model in models(families, seeds):
            for supports in (True, False):
                case = CASES[(model.seed + (0 if supports else 3)) % len(CASES)]
                found.append(self._seen(model.name, model.family, model.vertices, model.faces, case, supports=supports))
        return found

    def of_folder(self, folder: Path) -> Iterator[Observation]:
        """Every mesh of every readable model file in the folder, in the first case; refused ones are left out."""
        for path in sorted(folder.iterdir()):
            if path.suffix.lower() not in EXTENSIONS:
                continue
            try:
                scene = read_scene(path, file_name=path.name)
            except UnusableFile:
                continue
            shapes = {id(piece.shape): piece.shape for piece in scene.pieces}
            for number, shape in enumerate(shapes.values(), start=1):
                name = f"{path.name} {number}"
                for supports in (True, False):
                    try:
                        yield self._seen(name, "folder", shape.vertices, shape.faces, CASES[0], supports=supports)
                    except CannotSlice:
                        continue

    def _seen(
        self,
        name: str,
        family: str,
        vertices: Vertices,
        faces: Faces,
        case: Sequence[object],
        *,
        supports: bool,
    ) -> Observation:
        material, layer, infill = str(case[0]), float(str(case[1])), int(str(case[2]))
        settings = PrintSettings(material, layer_height=layer, infill_percent=infill, supports=supports)
        made = self.slicer.slice([Mesh(vertices, faces)], settings)
        return Observation(
            name=name,
            family=family,
            part=measure(vertices, faces).as_part(name, 1),
            material_type=material,
            wishes=Wishes(layer, infill / 100, supports),
            extruded_mm3=made.extruded_mm3,
            seconds=made.seconds,
        )
