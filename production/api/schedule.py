"""`/schedule`, `/schedule/runs`: who does what when, and making it anew."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import F, QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.filters import SearchFilter
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from blb3d.core.api.filters import FilterBackend
from blb3d.core.api.pagination import CursorPagination
from blb3d.core.api.serializers import ErrorSerializer, StrictSerializer
from production import services as production
from production.api.base import PermittedMixin, acting_user
from production.models import ScheduleEntry, ScheduleRun


class ScheduleEntrySerializer(serializers.ModelSerializer[ScheduleEntry]):
    production_order = serializers.CharField(source="production_order.code")
    sku = serializers.CharField(source="production_order.product.sku")
    print_job = serializers.CharField(source="print_job.code", default=None)
    operation = serializers.CharField(source="operation.code", default=None)
    printer = serializers.CharField(source="printer.name", default=None)
    work_center = serializers.CharField(source="work_center.code", default=None)

    class Meta:
        model = ScheduleEntry
        fields = (
            "id",
            "production_order_id",
            "production_order",
            "sku",
            "print_job_id",
            "print_job",
            "plate_id",
            "parts",
            "operation_id",
            "operation",
            "printer_id",
            "printer",
            "work_center_id",
            "work_center",
            "starts_at",
            "ends_at",
            "setup_minutes",
            "due_at",
            "waits_for",
        )


class ScheduleFilter(filters.FilterSet):
    """By printer, work center and order; `planned=false` is what could not be planned, `late` what ends too late."""

    planned = filters.BooleanFilter("starts_at", "isnull", exclude=True, label="Has a time")
    late = filters.BooleanFilter(method="too_late", label="Ends after its due time")

    class Meta:
        model = ScheduleEntry
        fields: ClassVar = ["printer", "work_center", "production_order", "production_order__code"]

    def too_late(self, rows: QuerySet[ScheduleEntry], name: str, wanted: bool) -> QuerySet[ScheduleEntry]:
        late = rows.filter(ends_at__gt=F("due_at"))
        return late if wanted else rows.exclude(pk__in=late.values("pk"))


class ScheduleViewSet(PermittedMixin, mixins.ListModelMixin, GenericViewSet[ScheduleEntry]):
    """The schedule as it stands: what runs, what is planned, and what could not be planned and why."""

    model = ScheduleEntry
    queryset = ScheduleEntry.objects.select_related(
        "production_order__product", "print_job", "operation", "printer", "work_center"
    ).order_by("starts_at", "id")
    serializer_class = ScheduleEntrySerializer
    filter_backends: ClassVar = [FilterBackend, SearchFilter]
    filterset_class = ScheduleFilter
    search_fields: ClassVar = ["production_order__code", "print_job__code", "production_order__product__sku"]


class ScheduleRunSerializer(serializers.ModelSerializer[ScheduleRun]):
    class Meta:
        model = ScheduleRun
        fields = (
            "id",
            "kind",
            "cause",
            "method",
            "tasks",
            "unplanned",
            "late",
            "lateness_minutes",
            "changeovers",
            "seconds",
            "made_at",
        )


class NewRunSerializer(StrictSerializer):
    cause = serializers.CharField(max_length=200, required=False, default="asked for", help_text="For the record.")


class ScheduleRunViewSet(PermittedMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[ScheduleRun]):
    """Makings of the schedule, the latest first."""

    model = ScheduleRun
    queryset = ScheduleRun.objects.order_by("-id")
    serializer_class = ScheduleRunSerializer
    pagination_class = CursorPagination
    filterset_fields: ClassVar = ["kind"]
    acts: ClassVar = {"create": "add_schedulerun"}

    @extend_schema(request=NewRunSerializer, responses={201: ScheduleRunSerializer, 400: ErrorSerializer})
    def create(self, request: Request, **_: Any) -> Response:
        """Plan all open work anew, now; it is done every few minutes anyway."""
        given = NewRunSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        run = production.make_schedule(cause=given.validated_data["cause"], actor=acting_user(request))
        return Response(ScheduleRunSerializer(run).data, status=status.HTTP_201_CREATED)
