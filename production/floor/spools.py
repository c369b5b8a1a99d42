"""Spools on the floor: found by a scan, weighed, moved, hung into a printer; the QR label on the reel leads here."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from blb3d.accounts.actor import actor_of
from blb3d.accounts.models import User
from blb3d.core.errors import BLB3DError, InvalidValue, NotFound
from inventory import services as inventory
from inventory.models import InventoryLocation, Spool
from inventory.selectors import find_spool, spool_text
from production import services as production
from production.floor.base import UNPROCESSABLE, act, floor_page, number, show
from production.floor.machine import grams
from production.models import Printer, PrinterSlot
from production.selectors.board import tray_name
from production.services.labels import printer_labels, spool_labels

#: So many are listed; a scan or the search finds the rest.
_LISTED = 60
#: On one PDF.
_MAX_LABELS = 300


@require_GET
@floor_page("inventory.view_spool")
def spools(request: HttpRequest) -> HttpResponseBase:
    """Find a spool by its label, RFID or material; below, those with the least left."""
    text = request.GET.get("q", "").strip()
    if text:
        found = find_spool(text)
        if found is not None:
            return redirect("floor:spool", found.label)
    rows = Spool.objects.select_related("lot__product", "location").prefetch_related("slots__printer")
    wanted = spool_text(text)
    if wanted:
        rows = (
            rows.filter(label__icontains=wanted)
            | rows.filter(lot__product__name__icontains=wanted)
            | rows.filter(lot__lot_number__icontains=wanted)
        )
    listed = list(rows.filter(remaining_grams__gt=0).order_by("remaining_grams", "label")[:_LISTED])
    return show(request, "floor/spools.html", {"spools": listed, "q": text, "nav": "spools"})


@require_GET
@floor_page("inventory.view_spool")
def spool(request: HttpRequest, label: str) -> HttpResponse:
    """One spool: what is left, where it is, what can be done with it."""
    return spool_page(request, _spool(label))


def _spool(label: str) -> Spool:
    row = Spool.objects.filter(label=label).select_related("lot__product", "location").first() or find_spool(label)
    if row is None:
        raise NotFound(f"There is no spool “{label[:60]}”.", details={"spool": label[:60]})
    return row


def spool_page(
    request: HttpRequest, row: Spool, *, act_name: str = "", error: BLB3DError | None = None
) -> HttpResponse:
    """Return a spool's page; a form that was refused keeps what was typed."""
    user = actor_of(request)
    slots = PrinterSlot.objects.filter(spool=row).select_related("printer").order_by("id")
    context = {
        "spool": row,
        "product": row.lot.product,
        "slots": [(slot.printer, tray_name(slot.tray), slot.tray) for slot in slots],
        "printers": Printer.objects.filter(is_active=True).order_by("name"),
        "trays": [(tray, tray_name(tray)) for tray in (*range(16), 254)],
        "locations": InventoryLocation.objects.filter(is_active=True).order_by("code"),
        "may_change": user.has_perm("inventory.change_spool"),
        "may_load": user.has_perm("production.change_printer"),
        "failed_act": act_name,
        "error": error,
        "typed": request.POST if error is not None else {},
        "nav": "spools",
    }
    response = show(request, "floor/spool.html", context, status=UNPROCESSABLE if error else 200)
    response["Cache-Control"] = "private, no-store"
    return response


@require_POST
@floor_page("inventory.change_spool")
def weigh(request: HttpRequest, label: str) -> HttpResponseBase:
    """Weigh the spool: what the scale shows corrects the books."""
    row = _spool(label)

    def do(actor: User) -> str:
        gross = grams(request, "gross")
        if gross is None:
            raise InvalidValue("What does the scale show?", details={"field": "gross"})
        weighed = production.weigh_in(row, gross_grams=gross, tare_grams=grams(request, "tare"), actor=actor)
        change = weighed.grams - weighed.before
        return f"{row.label}: {weighed.grams:.0f} g left, {change:+.0f} g against the books."

    return _on_spool(request, row, "weigh", do)


@require_POST
@floor_page("inventory.change_spool")
def move(request: HttpRequest, label: str) -> HttpResponseBase:
    """Note where the spool is kept."""
    row = _spool(label)

    def do(actor: User) -> str:
        code = request.POST.get("location", "")
        place = InventoryLocation.objects.filter(code=code).first() if code else None
        if code and place is None:
            raise NotFound(f"There is no location “{code[:40]}”.", details={"field": "location"})
        inventory.move_spool(row, location=place, actor=actor)
        return f"{row.label} is kept in {place.code}." if place else f"{row.label} has no place."

    return _on_spool(request, row, "move", do)


@require_POST
@floor_page("production.change_printer")
def hang(request: HttpRequest, label: str) -> HttpResponseBase:
    """Hang the spool into a slot of a printer."""
    row = _spool(label)

    def do(actor: User) -> str:
        printer = Printer.objects.filter(pk=number(request, "printer")).first()
        if printer is None:
            raise NotFound("There is no such printer.", details={"field": "printer"})
        tray = number(request, "tray")
        production.load_spool(printer, row, tray=tray, actor=actor)
        return f"{row.label} hangs in {tray_name(tray)} of {printer.name}."

    return _on_spool(request, row, "hang", do)


def _on_spool(request: HttpRequest, row: Spool, name: str, do: Callable[[User], str]) -> HttpResponseBase:
    try:
        return act(request, reverse("floor:spool", args=[row.label]), do)
    except BLB3DError as error:
        return spool_page(request, _spool(row.label), act_name=name, error=error)


@require_GET
@floor_page("inventory.view_spool")
def labels(request: HttpRequest) -> HttpResponse:
    """Labels of spools as PDF: those that ``label`` names, else those that were not empty; ``sheet=1`` on sheets."""
    rows = Spool.objects.select_related("lot__product").order_by("label")
    names = request.GET.getlist("label")
    rows = rows.filter(label__in=names) if names else rows.filter(remaining_grams__gt=0)
    found = list(rows[:_MAX_LABELS])
    if not found:
        raise NotFound("There is no such spool.")
    return _pdf(spool_labels(found, single=request.GET.get("sheet") != "1"), "spool-labels.pdf")


@require_GET
@floor_page("production.view_printer")
def printer_sheet(request: HttpRequest) -> HttpResponse:
    """Labels of all printers as PDF on sheets; ``single=1`` one per page, ``serial`` names some."""
    rows = Printer.objects.order_by("name")
    serials = request.GET.getlist("serial")
    found = list((rows.filter(serial__in=serials) if serials else rows)[:_MAX_LABELS])
    if not found:
        raise NotFound("There is no printer yet.")
    return _pdf(printer_labels(found, single=request.GET.get("single") == "1"), "printer-labels.pdf")


def _pdf(content: bytes, name: str) -> HttpResponse:
    response = HttpResponse(content, content_type="application/pdf")
    response["Content-Disposition"] = f'inline; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response
