"""`/operations`, `/routings`, `/defect-reasons`: what is done after printing, and why parts are lost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from django.db.models import Prefetch, QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.filters import SearchFilter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from blb3d.core.api.filters import FilterBackend
from blb3d.core.api.idempotency import idempotent
from blb3d.core.api.pagination import CursorPagination
from blb3d.core.api.serializers import ErrorSerializer, StrictSerializer
from blb3d.core.api.versions import VersionedMixin
from blb3d.core.errors import NotFound
from production import services as production
from production.api.base import DocumentViewSet, PermittedMixin, acting_user, by_key
from production.api.serializers import MINUTES, ActionsMixin, ProductionReasonSerializer
from production.models import DefectReason, OperationReport, ProductionOperation, Routing, RoutingStep
from production.selectors.operations import WAITING
from production.selectors.waiting import operation_waiting_reasons


class DefectReasonSerializer(serializers.ModelSerializer[DefectReason]):
    class Meta:
        model = DefectReason
        fields = ("id", "code", "name", "stage", "position", "is_active")


class RoutingStepSerializer(serializers.ModelSerializer[RoutingStep]):
    work_center = serializers.CharField(source="work_center.code")

    class Meta:
        model = RoutingStep
        fields = (
            "sequence",
            "name",
            "work_center",
            "setup_minutes",
            "minutes_per_unit",
            "wait_minutes",
            "instructions",
        )


class RoutingSerializer(serializers.ModelSerializer[Routing]):
    sku = serializers.CharField(source="product.sku")
    steps = RoutingStepSerializer(many=True)

    class Meta:
        model = Routing
        fields = ("id", "product_id", "sku", "name", "revision", "is_active", "steps", "version")


class OperationSerializer(ActionsMixin, serializers.ModelSerializer[ProductionOperation]):
    production_order = serializers.CharField(source="production_order.code")
    sku = serializers.CharField(source="production_order.product.sku")
    quantity = serializers.IntegerField(source="production_order.quantity", help_text="Units that the order wants.")
    due_date = serializers.DateField(source="production_order.due_date", allow_null=True)
    priority = serializers.IntegerField(source="production_order.priority")
    work_center = serializers.CharField(source="work_center.code")
    kind = serializers.CharField(source="work_center.kind")
    operator = serializers.CharField(source="operator.email", default=None)
    waiting_reason = serializers.SerializerMethodField(
        help_text="What it waits for, empty when there are units to work on."
    )

    class Meta:
        model = ProductionOperation
        fields = (
            "id",
            "code",
            "name",
            "sequence",
            "production_order_id",
            "production_order",
            "sku",
            "quantity",
            "due_date",
            "priority",
            "work_center",
            "kind",
            "status",
            "waiting_reason",
            "quantity_waiting",
            "quantity_in",
            "quantity_returned",
            "quantity_good",
            "quantity_scrapped",
            "quantity_reworked",
            "setup_minutes",
            "minutes_per_unit",
            "wait_minutes",
            "actual_minutes",
            "instructions",
            "operator",
            "started_at",
            "finished_at",
            "version",
            "available_actions",
        )

    def get_waiting_reason(self, operation: ProductionOperation) -> str:
        return self.context["waiting"].get(operation.pk, "")


class ReportSerializer(serializers.ModelSerializer[OperationReport]):
    operation = serializers.CharField(source="operation.code")
    rework_to = serializers.CharField(source="rework_to.code", default=None)
    defect = serializers.CharField(source="defect.code", default=None)
    reported_by = serializers.CharField(source="reported_by.email")

    class Meta:
        model = OperationReport
        fields = (
            "id",
            "operation",
            "good",
            "scrap",
            "rework",
            "rework_to",
            "defect",
            "note",
            "minutes",
            "request_key",
            "reported_at",
            "reported_by",
        )


class ReportedSerializer(serializers.Serializer[Any]):
    """The report and the operation as it is now."""

    report = ReportSerializer()
    operation = OperationSerializer()


class NewReportSerializer(StrictSerializer):
    """Units that are good, scrap, or go back to be done again."""

    good = serializers.IntegerField(min_value=0, required=False, default=0)
    scrap = serializers.IntegerField(min_value=0, required=False, default=0)
    rework = serializers.IntegerField(min_value=0, required=False, default=0)
    rework_to = serializers.CharField(
        max_length=40, required=False, help_text="Id or code of this operation or one before it; this one if left out."
    )
    defect = serializers.SlugRelatedField(
        slug_field="code", queryset=DefectReason.objects.filter(is_active=True), required=False, allow_null=True
    )
    minutes = serializers.DecimalField(**MINUTES, required=False, default=Decimal(0))
    note = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")
    request_key = serializers.CharField(
        max_length=64, required=False, help_text="Told again with the same key, it counts once."
    )
    requeue_missing = serializers.BooleanField(
        required=False, default=True, help_text="Print scrapped units again unless other jobs bring them."
    )


class OperationFilter(filters.FilterSet):
    """By status, order, work center and its kind, and whether units wait there."""

    is_waiting = filters.BooleanFilter(method="waits", label="Units wait to be reported")

    class Meta:
        model = ProductionOperation
        fields: ClassVar = [
            "status",
            "production_order",
            "production_order__code",
            "work_center",
            "work_center__code",
            "work_center__kind",
        ]

    def waits(self, rows: QuerySet[ProductionOperation], name: str, wanted: bool) -> QuerySet[ProductionOperation]:
        rows = rows.annotate(waiting=WAITING)
        return rows.filter(waiting__gt=0) if wanted else rows.filter(waiting=0)


ANSWERS = {200: OperationSerializer, 409: ErrorSerializer}


class OperationViewSet(DocumentViewSet):
    """Operations after printing, the latest first; named by id or code."""

    model = ProductionOperation
    queryset = ProductionOperation.objects.select_related(
        "production_order__product", "work_center", "operator"
    ).order_by("-id")
    serializer_class = OperationSerializer
    pagination_class = CursorPagination
    filter_backends: ClassVar = [FilterBackend, SearchFilter]
    filterset_class = OperationFilter
    search_fields: ClassVar = ["code", "name", "production_order__product__sku"]
    acts: ClassVar = {
        "start": "start_productionoperation",
        "report": "report_productionoperation",
        "skip": "skip_productionoperation",
        "finish": "report_productionoperation",
        "reopen": "reopen_productionoperation",
    }

    def reasons(self, rows: Any) -> dict[int, str]:
        return operation_waiting_reasons(rows)

    @extend_schema(request=ProductionReasonSerializer, responses=ANSWERS)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, **_: Any) -> Response:
        """Say that somebody works on it."""
        return self._step(production.start_operation)

    @extend_schema(request=NewReportSerializer, responses={200: ReportedSerializer, 409: ErrorSerializer})
    @action(detail=True, methods=["post"])
    @idempotent()
    def report(self, request: Request, **_: Any) -> Response:
        """Report units: good ones go on, scrap is printed again, rework goes back."""
        operation, given = self.current(), self.valid(NewReportSerializer)
        key = given.pop("rework_to", None)
        if key is not None:
            given["rework_to"] = by_key(self.get_queryset(), key, ("pk", "code"))
            if given["rework_to"] is None:
                raise NotFound("There is no such operation.", details={"rework_to": key})
        report = production.report_operation(operation, actor=acting_user(request), **given)
        now = self.get_queryset().get(pk=operation.pk)
        found = {"report": report, "operation": now}
        return Response(ReportedSerializer(found, context=self.list_context([now])).data)

    @extend_schema(request=ProductionReasonSerializer, responses=ANSWERS)
    @action(detail=True, methods=["post"])
    def skip(self, request: Request, **_: Any) -> Response:
        """Leave it out: units go on to the next operation, or into stock; needs a reason."""
        return self._step(production.skip_operation)

    @extend_schema(request=ProductionReasonSerializer, responses=ANSWERS)
    @action(detail=True, methods=["post"])
    def finish(self, request: Request, **_: Any) -> Response:
        """Say that it is through; it opens again by itself when further units come."""
        return self._step(production.finish_operation)

    @extend_schema(request=ProductionReasonSerializer, responses=ANSWERS)
    @action(detail=True, methods=["post"])
    def reopen(self, request: Request, **_: Any) -> Response:
        """Open it again."""
        return self._step(production.reopen_operation)

    @extend_schema(responses=ReportSerializer(many=True))
    @action(detail=True)
    def reports(self, request: Request, **_: Any) -> Response:
        """Return what was reported of it, the oldest first."""
        rows = self.get_object().reports.select_related("operation", "rework_to", "defect", "reported_by")
        return Response(ReportSerializer(rows.order_by("id"), many=True).data)

    def _step(self, verb: Any) -> Response:
        operation = self.current()
        verb(operation, actor=acting_user(self.request), **self.valid(ProductionReasonSerializer))
        return self.answer(operation)


class RoutingViewSet(PermittedMixin, VersionedMixin, ReadOnlyModelViewSet[Routing]):
    """Routings with their steps, by product."""

    model = Routing
    queryset = (
        Routing.objects.select_related("product")
        .prefetch_related(Prefetch("steps", RoutingStep.objects.select_related("work_center").order_by("sequence")))
        .order_by("product__sku", "-revision")
    )
    serializer_class = RoutingSerializer
    filterset_fields: ClassVar = ["product", "product__sku", "is_active"]
    search_fields: ClassVar = ["name", "product__sku"]
    ordering_fields: ClassVar = ["product__sku", "revision"]


class DefectReasonViewSet(PermittedMixin, ReadOnlyModelViewSet[DefectReason]):
    """Why parts may be lost, in the order of the buttons."""

    model = DefectReason
    queryset = DefectReason.objects.order_by("position", "name")
    serializer_class = DefectReasonSerializer
    lookup_field = "code"
    lookup_value_regex = r"[^/]+"
    filterset_fields: ClassVar = ["stage", "is_active"]
    search_fields: ClassVar = ["code", "name"]
