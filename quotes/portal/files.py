"""A quote's files: never a public address, always through who may see the quote."""

from __future__ import annotations

from django.http import FileResponse, HttpRequest, HttpResponseBase
from django.views.decorators.http import require_GET

from blb3d.core.errors import NotFound
from quotes.downloads import file_response, preview_response
from quotes.models import QuoteFile
from quotes.portal.visits import actor_for, quote_of
from sales.portal.base import page


def _file(request: HttpRequest, pk: int, file_id: int) -> QuoteFile:
    row = quote_of(request, pk).files.filter(pk=file_id).first()
    if row is None:
        raise NotFound
    return row


@require_GET
@page
def download(request: HttpRequest, pk: int, file_id: int) -> HttpResponseBase:
    """The file as it was uploaded."""
    return file_response(_file(request, pk, file_id), actor=actor_for(request))


@require_GET
@page
def preview(request: HttpRequest, pk: int, file_id: int) -> FileResponse:
    """The picture that we drew of the file."""
    return preview_response(_file(request, pk, file_id))
