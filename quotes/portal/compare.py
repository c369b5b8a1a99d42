"""A quote beside what it could be: other materials, qualities and quantities, and the way to one of them."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods

from blb3d.core.api.throttles import DefaultThrottle
from blb3d.core.errors import BLB3DError, InvalidValue
from quotes import services as quotes
from quotes.models import Quote
from quotes.portal.visits import actor_for, quote_of
from quotes.services.comparison import compare_quote
from sales.portal.base import limited, page, show

_WISHES = ("material_type", "color", "quality")


@require_http_methods(["GET", "POST"])
@limited(DefaultThrottle, methods=("GET", "POST"))
@page
def compare(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Show the quote in other materials, qualities and quantities; posted to, take one of them."""
    quote = quote_of(request, pk)
    if request.method == "POST":
        try:
            quotes.update_quote(quote, actor=actor_for(request), **_wishes(request))
        except BLB3DError as error:
            messages.error(request, error.message)
            return redirect("portal:quote-compare", pk=pk)
        messages.success(request, "This is your quote now.")
        return redirect("portal:quote-detail", pk=pk)
    return _page(request, quote)


def _page(request: HttpRequest, quote: Quote) -> HttpResponse:
    found = compare_quote(quote)
    context = {
        "quote": quote,
        "qualities": [Quote.Quality(name).label for name in found.qualities],
        "materials": found.materials,
        "quantities": found.quantities,
        "is_complete": found.is_complete,
        "can_take": quote.status == Quote.Status.DRAFT,
        "nav": "quotes",
    }
    return show(request, "portal/quote_compare.html", context)


def _wishes(request: HttpRequest) -> dict[str, Any]:
    """Return what the button that was pressed wants.

    Raises:
        InvalidValue: the quantity is no number.
    """
    wishes: dict[str, Any] = {name: request.POST.get(name, "")[:60] for name in _WISHES}
    text = request.POST.get("quantity", "")
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise InvalidValue("The quantity must be a whole number.", details={"field": "quantity"})
    return {**wishes, "quantity": int(text)}
