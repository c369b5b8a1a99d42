"""Print jobs and their plates in the console."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from blb3d.accounts.models import User
from blb3d.core.admin import (
    AdminVerb,
    DocumentAdmin,
    ReadOnlyInline,
    VerbForm,
    key_choice,
    number_column,
)
from blb3d.core.templatetags.blb3d_ui import duration, when
from production import services as production
from production.admin.floor import PhotoInline
from production.models import (
    DefectReason,
    PrintJob,
    PrintJobFilament,
    PrintJobPart,
)
from production.selectors import waiting_reason
from production.selectors.operations import defect_reasons


class PartInline(ReadOnlyInline):
    """The parts of one plate, by order."""

    model = PrintJobPart
    fields = ("production_order", "product", "planned", "good", "scrap", "defect", "scrap_reason")
    readonly_fields = ("product",)
    list_related = ("production_order__product",)
    show_change_link = False
    verbose_name_plural = "parts on the plate"

    @display(description="product")
    def product(self, part: PrintJobPart) -> str:
        """Name what is made."""
        return part.production_order.product.name


class FilamentInline(ReadOnlyInline):
    model = PrintJobFilament
    fields = ("material", "planned_grams", "used_grams", "tray", "spool")
    show_change_link = False
    verbose_name_plural = "filaments"


class DispatchForm(VerbForm):
    def prepare(self) -> None:
        """Ask for the printer."""
        self.fields["printer"] = key_choice(PrintJob, "printer")


class GroupForm(VerbForm):
    def prepare(self) -> None:
        """Ask for the group; none lets every printer have it."""
        document: Any = self.document
        self.fields["group"] = key_choice(type(document), "printer_group", required=False, label="Group of printers")
        self.fields["group"].initial = document.printer_group_id


class MixForm(VerbForm):
    """Which waiting jobs of other products share a plate with this one."""

    def prepare(self) -> None:
        """Offer the jobs that could lie on one plate with it."""
        document: Any = self.document
        others = production.mixable_with(document)
        self.fields["others"] = forms.MultipleChoiceField(
            label="Together with",
            widget=UnfoldAdminCheckboxSelectMultipleWidget,
            choices=[(row.pk, f"{row.code}: {row.plate.product.name}, {row.production_order.code}") for row in others],
            help_text="" if others else "No waiting job of another product is alike in material, layers and printer.",
        )


def _mix(job: PrintJob, *, others: list[str], actor: User) -> PrintJob:
    return production.mix_jobs([job, *PrintJob.objects.filter(pk__in=others).order_by("id")], actor=actor)


class DecideForm(VerbForm):
    outcome = forms.ChoiceField(choices=[("finished", "finished"), ("failed", "failed"), ("cancelled", "cancelled")])


class ClassifyForm(VerbForm):
    """Which of the known reasons a failure is put down to."""

    def prepare(self) -> None:
        """Start from what was said before."""
        self.fields["defect"] = forms.ModelChoiceField(
            defect_reasons(DefectReason.Stage.PRINT),
            label="What went wrong",
            initial=self.document.defect_id,  # type: ignore[attr-defined]
        )


class FailForm(VerbForm):
    code = forms.CharField(required=False, max_length=40, label="Error code")
    text = forms.CharField(max_length=500, label="What happened", widget=forms.Textarea(attrs={"rows": 3}))


class ClearForm(VerbForm):
    """Good and scrap of each order on the plate."""

    def prepare(self) -> None:
        """Add a row of fields per order; a finished plate starts with everything good."""
        job: Any = self.document
        for part in job.parts.select_related("production_order__product").order_by("id"):
            key, name = part.production_order_id, part.production_order.product.name
            start = part.planned if job.status == PrintJob.Status.FINISHED else 0
            self.fields[f"good_{key}"] = forms.IntegerField(
                label=f"{name}: good of {part.planned}",
                min_value=0,
                max_value=part.planned,
                initial=start,
                help_text=part.production_order.code,
            )
            self.fields[f"scrap_{key}"] = forms.IntegerField(
                label="Scrap", min_value=0, max_value=part.planned, initial=0
            )
            self.fields[f"defect_{key}"] = forms.ModelChoiceField(
                defect_reasons(DefectReason.Stage.PRINT), required=False, label="What is wrong with the scrap"
            )
            self.fields[f"why_{key}"] = forms.CharField(label="Note on the scrap", max_length=200, required=False)
        self.fields["requeue_missing"] = forms.BooleanField(
            label="Print missing parts again", required=False, initial=True
        )

    def arguments(self) -> dict[str, Any]:
        """Return the counts by order."""
        given = self.cleaned_data
        keys = [int(name.removeprefix("good_")) for name in given if name.startswith("good_")]
        counts = [
            production.PlateCount(
                key, given[f"good_{key}"], given[f"scrap_{key}"], given[f"why_{key}"], given[f"defect_{key}"]
            )
            for key in keys
        ]
        return {"counts": counts, "requeue_missing": given["requeue_missing"]}


def _finished(job: PrintJob, *, actor: User) -> None:
    production.record_finished(job, actor=actor)


def _begun(job: PrintJob, *, actor: User) -> None:
    production.begin_job(job, actor=actor)


def is_to_be_cleared(job: PrintJob) -> bool:
    over = (PrintJob.Status.FINISHED, PrintJob.Status.FAILED, PrintJob.Status.CANCELLED)
    return job.status in over and job.cleared_at is None


@admin.register(PrintJob)
class PrintJobAdmin(DocumentAdmin):
    list_display = (
        "code",
        "makes",
        "production_order",
        "printer",
        "status",
        "done",
        "remaining_minutes",
        "planned",
        "finished_at",
        "cleared_at",
    )
    list_related = ("plate__product", "schedule_entry__printer")
    list_filter = (
        "status",
        "printer",
        ("cleared_at", admin.EmptyFieldListFilter),
        ("finished_at", RangeDateTimeFilter),
    )
    search_fields = ("code", "production_order__code", "plate__product__sku", "bambu_job_id", "printer__name")
    done = number_column("progress_percent", "done", "%")
    header_fields = (
        "makes",
        "printer",
        "production_order",
        "waiting_reason",
        "planned",
        "printer_group",
        "refused_by",
        "left",
        "error_text",
        "cleared_by",
    )
    related_documents = ("retry_of", "retries", "serials")
    fieldsets = (
        ("Time and material", {"fields": (("estimated_time_minutes", "actual_time_minutes"),
                                          ("estimated_grams", "material_grams_used"))}),
        ("From the machine", {
            "classes": ["collapse"],
            "fields": (("plate", "print_file"), ("current_layer", "total_layers"), ("sent_at", "started_at"),
                       ("finished_at", "cleared_at"), ("dispatch_attempts", "error_code"),
                       ("bambu_job_id", "subtask_name")),
        }),
    )  # fmt: skip
    inlines = (PartInline, FilamentInline, PhotoInline)
    verbs = {
        "send": AdminVerb(call=production.dispatch_job, form_class=DispatchForm),
        "pause": production.request_pause,
        "resume": production.request_resume,
        "fail": AdminVerb(call=production.record_failed, form_class=FailForm, label="Report failure"),
        "cancel": production.request_cancel,
    }
    extra_verbs = (
        AdminVerb(
            name="clear",
            label="Clear plate",
            call=production.clear_plate,
            permission="production.clear_printjob",
            form_class=ClearForm,
            style="primary",
            visible=is_to_be_cleared,
        ),
        AdminVerb(
            name="classify",
            label="Name the defect",
            call=production.classify_failure,
            permission="production.fail_printjob",
            form_class=ClassifyForm,
            quiet=True,
            visible=lambda job: job.status in {"failed", "cancelled"},
        ),
        AdminVerb(
            name="decide",
            label="Say how it ended",
            call=production.decide_job,
            permission="production.decide_printjob",
            form_class=DecideForm,
            reason_required=True,
            style="primary",
            visible=lambda job: job.status == PrintJob.Status.UNKNOWN,
        ),
        AdminVerb(
            name="restrict",
            label="Keep to a group of printers",
            call=production.restrict_job,
            permission="production.dispatch_printjob",
            form_class=GroupForm,
            visible=lambda job: job.status == PrintJob.Status.QUEUED,
        ),
        AdminVerb(
            name="mix",
            label="Print with other products",
            call=_mix,
            permission="production.dispatch_printjob",
            quiet=True,
            form_class=MixForm,
            confirm="Their parts share one plate, which is sliced now and waits for a person to release its file.",
            visible=lambda job: job.status == PrintJob.Status.QUEUED and not job.plate.is_mixed,
        ),
        AdminVerb(
            name="unmix",
            label="Give up the mixed plate",
            call=production.unmix_job,
            permission="production.dispatch_printjob",
            reason_required=True,
            confirm="Its parts go back to the plates of their own products.",
            visible=lambda job: job.status == PrintJob.Status.QUEUED and job.plate.is_mixed,
        ),
        AdminVerb(
            name="finished",
            label="Report finished",
            call=_finished,
            permission="production.change_printjob",
            confirm="The machine is through with this job. Its material is booked as planned.",
            visible=lambda job: job.status in {"printing", "paused"},
        ),
        AdminVerb(
            name="begun",
            label="Report begun",
            call=_begun,
            permission="production.change_printjob",
            visible=lambda job: job.status in {"queued", "sent"},
        ),
    )

    @display(description="makes", ordering="plate__product__sku")
    def makes(self, job: PrintJob) -> str:
        """Name the product."""
        return str(job.plate.product)

    @display(description="left")
    def left(self, job: PrintJob) -> str:
        """Show how long the machine still needs."""
        return duration(job.remaining_minutes) if job.status in PrintJob.ACTIVE else ""

    @display(description="planned", ordering="schedule_entry__starts_at")
    def planned(self, job: PrintJob) -> SafeString | str:
        """Show when the schedule has it done, and where while it waits."""
        entry = getattr(job, "schedule_entry", None)
        if entry is None or entry.ends_at is None or job.status not in (PrintJob.Status.QUEUED, *PrintJob.ACTIVE):
            return ""
        ends = when(entry.ends_at)
        if job.printer_id is None and entry.printer:
            return format_html("{} on {}", ends, entry.printer.name)
        return ends

    @display(description="waits for")
    def waiting_reason(self, job: PrintJob) -> str:
        """Show why it was not sent."""
        return waiting_reason(job)

    def progress(self, obj: PrintJob) -> tuple[int, int, str] | None:
        """Show what the machine says."""
        percent = int(obj.progress_percent)
        return (percent, 100, f"{percent} % printed") if obj.started_at else None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: jobs are made by queueing an order."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return every field: verbs change them."""
        names = flatten_fieldsets(self.fieldsets)
        return (*super().get_readonly_fields(request, obj), *names)
