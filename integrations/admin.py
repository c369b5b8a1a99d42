"""Shops, printers and their commands in the console."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.core.validators import validate_email
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminPasswordWidget

from blb3d.accounts.actor import actor_of
from blb3d.core.admin import (
    AdminVerb,
    ConsoleAdmin,
    DocumentAdmin,
    DocumentInline,
    VerbForm,
    WorkAdmin,
    replay_verb,
)
from blb3d.core.templatetags.blb3d_ui import chip
from blb3d.core.work import WorkStatus
from integrations.models import (
    Channel,
    MarketplaceMappingLine,
    MarketplaceProductMapping,
    Notice,
    NoticeRule,
    PrinterCommand,
    PrinterConnection,
    SliceTask,
)
from integrations.printers import access_codes
from integrations.services import drop_slice, release_mapped_lines, retry_slice, send_test_notice, upload_slice


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
            "backend",
            "suite_printer_id",
            "host",
            "mqtt_port",
            "ftps_port",
            "use_tls",
            "pinned_certificate",
            "ftps_clear_data",
            "shard",
            "snapshot_url",
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
    list_display = ("printer", "backend", "host", "mqtt_port", "ftps_port", "use_tls", "has_code", "shard")
    list_filter = ("backend", "use_tls", "shard")
    search_fields = ("host", "printer__name", "printer__serial")
    header_fields = ("printer", "backend", "host", "has_code")
    related_documents = ("printer",)
    fieldsets = (
        (None, {"fields": ("printer", "backend", "host", "access_code")}),
        (
            "Technical",
            {
                "classes": ["collapse"],
                "fields": (
                    "suite_printer_id",
                    ("mqtt_port", "ftps_port"),
                    ("use_tls", "ftps_clear_data"),
                    "pinned_certificate",
                    "snapshot_url",
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


class NoticeRuleForm(forms.ModelForm):  # type: ignore[type-arg]
    """A rule with a field to set the webhook's secret; the stored one is never shown."""

    secret = forms.CharField(
        required=False,
        max_length=100,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "off"}),
        help_text="Signs webhooks, so that the receiver knows us. Leave empty to keep the stored one.",
    )

    class Meta:
        model = NoticeRule
        fields = ("name", "event", "channel", "recipients", "url", "printer_group", "after_minutes", "quiet_from",
                  "quiet_to", "is_active")  # fmt: skip

    def clean_recipients(self) -> str:
        """Return the addresses; each must be one."""
        found = [address.strip() for address in self.cleaned_data["recipients"].split(",") if address.strip()]
        for address in found:
            validate_email(address)
        return ", ".join(found)

    def clean(self) -> dict[str, Any]:
        """See that the rule's channel leads somewhere."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if cleaned.get("channel") == NoticeRule.Channel.MAIL and not cleaned.get("recipients"):
            self.add_error("recipients", "A mail needs somebody to receive it.")
        if cleaned.get("channel") == NoticeRule.Channel.WEBHOOK and not cleaned.get("url"):
            self.add_error("url", "A webhook needs an address.")
        if (cleaned.get("quiet_from") is None) != (cleaned.get("quiet_to") is None):
            self.add_error("quiet_to", "Quiet hours have a beginning and an end.")
        return cleaned

    def save(self, commit: bool = True) -> NoticeRule:
        """Encrypt what was typed into the rule."""
        rule: NoticeRule = super().save(commit=False)
        if self.cleaned_data["secret"]:
            rule.secret_encrypted = access_codes.encrypt(self.cleaned_data["secret"])
        if commit:
            rule.save()
        return rule


@admin.register(NoticeRule)
class NoticeRuleAdmin(DocumentAdmin):
    form = NoticeRuleForm
    list_display = ("name", "event", "channel", "recipients", "url", "printer_group", "is_active")
    list_filter = ("event", "channel", "is_active")
    search_fields = ("name", "recipients", "url")
    header_fields = ("event", "channel", "printer_group")
    fieldsets = (
        (None, {"fields": (("name", "is_active"), ("event", "printer_group"), "after_minutes")}),
        ("Who is told", {"fields": ("channel", "recipients", "url", "secret")}),
        ("Quiet hours", {"fields": (("quiet_from", "quiet_to"),)}),
    )
    extra_verbs = (
        AdminVerb(
            name="try",
            label="Send a test",
            call=send_test_notice,
            permission="integrations.change_noticerule",
            quiet=True,
        ),
    )


@admin.register(Notice)
class NoticeAdmin(WorkAdmin):
    list_display = ("subject", "rule", "status", "attempts", "created_at", "error")
    list_filter = ("status", "rule__event", ("created_at", RangeDateTimeFilter))
    list_related = ("rule",)
    search_fields = ("subject", "text", "last_error")
    header_fields = ("rule", "attempts", "created_at", "finished_at")
    fields = ("text", "last_error")
    extra_verbs = (replay_verb("integrations.change_notice"),)


class SliceUploadForm(VerbForm):
    """A package that somebody sliced."""

    file = forms.FileField(
        help_text="A sliced package, .gcode.3mf, for this printer model. Minutes, grams and layers are read from it."
    )

    def arguments(self) -> dict[str, Any]:
        """Return the file as bytes and name."""
        upload = self.cleaned_data["file"]
        return {"content": upload.read(), "file_name": upload.name}


@admin.register(SliceTask)
class SliceTaskAdmin(WorkAdmin):
    list_display = ("part", "printer_model", "phase_chip", "created_at", "error")
    list_filter = ("status", "printer_model", "error_code", ("created_at", RangeDateTimeFilter))
    list_related = ("plate__product",)
    search_fields = ("plate__product__sku", "plate__product__name", "printer_model", "last_error")
    header_fields = ("part", "printer_model", "asked_by", "reason", "attempts", "created_at", "started_at",
                     "finished_at")  # fmt: skip
    related_documents = ("plate", "print_file")
    fields = ("last_error", "error_code")
    extra_verbs = (
        AdminVerb(
            name="replay",
            label="Try again",
            call=retry_slice,
            permission="integrations.change_slicetask",
            style="primary",
            visible=lambda task: task.status == WorkStatus.DEAD,
        ),
        AdminVerb(
            name="upload",
            label="Upload the print file",
            call=upload_slice,
            permission="inventory.add_printfile",
            form_class=SliceUploadForm,
            visible=lambda task: task.status in (WorkStatus.PENDING, WorkStatus.DEAD),
        ),
        AdminVerb(
            name="drop",
            label="Not needed",
            call=drop_slice,
            permission="integrations.change_slicetask",
            style="danger",
            reason_required=True,
            visible=lambda task: task.status in (WorkStatus.PENDING, WorkStatus.DEAD),
        ),
    )

    def heading(self, obj: SliceTask) -> str:
        """Name what is sliced for which printer model."""
        return f"{obj.plate.product.name} for {obj.printer_model}"

    def progress(self, obj: SliceTask) -> tuple[int, int, str] | None:
        """Show how far the slicer is."""
        return (obj.progress_percent, 100, obj.progress_text) if obj.is_running else None

    @display(description="plate", ordering="plate__product__sku")
    def part(self, obj: SliceTask) -> str:
        """Name the product and the plate."""
        return f"{obj.plate.product}, plate {obj.plate.plate_number}"

    @display(description="stands at", ordering="status")
    def phase_chip(self, obj: SliceTask) -> SafeString:
        """Show where it stands; what runs is told from what waits."""
        words = {"dead": "Needs a person", "ignored": "Not needed", "running": f"Running, {obj.progress_percent} %"}
        return chip(obj.phase, label=words.get(obj.phase, obj.phase.capitalize()))
