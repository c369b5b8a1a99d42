"""`/shipments`: parcels, packed and handed over by staff."""

from __future__ import annotations

from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from blb3d.core.api.idempotency import idempotent
from blb3d.core.api.serializers import ErrorSerializer, StrictSerializer
from blb3d.core.api.versions import VersionedMixin, expected_version
from blb3d.core.errors import NotFound
from sales import selectors
from sales import services as sales
from sales.api.access import OwnRowsMixin
from sales.api.orders import ReasonSerializer
from sales.api.shown import ShipmentShown, shipment_rows, shipments_shown
from sales.models import SalesOrder, Shipment


class ItemSerializer(StrictSerializer):
    line_id = serializers.IntegerField()
    quantity = serializers.IntegerField(min_value=1)


class PackSerializer(StrictSerializer):
    """A parcel; without items everything that is still open is packed."""

    sales_order_id = serializers.IntegerField()
    items = ItemSerializer(many=True, required=False, allow_empty=False)
    carrier = serializers.CharField(max_length=60, required=False, default="", allow_blank=True)
    service = serializers.CharField(max_length=60, required=False, default="", allow_blank=True)


class ShipSerializer(StrictSerializer):
    carrier = serializers.CharField(max_length=60, required=False, default="", allow_blank=True)
    service = serializers.CharField(max_length=60, required=False, default="", allow_blank=True)
    tracking_number = serializers.CharField(max_length=80, required=False, default="", allow_blank=True)
    tracking_url = serializers.URLField(max_length=300, required=False, default="", allow_blank=True)


_ANSWERS: dict[int, Any] = {200: ShipmentShown, 403: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer}


class ShipmentViewSet(OwnRowsMixin, VersionedMixin, mixins.ListModelMixin, GenericViewSet[Shipment]):
    """Parcels: a customer's own, all of them for staff."""

    model = Shipment
    serializer_class = ShipmentShown
    queryset = Shipment.objects.none()
    lookup_value_regex = r"\d+"
    filterset_fields: ClassVar = ["status", "sales_order", "carrier", "tracking_number"]
    search_fields: ClassVar = ["shipment_number", "tracking_number", "sales_order__order_number"]
    ordering_fields: ClassVar = ["created_at", "shipped_at"]

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List parcels, the latest first."""
        page = self.paginate_queryset(shipment_rows(self.filter_queryset(self.get_queryset())))
        return self.get_paginated_response(shipments_shown(page or [], request.user))

    @extend_schema(responses={200: ShipmentShown, 404: ErrorSerializer})
    def retrieve(self, request: Request, **_: Any) -> Response:
        """Return a parcel."""
        return self._shown(self.get_object())

    @extend_schema(
        request=PackSerializer,
        responses={201: ShipmentShown, 403: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer},
    )
    @idempotent()
    def create(self, request: Request, **_: Any) -> Response:
        """Pack a parcel; staff only."""
        given = self._given(PackSerializer)
        order = selectors.for_user(request.user, SalesOrder).filter(pk=given["sales_order_id"]).first()  # type: ignore[arg-type]
        if order is None:
            raise NotFound
        items = [(item["line_id"], item["quantity"]) for item in given["items"]] if "items" in given else None
        shipment = sales.pack_shipment(
            order, items=items, carrier=given["carrier"], service=given["service"], actor=request.user
        )
        return self._shown(shipment, status.HTTP_201_CREATED)

    @extend_schema(request=ShipSerializer, responses=_ANSWERS)
    @action(detail=True, methods=["post"])
    def ship(self, request: Request, **_: Any) -> Response:
        """Hand a packed parcel over."""
        return self._shown(sales.ship_shipment(self._seen(), **self._given(ShipSerializer), actor=request.user))

    @extend_schema(request=None, responses=_ANSWERS)
    @action(detail=True, methods=["post"])
    def deliver(self, request: Request, **_: Any) -> Response:
        """Say that it arrived."""
        return self._shown(sales.deliver_shipment(self._seen(), actor=request.user))

    @extend_schema(request=ReasonSerializer, responses=_ANSWERS)
    @action(detail=True, methods=["post"])
    def void(self, request: Request, **_: Any) -> Response:
        """Unpack a parcel that has not left."""
        shipment = self._seen()
        return self._shown(sales.void_shipment(shipment, **self._given(ReasonSerializer), actor=request.user))

    def _seen(self) -> Shipment:
        shipment = self.get_object()
        shipment.check_version(expected_version(self.request))
        return shipment

    def _given(self, serializer_class: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        serializer = serializer_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data  # type: ignore[no-any-return]

    def _shown(self, shipment: Shipment, code: int = status.HTTP_200_OK) -> Response:
        return Response(shipments_shown(Shipment.objects.filter(pk=shipment.pk), self.request.user)[0], status=code)  # type: ignore[arg-type]
