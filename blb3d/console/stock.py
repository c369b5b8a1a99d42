"""Stock in the console: what to reorder, what lies where and how long, and what products should cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.html import format_html
from django.views.decorators.http import require_GET, require_http_methods
from unfold import widgets

from blb3d.console.navigation import REORDER, STANDARD_COSTS, STOCK_REPORTS, STOCK_VALUE, Page, page_url
from blb3d.core.admin.verbs import worded
from blb3d.core.errors import BLB3DError
from blb3d.core.tables import write_csv
from inventory import services as inventory
from inventory.models import Product
from inventory.selectors.standard_costs import standard_costs
from inventory.selectors.stock_reports import (
    SPAN_NAMES,
    slow_movers,
    stock_by_age,
    stock_by_location,
    stock_by_lot,
)
from production import services as production
from production.selectors.reorder import ReorderLine, reorder_report

#: How many rows a page shows; the file has all of them.
SHOWN = 500
MAY_BUY = "inventory.add_purchaseorder"
MAY_MAKE = "production.add_productionorder"
MAY_ROLL = ("inventory.change_product", "inventory.change_bom")


def _check(request: HttpRequest, *permissions: str) -> None:
    if not request.user.has_perms(permissions):  # type: ignore[union-attr]
        raise PermissionDenied


def _show(request: HttpRequest, page: Page, template: str, context: dict[str, Any]) -> TemplateResponse:
    asked = {name: value for name, value in request.GET.items() if name != "format"}
    frame = {
        **admin.site.each_context(request),
        "title": page.title,
        "csv_url": f"?{urlencode({**asked, 'format': 'csv'})}",
    }
    return TemplateResponse(request, f"admin/console/{template}.html", {**frame, **context})


def _csv(name: str, headings: Sequence[str], rows: Sequence[Sequence[Any]]) -> HttpResponse:
    return HttpResponse(
        write_csv([headings, *rows]),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}-{timezone.localdate()}.csv"'},
    )


class _Form(forms.Form):
    """A filter in the console's clothes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            is_choice = isinstance(field.widget, forms.Select)
            field.widget.attrs["class"] = " ".join(widgets.SELECT_CLASSES if is_choice else widgets.INPUT_CLASSES)


class ReorderForm(_Form):
    """Which products."""

    show = forms.ChoiceField(
        required=False, choices=[("", "What is below its floor"), ("all", "All with a floor")], label="Show"
    )
    search = forms.CharField(required=False, max_length=100, label="SKU, name or vendor")

    def rows(self) -> list[ReorderLine]:
        """Return what is asked for."""
        text = self.cleaned_data["search"].strip().casefold()
        found = reorder_report(only_below=self.cleaned_data["show"] != "all")
        return [row for row in found if not text or text in f"{row.sku} {row.name} {row.vendor}".casefold()]


_REORDER_HEADINGS = (
    "SKU",
    "name",
    "unit",
    "floor",
    "on hand",
    "reserved",
    "on order",
    "in production",
    "owed",
    "projected",
    "suggested",
    "how",
    "vendor",
    "lead time days",
)


@require_http_methods(["GET", "POST"])
def reorder(request: HttpRequest) -> HttpResponse:
    """Show what has fallen below its floor with what to order; a POST buys or makes what is ticked."""
    _check(request, *REORDER.permissions)
    if request.method == "POST":
        _order(request)
        return redirect(request.get_full_path())
    form = ReorderForm(request.GET)
    rows = form.rows() if form.is_valid() else []
    if request.GET.get("format") == "csv":
        return _csv("reorder", _REORDER_HEADINGS, [_reorder_cells(row) for row in rows])
    may_buy, may_make = (request.user.has_perm(name) for name in (MAY_BUY, MAY_MAKE))  # type: ignore[union-attr]
    shown: list[dict[str, Any]] = [
        {
            "line": row,
            "url": page_url("inventory.Product", row.product_id, request),
            "vendor_url": page_url("inventory.Vendor", row.vendor_id, request) if row.vendor_id else "",
            "may_tick": row.suggested > 0 and (may_make if row.is_made else may_buy),
        }
        for row in rows[:SHOWN]
    ]
    ticked = [row["line"] for row in shown if row["may_tick"]]
    context = {
        "form": form,
        "rows": shown,
        "left_out": len(rows) - len(shown),
        "may_buy": any(not line.is_made for line in ticked),
        "may_make": any(line.is_made for line in ticked),
        "is_all": form.is_valid() and form.cleaned_data["show"] == "all",
    }
    return _show(request, REORDER, "reorder", context)


def _reorder_cells(row: ReorderLine) -> tuple[Any, ...]:
    quantities = (row.floor, row.on_hand, row.reserved, row.on_order, row.in_production, row.owed, row.projected)
    how = "make" if row.is_made else "buy"
    return (row.sku, row.name, row.unit, *quantities, row.suggested, how, row.vendor, row.lead_days)


