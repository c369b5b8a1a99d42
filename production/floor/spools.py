"""Spools on the floor: found by a scan, weighed, moved, dried, hung into a printer; the label on the reel leads here.

Labels of places and lots lead here too: what lies at a place and putting a reel there, what is left of a lot.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from blb3d.accounts.actor import actor_of
from blb3d.accounts.models import User
from blb3d.core.errors import BLB3DError, InvalidValue, NotFound
from inventory import services as inventory
from inventory.models import Inventory, InventoryLocation, MaterialLot, Spool
from inventory.selectors import (
    drying_states,
    find_location,
    find_spool,
    label_text,
    spool_text,
    spools_in_dryer,
    spools_to_dry,
)
from inventory.services.labels import MAX_LABELS, labels_zpl, note_labelled, spool_label
from production import services as production
from production.floor.base import UNPROCESSABLE, act, floor_page, number, show
from production.floor.machine import grams
from production.models import Printer, PrinterSlot
from production.selectors.board import tray_name
from production.services.labels import printer_label, printer_labels, spool_labels

#: So many are listed; a scan or the search finds the rest.
_LISTED = 60
#: So many balances of one place are listed.
_BALANCES_LISTED = 200


@require_GET
@floor_page("inventory.view_spool")
def spools(request: HttpRequest) -> HttpResponseBase:
    """Find a spool by its label, RFID or material; below, those with the least left."""
    text = request.GET.get("q", "").strip()
    if text:
        found = find_spool(text)
        if found is not None:
            return redirect("floor:spool", found.label)
        other = _other_label(text)
        if other:
            return redirect(other)
    rows = Spool.objects.select_related("lot__product", "location").prefetch_related("slots__printer")
    wanted = spool_text(text)
    if wanted:
        rows = (
            rows.filter(label__icontains=wanted)
            | rows.filter(lot__product__name__icontains=wanted)
            | rows.filter(lot__lot_number__icontains=wanted)
        )
    listed = list(rows.filter(remaining_grams__gt=0).order_by("remaining_grams", "label")[:_LISTED])
    context = {
        "spools": listed,
        "q": text,
        "unlabelled": Spool.objects.filter(labelled_at__isnull=True, remaining_grams__gt=0).count(),
        "due": len(spools_to_dry()),
        "may_change": actor_of(request).has_perm("inventory.change_spool"),
        "nav": "spools",
    }
    return show(request, "floor/spools.html", context)


def _other_label(scanned: str) -> str:
    """Return the page of the place or lot whose label was scanned instead of a reel's."""
    if "/places/" in scanned:
        row = find_location(scanned)
        return reverse("floor:place", args=[row.code]) if row else ""
    if "/lots/" in scanned and "\0" not in scanned:
        number = label_text(scanned, "lots")
        return reverse("floor:lot", args=[number]) if MaterialLot.objects.filter(lot_number=number).exists() else ""
    return ""


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
        "dryness": drying_states([row])[row.pk],
        "dryings": list(row.dryings.select_related("started_by").order_by("-id")[:5]),
        "others": Spool.objects.filter(lot=row.lot_id, merged_into__isnull=True)
        .exclude(pk=row.pk)
        .order_by("label")[:40],
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
    """Put the spool somewhere, by the place's label or from the list; its stock moves with it."""
    row = _spool(label)

    def do(actor: User) -> str:
        place = _place_named(request.POST.get("scanned", "").strip() or request.POST.get("location", ""))
        inventory.move_spool(row, location=place, actor=actor)
        return f"{row.label} is kept in {place.code}." if place else f"{row.label} has no place."

    return _on_spool(request, row, "move", do)


def _place_named(text: str) -> InventoryLocation | None:
    if not text:
        return None
    place = find_location(text)
    if place is None:
        raise NotFound(f"There is no location “{text[:40]}”.", details={"field": "location"})
    return place


