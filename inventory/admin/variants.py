"""Families of products in the console: the matrix of materials, and what would be made of it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods
from unfold.decorators import display

from blb3d.core.admin import DocumentAdmin, ReadOnlyInline
from blb3d.core.admin.verbs import worded
from blb3d.core.errors import BLB3DError
from inventory import services as inventory
from inventory.models import Product, ProductFamily, ProductVariant
from inventory.selectors.variants import IMPOSSIBLE, VariantPlan, fingerprint, matrix_materials, plan_variants

#: What one who makes variants does: products, their bills and plates.
MAY_MAKE = ("inventory.change_productfamily", "inventory.add_product", "inventory.add_bom")
_SURCHARGE = forms.DecimalField(max_digits=8, decimal_places=2, min_value=Decimal(0), required=False)


class VariantInline(ReadOnlyInline):
    """The products of a family."""

    model = ProductVariant
    fk_name = "family"
    fields = ("product", "material", "surcharge", "is_in_matrix")
    readonly_fields = fields
    show_change_link = False
    verbose_name_plural = "variants"


@admin.register(ProductFamily)
class ProductFamilyAdmin(DocumentAdmin):
    list_display = ("code", "name", "template", "varying_material", "is_active")
    list_filter = ("is_active",)
    search_fields = ("code", "name", "template__sku")
    header_fields = ("template", "varying_material", "made", "is_active")
    fields = (("code", "name"), ("template", "varying_material"), "is_active", "notes")
    inlines = (VariantInline,)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep what SKUs begin with and what the variants were made of."""
        fixed = ("code", "template", "varying_material") if obj is not None else ()
        return (*super().get_readonly_fields(request, obj), *fixed)

    def get_inlines(self, request: HttpRequest, obj: Any) -> list[Any]:
        """Show no variants of a family that is not there yet."""
        return list(super().get_inlines(request, obj)) if obj is not None else []

    @display(description="variants")
    def made(self, obj: ProductFamily) -> str:
        """Say how many variants there are."""
        rows = list(obj.variants.values_list("is_in_matrix", flat=True))
        return f"{sum(rows)} in the matrix, {len(rows) - sum(rows)} out of it"

    def page_links(self, obj: ProductFamily) -> list[tuple[str, str]]:
        """Lead to the matrix."""
        return [("Matrix", reverse("admin:inventory_productfamily_matrix", args=[obj.pk]))]

    def create(self, request: HttpRequest, obj: ProductFamily, form: Any) -> ProductFamily:
        """Found the family by its verb."""
        given = {name: value for name, value in form.cleaned_data.items() if name != "is_active"}
        return inventory.create_family(**given, actor=request.user)  # type: ignore[arg-type]

    def get_urls(self) -> list[Any]:
        """Add the matrix."""
        page = require_http_methods(["GET", "POST"])(self.admin_site.admin_view(self.matrix_view))
        return [path("<int:pk>/matrix/", page, name="inventory_productfamily_matrix"), *super().get_urls()]

    def matrix_view(self, request: HttpRequest, pk: int) -> HttpResponseBase:
        """Show the matrix; a POST shows what would be made of what is ticked, or makes it."""
        family = ProductFamily.objects.select_related("template", "varying_material").filter(pk=pk).first()
        if family is None:
            raise Http404
        if not self.has_view_permission(request, family):
            raise PermissionDenied
        may_make = request.user.has_perms(MAY_MAKE)  # type: ignore[union-attr]
        if request.method == "POST" and not may_make:
            raise PermissionDenied
        matrix = _Matrix(family, request)
        plans: list[VariantPlan] = []
        refusal = ""
        if request.method == "POST" and not matrix.mistakes:
            try:
                if request.POST.get("step") == "make":
                    return self._make(request, family, matrix)
            except BLB3DError as error:
                refusal = worded(error)
            try:
                plans = plan_variants(family, matrix.chosen, surcharges=matrix.surcharges, overwrite=matrix.overwrite)
            except BLB3DError as error:
                refusal = refusal or worded(error)
        blocked = any(plan.kind == IMPOSSIBLE for plan in plans)
        context = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "title": f"{family.code}: materials",
            "family": family,
            "matrix": matrix,
            "plans": [(plan, _CHIPS[plan.kind]) for plan in plans],
            "expected": fingerprint(plans) if plans else "",
            "is_asked": bool(plans) or request.method == "POST",
            "writes": sum(bool(plan.writes) for plan in plans),
            "by_hand": any(plan.by_hand for plan in plans),
            "blocked": blocked,
            "refusal": refusal,
            "may_make": may_make and family.is_active,
            "back_url": reverse("admin:inventory_productfamily_change", args=[family.pk]),
        }
        request.current_app = self.admin_site.name  # type: ignore[attr-defined]
        return TemplateResponse(request, "admin/inventory/matrix.html", context)

    def _make(self, request: HttpRequest, family: ProductFamily, matrix: _Matrix) -> HttpResponse:
        plans = inventory.make_variants(
            family,
            matrix.chosen,
            surcharges=matrix.surcharges,
            overwrite=matrix.overwrite,
            expected=request.POST.get("expected", ""),
            actor=request.user,  # type: ignore[arg-type]
        )
        counts = {kind: sum(plan.kind == kind and bool(plan.writes) for plan in plans) for kind in _CHIPS}
        words = ", ".join(f"{counts[kind]} {said}" for kind, said in _SAID.items() if counts[kind])
        messages.success(request, f"{family.code}: {words or 'nothing to change'}.")
        return redirect("admin:inventory_productfamily_change", family.pk)


