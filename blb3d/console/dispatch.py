"""What people start on the printers, and the services that printers need: pages, and figures for the home page."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_http_methods, require_POST

from blb3d.console.navigation import DISPATCH, SERVICES, Page, page_url
from blb3d.core.admin.verbs import worded
from blb3d.core.errors import BLB3DError
from production import services as production
from production.models import Printer, PrinterGroup, PrintJob
from production.selectors.fleet import dispatch_suggestions, hand_starts
from production.selectors.upkeep import service_states, services_due

MAY_SEND = "production.dispatch_printjob"


def _check(request: HttpRequest, page: Page) -> None:
    if not request.user.has_perms(page.permissions):  # type: ignore[union-attr]
        raise PermissionDenied


def _show(request: HttpRequest, page: Page, template: str, context: dict[str, Any]) -> TemplateResponse:
    frame = {**admin.site.each_context(request), "title": page.title, **context}
    return TemplateResponse(request, f"admin/console/{template}.html", frame)


def _line(job: PrintJob, printer: Printer, request: HttpRequest) -> dict[str, Any]:
    return {
        "job": job,
        "printer": printer,
        "job_url": page_url("production.PrintJob", job.pk, request),
        "printer_url": page_url("production.Printer", printer.pk, request),
    }


@require_http_methods(["GET"])
def dispatch(request: HttpRequest) -> TemplateResponse:
    """Show which jobs a person may send to which printers now, and which to start at printers without commands."""
    _check(request, DISPATCH)
    context = {
        "suggestions": [_line(job, printer, request) for job, printer in dispatch_suggestions()],
        "by_hand": [
            {
                **_line(row.job, row.printer, request),
                "start": row,
                "file_url": page_url("inventory.PrintFile", row.print_file_id, request),
            }
            for row in hand_starts()
        ],
        "may_send": request.user.has_perm(MAY_SEND),  # type: ignore[union-attr]
    }
    return _show(request, DISPATCH, "dispatch", context)


@require_POST
def confirm(request: HttpRequest) -> HttpResponse:
    """Send one suggested job, or all; what is refused is said, the rest is sent."""
    if not request.user.has_perm(MAY_SEND):  # type: ignore[union-attr]
        raise PermissionDenied
    named = request.POST.get("job", "")
    job = PrintJob.objects.filter(pk=int(named)).first() if named.isdecimal() and len(named) < 19 else None
    if named and job is None:
        messages.error(request, "There is no such print job.")
        return redirect(DISPATCH.url_name)
    try:
        confirmed = production.confirm_suggestions(job=job, actor=request.user)  # type: ignore[arg-type]
    except BLB3DError as refusal:
        messages.error(request, worded(refusal))
        return redirect(DISPATCH.url_name)
    for sent in confirmed.sent:
        messages.success(request, f"{sent.code} is on its way to {sent.printer.name}.")  # type: ignore[union-attr]
    for error in confirmed.refused.values():
        messages.warning(request, worded(error))
    if not confirmed.sent and not confirmed.refused:
        messages.info(request, "Nothing is suggested now.")
    return redirect(DISPATCH.url_name)


@require_http_methods(["GET"])
def services(request: HttpRequest) -> TemplateResponse:
    """Show every service of every printer with what is left of its interval, the most urgent first."""
    _check(request, SERVICES)
    may_record = request.user.has_perm("production.change_printer")  # type: ignore[union-attr]
    rows = [
        {
            "state": state,
            "printer_url": page_url("production.Printer", state.printer_id, request),
            "record_url": reverse("admin:production_printer_verb", args=[state.printer_id, "record_service"])
            if may_record
            else "",
        }
        for state in service_states()
    ]
    return _show(request, SERVICES, "services", {"rows": rows})


def to_start() -> int:
    """Return how many jobs wait for a person's word or hands now; cheap where every printer is automatic."""
    people = (
        Q(auto_dispatch=False)
        | Q(write_access=Printer.WriteAccess.NO)
        | Q(groups__dispatch=PrinterGroup.Dispatch.SUGGEST)
    )
    if not Printer.objects.filter(people, is_active=True).exists():
        return 0
    return len(dispatch_suggestions()) + len(hand_starts())


def due_services() -> tuple[int, int]:
    """Return how many services are due, and how many of them overdue."""
    due = services_due()
    return len(due), sum(state.is_overdue for state in due)


urlpatterns: list[URLPattern] = [
    path("admin/dispatch/", admin.site.admin_view(dispatch), name=DISPATCH.url_name),
    path("admin/dispatch/confirm/", admin.site.admin_view(confirm), name="console-dispatch-confirm"),
    path("admin/services/", admin.site.admin_view(services), name=SERVICES.url_name),
]
