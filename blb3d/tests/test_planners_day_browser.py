"""A planner's day in a real browser: what is short and for whom, decided, ordered, received, and short no more."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from blb3d.accounts.roles import sync_roles
from blb3d.accounts.tests.factories import UserFactory
from blb3d.core.tests.browsing import DESK, PHONE, Window, browser_marks, windows
from inventory import services as inventory
from inventory.models import MaterialLot, PurchaseOrder, VendorItem, VendorPrice
from inventory.selectors import verify_ledger
from inventory.tests.factories import LocationFactory, MaterialFactory, VendorFactory, system_actor
from production.models import FirmOrder
from production.tests.factories import printable, stock
from sales.tests.factories import placed

pytestmark = browser_marks

CERTIFICATE = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"


@pytest.fixture
def farm(transactional_db: None) -> dict[str, Any]:
    """A customer waits for twelve housings, for which half of the filament is there; spools come in five days."""
    sync_roles()
    LocationFactory(is_default=True)
    filament = MaterialFactory(sku="PETG-BLACK", name="PETG Black", material_type="PETG", is_lot_tracked=True)
    inventory.set_product_units(filament, [inventory.UnitSpec("spool", Decimal(1))], actor=system_actor())
    house = VendorFactory(code="FIL-HOUSE", name="Filament House", email="orders@filament-house.example")
    item = VendorItem.objects.create(
        vendor=house,
        product=filament,
        vendor_sku="PETG-BK-1000",
        unit="spool",
        lead_time_days=5,
        minimum_quantity=Decimal(2),
        order_multiple=Decimal(1),
        is_preferred=True,
    )
    VendorPrice.objects.create(item=item, unit_price=Decimal("20.39"))
    VendorPrice.objects.create(item=item, minimum_quantity=Decimal(10), unit_price=Decimal("18.50"))
    housing = printable(sku="HOUSING", name="Sensor housing", material=filament, grams=Decimal(250))
    stock(filament, "1.5")
    order = placed((housing, 12))
    today = timezone.localdate()
    order.promised_date = today + datetime.timedelta(days=4)
    order.save()
    order.production_orders.update(due_date=order.promised_date)
    return {"order": order, "filament": filament}


@pytest.fixture
def as_manager(live_server: Any, farm: dict[str, Any]) -> Callable[[], Any]:
    """Opens windows of the farm's manager; the database is asked when they are closed."""
    manager = UserFactory(is_staff=True)
    manager.groups.add(Group.objects.get(name="manager"))
    client = Client()
    client.force_login(manager)
    cookie = client.cookies[django_settings.SESSION_COOKIE_NAME]
    given = {"name": cookie.key, "value": cookie.value, "url": live_server.url}

    @contextmanager
    def opened(size: tuple[int, int]) -> Iterator[Window]:
        with windows(live_server.url, Window) as open_window:
            yield open_window(size, cookies=[given])

    return opened


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_a_shortage_is_read_decided_ordered_received_and_gone(
    as_manager: Callable[..., Any], farm: dict[str, Any], size: tuple[int, int]
) -> None:
    number = farm["order"].order_number
    with as_manager(size) as window:
        _work(window, number)
        assert window.errors == []
    firm = FirmOrder.objects.get()
    assert number in firm.why
    order = PurchaseOrder.objects.get()
    [line] = order.lines.all()
    assert (line.quantity, line.unit_of_measure, line.unit_price) == (2, "spool", Decimal("20.39"))
    lot = MaterialLot.objects.get(vendor_lot_number="FH-88412")
    assert lot.lot_number.startswith("LOT-")
    assert (lot.quantity_remaining, lot.unit_cost, lot.purchase_order) == (2, Decimal("20.39"), order)
    with lot.coa_document_path.open("rb") as kept:
        assert kept.read() == CERTIFICATE
    assert verify_ledger().is_clean


def _work(window: Window, number: str) -> None:
    page = window.page
    window.go("/admin/mrp/")
    page.click("button:has-text('Plan now')")
    page.wait_for_selector("text=What is short, and whose order it endangers")
    short = page.locator("tr:has-text('PETG-BLACK')")
    assert number in short.nth(0).inner_text()
    proposal = page.locator("tr:has-text('Buy')")
    assert "Buy 2 kg PETG-BLACK" in proposal.inner_text()
    assert number in proposal.inner_text()
    window.keep("planned")

    page.click("tr:has-text('Buy') >> a:has-text('PETG-BLACK')")
    page.wait_for_selector(f"text={number}")
    window.keep("why")
    page.go_back()

    page.check("input[name=chosen]")
    page.click("button:has-text('Make firm')")
    page.wait_for_selector("text=The next runs take them as given")
    page.click("a:has-text('Firm orders')")
    page.click("#result_list tbody a >> nth=0")
    page.wait_for_selector("button:has-text('Release')")
    window.keep("firm")
    page.click("button:has-text('Release')")
    page.wait_for_selector("[data-status=released], .chip:has-text('released')")
    page.click("a:has-text('PUR-')")

    page.click(".doc__acts button:text-is('Order')")
    page.wait_for_selector(".doc__acts button:has-text('Receive')")
    window.keep("ordered")
    page.click(".doc__acts button:has-text('Receive')")
    page.fill("input[name^=vendor_lot_] >> nth=0", "FH-88412")
    page.set_input_files(
        "input[name^=certificate_] >> nth=0",
        {"name": "FH-88412.pdf", "mimeType": "application/pdf", "buffer": CERTIFICATE},
    )
    window.keep("receiving")
    page.click(".doc--ask .doc__acts button[type=submit]")
    page.wait_for_selector("text=1 of 1 lines here")
    window.keep("received")

    window.go("/admin/mrp/")
    page.click("button:has-text('Plan now')")
    page.wait_for_selector("text=Nothing has to be bought or made")
    assert page.locator("text=What is short").count() == 0
    window.keep("short-no-more")
