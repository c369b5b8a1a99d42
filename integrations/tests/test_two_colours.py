"""A two-colour project from the customer's upload to the machine: two materials, two lines, the right two trays."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from blb3d.core import outbox
from blb3d.core.units import round_quantity
from integrations import slicing
from integrations.bambu.broker import EmbeddedBroker
from integrations.bambu.simulator import Reel
from integrations.tests.printer_farm import OnePrinterFarm, listening, until, wait_for
from inventory import services as inventory
from inventory.models import BOM, MaterialLot, PrintFile, Product
from inventory.selectors import filaments_of
from inventory.tests.concurrency import shared_database  # noqa: F401
from inventory.tests.factories import MaterialFactory, receive, system_actor
from production import services as production
from production.errors import MaterialNotLoaded
from production.models import Printer, PrintJob, ProductionOrderMaterial
from production.selectors import waiting_reason
from quotes import services as quotes
from quotes.modelfiles.make_project import demo_two_colour_3mf
from quotes.models import Quote
from quotes.tests.factories import member, quoted
from sales.tests.factories import ADDRESS

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("shared_database")]

WHITE, GREEN = "FFFFFF", "00AE42"


@pytest.fixture(scope="module")
def broker() -> Iterator[tuple[str, int]]:
    with EmbeddedBroker() as running:
        yield running.host, running.port


@pytest.fixture
def filament(shared_database: None) -> dict[str, Product]:  # noqa: F811
    """Return white and green PLA, in stock."""
    names = {WHITE: "White", GREEN: "Green"}
    found = {
        color: MaterialFactory(color_hex=color, color_name=word, name=f"PLA {word}") for color, word in names.items()
    }
    for product in found.values():
        receive(product, 2)
    return found


def make_farm(folder: Path, broker: tuple[str, int], settings: Any, trays: dict[int, str]) -> OnePrinterFarm:
    """Return a printer whose AMS holds PLA of these colours, in these trays."""
    settings.PRINTER_DEBOUNCE_SECONDS = Decimal("0.15")
    settings.PRINTER_HOLD_SECONDS = 2
    settings.PRINTER_STALE_SECONDS = 20
    settings.SLICER_BACKEND = "integrations.slicers.simulated.SimulatedSlicer"
    return OnePrinterFarm(folder / "card", broker, reels={tray: Reel("PLA", color) for tray, color in trays.items()})


def accepted_badges(*, color: str = "") -> Quote:
    """Let a customer on terms upload the two-colour project, and accept the price of two badges."""
    buyer = member(customer__terms="net_30")
    quote = quoted(
        buyer, files=[quotes.Upload("badge.3mf", demo_two_colour_3mf(), "model/3mf")], quantity=2, color=color
    )
    if quote.status == Quote.Status.PENDING:
        quotes.approve_quote(quote, actor=system_actor())
    return quotes.accept_quote(quote, actor=buyer.user, shipping=ADDRESS)


def sliced_and_released() -> PrintFile:
    """Let the workers slice what the order needs, and a person release it."""
    outbox.drain()
    assert slicing.drain() == 1
    file = PrintFile.objects.get()
    assert not PrintJob.objects.exists()
    inventory.release_print_file(file, actor=system_actor())
    outbox.drain()
    return file


def test_a_two_colour_project_is_printed_from_the_trays_that_hold_its_colours(
    broker: tuple[str, int], tmp_path: Path, settings: Any, filament: dict[str, Product]
) -> None:
    farm = make_farm(tmp_path, broker, settings, {0: "000000", 1: GREEN, 3: WHITE})
    white, green = filament[WHITE], filament[GREEN]
    quote = accepted_badges()

    materials = list(quote.materials.order_by("position").values_list("material_type", "color_hex", "material"))
    assert materials == [("PLA", WHITE, white.pk), ("PLA", GREEN, green.pk)]
    assert all(row.grams > 0 for row in quote.materials.all())
    bom = BOM.objects.get(product=quote.product)
    assert {line.component_id for line in bom.lines.all()} == {white.pk, green.pk}

    file = sliced_and_released()
    assert [(row.position, row.material_type, row.color_hex) for row in filaments_of(file)] == [
        (0, "PLA", WHITE),
        (1, "PLA", GREEN),
    ]
    job = PrintJob.objects.get()
    assert list(job.filaments.order_by("position").values_list("position", "material")) == [
        (0, white.pk),
        (1, green.pk),
    ]

    with farm.machine, listening():
        farm.send(job)
        until(job, "printing")
        running = farm.machine.machine.job
        assert running is not None
        assert running.trays == (3, 1)
        until(job, "finished")
        wait_for(lambda: farm.machine.outcomes)
    planned = dict(job.filaments.values_list("tray", "planned_grams"))
    assert set(planned) == {1, 3}
    [truth] = farm.machine.outcomes
    assert {tray: round(grams, 2) for tray, grams in truth.grams.items()} == {
        tray: round(float(grams), 2) for tray, grams in planned.items()
    }
    booked = ProductionOrderMaterial.objects.filter(print_job=job).order_by("filament_position")
    lots = {lot.pk: lot.product_id for lot in MaterialLot.objects.all()}
    assert [(lots[row.material_lot_id or 0], row.quantity_used) for row in booked] == [
        (white.pk, round_quantity(planned[3] / 1000)),
        (green.pk, round_quantity(planned[1] / 1000)),
    ]


def test_it_waits_with_the_reason_while_one_of_its_colours_is_not_loaded(
    broker: tuple[str, int], tmp_path: Path, settings: Any, filament: dict[str, Product]
) -> None:
    farm = make_farm(tmp_path, broker, settings, {0: WHITE, 1: "000000"})
    accepted_badges()
    sliced_and_released()
    job = PrintJob.objects.get()
    with farm.machine, listening():
        printer = farm.ready()
        wait_for(lambda: printer.slots.filter(color_hex=WHITE).exists())
        with pytest.raises(MaterialNotLoaded) as refusal:
            production.dispatch_job(job, Printer.objects.get(), actor=system_actor())
    assert [row["color_hex"] for row in refusal.value.details["missing"]] == [GREEN]
    job.refresh_from_db()
    assert job.status == "queued"
    assert f"does not hold PLA {GREEN}" in waiting_reason(job)
    assert farm.machine.outcomes == []


def test_one_colour_chosen_for_all_of_it_is_taken_from_one_tray(
    broker: tuple[str, int], tmp_path: Path, settings: Any, filament: dict[str, Product]
) -> None:
    farm = make_farm(tmp_path, broker, settings, {0: WHITE, 2: GREEN})
    quote = accepted_badges(color="Green")
    assert [line.component for line in BOM.objects.get(product=quote.product).lines.all()] == [filament[GREEN]]
    file = sliced_and_released()
    assert [(row.position, row.color_hex) for row in filaments_of(file)] == [(0, GREEN), (1, GREEN)]
    job = PrintJob.objects.get()
    with farm.machine, listening():
        farm.send(job)
        until(job, "printing", "finished")
        wait_for(lambda: farm.machine.outcomes)
    [truth] = farm.machine.outcomes
    assert set(truth.grams) == {2}
    assert round(truth.grams[2], 2) == round(float(job.filaments.get().planned_grams), 2)
