"""An ended quote asked for again: the same files and wishes at today's price."""

from __future__ import annotations

from typing import Any

from django.db.models import Model
from django.db.models.fields.files import FieldFile

from blb3d.accounts.models import User
from blb3d.core.documents import Document
from blb3d.core.errors import InvalidTransition
from blb3d.core.numbering import next_number
from blb3d.core.verbs import verb
from quotes.models import Quote, QuoteFile, QuotePart
from quotes.services.authority import allow_quoting
from quotes.services.estimates import BY_HAND
from quotes.services.pricing import locked, price_now, valid_until

Status = Quote.Status
#: What may be quoted again.
ENDED = (Status.EXPIRED, Status.REJECTED, Status.CANCELLED, Status.CONVERTED)
#: What the new quote wants and who wants it, as before.
_KEPT = (
    "user",
    "customer",
    "portal_session",
    "product_name",
    "material_type",
    "material",
    "color_name",
    "color_hex",
    "quality",
    "infill_percent",
    "finish",
    "rush",
    "quantity",
    "special_instructions",
    "customer_po_number",
    "is_under_nda",
)
#: A person's estimate, which no method can make again.
_BY_HAND = ("estimate_method", "material_grams", "print_time_minutes", "parts_per_plate")


@verb
def requote(quote: Quote, *, actor: User) -> Quote:
    """Return a new draft with the files and wishes of an ended quote, priced by today's rules.

    The stored files are shared, not copied. While that draft is one, asking again returns it.

    Raises:
        InvalidTransition: the quote has not ended.
        MaterialNotFound: its material is not offered any more.
        NotAllowed: the actor is neither staff who may nor of this customer.
    """
    allow_quoting(quote.customer, actor=actor, permission="quotes.requote_quote")
    locked(quote)
    if quote.status not in ENDED and not (quote.status in Quote.OPEN and quote.has_expired):
        raise InvalidTransition(
            f"A quote that is {quote.get_status_display()} is not quoted again.",
            details={"step": "requote", "status": quote.status},
        )
    begun: Quote | None = quote.requotes.filter(status=Status.DRAFT).order_by("-pk").first()
    if begun is not None:
        return begun
    wanted = _KEPT + (_BY_HAND if quote.estimate_method == BY_HAND else ())
    new = Quote(
        quote_number=next_number("Q"),
        requoted_from=quote,
        expires_at=valid_until(),
        **{name: getattr(quote, name) for name in wanted},
    )
    new.save()
    for file in quote.files.order_by("pk"):
        copy = QuoteFile(quote=new, **_values(file, "quote"))
        copy.save()
        parts = file.parts.order_by("pk")
        QuotePart.objects.bulk_create(
            QuotePart(quote=new, file=copy, **_values(part, "quote", "file")) for part in parts
        )
    price_now(new)
    return new


def _values(row: Model, *others: str) -> dict[str, Any]:
    """Return what a row says by itself: neither its key, nor ``others``, nor the record of its saves."""
    left_out = {"id", *others, *(field.name for field in Document._meta.fields)}
    values = {field.name: getattr(row, field.name) for field in row._meta.concrete_fields if field.name not in left_out}
    return {name: value.name if isinstance(value, FieldFile) else value for name, value in values.items()}
