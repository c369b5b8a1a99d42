"""`/quotes`: from a file to a price, and what is said and decided until it is accepted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.viewsets import GenericViewSet

from blb3d.accounts.actor import actor_of
from blb3d.accounts.models import User
from blb3d.core.api.idempotency import idempotent
from blb3d.core.api.schema import IDEMPOTENCY_KEY
from blb3d.core.api.serializers import ErrorSerializer
from blb3d.core.api.throttles import DefaultThrottle, QuoteAddressThrottle, QuoteThrottle
from blb3d.core.api.versions import VersionedMixin, expected_version
from blb3d.core.errors import InvalidValue, NotFound
from blb3d.core.lifecycle import allow
from blb3d.core.middleware import client_ip
from quotes import selectors
from quotes import services as quotes
from quotes.api.access import MaySee
from quotes.api.asked import (
    AcceptSerializer,
    AskChangesSerializer,
    CommentSerializer,
    CommentsSerializer,
    NewQuoteSerializer,
    OfferSerializer,
    OptionalReasonSerializer,
    QuoteFilter,
    WishesSerializer,
)
from quotes.api.shown import (
    CommentShown,
    QuoteShown,
    comment_shown,
    comments_shown,
    quote_rows,
    quote_shown,
    quotes_shown,
)
from quotes.models import Quote
from sales import selectors as sales
from sales.api.orders import address_from
from sales.models import Customer

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
        return selectors.for_user(actor_of(self.request))

    def get_object(self) -> Quote:
        quote = selectors.named(self.get_queryset(), self.kwargs["pk"])
        if quote is None:
            raise NotFound
        return quote

    def get_throttles(self) -> list[BaseThrottle]:
        # What makes work for a person or mails somebody is not done by the hundred.
        if self.action in ("create", "requote", "ask_changes") or (
            self.action == "comments" and self.request.method == "POST"
        ):
            return [DefaultThrottle(), QuoteThrottle(), QuoteAddressThrottle()]
        return super().get_throttles()

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List quotes, the latest first."""
        page = self.paginate_queryset(quote_rows(self.filter_queryset(self.get_queryset())))
        return self.get_paginated_response(quotes_shown(page or [], actor_of(request)))

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

    @extend_schema(parameters=[IDEMPOTENCY_KEY], request=OfferSerializer, responses={**_ANSWERS, 422: ErrorSerializer})
    @action(detail=True, methods=["post"])
    @idempotent()
    def offer(self, request: Request, **_: Any) -> Response:
        """Offer another unit price; staff only. Who may not approve it leaves it to somebody who may."""
        given = self._given(OfferSerializer)
        return self._shown(quotes.offer_price(self._seen(), actor=actor_of(request), **given))

    @extend_schema(
        parameters=[IDEMPOTENCY_KEY], request=AskChangesSerializer, responses={**_ANSWERS, 422: ErrorSerializer}
    )
    @action(detail=True, methods=["post"], url_path="ask-changes")
    @idempotent()
    def ask_changes(self, request: Request, **_: Any) -> Response:
        """Ask for another price or another way; the quote goes back to review. For the quote's customer."""
        given = self._given(AskChangesSerializer)
        return self._shown(quotes.ask_for_changes(self._seen(), actor=actor_of(request), **given))

    @extend_schema(
        parameters=[IDEMPOTENCY_KEY],
        request=None,
        responses={201: QuoteShown, 403: ErrorSerializer, 404: ErrorSerializer, 409: ErrorSerializer},
    )
    @action(detail=True, methods=["post"])
    @idempotent()
    def requote(self, request: Request, **_: Any) -> Response:
        """Make a new draft with the files and wishes of an ended quote, at today's price."""
        new = quotes.requote(self.get_object(), actor=actor_of(request))
        return self._shown(new, status.HTTP_201_CREATED)

    @extend_schema(methods=["get"], responses={200: CommentShown(many=True), 404: ErrorSerializer}, filters=False)
    @extend_schema(
        methods=["post"],
        parameters=[IDEMPOTENCY_KEY],
        request=CommentSerializer,
        responses={201: CommentShown, 400: ErrorSerializer, 403: ErrorSerializer, 404: ErrorSerializer},
    )
    @action(detail=True, methods=["get", "post"], pagination_class=None)
    def comments(self, request: Request, **_: Any) -> Response:
        """Return what was said about a quote, the oldest first; or say something."""
        if request.method == "GET":
            return Response(comments_shown(self.get_object(), actor_of(request)))
        return self._comment(request)

    @idempotent()
    def _comment(self, request: Request) -> Response:
        given, actor = self._given(CommentSerializer), actor_of(request)
        comment = quotes.comment_on_quote(self.get_object(), actor=actor, **given)
        return Response(comment_shown(comment, actor), status=status.HTTP_201_CREATED)

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
        return Response(quote_shown(quote, actor_of(self.request)), status=code)
