"""A morning at the demo farm: work in every queue, so that the first look at the console shows what it is for.

Loaded once; everything goes through verbs.
"""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path

from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.demo.seed import USERS
from inventory.models import Product
from production import services as production
from quotes import services as quotes
from quotes.services import QuoteRequest, Upload
from sales import services as sales
from sales.models import Address, Customer, SalesOrder, SalesOrderLine
from sales.services import LineDraft, OrderDraft

MODEL = Path(__file__).resolve().parents[2] / "quotes" / "modelfiles" / "samples" / "bracket.3mf"
#: Of the order by phone, the first that is loaded.
PO_NUMBER = "CL-2025-118"
CLINIC = Address(
    line1="500 Clinic Drive", city="Indianapolis", state="IN", zip="46202", name="Purchasing", company="Clinic Example"
)


def load() -> bool:
    """Load the backlog into a farm that does not have it yet; tell whether it did."""
    if SalesOrder.objects.filter(customer_po_number=PO_NUMBER).exists():
        return False
    desk = User.objects.get(email=USERS[2].email)
    _order_by_phone(desk)
    _order_with_an_unknown_sku()
    _order_for_the_shelf(desk)
    _quotes()
    return True


def _order_by_phone(desk: User) -> None:
    """Two lines for a customer on the phone, confirmed by hand: on the way to the printers."""
    order = sales.place_order(
        OrderDraft(
            source=SalesOrder.Source.MANUAL,
            customer=Customer.objects.get(email="parts@clinic.example"),
            lines=[_line("FG-00040", 6), _line("FG-00008", 12)],
            shipping=CLINIC,
            customer_po_number=PO_NUMBER,
            promised_date=timezone.localdate() + datetime.timedelta(days=6),
        ),
        actor=desk,
    )
    sales.confirm_order(order, actor=desk, reason="Confirmed on the phone")


def _order_with_an_unknown_sku() -> None:
    """A shop's order with something that nobody has mapped yet: held, and nothing of it is lost."""
    shop = User.objects.system("squarespace")
    order = sales.place_order(
        OrderDraft(
            source=SalesOrder.Source.SQUARESPACE,
            source_order_id="demo-unmapped-1",
            source_order_number="0998",
            customer=sales.customer_for_buyer(email="buyer998@shop.example", name="Shop Buyer", actor=shop),
            lines=[
                _line("FG-00022", 1),
                LineDraft(
                    product=None,
                    quantity=2,
                    unit_price=Decimal("14.00"),
                    name="Desk Gecko",
                    supply=SalesOrderLine.Supply.UNMAPPED,
                    external_sku="SQ-GECKO",
                    external_product_id="3b1f6f58-08a0-4d5c-9d40-000000000098",
                ),
            ],
        ),
        actor=shop,
    )
    sales.record_payment(order, amount=order.grand_total, method="squarespace", reference="0998", actor=shop)


def _order_for_the_shelf(desk: User) -> None:
    """Cable clips to fill the shelf."""
    clips = production.make_stock_order(
        Product.objects.get(sku="FG-00031"), quantity=48, notes="Shelf is empty", actor=User.objects.system("demo")
    )
    production.confirm_production_orders([clips], actor=User.objects.system("demo"))


def _quotes() -> None:
    """One quote for a person to review, one for the customer to accept."""
    buyer = User.objects.get(email=USERS[-1].email)
    for name, quantity, wish in (
        ("Wall bracket", 25, "Please deburr the holes."),
        ("Cable bracket", 8, ""),
    ):
        quotes.create_quote(
            QuoteRequest(
                files=[Upload(MODEL.name, MODEL.read_bytes(), "model/3mf")],
                material_type="PETG",
                color="Black",
                quantity=quantity,
                user=buyer,
                customer=buyer.customer_user.customer,
                product_name=name,
                special_instructions=wish,
            ),
            actor=buyer,
        )


def _line(sku: str, quantity: int) -> LineDraft:
    product = Product.objects.get(sku=sku)
    assert product.list_price is not None
    return LineDraft(product=product, quantity=quantity, unit_price=product.list_price)
