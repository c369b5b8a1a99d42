"""Two people at one machine, one form on its way twice, a scale and a printer at work: each act happens once."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client

from blb3d.accounts.tests.factories import SuperuserFactory
from inventory import services as inventory
from inventory.models import InventoryTransaction, Spool
from inventory.selectors import verify_ledger
from inventory.services import Use
from inventory.tests.concurrency import shared_database, together  # noqa: F401
from inventory.tests.factories import ComponentFactory, make_bom, put_on_shelf, receive, system_actor
from production import services as production
from production.models import JobPhoto, PrintJob, ProductionOrder
from production.selectors.progress import count_plates
from production.services.photos import clean_photo, stored
from production.tests.factories import PrinterFactory, black_pla, finished, printable, queued, stock
from production.tests.test_floor import picture

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("shared_database")]


def visitor() -> Client:
    """Return the browser of one more person."""
    client = Client()
    client.force_login(SuperuserFactory())
    return client


def plate() -> tuple[PrintJob, str]:
    """Return a finished job of eight parts and where its plate is cleared."""
    stock(black_pla())
    printer = PrinterFactory(loaded=[black_pla()])
    _, jobs = queued(printable(parts=8), 8)
    job = finished(jobs[0], printer)
    return job, f"/floor/printers/{printer.serial}/jobs/{job.pk}/clear/"


def outputs() -> int:
    return InventoryTransaction.objects.filter(transaction_type="production_output").count()


def test_one_form_on_its_way_four_times_clears_once_and_every_answer_says_the_same() -> None:
    job, path = plate()
    client = visitor()

    def post() -> Any:
        own = Client()
        own.cookies.update(client.cookies)
        return own.post(path, {"key": "one", "all": "good"}).status_code

    assert together(*[post] * 4) == [302] * 4
    assert job.parts.get().good == 8
    assert outputs() == 1
    assert verify_ledger().is_clean


def test_two_people_who_clear_one_plate_clear_it_once() -> None:
    job, path = plate()
    people = [visitor(), visitor()]
    answers = together(*(partial(person.post, path, {"key": "k", "all": "good"}) for person in people))
    assert sorted(answer.status_code for answer in answers) == [302, 422]
    assert job.parts.get().good == 8
    assert outputs() == 1


def test_a_scale_and_jobs_that_end_never_wait_for_each_other_in_a_ring() -> None:
    product, actor = black_pla(), system_actor()
    lots = [receive(product, "1") for _ in range(3)]
    spools = [
        Spool.objects.create(label=f"SP-{lot.pk}", lot=lot, tare_grams=Decimal(0), remaining_grams=Decimal(1000))
        for lot in lots
    ]
    weigh = [partial(inventory.weigh_spool, spool, gross_grams=Decimal(700), actor=actor) for spool in reversed(spools)]
    take = [
        partial(inventory.consume, [Use(product.pk, Decimal("0.1"), "print_job", lot.pk, lot_id=lot.pk)], actor=actor)
        for lot in lots
    ]
    results = together(*weigh, *take)
    assert [type(result) for result in results] == [inventory.Weighed] * 3 + [list] * 3
    assert verify_ledger().is_clean


def test_a_photo_whose_row_was_not_written_leaves_no_file() -> None:
    photo, names = JobPhoto(), []

    def write() -> None:
        with stored(photo.image, clean_photo(picture())):
            names.append(photo.image.name)
            assert default_storage.exists(names[0])
            raise RuntimeError("the process ends here")

    with pytest.raises(RuntimeError, match="the process ends here"):
        write()
    assert not default_storage.exists(names[0])


def test_a_quantity_that_grows_and_a_plate_that_is_short_never_wait_for_each_other_in_a_ring() -> None:
    stock(black_pla())
    actor = system_actor()
    for _ in range(4):
        order, [job] = queued(printable(parts=4, grams="10"), 4)
        finished(job)
        short = production.PlateCount(order.pk, 3, 1, "warped")
        results = together(
            partial(production.clear_plate, PrintJob.objects.get(pk=job.pk), [short], actor=actor),
            partial(
                production.change_production_quantity, ProductionOrder.objects.get(pk=order.pk), quantity=8, actor=actor
            ),
        )
        assert [type(result) for result in results] == [PrintJob, ProductionOrder]
        plates = count_plates([order.pk])[order.pk]
        assert [(plate.good, plate.expected) for plate in plates.values()] == [(3, 5)]


def test_plates_counted_and_quantities_changed_of_the_same_stock_never_wait_for_each_other_in_a_ring() -> None:
    pla, screw, actor = black_pla(), ComponentFactory(), system_actor()
    stock(pla)
    put_on_shelf(screw, 500)
    product = printable(parts=2, grams="10")
    make_bom(product, (pla, "0.005"), (screw, 2))
    for _ in range(4):
        orders, jobs = zip(*(queued(product, 2) for _ in range(2)), strict=True)
        finished(jobs[0][0])
        clear = partial(
            production.clear_plate,
            PrintJob.objects.get(pk=jobs[0][0].pk),
            [production.PlateCount(orders[0].pk, 2)],
            actor=actor,
        )
        change = partial(production.change_production_quantity, orders[1], quantity=1, actor=actor)
        assert [type(result) for result in together(clear, change)] == [PrintJob, ProductionOrder]
    assert verify_ledger().is_clean
