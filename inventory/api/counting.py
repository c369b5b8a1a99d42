"""`/inventory/cycle-counts`: sheets and their lines; on a blind one nobody is told what the books say."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

from django.db.models import Count, Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from blb3d.accounts.actor import actor_of
from blb3d.core.api.idempotency import idempotent
from blb3d.core.api.permissions import requires
from blb3d.core.api.serializers import ErrorSerializer, StrictSerializer
from blb3d.core.api.versions import VersionedMixin, expected_version
from blb3d.core.errors import InvalidValue, NotFound
from inventory import services as inventory
from inventory.api.base import QUANTITY, PermittedMixin
from inventory.models import CycleCount, CycleCountLine, InventoryLocation, MaterialLot, Product
from inventory.selectors.counting import may_see_books


class CycleCountSerializer(serializers.ModelSerializer[CycleCount]):
    location = serializers.CharField(source="location.code", default=None)
    lines = serializers.SerializerMethodField()
    counted = serializers.SerializerMethodField()
    submitted_by = serializers.CharField(source="submitted_by.email", default=None)
    approved_by = serializers.CharField(source="approved_by.email", default=None)

    class Meta:
        model = CycleCount
        reads = ("line_count", "counted_count")
        fields = (
            "id",
            "count_number",
            "status",
            "location",
            "abc_class",
            "is_blind",
            "notes",
            "lines",
            "counted",
            "variance_value",
            "started_at",
            "submitted_at",
            "submitted_by",
            "approved_at",
            "approved_by",
            "version",
        )

    def get_lines(self, count: Any) -> int:
        """Return how many lines the sheet has."""
        return int(count.line_count)

    def get_counted(self, count: Any) -> int:
        """Return how many of them are counted."""
        return int(count.counted_count)


class CountLineSerializer(serializers.ModelSerializer[CycleCountLine]):
    sku = serializers.CharField(source="product.sku")
    unit = serializers.CharField(source="product.unit_of_measure")
    location = serializers.CharField(source="location.code")
    lot_number = serializers.CharField(source="lot.lot_number", default=None)
    counted_by = serializers.CharField(source="counted_by.email", default=None)
    expected_quantity = serializers.SerializerMethodField(help_text="null while the sheet is blind.")
    book_quantity = serializers.SerializerMethodField(help_text="null while the sheet is blind.")
    variance = serializers.SerializerMethodField(help_text="null while the sheet is blind.")

    class Meta:
        model = CycleCountLine
        fields = (
            "position",
            "sku",
            "unit",
            "location",
            "lot_number",
            "is_found",
            "expected_quantity",
            "book_quantity",
            "counted_quantity",
            "variance",
            "counted_by",
            "counted_at",
            "note",
            "booked_quantity",
        )

    def _seen(self, value: Decimal | None) -> str | None:
        return None if value is None or not self.context["sees_books"] else str(value)

    def get_expected_quantity(self, line: CycleCountLine) -> str | None:
        """Return what the books said when the counting began."""
        return self._seen(line.expected_quantity)

    def get_book_quantity(self, line: CycleCountLine) -> str | None:
        """Return what the books said when it was counted."""
        return self._seen(line.book_quantity)

    def get_variance(self, line: CycleCountLine) -> str | None:
        """Return how much more or less was counted."""
        return self._seen(line.variance) if line.counted_quantity is not None else None


class NewCountSerializer(StrictSerializer):
    location = serializers.CharField(max_length=40, required=False, help_text="Code of a place; with all below it.")
    abc_class = serializers.ChoiceField(choices=["A", "B", "C"], required=False)
    skus = serializers.ListField(child=serializers.CharField(max_length=60), required=False, max_length=500)
    is_blind = serializers.BooleanField(default=True)
    notes = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class CountedSerializer(StrictSerializer):
    quantity = serializers.DecimalField(**QUANTITY, min_value=Decimal(0), help_text="In the stock unit.")
    note = serializers.CharField(max_length=200, required=False, allow_blank=True, default="")


class FoundSerializer(CountedSerializer):
    sku = serializers.CharField(max_length=60)
    location = serializers.CharField(max_length=40)
    lot_number = serializers.CharField(max_length=100, required=False)


class CountReasonSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")
    version = serializers.IntegerField(required=False)


_STEP = {"request": CountReasonSerializer, "responses": {200: CycleCountSerializer, 409: ErrorSerializer}}


class CycleCountViewSet(PermittedMixin, VersionedMixin, ReadOnlyModelViewSet[CycleCount]):
    """Cycle counts, the latest first."""

    model = CycleCount
    queryset = (
        CycleCount.objects.select_related("location", "submitted_by", "approved_by")
        .annotate(
            line_count=Count("lines"), counted_count=Count("lines", filter=Q(lines__counted_quantity__isnull=False))
        )
        .order_by("-id")
    )
    serializer_class = CycleCountSerializer
    filterset_fields: ClassVar = ["status", "count_number", "location__code", "abc_class"]
    search_fields: ClassVar = ["count_number", "notes"]
    acts: ClassVar = {
        "create": "add",
        "start": "start",
        "submit": "submit",
        "recount": "recount",
        "approve": "approve",
        "cancel": "cancel",
        "count": "count",
        "found": "count",
    }

    def get_permissions(self) -> list[BasePermission]:
        """Reading takes the view permission, each act its own."""
        if self.action in self.acts:
            return [requires(f"inventory.{self.acts[self.action]}_cyclecount")()]
        return list(super().get_permissions())

    @extend_schema(request=NewCountSerializer, responses={201: CycleCountSerializer, 400: ErrorSerializer})
    @idempotent()
    def create(self, request: Request, **_: Any) -> Response:
        """Draw up a sheet: a place, a class, some products, or what fits all of them."""
        given = _valid(NewCountSerializer, request)
        skus = {sku.strip().upper() for sku in given.get("skus", [])}
        products = list(Product.objects.filter(sku__in=skus))
        if len(products) != len(skus):
            missing = sorted(skus - {product.sku for product in products})
            raise NotFound("There is no such product.", details={"skus": missing})
        count = inventory.plan_count(
            location=_location(given["location"]) if given.get("location") else None,
            abc_class=given.get("abc_class", ""),
            products=products,
            is_blind=given["is_blind"],
            notes=given["notes"],
            actor=actor_of(request),
        )
        return self._answer(count, status.HTTP_201_CREATED)

    @extend_schema(responses={200: CountLineSerializer(many=True)}, filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def lines(self, request: Request, **_: Any) -> Response:
        """All lines of a sheet, up to 2000; what the books say is null on a blind sheet until it is counted."""
        count = self.get_object()
        return Response(CountLineSerializer(_lines(count), many=True, context=_context(count, request)).data)

    @extend_schema(**_STEP)
    @action(detail=True, methods=["post"])
    def start(self, request: Request, **_: Any) -> Response:
        """Begin to count: the sheet gets its lines."""
        return self._step(request, inventory.start_count, takes_reason=False)

    @extend_schema(**_STEP)
    @action(detail=True, methods=["post"])
    def submit(self, request: Request, **_: Any) -> Response:
        """Say that everything is counted; what is within tolerance is booked at once."""
        return self._step(request, inventory.submit_count, takes_reason=False)

    @extend_schema(**_STEP)
    @action(detail=True, methods=["post"])
    def recount(self, request: Request, **_: Any) -> Response:
        """Have what differs too much counted again."""
        return self._step(request, inventory.recount)

    @extend_schema(**_STEP)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, **_: Any) -> Response:
        """Book the differences; above tolerance by somebody who did not count."""
        return self._step(request, inventory.approve_count)

    @extend_schema(**_STEP)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, **_: Any) -> Response:
        """Give the sheet up, for a reason."""
        return self._step(request, inventory.cancel_count)

    @extend_schema(request=CountedSerializer, responses={200: CountLineSerializer, 409: ErrorSerializer})
    @action(detail=True, methods=["post"], url_path=r"lines/(?P<position>\d{1,5})/count")
    @idempotent()
    def count(self, request: Request, position: str, **_: Any) -> Response:
        """Count one line; counting again replaces it."""
        sheet = self.get_object()
        line = _lines(sheet).filter(position=int(position)).first()
        if line is None:
            raise NotFound("There is no such line on this sheet.", details={"position": int(position)})
        given = _valid(CountedSerializer, request)
        inventory.count_line(line, actor=actor_of(request), **given)
        return self._line(sheet, line.pk, request)

    @extend_schema(request=FoundSerializer, responses={200: CountLineSerializer, 409: ErrorSerializer})
    @action(detail=True, methods=["post"])
    @idempotent()
    def found(self, request: Request, **_: Any) -> Response:
        """Note something that lies there and is not on the sheet."""
        sheet = self.get_object()
        given = _valid(FoundSerializer, request)
        product = Product.objects.filter(sku=given["sku"].strip().upper()).first()
        if product is None:
            raise NotFound("There is no such product.", details={"sku": given["sku"]})
        lot = None
        if given.get("lot_number"):
            lot = MaterialLot.objects.filter(lot_number=given["lot_number"]).first()
            if lot is None:
                raise NotFound("There is no such lot.", details={"lot_number": given["lot_number"]})
        line = inventory.count_found(
            sheet,
            product=product,
            location=_location(given["location"]),
            lot=lot,
            quantity=given["quantity"],
            note=given["note"],
            actor=actor_of(request),
        )
        return self._line(sheet, line.pk, request)

    def _step(self, request: Request, verb: Callable[..., Any], *, takes_reason: bool = True) -> Response:
        given = _valid(CountReasonSerializer, request)
        count = self.get_object()
        count.check_version(expected_version(request))
        reason = {"reason": given["reason"]} if takes_reason else {}
        verb(count, actor=actor_of(request), **reason)
        return self._answer(count)

    def _answer(self, count: CycleCount, code: int = status.HTTP_200_OK) -> Response:
        return Response(CycleCountSerializer(self.get_queryset().get(pk=count.pk)).data, status=code)

    def _line(self, count: CycleCount, pk: int, request: Request) -> Response:
        row = _lines(count).get(pk=pk)
        return Response(CountLineSerializer(row, context=_context(count, request)).data)


def _lines(count: CycleCount) -> QuerySet[CycleCountLine]:
    rows = CycleCountLine.objects.filter(cycle_count=count)
    return rows.select_related("product", "location", "lot", "counted_by").order_by("position")


def _context(count: CycleCount, request: Request) -> dict[str, Any]:
    return {"sees_books": may_see_books(count, request.user)}


def _location(code: str) -> InventoryLocation:
    place = InventoryLocation.objects.filter(code=code).first()
    if place is None:
        raise InvalidValue("There is no such place.", details={"field": "location", "value": code[:40]})
    return place


def _valid(serializer_class: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    serializer = serializer_class(data=request.data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)
