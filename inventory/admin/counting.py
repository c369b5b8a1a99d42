"""Cycle counts in the console: sheets, what differs, the approval, and what is due."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from blb3d.accounts.models import User
from blb3d.core.admin import AdminVerb, DocumentAdmin, ReadOnlyInline, VerbForm, key_choice, money_column
from blb3d.core.admin.verbs import worded
from blb3d.core.effects import Effect
from blb3d.core.errors import BLB3DError
from blb3d.core.templatetags.blb3d_ui import money, plain_number
from inventory import services as inventory
from inventory.models import CycleCount, CycleCountLine, InventoryLocation, Product
from inventory.selectors import due_for_counting, is_within_tolerance
from inventory.selectors.counting import may_see_books

Status = CycleCount.Status
#: So many rows the page of what is due shows.
_DUE_SHOWN = 200


class CountLineInline(ReadOnlyInline):
    """What is counted; the books' figures are left out while nobody may see them."""

    model = CycleCountLine
    list_related = ("product", "location", "lot")
    fields = ("position", "product", "location", "lot", "counted", "counted_by", "counted_at", "note")
    _with_books = (
        "position",
        "product",
        "location",
        "lot",
        "expected",
        "book",
        "counted",
        "difference",
        "worth",
        "counted_by",
        "counted_at",
        "note",
    )
    readonly_fields = ("expected", "book", "counted", "difference", "worth")
    show_change_link = False
    verbose_name_plural = "lines"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return the columns that this person may see now."""
        self.fields = self._with_books if may_see_books(obj, request.user) else type(self).fields
        return super().get_fields(request, obj)

    @display(description="expected")
    def expected(self, line: CycleCountLine) -> str:
        """Show what the books said when the counting began."""
        return _amount(line, line.expected_quantity)

    @display(description="books")
    def book(self, line: CycleCountLine) -> str:
        """Show what the books said when it was counted."""
        return _amount(line, line.book_quantity)

    @display(description="counted")
    def counted(self, line: CycleCountLine) -> str:
        """Show what was counted."""
        return _amount(line, line.counted_quantity)

    @display(description="difference")
    def difference(self, line: CycleCountLine) -> str:
        """Show how much more or less there is than in the books."""
        if line.counted_quantity is None:
            return "–"
        sign = "+" if line.variance > 0 else ""
        loud = "" if is_within_tolerance(line) else " !"
        return f"{sign}{_amount(line, line.variance)}{loud}"

    @display(description="worth")
    def worth(self, line: CycleCountLine) -> str:
        """Show what the difference is worth."""
        return money(line.variance_value) if line.variance else "–"


def _amount(line: CycleCountLine, quantity: Decimal | None) -> str:
    if quantity is None:
        return "–"
    unit = line.product.unit_of_measure
    return plain_number(quantity) if unit == "each" else f"{plain_number(quantity)} {unit}"


class CountForm(VerbForm):
    """What was counted of one line."""

    quantity = forms.DecimalField(max_digits=14, decimal_places=4, min_value=Decimal(0), help_text="In the stock unit")
    note = forms.CharField(max_length=200, required=False)

    def prepare(self) -> None:
        """Offer the lines, those not counted first."""
        lines = CycleCountLine.objects.filter(cycle_count_id=self.document.pk).select_related(
            "product", "location", "lot"
        )
        ordered = lines.order_by("counted_at", "position")
        self.fields = {
            "line": LineChoice(ordered),
            **self.fields,
        }


class LineChoice(forms.ModelChoiceField):
    """A line of a sheet, named by what lies where."""

    def label_from_instance(self, line: Any) -> str:
        """Name it without what the books say."""
        words = [line.location.code, line.product.sku, *([line.lot.lot_number] if line.lot else [])]
        done = " (counted)" if line.counted_at else ""
        return f"{line.position}. {' · '.join(words)}{done}"


class FoundForm(VerbForm):
    """Something that is not on the sheet."""

    quantity = forms.DecimalField(max_digits=14, decimal_places=4, min_value=Decimal(0), help_text="In the stock unit")
    note = forms.CharField(max_length=200, required=False)

    def prepare(self) -> None:
        """Ask what it is and where."""
        self.fields = {
            "product": key_choice(CycleCountLine, "product"),
            "location": key_choice(CycleCountLine, "location"),
            "lot": key_choice(CycleCountLine, "lot", required=False),
            **self.fields,
        }


def count_on(
    count: CycleCount, *, line: CycleCountLine, quantity: Decimal, note: str = "", actor: User
) -> CycleCountLine:
    """Count one line of the sheet."""
    return inventory.count_line(line, quantity=quantity, note=note, actor=actor)


def _place(code: str) -> InventoryLocation | None:
    """Return the place with a code, if there is one; PostgreSQL is not asked for what it cannot hold."""
    return InventoryLocation.objects.filter(code=code).first() if code and "\0" not in code else None


def approval_effects(count: CycleCount) -> list[Effect]:
    """Tell what is booked when the sheet is approved."""
    lines = list(count.lines.select_related("product", "location", "lot").order_by("position"))
    found = []
    for line in lines:
        if line.variance:
            sign = "+" if line.variance > 0 else ""
            lot = f", lot {line.lot.lot_number}" if line.lot else ""
            change = f"{sign}{_amount(line, line.variance)}, {money(line.variance_value)}"
            text = f"{line.product.sku} at {line.location.code}{lot}: {change}"
            found.append(Effect("stock", text, is_warning=not is_within_tolerance(line)))
    found.append(Effect("money", f"Together {money(sum((line.variance_value for line in lines), Decimal(0)))}."))
    return found


@admin.register(CycleCount)
class CycleCountAdmin(DocumentAdmin):
    list_display = ("count_number", "status", "location", "abc_class", "done", "value", "submitted_by", "approved_by",
                    "created_at")  # fmt: skip
    list_filter = ("status", "abc_class", ("location", admin.RelatedOnlyFieldListFilter),
                   ("approved_at", RangeDateTimeFilter))  # fmt: skip
    search_fields = ("count_number", "notes")
    value = money_column("variance_value", "difference")
    header_fields = ("location", "abc_class", "is_blind", "started_at", "submitted_by", "submitted_at", "approved_by",
                     "approved_at", "difference")  # fmt: skip
    fields = (("location", "abc_class"), "products", "is_blind", "notes")
    inlines = (CountLineInline,)
    verbs = {
        "start": inventory.start_count,
        "submit": AdminVerb(
            call=inventory.submit_count, confirm="What is within tolerance is booked at once; the rest is approved."
        ),
        "recount": inventory.recount,
        "approve": AdminVerb(call=inventory.approve_count, effects=approval_effects),
        "cancel": inventory.cancel_count,
    }
    extra_verbs = (
        AdminVerb(
            name="count",
            label="Count a line",
            call=count_on,
            permission="inventory.count_cyclecount",
            form_class=CountForm,
            visible=lambda count: count.status == Status.COUNTING,
        ),
        AdminVerb(
            name="found",
            label="Found something else",
            call=inventory.count_found,
            permission="inventory.count_cyclecount",
            form_class=FoundForm,
            visible=lambda count: count.status == Status.COUNTING,
        ),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[CycleCount]:
        """Return the sheets with how many lines are counted."""
        counted = Count("lines", filter=Q(lines__counted_quantity__isnull=False))
        queryset: QuerySet[CycleCount] = super().get_queryset(request)
        return queryset.annotate(line_count=Count("lines"), counted_count=counted)

    @display(description="counted")
    def done(self, obj: Any) -> str:
        """Show how much of it is counted."""
        return f"{obj.counted_count} of {obj.line_count}" if obj.line_count else "–"

    @display(description="difference")
    def difference(self, obj: CycleCount) -> str:
        """Show what the difference was worth, once it is booked."""
        return money(obj.variance_value) if obj.approved_at else ""

    def progress(self, obj: Any) -> tuple[int, int, str] | None:
        """Show how much of it is counted."""
        if not obj.line_count:
            return None
        return (obj.counted_count, obj.line_count, f"{obj.counted_count} of {obj.line_count} lines counted")

    def page_links(self, obj: CycleCount) -> list[tuple[str, str]]:
        """Lead to the page for a phone."""
        if obj.status != Status.COUNTING:
            return []
        return [("Count on a phone", reverse("floor:count", args=[obj.count_number]))]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep what is counted once it has begun."""
        fixed = ("location", "abc_class", "products") if obj is not None else ()
        begun = ("is_blind",) if obj is not None and obj.status != Status.DRAFT else ()
        return (*super().get_readonly_fields(request, obj), *fixed, *begun)

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        """Show lines of a sheet that is there."""
        return list(super().get_inlines(request, obj)) if obj is not None else []

    def create(self, request: HttpRequest, obj: CycleCount, form: Any) -> CycleCount:
        """Draw the sheet up under its number."""
        return inventory.plan_count(
            location=obj.location,
            abc_class=obj.abc_class,
            products=list(form.cleaned_data.get("products") or ()),
            is_blind=obj.is_blind,
            notes=obj.notes,
            actor=request.user,  # type: ignore[arg-type]
        )

    def get_urls(self) -> list[Any]:
        """Add the page of what is due."""
        door = path("due/", self.admin_site.admin_view(self.due_view), name="inventory_cyclecount_due")
        return [door, *super().get_urls()]

    def due_view(self, request: HttpRequest) -> HttpResponseBase:
        """Show what is due for counting, and begin a sheet of what was chosen."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        location = _place(request.GET.get("location", ""))
        if request.method == "POST":
            return self._classify(request) if "classify" in request.POST else self._sheet_of_chosen(request)
        rows = due_for_counting(location=location)
        context = {
            **self.admin_site.each_context(request),
            "title": "Due for counting",
            "opts": self.model._meta,
            "rows": rows[:_DUE_SHOWN],
            "left_out": max(len(rows) - _DUE_SHOWN, 0),
            "total": len(rows),
            "locations": InventoryLocation.objects.filter(is_active=True).order_by("code"),
            "location": location,
            "may_add": self.has_add_permission(request),
            "may_classify": request.user.has_perm("inventory.change_product"),  # type: ignore[union-attr]
        }
        return TemplateResponse(request, "admin/console/counts_due.html", context)

    def _classify(self, request: HttpRequest) -> HttpResponseBase:
        if not request.user.has_perm("inventory.change_product"):  # type: ignore[union-attr]
            raise PermissionDenied
        changed = inventory.classify_abc(actor=request.user)  # type: ignore[arg-type]
        told = ", ".join(f"{number} {'is' if number == 1 else 'are'} {name} now" for name, number in changed.items())
        self.message_user(request, f"Classes by what was consumed in a year: {told}.", messages.SUCCESS)
        return redirect(reverse("admin:inventory_cyclecount_due"))

    def _sheet_of_chosen(self, request: HttpRequest) -> HttpResponseBase:
        if not self.has_add_permission(request):
            raise PermissionDenied
        chosen = [key for key in request.POST.getlist("product") if key.isdecimal() and len(key) < 19]
        location = _place(request.POST.get("location", ""))
        products = list(Product.objects.filter(pk__in=chosen))
        if not products:
            self.message_user(request, "Choose what is to be counted.", messages.WARNING)
            return redirect(reverse("admin:inventory_cyclecount_due"))
        try:
            count = inventory.plan_count(
                location=location,
                products=products,
                is_blind=request.POST.get("is_blind") == "1",
                actor=request.user,  # type: ignore[arg-type]
            )
        except BLB3DError as error:
            self.message_user(request, worded(error), messages.ERROR)
            return redirect(reverse("admin:inventory_cyclecount_due"))
        return redirect(reverse("admin:inventory_cyclecount_change", args=[count.pk]))
