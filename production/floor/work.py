"""Work after printing, per work center: what waits there, and big buttons to start it and to report it."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from blb3d.accounts.actor import actor_of
from blb3d.accounts.models import User
from blb3d.core.errors import BLB3DError, InvalidValue, NotAllowed, NotFound
from production import services as production
from production.floor.base import UNPROCESSABLE, act, floor_page, number, show
from production.models import DefectReason, ProductionOperation, WorkCenter
from production.selectors.operations import center_loads, defect_reasons, rework_targets, work_at
from production.selectors.waiting import operation_waiting_reasons

VIEW = ("production.view_productionoperation",)
#: Operations that one page shows: nobody works at more at a time.
SHOWN = 30
COMING_SHOWN = 20
_ACTS = (
    "start_productionoperation",
    "report_productionoperation",
    "pass_qualityinspection",
    "fail_qualityinspection",
)


def center_of(code: str) -> WorkCenter:
    """Return the work center with this code.

    Raises:
        NotFound: there is none where hands work.
    """
    centers = WorkCenter.objects.exclude(kind=WorkCenter.Kind.PRINT)
    center = centers.filter(code=code).first() or centers.filter(code__iexact=code).first()
    if center is None:
        raise NotFound(f"There is no work center “{code[:40]}”.", details={"work_center": code[:40]})
    return center


@require_GET
@floor_page(*VIEW)
def centers(request: HttpRequest) -> HttpResponse:
    """Every work center with what waits there."""
    return show(request, "floor/work.html", {"loads": center_loads(), "nav": "work"})


@require_GET
@floor_page(*VIEW)
def center(request: HttpRequest, code: str) -> HttpResponse:
    """What waits at one work center, the most urgent first, and what is on its way to it."""
    return _center_page(request, center_of(code))


@require_GET
@floor_page(*VIEW)
def now(request: HttpRequest, code: str) -> HttpResponse:
    """How much waits: the part of the page that is asked for again and again."""
    found = center_of(code)
    response = show(request, "floor/parts/work_now.html", {"center": found, **_waiting(work_at(found))})
    response["Cache-Control"] = "private, no-store"
    return response


def _waiting(rows: list[ProductionOperation]) -> dict[str, Any]:
    waiting = [row for row in rows if row.quantity_waiting]
    return {
        "units": sum(row.quantity_waiting for row in waiting),
        "number": len(waiting),
        # Another stamp means that other things are possible now.
        "stamp": "-".join(f"{row.pk}.{row.version}" for row in rows[: SHOWN + COMING_SHOWN]),
    }


def _center_page(
    request: HttpRequest, found: WorkCenter, *, failed: int | None = None, error: BLB3DError | None = None
) -> HttpResponse:
    rows = work_at(found)
    user = actor_of(request)
    waiting = [row for row in rows if row.quantity_waiting]
    coming = [row for row in rows if not row.quantity_waiting]
    why = operation_waiting_reasons(coming[:COMING_SHOWN])
    is_inspection = found.kind == WorkCenter.Kind.INSPECT
    context = {
        "center": found,
        **_waiting(rows),
        "cards": [{"operation": row, "targets": rework_targets(row)} for row in waiting[:SHOWN]],
        "left_out": max(len(waiting) - SHOWN, 0),
        "coming": [(row, why.get(row.pk, "")) for row in coming[:COMING_SHOWN]],
        "defects": list(defect_reasons(DefectReason.Stage.OPERATION)),
        "is_inspection": is_inspection,
        "may_start": _may(user, "start_productionoperation"),
        "may_report": _may(user, "report_productionoperation")
        and (not is_inspection or _may(user, "pass_qualityinspection")),
        "failed": failed,
        "error": error,
        "typed": request.POST if error is not None else {},
        "nav": "work",
    }
    response = show(request, "floor/work_center.html", context, status=200 if error is None else UNPROCESSABLE)
    response["Cache-Control"] = "private, no-store"
    return response


def _may(user: User, codename: str) -> bool:
    return user.has_perm(f"production.{codename}")


Do = Callable[[User, ProductionOperation], str]


def _at_center(request: HttpRequest, code: str, pk: int, permission: str, do: Do) -> HttpResponseBase:
    """Carry out an act once and show the list again; a refusal keeps what was typed."""
    found = center_of(code)
    if not _may(actor_of(request), permission):
        raise NotAllowed
    rows = ProductionOperation.objects.select_related("production_order__product", "work_center")
    operation = rows.filter(pk=pk, work_center=found).first()
    if operation is None:
        raise NotFound("This work is not here any more.")
    try:
        return act(request, reverse("floor:work-center", args=[found.code]), lambda actor: do(actor, operation))
    except BLB3DError as error:
        return _center_page(request, found, failed=pk, error=error)


@require_POST
@floor_page(*VIEW)
def start(request: HttpRequest, code: str, pk: int) -> HttpResponseBase:
    """Say that somebody works on it now."""

    def do(actor: User, operation: ProductionOperation) -> str:
        production.start_operation(operation, actor=actor)
        return f"Started: {operation.name}, {operation.production_order.product.name}."

    return _at_center(request, code, pk, "start_productionoperation", do)


@require_POST
@floor_page(*VIEW)
def report(request: HttpRequest, code: str, pk: int) -> HttpResponseBase:
    """Report units; ``all=good`` with the number that was shown reports these by one tap."""

    def do(actor: User, operation: ProductionOperation) -> str:
        if request.POST.get("all") == "good":
            counts = {"good": number(request, "shown"), "scrap": 0, "rework": 0}
        else:
            counts = {name: number(request, name, 0) for name in ("good", "scrap", "rework")}
        production.report_operation(
            operation,
            **counts,
            rework_to=_target(request, operation) if counts["rework"] else None,
            defect=_defect(request) if counts["scrap"] or counts["rework"] else None,
            minutes=_minutes(request),
            note=" ".join(request.POST.get("note", "").split())[:200],
            actor=actor,
        )
        words = {"good": "good", "scrap": "scrap", "rework": "to be done again"}
        told = ", ".join(f"{count} {words[name]}" for name, count in counts.items() if count)
        return f"{operation.name}, {operation.production_order.product.name}: {told or 'time noted'}."

    return _at_center(request, code, pk, "report_productionoperation", do)


def _target(request: HttpRequest, operation: ProductionOperation) -> ProductionOperation | None:
    key = request.POST.get("rework_to", "")
    if not key:
        return None
    found = next((row for row in rework_targets(operation) if str(row.pk) == key), None)
    if found is None:
        raise InvalidValue("Units cannot go back to there.", details={"field": "rework_to"})
    return found


def _defect(request: HttpRequest) -> DefectReason | None:
    return DefectReason.objects.filter(code=request.POST.get("defect", "")).first()


def _minutes(request: HttpRequest) -> Decimal:
    text = request.POST.get("minutes", "").strip().replace(",", ".")
    try:
        return Decimal(text or 0)
    except InvalidOperation as error:
        raise InvalidValue(f"“{text[:20]}” is not a time in minutes.", details={"field": "minutes"}) from error
