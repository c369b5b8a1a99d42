"""What a person sees of a sliced file before releasing it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from inventory import services as inventory
from inventory.models import PrintFile, SliceFilament
from inventory.selectors import compare_with_estimate, doubts_about
from inventory.tests.factories import MaterialFactory, ProductFactory, make_plate, system_actor

pytestmark = pytest.mark.django_db

BLACK, RED = SliceFilament(0, "PLA", "000000", Decimal("44.00")), SliceFilament(1, "PLA", "FF0000", Decimal("9.00"))


def file_of(*filaments: SliceFilament, minutes: str = "63", **more: Any) -> PrintFile:
    """Return a file of a plate of two colours, estimated at one hour, 40 g of black and 10 g of red."""
    black = MaterialFactory(name="Black PLA", color_hex="000000")
    red = MaterialFactory(name="Red PLA", color_hex="FF0000")
    plate = make_plate(ProductFactory(), minutes=60, grams={black: "40", red: "10"})
    grams = sum((filament.grams for filament in filaments), Decimal(0)) or Decimal(53)
    return inventory.attach_print_file(
        plate,
        printer_model="P1S",
        content=repr((filaments, minutes)).encode(),
        file_name="x.gcode.3mf",
        minutes=Decimal(minutes),
        grams=grams,
        filaments=filaments,
        sliced_by="tests",
        actor=system_actor(),
        **more,
    )


def compared(file: PrintFile) -> list[tuple[Any, ...]]:
    return [(row.name, row.estimated, row.sliced, row.percent) for row in compare_with_estimate(file)]


def test_time_and_each_filament_stand_beside_their_estimate() -> None:
    assert compared(file_of(BLACK, RED)) == [
        ("Time", Decimal(60), Decimal(63), Decimal("5.0")),
        ("Filament", Decimal(50), Decimal(53), Decimal("6.0")),
        ("Black PLA", Decimal(40), Decimal(44), Decimal("10.0")),
        ("Red PLA", Decimal(10), Decimal(9), Decimal("-10.0")),
    ]


def test_a_file_in_one_filament_needs_no_total() -> None:
    plate = make_plate(ProductFactory(), minutes=60, grams={MaterialFactory(name="Black PLA"): "40"})
    file = inventory.attach_print_file(
        plate, printer_model="P1S", content=b"one", file_name="x.gcode.3mf", minutes=Decimal(60), grams=Decimal(44),
        filaments=[BLACK], sliced_by="tests", actor=system_actor(),
    )  # fmt: skip
    assert compared(file)[1:] == [("Black PLA", Decimal(40), Decimal(44), Decimal("10.0"))]
    assert doubts_about(file) == []


def test_a_file_of_which_nobody_read_the_filaments_shows_the_total() -> None:
    assert compared(file_of())[1:] == [
        ("Filament", Decimal(50), Decimal(53), Decimal("6.0")),
        ("Black PLA", Decimal(40), None, None),
        ("Red PLA", Decimal(10), None, None),
    ]


def test_a_filament_that_the_plate_does_not_name_stands_alone() -> None:
    file = file_of(BLACK, RED, SliceFilament(2, "PVA", "FFFFFF", Decimal(3)))
    assert compared(file)[-1] == ("PVA, filament 3 of the file", None, Decimal("3"), None)
    assert doubts_about(file) == [
        "It was sliced for PVA; the plate is PLA.",
        "It uses 3 filaments; the plate has 2.",
    ]


def test_a_slice_far_off_its_estimate_is_doubted() -> None:
    assert doubts_about(file_of(BLACK, RED)) == []
    assert doubts_about(file_of(BLACK, RED, minutes="90")) == ["More than 15 % off the estimate: time."]
