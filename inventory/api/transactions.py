"""`/inventory/transactions`: the ledger, and movements told by staff and machines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from blb3d.core.api.idempotency import idempotent
from blb3d.core.api.lists import PlainListMixin
from blb3d.core.api.pagination import CursorPagination
from blb3d.core.api.permissions import requires
from blb3d.core.api.serializers import ErrorSerializer, StrictSerializer
from blb3d.core.errors import InvalidValue
from blb3d.core.numbering import next_number
from blb3d.core.units import convert
from inventory import services as inventory
from inventory.api.base import QUANTITY
from inventory.models import (
    InventoryLocation,
    InventoryTransaction,
    MaterialLot,
    Product,
    Reference,
    Vendor,
)
from inventory.selectors import (
    default_location,
)
from inventory.services.ledger import require_lot_of

Kind = InventoryTransaction.Kind


class TransactionSerializer(serializers.ModelSerializer[InventoryTransaction]):
    product_sku = serializers.CharField(source="product.sku")
    location = serializers.CharField(source="location.code")
    lot_number = serializers.CharField(source="lot.lot_number", default=None)
    created_by = serializers.CharField(source="created_by.email")

    class Meta:
        model = InventoryTransaction
        fields = (
            "id",
            "transaction_type",
            "product_id",
            "product_sku",
            "location",
            "lot_number",
            "quantity",
            "on_hand_change",
            "allocated_change",
            "unit_cost",
            "value_change",
            "reference_type",
            "reference_id",
            "reverses_id",
            "reason",
            "transaction_date",
            "created_by",
        )


class MovementSerializer(StrictSerializer):
    """A movement told by staff or a machine."""

    transaction_type = serializers.ChoiceField(
        choices=[Kind.RECEIPT, Kind.CONSUMPTION, Kind.ADJUSTMENT, Kind.SCRAP, Kind.TRANSFER]
    )
    product_sku = serializers.CharField(max_length=60)
    quantity = serializers.DecimalField(**QUANTITY, help_text="Signed for adjustments, else above 0.")
    unit = serializers.CharField(max_length=6, required=False, help_text="g, kg, each ...; else the stock unit.")
    location = serializers.CharField(
        max_length=40, required=False, help_text="Code; else the default. Consumption takes lots first in first out."
    )
    target_location = serializers.CharField(max_length=40, required=False, help_text="For transfers.")
    lot_number = serializers.CharField(max_length=100, required=False)
    unit_cost = serializers.DecimalField(
        max_digits=12, decimal_places=4, min_value=Decimal(0), required=False, help_text="Per stock unit, for receipts."
    )
    vendor = serializers.CharField(max_length=40, required=False, help_text="Code, for receipts of lots.")
    reference_type = serializers.ChoiceField(choices=Reference.choices, default=Reference.MANUAL)
    reference_id = serializers.CharField(max_length=64, required=False)
    notes = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class BookedSerializer(serializers.Serializer[Any]):
    location = serializers.CharField()
    lot_number = serializers.CharField(allow_null=True)
    quantity = serializers.DecimalField(**QUANTITY, help_text="Change of what is on hand.")


class MovementAnswerSerializer(serializers.Serializer[Any]):
    transaction_type = serializers.CharField()
    product_sku = serializers.CharField()
    unit = serializers.CharField()
    reference_type = serializers.CharField()
    reference_id = serializers.CharField(allow_null=True)
    quantity = serializers.DecimalField(**QUANTITY, help_text="Sum of what was booked, signed.")
    booked = BookedSerializer(many=True)


@dataclass(frozen=True)
class Told:
    """A movement as told, with its codes looked up; ``quantity`` is in the product's stock unit."""

    product: Product
    quantity: Decimal
    location: InventoryLocation | None
    target: InventoryLocation | None
    lot: MaterialLot | None
    vendor: Vendor | None
    data: dict[str, Any]

    @property
    def place(self) -> InventoryLocation:
        """Return the location named, else the default."""
        return self.location or default_location()

    @property
    def reference(self) -> tuple[str, int | None]:
        """Return what it is for."""
        number = self.data.get("reference_id")
        if number is None:
            return self.data["reference_type"], None
        if not number.isdecimal():
            raise InvalidValue("reference_id is the number of a document.", details={"field": "reference_id"})
        return self.data["reference_type"], int(number)


Booked = tuple[int, int | None, Decimal]