def _order(request: HttpRequest) -> None:
    """Buy or make what is ticked and say what was written; a refusal is said too."""
    act = request.POST.get("act", "")
    if act not in ("buy", "make"):
        messages.error(request, "Please say whether to buy or to make.")
        return
    _check(request, MAY_BUY if act == "buy" else MAY_MAKE)
    ids = [int(text) for text in request.POST.getlist("product") if text.isdecimal() and len(text) < 19]
    products = list(Product.objects.filter(pk__in=ids))
    if not products:
        messages.warning(request, "Nothing was ticked.")
        return
    actor: Any = request.user
    label = "inventory.PurchaseOrder" if act == "buy" else "production.ProductionOrder"
    try:
        if act == "buy":
            bought = production.buy_missing(products=products, actor=actor)
            written = [(order.pk, str(order), f"to {order.vendor}") for order in bought]
        else:
            made = production.replenish_stock(products=products, actor=actor)
            written = [(order.pk, order.code, f"for {order.quantity} × {order.product}") for order in made]
    except BLB3DError as refusal:
        messages.error(request, worded(refusal))
        return
    for pk, number, words in written:
        url = page_url(label, pk, request)
        name = format_html('<a href="{}">{}</a>', url, number) if url else number
        messages.success(request, format_html("{} {} is written as a draft.", name, words))
    if not written:
        kind = "bought" if act == "buy" else "made"
        messages.info(request, f"Nothing of what was ticked is {kind} and below its floor any more.")


class _Column(NamedTuple):
    """A column of a report: its head and kind (text, number, money, day); ``small`` heads a second, smaller value.

    The cell of a column with a second value is a pair of both.
    """

    head: str
    kind: str = "text"
    small: str = ""
    small_kind: str = "text"


@dataclass(frozen=True)
class _Report:
    """A report on stock: its words, columns and rows of cells, the first of each linked to its page of ``label``.

    ``totals`` are facts above the table.
    """

    title: str
    columns: tuple[_Column, ...]
    rows: list[tuple[int | None, tuple[Any, ...]]]
    totals: tuple[tuple[str, Decimal], ...]
    label: str = "inventory.Product"
    note: str = ""

    def file(self, name: str) -> HttpResponse:
        """Return all rows for a spreadsheet, every value in a column of its own."""
        heads = [head for column in self.columns for head in (column.head, column.small) if head]
        rows = [
            [
                value
                for column, cell in zip(self.columns, cells, strict=True)
                for value in (cell if column.small else (cell,))
            ]
            for _, cells in self.rows
        ]
        return _csv(name, heads, rows)


class ReportForm(_Form):
    """Which report, narrowed to what."""

    by = forms.ChoiceField(
        required=False,
        choices=[("location", "By location"), ("lot", "By lot"), ("age", "By age"), ("slow", "Slow movers")],
        label="Report",
    )
    search = forms.CharField(required=False, max_length=100, label="SKU, name, lot or location")
    days = forms.IntegerField(required=False, min_value=1, max_value=3650, label="Slow: not used for days")


@require_GET
def stock_reports(request: HttpRequest) -> HttpResponse:
    """Show stock by location, lot or age, or what hardly moves; ``?format=csv`` for a spreadsheet."""
    _check(request, *STOCK_REPORTS.permissions)
    form = ReportForm(request.GET)
    report = None
    if form.is_valid():
        given = form.cleaned_data
        report = _REPORTS[given["by"] or "location"](given["search"].strip(), given["days"] or 90)
        if request.GET.get("format") == "csv":
            name = f"stock-{report.title.casefold().replace(' ', '-')}"
            return report.file(name)
    context: dict[str, Any] = {"form": form, "report": report, "value_page": ""}
    if request.user.has_perms(STOCK_VALUE.permissions):  # type: ignore[union-attr]
        context["value_page"] = STOCK_VALUE.url_name
    if report is not None:
        context["rows"] = [
            (page_url(report.label, pk, request) if pk else "", list(zip(report.columns, cells, strict=True)))
            for pk, cells in report.rows[:SHOWN]
        ]
        context["left_out"] = max(len(report.rows) - SHOWN, 0)
    return _show(request, STOCK_REPORTS, "stock_reports", context)


_PRODUCT = _Column("Product", small="Name")


def _worth(rows: Iterable[Any]) -> tuple[tuple[str, Decimal], ...]:
    return (("Value", sum((row.value for row in rows), Decimal(0))),)


def _by_location(search: str, days: int) -> _Report:
    text = search.casefold()
    rows = [row for row in stock_by_location() if not text or text in f"{row.code} {row.name}".casefold()]
    return _Report(
        "By location",
        (
            _Column("Location", small="Name"),
            _Column("Products", "number"),
            _Column("Lots", "number"),
            _Column("Value", "money"),
            _Column("Of it reserved", "money"),
        ),
        [
            (row.location_id, ((row.code, row.name), row.products, row.lots, row.value, row.reserved_value))
            for row in rows
        ],
        _worth(rows),
        label="inventory.InventoryLocation",
    )


