"""Models of several products on one plate: whether they fit on the farm's beds, and the file that a slicer reads."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import PurePosixPath

import numpy as np
from django.core.files.storage import default_storage

from blb3d.core.errors import BLB3DError
from integrations.slicers.plates import is_wholly_on, model_of
from inventory.models import PlateFilament, ProductPlate
from production.errors import NotCombinable
from production.ports import PlateLayout, SliceFilament, SliceRequest
from production.selectors import farm_in_service
from quotes.estimators.packing import MOST_PIECES, fits_together
from quotes.modelfiles import read_scene
from quotes.modelfiles.analysis import PartGeometry
from quotes.modelfiles.make import write_3mf
from quotes.ports import EstimateSettings

GAP = EstimateSettings().gap_mm
#: The bed of a farm that has no printer yet, in mm.
_USUAL = (Decimal(256), Decimal(256), Decimal(256))


def lay_together(parts: Sequence[tuple[ProductPlate, int]]) -> PlateLayout:
    """Return on which of the farm's beds so many parts of each plate lie together.

    Raises:
        NotCombinable: a plate has no model that can be laid out, or no bed takes all of them.
    """
    pieces: list[tuple[PartGeometry, int]] = []
    for plate, number in parts:
        try:
            analysis = model_of(plate)
        except BLB3DError as error:
            raise NotCombinable(f"{plate.product.sku} cannot be laid out: {error.message}") from error
        if not is_wholly_on(plate) or not analysis.parts:
            raise NotCombinable(f"{plate.product.sku} cannot be laid out: its plate is not its whole file.")
        pieces += [(part, part.count * number) for part in analysis.parts]
    count = sum(number for _, number in pieces)
    if count > MOST_PIECES:
        raise NotCombinable(f"{count} pieces are more than are laid on one plate.", details={"pieces": count})
    farm = farm_in_service()
    beds = farm.beds or (("", _USUAL),)
    taking = {model for model, volume in beds if fits_together(pieces, volume, GAP)}
    if not taking:
        raise NotCombinable("The parts do not fit on one plate of any printer.", details={"pieces": count})
    sizes = [part.bbox_mm for part, _ in pieces]
    box = (max(size[0] for size in sizes), max(size[1] for size in sizes), max(size[2] for size in sizes))
    models = tuple(sorted(taking)) if len(taking) < len(farm.models) else ()
    return PlateLayout(box, models)


def mixed_request(plate: ProductPlate, printer_model: str) -> SliceRequest:
    """Return the request to slice a mixed plate on a printer model; raises as :func:`one_file`."""
    rows = PlateFilament.objects.filter(plate=plate).select_related("material").order_by("position")
    return SliceRequest(
        source=one_file(plate),
        file_name="mixed.3mf",
        printer_model=printer_model,
        filaments=tuple(
            SliceFilament(row.position, row.material.material_type, row.material.color_hex, row.grams) for row in rows
        ),
        name=f"mixed plate {plate.plate_number}",
        layer_height_mm=plate.layer_height_mm,
        infill_percent=plate.infill_percent,
        estimated_minutes=plate.estimated_minutes,
    )


def one_file(plate: ProductPlate) -> bytes:
    """Return a 3MF package with all pieces of a mixed plate, set in rows beside each other; slicers arrange them.

    Raises:
        UnusableFile: a model cannot be read any more.
    """
    meshes, places = [], []
    x = y = deep = 0.0
    for member in plate.members.select_related("source__product").order_by("id"):
        with default_storage.open(member.source.model_file, "rb") as source:
            content = source.read()
        scene = read_scene(content, file_name=PurePosixPath(member.source.model_file).name)
        for shape in [piece.shape for piece in scene.pieces] * member.parts:
            low = shape.vertices.min(axis=0)
            width, depth, _ = np.ptp(shape.vertices, axis=0).tolist()
            if x and x + width > float(_USUAL[0]):
                x, y, deep = 0.0, y + deep + float(GAP), 0.0
            meshes.append((f"{member.source.product.sku} {shape.name}".strip(), shape.vertices - low, shape.faces))
            places.append([(x, y, 0.0)])
            x += width + float(GAP)
            deep = max(deep, depth)
    return write_3mf(meshes, places=places)
