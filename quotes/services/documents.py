"""The quote on paper."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format

from blb3d.core.letters import address_of, letter_pdf
from blb3d.core.templatetags.blb3d_ui import plain_number
from quotes.errors import NotPriced
from quotes.models import Quote, QuoteFile, QuotePart
from sales.models import Customer

_TEMPLATE = Path(__file__).resolve().parent.parent / "documents" / "quote.typ"
#: More parts than these are counted, not listed.
MAX_PARTS = 24
#: A larger picture is left out: it would make the document too heavy to be mailed.
MAX_PICTURE_BYTES = 200_000


def quote_url(quote: Quote) -> str:
    """Return the address that the QR code on the quote leads back to: its page, for who may see it."""
    return address_of(f"/quotes/{quote.pk}/")


def quote_pdf(quote: Quote) -> bytes:
    """Return a priced quote as PDF: what is made, its price by lines, until when it holds, by when it is shipped.

    Of a quote under NDA neither names nor pictures of parts are shown, and not its own name, which often is a file's.
    Three queries.

    Raises:
        NotPriced: there is no price yet.
    """
    if quote.unit_price is None or quote.subtotal is None:
        raise NotPriced(quote.processing_note or None)
    parts = [part for part in quote.parts.select_related("file").order_by("pk") if part.quantity]
    data = {
        "title": "Quote",
        "number": quote.quote_number,
        "for_whom": _for_whom(quote.customer),
        "name": name_of(quote),
        "work": "\n".join(wishes_of(quote)),
        "facts": _facts(quote),
        "parts": _parts(quote, parts),
        "more_parts": max(len(parts) - MAX_PARTS, 0),
        "lines": [[line["label"], f"{Decimal(line['amount']):,.2f}"] for line in quote.price_lines],
        "currency": quote.currency,
        "totals": [
            [f"{plain_number(quote.quantity)} × {quote.unit_price:,.2f}", f"{quote.subtotal:,.2f}"],
            ["Tax", f"{quote.tax or 0:,.2f}"],
        ],
        "total": f"{quote.total_price:,.2f}",
        "promise": _promise(quote),
        "terms": settings.QUOTE_TERMS,  # type: ignore[misc]
    }
    return letter_pdf(_TEMPLATE, data, url=quote_url(quote))


def name_of(quote: Quote) -> str:
    """Return what the quote is called where others may read it."""
    return "Under NDA" if quote.is_under_nda else quote.product_name


def wishes_of(quote: Quote) -> list[str]:
    """Return in words what the customer wants, one wish a line: sets, filaments, quality, finish, speed."""
    rows = quote.materials.select_related("material").order_by("position")
    filaments = [f"{row.material_type} {row.material.color_name if row.material else ''}".strip() for row in rows]
    if len(filaments) < 2:
        filaments = [f"{quote.material_type} {quote.color_name}".strip()]
    words = [
        f"{plain_number(quote.quantity)} {'set' if quote.quantity == 1 else 'sets'}",
        ", ".join(filaments),
        f"{quote.get_quality_display()}, {quote.infill_percent} % infill",
    ]
    if quote.finish != Quote.Finish.STANDARD:
        words.append(f"finish: {quote.get_finish_display()}")
    if quote.rush != Quote.Rush.STANDARD:
        words.append(f"speed: {quote.get_rush_display()}")
    return words


def _for_whom(customer: Customer | None) -> str:
    if customer is None:
        return ""
    return "\n".join(filter(None, (customer.company_name, customer.name, customer.email)))


def _facts(quote: Quote) -> list[list[Any]]:
    rows: list[list[Any]] = []
    if quote.priced_at:
        rows.append(["Date", _day(timezone.localdate(quote.priced_at))])
    if quote.expires_at:
        rows.append(["Valid until", _day(timezone.localdate(quote.expires_at)), True])
    if quote.ready_by:
        rows.append(["Ships by", _day(quote.ready_by), True])
    if quote.customer_po_number:
        rows.append(["Your PO", quote.customer_po_number])
    return rows


def _promise(quote: Quote) -> str:
    if quote.ready_by is None or quote.priced_at is None:
        return quote.promise_reason
    ordered = _day(timezone.localdate(quote.priced_at))
    return f"Ships by {_day(quote.ready_by)} when ordered on {ordered}. {quote.promise_reason}".strip()


def _parts(quote: Quote, parts: list[QuotePart]) -> list[dict[str, Any]]:
    pictures: dict[int, list[int]] = {}
    rows = []
    for number, part in enumerate(parts[:MAX_PARTS], start=1):
        is_first = part.file_id not in pictures
        if is_first:
            pictures[part.file_id] = [] if quote.is_under_nda else _picture(part.file)
        rows.append(
            {
                "name": f"Part {number}" if quote.is_under_nda else part.name,
                "size": " × ".join(plain_number(round(side, 1)) for side in _sides(part)) + " mm",
                "quantity": part.quantity,
                # A file has one picture: it stands beside its first part.
                "picture": pictures[part.file_id] if is_first else [],
            }
        )
    return rows


def _sides(part: QuotePart) -> tuple[Any, Any, Any]:
    return part.size_x_mm, part.size_y_mm, part.size_z_mm


def _picture(file: QuoteFile) -> list[int]:
    """Return a file's picture as numbers, which JSON can carry; nothing where it has none."""
    if not file.thumbnail:
        return []
    try:
        with file.thumbnail.open("rb") as stream:
            content = stream.read(MAX_PICTURE_BYTES + 1)
    except FileNotFoundError:
        return []
    return list(content) if len(content) <= MAX_PICTURE_BYTES else []


def _day(day: Any) -> str:
    return date_format(day, "M j, Y")
