"""Production in the console: orders, jobs and their plates, printers, quality, trace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.db.models import Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateFilter, RangeDateTimeFilter
from unfold.decorators import display

from blb3d.accounts.models import User
from blb3d.core.admin import (
    AdminVerb,
    DocumentAdmin,
    DocumentInline,
    Entry,
    LedgerAdmin,
    ReadOnlyInline,
    VerbForm,
    chip_column,
    key_choice,
    number_column,
    who,
)
from blb3d.core.templatetags.blb3d_ui import duration, swatch
from production import services as production
from production.models import (
    Demand,
    MaintenanceWindow,
    Nonconformance,
    Printer,
    PrinterSlot,
    PrintJob,
    PrintJobFilament,
    PrintJobPart,
    ProductionAnalytics,
    ProductionOrder,
    ProductionOrderMaterial,
    QualityInspection,
    SerialNumber,
    TraceLink,
    WorkCenter,
)
from production.selectors import order_waiting_reasons, waiting_reason, waiting_reasons


class PartInline(ReadOnlyInline):
    """The parts of one plate, by order."""

    model = PrintJobPart
    fields = ("production_order", "product", "planned", "good", "scrap", "scrap_reason")
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


class JobInline(ReadOnlyInline):
    """The jobs of an order."""

    model = PrintJob
    fk_name = "production_order"
    fields = ("link", "printer", "status", "progress_percent", "finished_at", "cleared_at", "waits")
    readonly_fields = ("link", "waits")
    show_change_link = False
    verbose_name_plural = "print jobs"

    @display(description="job")
    def link(self, job: PrintJob) -> SafeString:
        """Link to the job."""
        return format_html('<a class="text-link" href="{}">{}</a>',
                           reverse("admin:production_printjob_change", args=[job.pk]), job)  # fmt: skip

    @display(description="waits for")
    def waits(self, job: PrintJob) -> str:
        """Tell that a person must clear the plate."""
        return "a person to clear the plate" if _is_to_be_cleared(job) and job.started_at else "–"


class MaterialInline(ReadOnlyInline):
    """What the order took, by lot."""

    model = ProductionOrderMaterial
    fk_name = "production_order"
    fields = ("product", "material_lot", "quantity_used", "unit_cost", "print_job", "consumed_at")
    show_change_link = False
    verbose_name_plural = "material used, by lot"


class DemandInline(ReadOnlyInline):
    model = Demand
    fields = ("label", "quantity", "due_date")
    show_change_link = False
    verbose_name_plural = "needed for"


class PriorityForm(VerbForm):
    priority = forms.TypedChoiceField(choices=ProductionOrder.Priority.choices, coerce=int)

    def prepare(self) -> None:
        """Start from what it is."""
        self.fields["priority"].initial = self.document.priority  # type: ignore[attr-defined]


class InspectionForm(VerbForm):
    """Which parts were inspected, and what was found."""

    quantity = forms.IntegerField(min_value=1)
    inspection_type = forms.ChoiceField(choices=QualityInspection.Type.choices, initial=QualityInspection.Type.FINAL)
    serial_numbers = forms.CharField(required=False, help_text="Separated by spaces, for parts that have them")
    notes = forms.CharField(required=False, max_length=2000, widget=forms.Textarea(attrs={"rows": 3}))

    def prepare(self) -> None:
        """Start from all good parts."""
        self.fields["quantity"].initial = self.document.quantity_completed  # type: ignore[attr-defined]

    def clean_serial_numbers(self) -> list[str]:
        """Return the numbers that were typed."""
        return str(self.cleaned_data["serial_numbers"]).replace(",", " ").split()


class FailedInspectionForm(InspectionForm):
    severity = forms.ChoiceField(choices=Nonconformance.Severity.choices, initial=Nonconformance.Severity.MAJOR)

    def prepare(self) -> None:
        """Start from one part."""
        self.fields["quantity"].initial = 1


def _confirm(order: ProductionOrder, *, actor: User, reason: str = "") -> None:
    production.confirm_production_orders([order], actor=actor, reason=reason)


def _is_to_be_inspected(order: ProductionOrder) -> bool:
    """Tell whether good parts are there that no final inspection has passed yet."""
    passed = order.inspections.filter(inspection_type=QualityInspection.Type.FINAL, passed=True)
    return order.quantity_completed > (passed.aggregate(parts=Sum("quantity"))["parts"] or 0)


def _start(order: ProductionOrder, *, actor: User) -> None:
    production.start_production_order(order, actor=actor)


@admin.register(ProductionOrder)
class ProductionOrderAdmin(DocumentAdmin):
    list_display = ("code", "product", "good", "status", "priority", "source_type", "due_date", "is_held", "created_at")
    list_filter = ("status", "priority", "source_type", "is_held", ("due_date", RangeDateFilter))
    search_fields = ("code", "product__sku", "product__name", "sales_order__order_number")
    header_fields = ("product", "quantity", "priority", "due_date", "waiting_reason", "hold_reason")
    related_documents = ("sales_order", "quote", "bom", "serials", "inspections", "nonconformances")
    fields = (
        ("product", "quantity"),
        ("priority", "due_date"),
        ("scheduled_start", "scheduled_end"),
        "notes",
    )
    readonly_fields = ("scheduled_start", "scheduled_end")
    inlines = (JobInline, MaterialInline, DemandInline)
    verbs = {
        "confirm": _confirm,
        "queue": production.queue_production_order,
        "complete": AdminVerb(
            call=production.complete_production_order,
            quiet=True,
            confirm="It is closed with the parts that are good now; what is missing is not made any more.",
        ),
        "fail": production.fail_production_order,
        "retry": production.retry_production_order,
        "cancel": production.cancel_production_order,
    }
    bulk_verbs = ("confirm", "queue")
    extra_verbs = (
        AdminVerb(
            name="start",
            label="Queue and send",
            call=_start,
            permission="production.start_productionorder",
            quiet=True,
            visible=lambda order: order.status in {"confirmed", "queued", "printing"},
        ),
        AdminVerb(
            name="requeue",
            label="Make missing parts",
            call=production.requeue_missing_parts,
            permission="production.queue_productionorder",
            visible=lambda order: order.status in {"queued", "printing"} and order.quantity_missing > 0,
        ),
        AdminVerb(
            name="prioritise",
            label="Change priority",
            call=production.prioritise_production_order,
            permission="production.change_productionorder",
            quiet=True,
            form_class=PriorityForm,
            visible=lambda order: order.status in order.OPEN,
        ),
        AdminVerb(
            name="hold",
            call=production.hold_production_order,
            permission="production.hold_productionorder",
            reason_required=True,
            visible=lambda order: order.status in order.OPEN and not order.is_held,
        ),
        AdminVerb(
            name="release",
            label="Release hold",
            call=production.release_production_order_hold,
            permission="production.hold_productionorder",
            visible=lambda order: order.is_held,
        ),
        AdminVerb(
            name="pass_inspection",
            label="Pass inspection",
            call=production.pass_inspection,
            permission="production.pass_qualityinspection",
            form_class=InspectionForm,
            style="primary",
            visible=_is_to_be_inspected,
        ),
        AdminVerb(
            name="fail_inspection",
            label="Fail inspection",
            call=production.fail_inspection,
            permission="production.fail_qualityinspection",
            form_class=FailedInspectionForm,
            reason_required=True,
            style="danger",
            visible=lambda order: order.quantity_completed > 0,
        ),
    )

    @display(description="good")
    def good(self, order: ProductionOrder) -> str:
        """Show good parts of all."""
        return f"{order.quantity_completed} of {order.quantity}"

    @display(description="waits for")
    def waiting_reason(self, order: ProductionOrder) -> str:
        """Show why it is not queued, or why its jobs are not sent."""
        queued = order.print_jobs.filter(status=PrintJob.Status.QUEUED)
        reasons = [order_waiting_reasons([order]).get(order.pk, ""), *waiting_reasons(queued).values()]
        return "; ".join(dict.fromkeys(reason for reason in reasons if reason))

    def progress(self, obj: ProductionOrder) -> tuple[int, int, str] | None:
        """Show the good parts."""
        scrap = f", {obj.quantity_scrapped} scrapped" if obj.quantity_scrapped else ""
        return (obj.quantity_completed, obj.quantity, f"{obj.quantity_completed} of {obj.quantity} good parts{scrap}")

    def events(self, obj: ProductionOrder) -> Iterator[Entry]:
        """Tell of its plates and inspections."""
        for part in obj.job_parts.filter(job__cleared_at__isnull=False).select_related("job__cleared_by", "job"):
            scrap = f", {part.scrap} scrap" if part.scrap else ""
            words = f"cleared {part.job}: {part.good} good{scrap}"
            yield Entry(part.job.cleared_at, who(part.job.cleared_by), words, reason=part.scrap_reason)
        for inspection in obj.inspections.select_related("inspector"):
            words = f"{'passed' if inspection.passed else 'failed'} {inspection.quantity} at the inspection"
            yield Entry(inspection.inspected_at, who(inspection.inspector), words, reason=inspection.notes)

    def create(self, request: HttpRequest, obj: ProductionOrder, form: Any) -> ProductionOrder:
        """Plan it for the shelf."""
        return production.make_stock_order(
            obj.product,
            quantity=obj.quantity,
            priority=obj.priority,
            due_date=obj.due_date,
            notes=obj.notes,
            actor=request.user,
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return what only verbs change once it is planned."""
        fixed = ("product", "quantity", "priority") if obj is not None else ()
        return (*super().get_readonly_fields(request, obj), *fixed)


