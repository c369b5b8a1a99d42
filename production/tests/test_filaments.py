"""Which filament of a sliced file is which of a job, and what is planned of each."""

from __future__ import annotations

from decimal import Decimal

import pytest

from inventory import services as inventory
from inventory.models import PrintFile, Product, SliceFilament
from inventory.selectors import match_filaments
from inventory.tests.factories import MaterialFactory, ProductFactory, make_bom, make_plate, system_actor
from production import services as production
from production.errors import NoFileForModel
from production.models import PrintJob
from production.selectors import waiting_reason
from production.tests.factories import PrinterFactory, queued

pytestmark = pytest.mark.django_db

BLACK, RED = SliceFilament(0, "PLA", "000000"), SliceFilament(1, "PLA", "FF0000")


def row(position: int, color_hex: str, material_type: str = "PLA") -> SliceFilament:
    return SliceFilament(position, material_type, color_hex)


def test_filaments_belong_together_by_type_and_colour_whatever_their_numbers() -> None:
    assert match_filaments([BLACK, RED], [row(0, "FF0000"), row(1, "000000")]) == {0: 1, 1: 0}
    assert match_filaments([RED], [row(0, "000000"), row(1, "FF0000")]) == {1: 1}


def test_a_file_in_other_colours_goes_by_its_numbers() -> None:
    assert match_filaments([BLACK, RED], [row(0, "FFFFFF"), row(1, "00FF00")]) == {0: 0, 1: 1}
    assert match_filaments([BLACK, RED], [row(0, "000000"), row(1, "000000")]) == {0: 0, 1: 1}


def test_a_job_of_one_filament_prints_all_of_the_file_in_it() -> None:
    assert match_filaments([BLACK, RED], [row(0, "FFFFFF")]) == {0: 0, 1: 0}
    assert match_filaments([BLACK, RED], [row(0, "FFFFFF", "PETG")]) is None


def test_a_filament_that_the_job_does_not_name_belongs_to_none() -> None:
    third = SliceFilament(2, "PETG", "FFFFFF")
    assert match_filaments([BLACK, RED, third], [row(0, "000000"), row(1, "FF0000")]) is None


def two_colour_job(*, quantity: int = 2) -> tuple[PrintJob, Product, Product]:
    """Return a job of a plate that holds two parts in black and red, as they were estimated."""
    black = MaterialFactory(color_hex="000000")
    red = MaterialFactory(color_hex="FF0000")
    product = ProductFactory()
    make_bom(product, (black, "0.02"), (red, "0.005"))
    plate = make_plate(product, parts=2, grams={black: "40", red: "10"})
    attach(plate, SliceFilament(0, "PLA", "FF0000", Decimal(12)), SliceFilament(1, "PLA", "000000", Decimal(44)))
    _, [job] = queued(product, quantity)
    return job, black, red


def attach(plate: object, *filaments: SliceFilament) -> PrintFile:
    file = inventory.attach_print_file(
        plate,  # type: ignore[arg-type]
        printer_model="P1S",
        content=repr(filaments).encode(),
        file_name="two.gcode.3mf",
        minutes=Decimal(60),
        grams=sum((filament.grams for filament in filaments), Decimal(0)),
        filaments=filaments,
        sliced_by="tests",
        actor=system_actor(),
    )
    return inventory.release_print_file(file, actor=system_actor())


def test_a_job_that_is_sent_plans_what_its_file_takes_of_each_filament() -> None:
    job, black, red = two_colour_job()
    production.dispatch_job(job, PrinterFactory(loaded=[red, black]), actor=system_actor())
    rows = job.filaments.order_by("position").values_list("material", "planned_grams", "tray")
    assert list(rows) == [(black.pk, Decimal(44), 1), (red.pk, Decimal(12), 0)]
    assert job.estimated_grams == Decimal(50)


def test_a_partly_filled_plate_takes_its_share() -> None:
    job, black, red = two_colour_job(quantity=1)
    production.dispatch_job(job, PrinterFactory(loaded=[red, black]), actor=system_actor())
    assert list(job.filaments.order_by("position").values_list("planned_grams", flat=True)) == [22, 6]


def test_a_file_with_a_filament_that_the_job_does_not_name_is_not_sent() -> None:
    job, black, red = two_colour_job()
    attach(job.plate, *(SliceFilament(number, "PETG", "FFFFFF", Decimal(1)) for number in range(3)))
    printer = PrinterFactory(loaded=[red, black])
    with pytest.raises(NoFileForModel, match="uses filaments that"):
        production.dispatch_job(job, printer, actor=system_actor())
    job.refresh_from_db()
    assert job.status == "queued"
    assert "uses filaments that" in waiting_reason(job)
