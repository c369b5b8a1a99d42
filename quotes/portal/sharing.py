"""Links to a quote: made and taken back by who may see it, opened by whoever has one."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from blb3d.core.api.throttles import DefaultThrottle, RateThrottle, ip
from blb3d.core.errors import NotFound
from blb3d.core.letters import address_of
from quotes import services as quotes
from quotes.downloads import preview_response
from quotes.models import Quote
from quotes.portal.visits import actor_for, quote_of, quotes_of
from quotes.services.documents import name_of, wishes_of
from quotes.services.sharing import approvers_of, count_opening, live_shares, shared_quote
from sales.models import CustomerUser
from sales.portal.base import limited, page, show


class LinkThrottle(RateThrottle):
    """Shared links opened, per address: nobody tries tokens in masses."""

    scope = "links"
    setting = "RATE_LIMIT_DEFAULT"

    def caller(self, request: Any) -> str:
        return ip(request)


@require_http_methods(["GET", "POST"])
@page
def quote_share(request: HttpRequest, pk: int) -> HttpResponse:
    """The links of a quote; posted to, it makes one and shows it this once."""
    quote, made = quote_of(request, pk), ""
    if request.method == "POST":
        _, token = quotes.share_quote(quote, actor=actor_for(request))
        made = address_of(reverse("portal:shared-quote", args=[token]))
    context = {
        "quote": quote,
        "made": made,
        "shares": live_shares(quote).select_related("created_by"),
        "can_share": quote.is_priced and not quote.has_expired,
        "approvers": _approvers(request, quote),
        "nav": "quotes",
    }
    response = show(request, "portal/quote_share.html", context)
    response["Cache-Control"] = "private, no-store"
    return response


@require_POST
@limited(DefaultThrottle)
@page
def quote_ask_approver(request: HttpRequest, pk: int, member_id: int) -> HttpResponseBase:
    """Ask an approver of the company to accept the quote."""
    quote = quote_of(request, pk)
    approver = approvers_of(quote).filter(pk=member_id).first()
    if approver is None:
        raise NotFound
    quotes.ask_approver(quote, approver, actor=actor_for(request))
    messages.success(request, f"{approver.user} gets a mail with the way to the quote.")
    return redirect("portal:quote-share", pk=pk)


@require_POST
@page
def quote_unshare(request: HttpRequest, pk: int, share_id: int) -> HttpResponseBase:
    """Take a link back."""
    share = quote_of(request, pk).shares.filter(pk=share_id).first()
    if share is None:
        raise NotFound
    quotes.revoke_share(share, actor=actor_for(request))
    return redirect("portal:quote-share", pk=pk)


@require_GET
@limited(LinkThrottle, methods=("GET",))
@page
def shared(request: HttpRequest, token: str) -> HttpResponseBase:
    """A shared quote, for reading. Who may see the quote itself, its approver above all, is led to it."""
    share = shared_quote(token)
    quote = share.quote
    if request.user.is_authenticated and quotes_of(request).filter(pk=quote.pk).exists():
        return redirect("portal:quote-detail", pk=quote.pk)
    count_opening(share)
    context = {
        "quote": quote,
        "name": name_of(quote),
        "wishes": wishes_of(quote),
        "parts": [] if quote.is_under_nda else [part for part in quote.parts.order_by("pk") if part.quantity],
        "pictures": _pictures(quote, token),
        "here": request.path,
    }
    response = show(request, "portal/shared_quote.html", context)
    return _private(response)


@require_GET
@limited(LinkThrottle, methods=("GET",))
@page
def shared_picture(request: HttpRequest, token: str, file_id: int) -> HttpResponseBase:
    """The picture of a file of a shared quote; the file itself is never given."""
    quote = shared_quote(token).quote
    row = None if quote.is_under_nda else quote.files.filter(pk=file_id).first()
    if row is None:
        raise NotFound
    response: FileResponse = preview_response(row)
    return _private(response)


def _approvers(request: HttpRequest, quote: Quote) -> list[CustomerUser]:
    """Return whom the visitor may ask: who decides for the company, but for the visitor."""
    if quote.status != Quote.Status.APPROVED or quote.has_expired or quote.customer_id is None:
        return []
    return [row for row in approvers_of(quote) if row.user_id != request.user.pk]


def _pictures(quote: Quote, token: str) -> list[dict[str, str]]:
    if quote.is_under_nda:
        return []
    return [
        {"url": reverse("portal:shared-picture", args=[token, row.pk]), "alt": f"Picture of {row.original_filename}"}
        for row in quote.files.order_by("pk")[:6]
        if row.thumbnail
    ]


def _private(response: Any) -> Any:
    """Keep a page that an address alone opens out of search engines, caches and other pages' logs."""
    response["X-Robots-Tag"] = "noindex, nofollow"
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = "private, no-store"
    return response
