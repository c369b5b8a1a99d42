"""Bills of materials from a table, one line per component: a bill that differs becomes a new revision."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from decimal import Decimal
from functools import partial

from blb3d.core.errors import BLB3DError
from blb3d.core.tables import Table
from blb3d.core.units import round_quantity
from inventory.models import BOMLine, Product
from inventory.selectors.units import stock_quantity, unit_factors, usage_unit
from inventory.services.catalogue import BOMLineSpec, BOMSpec, replace_boms
from inventory.services.imports.products import find_products
from inventory.services.imports.sheets import (
    COMMON,
    Change,
    Column,
    Plan,
    Row,
    Sheet,
    any_unit,
    as_text,
    batches,
    code,
    number,
    text,
)

BOM_COLUMNS = (
    Column(
        "product",
        ("sku", "parent", "parent sku", "product sku", "assembly", "finished good", "made"),
        code(60),
        "SKU of what is made",
        "FG-00012",
        is_required=True,
    ),
    Column(
        "component",
        ("component sku", "material", "item", "part", "child", "child sku", "ingredient"),
        code(60),
        "SKU of what goes into it; one row for each",
        "M-00044",
        is_required=True,
    ),
    Column(
        "quantity",
        ("qty", "amount", "quantity per", "qty per", "quantity per unit"),
        number(digits=14, is_above=True),
        "Per one of the product, in the unit of the row",
        "125.5",
        is_required=True,
        is_number=True,
    ),
    Column(
        "unit",
        ("uom", "unit of measure"),
        any_unit,
        "Empty: what the component is spoken of in, g for a filament; one of its own units works too",
        "g",
    ),
    Column(
        "scrap_percent",
        ("scrap", "scrap %", "waste", "waste %", "waste percent"),
        number(digits=5, places=2, most=Decimal(100)),
        "What is lost on the way",
        "2",
        is_number=True,
    ),
    Column("name", ("bom name", "bill", "bill name"), text(200), "Of the bill; empty: the product's", ""),
)

#: What one line says: quantity as entered, its unit, scrap.
_Line = tuple[Decimal, str, Decimal]


def plan_boms(table: Table, *, lock: bool = False) -> Plan:
    """Return what a table of bills would do: each product's rows together are its whole bill."""
    plan = Plan()
    sheet = Sheet(table, BOM_COLUMNS, plan)
    named = {row.values[name] for row in sheet.rows for name in ("product", "component") if name in row.values}
    products = {sku: found for sku, found in find_products(named, lock=lock).items() if found.deleted_at is None}
    factors: dict[int, dict[str, Decimal]] = {}
    if any(row.values.get("unit") not in COMMON for row in sheet.rows):
        for part in batches([product.pk for product in products.values()]):
            factors |= unit_factors(part)
    bills: dict[str, list[tuple[Row, BOMLineSpec]]] = {}
    broken: set[str] = set()
    components: dict[tuple[str, str], int] = {}
    for row in sheet.rows:
        line = _line(sheet, row, products, factors, components)
        if line is not None:
            bills.setdefault(row.values["product"], []).append((row, line))
        elif "product" in row.values:
            broken.add(row.values["product"])
    _refuse_cycles(sheet, bills, products)
    present = _present([products[sku].pk for sku in bills])
    specs = []
    for sku, lines in bills.items():
        if sku in broken or any(row.is_bad for row, _ in lines):
            continue
        product = products[sku]
        wanted = {
            line.component.sku: (round_quantity(line.quantity), str(line.unit), line.scrap_percent) for _, line in lines
        }
        old = present.get(product.pk, {})
        if old == wanted:
            plan.unchanged += 1
            continue
        values = tuple(_differences(old, wanted)) if old else (("components", "–", str(len(wanted))),)
        plan.add(Change(lines[0][0].number, sku, is_new=not old, values=values))
        name = next((row.values["name"] for row, _ in lines if "name" in row.values), "")
        specs.append(BOMSpec(product, [line for _, line in lines], name))
    plan.work.append(partial(_write, specs))
    return plan


def _write(specs: list[BOMSpec]) -> None:
    if specs:
        replace_boms(specs, is_checked=True)


