"""No door into stock takes an impossible quantity: verbs and console. The API's test is beside its others."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from blb3d.accounts.tests.factories import SuperuserFactory
from blb3d.core.errors import BLB3DError, InvalidValue
from inventory import services as inventory
from inventory.models import Inventory, InventoryTransaction, MaterialLot, Product, PurchaseOrder
from inventory.selectors import verify_ledger
from inventory.tests.factories import (
    ComponentFactory,
    LocationFactory,
    MaterialFactory,
    VendorFactory,
    put_on_shelf,
    receive,
    system_actor,
)

pytestmark = pytest.mark.django_db
D = Decimal

#: Nothing, less than stock can keep, less than nothing, more than any farm has, and what is no number.
IMPOSSIBLE = [D(0), D("0.00001"), D(-1), D(10**9), D("NaN"), D("Infinity")]
TYPED = ["0", "-1", str(10**9), "NaN", "Infinity", "1e400", "many"]


def receive_lot(quantity: Decimal) -> None:
    inventory.receive_lot(
        Product.objects.get(sku="PLA"), lot_number="L-9", quantity=quantity, unit_cost=D(12), actor=system_actor()
    )


def receive_stock(quantity: Decimal) -> None:
    bolt, place = Product.objects.get(sku="BOLT"), inventory_place()
    inventory.receive_stock(bolt, quantity=quantity, unit_cost=D(1), location=place, actor=system_actor())


def receive_made(quantity: Decimal) -> None:
    bolt, share = Product.objects.get(sku="BOLT"), inventory.Share(quantity)
    inventory.receive_made(
        bolt, production_order_id=1, shares=[share], uses=[], unit_cost=lambda own: own, actor=system_actor()
    )


def scrap(quantity: Decimal) -> None:
    bolt, place = Product.objects.get(sku="BOLT"), inventory_place()
    inventory.scrap_stock(bolt, location=place, quantity=quantity, reason="bent", actor=system_actor())


def transfer(quantity: Decimal) -> None:
    bolt, rack = Product.objects.get(sku="BOLT"), LocationFactory(code="RACK")
    inventory.transfer_stock(bolt, quantity=quantity, source=inventory_place(), target=rack, actor=system_actor())


def issue(quantity: Decimal) -> None:
    use = inventory.Use(Product.objects.get(sku="BOLT").pk, quantity, "manual", None)
    inventory.issue([use], kind=InventoryTransaction.Kind.CONSUMPTION, actor=system_actor())


def reserve(quantity: Decimal) -> None:
    need = inventory.Need(Product.objects.get(sku="BOLT").pk, quantity, "production_order", 1)
    inventory.reserve([need], actor=system_actor())


def order_from_vendor(quantity: Decimal) -> None:
    line = inventory.PurchaseLineSpec(Product.objects.get(sku="PLA"), quantity, "kg", D("14.50"))
    inventory.create_purchase_order(vendor=VendorFactory(), lines=[line], actor=system_actor())


def receive_from_vendor(quantity: Decimal) -> None:
    order = PurchaseOrder.objects.get()
    receipt = inventory.PurchaseReceipt(order.lines.get().pk, quantity)
    inventory.receive_purchase(order, [receipt], actor=system_actor())


def inventory_place() -> Any:
    return Inventory.objects.get(product__sku="BOLT").location


@pytest.fixture
def shelf() -> None:
    put_on_shelf(ComponentFactory(sku="BOLT"), 5)
    pla = MaterialFactory(sku="PLA")
    receive(pla, "1")
    line = inventory.PurchaseLineSpec(pla, D(2), "kg", D("14.50"))
    order = inventory.create_purchase_order(vendor=VendorFactory(), lines=[line], actor=system_actor())
    inventory.order_purchase(order, actor=system_actor())


def books() -> tuple[int, int, int, list[Any]]:
    rows = Inventory.objects.order_by("pk").values_list("on_hand_quantity", "allocated_quantity")
    return InventoryTransaction.objects.count(), MaterialLot.objects.count(), PurchaseOrder.objects.count(), list(rows)


@pytest.mark.parametrize("quantity", IMPOSSIBLE, ids=str)
@pytest.mark.parametrize(
    "door",
    [
        receive_lot,
        receive_stock,
        receive_made,
        scrap,
        transfer,
        issue,
        reserve,
        order_from_vendor,
        receive_from_vendor,
    ],
)
def test_no_verb_takes_an_impossible_quantity(shelf: None, door: Callable[[Decimal], None], quantity: Decimal) -> None:
    before = books()
    with pytest.raises(InvalidValue):
        door(quantity)
    assert books() == before
    assert verify_ledger().is_clean


@pytest.mark.parametrize("change", [D(0), D("0.00001"), D(10**9), -D(10**9), D("NaN"), D("-Infinity")], ids=str)
def test_no_adjustment_changes_nothing_or_everything(shelf: None, change: Decimal) -> None:
    before = books()
    bolt = Product.objects.get(sku="BOLT")
    with pytest.raises(InvalidValue):
        inventory.adjust_stock(
            bolt, location=inventory_place(), quantity_change=change, reason="count", actor=system_actor()
        )
    assert books() == before


@pytest.mark.parametrize("cost", [D(-1), D("NaN"), D("Infinity")], ids=str)
def test_no_receipt_has_a_cost_that_is_no_number(shelf: None, cost: Decimal) -> None:
    before = books()
    with pytest.raises(InvalidValue):
        inventory.receive_lot(
            Product.objects.get(sku="PLA"), lot_number="L-9", quantity=D(1), unit_cost=cost, actor=system_actor()
        )
    assert books() == before


def test_one_impossible_line_of_a_receipt_leaves_the_others_out_too(shelf: None) -> None:
    order, before = PurchaseOrder.objects.get(), books()
    line = order.lines.get().pk
    receipts = [inventory.PurchaseReceipt(line, D(1)), inventory.PurchaseReceipt(line, D(0))]
    with pytest.raises(BLB3DError):
        inventory.receive_purchase(order, receipts, actor=system_actor())
    assert books() == before
    assert PurchaseOrder.objects.get().status == "ordered"


@pytest.fixture
def console(client: Client) -> Client:
    client.force_login(SuperuserFactory())
    return client


def page(model: str, name: str, *args: Any) -> str:
    return reverse(f"admin:inventory_{model}_{name}", args=args)


@pytest.mark.parametrize("typed", TYPED)
def test_the_console_receives_no_impossible_lot(shelf: None, console: Client, typed: str) -> None:
    before = books()
    lot = {"product": Product.objects.get(sku="PLA").pk, "lot_number": "L-9", "quantity_received": typed}
    answer = console.post(
        page("materiallot", "add"),
        {**lot, "unit_cost": "12", "received_date_0": "2025-03-01", "received_date_1": "08:00:00"},
    )
    assert answer.status_code == 200
    assert books() == before


@pytest.mark.parametrize("typed", [*TYPED, f"-{10**9}"])
@pytest.mark.parametrize(
    ("act", "field"), [("adjust", "quantity_change"), ("transfer", "quantity"), ("scrap", "quantity")]
)
def test_the_console_moves_no_impossible_quantity(
    shelf: None, console: Client, act: str, field: str, typed: str
) -> None:
    if (act, typed) == ("adjust", "-1"):
        typed = "-6"  # One less is an honest count; more than there is cannot be.
    balance, rack = Inventory.objects.get(product__sku="BOLT"), LocationFactory(code="RACK")
    before = books()
    told = {"_answered": "1", field: typed, "reason": "count", "target": rack.pk}
    answer = console.post(page("inventory", "verb", balance.pk, act), told, follow=True)
    assert answer.status_code == 200
    assert books() == before


@pytest.mark.parametrize("typed", TYPED)
def test_the_console_orders_no_impossible_quantity(shelf: None, console: Client, typed: str) -> None:
    before = books()
    order = {"vendor": VendorFactory().pk, "currency": "USD", "lines-TOTAL_FORMS": "1", "lines-INITIAL_FORMS": "0"}
    line = {"line_number": "1", "product": Product.objects.get(sku="PLA").pk, "unit_of_measure": "kg"}
    line |= {"quantity": typed, "unit_price": "14.50"}
    answer = console.post(
        page("purchaseorder", "add"), {**order, **{f"lines-0-{name}": value for name, value in line.items()}}
    )
    assert answer.status_code == 200
    assert books() == before
