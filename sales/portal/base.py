"""What every page of the portal does alike: errors as pages, limits, lists, timelines."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any, cast

from django.conf import settings
from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from blb3d.accounts.models import User
from blb3d.core.api.errors import TooManyRequests
from blb3d.core.documents import Document
from blb3d.core.errors import BLB3DError, InvalidTransition
from sales.models import CustomerUser

PAGE_SIZE = 25
#: A form that is shown again with its errors.
UNPROCESSABLE = 422

View = Callable[..., HttpResponseBase]


def show(request: HttpRequest, template: str, context: Mapping[str, Any], *, status: int = 200) -> HttpResponse:
    """Return a page of the portal."""
    return render(request, template, {"shop_name": settings.COMPANY_NAME, **context}, status=status)  # type: ignore[misc]


def page(view: View) -> View:
    """Make a refusal a page with its words, code and status, instead of an exception."""

    @wraps(view)
    def run(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except BLB3DError as error:
            return refusal(request, error)

    return run


def refusal(request: HttpRequest, error: BLB3DError) -> HttpResponse:
    """Return the page of an error."""
    name = f"{error.http_status}.html"
    try:
        get_template(name)
    except TemplateDoesNotExist:
        name = "portal/error.html"
    context = {"error": error, "request_id": getattr(request, "request_id", "")}
    return show(request, name, context, status=error.http_status)


def limited(*throttles: type[BaseThrottle], methods: Sequence[str] = ("POST",)) -> Callable[[View], View]:
    """Limit how often a form is posted, or what else is asked by ``methods``, by the same counters as the API."""

    def decorate(view: View) -> View:
        @wraps(view)
        def run(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if request.method in methods:
                asked = Request(request)
                asked.user = request.user
                for throttle in (kind() for kind in throttles):
                    if not throttle.allow_request(asked, cast(APIView, None)):
                        response = refusal(request, TooManyRequests())
                        response["Retry-After"] = str(math.ceil(throttle.wait() or 1))
                        return response
            return view(request, *args, **kwargs)

        return run

    return decorate


def paged(request: HttpRequest, rows: QuerySet[Any], *, search: Sequence[str]) -> tuple[Page[Any], str]:
    """Return the page asked for of the rows that a search finds, and what was searched."""
    text = request.GET.get("q", "").strip()[:100]
    if text:
        found = Q()
        for field in search:
            found |= Q(**{f"{field}__icontains": text})
        rows = rows.filter(found)
    return Paginator(rows, PAGE_SIZE).get_page(request.GET.get("page")), text


def tabs(request: HttpRequest, choices: Mapping[str, str]) -> tuple[list[dict[str, Any]], str]:
    """Return the tabs above a list and the chosen one's key; the first is the default."""
    chosen = request.GET.get("status", "")
    chosen = chosen if chosen in choices else next(iter(choices))
    rows = [{"label": label, "query": f"?status={key}", "current": key == chosen} for key, label in choices.items()]
    return rows, chosen


def timeline(document: Document, labels: Mapping[str, str], member: CustomerUser | None) -> list[dict[str, Any]]:
    """Return a document's status changes in a customer's words, newest first; who of us did it stays ours."""
    history = document.history  # type: ignore[attr-defined]
    rows, old = [], None
    own = _colleagues(member)
    for record in history.select_related("history_user").order_by("history_id"):
        if record.status != old and record.status in labels:
            who = record.history_user
            rows.append(
                {"at": record.history_date, "text": labels[record.status], "who": own.get(who.pk) if who else ""}
            )
        old = record.status
    return rows[::-1]


def _colleagues(member: CustomerUser | None) -> dict[int, str]:
    if member is None:
        return {}
    people: Iterable[User] = User.objects.filter(customer_user__customer=member.customer_id)
    return {user.pk: str(user) for user in people}


def form_refusal(form: Any, error: BLB3DError) -> None:
    """Put a refusal onto a form: at the fields that it names, else above them."""
    fields = error.details.get("fields")
    placed = False
    if isinstance(fields, dict):
        for name, texts in fields.items():
            if name in form.fields:
                form.add_error(name, [str(text) for text in texts] if isinstance(texts, list) else str(texts))
                placed = True
    field = error.details.get("field")
    if not placed and isinstance(field, str) and field in form.fields:
        form.add_error(field, error.message)
        placed = True
    if not placed:
        words = error.message
        if isinstance(error, InvalidTransition):
            words = "That is not possible any more: somebody was faster. Please look at the page again."
        form.add_error(None, words)
