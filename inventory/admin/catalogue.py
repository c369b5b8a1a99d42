"""Products, bills of materials, plates and print files in the console."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from pathlib import PurePosixPath
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from blb3d.core.admin import (
    AdminVerb,
    DocumentAdmin,
    ReadOnlyInline,
    VerbForm,
    money_column,
    number_column,
)
from blb3d.core.templatetags.blb3d_ui import plain_number, swatch
from blb3d.core.units import Unit
from inventory import services as inventory
from inventory.admin.forms import BOMForm, PlatesForm, PrintFileForm, RequirementsForm
from inventory.admin.library import ProductFileForm, ProductFileInline, add_file
from inventory.models import (
    BOM,
    BOMLine,
    PlateFilament,
    PlateMember,
    PrintFile,
    Product,
    ProductPlate,
    ProductUnit,
)
from inventory.selectors import (
    compare_with_estimate,
    doubts_about,
    plate_picture,
    purchase_unit,
    unit_choices,
    usage_unit,
)


class WrittenByVerbs(DocumentAdmin):
    """A document that is made and changed by acts on other pages, and only shown on its own."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False


class UnitsForm(VerbForm):
    """A product's own units, one a line."""

    units = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 6}),
        required=False,
        help_text="One unit a line with how many stock units it is, exactly: spool 1, or box 12. A unit that is left "
        "out is gone; one that is in use stays.",
    )

    def prepare(self) -> None:
        """Start from the present units."""
        rows = self.document.units.order_by("unit")  # type: ignore[attr-defined]
        self.fields["units"].initial = "\n".join(f"{row.unit} {plain_number(row.factor)}" for row in rows)

    def clean_units(self) -> list[inventory.UnitSpec]:
        """Return the units as the verb takes them."""
        specs = []
        for number, line in enumerate(self.cleaned_data["units"].splitlines(), start=1):
            words = line.split()
            if not words:
                continue
            try:
                factor = Decimal(words[1]) if len(words) == 2 else None
            except InvalidOperation:
                factor = None
            if factor is None:
                raise forms.ValidationError(f"Line {number}: please give a unit and a number.")
            specs.append(inventory.UnitSpec(words[0], factor))
        return specs


class ProductUnitInline(ReadOnlyInline):
    """What a product is counted in besides its stock unit."""

    model = ProductUnit
    fields = ("unit", "stock_units")
    readonly_fields = ("stock_units",)
    list_related = ("product",)
    show_change_link = False
    verbose_name_plural = "units of its own"

    @display(description="is")
    def stock_units(self, row: ProductUnit) -> str:
        """Show what one of it is."""
        return f"{plain_number(row.factor)} {row.product.unit_of_measure}"


