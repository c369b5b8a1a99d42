"""Taking stock for use: what a print or a shipment really took, lot by lot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.outbox import Fact, emit_all
from blb3d.core.units import positive_quantity, round_quantity
from blb3d.core.verbs import verb
from inventory.errors import InsufficientStock
from inventory.models import Inventory, InventoryTransaction, MaterialLot, Product, Reference
from inventory.selectors.stock import service_ids
from inventory.services.ledger import Holder, Kind, Movement, post_transactions, require_lot_of
from inventory.services.shelf import LOOKS, Shelf


@dataclass(frozen=True)
class Use:
    """How much of a product, in its stock unit, was used for a document.

    ``holder`` names the document whose reservation is used up; ``lot_id`` the lot that was really taken, if known.
    """

    product_id: int
    quantity: Decimal
    reference_type: str
    reference_id: int | None
    holder: Holder | None = None
    lot_id: int | None = None
    reason: str = ""


@dataclass(frozen=True)
class Consumed:
    """What a use took from one balance; ``use_index`` is the use's place in the call."""

    product_id: int
    lot_id: int | None
    location_id: int
    quantity: Decimal
    unit_cost: Decimal
    use_index: int = 0


@verb
def consume(uses: Sequence[Use], *, actor: User, kind: str = Kind.CONSUMPTION) -> list[Consumed]:
    """Book uses: the named lot first, then what the holder reserved, then free stock first in first out.

    Taking a named lot is a fact that has happened: what others had reserved of it moves to free stock elsewhere, and
    the holder's reservation elsewhere shrinks by what it took. What the books do not have is not booked; the rows
    returned add up to less, and a fact ``inventory.stock_short`` (product_id, missing, reference) tells a person.
    A use that is nothing at stock precision (a failed print's first milligrams) books nothing.
    """
    return _book(uses, actor=actor, kind=kind, whole=False)


@verb
def issue(needs: Sequence[Use], *, actor: User, kind: str = Kind.SHIPMENT) -> list[Consumed]:
    """Take stock off the shelf, all of it or nothing; out of the building unless ``kind`` says otherwise.

    Raises:
        InsufficientStock: something is short; ``details["items"]`` names the products.
    """
    return _book(needs, actor=actor, kind=kind, whole=True)


@verb
def give_back(
    rows: Sequence[Consumed],
    *,
    actor: User,
    reference_type: str = Reference.MANUAL,
    reference_id: int | None = None,
    holder: Holder | None = None,
    reason: str = "",
) -> list[InventoryTransaction]:
    """Return what was taken too much to where it came from, at the cost it left with; ``holder`` gets it reserved."""
    movements = []
    for row in rows:
        quantity = positive_quantity(row.quantity)
        movements.append(
            Movement(
                Kind.RETURN,
                row.product_id,
                row.location_id,
                row.lot_id,
                quantity,
                quantity if holder else Decimal(0),
                unit_cost=row.unit_cost,
                reference_type=reference_type,
                reference_id=reference_id,
                reason=reason,
                holder=holder,
            )
        )
    return post_transactions(movements, actor=actor)


@verb
def report_consumption(
    product: Product,
    *,
    quantity: Decimal,
    reference_type: str,
    reference_id: int,
    lot: MaterialLot | None = None,
    actor: User,
) -> list[Consumed]:
    """Book the total that a document has used of a product, as told; telling it again corrects and never adds.

    What is booked for the document so far counts, whoever booked it: more is taken like any use, too much goes back to
    the lots it came from, the latest first. Returns what this call changed: rows taken, or rows given back with a
    negative quantity.
    """
    told = positive_quantity(quantity)
    require_lot_of(lot, product)
    # One report at a time: the sum below must still be true when the difference is booked.
    lock_documents(Product.objects.filter(pk=product.pk))
    booked = _booked(product, reference_type, reference_id)
    difference = told - sum((row.quantity for row in booked), Decimal(0))
    if difference > 0:
        use = Use(product.pk, difference, reference_type, reference_id, lot_id=lot.pk if lot else None)
        return consume([use], actor=actor)
    too_much = -difference
    back = []
    for row in booked:
        part = min(too_much, row.quantity)
        if part > 0:
            back.append(replace(row, quantity=part))
            too_much -= part
    give_back(back, reference_type=reference_type, reference_id=reference_id, reason="Corrected report", actor=actor)
    return [replace(row, quantity=-row.quantity) for row in back]


def _booked(product: Product, reference_type: str, reference_id: int) -> list[Consumed]:
    """Return what a document has consumed of a product by balance, less what it gave back, the latest first."""
    rows = InventoryTransaction.objects.filter(
        product=product,
        reference_type=reference_type,
        reference_id=reference_id,
        transaction_type__in=(Kind.CONSUMPTION, Kind.RETURN),
    ).order_by("id")
    found: dict[tuple[int, int | None], Consumed] = {}
    for row in rows:
        key = (row.location_id, row.lot_id)
        before = found.pop(key, Consumed(row.product_id, row.lot_id, row.location_id, Decimal(0), row.unit_cost))
        found[key] = replace(before, quantity=before.quantity - row.on_hand_change, unit_cost=row.unit_cost)
    return [row for row in reversed(found.values()) if row.quantity > 0]


def _book(uses: Sequence[Use], *, actor: User, kind: str, whole: bool) -> list[Consumed]:
    booked = [(i, use, positive_quantity(use.quantity)) for i, use in enumerate(uses) if whole or not _is_nothing(use)]
    if not booked:
        return []
    for _ in range(LOOKS):
        shelf = Shelf(
            {use.product_id for _, use, _ in booked},
            holders={use.holder for _, use, _ in booked if use.holder is not None},
            is_for_use=True,
        )
        taken, short = _pick(shelf, booked, kind)
        if not (short or _took_other_lots(uses, taken)) or not shelf.missed_something():
            break
    if short and whole:
        raise InsufficientStock(
            details={"items": [{"product_id": use.product_id, "missing": str(missing)} for use, missing in short]}
        )
    shelf.post(actor=actor)
    emit_all(_short_fact(use, missing) for use, missing in short)
    return taken


