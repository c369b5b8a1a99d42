"""A quote's files: never a public address, always through who may see the quote."""

from __future__ import annotations

from django.http import FileResponse, HttpRequest
from django.views.decorators.http import require_GET

from blb3d.core.errors import NotFound
from quotes.errors import FileMissing
from quotes.models import QuoteFile
from quotes.portal.visits import quote_of
from sales.portal.base import page


def _file(request: HttpRequest, pk: int, file_id: int) -> QuoteFile:
    row = quote_of(request, pk).files.filter(pk=file_id).first()
    if row is None:
        raise NotFound
    return row


def file_response(row: QuoteFile) -> FileResponse:
    """Return an uploaded file for saving, never for showing: a stranger's bytes are not opened by the browser.

    Raises:
        FileMissing: the storage does not have it.
    """
    try:
        response = FileResponse(row.file.open("rb"), as_attachment=True, filename=row.original_filename)
    except FileNotFoundError:
        raise FileMissing from None
    response["Content-Type"] = "application/octet-stream"
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def preview_response(row: QuoteFile) -> FileResponse:
    """Return the picture that we drew of a file.

    Raises:
        NotFound: there is none.
    """
    if not row.thumbnail:
        raise NotFound
    try:
        response = FileResponse(row.thumbnail.open("rb"), content_type="image/png")
    except FileNotFoundError:
        raise NotFound from None
    response["Cache-Control"] = "private, max-age=86400"
    return response


@require_GET
@page
def download(request: HttpRequest, pk: int, file_id: int) -> FileResponse:
    """The file as it was uploaded."""
    return file_response(_file(request, pk, file_id))


@require_GET
@page
def preview(request: HttpRequest, pk: int, file_id: int) -> FileResponse:
    """The picture that we drew of the file."""
    return preview_response(_file(request, pk, file_id))
