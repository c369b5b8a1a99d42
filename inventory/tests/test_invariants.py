"""Whatever happens in whatever order, the books agree."""

import contextlib
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from blb3d.core.errors import BLB3DError
from inventory import services as inventory
from inventory.models import Inventory, MaterialLot
from inventory.selectors import verify_ledger
from inventory.services import Need, Use
from inventory.services.ledger import Kind, Movement
from inventory.tests.factories import LocationFactory, MaterialFactory, receive, system_actor

# Tenths and their thousandths: what a float cannot hold.
quantities = st.integers(1, 30_000).map(lambda tenthousandths: Decimal(tenthousandths) / 10_000)
places = st.integers(0, 2)


class Stock(RuleBasedStateMachine):
    """A store of one material in up to many lots, with three orders and two locations."""

    def __init__(self) -> None:
        super().__init__()
        self.example = transaction.atomic()
        self.example.__enter__()
        self.actor = system_actor()
        self.material = MaterialFactory()
        self.locations = [LocationFactory(), LocationFactory(code="RACK")]

    def teardown(self) -> None:
        """Leave nothing for the next example."""
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    def lot(self, number: int) -> MaterialLot | None:
        lots = list(MaterialLot.objects.filter(product=self.material).order_by("pk"))
        return lots[number % len(lots)] if lots else None

    @rule(quantity=quantities, place=places)
    def receive_a_lot(self, quantity: Decimal, place: int) -> None:
        receive(self.material, quantity, location=self.locations[place % 2])

    @rule(quantity=quantities, order=places)
    def reserve(self, quantity: Decimal, order: int) -> None:
        inventory.reserve([Need(self.material.pk, quantity, "production_order", order)], actor=self.actor)

    @rule(order=places)
    def release(self, order: int) -> None:
        inventory.release_reservations("production_order", [order], actor=self.actor)

    @rule(quantity=quantities, order=places, lot=st.none() | places, back=st.booleans())
    def consume(self, quantity: Decimal, order: int, lot: int | None, back: bool) -> None:
        named = self.lot(lot) if lot is not None else None
        use = Use(
            self.material.pk,
            quantity,
            "print_job",
            order,
            holder=("production_order", order),
            lot_id=named.pk if named else None,
        )
        before = sum(Inventory.objects.values_list("on_hand_quantity", flat=True), Decimal(0))
        rows = inventory.consume([use], actor=self.actor)
        taken = sum((row.quantity for row in rows), Decimal(0))
        after = sum(Inventory.objects.values_list("on_hand_quantity", flat=True), Decimal(0))
        assert before - after == taken <= quantity
        if back:
            inventory.give_back(rows, holder=("production_order", order), actor=self.actor)

    @rule(quantity=quantities, lot=places, place=places)
    def scrap(self, quantity: Decimal, lot: int, place: int) -> None:
        found = self.lot(lot)
        if found:
            movement = Movement(
                Kind.SCRAP, self.material.pk, self.locations[place % 2].pk, found.pk, quantity=-quantity
            )
            self.attempt(lambda: inventory.post_transactions([movement], actor=self.actor))

    @rule(quantity=quantities, lot=places)
    def move(self, quantity: Decimal, lot: int) -> None:
        source, target = self.locations
        self.attempt(
            lambda: inventory.transfer_stock(
                self.material, quantity=quantity, source=source, target=target, lot=self.lot(lot), actor=self.actor
            )
        )

    @rule(lot=places, good=st.booleans())
    def judge(self, lot: int, good: bool) -> None:
        found = self.lot(lot)
        if found and good:
            self.attempt(lambda: inventory.release_lot(found, actor=self.actor))
        elif found:
            self.attempt(lambda: inventory.quarantine_lot(found, actor=self.actor, reason="moist"))

    def attempt(self, act) -> None:
        """A refusal is fine: the invariant shows that it changed nothing halfway."""
        with contextlib.suppress(BLB3DError):
            act()

    @invariant()
    def the_books_agree(self) -> None:
        assert verify_ledger().differences == ()


@pytest.mark.django_db
@pytest.mark.timeout(600)
def test_random_movements_keep_ledger_balances_lots_and_reservations_equal():
    run_state_machine_as_test(
        Stock,
        settings=settings(
            max_examples=25, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
