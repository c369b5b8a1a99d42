"""Counting, moving and using the same stock at once: booked once, nothing lost, nobody waits in a ring."""

from __future__ import annotations

import datetime
from decimal import Decimal
from functools import partial

import pytest
from django.utils import timezone

from blb3d.accounts.tests.factories import SuperuserFactory
from blb3d.core.errors import InvalidTransition
from inventory import services as inventory
from inventory.errors import AlreadyOnASheet, TooManyGrams
from inventory.models import CycleCount, Inventory, InventoryTransaction, MaterialLot, Reservation, Spool
from inventory.selectors import verify_ledger
from inventory.services import Need, Use
from inventory.tests.concurrency import shared_database, together  # noqa: F401
from inventory.tests.factories import (
    ComponentFactory,
    LocationFactory,
    MaterialFactory,
    put_on_shelf,
    receive,
    system_actor,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("shared_database")]
D = Decimal


def test_two_sheets_that_begin_at_once_do_not_take_the_same_stock() -> None:
    actor, place = system_actor(), LocationFactory()
    for _ in range(5):
        put_on_shelf(ComponentFactory(), 10)
    sheets = [inventory.plan_count(location=place, actor=actor) for _ in range(3)]
    results = together(*(partial(inventory.start_count, sheet, actor=actor) for sheet in sheets))
    assert sum(isinstance(result, CycleCount) for result in results) == 1
    assert sum(isinstance(result, AlreadyOnASheet) for result in results) == 2
    assert CycleCount.objects.filter(status="counting").count() == 1
    assert CycleCount.objects.filter(status="draft").count() == 2


def test_a_sheet_is_booked_once_while_stock_goes_on_moving() -> None:
    actor, place = system_actor(), LocationFactory()
    product = MaterialFactory()
    lot = receive(product, "10")
    count = inventory.start_count(inventory.plan_count(location=place, actor=actor), actor=actor)
    inventory.count_line(count.lines.get(), quantity=D(8), actor=actor)
    inventory.submit_count(count, actor=actor)

    def use(number: int) -> None:
        for _ in range(4):
            inventory.consume([Use(product.pk, D("0.1"), "print_job", number, lot_id=lot.pk)], actor=actor)

    approvers = [
        partial(inventory.approve_count, CycleCount.objects.get(pk=count.pk), actor=SuperuserFactory())
        for _ in range(3)
    ]
    results = together(*approvers, partial(use, 1), partial(use, 2), partial(use, 3))
    assert sum(isinstance(result, CycleCount) for result in results) == 1
    assert sum(isinstance(result, InvalidTransition) for result in results) == 2
    assert results[3:] == [None] * 3
    assert InventoryTransaction.objects.filter(reference_type="cycle_count").count() == 1
    assert Inventory.objects.get().on_hand_quantity == D("6.8")
    assert verify_ledger().is_clean


def test_reels_move_and_are_used_at_once_and_stock_and_reservations_follow() -> None:
    actor, product = system_actor(), MaterialFactory()
    lot = receive(product, "4")
    places = [LocationFactory(code=f"S-{number}") for number in range(4)]
    spools = inventory.make_spools(lot, count=4, grams_each=D(1000), actor=actor)
    inventory.reserve([Need(product.pk, D(3), "production_order", 7)], actor=actor)

    def walk(number: int) -> None:
        spool = Spool.objects.get(pk=spools[number].pk)
        for step in range(4):
            inventory.move_spool(spool, location=places[(number + step) % 4], actor=actor)

    def use() -> None:
        for _ in range(5):
            use = Use(product.pk, D("0.1"), "print_job", 1, holder=("production_order", 7), lot_id=lot.pk)
            inventory.consume([use], actor=actor)

    results = together(*(partial(walk, number) for number in range(4)), use)
    assert results == [None] * 5
    assert sum(Inventory.objects.values_list("on_hand_quantity", flat=True)) == D("3.5")
    assert sum(Reservation.objects.values_list("quantity", flat=True)) == D("2.5")
    assert verify_ledger().is_clean


def test_reels_made_at_once_never_hold_more_than_their_lot() -> None:
    actor = system_actor()
    lot = receive(MaterialFactory(), "3")
    make = partial(inventory.make_spools, lot, count=2, grams_each=D(1000), actor=actor)
    results = together(*[make] * 4)
    assert sum(isinstance(result, list) for result in results) == 1
    assert sum(isinstance(result, TooManyGrams) for result in results) == 3
    assert Spool.objects.count() == 2


def test_two_reels_wound_onto_each_other_at_once_keep_the_sum() -> None:
    actor = system_actor()
    first, second = inventory.make_spools(receive(MaterialFactory(), "2"), count=2, grams_each=D(1000), actor=actor)
    copies = [(Spool.objects.get(pk=a.pk), Spool.objects.get(pk=b.pk)) for a, b in ((first, second), (second, first))]
    together(*(partial(inventory.merge_spools, a, into=b, actor=actor) for a, b in copies))
    assert sorted(Spool.objects.values_list("remaining_grams", flat=True)) == [0, D(2000)]


def test_the_same_find_is_noted_on_one_sheet_only() -> None:
    actor, place, other = system_actor(), LocationFactory(), LocationFactory(code="RACK")
    bolt = ComponentFactory()
    sheets = []
    for _ in range(3):
        put_on_shelf(ComponentFactory(), 10, place)
        last = Inventory.objects.latest("pk").product
        sheets.append(inventory.start_count(inventory.plan_count(products=[last], actor=actor), actor=actor))
    found = partial(inventory.count_found, product=bolt, location=other, quantity=D(4), actor=actor)
    results = together(*(partial(found, sheet) for sheet in sheets))
    assert sorted(type(result).__name__ for result in results) == ["AlreadyOnASheet"] * 2 + ["CycleCountLine"]
    assert verify_ledger().is_clean


def test_lots_that_several_find_expired_at_once_expire_once() -> None:
    actor, past = system_actor(), timezone.now() - datetime.timedelta(minutes=1)
    lots = [receive(MaterialFactory(), "1") for _ in range(5)]
    MaterialLot.objects.update(expiration_date=past)
    results = together(*(partial(inventory.expire_lots, actor=actor) for _ in range(4)))
    assert sorted(lot.pk for result in results for lot in result) == [lot.pk for lot in lots]
    assert set(MaterialLot.objects.values_list("status", flat=True)) == {"EXPIRED"}
