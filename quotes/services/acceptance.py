"""From an accepted quote to an ordinary product and an ordinary sales order."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.errors import NotFound
from blb3d.core.units import round_quantity
from blb3d.core.verbs import verb
from inventory import services as inventory
from inventory.errors import MaterialNotFound
from inventory.models import Product
from inventory.selectors import choose_material
from quotes.errors import AddressNeeded, NotPriced, QuoteExpired
from quotes.lifecycles import QUOTE
from quotes.models import Quote, QuoteMaterial
from quotes.ports import LAYER_HEIGHTS
from quotes.services.authority import allow_ordering
from quotes.services.estimates import BY_HAND
from quotes.services.funnel import Step, note_order, note_step
from quotes.services.pricing import locked
from quotes.services.promise import PRIORITIES, promise_again
from quotes.services.reading import files_to_slice
from sales import services as sales
from sales.errors import NothingOwed, PaymentUnderWay
from sales.models import Address, CustomerAddress, SalesOrder

log = logging.getLogger(__name__)

#: The least that a plate is said to take of a filament, grams.
_SPECK = Decimal("0.01")

Status = Quote.Status


@dataclass(frozen=True)
class PaymentOrder:
    """How an accepted quote is paid: by a provider's token, or by a bank transfer, which needs none."""

    method: str
    token: str = ""


def accept_quote(
    quote: Quote,
    *,
    actor: User,
    shipping: Address | None = None,
    billing: Address | None = None,
    customer_po_number: str = "",
    payment: PaymentOrder | None = None,
    version: int | None = None,
) -> Quote:
    """Accept a quote, order it when it is known where it goes, and pay the order when told how.

    Accepting and ordering are one transaction; paying comes after it. Repeatable: what an earlier call did stands, and
    this one goes on from there.

    Raises:
        PaymentDeclined: the quote is accepted and ordered all the same; call again with another token.
        See ``take_acceptance`` for the rest.
    """
    quote = take_acceptance(
        quote, actor=actor, shipping=shipping, billing=billing, customer_po_number=customer_po_number, version=version
    )
    if payment is not None:
        pay_quote(quote, payment=payment, actor=actor)
    return quote


@verb
def take_acceptance(
    quote: Quote,
    *,
    actor: User,
    shipping: Address | None = None,
    billing: Address | None = None,
    customer_po_number: str = "",
    version: int | None = None,
) -> Quote:
    """Accept a quote: its product is registered and, with an address here or on file, its order placed.

    The same customer again changes nothing, but for an order that an address now makes possible. Emits
    ``quotes.quote_accepted`` and ``quotes.quote_converted``.

    Raises:
        QuoteExpired: the price no longer holds.
        OverApprovalLimit: somebody else of the company must accept it.
        InvalidTransition: it is not ready to be accepted.
        StaleVersion: it was changed since ``version``.
    """
    locked(quote)
    allow_ordering(quote, "accept", actor=actor)
    if quote.status not in (Status.ACCEPTED, Status.CONVERTED):
        quote.check_version(version)
        _accept(quote, customer_po_number, actor=actor)
    if quote.status == Status.ACCEPTED and (shipping is not None or _has_address(quote)):
        _order(quote, shipping, billing, actor=actor)
    return quote


def pay_quote(quote: Quote, *, payment: PaymentOrder, actor: User) -> None:
    """Pay the order of an accepted quote; no transaction may be open. A paid one, or none to pay, is left as it is.

    Where another charge of the same order is under way, that one is left to settle: it is not charged twice.

    Raises:
        PaymentDeclined: the provider refused.
    """
    order = SalesOrder.objects.filter(quote=quote.pk).first()
    if order is None:
        raise AddressNeeded("Please give a shipping address, so that the order can be placed and paid.")
    if order.is_paid or order.status == SalesOrder.Status.CANCELLED:
        return
    try:
        sales.charge_order(order, method=payment.method, token=payment.token, actor=actor)
    except (PaymentUnderWay, NothingOwed):
        log.info("order %s is being paid, or was paid at this moment", order.order_number)


@verb
def convert_quote(
    quote: Quote,
    *,
    actor: User,
    shipping: Address | None = None,
    billing: Address | None = None,
    customer_po_number: str = "",
) -> SalesOrder:
    """Order an accepted quote; called again it returns the same order.

    Raises:
        AddressNeeded: none is given and none is on file.
        InvalidTransition: the quote is not accepted.
    """
    locked(quote)
    allow_ordering(quote, "convert", actor=actor)
    if quote.sales_order is not None:
        return quote.sales_order
    if quote.status == Status.ACCEPTED and shipping is None and not _has_address(quote):
        raise AddressNeeded
    if customer_po_number.strip():
        quote.customer_po_number = customer_po_number.strip()[:60]
        quote.save()
    return _order(quote, shipping, billing, actor=actor)


