"""What open quotes would become by other price rules: a page, and the same as CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse

from quotes.models import Quote
from quotes.services.whatif import MOST, WhatIf, totals, what_if
from sales.models import PriceRules
from sales.selectors import active_rules, rules_of

#: Rows that the page shows; the sums and the CSV hold all.
SHOWN = 200


def what_if_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show each open quote's net price now and by these rules, with cost and margin, and the sums."""
    if not request.user.has_perms(("quotes.view_quote", "sales.view_pricerules")):  # type: ignore[union-attr]
        raise PermissionDenied
    rules = PriceRules.objects.filter(pk=pk).prefetch_related("machine_rates", "quantity_breaks").first()
    if rules is None:
        raise Http404
    rows = what_if(rules_of(rules))
    if request.GET.get("format") == "csv":
        return _csv(rows, name=f"what-if-rules-{rules.number}.csv")
    context = {
        **admin.site.each_context(request),
        "title": f"What if price rules {rules.number} ruled?",
        "rules": rules,
        "rules_url": reverse("admin:sales_pricerules_change", args=[rules.pk]),
        "present": active_rules().name,
        "rows": [(row, reverse("admin:quotes_quote_change", args=[row.quote_id])) for row in rows[:SHOWN]],
        "left_out": max(len(rows) - SHOWN, 0),
        "is_cut": len(rows) >= MOST,
        "most": MOST,
        "totals": totals(rows),
    }
    return TemplateResponse(request, "admin/console/what_if.html", context)


def _csv(rows: Sequence[WhatIf], *, name: str) -> HttpResponse:
    response = HttpResponse(
        content_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
    writer = csv.writer(response)
    writer.writerow(
        ["quote", "status", "customer", "rules", "currency", "net now", "net then", "difference", "cost",
         "margin percent"]
    )  # fmt: skip
    for row in rows:
        writer.writerow(
            [
                row.number,
                Quote.Status(row.status).label,
                _text(row.customer),
                row.rules,
                row.currency,
                row.now,
                row.then,
                row.difference,
                row.cost,
                row.margin_percent,
            ]
        )
    return response


def _text(value: Any) -> str:
    """Return a text that a spreadsheet takes for one: what begins like a formula is quoted."""
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
