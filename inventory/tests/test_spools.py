"""Weighing reels: the books follow the scale, whoever had reserved what is gone."""

from __future__ import annotations

from decimal import Decimal

import pytest

from blb3d.core.errors import InvalidValue
from blb3d.core.outbox import OutboxEvent
from inventory import services as inventory
from inventory.errors import WrongWeight
from inventory.models import InventoryTransaction, MaterialLot, Reference, Reservation, Spool
from inventory.selectors import find_spool, spool_text, verify_ledger
from inventory.tests.factories import LocationFactory, MaterialFactory, receive, system_actor

pytestmark = pytest.mark.django_db


def reel(received: str = "1", grams: str = "1000", tare: str = "250", label: str = "SP-1") -> Spool:
    """Return a spool of a new lot; kilograms received, grams on the reel."""
    lot = receive(MaterialFactory(), received)
    return Spool.objects.create(label=label, lot=lot, tare_grams=Decimal(tare), remaining_grams=Decimal(grams))


def left(spool: Spool) -> Decimal:
    """Return what the books have of a spool's lot, in kg."""
    return MaterialLot.objects.get(pk=spool.lot_id).quantity_remaining


def weigh(spool: Spool, gross: str, **more: object) -> inventory.Weighed:
    """Put a spool on the scale."""
    return inventory.weigh_spool(spool, gross_grams=Decimal(gross), actor=system_actor(), **more)  # type: ignore[arg-type]


def test_what_is_missing_is_booked_from_the_lot_with_a_reason() -> None:
    spool = reel()
    weighed = weigh(spool, "1112.5", reason="after the weekend")
    assert (weighed.grams, weighed.before, weighed.booked) == (Decimal("862.5"), Decimal(1000), Decimal("-137.5"))
    assert spool.remaining_grams == Decimal("862.5")
    assert spool.weighed_at is not None
    assert left(spool) == Decimal("0.8625")
    row = InventoryTransaction.objects.latest("id")
    assert (row.transaction_type, row.on_hand_change, row.reference_type) == ("adjustment", Decimal("-0.1375"), "lot")
    assert row.reason == "Weigh-in of SP-1: 862.5 g, 1000 g in the books. after the weekend"
    assert verify_ledger().is_clean
    assert OutboxEvent.objects.filter(topic="inventory.spool_weighed").count() == 1


def test_what_is_more_than_in_the_books_comes_back() -> None:
    spool = reel(grams="800")
    inventory.adjust_stock(
        spool.lot.product,
        location=LocationFactory(),
        quantity_change=Decimal("-0.2"),
        reason="used",
        lot=spool.lot,
        actor=system_actor(),
    )
    assert weigh(spool, "1150").booked == Decimal(100)
    assert left(spool) == Decimal("0.9")
    assert verify_ledger().is_clean


def test_the_same_weight_again_books_nothing() -> None:
    spool = reel()
    weigh(spool, "1100")
    rows = InventoryTransaction.objects.count()
    assert weigh(spool, "1100").booked == 0
    assert InventoryTransaction.objects.count() == rows


def test_an_empty_reel_depletes_its_lot_and_a_corrected_weight_reopens_it() -> None:
    spool = reel()
    weigh(spool, "250")
    assert MaterialLot.objects.get(pk=spool.lot_id).status == MaterialLot.Status.DEPLETED
    weigh(spool, "650")
    lot = MaterialLot.objects.get(pk=spool.lot_id)
    assert (lot.status, lot.quantity_remaining) == (MaterialLot.Status.ACTIVE, Decimal("0.4"))


def test_reserved_stock_that_is_gone_moves_to_another_lot() -> None:
    spool = reel()
    product = spool.lot.product
    inventory.reserve([inventory.Need(product.pk, Decimal("0.9"), Reference.PRODUCTION_ORDER, 7)], actor=system_actor())
    other = receive(product, "1")
    weigh(spool, "650")
    assert left(spool) == Decimal("0.4")
    held = {row.balance.lot_id: row.quantity for row in Reservation.objects.select_related("balance")}
    assert held == {spool.lot_id: Decimal("0.4"), other.pk: Decimal("0.5")}
    assert MaterialLot.objects.get(pk=other.pk).quantity_remaining == Decimal(1)
    assert verify_ledger().is_clean


def test_another_lot_is_never_charged_for_what_the_books_did_not_have() -> None:
    spool = reel(received="1", grams="1000")
    other = receive(spool.lot.product, "1")
    inventory.adjust_stock(
        spool.lot.product,
        location=LocationFactory(),
        quantity_change=Decimal("-0.9"),
        reason="used",
        lot=spool.lot,
        actor=system_actor(),
    )
    weighed = weigh(spool, "350")
    assert (weighed.grams, weighed.booked) == (Decimal(100), Decimal(-100))
    assert left(spool) == 0
    assert MaterialLot.objects.get(pk=other.pk).quantity_remaining == Decimal(1)


def test_the_empty_reel_may_be_corrected_with_the_weight() -> None:
    spool = reel(tare="0")
    weigh(spool, "900", tare_grams=Decimal(180))
    assert (spool.tare_grams, spool.remaining_grams) == (Decimal(180), Decimal(720))


@pytest.mark.parametrize(
    ("gross", "error"),
    [
        ("249", WrongWeight),
        ("1400", WrongWeight),
        ("-1", InvalidValue),
        ("NaN", InvalidValue),
        ("Infinity", InvalidValue),
        ("99999", InvalidValue),
    ],
)
def test_a_weight_that_cannot_be_is_refused_and_nothing_changes(gross: str, error: type[Exception]) -> None:
    spool = reel()
    rows = InventoryTransaction.objects.count()
    with pytest.raises(error):
        weigh(spool, gross)
    spool.refresh_from_db()
    assert (spool.remaining_grams, spool.weighed_at) == (Decimal(1000), None)
    assert InventoryTransaction.objects.count() == rows


def test_a_spool_is_kept_somewhere_and_not_in_a_place_that_is_closed() -> None:
    spool, drybox = reel(), LocationFactory(code="DRY-1")
    assert inventory.move_spool(spool, location=drybox, actor=system_actor()).location == drybox
    drybox.is_active = False
    drybox.save()
    with pytest.raises(InvalidValue):
        inventory.move_spool(spool, location=drybox, actor=system_actor())
    assert inventory.move_spool(spool, location=None, actor=system_actor()).location is None


def test_a_spool_is_found_by_what_a_scanner_gives() -> None:
    spool = reel(label="SP-0042")
    Spool.objects.filter(pk=spool.pk).update(tag_uid="04AA", tray_uuid="F00D")
    for text in ("SP-0042", " sp-0042", "04aa", "f00d", "https://farm.example/floor/spools/SP-0042/"):
        assert find_spool(text) == spool, text
    for text in ("", "SP", "x" * 100, "https://farm.example/floor/spools//", "https://elsewhere.example/"):
        assert find_spool(text) is None, text
    assert spool_text("https://farm.example/floor/spools/A%2FB/") == "A/B"
