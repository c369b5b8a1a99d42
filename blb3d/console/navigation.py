"""The side navigation by work, the search by any number, and addresses of pages as far as a person may open them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from unfold.dataclasses import SearchResult

#: Group -> (model, icon, name where the table's own would not do), in the order of the work. What a role may not see,
#: and what has no page, is left out.
NAVIGATION: dict[str, list[tuple[str, str, str]]] = {
    "Sales": [
        ("sales.SalesOrder", "receipt_long", ""),
        ("quotes.Quote", "design_services", ""),
        ("sales.Customer", "groups", ""),
        ("sales.PriceRules", "sell", "Price rules"),
        ("sales.PriceLevel", "percent", "Price levels"),
        ("sales.Shipment", "local_shipping", ""),
        ("sales.Invoice", "request_quote", ""),
        ("sales.Payment", "payments", ""),
        ("sales.Refund", "currency_exchange", ""),
        ("sales.RMA", "assignment_return", "Returns"),
        ("sales.ChangeOrder", "edit_note", ""),
    ],
    "Production": [
        ("production.ProductionOrder", "precision_manufacturing", ""),
        ("production.PrintJob", "layers", ""),
        ("production.Printer", "print", ""),
        ("inventory.PrintFile", "draft", ""),
        ("integrations.SliceTask", "layers_clear", "Slicing"),
        ("production.ProductionOperation", "format_paint", "Operations"),
        ("production.QualityInspection", "fact_check", ""),
        ("production.Nonconformance", "report", "Nonconformances"),
        ("production.SerialNumber", "qr_code_2", ""),
        ("production.PrinterGroup", "workspaces", "Printer groups"),
        ("production.PrinterModel", "view_in_ar", "Printer models"),
        ("production.MaintenanceWindow", "build", "Maintenance"),
        ("production.PrinterProblem", "report_problem", "Problems of printers"),
        ("production.PrinterEvent", "bolt", "What printers said"),
        ("production.ServicePlan", "event_repeat", "Service plans"),
        ("production.ServiceRecord", "history", "Services done"),
        ("production.WorkCenter", "factory", ""),
        ("production.Shift", "schedule", ""),
        ("production.Routing", "route", ""),
        ("production.DefectReason", "bug_report", ""),
        ("production.FirmOrder", "push_pin", ""),
        ("production.Forecast", "trending_up", ""),
    ],
    "Stock": [
        ("inventory.Product", "category", ""),
        ("inventory.BOM", "list_alt", "Bills of materials"),
        ("inventory.ProductFamily", "palette", "Product families"),
        ("inventory.ProductFile", "folder_open", "Product files"),
        ("inventory.ProductPlate", "grid_view", "Plates"),
        ("inventory.Inventory", "inventory_2", "Balances"),
        ("inventory.MaterialLot", "pallet", "Lots"),
        ("inventory.Spool", "album", ""),
        ("inventory.DryingRecord", "mode_fan", "Drying log"),
        ("inventory.CycleCount", "checklist", ""),
        ("inventory.InventoryTransaction", "swap_vert", "Stock ledger"),
        ("inventory.Reservation", "bookmark", ""),
        ("inventory.InventoryLocation", "warehouse", "Locations"),
        ("inventory.StockPeriod", "event_available", "Stock periods"),
        ("inventory.ReconciliationReport", "balance", "Proofs of the books"),
        ("inventory.PurchaseRequisition", "add_shopping_cart", "Requisitions"),
        ("inventory.PurchaseOrder", "shopping_cart", ""),
        ("inventory.GoodsReceipt", "input", "Goods receipts"),
        ("inventory.VendorReturn", "output", "Returns to vendors"),
        ("inventory.VendorBill", "request_page", "Vendor bills"),
        ("inventory.Vendor", "storefront", ""),
        ("inventory.VendorItem", "price_change", "What vendors sell"),
    ],
    "Integrations": [
        ("integrations.MarketplaceProductMapping", "link", "Product mappings"),
        ("integrations.Channel", "hub", ""),
        ("integrations.PrinterConnection", "lan", ""),
        ("integrations.PrinterCommand", "send", ""),
        ("integrations.NoticeRule", "notifications", "Who is told what"),
        ("integrations.Notice", "notifications_active", "Notices"),
        ("core.InboundMessage", "inbox", "Messages from partners"),
        ("core.EventDelivery", "outbox", "News passed on"),
        ("core.OutboxEvent", "bolt", "What happened"),
    ],
    "Records": [
        ("inventory.ImportBatch", "upload_file", "Imports"),
        ("quotes.QuoteFile", "deployed_code", ""),
        ("quotes.FileUploadLog", "upload_file", "Upload log"),
        ("quotes.QuoteAnalytics", "insights", "Quote analytics"),
        ("production.ProductionAnalytics", "monitoring", "Estimates against prints"),
        ("quotes.EstimateCorrection", "tune", "Corrections of estimates"),
        ("quotes.EstimateObservation", "rule", "Prints learned from"),
        ("production.OperationReport", "assignment_turned_in", "Reports of operations"),
        ("production.ScheduleRun", "update", "Makings of the schedule"),
        ("production.MRPRun", "fact_check", "Runs of material planning"),
        ("production.TraceLink", "account_tree", "Trace links"),
    ],
    "System": [
        ("accounts.User", "person", ""),
        ("auth.Group", "badge", "Roles"),
        ("accounts.ApiKey", "key", "API keys"),
        ("accounts.PortalSession", "devices", "Portal visits"),
        ("core.NumberSequence", "tag", ""),
    ],
}


@dataclass(frozen=True)
class Page:
    """A page of the console that is not a table's."""

    group: str
    title: str
    icon: str
    url_name: str
    permissions: tuple[str, ...]


