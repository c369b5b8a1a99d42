"""From a price to an order, in the browser."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from blb3d.accounts.actor import actor_of
from blb3d.accounts.models import User
from blb3d.core.errors import BLB3DError
from quotes import services as quotes
from quotes.models import Quote
from quotes.portal.detail import blank_address, detail_page
from quotes.portal.visits import quote_of, quotes_of
from quotes.services.funnel import Step, note_step
from sales import services as sales
from sales.errors import PaymentDeclined
from sales.models import Address, CustomerAddress, CustomerUser
from sales.portal.base import form_refusal, page, paged, show, tabs
from sales.portal.forms import AcceptForm, book_fields
from sales.selectors import membership_of

Status = Quote.Status

_TABS = {"open": "Open", "ordered": "Ordered", "all": "All"}
_ORDERED = (Status.ACCEPTED, Status.CONVERTED)


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


@require_GET
@page
def quote_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One quote: price, what we saw, and the one next thing to do."""
    quote = quote_of(request, pk)
    if quote.customer_id is None and quote.is_priced:
        note_step(quote, Step.PRICE_SHOWN)
    return detail_page(request, quote)


@login_required
@require_POST
@page
def quote_accept(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Accept a quote, order it, and pay it where that was chosen."""
    quote, user = quote_of(request, pk), actor_of(request)
    if quote.customer is None:
        return detail_page(request, quote)
    form = AcceptForm(request.POST, customer=quote.customer)
    address_form = blank_address(request.POST, form, user)
    if form.is_valid() and address_form.is_valid():
        address = address_form.address()
        payment, seen = form.payment(), request.POST.get("version", "")[:9]
        try:
            quote = quotes.accept_quote(
                quote,
                shipping=address or form.saved_address(),
                customer_po_number=form.cleaned_data["customer_po_number"],
                payment=quotes.PaymentOrder(*payment) if payment is not None else None,
                # What is accepted is the price on the page, not one that was offered meanwhile.
                version=int(seen) if seen.isdecimal() else None,
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
    return detail_page(request, quote_of(request, pk), form=form, address_form=address_form)


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
