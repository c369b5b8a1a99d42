"""Units of a product's own: a spool of 1 kg, a box of 50."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from blb3d.core.documents import Document


class ProductUnit(Document):
    """A unit that only this product has: one ``unit`` is ``factor`` stock units, exactly."""

    product = models.ForeignKey("inventory.Product", models.CASCADE, related_name="units")
    unit = models.CharField(max_length=20, help_text="spool, box, roll, pack …")
    factor = models.DecimalField(max_digits=18, decimal_places=8, help_text="Stock units in one of it")

    class Meta:
        db_table = "product_units"
        ordering = ["product_id", "unit"]
        verbose_name = "unit of a product"
        verbose_name_plural = "units of products"
        constraints = [
            models.UniqueConstraint(fields=["product", "unit"], name="product_unit_unique"),
            models.CheckConstraint(condition=Q(factor__gt=0), name="product_unit_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.unit} = {self.factor.normalize():f}"
