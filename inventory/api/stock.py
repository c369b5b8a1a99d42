"""`/inventory`: lots, places, balances, and whether there is enough."""

from __future__ import annotations

import contextlib
import datetime
from decimal import Decimal
from typing import Any, ClassVar

from django.conf import settings
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime
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
from inventory.models.periods import midnight
from inventory.selectors import check_material, valuation
from inventory.selectors.valuation import GROUPS


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


class ValuationQuerySerializer(StrictSerializer):
    on = serializers.CharField(
        required=False, help_text="A day (its end, where we are) or a moment with its time zone; else now."
    )
    by = serializers.CharField(
        default="product", help_text="Any of product, location, lot and category, with commas: `product,lot`."
    )

    def validate_on(self, value: str) -> datetime.datetime | None:
        """Return the moment before which movements count; None is now."""
        day, moment = None, None
        with contextlib.suppress(ValueError):
            day, moment = parse_date(value), parse_datetime(value)
        if day is not None:
            if day > timezone.localdate():
                raise serializers.ValidationError("This has not come yet.")
            moment = midnight(day + datetime.timedelta(days=1))
            if day == timezone.localdate():
                return None
        elif moment is not None and timezone.is_naive(moment):
            moment = None
        if moment is None:
            raise serializers.ValidationError("Please give a day, or a moment with its time zone.")
        if moment > timezone.now():
            raise serializers.ValidationError("This has not come yet.")
        return moment

    def validate_by(self, value: str) -> list[str]:
        """Return the groups."""
        groups = list(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
        if not groups or not set(groups) <= set(GROUPS):
            raise serializers.ValidationError(f"Any of {', '.join(GROUPS)}, with commas.")
        return groups


class WorthSerializer(serializers.Serializer[Any]):
    product_id = serializers.IntegerField(allow_null=True)
    sku = serializers.CharField(allow_null=True)
    name = serializers.CharField(allow_null=True)
    unit = serializers.CharField(allow_null=True)
    category = serializers.CharField(allow_null=True)
    location = serializers.CharField(allow_null=True)
    lot_number = serializers.CharField(allow_null=True)
    quantity = serializers.DecimalField(**QUANTITY, allow_null=True, help_text="Null over several products.")
    value = serializers.DecimalField(max_digits=20, decimal_places=4)


class ValuationSerializer(serializers.Serializer[Any]):
    on = serializers.DateTimeField(allow_null=True, help_text="Movements before this moment count; null: all.")
    currency = serializers.CharField()
    total = serializers.DecimalField(max_digits=20, decimal_places=4)
    rows = WorthSerializer(many=True, help_text="What is not asked for in `by` is null.")


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


class ValuationView(APIView):
    """What stock is or was worth, from the ledger."""

    permission_classes = (requires("inventory.view_inventorytransaction"),)

    @extend_schema(
        operation_id="inventory_valuation",
        parameters=[ValuationQuerySerializer],
        responses={200: ValuationSerializer, 400: ErrorSerializer},
    )
    def get(self, request: Request, **_: Any) -> Response:
        """Value stock by product, location, lot or category, now or at any moment in the past."""
        serializer = ValuationQuerySerializer(data=request.query_params)
        serializer.is_valid(raise_exception=True)
        on = serializer.validated_data.get("on")
        rows = valuation(on, by=serializer.validated_data["by"])
        total = sum((row.value for row in rows), Decimal(0))
        answer = {"on": on, "currency": settings.CURRENCY, "total": total, "rows": rows}  # type: ignore[misc]
        return Response(ValuationSerializer(answer).data)
