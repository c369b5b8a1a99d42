"""A plate without a print file is sliced for every printer model of the farm that it fits."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction

import quotes.modelfiles
from blb3d.core import outbox
from blb3d.core.errors import PartnerRefused
from blb3d.core.outbox import EventDelivery, emit
from integrations.slicers.simulated import SimulatedSlicer
from integrations.slicing import models_without_file
from inventory import services as inventory
from inventory.models import PrintFile, ProductPlate
from inventory.tests.factories import MaterialFactory, ProductFactory, system_actor
from production.models import Printer
from production.ports import SliceRequest, SliceResult

pytestmark = pytest.mark.django_db

MODEL = Path(quotes.modelfiles.__file__).parent / "samples" / "bracket.3mf"


class RefusesA1:
    """A slicer that cannot do one of the models."""

    def slice(self, request: SliceRequest) -> SliceResult:
        if request.printer_model == "A1":
            raise PartnerRefused("No profile for the A1.")
        return SimulatedSlicer().slice(request)


@pytest.fixture
def plate(settings: Any) -> ProductPlate:
    settings.SLICER_BACKEND = "integrations.slicers.simulated.SimulatedSlicer"
    for number, model in enumerate(("A1", "A1", "P1S")):
        Printer.objects.create(name=f"Printer {number}", serial=f"S{number}", model=model)
    Printer.objects.create(name="Away", serial="S9", model="X1C", is_active=False)
    path = default_storage.save("quotes/bracket.3mf", ContentFile(MODEL.read_bytes()))
    material = MaterialFactory(material_type="PETG", color_hex="112233")
    spec = inventory.PlateSpec(
        parts_per_plate=2, minutes=Decimal(90), filaments=[(material, Decimal(40))], model_file=path
    )
    return inventory.set_plates(ProductFactory(name="Bracket"), [spec], actor=system_actor())[0]


def ask(plate: ProductPlate) -> EventDelivery:
    """Say that the plate needs a file, and let the worker slice; return what became of it."""
    with transaction.atomic():
        emit("production.print_file_needed", f"plate:{plate.pk}", plate_id=plate.pk, product_id=plate.product_id)
    outbox.relay()
    delivery = EventDelivery.objects.latest("pk")
    assert delivery.handler == "integrations.slicing.slice_plate"
    outbox.deliver(delivery)
    delivery.refresh_from_db()
    return delivery


def test_it_makes_a_file_for_each_model_in_service_and_releases_none(plate: ProductPlate) -> None:
    assert ask(plate).status == "done"
    files = PrintFile.objects.filter(plate=plate).order_by("printer_model")
    assert [(row.printer_model, row.sliced_by, row.released_at) for row in files] == [
        ("A1", "Simulated slicer", None),
        ("P1S", "Simulated slicer", None),
    ]
    assert all(default_storage.exists(row.file.name) for row in files)
    assert all(row.grams > 0 and row.minutes > 0 for row in files)


def test_a_repeat_makes_only_what_is_missing(plate: ProductPlate) -> None:
    ask(plate)
    PrintFile.objects.get(printer_model="P1S").delete()
    kept = PrintFile.objects.get()
    assert ask(plate).status == "done"
    assert PrintFile.objects.count() == 2
    assert PrintFile.objects.get(printer_model="A1") == kept


def test_a_withdrawn_file_counts_as_missing(plate: ProductPlate) -> None:
    ask(plate)
    inventory.withdraw_print_file(PrintFile.objects.get(printer_model="A1"), reason="warps", actor=system_actor())
    assert models_without_file(plate) == ["A1"]


def test_only_models_that_the_plate_is_for_and_fits_are_asked(plate: ProductPlate) -> None:
    plate.printer_models = ["P1S", "H2D"]
    assert models_without_file(plate) == ["P1S"]
    plate.printer_models, plate.bbox_z_mm = [], Decimal("257.00")
    assert models_without_file(plate) == []


def test_one_models_failure_goes_to_a_person_and_stops_no_other(plate: ProductPlate, settings: Any) -> None:
    settings.SLICER_BACKEND = f"{__name__}.RefusesA1"
    delivery = ask(plate)
    assert delivery.status == "dead"
    assert "No profile for the A1" in delivery.last_error
    assert list(PrintFile.objects.values_list("printer_model", flat=True)) == ["P1S"]


def test_where_staff_slice_the_plate_waits_without_an_error(plate: ProductPlate, settings: Any) -> None:
    settings.SLICER_BACKEND = "integrations.slicers.staff_upload.StaffUpload"
    delivery = ask(plate)
    assert (delivery.status, delivery.last_error) == ("done", "")
    assert not PrintFile.objects.exists()


def test_a_plate_without_a_model_waits_for_staff(plate: ProductPlate) -> None:
    ProductPlate.objects.filter(pk=plate.pk).update(model_file="")
    assert ask(plate).status == "done"
    assert not PrintFile.objects.exists()
