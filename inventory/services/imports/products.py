"""Products from a table: new ones made, present ones changed where a cell says something else."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from blb3d.core.documents import insert_documents, update_documents
from blb3d.core.errors import BLB3DError
from blb3d.core.tables import Cell, Table, read_text
from inventory.models import Product
from inventory.selectors.materials import normalise_color
from inventory.selectors.units import unit_factors
from inventory.services.imports.sheets import (
    Change,
    Column,
    Plan,
    Row,
    Sheet,
    any_unit,
    as_text,
    batches,
    choice,
    code,
    common_unit,
    flag,
    number,
    text,
    whole,
)
from inventory.services.units import check_spoken

#: Names that other programs and people give to our columns.
_WORDS: dict[str, tuple[str, ...]] = {
    "sku": ("product", "item", "item number", "article", "article number", "part number", "product code", "code", "no"),
    "name": ("title", "product name", "item name", "designation", "description"),
    "unit_of_measure": ("unit", "uom", "stock unit", "base unit"),
    "unit_cost": ("cost", "standard cost", "purchase price", "cost per unit"),
    "list_price": ("price", "sales price", "retail price", "selling price"),
    "is_active": ("active",),
    "is_serialized": ("serialized", "serialised", "serial numbers"),
    "is_lot_tracked": ("lot tracked", "lots", "batch tracked"),
    "reorder_point": ("reorder level", "minimum stock", "min stock"),
    "lead_time_days": ("lead time",),
    "minimum_quantity": ("minimum order quantity", "moq", "minimum order"),
    "order_multiple": ("multiple", "lot size"),
    "period_of_supply_days": ("period of supply",),
    "yield_percent": ("yield", "yield %"),
    "abc_class": ("abc",),
    "notes": ("note", "remark", "remarks", "comment"),
    "material_type": ("material", "filament type"),
    "brand": ("manufacturer",),
    "color_name": ("color", "colour", "colour name"),
    "color_hex": ("colour hex", "hex", "rgb"),
    "diameter_mm": ("diameter",),
    "density_g_cm3": ("density",),
    "is_type_default": ("default of type",),
    "category": ("product category", "kind"),
    "replenishment": ("procurement", "make or buy"),
    "quarantine_receipts": ("quarantine",),
}
_EXAMPLES = {
    "sku": "M-00044",
    "name": "PLA black",
    "category": "material",
    "unit_of_measure": "kg",
    "unit_cost": "18.50",
    "replenishment": "buy",
    "is_lot_tracked": "yes",
    "material_type": "PLA",
    "color_name": "Black",
    "color_hex": "000000",
    "diameter_mm": "1.75",
    "density_g_cm3": "1.24",
    "lead_time_days": "5",
    "safety_stock": "2",
    "yield_percent": "100",
}
_NEVER = {"sku", "name", "gcode_file_path"}


def _color(cell: Cell) -> str | None:
    try:
        return normalise_color(read_text(cell)) or None
    except BLB3DError as error:
        raise ValueError(error.message) from None


def _reader(field: models.Field[Any, Any]) -> Callable[[Cell], Any]:
    """Return what reads the cells of a field, within what the field holds."""
    special: dict[str, Callable[[Cell], Any]] = {
        "unit_of_measure": common_unit,
        "purchase_unit": any_unit,
        "usage_unit": any_unit,
        "color_hex": _color,
        "material_type": code(20),
    }
    if field.name in special:
        return special[field.name]
    if field.choices:
        return choice(field)
    if isinstance(field, models.BooleanField):
        return flag
    if isinstance(field, models.DecimalField):
        # Only what the model itself says, not what the field adds to it.
        bounds = {type(rule): Decimal(rule.limit_value) for rule in field._validators}  # type: ignore[attr-defined]
        return number(
            digits=field.max_digits,  # type: ignore[arg-type]
            places=field.decimal_places,  # type: ignore[arg-type]
            least=bounds.get(MinValueValidator, Decimal(0)),
            most=bounds.get(MaxValueValidator),
        )
    if isinstance(field, models.IntegerField):
        return whole()
    return text(field.max_length or 10_000)


@cache
def product_columns() -> tuple[Column, ...]:
    """Return the columns of a table of products: the SKU, the name, and every plain field of a product."""
    columns = [
        Column(
            "sku",
            _WORDS["sku"],
            code(60),
            "What the product is known by; kept in capitals",
            _EXAMPLES["sku"],
            is_required=True,
        ),
        Column("name", _WORDS["name"], text(200), "Needed for a new product", _EXAMPLES["name"]),
    ]
    for field in Product._meta.concrete_fields:
        plain = isinstance(
            field,
            models.CharField | models.TextField | models.BooleanField | models.DecimalField | models.IntegerField,
        )
        if not plain or not field.editable or field.primary_key or field.is_relation or field.name in _NEVER:
            continue
        told = str(field.help_text) or str(field.verbose_name).capitalize()
        if field.choices and field.name != "unit_of_measure":
            told = "One of: " + ", ".join(str(label) for _, label in field.flatchoices)  # type: ignore[attr-defined]
        if isinstance(field, models.BooleanField) and not field.help_text:
            told += ": yes or no"
        columns.append(
            Column(
                field.name,
                _WORDS.get(field.name, ()),
                _reader(field),
                told,
                _EXAMPLES.get(field.name, ""),
                is_number=isinstance(field, models.DecimalField | models.IntegerField),
            )
        )
    return tuple(columns)


def find_products(skus: set[str], *, lock: bool = False) -> dict[str, Product]:
    """Return products by SKU, those that were deleted too; one query for each 2000."""
    rows = Product.all_objects.all()
    if lock:
        rows = rows.select_for_update()
    found: dict[str, Product] = {}
    for part in batches(sorted(skus)):
        found |= {product.sku: product for product in rows.filter(sku__in=part).order_by("pk")}
    return found


def plan_products(table: Table, *, lock: bool = False) -> Plan:
    """Return what a table of products would do: new ones, and values that become others; an empty cell says nothing.

    With ``lock`` the products that are there are locked until the transaction ends.
    """
    plan = Plan()
    sheet = Sheet(table, product_columns(), plan)
    present = find_products({row.values["sku"] for row in sheet.rows if "sku" in row.values}, lock=lock)
    own_units: dict[int, dict[str, Decimal]] = {}
    speaks = sheet.has("purchase_unit") or sheet.has("usage_unit")
    if speaks:
        for part in batches([product.pk for product in present.values()]):
            own_units |= unit_factors(part)
    first: dict[str, int] = {}
    new: list[dict[str, Any]] = []
    changed: list[Product] = []
    fields: set[str] = set()
    for row in sheet.rows:
        if not sheet.need(row, "sku"):
            continue
        sku = row.values["sku"]
        if sku in first:
            sheet.wrong(row, "sku", f"{sku} stands in row {first[sku]} already")
            continue
        first[sku] = row.number
        product = present.get(sku)
        if product is not None and product.deleted_at is not None:
            sheet.wrong(row, "sku", f"{sku} was a product that is deleted now")
        elif product is None:
            if _is_good(sheet, row, speaks):
                new.append(row.values)
                plan.add(Change(row.number, sku, is_new=True, values=(("name", "–", row.values["name"]),)))
        else:
            change = _changed(sheet, row, product, own_units.get(product.pk, {}) if speaks else None)
            if change is None:
                plan.unchanged += not row.is_bad
            else:
                changed.append(product)
                fields |= {name for name in row.values if name != "sku"}
                plan.add(change)
    plan.work.append(lambda: _insert(new))
    plan.work.append(lambda: update_documents(changed, sorted(fields)))
    return plan


def _is_good(sheet: Sheet, row: Row, speaks: bool) -> bool:
    """Tell whether a row makes a product."""
    if not sheet.need(row, "name") or row.is_bad:
        return False
    if speaks:
        _check_spoken(sheet, row, Product(**row.values), {})
    return not row.is_bad


def _changed(sheet: Sheet, row: Row, product: Product, own: dict[str, Decimal] | None) -> Change | None:
    """Set on the product what the row says, and return what became different."""
    values = []
    for name, value in row.values.items():
        old = getattr(product, name)
        if old == value:
            continue
        if name == "unit_of_measure":
            sheet.wrong(row, name, f"the stock unit of a product cannot change (it is {old})")
            continue
        values.append((name, as_text(old), as_text(value)))
        setattr(product, name, value)
    if own is not None and any(name in {"purchase_unit", "usage_unit"} for name, _, _ in values):
        _check_spoken(sheet, row, product, own)
    return None if row.is_bad or not values else Change(row.number, product.sku, is_new=False, values=tuple(values))


def _check_spoken(sheet: Sheet, row: Row, product: Product, own: dict[str, Decimal]) -> None:
    try:
        check_spoken(product, own)
    except BLB3DError as error:
        sheet.wrong(row, str(error.details.get("field", "")), error.message)


def _insert(products: list[dict[str, Any]]) -> None:
    insert_documents([Product(**values) for values in products], natural_key="sku")
