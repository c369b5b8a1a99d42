"""`/vendors` and `/purchase-orders`: what is bought from whom, approved, ordered, received."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet, ReadOnlyModelViewSet

from blb3d.accounts.actor import actor_of
from blb3d.core.api.idempotency import idempotent
from blb3d.core.api.permissions import requires
from blb3d.core.api.serializers import ErrorSerializer, StrictSerializer
from blb3d.core.api.versions import VersionedMixin, expected_version
from blb3d.core.errors import InvalidValue, NotFound
from blb3d.core.units import round_quantity
from inventory import services as inventory
from inventory.api.base import PermittedMixin
from inventory.lifecycles import PURCHASE_ORDER
from inventory.models import (
    GoodsReceipt,
    GoodsReceiptLine,
    InventoryLocation,
    LandedCost,
    Product,
    PurchaseOrder,
    PurchaseOrderLine,
    Vendor,
    VendorItem,
    VendorPrice,
)
from inventory.selectors.sourcing import factor_of, price_for, prices_of, vendor_items
from inventory.selectors.units import purchase_unit, unit_factors

QUANTITY: dict[str, Any] = {"max_digits": 12, "decimal_places": 4}
MONEY: dict[str, Any] = {"max_digits": 12, "decimal_places": 2}
#: So many lines one call may hold.
MAX_LINES = 200


class VendorSerializer(serializers.ModelSerializer[Vendor]):
    class Meta:
        model = Vendor
        fields = (
            "id",
            "code",
            "name",
            "contact_name",
            "email",
            "phone",
            "currency",
            "payment_days",
            "lead_time_days",
            "is_active",
            "version",
        )


class VendorPriceSerializer(serializers.ModelSerializer[VendorPrice]):
    class Meta:
        model = VendorPrice
        fields = ("minimum_quantity", "unit_price", "currency", "valid_from", "valid_to")


class VendorItemSerializer(serializers.ModelSerializer[VendorItem]):
    """A product as the vendor sells it; quantities and prices are by `unit`."""

    sku = serializers.CharField(source="product.sku")
    prices = VendorPriceSerializer(many=True)

    class Meta:
        model = VendorItem
        fields = (
            "id",
            "product_id",
            "sku",
            "vendor_sku",
            "unit",
            "lead_time_days",
            "minimum_quantity",
            "order_multiple",
            "is_preferred",
            "is_active",
            "prices",
        )


class VendorViewSet(PermittedMixin, VersionedMixin, ReadOnlyModelViewSet[Vendor]):
    """Vendors."""

    model = Vendor
    queryset = Vendor.objects.order_by("code")
    serializer_class = VendorSerializer
    filterset_fields: ClassVar = ["is_active"]
    search_fields: ClassVar = ["code", "name"]

    def get_permissions(self) -> Sequence[BasePermission]:
        if self.action == "items":
            return [requires("inventory.view_vendoritem")()]
        return super().get_permissions()

    @extend_schema(responses={200: VendorItemSerializer(many=True), 404: ErrorSerializer})
    @action(detail=True, pagination_class=None, filter_backends=())
    def items(self, request: Request, **_: Any) -> Response:
        """Return what the vendor sells us, and at which prices."""
        rows = self.get_object().items.select_related("product").prefetch_related("prices").order_by("product__sku")
        return Response(VendorItemSerializer(rows, many=True).data)


class PurchaseLineShown(serializers.ModelSerializer[PurchaseOrderLine]):
    sku = serializers.CharField(source="product.sku")
    unit = serializers.CharField(source="unit_of_measure")

    class Meta:
        model = PurchaseOrderLine
        fields = (
            "id",
            "line_number",
            "product_id",
            "sku",
            "vendor_sku",
            "quantity",
            "unit",
            "unit_price",
            "needed_on",
            "expected_on",
            "promised_on",
            "quantity_received",
            "quantity_returned",
            "quantity_cancelled",
            "quantity_billed",
        )


class PurchaseOrderShown(serializers.ModelSerializer[PurchaseOrder]):
    """An order to a vendor; a line's quantities are in its own unit."""

    vendor = serializers.CharField(source="vendor.code")
    total = serializers.SerializerMethodField()
    lines = PurchaseLineShown(many=True)
    available_actions = serializers.SerializerMethodField()

    class Meta:
        model = PurchaseOrder
        fields = (
            "id",
            "po_number",
            "vendor_id",
            "vendor",
            "status",
            "ordered_on",
            "expected_on",
            "currency",
            "subtotal",
            "freight",
            "tax",
            "total",
            "approved_at",
            "sent_at",
            "message",
            "notes",
            "lines",
            "available_actions",
            "version",
        )

    def get_total(self, order: PurchaseOrder) -> str:
        """Return what it comes to with freight and tax."""
        return str(order.total)

    def get_available_actions(self, order: PurchaseOrder) -> list[str]:
        """Return the steps that the caller may take now."""
        user = self.context["request"].user
        steps = [step.name for step in PURCHASE_ORDER.available(order, user)]
        waits = order.status == PurchaseOrder.Status.DRAFT and order.approved_at is None
        if waits and user.has_perm("inventory.approve_purchaseorder"):
            steps.append("approve")
        return steps