@admin.register(Product)
class ProductAdmin(DocumentAdmin):
    list_display = ("sku", "name", "category", "material_type", "color", "unit_cost", "price", "is_active")
    list_filter = ("category", "is_active", "type", "material_type", "replenishment")
    search_fields = ("sku", "name", "material_type", "color_name", "brand")
    price = money_column("list_price", "list price")
    header_fields = ("category", "counted_in", "unit_cost", "list_price", "is_active")
    related_documents = ("boms", "plates", "routings", "lots")
    fieldsets = (
        (None, {"fields": (("sku", "name"), ("category", "type"), ("unit_of_measure", "is_active"), "notes")}),
        ("Units", {"fields": (("purchase_unit", "usage_unit"),)}),
        ("Price and cost", {"fields": (("list_price", "unit_cost", "price_per_kg"),)}),
        (
            "Planning",
            {
                "fields": (
                    ("replenishment", "lead_time_days"),
                    ("reorder_point", "safety_stock"),
                    ("minimum_quantity", "order_multiple"),
                    ("period_of_supply_days", "yield_percent"),
                    "abc_class",
                    ("is_serialized", "is_lot_tracked"),
                    "gcode_file_path",
                )
            },
        ),
        (
            "Material",
            {
                "fields": (
                    ("material_type", "brand"),
                    ("color_name", "color_hex"),
                    ("diameter_mm", "density_g_cm3"),
                    "is_type_default",
                    "requires_certificate",
                )
            },
        ),
        ("Sliced plates", {"fields": ("sliced",)}),
        ("Drying", {"fields": ("is_hygroscopic", ("drying_celsius", "drying_hours"), "open_hours")}),
    )
    extra_verbs = (
        AdminVerb(
            name="set_bom",
            label="New bill of materials",
            call=inventory.set_bom,
            permission="inventory.add_bom",
            form_class=BOMForm,
            visible=lambda product: product.is_active,
        ),
        AdminVerb(
            name="set_plates",
            label="New plates",
            call=inventory.set_plates,
            permission="inventory.add_productplate",
            form_class=PlatesForm,
            visible=lambda product: product.is_active,
        ),
        AdminVerb(
            name="set_units",
            label="Units of its own",
            call=inventory.set_product_units,
            permission="inventory.change_product",
            form_class=UnitsForm,
            quiet=True,
        ),
        AdminVerb(
            name="add_file",
            label="Add a file",
            call=add_file,
            permission="inventory.add_productfile",
            form_class=ProductFileForm,
            quiet=True,
        ),
    )
    inlines = (ProductUnitInline, ProductFileInline)

    @display(description="colour", ordering="color_name")
    def color(self, obj: Product) -> SafeString | str:
        """Show the colour and its name."""
        return swatch(obj.color_hex, obj.color_name) if obj.color_hex else obj.color_name

    def page_links(self, obj: Product) -> list[tuple[str, str]]:
        """Lead to what lies where and to what moved."""
        lists = (("Stock", "inventory"), ("Movements", "inventorytransaction"))
        return [
            (words, f"{reverse(f'admin:inventory_{name}_changelist')}?product__id__exact={obj.pk}")
            for words, name in lists
        ]

    @display(description="counted in")
    def counted_in(self, obj: Product) -> str:
        """Say what it is stocked in, and bought and used in where that is another unit."""
        words = [f"{said} in {unit}" for said, unit in (("bought", purchase_unit(obj)), ("used", usage_unit(obj)))
                 if unit != obj.unit_of_measure]  # fmt: skip
        return ", ".join([obj.get_unit_of_measure_display(), *words])

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep what stock and documents are known by."""
        fixed = ("sku", "unit_of_measure") if obj is not None else ()
        return (*super().get_readonly_fields(request, obj), *fixed, "abc_class", "sliced")

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        """Ask nothing of units and files before the product is there."""
        return list(super().get_inlines(request, obj)) if obj is not None else []

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Offer the product's own units for what it is bought and used in."""
        form = super().get_form(request, obj, change, **kwargs)
        choices = list(Unit.choices) if obj is None else unit_choices(obj)
        for name, usual in (("purchase_unit", "the stock unit"), ("usage_unit", "the usual one")):
            if name in form.base_fields:
                form.base_fields[name] = forms.ChoiceField(
                    choices=[("", usual), *choices],
                    required=False,
                    help_text=form.base_fields[name].help_text,
                    widget=UnfoldAdminSelectWidget,
                )
        return form

    @display(description="print files")
    def sliced(self, obj: Product) -> SafeString | str:
        """Name the print files of the product's plates, the released ones first."""
        files = PrintFile.objects.filter(plate__product=obj, plate__is_active=True, withdrawn_at__isnull=True)
        rows = files.select_related("plate").order_by("plate__plate_number", "printer_model", "-released_at", "-pk")
        return (
            format_html_join(
                SafeString("<br>"),
                '<a href="{}">Plate {} for {}</a>{}',
                (
                    (
                        reverse("admin:inventory_printfile_change", args=[row.pk]),
                        row.plate.plate_number,
                        row.printer_model,
                        "" if row.released_at else ", not released",
                    )
                    for row in rows[:20]
                ),
            )
            or "none"
        )

    def create(self, request: HttpRequest, obj: Product, form: Any) -> Product:
        """Create the product by its verb."""
        return inventory.create_product(**form.cleaned_data, actor=request.user)  # type: ignore[arg-type]

    def save_model(self, request: HttpRequest, obj: Product, form: Any, change: bool) -> None:
        """Change the product by its verb."""
        if not change:
            super().save_model(request, obj, form, change)
            return
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        changed = inventory.update_product(obj, actor=request.user, **changes)  # type: ignore[arg-type]
        obj.__dict__.update(changed.__dict__)


