"""What happened at printers, in the console: read there, written by whoever listens to them."""

from __future__ import annotations

from django.contrib import admin
from unfold.contrib.filters.admin import RangeDateTimeFilter

from blb3d.core.admin import LedgerAdmin
from production.models import PrinterEvent


@admin.register(PrinterEvent)
class PrinterEventAdmin(LedgerAdmin):
    list_display = ("at", "printer", "kind", "text", "job")
    list_filter = ("kind", "printer", ("at", RangeDateTimeFilter))
    list_related = ("printer", "job")
    search_fields = ("text", "printer__name", "printer__serial", "job__code")
    ordering = ("-id",)
    header_fields = ("at", "printer", "kind", "job")
    fields = ("text", "details", "key")
