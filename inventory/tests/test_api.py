"""`/products` and `/inventory` over HTTP: who sees what, at what cost, and movements told by machines."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from blb3d.accounts.services import issue_api_key
from blb3d.accounts.tests.factories import StaffFactory, SuperuserFactory, UserFactory
from inventory import services as inventory
from inventory.models import InventoryTransaction, MaterialLot, Product
from inventory.selectors import available, verify_ledger
from inventory.services import Need
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
TRANSACTIONS = "/api/v1/inventory/transactions"


def client(user=None):
    made = APIClient()
    if user is not None:
        made.force_authenticate(user)
    return made


@pytest.fixture
def staff():
    return client(SuperuserFactory())


@pytest.fixture
def machine():
    _, secret = issue_api_key(
        "print-suite",
        scopes=["inventory.view_inventory", "inventory.add_inventorytransaction"],
        actor=SuperuserFactory(),
    )
    made = APIClient()
    made.credentials(HTTP_X_API_KEY=secret)
    return made


STAFF_ONLY = {
    "/api/v1/inventory/lots": "view_materiallot",
    "/api/v1/inventory/locations": "view_inventorylocation",
    "/api/v1/inventory/balances": "view_inventory",
    "/api/v1/inventory/transactions": "view_inventorytransaction",
    "/api/v1/inventory/check?material_type=PLA": "view_inventory",
    "/api/v1/vendors": "view_vendor",
}


@pytest.mark.parametrize("path", [*STAFF_ONLY, "/api/v1/products", "/api/v1/inventory/materials"])
def test_nobody_reads_without_logging_in(path):
    assert client().get(path).status_code == 401


@pytest.mark.parametrize(("path", "permission"), STAFF_ONLY.items())
def test_stock_is_for_those_who_may_see_it(path, permission):
    MaterialFactory()
    assert client(UserFactory()).get(path).status_code == 403
    assert client(StaffFactory()).get(path).status_code == 403
    clerk = StaffFactory()
    clerk.user_permissions.add(Permission.objects.get(codename=permission, content_type__app_label="inventory"))
    assert client(clerk).get(path).status_code == 200
    assert client(clerk).get(path.replace("?", "/?") if "?" in path else f"{path}/").status_code == 200


def test_a_customer_sees_what_is_sold_and_no_costs(staff):
    cup = ProductFactory(list_price=D("12.50"), unit_cost=D("3"))
    hidden = [
        ProductFactory(list_price=None),
        ProductFactory(list_price=D(1), is_active=False),
        ProductFactory(list_price=D(1), type=Product.Type.CUSTOM),
        MaterialFactory(),
    ]
    answer = client(UserFactory()).get("/api/v1/products").json()
    assert [row["sku"] for row in answer["results"]] == [cup.sku]
    assert "unit_cost" not in answer["results"][0]
    assert client(UserFactory()).get(f"/api/v1/products/{hidden[0].pk}").status_code == 404
    assert client(UserFactory()).get(f"/api/v1/products/{cup.pk}/bom").status_code == 403
    everything = staff.get("/api/v1/products").json()
    assert everything["count"] == 5
    assert everything["results"][0]["unit_cost"] is not None


def test_products_are_searched_and_filtered(staff):
    petg = MaterialFactory(material_type="PETG", name="Sky")
    ProductFactory()
    for query in ("material_type=PETG", "search=sky", "category=material"):
        assert [row["id"] for row in staff.get(f"/api/v1/products?{query}").json()["results"]] == [petg.pk]


def test_the_bill_of_materials_shows_stock_units_and_what_was_entered(staff):
    cup, pla = ProductFactory(), MaterialFactory()
    inventory.set_bom(cup, [inventory.BOMLineSpec(pla, D("125.5"), "g")], actor=system_actor())
    answer = staff.get(f"/api/v1/products/{cup.pk}/bom")
    assert answer.status_code == 200
    assert answer.json()["code"] == f"BOM-{cup.sku}"
    assert answer.json()["total_cost"] == "1.5060"
    assert answer.json()["lines"] == [
        {
            "component_id": pla.pk,
            "sku": pla.sku,
            "name": pla.name,
            "quantity": "0.1255",
            "unit": "kg",
            "entered_quantity": "125.5000",
            "entered_unit": "g",
            "scrap_percent": "0.00",
        }
    ]
    missing = staff.get(f"/api/v1/products/{pla.pk}/bom")
    assert (missing.status_code, missing.json()["error_code"]) == (404, "MATERIAL_002")


def test_materials_show_colours_to_everybody_and_quantities_to_staff(staff):
    black = MaterialFactory()
    MaterialFactory(color_hex="FF0000", is_active=False)
    white = MaterialFactory(color_name="White", color_hex="FFFFFF")
    receive(black, "0.3")
    receive(black, "0.1")
    inventory.reserve([Need(black.pk, D("0.2"), "production_order", 1)], actor=system_actor())
    rows = {row["id"]: row for row in staff.get("/api/v1/inventory/materials").json()["results"]}
    assert rows.keys() == {black.pk, white.pk}
    assert (rows[black.pk]["color_code"], rows[black.pk]["in_stock"], rows[black.pk]["available_kg"]) == (
        "000000",
        True,
        "0.2000",
    )
    assert rows[white.pk]["in_stock"] is False
    (row,) = client(UserFactory()).get("/api/v1/inventory/materials?in_stock=true").json()["results"]
    assert row["id"] == black.pk
    assert "available_kg" not in row


@pytest.mark.parametrize("method", ["get", "post"])
def test_the_check_says_what_is_there_and_where(machine, method):
    pla, rack = MaterialFactory(), LocationFactory(code="RACK")
    receive(pla, "1")
    receive(MaterialFactory(color_hex="FFFFFF"), "0.5", location=rack)
    receive(pla, "7", quarantine=True)
    inventory.reserve([Need(pla.pk, D("0.2"), "production_order", 1)], actor=system_actor())
    for needed, enough in (("1.3", True), ("1.3001", False)):
        answer = getattr(machine, method)(
            "/api/v1/inventory/check", {"material_type": "pla", "required_quantity": needed}
        )
        assert answer.status_code == 200
        assert answer.json() == {
            "material_type": "PLA",
            "required_quantity": f"{D(needed):.4f}",
            "available": enough,
            "available_quantity": "1.3000",
            "on_hand": "1.5000",
            "allocated": "0.2000",
            "locations": [{"location": "MAIN", "quantity": "0.8000"}, {"location": "RACK", "quantity": "0.5000"}],
        }


def test_the_check_refuses_an_unknown_material(machine):
    answer = machine.get("/api/v1/inventory/check?material_type=WOOD&required_quantity=1")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "MATERIAL_001")


def test_a_machine_without_the_scope_books_nothing():
    _, secret = issue_api_key("reader", scopes=["inventory.view_inventory"], actor=SuperuserFactory())
    reader = APIClient()
    reader.credentials(HTTP_X_API_KEY=secret)
    pla = MaterialFactory()
    receive(pla, "1")
    body = {"transaction_type": "consumption", "product_sku": pla.sku, "quantity": "0.1"}
    for caller, code in ((reader, 403), (client(UserFactory()), 403), (client(), 401)):
        assert caller.post(TRANSACTIONS, body).status_code == code
    assert InventoryTransaction.objects.count() == 1


def test_a_consumption_told_twice_corrects_and_never_adds(machine):
    pla = MaterialFactory()
    lot = receive(pla, "1")

    def tell(quantity, **more):
        return machine.post(
            TRANSACTIONS,
            {
                "transaction_type": "consumption",
                "reference_type": "production_order",
                "reference_id": 7,
                "product_sku": pla.sku.lower(),
                "quantity": quantity,
                "location": "MAIN",
                "notes": "job 7",
                **more,
            },
        )

    first = tell("0.12")
    assert first.status_code == 201
    assert first.json() == {
        "transaction_type": "consumption",
        "product_sku": pla.sku,
        "unit": "kg",
        "reference_type": "production_order",
        "reference_id": "7",
        "quantity": "-0.1200",
        "booked": [{"location": "MAIN", "lot_number": lot.lot_number, "quantity": "-0.1200"}],
    }
    assert tell("0.12").json()["booked"] == []
    assert tell("0.15").json()["quantity"] == "-0.0300"
    assert tell("0.10").json()["quantity"] == "0.0500"
    assert tell("90", unit="g").json()["quantity"] == "0.0100"
    assert available([pla.pk])[pla.pk] == D("0.91")
    assert tell("0.1", reference_id="abc").json()["error_code"] == "VALID_001"
    assert verify_ledger().is_clean


def test_the_same_key_books_once(machine):
    bolt = ComponentFactory()
    put_on_shelf(bolt, 10)
    body = {"transaction_type": "consumption", "product_sku": bolt.sku, "quantity": "2"}
    first = machine.post(TRANSACTIONS, body, headers={"Idempotency-Key": "a"})
    again = machine.post(TRANSACTIONS, body, headers={"Idempotency-Key": "a"})
    assert (first.status_code, again.status_code, first.json() == again.json()) == (201, 201, True)
    assert available([bolt.pk])[bolt.pk] == D(8)
    other = machine.post(TRANSACTIONS, {**body, "quantity": "3"}, headers={"Idempotency-Key": "a"})
    assert other.status_code == 422


def test_a_receipt_of_a_tracked_material_makes_a_lot(staff):
    pla, vendor = MaterialFactory(), VendorFactory()
    LocationFactory()
    body = {
        "transaction_type": "receipt",
        "product_sku": pla.sku,
        "quantity": "1000",
        "unit": "g",
        "unit_cost": "14.5",
        "lot_number": "L-1",
        "vendor": vendor.code,
    }
    assert staff.post(TRANSACTIONS, body).json()["quantity"] == "1.0000"
    lot = MaterialLot.objects.get(lot_number="L-1")
    assert (lot.quantity_remaining, lot.unit_cost, lot.vendor) == (D(1), D("14.5"), vendor)
    taken = staff.post(TRANSACTIONS, body)
    assert (taken.status_code, taken.json()["error_code"]) == (409, "LOT_001")
    del body["lot_number"]
    assert staff.post(TRANSACTIONS, body).json()["booked"][0]["lot_number"].startswith("LOT-")


def test_staff_adjust_scrap_and_move_stock(staff):
    bolt = ComponentFactory()
    LocationFactory()
    LocationFactory(code="RACK")

    def tell(kind, quantity, **more):
        body = {"transaction_type": kind, "product_sku": bolt.sku, "quantity": quantity, "notes": "count", **more}
        return staff.post(TRANSACTIONS, body)

    assert tell("receipt", "10").json()["quantity"] == "10.0000"
    assert tell("adjustment", "-1").json()["quantity"] == "-1.0000"
    assert tell("scrap", "2").json()["quantity"] == "-2.0000"
    moved = tell("transfer", "3", target_location="RACK").json()
    assert [(row["location"], row["quantity"]) for row in moved["booked"]] == [("MAIN", "-3.0000"), ("RACK", "3.0000")]
    assert available([bolt.pk])[bolt.pk] == D(7)
    for refused, code in (
        (tell("scrap", "100"), "STOCK_001"),
        (tell("transfer", "1"), "VALID_001"),
        (tell("adjustment", "1", notes=""), "VALID_001"),
        (tell("adjustment", "1", location="MOON"), "VALID_001"),
        (tell("adjustment", "1", unit="kg"), "VALID_003"),
        (tell("adjustment", "1", colour="red"), "VALID_002"),
        (tell("shipment", "1"), "VALID_001"),
    ):
        assert refused.json()["error_code"] == code
    assert available([bolt.pk])[bolt.pk] == D(7)
    assert verify_ledger().is_clean


def test_the_ledger_is_read_by_cursor(staff):
    bolt = ComponentFactory()
    put_on_shelf(bolt, 1)
    put_on_shelf(bolt, 2)
    answer = staff.get(f"{TRANSACTIONS}?page_size=1").json()
    assert (answer["count"], [row["quantity"] for row in answer["results"]]) == (None, ["2.0000"])
    assert staff.get(answer["next"]).json()["results"][0]["quantity"] == "1.0000"


LISTS = [
    "/api/v1/products",
    "/api/v1/inventory/materials",
    "/api/v1/inventory/lots",
    "/api/v1/inventory/locations",
    "/api/v1/inventory/balances",
    "/api/v1/inventory/transactions",
    "/api/v1/vendors",
]


def _add_rows(count):
    for number in range(count):
        place = LocationFactory(code=f"P-{Product.objects.count()}-{number}")
        product = ProductFactory()
        material = MaterialFactory()
        make_bom(product, (material, "0.1"))
        receive(material, "1", location=place, vendor=VendorFactory())


@pytest.mark.parametrize("path", LISTS)
def test_a_list_of_two_and_of_twenty_rows_costs_the_same(staff, path):
    counts = []
    for more in (2, 18):
        _add_rows(more)
        with CaptureQueriesContext(connection) as captured:
            answer = staff.get(path)
        assert answer.status_code == 200
        counts.append(len(captured))
    assert len(answer.json()["results"]) >= 20
    assert counts[0] == counts[1] <= 5


@pytest.mark.parametrize("quantity", ["0", "0.00001", str(10**9), f"-{10**9}", "NaN", "1e400", "many"])
@pytest.mark.parametrize("kind", ["receipt", "consumption", "adjustment", "scrap", "transfer"])
def test_an_impossible_quantity_moves_nothing(staff, kind, quantity):
    bolt = ComponentFactory()
    LocationFactory(code="RACK")
    put_on_shelf(bolt, 5)
    before = InventoryTransaction.objects.count()
    body = {"transaction_type": kind, "product_sku": bolt.sku, "quantity": quantity, "notes": "count"}
    answer = staff.post(TRANSACTIONS, {**body, "target_location": "RACK"})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "VALID_001")
    assert InventoryTransaction.objects.count() == before
    assert verify_ledger().is_clean