class DispatchForm(VerbForm):
    def prepare(self) -> None:
        """Ask for the printer."""
        self.fields["printer"] = key_choice(PrintJob, "printer")


class DecideForm(VerbForm):
    outcome = forms.ChoiceField(choices=[("finished", "finished"), ("failed", "failed"), ("cancelled", "cancelled")])


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
            self.fields[f"why_{key}"] = forms.CharField(label="Why it is scrap", max_length=200, required=False)
        self.fields["requeue_missing"] = forms.BooleanField(
            label="Print missing parts again", required=False, initial=True
        )

    def arguments(self) -> dict[str, Any]:
        """Return the counts by order."""
        given = self.cleaned_data
        keys = [int(name.removeprefix("good_")) for name in given if name.startswith("good_")]
        counts = [
            production.PlateCount(key, given[f"good_{key}"], given[f"scrap_{key}"], given[f"why_{key}"]) for key in keys
        ]
        return {"counts": counts, "requeue_missing": given["requeue_missing"]}


def _finished(job: PrintJob, *, actor: User) -> None:
    production.record_finished(job, actor=actor)


def _begun(job: PrintJob, *, actor: User) -> None:
    production.begin_job(job, actor=actor)


def _is_to_be_cleared(job: PrintJob) -> bool:
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
        "finished_at",
        "cleared_at",
    )
    list_related = ("plate__product",)
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
    inlines = (PartInline, FilamentInline)
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
            visible=_is_to_be_cleared,
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


