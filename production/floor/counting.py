"""Counting with a phone: a sheet by scan or from the list, one line at a time; the next one follows by itself.

On a blind sheet nothing that is shown tells what the books say.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from blb3d.accounts.actor import actor_of
from blb3d.accounts.models import User
from blb3d.core.errors import BLB3DError, InvalidValue, NotAllowed, NotFound
from blb3d.core.templatetags.blb3d_ui import plain_number
from inventory import services as inventory
from inventory.models import CycleCount, CycleCountLine, MaterialLot, Product
from inventory.selectors import find_location, find_spool, label_text, open_counts
from production.floor.base import UNPROCESSABLE, act, floor_page, show

VIEW = ("inventory.count_cyclecount",)
#: Lines that one page lists; a scan finds the rest.
_LISTED = 200


@require_GET
@floor_page(*VIEW)
def counts(request: HttpRequest) -> HttpResponse:
    """The sheets that are being counted."""
    counted = Count("lines", filter=Q(lines__counted_quantity__isnull=False))
    rows = open_counts().annotate(total=Count("lines"), counted=counted)
    return show(request, "floor/counts.html", {"counts": rows, "nav": "counts"})


@require_GET
@floor_page(*VIEW)
def count(request: HttpRequest, count_number: str) -> HttpResponseBase:
    """One sheet: a scan leads to its line; below, what is not counted yet."""
    sheet = _sheet(count_number)
    scanned = request.GET.get("q", "").strip()
    if scanned:
        fitting = _fitting(sheet, scanned)
        if len(fitting) == 1:
            return redirect("floor:count-line", sheet.count_number, fitting[0].position)
        return _sheet_page(request, sheet, found=fitting, scanned=scanned)
    return _sheet_page(request, sheet)


def _sheet(count_number: str) -> CycleCount:
    row = CycleCount.objects.filter(count_number=count_number).select_related("location").first()
    if row is None or row.status not in (CycleCount.Status.COUNTING, CycleCount.Status.SUBMITTED):
        raise NotFound(f"There is no sheet “{count_number[:40]}” to count.", details={"count": count_number[:40]})
    return row


def _lines(sheet: CycleCount) -> QuerySet[CycleCountLine]:
    rows = CycleCountLine.objects.filter(cycle_count=sheet)
    return rows.select_related("product", "location", "lot", "counted_by").order_by("position")


def _fitting(sheet: CycleCount, scanned: str) -> list[CycleCountLine]:
    """Return the lines that a scanned label of a reel, lot, place or product fits; those not counted are preferred."""
    rows = _lines(sheet)
    spool = find_spool(scanned)
    if spool is not None:
        lines = rows.filter(lot_id=spool.lot_id)
        here = lines.filter(location_id=spool.location_id) if spool.location_id else lines
        return list(here or lines)
    lot = label_text(scanned, "lots")
    if "\0" in lot or len(lot) > 100:
        return []
    place = find_location(scanned)
    wanted = Q(lot__lot_number__iexact=lot) | Q(product__sku__iexact=lot)
    if place is not None:
        wanted |= Q(location=place)
    found = list(rows.filter(wanted)[:_LISTED])
    left = [row for row in found if row.counted_quantity is None]
    return left or found


def _sheet_page(
    request: HttpRequest,
    sheet: CycleCount,
    *,
    found: list[CycleCountLine] | None = None,
    scanned: str = "",
    act_name: str = "",
    error: BLB3DError | None = None,
) -> HttpResponse:
    rows = _lines(sheet)
    figures = rows.aggregate(total=Count("pk"), counted=Count("pk", filter=Q(counted_quantity__isnull=False)))
    shown = rows.filter(counted_quantity__isnull=True)[:_LISTED] if found is None else found
    context = {
        "count": sheet,
        "lines": list(shown),
        "counted_lines": list(rows.filter(counted_quantity__isnull=False)[:_LISTED]) if found is None else [],
        "total": figures["total"],
        "counted": figures["counted"],
        "left": figures["total"] - figures["counted"],
        "q": scanned,
        "may_submit": actor_of(request).has_perm("inventory.submit_cyclecount"),
        "is_open": sheet.status == CycleCount.Status.COUNTING,
        "failed_act": act_name,
        "error": error,
        "typed": request.POST if error is not None else {},
        "nav": "counts",
    }
    return _private(show(request, "floor/count.html", context, status=UNPROCESSABLE if error else 200))


@require_http_methods(["GET", "POST"])
@floor_page(*VIEW)
def line(request: HttpRequest, count_number: str, position: int) -> HttpResponseBase:
    """One line: what lies where, and one big number to type."""
    sheet = _sheet(count_number)
    row = _lines(sheet).filter(position=position).first()
    if row is None:
        raise NotFound("There is no such line on this sheet.")
    if request.method != "POST":
        return _line_page(request, sheet, row)

    def do(actor: User) -> str:
        quantity = _quantity(request)
        inventory.count_line(row, quantity=quantity, note=request.POST.get("note", ""), actor=actor)
        return f"{row.product.sku} at {row.location.code}: {plain_number(quantity)} counted."

    try:
        return act(request, _after(sheet, row), do)
    except BLB3DError as error:
        return _line_page(request, sheet, row, error=error)


def _after(sheet: CycleCount, row: CycleCountLine) -> str:
    """Return where to go on: the next line that is not counted, those behind this one first."""
    left = _lines(sheet).filter(counted_quantity__isnull=True).exclude(pk=row.pk)
    follows = left.filter(position__gt=row.position).first() or left.first()
    if follows is None:
        return reverse("floor:count", args=[sheet.count_number])
    return reverse("floor:count-line", args=[sheet.count_number, follows.position])


def _line_page(
    request: HttpRequest, sheet: CycleCount, row: CycleCountLine, *, error: BLB3DError | None = None
) -> HttpResponse:
    context: dict[str, Any] = {
        "count": sheet,
        "line": row,
        # A line that was found has nothing in the books, which is no secret; the others do on a blind sheet.
        "expected": None if sheet.is_blind else row.expected_quantity,
        "error": error,
        "typed": request.POST if error is not None else {},
        "nav": "counts",
    }
    return _private(show(request, "floor/count_line.html", context, status=UNPROCESSABLE if error else 200))


@require_POST
@floor_page(*VIEW)
def found(request: HttpRequest, count_number: str) -> HttpResponseBase:
    """Note something that is not on the sheet, by the label of its reel or lot, or by its SKU."""
    sheet = _sheet(count_number)

    def do(actor: User) -> str:
        product, lot = _what(request.POST.get("what", "").strip())
        place = find_location(request.POST.get("place", "").strip())
        if place is None:
            raise NotFound("There is no such place.", details={"field": "place"})
        inventory.count_found(sheet, product=product, location=place, lot=lot, quantity=_quantity(request), actor=actor)
        return f"{product.sku} at {place.code} is on the sheet."

    try:
        return act(request, reverse("floor:count", args=[sheet.count_number]), do)
    except BLB3DError as error:
        return _sheet_page(request, sheet, act_name="found", error=error)


def _what(scanned: str) -> tuple[Product, MaterialLot | None]:
    spool = find_spool(scanned)
    if spool is not None:
        return spool.lot.product, spool.lot
    text = label_text(scanned, "lots")
    lot = MaterialLot.objects.filter(lot_number__iexact=text).select_related("product").first() if text else None
    if lot is not None:
        return lot.product, lot
    product = Product.objects.filter(sku=text.upper()).first() if text else None
    if product is None:
        raise NotFound(f"There is no spool, lot or product “{text[:60]}”.", details={"field": "what"})
    return product, None


@require_POST
@floor_page(*VIEW)
def submit(request: HttpRequest, count_number: str) -> HttpResponseBase:
    """Say that everything is counted."""
    sheet = _sheet(count_number)
    if not actor_of(request).has_perm("inventory.submit_cyclecount"):
        raise NotAllowed

    def do(actor: User) -> str:
        done = inventory.submit_count(sheet, actor=actor)
        if done.status == CycleCount.Status.APPROVED:
            return f"{sheet.count_number} is booked."
        return f"{sheet.count_number} is counted; somebody else looks at the differences."

    try:
        return act(request, reverse("floor:counts"), do)
    except BLB3DError as error:
        return _sheet_page(request, _sheet(count_number), act_name="submit", error=error)


def _quantity(request: HttpRequest) -> Decimal:
    text = request.POST.get("quantity", "").strip().replace(",", ".")
    try:
        return Decimal(text)
    except InvalidOperation:
        raise InvalidValue(f"“{text[:20]}” is not a number.", details={"field": "quantity"}) from None


def _private(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "private, no-store"
    return response
