"""Reels that take up water: how long they lay open, when they were dried, which must be dried now."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blb3d.core.errors import InvalidValue
from inventory import services as inventory
from inventory.errors import SpoolGone, SpoolInDryer, SpoolNotInDryer
from inventory.models import DryingRecord, Spool
from inventory.selectors import drying_states, spools_to_dry
from inventory.tests.factories import MaterialFactory, receive, system_actor

pytestmark = pytest.mark.django_db

HOUR = datetime.timedelta(hours=1)


def nylon(count: int = 1, **fields: Any) -> list[Spool]:
    """Return reels of a material that must be dried for 8 hours at 80 °C after lying open for 24."""
    fields = {"is_hygroscopic": True, "drying_celsius": 80, "drying_hours": Decimal(8), "open_hours": 24, **fields}
    lot = receive(MaterialFactory(material_type="PA-CF", **fields), count)
    return inventory.make_spools(lot, count=count, grams_each=Decimal(1000), actor=system_actor())


def opened(spool: Spool, hours: int) -> Spool:
    """Say that a reel was opened so many hours ago."""
    return inventory.open_spool(spool, at=timezone.now() - hours * HOUR, actor=system_actor())


def due() -> list[Spool]:
    """Return the reels that must be dried."""
    return [row.spool for row in spools_to_dry()]


def test_a_sealed_reel_is_never_due_and_an_open_one_is_after_its_hours() -> None:
    sealed, fresh, old = nylon(3)
    opened(fresh, 23)
    opened(old, 25)
    assert due() == [old]
    assert opened(old, 1).opened_at < timezone.now() - 24 * HOUR
    assert sealed.opened_at is None


def test_a_material_that_takes_up_no_water_is_never_due() -> None:
    for fields in ({"is_hygroscopic": False}, {"open_hours": 0}):
        opened(nylon(**fields)[0], 1000)
    assert due() == []


def test_drying_is_logged_and_starts_the_open_time_anew() -> None:
    [spool] = nylon()
    opened(spool, 100)
    start = timezone.now() - 9 * HOUR
    record = inventory.start_drying(spool, at=start, actor=system_actor())
    assert (record.celsius, record.started_by, record.ended_at) == (80, system_actor(), None)
    assert due() == []
    assert drying_states([spool])[spool.pk].is_drying
    inventory.end_drying(spool, notes="dry box 2", actor=system_actor())
    record.refresh_from_db()
    assert record.ended_by == system_actor()
    assert record.notes == "dry box 2"
    assert spool.dried_at == spool.opened_at == record.ended_at
    assert due() == []
    assert spool.history.count() == 3


def test_a_dry_reel_may_be_sealed_away() -> None:
    [spool] = nylon()
    opened(spool, 100)
    inventory.start_drying(spool, at=timezone.now() - 8 * HOUR, actor=system_actor())
    inventory.end_drying(spool, sealed=True, actor=system_actor())
    assert spool.opened_at is None
    assert spool.dried_at is not None


def test_a_reel_that_came_out_too_early_stays_due() -> None:
    [spool] = nylon()
    opened(spool, 100)
    inventory.start_drying(spool, at=timezone.now() - 2 * HOUR, actor=system_actor())
    inventory.end_drying(spool, actor=system_actor())
    assert spool.dried_at is None
    assert due() == [spool]
    assert DryingRecord.objects.count() == 1


def test_what_cannot_be_dried_is_refused_and_not_logged() -> None:
    [spool] = nylon()
    with pytest.raises(SpoolNotInDryer):
        inventory.end_drying(spool, actor=system_actor())
    for celsius in (0, 201):
        with pytest.raises(InvalidValue):
            inventory.start_drying(spool, celsius=celsius, actor=system_actor())
    with pytest.raises(InvalidValue):
        inventory.start_drying(spool, at=timezone.now() + HOUR, actor=system_actor())
    Spool.objects.filter(pk=spool.pk).update(remaining_grams=0)
    with pytest.raises(SpoolGone):
        inventory.start_drying(spool, actor=system_actor())
    assert not DryingRecord.objects.exists()


def test_a_reel_is_in_one_dryer_at_a_time_and_comes_out_after_it_went_in() -> None:
    [spool] = nylon()
    inventory.start_drying(spool, actor=system_actor())
    with pytest.raises(SpoolInDryer):
        inventory.start_drying(spool, actor=system_actor())
    with pytest.raises(InvalidValue):
        inventory.end_drying(spool, at=timezone.now() - HOUR, actor=system_actor())
    assert DryingRecord.objects.get().ended_at is None


def test_an_empty_reel_is_not_due() -> None:
    [spool] = nylon()
    opened(spool, 100)
    Spool.objects.filter(pk=spool.pk).update(remaining_grams=0)
    assert due() == []


def test_asking_what_is_due_costs_the_same_for_few_and_many() -> None:
    def cost(count: int) -> int:
        for spool in nylon(count):
            opened(spool, 100)
        with CaptureQueriesContext(connection) as queries:
            found = spools_to_dry()
            assert all(row.spool.lot.product.name for row in found)
        return len(queries)

    assert cost(1) == cost(8)
