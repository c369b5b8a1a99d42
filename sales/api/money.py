"""`/invoices` and `/payments`."""

from __future__ import annotations

from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from blb3d.core.api.idempotency import idempotent
from blb3d.core.api.serializers import ErrorSerializer, StrictSerializer
from blb3d.core.errors import NotFound
from sales import selectors
from sales import services as sales
from sales.api.access import OwnRowsMixin
from sales.api.shown import InvoiceShown
from sales.models import Invoice, Payment, SalesOrder


class InvoiceViewSet(OwnRowsMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[Invoice]):
    """Invoices: a customer's own, all of them for staff."""

    model = Invoice
    serializer_class = InvoiceShown
    queryset = Invoice.objects.none()
    lookup_value_regex = r"\d+"
    filterset_fields: ClassVar = ["kind", "sales_order", "issued_on", "due_on"]
    search_fields: ClassVar = ["invoice_number", "sales_order__order_number", "customer_po_number"]
    ordering_fields: ClassVar = ["issued_on", "due_on", "grand_total"]

    def get_queryset(self) -> Any:
        return super().get_queryset().prefetch_related("lines")

    @extend_schema(responses={(200, "application/pdf"): OpenApiTypes.BINARY, 404: ErrorSerializer})
    @action(detail=True)
    def pdf(self, request: Request, **_: Any) -> HttpResponse:
        """Return the invoice as PDF."""
        invoice = self.get_object()
        return HttpResponse(
            sales.invoice_pdf(invoice),
            content_type="application/pdf",
            headers={"Content-Disposition": f'inline; filename="{invoice.invoice_number}.pdf"'},
        )


class PaymentSerializer(serializers.ModelSerializer[Payment]):
    sales_order_id = serializers.IntegerField()

    class Meta:
        model = Payment
        fields = (
            "id",
            "sales_order_id",
            "amount",
            "currency",
            "method",
            "reference",
            "status",
            "decline_reason",
            "received_at",
            "created_at",
        )


class ChargeSerializer(StrictSerializer):
    """Pay what an order owes. The amount is the order's, never the caller's."""

    sales_order_id = serializers.IntegerField()
    method = serializers.CharField(max_length=30, help_text="card, or bank_transfer, which waits for the money.")
    token = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")


class PaymentViewSet(OwnRowsMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[Payment]):
    """Payments of one's own orders, of all for staff."""

    model = Payment
    serializer_class = PaymentSerializer
    queryset = Payment.objects.none()
    lookup_value_regex = r"\d+"
    filterset_fields: ClassVar = ["status", "method", "sales_order"]
    search_fields: ClassVar = ["reference", "sales_order__order_number"]
    ordering_fields: ClassVar = ["created_at", "amount"]

    @extend_schema(
        request=ChargeSerializer,
        responses={
            201: PaymentSerializer,
            402: OpenApiResponse(ErrorSerializer, description="PAYMENT_001: declined; the order is as it was."),
            404: ErrorSerializer,
            409: ErrorSerializer,
        },
    )
    # The provider is asked outside any transaction, so the key is claimed first; the verb finds what it began.
    @idempotent(atomic=False)
    def create(self, request: Request, **_: Any) -> Response:
        """Pay what an order owes."""
        serializer = ChargeSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        order = selectors.for_user(request.user, SalesOrder).filter(pk=given["sales_order_id"]).first()  # type: ignore[arg-type]
        if order is None:
            raise NotFound
        payment = sales.charge_order(order, method=given["method"], token=given["token"], actor=request.user)
        return Response(PaymentSerializer(payment).data, status=status.HTTP_201_CREATED)
