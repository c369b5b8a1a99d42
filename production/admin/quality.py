"""Serial numbers, inspections, nonconformances and trace links in the console."""

from __future__ import annotations

from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from unfold.contrib.filters.admin import RangeDateTimeFilter

from blb3d.core.admin import (
    AdminVerb,
    DocumentAdmin,
    LedgerAdmin,
    VerbForm,
)
from production import services as production
from production.models import (
    Nonconformance,
    QualityInspection,
    SerialNumber,
    TraceLink,
)


@admin.register(SerialNumber)
class SerialNumberAdmin(DocumentAdmin):
    list_display = ("serial_number", "product", "status", "production_order", "manufactured_date", "shipped_date")
    list_filter = ("status", ("manufactured_date", RangeDateTimeFilter))
    search_fields = ("serial_number", "product__sku", "production_order__code")
    header_fields = ("product", "manufactured_date", "shipped_date", "location")
    related_documents = ("production_order", "print_job", "sales_order", "inspections", "nonconformances")
    fields = ("location",)
    readonly_fields = fields

    def page_links(self, obj: SerialNumber) -> list[tuple[str, str]]:
        """Lead to its whole way, from the vendor's lot to the customer."""
        return [("Trace", f"{reverse('console-trace')}?{urlencode({'number': obj.serial_number})}")]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: numbers are given when a plate is cleared."""
        return False


@admin.register(QualityInspection)
class QualityInspectionAdmin(DocumentAdmin):
    list_display = ("production_order", "inspection_type", "serial_number", "quantity", "passed", "inspected_at")
    list_filter = ("inspection_type", "passed", ("inspected_at", RangeDateTimeFilter))
    search_fields = ("production_order__code", "serial_number__serial_number")
    header_fields = ("passed", "production_order", "serial_number", "quantity", "inspector", "inspected_at")
    fields = ("inspection_type", "measurements", "notes")
    readonly_fields = ("inspection_type", "measurements", "notes")

    def heading(self, obj: QualityInspection) -> str:
        """Name it by its kind and order."""
        return f"{obj.get_inspection_type_display().capitalize()} inspection of {obj.production_order}"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: inspections are written on the production order's page."""
        return False


class ContainForm(VerbForm):
    containment_action = forms.CharField(max_length=2000, widget=forms.Textarea(attrs={"rows": 4}))


class ExplainForm(VerbForm):
    root_cause = forms.CharField(max_length=2000, widget=forms.Textarea(attrs={"rows": 4}))


class CorrectForm(VerbForm):
    corrective_action = forms.CharField(max_length=2000, widget=forms.Textarea(attrs={"rows": 4}))
    preventive_action = forms.CharField(max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 4}))


@admin.register(Nonconformance)
class NonconformanceAdmin(DocumentAdmin):
    list_display = ("ncr_number", "production_order", "severity", "status", "detected_at", "quantity", "detected_date")
    list_filter = ("status", "severity", "detected_at", ("detected_date", RangeDateTimeFilter))
    search_fields = ("ncr_number", "production_order__code", "description")
    header_fields = ("severity", "detected_at", "detected_by", "quantity", "assigned_to")
    related_documents = ("production_order", "sales_order", "serial_number")
    fields = (
        ("nonconformance_type", "severity"),
        "description",
        "disposition",
        "containment_action",
        "root_cause",
        "corrective_action",
        "preventive_action",
        "assigned_to",
    )
    readonly_fields = (
        "nonconformance_type",
        "description",
        "containment_action",
        "root_cause",
        "corrective_action",
        "preventive_action",
    )
    verbs = {
        "contain": AdminVerb(call=production.contain_nonconformance, form_class=ContainForm),
        "explain": AdminVerb(call=production.explain_nonconformance, form_class=ExplainForm),
        "correct": AdminVerb(call=production.correct_nonconformance, form_class=CorrectForm),
        "verify": production.verify_nonconformance,
        "close": production.close_nonconformance,
    }

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: a report is raised by a failed inspection."""
        return False


@admin.register(TraceLink)
class TraceLinkAdmin(LedgerAdmin):
    list_display = ("source_type", "source_id", "target_type", "target_id", "created_at")
    list_filter = ("source_type", "target_type")
