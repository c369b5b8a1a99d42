"""Slicing in the console: what waits for a person, the upload, the review, the release."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from blb3d.accounts.tests.factories import SuperuserFactory
from blb3d.core import outbox
from integrations import services as integrations
from integrations import slicing
from integrations.models import SliceTask
from integrations.slicers.simulated import SimulatedSlicer
from inventory import services as inventory
from inventory.models import PrintFile, ProductPlate
from inventory.tests.factories import MaterialFactory, ProductFactory, system_actor
from production.ports import SliceFilament, SliceRequest
from production.tests.factories import PrinterFactory
from quotes.modelfiles.make import BRACKET

pytestmark = pytest.mark.django_db


@pytest.fixture
def console(client: Client) -> Client:
    client.force_login(SuperuserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def plate(settings: Any) -> ProductPlate:
    settings.SLICER_BACKEND = "integrations.slicers.simulated.SimulatedSlicer"
    settings.DEMO = True
    PrinterFactory(model="P1S")
    path = default_storage.save("quotes/bracket.3mf", ContentFile(BRACKET.read_bytes()))
    material = MaterialFactory(name="Green PETG", material_type="PETG", color_hex="00AE42")
    spec = inventory.PlateSpec(1, Decimal(90), [(material, Decimal(40))], model_file=path)
    return inventory.set_plates(ProductFactory(name="Bracket"), [spec], actor=system_actor())[0]


def act(console: Client, obj: Any, name: str, **answers: Any) -> str:
    """Press a button, answer what it asks, and return the page that follows."""
    address = reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_verb", args=[obj.pk, name])
    answer = console.post(address, {"_answered": "1", **answers}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def page(console: Client, obj: Any) -> str:
    address = reverse(f"admin:{obj._meta.app_label}_{obj._meta.model_name}_change", args=[obj.pk])
    return console.get(address).content.decode()


def package(printer_model: str) -> SimpleUploadedFile:
    filaments = (SliceFilament(0, "PETG", "00AE42", Decimal("41.50")),)
    request = SliceRequest(b"", "x.3mf", printer_model, filaments, "Bracket", estimated_minutes=Decimal(95))
    return SimpleUploadedFile("bracket.gcode.3mf", SimulatedSlicer().slice(request).content)


def test_a_plate_is_sliced_by_a_button_and_its_tasks_stand_on_its_page(console: Client, plate: ProductPlate) -> None:
    act(console, plate, "slice")
    outbox.drain()
    [task] = SliceTask.objects.all()
    assert reverse("admin:integrations_slicetask_change", args=[task.pk]) in page(console, plate)
    assert "Queued" in console.get(reverse("admin:integrations_slicetask_changelist")).content.decode()


def test_a_file_is_reviewed_released_and_sliced_again(console: Client, plate: ProductPlate) -> None:
    integrations.ask_for_slices(plate, ["P1S"], actor=system_actor())
    assert slicing.drain() == 1
    file = PrintFile.objects.get()
    shown = page(console, file)
    for seen in ("Bracket for P1S", "Green PETG", file.sha256, "bracket", "Simulated slicer", "300"):
        assert seen in shown
    act(console, file, "slice_again", reason="new profile")
    outbox.drain()
    assert SliceTask.objects.get(status="pending").reason == "new profile"
    act(console, file, "release")
    file.refresh_from_db()
    assert file.released_at is not None


def test_what_only_a_person_can_slice_is_uploaded_at_the_task(
    console: Client, plate: ProductPlate, settings: Any
) -> None:
    settings.SLICER_BACKEND = "integrations.slicers.staff_upload.StaffUpload"
    [task] = integrations.ask_for_slices(plate, ["P1S"], actor=system_actor())
    slicing.drain()
    home = console.get(reverse("admin:index")).content.decode()
    assert "Plates to slice by hand" in home
    refused = act(console, task, "upload", file=package("A1"))
    assert "sliced for another printer" in refused
    assert not PrintFile.objects.exists()
    act(console, task, "upload", file=package("P1S"))
    file = PrintFile.objects.get()
    assert (file.grams, file.minutes, file.released_at) == (Decimal("41.50"), Decimal("95.00"), None)
    task.refresh_from_db()
    assert (task.status, task.print_file) == ("done", file)


def test_a_failed_task_is_tried_again_or_dropped(console: Client, plate: ProductPlate, settings: Any) -> None:
    settings.SLICER_BACKEND = "integrations.slicers.staff_upload.StaffUpload"
    [task] = integrations.ask_for_slices(plate, ["P1S"], actor=system_actor())
    slicing.drain()
    act(console, task, "replay")
    task.refresh_from_db()
    assert task.status == "pending"
    assert "Please" in act(console, task, "drop") or "required" in act(console, task, "drop")
    act(console, task, "drop", reason="we print it on the A1 only")
    task.refresh_from_db()
    assert task.status == "ignored"
