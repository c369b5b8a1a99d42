"""What a customer says about a quote, and asks of it: a comment, another price or part, the same again."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from blb3d.accounts.actor import actor_of
from blb3d.core.api.throttles import QuoteAddressThrottle, QuoteThrottle
from blb3d.core.errors import BLB3DError
from quotes import services as quotes
from quotes.portal.detail import detail_page
from quotes.portal.forms import TalkForm
from quotes.portal.visits import quote_of
from sales.portal.base import form_refusal, limited, page


@login_required
@require_POST
@limited(QuoteThrottle, QuoteAddressThrottle)
@page
def comment(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Say something about a quote."""
    return _say(request, pk, asks=False)


@login_required
@require_POST
@limited(QuoteThrottle, QuoteAddressThrottle)
@page
def ask(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Ask for another price or another part: a person looks at the quote again."""
    return _say(request, pk, asks=True)


def _say(request: HttpRequest, pk: int, *, asks: bool) -> HttpResponseBase:
    quote, actor, form = quote_of(request, pk), actor_of(request), TalkForm(request.POST)
    if form.is_valid():
        said = form.cleaned_data
        try:
            if asks:
                quotes.ask_for_changes(
                    quote, text=said["text"], target_unit_price=said["target_unit_price"], actor=actor
                )
                messages.success(request, "A person looks at it and answers by mail.")
            else:
                quotes.comment_on_quote(quote, text=said["text"], actor=actor)
                messages.success(request, "Sent. You get a mail with the answer.")
        except BLB3DError as error:
            form_refusal(form, error)
        else:
            return redirect(f"{reverse('portal:quote-detail', args=[pk])}#talk")
    return detail_page(request, quote_of(request, pk), talk_form=form)


@login_required
@require_POST
@limited(QuoteThrottle, QuoteAddressThrottle)
@page
def requote(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Ask for an ended quote again, at today's price."""
    new = quotes.requote(quote_of(request, pk), actor=actor_of(request))
    messages.success(request, f"This is the same as {quote_of(request, pk).quote_number}, at today's price.")
    return redirect("portal:quote-configure", pk=new.pk)
