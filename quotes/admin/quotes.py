"""Quotes in the console: what waits for review, why, what is in the files, and the word that is given."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.urls import path, reverse
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from blb3d.accounts.models import User
from blb3d.core.admin import (
    AdminVerb,
    DocumentAdmin,
    DocumentInline,
    Entry,
    ReadOnlyInline,
    VerbForm,
    chip_column,
    money_column,
    number_column,
    who,
)
from blb3d.core.templatetags.blb3d_ui import chip, duration, file_size, grams, money, plain_number
from inventory.selectors import active_materials
from quotes import services as quotes
from quotes.admin.learning import corrections_of
from quotes.admin.mails import mails_of
from quotes.admin.queue import APPROVERS, queue_page
from quotes.admin.whatif import what_if_page
from quotes.models import (
    Quote,
    QuoteApproval,
    QuoteFile,
    QuoteMaterial,
    QuotePart,
)
from quotes.portal.documents import pdf_response
from quotes.services.pricing import cost_of
from quotes.services.requotes import ENDED
from sales.models import ADDRESS_COLUMNS, Address
from sales.pricing import FROM_SETTINGS, margin_percent

Status = Quote.Status
#: Comments that the timeline shows.
SHOWN = 12
_REVIEWABLE = (Status.DRAFT, Status.PENDING)


class HandEstimateForm(VerbForm):
    """What one set takes, said by a person."""

    material_grams = forms.DecimalField(label="Grams per set", min_value=Decimal("0.01"), max_digits=12)
    print_time_minutes = forms.DecimalField(label="Minutes per set", min_value=Decimal("0.1"), max_digits=10)
    sets_per_plate = forms.IntegerField(label="Sets on a plate", min_value=1, max_value=400, initial=1)

    def prepare(self) -> None:
        """Start from the present estimate."""
        for name, field in (("material_grams", "material_grams"), ("print_time_minutes", "print_time_minutes"),
                            ("sets_per_plate", "parts_per_plate")):  # fmt: skip
            value = getattr(self.document, field)
            if value:
                self.initial[name] = value


class OfferForm(VerbForm):
    """Another price for one set, and why."""

    unit_price = forms.DecimalField(label="Price of one set, net", min_value=Decimal("0.01"), decimal_places=2)

    def prepare(self) -> None:
        """Start from what the customer would pay, else from the present price; say what the quote costs us."""
        quote: Any = self.document
        self.initial["unit_price"] = quote.target_unit_price or quote.unit_price
        cost = cost_of(quote)
        if cost is not None:
            each = money(cost / quote.quantity, quote.currency)
            self.fields[
                "unit_price"
            ].help_text = f"Costs us {each}; below that the owner decides. The customer reads the reason."


class CommentForm(VerbForm):
    """Something to say about the quote."""

    text = forms.CharField(label="Comment", max_length=2000, widget=forms.Textarea(attrs={"rows": 4}))
    is_internal = forms.BooleanField(
        label="Internal", required=False, help_text="Only we read it. Else the customer gets it by mail."
    )


class OrderForm(VerbForm):
    """Where the order of a quote goes; empty takes the customer's usual address."""

    line1 = forms.CharField(label="Street", max_length=255, required=False, help_text="Empty: the usual address.")
    line2 = forms.CharField(label="Suite", max_length=255, required=False)
    city = forms.CharField(max_length=100, required=False)
    state = forms.CharField(max_length=50, required=False)
    zip = forms.CharField(label="ZIP", max_length=20, required=False)
    country = forms.CharField(max_length=50, initial="USA", required=False)
    name = forms.CharField(max_length=200, required=False)
    company = forms.CharField(max_length=200, required=False)
    customer_po_number = forms.CharField(label="Customer's PO number", max_length=60, required=False)

    def clean(self) -> dict[str, Any]:
        """Ask for the rest of an address that was begun."""
        given: dict[str, Any] = super().clean() or {}
        if given.get("line1"):
            for name in ("city", "zip"):
                if not given.get(name):
                    self.add_error(name, "This field is required.")
        return given

    def arguments(self) -> dict[str, Any]:
        """Return the address, or none."""
        values = {name: self.cleaned_data[name] for name in ADDRESS_COLUMNS}
        return {
            "shipping": Address(**values) if values["line1"] else None,
            "customer_po_number": self.cleaned_data["customer_po_number"],
        }


