"""A quote's page: price, what we saw, what was said, and the one next thing to do."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from blb3d.accounts.models import User
from quotes.lifecycles import QUOTE
from quotes.models import Quote
from quotes.portal.configure import can_configure, filaments, is_waiting
from quotes.portal.forms import TalkForm
from quotes.portal.sight import file_rows, saw
from quotes.services.estimates import BY_HAND
from sales.models import CustomerUser
from sales.portal.base import UNPROCESSABLE, show, timeline
from sales.portal.forms import AcceptForm, AddressForm
from sales.selectors import membership_of

Status = Quote.Status

_ENDED = (Status.CONVERTED, Status.REJECTED, Status.CANCELLED, Status.EXPIRED)
_HAPPENED = {
    Status.DRAFT: "Files received",
    Status.PENDING: "Sent for review",
    Status.APPROVED: "Ready to accept",
    Status.ACCEPTED: "Accepted",
    Status.CONVERTED: "Ordered",
    Status.REJECTED: "Rejected",
    Status.CANCELLED: "Cancelled",
    Status.EXPIRED: "Expired",
}
_METHODS = {
    "sliced": "the sliced file",
    "prusaslicer": "a slice of the model",
    "suite": "a slice of the model",
    "geometric": "the model's shape",
    BY_HAND: "an engineer's look at it",
}
_ACTIONS: dict[str, dict[str, Any]] = {
    "submit": {"label": "Get the quote", "style": "primary"},
    "reject": {"label": "Not for me", "style": "", "needs_reason": True, "reason_label": "What should be different?"},
    "cancel": {
        "label": "Cancel the quote",
        "consequences": ["The price is given up", "Your files stay private to you"],
    },
}


def detail_page(
    request: HttpRequest,
    quote: Quote,
    *,
    form: AcceptForm | None = None,
    address_form: AddressForm | None = None,
    talk_form: TalkForm | None = None,
) -> HttpResponse:
    """Return the page of a quote; forms are shown again where one was refused."""
    user = request.user if isinstance(request.user, User) else None
    member = membership_of(user) if user is not None else None
    can_accept = quote.status == Status.APPROVED and not quote.has_expired and quote.customer is not None
    if can_accept and form is None and quote.customer is not None:
        form = AcceptForm(customer=quote.customer, initial={"customer_po_number": quote.customer_po_number})
        address_form = blank_address(None, form, user)
    is_open = quote.status in Quote.OPEN and not quote.has_expired
    facts, warnings = saw(quote)
    rows = file_rows(quote)
    method = "+".join(_METHODS.get(name, name) for name in quote.estimate_method.split("+") if name)
    context = {
        "quote": quote,
        "files": rows,
        "viewer": rows[0] if rows else None,
        "filaments": filaments(quote),
        "actions": _actions(quote, user),
        "saw": facts,
        "warnings": warnings,
        "estimate": {
            "method": method.replace("+", " and "),
            "confidence_percent": quote.estimate_confidence,
            "fallback_reason": "",
        },
        "is_waiting": is_waiting(quote),
        "is_guest": user is None,
        "can_configure": can_configure(quote),
        "can_accept": can_accept,
        "form": form,
        "address_form": address_form,
        "has_addresses": bool(form is not None and form.saved),
        "pdf_url": reverse("portal:quote-pdf", args=[quote.pk]) if quote.is_priced else "",
        "compare_url": reverse("portal:quote-compare", args=[quote.pk]) if quote.is_priced and is_open else "",
        "share_url": reverse("portal:quote-share", args=[quote.pk]) if quote.is_priced and is_open else "",
        "can_requote": member is not None and _has_ended(quote),
        **_talk(quote, user, member, talk_form),
        "sales_order": quote.sales_order,
        "timeline": timeline(quote, _HAPPENED, member),
        "nav": "quotes",
    }
    has_errors = any(shown is not None and shown.errors for shown in (form, address_form, talk_form))
    return show(request, "portal/quote_detail.html", context, status=UNPROCESSABLE if has_errors else 200)


def _has_ended(quote: Quote) -> bool:
    return quote.status in _ENDED or (quote.status in Quote.OPEN and quote.has_expired)


def blank_address(data: Any, form: AcceptForm, user: User | None) -> AddressForm:
    """Return the form of a new address, needed where none is saved."""
    name = user.get_full_name() if user is not None else ""
    return AddressForm(
        data,
        needed=not form.saved,
        initial={"shipping_name": name, "shipping_country": "USA"},
        use_required_attribute=not form.saved,
    )


def _actions(quote: Quote, user: User | None) -> list[dict[str, Any]]:
    if user is None:
        return []
    steps = QUOTE.available(quote, user, as_customer=True)
    if quote.status == Status.DRAFT and quote.has_expired:
        steps = [step for step in steps if step.name != "submit"]
    is_unread = not quote.is_priced and not quote.estimate_detail
    rows = []
    for step in steps:
        if step.name not in _ACTIONS or (step.name == "submit" and is_unread):
            continue
        row = {"name": step.name, "style": step.style, **_ACTIONS[step.name]}
        if step.name == "submit" and not quote.is_priced:
            row["label"] = "Ask an engineer"
        # One way out is enough: a price is declined, what has none yet is taken back.
        if step.name == ("cancel" if quote.status == Status.APPROVED else "reject"):
            continue
        row["url"] = reverse(f"portal:quote-{step.name}", args=[quote.pk])
        rows.append(row)
    return rows


def _talk(quote: Quote, user: User | None, member: CustomerUser | None, form: TalkForm | None) -> dict[str, Any]:
    """Return what was said about a quote and the form to say more; a guest has nobody to be answered as."""
    if user is None or quote.customer_id is None:
        return {"comments": [], "talk_form": None}
    colleagues: set[int] = set()
    if member is not None:
        colleagues = set(CustomerUser.objects.filter(customer=member.customer_id).values_list("user_id", flat=True))
    rows = quote.comments.filter(is_internal=False).select_related("author").order_by("pk")
    can_ask = not quote.has_expired and any(
        step.name == "ask_changes" for step in QUOTE.available(quote, user, as_customer=member is not None)
    )
    return {
        # Who of us wrote it stays ours.
        "comments": [{"at": row.created_at, "text": row.text,
                      "who": str(row.author) if row.author_id in colleagues else "",
                      "is_mine": row.author_id in colleagues} for row in rows],
        "talk_form": form or TalkForm(),
        "can_ask_changes": can_ask,
        "ask_url": reverse("portal:quote-ask", args=[quote.pk]) if can_ask else "",
    }  # fmt: skip
