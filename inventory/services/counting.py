"""Cycle counts: a sheet is drawn up, counted, and its differences are booked, the large ones by a second person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from django.db.models import F, Max, Q, Sum
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents, lock_documents, update_documents
from blb3d.core.errors import InvalidValue
from blb3d.core.lifecycle import allow
from blb3d.core.numbering import next_number
from blb3d.core.units import round_quantity
from blb3d.core.verbs import verb
from inventory.errors import (
    AlreadyOnASheet,
    CountedBySame,
    LotNeeded,
    NotAllCounted,
    NotBeingCounted,
    NothingToCount,
)
from inventory.lifecycles import CYCLE_COUNT
from inventory.models import (
    CycleCount,
    CycleCountLine,
    Inventory,
    InventoryLocation,
    InventoryTransaction,
    MaterialLot,
    Product,
    Reference,
)
from inventory.selectors.counting import ABC_DAYS, is_within_tolerance, places_below
from inventory.services.corrections import Correction, correct_balances
from inventory.services.ledger import Key, Kind, Movement, lock_balances, lock_for, require_lot_of

Status = CycleCount.Status

#: Lines of one sheet: nobody counts more before the books have moved on.
MAX_LINES = 2_000
#: So many lines a refusal names.
_NAMED = 20
_OPEN = (Status.COUNTING, Status.SUBMITTED)
#: A classes are the products that make up so much of what is consumed, B the next; C is the rest.
_A_SHARE, _B_SHARE = Decimal("0.80"), Decimal("0.95")


@verb
def plan_count(
    *,
    location: InventoryLocation | None = None,
    abc_class: str = "",
    products: Sequence[Product] = (),
    is_blind: bool = True,
    notes: str = "",
    actor: User,
) -> CycleCount:
    """Draw up a sheet, ``CC-2025-001``: a place with all below it, a class, some products, or what fits all of them."""
    if abc_class not in ("", "A", "B", "C"):
        raise InvalidValue("A class is A, B or C.", details={"field": "abc_class"})
    if location is None and not abc_class and not products:
        raise InvalidValue("Count what? A place, a class or some products.", details={"field": "location"})
    count = CycleCount(
        count_number=next_number("CC"), location=location, abc_class=abc_class, is_blind=is_blind, notes=notes[:500]
    )
    count.save()
    count.products.set(products)
    return count


@verb
def start_count(count: CycleCount, *, actor: User) -> CycleCount:
    """Begin to count: the sheet gets a line for everything that the books have there now, with how much.

    A line's own figure is taken again the moment it is counted, so that stock may go on moving meanwhile.

    Raises:
        NothingToCount: the books have nothing of it.
        AlreadyOnASheet: some of it is being counted on another sheet.
        InvalidValue: there would be more than 2000 lines.
    """
    with CYCLE_COUNT.step(count, "start", actor=actor) as move:
        condition = Q(on_hand_quantity__gt=0)
        if count.location_id is not None:
            condition &= Q(location_id__in=places_below(count.location_id))
        if count.abc_class:
            condition &= Q(product__abc_class=count.abc_class)
        product_ids = list(count.products.values_list("pk", flat=True))
        if product_ids:
            condition &= Q(product_id__in=product_ids)
        pks = list(Inventory.objects.filter(condition).order_by("id").values_list("pk", flat=True)[: MAX_LINES + 1])
        if not pks:
            raise NothingToCount
        if len(pks) > MAX_LINES:
            raise InvalidValue(f"That is more than {MAX_LINES} lines: count less at a time.")
        # Locked, so that two sheets that begin at the same time do not take the same stock.
        balances = [row for row in lock_balances(Q(pk__in=pks)) if row.on_hand_quantity > 0]
        _refuse_other_sheets(count, [(row.product_id, row.location_id, row.lot_id) for row in balances])
        order = {
            pk: index
            for index, pk in enumerate(
                Inventory.objects.filter(pk__in=pks)
                .order_by("location__code", "product__sku", "lot__lot_number", "id")
                .values_list("pk", flat=True)
            )
        }
        balances.sort(key=lambda row: order[row.pk])
        insert_documents(
            [
                CycleCountLine(
                    cycle_count=count,
                    position=position,
                    product_id=row.product_id,
                    location_id=row.location_id,
                    lot_id=row.lot_id,
                    expected_quantity=row.on_hand_quantity,
                    unit_cost=row.cost_per_unit,
                )
                for position, row in enumerate(balances, start=1)
            ],
            natural_key="position",
            within={"cycle_count": count},
        )
        count.started_at = timezone.now()
        move.payload["lines"] = len(balances)
    return count


@verb
def count_line(line: CycleCountLine, *, quantity: Decimal, actor: User, note: str = "") -> CycleCountLine:
    """Note what was counted, in the stock unit; counting again replaces it. The books' figure is taken at this moment.

    Raises:
        NotBeingCounted: the sheet is not open for counting.
        InvalidValue: the quantity is negative or not a number.
    """
    counted = _counted(quantity)
    count = _open_sheet(line.cycle_count_id)
    [row] = lock_documents(CycleCountLine.objects.filter(pk=line.pk, cycle_count=count))
    _note(row, counted, _book([row]).get(_key(row), Decimal(0)), actor=actor, note=note)
    row.save()
    line.refresh_from_db()
    return line


@verb
def count_found(
    count: CycleCount,
    *,
    product: Product,
    location: InventoryLocation,
    quantity: Decimal,
    lot: MaterialLot | None = None,
    note: str = "",
    actor: User,
) -> CycleCountLine:
    """Note something that lies there and is not on the sheet; what is on it is counted on its line.

    Raises:
        NotBeingCounted: the sheet is not open for counting.
        LotNeeded: the product is tracked by lot and none is named.
        AlreadyOnASheet: it is being counted on another sheet.
    """
    counted = _counted(quantity)
    require_lot_of(lot, product)
    if product.is_lot_tracked and lot is None:
        raise LotNeeded(details={"sku": product.sku})
    sheet = _open_sheet(count.pk)
    # Where the books have nothing an empty balance is opened: its lock keeps two sheets from noting the same find.
    lot_id = lot.pk if lot else None
    [balance] = lock_for([Movement(Kind.ADJUSTMENT, product.pk, location.pk, lot_id, Decimal(1))]).values()
    found = CycleCountLine.objects.filter(cycle_count=sheet, product=product, location=location, lot=lot)
    rows = lock_documents(found)
    if rows:
        row = rows[0]
    else:
        _refuse_other_sheets(sheet, [(product.pk, location.pk, lot_id)])
        last = CycleCountLine.objects.filter(cycle_count=sheet).aggregate(last=Max("position"))["last"] or 0
        on_hand = balance.on_hand_quantity
        row = CycleCountLine(
            cycle_count=sheet,
            position=last + 1,
            product=product,
            location=location,
            lot=lot,
            is_found=True,
            expected_quantity=on_hand,
            unit_cost=balance.cost_per_unit if on_hand else (lot.unit_cost if lot else product.unit_cost),
        )
    _note(row, counted, balance.on_hand_quantity, actor=actor, note=note)
    row.save()
    return row


@verb
def submit_count(count: CycleCount, *, actor: User) -> CycleCount:
    """Say that everything is counted; where every difference is within tolerance, it is booked at once.

    Otherwise the sheet waits for somebody who did not count it, see :func:`approve_count`.

    Raises:
        NotAllCounted: lines are left; what is not there is counted as 0.
    """
    with CYCLE_COUNT.step(count, "submit", actor=actor) as move:
        lines = list(CycleCountLine.objects.filter(cycle_count=count).order_by("position"))
        left = [row.position for row in lines if row.counted_quantity is None]
        if left or not lines:
            raise NotAllCounted(details={"lines": left[:_NAMED], "left": len(left)})
        count.submitted_at, count.submitted_by = timezone.now(), actor
        within = all(is_within_tolerance(row) for row in lines)
        move.payload["is_within_tolerance"] = within
    if within:
        _approve(count, actor=actor)
    return count


@verb
def recount(count: CycleCount, *, actor: User, reason: str = "") -> CycleCount:
    """Have what differs by more than the tolerance counted again; the other lines keep their figures."""
    with CYCLE_COUNT.step(count, "recount", actor=actor, reason=reason):
        lines = lock_documents(CycleCountLine.objects.filter(cycle_count=count))
        again = [row for row in lines if not is_within_tolerance(row)] or lines
        for row in again:
            row.counted_quantity = row.book_quantity = None
            row.counted_at = row.counted_by = None
        update_documents(again, ["counted_quantity", "book_quantity", "counted_at", "counted_by"])
        count.submitted_at = count.submitted_by = None
    return count


@verb
def approve_count(count: CycleCount, *, actor: User, reason: str = "") -> CycleCount:
    """Book the differences of a sheet: each balance moves by what was counted more or less than it had at that moment.

    What moved between counting and booking is not lost. Reserved stock that is gone is taken from its reservations,
    whose holders get free stock elsewhere as far as there is any.

    Raises:
        NotAllowed: ``actor`` may not approve counts.
        CountedBySame: a difference is above tolerance, and ``actor`` counted on this sheet.
    """
    allow(actor, "inventory.approve_cyclecount")
    return _approve(count, actor=actor, reason=reason)


def _approve(count: CycleCount, *, actor: User, reason: str = "") -> CycleCount:
    with CYCLE_COUNT.step(count, "approve", actor=actor, reason=reason) as move:
        lines = lock_documents(CycleCountLine.objects.filter(cycle_count=count))
        if not all(is_within_tolerance(row) for row in lines) and actor.pk in {row.counted_by_id for row in lines}:
            raise CountedBySame(details={"count_number": count.count_number})
        differing = [row for row in lines if row.variance]
        booked = correct_balances(
            [
                Correction(
                    row.product_id,
                    row.location_id,
                    row.lot_id,
                    row.variance,
                    Reference.CYCLE_COUNT,
                    count.pk,
                    f"{count.count_number}, line {row.position}",
                    unit_cost=row.unit_cost,
                )
                for row in differing
            ],
            actor=actor,
        )
        for row, change in zip(differing, booked, strict=True):
            row.booked_quantity = change
        update_documents(differing, ["booked_quantity"])
        count.approved_at, count.approved_by = timezone.now(), actor
        # Not earlier: on a blind sheet it would tell who counts again how far off they were.
        count.variance_value = sum((row.variance_value for row in lines), Decimal(0))
        move.payload.update(lines=len(lines), differing=len(differing), variance_value=str(count.variance_value))
    return count


@verb
def cancel_count(count: CycleCount, *, actor: User, reason: str) -> CycleCount:
    """Give a sheet up; nothing of it is booked."""
    with CYCLE_COUNT.step(count, "cancel", actor=actor, reason=reason):
        pass
    return count


@verb
def classify_abc(*, actor: User) -> dict[str, int]:
    """Give every active product its class by what was consumed of it in the last 365 days, at cost.

    Those that make up the first 80 % of the value are A, up to 95 % B, the rest C; services have none. Returns how many
    products changed into each class.
    """
    since = timezone.now() - ABC_DAYS
    used = InventoryTransaction.objects.filter(
        transaction_type__in=(Kind.CONSUMPTION, Kind.SHIPMENT, Kind.SCRAP, Kind.RETURN), transaction_date__gte=since
    )
    values = {
        pk: round_quantity(-(total or Decimal(0)))
        for pk, total in used.order_by()
        .values_list("product_id")
        .annotate(total=Sum(F("on_hand_change") * F("unit_cost")))
    }
    products = list(
        Product.objects.filter(is_active=True).exclude(category=Product.Category.SERVICE).only("pk", "abc_class")
    )
    classes = _classes({row.pk: max(values.get(row.pk, Decimal(0)), Decimal(0)) for row in products})
    wrong = [row.pk for row in products if row.abc_class != classes[row.pk]]
    changed = {"A": 0, "B": 0, "C": 0}
    for start in range(0, len(wrong), 500):
        rows = lock_documents(Product.objects.filter(pk__in=wrong[start : start + 500]))
        for row in rows:
            row.abc_class = classes[row.pk]
            changed[row.abc_class] += 1
        update_documents(rows, ["abc_class"])
    return changed


def _classes(values: Mapping[int, Decimal]) -> dict[int, str]:
    total = sum(values.values(), Decimal(0))
    classes: dict[int, str] = {}
    before = Decimal(0)
    for pk, value in sorted(values.items(), key=lambda row: (-row[1], row[0])):
        # By what came before it: the product that crosses the line still belongs to the better class.
        share = before / total if total else Decimal(1)
        classes[pk] = "C" if not value or share >= _B_SHARE else ("A" if share < _A_SHARE else "B")
        before += value
    return classes


def _open_sheet(pk: int) -> CycleCount:
    """Lock a sheet that is being counted, so that it is not submitted meanwhile."""
    count = next(iter(lock_documents(CycleCount.objects.filter(pk=pk))), None)
    if count is None or count.status != Status.COUNTING:
        state = count.get_status_display() if count else "gone"
        raise NotBeingCounted(f"This sheet is {state}: nothing can be counted on it.", details={"status": state})
    return count


def _refuse_other_sheets(count: CycleCount, keys: Sequence[Key]) -> None:
    wanted = set(keys)
    others = CycleCountLine.objects.filter(
        cycle_count__status__in=_OPEN,
        product_id__in={product for product, _, _ in keys},
        location_id__in={place for _, place, _ in keys},
    ).exclude(cycle_count=count)
    for row in others.select_related("cycle_count").order_by("cycle_count_id", "position"):
        if _key(row) in wanted:
            number = row.cycle_count.count_number
            raise AlreadyOnASheet(f"Some of it is being counted on {number}.", details={"count_number": number})


def _key(row: CycleCountLine) -> Key:
    return (row.product_id, row.location_id, row.lot_id)


def _book(rows: Sequence[CycleCountLine]) -> dict[Key, Decimal]:
    """Lock the balances of lines and return what the books have of each now."""
    condition = Q()
    for row in rows:
        condition |= Q(product_id=row.product_id, location_id=row.location_id, lot_id=row.lot_id)
    return {(row.product_id, row.location_id, row.lot_id): row.on_hand_quantity for row in lock_balances(condition)}


def _counted(quantity: Decimal) -> Decimal:
    if not quantity.is_finite() or not 0 <= quantity <= 1_000_000:
        raise InvalidValue("What is counted is from 0 to 1000000.", details={"field": "quantity"})
    return round_quantity(quantity)


def _note(row: CycleCountLine, counted: Decimal, book: Decimal, *, actor: User, note: str) -> None:
    row.counted_quantity, row.book_quantity = counted, book
    row.counted_at, row.counted_by = timezone.now(), actor
    row.note = note.strip()[:200]