class NewPurchaseLineSerializer(StrictSerializer):
    sku = serializers.CharField(max_length=60)
    quantity = serializers.DecimalField(**QUANTITY)
    unit = serializers.CharField(
        max_length=20, required=False, help_text="Else what the vendor sells it in, else the product's purchase unit."
    )
    unit_price = serializers.DecimalField(
        **QUANTITY, min_value=Decimal(0), required=False, help_text="Per unit; else by the vendor's price list."
    )
    needed_on = serializers.DateField(required=False, allow_null=True, default=None)
    expected_on = serializers.DateField(required=False, allow_null=True, default=None)


class NewPurchaseSerializer(StrictSerializer):
    vendor = serializers.CharField(max_length=40, help_text="Code.")
    lines = NewPurchaseLineSerializer(many=True, allow_empty=False, max_length=MAX_LINES)
    expected_on = serializers.DateField(required=False, allow_null=True, default=None)
    freight = serializers.DecimalField(**MONEY, min_value=Decimal(0), default=Decimal(0))
    tax = serializers.DecimalField(**MONEY, min_value=Decimal(0), default=Decimal(0))
    message = serializers.CharField(
        max_length=2000, required=False, allow_blank=True, default="", help_text="Printed on the order."
    )
    notes = serializers.CharField(max_length=2000, required=False, allow_blank=True, default="")


class CameSerializer(StrictSerializer):
    """One lot, or one plain quantity, of a line."""

    line_id = serializers.IntegerField()
    quantity = serializers.DecimalField(**QUANTITY, help_text="In the line's unit.")
    lot_number = serializers.CharField(
        max_length=100, required=False, allow_blank=True, default="", help_text="Ours; drawn where one is needed."
    )
    vendor_lot_number = serializers.CharField(max_length=100, required=False, allow_blank=True, default="")
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    quarantine = serializers.BooleanField(default=False)
    location = serializers.CharField(max_length=40, required=False, help_text="Code; else that of the receipt.")


class ReceiveSerializer(StrictSerializer):
    lines = CameSerializer(many=True, allow_empty=False, max_length=MAX_LINES)
    location = serializers.CharField(max_length=40, required=False, help_text="Code; else the default.")
    packing_slip = serializers.CharField(max_length=80, required=False, allow_blank=True, default="")
    received_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    freight = serializers.DecimalField(**MONEY, min_value=Decimal(0), default=Decimal(0))
    duty = serializers.DecimalField(**MONEY, min_value=Decimal(0), default=Decimal(0))
    basis = serializers.ChoiceField(choices=LandedCost.Basis.choices, default=LandedCost.Basis.VALUE)


class PurchaseReasonSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=500)


