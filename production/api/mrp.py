"""`/mrp/runs`, `/mrp/firm-orders`, `/mrp/messages`: material planning, what is decided on it, what should change."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from blb3d.core.api.idempotency import idempotent
from blb3d.core.api.pagination import CursorPagination
from blb3d.core.api.permissions import requires
from blb3d.core.api.serializers import ErrorSerializer, StrictSerializer
from blb3d.core.api.versions import VersionedMixin, expected_version
from blb3d.core.errors import InvalidValue, NotFound
from blb3d.core.lifecycle import allow
from inventory.models import PurchaseOrder, Vendor
from production.api.base import PermittedMixin, acting_user, by_key
from production.api.serializers import QUANTITY
from production.errors import NoPlan
from production.models import (
    FirmOrder,
    MRPRun,
    PlanLate,
    PlanMessage,
    PlannedOrder,
    ProductionOrder,
    Replenish,
)
from production.mrp.ground import FIRM, FLOOR, FORECAST, PLANNED, PRODUCTION, PURCHASE, SALES
from production.selectors.mrp_plan import (
    message_names,
    message_permission,
    names_of,
    newest_run,
    pegs_of,
    release_permissions,
    why,
)
from production.services import mrp

#: What needs or brings something, as the rows of a plan name it.
NEEDS = [(kind, kind) for kind in (SALES, PRODUCTION, PLANNED, FIRM, FORECAST, FLOOR)]
SUPPLIES = [(kind, kind) for kind in (PURCHASE, PRODUCTION, FIRM)]
DEMANDS = [(kind, kind) for kind in (SALES, FORECAST)]
MOST = 500
#: Whom one planned order is for, at most.
REASONS = 100


class MRPRunSerializer(serializers.ModelSerializer[MRPRun]):
    class Meta:
        model = MRPRun
        fields = (
            "id",
            "number",
            "kind",
            "status",
            "cause",
            "planned_from",
            "started_at",
            "finished_at",
            "seconds",
            "items",
            "demands",
            "planned_to_make",
            "planned_to_buy",
            "messages",
            "late",
            "has_rows",
            "error",
        )


class NewMRPRunSerializer(StrictSerializer):
    cause = serializers.CharField(max_length=200, required=False, default="asked for", help_text="For the record.")


class PegSerializer(serializers.Serializer[Any]):
    """A need that is served directly."""

    kind = serializers.ChoiceField(choices=NEEDS)
    id = serializers.IntegerField(help_text="Of the document; of planned orders and safety stock the product's.")
    number = serializers.IntegerField(help_text="Which planned order of the product; 0 for all else.")
    quantity = serializers.DecimalField(**QUANTITY)
    day = serializers.DateField()


class NeededForSerializer(serializers.Serializer[Any]):
    """Whom something is for in the end, first owed first; at most a hundred."""

    kind = serializers.ChoiceField(choices=NEEDS)
    id = serializers.IntegerField()
    label = serializers.CharField(help_text="The document's number.")
    quantity = serializers.DecimalField(**QUANTITY, help_text="Of this product, for it.")
    due = serializers.DateField()


class PlannedOrderSerializer(serializers.ModelSerializer[PlannedOrder]):
    sku = serializers.CharField(source="product.sku")
    name = serializers.CharField(source="product.name")
    unit = serializers.CharField(source="product.unit_of_measure")
    pegs = serializers.SerializerMethodField()
    needed_for = serializers.SerializerMethodField()

    class Meta:
        model = PlannedOrder
        fields = (
            "id",
            "kind",
            "product_id",
            "sku",
            "name",
            "number",
            "quantity",
            "unit",
            "start_on",
            "due_on",
            "ready_on",
            "is_taken",
            "pegs",
            "needed_for",
        )

    @extend_schema_field(PegSerializer(many=True))
    def get_pegs(self, row: PlannedOrder) -> Any:
        """Return what it serves directly."""
        found = [
            {"kind": peg.need[0], "id": peg.need[1], "number": peg.need[2], "quantity": peg.quantity, "day": peg.day}
            for peg in pegs_of(row.pegs)
        ]
        return PegSerializer(found, many=True).data

    @extend_schema_field(NeededForSerializer(many=True))
    def get_needed_for(self, row: PlannedOrder) -> Any:
        """Return whom it serves in the end."""
        found = [
            {"kind": reason.key[0], "id": reason.key[1], **reason._asdict()}
            for reason in self.context["reasons"][row.pk]
        ]
        return NeededForSerializer(found, many=True).data


class PlanMessageSerializer(serializers.ModelSerializer[PlanMessage]):
    sku = serializers.CharField(source="product.sku")
    reference_type = serializers.ChoiceField(choices=SUPPLIES)
    order = serializers.SerializerMethodField(help_text="The number of the open order.")

    class Meta:
        model = PlanMessage
        fields = (
            "id",
            "kind",
            "product_id",
            "sku",
            "reference_type",
            "reference_id",
            "order",
            "quantity",
            "from_on",
            "to_on",
            "is_done",
        )

    def get_order(self, row: PlanMessage) -> str:
        """Return what people call the order."""
        return str(self.context["names"][row.reference_type, row.reference_id, 0].words)


class PlanLateSerializer(serializers.ModelSerializer[PlanLate]):
    sku = serializers.CharField(source="product.sku")
    reference_type = serializers.ChoiceField(choices=DEMANDS)
    label = serializers.SerializerMethodField(help_text="The number of what goes late.")
    cause_sku = serializers.CharField(source="cause.sku", help_text="The product that is the reason.")

    class Meta:
        model = PlanLate
        fields = (
            "id",
            "reference_type",
            "reference_id",
            "label",
            "product_id",
            "sku",
            "quantity",
            "due_on",
            "ready_on",
            "cause_id",
            "cause_sku",
        )

    def get_label(self, row: PlanLate) -> str:
        """Return what people call it."""
        return str(self.context["names"][row.reference_type, row.reference_id, 0].words)


class FirmOrderSerializer(serializers.ModelSerializer[FirmOrder]):
    sku = serializers.CharField(source="product.sku")
    vendor = serializers.CharField(source="vendor.code", default=None)
    production_order = serializers.CharField(source="production_order.code", default=None)
    purchase_order = serializers.CharField(source="purchase_order.po_number", default=None)

    class Meta:
        model = FirmOrder
        fields = (
            "id",
            "number",
            "kind",
            "status",
            "product_id",
            "sku",
            "quantity",
            "start_on",
            "due_on",
            "vendor",
            "why",
            "production_order",
            "purchase_order",
            "version",
        )


class ChosenSerializer(StrictSerializer):
    planned_orders = serializers.ListField(
        child=serializers.IntegerField(min_value=1), min_length=1, max_length=MOST, help_text="Their ids."
    )


class TermsSerializer(StrictSerializer):
    quantity = serializers.DecimalField(**QUANTITY, required=False, help_text="For one order only; in the stock unit.")
    due_on = serializers.DateField(required=False)
    vendor = serializers.CharField(max_length=40, required=False, help_text="Code or id; of what is bought.")


class FirmSerializer(ChosenSerializer, TermsSerializer):
    """Planned orders to decide on; what is not given stays as it is planned."""


class ReleasedSerializer(serializers.Serializer[Any]):
    firm_orders = FirmOrderSerializer(many=True)
    production_orders = serializers.ListField(child=serializers.CharField(), help_text="Codes of the new drafts.")
    purchase_orders = serializers.ListField(child=serializers.CharField(), help_text="Numbers of the new drafts.")


class ApplySerializer(StrictSerializer):
    reason = serializers.CharField(max_length=500, required=False, default="", allow_blank=True)


class PlannedOrderFilter(filters.FilterSet):
    class Meta:
        model = PlannedOrder
        fields: ClassVar = {
            "kind": ["exact"],
            "product": ["exact"],
            "product__sku": ["exact"],
            "start_on": ["lte"],
            "is_taken": ["exact"],
        }


def _firm_rows() -> QuerySet[FirmOrder]:
    return FirmOrder.objects.select_related("product", "vendor", "production_order", "purchase_order").order_by("-id")


def _released(released: mrp.Released) -> Response:
    rows = _firm_rows().filter(pk__in=[order.pk for order in released.firm_orders])
    orders: Sequence[ProductionOrder] = released.production_orders
    purchases: Sequence[PurchaseOrder] = released.purchase_orders
    found = {
        "firm_orders": rows.order_by("id"),
        "production_orders": [order.code for order in orders],
        "purchase_orders": [order.po_number for order in purchases],
    }
    return Response(ReleasedSerializer(found).data, status=status.HTTP_201_CREATED)


def _terms(given: dict[str, Any]) -> dict[str, Any]:
    """Return what the verbs take, the vendor by code or id."""
    terms = {name: given[name] for name in ("quantity", "due_on") if name in given}
    if "vendor" in given:
        found = by_key(Vendor.objects.filter(is_active=True), given["vendor"], ("code", "pk"))
        if found is None:
            raise InvalidValue("There is no such vendor.", details={"field": "vendor", "value": given["vendor"]})
        terms["vendor"] = found
    return terms


class MRPRunViewSet(PermittedMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[MRPRun]):
    """Runs of material planning, the latest first; by id, number or the word `newest`."""

    model = MRPRun
    queryset = MRPRun.objects.order_by("-id")
    serializer_class = MRPRunSerializer
    pagination_class = CursorPagination
    lookup_value_regex = r"[^/]+"
    filterset_fields: ClassVar = ["kind", "status"]
    acts: ClassVar = {
        "create": "run_mrp",
        "planned_orders": "view_plannedorder",
        "messages": "view_planmessage",
        "late": "view_planlate",
        "firm": "add_firmorder",
        "release": "add_firmorder",
    }

    def get_object(self) -> MRPRun:
        """Return the run that the path names."""
        key = str(self.kwargs["pk"])
        found = newest_run() if key == "newest" else by_key(MRPRun.objects.all(), key, ("pk", "number"))
        if found is None:
            raise NoPlan(details={"id": key})
        run: MRPRun = found
        return run

    @extend_schema(
        request=NewMRPRunSerializer, responses={201: MRPRunSerializer, 400: ErrorSerializer, 409: ErrorSerializer}
    )
    @idempotent(atomic=False)
    def create(self, request: Request, **_: Any) -> Response:
        """Plan all material anew, now; it is done every night anyway."""
        given = NewMRPRunSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        run = mrp.run_mrp(cause=given.validated_data["cause"], actor=acting_user(request))
        return Response(MRPRunSerializer(run).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        operation_id="mrp_runs_planned_orders",
        filters=False,
        parameters=[
            OpenApiParameter("kind", str, enum=Replenish.values),
            OpenApiParameter("product", int, description="Id."),
            OpenApiParameter("product__sku", str),
            OpenApiParameter("start_on__lte", str, description="To start until this day."),
            OpenApiParameter("is_taken", bool, description="Made firm or released already."),
        ],
        responses={200: PlannedOrderSerializer(many=True), 400: ErrorSerializer, 404: ErrorSerializer},
    )
    @action(detail=True, url_path="planned-orders", pagination_class=CursorPagination)
    def planned_orders(self, request: Request, pk: str, **_: Any) -> Response:
        """Return what the run proposes to buy and to make, and for whom."""
        run = self._run_with_rows()
        asked = PlannedOrderFilter(request.query_params, PlannedOrder.objects.filter(run=run))
        if not asked.is_valid():
            raise InvalidValue("A filter is not valid.", details={"fields": asked.errors.get_json_data()})
        rows = self._page(asked.qs.select_related("product").order_by("-id"))
        reasons = dict(zip((row.pk for row in rows), why(run, rows, most=REASONS), strict=True))
        shown = PlannedOrderSerializer(rows, many=True, context={"reasons": reasons})
        return self.get_paginated_response(shown.data)

    @extend_schema(
        operation_id="mrp_runs_messages",
        filters=False,
        responses={200: PlanMessageSerializer(many=True), 404: ErrorSerializer},
    )
    @action(detail=True, pagination_class=CursorPagination)
    def messages(self, request: Request, pk: str, **_: Any) -> Response:
        """Return what should become of open orders."""
        rows = self._page(
            PlanMessage.objects.filter(run=self._run_with_rows()).select_related("product").order_by("-id")
        )
        shown = PlanMessageSerializer(rows, many=True, context={"names": message_names(rows)})
        return self.get_paginated_response(shown.data)

    @extend_schema(
        operation_id="mrp_runs_late",
        filters=False,
        responses={200: PlanLateSerializer(many=True), 404: ErrorSerializer},
    )
    @action(detail=True, pagination_class=CursorPagination)
    def late(self, request: Request, pk: str, **_: Any) -> Response:
        """Return the demands that will be served late, and the product that is the reason."""
        run = self._run_with_rows()
        rows = self._page(PlanLate.objects.filter(run=run).select_related("product", "cause").order_by("-id"))
        names = names_of({(row.reference_type, row.reference_id, 0) for row in rows})
        return self.get_paginated_response(PlanLateSerializer(rows, many=True, context={"names": names}).data)

    @extend_schema(
        request=FirmSerializer,
        responses={
            201: FirmOrderSerializer(many=True),
            400: ErrorSerializer,
            404: ErrorSerializer,
            409: ErrorSerializer,
        },
        filters=False,
    )
    @action(detail=True, methods=["post"], pagination_class=None)
    @idempotent()
    def firm(self, request: Request, pk: str, **_: Any) -> Response:
        """Decide on planned orders of the newest run: the next runs take them as given."""
        given = FirmSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        rows = self._chosen(given.validated_data)
        decided = mrp.firm(rows, **_terms(given.validated_data), actor=acting_user(request))
        found = _firm_rows().filter(pk__in=[order.pk for order in decided]).order_by("id")
        return Response(FirmOrderSerializer(found, many=True).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        request=ChosenSerializer,
        responses={201: ReleasedSerializer, 400: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer},
        filters=False,
    )
    @action(detail=True, methods=["post"])
    @idempotent()
    def release(self, request: Request, pk: str, **_: Any) -> Response:
        """Make drafts of planned orders of the newest run: purchase orders by vendor, production orders for stock."""
        given = ChosenSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        rows = self._chosen(given.validated_data)
        for permission in release_permissions(row.kind for row in rows):
            allow(acting_user(request), permission)
        return _released(mrp.release(rows, actor=acting_user(request)))

    def _run_with_rows(self) -> MRPRun:
        run = self.get_object()
        if not run.has_rows:
            raise NoPlan(f"Of {run.number} only the figures are kept.", details={"id": run.pk})
        return run

    def _chosen(self, given: dict[str, Any]) -> list[PlannedOrder]:
        pks = set(given["planned_orders"])
        rows = list(PlannedOrder.objects.filter(run=self.get_object(), pk__in=pks).order_by("id"))
        missing = sorted(pks - {row.pk for row in rows})
        if missing:
            raise NotFound("A planned order is not of this run.", details={"planned_orders": missing})
        return rows

    def _page(self, rows: QuerySet[Any]) -> list[Any]:
        return list(self.paginate_queryset(rows) or [])


class FirmOrderViewSet(
    PermittedMixin, VersionedMixin, mixins.ListModelMixin, mixins.RetrieveModelMixin, GenericViewSet[FirmOrder]
):
    """Planned orders that somebody decided on, the latest first; by id or number."""

    model = FirmOrder
    serializer_class = FirmOrderSerializer
    lookup_value_regex = r"[^/]+"
    queryset = FirmOrder.objects.select_related("product", "vendor", "production_order", "purchase_order").order_by(
        "-id"
    )
    filterset_fields: ClassVar = ["status", "kind", "product", "product__sku", "vendor"]
    search_fields: ClassVar = ["number", "product__sku", "why"]
    acts: ClassVar = {"partial_update": "change_firmorder", "release": "release_firmorder", "drop": "drop_firmorder"}

    def get_object(self) -> FirmOrder:
        """Return the order that the path names."""
        found = by_key(self.get_queryset(), str(self.kwargs["pk"]), ("pk", "number"))
        if found is None:
            raise NotFound(details={"id": self.kwargs["pk"]})
        order: FirmOrder = found
        return order

    def _answer(self, order: FirmOrder) -> Response:
        return Response(FirmOrderSerializer(self.get_queryset().get(pk=order.pk)).data)

    @extend_schema(
        request=TermsSerializer,
        responses={200: FirmOrderSerializer, 400: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer},
    )
    def partial_update(self, request: Request, pk: str, **_: Any) -> Response:
        """Change quantity, day or vendor, as long as it is not released."""
        given = TermsSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        order = self.get_object()
        order.check_version(expected_version(request))
        return self._answer(mrp.change_firm_order(order, **_terms(given.validated_data), actor=acting_user(request)))

    @extend_schema(request=None, responses={201: ReleasedSerializer, 404: ErrorSerializer, 409: ErrorSerializer})
    @action(detail=True, methods=["post"])
    @idempotent()
    def release(self, request: Request, pk: str, **_: Any) -> Response:
        """Make the draft order of it."""
        order = self.get_object()
        for permission in release_permissions([order.kind]):
            allow(acting_user(request), permission)
        return _released(mrp.release([order], actor=acting_user(request)))

    @extend_schema(
        request=ApplySerializer, responses={200: FirmOrderSerializer, 404: ErrorSerializer, 409: ErrorSerializer}
    )
    @action(detail=True, methods=["post"])
    @idempotent()
    def drop(self, request: Request, pk: str, **_: Any) -> Response:
        """Give it up: planning proposes again what is needed."""
        given = ApplySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        order = self.get_object()
        return self._answer(mrp.drop(order, reason=given.validated_data["reason"], actor=acting_user(request)))


class PlanMessageViewSet(GenericViewSet[PlanMessage]):
    """Messages of the newest run."""

    queryset = PlanMessage.objects.select_related("product").order_by("id")
    serializer_class = PlanMessageSerializer

    def get_permissions(self) -> Sequence[BasePermission]:
        return [IsAuthenticated(), requires("production.view_planmessage")()]

    @extend_schema(
        request=ApplySerializer,
        responses={200: PlanMessageSerializer, 403: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer},
    )
    @action(detail=True, methods=["post"])
    @idempotent()
    def apply(self, request: Request, pk: str, **_: Any) -> Response:
        """Do what it says: cancel the open order, or move it to the day."""
        given = ApplySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        message = by_key(self.get_queryset(), pk, ("pk",))
        if message is None:
            raise NotFound(details={"id": pk})
        allow(acting_user(request), message_permission(message))
        mrp.apply_message(message, reason=given.validated_data["reason"], actor=acting_user(request))
        return Response(PlanMessageSerializer(message, context={"names": message_names([message])}).data)
