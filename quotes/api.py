"""`/quotes` and `/sales-orders/convert`: from a file to a price, and from an accepted price to an order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.urls import URLPattern
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView
from rest_framework.viewsets import GenericViewSet

from blb3d.accounts.actor import actor_of
from blb3d.accounts.models import User
from blb3d.core.api.idempotency import idempotent
from blb3d.core.api.routers import BothSlashRouter, both_slashes
from blb3d.core.api.schema import IDEMPOTENCY_KEY
from blb3d.core.api.serializers import ErrorSerializer, StrictSerializer
from blb3d.core.api.throttles import DefaultThrottle, QuoteAddressThrottle, QuoteThrottle
from blb3d.core.api.versions import VersionedMixin, expected_version
from blb3d.core.errors import InvalidValue, NotFound
from blb3d.core.lifecycle import allow
from blb3d.core.middleware import client_ip
from quotes import selectors
from quotes import services as quotes
from quotes.lifecycles import QUOTE
from quotes.models import Quote, QuoteApproval, QuoteFile, QuoteMaterial, QuotePart
from sales import selectors as sales
from sales.api.orders import AddressedSerializer, address_from
from sales.api.shown import OrderShown, order_shown
from sales.models import Customer
from sales.pricing import MAX_QUANTITY


class MaySee(IsAuthenticated):
    """Customers see their company's quotes; staff and machines need the permission to view them."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if not super().has_permission(request, view):
            return False
        return not request.user.is_staff or request.user.has_perm("quotes.view_quote")


# --- What is shown --------------------------------------------------------------------------------------------------


class PartShown(serializers.ModelSerializer[QuotePart]):
    """A part found in a file; sizes in mm, volume in cm3."""

    class Meta:
        model = QuotePart
        fields = ("name", "quantity", "volume_cm3", "size_x_mm", "size_y_mm", "size_z_mm", "is_watertight")


class FileShown(serializers.ModelSerializer[QuoteFile]):
    """A file of a quote and the parts in it."""

    file_name = serializers.CharField(source="original_filename")
    parts = PartShown(many=True)
    warnings = serializers.SerializerMethodField()

    class Meta:
        model = QuoteFile
        fields = ("id", "file_name", "size_bytes", "sha256", "mime_type", "format", "warnings", "parts")

    def get_warnings(self, file: QuoteFile) -> list[str]:
        """Return what the customer should know of the file."""
        warnings: list[str] = file.geometry.get("warnings", [])
        return warnings


class MaterialShown(serializers.ModelSerializer[QuoteMaterial]):
    """A filament, grams per set; ``sku`` once it is chosen."""

    sku = serializers.CharField(source="material.sku", default=None, allow_null=True)

    class Meta:
        model = QuoteMaterial
        fields = ("position", "material_type", "color_hex", "grams", "sku")


class ApprovalShown(serializers.ModelSerializer[QuoteApproval]):
    """A rule that the quote hit; for staff."""

    level = serializers.IntegerField(source="approval_level")
    rule = serializers.CharField(source="required_when")
    approver = serializers.CharField(source="approver.email", default=None, allow_null=True)

    class Meta:
        model = QuoteApproval
        fields = ("level", "rule", "status", "approver", "approved_date", "comments")


class PriceLineShown(serializers.Serializer[Any]):
    """A line of the price."""

    key = serializers.CharField()
    label = serializers.CharField()
    amount = serializers.CharField()


class EstimateShown(serializers.Serializer[Any]):
    """Who estimated it, the half width of the interval in percent, and why better methods did not answer."""

    method = serializers.CharField(source="estimate_method")
    confidence = serializers.DecimalField(source="estimate_confidence", max_digits=6, decimal_places=2)
    fallback_reason = serializers.CharField()
    sets_per_plate = serializers.IntegerField(source="parts_per_plate")


