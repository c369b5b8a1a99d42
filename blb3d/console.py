"""The console's frame: navigation by work, the home page that says what needs somebody now, search by any number.

Part of the composition root: it may read every app and owns nothing. Every queue costs one query.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.db.models import Count, Min, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.dataclasses import SearchResult

from blb3d.core.admin import status_chip
from blb3d.core.templatetags.blb3d_ui import chip, money
from blb3d.core.work import WorkStatus
from production.models import Printer, PrintJob, PrintJobPart
from sales.models import Invoice, SalesOrder, Shipment

# --- Navigation -------------------------------------------------------------------------------------------------------

#: Group -> (model, icon), in the order of the work. What a role may not see, and what has no page, is left out.
NAVIGATION: dict[str, list[tuple[str, str]]] = {
    "Sales": [
        ("sales.SalesOrder", "receipt_long"),
        ("sales.Customer", "groups"),
        ("sales.Shipment", "local_shipping"),
        ("sales.Invoice", "request_quote"),
        ("sales.Payment", "payments"),
        ("sales.Refund", "currency_exchange"),
        ("sales.RMA", "assignment_return"),
        ("sales.ChangeOrder", "edit_note"),
    ],
    "Quotes": [
        ("quotes.Quote", "design_services"),
        ("quotes.QuoteFile", "deployed_code"),
        ("quotes.FileUploadLog", "upload_file"),
        ("quotes.QuoteAnalytics", "insights"),
    ],
    "Production": [
        ("production.ProductionOrder", "precision_manufacturing"),
        ("production.PrintJob", "layers"),
        ("production.Printer", "print"),
        ("production.WorkCenter", "factory"),
        ("production.MaintenanceWindow", "build"),
        ("production.QualityInspection", "fact_check"),
        ("production.Nonconformance", "report"),
        ("production.SerialNumber", "qr_code_2"),
        ("production.TraceLink", "account_tree"),
        ("production.ProductionAnalytics", "monitoring"),
    ],
    "Stock": [
        ("inventory.Product", "category"),
        ("inventory.BOM", "list_alt"),
        ("inventory.ProductPlate", "grid_view"),
        ("inventory.PrintFile", "draft"),
        ("inventory.Inventory", "inventory_2"),
        ("inventory.MaterialLot", "pallet"),
        ("inventory.Spool", "album"),
        ("inventory.InventoryTransaction", "swap_vert"),
        ("inventory.Reservation", "bookmark"),
        ("inventory.InventoryLocation", "warehouse"),
        ("inventory.PurchaseOrder", "shopping_cart"),
        ("inventory.Vendor", "storefront"),
    ],
    "Integrations": [
        ("integrations.MarketplaceProductMapping", "link"),
        ("integrations.Channel", "hub"),
        ("integrations.PrinterConnection", "lan"),
        ("integrations.PrinterCommand", "send"),
        ("core.InboundMessage", "inbox"),
        ("core.EventDelivery", "outbox"),
        ("core.OutboxEvent", "bolt"),
    ],
    "System": [
        ("accounts.User", "person"),
        ("auth.Group", "badge"),
        ("accounts.ApiKey", "key"),
        ("accounts.PortalSession", "devices"),
        ("core.NumberSequence", "tag"),
    ],
}

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
)
FOUND_PER_MODEL = 5


def _admin_of(label: str, request: HttpRequest) -> Any:
    """Return the admin of a model when it has one that this person may look at."""
    page = admin.site._registry.get(apps.get_model(label))
    return page if page is not None and page.has_view_permission(request) else None


def _list_url(label: str, **filters: str) -> str:
    url = reverse(f"admin:{label.replace('.', '_').lower()}_changelist")
    return f"{url}?{urlencode(filters)}" if filters else url


def _page_url(label: str, pk: int, request: HttpRequest) -> str:
    if _admin_of(label, request) is None:
        return ""
    return reverse(f"admin:{label.replace('.', '_').lower()}_change", args=[pk])


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the side navigation: what this person's role may see, grouped by work."""
    groups: list[dict[str, Any]] = [
        {"items": [{"title": "Home", "icon": "home", "link": reverse("admin:index"), "permission": None}]}
    ]
    for title, models in NAVIGATION.items():
        items = []
        for label, icon in models:
            page = _admin_of(label, request)
            if page is not None:
                name = str(page.opts.verbose_name_plural)
                items.append({"title": name[:1].upper() + name[1:], "icon": icon, "link": _list_url(label)})
        if items:
            groups.append({"title": title, "collapsible": title not in OPEN, "separator": True, "items": items})
    return groups


