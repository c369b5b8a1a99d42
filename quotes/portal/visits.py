"""Whose quotes a browser may see: those of the user's company, or of the guest's own visit."""

from __future__ import annotations

from django.db.models import QuerySet
from django.http import HttpRequest

from blb3d.accounts import services as accounts
from blb3d.accounts.models import PortalSession, User
from blb3d.core.errors import NotFound
from blb3d.core.middleware import client_ip
from quotes import selectors
from quotes import services as quotes
from quotes.models import Quote

_KEY = "visit"


def visit_of(request: HttpRequest) -> PortalSession | None:
    """Return the visit of this browser, if one was begun."""
    key = request.session.get(_KEY, "")
    return PortalSession.objects.filter(session_id=key).first() if key else None


def begin_visit(request: HttpRequest) -> PortalSession:
    """Return the visit of this browser; the first act that matters begins it."""
    visit = visit_of(request)
    if visit is None:
        user = request.user if isinstance(request.user, User) else None
        visit = accounts.start_visit(
            ip_address=client_ip(request) or None, user_agent=request.headers.get("User-Agent", ""), user=user
        )
        request.session[_KEY] = visit.session_id
    return visit


def quotes_of(request: HttpRequest) -> QuerySet[Quote]:
    """Return the quotes that this browser may see."""
    if isinstance(request.user, User):
        return selectors.for_user(request.user)
    return selectors.of_visit(request.session.get(_KEY, ""))


def quote_of(request: HttpRequest, pk: int) -> Quote:
    """Return one of them.

    Raises:
        NotFound: it is somebody else's, or there is none.
    """
    quote = quotes_of(request).select_related("customer", "material", "sales_order").filter(pk=pk).first()
    if quote is None:
        raise NotFound
    return quote


def actor_for(request: HttpRequest) -> User:
    """Return who acts: the user, or the portal itself for a guest."""
    return request.user if isinstance(request.user, User) else User.objects.system("portal")


def latest_guest_quote(request: HttpRequest) -> Quote | None:
    """Return the quote that registering would make the guest's own."""
    if isinstance(request.user, User):
        return None
    return selectors.of_visit(request.session.get(_KEY, "")).order_by("-pk").first()


def claim(request: HttpRequest, user: User) -> list[Quote]:
    """Give a guest's quotes to the user the guest turned out to be."""
    visit = visit_of(request)
    if visit is None:
        return []
    accounts.touch_visit(visit.session_id, user=user)
    return quotes.claim_quotes(visit, actor=user)