class SlotInline(ReadOnlyInline):
    model = PrinterSlot
    fields = ("tray", "color", "material", "material_type", "spool", "remain_percent")
    readonly_fields = ("color",)
    show_change_link = False
    verbose_name_plural = "loaded"

    @display(description="colour")
    def color(self, slot: PrinterSlot) -> SafeString | str:
        """Show the colour."""
        return swatch(slot.color_hex) if slot.color_hex else "–"


class WindowInline(DocumentInline):
    model = MaintenanceWindow
    fields = ("starts_at", "ends_at", "reason")
    show_change_link = False
    verbose_name_plural = "maintenance"


class LoadForm(VerbForm):
    tray = forms.IntegerField(min_value=0, max_value=255, help_text="AMS unit x 4 + slot; 254 is the external spool")

    def prepare(self) -> None:
        """Ask for the material and the spool."""
        self.fields["material"] = key_choice(PrinterSlot, "material", required=False)
        self.fields["spool"] = key_choice(PrinterSlot, "spool", required=False)


@admin.register(Printer)
class PrinterAdmin(DocumentAdmin):
    list_display = ("name", "model", "doing", "link", "is_active", "auto_dispatch", "work_center", "last_seen_at")
    list_filter = ("model", "connection", "is_active", "auto_dispatch")
    search_fields = ("name", "serial", "model")
    link = chip_column("connection")
    header_fields = ("connection", "doing", "foreign_job", "write_access", "out_of_service_reason", "last_seen_at")
    related_documents = ("print_jobs",)
    fields = (
        ("is_active", "out_of_service_reason"),
        "auto_dispatch",
        ("name", "serial"),
        ("model", "work_center"),
        ("nozzle_diameter_mm", "hourly_rate"),
        ("build_x_mm", "build_y_mm", "build_z_mm"),
    )
    inlines = (SlotInline, WindowInline)
    extra_verbs = (
        AdminVerb(
            name="load",
            label="Load material",
            call=production.load_slot,
            permission="production.change_printer",
            form_class=LoadForm,
            style="primary",
        ),
        AdminVerb(
            name="clear_foreign",
            label="Foreign print removed",
            call=production.clear_foreign_print,
            permission="production.clear_printjob",
            confirm="A print that was not sent from here was taken off: the plate is empty.",
            visible=lambda printer: bool(printer.foreign_job),
        ),
        AdminVerb(
            name="allow_commands",
            label="Commands are allowed",
            call=production.allow_commands,
            permission="production.change_printer",
            confirm="The printer's developer mode is on: it obeys this system.",
            visible=lambda printer: printer.write_access == Printer.WriteAccess.NO,
        ),
    )

    @display(description="state", ordering="state")
    def doing(self, printer: Printer) -> str:
        """Show the machine's own word as people write it."""
        return printer.state.replace("_", " ").capitalize()


@admin.register(WorkCenter)
class WorkCenterAdmin(DocumentAdmin):
    list_display = ("code", "name", "kind", "is_active")
    list_filter = ("kind", "is_active")
    search_fields = ("code", "name")
    related_documents = ("printers",)
    fields = (("code", "name"), ("kind", "is_active"))


@admin.register(MaintenanceWindow)
class MaintenanceWindowAdmin(DocumentAdmin):
    list_display = ("printer", "starts_at", "ends_at", "reason")
    list_filter = ("printer", ("starts_at", RangeDateTimeFilter))
    search_fields = ("printer__name", "reason")
    fields = ("printer", ("starts_at", "ends_at"), "reason")


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


@admin.register(ProductionAnalytics)
class ProductionAnalyticsAdmin(LedgerAdmin):
    list_display = (
        "production_order",
        "estimated_time_minutes",
        "actual_time_minutes",
        "accuracy_percent",
        "material_waste_grams",
        "rework_count",
        "recorded_at",
    )
    list_filter = (("recorded_at", RangeDateTimeFilter),)
    search_fields = ("production_order__code",)
