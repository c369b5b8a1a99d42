"""From a dropped file to a price, and from one price to the next, in the browser."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from blb3d.accounts import services as accounts
from blb3d.accounts.models import User
from blb3d.core.api.throttles import DefaultThrottle, QuoteAddressThrottle, QuoteThrottle
from blb3d.core.errors import BLB3DError
from blb3d.core.middleware import client_ip
from quotes import services as quotes
from quotes.modelfiles import UnusableFile
from quotes.models import Quote, QuoteFile, QuoteMaterial
from quotes.portal.advice import refusals
from quotes.portal.forms import NewQuoteForm, PartsForm, WishesForm, offer, usual_type, wishes_form
from quotes.portal.sight import file_filaments, file_rows, saw
from quotes.portal.start import upload_context
from quotes.portal.visits import actor_for, begin_visit, quote_of
from sales.portal.base import UNPROCESSABLE, form_refusal, limited, page, show
from sales.selectors import membership_of

ENGINEER = "engineer"
#: What a slicer's project may say itself.
BY_FILE = ("quality", "infill_percent")


@require_http_methods(["GET", "POST"])
@limited(QuoteThrottle, QuoteAddressThrottle)
@page
def quote_new(request: HttpRequest) -> HttpResponseBase:
    """Take files, alone or with all wishes; either way the price is seen next. A script gets the same as JSON."""
    if not request.user.is_authenticated and not settings.PORTAL_GUEST_QUOTES:  # type: ignore[misc]
        wall = redirect_to_login(reverse("portal:quote-new"))
        return JsonResponse({"location": wall.url}) if _is_script(request) else wall
    offered = offer()
    if request.method != "POST":
        return _upload_page(request, NewQuoteForm(**offered))
    form = NewQuoteForm(_with_defaults(request, offered["materials"]), request.FILES, **offered)
    refused: list[dict[str, str]] = []
    if form.is_valid():
        try:
            quote = _create(request, form)
        except UnusableFile as error:
            refused = refusals(error)
            form.add_error("files", [f"{row['file']}: {row['reason']} {row['advice']}" for row in refused])
        except BLB3DError as error:
            form_refusal(form, error)
        else:
            address = reverse(f"portal:{_next_page(quote)}", args=[quote.pk])
            return JsonResponse({"location": address}) if _is_script(request) else redirect(address)
    can_ask = bool(refused) and all(row["kind"] in ("FILE_NEEDS_PERSON", "FILE_TOO_HARD") for row in refused)
    if _is_script(request):
        words = [text for texts in form.errors.values() for text in texts]
        answer = {"message": " ".join(words), "files": refused, "can_ask_engineer": can_ask}
        return JsonResponse(answer, status=UNPROCESSABLE)
    return _upload_page(request, form, can_ask_engineer=can_ask)


def _is_script(request: HttpRequest) -> bool:
    return request.headers.get("Accept", "") == "application/json"


def _next_page(quote: Quote) -> str:
    return "quote-configure" if can_configure(quote) else "quote-detail"


def _with_defaults(request: HttpRequest, materials: list[Any]) -> Any:
    """Return what was posted, with the usual wishes where only files came."""
    data = request.POST.copy()
    if "material_type" not in data:
        data["material_type"] = usual_type(materials)
        for name, field in WishesForm.base_fields.items():
            if field.initial is not None:
                data.setdefault(name, str(getattr(field.initial, "value", field.initial)))
    return data


def _create(request: HttpRequest, form: NewQuoteForm) -> Quote:
    user = request.user if isinstance(request.user, User) else None
    member = membership_of(user) if user is not None else None
    visit = begin_visit(request)
    asks = request.POST.get("ask") == ENGINEER
    # What nobody chose is as the file asks, where it is a slicer's project.
    wishes = {name: value for name, value in form.wishes().items() if name not in BY_FILE or name in request.POST}
    wanted = quotes.QuoteRequest(
        files=quotes.Upload.of(form.cleaned_data["files"]),
        user=user if member is not None else None,
        customer=member.customer if member is not None else None,
        visit=visit,
        # The price is looked at before it is asked for; and nobody reviews what nobody is there to accept.
        submit=asks and member is not None,
        is_for_engineer=asks,
        ip_address=client_ip(request),
        **wishes,
    )
    quote = quotes.create_quote(wanted, actor=actor_for(request))
    accounts.touch_visit(visit.session_id, quotes=1, user=user)
    return quote


def _upload_page(request: HttpRequest, form: NewQuoteForm, *, can_ask_engineer: bool = False) -> HttpResponse:
    context = {
        **upload_context(),
        "form": form,
        "colors": form.colors(),
        "can_ask_engineer": can_ask_engineer,
        "nav": "quotes",
    }
    return show(request, "portal/quote_new.html", context, status=UNPROCESSABLE if form.errors else 200)


def can_configure(quote: Quote) -> bool:
    """Tell whether the customer can still choose: a draft that was read and still holds."""
    if quote.status != Quote.Status.DRAFT or quote.has_expired:
        return False
    return quote.is_priced or bool(_unit_files(quote))


def _unit_files(quote: Quote) -> list[QuoteFile]:
    """Return the files whose unit only the customer knows."""
    return [row for row in quote.files.filter(format="stl") if row.is_read]


@require_http_methods(["GET", "POST"])
@limited(DefaultThrottle)
@page
def quote_configure(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Change a draft's wishes and see its price move; "stay" and a file's "unit" keep them and come back here."""
    quote = quote_of(request, pk)
    if not can_configure(quote):
        return redirect("portal:quote-detail", pk=quote.pk)
    data = request.POST if request.method == "POST" else None
    form, parts = wishes_form(data, quote=quote), PartsForm(data, parts=quote.parts.order_by("pk"))
    if data is not None and form.is_valid() and parts.is_valid():
        try:
            quote = _keep(request, quote, form, parts)
        except BLB3DError as error:
            form_refusal(form, error)
            quote = quote_of(request, pk)
        else:
            return redirect("portal:quote-configure" if _stays(data) else "portal:quote-detail", pk=quote.pk)
    return _configure_page(request, quote, form, parts)


