"""Print files: kept once, released by somebody, withdrawn."""

import hashlib
from decimal import Decimal

import pytest
from django.core.files.storage import default_storage

from blb3d.core.errors import InvalidTransition, InvalidValue, ReasonRequired
from blb3d.core.outbox import OutboxEvent
from inventory import services as inventory
from inventory.models import PrintFile, SliceFilament
from inventory.selectors import filaments_of
from inventory.tests.factories import ProductFactory, make_plate, system_actor

pytestmark = pytest.mark.django_db


@pytest.fixture
def plate():
    return make_plate(ProductFactory(sku="FG-15"))


def attach(plate, content=b"G1 X1", printer_model="P1S", **more):
    given = {"file_name": "out.gcode.3mf", "minutes": Decimal(61), "grams": Decimal("42.5"), "sliced_by": "Orca 2.2"}
    return inventory.attach_print_file(
        plate, printer_model=printer_model, content=content, actor=system_actor(), **{**given, **more}
    )


def released_facts():
    return OutboxEvent.objects.filter(topic="inventory.print_file_released")


def test_the_file_lies_under_its_sku(plate):
    content = b"G1 X1 ; where it lies"
    file = attach(plate, content=content, warnings=["floating region"])
    sha = hashlib.sha256(content).hexdigest()
    assert file.file.name == f"gcode/FG-15/r1-p1-P1S-{sha[:12]}.gcode.3mf"
    with file.file.open("rb") as stored:
        assert stored.read() == content
    assert (file.sha256, file.size_bytes, file.warnings) == (sha, len(content), ["floating region"])
    assert file.released_at is None


def test_the_same_content_is_kept_once_per_printer_model(plate):
    assert attach(plate) == attach(plate, file_name="other.gcode.3mf")
    attach(plate, printer_model="A1")
    assert PrintFile.objects.count() == 2


def test_what_cannot_be_printed_is_refused_and_leaves_no_file(plate):
    for wrong in ({"content": b""}, {"printer_model": " "}, {"minutes": Decimal(0)}, {"grams": Decimal(-1)}):
        with pytest.raises(InvalidValue):
            attach(plate, **{"content": b"G1 Y1", **wrong})
    assert not PrintFile.objects.exists()
    assert not default_storage.exists(f"gcode/FG-15/r1-p1-P1S-{hashlib.sha256(b'G1 Y1').hexdigest()[:12]}.gcode.3mf")


def test_a_row_that_cannot_be_saved_takes_its_file_along(plate):
    with pytest.raises(Exception, match="sliced_by"):
        attach(plate, content=b"G1 Z1", sliced_by=None)
    assert not default_storage.exists(f"gcode/FG-15/r1-p1-P1S-{hashlib.sha256(b'G1 Z1').hexdigest()[:12]}.gcode.3mf")


def test_a_file_keeps_what_the_slicer_counts_of_each_filament(plate):
    counted = (
        SliceFilament(0, "PLA", "000000", Decimal("40.10")),
        SliceFilament(2, "PETG", "FF0000", Decimal("2.40")),
    )
    file = attach(plate, filaments=counted, layers=210)
    file.refresh_from_db()
    assert file.filaments == [
        {"position": 0, "material_type": "PLA", "color_hex": "000000", "grams": "40.10"},
        {"position": 2, "material_type": "PETG", "color_hex": "FF0000", "grams": "2.40"},
    ]
    assert tuple(filaments_of(file)) == counted
    assert file.layers == 210


def test_another_file_is_asked_for_by_a_fact(plate):
    file = attach(plate)
    inventory.slice_again(file, reason="new profile", actor=system_actor())
    inventory.ask_for_print_file(plate, actor=system_actor())
    asked = OutboxEvent.objects.filter(topic="inventory.print_file_asked").order_by("pk")
    assert [(fact.payload["plate_id"], fact.payload["printer_model"]) for fact in asked] == [
        (plate.pk, "P1S"),
        (plate.pk, ""),
    ]


def test_nothing_is_sliced_of_a_plate_that_was_replaced(plate):
    make_plate(plate.product)
    plate.refresh_from_db()
    with pytest.raises(InvalidTransition):
        inventory.ask_for_print_file(plate, actor=system_actor())
    assert not OutboxEvent.objects.filter(topic="inventory.print_file_asked").exists()


def test_a_release_says_who_and_tells_it_once(plate):
    file = attach(plate)
    released = inventory.release_print_file(file, actor=system_actor())
    inventory.release_print_file(file, actor=system_actor())
    assert released.released_by == system_actor()
    assert released_facts().get().payload == {
        "id": file.pk,
        "plate_id": plate.pk,
        "product_id": plate.product_id,
    }


def test_a_withdrawn_file_is_never_released_again(plate):
    file = attach(plate)
    with pytest.raises(ReasonRequired):
        inventory.withdraw_print_file(file, reason=" ", actor=system_actor())
    inventory.withdraw_print_file(file, reason="wrong nozzle", actor=system_actor())
    with pytest.raises(InvalidTransition):
        inventory.release_print_file(file, actor=system_actor())
    file.refresh_from_db()
    assert (file.released_at, file.withdrawn_at is None) == (None, False)
    assert file.history.latest().history_change_reason == "wrong nozzle"
    assert not released_facts().exists()
