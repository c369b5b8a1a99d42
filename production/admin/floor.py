"""Problems of printers and photos of prints in the console; they come from the floor pages."""

from __future__ import annotations

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from blb3d.core.admin import AdminVerb, DocumentAdmin, ReadOnlyInline, VerbForm
from production import services as production
from production.models import JobPhoto, PrinterProblem


def _picture(name: str, pk: int, label: str) -> SafeString:
    return format_html('<a href="{}">{}</a>', reverse(name, args=[pk]), label)


class PhotoInline(ReadOnlyInline):
    """The photos of one print."""

    model = JobPhoto
    fields = ("picture", "note", "taken_at", "taken_by")
    readonly_fields = ("picture",)
    show_change_link = False
    verbose_name_plural = "photos"

    @display(description="photo")
    def picture(self, photo: JobPhoto) -> SafeString:
        """Lead to the picture."""
        return _picture("floor:photo-image", photo.pk, photo.get_kind_display())


class ProblemInline(ReadOnlyInline):
    """What people found wrong with one printer."""

    model = PrinterProblem
    fields = ("text", "reported_at", "reported_by", "resolved_at", "resolution")
    verbose_name_plural = "problems"


class ResolveForm(VerbForm):
    resolution = forms.CharField(max_length=500, label="What was done", widget=forms.Textarea(attrs={"rows": 2}))
    back_in_service = forms.BooleanField(
        required=False, initial=True, label="Back in service", help_text="Where this problem took it out"
    )


@admin.register(PrinterProblem)
class PrinterProblemAdmin(DocumentAdmin):
    list_display = ("text", "printer", "took_out_of_service", "reported_at", "reported_by", "resolved_at")
    list_filter = (
        "printer",
        ("resolved_at", admin.EmptyFieldListFilter),
        "took_out_of_service",
        ("reported_at", RangeDateTimeFilter),
    )
    search_fields = ("text", "printer__name", "printer__serial", "resolution")
    header_fields = ("printer", "reported_at", "reported_by", "photo_link", "resolved_at", "resolution")
    related_documents = ("printer", "job")
    fields = ("text",)
    readonly_fields = ("text",)
    extra_verbs = (
        AdminVerb(
            name="resolve",
            label="Solved",
            call=production.resolve_problem,
            permission="production.resolve_printerproblem",
            form_class=ResolveForm,
            style="primary",
            visible=lambda problem: problem.resolved_at is None,
        ),
    )

    @display(description="photo")
    def photo_link(self, problem: PrinterProblem) -> SafeString | str:
        """Lead to the photo."""
        return _picture("floor:problem-photo", problem.pk, "show") if problem.photo else "–"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: problems are reported at the printer's page on the floor."""
        return False
