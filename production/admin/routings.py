"""Routings, the operations of orders, what was reported of them, and why parts are lost, in the console."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Max
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from blb3d.core.admin import (
    AdminVerb,
    DocumentAdmin,
    DocumentInline,
    Entry,
    LedgerAdmin,
    ReadOnlyInline,
    VerbForm,
    who,
)
from production import services as production
from production.models import (
    DefectReason,
    OperationReport,
    ProductionOperation,
    ProductionOrder,
    Routing,
    RoutingStep,
)
from production.selectors.operations import defect_reasons, rework_targets


@admin.register(DefectReason)
class DefectReasonAdmin(DocumentAdmin):
    list_display = ("name", "code", "stage", "position", "is_active")
    list_filter = ("stage", "is_active")
    search_fields = ("code", "name")
    fields = (("code", "name"), ("stage", "position"), "is_active")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep the code by which machines and reports know it."""
        fixed = ("code",) if obj is not None else ()
        return (*super().get_readonly_fields(request, obj), *fixed)


class StepInline(DocumentInline):
    """The steps of a routing; a change is for orders that are confirmed from now on."""

    model = RoutingStep
    fields = ("sequence", "name", "work_center", "setup_minutes", "minutes_per_unit", "wait_minutes", "instructions")
    ordering = ("sequence",)
    show_change_link = False
    verbose_name_plural = "steps, in their order"

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Return the form field; instructions in few lines."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "instructions" and field is not None:
            field.widget.attrs["rows"] = 2
        return field

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Let steps be taken out: orders under way have their own copy."""
        return self.has_change_permission(request, obj)


@admin.register(Routing)
class RoutingAdmin(DocumentAdmin):
    list_display = ("product", "name", "revision", "is_active", "updated_at")
    list_filter = ("is_active",)
    search_fields = ("name", "product__sku", "product__name")
    header_fields = ("product", "revision", "is_active")
    related_documents = ("product",)
    fields = ("product", "name")
    inlines = (StepInline,)
    extra_verbs = (
        AdminVerb(
            name="activate",
            call=production.activate_routing,
            permission="production.change_routing",
            style="primary",
            confirm="Orders that are confirmed from now on follow this revision.",
            visible=lambda routing: not routing.is_active,
        ),
        AdminVerb(
            name="copy",
            label="Copy to a new revision",
            call=production.copy_routing,
            permission="production.add_routing",
        ),
        AdminVerb(
            name="deactivate",
            call=production.deactivate_routing,
            permission="production.change_routing",
            confirm="New orders of the product are finished when they are printed.",
            quiet=True,
            visible=lambda routing: routing.is_active,
        ),
    )

    def heading(self, obj: Routing) -> str:
        """Name it by its product."""
        return f"Routing of {obj.product}, {obj}"

    def get_queryset(self, request: HttpRequest) -> Any:
        """Join the product, by which a routing is named."""
        return super().get_queryset(request).select_related("product")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep the product."""
        fixed = ("product",) if obj is not None else ()
        return (*super().get_readonly_fields(request, obj), *fixed)

    def create(self, request: HttpRequest, obj: Routing, form: Any) -> Routing:
        """Store it as the product's next revision."""
        last = Routing.all_objects.filter(product=obj.product).aggregate(last=Max("revision"))["last"] or 0
        obj.revision, obj.is_active = last + 1, False
        obj.save()
        return obj

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Store the steps; a product's first routing is active at once."""
        super().save_related(request, form, formsets, change)
        routing = form.instance
        others = Routing.objects.filter(product=routing.product, is_active=True).exclude(pk=routing.pk)
        if not change and not others.exists():
            production.activate_routing(routing, actor=request.user)  # type: ignore[arg-type]


class ReportForm(VerbForm):
    """How many units are good, scrap, or to be done again, and why."""

    good = forms.IntegerField(min_value=0)
    scrap = forms.IntegerField(min_value=0, initial=0)
    rework = forms.IntegerField(min_value=0, initial=0, label="To be done again")
    minutes = forms.DecimalField(
        min_value=0, max_digits=8, decimal_places=2, initial=0, help_text="That were worked on these units"
    )
    note = forms.CharField(required=False, max_length=200)

    def prepare(self) -> None:
        """Start from everything that waits being good; offer where units may go back to."""
        operation: Any = self.document
        self.fields["good"].initial = operation.quantity_waiting
        self.fields["good"].help_text = f"{operation.quantity_waiting} wait here"
        self.targets = {str(row.pk): row for row in rework_targets(operation)}
        self.fields["rework_to"] = forms.ChoiceField(
            label="Done again at",
            required=False,
            choices=[(key, f"{row.sequence} {row.name}") for key, row in self.targets.items()],
        )
        self.fields["defect"] = forms.ModelChoiceField(
            defect_reasons(DefectReason.Stage.OPERATION), required=False, label="What is wrong"
        )
        order = ("good", "scrap", "rework", "rework_to", "defect", "note", "minutes")
        self.order_fields(order)

    def arguments(self) -> dict[str, Any]:
        """Return the report, with the operation itself for its id."""
        given = super().arguments()
        return {**given, "minutes": given["minutes"] or Decimal(0), "rework_to": self.targets.get(given["rework_to"])}


class ReportInline(ReadOnlyInline):
    model = OperationReport
    fk_name = "operation"
    fields = ("reported_at", "reported_by", "good", "scrap", "rework", "rework_to", "defect", "note", "minutes")
    show_change_link = False
    verbose_name_plural = "reports"


