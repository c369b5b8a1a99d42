"""Stock turned into other stock: what was made goes on the shelf in the posting that takes its components off it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Q, Subquery

from blb3d.accounts.models import User
from blb3d.core.outbox import emit_all
from blb3d.core.units import positive_quantity
from blb3d.core.verbs import verb
from inventory.models import InventoryLocation, Product, Reference, Reservation
from inventory.selectors.stock import default_location
from inventory.services.consumption import Consumed, Use, take_known
from inventory.services.ledger import Holder, Kind, Movement, lock_for, valid_cost
from inventory.services.reservations import release_reservations
from inventory.services.shelf import LOOKS, Shelf


@dataclass(frozen=True)
class Share:
    """How much of what was made is for whom; without a holder it is free."""

    quantity: Decimal
    holder: Holder | None = None


@dataclass(frozen=True)
class Made:
    """What was taken for units, and where they lie now."""

    taken: list[Consumed]
    location_id: int


@verb
def receive_made(
    product: Product,
    *,
    production_order_id: int,
    shares: Sequence[Share],
    uses: Sequence[Use],
    unit_cost: Callable[[Decimal], Decimal],
    is_last: bool = False,
    actor: User,
) -> Made:
    """Take what new units of a production order are made of, and put them on the shelf, kept for who waits for them.

    Uses are booked as by ``consume``. ``unit_cost`` is asked what a unit cost, given what was taken for all of them.
    With ``is_last`` whatever the order still holds becomes free. All is one posting: one lock of all the balances, and
    one statement for each kind of row.

    Raises:
        NoLocation: no location is the default.
    """
    order: Holder = (str(Reference.PRODUCTION_ORDER), production_order_id)
    waiting = {(str(share.holder[0]), share.holder[1]) for share in shares if share.holder is not None}
    # A lot is never made here. The place is looked up with the balance: only a product's first units have none.
    places = InventoryLocation.objects.filter(is_default=True, is_active=True).order_by("pk")
    also = Q(product=product, lot=None, location=Subquery(places.values("pk")[:1]))
    if is_last:
        held = Reservation.objects.filter(reference_type=order[0], reference_id=order[1])
        also |= Q(pk__in=held.values("balance"))
    for _ in range(LOOKS):
        shelf = Shelf({use.product_id for use in uses}, holders={order, *waiting}, also=also, is_for_use=True)
        place = _place(shelf, product)
        taken, short = take_known(shelf, uses)
        if not short or not shelf.missed_something():
            break
    cost = valid_cost(unit_cost(sum((row.quantity * row.unit_cost for row in taken), Decimal(0))))
    for share in shares:
        quantity = positive_quantity(share.quantity)
        shelf.put(
            Movement(
                Kind.PRODUCTION_OUTPUT,
                product.pk,
                place,
                quantity=quantity,
                unit_cost=cost,
                reference_type=order[0],
                reference_id=order[1],
            )
        )
        if share.holder is not None:
            shelf.put(
                Movement(
                    Kind.RESERVATION,
                    product.pk,
                    place,
                    allocated=quantity,
                    reference_type=str(share.holder[0]),
                    reference_id=share.holder[1],
                )
            )
    is_free = shelf.release_all(order) if is_last else True
    shelf.post(actor=actor)
    emit_all(short)
    if not is_free:  # reserved for the order while its balances were being locked
        release_reservations(order[0], [order[1]], actor=actor)
    return Made(taken, place)


def _place(shelf: Shelf, product: Product) -> int:
    """Return where the units go; the first ones of a product open their balance there, locked."""
    there = {
        row.location_id: row for row in shelf.balances.values() if row.product_id == product.pk and row.lot_id is None
    }
    place = default_location().pk if len(there) != 1 else next(iter(there))
    if place not in there:
        shelf.balances.update(lock_for([Movement(Kind.PRODUCTION_OUTPUT, product.pk, place, quantity=Decimal(1))]))
    return place