def _line(
    sheet: Sheet,
    row: Row,
    products: Mapping[str, Product],
    factors: dict[int, dict[str, Decimal]],
    components: dict[tuple[str, str], int],
) -> BOMLineSpec | None:
    """Return what a row says, or note what is wrong with it."""
    sheet.need(row, "product", "component", "quantity")
    for name in ("product", "component"):
        if name in row.values and row.values[name] not in products:
            sheet.wrong(row, name, f"there is no product {row.values[name]}")
    if "product" in row.values and "component" in row.values:
        pair = (row.values["product"], row.values["component"])
        if pair in components:
            sheet.wrong(row, "component", f"{pair[1]} stands in this bill already, in row {components[pair]}")
        components.setdefault(pair, row.number)
    if row.is_bad:
        return None
    component = products[row.values["component"]]
    unit = row.values.get("unit") or usage_unit(component)
    try:
        stock_quantity(component, row.values["quantity"], unit, factors=factors)
    except BLB3DError as error:
        sheet.wrong(row, "unit" if "unit" in row.values else "quantity", error.message)
        return None
    return BOMLineSpec(component, row.values["quantity"], unit, row.values.get("scrap_percent", Decimal("0.00")))


def _present(product_ids: list[int]) -> dict[int, dict[str, _Line]]:
    """Return the lines of active bills by product and component; one query for each 2000 products."""
    found: dict[int, dict[str, _Line]] = {}
    for part in batches(product_ids):
        lines = BOMLine.objects.filter(
            bom__product_id__in=part, bom__is_active=True, bom__deleted_at__isnull=True
        ).values_list("bom__product_id", "component__sku", "entered_quantity", "unit_of_measure", "scrap_percent")
        for product_id, sku, quantity, unit, scrap in lines.order_by():
            found.setdefault(product_id, {})[sku] = (quantity, unit, scrap)
    return found


def _differences(old: Mapping[str, _Line], new: Mapping[str, _Line]) -> Iterator[tuple[str, str, str]]:
    def said(line: _Line | None) -> str:
        if line is None:
            return "–"
        quantity, unit, scrap = line
        return f"{as_text(quantity)} {unit}" + (f" + {as_text(scrap)} % scrap" if scrap else "")

    for sku in sorted(old.keys() | new.keys()):
        if old.get(sku) != new.get(sku):
            yield sku, said(old.get(sku)), said(new.get(sku))


def _refuse_cycles(
    sheet: Sheet, bills: Mapping[str, list[tuple[Row, BOMLineSpec]]], products: Mapping[str, Product]
) -> None:
    """Note every row by which a product would contain itself, through bills of the table and those that stay."""
    below: dict[int, set[int]] = {
        products[sku].pk: {line.component.pk for _, line in lines} for sku, lines in bills.items()
    }
    level: set[int] = set().union(*below.values()) - below.keys()
    while level:
        below |= {pk: set() for pk in level}
        for part in batches(sorted(level)):
            edges = BOMLine.objects.filter(bom__product_id__in=part, bom__is_active=True, bom__deleted_at__isnull=True)
            for parent, component in edges.order_by().values_list("bom__product_id", "component_id"):
                below[parent].add(component)
        level = set().union(*(below[pk] for pk in level)) - below.keys()
    ring = _rings(below)
    for sku, lines in bills.items():
        own = products[sku].pk
        for row, line in lines:
            other = line.component.pk
            if own == other:
                sheet.wrong(row, "component", f"{sku} cannot be part of itself")
            elif ring[own] == ring[other]:
                sheet.wrong(row, "component", f"{sku} would be part of itself by way of {line.component.sku}")


def _rings(below: Mapping[int, Collection[int]]) -> dict[int, int]:
    """Return for each product a number that those share which contain each other (Tarjan's algorithm)."""
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    ring: dict[int, int] = {}
    stack: list[int] = []
    for root in below:
        if root in order:
            continue
        path = [(root, iter(below[root]))]
        order[root] = low[root] = len(order)
        stack.append(root)
        while path:
            product, components = path[-1]
            for component in components:
                if component not in order:
                    order[component] = low[component] = len(order)
                    stack.append(component)
                    path.append((component, iter(below[component])))
                    break
                if component not in ring:
                    low[product] = min(low[product], order[component])
            else:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[product])
                if low[product] == order[product]:
                    while True:
                        member = stack.pop()
                        ring[member] = product
                        if member == product:
                            break
    return ring