@require_POST
@floor_page("inventory.change_spool")
def dry(request: HttpRequest, label: str) -> HttpResponseBase:
    """Put the spool into the dryer."""
    row = _spool(label)

    def do(actor: User) -> str:
        heat = number(request, "celsius") if request.POST.get("celsius", "").strip() else None
        production.dry_reel(row, celsius=heat, actor=actor)
        return f"{row.label} is in the dryer."

    return _on_spool(request, row, "dry", do)


@require_POST
@floor_page("inventory.change_spool")
def dried(request: HttpRequest, label: str) -> HttpResponseBase:
    """Take the spool out of the dryer; ``sealed=1`` puts it away."""
    row = _spool(label)

    def do(actor: User) -> str:
        sealed = request.POST.get("sealed") == "1"
        record = inventory.end_drying(row, sealed=sealed, actor=actor)
        if row.dried_at != record.ended_at:
            return f"{row.label} came out too early: it still must be dried."
        return f"{row.label} is dry and {'sealed' if sealed else 'open'}."

    return _on_spool(request, row, "dried", do)


@require_POST
@floor_page("inventory.change_spool")
def opened(request: HttpRequest, label: str) -> HttpResponseBase:
    """Note that the spool lies open from now on."""
    row = _spool(label)

    def do(actor: User) -> str:
        inventory.open_spool(row, actor=actor)
        return f"{row.label} is open."

    return _on_spool(request, row, "open", do)


@require_POST
@floor_page("inventory.change_spool")
def split(request: HttpRequest, label: str) -> HttpResponseBase:
    """Wind part of the spool onto a new one."""
    row = _spool(label)

    def do(actor: User) -> str:
        part = grams(request, "grams")
        if part is None:
            raise InvalidValue("How much goes onto the new spool?", details={"field": "grams"})
        new = production.split_reel(row, grams=part, tare_grams=grams(request, "new_tare") or Decimal(0), actor=actor)
        return (
            f"{new.label} holds {new.remaining_grams:.0f} g, {row.label} {row.remaining_grams:.0f} g. Print its label."
        )

    return _on_spool(request, row, "split", do)


@require_POST
@floor_page("inventory.change_spool")
def merge(request: HttpRequest, label: str) -> HttpResponseBase:
    """Wind the spool onto another one of its lot."""
    row = _spool(label)

    def do(actor: User) -> str:
        into = find_spool(request.POST.get("into", ""))
        if into is None:
            raise NotFound("There is no such spool.", details={"field": "into"})
        production.merge_reels(row, into=into, actor=actor)
        return f"{row.label} is empty, {into.label} holds {into.remaining_grams:.0f} g."

    return _on_spool(request, row, "merge", do)


@require_GET
@floor_page("inventory.view_spool")
def drying(request: HttpRequest) -> HttpResponse:
    """Which spools must be dried now, and which are in the dryer."""
    context = {"due": spools_to_dry()[:_LISTED], "inside": spools_in_dryer()[:_LISTED], "nav": "spools"}
    return show(request, "floor/drying.html", context)


@require_GET
@floor_page("inventory.view_inventorylocation", "inventory.view_spool")
def place(request: HttpRequest, code: str) -> HttpResponse:
    """What lies at a place; a scan puts a spool there."""
    return _place_page(request, code)


def _place_page(request: HttpRequest, code: str, *, error: BLB3DError | None = None) -> HttpResponse:
    row = find_location(code)
    if row is None:
        raise NotFound(f"There is no location “{code[:40]}”.", details={"location": code[:40]})
    reels = Spool.objects.filter(location=row, remaining_grams__gt=0).select_related("lot__product").order_by("label")
    balances = (
        Inventory.objects.filter(location=row, on_hand_quantity__gt=0)
        .select_related("product", "lot")
        .order_by("product__sku", "lot__lot_number", "id")
    )
    context = {
        "place": row,
        "spools": reels[:_LISTED],
        "balances": balances[:_BALANCES_LISTED],
        "may_change": actor_of(request).has_perm("inventory.change_spool"),
        "error": error,
        "typed": request.POST if error is not None else {},
        "nav": "spools",
    }
    return show(request, "floor/place.html", context, status=UNPROCESSABLE if error else 200)