MATERIALS = Page(
    "Production",
    "Material requirements",
    "production_quantity_limits",
    "console-materials",
    ("production.view_productionorder", "inventory.view_product"),
)
PLANNING = Page(
    "Production",
    "Material planning",
    "event_upcoming",
    "console-mrp",
    ("production.view_mrprun", "production.view_plannedorder", "inventory.view_product"),
)
QUEUE = Page(
    "Sales", "Quotes to decide", "gavel", "admin:quotes_quote_queue", ("quotes.approve_quote", "quotes.view_quote")
)
SCHEDULE = Page(
    "Production",
    "Schedule",
    "view_timeline",
    "console-schedule",
    ("production.view_scheduleentry", "production.view_productionorder"),
)
DISPATCH = Page("Production", "Jobs to start", "play_circle", "console-dispatch", ("production.view_printjob",))
SERVICES = Page("Production", "Services due", "handyman", "console-services", ("production.view_printer",))
YIELD = Page(
    "Production",
    "Yield",
    "percent",
    "console-yield",
    ("production.view_printjob", "production.view_productionoperation", "inventory.view_product"),
)
VARIANCE = Page(
    "Production",
    "Cost against quote",
    "balance",
    "console-variance",
    ("production.view_productionorder", "quotes.view_quote", "sales.view_salesorder"),
)
BOARD = Page(
    "Production", "Farm board", "grid_on", "floor:board", ("production.view_printer", "production.view_printjob")
)
TRACE = Page("Production", "Trace", "conversion_path", "console-trace", ("production.view_serialnumber",))
REORDER = Page(
    "Stock",
    "Reorder",
    "shopping_basket",
    "console-reorder",
    ("inventory.view_inventory", "inventory.view_product", "production.view_productionorder"),
)
STOCK_REPORTS = Page(
    "Stock",
    "Stock reports",
    "table_chart",
    "console-stock-reports",
    ("inventory.view_inventory", "inventory.view_product", "inventory.view_materiallot"),
)
STANDARD_COSTS = Page(
    "Stock", "Standard costs", "price_check", "console-standard-costs", ("inventory.view_bom", "inventory.view_product")
)
IMPORTS = Page("Stock", "Import", "upload", "console-imports", ("inventory.add_importbatch",))
STOCK_VALUE = Page("Stock", "Stock value", "savings", "console-stock-value", ("inventory.view_inventorytransaction",))
COUNTS_DUE = Page(
    "Stock", "Due for counting", "event_upcoming", "admin:inventory_cyclecount_due", ("inventory.view_cyclecount",)
)
VENDORS = Page(
    "Stock",
    "How vendors deliver",
    "verified",
    "console-vendors",
    ("inventory.view_vendor", "inventory.view_goodsreceipt"),
)
PAGES = (
    IMPORTS,
    REORDER,
    STOCK_REPORTS,
    STANDARD_COSTS,
    COUNTS_DUE,
    STOCK_VALUE,
    QUEUE,
    BOARD,
    SCHEDULE,
    PLANNING,
    MATERIALS,
    YIELD,
    VARIANCE,
    TRACE,
    DISPATCH,
    SERVICES,
    VENDORS,
)

