"""Products, bills of materials, plates and print files."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from blb3d.core.documents import Document, step_permissions
from blb3d.core.units import Unit


class Product(Document):
    """Anything that is sold, made, bought or consumed: a finished good, a filament, a box, a custom part."""

    class Category(models.TextChoices):
        FINISHED_GOOD = "finished_good", "finished good"
        MATERIAL = "material", "material"
        COMPONENT = "component", "component"
        PACKAGING = "packaging", "packaging"
        SERVICE = "service", "service"
        CUSTOM = "custom", "custom"

    class Type(models.TextChoices):
        STANDARD = "standard", "standard"
        CUSTOM = "custom", "custom"

    class Replenishment(models.TextChoices):
        MAKE_TO_ORDER = "make_to_order", "make to order"
        MAKE_TO_STOCK = "make_to_stock", "make to stock"
        BUY = "buy", "buy"

    #: Kept in capitals without surrounding space, because SQL Server compares codes without regard to case.
    sku = models.CharField(max_length=60, unique=True)
    name = models.CharField(max_length=200)
    category = models.CharField(max_length=20, choices=Category.choices, default=Category.FINISHED_GOOD)
    type = models.CharField(max_length=10, choices=Type.choices, default=Type.STANDARD)
    is_active = models.BooleanField(default=True)
    unit_of_measure = models.CharField(max_length=6, choices=Unit.choices, default=Unit.EACH, help_text="Stock unit")
    purchase_unit = models.CharField(
        max_length=20, blank=True, default="", help_text="What it is bought in; empty: the stock unit"
    )
    usage_unit = models.CharField(
        max_length=20,
        blank=True,
        default="",
        help_text="What bills and people speak of; empty: g of a material that is weighed, else the stock unit",
    )
    unit_cost = models.DecimalField(
        max_digits=12, decimal_places=4, default=Decimal(0), help_text="Standard cost per stock unit"
    )
    list_price = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    gcode_file_path = models.CharField(max_length=500, blank=True, default="")
    replenishment = models.CharField(max_length=15, choices=Replenishment.choices, default=Replenishment.MAKE_TO_ORDER)
    is_serialized = models.BooleanField(default=False)
    is_lot_tracked = models.BooleanField(default=False)
    quarantine_receipts = models.BooleanField(
        default=False, help_text="What vendors send cannot be used before somebody releases it"
    )
    shipping_weight_grams = models.DecimalField(
        max_digits=12,
        decimal_places=4,
        null=True,
        blank=True,
        help_text="Of one stock unit, to share freight by weight; needed only for what is not kept in kg or g",
    )
    reorder_point = models.DecimalField(max_digits=12, decimal_places=4, default=Decimal(0))
    safety_stock = models.DecimalField(max_digits=12, decimal_places=4, default=Decimal(0))
    lead_time_days = models.PositiveIntegerField(default=0)
    #: How planning sizes its orders; a vendor's own minimum and multiple come on top.
    minimum_quantity = models.DecimalField(
        max_digits=12, decimal_places=4, default=Decimal(0), help_text="Of one order, in the stock unit; 0: none"
    )
    order_multiple = models.DecimalField(
        max_digits=12, decimal_places=4, default=Decimal(0), help_text="In the stock unit; 0: any quantity"
    )
    period_of_supply_days = models.PositiveSmallIntegerField(
        default=0, help_text="One order covers so many days; 0: each day's need by itself"
    )
    yield_percent = models.DecimalField(
        max_digits=5,
        decimal_places=2,
        default=Decimal(100),
        validators=[MinValueValidator(Decimal(1)), MaxValueValidator(Decimal(100))],
        help_text="Expected good share of what is made: planning asks for so much more material",
    )
    abc_class = models.CharField(
        "ABC class", max_length=1, blank=True, default="", choices=[("A", "A"), ("B", "B"), ("C", "C")]
    )
    notes = models.TextField(blank=True, default="")

    # What printing needs to know of a material.
    material_type = models.CharField(max_length=20, blank=True, default="", db_index=True)
    brand = models.CharField(max_length=80, blank=True, default="")
    color_name = models.CharField(max_length=60, blank=True, default="")
    color_hex = models.CharField(max_length=6, blank=True, default="", help_text="RRGGBB, capitals")
    diameter_mm = models.DecimalField(max_digits=4, decimal_places=2, null=True, blank=True)
    density_g_cm3 = models.DecimalField(max_digits=6, decimal_places=4, null=True, blank=True)
    price_per_kg = models.DecimalField(max_digits=10, decimal_places=2, null=True, blank=True)
    requires_certificate = models.BooleanField(
        default=False, help_text="Its lots stay in quarantine until their certificate of analysis is here"
    )
    is_hygroscopic = models.BooleanField(default=False, help_text="Takes up water: its reels are dried")
    drying_celsius = models.PositiveSmallIntegerField("drying temperature (°C)", default=0)
    drying_hours = models.DecimalField(max_digits=5, decimal_places=2, default=Decimal(0))
    open_hours = models.PositiveSmallIntegerField(
        default=0, help_text="So long a reel may lie open before it must be dried; 0: for ever"
    )
    is_type_default = models.BooleanField(
        default=False, help_text="Taken for its material type when a customer names no colour and none is in stock"
    )

    class Meta:
        db_table = "products"
        ordering = ["sku"]
        indexes = [
            models.Index(fields=["category", "is_active"], name="products_category_idx"),
            models.Index(fields=["name"], name="products_name_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.sku} {self.name}"

    @property
    def is_material(self) -> bool:
        """True for what printers consume."""
        return self.category == self.Category.MATERIAL


class BOM(Document):
    """A bill of materials; one is active per product."""

    product = models.ForeignKey(Product, models.PROTECT, related_name="boms")
    code = models.CharField(max_length=80, unique=True)
    name = models.CharField(max_length=200, blank=True, default="")
    revision = models.PositiveIntegerField(default=1)
    is_active = models.BooleanField(default=True)
    total_cost = models.DecimalField(max_digits=14, decimal_places=4, default=Decimal(0))

    class Meta:
        db_table = "boms"
        verbose_name = "bill of materials"
        verbose_name_plural = "bills of materials"
        ordering = ["code"]
        constraints = [
            models.UniqueConstraint(fields=["product"], condition=Q(is_active=True), name="bom_one_active"),
            models.UniqueConstraint(fields=["product", "revision"], name="bom_revision_unique"),
        ]

    def __str__(self) -> str:
        return self.code


class BOMLine(Document):
    """A component and how much of it one unit of the parent takes."""

    bom = models.ForeignKey(BOM, models.CASCADE, related_name="lines")
    component = models.ForeignKey(Product, models.PROTECT, related_name="used_in", db_column="component_id")
    quantity = models.DecimalField(
        max_digits=12, decimal_places=4, help_text="Per unit of the parent, in the component's stock unit"
    )
    unit_of_measure = models.CharField(
        max_length=20, help_text="As entered: a common unit, or one of the component's own"
    )
    entered_quantity = models.DecimalField(max_digits=14, decimal_places=4, help_text="As entered")
    scrap_percent = models.DecimalField(
        max_digits=5,
        decimal_places=2,
        default=Decimal(0),
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(100))],
    )

    class Meta:
        db_table = "bom_lines"
        ordering = ["id"]
        verbose_name = "BOM line"
        constraints = [
            models.UniqueConstraint(fields=["bom", "component"], name="bom_line_component_unique"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="bom_line_quantity_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} {self.component_id}"


class ProductPlate(Document):
    """One build plate of a product: what is printed at once, and how much it takes.

    A product with several plate numbers needs one part of each: its good count is the least of its plates.
    """

    product = models.ForeignKey(Product, models.PROTECT, related_name="plates")
    revision = models.PositiveIntegerField(default=1)
    plate_number = models.PositiveIntegerField(default=1)
    is_active = models.BooleanField(default=True)
    parts_per_plate = models.PositiveIntegerField(default=1)
    estimated_minutes = models.DecimalField(max_digits=10, decimal_places=2, help_text="For a full plate")
    layer_height_mm = models.DecimalField(max_digits=4, decimal_places=2, default=Decimal("0.20"))
    infill_percent = models.PositiveSmallIntegerField(default=15)
    bbox_x_mm = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    bbox_y_mm = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    bbox_z_mm = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    #: Storage path of the model that a slicer reads; empty where staff upload print files.
    model_file = models.CharField(max_length=500, blank=True, default="")
    printer_models = models.JSONField(default=list, blank=True, help_text="Models it fits; empty: any")
    printer_tags = models.JSONField(default=list, blank=True, help_text="Tags a printer must have; empty: none")
    nozzle_diameter_mm = models.DecimalField(
        max_digits=4, decimal_places=2, null=True, blank=True, help_text="Only on this nozzle; empty: any"
    )
    #: Parts of several products, named by ``members``; it belongs to a stand-in product that nobody can order.
    is_mixed = models.BooleanField(default=False, editable=False)

    class Meta:
        db_table = "product_plates"
        ordering = ["product_id", "revision", "plate_number"]
        constraints = [
            models.UniqueConstraint(fields=["product", "revision", "plate_number"], name="plate_number_unique"),
            models.CheckConstraint(condition=Q(parts_per_plate__gt=0), name="plate_parts_positive"),
        ]

    def __str__(self) -> str:
        return f"plate {self.plate_number}, revision {self.revision}"


class PlateMember(models.Model):
    """How many parts of another plate lie on a mixed plate; the other plate's model is what is printed for them."""

    plate = models.ForeignKey(ProductPlate, models.CASCADE, related_name="members")
    source = models.ForeignKey(ProductPlate, models.PROTECT, related_name="mixed_on")
    parts = models.PositiveIntegerField()

    class Meta:
        db_table = "plate_members"
        ordering = ["plate_id", "id"]
        constraints = [
            models.UniqueConstraint(fields=["plate", "source"], name="plate_member_unique"),
            models.CheckConstraint(condition=Q(parts__gt=0), name="plate_member_parts_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.parts} parts of plate {self.source_id}"


class PlateFilament(models.Model):
    """One filament of a plate: which material and how many grams a full plate takes of it."""

    plate = models.ForeignKey(ProductPlate, models.CASCADE, related_name="filaments")
    position = models.PositiveSmallIntegerField(
        default=0, help_text="From 0, in the file's order; the file itself may leave numbers out"
    )
    material = models.ForeignKey(Product, models.PROTECT, related_name="+")
    grams = models.DecimalField(max_digits=12, decimal_places=4, help_text="For a full plate")

    class Meta:
        db_table = "plate_filaments"
        ordering = ["plate_id", "position"]
        constraints = [models.UniqueConstraint(fields=["plate", "position"], name="plate_filament_unique")]

    def __str__(self) -> str:
        return f"{self.grams} g of {self.material_id}"


def print_file_path(instance: Any, filename: str) -> str:
    """Return where a print file is kept: ``gcode/{sku}/r{revision}-p{plate}-{printer model}-{sha}.gcode.3mf``."""
    plate = instance.plate
    suffix = "".join(filename.partition(".")[1:]) or ".gcode.3mf"
    model = instance.printer_model.replace(" ", "_")
    return f"gcode/{plate.product.sku}/r{plate.revision}-p{plate.plate_number}-{model}-{instance.sha256[:12]}{suffix}"


class PrintFile(Document):
    """A sliced file of a plate for one printer model; only a released one may be printed."""

    plate = models.ForeignKey(ProductPlate, models.PROTECT, related_name="print_files")
    printer_model = models.CharField(max_length=40)
    file = models.FileField(upload_to=print_file_path, max_length=500)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.PositiveBigIntegerField(default=0)
    minutes = models.DecimalField(max_digits=10, decimal_places=2)
    grams = models.DecimalField(max_digits=12, decimal_places=4, help_text="All filaments of the plate")
    #: What the slicer counts of each filament: [{"position", "material_type", "color_hex", "grams"}], the position
    #: being its number in the file from 0; empty where nobody read it from the file.
    filaments = models.JSONField(default=list, blank=True)
    layers = models.PositiveIntegerField(default=0)
    sliced_by = models.CharField(max_length=120)
    warnings = models.JSONField(default=list, blank=True)
    released_at = models.DateTimeField(null=True, blank=True)
    released_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "print_files"
        ordering = ["-id"]
        permissions = step_permissions("printfile", "release", "withdraw")
        constraints = [
            models.UniqueConstraint(fields=["plate", "printer_model", "sha256"], name="print_file_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.printer_model} file of {self.sliced_by}"
