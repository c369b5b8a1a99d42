"""`/quotes/{id}/files` and `/quotes/{id}/parts`: saving a file, naming its unit, and how many of each part."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from blb3d.accounts.actor import actor_of
from blb3d.core.api.serializers import ErrorSerializer, StrictSerializer
from blb3d.core.api.versions import VersionedMixin, expected_version
from blb3d.core.errors import InvalidValue, NotFound
from quotes import services as quotes
from quotes.api.papers import QUOTE_ID, QuoteView
from quotes.api.shown import QuoteShown, quote_shown
from quotes.downloads import file_response
from quotes.models import Quote, QuoteFile

_ANSWERS: dict[int, Any] = {
    200: QuoteShown,
    400: ErrorSerializer,
    403: ErrorSerializer,
    404: ErrorSerializer,
    409: ErrorSerializer,
}


_PATH = [QUOTE_ID, OpenApiParameter("file_id", int, OpenApiParameter.PATH, description="The file's id.")]


class PartQuantitySerializer(StrictSerializer):
    id = serializers.IntegerField()
    quantity = serializers.IntegerField(help_text="Pieces in a set; 0 leaves the part out.")


class PartQuantitiesSerializer(StrictSerializer):
    parts = PartQuantitySerializer(many=True, allow_empty=False)


class UnitSerializer(StrictSerializer):
    unit = serializers.ChoiceField(choices=["mm", "inch"], allow_blank=True, help_text="Empty takes our guess.")


class PartsView(VersionedMixin, QuoteView):
    @extend_schema(
        operation_id="quotes_parts", parameters=[QUOTE_ID], request=PartQuantitiesSerializer, responses=_ANSWERS
    )
    def patch(self, request: Request, quote_id: str, **_: Any) -> Response:
        """Set how many of its parts make a set of a draft; it is priced again."""
        quote, actor = self.quote(quote_id), actor_of(request)
        serializer = PartQuantitiesSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        rows = serializer.validated_data["parts"]
        wanted = {row["id"]: row["quantity"] for row in rows}
        if len(wanted) < len(rows):
            raise InvalidValue("A part is named twice.", details={"field": "parts"})
        quote = quotes.set_part_quantities(quote, wanted, actor=actor, version=expected_version(request))
        return Response(quote_shown(quote, actor))


class FileView(VersionedMixin, QuoteView):
    @extend_schema(
        operation_id="quotes_file",
        parameters=_PATH,
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY, 404: ErrorSerializer, 409: ErrorSerializer},
    )
    def get(self, request: Request, quote_id: str, file_id: str, **_: Any) -> HttpResponseBase:
        """Return a file as it was uploaded, for saving; from cloud storage, 302 to a link of short life."""
        return file_response(self._file(self.quote(quote_id), file_id), actor=actor_of(request))

    @extend_schema(operation_id="quotes_file_unit", parameters=_PATH, request=UnitSerializer, responses=_ANSWERS)
    def patch(self, request: Request, quote_id: str, file_id: str, **_: Any) -> Response:
        """Name the unit of a draft's STL file; it is read and the quote priced again."""
        quote, actor = self.quote(quote_id), actor_of(request)
        serializer = UnitSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        quotes.set_file_unit(
            self._file(quote, file_id),
            serializer.validated_data["unit"],
            actor=actor,
            version=expected_version(request),
        )
        quote.refresh_from_db()
        return Response(quote_shown(quote, actor))

    def _file(self, quote: Quote, file_id: str) -> QuoteFile:
        row = quote.files.select_related("quote__customer").filter(pk=file_id).first()
        if row is None:
            raise NotFound
        return row
