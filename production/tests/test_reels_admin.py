"""Reels in the console: what a job is printing with is left alone, and an empty reel leaves its printer."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client

from blb3d.accounts.tests.factories import SuperuserFactory
from inventory.models import DryingRecord, Spool
from inventory.tests.factories import LocationFactory, receive
from inventory.tests.test_admin import act, shown
from production.tests.factories import PrinterFactory, black_pla, printable, printing, queued

pytestmark = pytest.mark.django_db


@pytest.fixture
def console() -> Client:
    client = Client()
    client.force_login(SuperuserFactory())
    return client


@pytest.fixture
def reels() -> list[Spool]:
    """Two reels of half a kilogram of a lot."""
    LocationFactory()
    lot = receive(black_pla(), "1")
    return [Spool.objects.create(label=label, lot=lot, remaining_grams=Decimal(500)) for label in ("SP-1", "SP-2")]


def test_a_reel_that_a_job_prints_with_is_not_split_merged_or_dried(console: Client, reels: list[Spool]) -> None:
    first, second = reels
    _, [job] = queued(printable())
    printing(job)
    job.filaments.update(spool=first)
    asked = {"split": {"grams": "100", "tare_grams": "0"}, "merge": {"into": second.pk}, "dry": {"celsius": "50"}}
    for name, values in asked.items():
        assert "printing with SP-1" in shown(act(console, first, name, **values))
    assert list(Spool.objects.order_by("label").values_list("remaining_grams", flat=True)) == [500, 500]
    assert not DryingRecord.objects.exists()


def test_an_empty_reel_and_one_in_the_dryer_hang_in_no_printer(console: Client, reels: list[Spool]) -> None:
    first, second = reels
    for reel, name, values in ((first, "merge", {"into": second.pk}), (second, "dry", {"celsius": "50"})):
        printer = PrinterFactory(loaded=[black_pla()])
        printer.slots.update(spool=reel)
        reel.refresh_from_db()
        act(console, reel, name, **values)
        assert printer.slots.get().spool is None
    second.refresh_from_db()
    assert second.remaining_grams == 1000
    assert DryingRecord.objects.get().spool == second
