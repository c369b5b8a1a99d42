"""The files of products in the console: which is current, who released it, and how to get it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from blb3d.accounts.models import User
from blb3d.core.admin import AdminVerb, DocumentAdmin, ReadOnlyInline, VerbForm
from blb3d.core.links import signed_link
from inventory import services as inventory
from inventory.models import Product, ProductFile

MAY_DOWNLOAD = "inventory.download_productfile"


class ProductFileForm(VerbForm):
    """A file, what kind it is, and for which printer model."""

    kind = forms.ChoiceField(choices=ProductFile.Kind.choices)
    file = forms.FileField(help_text="Kept as the next revision; released by a second act.")
    printer_model = forms.CharField(max_length=40, required=False, help_text="Empty: not for one alone")
    note = forms.CharField(max_length=500, required=False)

    def arguments(self) -> dict[str, Any]:
        """Return the file with its name."""
        given = super().arguments()
        upload = given.pop("file")
        return {**given, "upload": upload, "file_name": upload.name}


def add_file(
    product: Product, *, upload: Any, file_name: str, kind: str, printer_model: str, note: str, actor: User
) -> ProductFile:
    """Keep an uploaded file of a product."""
    return inventory.add_product_file(
        product, upload, kind=kind, file_name=file_name, printer_model=printer_model, note=note, actor=actor
    )


def download_link(file: ProductFile) -> SafeString:
    """Return the file's name as a link to its content."""
    return format_html(
        '<a href="{}">{}</a>', reverse("admin:inventory_productfile_download", args=[file.pk]), file.name
    )


class ProductFileInline(ReadOnlyInline):
    """The files of a product, the current one of each kind first."""

    model = ProductFile
    fields = ("kind", "printer_model", "revision", "content", "size_bytes", "stands", "released_at")
    readonly_fields = ("content", "stands")
    list_related = ("product",)
    verbose_name_plural = "files"
    show_change_link = True

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return them without those that were withdrawn."""
        rows = super().get_queryset(request).filter(withdrawn_at__isnull=True)
        self._may_download = request.user.has_perm(MAY_DOWNLOAD)  # type: ignore[union-attr]
        return rows.order_by("kind", "printer_model", "-revision")

    @display(description="file")
    def content(self, file: ProductFile) -> SafeString | str:
        """Show the name, as a link to the content for who may have it."""
        return download_link(file) if self._may_download else file.name

    @display(description="is")
    def stands(self, file: ProductFile) -> str:
        """Say where it stands."""
        return file.state


@admin.register(ProductFile)
class ProductFileAdmin(DocumentAdmin):
    list_display = ("name", "product", "kind", "printer_model", "revision", "stands", "size_bytes", "released_at")
    list_filter = ("kind", "is_current", "printer_model")
    list_related = ("product",)
    search_fields = ("product__sku", "product__name", "name", "sha256", "note")
    header_fields = ("product", "kind", "printer_model", "revision", "stands", "size_bytes", "released_at",
                     "released_by", "superseded_at", "withdrawn_at")  # fmt: skip
    fields = ("name", "note", "digest")
    readonly_fields = ("name", "note", "digest")
    extra_verbs = (
        AdminVerb(
            name="release",
            call=inventory.release_product_file,
            permission="inventory.release_productfile",
            style="primary",
            confirm="It becomes the current one of its kind. You answer for it.",
            visible=lambda file: file.state == "not released",
        ),
        AdminVerb(
            name="withdraw",
            call=inventory.withdraw_product_file,
            permission="inventory.withdraw_productfile",
            style="danger",
            reason_required=True,
            visible=lambda file: file.withdrawn_at is None,
        ),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: a file is added on its product's page."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def heading(self, obj: ProductFile) -> str:
        """Name the file by its product."""
        return f"{obj.product.sku}, {obj}"

    def page_links(self, obj: ProductFile) -> list[tuple[str, str]]:
        """Lead to the content."""
        return [("Download", reverse("admin:inventory_productfile_download", args=[obj.pk]))]

    @display(description="is")
    def stands(self, obj: ProductFile) -> str:
        """Say where it stands."""
        return obj.state

    @display(description="SHA256")
    def digest(self, obj: ProductFile) -> SafeString:
        """Show the digest so that a narrow page can break it."""
        return format_html('<span class="doc__digest">{}</span>', obj.sha256)

    def get_urls(self) -> list[Any]:
        """Add the door to the content."""
        door = path("<int:pk>/download/", self.admin_site.admin_view(self.download_view),
                    name="inventory_productfile_download")  # fmt: skip
        return [door, *super().get_urls()]

    def download_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Send the content for saving, never for showing; from cloud storage by a link of short life."""
        file = ProductFile.objects.filter(pk=pk).first()
        if file is None:
            raise Http404
        if not (self.has_view_permission(request, file) and request.user.has_perm(MAY_DOWNLOAD)):  # type: ignore[union-attr]
            raise PermissionDenied
        link = signed_link(file.file.storage, file.file.name or "", file_name=file.name)
        response: HttpResponse | FileResponse
        if link:
            response = HttpResponseRedirect(link)
        else:
            try:
                response = FileResponse(file.file.open("rb"), as_attachment=True, filename=file.name)
            except FileNotFoundError:
                raise Http404 from None
            response["Content-Type"] = "application/octet-stream"
        response["Cache-Control"] = "private, no-store"
        response["X-Content-Type-Options"] = "nosniff"
        return response
