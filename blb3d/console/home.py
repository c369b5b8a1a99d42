"""The home page: what needs somebody now, today's numbers, the printers. Every queue costs one query."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db.models import Count, Min, Q, Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from blb3d.console.dispatch import due_services, to_start
from blb3d.console.navigation import DISPATCH, MATERIALS, PLANNING, SERVICES, admin_of, list_url, page_url
from blb3d.core.admin import status_chip
from blb3d.core.templatetags.blb3d_ui import chip, money
from blb3d.core.work import WorkStatus
from production.models import PlannedOrder, Printer, PrintJob, PrintJobPart
from production.selectors import material_requirements
from production.selectors.mrp_plan import last_failure, newest_run
from production.selectors.operations import center_loads
from sales.models import Invoice, SalesOrder, Shipment

#: So far ahead home looks for what should be ordered or begun.
A_WEEK = datetime.timedelta(days=7)


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
    #: Of another act without which the queue is not emptied either.
    also: str = ""


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


def _dear() -> Decimal:
    """Return above what a purchase needs a second person's word."""
    limit: Decimal = settings.PURCHASE_APPROVAL_OVER  # type: ignore[misc]
    return limit


#: What a queue's meaning is called on its card: stopped work is urgent, attention is wanted, the rest takes its turn.
WORDS = {"stopped": ("failed", "Urgent"), "attention": ("held", "Attention"), "waiting": ("pending", "To do")}

_OPEN_ORDER = ["pending", "confirmed", "in_production", "quality_check", "on_hold"]
_DEAD = {"status__exact": WorkStatus.DEAD.value}
#: What is known to go on: of an end that nobody saw no time is left.
_RUNNING = (PrintJob.Status.SENT, PrintJob.Status.PRINTING, PrintJob.Status.PAUSED)

