"""`/printers`, `/mrp/material-requirements`, `/serials`, `/inspections`, `/nonconformances`."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import Prefetch
from drf_spectacular.utils import OpenApiParameter, OpenApiTypes, extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet, ReadOnlyModelViewSet

from blb3d.core.api.pagination import CursorPagination
from blb3d.core.api.permissions import requires
from blb3d.core.api.serializers import ErrorSerializer
from blb3d.core.api.versions import VersionedMixin
from blb3d.core.errors import NotFound
from production import services as production
from production.api.base import PermittedMixin, acting_user, by_key
from production.api.machine import MachineActs
from production.api.serializers import (
    InspectionSerializer,
    NewInspectionSerializer,
    NonconformanceSerializer,
    PrinterSerializer,
    RequirementSerializer,
    RequirementsSerializer,
    SerialSerializer,
)
from production.models import (
    Nonconformance,
    Printer,
    PrinterSlot,
    ProductionOrder,
    QualityInspection,
    SerialNumber,
)
from production.selectors import material_requirements, trace_serial
from production.selectors.fleet import group_names


class PrinterViewSet(MachineActs, PermittedMixin, VersionedMixin, ReadOnlyModelViewSet[Printer]):
    """Printers with what is loaded in them."""

    model = Printer
    queryset = (
        Printer.objects.select_related("work_center")
        .prefetch_related(Prefetch("slots", PrinterSlot.objects.select_related("material", "spool").order_by("tray")))
        .order_by("name", "id")
    )
    serializer_class = PrinterSerializer
    filterset_fields: ClassVar = ["model", "state", "connection", "is_active", "work_center"]
    search_fields: ClassVar = ["name", "serial", "model"]
    ordering_fields: ClassVar = ["name", "model", "state"]

    def list_context(self, rows: list[Any]) -> dict[str, Any]:
        return {**super().list_context(rows), "groups": group_names(row.pk for row in rows)}


class MaterialRequirementsView(APIView):
    """What open production orders need, what is there for it, what must be bought."""

    permission_classes = (requires("production.view_productionorder"),)

    @extend_schema(
        operation_id="mrp_material_requirements",
        parameters=[OpenApiParameter("all", bool, description="Every material needed, not only what is short.")],
        responses=RequirementsSerializer,
    )
    def get(self, request: Request, **_: Any) -> Response:
        """Return the requirements by SKU."""
        wants_all = request.query_params.get("all", "").lower() in {"1", "true", "yes"}
        rows = RequirementSerializer(material_requirements(include_all=wants_all), many=True).data
        return Response({"count": len(rows), "next": None, "previous": None, "results": rows})


class SerialViewSet(PermittedMixin, ReadOnlyModelViewSet[SerialNumber]):
    """Serial numbers, the latest first."""

    model = SerialNumber
    queryset = SerialNumber.objects.select_related("product", "production_order").order_by("-id")
    serializer_class = SerialSerializer
    pagination_class = CursorPagination
    lookup_field = "serial_number"
    lookup_value_regex = r"[^/]+"
    filterset_fields: ClassVar = ["product", "product__sku", "status", "production_order", "sales_order"]
    search_fields: ClassVar = ["serial_number"]

    @extend_schema(responses={200: OpenApiTypes.OBJECT, 404: ErrorSerializer})
    @action(detail=True)
    def trace(self, request: Request, serial_number: str, **_: Any) -> Response:
        """Return where the part came from and where it went."""
        return Response(trace_serial(serial_number))


class InspectionViewSet(
    PermittedMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[QualityInspection]
):
    """Inspections, the latest first."""

    model = QualityInspection
    queryset = QualityInspection.objects.select_related("production_order", "serial_number", "inspector").order_by(
        "-id"
    )
    serializer_class = InspectionSerializer
    filterset_fields: ClassVar = ["production_order", "inspection_type", "passed"]
    acts: ClassVar = {"create": "add_qualityinspection"}

    @extend_schema(
        request=NewInspectionSerializer, responses={201: InspectionSerializer(many=True), 409: ErrorSerializer}
    )
    def create(self, request: Request, **_: Any) -> Response:
        """Record that parts pass or fail; what fails is scrapped and made again."""
        serializer = NewInspectionSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        key = given.pop("production_order")
        order = by_key(ProductionOrder.objects.all(), key, ("pk", "code"))
        if order is None:
            raise NotFound("There is no such production order.", details={"production_order": key})
        passed, reason, severity = given.pop("passed"), given.pop("reason"), given.pop("severity")
        if passed:
            rows = production.pass_inspection(order, actor=acting_user(request), **given)
        else:
            number = len(given["serial_numbers"]) or 1
            given.setdefault("quantity", number)
            production.fail_inspection(order, reason=reason, severity=severity, actor=acting_user(request), **given)
            rows = list(self.get_queryset().filter(production_order=order, passed=False)[:number])
        return Response(InspectionSerializer(rows, many=True).data, status=status.HTTP_201_CREATED)


class NonconformanceViewSet(PermittedMixin, VersionedMixin, ReadOnlyModelViewSet[Nonconformance]):
    """Nonconformances, the latest first."""

    model = Nonconformance
    queryset = Nonconformance.objects.order_by("-id")
    serializer_class = NonconformanceSerializer
    filterset_fields: ClassVar = ["status", "severity", "production_order", "sales_order"]
    search_fields: ClassVar = ["ncr_number", "description"]