def _accept(quote: Quote, customer_po_number: str, *, actor: User) -> None:
    if quote.status in (*Quote.OPEN, Status.EXPIRED) and quote.has_expired:
        raise QuoteExpired(details={"expires_at": quote.expires_at.isoformat() if quote.expires_at else ""})
    with QUOTE.step(quote, "accept", actor=actor):
        if not quote.is_priced:
            raise NotPriced
        quote.accepted_at = timezone.now()
        quote.customer_po_number = customer_po_number.strip()[:60] or quote.customer_po_number
        materials = _choose_materials(quote)
        quote.product = _register(quote, materials, actor=actor)
    note_step(quote, Step.ACCEPT)


def _choose_materials(quote: Quote) -> list[tuple[QuoteMaterial, Product]]:
    """Decide every filament and write it down: the named one, else the cheapest of its type in stock.

    Raises:
        MaterialNotFound: a filament is not in the catalogue; staff name another one on the quote.
    """
    chosen = []
    for row in quote.materials.select_related("material").order_by("position"):
        material = row.material or quote.material or choose_material(row.material_type, row.color_hex)
        if not material.is_active:
            raise MaterialNotFound(details={"material_type": row.material_type, "color_hex": row.color_hex})
        row.material = material
        row.color_hex = material.color_hex
        row.save(update_fields=["material", "color_hex"])
        chosen.append((row, material))
    if quote.material is None and len({material.pk for _, material in chosen}) == 1:
        material = chosen[0][1]
        quote.material, quote.color_name, quote.color_hex = material, material.color_name, material.color_hex
    return chosen


def _register(quote: Quote, materials: Sequence[tuple[QuoteMaterial, Product]], *, actor: User) -> Product:
    files = files_to_slice(quote)
    if quote.estimate_method == BY_HAND and len(files) > 1:
        files = []  # The one plate of a person's estimate stands for all of them: no slice of one file is that.
    by_position = {row.position: material for row, material in materials}
    plates = [
        inventory.PlateSpec(
            parts_per_plate=plate["sets"],
            minutes=Decimal(plate["minutes"]),
            # A speck of a colour still needs its filament in the printer.
            filaments=[
                (by_position[use["position"]], max(Decimal(use["grams"]), _SPECK)) for use in plate["filaments"]
            ],
            model_file=files[plate["file"]] if plate["file"] < len(files) else "",
            layer_height_mm=LAYER_HEIGHTS[quote.quality],
            infill_percent=quote.infill_percent,
            bbox=_bbox(plate["bbox"]),
            printer_models=plate.get("models", ()),
        )
        for plate in quote.estimate_detail["plates"]
    ]
    return inventory.register_custom_product(
        sku=f"CUSTOM-{quote.quote_number}",
        name=quote.product_name,
        materials=[(material, round_quantity(row.grams)) for row, material in materials],
        plates=plates,
        actor=actor,
    )


def _bbox(sides: Sequence[str]) -> tuple[Decimal, Decimal, Decimal] | None:
    if not sides:
        return None
    x, y, z = (Decimal(side).quantize(Decimal("0.01")) for side in sides)
    return x, y, z


def _has_address(quote: Quote) -> bool:
    return CustomerAddress.objects.filter(
        customer=quote.customer_id, address_type=CustomerAddress.Type.SHIPPING, is_default=True
    ).exists()


def _order(quote: Quote, shipping: Address | None, billing: Address | None, *, actor: User) -> SalesOrder:
    """Place the order of an accepted quote; on terms it is confirmed at once."""
    with QUOTE.step(quote, "convert", actor=actor) as move:
        if quote.customer is None or quote.unit_price is None:
            raise NotFound(details={"quote": quote.quote_number})
        # What was promised was for an order on that day; from now on this day holds.
        quote.ready_by = promise_again(quote).ship_on
        order = sales.place_order(
            sales.OrderDraft(
                source=SalesOrder.Source.PORTAL,
                source_order_id=quote.quote_number,
                source_order_number=quote.quote_number,
                order_type=SalesOrder.Type.QUOTE_BASED,
                customer=quote.customer,
                quote=quote,
                product=quote.product,
                lines=[sales.LineDraft(quote.product, quote.quantity, quote.unit_price, name=quote.product_name)],
                tax_total=quote.tax,
                currency=quote.currency,
                shipping=shipping,
                billing=billing,
                customer_po_number=quote.customer_po_number,
                customer_note=quote.special_instructions,
                promised_date=quote.ready_by,
                priority=PRIORITIES[Quote.Rush(quote.rush)],
            ),
            actor=actor,
        )
        quote.sales_order = order
        move.payload["sales_order_id"] = order.pk
    note_order(quote)
    if quote.customer.has_terms and order.status == SalesOrder.Status.PENDING:
        order = sales.confirm_order(order, actor=User.objects.system("portal"), reason="The customer is on terms.")
    return order
