"""`/products` and the materials that can be chosen."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet, ReadOnlyModelViewSet

from blb3d.core.api.lists import PlainListMixin
from blb3d.core.api.permissions import requires
from blb3d.core.api.serializers import ErrorSerializer
from blb3d.core.api.versions import VersionedMixin
from inventory.api.base import QUANTITY
from inventory.errors import NoActiveBOM
from inventory.models import Product
from inventory.selectors import (
    active_bom,
    materials_with_stock,
    products_for,
)


class ProductSerializer(serializers.ModelSerializer[Product]):
    """A product as anybody sees it."""

    class Meta:
        model = Product
        fields: tuple[str, ...] = (
            "id",
            "sku",
            "name",
            "category",
            "type",
            "is_active",
            "unit_of_measure",
            "list_price",
            "material_type",
            "brand",
            "color_name",
            "color_hex",
            "version",
        )


class StaffProductSerializer(ProductSerializer):
    """A product with what is nobody else's business."""

    class Meta(ProductSerializer.Meta):
        fields = (
            *ProductSerializer.Meta.fields,
            "unit_cost",
            "price_per_kg",
            "gcode_file_path",
            "replenishment",
            "is_serialized",
            "is_lot_tracked",
            "reorder_point",
            "safety_stock",
            "lead_time_days",
            "notes",
            "created_at",
            "updated_at",
        )


class BOMLineSerializer(serializers.Serializer[Any]):
    component_id = serializers.IntegerField()
    sku = serializers.CharField(source="component.sku")
    name = serializers.CharField(source="component.name")
    quantity = serializers.DecimalField(**QUANTITY, help_text="Per unit, in `unit`, the component's stock unit.")
    unit = serializers.CharField(source="component.unit_of_measure")
    entered_quantity = serializers.DecimalField(**QUANTITY)
    entered_unit = serializers.CharField(source="unit_of_measure")
    scrap_percent = serializers.DecimalField(max_digits=5, decimal_places=2)


class BOMSerializer(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    code = serializers.CharField()
    product_id = serializers.IntegerField()
    revision = serializers.IntegerField()
    total_cost = serializers.DecimalField(**QUANTITY)
    lines = BOMLineSerializer(many=True)


class MaterialSerializer(serializers.ModelSerializer[Product]):
    """A material that can be printed with; the colour is `color_code` in v1 and `color_hex` from v2 on."""

    color_code = serializers.CharField(source="color_hex")
    available_kg = serializers.DecimalField(**QUANTITY, source="free_kg")
    in_stock = serializers.SerializerMethodField()

    class Meta:
        model = Product
        fields = (
            "id",
            "sku",
            "name",
            "material_type",
            "brand",
            "color_name",
            "color_code",
            "diameter_mm",
            "in_stock",
            "available_kg",
        )

    def get_in_stock(self, material: Any) -> bool:
        return bool(material.free_kg > 0)

    def to_representation(self, instance: Any) -> Any:
        shown = super().to_representation(instance)
        request = self.context["request"]
        if request.version != "v1":
            shown["color_hex"] = shown.pop("color_code")
        if not request.user.is_staff:
            del shown["available_kg"]
        return shown


class ProductViewSet(PlainListMixin, VersionedMixin, ReadOnlyModelViewSet[Product]):
    """Products: all of them for staff, what is sold for everybody else."""

    permission_classes = (IsAuthenticated,)
    queryset = Product.objects.none()
    lookup_value_regex = r"\d+"
    filterset_fields: ClassVar = ["category", "type", "is_active", "material_type", "replenishment"]
    search_fields: ClassVar = ["sku", "name"]
    ordering_fields: ClassVar = ["sku", "name", "list_price"]

    def get_queryset(self) -> QuerySet[Product]:
        return products_for(self.request.user)  # type: ignore[arg-type]

    def get_serializer_class(self) -> type[ProductSerializer]:
        if self.request.user.is_staff and self.request.user.has_perm("inventory.view_product"):
            return StaffProductSerializer
        return ProductSerializer

    @extend_schema(responses={200: BOMSerializer, 404: ErrorSerializer})
    @action(detail=True, permission_classes=[requires("inventory.view_bom")])
    def bom(self, request: Request, **_: Any) -> Response:
        """Return the active bill of materials."""
        bom = active_bom(self.get_object())
        if bom is None:
            raise NoActiveBOM
        return Response(BOMSerializer(bom).data)


class MaterialViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[Product]):
    """Materials to choose from."""

    permission_classes = (IsAuthenticated,)
    serializer_class = MaterialSerializer
    queryset = Product.objects.none()
    filterset_fields: ClassVar = ["material_type", "brand", "color_hex"]
    search_fields: ClassVar = ["sku", "name", "color_name"]

    def get_queryset(self) -> QuerySet[Any]:
        materials = materials_with_stock()
        if self.request.query_params.get("in_stock", "").lower() in {"1", "true"}:
            materials = materials.filter(free_kg__gt=0)
        return materials