#: Kind of plan -> the chip's state and words.
_CHIPS = {
    "new": ("confirmed", "New"),
    "changed": ("pending", "Changes"),
    "same": ("completed", "As it is"),
    "out": ("cancelled", "Out"),
    "impossible": ("failed", "Impossible"),
}
_SAID = {"new": "made", "changed": "changed", "out": "switched off"}


class _Matrix:
    """The matrix as it stands or was filled in: rows of a material type, columns of a colour."""

    def __init__(self, family: ProductFamily, request: HttpRequest) -> None:
        self.materials = matrix_materials(family)
        variants = {row.material_id: row for row in ProductVariant.objects.filter(family=family)}
        posted = request.POST if request.method == "POST" else None
        if posted is None:
            ticked = {pk for pk, row in variants.items() if row.is_in_matrix}
        else:
            ticked = {int(text) for text in posted.getlist("material") if text.isdecimal() and len(text) < 19}
        self.chosen = [material for material in self.materials if material.pk in ticked]
        self.overwrite = posted is not None and posted.get("overwrite") == "on"
        self.surcharges: dict[int, Decimal] = {}
        self.mistakes: list[str] = []
        # One column for each colour's name: the black of another material is black too.
        shades: dict[str, str] = {}
        for material in self.materials:
            shades.setdefault(_colour(material), material.color_hex)
        self.columns = sorted(shades.items())
        types = sorted({material.material_type for material in self.materials})
        self.rows = [self._row(name, number, ticked, variants, posted) for number, name in enumerate(types)]

    def _row(
        self, name: str, number: int, ticked: set[int], variants: dict[int, ProductVariant], posted: Any
    ) -> dict[str, Any]:
        materials = [material for material in self.materials if material.material_type == name]
        field = f"surcharge_{number}"
        if posted is None:
            known = {variants[m.pk].surcharge for m in materials if m.pk in variants and m.pk in ticked}
            surcharge: Any = known.pop() if len(known) == 1 else ""
        else:
            surcharge = posted.get(field, "").strip()
            try:
                amount = _SURCHARGE.clean(surcharge)
            except ValidationError as error:
                self.mistakes.append(f"Surcharge on {name}: {' '.join(error.messages)}")
                amount = None
            if amount is not None:
                self.surcharges |= {m.pk: amount for m in materials if m.pk in ticked}
        cells = [_cell([m for m in materials if _colour(m) == colour], ticked, variants) for colour, _ in self.columns]
        return {"name": name, "field": field, "surcharge": surcharge, "cells": cells}


def _cell(
    materials: Sequence[Product], ticked: set[int], variants: dict[int, ProductVariant]
) -> list[tuple[Product, str, bool, bool]]:
    """Return (material, what tells it from others in the cell, is ticked, is there) of each material."""
    brands = {material.brand for material in materials}
    told_by_brand = len(brands) == len(materials) and "" not in brands
    names = ["" if len(materials) == 1 else m.brand if told_by_brand else m.sku for m in materials]
    return [(m, name, m.pk in ticked, m.pk in variants) for m, name in zip(materials, names, strict=True)]


def _colour(material: Product) -> str:
    return material.color_name or material.color_hex or "no colour"
