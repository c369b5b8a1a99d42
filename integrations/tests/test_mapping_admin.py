"""Staff complete a mapping in the console, and the orders that waited for it go on."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from blb3d.accounts.models import User
from blb3d.accounts.tests.factories import SuperuserFactory
from integrations.models import MarketplaceProductMapping
from inventory.tests.factories import MaterialFactory, ProductFactory, make_bom
from sales import services as sales
from sales.models import SalesOrder, SalesOrderLine
from sales.services import LineDraft, OrderDraft
from sales.tests.factories import CustomerFactory

pytestmark = pytest.mark.django_db


def test_saving_a_mapping_maps_the_waiting_line_and_confirms_the_paid_order(client: Client) -> None:
    shop = User.objects.system("squarespace")
    line = LineDraft(
        product=None,
        quantity=2,
        unit_price=Decimal("12.00"),
        name="Mystery",
        supply=SalesOrderLine.Supply.UNMAPPED,
        external_sku="NEW-1",
        external_product_id="variant-1",
    )
    draft = OrderDraft(source="squarespace", source_order_id="o-1", customer=CustomerFactory(), lines=[line])
    order = sales.place_order(draft, actor=shop)
    if order.status != "on_hold":
        order = sales.hold_order(order, actor=shop, reason="SKU NEW-1 is not mapped")
    sales.record_payment(order, amount=order.grand_total, method="squarespace", actor=shop)
    product = ProductFactory()
    make_bom(product, (MaterialFactory(), "0.05"))
    client.force_login(SuperuserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    page: Any = {
        "marketplace": "squarespace",
        "marketplace_product_id": "variant-1",
        "marketplace_sku": "NEW-1",
        "marketplace_name": "Mystery",
        "erp_product": product.pk,
        "is_active": "on",
        "lines-TOTAL_FORMS": "0",
        "lines-INITIAL_FORMS": "0",
    }
    answer = client.post(reverse("admin:integrations_marketplaceproductmapping_add"), page, follow=True)
    assert answer.status_code == 200
    assert MarketplaceProductMapping.objects.get().erp_product == product
    order = SalesOrder.objects.get()
    assert (order.status, order.lines.get().product) == ("confirmed", product)
    assert order.order_number in answer.content.decode()


@pytest.mark.parametrize("quantity", ["0", "-1", str(10**9), "NaN"])
def test_a_kit_of_an_impossible_quantity_is_not_saved(client: Client, quantity: str) -> None:
    client.force_login(SuperuserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    page: Any = {
        "marketplace": "squarespace",
        "marketplace_product_id": "variant-1",
        "is_active": "on",
        "lines-TOTAL_FORMS": "1",
        "lines-INITIAL_FORMS": "0",
        "lines-0-product": ProductFactory().pk,
        "lines-0-quantity": quantity,
    }
    answer = client.post(reverse("admin:integrations_marketplaceproductmapping_add"), page)
    assert answer.status_code == 200
    assert not MarketplaceProductMapping.objects.exists()
