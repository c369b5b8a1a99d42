"""`/quotes/{id}/compare` and `/quotes/{id}/pdf`: a quote beside what it could be, and on paper."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from blb3d.accounts.actor import actor_of
from blb3d.core.api.serializers import ErrorSerializer
from blb3d.core.errors import NotFound
from quotes import selectors
from quotes.api.access import MaySee
from quotes.models import Quote
from quotes.services.comparison import Comparison, Variant, compare_quote
from quotes.services.documents import quote_pdf

QUOTE_ID = OpenApiParameter("quote_id", str, OpenApiParameter.PATH, description="The quote's id or number.")
PRICE = {"max_digits": 12, "decimal_places": 2, "allow_null": True}


class VariantSerializer(serializers.Serializer[Variant]):
    """The quote otherwise; `problem` says why there is no price."""

    material_type = serializers.CharField()
    color = serializers.CharField(source="color_name")
    quality = serializers.CharField()
    quantity = serializers.IntegerField()
    is_current = serializers.BooleanField()
    unit_price = serializers.DecimalField(**PRICE)
    total_price = serializers.DecimalField(**PRICE)
    ready_by = serializers.DateField(allow_null=True)
    problem = serializers.CharField()


class ComparisonSerializer(serializers.Serializer[Comparison]):
    """Materials in each quality at the quote's quantity, and quantities of the quote as it is."""

    materials = serializers.ListField(child=VariantSerializer(many=True))
    quantities = VariantSerializer(many=True)
    is_complete = serializers.BooleanField(help_text="False: time ran out; ask again for the rest.")


class QuoteView(APIView):
    """Finds the quote that the path names, for who may see it."""

    permission_classes = (MaySee,)

    def quote(self, quote_id: str) -> Quote:
        found = selectors.named(selectors.for_user(actor_of(self.request)), quote_id)
        if found is None:
            raise NotFound
        return found


class CompareView(QuoteView):
    @extend_schema(
        operation_id="quotes_compare",
        parameters=[QUOTE_ID],
        responses={200: ComparisonSerializer, 404: ErrorSerializer, 409: ErrorSerializer},
    )
    def get(self, request: Request, quote_id: str, **_: Any) -> Response:
        """Return what the quote would cost in other materials, qualities and quantities; nothing is saved."""
        return Response(ComparisonSerializer(compare_quote(self.quote(quote_id))).data)


class PdfView(QuoteView):
    @extend_schema(
        operation_id="quotes_pdf",
        parameters=[QUOTE_ID],
        responses={(200, "application/pdf"): OpenApiTypes.BINARY, 404: ErrorSerializer, 409: ErrorSerializer},
    )
    def get(self, request: Request, quote_id: str, **_: Any) -> HttpResponse:
        """Return the quote as PDF."""
        quote = self.quote(quote_id)
        return HttpResponse(
            quote_pdf(quote),
            content_type="application/pdf",
            headers={"Content-Disposition": f'inline; filename="{quote.quote_number}.pdf"'},
        )
