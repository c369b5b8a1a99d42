"""Quotes that wait for us: for a decision, whose it is, why, since when and for how much; or for an answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q, Subquery
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import reverse

from blb3d.core.money import ZERO
from quotes import services as quotes
from quotes.models import Quote, QuoteApproval, QuoteComment
from quotes.services.pricing import cost_of
from sales.pricing import margin_percent

APPROVERS = {1: "manager", 2: "director", 3: "owner"}
#: Waiting quotes that one page looks at, the oldest first.
MOST = 500


@dataclass(frozen=True)
class Waiting:
    """A quote as the queue shows it."""

    quote: Quote
    url: str
    #: 0 where nothing is to be decided.
    level: int
    rules: tuple[str, ...]
    is_mine: bool
    #: The customer spoke last.
    is_unanswered: bool
    margin: Decimal | None

    @property
    def approver(self) -> str:
        """Who decides."""
        return APPROVERS.get(self.level, "–")

    @property
    def reasons(self) -> str:
        """Why, in words."""
        return ", ".join(str(QuoteApproval.Rule(rule).label) for rule in self.rules)


def queue_page(request: HttpRequest) -> TemplateResponse:
    """Show what waits, narrowed by level, rule, to what this person may decide or to unanswered comments; the oldest
    first, or the most valuable.
    """
    if not request.user.has_perm("quotes.view_quote"):  # type: ignore[union-attr]
        raise PermissionDenied
    found = list(_waiting(request.user))
    chosen = {name: request.GET.get(name, "") for name in ("mine", "unanswered", "level", "rule")}
    shown = [
        row
        for row in found
        if (not chosen["mine"] or row.is_mine)
        and (not chosen["unanswered"] or row.is_unanswered)
        and (not chosen["level"] or str(row.level) == chosen["level"])
        and (not chosen["rule"] or chosen["rule"] in row.rules)
    ]
    by_value = request.GET.get("sort") == "value"
    if by_value:
        shown.sort(key=lambda row: row.quote.subtotal or ZERO, reverse=True)
    narrowed = {name: value for name, value in chosen.items() if value}
    context = {
        **admin.site.each_context(request),
        "title": "Quotes to decide",
        "rows": shown,
        "waiting": len(found),
        "choices": list(_choices(found, narrowed)),
        "by_value": by_value,
        "sort_url": f"?{urlencode(narrowed if by_value else {**narrowed, 'sort': 'value'})}",
    }
    return TemplateResponse(request, "admin/console/quote_queue.html", context)


def _waiting(user: Any) -> Iterator[Waiting]:
    """Yield the quotes that wait, the oldest first, in two queries."""
    visible = QuoteComment.objects.filter(quote=OuterRef("pk"), is_internal=False).order_by("-pk")
    by_customer = QuoteComment.objects.filter(pk=OuterRef("last_comment"), author__is_staff=False)
    rows = Quote.objects.annotate(last_comment=Subquery(visible.values("pk")[:1])).annotate(
        is_unanswered=Exists(by_customer)
    )
    rows = rows.filter(
        Q(status=Quote.Status.PENDING) | Q(status__in=(*Quote.OPEN, Quote.Status.ACCEPTED), is_unanswered=True)
    )
    mine = quotes.levels_of(user)
    for quote in rows.select_related("customer").prefetch_related("approvals").order_by("submitted_at", "pk")[:MOST]:
        waiting = [row for row in quote.approvals.all() if row.status == QuoteApproval.Status.PENDING]
        level = quotes.pending_level(quote) if quote.status == Quote.Status.PENDING else 0
        cost = cost_of(quote)
        yield Waiting(
            quote=quote,
            url=reverse("admin:quotes_quote_change", args=[quote.pk]),
            level=level,
            rules=tuple(dict.fromkeys(row.required_when for row in waiting)),
            is_mine=level in mine,
            is_unanswered=quote.is_unanswered,
            margin=margin_percent(quote.subtotal, cost) if cost is not None and quote.subtotal is not None else None,
        )


def _choices(found: list[Waiting], narrowed: dict[str, str]) -> Iterator[tuple[str, int, str, bool]]:
    """Yield (words, how many, address, whether chosen) of what the queue is narrowed to."""

    def one(words: str, count: int, **wanted: str) -> tuple[str, int, str, bool]:
        return words, count, f"?{urlencode(wanted)}", narrowed == wanted

    yield one("All", len(found))
    yield one("Mine to decide", sum(row.is_mine for row in found), mine="1")
    unanswered = sum(row.is_unanswered for row in found)
    if unanswered:
        yield one("Unanswered", unanswered, unanswered="1")
    for level, name in APPROVERS.items():
        count = sum(row.level == level for row in found)
        if count:
            yield one(f"For the {name}", count, level=str(level))
    for rule in QuoteApproval.Rule:
        count = sum(rule.value in row.rules for row in found)
        if count:
            yield one(str(rule.label).capitalize(), count, rule=rule.value)