class BOMLineInline(ReadOnlyInline):
    """What the product is made of."""

    model = BOMLine
    fields = ("component", "quantity", "entered_quantity", "unit_of_measure", "scrap_percent")
    readonly_fields = fields
    show_change_link = False


@admin.register(BOM)
class BOMAdmin(WrittenByVerbs):
    list_display = ("code", "product", "revision", "cost", "is_active", "created_at")
    list_filter = ("is_active",)
    search_fields = ("code", "name", "product__sku", "product__name")
    cost = number_column("total_cost", "cost")
    header_fields = ("product", "revision", "total_cost", "is_active")
    related_documents = ("product",)
    inlines = (BOMLineInline,)


class PlateFilamentInline(ReadOnlyInline):
    """What a full plate takes."""

    model = PlateFilament
    fields = ("position", "material", "grams")
    readonly_fields = fields
    show_change_link = False


class PlateMemberInline(ReadOnlyInline):
    """Whose parts lie on a mixed plate."""

    model = PlateMember
    fk_name = "plate"
    fields = ("product", "source", "parts")
    readonly_fields = fields
    list_related = ("source__product",)
    show_change_link = False
    verbose_name_plural = "parts of"

    @display(description="product")
    def product(self, member: PlateMember) -> str:
        """Name the product."""
        return str(member.source.product)


@admin.register(ProductPlate)
class ProductPlateAdmin(WrittenByVerbs):
    list_display = ("product", "revision", "plate_number", "parts_per_plate", "minutes", "is_active")
    list_filter = ("is_active",)
    search_fields = ("product__sku", "product__name")
    minutes = number_column("estimated_minutes", "minutes", "min")
    header_fields = (
        "product",
        "parts_per_plate",
        "estimated_minutes",
        "printer_models",
        "printer_tags",
        "nozzle_diameter_mm",
        "is_active",
    )
    related_documents = ("print_files", "slice_tasks")
    inlines = (PlateMemberInline, PlateFilamentInline)
    extra_verbs = (
        AdminVerb(
            name="slice",
            label="Slice",
            call=inventory.ask_for_print_file,
            permission="inventory.add_printfile",
            confirm="It is sliced for every printer model of the farm that it fits.",
            visible=lambda plate: plate.is_active,
        ),
        AdminVerb(
            name="attach_print_file",
            call=inventory.attach_print_file,
            permission="inventory.add_printfile",
            form_class=PrintFileForm,
            visible=lambda plate: plate.is_active,
        ),
        AdminVerb(
            name="ask_of_printers",
            label="Ask of printers",
            call=inventory.ask_of_printers,
            permission="inventory.change_productplate",
            form_class=RequirementsForm,
            visible=lambda plate: plate.is_active,
        ),
    )

    def heading(self, obj: ProductPlate) -> str:
        """Name the plate by its product."""
        return f"{obj.product.sku}, {obj}"


