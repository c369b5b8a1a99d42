"""Whom it concerns when a lot cannot be used any more: told on the page that asks, before anything happens."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from blb3d.accounts.tests.factories import SuperuserFactory
from inventory import services as inventory
from inventory.models import MaterialLot, Reservation
from inventory.ports import lot_effects
from inventory.tests.factories import MaterialFactory, receive, system_actor
from production import services as production
from production.models import ProductionOrder
from production.tests.factories import PrinterFactory, black_pla, finished, printable, printing, queued

pytestmark = pytest.mark.django_db


def loaded_lot() -> tuple[MaterialLot, ProductionOrder, str]:
    """Return a lot that hangs in a printer and is reserved for an order of two jobs, the first of them printing."""
    lot = receive(black_pla(), 5)
    [spool] = inventory.make_spools(lot, count=1, grams_each=Decimal(1000), actor=system_actor())
    printer = PrinterFactory(name="P1S left")
    production.load_spool(printer, spool, tray=0, actor=system_actor())
    order, jobs = queued(printable(), 16)
    job = printing(jobs[0], printer)
    return lot, order, job.code


def test_a_quarantine_tells_whom_it_concerns_before_it_is_done(client: Client) -> None:
    lot, order, job = loaded_lot()
    told = [(effect.about, effect.text) for effect in lot_effects(lot)]
    assert told[0][0] == "jobs"
    assert told[0][1].endswith("in P1S left.")
    assert (told[1][0], job in told[1][1]) == ("jobs", True)
    assert (told[2][0], order.code in told[2][1]) == ("orders", True)
    client.force_login(SuperuserFactory())
    page = reverse("admin:inventory_materiallot_verb", args=[lot.pk, "quarantine"])
    shown = client.post(page, {"_version": lot.version}).content.decode()
    assert "P1S left" in shown
    assert order.code in shown
    lot.refresh_from_db()
    assert lot.status == MaterialLot.Status.ACTIVE
    assert Reservation.objects.filter(balance__lot=lot).exists()


def test_what_was_already_made_of_it_is_told() -> None:
    lot = receive(black_pla(), 5)
    [spool] = inventory.make_spools(lot, count=1, grams_each=Decimal(1000), actor=system_actor())
    printer = PrinterFactory(loaded=[black_pla()])
    production.load_spool(printer, spool, tray=0, actor=system_actor())
    order, jobs = queued(printable(), 8)
    finished(jobs[0], printer)
    assert any(effect.about == "parts" and order.code in effect.text for effect in lot_effects(lot))


def test_nobody_is_concerned_by_a_lot_that_nobody_uses() -> None:
    assert lot_effects(receive(MaterialFactory(), 1)) == []


def test_telling_it_costs_the_same_for_few_and_many() -> None:
    def cost(orders: int) -> int:
        lot = receive(MaterialFactory(), 5)
        spools = inventory.make_spools(lot, count=orders, grams_each=Decimal(10), actor=system_actor())
        for index, spool in enumerate(spools):
            production.load_spool(PrinterFactory(), spool, tray=0, actor=system_actor())
            inventory.reserve(
                [inventory.Need(lot.product_id, Decimal("0.1"), "production_order", 900 + index)], actor=system_actor()
            )
        with CaptureQueriesContext(connection) as queries:
            lot_effects(lot)
        return len(queries)

    assert cost(1) == cost(5)
