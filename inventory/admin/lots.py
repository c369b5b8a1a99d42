"""Places, lots, reels and the drying log in the console, with their labels."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import action, display

from blb3d.accounts.models import User
from blb3d.core.admin import AdminVerb, DocumentAdmin, LedgerAdmin, ReadOnlyInline, VerbForm, key_choice, number_column
from blb3d.core.links import signed_link
from inventory import services as inventory
from inventory.models import DryingRecord, InventoryLocation, MaterialLot, Spool
from inventory.ports import lot_effects
from inventory.selectors import drying_states
from inventory.services.labels import (
    MAX_LABELS,
    Label,
    labels_pdf,
    labels_zpl,
    location_label,
    lot_label,
    note_labelled,
    spool_label,
)
from inventory.services.lots import CONTENT_TYPES

GRAMS: dict[str, Any] = {"max_digits": 10, "decimal_places": 4}


class LabelledAdmin(DocumentAdmin):
    """A list whose rows have labels: chosen rows are printed as PDF, or as ZPL for a label printer."""

    #: What a label needs of its row besides the row itself.
    label_related: ClassVar[Sequence[str]] = ()
    actions = ("labels_pdf", "labels_zpl")
    actions_list: ClassVar[Sequence[str]] = ()

    def label_of(self, row: Any) -> Label:
        """Return the label of one row."""
        raise NotImplementedError

    @action(description="Labels (PDF)")
    def labels_pdf(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Send the labels of the chosen rows as PDF, one per page."""
        title = str(self.model._meta.verbose_name_plural).capitalize()
        return self._labels(request, queryset, lambda labels: labels_pdf(title, labels), "application/pdf", "pdf")

    @action(description="Labels (ZPL)")
    def labels_zpl(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Send the labels of the chosen rows as a label printer takes them."""
        return self._labels(request, queryset, lambda labels: labels_zpl(labels).encode(), "text/plain", "zpl")

    def _labels(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        draw: Callable[[Sequence[Label]], bytes],
        kind: str,
        ending: str,
    ) -> HttpResponse | None:
        rows = list(queryset.select_related(*self.label_related)[: MAX_LABELS + 1])
        if len(rows) > MAX_LABELS:
            self.message_user(request, f"Up to {MAX_LABELS} labels at a time.", messages.ERROR)
            return None
        response = HttpResponse(draw([self.label_of(row) for row in rows]), content_type=kind)
        response["Content-Disposition"] = f'attachment; filename="labels.{ending}"'
        response["Cache-Control"] = "private, no-store"
        if self.model is not InventoryLocation:
            chosen = self.model.objects.filter(pk__in=[row.pk for row in rows])
            note_labelled(chosen, actor=request.user)  # type: ignore[arg-type]
        return response


@admin.register(InventoryLocation)
class InventoryLocationAdmin(LabelledAdmin):
    list_display = ("code", "name", "parent", "is_default", "is_active")
    list_filter = ("is_active",)
    search_fields = ("code", "name")
    fields = (("code", "name"), "parent", ("is_default", "is_active"))

    def label_of(self, row: InventoryLocation) -> Label:
        """Return the place's label."""
        return location_label(row)

    def page_links(self, obj: InventoryLocation) -> list[tuple[str, str]]:
        """Lead to what lies there."""
        return [("What lies there", reverse("floor:place", args=[obj.code]))]


class CertificateForm(VerbForm):
    """A certificate of analysis."""

    certificate = forms.FileField(help_text="PDF, PNG or JPEG, up to 20 MB")

    def arguments(self) -> dict[str, Any]:
        """Return the file and its name."""
        upload = self.cleaned_data["certificate"]
        return {"content": upload, "file_name": upload.name}


class ExpiryForm(VerbForm):
    """Until when a lot is good."""

    good_until = forms.DateField(required=False, widget=forms.DateInput(), help_text="Empty: for ever")

    def prepare(self) -> None:
        """Start with what is known."""
        at: datetime.datetime | None = self.document.expiration_date  # type: ignore[attr-defined]
        self.fields["good_until"].initial = timezone.localtime(at).date() if at else None

    def arguments(self) -> dict[str, Any]:
        """Return the end of that day."""
        day: datetime.date | None = self.cleaned_data["good_until"]
        if day is None:
            return {"expires_at": None}
        return {"expires_at": timezone.make_aware(datetime.datetime.combine(day, datetime.time(23, 59, 59)))}


class SpoolsForm(VerbForm):
    """How many reels of how much."""

    count = forms.IntegerField(min_value=1, max_value=500, label="How many")
    grams_each = forms.DecimalField(**GRAMS, min_value=Decimal("0.0001"), initial=Decimal(1000), label="Grams on each")
    tare_grams = forms.DecimalField(
        **GRAMS, min_value=Decimal(0), initial=Decimal(0), label="Empty reel (g)", help_text="0: not known yet"
    )

    def prepare(self) -> None:
        """Ask where they are."""
        self.fields["location"] = key_choice(
            Spool, "location", required=False, label="Where", help_text="Empty: where the lot's stock is"
        )


class SplitForm(VerbForm):
    """How much goes onto another reel."""

    grams = forms.DecimalField(**GRAMS, min_value=Decimal("0.0001"), label="Grams onto a new reel")
    tare_grams = forms.DecimalField(**GRAMS, min_value=Decimal(0), initial=Decimal(0), label="Empty new reel (g)")


class MergeForm(VerbForm):
    """Onto which reel it is wound."""

    def prepare(self) -> None:
        """Offer the others of its lot."""
        spool: Any = self.document
        others = Spool.objects.filter(lot_id=spool.lot_id, merged_into__isnull=True).exclude(pk=spool.pk)
        self.fields["into"] = forms.ModelChoiceField(others.order_by("label"), label="Onto")


class MoveForm(VerbForm):
    """Where a reel is put."""

    def prepare(self) -> None:
        """Ask for the place."""
        self.fields["location"] = key_choice(Spool, "location", label="Where")


class DryForm(VerbForm):
    """How hot a reel is dried."""

    celsius = forms.IntegerField(min_value=1, max_value=200, label="Temperature (°C)")
    notes = forms.CharField(max_length=500, required=False)

    def prepare(self) -> None:
        """Start with what its material asks for."""
        spool: Any = self.document
        self.fields["celsius"].initial = spool.lot.product.drying_celsius or None


class DriedForm(VerbForm):
    """What becomes of a reel after the dryer."""

    sealed = forms.BooleanField(required=False, label="Sealed away", help_text="Otherwise it lies open from now on")
    notes = forms.CharField(max_length=500, required=False)


@admin.register(MaterialLot)
class MaterialLotAdmin(LabelledAdmin):
    list_display = (
        "lot_number",
        "product",
        "vendor",
        "status",
        "quantity_remaining",
        "received_date",
        "expiration_date",
        "labelled_at",
    )
    list_filter = (
        "status",
        ("received_date", RangeDateTimeFilter),
        ("expiration_date", RangeDateTimeFilter),
        ("labelled_at", admin.EmptyFieldListFilter),
    )
    search_fields = ("lot_number", "vendor_lot_number", "product__sku", "product__name")
    list_related = ("product",)
    label_related = ("product",)
    header_fields = ("product", "vendor", "purchase_order", "quantity_received", "quantity_remaining", "unit_cost",
                     "received_date", "expiration_date", "certificate")  # fmt: skip
    related_documents = ("spools",)
    verbs = {
        "release": inventory.release_lot,
        "quarantine": AdminVerb(call=inventory.quarantine_lot, effects=lot_effects),
        "expire": AdminVerb(call=inventory.expire_lot, style="danger", effects=lot_effects),
    }
    extra_verbs = (
        AdminVerb(
            name="send_back",
            label="Send it back to the vendor",
            call=inventory.return_lot,
            permission="inventory.add_vendorreturn",
            reason_required=True,
            visible=lambda lot: lot.vendor_id is not None and lot.quantity_remaining > 0,
            quiet=True,
        ),
        AdminVerb(
            name="attach_certificate",
            label="Certificate",
            call=inventory.attach_certificate,
            permission="inventory.change_materiallot",
            form_class=CertificateForm,
        ),
        AdminVerb(
            name="make_spools",
            label="Make spools",
            call=inventory.make_spools,
            permission="inventory.add_spool",
            form_class=SpoolsForm,
            visible=lambda lot: lot.product.is_material and lot.quantity_remaining > 0,
        ),
        AdminVerb(
            name="change_expiry",
            label="Good until",
            call=inventory.change_expiry,
            permission="inventory.change_materiallot",
            form_class=ExpiryForm,
            reason_required=True,
            visible=lambda lot: lot.status != MaterialLot.Status.EXPIRED,
        ),
    )

    def label_of(self, row: MaterialLot) -> Label:
        """Return the lot's label."""
        return lot_label(row)

    @display(description="certificate")
    def certificate(self, obj: MaterialLot) -> SafeString | str:
        """Lead to the certificate, and say who put it there when; or that it is missing."""
        if not obj.coa_document_path:
            return "missing: the lot waits for it" if obj.product.requires_certificate else ""
        url = reverse("admin:inventory_materiallot_certificate", args=[obj.pk])
        link = format_html('<a href="{}">{}</a>', url, obj.coa_file_name or "certificate")
        if obj.coa_uploaded_at is None:
            return link
        day = timezone.localtime(obj.coa_uploaded_at)
        return format_html("{}, {} by {}", link, f"{day:%Y-%m-%d}", obj.coa_uploaded_by)

    def page_links(self, obj: MaterialLot) -> list[tuple[str, str]]:
        """Lead to the orders, parts and customers that got something of it."""
        return [("Who got it", f"{reverse('console-trace')}?{urlencode({'number': obj.lot_number})}")]

    def progress(self, obj: MaterialLot) -> tuple[int, int, str] | None:
        """Show how much of it is used."""
        if not obj.quantity_received:
            return None
        used = int(100 * (obj.quantity_received - obj.quantity_remaining) / obj.quantity_received)
        return (used, 100, f"{used} % used")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Ask of a new lot what its receipt needs."""
        return [
            "product",
            ("lot_number", "vendor_lot_number"),
            ("vendor", "purchase_order"),
            ("quantity_received", "unit_cost"),
            ("received_date", "expiration_date"),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep what the receipt said; until when it is good changes by an act that asks why."""
        received = (
            "product",
            "lot_number",
            "vendor",
            "purchase_order",
            "quantity_received",
            "unit_cost",
            "received_date",
            "expiration_date",
        )
        return (*super().get_readonly_fields(request, obj), *(received if obj is not None else ()))

    def create(self, request: HttpRequest, obj: MaterialLot, form: Any) -> MaterialLot:
        """Receive the lot at the default location."""
        return inventory.receive_lot(
            obj.product,
            lot_number=obj.lot_number,
            quantity=obj.quantity_received,
            unit_cost=obj.unit_cost,
            vendor=obj.vendor,
            purchase_order=obj.purchase_order,
            vendor_lot_number=obj.vendor_lot_number,
            received_at=obj.received_date,
            expires_at=obj.expiration_date,
            actor=request.user,  # type: ignore[arg-type]
        )

    def get_urls(self) -> list[Any]:
        """Add the door to the certificate."""
        door = path("<int:pk>/certificate/", self.admin_site.admin_view(self.certificate_view),
                    name="inventory_materiallot_certificate")  # fmt: skip
        return [door, *super().get_urls()]

    def certificate_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Send the certificate for saving; from cloud storage by a signed link of short life."""
        lot = MaterialLot.objects.filter(pk=pk).first()
        if lot is None or not lot.coa_document_path:
            raise Http404
        if not self.has_view_permission(request, lot):
            raise PermissionDenied
        file = lot.coa_document_path
        link = signed_link(file.storage, file.name or "", file_name=lot.coa_file_name or "certificate")
        response: HttpResponseBase
        if link:
            response = HttpResponseRedirect(link)
        else:
            ending = f".{(file.name or '').rpartition('.')[2]}"
            try:
                response = FileResponse(file.open("rb"), as_attachment=True, filename=lot.coa_file_name)
            except FileNotFoundError:
                raise Http404 from None
            response["Content-Type"] = CONTENT_TYPES.get(ending, "application/octet-stream")
        response["Cache-Control"] = "private, no-store"
        response["X-Content-Type-Options"] = "nosniff"
        return response


class DryingInline(ReadOnlyInline):
    """When a reel was dried."""

    model = DryingRecord
    fields = ("started_at", "started_by", "ended_at", "ended_by", "celsius", "notes")
    show_change_link = False
    verbose_name_plural = "drying log"


def merge_into(spool: Spool, *, into: Spool, actor: User, reason: str = "") -> Spool:
    """Wind it onto another one."""
    return inventory.merge_spools(spool, into=into, actor=actor, reason=reason)


@admin.register(Spool)
class SpoolAdmin(LabelledAdmin):
    list_display = ("label", "material", "lot", "left", "location", "weighed_at", "opened_at", "dried_at",
                    "labelled_at")  # fmt: skip
    list_related = ("lot__product",)
    list_filter = (
        ("location", admin.RelatedOnlyFieldListFilter),
        ("labelled_at", admin.EmptyFieldListFilter),
        ("opened_at", admin.EmptyFieldListFilter),
    )
    search_fields = ("label", "tag_uid", "tray_uuid", "lot__lot_number", "lot__product__sku")
    label_related = ("lot__product",)
    left = number_column("remaining_grams", "left", "g")
    header_fields = ("lot", "remaining_grams", "location", "split_from", "merged_into", "dryness")
    related_documents = ("lot", "parts", "merged_spools")
    fields = (("label", "lot"), ("tray_uuid", "tag_uid"), ("tare_grams", "remaining_grams"))
    extra_verbs = (
        AdminVerb(
            name="move",
            label="Put elsewhere",
            call=inventory.move_spool,
            permission="inventory.change_spool",
            form_class=MoveForm,
            visible=lambda spool: spool.merged_into_id is None,
        ),
        AdminVerb(
            name="dry",
            label="Into the dryer",
            call=inventory.start_drying,
            permission="inventory.change_spool",
            form_class=DryForm,
            visible=lambda spool: spool.remaining_grams > 0 and not _is_drying(spool),
        ),
        AdminVerb(
            name="dried",
            label="Out of the dryer",
            call=inventory.end_drying,
            permission="inventory.change_spool",
            form_class=DriedForm,
            visible=lambda spool: _is_drying(spool),
        ),
        AdminVerb(
            name="open",
            label="Opened",
            call=inventory.open_spool,
            permission="inventory.change_spool",
            quiet=True,
            visible=lambda spool: spool.opened_at is None and spool.remaining_grams > 0,
        ),
        AdminVerb(
            name="split",
            call=inventory.split_spool,
            permission="inventory.change_spool",
            form_class=SplitForm,
            quiet=True,
            visible=lambda spool: spool.remaining_grams > 0,
        ),
        AdminVerb(
            name="merge",
            label="Put together",
            call=merge_into,
            permission="inventory.change_spool",
            form_class=MergeForm,
            quiet=True,
            visible=lambda spool: spool.remaining_grams > 0,
        ),
    )

    @display(description="material", ordering="lot__product__sku")
    def material(self, obj: Spool) -> str:
        """Show what is on it."""
        return str(obj.lot.product)

    def label_of(self, row: Spool) -> Label:
        """Return the reel's label."""
        return spool_label(row)

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        """Show the drying log of a reel that is there."""
        return [DryingInline] if obj is not None else []

    @display(description="dryness")
    def dryness(self, obj: Spool) -> str:
        """Say whether it must be dried, or since when it is in the dryer."""
        state = drying_states([obj])[obj.pk]
        if state.record is not None:
            return f"in the dryer at {state.record.celsius} °C"
        return "must be dried" if state.is_due else ""

    def page_links(self, obj: Spool) -> list[tuple[str, str]]:
        """Lead to where it is weighed and hung into a printer."""
        return [("On the floor", reverse("floor:spool", args=[obj.label]))]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep of a reel what a label says and a scale decides."""
        fixed = ("label", "lot", "remaining_grams") if obj is not None else ()
        return (*super().get_readonly_fields(request, obj), *fixed)


def _is_drying(spool: Any) -> bool:
    return bool(spool.dryings.filter(ended_at__isnull=True).exists())


@admin.register(DryingRecord)
class DryingRecordAdmin(LedgerAdmin):
    list_display = ("spool", "celsius", "started_at", "started_by", "ended_at", "ended_by", "notes")
    list_filter = (("ended_at", admin.EmptyFieldListFilter), ("started_at", RangeDateTimeFilter))
    search_fields = ("spool__label", "spool__lot__lot_number")
    header_fields = ("spool", "celsius", "started_at", "started_by", "ended_at", "ended_by")
