"""A quote's papers, for whoever may see the quote."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from blb3d.core.api.throttles import DefaultThrottle
from quotes.models import Quote
from quotes.portal.visits import quote_of
from quotes.services.documents import quote_pdf
from sales.portal.base import limited, page


def pdf_response(quote: Quote) -> HttpResponse:
    """Return the quote as PDF.

    Raises:
        NotPriced: there is no price yet.
    """
    response = HttpResponse(quote_pdf(quote), content_type="application/pdf")
    response["Content-Disposition"] = f'inline; filename="{quote.quote_number}.pdf"'
    response["Cache-Control"] = "private, no-store"
    return response


@require_GET
@limited(DefaultThrottle, methods=("GET",))
@page
def pdf(request: HttpRequest, pk: int) -> HttpResponse:
    """The quote as PDF."""
    return pdf_response(quote_of(request, pk))
