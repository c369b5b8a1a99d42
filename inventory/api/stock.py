"""`/inventory`: lots, places, balances, and whether there is enough."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ReadOnlyModelViewSet

from blb3d.core.api.permissions import requires
from blb3d.core.api.serializers import ErrorSerializer, StrictSerializer
from blb3d.core.api.versions import VersionedMixin
from inventory.api.base import QUANTITY, PermittedMixin
from inventory.models import (
    Inventory,
    InventoryLocation,
    MaterialLot,
)
from inventory.selectors import (
    check_material,
)


class LotSerializer(serializers.ModelSerializer[MaterialLot]):
    sku = serializers.CharField(source="product.sku")
    vendor = serializers.CharField(source="vendor.code", default=None)
    purchase_order = serializers.CharField(source="purchase_order.po_number", default=None)

    class Meta:
        model = MaterialLot
        fields = (
            "id",
            "lot_number",
            "product_id",
            "sku",
            "vendor",
            "vendor_lot_number",
            "purchase_order",
            "received_date",
            "expiration_date",
            "quantity_received",
            "quantity_remaining",
            "unit_cost",
            "status",
            "version",
        )


class LocationSerializer(serializers.ModelSerializer[InventoryLocation]):
    class Meta:
        model = InventoryLocation
        fields = ("id", "code", "name", "parent_id", "is_active", "is_default")


class BalanceSerializer(serializers.ModelSerializer[Inventory]):
    sku = serializers.CharField(source="product.sku")
    unit = serializers.CharField(source="product.unit_of_measure")
    location = serializers.CharField(source="location.code")
    lot_number = serializers.CharField(source="lot.lot_number", default=None)

    class Meta:
        model = Inventory
        fields = (
            "id",
            "product_id",
            "sku",
            "unit",
            "location",
            "lot_number",
            "on_hand_quantity",
            "allocated_quantity",
            "available_quantity",
            "cost_per_unit",
            "updated_at",
        )


class CheckSerializer(StrictSerializer):
    material_type = serializers.CharField(max_length=20)
    required_quantity = serializers.DecimalField(
        **QUANTITY, min_value=Decimal(0), default=Decimal(0), help_text="In kg."
    )


class PlaceQuantitySerializer(serializers.Serializer[Any]):
    location = serializers.CharField()
    quantity = serializers.DecimalField(**QUANTITY)


class CheckAnswerSerializer(serializers.Serializer[Any]):
    material_type = serializers.CharField()
    required_quantity = serializers.DecimalField(**QUANTITY)
    available = serializers.BooleanField(help_text="Whether the required quantity is free.")
    available_quantity = serializers.DecimalField(**QUANTITY, source="free")
    on_hand = serializers.DecimalField(**QUANTITY)
    allocated = serializers.DecimalField(**QUANTITY)
    locations = PlaceQuantitySerializer(many=True)


class LotViewSet(PermittedMixin, VersionedMixin, ReadOnlyModelViewSet[MaterialLot]):
    """Lots, the oldest first."""

    model = MaterialLot
    queryset = MaterialLot.objects.select_related("product", "vendor", "purchase_order")
    serializer_class = LotSerializer
    filterset_fields: ClassVar = ["product", "status", "vendor", "lot_number"]
    search_fields: ClassVar = ["lot_number", "vendor_lot_number", "product__sku"]
    ordering_fields: ClassVar = ["received_date", "expiration_date", "quantity_remaining"]


class LocationViewSet(PermittedMixin, ReadOnlyModelViewSet[InventoryLocation]):
    """Locations."""

    model = InventoryLocation
    queryset = InventoryLocation.objects.order_by("code")
    serializer_class = LocationSerializer
    filterset_fields: ClassVar = ["is_active"]
    search_fields: ClassVar = ["code", "name"]


class BalanceViewSet(PermittedMixin, ReadOnlyModelViewSet[Inventory]):
    """What is on hand, reserved and free, by product, location and lot."""

    model = Inventory
    queryset = Inventory.objects.select_related("product", "location", "lot").order_by("id")
    serializer_class = BalanceSerializer
    filterset_fields: ClassVar = ["product", "product__sku", "location__code", "lot", "product__category"]
    search_fields: ClassVar = ["product__sku", "lot__lot_number"]


class CheckView(APIView):
    """Whether there is enough of a material type: `inventory/check`, and `integration/material-check`."""

    permission_classes = (requires("inventory.view_inventory"),)

    @extend_schema(
        operation_id="inventory_check",
        parameters=[
            OpenApiParameter("material_type", str, required=True),
            OpenApiParameter("required_quantity", Decimal, description="In kg."),
        ],
        responses={200: CheckAnswerSerializer, 400: ErrorSerializer},
    )
    def get(self, request: Request, **_: Any) -> Response:
        """Check by query parameters."""
        return self._check(request.query_params)

    @extend_schema(
        operation_id="inventory_check_post",
        request=CheckSerializer,
        responses={200: CheckAnswerSerializer, 400: ErrorSerializer},
    )
    def post(self, request: Request, **_: Any) -> Response:
        """Check by body."""
        return self._check(request.data)

    def _check(self, asked: Any) -> Response:
        serializer = CheckSerializer(data=asked)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        found = check_material(given["material_type"], given["required_quantity"])
        return Response(CheckAnswerSerializer(found).data)
