"""The pages of material planning in a real browser: at a desk, on a phone, and without script."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone

from blb3d.accounts.tests.factories import SuperuserFactory
from blb3d.core.tests.browsing import DESK, PHONE, Window, browser_marks, windows
from inventory.models import VendorItem
from inventory.tests.factories import (
    ComponentFactory,
    MaterialFactory,
    ProductFactory,
    VendorFactory,
    make_bom,
    put_on_shelf,
    system_actor,
)
from production.models import Forecast, PlanLate
from production.services import mrp
from production.tests.factories import draft
from sales.tests.factories import placed

pytestmark = browser_marks


@pytest.fixture
def addresses(transactional_db: None) -> dict[str, str]:
    """Return the pages of a farm that has to buy and to make, goes late with a customer, and has an order too many."""
    today = timezone.localdate()

    def day(number: int) -> datetime.date:
        return today + datetime.timedelta(days=number)

    house, bolts = VendorFactory(code="FIL-HOUSE", name="Filament House"), VendorFactory(code="BOLTS", name="Bolts Ltd")
    filament = MaterialFactory(sku="PLA-BLACK", name="PLA Black", safety_stock=Decimal(2))
    screw, spring = ComponentFactory(sku="SCREW-M3", name="Screw M3"), ComponentFactory(sku="SPRING", name="Spring")
    for vendor, product, days in ((house, filament, 5), (bolts, screw, 9), (bolts, spring, 3)):
        VendorItem.objects.create(
            vendor=vendor, product=product, unit=product.unit_of_measure, lead_time_days=days, order_multiple=Decimal(1)
        )
    arm = ProductFactory(sku="ARM", name="Lamp arm", lead_time_days=2)
    make_bom(arm, (filament, "0.05"), (screw, 4), (spring, 1))
    lamp = ProductFactory(sku="LAMP", name="Desk lamp", lead_time_days=3)
    make_bom(lamp, (filament, "0.1"), (arm, 2))
    draft(lamp, 10, due_date=day(20))
    Forecast.objects.create(product=lamp, starts_on=day(6), ends_on=day(12), quantity=Decimal(4))
    order = placed((screw, 40))
    order.promised_date = day(4)
    order.save()
    box = ProductFactory(sku="BOX", name="Gift box", lead_time_days=1)
    put_on_shelf(ComponentFactory(sku="CARD", name="Cardboard"), 100)
    make_bom(box, (ComponentFactory(sku="TAPE", name="Tape"), "0.5"))
    mrp.run_mrp(cause="every night", actor=system_actor())
    draft(box, 5, source_type="stock", due_date=day(30))
    run = mrp.run_mrp(cause="asked for", actor=system_actor())
    late = PlanLate.objects.filter(run=run).order_by("id")[0]
    return {
        "plan": "/admin/mrp/",
        "product": f"/admin/mrp/product/{filament.pk}/",
        "late": f"/admin/mrp/late/{late.pk}/",
        "what-if": f"/admin/mrp/what-if/?extra_product=LAMP&extra_quantity=5&extra_due={day(2)}",
        "runs": "/admin/mrp/runs/",
    }


@pytest.fixture
def open_window(live_server: Any, addresses: dict[str, str]) -> Iterator[Callable[..., Window]]:
    client = Client()
    client.force_login(SuperuserFactory())
    cookie = client.cookies[django_settings.SESSION_COOKIE_NAME]
    visit = {"name": cookie.key, "value": cookie.value, "url": live_server.url}
    with windows(live_server.url, Window) as opened:
        yield lambda size, **given: opened(size, cookies=[visit], **given)


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_every_page_of_planning_fits_the_window(
    open_window: Callable[..., Window], addresses: dict[str, str], size: tuple[int, int]
) -> None:
    window = open_window(size)
    for name, address in addresses.items():
        window.go(address)
        window.page.wait_for_selector(".doc__number")
        window.keep(name)
    assert window.errors == []


def test_what_is_ticked_is_released_by_one_click(open_window: Callable[..., Window]) -> None:
    window = open_window(PHONE)
    window.go("/admin/mrp/?q=SPRING")
    window.page.check("input[name=chosen] >> nth=0")
    window.page.click("button[value=release]")
    window.page.wait_for_selector("text=Written as drafts: PUR-")
    window.page.wait_for_selector("text=Nothing planned fits the filter.")
    window.keep("released")
    assert window.errors == []
