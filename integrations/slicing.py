"""Making print files: every plate without one is sliced for each printer model of the farm that it fits.

What the slicer makes waits for its release by a person. With a slicer that is a person the plate simply waits.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from decimal import Decimal
from pathlib import PurePosixPath

from django.conf import settings
from django.core.files.storage import default_storage
from django.utils.module_loading import import_string

from blb3d.accounts.models import User
from blb3d.core.errors import BLB3DError
from blb3d.core.outbox import OutboxEvent, subscribes
from integrations.slicers.errors import PersonMustUpload
from inventory import services as inventory
from inventory.models import PlateFilament, PrintFile, ProductPlate
from production.models import Printer
from production.ports import Slicer, SliceRequest

log = logging.getLogger(__name__)


@subscribes("production.print_file_needed", outside=True)
def slice_plate(event: OutboxEvent) -> None:
    """Slice a plate for every model that has no file of it yet, so that a repeat goes on where the first one died.

    One model's failure does not keep the others waiting; the last one is raised when all were tried.
    """
    plate = ProductPlate.objects.select_related("product").get(pk=event.payload["plate_id"])
    if not plate.is_active or not plate.model_file:
        log.info("plate %s waits for an upload by staff", plate.pk)
        return
    filaments = list(PlateFilament.objects.filter(plate=plate).select_related("material").order_by("position"))
    slicer: Slicer = import_string(settings.SLICER_BACKEND)()  # type: ignore[misc]
    failure: BLB3DError | None = None
    for model in models_without_file(plate):
        try:
            _slice(slicer, plate, filaments, model)
        except PersonMustUpload:
            log.info("plate %s waits for an upload by staff", plate.pk)
            return
        except BLB3DError as error:
            log.warning("plate %s cannot be sliced for %s: %s", plate.pk, model, error)
            failure = error
    if failure is not None:
        raise failure


def models_without_file(plate: ProductPlate) -> list[str]:
    """Return the models of printers in service that the plate fits and that have no file of it."""
    size = (plate.bbox_x_mm or 0, plate.bbox_y_mm or 0, plate.bbox_z_mm or 0)
    printers = Printer.objects.filter(
        is_active=True, build_x_mm__gte=size[0], build_y_mm__gte=size[1], build_z_mm__gte=size[2]
    )
    models = set(printers.order_by().values_list("model", flat=True).distinct())
    if plate.printer_models:
        models &= set(plate.printer_models)
    have = PrintFile.objects.filter(plate=plate, withdrawn_at__isnull=True).values_list("printer_model", flat=True)
    return sorted(models - set(have))


def _slice(slicer: Slicer, plate: ProductPlate, filaments: Sequence[PlateFilament], model: str) -> None:
    with default_storage.open(plate.model_file, "rb") as source:
        content = source.read()
    main = max(filaments, key=lambda filament: filament.grams).material if filaments else None
    result = slicer.slice(
        SliceRequest(
            source=content,
            file_name=PurePosixPath(plate.model_file).name,
            printer_model=model,
            material_type=main.material_type if main else "",
            name=plate.product.name,
            color_hex=f"#{main.color_hex}" if main and main.color_hex else "",
            layer_height_mm=plate.layer_height_mm,
            infill_percent=plate.infill_percent,
            copies=plate.parts_per_plate,
            estimated_grams=sum((filament.grams for filament in filaments), Decimal(0)) or None,
            estimated_minutes=plate.estimated_minutes,
        )
    )
    inventory.attach_print_file(
        plate,
        printer_model=model,
        content=result.content,
        file_name=result.file_name,
        minutes=result.minutes,
        grams=sum((grams for _, _, grams in result.grams), Decimal(0)),
        sliced_by=result.sliced_by,
        warnings=result.warnings,
        actor=User.objects.system("slicer"),
    )
