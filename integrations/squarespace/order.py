"""Squarespace's order, read: what its JSON says, in our words and typed.

Field names and their oddities are those of the Orders API 1.0: amounts are ``{"value": "55.00", "currency": "USD"}``,
addresses and options may be null, two lines may carry the same id, and ``refundedTotal`` is a running total.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.dateparse import parse_datetime

from blb3d.core.money import ZERO, line_total, round_money
from integrations.errors import UnreadableAnswer
from sales.models import Address

PHYSICAL = "PHYSICAL_PRODUCT"
#: Payment states of an order that was paid; orders from before the field existed have none.
_PAID = frozenset({"", "PAID", "REFUNDED", "PARTIALLY_REFUNDED"})
#: Where a buyer without an e-mail address (at the counter) is filed.
NO_EMAIL = "buyer@squarespace.invalid"


@dataclass(frozen=True)
class ShopLine:
    """A line of the shop's order; ``key`` is its id with its position, because ids repeat."""

    key: str
    variant_id: str
    product_id: str
    sku: str
    name: str
    quantity: int
    unit_price: Decimal
    options: dict[str, str]
    kind: str

    @property
    def is_physical(self) -> bool:
        """True for goods; every other kind (digital, gift card, service) has nothing to print."""
        return self.kind == PHYSICAL

    @property
    def external_product_id(self) -> str:
        """Return the id that a mapping names: the variant's, where there is one."""
        return self.variant_id or self.product_id


@dataclass(frozen=True)
class ShopOrder:
    """An order as the shop shows it at ``modified_at``; amounts are net of tax, as our documents keep them."""

    id: str
    number: str
    modified_at: datetime.datetime
    fulfillment: str
    payment_state: str
    email: str
    name: str
    phone: str
    lines: tuple[ShopLine, ...]
    shipping: Address | None
    billing: Address | None
    discount_total: Decimal
    shipping_total: Decimal
    tax_total: Decimal
    grand_total: Decimal
    refunded_total: Decimal
    currency: str
    customer_note: str
    remarks: tuple[str, ...]

    @property
    def is_paid(self) -> bool:
        """Return whether the shop has the money, or had it before it gave some back."""
        return self.payment_state in _PAID


def read_order(body: dict[str, Any]) -> ShopOrder:
    """Read an order. Raises ``UnreadableAnswer`` when it is not what the API documents."""
    try:
        return _read(body)
    except (KeyError, TypeError, ValueError, AttributeError, InvalidOperation) as error:
        raise UnreadableAnswer(
            f"Squarespace's order cannot be read: {type(error).__name__}: {error}.",
            details={"order": str(body.get("id", ""))[:64]},
        ) from error


def read_instant(text: str) -> datetime.datetime:
    """Return a time of the API; one without a zone is UTC. Raises ValueError."""
    when = parse_datetime(text)
    if when is None:
        raise ValueError(f"no time: {text[:40]}")
    return when if when.tzinfo else when.replace(tzinfo=datetime.UTC)


def _read(body: dict[str, Any]) -> ShopOrder:
    remarks: list[str] = []
    if body.get("testmode"):
        remarks.append("Test order: the shop was in test mode when it was placed.")
    lines = []
    for position, row in enumerate(body["lineItems"], start=1):
        line = _line(position, row)
        if line.quantity < 1:
            remarks.append(f"Line {position}, {line.name}, has the quantity {line.quantity}: left out.")
            continue
        lines.append(line)
        if not line.is_physical:
            remarks.append(
                f"Please check {line.name}: it is a {line.kind or 'line of no known kind'}, nothing is made."
            )
    grand = _money(body["grandTotal"])
    tax, shipping, discount = (_money(body.get(name)) for name in ("taxTotal", "shippingTotal", "discountTotal"))
    if body.get("priceTaxInterpretation") == "INCLUSIVE":
        lines, shipping, discount, was_gross = _without_tax(lines, shipping, discount, tax=tax, grand=grand)
        if was_gross:
            remarks.append(f"The shop's prices include {tax} tax; they are shown without it.")
    remarks += [_text(note.get("content"), 1000) for note in body.get("internalNotes") or [] if note.get("content")]
    billing, shipping_to = body.get("billingAddress") or {}, body.get("shippingAddress") or {}
    return ShopOrder(
        id=_text(body["id"], 64),
        number=_text(body.get("orderNumber"), 60),
        modified_at=read_instant(body["modifiedOn"]),
        fulfillment=_text(body.get("fulfillmentStatus"), 20),
        payment_state=_text(body.get("paymentState"), 40).upper(),
        email=_text(body.get("customerEmail"), 254) or NO_EMAIL,
        name=_name(billing) or _name(shipping_to) or _text(body.get("customerEmail"), 200) or "Squarespace buyer",
        phone=_text(billing.get("phone") or shipping_to.get("phone"), 40),
        lines=tuple(lines),
        shipping=_address(shipping_to),
        billing=_address(billing),
        discount_total=discount,
        shipping_total=shipping,
        tax_total=tax,
        grand_total=grand,
        refunded_total=_money(body.get("refundedTotal")),
        currency=_text(body["grandTotal"]["currency"], 3).upper(),
        customer_note="\n".join(
            f"{_text(row.get('label'), 200)}: {_text(row.get('value'), 2000)}"
            for row in body.get("formSubmission") or []
        ),
        remarks=tuple(remarks),
    )


