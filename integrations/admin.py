"""Shops, printers and their commands in the console."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminPasswordWidget

from blb3d.accounts.actor import actor_of
from blb3d.core.admin import ConsoleAdmin, DocumentAdmin, DocumentInline, WorkAdmin, replay_verb
from integrations.models import (
    Channel,
    MarketplaceMappingLine,
    MarketplaceProductMapping,
    PrinterCommand,
    PrinterConnection,
)
from integrations.services import release_mapped_lines


class MappingLineInline(DocumentInline):
    """The products of a kit; settings, so they may be removed."""

    model = MarketplaceMappingLine
    fields = ("product", "quantity")
    extra = 1
    show_change_link = False
    verbose_name = "kit line"

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow it to whom Django's permission allows it."""
        return request.user.has_perm("integrations.delete_marketplacemappingline")  # type: ignore[union-attr]


@admin.register(MarketplaceProductMapping)
class MarketplaceProductMappingAdmin(DocumentAdmin):
    list_display = ("marketplace_sku", "marketplace_name", "marketplace", "erp_product", "is_active")
    list_filter = ("marketplace", "is_active", ("erp_product", admin.EmptyFieldListFilter))
    search_fields = (
        "marketplace_sku",
        "marketplace_product_id",
        "marketplace_name",
        "erp_product__sku",
        "erp_product__name",
    )
    header_fields = ("marketplace", "marketplace_name", "erp_product")
    fields = (
        ("marketplace", "marketplace_product_id"),
        ("marketplace_sku", "marketplace_name"),
        "erp_product",
        "is_active",
    )
    inlines = (MappingLineInline,)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Store the kit lines, and let go the orders that waited for this mapping."""
        super().save_related(request, form, formsets, change)
        released = release_mapped_lines(form.instance, actor=actor_of(request))
        if released:
            numbers = ", ".join(sorted({order.order_number for order in released}))
            self.message_user(request, f"Waiting lines were mapped: {numbers}")


@admin.register(Channel)
class ChannelAdmin(ConsoleAdmin):
    list_display = ("marketplace", "is_active", "last_message_at", "last_poll_at", "polled_until", "last_error")
    list_filter = ("is_active",)
    header_fields = ("last_message_at", "last_poll_at", "last_error")
    fields = ("marketplace", "is_active", "polled_until", "last_message_at", "last_poll_at", "last_error")
    readonly_fields = ("last_message_at", "last_poll_at", "last_error")


class PrinterConnectionForm(forms.ModelForm):  # type: ignore[type-arg]
    """The connection with a field to set the access code; the stored one is never shown."""

    access_code = forms.CharField(
        required=False,
        max_length=64,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text="Shown on the printer's own screen. Leave empty to keep the stored one.",
    )

    class Meta:
        model = PrinterConnection
        fields = (
            "printer",
            "host",
            "mqtt_port",
            "ftps_port",
            "use_tls",
            "pinned_certificate",
            "ftps_clear_data",
            "shard",
        )

    def save(self, commit: bool = True) -> PrinterConnection:
        """Encrypt what was typed into the connection."""
        connection: PrinterConnection = super().save(commit=False)
        if self.cleaned_data["access_code"]:
            connection.set_access_code(self.cleaned_data["access_code"])
        if commit:
            connection.save()
        return connection


@admin.register(PrinterConnection)
class PrinterConnectionAdmin(DocumentAdmin):
    form = PrinterConnectionForm
    list_display = ("printer", "host", "mqtt_port", "ftps_port", "use_tls", "has_code", "shard")
    list_filter = ("use_tls", "shard")
    search_fields = ("host", "printer__name", "printer__serial")
    header_fields = ("printer", "host", "has_code")
    related_documents = ("printer",)
    fieldsets = (
        (None, {"fields": ("printer", "host", "access_code")}),
        (
            "Technical",
            {
                "classes": ["collapse"],
                "fields": (
                    ("mqtt_port", "ftps_port"),
                    ("use_tls", "ftps_clear_data"),
                    "pinned_certificate",
                    "shard",
                ),
            },
        ),
    )

    @display(description="access code set", boolean=True)
    def has_code(self, obj: PrinterConnection) -> bool:
        """Say whether there is a code, not which."""
        return bool(obj.access_code_encrypted)


@admin.register(PrinterCommand)
class PrinterCommandAdmin(WorkAdmin):
    list_display = ("id", "printer", "job", "kind", "status", "attempts", "created_at", "error")
    list_filter = ("status", "kind", ("created_at", RangeDateTimeFilter))
    search_fields = ("job__code", "printer__name", "last_error")
    header_fields = ("printer", "job", "kind", "attempts", "created_at", "published_at")
    extra_verbs = (replay_verb("integrations.change_printercommand"),)
