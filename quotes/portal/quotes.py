"""From a dropped file to a price, and from a price to an order, in the browser."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from blb3d.accounts import services as accounts
from blb3d.accounts.actor import actor_of
from blb3d.accounts.models import User
from blb3d.core.api.throttles import DefaultThrottle, QuoteAddressThrottle, QuoteThrottle
from blb3d.core.errors import BLB3DError
from blb3d.core.middleware import client_ip
from blb3d.core.templatetags.blb3d_ui import plain_number
from quotes import selectors
from quotes import services as quotes
from quotes.lifecycles import QUOTE
from quotes.modelfiles import UnusableFile
from quotes.models import Quote
from quotes.portal.forms import NewQuoteForm, WishesForm, wishes_form
from quotes.portal.start import upload_context
from quotes.portal.visits import actor_for, begin_visit, quote_of, quotes_of
from quotes.services.estimates import BY_HAND
from sales import services as sales
from sales.errors import PaymentDeclined
from sales.models import Address, CustomerAddress, CustomerUser
from sales.portal.base import UNPROCESSABLE, form_refusal, limited, page, paged, show, tabs, timeline
from sales.portal.forms import AcceptForm, AddressForm, book_fields
from sales.selectors import membership_of

Status = Quote.Status

_TABS = {"open": "Open", "ordered": "Ordered", "all": "All"}
_ORDERED = (Status.ACCEPTED, Status.CONVERTED)
_HAPPENED = {
    Status.DRAFT: "Price worked out",
    Status.PENDING: "Sent for review",
    Status.APPROVED: "Ready to accept",
    Status.ACCEPTED: "Accepted",
    Status.CONVERTED: "Ordered",
    Status.REJECTED: "Rejected",
    Status.CANCELLED: "Cancelled",
    Status.EXPIRED: "Expired",
}
_METHODS = {"sliced": "the sliced file", "geometric": "the model's shape", BY_HAND: "an engineer's look at it"}
_ACTIONS: dict[str, dict[str, Any]] = {
    "submit": {"label": "Get the quote", "style": "primary"},
    "reject": {"label": "Not for me", "style": "", "needs_reason": True, "reason_label": "What should be different?"},
    "cancel": {
        "label": "Cancel the quote",
        "consequences": ["The price is given up", "Your files stay private to you"],
    },
}


@login_required
@require_GET
@page
def quote_list(request: HttpRequest) -> HttpResponse:
    """My company's quotes."""
    filters, chosen = tabs(request, _TABS)
    rows = quotes_of(request).order_by("-id")
    if chosen != "all":
        rows = rows.filter(status__in=Quote.OPEN if chosen == "open" else _ORDERED)
    found, search = paged(request, rows, search=("quote_number", "product_name", "customer_po_number"))
    return show(
        request, "portal/quote_list.html", {"page_obj": found, "filters": filters, "search": search, "nav": "quotes"}
    )


@require_http_methods(["GET", "POST"])
@limited(QuoteThrottle, QuoteAddressThrottle)
@page
def quote_new(request: HttpRequest) -> HttpResponseBase:
    """Take files. From the start page they come alone and are configured next; here they come with all wishes."""
    if not request.user.is_authenticated and not settings.PORTAL_GUEST_QUOTES:  # type: ignore[misc]
        return redirect_to_login(reverse("portal:quote-new"))
    materials = selectors.offered_materials()
    if request.method != "POST":
        return _configure_page(request, NewQuoteForm(materials=materials))
    form = NewQuoteForm(_with_defaults(request, materials), request.FILES, materials=materials)
    are_alone = "material_type" not in request.POST
    can_ask = False
    if form.is_valid():
        try:
            quote = _create(request, form, submit=not are_alone)
        except UnusableFile as error:
            form.add_error("files", error.message)
            can_ask = all(row["kind"] == "FILE_NEEDS_PERSON" for row in error.details.get("files", []))
        except BLB3DError as error:
            form_refusal(form, error)
        else:
            name = "quote-configure" if are_alone and quote.is_priced else "quote-detail"
            return redirect(f"portal:{name}", pk=quote.pk)
    return _configure_page(request, form, can_ask_engineer=can_ask)


def _with_defaults(request: HttpRequest, materials: list[Any]) -> Any:
    """Return what was posted, with the usual wishes where only files came."""
    data = request.POST.copy()
    if "material_type" not in data and materials:
        usual = next((m for m in materials if m.is_type_default), materials[0])
        data["material_type"] = "PLA" if any(m.material_type == "PLA" for m in materials) else usual.material_type
        for name, field in WishesForm.base_fields.items():
            if field.initial is not None:
                data.setdefault(name, str(getattr(field.initial, "value", field.initial)))
    return data


