"""`/print-files`: what a slicer made or staff uploaded, released or withdrawn by a person."""

from __future__ import annotations

from typing import Any, ClassVar

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from blb3d.accounts.actor import actor_of
from blb3d.core.api.permissions import requires
from blb3d.core.api.serializers import ErrorSerializer, StrictSerializer
from inventory import services as inventory
from inventory.api.base import PermittedMixin
from inventory.models import PrintFile


class PrintFileSerializer(serializers.ModelSerializer[PrintFile]):
    """A sliced file of one plate for one printer model."""

    product_id = serializers.IntegerField(source="plate.product_id")
    sku = serializers.CharField(source="plate.product.sku")
    plate_number = serializers.IntegerField(source="plate.plate_number")
    is_released = serializers.SerializerMethodField()

    class Meta:
        model = PrintFile
        fields: ClassVar = [
            "id",
            "product_id",
            "sku",
            "plate_id",
            "plate_number",
            "printer_model",
            "minutes",
            "grams",
            "filaments",
            "layers",
            "sliced_by",
            "warnings",
            "sha256",
            "size_bytes",
            "is_released",
            "released_at",
            "withdrawn_at",
            "version",
        ]
        read_only_fields = fields

    def get_is_released(self, row: PrintFile) -> bool:
        """Tell whether it may be printed."""
        return row.released_at is not None and row.withdrawn_at is None


class PrintFileFilter(filters.FilterSet):
    """By product, plate, printer model, and whether a person has released it."""

    product = filters.NumberFilter(field_name="plate__product_id")
    sku = filters.CharFilter(field_name="plate__product__sku", lookup_expr="iexact")
    waits = filters.BooleanFilter(field_name="released_at", lookup_expr="isnull", label="Not released yet")

    class Meta:
        model = PrintFile
        fields: ClassVar = ["plate", "printer_model"]


class WithdrawSerializer(StrictSerializer):
    """Why a file may not be printed any more."""

    reason = serializers.CharField(max_length=500)


class PrintFileViewSet(PermittedMixin, ReadOnlyModelViewSet[PrintFile]):
    """Print files, the newest first."""

    model = PrintFile
    queryset = PrintFile.objects.select_related("plate__product").order_by("-id")
    serializer_class = PrintFileSerializer
    filterset_class = PrintFileFilter
    search_fields: ClassVar = ["plate__product__sku", "printer_model"]

    def get_permissions(self) -> list[BasePermission]:
        """Reading takes the view permission, each act its own."""
        if self.action in {"release", "withdraw"}:
            return [requires(f"inventory.{self.action}_printfile")()]
        return list(super().get_permissions())

    @extend_schema(request=None, responses={200: PrintFileSerializer, 409: ErrorSerializer})
    @action(detail=True, methods=["post"])
    def release(self, request: Request, **_: Any) -> Response:
        """Let the file be printed: somebody has looked at it."""
        row = inventory.release_print_file(self.get_object(), actor=actor_of(request))
        return Response(self.get_serializer(row).data)

    @extend_schema(request=WithdrawSerializer, responses={200: PrintFileSerializer, 409: ErrorSerializer})
    @action(detail=True, methods=["post"])
    def withdraw(self, request: Request, **_: Any) -> Response:
        """Take the file out of use; jobs that already print go on."""
        body = WithdrawSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        reason = body.validated_data["reason"]
        row = inventory.withdraw_print_file(self.get_object(), reason=reason, actor=actor_of(request))
        return Response(self.get_serializer(row).data)