class FileInline(ReadOnlyInline):
    """The files, each with its picture, what was seen, and a link that saves it."""

    model = QuoteFile
    fields = ("picture", "saved", "size", "format", "scan_result", "warnings")
    readonly_fields = ("picture", "saved", "size", "warnings")
    show_change_link = False
    hide_title = True
    verbose_name_plural = "files"

    @display(description="")
    def picture(self, file: QuoteFile) -> SafeString | str:
        """Show what was drawn of it."""
        if not file.thumbnail:
            return ""
        url = reverse("admin:quotes_quotefile_preview", args=[file.pk])
        return format_html('<img src="{}" alt="" width="96" height="72">', url)

    @display(description="file")
    def saved(self, file: QuoteFile) -> SafeString:
        """Link to the file as it was uploaded."""
        url = reverse("admin:quotes_quotefile_download", args=[file.pk])
        return format_html('<a class="underline" href="{}" download>{}</a>', url, file.original_filename)

    @display(description="size")
    def size(self, file: QuoteFile) -> str:
        """Show the size as people say it."""
        return file_size(file.size_bytes)

    @display(description="seen")
    def warnings(self, file: QuoteFile) -> str:
        """Show what the reading noticed."""
        return " ".join(file.geometry.get("warnings", [])) or "–"


class PartInline(ReadOnlyInline):
    """The parts of a set."""

    model = QuotePart
    fields = ("name", "quantity", "volume", "box", "is_watertight")
    readonly_fields = ("volume", "box")
    show_change_link = False
    hide_title = True
    verbose_name_plural = "parts of a set"
    volume = number_column("volume_cm3", "volume", "cm³")

    @display(description="size")
    def box(self, part: QuotePart) -> str:
        """Show the sides in mm."""
        return f"{part.size_x_mm} × {part.size_y_mm} × {part.size_z_mm} mm"


class MaterialInline(DocumentInline):
    """The filaments; a person may name one that the catalogue does not tell by itself."""

    model = QuoteMaterial
    fields = ("position", "material_type", "color_hex", "weight", "material")
    readonly_fields = ("position", "material_type", "color_hex", "weight")
    show_change_link = False
    hide_title = True
    verbose_name_plural = "filaments of a set"

    @display(description="grams")
    def weight(self, row: QuoteMaterial) -> str:
        """Show the weight per set."""
        return grams(row.grams)

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Take active materials only."""
        if db_field.name == "material":
            kwargs["queryset"] = active_materials()
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: the estimate says which filaments there are."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow while the filament is not decided."""
        return (obj is None or obj.status in Quote.OPEN) and super().has_change_permission(request, obj)


class ApprovalInline(ReadOnlyInline):
    """Why a person must look, and who did."""

    model = QuoteApproval
    fields = ("required_when", "approval_level", "state", "approver", "approved_date", "comments")
    readonly_fields = ("state",)
    show_change_link = False
    hide_title = True
    verbose_name_plural = "approvals"
    state = chip_column("status", "status")


def _pdf(quote: Quote, *, actor: User) -> HttpResponse:
    return pdf_response(quote)