class QuoteShown(serializers.ModelSerializer[Quote]):
    """A quote; ``material_grams`` and ``print_time_minutes`` are per set."""

    customer_id = serializers.IntegerField(allow_null=True)
    sales_order_id = serializers.IntegerField(allow_null=True)
    product_id = serializers.IntegerField(allow_null=True)
    color = serializers.CharField(source="color_name")
    files = FileShown(many=True)
    materials = MaterialShown(many=True)
    price_breakdown = PriceLineShown(source="price_lines", many=True)
    estimate = EstimateShown(source="*")
    approvals = serializers.SerializerMethodField()
    available_actions = serializers.SerializerMethodField()

    class Meta:
        model = Quote
        fields = (
            "id",
            "quote_number",
            "status",
            "customer_id",
            "product_name",
            "material_type",
            "color",
            "color_hex",
            "quality",
            "infill_percent",
            "finish",
            "rush",
            "quantity",
            "special_instructions",
            "customer_po_number",
            "material_grams",
            "print_time_minutes",
            "unit_price",
            "subtotal",
            "tax",
            "total_price",
            "currency",
            "price_breakdown",
            "estimate",
            "files",
            "materials",
            "processing_note",
            "review_message",
            "approvals",
            "sales_order_id",
            "product_id",
            "created_at",
            "submitted_at",
            "accepted_at",
            "expires_at",
            "version",
            "available_actions",
        )

    @extend_schema_field(ApprovalShown(many=True))
    def get_approvals(self, quote: Quote) -> list[Any]:
        """Return why the quote is reviewed and by whom, to staff."""
        if not self.context["user"].is_staff:
            return []
        return ApprovalShown(quote.approvals.all(), many=True).data

    def get_available_actions(self, quote: Quote) -> list[str]:
        """Return what the caller can do with the quote now."""
        return actions_of(quote, self.context["user"])


def actions_of(quote: Quote, user: User) -> list[str]:
    """Return the steps that this user may take now."""
    steps = [step.name for step in QUOTE.available(quote, user, as_customer=not user.is_staff)]
    if quote.has_expired:
        steps = [name for name in steps if name not in ("accept", "submit")]
    if user.is_staff and quote.status in (Quote.Status.DRAFT, Quote.Status.PENDING):
        steps += ["reprice"] if user.has_perm("quotes.reprice_quote") else []
    return steps


# --- What is sent ---------------------------------------------------------------------------------------------------


class WishesSerializer(StrictSerializer):
    """What a customer may choose."""

    material_type = serializers.CharField(max_length=20)
    color = serializers.CharField(max_length=60, required=False, allow_blank=True)
    quantity = serializers.IntegerField(min_value=1, max_value=MAX_QUANTITY)
    quality = serializers.ChoiceField(choices=Quote.Quality.choices, required=False)
    infill_percent = serializers.IntegerField(min_value=0, max_value=100, required=False)
    finish = serializers.ChoiceField(choices=Quote.Finish.choices, required=False)
    rush = serializers.ChoiceField(choices=Quote.Rush.choices, required=False)
    product_name = serializers.CharField(max_length=200, required=False)
    special_instructions = serializers.CharField(max_length=5000, required=False, allow_blank=True)
    customer_po_number = serializers.CharField(max_length=60, required=False, allow_blank=True)


class OptionalBooleanField(serializers.BooleanField):
    """A yes or no whose default also holds where a form leaves it out, which is else taken for a no."""

    default_empty_html = serializers.empty


class NewQuoteSerializer(WishesSerializer):
    files = serializers.ListField(
        child=serializers.FileField(allow_empty_file=True), help_text="One or many model files."
    )
    submit = OptionalBooleanField(default=True, help_text="Off: the quote stays a draft that can be changed.")
    customer_id = serializers.IntegerField(required=False, help_text="Staff only: for whom the quote is.")


class PaymentSerializer(StrictSerializer):
    method = serializers.CharField(max_length=30, help_text="card, or bank_transfer")
    token = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)


class AcceptSerializer(AddressedSerializer):
    kinds = ("shipping", "billing")
    customer_po_number = serializers.CharField(max_length=60, required=False, default="", allow_blank=True)
    payment = PaymentSerializer(required=False)


class ConvertSerializer(AddressedSerializer):
    kinds = ("shipping", "billing")
    customer_po_number = serializers.CharField(max_length=60, required=False, default="", allow_blank=True)


class OptionalReasonSerializer(StrictSerializer):
    reason = serializers.CharField(max_length=1000, required=False, default="", allow_blank=True)


