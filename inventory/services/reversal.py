"""A posted movement undone by its opposite; nothing in the ledger is ever changed or deleted."""

from __future__ import annotations

from django.db.models import Q

from blb3d.accounts.models import User
from blb3d.core.errors import InvalidValue
from blb3d.core.verbs import verb
from inventory.errors import AlreadyReversed, NotReversible
from inventory.models import InventoryTransaction, Reference
from inventory.services.ledger import Kind, Movement, lock_balances, post_locked

#: What may be undone from the ledger: what somebody booked by hand. Whatever belongs to a document (a purchase, a job,
#: a shipment, a count) is undone by an act of that document, whose counters would lie otherwise. Of what was booked for
#: a lot it is the receipt: a reel that was weighed or moved says itself how much is on it, and where.
REVERSIBLE_KINDS = (Kind.ADJUSTMENT, Kind.SCRAP, Kind.TRANSFER, Kind.RECEIPT, Kind.CONSUMPTION)
REVERSIBLE_REFERENCES = (Reference.MANUAL, Reference.LOT)


def is_reversible(row: InventoryTransaction) -> bool:
    """Return whether a row is of those that may be reversed from the ledger, reversed already or not."""
    return (
        row.transaction_type in REVERSIBLE_KINDS
        and row.reference_type in REVERSIBLE_REFERENCES
        and (row.reference_type != Reference.LOT or row.transaction_type == Kind.RECEIPT)
        and row.reverses_id is None
    )


@verb
def reverse_transaction(row: InventoryTransaction, *, reason: str, actor: User) -> list[InventoryTransaction]:
    """Post the exact opposite of a movement by hand, today and at its own cost; of a transfer, of both its rows.

    The counter-rows are of the same kind and name what they reverse, so that sums by kind are right again.

    Raises:
        InvalidValue: no reason is given.
        NotReversible: it belongs to a document, keeps or frees stock, changes only values, or is a reversal itself.
        AlreadyReversed: it was reversed before.
        InsufficientStock: what came with it is used or reserved.
    """
    if not reason.strip():
        raise InvalidValue("A reversal needs a reason.", details={"field": "reason"})
    if not is_reversible(row):
        raise NotReversible(
            details={"transaction_type": row.transaction_type, "reference_type": row.reference_type, "id": row.pk}
        )
    rows = [row]
    if row.transaction_type == Kind.TRANSFER:
        rows.append(_other_half(row))
    condition = Q()
    for each in rows:
        condition |= Q(product_id=each.product_id, location_id=each.location_id, lot_id=each.lot_id)
    balances = {(b.product_id, b.location_id, b.lot_id): b for b in lock_balances(condition)}
    # Asked under the lock: of two who reverse at once the second sees the first.
    if InventoryTransaction.objects.filter(reverses__in=[each.pk for each in rows]).exists():
        raise AlreadyReversed(details={"id": row.pk})
    movements = [
        Movement(
            each.transaction_type,
            each.product_id,
            each.location_id,
            each.lot_id,
            quantity=-each.on_hand_change,
            unit_cost=each.unit_cost,
            reference_type=each.reference_type,
            reference_id=each.reference_id,
            reason=reason,
            reverses_id=each.pk,
        )
        for each in rows
    ]
    return post_locked(movements, balances, actor=actor)


def _other_half(row: InventoryTransaction) -> InventoryTransaction:
    """Return the row that was posted together with one of a transfer."""
    halves = InventoryTransaction.objects.filter(
        transaction_type=Kind.TRANSFER,
        product_id=row.product_id,
        lot_id=row.lot_id,
        created_at=row.created_at,
        on_hand_change=-row.on_hand_change,
        reverses__isnull=True,
    ).exclude(location_id=row.location_id)
    # What leaves is posted right before what arrives: of several transfers at once each has its own half beside it.
    beside = halves.filter(pk__gt=row.pk) if row.on_hand_change < 0 else halves.filter(pk__lt=row.pk)
    found = min(beside, key=lambda half: abs(half.pk - row.pk), default=None)
    if found is None:
        raise NotReversible("The other half of this transfer is not known.", details={"id": row.pk})
    return found
