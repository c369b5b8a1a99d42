"""Production in the console: orders, jobs and their plates, printers, quality, trace."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import RangeDateFilter, RangeDateTimeFilter
from unfold.decorators import display

from blb3d.accounts.models import User
from blb3d.core.admin import (
    AdminVerb,
    DocumentAdmin,
    DocumentInline,
    LedgerAdmin,
    ReadOnlyInline,
    VerbForm,
    chip_column,
    key_choice,
    number_column,
)
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
from production.selectors import order_waiting_reasons, waiting_reason


class PartInline(ReadOnlyInline):
    """The parts of one plate, by order."""

    model = PrintJobPart
    fields = ("production_order", "planned", "good", "scrap", "scrap_reason")
    show_change_link = False


class FilamentInline(ReadOnlyInline):
    model = PrintJobFilament
    fields = ("position", "material", "planned_grams", "used_grams", "tray", "spool")
    show_change_link = False


class JobInline(ReadOnlyInline):
    """The jobs of an order."""

    model = PrintJob
    fk_name = "production_order"
    fields = ("code", "plate", "printer", "status", "progress_percent", "finished_at", "cleared_at")
    verbose_name_plural = "print jobs"


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


def _start(order: ProductionOrder, *, actor: User) -> None:
    production.start_production_order(order, actor=actor)


@admin.register(ProductionOrder)
class ProductionOrderAdmin(DocumentAdmin):
    list_display = ("code", "product", "good", "status", "urgency", "source_type", "due_date", "is_held", "created_at")
    list_filter = ("status", "priority", "source_type", "is_held", ("due_date", RangeDateFilter))
    search_fields = ("code", "product__sku", "product__name", "sales_order__order_number")
    urgency = chip_column("priority")
    header_fields = ("product", "quantity", "urgency", "due_date", "waiting_reason", "hold_reason")
    related_documents = (
        "product",
        "bom",
        "sales_order",
        "quote",
        "print_jobs",
        "serials",
        "inspections",
        "nonconformances",
    )
    fields = (
        ("product", "quantity"),
        ("quantity_completed", "quantity_scrapped"),
        ("priority", "due_date"),
        ("scheduled_start", "scheduled_end"),
        "notes",
    )
    readonly_fields = ("quantity_completed", "quantity_scrapped", "scheduled_start", "scheduled_end")
    inlines = (JobInline, MaterialInline, DemandInline)
    verbs = {
        "confirm": _confirm,
        "queue": production.queue_production_order,
        "complete": production.complete_production_order,
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
            visible=lambda order: order.quantity_completed > 0,
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
        """Show why it is not queued."""
        return order_waiting_reasons([order]).get(order.pk, "")

    def progress(self, obj: ProductionOrder) -> tuple[int, int, str] | None:
        """Show the good parts."""
        return (obj.quantity_completed, obj.quantity, "good parts")

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
            key, name = part.production_order_id, part.production_order.code
            start = part.planned if job.status == PrintJob.Status.FINISHED else 0
            self.fields[f"good_{key}"] = forms.IntegerField(
                label=f"{name}: good of {part.planned}",
                min_value=0,
                max_value=part.planned,
                initial=start,
                help_text=part.production_order.product.name,
            )
            self.fields[f"scrap_{key}"] = forms.IntegerField(
                label=f"{name}: scrap", min_value=0, max_value=part.planned, initial=0
            )
            self.fields[f"why_{key}"] = forms.CharField(label=f"{name}: why scrap", max_length=200, required=False)
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
        "production_order",
        "printer",
        "status",
        "done",
        "priority",
        "remaining_minutes",
        "finished_at",
        "cleared_at",
    )
    list_filter = (
        "status",
        "printer",
        ("cleared_at", admin.EmptyFieldListFilter),
        ("finished_at", RangeDateTimeFilter),
    )
    search_fields = ("code", "production_order__code", "plate__product__sku", "bambu_job_id", "printer__name")
    done = number_column("progress_percent", "done", "%")
    header_fields = (
        "production_order",
        "printer",
        "waiting_reason",
        "estimated_time_minutes",
        "actual_time_minutes",
        "material_grams_used",
        "error_text",
        "cleared_by",
    )
    related_documents = ("production_order", "printer", "retry_of", "retries", "serials")
    fields = (
        ("plate", "print_file"),
        ("priority", "dispatch_attempts"),
        ("estimated_time_minutes", "actual_time_minutes"),
        ("estimated_grams", "material_grams_used"),
        ("current_layer", "total_layers", "remaining_minutes"),
        ("error_code", "error_text"),
        ("sent_at", "started_at"),
        ("finished_at", "cleared_at"),
        ("bambu_job_id", "subtask_name"),
    )
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

    @display(description="waits for")
    def waiting_reason(self, job: PrintJob) -> str:
        """Show why it was not sent."""
        return waiting_reason(job)

    def progress(self, obj: PrintJob) -> tuple[int, int, str] | None:
        """Show what the machine says."""
        return (int(obj.progress_percent), 100, "% printed") if obj.started_at else None

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: jobs are made by queueing an order."""
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return every field: verbs change them."""
        names = [name for row in self.fields for name in row]
        return (*super().get_readonly_fields(request, obj), *names)


class SlotInline(ReadOnlyInline):
    model = PrinterSlot
    fields = ("tray", "material", "material_type", "color_hex", "spool", "remain_percent")
    show_change_link = False
    verbose_name_plural = "loaded"


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
    list_display = ("name", "model", "state", "link", "is_active", "auto_dispatch", "work_center", "last_seen_at")
    list_filter = ("model", "connection", "is_active", "auto_dispatch")
    search_fields = ("name", "serial", "model")
    link = chip_column("connection")
    header_fields = ("model", "state", "connection", "write_access", "foreign_job", "last_seen_at")
    related_documents = ("print_jobs",)
    fields = (
        ("name", "serial"),
        ("model", "work_center"),
        ("nozzle_diameter_mm", "hourly_rate"),
        ("build_x_mm", "build_y_mm", "build_z_mm"),
        ("is_active", "out_of_service_reason"),
        "auto_dispatch",
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
    related_documents = ("product", "production_order", "print_job", "sales_order", "inspections", "nonconformances")
    fields = (("product", "location"), ("manufactured_date", "shipped_date"))
    readonly_fields = ("product", "location", "manufactured_date", "shipped_date")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: numbers are given when a plate is cleared."""
        return False


@admin.register(QualityInspection)
class QualityInspectionAdmin(DocumentAdmin):
    list_display = ("production_order", "inspection_type", "serial_number", "quantity", "passed", "inspected_at")
    list_filter = ("inspection_type", "passed", ("inspected_at", RangeDateTimeFilter))
    search_fields = ("production_order__code", "serial_number__serial_number")
    header_fields = ("passed", "quantity", "inspector", "inspected_at")
    related_documents = ("production_order", "serial_number")
    fields = (("inspection_type", "quantity"), "measurements", "notes")
    readonly_fields = ("inspection_type", "quantity", "measurements", "notes")

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
