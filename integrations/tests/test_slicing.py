"""A plate without a print file is sliced for every printer model of the farm that it fits."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

import quotes.modelfiles
from blb3d.accounts.tests.factories import SuperuserFactory
from blb3d.core import outbox
from blb3d.core.errors import InvalidTransition, PartnerRefused, PartnerUnavailable, ReasonRequired
from blb3d.core.outbox import EventDelivery, emit
from blb3d.core.work import MAX_ATTEMPTS
from integrations import services as integrations
from integrations import slicing
from integrations.models import SliceTask
from integrations.slicers.errors import UnusablePackage
from integrations.slicers.simulated import SimulatedSlicer
from integrations.tasks import slice_plates
from inventory import services as inventory
from inventory.models import PrintFile, ProductPlate
from inventory.tests.factories import MaterialFactory, ProductFactory, system_actor
from production.models import Printer
from production.ports import SliceFilament, SliceRequest, SliceResult

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


def ask(plate: ProductPlate) -> None:
    """Say that the plate needs a file, and let the workers do what follows."""
    with transaction.atomic():
        emit("production.print_file_needed", f"plate:{plate.pk}", plate_id=plate.pk, product_id=plate.product_id)
    outbox.drain()
    slicing.drain()
    assert not EventDelivery.objects.exclude(status="done").exists()


def task_for(model: str) -> SliceTask:
    return SliceTask.objects.filter(printer_model=model).latest("pk")


def made() -> list[tuple[str, str]]:
    return list(PrintFile.objects.order_by("printer_model", "pk").values_list("printer_model", "sliced_by"))


def test_it_makes_a_file_for_each_model_in_service_and_releases_none(plate: ProductPlate) -> None:
    ask(plate)
    assert made() == [("A1", "Simulated slicer"), ("P1S", "Simulated slicer")]
    for file in PrintFile.objects.all():
        assert default_storage.exists(file.file.name)
        assert file.released_at is None
        [filament] = file.filaments
        assert (filament["position"], filament["material_type"], filament["color_hex"]) == (0, "PETG", "112233")
        assert Decimal(filament["grams"]) == file.grams > 0
        assert file.minutes > 0
        assert file.layers == 300
    task = task_for("A1")
    assert (task.status, task.attempts, task.progress_percent) == ("done", 1, 100)
    assert task.print_file == PrintFile.objects.get(printer_model="A1")


def test_a_repeat_makes_only_what_is_missing(plate: ProductPlate) -> None:
    ask(plate)
    SliceTask.objects.filter(printer_model="P1S").delete()
    PrintFile.objects.get(printer_model="P1S").delete()
    kept = PrintFile.objects.get()
    ask(plate)
    assert len(made()) == 2
    assert PrintFile.objects.get(printer_model="A1") == kept


def test_a_plate_is_queued_once_however_often_it_is_asked_for(plate: ProductPlate) -> None:
    for _ in range(2):
        with transaction.atomic():
            emit("production.print_file_needed", f"plate:{plate.pk}", plate_id=plate.pk, product_id=plate.product_id)
    outbox.drain()
    assert sorted(SliceTask.objects.values_list("printer_model", "status")) == [("A1", "pending"), ("P1S", "pending")]


def test_a_withdrawn_file_counts_as_missing(plate: ProductPlate) -> None:
    ask(plate)
    inventory.withdraw_print_file(PrintFile.objects.get(printer_model="A1"), reason="warps", actor=system_actor())
    assert slicing.models_without_file(plate) == ["A1"]


def test_only_models_that_the_plate_is_for_and_fits_are_asked(plate: ProductPlate) -> None:
    plate.printer_models = ["P1S", "H2D"]
    assert slicing.models_without_file(plate) == ["P1S"]
    plate.printer_models, plate.bbox_z_mm = [], Decimal("257.00")
    assert slicing.models_without_file(plate) == []


def test_a_plate_that_no_printer_takes_is_laid_before_a_person(plate: ProductPlate) -> None:
    ProductPlate.objects.filter(pk=plate.pk).update(bbox_z_mm=Decimal("257.00"))
    with transaction.atomic():
        emit("production.print_file_needed", f"plate:{plate.pk}", plate_id=plate.pk, product_id=plate.product_id)
    outbox.drain()
    delivery = EventDelivery.objects.get()
    assert delivery.status == "dead"
    assert f"No printer in service takes {plate.product.sku}, plate 1" in delivery.last_error
    assert not SliceTask.objects.exists()


def test_one_models_failure_goes_to_a_person_and_stops_no_other(plate: ProductPlate, settings: Any) -> None:
    settings.SLICER_BACKEND = f"{__name__}.RefusesA1"
    ask(plate)
    task = task_for("A1")
    assert (task.status, task.error_code, task.last_error) == ("dead", "INTEG_002", "No profile for the A1.")
    assert made() == [("P1S", "Simulated slicer")]


def test_a_person_sends_a_failed_task_back_once(plate: ProductPlate, settings: Any) -> None:
    settings.SLICER_BACKEND = f"{__name__}.RefusesA1"
    ask(plate)
    settings.SLICER_BACKEND = "integrations.slicers.simulated.SimulatedSlicer"
    again = integrations.retry_slice(task_for("A1"), actor=system_actor())
    assert (again.status, again.attempts, again.error_code) == ("pending", 0, "")
    assert slicing.drain() == 1
    assert [model for model, _ in made()] == ["A1", "P1S"]
    assert integrations.retry_slice(task_for("A1"), actor=system_actor()).status == "done"


def test_a_new_task_stands_for_the_one_that_failed_before(plate: ProductPlate, settings: Any) -> None:
    settings.SLICER_BACKEND = f"{__name__}.RefusesA1"
    ask(plate)
    failed = task_for("A1")
    integrations.ask_for_slices(plate, ["A1"], actor=system_actor())
    statuses = SliceTask.objects.filter(printer_model="A1").order_by("pk").values_list("status", flat=True)
    assert list(statuses) == ["ignored", "pending"]
    # Who still has the old page open and presses its button does not queue the plate twice.
    assert failed.status == "dead"
    assert integrations.retry_slice(failed, actor=system_actor()) == task_for("A1")
    assert list(statuses.all()) == ["ignored", "pending"]


def test_another_order_of_the_plate_does_not_ask_a_person_twice(plate: ProductPlate, settings: Any) -> None:
    settings.SLICER_BACKEND = f"{__name__}.RefusesA1"
    ask(plate)
    ask(plate)
    assert list(SliceTask.objects.filter(printer_model="A1").values_list("status", flat=True)) == ["dead"]


class Away:
    """A slicer on a machine that is switched off."""

    def slice(self, request: SliceRequest) -> SliceResult:
        raise PartnerUnavailable("The slicer did not answer.")


def test_a_slicer_that_is_away_is_asked_again_later(plate: ProductPlate, settings: Any) -> None:
    settings.SLICER_BACKEND = f"{__name__}.Away"
    ask(plate)
    task = task_for("A1")
    assert (task.status, task.attempts, task.phase) == ("pending", 1, "queued")
    assert task.next_attempt_at > timezone.now()
    assert slicing.drain() == 0
    settings.SLICER_BACKEND = "integrations.slicers.simulated.SimulatedSlicer"
    SliceTask.objects.update(next_attempt_at=timezone.now())
    assert slicing.drain() == 2
    assert task_for("A1").last_error == ""


def test_what_a_dead_worker_had_begun_is_sliced_once_more_and_kept_once(plate: ProductPlate) -> None:
    [task] = integrations.ask_for_slices(plate, ["A1"], actor=system_actor())
    assert task.claim()
    SliceTask.objects.filter(pk=task.pk).update(started_at=timezone.now())
    task.refresh_from_db()
    assert (task.phase, slicing.running_slices(), slicing.drain()) == ("running", 1, 0)
    SliceTask.objects.update(next_attempt_at=timezone.now())
    assert slicing.drain() == 1
    assert made() == [("A1", "Simulated slicer")]
    assert task_for("A1").attempts == 2


class Overtaken(SimulatedSlicer):
    """A slicer so slow that another worker is done before it."""

    def slice(self, request: SliceRequest) -> SliceResult:
        SliceTask.objects.update(status="done")
        return super().slice(request)


def test_a_worker_that_lost_its_claim_keeps_nothing(plate: ProductPlate, settings: Any) -> None:
    settings.SLICER_BACKEND = f"{__name__}.Overtaken"
    integrations.ask_for_slices(plate, ["A1"], actor=system_actor())
    assert slicing.drain() == 0
    assert made() == []


def test_a_task_that_kills_its_workers_ends_with_a_person(plate: ProductPlate) -> None:
    [task] = integrations.ask_for_slices(plate, ["A1"], actor=system_actor())
    SliceTask.objects.update(attempts=MAX_ATTEMPTS)
    assert slicing.drain() == 0
    task.refresh_from_db()
    assert task.status == "dead"
    assert task.last_error.startswith("It was begun too often")


def test_a_person_asks_for_another_file_of_one_model_or_of_all(plate: ProductPlate) -> None:
    ask(plate)
    boss = SuperuserFactory()
    inventory.slice_again(PrintFile.objects.get(printer_model="A1"), actor=boss, reason="new profile")
    outbox.drain()
    task = task_for("A1")
    assert (task.status, task.reason, task.asked_by) == ("pending", "new profile", boss)
    inventory.ask_for_print_file(plate, actor=boss)
    outbox.drain()
    assert SliceTask.objects.filter(status="pending").count() == 2


def test_the_very_file_that_was_withdrawn_is_not_offered_again(plate: ProductPlate) -> None:
    ask(plate)
    file = PrintFile.objects.get(printer_model="A1")
    inventory.withdraw_print_file(file, reason="warps", actor=system_actor())
    inventory.slice_again(file, actor=SuperuserFactory())
    outbox.drain()
    slicing.drain()
    task = task_for("A1")
    assert (task.status, task.error_code, task.print_file) == ("dead", "SLICE_003", None)


def test_where_staff_slice_the_task_waits_for_their_upload(plate: ProductPlate, settings: Any) -> None:
    settings.SLICER_BACKEND = "integrations.slicers.staff_upload.StaffUpload"
    ask(plate)
    waiting = SliceTask.objects.values_list("printer_model", "status", "error_code").order_by("printer_model")
    assert list(waiting) == [("A1", "dead", "SLICE_001"), ("P1S", "dead", "SLICE_001")]
    assert not PrintFile.objects.exists()
    settings.DEMO = True
    boss = SuperuserFactory()
    file = integrations.upload_slice(
        task_for("A1"), content=package_for("A1"), file_name="bracket.gcode.3mf", actor=boss
    )
    assert (file.grams, file.minutes, file.layers, file.released_at) == (Decimal("12.50"), Decimal("61.5"), 1, None)
    assert file.sliced_by == f"slicer simulated, uploaded by {boss}"
    assert task_for("A1").print_file == file
    inventory.release_print_file(file, actor=system_actor())
    outbox.drain()
    assert list(waiting.all()) == [("A1", "done", ""), ("P1S", "ignored", "SLICE_001")]


def package_for(model: str) -> bytes:
    filaments = (SliceFilament(0, "PETG", "112233", Decimal("12.50")),)
    request = SliceRequest(b"", "x.3mf", model, filaments, "Bracket", estimated_minutes=Decimal("61.5"))
    return SimulatedSlicer().slice(request).content


@pytest.mark.parametrize(("model", "demo"), [("P1S", True), ("A1", False)])
def test_an_upload_for_another_printer_or_one_that_moves_nothing_is_refused(
    plate: ProductPlate, settings: Any, model: str, demo: bool
) -> None:
    settings.DEMO = demo
    [task] = integrations.ask_for_slices(plate, ["A1"], actor=system_actor())
    with pytest.raises(UnusablePackage):
        integrations.upload_slice(task, content=package_for(model), file_name="x.gcode.3mf", actor=system_actor())
    task.refresh_from_db()
    assert task.status == "pending"
    assert not PrintFile.objects.exists()


def test_a_plate_without_a_model_waits_for_staff(plate: ProductPlate) -> None:
    ProductPlate.objects.filter(pk=plate.pk).update(model_file="")
    ask(plate)
    assert {task.error_code for task in SliceTask.objects.all()} == {"SLICE_001"}
    assert not PrintFile.objects.exists()


def test_gcode_of_a_customer_is_never_taken_for_a_print_file(plate: ProductPlate) -> None:
    path = default_storage.save("quotes/part.gcode", ContentFile(b"G28\n"))
    ProductPlate.objects.filter(pk=plate.pk).update(model_file=path)
    ask(plate)
    assert {(task.status, task.error_code) for task in SliceTask.objects.all()} == {("dead", "SLICE_001")}
    assert "customer sent G-code" in task_for("A1").last_error
    assert not PrintFile.objects.exists()


def test_a_task_that_nobody_needs_is_dropped_with_a_reason(plate: ProductPlate) -> None:
    [task] = integrations.ask_for_slices(plate, ["A1"], actor=system_actor())
    with pytest.raises(ReasonRequired):
        integrations.drop_slice(task, actor=system_actor(), reason=" ")
    integrations.drop_slice(task, actor=system_actor(), reason="only on the P1S")
    assert (task.status, task.last_error.endswith(": only on the P1S")) == ("ignored", True)
    assert slicing.drain() == 0
    with pytest.raises(InvalidTransition):
        integrations.drop_slice(task, actor=system_actor(), reason="again")


def test_a_worker_leaves_room_for_other_work(plate: ProductPlate, settings: Any) -> None:
    settings.SLICER_PROCESSES = 1
    integrations.ask_for_slices(plate, ["A1", "P1S"], actor=system_actor())
    busy = task_for("A1")
    assert busy.claim()
    SliceTask.objects.filter(pk=busy.pk).update(started_at=timezone.now())
    assert slice_plates() == 0
    settings.SLICER_PROCESSES = 2
    assert slice_plates() == 1
    assert made() == [("P1S", "Simulated slicer")]
