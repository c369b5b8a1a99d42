"""Customers' files and pictures as answers to a browser or a program that was asked who it is already."""

from __future__ import annotations

from django.http import FileResponse, HttpResponseBase, HttpResponseRedirect

from blb3d.accounts.models import User
from blb3d.core.errors import NotFound
from blb3d.core.links import signed_link
from quotes.errors import FileHeld, FileMissing
from quotes.models import QuoteFile
from quotes.services.downloads import note_download


def file_response(row: QuoteFile, *, actor: User) -> HttpResponseBase:
    """Return an uploaded file for saving, never for showing: a stranger's bytes are not opened by the browser.

    From cloud storage it is fetched by a signed link of short life. Under an NDA the audit log says who fetched it.

    Raises:
        FileHeld: the virus scanner has not cleared it.
        FileMissing: the storage does not have it.
    """
    if row.scan_result in (QuoteFile.ScanResult.HELD, QuoteFile.ScanResult.INFECTED):
        infected = row.scan_result == QuoteFile.ScanResult.INFECTED
        raise FileHeld(
            "This file held a virus and was removed." if infected else None, details={"scan_result": row.scan_result}
        )
    if not row.file:
        raise FileMissing
    link = signed_link(row.file.storage, row.file.name or "", file_name=row.original_filename)
    response: HttpResponseBase
    if link:
        response = HttpResponseRedirect(link)
    else:
        try:
            response = FileResponse(row.file.open("rb"), as_attachment=True, filename=row.original_filename)
        except FileNotFoundError:
            raise FileMissing from None
        response["Content-Type"] = "application/octet-stream"
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    if row.quote.is_under_nda:
        note_download(row, actor=actor)
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
