"""Units, files and families of products in the console."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from blb3d.accounts.tests.factories import StaffFactory, SuperuserFactory
from inventory import services as inventory
from inventory.models import Product, ProductFamily, ProductFile, ProductVariant
from inventory.services import UnitSpec
from inventory.tests.factories import (
    ComponentFactory,
    MaterialFactory,
    ProductFactory,
    make_bom,
    receive,
    system_actor,
)
from inventory.tests.test_admin import PRODUCT, act, shown, url

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def console() -> Client:
    client = Client()
    client.force_login(SuperuserFactory())
    return client


def somebody(*codenames: str) -> Client:
    """Staff with these permissions of inventory."""
    user = StaffFactory()
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames, content_type__app_label="inventory"))
    client = Client()
    client.force_login(user)
    return client


def test_units_are_written_one_a_line_and_offered_where_units_are_chosen(console: Client) -> None:
    pla = MaterialFactory()
    for wrong in ("spool", "spool much", "kg 1", "spool 0"):
        page = shown(act(console, pla, "set_units", units=wrong))
        assert "Line 1" in page or "VALID" in page
    assert not pla.units.exists()
    act(console, pla, "set_units", units="spool 1\n\nbox 12.5")
    assert dict(pla.units.values_list("unit", "factor")) == {"spool": D(1), "box": D("12.5")}
    pla.refresh_from_db()
    page = shown(console.get(url(pla, "change")))
    assert '<option value="spool">spool (1 kg)</option>' in page
    assert ("12.5 kg" in page, "kg, used in g" in page) == (True, True)
    change = {**PRODUCT, "sku": pla.sku, "purchase_unit": "spool", "_version": str(pla.version)}
    change |= {"units-TOTAL_FORMS": "2", "units-INITIAL_FORMS": "2"}
    change |= {f"units-{n}-id": str(row.pk) for n, row in enumerate(pla.units.order_by("unit"))}
    assert console.post(url(pla, "change"), change).status_code == 302
    pla.refresh_from_db()
    assert pla.purchase_unit == "spool"
    assert "kg, bought in spool, used in g" in shown(console.get(url(pla, "change")))
    refused = console.post(url(pla, "change"), {**change, "purchase_unit": "pallet", "_version": str(pla.version)})
    assert refused.status_code == 200
    again = shown(console.post(url(pla, "verb", "set_units"), {"_version": pla.version}))
    assert "box 12.5\nspool 1" in again


def test_a_bill_takes_the_components_own_unit_in_the_console(console: Client) -> None:
    cup, bolt = ProductFactory(), ComponentFactory()
    inventory.set_product_units(bolt, [UnitSpec("strip", D(12))], actor=system_actor())
    act(console, cup, "set_bom", lines=f"{bolt.sku} 0.5 strip")
    assert cup.boms.get().lines.get().quantity == D(6)
    page = shown(act(console, cup, "set_bom", lines=f"{bolt.sku} 1 pallet"))
    assert f"{bolt.sku} has no unit pallet" in page


def upload(console: Client, product: Product, content: bytes = b"solid cup", **given: Any) -> Any:
    answers = {"kind": "model", "note": "", "printer_model": "", **given}
    return act(console, product, "add_file", file=SimpleUploadedFile("cup.stl", content), **answers)


def test_a_file_is_added_released_and_fetched(console: Client) -> None:
    cup = ProductFactory()
    upload(console, cup)
    row = ProductFile.objects.get()
    act(console, row, "release")
    row.refresh_from_db()
    assert row.state == "current"
    page = shown(console.get(url(cup, "change")))
    door = reverse("admin:inventory_productfile_download", args=[row.pk])
    assert (f'href="{door}"' in page, "cup.stl" in page) == (True, True)
    answer = console.get(door)
    assert b"".join(answer.streaming_content) == b"solid cup"
    assert answer["Content-Disposition"] == 'attachment; filename="cup.stl"'
    assert (answer["Content-Type"], answer["X-Content-Type-Options"]) == ("application/octet-stream", "nosniff")
    act(console, row, "withdraw", reason="wrong hole")
    row.refresh_from_db()
    assert row.state == "withdrawn"
    assert "MATERIAL_012" in shown(upload(console, cup, b"MZ program"))
    assert console.get(reverse("admin:inventory_productfile_download", args=[row.pk + 1])).status_code == 404


def test_only_who_may_gets_the_content() -> None:
    boss = Client()
    boss.force_login(SuperuserFactory())
    cup = ProductFactory()
    upload(boss, cup)
    door = reverse("admin:inventory_productfile_download", args=[ProductFile.objects.get().pk])
    looker = somebody("view_productfile", "view_product")
    assert looker.get(door).status_code == 403
    assert door not in shown(looker.get(url(cup, "change")))
    answer = somebody("view_productfile", "download_productfile").get(door)
    assert b"".join(answer.streaming_content) == b"solid cup"
    assert somebody("download_productfile").get(door).status_code == 403
    assert Client().get(door).status_code == 302
    assert looker.post(url(cup, "verb", "add_file"), {"_answered": "1"}).status_code == 403


def family(console: Client) -> ProductFamily:
    """A cup that varies in black PLA, founded in the console."""
    black = MaterialFactory(sku="M-BLACK", density_g_cm3=D("1.24"))
    cup = ProductFactory(sku="FG-CUP", list_price=D(10))
    make_bom(cup, (black, "0.1"))
    form = {"code": "cup", "name": "Cup", "template": cup.pk, "varying_material": black.pk, "is_active": "on"}
    assert console.post(url(ProductFamily, "add"), form).status_code == 302
    return ProductFamily.objects.get()


def test_what_is_ticked_in_the_matrix_is_shown_first_and_made_then(console: Client) -> None:
    cups = family(console)
    red = MaterialFactory(material_type="PETG", color_name="Red", color_hex="FF0000", density_g_cm3=D("1.27"))
    matrix = reverse("admin:inventory_productfamily_matrix", args=[cups.pk])
    page = console.get(matrix)
    assert [row["name"] for row in page.context["matrix"].rows] == ["PETG", "PLA"]
    assert [name for name, _ in page.context["matrix"].columns] == ["Black", "Red"]
    ticked = {"material": [red.pk, cups.varying_material_id], "surcharge_0": "1.50", "surcharge_1": ""}
    preview = console.post(matrix, {"step": "preview", **ticked})
    assert "CUP-PETG-RED" in shown(preview)
    assert not ProductVariant.objects.exists()
    made = console.post(matrix, {"step": "make", "expected": preview.context["expected"], **ticked}, follow=True)
    assert "2 made" in shown(made)
    assert dict(Product.objects.filter(sku__startswith="CUP-").values_list("sku", "list_price")) == {
        "CUP-PETG-RED": D("11.50"),
        "CUP-PLA-BLACK": D(10),
    }
    page = console.get(matrix)
    assert (page.context["matrix"].rows[0]["surcharge"], len(page.context["matrix"].chosen)) == (D("1.50"), 2)
    ticked["material"] = [red.pk]
    preview = console.post(matrix, {"step": "preview", **ticked})
    assert "switched off" in shown(preview)
    stale = console.post(matrix, {"step": "make", "expected": "another", **ticked})
    assert "Something changed meanwhile" in shown(stale)
    assert Product.objects.get(sku="CUP-PLA-BLACK").is_active
    console.post(matrix, {"step": "make", "expected": preview.context["expected"], **ticked})
    assert not Product.objects.get(sku="CUP-PLA-BLACK").is_active


def test_what_is_impossible_or_mistyped_is_said_and_nothing_is_made(console: Client) -> None:
    cups = family(console)
    unknown = MaterialFactory(material_type="PA-CF", density_g_cm3=None)
    matrix = reverse("admin:inventory_productfamily_matrix", args=[cups.pk])
    page = shown(console.post(matrix, {"step": "preview", "material": [unknown.pk]}))
    assert "has no density" in page
    assert "Please leave out what is impossible" in page
    assert "MATERIAL_013" in shown(console.post(matrix, {"step": "make", "material": [unknown.pk]}))
    page = shown(console.post(matrix, {"step": "make", "material": [cups.varying_material_id], "surcharge_1": "-1"}))
    assert "Surcharge on PLA" in page
    assert not ProductVariant.objects.exists()


def test_who_only_looks_makes_no_variants(console: Client) -> None:
    cups = family(console)
    matrix = reverse("admin:inventory_productfamily_matrix", args=[cups.pk])
    looker = somebody("view_productfamily")
    assert looker.get(matrix).status_code == 200
    assert looker.post(matrix, {"step": "make", "material": [cups.varying_material_id]}).status_code == 403
    assert somebody("view_product").get(matrix).status_code == 403
    assert not ProductVariant.objects.exists()
    assert console.get(reverse("admin:inventory_productfamily_matrix", args=[cups.pk + 1])).status_code == 404


def test_one_column_of_the_matrix_holds_all_shades_of_a_name(console: Client) -> None:
    cups = family(console)
    black = cups.varying_material
    shade = {"material_type": black.material_type, "color_name": black.color_name, "density_g_cm3": D("1.2")}
    other = MaterialFactory(sku="M-DEEP", color_hex="010101", **shade)
    matrix = console.get(reverse("admin:inventory_productfamily_matrix", args=[cups.pk])).context["matrix"]
    assert [name for name, _ in matrix.columns] == [black.color_name]
    ((cell,),) = [row["cells"] for row in matrix.rows]
    assert [(material, name) for material, name, *_ in cell] == [(black, "M-BLACK"), (other, "M-DEEP")]


def test_a_product_leads_to_its_stock_and_its_movements(console: Client) -> None:
    bolt, nut = ComponentFactory(), ComponentFactory()
    for part in (bolt, nut):
        receive(part, "3")
    page = shown(console.get(url(bolt, "change")))
    for name in ("inventory", "inventorytransaction"):
        target = f"{reverse(f'admin:inventory_{name}_changelist')}?product__id__exact={bolt.pk}"
        assert target in page
        assert (bolt.sku in (rows := shown(console.get(target))), nut.sku in rows) == (True, False)
