"""Cycle counts: sheets, tolerance, the second person, and books that lose nothing that moved meanwhile."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.errors import InvalidTransition, InvalidValue, NotAllowed, ReasonRequired
from blb3d.core.outbox import OutboxEvent
from blb3d.core.tests.counting import statements_of
from inventory import services as inventory
from inventory.errors import (
    AlreadyOnASheet,
    CountedBySame,
    LotNeeded,
    NotAllCounted,
    NotBeingCounted,
    NothingToCount,
)
from inventory.models import (
    CycleCount,
    CycleCountLine,
    Inventory,
    InventoryTransaction,
    MaterialLot,
    Product,
    Reference,
    Reservation,
)
from inventory.selectors import due_for_counting, verify_ledger
from inventory.tests.factories import (
    ComponentFactory,
    LocationFactory,
    MaterialFactory,
    put_on_shelf,
    receive,
    system_actor,
)

pytestmark = pytest.mark.django_db

Status = CycleCount.Status


def person(name: str, *permissions: str) -> User:
    """Return somebody with permissions."""
    user = User.objects.create_user(f"{name}@example.com", "a-counters-word-1", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return user


@pytest.fixture
def counter() -> User:
    return person("counter")


@pytest.fixture
def approver() -> User:
    return person("approver", "approve_cyclecount")


def screws(quantity: int = 100, cost: str = "0.25") -> Product:
    """Return a part with stock at the default place."""
    product = ComponentFactory(unit_cost=Decimal(cost))
    put_on_shelf(product, quantity)
    return product


def sheet(*, actor: User | None = None, **what: Any) -> CycleCount:
    """Return a sheet that is being counted, of the default place unless told otherwise."""
    who = actor or system_actor()
    count = inventory.plan_count(actor=who, **(what or {"location": LocationFactory()}))
    return inventory.start_count(count, actor=who)


def count_all(count: CycleCount, *quantities: str | int, actor: User) -> None:
    """Count the lines of a sheet in their order."""
    for line, quantity in zip(count.lines.order_by("position"), quantities, strict=True):
        inventory.count_line(line, quantity=Decimal(quantity), actor=actor)


def on_hand(product: Product) -> Decimal:
    """Return what the books have of a product."""
    return sum(Inventory.objects.filter(product=product).values_list("on_hand_quantity", flat=True), Decimal(0))


def test_a_sheet_has_a_line_for_all_that_lies_at_a_place_and_below_it() -> None:
    main = LocationFactory()
    bin_ = LocationFactory(code="BIN-1", parent=main)
    elsewhere = LocationFactory(code="FG")
    part, other, far = (ComponentFactory() for _ in range(3))
    put_on_shelf(part, 5, main)
    put_on_shelf(other, 7, bin_)
    put_on_shelf(far, 9, elsewhere)
    lot = receive(MaterialFactory(), "1.5")
    count = sheet(location=main)
    assert count.status == Status.COUNTING
    assert count.count_number == f"CC-{timezone.localdate().year}-001"
    rows = {(row.product, row.location, row.lot): row.expected_quantity for row in count.lines.all()}
    assert rows == {(part, main, None): 5, (other, bin_, None): 7, (lot.product, main, lot): Decimal("1.5")}
    assert [row.position for row in count.lines.all()] == [1, 2, 3]


def test_a_sheet_is_narrowed_by_class_and_products() -> None:
    a, b = screws(), screws()
    Product.objects.filter(pk=a.pk).update(abc_class="A")
    assert [row.product for row in sheet(abc_class="A").lines.all()] == [a]
    assert [row.product for row in sheet(products=[b]).lines.all()] == [b]


def test_a_sheet_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidValue):
        inventory.plan_count(actor=system_actor())
    with pytest.raises(InvalidValue):
        inventory.plan_count(abc_class="D", actor=system_actor())
    count = inventory.plan_count(location=LocationFactory(), actor=system_actor())
    with pytest.raises(NothingToCount):
        inventory.start_count(count, actor=system_actor())
    assert CycleCount.objects.get().status == Status.DRAFT


def test_the_same_stock_is_not_counted_on_two_sheets() -> None:
    part = screws()
    first = sheet()
    with pytest.raises(AlreadyOnASheet) as caught:
        sheet(products=[part])
    assert caught.value.details == {"count_number": first.count_number}
    inventory.cancel_count(first, reason="Lost", actor=system_actor())
    assert sheet(products=[part]).lines.count() == 1


def test_a_difference_within_tolerance_is_booked_when_the_sheet_is_submitted(counter: User) -> None:
    part = screws(100)
    count = sheet()
    count_all(count, 98, actor=counter)
    inventory.submit_count(count, actor=counter)
    assert (count.status, count.approved_by, count.variance_value) == (Status.APPROVED, counter, Decimal("-0.5"))
    assert on_hand(part) == 98
    row = InventoryTransaction.objects.latest("id")
    assert (row.transaction_type, row.on_hand_change) == ("adjustment", -2)
    assert (row.reference_type, row.reference_id) == (Reference.CYCLE_COUNT, count.pk)
    assert row.reason == f"{count.count_number}, line 1"
    assert count.lines.get().booked_quantity == -2
    assert verify_ledger().is_clean
    assert OutboxEvent.objects.filter(topic="inventory.count_approved").count() == 1


@pytest.mark.parametrize(("counted", "cost"), [("97", "0.25"), ("103", "0.25"), ("99", "20.01")])
def test_a_difference_above_tolerance_waits_for_somebody_who_did_not_count(
    counted: str, cost: str, counter: User, approver: User
) -> None:
    part = screws(100, cost)
    count = sheet()
    count_all(count, counted, actor=counter)
    inventory.submit_count(count, actor=counter)
    assert count.status == Status.SUBMITTED
    assert on_hand(part) == 100
    with pytest.raises(NotAllowed):
        inventory.approve_count(count, actor=counter)
    inventory.approve_count(count, actor=approver)
    assert (count.status, count.approved_by) == (Status.APPROVED, approver)
    assert on_hand(part) == Decimal(counted)


def test_who_counted_does_not_approve_what_is_above_tolerance(approver: User) -> None:
    part = screws(100)
    count = sheet()
    count_all(count, 50, actor=approver)
    inventory.submit_count(count, actor=approver)
    with pytest.raises(CountedBySame):
        inventory.approve_count(count, actor=approver)
    count.refresh_from_db()
    assert count.status == Status.SUBMITTED
    assert on_hand(part) == 100


def test_what_moves_while_it_is_counted_is_not_lost(counter: User, approver: User) -> None:
    part = screws(100)
    count = sheet()
    put_on_shelf(part, 20)  # before the line is counted
    count_all(count, 110, actor=counter)
    inventory.scrap_stock(part, location=LocationFactory(), quantity=Decimal(30), reason="Bent", actor=counter)
    inventory.submit_count(count, actor=counter)
    inventory.approve_count(count, actor=approver)
    line = count.lines.get()
    assert (line.expected_quantity, line.book_quantity, line.variance, line.booked_quantity) == (100, 120, -10, -10)
    assert on_hand(part) == 80
    assert verify_ledger().is_clean


def test_a_balance_never_falls_below_nothing(counter: User, approver: User) -> None:
    part = screws(100)
    count = sheet()
    count_all(count, 40, actor=counter)
    inventory.scrap_stock(part, location=LocationFactory(), quantity=Decimal(70), reason="Bent", actor=counter)
    inventory.submit_count(count, actor=counter)
    inventory.approve_count(count, actor=approver)
    assert on_hand(part) == 0
    assert count.lines.get().booked_quantity == -30


def test_reserved_stock_that_is_gone_is_replaced_or_told(counter: User, approver: User) -> None:
    product = MaterialFactory()
    first = receive(product, "2")
    inventory.reserve([inventory.Need(product.pk, Decimal("1.8"), Reference.PRODUCTION_ORDER, 7)], actor=counter)
    second = receive(product, "0.5")
    count = sheet()
    count_all(count, "0.4", "0.5", actor=counter)
    inventory.submit_count(count, actor=counter)
    inventory.approve_count(count, actor=approver)
    held = {row.balance.lot_id: row.quantity for row in Reservation.objects.select_related("balance")}
    assert held == {first.pk: Decimal("0.4"), second.pk: Decimal("0.5")}
    fact = OutboxEvent.objects.get(topic="inventory.stock_short")
    assert (fact.payload["missing"], fact.payload["reference_id"]) == ("0.9000", 7)
    assert verify_ledger().is_clean


def test_what_is_missing_here_and_found_there_keeps_its_reservation(counter: User, approver: User) -> None:
    product = MaterialFactory()
    lot = receive(product, "1")
    inventory.reserve([inventory.Need(product.pk, Decimal(1), Reference.PRODUCTION_ORDER, 7)], actor=counter)
    count = sheet()
    count_all(count, 0, actor=counter)
    place = LocationFactory(code="SHELF-9")
    line = inventory.count_found(count, product=product, location=place, lot=lot, quantity=Decimal(1), actor=counter)
    assert (line.is_found, line.expected_quantity, line.position) == (True, 0, 2)
    inventory.submit_count(count, actor=counter)
    inventory.approve_count(count, actor=approver)
    kept = Reservation.objects.select_related("balance").get()
    assert (kept.balance.location, kept.quantity) == (place, 1)
    assert Inventory.objects.get(location=place).cost_per_unit == lot.unit_cost
    lot.refresh_from_db()
    assert (lot.quantity_remaining, lot.status) == (1, MaterialLot.Status.ACTIVE)
    assert not OutboxEvent.objects.filter(topic="inventory.stock_short").exists()
    assert verify_ledger().is_clean


def test_what_is_found_needs_its_lot_and_what_is_on_the_sheet_is_counted_there(counter: User) -> None:
    part, film = screws(), MaterialFactory()
    count = sheet()
    with pytest.raises(LotNeeded):
        inventory.count_found(count, product=film, location=LocationFactory(), quantity=Decimal(1), actor=counter)
    line = inventory.count_found(count, product=part, location=LocationFactory(), quantity=Decimal(99), actor=counter)
    assert (line.is_found, line.counted_quantity, line.position) == (False, 99, 1)
    assert count.lines.count() == 1


def test_a_sheet_is_submitted_only_when_every_line_is_counted(counter: User) -> None:
    screws()
    screws()
    count = sheet()
    inventory.count_line(count.lines.get(position=2), quantity=Decimal(0), actor=counter)
    with pytest.raises(NotAllCounted) as caught:
        inventory.submit_count(count, actor=counter)
    assert caught.value.details == {"lines": [1], "left": 1}
    count.refresh_from_db()
    assert (count.status, count.submitted_by) == (Status.COUNTING, None)


def test_only_what_differs_too_much_is_counted_again(counter: User, approver: User) -> None:
    screws()
    screws()
    count = sheet()
    count_all(count, 100, 60, actor=counter)
    inventory.submit_count(count, actor=counter)
    inventory.recount(count, reason="Look again", actor=approver)
    assert [row.counted_quantity for row in count.lines.order_by("position")] == [100, None]
    inventory.count_line(count.lines.get(position=2), quantity=Decimal(100), actor=counter)
    inventory.submit_count(count, actor=counter)
    assert (count.status, count.variance_value) == (Status.APPROVED, 0)


@pytest.mark.parametrize("quantity", ["-1", "NaN", "Infinity", "1000001"])
def test_a_quantity_that_cannot_be_is_refused(quantity: str, counter: User) -> None:
    screws()
    line = sheet().lines.get()
    with pytest.raises(InvalidValue):
        inventory.count_line(line, quantity=Decimal(quantity), actor=counter)
    line.refresh_from_db()
    assert line.counted_quantity is None


def test_nothing_is_counted_on_a_sheet_that_is_not_open(counter: User, approver: User) -> None:
    part = screws()
    count = sheet()
    count_all(count, 10, actor=counter)
    inventory.submit_count(count, actor=counter)
    with pytest.raises(NotBeingCounted):
        inventory.count_line(count.lines.get(), quantity=Decimal(100), actor=counter)
    with pytest.raises(NotBeingCounted):
        inventory.count_found(count, product=part, location=LocationFactory(), quantity=Decimal(1), actor=counter)
    with pytest.raises(ReasonRequired):
        inventory.cancel_count(count, reason="", actor=approver)
    inventory.approve_count(count, actor=approver)
    with pytest.raises(InvalidTransition):
        inventory.approve_count(count, actor=approver)
    assert on_hand(part) == 10


def test_a_big_sheet_costs_as_many_statements_as_a_small_one(counter: User, approver: User) -> None:
    def cost(lines: int) -> tuple[int, int, int]:
        place = LocationFactory(code=f"P-{lines}")
        products = [ComponentFactory() for _ in range(lines)]
        for product in products:
            put_on_shelf(product, 10, place)
        needs = [inventory.Need(row.pk, Decimal(9), Reference.PRODUCTION_ORDER, 7) for row in products]
        inventory.reserve(needs, actor=counter)
        count = inventory.plan_count(location=place, actor=counter)
        with CaptureQueriesContext(connection) as starting:
            inventory.start_count(count, actor=counter)
        count_all(count, *[(5, 12)[index % 2] for index in range(lines)], actor=counter)
        with CaptureQueriesContext(connection) as submitting:
            inventory.submit_count(count, actor=counter)
        with CaptureQueriesContext(connection) as approving:
            inventory.approve_count(count, actor=approver)
        first, second, third = (len(statements_of(row)) for row in (starting, submitting, approving))
        return first, second, third

    cost(2)
    assert cost(4) == cost(16)
    assert verify_ledger().is_clean


# --- classes and what is due ------------------------------------------------------------------------------------------


def consume(product: Product, quantity: str | int) -> None:
    """Use some of a product's stock."""
    use = inventory.Use(product.pk, Decimal(quantity), Reference.PRODUCTION_ORDER, 1)
    inventory.consume([use], actor=system_actor())


