"""Quotes for tests, made through the real verbs from real model files."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from blb3d.accounts.models import User
from inventory.models import Product
from inventory.tests.factories import LocationFactory, MaterialFactory, receive
from quotes import services as quotes
from quotes.modelfiles.make import BRACKET, box, write_3mf
from quotes.models import Quote
from sales.models import CustomerUser
from sales.tests.factories import CustomerFactory, CustomerUserFactory, UserFactory
from sales.tests.factories import system_actor as system_actor


def materials() -> dict[str, Product]:
    """Return black and white PLA and grey PETG, all in stock."""
    LocationFactory()
    rows = {
        "black": MaterialFactory(color_name="Black", color_hex="000000"),
        "white": MaterialFactory(color_name="White", color_hex="FFFFFF", price_per_kg=Decimal("18.50")),
        "petg": MaterialFactory(
            material_type="PETG", color_name="Grey", color_hex="808080", density_g_cm3=Decimal("1.27")
        ),
    }
    for product in rows.values():
        receive(product, 10)
    return rows


def member(role: str = CustomerUser.Role.ADMIN, **fields: Any) -> CustomerUser:
    """Return a customer's user."""
    return CustomerUserFactory(role=role, **fields)


def bracket(name: str = "bracket.3mf") -> quotes.Upload:
    """Return the sample part as an upload."""
    return quotes.Upload(name, BRACKET.read_bytes(), "model/3mf")


def cube(side: float = 20, name: str = "cube.3mf", unit: str = "millimeter") -> quotes.Upload:
    """Return a cube as an upload."""
    return quotes.Upload(name, write_3mf([("Cube", *box(side, side, side))], unit=unit), "model/3mf")


def request(buyer: CustomerUser | None = None, **fields: Any) -> quotes.QuoteRequest:
    """Return a request for one PLA bracket."""
    fields.setdefault("files", [bracket()])
    fields.setdefault("material_type", "PLA")
    fields.setdefault("quantity", 1)
    if buyer is not None:
        fields = {"user": buyer.user, "customer": buyer.customer, **fields}
    return quotes.QuoteRequest(**fields)


def quoted(buyer: CustomerUser | None = None, **fields: Any) -> Quote:
    """Return a quote for a customer's user."""
    buyer = buyer or member()
    return quotes.create_quote(request(buyer, **fields), actor=buyer.user)


def priced_at(net: Decimal | str | int, *, customer: Any = None, **fields: Any) -> Quote:
    """Return a draft with this net price, whatever it would really cost; for rules that look at the price alone."""
    net = Decimal(net)
    customer = customer or CustomerFactory()
    defaults: dict[str, Any] = {
        "quote_number": f"Q-T-{Quote.all_objects.count() + 1:03d}",
        "customer": customer,
        "product_name": "Part",
        "material_type": "PLA",
        "quantity": 1,
        "unit_price": net,
        "subtotal": net,
        "tax": Decimal(0),
        "total_price": net,
        "estimate_method": "geometric",
        "estimate_confidence": Decimal(20),
    }
    quote: Quote = Quote.objects.create(**{**defaults, **fields})
    return quote


def stranger() -> User:
    """Return a user of another customer."""
    user: User = member(user=UserFactory()).user
    return user
