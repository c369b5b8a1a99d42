"""`/sales-orders/convert`: from an accepted quote to an order."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from blb3d.accounts.actor import actor_of
from blb3d.core.api.idempotency import idempotent
from blb3d.core.api.schema import IDEMPOTENCY_KEY
from blb3d.core.api.serializers import ErrorSerializer
from blb3d.core.api.versions import VersionedMixin
from blb3d.core.errors import NotFound
from quotes import selectors
from quotes import services as quotes
from quotes.api.access import MaySee
from quotes.api.asked import ConvertSerializer
from sales.api.orders import address_from
from sales.api.shown import OrderShown, order_shown


class ConvertView(VersionedMixin, APIView):
    permission_classes = (MaySee,)

    @extend_schema(
        operation_id="sales_orders_convert",
        parameters=[
            OpenApiParameter("quote_id", str, OpenApiParameter.PATH, description="The quote's id or number."),
            IDEMPOTENCY_KEY,
        ],
        request=ConvertSerializer,
        responses={200: OrderShown, 400: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer},
    )
    def post(self, request: Request, quote_id: str, **_: Any) -> Response:
        """Order an accepted quote; called again it returns the same order."""
        return self._convert(request, quote_id)

    @idempotent()
    def _convert(self, request: Request, quote_id: str) -> Response:
        actor = actor_of(request)
        serializer = ConvertSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        given = serializer.validated_data
        quote = selectors.named(selectors.for_user(actor), quote_id)
        if quote is None:
            raise NotFound
        order = quotes.convert_quote(
            quote,
            shipping=address_from(given, "shipping"),
            billing=address_from(given, "billing"),
            customer_po_number=given["customer_po_number"],
            actor=actor,
        )
        return Response(order_shown(order, actor))
