"""Stock and catalogue in the console: every change is a verb."""

import io
import zipfile
from decimal import Decimal
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from blb3d.accounts.models import User
from blb3d.accounts.tests.factories import SuperuserFactory
from inventory.models import (
    BOM,
    Inventory,
    InventoryTransaction,
    MaterialLot,
    PrintFile,
    Product,
    ProductPlate,
    PurchaseOrder,
    Spool,
)
from inventory.selectors import available, verify_ledger
from inventory.tests.factories import (
    ComponentFactory,
    LocationFactory,
    MaterialFactory,
    ProductFactory,
    VendorFactory,
    make_bom,
    make_plate,
    put_on_shelf,
    receive,
)

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def boss() -> User:
    return SuperuserFactory()


@pytest.fixture
def console(boss) -> Client:
    client = Client()
    client.force_login(boss)
    return client


def url(obj: Any, name: str, *more: Any) -> str:
    opts = obj._meta
    pk = [obj.pk] if not isinstance(obj, type) else []
    return reverse(f"admin:{opts.app_label}_{opts.model_name}_{name}", args=[*pk, *more])


def act(console: Client, obj: Any, name: str, **answers: Any) -> Any:
    """Press a button and answer what its page asks."""
    data = {"_version": getattr(obj, "version", ""), "_answered": "1", **answers}
    return console.post(url(obj, "verb", name), data, follow=True)


def shown(response: Any) -> str:
    return response.content.decode()


PRODUCT: dict[str, Any] = {
    "sku": "m-00044",
    "name": "PLA Orange",
    "category": "material",
    "type": "standard",
    "unit_of_measure": "kg",
    "is_active": "on",
    "unit_cost": "12",
    "price_per_kg": "16.99",
    "drying_celsius": "0",
    "drying_hours": "0",
    "open_hours": "0",
    "replenishment": "buy",
    "lead_time_days": "7",
    "reorder_point": "1",
    "safety_stock": "0",
    "minimum_quantity": "0",
    "order_multiple": "0",
    "period_of_supply_days": "0",
    "yield_percent": "100",
    "units-TOTAL_FORMS": "0",
    "units-INITIAL_FORMS": "0",
    "files-TOTAL_FORMS": "0",
    "files-INITIAL_FORMS": "0",
    "material_type": "pla",
    "color_hex": "ff6a13",
}


def test_a_product_is_created_and_changed_by_its_verbs(console, boss):
    assert console.post(url(Product, "add"), PRODUCT).status_code == 302
    product = Product.objects.get()
    assert (product.sku, product.material_type, product.color_hex) == ("M-00044", "PLA", "FF6A13")
    assert product.created_by == boss
    taken = console.post(url(Product, "add"), PRODUCT)
    assert "sku" in shown(taken).lower()
    changed = console.post(url(product, "change"), {**PRODUCT, "unit_cost": "13.5", "_version": 1})
    assert changed.status_code == 302
    product.refresh_from_db()
    assert (product.unit_cost, product.color_hex, product.version) == (D("13.5"), "FF6A13", 2)


def test_a_bill_is_written_as_text_from_the_present_one(console):
    cup, pla, bolt = ProductFactory(), MaterialFactory(), ComponentFactory()
    make_bom(cup, (pla, "0.1"))
    page = console.post(url(cup, "verb", "set_bom"), {"_version": 1})
    assert f"{pla.sku} 0.1 kg" in shown(page)
    for wrong in (f"{pla.sku} much g", "NOTHING 1 g", f"{pla.sku} 1"):
        assert "Line 1" in shown(act(console, cup, "set_bom", lines=wrong))
    act(console, cup, "set_bom", lines=f"{pla.sku} 125.5 g 5\n\n{bolt.sku.lower()} 4 each")
    bom = BOM.objects.get(product=cup, is_active=True)
    assert (bom.revision, bom.created_by) == (2, SuperuserFactory._meta.model.objects.get(is_superuser=True))
    assert list(bom.lines.values_list("component_id", "quantity", "scrap_percent")) == [
        (pla.pk, D("0.1255"), D(5)),
        (bolt.pk, D(4), D(0)),
    ]


