"""Units in the console's forms: offered while one types, the purchase unit where nothing is typed."""

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from blb3d.accounts.tests.factories import SuperuserFactory
from inventory import services as inventory
from inventory.models import Product, PurchaseOrder, VendorItem
from inventory.services import PurchaseLineSpec, UnitSpec
from inventory.tests.factories import MaterialFactory, VendorFactory, system_actor
from inventory.tests.test_admin import shown, url

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def console() -> Client:
    client = Client()
    client.force_login(SuperuserFactory())
    return client


def by_the_spool() -> Product:
    pla = MaterialFactory()
    return inventory.set_product_units(pla, [UnitSpec("spool", D("0.75"))], purchase_unit="spool", actor=system_actor())


def order(console: Client, product: Product, unit: str) -> Any:
    line = {"line_number": "1", "product": product.pk, "unit_of_measure": unit, "quantity": "4", "unit_price": "20"}
    form = {"vendor": VendorFactory().pk, "currency": "USD", "lines-TOTAL_FORMS": "1", "lines-INITIAL_FORMS": "0"}
    form |= {"freight": "0", "tax": "0"} | {f"lines-0-{name}": value for name, value in line.items()}
    return console.post(url(PurchaseOrder, "add"), form)


def test_an_empty_unit_is_what_the_product_is_bought_in(console: Client) -> None:
    answer = order(console, by_the_spool(), "")
    assert answer.status_code == 302
    line = PurchaseOrder.objects.get().lines.get()
    assert (line.quantity, line.unit_of_measure) == (D(4), "spool")


def test_a_unit_that_the_product_does_not_have_is_refused_with_those_that_it_has(console: Client) -> None:
    pla = by_the_spool()
    page = shown(order(console, pla, "pallet"))
    assert f"{pla.sku} has no unit pallet; it has kg, spool, g." in page
    assert not PurchaseOrder.objects.exists()


def test_all_lines_offer_the_units_of_their_products_by_one_query(console: Client) -> None:
    counts = []
    for many in (1, 5):
        lines = [PurchaseLineSpec(by_the_spool(), D(1), "spool", D(20)) for _ in range(many)]
        written = inventory.create_purchase_order(VendorFactory(), lines=lines, actor=system_actor())
        console.get(url(written, "change"))
        with CaptureQueriesContext(connection) as captured:
            page = shown(console.get(url(written, "change")))
        counts.append(sum("product_units" in query["sql"] for query in captured))
        assert page.count('<option value="spool">spool (0.75 kg)</option>') == many
    assert counts == [1, 1]


def test_terms_of_a_vendor_are_in_one_of_the_products_units(console: Client) -> None:
    pla, vendor = by_the_spool(), VendorFactory()
    form = {"vendor": vendor.pk, "product": pla.pk, "unit": "pallet", "minimum_quantity": "2", "order_multiple": "0"}
    form |= {"is_active": "on", "prices-TOTAL_FORMS": "0", "prices-INITIAL_FORMS": "0"}
    assert "has no unit pallet" in shown(console.post(url(VendorItem, "add"), form))
    assert not VendorItem.objects.exists()
    assert console.post(url(VendorItem, "add"), {**form, "unit": ""}).status_code == 302
    item = VendorItem.objects.get()
    assert item.unit == "spool"
    assert '<option value="spool">spool (0.75 kg)</option>' in shown(console.get(url(item, "change")))