def _line(position: int, row: dict[str, Any]) -> ShopLine:
    return ShopLine(
        key=f"{_text(row.get('id'), 100)}#{position}",
        variant_id=_text(row.get("variantId"), 190),
        product_id=_text(row.get("productId"), 190),
        sku=_text(row.get("sku"), 190),
        name=_text(row.get("productName"), 300) or _text(row.get("sku"), 190) or f"Line {position}",
        quantity=int(row["quantity"]),
        unit_price=_money(row.get("unitPricePaid")),
        options=_options(row),
        kind=_text(row.get("lineItemType"), 40) or PHYSICAL,
    )


def _options(row: dict[str, Any]) -> dict[str, str]:
    """Return what the buyer chose (variant options) and wrote (customizations), by label; none overwrites another."""
    chosen = [(pair.get("optionName"), pair.get("value")) for pair in row.get("variantOptions") or []]
    written = [(pair.get("label"), pair.get("value")) for pair in row.get("customizations") or []]
    options: dict[str, str] = {}
    for label, value in chosen + written:
        name = base = _text(label, 200) or "Option"
        number = 1
        while name in options:
            number += 1
            name = f"{base} ({number})"
        options[name] = _text(value, 2000)
    return options


def _without_tax(
    lines: list[ShopLine], shipping: Decimal, discount: Decimal, *, tax: Decimal, grand: Decimal
) -> tuple[list[ShopLine], Decimal, Decimal, bool]:
    """Take the tax out of gross prices, so that net parts and the shop's exact tax add up to its grand total.

    Unit prices are rounded to the cent; the cents that this leaves over go into the discount, or into shipping where
    there would be none. Prices that add up only with the tax on top were net already, whatever the order calls them.
    """
    gross = sum((line_total(line.unit_price, line.quantity) for line in lines), ZERO)
    if not tax or not grand or gross - discount + shipping != grand:
        return lines, shipping, discount, False
    share = (grand - tax) / grand
    net = [replace(line, unit_price=round_money(line.unit_price * share)) for line in lines]
    shipping = round_money(shipping * share)
    discount = sum((line_total(line.unit_price, line.quantity) for line in net), ZERO) + shipping + tax - grand
    if discount < 0:
        shipping, discount = shipping - discount, ZERO
    return net, shipping, discount, True


def _address(row: dict[str, Any]) -> Address | None:
    """Return an address, or None where the shop has nothing that could be written on a parcel."""
    address = Address(
        line1=_text(row.get("address1"), 255),
        line2=_text(row.get("address2"), 255),
        city=_text(row.get("city"), 100),
        state=_text(row.get("state"), 50),
        zip=_text(row.get("postalCode"), 20),
        country=_text(row.get("countryCode"), 50),
        name=_name(row),
    )
    return address if address.line1 or address.city or address.zip else None


def _name(row: dict[str, Any]) -> str:
    return f"{_text(row.get('firstName'), 99)} {_text(row.get('lastName'), 100)}".strip()


def _money(amount: dict[str, Any] | None) -> Decimal:
    if amount is None:
        return ZERO
    value = Decimal(str(amount["value"]))
    if not value.is_finite():
        raise ValueError(f"no amount: {value}")
    return round_money(value)


def _text(value: Any, limit: int) -> str:
    """Return a text of the shop, null as empty, cut to what our column holds; NUL is no text to PostgreSQL."""
    return "" if value is None else str(value).replace("\0", "").strip()[:limit]