@require_POST
@floor_page("inventory.change_spool", "inventory.view_inventorylocation")
def put(request: HttpRequest, code: str) -> HttpResponseBase:
    """Put the spool that was scanned to this place."""
    row = find_location(code)
    if row is None:
        raise NotFound(f"There is no location “{code[:40]}”.", details={"location": code[:40]})

    def do(actor: User) -> str:
        scanned = request.POST.get("spool", "").strip()
        found = find_spool(scanned)
        if found is None:
            raise NotFound(f"There is no spool “{spool_text(scanned)[:60]}”.", details={"field": "spool"})
        inventory.move_spool(found, location=row, actor=actor)
        return f"{found.label} is kept in {row.code}."

    try:
        return act(request, reverse("floor:place", args=[row.code]), do)
    except BLB3DError as error:
        return _place_page(request, row.code, error=error)


@require_GET
@floor_page("inventory.view_materiallot", "inventory.view_spool")
def lot(request: HttpRequest, number: str) -> HttpResponse:
    """What is left of a lot, where it lies and on which spools; the lot's label leads here."""
    row = MaterialLot.objects.filter(lot_number=number).select_related("product", "vendor").first()
    if row is None:
        raise NotFound(f"There is no lot “{number[:60]}”.", details={"lot": number[:60]})
    context = {
        "lot": row,
        "product": row.product,
        "spools": Spool.objects.filter(lot=row, remaining_grams__gt=0)
        .select_related("location")
        .order_by("label")[:_LISTED],
        "balances": Inventory.objects.filter(lot=row, on_hand_quantity__gt=0).select_related("location").order_by("id"),
        "nav": "spools",
    }
    return show(request, "floor/lot.html", context)


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
    found = list(rows[:MAX_LABELS])
    if not found:
        raise NotFound("There is no such spool.")
    return _pdf(spool_labels(found, single=request.GET.get("sheet") != "1"), "spool-labels.pdf")


@require_POST
@floor_page("inventory.change_spool")
def print_labels(request: HttpRequest) -> HttpResponse:
    """Labels of the named spools, else of those that have none yet, noted as printed; ``as=zpl`` for label printers."""
    rows = Spool.objects.select_related("lot__product").order_by("label")
    names = request.POST.getlist("label")
    rows = rows.filter(label__in=names) if names else rows.filter(labelled_at__isnull=True, remaining_grams__gt=0)
    found = list(rows[:MAX_LABELS])
    if not found:
        raise NotFound("Every spool has its label.")
    if request.POST.get("as") == "zpl":
        zpl = labels_zpl([spool_label(row) for row in found])
        response = HttpResponse(zpl.encode(), content_type="text/plain")
        response["Content-Disposition"] = 'attachment; filename="spool-labels.zpl"'
        response["Cache-Control"] = "private, no-store"
    else:
        response = _pdf(spool_labels(found), "spool-labels.pdf")
    note_labelled(Spool.objects.filter(pk__in=[row.pk for row in found]), actor=actor_of(request))
    return response


@require_GET
@floor_page("production.view_printer")
def printer_sheet(request: HttpRequest) -> HttpResponse:
    """Labels of all printers as PDF on sheets; ``single=1`` one per page, ``serial`` names some, ``as=zpl`` as ZPL."""
    rows = Printer.objects.order_by("name")
    serials = request.GET.getlist("serial")
    found = list((rows.filter(serial__in=serials) if serials else rows)[:MAX_LABELS])
    if not found:
        raise NotFound("There is no printer yet.")
    if request.GET.get("as") == "zpl":
        response = HttpResponse(labels_zpl([printer_label(row) for row in found]).encode(), content_type="text/plain")
        response["Content-Disposition"] = 'attachment; filename="printer-labels.zpl"'
        return response
    return _pdf(printer_labels(found, single=request.GET.get("single") == "1"), "printer-labels.pdf")


def _pdf(content: bytes, name: str) -> HttpResponse:
    response = HttpResponse(content, content_type="application/pdf")
    response["Content-Disposition"] = f'inline; filename="{name}"'
    response["Cache-Control"] = "private, no-store"
    return response