def test_plates_are_written_one_a_line(console):
    cup, pla = ProductFactory(), MaterialFactory()
    for wrong in ("x 5", f"1 60 {pla.sku}:many", "1 60 NOTHING:5"):
        assert "Line 1" in shown(act(console, cup, "set_plates", plates=wrong))
    act(console, cup, "set_plates", plates=f"4 210 {pla.sku}:162.5\n1 30")
    first, second = ProductPlate.objects.filter(product=cup)
    assert (first.parts_per_plate, first.estimated_minutes, second.plate_number) == (4, D(210), 2)
    assert first.filaments.get().grams == D("162.5")


def test_a_print_file_is_attached_released_and_withdrawn(console, boss):
    plate = make_plate(ProductFactory())
    act(
        console,
        plate,
        "attach_print_file",
        printer_model="P1S",
        file=SimpleUploadedFile("cup.gcode.3mf", b"G1 X9"),
        minutes="61",
        grams="42.5",
        sliced_by="Orca 2.2",
    )
    file = PrintFile.objects.get()
    assert (file.size_bytes, file.released_at) == (5, None)
    act(console, file, "release")
    file.refresh_from_db()
    assert file.released_by == boss
    assert "reason" in shown(act(console, file, "withdraw", reason=""))
    act(console, file, "withdraw", reason="wrong nozzle")
    file.refresh_from_db()
    assert file.withdrawn_at is not None


def test_a_lot_is_received_and_then_keeps_what_the_receipt_said(console):
    LocationFactory()
    pla = MaterialFactory()
    data = {
        "product": pla.pk,
        "lot_number": "L-9",
        "quantity_received": "1.5",
        "unit_cost": "12",
        "received_date_0": "2025-03-01",
        "received_date_1": "08:00:00",
    }
    assert console.post(url(MaterialLot, "add"), data).status_code == 302
    lot = MaterialLot.objects.get()
    assert (lot.quantity_remaining, available([pla.pk])[pla.pk]) == (D("1.5"), D("1.5"))
    answer = console.post(
        url(lot, "change"), {"vendor_lot_number": "V-1", "quantity_received": "99", "_version": lot.version}
    )
    assert answer.status_code == 302
    lot.refresh_from_db()
    assert (lot.vendor_lot_number, lot.quantity_received, lot.quantity_remaining) == ("V-1", D("1.5"), D("1.5"))
    act(console, lot, "quarantine", reason="moist")
    lot.refresh_from_db()
    assert lot.status == "QUARANTINE"
    act(console, lot, "release")
    lot.refresh_from_db()
    assert lot.status == "ACTIVE"
    assert verify_ledger().is_clean


def test_a_balance_is_corrected_moved_and_scrapped_but_never_edited(console):
    bolt, rack = ComponentFactory(), LocationFactory(code="RACK")
    put_on_shelf(bolt, 10)
    balance = Inventory.objects.get()
    act(console, balance, "adjust", quantity_change="-1", reason="count")
    act(console, balance, "transfer", quantity="3", target=rack.pk, reason="")
    act(console, balance, "scrap", quantity="2", reason="bent")
    refused = act(console, balance, "scrap", quantity="100", reason="bent")
    assert "STOCK_001" in shown(refused)
    balance.refresh_from_db()
    assert (balance.on_hand_quantity, available([bolt.pk])[bolt.pk]) == (D(4), D(7))
    row = InventoryTransaction.objects.first()
    for obj in (balance, row):
        assert console.post(url(obj, "change"), {"on_hand_quantity": "9"}).status_code == 403
        assert console.post(url(obj, "delete")).status_code == 403
    assert verify_ledger().is_clean


