"""The stock books in the console: periods that are closed, what was in them, and the nightly proofs."""

from __future__ import annotations

import datetime
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from blb3d.core.admin import AdminVerb, DocumentAdmin, LedgerAdmin, money_column, number_column
from inventory import services as inventory
from inventory.models import ReconciliationReport, StockPeriod, StockPeriodValue


@admin.register(StockPeriod)
class StockPeriodAdmin(DocumentAdmin):
    list_display = ("first_day", "last_day", "status", "worth", "closed_at", "closings")
    list_filter = ("status",)
    header_fields = ("first_day", "last_day", "stock_value", "closed_at", "closings")
    fields = (("first_day", "last_day"),)
    worth = money_column("stock_value", "stock value at its end")
    verbs = {
        "close": AdminVerb(
            call=inventory.close_period,
            confirm="Nothing can be posted in these days, or before them, once they are closed. What all stock is "
            "worth at their end is kept.",
        ),
        "reopen": inventory.reopen_period,
    }

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Propose the month after the last period, else the last month."""
        last = StockPeriod.objects.order_by("-last_day").first()
        if last is not None:
            first = last.last_day + datetime.timedelta(days=1)
        else:
            first = (timezone.localdate().replace(day=1) - datetime.timedelta(days=1)).replace(day=1)
        following = (first.replace(day=28) + datetime.timedelta(days=4)).replace(day=1)
        return {"first_day": first, "last_day": following - datetime.timedelta(days=1)}

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep the days of a period that is laid down."""
        days = ("first_day", "last_day") if obj is not None else ()
        return (*super().get_readonly_fields(request, obj), *days)

    def page_links(self, obj: StockPeriod) -> list[tuple[str, str]]:
        """Lead to what stock was worth on its last day."""
        kept = reverse("admin:inventory_stockperiodvalue_changelist")
        return [
            ("Stock value", f"{reverse('console-stock-value')}?{urlencode({'on': obj.last_day.isoformat()})}"),
            ("What was kept", f"{kept}?{urlencode({'period__id__exact': obj.pk})}"),
        ]

    def create(self, request: HttpRequest, obj: StockPeriod, form: Any) -> StockPeriod:
        """Lay down the period."""
        return inventory.create_period(
            first_day=obj.first_day,
            last_day=obj.last_day,
            actor=request.user,  # type: ignore[arg-type]
        )


@admin.register(StockPeriodValue)
class StockPeriodValueAdmin(LedgerAdmin):
    list_display = ("period", "closing", "product", "location", "lot", "on_hand", "worth")
    list_filter = (("period", admin.RelatedOnlyFieldListFilter),)
    search_fields = ("product__sku", "product__name", "lot__lot_number")
    list_related = ("period", "product", "location", "lot")
    header_fields = ("period", "product", "location", "lot", "quantity", "stock_value")
    on_hand = number_column("quantity")
    worth = money_column("stock_value", "value")


@admin.register(ReconciliationReport)
class ReconciliationReportAdmin(LedgerAdmin):
    list_display = ("made_at", "is_clean", "difference_count", "settled_at", "transactions", "balances", "worth")
    list_filter = ("is_clean", ("settled_at", admin.EmptyFieldListFilter))
    list_lookups = ("settled_at__isnull",)
    header_fields = ("made_at", "is_clean", "difference_count", "settled_at", "stock_value")
    fields = (("transactions", "balances", "lots"), "found")
    readonly_fields = ("found",)
    worth = money_column("stock_value", "stock value")

    def heading(self, obj: ReconciliationReport) -> str:
        """Say whether the books agreed."""
        return "All stock books agreed" if obj.is_clean else f"{obj} in the stock books"

    @admin.display(description="differences")
    def found(self, obj: ReconciliationReport) -> SafeString | str:
        """List the differences as they were found."""
        if not obj.differences:
            return "none"
        lines = ((f"{row['what']} of {row['subject']}", row["expected"], row["found"]) for row in obj.differences)
        return format_html_join("", "<p>{}: expected {}, found {}</p>", lines)
