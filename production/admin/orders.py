"""Production orders in the console."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import Sum
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateFilter, RangeDateTimeFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from blb3d.accounts.models import User
from blb3d.core.admin import (
    AdminVerb,
    DocumentAdmin,
    Entry,
    LedgerAdmin,
    ReadOnlyInline,
    VerbForm,
    who,
)
from blb3d.core.effects import Effect
from blb3d.core.templatetags.blb3d_ui import chip, duration, money, when
from inventory.models import MaterialLot
from production import services as production
from production.admin.jobs import GroupForm
from production.admin.routings import OperationInline, operation_entries
from production.models import (
    Demand,
    Nonconformance,
    PrintJob,
    ProductionAnalytics,
    ProductionOrder,
    QualityInspection,
)
from production.selectors import order_waiting_reasons, waiting_reasons
from production.selectors.costs import OrderCost, lots_used, production_costs
from production.selectors.desk import JOBS_SHOWN, job_rows, next_steps
from production.selectors.effects import day, mergeable_orders, order_effects, parts
from production.selectors.progress import plate_progress


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


class SplitForm(VerbForm):
    """How many units go into an order of their own."""

    quantity = forms.IntegerField(min_value=1, label="Parts to split off")


class MergeForm(VerbForm):
    """Which other orders are made with this one."""

    orders = forms.ModelMultipleChoiceField(
        ProductionOrder.objects.none(), label="Orders to make with it", widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    def prepare(self) -> None:
        """Offer those that fit."""
        offered = mergeable_orders(self.document)  # type: ignore[arg-type]
        field: Any = self.fields["orders"]
        field.queryset = ProductionOrder.objects.filter(pk__in=[order.pk for order in offered])
        field.label_from_instance = _offered


def _offered(order: ProductionOrder) -> str:
    who = ", ".join(dict.fromkeys(demand.label for demand in order.demands.all())) or "for the shelf"
    due = f", due {day(order.due_date)}" if order.due_date else ""
    return f"{order.code}: {parts(order.quantity)}, {who}{due}, {order.get_status_display()}"


class QuantityForm(VerbForm):
    quantity = forms.IntegerField(min_value=1, label="Parts in all")

    def prepare(self) -> None:
        """Start from what it is."""
        self.fields["quantity"].initial = self.document.quantity  # type: ignore[attr-defined]


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


def _merge(
    order: ProductionOrder, *, actor: User, orders: Sequence[ProductionOrder], reason: str = ""
) -> ProductionOrder:
    return production.merge_production_orders(order, list(orders), actor=actor, reason=reason)


def _tell(action: str) -> Callable[[ProductionOrder], Sequence[Effect]]:
    return lambda order: order_effects(order, action)


def _difference(planned: Decimal, actual: Decimal, show: Callable[[Decimal], str]) -> str:
    sign = "+" if actual > planned else "\N{MINUS SIGN}" if actual < planned else ""
    return f"{sign}{show(abs(actual - planned))}"


def _cost_rows(cost: OrderCost, currency: str, *, is_over: bool) -> list[dict[str, Any]]:
    """Return time and cost as the page shows them: words, planned, so far, the difference once there is one."""

    def amount(value: Decimal) -> str:
        return money(value, currency)

    rows: list[tuple[str, Decimal, Decimal, Callable[[Decimal], str]]] = [
        ("Printing", cost.planned_machine_minutes, cost.actual_machine_minutes, duration),
        ("Work by hand", cost.planned_labour_minutes, cost.actual_labour_minutes, duration),
        ("Material", cost.planned.material, cost.actual.material, amount),
        ("Machine time", cost.planned.machine, cost.actual.machine, amount),
        ("Labour", cost.planned.labour, cost.actual.labour, amount),
        ("Cost", cost.planned.total, cost.actual.total, amount),
    ]
    shown = [
        {
            "label": label,
            "planned": show(planned),
            "actual": show(actual),
            "difference": _difference(planned, actual, show) if is_over or actual > planned else "–",
            "is_over": actual > planned,
            "is_total": label == "Cost",
        }
        for label, planned, actual, show in rows
        if planned or actual or label in ("Printing", "Material", "Cost")
    ]
    each = cost.actual_per_good
    shown.append(
        {
            "label": "Each good part",
            "planned": money(cost.planned_per_unit, currency),
            "actual": "–" if each is None else money(each, currency),
            "difference": "–" if each is None else _difference(cost.planned_per_unit, each, amount),
            "is_over": each is not None and each > cost.planned_per_unit,
            "is_total": False,
        }
    )
    return shown


def _start(order: ProductionOrder, *, actor: User) -> None:
    production.start_production_order(order, actor=actor)


@admin.register(ProductionOrder)
class ProductionOrderAdmin(DocumentAdmin):
    list_display = ("code", "product", "good", "status", "priority", "due_date", "planned", "held", "created_at")
    list_filter = ("status", "is_late", "priority", "source_type", "is_held", ("due_date", RangeDateFilter))
    search_fields = ("code", "product__sku", "product__name", "sales_order__order_number")
    header_fields = ("product", "quantity", "priority", "due_date", "planned", "waiting_reason", "hold_reason")
    related_documents = (
        "sales_order",
        "quote",
        "bom",
        "split_from",
        "splits",
        "merged_into",
        "merged",
        "operations",
        "serials",
        "inspections",
        "nonconformances",
    )
    fields = (
        ("product", "quantity"),
        ("priority", "due_date"),
        ("scheduled_start", "scheduled_end"),
        "notes",
    )
    readonly_fields = ("scheduled_start", "scheduled_end")
    inlines = (OperationInline, DemandInline)
    change_form_template = "admin/production/order.html"
    verbs = {
        "confirm": AdminVerb(call=_confirm, effects=_tell("confirm")),
        "queue": AdminVerb(call=production.queue_production_order, effects=_tell("queue")),
        "complete": AdminVerb(
            call=production.complete_production_order,
            label="Close short",
            quiet=True,
            effects=_tell("complete"),
        ),
        "fail": AdminVerb(
            call=production.fail_production_order,
            label="Give up for now",
            confirm="It can be tried again later.",
            effects=_tell("fail"),
        ),
        "retry": AdminVerb(call=production.retry_production_order, effects=_tell("retry")),
        "cancel": AdminVerb(call=production.cancel_production_order, effects=_tell("cancel")),
    }
    bulk_verbs = ("confirm", "queue")
    extra_verbs = (
        AdminVerb(
            name="start",
            label="Queue and send",
            call=_start,
            permission="production.start_productionorder",
            quiet=True,
            effects=_tell("start"),
            visible=lambda order: order.status in {"confirmed", "queued", "printing"},
        ),
        AdminVerb(
            name="requeue",
            label="Make missing parts",
            call=production.requeue_missing_parts,
            permission="production.queue_productionorder",
            effects=_tell("requeue"),
            visible=lambda order: (
                order.status in {"queued", "printing"} and any(plate.missing for plate in plate_progress(order))
            ),
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
            name="restrict",
            label="Keep to a group of printers",
            call=production.restrict_order,
            permission="production.change_productionorder",
            quiet=True,
            form_class=GroupForm,
            visible=lambda order: order.status in order.OPEN,
        ),
        AdminVerb(
            name="quantity",
            label="Change quantity",
            call=production.change_production_quantity,
            permission="production.change_productionorder",
            quiet=True,
            form_class=QuantityForm,
            effects=_tell("quantity"),
            visible=lambda order: order.status in {"draft", "confirmed", "queued", "printing"},
        ),
        AdminVerb(
            name="split",
            call=production.split_production_order,
            permission="production.change_productionorder",
            quiet=True,
            form_class=SplitForm,
            effects=_tell("split"),
            visible=lambda order: (
                order.status in order.OPEN and order.status != "failed" and order.quantity_missing > 1
            ),
        ),
        AdminVerb(
            name="merge",
            call=_merge,
            permission="production.change_productionorder",
            quiet=True,
            form_class=MergeForm,
            effects=_tell("merge"),
            visible=lambda order: order.status in order.REQUIRING and bool(mergeable_orders(order)),
        ),
        AdminVerb(
            name="hold",
            call=production.hold_production_order,
            permission="production.hold_productionorder",
            reason_required=True,
            effects=_tell("hold"),
            visible=lambda order: order.status in order.OPEN and not order.is_held,
        ),
        AdminVerb(
            name="release",
            label="Release hold",
            call=production.release_production_order_hold,
            permission="production.hold_productionorder",
            style="primary",
            effects=_tell("release"),
            visible=lambda order: order.is_held,
        ),
        AdminVerb(
            name="scrap_in_work",
            label="Scrap units in work",
            call=production.scrap_units_in_work,
            permission="production.complete_productionorder",
            reason_required=True,
            quiet=True,
            style="danger",
            visible=lambda order: any(row.quantity_waiting for row in order.operations.all()),
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

    @display(description="held", ordering="is_held")
    def held(self, order: ProductionOrder) -> SafeString | str:
        """Show what is held, and nothing of the others: a mark on each of them would look like trouble."""
        return chip("held", label="On hold") if order.is_held else ""

    @display(description="planned finish", ordering="scheduled_end")
    def planned(self, order: ProductionOrder) -> SafeString | str:
        """Show when it is ready by the schedule, and whether that is too late."""
        if order.status not in order.OPEN:
            return ""
        finish = when(order.scheduled_end) if order.scheduled_end else "not planned"
        return format_html("{} {}", finish, chip("held", label="Late")) if order.is_late else finish

    @display(description="waits for")
    def waiting_reason(self, order: ProductionOrder) -> str:
        """Show why it is not queued, or why its jobs are not sent."""
        queued = order.print_jobs.filter(status=PrintJob.Status.QUEUED)
        reasons = [order_waiting_reasons([order]).get(order.pk, ""), *waiting_reasons(queued).values()]
        return "; ".join(dict.fromkeys(reason for reason in reasons if reason))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False, change: bool = False, **kwargs: Any
    ) -> Any:
        """Add parts, jobs, cost and lots to the page."""
        order = kwargs.get("obj")
        if order is not None:
            context["desk"] = self._desk(request, order)
        return super().render_change_form(request, context, add=add, change=change, **kwargs)

    def _desk(self, request: HttpRequest, order: ProductionOrder) -> dict[str, Any]:
        plates = plate_progress(order)
        rows = job_rows(order)
        cost = production_costs([order.pk])[order.pk]
        currency: str = settings.CURRENCY  # type: ignore[misc]
        jobs_page = self.admin_site._registry.get(PrintJob)
        lots_page = self.admin_site._registry.get(MaterialLot)
        may_jobs = jobs_page is not None and jobs_page.has_view_permission(request)
        may_lots = lots_page is not None and lots_page.has_view_permission(request)

        def job_url(job: PrintJob | None) -> str:
            return reverse("admin:production_printjob_change", args=[job.pk]) if job is not None and may_jobs else ""

        def lot_url(pk: int | None) -> str:
            return reverse("admin:inventory_materiallot_change", args=[pk]) if pk is not None and may_lots else ""

        jobs_url = reverse("admin:production_printjob_changelist")
        return {
            "next": [{"text": step.text, "url": job_url(step.job)} for step in next_steps(order, rows, plates)],
            "plates": plates,
            "jobs": [(row, job_url(row.job)) for row in rows],
            "more_url": f"{jobs_url}?production_order__id__exact={order.pk}" if len(rows) == JOBS_SHOWN else "",
            "cost": cost,
            "costs": _cost_rows(cost, currency, is_over=order.status not in order.OPEN),
            "is_over": order.status not in order.OPEN,
            "currency": currency,
            "lots": [(row, lot_url(row.lot_id)) for row in lots_used(order)],
        }

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
        yield from operation_entries(obj)
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
