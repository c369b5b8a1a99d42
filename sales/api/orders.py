"""`/sales-orders`: what customers ordered, and every step an order takes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, ClassVar

from django.db import transaction
from django.db.models import Q
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from blb3d.accounts.models import User
from blb3d.core.api.idempotency import idempotent
from blb3d.core.api.serializers import ErrorSerializer, StrictSerializer
from blb3d.core.api.versions import VersionedMixin, expected_version
from blb3d.core.errors import InvalidTransition, InvalidValue, NotAllowed, NotFound
from blb3d.core.lifecycle import allow
from inventory.models import Product
from sales import selectors
from sales import services as sales
from sales.api.access import OwnRowsMixin
from sales.api.shown import MONEY, OrderShown, order_rows, order_shown, orders_shown
from sales.lifecycles import SALES_ORDER
from sales.models import ADDRESS_COLUMNS, Address, Customer, SalesOrder
from sales.services.orders import MAX_LINES, MAX_QUANTITY

Source = SalesOrder.Source
_LENGTHS = {
    name: SalesOrder._meta.get_field(f"shipping_{column}").max_length for name, column in ADDRESS_COLUMNS.items()
}
#: Steps that ``PATCH status`` can take: those that need no argument.
_BY_STATUS = {
    SalesOrder.Status.CONFIRMED: sales.confirm_order,
    SalesOrder.Status.DELIVERED: sales.deliver_order,
    SalesOrder.Status.COMPLETED: sales.complete_order,
}


def address_fields(kind: str, *, required: bool) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
    """Return the fields of an address in a body: ``shipping_address_line1`` ..."""
    needed = {"line1", "city", "zip"} if required else set()
    return {
        f"{kind}_{column}": serializers.CharField(
            max_length=_LENGTHS[name], required=name in needed, allow_blank=name not in {"line1", "city", "zip"}
        )
        for name, column in ADDRESS_COLUMNS.items()
    }


def address_from(data: dict[str, Any], kind: str, *, onto: Address | None = None) -> Address | None:
    """Return the address that a body gives, completed from ``onto``; None when it gives none.

    Raises:
        InvalidValue: street, city or zip are missing.
    """
    given = {name: data[f"{kind}_{column}"] for name, column in ADDRESS_COLUMNS.items() if f"{kind}_{column}" in data}
    if not given:
        return None
    known = {name: getattr(onto, name) for name in ADDRESS_COLUMNS if getattr(onto, name)} if onto else {}
    try:
        return Address(**{**known, **given})
    except TypeError:
        missing = [
            f"{kind}_{ADDRESS_COLUMNS[name]}" for name in ("line1", "city", "zip") if name not in {**known, **given}
        ]
        raise InvalidValue(
            f"{missing[0]}: This field is required.",
            details={"fields": {name: ["This field is required."] for name in missing}},
        ) from None


class AddressedSerializer(StrictSerializer):
    """A body that may carry addresses."""

    kinds: ClassVar[tuple[str, ...]] = ("shipping",)

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        for kind in self.kinds:
            fields |= address_fields(kind, required=False)
        return fields


class NewLineSerializer(StrictSerializer):
    product_id = serializers.IntegerField(required=False)
    sku = serializers.CharField(max_length=60, required=False)
    quantity = serializers.IntegerField(min_value=1, max_value=MAX_QUANTITY)
    unit_price = serializers.DecimalField(
        **MONEY, min_value=Decimal(0), required=False, help_text="Staff only; else the list price."
    )
    name = serializers.CharField(max_length=300, required=False)
    options = serializers.DictField(child=serializers.CharField(), required=False)


class NewOrderSerializer(AddressedSerializer):
    """An order; customers order for themselves, at list prices."""

    kinds = ("shipping", "billing")
    customer_id = serializers.IntegerField(required=False, help_text="Staff and machines only, and needed there.")
    source = serializers.ChoiceField(choices=[Source.API, Source.MANUAL, Source.IMPORT], default=Source.API)
    source_order_id = serializers.CharField(max_length=190, required=False, default="", allow_blank=True)
    source_order_number = serializers.CharField(max_length=60, required=False, default="", allow_blank=True)
    lines = NewLineSerializer(many=True, allow_empty=False, max_length=MAX_LINES)
    customer_po_number = serializers.CharField(max_length=60, required=False, default="", allow_blank=True)
    customer_note = serializers.CharField(max_length=5000, required=False, default="", allow_blank=True)
    promised_date = serializers.DateField(required=False, allow_null=True, default=None)
    priority = serializers.IntegerField(min_value=1, max_value=4, default=2)
    discount_total = serializers.DecimalField(**MONEY, min_value=Decimal(0), required=False)
    shipping_total = serializers.DecimalField(**MONEY, min_value=Decimal(0), required=False)
    tax_total = serializers.DecimalField(**MONEY, min_value=Decimal(0), required=False)


_STAFF_ONLY = ("customer_id", "source", "promised_date", "priority", "discount_total", "shipping_total", "tax_total")


class StatusSerializer(StrictSerializer):
    status = serializers.ChoiceField(choices=SalesOrder.Status.choices)
    reason = serializers.CharField(max_length=500, required=False, default="", allow_blank=True)


class ReasonSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=500)


class PaymentRecordSerializer(StrictSerializer):
    amount = serializers.DecimalField(**MONEY)
    method = serializers.CharField(max_length=30)
    reference = serializers.CharField(max_length=190, required=False, default="", allow_blank=True)
    idempotency_key = serializers.CharField(max_length=64, required=False, default=None)


class ShippingSerializer(AddressedSerializer):
    """A new address, or what is known of the parcel: with a carrier or tracking number it leaves."""

    carrier = serializers.CharField(max_length=60, required=False)
    service = serializers.CharField(max_length=60, required=False)
    tracking_number = serializers.CharField(max_length=80, required=False)
    tracking_url = serializers.URLField(max_length=300, required=False)


class ProgressSerializer(serializers.Serializer[Any]):
    total = serializers.IntegerField()
    printed = serializers.IntegerField()
    good = serializers.IntegerField()
    scrapped = serializers.IntegerField()
    inspected = serializers.IntegerField()
    shipped = serializers.IntegerField()
    percent = serializers.DecimalField(max_digits=5, decimal_places=1)


class HistorySerializer(serializers.Serializer[Any]):
    at = serializers.DateTimeField()
    old = serializers.CharField(allow_null=True)
    new = serializers.CharField()
    by = serializers.CharField(allow_null=True, help_text="For staff only.")
    reason = serializers.CharField()


class OrderFilter(filters.FilterSet):
    created_from = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = SalesOrder
        fields = ("status", "payment_status", "source", "order_type", "customer", "customer_po_number")


_ANSWERS: dict[int, Any] = {200: OrderShown, 403: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer}


class SalesOrderViewSet(OwnRowsMixin, VersionedMixin, mixins.ListModelMixin, GenericViewSet[SalesOrder]):
    """Sales orders: a customer's own, all of them for staff. An order number stands for its id."""

    model = SalesOrder
    serializer_class = OrderShown
    queryset = SalesOrder.objects.none()
    lookup_value_regex = r"\d+|[A-Z]+-\d{4}-\d+"
    filterset_class = OrderFilter
    search_fields: ClassVar = ["order_number", "source_order_number", "customer_po_number", "customer__name"]
    ordering_fields: ClassVar = ["created_at", "promised_date", "grand_total", "order_number"]

    def get_object(self) -> SalesOrder:
        key = self.kwargs["pk"]
        named = Q(pk=int(key)) if key.isdecimal() and len(key) < 19 else Q(order_number=key)
        order = self.get_queryset().filter(named).first()
        if order is None:
            raise NotFound
        return order

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List orders, the latest first."""
        page = self.paginate_queryset(order_rows(self.filter_queryset(self.get_queryset())))
        return self.get_paginated_response(orders_shown(page or [], request.user))

    @extend_schema(responses={200: OrderShown, 404: ErrorSerializer})
    def retrieve(self, request: Request, **_: Any) -> Response:
        """Return an order."""
        return self._shown(self.get_object())

    @extend_schema(request=NewOrderSerializer, responses={201: OrderShown, 400: ErrorSerializer, 403: ErrorSerializer})
    @idempotent()
    def create(self, request: Request, **_: Any) -> Response:
        """Place an order; the same source and source_order_id give the same order."""
        given = self._given(NewOrderSerializer)
        order = sales.place_order(self._draft(given), actor=request.user)
        return self._shown(order, status.HTTP_201_CREATED)

    @extend_schema(request=StatusSerializer, responses=_ANSWERS)
    @action(detail=True, methods=["patch"], url_path="status", url_name="status")
    def set_status(self, request: Request, **_: Any) -> Response:
        """Take the one step that leads to a status and needs no argument."""
        order, given = self.get_object(), self._given(StatusSerializer)
        order.check_version(expected_version(request))
        verb = _BY_STATUS.get(given["status"])
        if verb is None:
            allowed = [step.name for step in SALES_ORDER.legal(order.status)]
            raise InvalidTransition(
                f"No step without an argument leads from {order.status} to {given['status']}.",
                details={"status": order.status, "allowed": allowed},
            )
        return self._shown(verb(order, actor=request.user, reason=given["reason"]))

    @extend_schema(request=PaymentRecordSerializer, responses=_ANSWERS)
    @action(detail=True, methods=["patch"])
    @idempotent()
    def payment(self, request: Request, **_: Any) -> Response:
        """Record money that came in; staff only."""
        order = self.get_object()
        allow(request.user, "sales.record_payment_salesorder")
        given = self._given(PaymentRecordSerializer)
        order.check_version(expected_version(request))
        sales.record_payment(order, **given, actor=request.user)
        return self._shown(order)

    @extend_schema(request=ShippingSerializer, responses=_ANSWERS)
    @action(detail=True, methods=["patch"])
    def shipping(self, request: Request, **_: Any) -> Response:
        """Change the address, or ship with a carrier and tracking number; staff only."""
        order = self.get_object()
        allow(request.user, "sales.change_salesorder")
        given = self._given(ShippingSerializer)
        version = expected_version(request)
        order.check_version(version)
        parcel = {
            name: given[name] for name in ("carrier", "service", "tracking_number", "tracking_url") if name in given
        }
        with transaction.atomic():
            address = address_from(given, "shipping", onto=order.shipping_address)
            if address is not None:
                sales.update_shipping(order, shipping=address, version=version, actor=request.user)
            if parcel:
                sales.ship_order(order, **parcel, actor=request.user)
        return self._shown(order)

    @extend_schema(request=ReasonSerializer, responses=_ANSWERS)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, **_: Any) -> Response:
        """Cancel an order of which nothing was shipped."""
        return self._with_reason(sales.cancel_order)

    @extend_schema(request=ReasonSerializer, responses=_ANSWERS)
    @action(detail=True, methods=["post"])
    def hold(self, request: Request, **_: Any) -> Response:
        """Stop work on an order."""
        return self._with_reason(sales.hold_order)

    @extend_schema(request=None, responses=_ANSWERS)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, **_: Any) -> Response:
        """Go on with a held order."""
        order = self.get_object()
        order.check_version(expected_version(request))
        return self._shown(sales.resume_order(order, actor=request.user))

    @extend_schema(request=None, responses={201: OrderShown, 404: ErrorSerializer, 409: ErrorSerializer})
    @action(detail=True, methods=["post"])
    @idempotent()
    def reorder(self, request: Request, **_: Any) -> Response:
        """Order the same again, at today's list prices."""
        return self._shown(sales.reorder(self.get_object(), actor=request.user), status.HTTP_201_CREATED)

    @extend_schema(responses={200: ProgressSerializer, 404: ErrorSerializer})
    @action(detail=True)
    def progress(self, request: Request, **_: Any) -> Response:
        """Return how far the order's parts are."""
        order = self.get_object()
        return Response(ProgressSerializer(selectors.order_progress([order.pk])[order.pk]).data)

    @extend_schema(responses={200: HistorySerializer(many=True), 404: ErrorSerializer}, filters=False)
    @action(detail=True, pagination_class=None)
    def history(self, request: Request, **_: Any) -> Response:
        """Return the order's status changes, the first one first."""
        by_staff = request.user.is_staff
        rows, old = [], None
        for row in self.get_object().history.select_related("history_user").order_by("history_id"):
            if row.status != old:
                rows.append(
                    {
                        "at": row.history_date,
                        "old": old,
                        "new": row.status,
                        "by": str(row.history_user) if by_staff and row.history_user else None,
                        "reason": row.history_change_reason or "",
                    }
                )
            old = row.status
        return Response(HistorySerializer(rows, many=True).data)

    def _given(self, serializer_class: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        serializer = serializer_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data  # type: ignore[no-any-return]

    def _with_reason(self, verb: Any) -> Response:
        order = self.get_object()
        given = self._given(ReasonSerializer)
        order.check_version(expected_version(self.request))
        return self._shown(verb(order, reason=given["reason"], actor=self.request.user))

    def _shown(self, order: SalesOrder, code: int = status.HTTP_200_OK) -> Response:
        return Response(order_shown(order, self.request.user), status=code)  # type: ignore[arg-type]

    def _draft(self, given: dict[str, Any]) -> sales.OrderDraft:
        customer = self._customer(given)
        keys = ("discount_total", "shipping_total", "tax_total")
        return sales.OrderDraft(
            source=given["source"],
            customer=customer,
            lines=self._lines(given["lines"]),
            source_order_id=self._source_order_id(given, customer),
            source_order_number=given["source_order_number"],
            customer_po_number=given["customer_po_number"],
            customer_note=given["customer_note"],
            promised_date=given["promised_date"],
            priority=given["priority"],
            shipping=address_from(given, "shipping"),
            billing=address_from(given, "billing"),
            **{name: given[name] for name in keys if name in given},
        )

    def _customer(self, given: dict[str, Any]) -> Customer:
        user: User = self.request.user  # type: ignore[assignment]
        if user.is_staff:
            allow(user, "sales.add_salesorder")
            if "customer_id" not in given:
                raise InvalidValue(
                    "customer_id: This field is required.",
                    details={"fields": {"customer_id": ["This field is required."]}},
                )
            customer = Customer.objects.filter(pk=given["customer_id"], is_active=True).first()
            if customer is None:
                raise InvalidValue("There is no such customer.", details={"field": "customer_id"})
            return customer
        member = selectors.membership_of(user)
        if member is None:
            raise NotAllowed
        sent = [name for name in _STAFF_ONLY if name in self.request.data]
        if any("unit_price" in line for line in given["lines"]):
            sent.append("unit_price")
        if sent:
            raise NotAllowed(f"Only staff can set {', '.join(sent)}.", details={"fields": sent})
        return member.customer

    def _source_order_id(self, given: dict[str, Any], customer: Customer) -> str:
        """Return the caller's own order id; one customer's ids never meet another's."""
        number: str = given["source_order_id"]
        return f"{customer.customer_number}:{number}"[:190] if number and not self.request.user.is_staff else number

    def _lines(self, lines: list[dict[str, Any]]) -> list[sales.LineDraft]:
        ids = [line["product_id"] for line in lines if "product_id" in line]
        skus = [line["sku"].strip().upper() for line in lines if "sku" in line]
        products = list(Product.objects.filter(Q(pk__in=ids) | Q(sku__in=skus), is_active=True))
        by_id = {product.pk: product for product in products}
        by_sku = {product.sku: product for product in products}
        drafts = []
        for number, line in enumerate(lines, start=1):
            product = by_id.get(line.get("product_id")) or by_sku.get(line.get("sku", "").strip().upper())
            if product is None:
                raise InvalidValue(f"Line {number}: there is no such product.", details={"line": number})
            price = line.get("unit_price", product.list_price)
            if price is None:
                raise InvalidValue(f"Line {number}: {product.sku} has no list price.", details={"line": number})
            drafts.append(
                sales.LineDraft(
                    product, line["quantity"], price, name=line.get("name", ""), options=line.get("options", {})
                )
            )
        return drafts