class ReceiptLineShown(serializers.ModelSerializer[GoodsReceiptLine]):
    sku = serializers.CharField(source="product.sku")
    unit = serializers.CharField(source="unit_of_measure")
    lot_number = serializers.CharField(source="lot.lot_number", default=None, allow_null=True)
    lot_status = serializers.CharField(source="lot.status", default=None, allow_null=True)
    location = serializers.CharField(source="location.code")

    class Meta:
        model = GoodsReceiptLine
        fields = (
            "id",
            "order_line_id",
            "sku",
            "quantity",
            "unit",
            "stock_quantity",
            "unit_cost",
            "lot_number",
            "lot_status",
            "location",
        )


class ReceiptShown(serializers.ModelSerializer[GoodsReceipt]):
    """What came with one delivery."""

    order_status = serializers.CharField(source="purchase_order.status")
    lines = ReceiptLineShown(many=True)

    class Meta:
        model = GoodsReceipt
        fields = ("id", "number", "purchase_order_id", "order_status", "received_at", "packing_slip", "lines")


class PurchaseOrderFilter(filters.FilterSet):
    vendor = filters.CharFilter(field_name="vendor__code", lookup_expr="iexact")
    product = filters.NumberFilter(field_name="lines__product_id", distinct=True)
    expected_before = filters.DateFilter(field_name="expected_on", lookup_expr="lt")

    class Meta:
        model = PurchaseOrder
        fields: ClassVar = ["status"]


_REFUSED: dict[int, Any] = {400: ErrorSerializer, 403: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer}
_ANSWERS: dict[int, Any] = {200: PurchaseOrderShown, **_REFUSED}
#: Which permission an act takes; what else is written takes its own.
_ACTS = {"create": "add", "order": "order", "approve": "approve", "receive": "receive", "cancel": "cancel"}


