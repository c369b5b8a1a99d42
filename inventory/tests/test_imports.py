"""Tables of products, bills, stock and vendors: looked at first, then taken as a whole or not at all."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from blb3d.accounts.models import User
from blb3d.core.errors import InvalidTransition, InvalidValue, NotAllowed
from blb3d.core.outbox import OutboxEvent
from blb3d.core.tables import read_table
from blb3d.core.tests.counting import statements_of
from inventory import services as inventory
from inventory.errors import ImportChanged, ImportHasErrors, UnusableHeadings
from inventory.models import (
    BOM,
    ImportBatch,
    Inventory,
    InventoryTransaction,
    MaterialLot,
    Product,
    ProductUnit,
    Vendor,
    VendorItem,
    VendorPrice,
)
from inventory.selectors import prove_ledger
from inventory.services.imports import apply_import, check_import, discard_import, preview_import
from inventory.tests.factories import (
    ComponentFactory,
    LocationFactory,
    MaterialFactory,
    ProductFactory,
    VendorFactory,
    make_bom,
    put_on_shelf,
    receive,
    system_actor,
)

pytestmark = pytest.mark.django_db
D = Decimal


def look(kind: str, text: str, name: str = "table.csv") -> ImportBatch:
    return preview_import(read_table(name, text.encode()), kind=kind, actor=system_actor())


def take(kind: str, text: str) -> ImportBatch:
    return apply_import(look(kind, text), actor=system_actor())


def found(batch: ImportBatch) -> dict[str, Any]:
    return json.loads(batch.content.findings)


def errors(kind: str, text: str) -> list[tuple[int, str, str]]:
    batch = look(kind, text)
    assert batch.error_count == len(found(batch)["errors"])
    return [tuple(error) for error in found(batch)["errors"]]


def counts(batch: ImportBatch) -> tuple[int, int, int, int]:
    return (batch.new_count, batch.changed_count, batch.unchanged_count, batch.error_count)


PRODUCTS = (
    "SKU;Product name;Category;UoM;Standard cost;Price;Lot tracked;Material;Colour hex;Shop id\n"
    "m-1;PLA black;material;kg;18,50;;yes;pla;#000000;77\n"
    "box;Box small;Packaging;pcs;0,1250;1,20;no;;;78\n"
    "C-9;Screw M3;component;;0,02;;;;;\n"
)


def test_a_preview_tells_what_is_new_changed_and_unchanged_and_writes_nothing() -> None:
    MaterialFactory(sku="M-1", name="PLA", unit_cost=D("17"), material_type="PLA", color_hex="000000")
    screw = ComponentFactory(sku="C-9", name="Screw M3", unit_cost=D("0.02"))
    batch = look("products", PRODUCTS)
    assert (counts(batch), batch.row_count, batch.status) == ((1, 1, 1, 0), 3, "previewed")
    assert found(batch)["notes"] == ["Not known and not read: Shop id."]
    assert found(batch)["changes"] == [
        [2, "M-1", False, [["name", "PLA", "PLA black"], ["unit_cost", "17", "18.5"]]],
        [3, "BOX", True, [["name", "–", "Box small"]]],
    ]
    assert not Product.objects.filter(sku="BOX").exists()
    screw.refresh_from_db()
    assert screw.version == 1


def test_applying_does_exactly_what_was_previewed_with_history_and_once() -> None:
    pla = MaterialFactory(sku="M-1", name="PLA", unit_cost=D("17"), material_type="PLA", color_hex="000000")
    screw = ComponentFactory(sku="C-9", name="Screw M3", unit_cost=D("0.02"))
    batch = take("products", PRODUCTS)
    box = Product.objects.get(sku="BOX")
    assert (box.name, box.category, box.unit_of_measure, box.unit_cost, box.list_price, box.is_lot_tracked) == (
        "Box small",
        "packaging",
        "each",
        D("0.1250"),
        D("1.20"),
        False,
    )
    assert (box.created_by, box.history.get().history_change_reason) == (
        system_actor(),
        f"import {batch.pk}, table.csv",
    )
    pla.refresh_from_db()
    assert (pla.name, pla.unit_cost, pla.version) == ("PLA black", D("18.5"), 2)
    assert pla.history.count() == 2
    screw.refresh_from_db()
    assert (screw.version, screw.history.count()) == (1, 1)
    assert (batch.status, batch.applied_by) == ("applied", system_actor())
    assert OutboxEvent.objects.get(topic="inventory.import_applied").payload["new"] == 1
    for verb in (apply_import, discard_import, check_import):
        with pytest.raises(InvalidTransition):
            verb(batch, actor=system_actor())
    again = look("products", PRODUCTS)
    assert counts(again) == (0, 0, 3, 0)
    assert found(again)["notes"][0].startswith("This very file was taken already, on 20")


def test_every_error_is_told_in_one_pass_and_nothing_can_be_applied() -> None:
    MaterialFactory(sku="M-1")
    text = (
        "sku,name,category,unit,unit cost,lead time,colour hex,yield %,abc,active\n"
        ",No code,,,,,,,,\n"
        "A-1,,,,,,,,,\n"
        "A-2,Two,toy,pound,cheap,1.5,blue,0,D,perhaps\n"
        'A-3,Three,,,"1,234",-1,,101,,\n'
        "A-4,Four,,,1.23456,,,,,\n"
        "a-4,Four again,,,,,,,,\n"
        "m-1,PLA,,g,,,,,,\n"
        f"{'X' * 61},Long,,,99999999999,,,,,\n"
    )
    batch = look("products", text)
    told = [tuple(error) for error in found(batch)["errors"]]
    assert told == [
        (2, "sku", "is missing"),
        (3, "name", "is missing"),
        (4, "category", '"toy" is none of: finished good, material, component, packaging, service, custom'),
        (4, "unit", '"pound" is no unit; known are each, kg, g, m, mm, l, ml, h, min'),
        (4, "unit cost", '"cheap" is not a number'),
        (4, "lead time", "1.5 is not a whole number"),
        (4, "colour hex", "A colour is written as RRGGBB."),
        (4, "yield %", "must be at least 1"),
        (4, "abc", '"D" is none of: A, B, C'),
        (4, "active", '"perhaps" is neither yes nor no'),
        (5, "unit cost", '"1,234" may be 1234 or 1.234: please write it without groups'),
        (5, "lead time", "must be between 0 and 32767"),
        (5, "yield %", "101 is more than 100"),
        (6, "unit cost", "1.23456 has more than 4 decimals"),
        (7, "sku", "A-4 stands in row 6 already"),
        (8, "unit", "the stock unit of a product cannot change (it is kg)"),
        (9, "sku", "has 61 signs; at most 60 are kept"),
        (9, "unit cost", "99999999999 is more than 99999999.9999"),
    ]
    with pytest.raises(ImportHasErrors) as refused:
        apply_import(batch, actor=system_actor())
    assert len(refused.value.details["errors"]) == 18
    batch.refresh_from_db()
    assert (batch.status, Product.objects.count()) == ("previewed", 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,price\nx,1\n", "no column sku"),
        ("sku,SKU\nA,B\n", "two columns for sku"),
        ("sku,unit,uom\nA,kg,kg\n", "two columns for unit_of_measure"),
    ],
)
def test_headings_that_do_not_fit_are_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(UnusableHeadings, match=words):
        look("products", text)
    with pytest.raises(InvalidValue):
        look("products", "sku,name\n")
    with pytest.raises(InvalidValue):
        look("orders", "sku,name\nA,a\n")
    assert not ImportBatch.objects.exists()


def test_what_changed_since_the_preview_is_not_overwritten_until_it_was_looked_at_again() -> None:
    pla = MaterialFactory(sku="M-1", name="PLA", unit_cost=D("17"))
    batch = look("products", "sku,unit cost\nM-1,18\n")
    inventory.update_product(pla, unit_cost=D("17.5"), actor=system_actor())
    with pytest.raises(ImportChanged):
        apply_import(batch, actor=system_actor())
    pla.refresh_from_db()
    assert pla.unit_cost == D("17.5")
    batch.refresh_from_db()
    apply_import(check_import(batch, actor=system_actor()), actor=system_actor())
    pla.refresh_from_db()
    assert pla.unit_cost == D(18)
    new = look("products", "sku,name\nN-1,New\n")
    ProductFactory(sku="N-1", name="Other")
    with pytest.raises(ImportChanged):
        apply_import(new, actor=system_actor())


def test_an_import_that_was_put_aside_is_not_applied() -> None:
    batch = discard_import(look("products", "sku,name\nN-1,New\n"), actor=system_actor())
    with pytest.raises(InvalidTransition):
        apply_import(batch, actor=system_actor())
    assert not Product.objects.exists()


def test_who_may_not_write_a_kind_may_not_import_it() -> None:
    clerk = User.objects.create_user("clerk@example.com", is_staff=True)
    table = read_table("x", b"sku,name\nA,a\n")
    with pytest.raises(NotAllowed):
        preview_import(table, kind="products", actor=clerk)
    batch = preview_import(table, kind="products", actor=system_actor())
    for verb in (apply_import, check_import, discard_import):
        with pytest.raises(NotAllowed):
            verb(batch, actor=clerk)
    assert not Product.objects.exists()


def test_a_changed_bill_becomes_a_new_revision_and_one_that_is_the_same_stays() -> None:
    pla, screw = MaterialFactory(sku="M-1", unit_cost=D(12)), ComponentFactory(sku="C-1", unit_cost=D("0.25"))
    ProductUnit.objects.create(product=screw, unit="bag", factor=D(50))
    cup, lamp, stand = (ProductFactory(sku=sku) for sku in ("CUP", "LAMP", "STAND"))
    make_bom(lamp, (screw, 2))
    make_bom(stand, (screw, 4))
    text = (
        "product,component,quantity,unit,scrap %\n"
        "CUP,M-1,125.5,,2\n"
        "LAMP,C-1,3,each,\n"
        "lamp,M-1,0.25,kg,\n"
        "CUP,C-1,0.1,bag,\n"
        "STAND,C-1,4,pcs,\n"
    )
    batch = look("boms", text)
    assert counts(batch) == (1, 1, 1, 0)
    assert found(batch)["changes"] == [
        [2, "CUP", True, [["components", "–", "2"]]],
        [3, "LAMP", False, [["C-1", "2 each", "3 each"], ["M-1", "–", "0.25 kg"]]],
    ]
    assert BOM.objects.count() == 2
    apply_import(batch, actor=system_actor())
    made = BOM.objects.get(product=cup)
    lines = made.lines.order_by("component__sku").values_list("component__sku", "quantity", "entered_quantity",
                                                             "unit_of_measure", "scrap_percent")  # fmt: skip
    assert list(lines) == [
        ("C-1", D("5.0000"), D("0.1000"), "bag", D("0.00")),
        ("M-1", D("0.1255"), D("125.5000"), "g", D("2.00")),
    ]
    assert (made.code, made.is_active, made.total_cost) == ("BOM-CUP", True, D("2.7861"))
    assert [(b.code, b.is_active) for b in BOM.objects.filter(product=lamp).order_by("revision")] == [
        ("BOM-LAMP", False),
        ("BOM-LAMP-R2", True),
    ]
    assert BOM.objects.get(product=lamp, is_active=True).total_cost == D("3.7500")
    assert BOM.objects.filter(product=stand).count() == 1
    assert counts(look("boms", text)) == (0, 0, 3, 0)
    assert pla.used_in.count() == 2


def test_wrong_lines_of_bills_and_cycles_are_told_by_row() -> None:
    MaterialFactory(sku="M-1")
    a, b, c, d = (ProductFactory(sku=sku) for sku in "ABCD")
    make_bom(c, (a, 1))
    assert errors(
        "boms",
        "product,component,quantity,unit,scrap\n"
        "A,B,1,,\n"
        "B,C,2,,\n"
        "D,D,1,,\n"
        "D,M-1,1,each,\n"
        "X,M-1,1,kg,\n"
        "D,Y,0,,101\n"
        "D,B,1,spool,\n"
        "A,B,3,,\n"
        "A,,,,\n",
    ) == [
        (2, "component", "A would be part of itself by way of B"),
        (3, "component", "B would be part of itself by way of C"),
        (4, "component", "D cannot be part of itself"),
        (5, "unit", "each cannot be converted into kg."),
        (6, "product", "there is no product X"),
        (7, "quantity", "must be more than 0"),
        (7, "scrap", "101 is more than 100"),
        (7, "component", "there is no product Y"),
        (8, "unit", "B has no unit spool."),
        (9, "component", "B stands in this bill already, in row 2"),
        (10, "component", "is missing"),
        (10, "quantity", "is missing"),
    ]
    assert BOM.objects.count() == 1
    # The same way round is broken where the table itself says otherwise.
    assert counts(look("boms", "product,component,quantity\nA,B,1\nB,C,2\nC,D,1\n")) == (2, 1, 0, 0)
    assert (b.sku, d.sku) == ("B", "D")


STOCK = (
    "SKU;Bin;Batch;Qty;Unit;Cost;Received;Expires;Vendor;Vendor lot\n"
    "M-1;MAIN;L-1;3;spool;20,00;31.03.2026;;V-1;VL-9\n"
    "M-1;B-2;L-1;500;g;0,02;31.03.2026;;V-1;VL-9\n"
    "C-1;;;200;;;;;;\n"
    "C-1;B-2;;50;;0,30;;;;\n"
)


def test_opening_stock_comes_in_through_the_ledger_and_once() -> None:
    main, shelf = LocationFactory(), LocationFactory(code="B-2")
    pla = MaterialFactory(sku="M-1")
    ComponentFactory(sku="C-1")
    ProductUnit.objects.create(product=pla, unit="spool", factor=D(1))
    vendor = VendorFactory(code="V-1")
    batch = look("stock", STOCK)
    assert counts(batch) == (3, 0, 0, 0)
    assert not InventoryTransaction.objects.exists()
    apply_import(batch, actor=system_actor())
    lot = MaterialLot.objects.get()
    assert (lot.lot_number, lot.quantity_received, lot.quantity_remaining, lot.unit_cost, lot.vendor, lot.status) == (
        "L-1",
        D("3.5000"),
        D("3.5000"),
        D("20.0000"),
        vendor,
        "ACTIVE",
    )
    assert (lot.received_date.date().isoformat(), lot.vendor_lot_number) == ("2026-03-31", "VL-9")
    rows = Inventory.objects.order_by("product__sku", "location__code").values_list(
        "product__sku", "location", "lot", "on_hand_quantity", "cost_per_unit"
    )
    assert list(rows) == [
        ("C-1", shelf.pk, None, D("50.0000"), D("0.3000")),
        ("C-1", main.pk, None, D("200.0000"), D("0.2500")),
        ("M-1", shelf.pk, lot.pk, D("0.5000"), D("20.0000")),
        ("M-1", main.pk, lot.pk, D("3.0000"), D("20.0000")),
    ]
    ledger = list(InventoryTransaction.objects.all())
    assert {row.transaction_type for row in ledger} == {"receipt"}
    assert {row.reason for row in ledger} == {f"Opening stock: import {batch.pk}, table.csv"}
    assert sum(row.value_change for row in ledger) == D("135.0000")
    assert prove_ledger().is_clean
    assert OutboxEvent.objects.filter(topic="inventory.lot_received").count() == 1
    assert counts(look("stock", STOCK)) == (0, 0, 4, 0)


def test_stock_that_contradicts_what_is_there_is_told_by_row() -> None:
    LocationFactory()
    pla, screw = MaterialFactory(sku="M-1"), ComponentFactory(sku="C-1")
    ProductFactory(sku="S-1", is_serialized=True)
    ProductFactory(sku="V-1", category=Product.Category.SERVICE)
    receive(pla, 2, lot_number="L-1")
    put_on_shelf(screw, 7)
    before = InventoryTransaction.objects.count()
    text = (
        "product,location,lot,quantity,unit,cost,received,expires,vendor\n"
        "M-1,MAIN,L-1,3,kg,,,,\n"
        "M-1,MAIN,,3,kg,,,,\n"
        "C-1,MAIN,L-9,3,,,,,\n"
        "C-1,MAIN,,8,,,,,\n"
        "S-1,MAIN,,1,,,,,\n"
        "V-1,MAIN,,1,,,,,\n"
        "M-1,ATTIC,L-2,1,box,-1,2099-01-01,2020-01-01,V-9\n"
        "M-1,MAIN,L-3,1,kg,18,,,\n"
        "M-1,MAIN,L-3,1,kg,18,,,\n"
        "NONE,,,0,,,,,\n"
    )
    assert errors("stock", text) == [
        (2, "lot", "lot L-1 is there already, received with 2"),
        (3, "lot", "M-1 is tracked by lot: please name the lot"),
        (4, "lot", "C-1 is not tracked by lot"),
        (5, "quantity", "7 of C-1 are at MAIN already: please count or correct"),
        (6, "product", "S-1 is tracked by serial number: its stock comes from production"),
        (7, "product", "V-1 is a service: there is no stock of it"),
        (8, "cost", "must be at least 0"),
        (8, "location", "there is no location ATTIC"),
        (8, "vendor", "there is no vendor V-9"),
        (8, "received", "2099-01-01 is in the future"),
        (8, "expires", "it expired on 2020-01-01"),
        (8, "unit", "M-1 has no unit box."),
        (10, "lot", "lot L-3 at MAIN stands in row 9 already"),
        (11, "quantity", "must be more than 0"),
        (11, "product", "there is no product NONE"),
    ]
    assert InventoryTransaction.objects.count() == before


def test_a_cost_per_gram_may_have_more_decimals_than_one_per_kg_is_kept_with() -> None:
    LocationFactory()
    MaterialFactory(sku="M-1")
    take("stock", "product,lot,quantity,unit,cost\nM-1,L-1,1500,g,0.018555\n")
    lot = MaterialLot.objects.get()
    assert (lot.quantity_remaining, lot.unit_cost) == (D("1.5"), D("18.5550"))
    assert errors("stock", "product,lot,quantity,unit,cost\nM-1,L-2,1,g,99999999\n") == [
        (2, "cost", "is 99999999000.0000 per kg; at most 99999999.9999 is kept")
    ]


def test_a_lot_that_needs_a_certificate_waits_for_it() -> None:
    LocationFactory()
    MaterialFactory(sku="M-1", requires_certificate=True)
    take("stock", "product,lot,quantity\nM-1,L-1,2\n")
    assert MaterialLot.objects.get().status == "QUARANTINE"


def test_stock_that_was_used_up_is_filled_again_by_an_import() -> None:
    place = LocationFactory()
    screw = ComponentFactory(sku="C-1", unit_cost=D("0.25"))
    put_on_shelf(screw, 7)
    inventory.scrap_stock(screw, location=place, quantity=D(7), reason="lost", actor=system_actor())
    take("stock", "product,quantity,cost\nC-1,5,0.30\n")
    balance = Inventory.objects.get()
    assert (balance.on_hand_quantity, balance.cost_per_unit) == (D(5), D("0.30"))


def test_vendors_are_made_and_changed() -> None:
    VendorFactory(code="V-1", name="Old", lead_time_days=7)
    text = "supplier code,company,e-mail,lead time\nv-1,New,,10\nV-2,Second,orders@example.com,\n"
    batch = take("vendors", text)
    assert counts(batch) == (1, 1, 0, 0)
    assert list(Vendor.objects.values_list("code", "name", "email", "lead_time_days")) == [
        ("V-1", "New", "", 10),
        ("V-2", "Second", "orders@example.com", 7),
    ]
    assert errors("vendors", "code,name,email\nV-3,,x\nV-1,a,\nv-1,b,\n") == [
        (2, "email", "Enter a valid email address."),
        (2, "name", "is missing"),
        (4, "code", "v-1 stands in row 3 already"),
    ]


ITEMS = (
    "supplier;sku;order number;purchase unit;moq;preferred;price break;price\n"
    "V-1;M-1;PLA-BK;spool;10;yes;;20,00\n"
    "V-1;M-1;PLA-BK;spool;10;yes;100;18,50\n"
    "V-2;M-1;;kg;;;;19\n"
)


def test_what_vendors_sell_is_taken_with_prices_by_break_and_old_prices_stay() -> None:
    pla = MaterialFactory(sku="M-1")
    ProductUnit.objects.create(product=pla, unit="spool", factor=D(1))
    first, second = VendorFactory(code="V-1"), VendorFactory(code="V-2")
    old = VendorItem.objects.create(vendor=second, product=pla, unit="kg", is_preferred=True)
    VendorPrice.objects.create(item=old, unit_price=D(21))
    batch = take("vendor_items", ITEMS)
    assert counts(batch) == (1, 1, 0, 0)
    assert found(batch)["changes"] == [
        [2, "V-1, M-1", True, [["unit", "–", "spool"], ["price from 0", "–", "20"], ["price from 100", "–", "18.5"]]],
        [4, "V-2, M-1", False, [["price from 0", "21", "19"]]],
    ]
    item = VendorItem.objects.get(vendor=first)
    assert (item.vendor_sku, item.unit, item.minimum_quantity, item.is_preferred) == ("PLA-BK", "spool", D(10), True)
    old.refresh_from_db()
    assert old.is_preferred is False
    prices = VendorPrice.objects.order_by("item__vendor__code", "minimum_quantity", "pk")
    assert list(prices.values_list("item__vendor__code", "minimum_quantity", "unit_price")) == [
        ("V-1", D(0), D(20)),
        ("V-1", D(100), D("18.5")),
        ("V-2", D(0), D(21)),
        ("V-2", D(0), D(19)),
    ]
    assert counts(look("vendor_items", ITEMS)) == (0, 0, 2, 0)
    assert errors(
        "vendor_items",
        "vendor,product,unit,preferred,from,price\n"
        "V-1,M-1,box,,,1\n"
        "V-3,M-1,kg,,,1\n"
        "V-1,M-1,kg,yes,,1\n"
        "V-1,M-1,kg,yes,,2\n"
        "V-1,M-1,g,yes,5,2\n"
        "V-2,M-1,kg,yes,10,\n"
        "V-2,M-1,kg,yes,,3\n",
    ) == [
        (2, "unit", "M-1 has no unit box."),
        (3, "vendor", "there is no vendor V-3"),
        (5, "product", "V-1, M-1 stands in row 4 already"),
        (6, "vendor", "only prices differ between the rows of an item: see row 4"),
        (7, "price", "is missing"),
        (8, "preferred", "M-1 is preferred at another vendor in row 4"),
    ]


def test_a_vendor_who_is_no_longer_preferred_keeps_the_other_terms_that_a_table_gives() -> None:
    MaterialFactory(sku="M-1")
    VendorFactory(code="V-1")
    VendorFactory(code="V-2")
    take("vendor_items", "vendor,product,preferred,lead time\nV-1,M-1,yes,3\n")
    take("vendor_items", "vendor,product,preferred,lead time\nV-1,M-1,,9\nV-2,M-1,yes,2\n")
    items = VendorItem.objects.order_by("vendor__code").values_list("vendor__code", "lead_time_days", "is_preferred")
    assert list(items) == [("V-1", 9, False), ("V-2", 2, True)]


@pytest.mark.parametrize("day", ["2020-01-01", "2099-01-01", ""])
def test_a_price_of_another_day_is_added_once(day: str) -> None:
    MaterialFactory(sku="M-1")
    VendorFactory(code="V-1")
    take("vendor_items", "vendor,product,price,valid from\nV-1,M-1,9,2025-01-01\n")
    table = f"vendor,product,price,valid from\nV-1,M-1,10,{day}\n"
    assert counts(take("vendor_items", table)) == (0, 1, 0, 0)
    assert counts(look("vendor_items", table)) == (0, 0, 1, 0)
    assert list(VendorPrice.objects.order_by("pk").values_list("unit_price", flat=True)) == [D(9), D(10)]


def test_new_prices_of_items_that_are_there_cost_the_same_number_of_statements() -> None:
    VendorFactory(code="V-1")
    told = []
    for number in range(20):
        MaterialFactory(sku=f"M-{number}")
    take("vendor_items", "vendor,product,price\n" + "".join(f"V-1,M-{number},9\n" for number in range(20)))
    for rows in (2, 20):
        table = "vendor,product,price\n" + "".join(f"V-1,M-{number},{rows}\n" for number in range(rows))
        batch = look("vendor_items", table)
        with CaptureQueriesContext(connection) as queries:
            apply_import(batch, actor=system_actor())
        told.append(len(statements_of(queries)))
    assert told[0] == told[1]


def _tables(rows: int) -> dict[str, str]:
    lines = {
        "products": ["sku,name,category,cost", *(f"P-{n},Part {n},component,0.5" for n in range(rows))],
        "boms": ["product,component,quantity", *(f"P-{n},Q-{m},2" for n in range(rows // 10) for m in range(10))],
        "stock": ["product,lot,quantity", *(f"M-{n % 5},L-{n},2" for n in range(rows))],
        "vendors": ["code,name", *(f"W-{n},Vendor {n}" for n in range(rows))],
        "vendor_items": ["vendor,product,price", *(f"V-{n // 10},Q-{n % 10},{n % 7 + 1}" for n in range(rows))],
    }
    return {kind: "\n".join(text) for kind, text in lines.items()}


@pytest.mark.parametrize("kind", ["products", "boms", "stock", "vendors", "vendor_items"])
def test_an_import_costs_the_same_number_of_statements_however_long_it_is(kind: str) -> None:
    LocationFactory()
    for number in range(10):
        ComponentFactory(sku=f"Q-{number}")
        MaterialFactory(sku=f"M-{number}")
    for number in range(20):
        VendorFactory(code=f"V-{number}", name="Old")
        if kind == "boms":
            ProductFactory(sku=f"P-{number}")
    if kind == "vendor_items":
        take(kind, "vendor,product,price\nV-0,Q-0,9\n")
    told = []
    for rows in (20, 200):
        text = _tables(rows)[kind]
        text = (
            text.replace("L-", f"L{rows}-")
            .replace("W-", f"W{rows}-")
            .replace("P-", "P-" if kind == "boms" else f"P{rows}-")
        )
        batch = look(kind, text)
        assert batch.error_count == 0
        with CaptureQueriesContext(connection) as queries:
            apply_import(batch, actor=system_actor())
        told.append(len(statements_of(queries)))
    assert told[1] <= told[0]
    assert told[1] <= 25