#: Groups that stand open; the others open by a click.
OPEN = {"Sales", "Production"}

#: What the search box looks through, in this order.
SEARCHED = (
    "sales.SalesOrder",
    "sales.Customer",
    "quotes.Quote",
    "production.ProductionOrder",
    "production.PrintJob",
    "production.SerialNumber",
    "inventory.Product",
    "inventory.MaterialLot",
    "sales.Shipment",
    "sales.Invoice",
    "inventory.PurchaseOrder",
    "inventory.VendorBill",
)
FOUND_PER_MODEL = 5


def admin_of(label: str, request: HttpRequest) -> Any:
    """Return the admin of a model when it has one that this person may look at."""
    page = admin.site._registry.get(apps.get_model(label))
    return page if page is not None and page.has_view_permission(request) else None


def list_url(label: str, **filters: str) -> str:
    url = reverse(f"admin:{label.replace('.', '_').lower()}_changelist")
    return f"{url}?{urlencode(filters)}" if filters else url


def page_url(label: str, pk: int, request: HttpRequest) -> str:
    if admin_of(label, request) is None:
        return ""
    return reverse(f"admin:{label.replace('.', '_').lower()}_change", args=[pk])


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the side navigation: what this person's role may see, grouped by work."""
    groups: list[dict[str, Any]] = [
        {"items": [{"title": "Home", "icon": "home", "link": reverse("admin:index"), "permission": None}]}
    ]
    for title, models in NAVIGATION.items():
        items = []
        for label, icon, given in models:
            page = admin_of(label, request)
            if page is not None:
                name = given or str(page.opts.verbose_name_plural)
                items.append({"title": name[:1].upper() + name[1:], "icon": icon, "link": list_url(label)})
        items += [
            {"title": page.title, "icon": page.icon, "link": reverse(page.url_name)}
            for page in PAGES
            if page.group == title and request.user.has_perms(page.permissions)  # type: ignore[union-attr]
        ]
        if items:
            groups.append({"title": title, "collapsible": title not in OPEN, "separator": True, "items": items})
    return groups


def search(request: HttpRequest, term: str) -> list[SearchResult]:
    """Return the documents that a number, name or code leads to, a few of each kind."""
    found = []
    for label in SEARCHED:
        page = admin_of(label, request)
        if page is None:
            continue
        rows, _ = page.get_search_results(request, page.get_queryset(request), term)
        icon = next(icon for models in NAVIGATION.values() for model, icon, _ in models if model == label)
        found += [
            SearchResult(
                title=str(row),
                description=str(page.opts.verbose_name).capitalize(),
                link=page_url(label, row.pk, request),
                icon=icon,
            )
            for row in rows[:FOUND_PER_MODEL]
        ]
    return found


def environment(request: HttpRequest) -> list[str] | None:
    """Return the label that tells a demo or a developer's machine from the real thing."""
    if settings.DEMO:
        return ["Demo", "info"]
    return ["Debug", "warning"] if settings.DEBUG else None