class CommentsSerializer(StrictSerializer):
    comments = serializers.CharField(max_length=1000, required=False, default="", allow_blank=True)


class QuoteFilter(filters.FilterSet):
    needs_review = filters.BooleanFilter(method="by_review", label="Waits for a person's review")
    created_from = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = Quote
        fields = ("status", "material_type", "customer", "customer_po_number")

    def by_review(self, rows: QuerySet[Quote], name: str, value: bool) -> QuerySet[Quote]:
        """Choose the quotes under review, or all others."""
        return rows.filter(status=Quote.Status.PENDING) if value else rows.exclude(status=Quote.Status.PENDING)


_ANSWERS: dict[int, Any] = {
    200: QuoteShown,
    400: ErrorSerializer,
    403: ErrorSerializer,
    404: ErrorSerializer,
    409: ErrorSerializer,
}


class QuoteViewSet(VersionedMixin, mixins.ListModelMixin, GenericViewSet[Quote]):
    """Quotes: a company's own, all of them for staff. A quote number stands for its id."""

    serializer_class = QuoteShown
    queryset = Quote.objects.none()
    permission_classes = (MaySee,)
    lookup_value_regex = r"[^/.]+"
    filterset_class = QuoteFilter
    search_fields: ClassVar = ["quote_number", "product_name", "customer_po_number", "customer__name"]
    ordering_fields: ClassVar = ["created_at", "total_price", "expires_at", "quote_number"]

    def get_queryset(self) -> QuerySet[Quote]:
        if getattr(self, "swagger_fake_view", False):
            return Quote.objects.none()
        rows = selectors.for_user(actor_of(self.request))
        return rows.prefetch_related("files__parts", "materials__material", "approvals__approver")

    def get_object(self) -> Quote:
        quote = selectors.named(self.get_queryset(), self.kwargs["pk"])
        if quote is None:
            raise NotFound
        return quote

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "user": self.request.user}

    def get_throttles(self) -> list[BaseThrottle]:
        if self.action == "create":
            return [DefaultThrottle(), QuoteThrottle(), QuoteAddressThrottle()]
        return super().get_throttles()

    @extend_schema(responses={200: QuoteShown, 404: ErrorSerializer})
    def retrieve(self, request: Request, **_: Any) -> Response:
        """Return a quote; ``processing_note`` tells how far a draft is."""
        return self._shown(self.get_object())

    @extend_schema(
        parameters=[IDEMPOTENCY_KEY],
        request={"multipart/form-data": NewQuoteSerializer},
        responses={201: QuoteShown, 202: QuoteShown, 400: ErrorSerializer, 422: ErrorSerializer, 429: ErrorSerializer},
    )
    def create(self, request: Request, **_: Any) -> Response:
        """Price files: 201 with the price, or 202 with a draft whose large files are being read.

        The files are looked at and logged before the transaction that an Idempotency-Key spans.
        """
        given = self._given(NewQuoteSerializer)
        actor = actor_of(request)
        files = quotes.Upload.of(given.pop("files"))
        wanted = quotes.QuoteRequest(
            files=files,
            user=None if actor.is_staff else actor,
            customer=self._customer(given, actor),
            ip_address=client_ip(request._request),
            **{name: value for name, value in given.items() if name != "customer_id"},
        )
        return self._write(request, quotes.check_request(wanted, actor=actor))

    @idempotent()
    def _write(self, request: Request, checked: quotes.CheckedRequest) -> Response:
        quote = quotes.write_quote(checked, actor=actor_of(request))
        return self._shown(quote, status.HTTP_201_CREATED if checked.is_read else status.HTTP_202_ACCEPTED)

    @extend_schema(request=WishesSerializer, responses=_ANSWERS)
    def partial_update(self, request: Request, **_: Any) -> Response:
        """Change a draft; it is priced again."""
        quote = self.get_object()
        serializer = WishesSerializer(data=request.data, partial=True)
        serializer.is_valid(raise_exception=True)
        version = expected_version(request)
        return self._shown(
            quotes.update_quote(quote, actor=actor_of(request), version=version, **serializer.validated_data)
        )

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=AcceptSerializer, responses={**_ANSWERS, 402: ErrorSerializer})
    @action(detail=True, methods=["patch", "post"])
    def accept(self, request: Request, **_: Any) -> Response:
        """Accept a quote; with an address here or on file it is ordered, with ``payment`` also paid. Repeatable.

        A declined payment is 402 PAYMENT_001: the order stands and waits for another token.
        """
        given = self._given(AcceptSerializer)
        quote = self.get_object()
        self._accept(request, quote, given)
        payment = given.get("payment")
        if payment is not None:
            quotes.pay_quote(quote, payment=quotes.PaymentOrder(**payment), actor=actor_of(request))
        return self._shown(self.get_object())

    @idempotent()
    def _accept(self, request: Request, quote: Quote, given: dict[str, Any]) -> Response:
        quotes.take_acceptance(
            quote,
            actor=actor_of(request),
            shipping=address_from(given, "shipping"),
            billing=address_from(given, "billing"),
            customer_po_number=given["customer_po_number"],
            version=expected_version(request),
        )
        return Response({"id": quote.pk})

    @extend_schema(request=OptionalReasonSerializer, responses=_ANSWERS)
    @action(detail=True, methods=["patch", "post"])
    def reject(self, request: Request, **_: Any) -> Response:
        """Turn a quote down."""
        return self._with_reason(quotes.reject_quote)

    @extend_schema(request=OptionalReasonSerializer, responses=_ANSWERS)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, **_: Any) -> Response:
        """Take a quote back."""
        return self._with_reason(quotes.cancel_quote)

    @extend_schema(request=None, responses=_ANSWERS)
    @action(detail=True, methods=["post"])
    def submit(self, request: Request, **_: Any) -> Response:
        """Ask for a draft's price to be given."""
        quote = self._seen()
        return self._shown(quotes.submit_quote(quote, actor=actor_of(request)))

    @extend_schema(request=CommentsSerializer, responses=_ANSWERS)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, **_: Any) -> Response:
        """Give the price after review; staff only."""
        given = self._given(CommentsSerializer)
        quote = self._seen()
        return self._shown(quotes.approve_quote(quote, comments=given["comments"], actor=actor_of(request)))

    @extend_schema(request=OptionalReasonSerializer, responses=_ANSWERS)
    @action(detail=True, methods=["post"], url_path="request-changes")
    def request_changes(self, request: Request, **_: Any) -> Response:
        """Ask the customer for a change; staff only."""
        return self._with_reason(quotes.request_changes)

    @extend_schema(request=None, responses=_ANSWERS)
    @action(detail=True, methods=["post"])
    def reprice(self, request: Request, **_: Any) -> Response:
        """Price a draft or a quote under review by today's rules; staff only."""
        quote = self._seen()
        return self._shown(quotes.price_quote(quote, actor=actor_of(request)))

    def _given(self, serializer_class: type[serializers.Serializer[Any]]) -> dict[str, Any]:
        serializer = serializer_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data  # type: ignore[no-any-return]

    def _seen(self) -> Quote:
        """Return the quote if it still is as the caller saw it."""
        quote = self.get_object()
        quote.check_version(expected_version(self.request))
        return quote

    def _with_reason(self, verb: Callable[..., Quote]) -> Response:
        given = self._given(OptionalReasonSerializer)
        return self._shown(verb(self._seen(), reason=given["reason"], actor=actor_of(self.request)))

    def _customer(self, given: dict[str, Any], actor: User) -> Customer | None:
        if "customer_id" not in given:
            member = sales.membership_of(actor)
            return member.customer if member is not None else None
        allow(actor, "quotes.add_quote")
        customer = Customer.objects.filter(pk=given["customer_id"], is_active=True).first()
        if customer is None:
            raise InvalidValue("There is no such customer.", details={"field": "customer_id"})
        return customer

    def _shown(self, quote: Quote, code: int = status.HTTP_200_OK) -> Response:
        fresh = self.get_queryset().filter(pk=quote.pk).first() or quote
        return Response(self.get_serializer(fresh).data, status=code)


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


_router = BothSlashRouter()
_router.register("quotes", QuoteViewSet, basename="quote")

urlpatterns: list[URLPattern] = [
    both_slashes(r"sales-orders/convert/(?P<quote_id>[^/.]+)", ConvertView.as_view(), "sales-order-convert"),
    *_router.urls,
]
