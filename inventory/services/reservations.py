"""Reserving stock for documents, and giving it free again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Q

from blb3d.accounts.models import User
from blb3d.core.units import positive_quantity
from blb3d.core.verbs import verb
from inventory.models import Reservation
from inventory.selectors.stock import service_ids
from inventory.services.ledger import Holder, Kind, Movement, lock_balances, post_locked
from inventory.services.shelf import LOOKS, Shelf


@dataclass(frozen=True)
class Need:
    """How much of a product, in its stock unit, a document needs kept for it."""

    product_id: int
    quantity: Decimal
    reference_type: str
    reference_id: int


@dataclass(frozen=True)
class Shortage:
    """A need that could not be met in full: ``reserved`` is what the document holds now, of what it ``needed``."""

    product_id: int
    needed: Decimal
    reserved: Decimal
    reference_type: str = ""
    reference_id: int | None = None

    @property
    def missing(self) -> Decimal:
        """Return how much is still missing."""
        return self.needed - self.reserved


@verb
def reserve(needs: Sequence[Need], *, actor: User) -> list[Shortage]:
    """Reserve stock first in first out over active, unexpired lots, in the order of the needs; return what is short.

    What a document already holds counts, so that reserving again tops up. Needs of one document for one product are
    added. A short need gets what there is. A service is never short. The number of statements is constant.
    """
    wanted: dict[tuple[str, int, int], Decimal] = defaultdict(Decimal)
    for need in needs:
        wanted[(str(need.reference_type), need.reference_id, need.product_id)] += positive_quantity(need.quantity)
    if not wanted:
        return []
    for _ in range(LOOKS):
        shelf = Shelf(
            {product_id for _, _, product_id in wanted}, holders={(kind, number) for kind, number, _ in wanted}
        )
        shortages = _keep(shelf, wanted)
        if not shortages or not shelf.missed_something():
            break
    shelf.post(actor=actor)
    if not shortages:
        return []
    services = service_ids({short.product_id for short in shortages})
    return [short for short in shortages if short.product_id not in services]


def _keep(shelf: Shelf, wanted: Mapping[tuple[str, int, int], Decimal]) -> list[Shortage]:
    """Note what is reserved for whom on the shelf; return what is short."""
    shortages = []
    for (kind, number, product_id), quantity in wanted.items():
        holder = (kind, number)
        missing = quantity - sum((held for _, held in shelf.held_rows(holder, product_id)), Decimal(0))
        for balance in shelf.usable(product_id):
            part = min(missing, shelf.free(balance))
            if part > 0:
                shelf.reserve(balance, part, holder)
                missing -= part
        if missing > 0:
            shortages.append(Shortage(product_id, quantity, quantity - missing, kind, number))
    return shortages


@verb
def release_reservations(reference_type: str, reference_ids: Collection[int], *, actor: User) -> int:
    """Give free whatever these documents still hold; return how many reservations that were."""
    rows = Reservation.objects.filter(reference_type=reference_type, reference_id__in=set(reference_ids))
    return release_rows(rows.values_list("pk", flat=True), actor=actor)


def release_rows(reservation_ids: Collection[int], *, actor: User, reason: str = "") -> int:
    """Give reservations free by id, as they are once their balances are locked; needs a transaction."""
    pks = list(reservation_ids)
    if not pks:
        return 0
    balance_ids = set(Reservation.objects.filter(pk__in=pks).values_list("balance_id", flat=True))
    balances = {row.pk: row for row in lock_balances(Q(pk__in=balance_ids))}
    rows = list(Reservation.objects.filter(pk__in=pks))
    movements = [
        Movement(
            Kind.RELEASE,
            balance.product_id,
            balance.location_id,
            balance.lot_id,
            allocated=-row.quantity,
            reference_type=row.reference_type,
            reference_id=row.reference_id,
            reason=reason,
        )
        for row in rows
        for balance in (balances[row.balance_id],)
    ]
    post_locked(
        movements, {(row.product_id, row.location_id, row.lot_id): row for row in balances.values()}, actor=actor
    )
    return len(rows)


@verb
def hand_over_reservations(
    giver: Holder, taker: Holder, *, most: Mapping[int, Decimal] | None = None, actor: User
) -> dict[int, Decimal]:
    """Make what one document has reserved another's, the latest reserved first; return how much of each product.

    ``most`` says how much of which products at most; without it everything goes. Nothing becomes free in between.
    """
    rows = Reservation.objects.filter(reference_type=giver[0], reference_id=giver[1])
    if most is not None:
        rows = rows.filter(balance__product__in=[product for product, quantity in most.items() if quantity > 0])
    balances = {row.pk: row for row in lock_balances(Q(pk__in=set(rows.values_list("balance_id", flat=True))))}
    left = None if most is None else dict(most)
    given: dict[int, Decimal] = defaultdict(Decimal)
    movements = []
    for row in rows.order_by("-id"):
        balance = balances.get(row.balance_id)
        if balance is None:  # reserved since we looked: it stays where it is
            continue
        quantity = row.quantity if left is None else min(row.quantity, left[balance.product_id])
        if quantity <= 0:
            continue
        if left is not None:
            left[balance.product_id] -= quantity
        given[balance.product_id] += quantity
        for kind, holder, change in ((Kind.RELEASE, giver, -quantity), (Kind.RESERVATION, taker, quantity)):
            movements.append(
                Movement(
                    kind,
                    balance.product_id,
                    balance.location_id,
                    balance.lot_id,
                    allocated=change,
                    reference_type=holder[0],
                    reference_id=holder[1],
                )
            )
    post_locked(
        movements, {(row.product_id, row.location_id, row.lot_id): row for row in balances.values()}, actor=actor
    )
    return dict(given)