def test_a_purchase_order_goes_from_draft_to_stock(console):
    LocationFactory()
    pla, bolt, vendor = MaterialFactory(), ComponentFactory(), VendorFactory()
    data = {
        "vendor": vendor.pk,
        "currency": "USD",
        "lines-TOTAL_FORMS": "2",
        "lines-INITIAL_FORMS": "0",
        "lines-0-line_number": "1",
        "lines-0-product": pla.pk,
        "lines-0-quantity": "2000",
        "lines-0-unit_of_measure": "g",
        "lines-0-unit_price": "0.0145",
        "lines-1-line_number": "2",
        "lines-1-product": bolt.pk,
        "lines-1-quantity": "50",
        "lines-1-unit_of_measure": "each",
        "lines-1-unit_price": "0.10",
    }
    assert console.post(url(PurchaseOrder, "add"), data).status_code == 302
    order = PurchaseOrder.objects.get()
    assert (order.po_number.startswith("PUR-"), order.lines.count()) == (True, 2)
    act(console, order, "order")
    order.refresh_from_db()
    filament, bolts = order.lines.all()
    asked = console.post(url(order, "verb", "receive"), {"_version": order.version})
    assert "2000" in shown(asked)
    act(
        console,
        order,
        "receive",
        **{f"quantity_{filament.pk}": "500", f"lot_{filament.pk}": "F-1", f"quantity_{bolts.pk}": ""},
    )
    order.refresh_from_db()
    assert (order.status, available([pla.pk])[pla.pk]) == ("partially_received", D("0.5"))
    act(console, order, "receive", **{f"quantity_{filament.pk}": "1500", f"quantity_{bolts.pk}": "50"})
    order.refresh_from_db()
    assert order.status == "received"
    assert available([pla.pk, bolt.pk]) == {pla.pk: D(2), bolt.pk: D(50)}


def test_bills_plates_and_files_are_only_shown(console):
    cup, pla = ProductFactory(), MaterialFactory()
    receive(pla, "1")
    for obj in (make_bom(cup, (pla, "0.1")), make_plate(cup, grams={pla: "80"})):
        assert console.get(url(obj, "change")).status_code == 200
        assert console.get(url(type(obj), "add")).status_code == 403
        assert console.post(url(obj, "change"), {"is_active": ""}).status_code == 403


def test_a_print_file_over_the_limit_is_refused_and_not_kept_empty(console, settings):
    settings.MAX_UPLOAD_SIZE_MB = 1
    plate = make_plate(ProductFactory(name="Cup"))
    answers = {"printer_model": "P1S", "minutes": "61", "grams": "42.5", "sliced_by": "Orca 2.2"}
    file = SimpleUploadedFile("large.gcode.3mf", b"x" * 2_000_000)
    page = act(console, plate, "attach_print_file", **answers, file=file)
    assert "It is larger than 1 MB." in shown(page)
    assert PrintFile.objects.count() == 0


def test_a_print_file_shows_what_the_slicer_drew_and_warned_of(console, tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path
    picture = b"\x89PNG\r\n\x1a\n-drawn"
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as file:
        file.writestr("Metadata/plate_1.png", picture)
    plate = make_plate(ProductFactory(name="Cup"))
    answers = {"printer_model": "P1S", "minutes": "61", "grams": "42.5", "sliced_by": "Orca 2.2"}
    for name, content in (("drawn", package.getvalue()), ("bare", b"G1 X9")):
        act(console, plate, "attach_print_file", **answers, file=SimpleUploadedFile(f"{name}.gcode.3mf", content))
    drawn, bare = PrintFile.objects.order_by("id")
    PrintFile.objects.filter(pk=drawn.pk).update(warnings=["Floating region", "Thin wall"])
    door = reverse("admin:inventory_printfile_picture", args=[drawn.pk])
    page = shown(console.get(url(drawn, "change")))
    assert "Cup for P1S" in page
    assert "Floating region<br>Thin wall" in page
    assert door in page
    assert console.get(door).content == picture
    assert console.get(reverse("admin:inventory_printfile_picture", args=[bare.pk])).status_code == 404


def test_a_reel_is_entered_with_the_id_that_both_of_its_tags_tell(console):
    lot = receive(MaterialFactory(), "1")
    answers = {"label": "S-7", "lot": lot.pk, "tare_grams": "220", "remaining_grams": "740", "tray_uuid": "A1B2C3"}
    assert console.post(url(Spool, "add"), answers).status_code == 302
    assert Spool.objects.get().tray_uuid == "A1B2C3"
    assert "S-7" in shown(console.get(url(Spool, "changelist"), {"q": "A1B2C3"}))