def test_products_get_their_class_by_what_was_consumed_of_them() -> None:
    dear, middle, cheap, idle = screws(cost="8"), screws(cost="1"), screws(cost="0.05"), screws()
    for product in (dear, middle, cheap):
        consume(product, 100)
    assert inventory.classify_abc(actor=system_actor()) == {"A": 1, "B": 1, "C": 2}
    classes = dict(Product.objects.values_list("pk", "abc_class"))
    assert classes == {dear.pk: "A", middle.pk: "B", cheap.pk: "C", idle.pk: "C"}
    versions = dict(Product.objects.values_list("pk", "version"))
    assert inventory.classify_abc(actor=system_actor()) == {"A": 0, "B": 0, "C": 0}
    assert dict(Product.objects.values_list("pk", "version")) == versions


def test_what_was_never_counted_is_due_and_what_was_is_when_its_class_says(counter: User) -> None:
    part, other = screws(), screws()
    assert [(row.product, row.last_counted_at) for row in due_for_counting()] == [(part, None), (other, None)]
    count = sheet(products=[part])
    count_all(count, 100, actor=counter)
    inventory.submit_count(count, actor=counter)
    assert [row.product for row in due_for_counting()] == [other]
    Product.objects.filter(pk=part.pk).update(abc_class="A")
    CycleCountLine.objects.filter(cycle_count=count).update(counted_at=timezone.now() - datetime.timedelta(days=31))
    assert [row.product for row in due_for_counting(location=LocationFactory())] == [other, part]
    Product.objects.filter(pk=part.pk).update(abc_class="B")
    assert [row.product for row in due_for_counting()] == [other]


def test_asking_what_is_due_takes_two_queries_for_few_and_many() -> None:
    screws()
    with CaptureQueriesContext(connection) as few:
        due_for_counting()
    for _ in range(5):
        screws()
    with CaptureQueriesContext(connection) as many:
        due_for_counting()
    assert len(few) == len(many) == 2