QUEUES: tuple[Queue, ...] = (
    Queue("Sales", "Quotes to review", "quotes.approve_quote", "quotes.Quote", "submitted_at",
          {"status__exact": "pending"}, "waiting"),
    Queue("Sales", "Files that wait for the scanner", "quotes.view_quotefile", "quotes.QuoteFile", "created_at",
          {"scan_result__exact": "held"}, "stopped"),
    Queue("Sales", "Orders to confirm", "sales.confirm_salesorder", "sales.SalesOrder", "created_at",
          {"status__exact": "pending"}, "waiting"),
    Queue("Sales", "Orders held", "sales.resume_salesorder", "sales.SalesOrder", "updated_at",
          {"status__exact": "on_hold", "held_for_mapping__exact": 0}),
    Queue("Sales", "Orders late", "sales.confirm_salesorder", "sales.SalesOrder", "promised_date",
          {"status__in": _OPEN_ORDER, "promised_date__lt": timezone.localdate}, "stopped"),
    Queue("Sales", "SKUs not mapped", "sales.change_salesorder", "sales.SalesOrder", "created_at",
          {"status__exact": "on_hold", "held_for_mapping__exact": 1}),
    Queue("Sales", "Orders to inspect and pack", "sales.pack_shipment", "sales.SalesOrder", "updated_at",
          {"status__exact": "quality_check"}, "waiting", also="production.pass_qualityinspection"),
    Queue("Production", "Orders going late", "production.change_productionorder", "production.ProductionOrder",
          "due_date", {"is_late__exact": 1, "status__in": ["draft", "confirmed", "queued", "printing", "failed"]}),
    Queue("Production", "Plates to clear", "production.clear_printjob", "production.PrintJob", "finished_at",
          {"status__in": ["finished", "failed", "cancelled"], "started_at__isnull": False, "cleared_at__isnull": True}),
    Queue("Production", "Failed jobs", "production.clear_printjob", "production.PrintJob", "finished_at",
          {"status__exact": "failed", "cleared_at__isnull": True}, "stopped"),
    Queue("Production", "Jobs ended unseen", "production.decide_printjob", "production.PrintJob", "updated_at",
          {"status__exact": "unknown"}, "stopped"),
    Queue("Production", "Print files to release", "inventory.release_printfile", "inventory.PrintFile", "created_at",
          {"released_at__isnull": True, "withdrawn_at__isnull": True}, "waiting"),
    Queue("Production", "Plates to slice by hand", "integrations.change_slicetask", "integrations.SliceTask",
          "created_at", {"status__exact": "dead"}),
    Queue("Production", "Problems of printers", "production.resolve_printerproblem", "production.PrinterProblem",
          "reported_at", {"resolved_at__isnull": True}, "stopped"),
    Queue("Production", "Printers silent or refused", "production.change_printer", "production.Printer",
          "last_seen_at", {"is_active__exact": 1, "connection__in": ["stale", "offline", "refused"]}, "stopped"),
    Queue("Production", "Nonconformances open", "production.change_nonconformance", "production.Nonconformance",
          "detected_date", {"status__in": ["OPEN", "CONTAINED", "ROOT_CAUSE", "CORRECTED", "VERIFIED"]}),
    Queue("Stock", "Receipts overdue", "inventory.receive_purchaseorder", "inventory.PurchaseOrder", "expected_on",
          {"status__in": ["ordered", "partially_received"], "expected_on__lt": timezone.localdate}),
    Queue("Stock", "Purchase drafts to order", "inventory.order_purchaseorder", "inventory.PurchaseOrder", "created_at",
          {"status__exact": "draft"}, "waiting"),
    Queue("Stock", "Purchases to approve", "inventory.approve_purchaseorder", "inventory.PurchaseOrder", "created_at",
          {"status__exact": "draft", "approved_at__isnull": True, "subtotal__gt": _dear}, "waiting"),
    Queue("Stock", "Requisitions to answer", "inventory.order_purchaserequisition", "inventory.PurchaseRequisition",
          "created_at", {"status__exact": "open"}, "waiting"),
    Queue("Stock", "Vendor bills that differ", "inventory.match_vendorbill", "inventory.VendorBill", "created_at",
          {"status__exact": "disputed"}),
    Queue("Stock", "Vendor bills to approve", "inventory.approve_vendorbill", "inventory.VendorBill", "created_at",
          {"status__exact": "matched"}, "waiting"),
    Queue("Stock", "Lots in quarantine", "inventory.release_materiallot", "inventory.MaterialLot", "received_date",
          {"status__exact": "QUARANTINE"}, "waiting"),
    Queue("Stock", "Counts to approve", "inventory.approve_cyclecount", "inventory.CycleCount", "submitted_at",
          {"status__exact": "submitted"}),
    Queue("Stock", "Stock books that differ", "inventory.close_stockperiod", "inventory.ReconciliationReport",
          "made_at", {"is_clean__exact": 0, "settled_at__isnull": True}, "stopped"),
    Queue("Integrations", "News not passed on", "core.change_eventdelivery", "core.EventDelivery",
          "finished_at", _DEAD, "stopped"),
    Queue("Integrations", "Messages not understood", "core.change_inboundmessage", "core.InboundMessage",
          "received_at", _DEAD, "stopped"),
    Queue("Integrations", "Printer commands failed", "integrations.change_printercommand",
          "integrations.PrinterCommand", "created_at", _DEAD, "stopped"),
    Queue("Integrations", "Printer commands put off", "integrations.change_printercommand",
          "integrations.PrinterCommand", "created_at", {"status__exact": "pending", "attempts__gte": 4}),
    Queue("Integrations", "Notices that did not arrive", "integrations.change_notice",
          "integrations.Notice", "created_at", _DEAD),
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
    found = model._default_manager.filter(**filters).aggregate(n=Count("pk"), oldest=Min(queue.since))
    page = admin_of(queue.model, request)
    url = ""
    if page is not None:
        url = list_url(queue.model, **{lookup: _in_address(value) for lookup, value in filters.items()})
    if not found["n"]:
        return Card(queue.name, url, 0, "", SafeString(""))
    status, word = WORDS[queue.meaning]
    return Card(queue.name, url, found["n"], age(found["oldest"]), chip(status, label=word))


def materials_short(request: HttpRequest) -> Card:
    """Count the materials that open orders lack."""
    short = len(material_requirements())
    status, word = WORDS["attention"]
    shown = chip(status, label=word) if short else SafeString("")
    url = reverse(MATERIALS.url_name) if request.user.has_perms(MATERIALS.permissions) else ""  # type: ignore[union-attr]
    return Card("Materials short", url, short, "", shown)


def jobs_to_start(request: HttpRequest) -> Card:
    """Count the jobs that a person may send or start at a machine now."""
    count = to_start()
    status, word = WORDS["waiting"]
    shown = chip(status, label=word) if count else SafeString("")
    return Card(DISPATCH.title, reverse(DISPATCH.url_name), count, "", shown)


def services_waiting(request: HttpRequest) -> Card:
    """Count the services that are due; urgent when one is overdue."""
    count, overdue = due_services()
    status, word = WORDS["stopped" if overdue else "attention"]
    shown = chip(status, label=word) if count else SafeString("")
    return Card(SERVICES.title, reverse(SERVICES.url_name), count, "", shown)


def orders_planned(request: HttpRequest) -> Card:
    """Count the planned orders that should be placed within a week; say instead that the last planning failed."""
    if last_failure() is not None:
        status, word = WORDS["stopped"]
        return Card("Material planning failed", reverse(PLANNING.url_name), 1, "", chip(status, label=word))
    run, soon = newest_run(), timezone.localdate() + A_WEEK
    planned = PlannedOrder.objects.filter(run=run, is_taken=False, start_on__lte=soon).count() if run else 0
    status, word = WORDS["waiting"]
    shown = chip(status, label=word) if planned else SafeString("")
    return Card("Planned orders to place", reverse(PLANNING.url_name), planned, "", shown)


def work_waiting(request: HttpRequest) -> Card:
    """Count the units that wait for hands after printing, and lead to the benches."""
    units = sum(load.units for load in center_loads())
    status, word = WORDS["waiting"]
    shown = chip(status, label=word) if units else SafeString("")
    return Card("Work after printing", reverse("floor:work"), units, "", shown)


def queues_for(request: HttpRequest) -> dict[str, list[Card]]:
    """Return the queues that this person can do something about, by group."""
    groups: dict[str, list[Card]] = {}
    for queue in QUEUES:
        if any(request.user.has_perm(name) for name in (queue.permission, queue.also) if name):  # type: ignore[union-attr]
            groups.setdefault(queue.group, []).append(card_of(queue, request))
    if request.user.has_perm("inventory.add_purchaseorder"):  # type: ignore[union-attr]
        groups.setdefault("Stock", []).insert(0, materials_short(request))
    if request.user.has_perms(["production.run_mrp", *PLANNING.permissions]):  # type: ignore[union-attr]
        groups.setdefault("Stock", []).insert(0, orders_planned(request))
    if request.user.has_perms(["production.dispatch_printjob", *DISPATCH.permissions]):  # type: ignore[union-attr]
        groups.setdefault("Production", []).insert(0, jobs_to_start(request))
    if request.user.has_perms(["production.report_productionoperation", "production.view_productionoperation"]):  # type: ignore[union-attr]
        groups.setdefault("Production", []).append(work_waiting(request))
    if request.user.has_perms(["production.change_printer", *SERVICES.permissions]):  # type: ignore[union-attr]
        groups.setdefault("Production", []).append(services_waiting(request))
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
    """Return every printer in service with what is on it, in two queries; what needs hands stands first."""
    user: Any = request.user
    if not user.has_perm("production.view_printer"):
        return []
    holding = Q(status__in=PrintJob.ACTIVE) | Q(started_at__isnull=False, cleared_at__isnull=True)
    held = PrintJob.objects.filter(holding, printer__isnull=False).order_by("id")
    # What a printer has thrown into its bin is on it no more; a job that it runs stands for one that lies on it.
    jobs: dict[int | None, PrintJob] = {}
    for job in held.select_related("plate__product", "printer"):
        shown = jobs.get(job.printer_id)
        if job.occupies_plate and (shown is None or shown.status not in PrintJob.ACTIVE):
            jobs[job.printer_id] = job
    may_clear = user.has_perm("production.clear_printjob") and admin_of("production.PrintJob", request) is not None
    rows = []
    for printer in Printer.objects.filter(is_active=True).order_by("name"):
        job = jobs.get(printer.pk)
        rows.append(
            {
                "printer": printer,
                "url": page_url("production.Printer", printer.pk, request),
                "connection": status_chip(printer, "connection"),
                "job": job,
                "is_running": job is not None
                and job.status in PrintJob.ACTIVE
                and job.status != PrintJob.Status.UNKNOWN,
                "clear_url": reverse("admin:production_printjob_verb", args=[job.pk, "clear"])
                if job and may_clear and job.status not in PrintJob.ACTIVE
                else "",
                "job_url": page_url("production.PrintJob", job.pk, request) if job else "",
            }
        )
    return sorted(rows, key=lambda row: not row["clear_url"])


def home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add to the home page what waits for this person, today's numbers and the printers."""
    groups = queues_for(request)
    context["title"] = "Home"
    cards = [card for group in groups.values() for card in group]
    context["queue_groups"] = {
        group: waiting for group, found in groups.items() if (waiting := [card for card in found if card.count])
    }
    context["idle_queues"] = [card for card in cards if not card.count]
    context["has_work"] = bool(cards)
    context["numbers"] = numbers_for(request)
    context["farm"] = farm(request)
    return context