def _create(request: HttpRequest, form: NewQuoteForm, *, submit: bool) -> Quote:
    user = request.user if isinstance(request.user, User) else None
    member = membership_of(user) if user is not None else None
    visit = begin_visit(request)
    wanted = quotes.QuoteRequest(
        files=quotes.Upload.of(form.cleaned_data["files"]),
        user=user if member is not None else None,
        customer=member.customer if member is not None else None,
        visit=visit,
        # A guest's quote waits: nobody reviews it before somebody is there to accept it.
        submit=submit and member is not None,
        is_for_engineer=request.POST.get("ask") == "engineer",
        ip_address=client_ip(request),
        **form.wishes(),
    )
    quote = quotes.create_quote(wanted, actor=actor_for(request))
    accounts.touch_visit(visit.session_id, quotes=1, user=user)
    return quote


@require_http_methods(["GET", "POST"])
@page
def quote_configure(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Change a draft's wishes and see its price move."""
    quote = quote_of(request, pk)
    if quote.status != Status.DRAFT or not quote.is_priced:
        return redirect("portal:quote-detail", pk=quote.pk)
    form = wishes_form(request.POST or None, quote=quote)
    if request.method == "POST" and form.is_valid():
        try:
            quote = quotes.update_quote(quote, actor=actor_for(request), **form.wishes())
            if quote.customer_id is not None:
                quote = quotes.submit_quote(quote, actor=actor_for(request))
        except BLB3DError as error:
            form_refusal(form, error)
            quote = quote_of(request, pk)
        else:
            return redirect("portal:quote-detail", pk=quote.pk)
    return _configure_page(request, form, quote=quote)


@require_POST
@limited(DefaultThrottle)
@page
def quote_price(request: HttpRequest, pk: int) -> HttpResponse:
    """The price as it would be with the wishes on the page; nothing is saved."""
    quote = quote_of(request, pk)
    form = wishes_form(request.POST, quote=quote)
    context: dict[str, Any] = {"price_url": reverse("portal:quote-price", args=[quote.pk])}
    if form.is_valid():
        try:
            context["quote"] = quotes.preview_price(quote, form.wishes())
        except BLB3DError as error:
            context["problem"] = error.message
    else:
        name, texts = next(iter(form.errors.items()))
        label = form.fields[name].label if name in form.fields else ""
        context["problem"] = f"{label}: {texts[0]}"
    return show(request, "portal/parts/price_live.html", context)


def _configure_page(
    request: HttpRequest, form: WishesForm, *, quote: Quote | None = None, can_ask_engineer: bool = False
) -> HttpResponse:
    context = {
        **upload_context(),
        "form": form,
        "colors": form.colors(),
        "quote": quote,
        "files": _files(quote) if quote is not None else [],
        "form_url": reverse("portal:quote-configure", args=[quote.pk]) if quote else reverse("portal:quote-new"),
        "price_url": reverse("portal:quote-price", args=[quote.pk]) if quote else "",
        "can_ask_engineer": can_ask_engineer,
        "nav": "quotes",
    }
    return show(request, "portal/quote_new.html", context, status=UNPROCESSABLE if form.errors else 200)


@require_GET
@page
def quote_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One quote: price, what we saw, and the one next thing to do."""
    return _detail_page(request, quote_of(request, pk))


def _files(quote: Quote) -> list[dict[str, Any]]:
    return [
        {
            "original_filename": row.original_filename,
            "size_bytes": row.size_bytes,
            "url": reverse("portal:quote-file", args=[quote.pk, row.pk]),
            "thumbnail_url": reverse("portal:quote-file-preview", args=[quote.pk, row.pk]) if row.thumbnail else "",
        }
        for row in quote.files.order_by("pk")
    ]


def _saw(quote: Quote) -> tuple[list[str], list[str]]:
    """Return what we saw in the files: facts, and what needs attention."""
    facts = []
    parts = list(quote.parts.order_by("pk"))
    for part in parts[:6]:
        sides = " × ".join(plain_number(round(side, 1)) for side in (part.size_x_mm, part.size_y_mm, part.size_z_mm))
        facts.append(f"{part.quantity} × {part.name}, {sides} mm")
    if len(parts) > 6:
        facts.append(f"and {len(parts) - 6} more parts")
    if parts and all(part.is_watertight for part in parts):
        facts.append("Closed and ready to print" if len(parts) == 1 else "All closed and ready to print")
    if quote.parts_per_plate > 1:
        facts.append(f"Up to {quote.parts_per_plate} sets printed at once")
    warnings = list(quote.estimate_detail.get("warnings", []))
    if quote.estimate_detail.get("needs_person"):
        warnings.insert(0, quote.estimate_detail["needs_person"])
    return facts, warnings


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


def _detail_page(
    request: HttpRequest, quote: Quote, *, form: AcceptForm | None = None, address_form: AddressForm | None = None
) -> HttpResponse:
    user = request.user if isinstance(request.user, User) else None
    member = membership_of(user) if user is not None else None
    can_accept = quote.status == Status.APPROVED and not quote.has_expired and quote.customer is not None
    if can_accept and form is None and quote.customer is not None:
        form = AcceptForm(customer=quote.customer, initial={"customer_po_number": quote.customer_po_number})
        address_form = _address_form(None, form, user)
    facts, warnings = _saw(quote)
    method = "+".join(_METHODS.get(name, name) for name in quote.estimate_method.split("+") if name)
    context = {
        "quote": quote,
        "files": _files(quote),
        "actions": _actions(quote, user),
        "saw": facts,
        "warnings": warnings,
        "estimate": {
            "method": method.replace("+", " and "),
            "confidence_percent": quote.estimate_confidence,
            "fallback_reason": "",
        },
        "is_waiting": quote.status == Status.DRAFT and not quote.is_priced and not quote.estimate_detail,
        "is_guest": user is None,
        "can_configure": quote.status == Status.DRAFT and quote.is_priced and not quote.has_expired,
        "can_accept": can_accept,
        "form": form,
        "address_form": address_form,
        "has_addresses": bool(form is not None and form.saved),
        "sales_order": quote.sales_order,
        "timeline": timeline(quote, _HAPPENED, member),
        "nav": "quotes",
    }
    has_errors = bool(form is not None and form.errors) or bool(address_form is not None and address_form.errors)
    return show(request, "portal/quote_detail.html", context, status=UNPROCESSABLE if has_errors else 200)


def _address_form(data: Any, form: AcceptForm, user: User | None) -> AddressForm:
    name = user.get_full_name() if user is not None else ""
    return AddressForm(
        data,
        needed=not form.saved,
        initial={"shipping_name": name, "shipping_country": "USA"},
        use_required_attribute=not form.saved,
    )


@login_required
@require_POST
@page
def quote_accept(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Accept a quote, order it, and pay it where that was chosen."""
    quote, user = quote_of(request, pk), actor_of(request)
    if quote.customer is None:
        return _detail_page(request, quote)
    form = AcceptForm(request.POST, customer=quote.customer)
    address_form = _address_form(request.POST, form, user)
    if form.is_valid() and address_form.is_valid():
        address = address_form.address()
        payment = form.payment()
        try:
            quote = quotes.accept_quote(
                quote,
                shipping=address or form.saved_address(),
                customer_po_number=form.cleaned_data["customer_po_number"],
                payment=quotes.PaymentOrder(*payment) if payment is not None else None,
                actor=user,
            )
        except PaymentDeclined as error:
            messages.error(request, f"{error.message} {error.details['reason']} The order waits; try another card.")
            _keep_address(quote, address, user)
            return redirect("portal:order-pay", pk=quote_of(request, pk).sales_order_id)
        except BLB3DError as error:
            form_refusal(form, error)
        else:
            _keep_address(quote, address, user)
            messages.success(request, "Thank you for the order.")
            if quote.sales_order_id is not None:
                return redirect("portal:order-detail", pk=quote.sales_order_id)
            return redirect("portal:quote-detail", pk=quote.pk)
    return _detail_page(request, quote_of(request, pk), form=form, address_form=address_form)


def _keep_address(quote: Quote, address: Address | None, user: User) -> None:
    """Keep a new address for the next time; the first one becomes the usual one."""
    member = membership_of(user)
    if address is None or member is None or member.role != CustomerUser.Role.ADMIN:
        return
    is_first = not CustomerAddress.objects.filter(
        customer=member.customer, address_type=CustomerAddress.Type.SHIPPING, is_default=True
    ).exists()
    sales.save_address(member.customer, **book_fields(address), is_default=is_first, actor=user)


@login_required
@require_POST
@page
def quote_submit(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Ask for the price to be given."""
    quote = quotes.submit_quote(quote_of(request, pk), actor=actor_of(request))
    if quote.status == Status.PENDING:
        messages.info(request, "A person looks at it. You get a mail when the price is confirmed.")
    return redirect("portal:quote-detail", pk=pk)


@login_required
@require_POST
@page
def quote_reject(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Turn a quote down."""
    quotes.reject_quote(quote_of(request, pk), reason=request.POST.get("reason", "")[:1000], actor=actor_of(request))
    messages.info(request, "Thank you for telling us.")
    return redirect("portal:quote-detail", pk=pk)


@login_required
@require_POST
@page
def quote_cancel(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Take a quote back."""
    quotes.cancel_quote(quote_of(request, pk), actor=actor_of(request))
    return redirect("portal:quote-detail", pk=pk)
