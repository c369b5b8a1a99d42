"""The words of production's API."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from blb3d.core.api.serializers import StrictSerializer
from blb3d.core.effects import LABELS
from inventory.models import BOMLine
from production.models import (
    DefectReason,
    Nonconformance,
    Printer,
    PrinterSlot,
    PrintJob,
    PrintJobPart,
    ProductionOrder,
    ProductionOrderMaterial,
    QualityInspection,
    SerialNumber,
)
from production.selectors.fleet import group_names
from production.selectors.outlook import PlannedJob

QUANTITY = {"max_digits": 14, "decimal_places": 4}
MINUTES = {"max_digits": 10, "decimal_places": 2, "min_value": Decimal(0)}
JobStatus = PrintJob.Status
_NOT_PLANNED = PlannedJob(None, None, None)
_MOMENT = serializers.DateTimeField()


def _moment(at: datetime.datetime | None) -> str | None:
    return None if at is None else str(_MOMENT.to_representation(at))


class ActionsMixin(serializers.Serializer[Any]):
    """Gives what may be done with the document now, by this user."""

    available_actions = serializers.SerializerMethodField()

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_available_actions(self, document: Any) -> list[str]:
        steps = document.lifecycle.available(document, self.context["request"].user)
        return [step.name for step in steps]


class ProductionOrderSerializer(ActionsMixin, serializers.ModelSerializer[ProductionOrder]):
    sku = serializers.CharField(source="product.sku")
    name = serializers.CharField(source="product.name")
    waiting_reason = serializers.SerializerMethodField(
        help_text="Why it is not queued, empty when it waits for nothing."
    )

    class Meta:
        model = ProductionOrder
        fields = (
            "id",
            "code",
            "product_id",
            "sku",
            "name",
            "quantity",
            "quantity_completed",
            "quantity_scrapped",
            "status",
            "priority",
            "source_type",
            "sales_order_id",
            "sales_order_line_id",
            "quote_id",
            "is_held",
            "hold_reason",
            "waiting_reason",
            "scheduled_start",
            "scheduled_end",
            "is_late",
            "due_date",
            "confirmed_at",
            "started_at",
            "completed_at",
            "closed_short",
            "split_from_id",
            "merged_into_id",
            "notes",
            "created_at",
            "version",
            "available_actions",
        )

    def get_waiting_reason(self, order: ProductionOrder) -> str:
        return self.context["waiting"].get(order.pk, "")


class NewProductionOrderSerializer(StrictSerializer):
    """What to make for the shelf; the product by id or SKU."""

    product_id = serializers.IntegerField(required=False)
    sku = serializers.CharField(max_length=60, required=False)
    quantity = serializers.IntegerField(min_value=1, max_value=1_000_000)
    priority = serializers.ChoiceField(choices=ProductionOrder.Priority.choices, required=False)
    due_date = serializers.DateField(required=False, allow_null=True)
    notes = serializers.CharField(max_length=4000, required=False, allow_blank=True)


class ProductionReasonSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class CompleteOrderSerializer(ProductionReasonSerializer):
    """Counts clear what is printed; `print_job_id`, or nothing at all, says that the machine is through."""

    quantity_good = serializers.IntegerField(min_value=0, required=False)
    quantity_scrapped = serializers.IntegerField(min_value=0, required=False)
    close_short = serializers.BooleanField(required=False, default=False, help_text="Make no more; needs a reason.")
    print_job_id = serializers.CharField(max_length=64, required=False)
    actual_time = serializers.DecimalField(**MINUTES, required=False, help_text="Minutes.")
    actual_cost = serializers.DecimalField(max_digits=12, decimal_places=4, required=False, help_text="Not kept.")


class QuantitySerializer(ProductionReasonSerializer):
    quantity = serializers.IntegerField(min_value=1, help_text="Units: in all, or those that go into the new order.")


class MergeSerializer(ProductionReasonSerializer):
    orders = serializers.ListField(
        child=serializers.CharField(max_length=30), min_length=1, max_length=100, help_text="Ids or codes."
    )


class PlateProgressSerializer(serializers.Serializer[Any]):
    plate_id = serializers.IntegerField()
    plate_number = serializers.IntegerField()
    wanted = serializers.IntegerField()
    printed = serializers.IntegerField()
    good = serializers.IntegerField()
    scrapped = serializers.IntegerField()
    expected = serializers.IntegerField(help_text="On jobs that wait, print, or are not counted yet.")
    missing = serializers.IntegerField(help_text="Brought by no job yet.")


class OrderProgressSerializer(serializers.Serializer[Any]):
    total = serializers.IntegerField()
    printed = serializers.IntegerField()
    good = serializers.IntegerField()
    scrapped = serializers.IntegerField()
    missing = serializers.IntegerField()
    plates = PlateProgressSerializer(many=True)


class CostSerializer(serializers.Serializer[Any]):
    material = serializers.DecimalField(max_digits=14, decimal_places=2)
    machine = serializers.DecimalField(max_digits=14, decimal_places=2)
    labour = serializers.DecimalField(max_digits=14, decimal_places=2)
    total = serializers.DecimalField(max_digits=14, decimal_places=2)


class OrderCostSerializer(serializers.Serializer[Any]):
    """Planned for all units, actual so far; minutes of printers and of people."""

    currency = serializers.SerializerMethodField()
    units = serializers.IntegerField()
    good = serializers.IntegerField()
    planned = CostSerializer()
    actual = CostSerializer()
    failures = serializers.DecimalField(
        max_digits=14, decimal_places=2, help_text="Of the actual cost, what went into failed prints, scrap and rework."
    )
    planned_per_unit = serializers.DecimalField(max_digits=14, decimal_places=4)
    actual_per_good = serializers.DecimalField(max_digits=14, decimal_places=4, allow_null=True)
    planned_machine_minutes = serializers.DecimalField(max_digits=14, decimal_places=2)
    actual_machine_minutes = serializers.DecimalField(max_digits=14, decimal_places=2)
    planned_labour_minutes = serializers.DecimalField(max_digits=14, decimal_places=2)
    actual_labour_minutes = serializers.DecimalField(max_digits=14, decimal_places=2)

    def get_currency(self, cost: Any) -> str:
        return str(self.context["currency"])


class EffectSerializer(serializers.Serializer[Any]):
    """One thing that an act would do, in a sentence."""

    about = serializers.ChoiceField(choices=list(LABELS))
    text = serializers.CharField()
    is_warning = serializers.BooleanField()


class UsedMaterialSerializer(serializers.ModelSerializer[ProductionOrderMaterial]):
    sku = serializers.CharField(source="product.sku")
    unit = serializers.CharField(source="product.unit_of_measure")
    lot_number = serializers.CharField(source="material_lot.lot_number", default=None)
    print_job = serializers.CharField(source="print_job.code", default=None)

    class Meta:
        model = ProductionOrderMaterial
        fields = (
            "sku",
            "lot_number",
            "print_job",
            "filament_position",
            "quantity_used",
            "unit",
            "unit_cost",
            "consumed_at",
        )


class RequiredMaterialSerializer(serializers.ModelSerializer[BOMLine]):
    sku = serializers.CharField(source="component.sku")
    name = serializers.CharField(source="component.name")
    unit = serializers.CharField(source="component.unit_of_measure")
    quantity_per_unit = serializers.DecimalField(**QUANTITY, source="quantity")
    quantity = serializers.SerializerMethodField(help_text="For the whole order, without planned scrap.")

    class Meta:
        model = BOMLine
        fields = ("sku", "name", "unit", "quantity_per_unit", "scrap_percent", "quantity")

    def get_quantity(self, line: BOMLine) -> str:
        return str(line.quantity * self.context["quantity"])


class MaterialsSerializer(serializers.Serializer[Any]):
    required = RequiredMaterialSerializer(many=True)
    used = UsedMaterialSerializer(many=True)


class HistoryRowSerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    by = serializers.CharField(allow_null=True)
    old_status = serializers.CharField(allow_null=True)
    new_status = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)


class PartSerializer(serializers.ModelSerializer[PrintJobPart]):
    code = serializers.CharField(source="production_order.code")
    defect = serializers.CharField(source="defect.code", default=None)

    class Meta:
        model = PrintJobPart
        fields = ("production_order_id", "code", "planned", "good", "scrap", "scrap_reason", "defect")


class PrintJobSerializer(ActionsMixin, serializers.ModelSerializer[PrintJob]):
    production_order = serializers.CharField(source="production_order.code")
    sku = serializers.CharField(source="plate.product.sku")
    plate_number = serializers.IntegerField(source="plate.plate_number")
    printer = serializers.CharField(source="printer.name", default=None)
    defect = serializers.CharField(source="defect.code", default=None, help_text="Why it failed.")
    parts = PartSerializer(many=True)
    waiting_reason = serializers.SerializerMethodField(help_text="Why it was not sent, empty when it does not wait.")
    planned_printer = serializers.SerializerMethodField(help_text="Where the schedule has it printed.")
    planned_start = serializers.SerializerMethodField()
    planned_end = serializers.SerializerMethodField()

    class Meta:
        model = PrintJob
        fields = (
            "id",
            "code",
            "production_order_id",
            "production_order",
            "sku",
            "plate_number",
            "parts",
            "printer_id",
            "printer",
            "bambu_job_id",
            "gcode_file",
            "status",
            "priority",
            "retry_of_id",
            "waiting_reason",
            "planned_printer",
            "planned_start",
            "planned_end",
            "estimated_time_minutes",
            "estimated_grams",
            "actual_time_minutes",
            "material_grams_used",
            "progress_percent",
            "current_layer",
            "total_layers",
            "remaining_minutes",
            "error_code",
            "error_text",
            "defect",
            "end_inferred",
            "sent_at",
            "started_at",
            "finished_at",
            "cleared_at",
            "created_at",
            "version",
            "available_actions",
        )

    def get_waiting_reason(self, job: PrintJob) -> str:
        return self.context["waiting"].get(job.pk, "")

    def _planned(self, job: PrintJob) -> PlannedJob:
        planned: PlannedJob = self.context["planned"].get(job.pk, _NOT_PLANNED)
        return planned

    def get_planned_printer(self, job: PrintJob) -> str | None:
        return self._planned(job).printer

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_planned_start(self, job: PrintJob) -> str | None:
        return _moment(self._planned(job).starts_at)

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_planned_end(self, job: PrintJob) -> str | None:
        return _moment(self._planned(job).ends_at)


class JobNewsSerializer(StrictSerializer):
    """What a machine or the print suite says about a job."""

    status = serializers.CharField(max_length=40, required=False, allow_blank=True, default="")
    progress_percent = serializers.DecimalField(max_digits=5, decimal_places=2, required=False)
    current_layer = serializers.IntegerField(min_value=0, required=False)
    total_layers = serializers.IntegerField(min_value=0, required=False)
    remaining_time = serializers.IntegerField(min_value=0, required=False, allow_null=True, help_text="Minutes.")
    error_code = serializers.CharField(max_length=40, required=False, allow_blank=True, default="")
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class JobDoneSerializer(StrictSerializer):
    actual_time_minutes = serializers.DecimalField(**MINUTES, required=False)
    actual_material_grams = serializers.DecimalField(**QUANTITY, min_value=Decimal(0), required=False)
    variance_percent = serializers.DecimalField(max_digits=8, decimal_places=2, required=False, help_text="Not kept.")
    completed_at = serializers.DateTimeField(required=False)


class JobFailedSerializer(ProductionReasonSerializer):
    error_code = serializers.CharField(max_length=40, required=False, allow_blank=True, default="")
    progress_percent = serializers.DecimalField(max_digits=5, decimal_places=2, required=False)


class DispatchSerializer(StrictSerializer):
    printer_id = serializers.IntegerField()


class DecideSerializer(StrictSerializer):
    outcome = serializers.ChoiceField(choices=[JobStatus.FINISHED, JobStatus.FAILED, JobStatus.CANCELLED])
    reason = serializers.CharField(max_length=500)


class ClassifySerializer(ProductionReasonSerializer):
    defect = serializers.SlugRelatedField(slug_field="code", queryset=DefectReason.objects.filter(is_active=True))


class PlateCountSerializer(StrictSerializer):
    production_order_id = serializers.IntegerField()
    good = serializers.IntegerField(min_value=0)
    scrap = serializers.IntegerField(min_value=0, required=False, default=0)
    reason = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    defect = serializers.SlugRelatedField(
        slug_field="code", queryset=DefectReason.objects.filter(is_active=True), required=False, allow_null=True
    )


class ClearSerializer(StrictSerializer):
    counts = PlateCountSerializer(many=True)
    requeue_missing = serializers.BooleanField(required=False, default=True)


class PrinterSlotSerializer(serializers.ModelSerializer[PrinterSlot]):
    sku = serializers.CharField(source="material.sku", default=None)
    spool = serializers.CharField(source="spool.label", default=None)

    class Meta:
        model = PrinterSlot
        fields = ("tray", "sku", "material_type", "color_hex", "spool", "remain_percent")


class PrinterSerializer(serializers.ModelSerializer[Printer]):
    slots = PrinterSlotSerializer(many=True)
    work_center = serializers.CharField(source="work_center.code", default=None)
    groups = serializers.SerializerMethodField()

    class Meta:
        model = Printer
        fields = (
            "id",
            "name",
            "serial",
            "model",
            "work_center",
            "nozzle_diameter_mm",
            "build_x_mm",
            "build_y_mm",
            "build_z_mm",
            "is_active",
            "out_of_service_reason",
            "auto_dispatch",
            "groups",
            "tags",
            "auto_eject",
            "printed_minutes",
            "jobs_done",
            "state",
            "state_at",
            "connection",
            "write_access",
            "last_seen_at",
            "foreign_job",
            "is_ready",
            "slots",
            "version",
        )

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_groups(self, printer: Any) -> list[str]:
        groups = self.context.get("groups")
        return (group_names([printer.pk]) if groups is None else groups).get(printer.pk, [])


class RequirementSerializer(serializers.Serializer[Any]):
    material_sku = serializers.CharField()
    material_name = serializers.CharField()
    total_required_kg = serializers.DecimalField(max_digits=20, decimal_places=4)
    available_kg = serializers.DecimalField(max_digits=20, decimal_places=4)
    shortage_kg = serializers.DecimalField(max_digits=20, decimal_places=4)


class RequirementsSerializer(serializers.Serializer[Any]):
    """All of them on one page."""

    count = serializers.IntegerField()
    next = serializers.CharField(allow_null=True)
    previous = serializers.CharField(allow_null=True)
    results = RequirementSerializer(many=True)


class SerialSerializer(serializers.ModelSerializer[SerialNumber]):
    sku = serializers.CharField(source="product.sku")
    production_order = serializers.CharField(source="production_order.code")

    class Meta:
        model = SerialNumber
        fields = (
            "id",
            "serial_number",
            "product_id",
            "sku",
            "production_order_id",
            "production_order",
            "print_job_id",
            "sales_order_id",
            "status",
            "manufactured_date",
            "shipped_date",
        )


class InspectionSerializer(serializers.ModelSerializer[QualityInspection]):
    production_order = serializers.CharField(source="production_order.code")
    serial_number = serializers.CharField(source="serial_number.serial_number", default=None)
    inspector = serializers.CharField(source="inspector.email")

    class Meta:
        model = QualityInspection
        fields = (
            "id",
            "inspection_type",
            "production_order_id",
            "production_order",
            "serial_number",
            "quantity",
            "passed",
            "measurements",
            "notes",
            "inspector",
            "inspected_at",
        )


class NewInspectionSerializer(StrictSerializer):
    production_order = serializers.CharField(max_length=30, help_text="Id or code.")
    passed = serializers.BooleanField()
    inspection_type = serializers.ChoiceField(
        choices=QualityInspection.Type.choices, default=QualityInspection.Type.FINAL
    )
    quantity = serializers.IntegerField(min_value=1, required=False)
    serial_numbers = serializers.ListField(child=serializers.CharField(max_length=50), required=False, default=list)
    measurements = serializers.DictField(required=False, default=dict)
    notes = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    severity = serializers.ChoiceField(choices=Nonconformance.Severity.choices, default=Nonconformance.Severity.MAJOR)


class NonconformanceSerializer(serializers.ModelSerializer[Nonconformance]):
    class Meta:
        model = Nonconformance
        fields = (
            "id",
            "ncr_number",
            "production_order_id",
            "sales_order_id",
            "serial_number_id",
            "detected_at",
            "detected_date",
            "nonconformance_type",
            "description",
            "severity",
            "quantity",
            "disposition",
            "root_cause",
            "containment_action",
            "corrective_action",
            "preventive_action",
            "status",
            "closed_date",
            "version",
        )