def take_known(shelf: Shelf, uses: Sequence[Use]) -> tuple[list[Consumed], list[Fact]]:
    """Note uses on a shelf as :func:`consume` books them; return what they take, and the facts of what is short."""
    booked = [(i, use, positive_quantity(use.quantity)) for i, use in enumerate(uses) if not _is_nothing(use)]
    taken, short = _pick(shelf, booked, Kind.CONSUMPTION)
    return taken, [_short_fact(use, missing) for use, missing in short]


def _pick(
    shelf: Shelf, booked: Sequence[tuple[int, Use, Decimal]], kind: str
) -> tuple[list[Consumed], list[tuple[Use, Decimal]]]:
    """Note uses on the shelf; return what each takes and what is short, services left out."""
    taken: dict[tuple[int, int], tuple[Inventory, Decimal]] = {}
    short: list[tuple[Use, Decimal]] = []
    for index, use, quantity in booked:
        picking = _Picking(shelf, use, quantity, kind)
        picking.run()
        for balance, part in picking.parts:
            _, before = taken.get((index, balance.pk), (balance, Decimal(0)))
            taken[(index, balance.pk)] = (balance, before + part)
        if picking.missing:
            short.append((use, picking.missing))
        short += picking.displaced
    if short:
        services = service_ids({use.product_id for use, _ in short})
        short = [(use, missing) for use, missing in short if use.product_id not in services]
    rows = [
        Consumed(balance.product_id, balance.lot_id, balance.location_id, quantity, balance.cost_per_unit, index)
        for (index, _), (balance, quantity) in taken.items()
    ]
    return rows, short


def _took_other_lots(uses: Sequence[Use], taken: Sequence[Consumed]) -> bool:
    return any(uses[row.use_index].lot_id not in (None, row.lot_id) for row in taken)


def _is_nothing(use: Use) -> bool:
    return use.quantity.is_finite() and use.quantity >= 0 and not round_quantity(use.quantity)


class _Picking:
    """One use being met from the shelf."""

    def __init__(self, shelf: Shelf, use: Use, quantity: Decimal, kind: str) -> None:
        self.shelf, self.use, self.missing, self.kind = shelf, use, quantity, kind
        self.holder: Holder | None = (str(use.holder[0]), use.holder[1]) if use.holder else None
        self.parts: list[tuple[Inventory, Decimal]] = []
        #: Reservations of others that were used up with nothing free to replace them.
        self.displaced: list[tuple[Use, Decimal]] = []

    def run(self) -> None:
        if self.use.lot_id is not None:
            # Of another product the lot is nothing that this use can take, though another use of the call may.
            own = [row for row in self.shelf.of_lot(self.use.lot_id) if row.product_id == self.use.product_id]
            for balance in own:
                self._take_reserved(balance)
                self._take_free(balance, swap=True)
                self._take_from_others(balance)
        usable = self.shelf.usable(self.use.product_id)
        for balance in usable:
            self._take_reserved(balance)
        for balance in usable:
            self._take_free(balance)

    def _take_reserved(self, balance: Inventory) -> None:
        if self.holder is None:
            return
        part = min(self.missing, self.shelf.held(balance, self.holder))
        if part > 0:
            self._take(balance, part, self.holder)

    def _take_free(self, balance: Inventory, *, swap: bool = False) -> None:
        part = min(self.missing, self.shelf.free(balance))
        if part > 0:
            self._take(balance, part)
            if swap:
                self._shrink_reservation(part)

    def _take_from_others(self, balance: Inventory) -> None:
        if not self.missing:
            return
        for other in self.shelf.other_holders(balance, self.holder):
            part = min(self.missing, self.shelf.held(balance, other))
            if part <= 0:
                continue
            self._take(balance, part, other)
            self._shrink_reservation(part)
            self._replace(other, part)

    def _take(self, balance: Inventory, part: Decimal, holder: Holder | None = None) -> None:
        use = self.use
        self.shelf.take(
            balance,
            part,
            kind=self.kind,
            reference=(str(use.reference_type), use.reference_id),
            holder=holder,
            reason=use.reason,
        )
        self.parts.append((balance, part))
        self.missing -= part

    def _shrink_reservation(self, quantity: Decimal) -> None:
        """Give free as much of the holder's reservation elsewhere as it took without one."""
        if self.holder is None:
            return
        for balance, held in self.shelf.held_rows(self.holder, self.use.product_id):
            part = min(quantity, held)
            if part > 0:
                self.shelf.release(balance, part, self.holder)
                quantity -= part

    def _replace(self, other: Holder, quantity: Decimal) -> None:
        """Reserve free stock for a document whose reserved stock was used by somebody else."""
        for balance in self.shelf.usable(self.use.product_id):
            part = min(quantity, self.shelf.free(balance))
            if part > 0:
                self.shelf.reserve(balance, part, other)
                quantity -= part
        if quantity:
            self.displaced.append((Use(self.use.product_id, quantity, other[0], other[1]), quantity))


def _short_fact(use: Use, missing: Decimal) -> Fact:
    return Fact(
        "inventory.stock_short",
        f"inventory.product:{use.product_id}",
        {
            "product_id": use.product_id,
            "missing": str(missing),
            "reference_type": str(use.reference_type),
            "reference_id": use.reference_id,
        },
    )