def search(request: HttpRequest, term: str) -> list[SearchResult]:
    """Return the documents that a number, name or code leads to, a few of each kind."""
    found = []
    for label in SEARCHED:
        page = _admin_of(label, request)
        if page is None:
            continue
        rows, _ = page.get_search_results(request, page.get_queryset(request), term)
        icon = next(icon for models in NAVIGATION.values() for model, icon in models if model == label)
        found += [
            SearchResult(
                title=str(row),
                description=str(page.opts.verbose_name).capitalize(),
                link=_page_url(label, row.pk, request),
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


# --- Home: what needs somebody now ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Queue:
    """Work that waits for a person.

    ``filters`` choose the rows and, as they are, the list that the card leads to, so that both always agree; a value
    may be a function of now. ``permission`` is that of the act that empties the queue. ``since`` is the column that
    tells how long a row has waited.
    """

    group: str
    name: str
    permission: str
    model: str
    since: str
    filters: dict[str, Any]
    meaning: str = "attention"


@dataclass(frozen=True)
class Card:
    """A queue as it stands now; ``url`` is empty where its list has no page."""

    name: str
    url: str
    count: int
    oldest: str
    chip: SafeString


@dataclass(frozen=True)
class Number:
    """One of today's numbers."""

    name: str
    value: str
    note: str = ""


def _midnight() -> datetime.datetime:
    return timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)


#: What a queue's meaning is called on its card: stopped work is urgent, attention is wanted, the rest takes its turn.
WORDS = {"stopped": ("failed", "Urgent"), "attention": ("held", "Attention"), "waiting": ("pending", "To do")}

_OPEN_ORDER = ["pending", "confirmed", "in_production", "quality_check", "on_hold"]
_DEAD = {"status__exact": WorkStatus.DEAD.value}

QUEUES: tuple[Queue, ...] = (
    Queue("Sales", "Quotes to review", "quotes.approve_quote", "quotes.Quote", "submitted_at",
          {"status__exact": "pending"}, "waiting"),
    Queue("Sales", "Orders to confirm", "sales.confirm_salesorder", "sales.SalesOrder", "created_at",
          {"status__exact": "pending"}, "waiting"),
    Queue("Sales", "Orders held", "sales.resume_salesorder", "sales.SalesOrder", "updated_at",
          {"status__exact": "on_hold"}),
    Queue("Sales", "Orders late", "sales.confirm_salesorder", "sales.SalesOrder", "promised_date",
          {"status__in": _OPEN_ORDER, "promised_date__lt": timezone.localdate}, "stopped"),
    Queue("Sales", "SKUs not mapped", "sales.change_salesorderline", "sales.SalesOrder", "created_at",
          {"lines__supply__exact": "unmapped", "status__in": _OPEN_ORDER}),
    Queue("Sales", "Orders to inspect and pack", "sales.pack_shipment", "sales.SalesOrder", "updated_at",
          {"status__exact": "quality_check"}, "waiting"),
    Queue("Production", "Plates to clear", "production.clear_printjob", "production.PrintJob", "finished_at",
          {"status__in": ["finished", "failed", "cancelled"], "started_at__isnull": False, "cleared_at__isnull": True}),
    Queue("Production", "Failed jobs", "production.clear_printjob", "production.PrintJob", "finished_at",
          {"status__exact": "failed", "cleared_at__isnull": True}, "stopped"),
    Queue("Production", "Jobs ended unseen", "production.decide_printjob", "production.PrintJob", "updated_at",
          {"status__exact": "unknown"}, "stopped"),
    Queue("Production", "Print files to release", "inventory.release_printfile", "inventory.PrintFile", "created_at",
          {"released_at__isnull": True, "withdrawn_at__isnull": True}, "waiting"),
    Queue("Production", "Printers silent or refused", "production.change_printer", "production.Printer",
          "last_seen_at", {"is_active__exact": 1, "connection__in": ["stale", "offline", "refused"]}, "stopped"),
    Queue("Production", "Nonconformances open", "production.change_nonconformance", "production.Nonconformance",
          "detected_date", {"status__in": ["OPEN", "CONTAINED", "ROOT_CAUSE", "CORRECTED", "VERIFIED"]}),
    Queue("Stock", "Receipts overdue", "inventory.receive_purchaseorder", "inventory.PurchaseOrder", "expected_on",
          {"status__in": ["ordered", "partially_received"], "expected_on__lt": timezone.localdate}),
    Queue("Stock", "Lots in quarantine", "inventory.release_materiallot", "inventory.MaterialLot", "received_date",
          {"status__exact": "QUARANTINE"}, "waiting"),
    Queue("Integrations", "Facts not delivered", "core.change_eventdelivery", "core.EventDelivery",
          "finished_at", _DEAD, "stopped"),
    Queue("Integrations", "Messages not understood", "core.change_inboundmessage", "core.InboundMessage",
          "received_at", _DEAD, "stopped"),
    Queue("Integrations", "Printer commands failed", "integrations.change_printercommand",
          "integrations.PrinterCommand", "created_at", _DEAD, "stopped"),
    Queue("Integrations", "Channels in trouble", "integrations.change_channel", "integrations.Channel",
          "last_message_at", {"is_active__exact": 1, "last_error__gt": ""}, "stopped"),
)  # fmt: skip


def _filters(queue: Queue) -> dict[str, Any]:
    return {lookup: value() if callable(value) else value for lookup, value in queue.filters.items()}


def _in_address(value: Any) -> str:
    return ",".join(value) if isinstance(value, list) else str(value)


def age(since: datetime.datetime | datetime.date | None) -> str:
    """Return how long ago as people say it: ``12 min``, ``5 h``, ``3 d``; nothing where it is not known."""
    if since is None:
        return ""
    if not isinstance(since, datetime.datetime):
        since = timezone.make_aware(datetime.datetime.combine(since, datetime.time()))
    minutes = max(int((timezone.now() - since).total_seconds() // 60), 0)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // 1440} d"


def card_of(queue: Queue, request: HttpRequest) -> Card:
    """Count a queue and find its oldest row, in one query."""
    model = apps.get_model(queue.model)
    filters = _filters(queue)
    found = model._default_manager.filter(**filters).aggregate(n=Count("pk", distinct=True), oldest=Min(queue.since))
    page = _admin_of(queue.model, request)
    url = ""
    if page is not None:
        url = _list_url(queue.model, **{lookup: _in_address(value) for lookup, value in filters.items()})
    if not found["n"]:
        return Card(queue.name, url, 0, "", SafeString(""))
    status, word = WORDS[queue.meaning]
    return Card(queue.name, url, found["n"], age(found["oldest"]), chip(status, label=word))


def queues_for(request: HttpRequest) -> dict[str, list[Card]]:
    """Return the queues that this person can do something about, by group."""
    groups: dict[str, list[Card]] = {}
    for queue in QUEUES:
        if request.user.has_perm(queue.permission):  # type: ignore[union-attr]
            groups.setdefault(queue.group, []).append(card_of(queue, request))
    return groups


def numbers_for(request: HttpRequest) -> list[Number]:
    """Return today's numbers, as far as this person may see them."""
    user: Any = request.user
    start = _midnight()
    numbers = []
    if user.has_perm("sales.view_salesorder"):
        placed = SalesOrder.objects.filter(created_at__gte=start).exclude(status="cancelled")
        orders = placed.aggregate(n=Count("pk"), worth=Sum("grand_total"))
        shown = money(orders["worth"]) if orders["worth"] and user.has_perm("sales.view_invoice") else ""
        numbers.append(Number("Orders", str(orders["n"]), shown))
    if user.has_perm("sales.view_shipment"):
        numbers.append(Number("Shipped", str(Shipment.objects.filter(shipped_at__gte=start).count())))
    if user.has_perm("production.view_printjob"):
        parts = PrintJobPart.objects.filter(job__cleared_at__gte=start).aggregate(good=Sum("good"), scrap=Sum("scrap"))
        scrap = f"{parts['scrap']} scrapped" if parts["scrap"] else ""
        numbers.append(Number("Parts printed", str(parts["good"] or 0), scrap))
    if user.has_perm("sales.view_invoice"):
        invoiced = Invoice.objects.filter(issued_on=timezone.localdate()).values("currency").order_by("currency")
        by_currency = invoiced.annotate(total=Sum("grand_total"), n=Count("pk"))
        amounts = [money(row["total"], row["currency"]) for row in by_currency]
        count = sum(row["n"] for row in by_currency)
        note = f"{count} invoice{'s' if count > 1 else ''}" if count else ""
        numbers.append(Number("Invoiced", " + ".join(amounts) or money(Decimal(0)), note))
    return numbers


def farm(request: HttpRequest) -> list[dict[str, Any]]:
    """Return every printer in service with the job on it, in two queries."""
    if not request.user.has_perm("production.view_printer"):  # type: ignore[union-attr]
        return []
    held = PrintJob.objects.filter(status__in=PrintJob.ACTIVE).select_related("plate__product")
    jobs = {job.printer_id: job for job in held}
    rows = []
    for printer in Printer.objects.filter(is_active=True).order_by("name"):
        job = jobs.get(printer.pk)
        rows.append(
            {
                "printer": printer,
                "url": _page_url("production.Printer", printer.pk, request),
                "connection": status_chip(printer, "connection"),
                "job": job,
                "job_url": _page_url("production.PrintJob", job.pk, request) if job else "",
            }
        )
    return rows


def home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add to the home page what waits for this person, today's numbers and the printers."""
    groups = queues_for(request)
    context["title"] = "Home"
    context["queue_groups"] = {
        group: {"waiting": [card for card in cards if card.count], "empty": [card for card in cards if not card.count]}
        for group, cards in groups.items()
    }
    context["numbers"] = numbers_for(request)
    context["farm"] = farm(request)
    return context
