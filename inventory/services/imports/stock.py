"""Opening stock from a table: lots and balances that come in through the ledger.

It is booked on the day of the import, so that no closed books change; a lot keeps the day on which it was received.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.actors import current
from blb3d.core.documents import insert_documents
from blb3d.core.errors import BLB3DError
from blb3d.core.outbox import Fact, emit_all
from blb3d.core.tables import Table
from blb3d.core.units import Unit, round_quantity
from inventory.models import (
    Inventory,
    InventoryLocation,
    InventoryTransaction,
    MaterialLot,
    Product,
    Reference,
    Vendor,
)
from inventory.selectors.units import stock_quantity, unit_factors
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
    day,
    number,
    text,
)
from inventory.services.ledger import Kind, Movement, post_opening

#: Ledger rows of an import say so; a table that is read again finds them by this.
REASON = "Opening stock"

#: Per stock unit.
_DEAREST = Decimal("99999999.9999")

STOCK_COLUMNS = (
    Column(
        "product",
        ("sku", "item", "article", "material", "product sku", "part number"),
        code(60),
        "SKU of the product",
        "M-00044",
        is_required=True,
    ),
    Column("location", ("place", "bin", "shelf", "warehouse"), code(40), "Its code; empty: the default", "MAIN"),
    Column(
        "lot",
        ("lot number", "batch", "batch number", "our lot"),
        text(100),
        "Needed where the product is tracked by lot, and only there",
        "L-2026-014",
    ),
    Column(
        "quantity",
        ("qty", "on hand", "stock", "amount", "count"),
        number(digits=14, is_above=True),
        "In the unit of the row",
        "2.5",
        is_required=True,
        is_number=True,
    ),
    Column("unit", ("uom", "unit of measure"), any_unit, "Empty: the stock unit; one of the product's own works", "kg"),
    Column(
        "unit_cost",
        ("cost", "price", "cost per unit", "unit price"),
        number(digits=20, places=8),
        "Per unit of the row; empty: the product's standard cost",
        "18.50",
        is_number=True,
    ),
    Column(
        "received",
        ("received date", "received on", "date", "receipt date", "date received"),
        day,
        "Of a lot: by it the oldest is used first; empty: today",
        "2026-03-31",
    ),
    Column("expires", ("expires on", "expiry", "expiration date", "best before", "expiry date"), day, "", "2028-03-31"),
    Column("vendor", ("supplier", "vendor code"), code(40), "Its code", "V-0001"),
    Column(
        "vendor_lot", ("vendor lot number", "supplier lot", "supplier batch", "manufacturer lot"), text(100), "", ""
    ),
)


@dataclass(frozen=True)
class _Stock:
    """What a good row says, in the stock unit."""

    row: Row
    product: Product
    location: InventoryLocation
    quantity: Decimal
    unit_cost: Decimal
    received: dt.datetime
    expires: dt.datetime | None
    vendor: Vendor | None
    vendor_lot: str

    @property
    def terms(self) -> tuple[Any, ...]:
        """Return what the rows of one lot must agree on."""
        return (self.product.pk, self.unit_cost, self.received, self.expires, self.vendor, self.vendor_lot)


@dataclass
class _Known:
    """What the database knows of what the table names."""

    products: dict[str, Product]
    locations: dict[str, InventoryLocation]
    default: InventoryLocation | None
    vendors: dict[str, Vendor]
    factors: dict[int, dict[str, Decimal]]
    now: dt.datetime


def plan_stock(table: Table, *, lock: bool = False) -> Plan:
    """Return what a table of opening stock would bring in; what an earlier import brought in is unchanged."""
    plan = Plan()
    sheet = Sheet(table, STOCK_COLUMNS, plan)
    known = _look_up(sheet)
    lots: dict[str, list[_Stock]] = {}
    loose: dict[tuple[int, int], _Stock] = {}
    for row in sheet.rows:
        stock = _stock(sheet, row, known)
        if stock is None:
            continue
        place = (stock.product.pk, stock.location.pk)
        lot_number = row.values.get("lot")
        if lot_number is None:
            if place in loose:
                first = loose[place].row.number
                sheet.wrong(
                    row, "product", f"{stock.product.sku} at {stock.location.code} stands in row {first} already"
                )
            else:
                loose[place] = stock
            continue
        rows = lots.setdefault(lot_number, [])
        if any(other.location == stock.location for other in rows):
            sheet.wrong(
                row, "lot", f"lot {lot_number} at {stock.location.code} stands in row {rows[0].row.number} already"
            )
        elif rows and rows[0].terms != stock.terms:
            told = "product, cost, dates and vendor of a lot are the same in each of its rows"
            sheet.wrong(row, "lot", f"{told}: see row {rows[0].row.number}")
        else:
            rows.append(stock)
    _drop_present_lots(sheet, lots)
    _drop_present_balances(sheet, loose)
    for lot_number, rows in lots.items():
        total = sum((stock.quantity for stock in rows), Decimal(0))
        plan.add(_change(rows[0], f"{rows[0].product.sku}, lot {lot_number}", total))
    for stock in loose.values():
        plan.add(_change(stock, f"{stock.product.sku} at {stock.location.code}", stock.quantity))
    plan.work.append(lambda: _receive(lots, list(loose.values())))
    return plan


def _change(stock: _Stock, key: str, quantity: Decimal) -> Change:
    unit = "" if stock.product.unit_of_measure == Unit.EACH else f" {stock.product.unit_of_measure}"
    values: tuple[tuple[str, str, str], ...] = (
        ("quantity", "–", f"{as_text(quantity)}{unit}"),
        ("unit_cost", "–", as_text(stock.unit_cost)),
    )
    if "lot" in stock.row.values and stock.product.requires_certificate:
        values += (("status", "–", "in quarantine until its certificate is here"),)
    return Change(stock.row.number, key, is_new=True, values=values)


def _look_up(sheet: Sheet) -> _Known:
    """Read what the rows name: products, places, vendors and units, a query for each 2000 of them."""
    products = find_products({row.values["product"] for row in sheet.rows if "product" in row.values})
    places = InventoryLocation.objects.filter(is_active=True)
    vendors = {vendor.code.upper(): vendor for vendor in Vendor.objects.all()} if sheet.has("vendor") else {}
    factors: dict[int, dict[str, Decimal]] = {}
    if any(row.values.get("unit") not in COMMON for row in sheet.rows):
        for part in batches([product.pk for product in products.values()]):
            factors |= unit_factors(part)
    by_code = {place.code.upper(): place for place in places}
    return _Known(
        products={sku: product for sku, product in products.items() if product.deleted_at is None},
        locations=by_code,
        default=next((place for place in by_code.values() if place.is_default), None),
        vendors=vendors,
        factors=factors,
        now=timezone.now(),
    )


def _stock(sheet: Sheet, row: Row, known: _Known) -> _Stock | None:
    """Return what a row says, or note everything that is wrong with it."""
    sheet.need(row, "product", "quantity")
    values = row.values
    product = known.products.get(values.get("product", ""))
    if "product" in values and product is None:
        sheet.wrong(row, "product", f"there is no product {values['product']}")
    place = known.locations.get(values["location"]) if "location" in values else known.default
    if place is None and "location" not in row.bad:
        told = (
            f"there is no location {values['location']}" if "location" in values else "is missing; none is the default"
        )
        sheet.wrong(row, "location", told)
    vendor = known.vendors.get(values.get("vendor", ""))
    if "vendor" in values and vendor is None:
        sheet.wrong(row, "vendor", f"there is no vendor {values['vendor']}")
    received, expires = _days(sheet, row, known.now)
    if product is None:
        return None
    _check_tracking(sheet, row, product)
    if "quantity" not in values or "unit" in row.bad:
        return None
    unit = values.get("unit", product.unit_of_measure)
    try:
        quantity = stock_quantity(product, values["quantity"], unit, factors=known.factors)
    except BLB3DError as error:
        sheet.wrong(row, "unit" if "unit" in values else "quantity", error.message)
        return None
    if row.is_bad or place is None:
        return None
    cost = product.unit_cost
    if "unit_cost" in values:
        # Told per unit of the row: 20.00 per spool of 1 kg, 0.02 per g.
        cost = round_quantity(values["unit_cost"] * values["quantity"] / quantity)
        if cost > _DEAREST:
            sheet.wrong(row, "unit_cost", f"is {cost:f} per {product.unit_of_measure}; at most {_DEAREST:f} is kept")
            return None
    return _Stock(row, product, place, quantity, cost, received, expires, vendor, values.get("vendor_lot", ""))


def _check_tracking(sheet: Sheet, row: Row, product: Product) -> None:
    if product.is_serialized:
        sheet.wrong(row, "product", f"{product.sku} is tracked by serial number: its stock comes from production")
    elif product.category == Product.Category.SERVICE:
        sheet.wrong(row, "product", f"{product.sku} is a service: there is no stock of it")
    elif product.is_lot_tracked and "lot" not in row.values:
        sheet.wrong(row, "lot", f"{product.sku} is tracked by lot: please name the lot")
    elif not product.is_lot_tracked and "lot" in row.values:
        sheet.wrong(row, "lot", f"{product.sku} is not tracked by lot")
    elif not product.is_lot_tracked:
        for name in ("expires", "vendor", "vendor_lot", "received"):
            if name in row.values:
                sheet.wrong(row, name, f"is known of lots only; {product.sku} is not tracked by lot")


def _days(sheet: Sheet, row: Row, now: dt.datetime) -> tuple[dt.datetime, dt.datetime | None]:
    today = timezone.localdate(now)
    received, expires = row.values.get("received"), row.values.get("expires")
    if received is not None and received > today:
        sheet.wrong(row, "received", f"{received} is in the future")
    if received is not None and received.year < 2000:
        sheet.wrong(row, "received", f"{received} is too long ago")
    if expires is not None and expires < today:
        sheet.wrong(row, "expires", f"it expired on {expires}")
    zone = timezone.get_current_timezone()
    at = now if received is None or received >= today else dt.datetime.combine(received, dt.time(), zone)
    until = dt.datetime.combine(expires, dt.time(23, 59, 59), zone) if expires is not None else None
    return at, until


def _drop_present_lots(sheet: Sheet, lots: dict[str, list[_Stock]]) -> None:
    """Take out lots that came in before as they stand here; one that differs is an error."""
    for part in batches(sorted(lots)):
        rows = MaterialLot.all_objects.filter(lot_number__in=part)
        for lot_number, product_id, received in rows.values_list("lot_number", "product_id", "quantity_received"):
            mine = lots.pop(lot_number)
            if mine[0].product.pk == product_id and received == sum(stock.quantity for stock in mine):
                sheet.plan.unchanged += len(mine)
                continue
            for stock in mine:
                sheet.wrong(stock.row, "lot", f"lot {lot_number} is there already, received with {as_text(received)}")


def _drop_present_balances(sheet: Sheet, loose: dict[tuple[int, int], _Stock]) -> None:
    """Take out stock without lot that an earlier import brought in; other stock that is there is an error."""
    there: dict[tuple[int, int], Decimal] = {}
    for part in batches(sorted({product for product, _ in loose})):
        balances = Inventory.objects.filter(product_id__in=part, lot__isnull=True, on_hand_quantity__gt=0)
        there |= {
            (product, place): quantity
            for product, place, quantity in balances.values_list("product_id", "location_id", "on_hand_quantity")
            if (product, place) in loose
        }
    imported: set[tuple[int, int, Decimal]] = set()
    for part in batches(sorted({product for product, _ in there})):
        came = InventoryTransaction.objects.filter(
            product_id__in=part, lot__isnull=True, transaction_type=Kind.RECEIPT, reason__startswith=REASON
        )
        imported |= set(came.order_by().values_list("product_id", "location_id", "quantity"))
    for place, quantity in there.items():
        stock = loose.pop(place)
        if (*place, stock.quantity) in imported:
            sheet.plan.unchanged += 1
            continue
        told = (
            f"{as_text(quantity)} of {stock.product.sku} are at {stock.location.code} already: please count or correct"
        )
        sheet.wrong(stock.row, "quantity", told)


def _status(product: Product) -> str:
    """Return what a lot begins as: one that needs a certificate waits for it."""
    return MaterialLot.Status.QUARANTINE if product.requires_certificate else MaterialLot.Status.ACTIVE


def _receive(lots: Mapping[str, list[_Stock]], loose: list[_Stock]) -> None:
    """Make the lots and post everything as one posting."""
    acting = current()
    actor: User = acting.actor  # type: ignore[union-attr]
    reason = f"{REASON}: {acting.reason}" if acting and acting.reason else REASON
    rows = [
        MaterialLot(
            lot_number=lot_number,
            product=stocks[0].product,
            vendor=stocks[0].vendor,
            vendor_lot_number=stocks[0].vendor_lot,
            received_date=stocks[0].received,
            expiration_date=stocks[0].expires,
            quantity_received=sum(stock.quantity for stock in stocks),
            quantity_remaining=sum(stock.quantity for stock in stocks),
            unit_cost=stocks[0].unit_cost,
            status=_status(stocks[0].product),
        )
        for lot_number, stocks in lots.items()
    ]
    made = {lot.lot_number: lot for lot in insert_documents(rows, natural_key="lot_number")}
    movements = [
        Movement(
            Kind.RECEIPT,
            stock.product.pk,
            stock.location.pk,
            lot.pk if lot else None,
            stock.quantity,
            unit_cost=stock.unit_cost,
            reference_type=Reference.LOT if lot else Reference.MANUAL,
            reference_id=lot.pk if lot else None,
            reason=reason,
        )
        for lot, stocks in [*((made[key], stocks) for key, stocks in lots.items()), (None, loose)]
        for stock in stocks
    ]
    post_opening(movements, actor=actor)
    emit_all(
        Fact(
            "inventory.lot_received",
            f"inventory.materiallot:{lot.pk}",
            {
                "id": lot.pk,
                "number": lot.lot_number,
                "product_id": lot.product_id,
                "vendor_id": lot.vendor_id,
                "purchase_order_id": None,
            },
        )
        for lot in made.values()
    )
