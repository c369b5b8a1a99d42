"""Estimates are made for the printers that the farm has: their beds, and slices made for them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from inventory.models import ProductPlate
from production.tests.factories import PrinterFactory
from quotes import services as quotes
from quotes.modelfiles.tests.packages import box_object, model, package, slice_info
from quotes.models import Quote
from quotes.tests.factories import cube, member, quoted, request
from quotes.tests.prints import quoted_block
from sales.tests.factories import ADDRESS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]


def printers(count: int, side: int, model: str = "P1S") -> None:
    PrinterFactory.create_batch(count, model=model, build_x_mm=side, build_y_mm=side, build_z_mm=side)


def sliced_cube(model_id: str) -> Quote:
    """Return a quote of a cube of 20 mm whose slice was made for a printer model."""
    root = model(box_object(1, 20, 20, 20), '<item objectid="1"/>')
    data = package(
        root, others={"Metadata/slice_info.config": slice_info(model_id=model_id), "Metadata/plate_1.gcode": "G1 X1"}
    )
    buyer = member()
    upload = quotes.Upload("cube.gcode.3mf", data, "model/3mf")
    return quotes.create_quote(request(buyer, files=[upload]), actor=buyer.user)


def test_a_slice_for_a_printer_of_the_farm_is_taken():
    PrinterFactory(model="P1S")
    assert sliced_cube("C12").estimate_method == "sliced"


def test_a_slice_for_another_makers_printer_is_estimated_again():
    PrinterFactory(model="P1S")
    quote = sliced_cube("N2S")
    assert quote.estimate_method == "geometric"
    assert "The file was sliced for another printer." in quote.fallback_reason


def test_a_printer_out_of_service_makes_no_slice_welcome():
    PrinterFactory(model="P1S")
    PrinterFactory(model="A1", is_active=False)
    assert sliced_cube("N2S").estimate_method == "geometric"


def test_plates_are_laid_on_the_bed_that_most_printers_have():
    assert quoted_block(60, 60, 10, quantity=50).parts_per_plate > 8, "without printers, on a usual bed"
    printers(2, 130)
    printers(1, 350, "H2D")
    assert quoted_block(60, 60, 10, quantity=50).parts_per_plate == 4


def test_a_part_that_is_too_large_for_most_printers_is_laid_on_the_one_that_takes_it():
    printers(2, 130)
    printers(1, 350, "H2D")
    quote = quoted_block(150, 150, 10, quantity=8)
    assert (quote.parts_per_plate, quote.estimate_detail["needs_person"]) == (4, "")
    assert "Only these printers are large enough: H2D." in quote.estimate_detail["warnings"]
    assert quoted_block(60, 60, 10).estimate_detail["warnings"] == [], "every printer takes it"


def test_a_part_that_fits_no_printer_of_the_farm_needs_a_person():
    printers(1, 130)
    assert "larger than the printers' build volume" in quoted_block(150, 20, 10).estimate_detail["needs_person"]


def test_an_estimate_without_corrections_is_what_the_methods_said():
    quote = quoted_block(60, 60, 10, quantity=7)
    detail = quote.estimate_detail
    assert detail["raw"]["plates"] == detail["plates"]
    (file,) = detail["raw"]["files"]
    assert (Decimal(file["minutes"]), file["method"]) == (quote.print_time_minutes, "geometric")


def test_a_plate_is_made_for_the_printers_on_whose_bed_all_of_it_lies():
    printers(2, 256)
    printers(1, 130, "A1 MINI")
    many = quoted_block(60, 60, 10, quantity=9)
    assert many.parts_per_plate == 9
    assert many.estimate_detail["plates"][0]["models"] == ["P1S"]
    few = quoted_block(60, 60, 10, quantity=4)
    assert few.estimate_detail["plates"][0]["models"] == [], "every printer takes it"


def test_the_plates_of_an_accepted_quote_are_only_for_printers_that_take_them(settings):
    settings.REQUIRE_QUOTE_APPROVAL_OVER = settings.QUOTE_APPROVAL_NEW_CUSTOMER_OVER = Decimal(10**7)
    printers(2, 256)
    printers(1, 130, "A1 MINI")
    buyer = member()
    quote = quoted(buyer, files=[cube(60)], quantity=9)
    quotes.accept_quote(quote, shipping=ADDRESS, actor=buyer.user)
    plate = ProductPlate.objects.get(product=quote.product)
    assert (plate.parts_per_plate, plate.printer_models) == (9, ["P1S"])