class PurchaseOrderViewSet(
    PermittedMixin, VersionedMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[PurchaseOrder]
):
    """Purchase orders, the latest first; an order number stands for its id."""

    model = PurchaseOrder
    queryset = PurchaseOrder.objects.select_related("vendor").prefetch_related("lines__product").order_by("-id")
    serializer_class = PurchaseOrderShown
    lookup_value_regex = r"\d+|[A-Z]+-\d{4}-\d+"
    filterset_class = PurchaseOrderFilter
    search_fields: ClassVar = ["po_number", "vendor__code", "vendor__name"]
    ordering_fields: ClassVar = ["expected_on", "ordered_on", "po_number"]

    def get_permissions(self) -> Sequence[BasePermission]:
        if self.action in _ACTS:
            return [requires(f"inventory.{_ACTS[self.action]}_purchaseorder")()]
        return super().get_permissions()

    def get_object(self) -> PurchaseOrder:
        key = self.kwargs["pk"]
        named = Q(pk=int(key)) if key.isdecimal() and len(key) < 19 else Q(po_number=key)
        order = self.get_queryset().filter(named).first()
        if order is None:
            raise NotFound
        return order

    def _answer(self, order: PurchaseOrder, code: int = status.HTTP_200_OK) -> Response:
        return Response(self.get_serializer(self.get_queryset().get(pk=order.pk)).data, status=code)

    def _act(self, verb: Any, **arguments: Any) -> Response:
        """Call a verb on the order as the caller has seen it."""
        with transaction.atomic():
            order = self.get_object()
            order.check_version(expected_version(self.request))
            verb(order, actor=actor_of(self.request), **arguments)
        return self._answer(order)

    @extend_schema(request=NewPurchaseSerializer, responses={201: PurchaseOrderShown, **_REFUSED})
    @idempotent()
    def create(self, request: Request, **_: Any) -> Response:
        """Write a draft order."""
        body = NewPurchaseSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        vendor = Vendor.objects.filter(code=given["vendor"].strip(), is_active=True).first()
        if vendor is None:
            raise _unknown("vendor", given["vendor"])
        order = inventory.create_purchase_order(
            vendor,
            lines=_line_specs(vendor, given["lines"]),
            expected_on=given["expected_on"],
            freight=given["freight"],
            tax=given["tax"],
            message=given["message"],
            notes=given["notes"],
            actor=actor_of(request),
        )
        return self._answer(order, status.HTTP_201_CREATED)

    @extend_schema(request=None, responses=_ANSWERS)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, **_: Any) -> Response:
        """Say that the order may be sent as it is; somebody else than who wrote it."""
        return self._act(inventory.approve_purchase)

    @extend_schema(request=None, responses=_ANSWERS)
    @action(detail=True, methods=["post"])
    def order(self, request: Request, **_: Any) -> Response:
        """Order it; the vendor is mailed."""
        return self._act(inventory.order_purchase)

    @extend_schema(request=PurchaseReasonSerializer, responses=_ANSWERS)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, **_: Any) -> Response:
        """Cancel an order of which nothing has come."""
        body = PurchaseReasonSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        return self._act(inventory.cancel_purchase, reason=body.validated_data["reason"])

    @extend_schema(request=ReceiveSerializer, responses={201: ReceiptShown, **_REFUSED})
    @action(detail=True, methods=["post"])
    @idempotent()
    def receive(self, request: Request, **_: Any) -> Response:
        """Receive what came, as lots where the product or what is said needs them."""
        body = ReceiveSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        given = body.validated_data
        codes = {row["location"] for row in (given, *given["lines"]) if row.get("location")}
        places = {place.code: place for place in InventoryLocation.objects.filter(code__in=codes, is_active=True)}
        for code in sorted(codes - set(places)):
            raise _unknown("location", code)
        receipts = [
            inventory.PurchaseReceipt(
                row["line_id"],
                row["quantity"],
                lot_number=row["lot_number"],
                vendor_lot_number=row["vendor_lot_number"],
                expires_at=row["expires_at"],
                quarantine=row["quarantine"],
                location=places.get(row.get("location", "")),
            )
            for row in given["lines"]
        ]
        with transaction.atomic():
            order = self.get_object()
            order.check_version(expected_version(request))
            receipt = inventory.receive_goods(
                order,
                receipts,
                location=places.get(given.get("location", "")),
                packing_slip=given["packing_slip"],
                received_at=given["received_at"],
                freight=given["freight"],
                duty=given["duty"],
                basis=given["basis"],
                actor=actor_of(request),
            )
        rows = GoodsReceipt.objects.select_related("purchase_order").prefetch_related(
            "lines__product", "lines__lot", "lines__location"
        )
        return Response(ReceiptShown(rows.get(pk=receipt.pk)).data, status=status.HTTP_201_CREATED)


def _unknown(field: str, name: str) -> InvalidValue:
    return InvalidValue(f"{field}: {name} is not known.", details={"fields": {field: [name]}})


def _line_specs(vendor: Vendor, rows: Sequence[dict[str, Any]]) -> list[inventory.PurchaseLineSpec]:
    """Return the lines as the verb takes them; unit and price are the vendor's where the body does not say."""
    skus = {row["sku"].strip().upper() for row in rows}
    products = {product.sku: product for product in Product.objects.filter(sku__in=skus, is_active=True)}
    for sku in sorted(skus - set(products)):
        raise _unknown("sku", sku)
    today = timezone.localdate()
    items = vendor_items((vendor.pk, product.pk) for product in products.values())
    prices = prices_of([item.pk for item in items.values()], today)
    factors = unit_factors([product.pk for product in products.values()])
    specs = []
    for row in rows:
        product = products[row["sku"].strip().upper()]
        item = items.get((vendor.pk, product.pk))
        unit = row.get("unit") or (item.unit if item is not None else purchase_unit(product))
        price = row.get("unit_price")
        if price is None and item is not None and unit == item.unit:
            price = price_for(prices.get(item.pk, []), row["quantity"], today)
        if price is None:
            price = round_quantity(product.unit_cost * factor_of(product, unit, factors))
        specs.append(
            inventory.PurchaseLineSpec(
                product,
                row["quantity"],
                unit,
                price,
                vendor_sku=item.vendor_sku if item is not None else "",
                needed_on=row["needed_on"],
                expected_on=row["expected_on"],
            )
        )
    return specs