@admin.register(PrintFile)
class PrintFileAdmin(WrittenByVerbs):
    list_display = ("name", "printer_model", "sliced_by", "minutes", "grams", "released_at", "withdrawn_at")
    list_filter = (
        "printer_model",
        ("released_at", admin.EmptyFieldListFilter),
        ("withdrawn_at", admin.EmptyFieldListFilter),
    )
    list_related = ("plate__product",)
    search_fields = ("plate__product__sku", "printer_model", "sha256")
    header_fields = ("makes", "made_for", "printer_model", "minutes", "grams", "layers", "sliced_by", "noticed",
                     "released_at", "released_by", "withdrawn_at")  # fmt: skip
    related_documents = ("plate",)
    fields = ("comparison", "picture", "file", "sliced_from", "size_bytes", "digest")
    readonly_fields = ("comparison", "picture", "sliced_from", "digest")
    extra_verbs = (
        AdminVerb(
            name="release",
            call=inventory.release_print_file,
            permission="inventory.release_printfile",
            style="primary",
            confirm="Printers may run this file from now on. You answer for it.",
            visible=lambda file: file.released_at is None and file.withdrawn_at is None,
        ),
        AdminVerb(
            name="slice_again",
            call=inventory.slice_again,
            permission="inventory.add_printfile",
            confirm="Another file is made for the same printer model; this one stays until it is withdrawn.",
            visible=lambda file: file.plate.is_active,
        ),
        AdminVerb(
            name="withdraw",
            call=inventory.withdraw_print_file,
            permission="inventory.withdraw_printfile",
            style="danger",
            reason_required=True,
            visible=lambda file: file.withdrawn_at is None,
        ),
    )

    @display(description="plate", ordering="plate__product__sku")
    def name(self, obj: PrintFile) -> str:
        """Name the file by product and plate."""
        return f"{obj.plate.product}, {obj.plate}"

    def heading(self, obj: PrintFile) -> str:
        """Name the file by product, plate and printer model."""
        return f"{obj.plate.product.name} for {obj.printer_model}"

    @display(description="makes")
    def makes(self, obj: PrintFile) -> SafeString:
        """Link to the product, with how many parts come off one plate."""
        url = reverse("admin:inventory_product_change", args=[obj.plate.product_id])
        return format_html('{} × <a href="{}">{}</a>', obj.plate.parts_per_plate, url, obj.plate.product)

    @display(description="for")
    def made_for(self, obj: PrintFile) -> SafeString | str:
        """Name the quote and the customer whose part it is."""
        quote = getattr(obj.plate.product, "quote", None)
        if quote is None:
            return ""
        url = reverse("admin:quotes_quote_change", args=[quote.pk])
        return format_html('<a href="{}">{}</a>, {}', url, quote, quote.customer or "a guest")

    @display(description="look at")
    def noticed(self, obj: PrintFile) -> SafeString | str:
        """Show what is doubtful and what the slicer warned of, one a line."""
        words = [*doubts_about(obj), *obj.warnings]
        return format_html_join(SafeString("<br>"), "{}", ((text,) for text in words)) or "nothing"

    @display(description="estimate and slice")
    def comparison(self, obj: PrintFile) -> str:
        """Show what was estimated for the plate beside what the slicer says."""
        return render_to_string("admin/printfile/comparison.html", {"rows": compare_with_estimate(obj)})

    @display(description="sliced from")
    def sliced_from(self, obj: PrintFile) -> str:
        """Name the model that the plate is sliced from."""
        return PurePosixPath(obj.plate.model_file).name

    @display(description="SHA256")
    def digest(self, obj: PrintFile) -> SafeString:
        """Show the digest so that a narrow page can break it."""
        return format_html('<span class="doc__digest">{}</span>', obj.sha256)

    @display(description="picture")
    def picture(self, obj: PrintFile) -> SafeString | str:
        """Show what the slicer drew of the plate."""
        if not plate_picture(obj):
            return "The slicer drew none."
        url = reverse("admin:inventory_printfile_picture", args=[obj.pk])
        return format_html('<img class="doc__picture" src="{}" alt="" width="240" height="240">', url)

    def get_urls(self) -> list[Any]:
        """Add the door to the picture."""
        door = path("<int:pk>/picture/", self.admin_site.admin_view(self.picture_view),
                    name="inventory_printfile_picture")  # fmt: skip
        return [door, *super().get_urls()]

    def picture_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Send the picture of the plate; a file without one is not found."""
        file = PrintFile.objects.filter(pk=pk).first()
        if file is None:
            raise Http404
        if not self.has_view_permission(request, file):
            raise PermissionDenied
        picture = plate_picture(file)
        if not picture:
            raise Http404
        return HttpResponse(picture, content_type="image/png")