@admin.register(Quote)
class QuoteAdmin(DocumentAdmin):
    list_display = ("quote_number", "customer", "product_name", "status", "quantity", "net", "reasons", "submitted_at")
    list_filter = ("status", "material_type", "rush", ("created_at", RangeDateTimeFilter))
    list_lookups = ("approvals__required_when",)
    search_fields = ("quote_number", "product_name", "customer_po_number", "customer__name", "customer__company_name",
                     "user__email")  # fmt: skip
    net = money_column("subtotal", "net")
    total = money_column("total_price", "total")
    header_fields = ("confidential", "customer", "user", "total", "margin", "quantity", "target", "last_comment",
                     "offered", "waits_for", "special_instructions", "seen", "expires_at", "promised")  # fmt: skip
    related_documents = ("product", "sales_order", "requoted_from", "requotes")
    readonly_fields = (
        *(
            "quote_number",
            "customer",
            "user",
            "quantity",
            "material_type",
            "color_name",
            "quality",
            "infill_percent",
            "finish",
        ),
        *("rush", "special_instructions", "estimate", "corrected", "seen", "review_message"),
    )
    fieldsets = (
        (None, {"fields": ("estimate", "corrected")}),
        (
            "Wishes",
            {
                "fields": (
                    ("product_name", "customer"),
                    ("quantity", "material_type", "color_name"),
                    ("quality", "infill_percent"),
                    ("finish", "rush"),
                    ("customer_po_number", "user"),
                    "review_message",
                )
            },
        ),
    )
    inlines = (FileInline, PartInline, MaterialInline, ApprovalInline)
    verbs = {
        "submit": quotes.submit_quote,
        "approve": quotes.approve_quote,
        "request_changes": quotes.request_changes,
        "offer": AdminVerb(call=quotes.offer_price, form_class=OfferForm),
        "reject": AdminVerb(call=quotes.reject_quote, reason_required=True),
        "cancel": AdminVerb(call=quotes.cancel_quote, quiet=True),
        "accept": AdminVerb(call=quotes.take_acceptance, label="Accept for the customer", form_class=OrderForm),
        "convert": AdminVerb(call=quotes.convert_quote, form_class=OrderForm),
    }
    bulk_verbs = ("approve",)
    extra_verbs = (
        AdminVerb(
            name="pdf",
            label="PDF",
            call=_pdf,
            permission="quotes.view_quote",
            quiet=True,
            visible=lambda quote: quote.is_priced,
        ),
        AdminVerb(
            name="comment",
            label="Comment",
            call=quotes.comment_on_quote,
            permission="quotes.comment_quote",
            form_class=CommentForm,
            quiet=True,
        ),
        AdminVerb(
            name="requote",
            label="Quote again",
            call=quotes.requote,
            permission="quotes.requote_quote",
            confirm="A new draft is made of the same files and wishes, at today's price.",
            visible=lambda quote: quote.status in ENDED,
        ),
        AdminVerb(
            name="reprice",
            label="Price again",
            call=quotes.price_quote,
            permission="quotes.reprice_quote",
            quiet=True,
            visible=lambda quote: quote.status in _REVIEWABLE,
        ),
        AdminVerb(
            name="estimate",
            label="Enter an estimate",
            call=quotes.estimate_quote_by_hand,
            permission="quotes.reprice_quote",
            form_class=HandEstimateForm,
            quiet=True,
            visible=lambda quote: quote.status in _REVIEWABLE,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the quotes with why they wait."""
        return super().get_queryset(request).prefetch_related("approvals")

    def get_urls(self) -> list[Any]:
        """Add the pages over many quotes."""
        view = self.admin_site.admin_view
        return [
            path("to-decide/", view(queue_page), name="quotes_quote_queue"),
            path("what-if/<int:pk>/", view(what_if_page), name="quotes_quote_whatif"),
            *super().get_urls(),
        ]

    def events(self, quote: Quote) -> list[Entry]:
        """Return what was said and what was mailed, for the timeline."""
        # What was said with a step stands there already.
        reasons = set(quote.history.values_list("history_change_reason", flat=True))  # type: ignore[attr-defined]
        said = [
            Entry(
                at=row.created_at,
                who=who(row.author),
                what="commented, for us alone" if row.is_internal else "commented",
                reason=row.text,
            )
            for row in quote.comments.select_related("author").order_by("-pk")[:SHOWN]
            if row.text[:500] not in reasons
        ]
        return [*said, *mails_of(quote)]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: a quote is made of files, in the portal or by the API."""
        return False

    @display(description="confidential")
    def confidential(self, quote: Quote) -> SafeString | str:
        """Show that the files are under an NDA."""
        return chip("held", label="NDA") if quote.is_under_nda else ""

    @display(description="margin")
    def margin(self, quote: Quote) -> str:
        """Show what the quote costs us, what is left, and which rules made the price."""
        cost = cost_of(quote)
        if cost is None or quote.subtotal is None:
            return ""
        made_by = quote.price_breakdown.get("rules", FROM_SETTINGS)
        rules = "settings" if made_by == FROM_SETTINGS else f"rules {made_by}"
        return f"{plain_number(margin_percent(quote.subtotal, cost))} %, cost {money(cost, quote.currency)}; {rules}"

    @display(description="customer would pay")
    def target(self, quote: Quote) -> str:
        """Show what the customer asked for."""
        return f"{money(quote.target_unit_price, quote.currency)} each" if quote.target_unit_price else ""

    @display(description="last comment")
    def last_comment(self, quote: Quote) -> str:
        """Show what was said last, so that nobody scrolls for it."""
        row = quote.comments.order_by("-pk").first()
        return Truncator(row.text).chars(160) if row is not None else ""

    @display(description="offered")
    def offered(self, quote: Quote) -> str:
        """Show a person's price and why."""
        if quote.offered_unit_price is None:
            return ""
        return f"{money(quote.offered_unit_price, quote.currency)} each: {quote.offer_reason}"

    @display(description="waits because")
    def reasons(self, quote: Quote) -> str:
        """Show which rules wait for a person."""
        waiting = [row for row in quote.approvals.all() if row.status == QuoteApproval.Status.PENDING]
        return ", ".join(row.get_required_when_display() for row in waiting) or "–"

    @display(description="waits for")
    def waits_for(self, quote: Quote) -> str:
        """Show who has to approve."""
        if quote.status != Status.PENDING:
            return "–"
        return f"{APPROVERS[quotes.pending_level(quote)]}: {self.reasons(quote)}"

    @display(description="ships by")
    def promised(self, quote: Quote) -> str:
        """Show by when it would be shipped if it were ordered on the day of the price, and why."""
        day = date_format(quote.ready_by) if quote.ready_by else "–"
        return f"{day}. {quote.promise_reason}".rstrip(". ")

    def totals(self, quote: Quote) -> list[tuple[str, str]]:
        """Show the lines that the customer sees, and the sums."""
        if not quote.is_priced:
            return [(quote.processing_note or "There is no price yet.", "")]
        rows = [(line["label"], money(Decimal(line["amount"]), quote.currency)) for line in quote.price_lines]
        rows += [
            (f"{quote.quantity} × {money(quote.unit_price, quote.currency)}", money(quote.subtotal, quote.currency)),
            ("Tax", money(quote.tax, quote.currency)),
            ("Total", money(quote.total_price, quote.currency)),
        ]
        return rows

    @display(description="estimate of a set")
    def estimate(self, quote: Quote) -> str:
        """Show grams, minutes, by which method and how sure."""
        if quote.material_grams is None:
            return "–"
        sure = f", within {plain_number(quote.estimate_confidence)} %" if quote.estimate_confidence else ""
        better = f" ({quote.fallback_reason})" if quote.fallback_reason else ""
        return (
            f"{grams(quote.material_grams)}, {duration(quote.print_time_minutes)}, "
            f"{quote.parts_per_plate} on a plate; {quote.estimate_method}{sure}{better}"
        )

    @display(description="corrected by")
    def corrected(self, quote: Quote) -> SafeString | str:
        """Show what finished prints changed about the estimate."""
        return corrections_of(quote)

    @display(description="to look at")
    def seen(self, quote: Quote) -> str:
        """Show what the estimate noticed."""
        detail = quote.estimate_detail
        rows = [detail.get("needs_person") or "", *detail.get("warnings", [])]
        if detail.get("methods_differ_percent"):
            rows.append(f"Two methods differ by {detail['methods_differ_percent']} %.")
        return " ".join(row for row in rows if row) or "–"
