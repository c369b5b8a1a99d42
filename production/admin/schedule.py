"""Shifts, and the record of how the schedule was made, in the console."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from blb3d.accounts.models import User
from blb3d.core.admin import AdminVerb, DocumentAdmin, LedgerAdmin
from production import services as production
from production.models import ScheduleRun, Shift


def _remove(shift: Shift, *, actor: User) -> HttpResponse:
    production.remove_shift(shift, actor=actor)
    return redirect("admin:production_shift_changelist")


@admin.register(Shift)
class ShiftAdmin(DocumentAdmin):
    list_display = ("name", "weekday", "hours", "work_center")
    list_filter = ("weekday", "work_center")
    search_fields = ("name", "work_center__code", "work_center__name")
    fields = (("name", "work_center"), "weekday", ("starts_at", "ends_at"))
    extra_verbs = (
        AdminVerb(
            name="remove",
            call=_remove,
            permission="production.delete_shift",
            style="danger",
            confirm="Nobody is expected in these hours any more, and everything is planned anew.",
        ),
    )

    @display(description="hours", ordering="starts_at")
    def hours(self, shift: Shift) -> str:
        """Show from when to when, and that it ends on the next day."""
        over_night = "" if shift.ends_at > shift.starts_at else " on the next day"
        return f"{shift.starts_at:%H:%M} to {shift.ends_at:%H:%M}{over_night}"

    def save_model(self, request: HttpRequest, obj: Any, form: forms.Form, change: bool) -> None:
        """Save it and have everything planned anew: people are there at other times."""
        super().save_model(request, obj, form, change)
        production.touch_schedule(f"Shift {obj.name} was changed")


@admin.register(ScheduleRun)
class ScheduleRunAdmin(LedgerAdmin):
    list_display = ("made_at", "kind", "cause", "method", "tasks", "unplanned", "late", "changeovers", "seconds")
    list_filter = ("kind", ("made_at", RangeDateTimeFilter))
    search_fields = ("cause",)
