"""What became of quotes, in the console: each of them, and how they go by week, material and price."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import path
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from blb3d.core.admin import LedgerAdmin
from quotes.models import QuoteAnalytics
from quotes.services.funnel import Step, funnel


@admin.register(QuoteAnalytics)
class QuoteAnalyticsAdmin(LedgerAdmin):
    list_display = ("number", "time_to_quote_seconds", "customer_session_duration", "got_to",
                    "converted_to_order", "conversion_time_hours", "recorded_at")  # fmt: skip
    list_filter = ("converted_to_order", "abandoned_at_step", ("recorded_at", RangeDateTimeFilter))
    list_related = ("quote",)
    list_before_template = "admin/console/funnel_link.html"
    search_fields = ("quote__quote_number",)
    ordering = ("-id",)

    @display(description="quote", ordering="quote")
    def number(self, row: QuoteAnalytics) -> str:
        """Name the quote."""
        return row.quote.quote_number

    @display(description="got to", ordering="abandoned_at_step")
    def got_to(self, row: QuoteAnalytics) -> str:
        """Say how far the customer got."""
        if row.converted_to_order:
            return "ordered"
        known = row.abandoned_at_step in Step.values
        return str(Step(row.abandoned_at_step).label) if known else row.abandoned_at_step or "–"

    def get_urls(self) -> list[Any]:
        """Add the report."""
        report = self.admin_site.admin_view(self.report)
        return [path("report/", report, name="quotes_quoteanalytics_report"), *super().get_urls()]

    def report(self, request: HttpRequest) -> TemplateResponse:
        """Show how the quotes of the last twelve weeks went."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        context = {**self.admin_site.each_context(request), "title": "How quotes go", "funnel": funnel()}
        return TemplateResponse(request, "admin/console/quote_funnel.html", context)