def _stays(data: Any) -> bool:
    return "stay" in data or "unit" in data


def _keep(request: HttpRequest, quote: Quote, form: WishesForm, parts: PartsForm) -> Quote:
    """Write what was chosen; submit it when that is what the button says and there is a price."""
    actor = actor_for(request)
    file_id, _, unit = request.POST.get("unit", "").partition(":")
    for row in _unit_files(quote):
        if file_id == str(row.pk):
            quotes.set_file_unit(row, unit, actor=actor)
            # What was read anew has parts of its own: the counts on the page were for the old ones.
            return quotes.update_quote(quote, actor=actor, **form.wishes())
    if parts.changed():
        quote = quotes.set_part_quantities(quote, parts.changed(), actor=actor)
    quote = quotes.update_quote(quote, actor=actor, **form.wishes())
    if not _stays(request.POST) and quote.customer_id is not None and quote.is_priced:
        quote = quotes.submit_quote(quote, actor=actor)
    return quote


@require_POST
@limited(DefaultThrottle)
@page
def quote_price(request: HttpRequest, pk: int) -> HttpResponse:
    """The price as it would be with the wishes on the page. Only the counts of parts are kept: they are the model's."""
    quote = quote_of(request, pk)
    form, parts = wishes_form(request.POST, quote=quote), PartsForm(request.POST, parts=quote.parts.order_by("pk"))
    context: dict[str, Any] = {"price_url": reverse("portal:quote-price", args=[quote.pk]), "is_live": True}
    if form.is_valid() and parts.is_valid():
        try:
            if parts.changed() and quote.status == Quote.Status.DRAFT:
                quote = quotes.set_part_quantities(quote, parts.changed(), actor=actor_for(request))
            shown_quote, materials = quotes.preview(quote, form.wishes())
            context["quote"], context["filaments"] = shown_quote, several(materials)
            context["saw"], context["warnings"] = saw(shown_quote)
            context["slots"] = file_filaments(quote)
        except BLB3DError as error:
            context["problem"] = error.message
    else:
        shown = form if form.errors else parts
        name, texts = next(iter(shown.errors.items()))
        label = shown.fields[name].label if name in shown.fields else ""
        context["problem"] = f"{label}: {texts[0]}"
    return show(request, "portal/parts/price_live.html", context)


def _configure_page(request: HttpRequest, quote: Quote, form: WishesForm, parts: PartsForm) -> HttpResponse:
    facts, warnings = saw(quote)
    rows = file_rows(quote)
    context = {
        "form": form,
        "colors": form.colors(),
        "parts": parts.rows() if len(parts.parts) > 1 else [],
        "quote": quote,
        "files": rows,
        "viewer": rows[0] if rows else None,
        "slots": file_filaments(quote),
        "filaments": filaments(quote),
        "saw": facts,
        "warnings": warnings,
        "price_url": reverse("portal:quote-price", args=[quote.pk]),
        "compare_url": reverse("portal:quote-compare", args=[quote.pk]) if quote.is_priced else "",
        "nav": "quotes",
    }
    has_errors = bool(form.errors or parts.errors)
    return show(request, "portal/quote_configure.html", context, status=UNPROCESSABLE if has_errors else 200)


def filaments(quote: Quote) -> list[QuoteMaterial]:
    """Return the filaments of a quote in several, with grams per set; none where it is printed in one."""
    return several(list(quote.materials.select_related("material").order_by("position")))


def several(rows: list[QuoteMaterial]) -> list[QuoteMaterial]:
    """Return the filaments, or none where it is one: that one is the material of the quote."""
    return rows if len(rows) > 1 else []


@require_GET
@page
def quote_progress(request: HttpRequest, pk: int) -> HttpResponse:
    """How far reading the files is; once it is done, the page that shows the price is next."""
    quote = quote_of(request, pk)
    response = show(request, "portal/parts/reading.html", {"quote": quote})
    if not is_waiting(quote):
        response["HX-Redirect"] = reverse(f"portal:{_next_page(quote)}", args=[quote.pk])
    return response


def is_waiting(quote: Quote) -> bool:
    """Tell whether a worker still reads the quote's files."""
    return quote.status == Quote.Status.DRAFT and not quote.is_priced and not quote.estimate_detail
