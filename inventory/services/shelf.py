"""The locked stock of some products, worked on in memory: what reserving and consuming decide on.

Balances are locked first, then lots and reservations are read, so that everything seen here stays true until commit.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal

from django.db.models import Q, QuerySet
from django.utils import timezone

from blb3d.accounts.models import User
from inventory.models import Inventory, InventoryTransaction, MaterialLot, Reservation
from inventory.services.ledger import Holder, Key, Kind, Movement, lock_balances, lock_lots, post_locked

#: How often who finds too little looks again, see :meth:`Shelf.missed_something`.
LOOKS = 5

_LONG_AGO = datetime.datetime.min.replace(tzinfo=datetime.UTC)
_NEVER = datetime.datetime.max.replace(tzinfo=datetime.UTC)


class Shelf:
    """Balances with something on hand; every act is noted as a movement and posted at the end, all at once."""

    def __init__(
        self,
        product_ids: Collection[int],
        *,
        holders: Collection[Holder] = (),
        also: Q | None = None,
        is_for_use: bool = False,
    ) -> None:
        """Lock the products' balances and read their lots and what ``holders`` have reserved; three statements.

        ``also`` names further balances to lock with them, on which nothing is picked. What ``is_for_use`` will be
        taken, not only reserved: the lots are locked as they are read.
        """
        self._products = products = set(product_ids)
        wanted = Q(product_id__in=products, on_hand_quantity__gt=0)
        locked = lock_balances(wanted if also is None else wanted | also)
        self.balances: dict[Key, Inventory] = {(row.product_id, row.location_id, row.lot_id): row for row in locked}
        rows = [row for row in locked if row.product_id in products and row.on_hand_quantity > 0]
        self._by_id = {row.pk: row for row in rows}
        self._free = {row.pk: row.on_hand_quantity - row.allocated_quantity for row in rows}
        self._held: dict[tuple[int, Holder], Decimal] = {}
        self._movements: list[Movement] = []
        #: The lots, locked; None where nothing is taken of them.
        self._lots: dict[int, MaterialLot] | None = {} if is_for_use else None
        self._queues = self._in_order(rows)
        usable = {row.pk for queue in self._queues.values() for row in queue}
        self._unusable: dict[int, list[Inventory]] = defaultdict(list)
        for row in rows:
            if row.pk not in usable:
                self._unusable[row.product_id].append(row)
        self._holders = {(str(kind), number) for kind, number in holders}
        #: What the holders have reserved, as it stands in the books; None once something was posted.
        self._known: list[Reservation] | None = list(_held_by(holders)) if holders else []
        self._read_held(self._known)

    def missed_something(self) -> bool:
        """Tell whether stock lies where none lay when this shelf began to wait for its locks; one query.

        Somebody moved it meanwhile: a lock waits for the balance that it left and does not see the one it came to.
        Whoever finds less than is needed asks this before saying so.
        """
        rows = Inventory.objects.filter(product_id__in=self._products, on_hand_quantity__gt=0)
        return not set(rows.values_list("pk", flat=True)) <= set(self._by_id)

    def _in_order(self, rows: Sequence[Inventory]) -> dict[int, list[Inventory]]:
        """Return each product's usable balances in the order in which they are to be used.

        What expires first goes first; lots that do not expire follow, first received first. Stock without a lot counts
        as oldest of all.
        """
        lots = self._read_lots({row.lot_id for row in rows if row.lot_id is not None})
        now = timezone.now()
        queues: dict[int, list[tuple[datetime.datetime, datetime.datetime, int, Inventory]]] = defaultdict(list)
        for row in rows:
            received, expires = _LONG_AGO, _LONG_AGO
            if row.lot_id is not None:
                status, received, ends = lots[row.lot_id]
                expires = ends or _NEVER
                if status != MaterialLot.Status.ACTIVE or expires <= now:
                    continue
            queues[row.product_id].append((expires, received, row.pk, row))
        return {product: [row for *_, row in sorted(queue)] for product, queue in queues.items()}

    def _read_lots(self, lots: set[int]) -> dict[int, tuple[str, datetime.datetime, datetime.datetime | None]]:
        """Return status, arrival and end of each lot; only of such as lie on locked balances, which come first."""
        if self._lots is not None:
            self._lots = {lot.pk: lot for lot in lock_lots(Q(pk__in=lots))} if lots else {}
            return {pk: (lot.status, lot.received_date, lot.expiration_date) for pk, lot in self._lots.items()}
        rows = MaterialLot.all_objects.filter(pk__in=lots).order_by() if lots else MaterialLot.all_objects.none()
        columns = rows.values_list("pk", "status", "received_date", "expiration_date")
        return {pk: (status, received, expires) for pk, status, received, expires in columns}

    def _read_held(self, reservations: Iterable[Reservation]) -> None:
        for row in reservations:
            self._held[(row.balance_id, (row.reference_type, row.reference_id))] = row.quantity

    def usable(self, product_id: int) -> list[Inventory]:
        """Return the product's balances in active, unexpired lots: first expiring, then first received first."""
        return self._queues.get(product_id, [])

    def of_lot(self, lot_id: int) -> list[Inventory]:
        """Return the balances of one lot, whatever its status."""
        return [row for row in self._by_id.values() if row.lot_id == lot_id]

    def free(self, balance: Inventory) -> Decimal:
        """Return how much of a balance nobody has reserved."""
        return self._free[balance.pk]

    def held(self, balance: Inventory, holder: Holder) -> Decimal:
        """Return how much of a balance a holder has reserved."""
        return self._held.get((balance.pk, holder), Decimal(0))

    def held_rows(self, holder: Holder, product_id: int) -> list[tuple[Inventory, Decimal]]:
        """Return where a holder has reserved a product, usable lots in their order, then the rest."""
        rows = [*self.usable(product_id), *self._unusable.get(product_id, [])]
        return [(row, held) for row in rows if (held := self.held(row, holder)) > 0]

    def other_holders(self, balance: Inventory, holder: Holder | None) -> list[Holder]:
        """Return who else has reserved stock of a balance, the latest first; reads them from the database."""
        rows = [
            row
            for row in Reservation.objects.filter(balance=balance).order_by("-id")
            if (row.balance_id, (row.reference_type, row.reference_id)) not in self._held
        ]
        self._read_held(rows)
        known = [other for (pk, other), quantity in self._held.items() if pk == balance.pk and quantity > 0]
        return [other for other in reversed(known) if other != holder]

    def reserve(self, balance: Inventory, quantity: Decimal, holder: Holder) -> None:
        """Keep free stock for a holder."""
        self._free[balance.pk] -= quantity
        self._held[(balance.pk, holder)] = self.held(balance, holder) + quantity
        self._note(Kind.RESERVATION, balance, holder, allocated=quantity)

    def release(self, balance: Inventory, quantity: Decimal, holder: Holder) -> None:
        """Make reserved stock free again."""
        self._free[balance.pk] += quantity
        self._held[(balance.pk, holder)] -= quantity
        self._note(Kind.RELEASE, balance, holder, allocated=-quantity)

    def take(
        self,
        balance: Inventory,
        quantity: Decimal,
        *,
        kind: str,
        reference: tuple[str, int | None],
        holder: Holder | None = None,
        reason: str = "",
    ) -> None:
        """Take stock off the shelf: free stock, or with ``holder`` what is reserved for it."""
        if holder is None:
            self._free[balance.pk] -= quantity
            self._note(kind, balance, reference, quantity=-quantity, reason=reason)
        else:
            self._held[(balance.pk, holder)] -= quantity
            self._note(kind, balance, reference, quantity=-quantity, allocated=-quantity, holder=holder, reason=reason)

    def put(self, output: Movement) -> None:
        """Note stock that comes in, or what is kept of it, on a balance that was locked too."""
        self._movements.append(output)

    def release_all(self, holder: Holder) -> bool:
        """Make free whatever a holder has left; False when some of it lies on balances that are not locked here."""
        locked = {row.pk: row for row in self.balances.values()}
        held = [(pk, left) for (pk, other), left in self._held.items() if other == holder and left > 0]
        for pk, left in held:
            if pk in locked:
                self._held[(pk, holder)] -= left
                self._note(Kind.RELEASE, locked[pk], holder, allocated=-left)
        return all(pk in locked for pk, _ in held)

    def _note(
        self,
        kind: str,
        balance: Inventory,
        reference: tuple[str, int | None],
        *,
        quantity: Decimal = Decimal(0),
        allocated: Decimal = Decimal(0),
        holder: Holder | None = None,
        reason: str = "",
    ) -> None:
        self._movements.append(
            Movement(
                kind,
                balance.product_id,
                balance.location_id,
                balance.lot_id,
                quantity,
                allocated,
                reference_type=reference[0],
                reference_id=reference[1],
                reason=reason,
                holder=holder,
            )
        )

    def post(self, *, actor: User) -> list[InventoryTransaction]:
        """Post what was noted."""
        movements, self._movements = self._movements, []
        known, self._known = self._known, None
        if any(movement.allocated and movement.holder not in self._holders for movement in movements):
            known = None
        return post_locked(movements, self.balances, actor=actor, known=known, lots=self._lots)


def _held_by(holders: Collection[Holder]) -> QuerySet[Reservation]:
    by_type: dict[str, set[int]] = defaultdict(set)
    for kind, number in holders:
        by_type[kind].add(number)
    condition = Q()
    for kind, numbers in by_type.items():
        condition |= Q(reference_type=kind, reference_id__in=numbers)
    return Reservation.objects.filter(condition)
