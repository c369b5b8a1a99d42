"""The first page, and the page of components."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from blb3d.accounts.models import User
from blb3d.core.errors import NotFound
from blb3d.core.showcase import component_samples
from quotes.models import Quote
from quotes.portal.visits import quotes_of
from sales import selectors as sales
from sales.models import SalesOrder
from sales.portal.base import page, show
from sales.portal.orders import OPEN

SHOWN = 10


def upload_context() -> dict[str, Any]:
    """Return what a drop zone says of files."""
    return {
        "accepted_endings": ",".join(settings.ALLOWED_FILE_EXTENSIONS),  # type: ignore[misc]
        "max_upload_bytes": settings.MAX_UPLOAD_SIZE_MB * 1_000_000,  # type: ignore[misc]
    }


@require_GET
@page
def home(request: HttpRequest) -> HttpResponse:
    """Drop a model, or go on with what is open."""
    context = {**upload_context(), "guest_quotes": settings.PORTAL_GUEST_QUOTES, "nav": "home"}  # type: ignore[misc]
    context["quotes"] = quotes_of(request).filter(status__in=Quote.OPEN).order_by("-id")[:SHOWN]
    if isinstance(request.user, User):
        orders = sales.for_user(request.user, SalesOrder).filter(status__in=OPEN)
        context["orders"] = orders.order_by("-id")[:SHOWN]
    return show(request, "portal/home.html", context)


@login_required
@require_GET
@page
def components(request: HttpRequest) -> HttpResponse:
    """Every component on one page, for staff."""
    if not request.user.is_staff:
        raise NotFound
    return show(request, "portal/components.html", component_samples())