def _by_lot(search: str, days: int) -> _Report:
    rows = stock_by_lot(search=search)
    return _Report(
        "By lot",
        (
            _PRODUCT,
            _Column("Lot", small="Status"),
            _Column("Location"),
            _Column("On hand", "number", "Unit"),
            _Column("Reserved", "number"),
            _Column("Value", "money", "Unit cost", "money"),
            _Column("Received", "day"),
            _Column("Age in days", "number"),
            _Column("Expires", "day"),
        ),
        [
            (
                row.product_id,
                (
                    (row.sku, row.name),
                    (row.lot_number or "no lot", row.status),
                    row.location,
                    (row.on_hand, row.unit),
                    row.reserved,
                    (row.value, row.unit_cost),
                    row.received_on,
                    row.age_days,
                    row.expires_on,
                ),
            )
            for row in rows
        ],
        _worth(rows),
    )


def _by_age(search: str, days: int) -> _Report:
    rows = stock_by_age(search=search)
    spans = [
        (f"{name} days", sum((row.values[place] for row in rows), Decimal(0))) for place, name in enumerate(SPAN_NAMES)
    ]
    return _Report(
        "By age",
        (
            _PRODUCT,
            _Column("Unit"),
            *(_Column(f"{name} days", "number", f"Value {name}", "money") for name in SPAN_NAMES),
            _Column("All", "number", "Value", "money"),
        ),
        [
            (
                row.product_id,
                (
                    (row.sku, row.name),
                    row.unit,
                    *zip(row.quantities, row.values, strict=True),
                    (row.quantity, row.value),
                ),
            )
            for row in rows
        ],
        (*spans, *_worth(rows)),
        note="A lot is as old as its receipt. Stock without a lot is taken to be what came last.",
    )


def _slow(search: str, days: int) -> _Report:
    rows = slow_movers(days=days, search=search)
    return _Report(
        "Slow movers",
        (
            _PRODUCT,
            _Column("On hand", "number", "Unit"),
            _Column("Value", "money"),
            _Column("Used in a year", "number"),
            _Column("Last used", "day"),
            _Column("Idle days", "number"),
            _Column("Lasts days", "number"),
        ),
        [
            (
                row.product_id,
                (
                    (row.sku, row.name),
                    (row.on_hand, row.unit),
                    row.value,
                    row.used,
                    row.last_used_on,
                    row.idle_days,
                    row.days_left,
                ),
            )
            for row in rows
        ],
        _worth(rows),
        note=f"Not used for {days} days, never used, or enough for more than a year.",
    )


_REPORTS: dict[str, Callable[[str, int], _Report]] = {
    "location": _by_location,
    "lot": _by_lot,
    "age": _by_age,
    "slow": _slow,
}


@require_http_methods(["GET", "POST"])
def costs(request: HttpRequest) -> HttpResponse:
    """Show what made products should cost by their bills; a POST writes it as their standard cost."""
    _check(request, *STANDARD_COSTS.permissions)
    if request.method == "POST":
        _check(request, *MAY_ROLL)
        reason = request.POST.get("reason", "").strip()[:500]
        try:
            changed = inventory.roll_standard_costs(reason=reason, actor=request.user)  # type: ignore[arg-type]
        except BLB3DError as refusal:
            messages.error(request, worded(refusal))
        else:
            messages.success(request, f"{len(changed)} standard costs were written.")
        return redirect(STANDARD_COSTS.url_name)
    rows = standard_costs()
    changing = [row for row in rows if row.changes]
    if request.GET.get("format") == "csv":
        heads = ("SKU", "name", "standard cost", "by its bill", "difference", "components without a cost")
        cells = [(r.sku, r.name, r.before, r.after, r.difference, ", ".join(r.without_cost)) for r in rows]
        return _csv("standard-costs", heads, cells)
    context = {
        "rows": [(row, page_url("inventory.Product", row.product_id, request)) for row in changing[:SHOWN]],
        "left_out": max(len(changing) - SHOWN, 0),
        "count": len(changing),
        "all": len(rows),
        "without": sorted({sku for row in rows for sku in row.without_cost})[:20],
        "may_roll": request.user.has_perms(MAY_ROLL),  # type: ignore[union-attr]
    }
    return _show(request, STANDARD_COSTS, "standard_costs", context)


urlpatterns: list[URLPattern] = [
    path("admin/reorder/", admin.site.admin_view(reorder), name=REORDER.url_name),
    path("admin/stock-reports/", admin.site.admin_view(stock_reports), name=STOCK_REPORTS.url_name),
    path("admin/standard-costs/", admin.site.admin_view(costs), name=STANDARD_COSTS.url_name),
]
