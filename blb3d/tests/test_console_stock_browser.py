"""Reorder, stock reports, a product's page and the matrix of variants in a real browser: at a desk and on a phone."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse

from blb3d.accounts.tests.factories import SuperuserFactory
from blb3d.core.tests.browsing import DESK, PHONE, Window, browser_marks, windows
from inventory import services as inventory
from inventory.models import Product, ProductFamily, VendorItem
from inventory.tests.factories import (
    ComponentFactory,
    MaterialFactory,
    ProductFactory,
    VendorFactory,
    make_bom,
    make_plate,
    put_on_shelf,
    receive,
    system_actor,
)

pytestmark = browser_marks
D = Decimal
COLOURS = [("Black", "000000"), ("Jade White", "F4F4EE"), ("Signal Red", "D02020"), ("Sky", "56B7E6")]


@pytest.fixture
def shop(transactional_db: None) -> ProductFamily:
    """Filaments of two types in four colours, some short; a cup, its file, and a family of it."""
    actor = system_actor()
    vendor = VendorFactory(name="Acme Filaments")
    for kind, density in (("PLA", "1.24"), ("PETG", "1.27")):
        for number, (name, color) in enumerate(COLOURS):
            material = MaterialFactory(
                sku=f"M-{kind}-{number}",
                name=f"{kind} {name}",
                material_type=kind,
                color_name=name,
                color_hex=color,
                density_g_cm3=D(density),
                reorder_point=D(3),
                unit_cost=D("19.9"),
            )
            receive(material, "1.25" if number % 2 else "6")
            inventory.set_product_units(
                material, [inventory.UnitSpec("spool", D(1))], purchase_unit="spool", actor=actor
            )
            VendorItem.objects.create(vendor=vendor, product=material, unit="spool", minimum_quantity=D(2))
    black, magnet = Product.objects.get(sku="M-PLA-0"), ComponentFactory(sku="C-MAGNET", name="Magnet 6 x 3 mm")
    put_on_shelf(magnet, 40)
    cup = ProductFactory(
        sku="FG-CUP",
        name="Pen cup",
        replenishment=Product.Replenishment.MAKE_TO_STOCK,
        reorder_point=D(20),
        list_price=D("9.90"),
    )
    make_bom(cup, (black, "0.085"), (magnet, 2))
    make_plate(cup, parts=4, minutes=260, grams={black: "340"})
    file = inventory.add_product_file(
        cup, io.BytesIO(b"solid cup"), kind="model", file_name="pen-cup-final.stl", actor=actor
    )
    inventory.release_product_file(file, actor=actor)
    return inventory.create_family(code="CUP", name="Pen cup", template=cup, varying_material=black, actor=actor)


@pytest.fixture
def visit(live_server: Any, shop: ProductFamily) -> Iterator[Callable[..., Window]]:
    """Opens windows of somebody who may do everything."""
    client = Client()
    client.force_login(SuperuserFactory())
    name = django_settings.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": client.cookies[name].value, "url": live_server.url}
    with windows(live_server.url, Window) as open_window:
        yield lambda size: open_window(size, cookies=[cookie])


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_what_is_short_is_bought_and_reports_are_read(visit: Callable[..., Window], size: tuple[int, int]) -> None:
    window = visit(size)
    window.go(reverse("console-reorder"))
    window.page.wait_for_selector("text=FG-CUP")
    window.keep("reorder")
    window.page.click("button:has-text('Buy what is ticked')")
    window.page.wait_for_selector("text=is written as a draft")
    window.keep("bought")
    assert window.page.locator("text=M-PETG-1").count() == 0
    for by in ("location", "lot", "age", "slow"):
        window.go(f"{reverse('console-stock-reports')}?by={by}")
        window.page.wait_for_selector("table.sheet")
        window.keep(f"stock-by-{by}")
    window.go(reverse("console-standard-costs"))
    window.page.wait_for_selector("text=FG-CUP")
    window.keep("standard-costs")
    window.page.click("button:has-text('Write these costs')")
    window.page.wait_for_selector("text=1 standard costs were written.")
    window.page.wait_for_selector("text=Every standard cost is what its bill of materials says.")
    assert window.errors == []


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_family_is_made_in_what_is_ticked(
    visit: Callable[..., Window], shop: ProductFamily, size: tuple[int, int]
) -> None:
    window = visit(size)
    window.go(reverse("admin:inventory_product_change", args=[shop.template_id]))
    window.page.wait_for_selector("text=pen-cup-final.stl")
    window.keep("product")
    window.go(reverse("admin:inventory_productfamily_matrix", args=[shop.pk]))
    for label in ("PLA Black", "PLA Sky", "PETG Signal Red"):
        window.page.check(f"input[aria-label^='{label}']")
    window.fill({"surcharge_0": "1.50"})
    window.keep("matrix")
    window.page.click("button:has-text('Show what will be made')")
    window.page.wait_for_selector("text=CUP-PETG-SIGNAL-RED")
    window.keep("matrix-preview")
    window.page.click("button:has-text('Make 3 of 3')")
    window.page.wait_for_selector("text=CUP: 3 made.")
    window.keep("family")
    assert window.page.locator("text=3 in the matrix, 0 out of it").count() == 1
    assert window.errors == []
