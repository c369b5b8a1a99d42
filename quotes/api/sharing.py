"""`/quotes/{id}/shares`: the links by which a quote is read without an account."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from blb3d.accounts.actor import actor_of
from blb3d.core.api.serializers import ErrorSerializer
from blb3d.core.errors import NotFound
from blb3d.core.letters import address_of
from quotes import services as quotes
from quotes.api.papers import QUOTE_ID, QuoteView
from quotes.models import QuoteShare
from quotes.services.sharing import live_shares


class ShareShown(serializers.ModelSerializer[QuoteShare]):
    """A link that is good now; its address is told only when it is made."""

    class Meta:
        model = QuoteShare
        fields = ("id", "created_at", "expires_at", "times_opened", "last_opened_at")


class ShareMade(ShareShown):
    """The link that was made."""

    url = serializers.CharField(read_only=True, help_text="Shown this once: it is kept nowhere.")

    class Meta(ShareShown.Meta):
        fields = (*ShareShown.Meta.fields, "url")  # type: ignore[assignment]


class SharesView(QuoteView):
    @extend_schema(
        operation_id="quotes_shares_list",
        parameters=[QUOTE_ID],
        responses={200: ShareShown(many=True), 404: ErrorSerializer},
    )
    def get(self, request: Request, quote_id: str, **_: Any) -> Response:
        """Return the links of the quote that are good now, the newest first."""
        return Response(ShareShown(live_shares(self.quote(quote_id)), many=True).data)

    @extend_schema(
        operation_id="quotes_shares_create",
        parameters=[QUOTE_ID],
        request=None,
        responses={201: ShareMade, 404: ErrorSerializer, 409: ErrorSerializer},
    )
    def post(self, request: Request, quote_id: str, **_: Any) -> Response:
        """Make a link, good as long as the price is."""
        share, token = quotes.share_quote(self.quote(quote_id), actor=actor_of(request))
        body = {**ShareShown(share).data, "url": address_of(f"/shared/{token}/")}
        return Response(body, status=status.HTTP_201_CREATED)


class ShareView(QuoteView):
    @extend_schema(
        operation_id="quotes_shares_delete",
        parameters=[QUOTE_ID, OpenApiParameter("share_id", int, OpenApiParameter.PATH, description="The link's id.")],
        responses={204: None, 404: ErrorSerializer},
    )
    def delete(self, request: Request, quote_id: str, share_id: int, **_: Any) -> Response:
        """Take a link back."""
        share = self.quote(quote_id).shares.filter(pk=share_id).first()
        if share is None:
            raise NotFound
        quotes.revoke_share(share, actor=actor_of(request))
        return Response(status=status.HTTP_204_NO_CONTENT)
