"""Uploads in the console: the files of quotes, and the log of what came and what was refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.urls import path
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from blb3d.core.admin import LedgerAdmin
from blb3d.core.errors import BLB3DError
from blb3d.core.templatetags.blb3d_ui import file_size
from quotes.downloads import file_response, preview_response
from quotes.models import FileUploadLog, QuoteFile


@admin.register(QuoteFile)
class QuoteFileAdmin(LedgerAdmin):
    """Uploaded files: saved through a view that asks who one is, never by a public address."""

    list_display = ("original_filename", "quote", "format", "size", "scan_result", "created_at")
    list_filter = ("format", "scan_result", ("created_at", RangeDateTimeFilter))
    search_fields = ("original_filename", "sha256", "quote__quote_number")
    ordering = ("-id",)
    header_fields = ("quote", "size", "sha256", "scan_result")
    fields = ("original_filename", "sha256", "mime_type", "format", "scan_result", "scan_detail", "scanned_at",
              "geometry")  # fmt: skip

    def get_urls(self) -> list[Any]:
        """Add the doors to the file and its picture."""
        return [
            path("<int:pk>/download/", self.admin_site.admin_view(self.download), name="quotes_quotefile_download"),
            path("<int:pk>/preview/", self.admin_site.admin_view(self.preview), name="quotes_quotefile_preview"),
            *super().get_urls(),
        ]

    def download(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Send the file as it was uploaded, for saving."""
        try:
            return file_response(self._seen(request, pk), actor=request.user)  # type: ignore[arg-type]
        except BLB3DError as error:
            raise Http404(error.message) from error

    def preview(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Send the picture that was drawn of it."""
        try:
            return preview_response(self._seen(request, pk))
        except BLB3DError as error:
            raise Http404(error.message) from error

    def _seen(self, request: HttpRequest, pk: int) -> QuoteFile:
        file = QuoteFile.objects.select_related("quote").filter(pk=pk).first()
        if file is None:
            raise Http404
        if not self.has_view_permission(request, file):
            raise PermissionDenied
        return file

    @display(description="size", ordering="size_bytes")
    def size(self, file: QuoteFile) -> str:
        """Show the size as people say it."""
        return file_size(file.size_bytes)


class ScanFilter(admin.AllValuesFieldListFilter):
    """What the scanner found, in words."""

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Name each result as the file's own column does."""
        words = dict(QuoteFile.ScanResult.choices)
        for choice in super().choices(changelist):
            result = str(choice["display"])
            yield {**choice, "display": words.get(result, result)}


@admin.register(FileUploadLog)
class FileUploadLogAdmin(LedgerAdmin):
    list_display = ("filename", "accepted", "refusal", "size", "user", "ip_address", "quote", "uploaded_at")
    list_filter = ("accepted", ("virus_scan_result", ScanFilter), ("uploaded_at", RangeDateTimeFilter))
    search_fields = ("filename", "file_hash", "ip_address", "user__email", "quote__quote_number")
    ordering = ("-id",)
    header_fields = ("accepted", "refusal", "user", "ip_address", "quote", "uploaded_at")

    @display(description="size", ordering="file_size_bytes")
    def size(self, row: FileUploadLog) -> str:
        """Show the size as people say it."""
        return file_size(row.file_size_bytes)
