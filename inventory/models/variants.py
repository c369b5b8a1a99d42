"""Families of products: one pattern, printed in many materials."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q

from blb3d.core.documents import Document


class ProductFamily(Document):
    """A pattern that is made in several materials: the template's bill and plates with one filament replaced."""

    code = models.CharField(max_length=30, unique=True, help_text="SKUs begin with it")
    name = models.CharField(max_length=150)
    template = models.ForeignKey(
        "inventory.Product", models.PROTECT, related_name="families", help_text="Whose bill and plates are the pattern"
    )
    varying_material = models.ForeignKey(
        "inventory.Product",
        models.PROTECT,
        related_name="+",
        help_text="The material of the template's bill that each variant replaces",
    )
    is_active = models.BooleanField(default=True)
    notes = models.TextField(blank=True, default="")

    class Meta:
        db_table = "product_families"
        verbose_name_plural = "product families"
        ordering = ["code"]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class ProductVariant(Document):
    """The product of a family in one material, and what the family last wrote of it: later changes by hand are seen."""

    family = models.ForeignKey(ProductFamily, models.PROTECT, related_name="variants")
    material = models.ForeignKey("inventory.Product", models.PROTECT, related_name="+")
    product = models.OneToOneField("inventory.Product", models.PROTECT, related_name="variant")
    is_in_matrix = models.BooleanField(default=True, help_text="Out of it, its product is not active")
    surcharge = models.DecimalField(
        max_digits=12, decimal_places=2, default=Decimal(0), help_text="On the template's list price"
    )
    bom = models.ForeignKey("inventory.BOM", models.PROTECT, null=True, blank=True, related_name="+")
    plates_revision = models.PositiveIntegerField(default=0, help_text="Of the plates that the family wrote; 0: none")
    written_name = models.CharField(max_length=200, blank=True, default="", editable=False)
    written_price = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True, editable=False)

    class Meta:
        db_table = "product_variants"
        ordering = ["family_id", "id"]
        constraints = [
            models.UniqueConstraint(fields=["family", "material"], name="product_variant_unique"),
            models.CheckConstraint(condition=Q(surcharge__gte=0), name="product_variant_surcharge"),
        ]

    def __str__(self) -> str:
        return f"{self.product_id} of {self.family_id}"