@admin.register(ProductionOperation)
class ProductionOperationAdmin(DocumentAdmin):
    list_display = ("code", "name", "product", "work_center", "status", "waiting", "good", "operator", "started_at")
    list_related = ("production_order__product",)
    list_filter = ("status", "work_center", ("finished_at", RangeDateTimeFilter))
    search_fields = ("code", "name", "production_order__product__sku", "work_center__code")
    header_fields = ("name", "product", "production_order", "work_center", "waiting", "operator", "instructions")
    related_documents = ("production_order",)
    fieldsets = (
        (
            "Units",
            {
                "fields": (
                    ("quantity_in", "quantity_returned"),
                    ("quantity_good", "quantity_scrapped"),
                    "quantity_reworked",
                )
            },
        ),
        (
            "Time",
            {
                "fields": (
                    ("setup_minutes", "minutes_per_unit"),
                    ("wait_minutes", "actual_minutes"),
                    ("started_at", "finished_at"),
                )
            },
        ),
    )
    readonly_fields = (
        "quantity_in",
        "quantity_returned",
        "quantity_good",
        "quantity_scrapped",
        "quantity_reworked",
        "setup_minutes",
        "minutes_per_unit",
        "wait_minutes",
        "actual_minutes",
        "started_at",
        "finished_at",
    )
    inlines = (ReportInline,)
    verbs = {
        "start": production.start_operation,
        "finish": AdminVerb(call=production.finish_operation, visible=lambda row: not row.quantity_waiting),
        "skip": production.skip_operation,
        "reopen": production.reopen_operation,
    }
    bulk_verbs = ("start",)
    extra_verbs = (
        AdminVerb(
            name="report",
            call=production.report_operation,
            permission="production.report_productionoperation",
            form_class=ReportForm,
            style="primary",
            visible=lambda row: row.status in row.OPEN and row.quantity_waiting > 0,
        ),
    )

    @display(description="waiting")
    def waiting(self, obj: ProductionOperation) -> int:
        """Show how many units are here."""
        return obj.quantity_waiting

    @display(description="good")
    def good(self, obj: ProductionOperation) -> str:
        """Show good units of all that the order wants."""
        return f"{obj.quantity_good} of {obj.production_order.quantity}"

    @display(description="product", ordering="production_order__product__sku")
    def product(self, obj: ProductionOperation) -> str:
        """Name what is made."""
        return str(obj.production_order.product)

    def heading(self, obj: ProductionOperation) -> str:
        """Name it by its work and number."""
        return f"{obj.code} {obj.name}"

    def progress(self, obj: ProductionOperation) -> tuple[int, int, str] | None:
        """Show the units that went on."""
        wanted = obj.production_order.quantity
        scrap = f", {obj.quantity_scrapped} scrapped" if obj.quantity_scrapped else ""
        return (min(obj.quantity_good, wanted), wanted, f"{obj.quantity_good} of {wanted} units good{scrap}")

    def events(self, obj: ProductionOperation) -> Iterator[Entry]:
        """Tell of its reports."""
        reports = obj.reports.select_related("reported_by", "defect", "rework_to", "operation")
        return map(_entry, reports)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: operations come from the routing when an order is confirmed."""
        return False


@admin.register(OperationReport)
class OperationReportAdmin(LedgerAdmin):
    list_display = ("reported_at", "operation", "good", "scrap", "rework", "defect", "minutes", "reported_by", "note")
    list_filter = ("operation__work_center", "defect", ("reported_at", RangeDateTimeFilter))
    search_fields = ("operation__code", "note")


class OperationInline(ReadOnlyInline):
    """The operations of a production order; each leads to its page, where it is started and reported."""

    model = ProductionOperation
    fields = (
        "link",
        "work_center",
        "status",
        "waiting",
        "quantity_good",
        "quantity_scrapped",
        "quantity_reworked",
        "actual_minutes",
        "operator",
    )
    readonly_fields = ("link", "waiting")
    show_change_link = False
    verbose_name_plural = "operations after printing"

    @display(description="operation")
    def link(self, operation: ProductionOperation) -> SafeString:
        """Link to the operation and its acts."""
        return format_html(
            '<a class="text-link" href="{}">{} {}</a>',
            reverse("admin:production_productionoperation_change", args=[operation.pk]),
            operation.sequence,
            operation.name,
        )

    @display(description="waiting")
    def waiting(self, operation: ProductionOperation) -> int:
        """Show how many units are there."""
        return operation.quantity_waiting


def _entry(report: OperationReport) -> Entry:
    words = [f"{report.good} good"] if report.good or not (report.scrap or report.rework) else []
    if report.scrap:
        words.append(f"{report.scrap} scrap")
    if report.rework:
        words.append(f"{report.rework} back to {report.rework_to.name if report.rework_to else report.operation.name}")
    why = ": ".join(part for part in (report.defect.name if report.defect else "", report.note) if part)
    return Entry(
        report.reported_at, who(report.reported_by), f"{report.operation.name}: {', '.join(words)}", reason=why
    )


def operation_entries(order: ProductionOrder) -> Iterator[Entry]:
    """Yield what was reported of an order's operations, for its timeline."""
    reports = OperationReport.objects.filter(operation__production_order=order)
    return map(_entry, reports.select_related("reported_by", "defect", "rework_to", "operation"))
