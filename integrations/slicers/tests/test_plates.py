"""What a slicer is asked: the plate's filaments by the numbers that the customer's file gives them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from integrations.slicers.errors import PersonMustUpload
from integrations.slicers.plates import number_filaments, request_for, used_slots
from inventory import services as inventory
from inventory.models import Product, ProductPlate
from inventory.tests.factories import MaterialFactory, ProductFactory, system_actor
from production.ports import SliceFilament
from quotes.modelfiles import ModelAnalysis, read_model
from quotes.modelfiles.analysis import FilamentSlot
from quotes.modelfiles.make_project import demo_two_colour_3mf
from quotes.models import QuoteFile, QuotePart
from quotes.tests.factories import priced_at

pytestmark = pytest.mark.django_db

WHITE, GREEN = SliceFilament(0, "PLA", "FFFFFF", Decimal(6)), SliceFilament(1, "PLA", "00AE42", Decimal(2))
SLOTS = (FilamentSlot(1, "PLA", "#FFFFFF"), FilamentSlot(3, "PLA", "#00AE42"))


def numbers(*filaments: SliceFilament, slots: tuple[FilamentSlot, ...] = SLOTS) -> list[tuple[int, str, Decimal]]:
    return [(row.position, row.color_hex, row.grams) for row in number_filaments(filaments, slots)]


def test_a_plates_filaments_take_the_files_numbers() -> None:
    assert numbers(WHITE, GREEN) == [(1, "FFFFFF", 6), (3, "00AE42", 2)]


def test_the_order_of_the_plate_does_not_matter_where_colours_tell() -> None:
    swapped = (replace(GREEN, position=0), replace(WHITE, position=1))
    assert numbers(*swapped) == [(1, "FFFFFF", 6), (3, "00AE42", 2)]


def test_other_colours_than_the_files_go_by_their_order() -> None:
    black, red = replace(WHITE, color_hex="000000"), replace(GREEN, color_hex="FF0000")
    assert numbers(black, red) == [(1, "000000", 6), (3, "FF0000", 2)]


def test_one_colour_for_all_fills_every_slot() -> None:
    assert numbers(replace(WHITE, color_hex="000000")) == [(1, "000000", 6), (3, "000000", 0)]


def test_a_slot_of_which_nothing_lies_on_the_plate_is_left_out() -> None:
    three = (*SLOTS, FilamentSlot(4, "PETG", "#000000"))
    assert numbers(GREEN, WHITE, slots=three) == [(1, "FFFFFF", 6), (3, "00AE42", 2)]


def test_a_file_without_slots_is_numbered_as_the_plate_is() -> None:
    assert numbers(WHITE, GREEN, slots=()) == [(0, "FFFFFF", 6), (1, "00AE42", 2)]


@pytest.fixture
def badge() -> ModelAnalysis:
    return read_model(demo_two_colour_3mf(), file_name="badge.3mf", thumbnail=False)


def plate_of(badge: ModelAnalysis, *, quantity: int = 1, plates: int = 1) -> ProductPlate:
    """Return the first of so many plates of a quoted badge of which the customer wants ``quantity`` in a set."""
    path = default_storage.save("quotes/badge.3mf", ContentFile(demo_two_colour_3mf()))
    file = QuoteFile.objects.create(
        quote=priced_at(10), file=path, original_filename="badge.3mf", sha256="0" * 64, size_bytes=1,
        mime_type="model/3mf", geometry=badge.as_dict(),
    )  # fmt: skip
    for position, part in enumerate(badge.parts):
        QuotePart.objects.create(
            quote=file.quote, file=file, position=position, name=part.name, quantity=part.count * quantity,
            volume_cm3=1, size_x_mm=1, size_y_mm=1, size_z_mm=1,
        )  # fmt: skip
    white: Product = MaterialFactory(color_hex="FFFFFF")
    green: Product = MaterialFactory(color_hex="00AE42")
    spec = inventory.PlateSpec(2, Decimal(40), [(green, Decimal(2)), (white, Decimal(6))], model_file=path)
    return inventory.set_plates(ProductFactory(name="Badge"), [spec] * plates, actor=system_actor())[0]


def test_a_quoted_project_is_asked_for_by_its_own_slots(badge: ModelAnalysis) -> None:
    assert [slot.number for slot in used_slots(badge)] == [0, 1]
    request = request_for(plate_of(badge), "P1S")
    assert (request.printer_model, request.copies, request.name, request.is_whole_file) == ("P1S", 2, "Badge", True)
    assert [(row.position, row.color_hex, row.grams) for row in request.filaments] == [
        (0, "FFFFFF", Decimal(6)),
        (1, "00AE42", Decimal(2)),
    ]
    assert request.source == demo_two_colour_3mf()


@pytest.mark.parametrize("change", [{"quantity": 3}, {"quantity": 0}, {"plates": 2}])
def test_parts_in_other_numbers_or_on_several_plates_are_not_the_whole_file(
    badge: ModelAnalysis, change: dict[str, Any]
) -> None:
    assert not request_for(plate_of(badge, **change), "P1S").is_whole_file


@pytest.mark.parametrize(("name", "words"), [("", "no model"), ("quotes/part.gcode", "customer sent G-code")])
def test_what_cannot_be_sliced_goes_to_a_person(badge: ModelAnalysis, name: str, words: str) -> None:
    plate = plate_of(badge)
    plate.model_file = name
    with pytest.raises(PersonMustUpload, match=words):
        request_for(plate, "P1S")
