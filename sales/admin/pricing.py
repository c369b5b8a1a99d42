"""What work costs in the console: versions of the price rules, and the levels that customers have."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import display

from blb3d.core.admin import AdminVerb, DocumentAdmin, DocumentInline
from blb3d.core.templatetags.blb3d_ui import chip
from production.models import Printer
from sales import services as sales
from sales.models import MachineRate, PriceLevel, PriceRules, QuantityBreak
from sales.selectors import active_rules

_PERCENT = Decimal("0.01")


class _DraftInline(DocumentInline):
    """Rows of a draft, which may also be taken out again; of what once ruled they are only shown."""

    show_change_link = False
    hide_title = True

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow for a draft."""
        return (obj is None or obj.is_draft) and super().has_change_permission(request, obj)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow for a draft."""
        return (obj is None or obj.is_draft) and super().has_add_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow for a draft."""
        return self.has_change_permission(request, obj)


class MachineRateInline(_DraftInline):
    """What an hour costs on printers of one model."""

    model = MachineRate
    fields = ("printer_model", "hourly_rate")
    verbose_name_plural = "machine rates by printer model"

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer the models that the farm has; another one may be typed."""
        field = super().formfield_for_dbfield(db_field, request, **kwargs)
        if field is not None and db_field.name == "printer_model":
            names = sorted(set(Printer.objects.order_by().values_list("model", flat=True)))
            field.help_text = f"Here: {', '.join(names)}" if names else ""
        return field

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        """Give new rules a row for each rate that rules."""
        return len(active_rules().machine_rates) if obj is None else 0


class QuantityBreakInline(_DraftInline):
    """What is taken off from a quantity on."""

    model = QuantityBreak
    fields = ("from_quantity", "discount_percent")
    verbose_name_plural = "quantity breaks"

    def get_extra(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> int:
        """Give new rules a row for each break that rules."""
        return len(active_rules().quantity_breaks) if obj is None else 0


@admin.register(PriceRules)
class PriceRulesAdmin(DocumentAdmin):
    list_display = ("name", "note", "state", "markup_percent", "machine_hourly_rate", "activated_at", "activated_by")
    search_fields = ("note", "=number")
    header_fields = ("state", "activated_at", "activated_by")
    fieldsets = (
        (None, {"fields": ("note",)}),
        (
            "Machines and material",
            {"fields": (("material_basis", "machine_hourly_rate"), ("setup_per_job", "setup_per_plate"))},
        ),
        ("Price", {"fields": (("markup_percent", "minimum"), "tax_percent")}),
        (
            "Finish",
            {
                "fields": (
                    "labour_hourly_rate",
                    ("smooth_factor", "smooth_minutes"),
                    ("painted_factor", "painted_minutes"),
                )
            },
        ),
        ("Priority", {"fields": (("rush_factor", "super_rush_factor", "urgent_factor"),)}),
    )
    inlines = (QuantityBreakInline, MachineRateInline)
    extra_verbs = (
        AdminVerb(
            name="activate",
            label="Activate",
            call=sales.activate_rules,
            permission="sales.activate_pricerules",
            reason_required=True,
            style="primary",
            confirm="From now on prices are made by these rules. Prices that were given stand.",
            visible=lambda rules: rules.is_draft,
        ),
        AdminVerb(name="copy", label="Copy to a new draft", call=sales.copy_rules, permission="sales.add_pricerules"),
    )

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow for a draft: quotes were made with the others."""
        return (obj is None or obj.is_draft) and super().has_change_permission(request, obj)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Start new rules from those that rule."""
        return {**sales.rates_of(active_rules()), **super().get_changeform_initial_data(request)}

    def get_formset_kwargs(self, request: HttpRequest, obj: Any, inline: Any, prefix: str) -> dict[str, Any]:
        """Start the rows of new rules from those that rule."""
        kwargs: dict[str, Any] = super().get_formset_kwargs(request, obj, inline, prefix)
        if request.method == "GET" and obj.pk is None:
            kwargs["initial"] = self._rows(inline.model)
        return kwargs

    @staticmethod
    def _rows(model: Any) -> list[dict[str, Any]]:
        rules = active_rules()
        if model is MachineRate:
            return [{"printer_model": name, "hourly_rate": rate} for name, rate in rules.machine_rates.items()]
        return [
            {"from_quantity": least, "discount_percent": (share * 100).quantize(_PERCENT)}
            for least, share in rules.quantity_breaks
        ]

    def create(self, request: HttpRequest, obj: Any, form: Any) -> PriceRules:
        """Draft the rules under the next number."""
        return sales.draft_rules(obj, actor=request.user)  # type: ignore[arg-type]

    def page_links(self, obj: PriceRules) -> list[tuple[str, str]]:
        """Lead to what open quotes would become."""
        return [("What if?", reverse("admin:quotes_quote_whatif", args=[obj.pk]))]

    @display(description="rules", ordering="number")
    def name(self, rules: PriceRules) -> str:
        """Name the version."""
        return str(rules)

    @display(description="state", ordering="is_active")
    def state(self, rules: PriceRules) -> SafeString:
        """Show whether it rules now, may still be changed, or ruled once."""
        if rules.is_active:
            return chip("active", label="Rules now")
        return chip("draft", label="Draft") if rules.is_draft else chip("closed", label="Ruled once")


@admin.register(PriceLevel)
class PriceLevelAdmin(DocumentAdmin):
    list_display = ("name", "discount_percent")
    search_fields = ("name",)
    fields = ("name", "discount_percent")
    related_documents = ("customers",)
