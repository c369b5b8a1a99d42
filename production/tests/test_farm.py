"""What the farm can print on."""

from __future__ import annotations

from decimal import Decimal

import pytest

from production.printer_models import printer_model_id
from production.selectors import farm_in_service
from production.tests.factories import PrinterFactory

pytestmark = pytest.mark.django_db

LARGE = (Decimal(325), Decimal(320), Decimal(325))
USUAL = (Decimal(256), Decimal(256), Decimal(256))
SMALL = (Decimal(180), Decimal(180), Decimal(180))


@pytest.mark.parametrize(
    ("name", "model_id"),
    [("P1S", "C12"), ("Bambu Lab A1 mini", "N1"), ("X1 Carbon", "BL-P001"), ("x1c", "BL-P001"), ("MK4S", ""), ("", "")],
)
def test_a_printer_model_has_the_id_that_slicers_write(name: str, model_id: str) -> None:
    assert printer_model_id(name) == model_id


def test_a_farm_without_printers_knows_no_models_and_no_volumes() -> None:
    farm = farm_in_service()
    assert (farm.models, farm.model_ids, farm.volumes) == ((), (), ())


def test_the_volume_that_most_printers_have_stands_first_and_of_equals_the_larger() -> None:
    PrinterFactory.create_batch(2, model="P1S")
    PrinterFactory(model="A1 mini", build_x_mm=180, build_y_mm=180, build_z_mm=180)
    PrinterFactory(model="H2D", build_x_mm=325, build_y_mm=320, build_z_mm=325)
    farm = farm_in_service()
    assert farm.volumes == (USUAL, LARGE, SMALL)
    assert farm.models == ("A1 mini", "H2D", "P1S")
    assert farm.model_ids == ("N1", "O1D", "C12")


def test_a_model_that_slicers_write_otherwise_stands_under_its_own_name() -> None:
    PrinterFactory(model="MK4S")
    assert farm_in_service().model_ids == ("MK4S",)


def test_a_printer_out_of_service_does_not_count() -> None:
    PrinterFactory(is_active=False)
    assert farm_in_service().models == ()