class TransactionViewSet(PlainListMixin, mixins.ListModelMixin, GenericViewSet[InventoryTransaction]):
    """The ledger, the latest first; and movements told by staff and machines."""

    queryset = InventoryTransaction.objects.select_related("product", "location", "lot", "created_by")
    serializer_class = TransactionSerializer
    pagination_class = CursorPagination
    filterset_fields: ClassVar = [
        "product",
        "product__sku",
        "lot",
        "transaction_type",
        "reference_type",
        "reference_id",
    ]

    def get_permissions(self) -> Sequence[BasePermission]:
        verb = "add" if self.request.method == "POST" else "view"
        return [requires(f"inventory.{verb}_inventorytransaction")()]

    @extend_schema(
        operation_id="inventory_transactions_create",
        request=MovementSerializer,
        responses={201: MovementAnswerSerializer, 400: ErrorSerializer, 409: ErrorSerializer},
    )
    @idempotent()
    def create(self, request: Request, **_: Any) -> Response:
        """Book a movement.

        A consumption with a reference is the total that the document has used: telling it again corrects what is
        booked and never adds.
        """
        serializer = MovementSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        told = self._look_up(serializer.validated_data)
        book = getattr(self, f"book_{told.data['transaction_type']}")
        return Response(self._answer(told, book(told)), status=status.HTTP_201_CREATED)

    def _look_up(self, data: dict[str, Any]) -> Told:
        product = _named(Product.objects.filter(is_active=True), "sku", data, "product_sku", upper=True)
        assert product is not None
        receiving = data["transaction_type"] == Kind.RECEIPT
        unit = data.get("unit") or product.unit_of_measure
        return Told(
            product=product,
            quantity=convert(data["quantity"], unit, product.unit_of_measure),
            location=_named(InventoryLocation.objects.filter(is_active=True), "code", data, "location"),
            target=_named(InventoryLocation.objects.filter(is_active=True), "code", data, "target_location"),
            lot=None if receiving else _named(MaterialLot.objects.all(), "lot_number", data, "lot_number"),
            vendor=_named(Vendor.objects.filter(is_active=True), "code", data, "vendor"),
            data=data,
        )

    def book_receipt(self, told: Told) -> list[Booked]:
        """Receive a lot, or plain stock of a product that is not tracked."""
        cost = told.data.get("unit_cost", told.product.unit_cost)
        actor: Any = self.request.user
        number = told.data.get("lot_number", "")
        if number or told.product.is_lot_tracked:
            lot = inventory.receive_lot(
                told.product,
                lot_number=number or next_number("LOT"),
                quantity=told.quantity,
                unit_cost=cost,
                vendor=told.vendor,
                location=told.place,
                actor=actor,
            )
            return [(told.place.pk, lot.pk, lot.quantity_received)]
        reference_type, reference_id = told.reference
        row = inventory.receive_stock(
            told.product,
            quantity=told.quantity,
            unit_cost=cost,
            location=told.place,
            reference_type=reference_type,
            reference_id=reference_id,
            reason=told.data["notes"],
            actor=actor,
        )
        return [(row.location_id, row.lot_id, row.on_hand_change)]

    def book_consumption(self, told: Told) -> list[Booked]:
        """Book what a document has used in all, or one use that belongs to no document."""
        actor: Any = self.request.user
        reference_type, reference_id = told.reference
        if reference_id is not None:
            rows = inventory.report_consumption(
                told.product,
                quantity=told.quantity,
                reference_type=reference_type,
                reference_id=reference_id,
                lot=told.lot,
                actor=actor,
            )
        else:
            use = inventory.Use(
                told.product.pk,
                told.quantity,
                reference_type,
                None,
                lot_id=told.lot.pk if told.lot else None,
                reason=told.data["notes"],
            )
            require_lot_of(told.lot, told.product)
            rows = inventory.issue([use], kind=Kind.CONSUMPTION, actor=actor)
        return [(row.location_id, row.lot_id, -row.quantity) for row in rows]

    def book_adjustment(self, told: Told) -> list[Booked]:
        """Correct a balance."""
        row = inventory.adjust_stock(
            told.product,
            location=told.place,
            quantity_change=told.quantity,
            reason=told.data["notes"],
            lot=told.lot,
            actor=self.request.user,  # type: ignore[arg-type]
        )
        return [(row.location_id, row.lot_id, row.on_hand_change)]

    def book_scrap(self, told: Told) -> list[Booked]:
        """Throw stock away."""
        row = inventory.scrap_stock(
            told.product,
            location=told.place,
            quantity=told.quantity,
            reason=told.data["notes"],
            lot=told.lot,
            actor=self.request.user,  # type: ignore[arg-type]
        )
        return [(row.location_id, row.lot_id, row.on_hand_change)]

    def book_transfer(self, told: Told) -> list[Booked]:
        """Move stock to another location."""
        if told.target is None:
            raise InvalidValue("A transfer needs a target location.", details={"field": "target_location"})
        rows = inventory.transfer_stock(
            told.product,
            quantity=told.quantity,
            source=told.place,
            target=told.target,
            lot=told.lot,
            reason=told.data["notes"],
            actor=self.request.user,  # type: ignore[arg-type]
        )
        return [(row.location_id, row.lot_id, row.on_hand_change) for row in rows]

    def _answer(self, told: Told, booked: list[Booked]) -> dict[str, Any]:
        places = InventoryLocation.objects.in_bulk({place for place, _, _ in booked})
        lots = MaterialLot.objects.in_bulk({lot for _, lot, _ in booked if lot is not None})
        return dict(
            MovementAnswerSerializer(
                {
                    "transaction_type": told.data["transaction_type"],
                    "product_sku": told.product.sku,
                    "unit": told.product.unit_of_measure,
                    "reference_type": told.data["reference_type"],
                    "reference_id": told.data.get("reference_id"),
                    "quantity": sum((quantity for _, _, quantity in booked), Decimal(0)),
                    "booked": [
                        {
                            "location": places[place].code,
                            "lot_number": lots[lot].lot_number if lot is not None else None,
                            "quantity": quantity,
                        }
                        for place, lot, quantity in booked
                    ],
                }
            ).data
        )


def _named(rows: QuerySet[Any], column: str, data: dict[str, Any], field: str, *, upper: bool = False) -> Any:
    """Return the row that a field of the body names, or None when the body does not have it."""
    name = data.get(field)
    if name is None:
        return None
    found = rows.filter(**{column: name.strip().upper() if upper else name}).first()
    if found is None:
        raise InvalidValue(f"{field}: {name} is not known.", details={"fields": {field: [name]}})
    return found
