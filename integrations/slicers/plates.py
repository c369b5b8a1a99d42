"""What a slicer is asked for a plate: the model, its filaments by the file's own numbers, and what was estimated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import PurePosixPath

from django.core.files.storage import default_storage

from integrations.slicers.errors import PersonMustUpload
from inventory.models import PlateFilament, ProductPlate
from production.ports import SliceFilament, SliceRequest
from quotes.modelfiles import read_model
from quotes.modelfiles.analysis import FilamentSlot, ModelAnalysis
from quotes.models import QuoteFile

#: G-code that somebody else made: it is priced by, never sliced from, and never printed unseen.
_GCODE = (".gcode", ".gco", ".g")


def request_for(plate: ProductPlate, printer_model: str) -> SliceRequest:
    """Return the request for a plate on a printer model, the model read from the storage.

    Raises:
        PersonMustUpload: there is no model, or what the customer sent is G-code.
    """
    name = _model_name(plate)
    rows = PlateFilament.objects.filter(plate=plate).select_related("material").order_by("position")
    filaments = [
        SliceFilament(row.position, row.material.material_type, row.material.color_hex, row.grams) for row in rows
    ]
    file = QuoteFile.objects.filter(file=plate.model_file).prefetch_related("parts").first()
    analysis = ModelAnalysis.from_dict(file.geometry) if file is not None and file.is_read else None
    with default_storage.open(plate.model_file, "rb") as source:
        content = source.read()
    return SliceRequest(
        source=content,
        file_name=name,
        printer_model=printer_model,
        filaments=number_filaments(filaments, used_slots(analysis) if analysis else ()),
        name=plate.product.name,
        layer_height_mm=plate.layer_height_mm,
        infill_percent=plate.infill_percent,
        copies=plate.parts_per_plate,
        estimated_minutes=plate.estimated_minutes,
        is_whole_file=analysis is None or (_is_alone(plate) and _is_as_sent(file, analysis)),
    )


def _model_name(plate: ProductPlate) -> str:
    """Return the name of the plate's model file; raises ``PersonMustUpload`` where there is none to slice."""
    name = PurePosixPath(plate.model_file).name
    if not name:
        raise PersonMustUpload("The plate has no model to slice: a person must upload the print file.")
    if name.lower().endswith(_GCODE):
        raise PersonMustUpload("The customer sent G-code, which is never printed: slice the part and upload the file.")
    return name


def model_of(plate: ProductPlate) -> ModelAnalysis:
    """Return what a plate's model holds, as it was read when it was sent, else read now.

    Raises:
        PersonMustUpload: there is no model, or it is G-code.
        UnusableFile: it cannot be read.
    """
    name = _model_name(plate)
    file = QuoteFile.objects.filter(file=plate.model_file).first()
    if file is not None and file.is_read:
        return ModelAnalysis.from_dict(file.geometry)
    with default_storage.open(plate.model_file, "rb") as source:
        return read_model(source.read(), file_name=name)


def is_wholly_on(plate: ProductPlate) -> bool:
    """Return whether the plate holds its file as it was sent, so many times over, and no other plate holds of it."""
    file = QuoteFile.objects.filter(file=plate.model_file).prefetch_related("parts").first()
    analysis = ModelAnalysis.from_dict(file.geometry) if file is not None and file.is_read else None
    return analysis is None or (_is_alone(plate) and _is_as_sent(file, analysis))


def used_slots(analysis: ModelAnalysis) -> tuple[FilamentSlot, ...]:
    """Return the filaments of a slicer's project that its parts are printed in."""
    used = {number for part in analysis.parts for number, _ in part.filament_shares or ((0, 1),)}
    return tuple(slot for slot in analysis.filaments if slot.number in used)


def number_filaments(filaments: Sequence[SliceFilament], slots: Sequence[FilamentSlot]) -> tuple[SliceFilament, ...]:
    """Return a plate's filaments by the numbers of the file's own: the plate counts those that it names from 0.

    Type and colour decide, then the order. A plate of one filament has it in every slot, which is what a customer asked
    for who chose one colour for all. A slot that nothing on the plate goes into is left out.
    """
    if not slots:
        return tuple(filaments)
    if len(filaments) == 1:
        # The grams stay one sum: nobody estimated what of them lies in which slot.
        first, *others = slots
        return (
            replace(filaments[0], position=first.number),
            *(replace(filaments[0], position=slot.number, grams=Decimal(0)) for slot in others),
        )
    by_kind = {(row.material_type.upper(), row.color_hex.upper()): row for row in filaments}
    kinds = [(slot.material_type.upper(), slot.color_hex.upper().removeprefix("#")[:6]) for slot in slots]
    if set(by_kind) <= set(kinds):
        pairs = [(by_kind[kind], slot) for kind, slot in zip(kinds, slots, strict=True) if kind in by_kind]
    else:
        pairs = list(zip(filaments, slots, strict=False))
    return tuple(replace(row, position=slot.number) for row, slot in pairs)


def _is_alone(plate: ProductPlate) -> bool:
    """True when no other plate of the product is printed from the same file."""
    return (
        ProductPlate.objects.filter(
            product=plate.product_id, revision=plate.revision, model_file=plate.model_file
        ).count()
        == 1
    )


def _is_as_sent(file: QuoteFile | None, analysis: ModelAnalysis) -> bool:
    """True when the customer wants each part as often as the file has it."""
    wanted = {row.position: row.quantity for row in file.parts.all()} if file is not None else {}
    return all(wanted.get(position, part.count) == part.count for position, part in enumerate(analysis.parts))
