"""Production orders divided and joined: demand, material and waiting jobs are conserved, nothing is made twice."""

from __future__ import annotations

import datetime
from collections import Counter
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import Q, Sum
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from blb3d.core.errors import InvalidTransition, InvalidValue
from blb3d.core.outbox import OutboxEvent
from inventory.models import Inventory, Reservation
from inventory.selectors import verify_ledger
from inventory.tests.factories import (
    ComponentFactory,
    ProductFactory,
    make_bom,
    make_plate,
    put_on_shelf,
    release_file,
    system_actor,
)
from production import services as production
from production.errors import NotDivisible, NotMergeable
from production.models import Demand, PrinterGroup, PrintJob, PrintJobPart, ProductionOrder
from production.selectors.progress import count_plates, missing_by_plate
from production.tests.factories import (
    PrinterFactory,
    black_pla,
    cleared,
    confirmed,
    draft,
    finished,
    printable,
    printing,
    queued,
    routed,
    sent,
    stock,
)
from production.tests.test_dispatch import _at_once, needs_rows_locked

pytestmark = pytest.mark.django_db

LINE = "sales_order_line"


def demand(order: ProductionOrder) -> list[tuple[int, int]]:
    """Return for which line how many, in the order in which they are served."""
    return list(order.demands.order_by("id").values_list("reference_id", "quantity"))


def parts(order: ProductionOrder) -> dict[str, int]:
    """Return how many parts of the order lie on which waiting job."""
    rows = PrintJobPart.objects.filter(production_order=order, job__status="queued").order_by("job_id")
    return {row.job.code: row.planned for row in rows.select_related("job")}


def held(order: ProductionOrder) -> dict[int, Decimal]:
    """Return what is reserved for the order by product."""
    rows = Reservation.objects.filter(reference_type="production_order", reference_id=order.pk)
    return {
        row["balance__product_id"]: row["q"] for row in rows.values("balance__product_id").annotate(q=Sum("quantity"))
    }


def split(order: ProductionOrder, quantity: int) -> ProductionOrder:
    return production.split_production_order(order, quantity=quantity, actor=system_actor())


def merge(order: ProductionOrder, *others: ProductionOrder) -> ProductionOrder:
    return production.merge_production_orders(order, others, actor=system_actor())


def for_line(line: int, due: datetime.date | None = None) -> dict:
    return {"demand_reference": (LINE, line), "demand_label": f"SO-{line}", "due_date": due}


# --- Splitting ---------------------------------------------------------------------------------------------------


def test_a_split_takes_the_units_that_would_come_last_with_their_demand() -> None:
    order = draft(printable(), 10, **for_line(1))
    Demand.objects.filter(production_order=order).update(quantity=6)
    Demand.objects.create(production_order=order, quantity=4, reference_type=LINE, reference_id=2, label="SO-2")
    new = split(order, 5)
    order.refresh_from_db()
    assert (order.quantity, new.quantity) == (5, 5)
    assert (order.status, new.status) == ("draft", "draft")
    assert (new.split_from, new.product_id, new.bom_id) == (order, order.product_id, order.bom_id)
    assert demand(order) == [(1, 5)]
    assert demand(new) == [(1, 1), (2, 4)]
    fact = OutboxEvent.objects.get(topic="production.order_split")
    assert (fact.payload["number"], fact.payload["into"], fact.payload["quantity"]) == (order.code, new.code, 5)


def test_a_split_divides_what_is_reserved_and_frees_nothing_in_between() -> None:
    pla, screw, product = black_pla(), ComponentFactory(), ProductFactory()
    stock(pla, "10")
    put_on_shelf(screw, 100)
    make_bom(product, (pla, "0.1000"), (screw, 4))
    order = confirmed(product, 10)
    before = Inventory.objects.aggregate(total=Sum("allocated_quantity"))["total"]
    new = split(order, 4)
    assert held(order) == {pla.pk: Decimal("0.6"), screw.pk: Decimal(24)}
    assert held(new) == {pla.pk: Decimal("0.4"), screw.pk: Decimal(16)}
    assert Inventory.objects.aggregate(total=Sum("allocated_quantity"))["total"] == before
    assert (order.status, new.status) == ("confirmed", "confirmed")
    assert verify_ledger().is_clean


def test_a_shortage_goes_with_the_units_that_come_later() -> None:
    screw, product = ComponentFactory(), ProductFactory()
    put_on_shelf(screw, 5)
    make_bom(product, (screw, 1))
    order = confirmed(product, 8)
    new = split(order, 4)
    assert (held(order), held(new)) == ({screw.pk: Decimal(4)}, {screw.pk: Decimal(1)})


def test_whole_jobs_go_with_a_split_where_they_fit() -> None:
    stock(black_pla())
    order, jobs = queued(printable(parts=4), 10)
    new = split(order, 4)
    assert new.status == "queued"
    assert parts(order) == {jobs[0].code: 4, jobs[2].code: 2}
    assert parts(new) == {jobs[1].code: 4}
    assert PrintJob.objects.get(pk=jobs[1].pk).production_order == new
    assert PrintJob.objects.count() == 3


def test_a_plate_that_both_need_stays_one_plate() -> None:
    stock(black_pla())
    order, [job] = queued(printable(parts=4), 4)
    minutes = job.estimated_time_minutes
    new = split(order, 1)
    assert parts(order) == {job.code: 3}
    assert parts(new) == {job.code: 1}
    job.refresh_from_db()
    assert (job.production_order, job.estimated_time_minutes) == (order, minutes)


def test_what_has_begun_cannot_be_split_off() -> None:
    stock(black_pla())
    order, [first, second, third] = queued(printable(), 3)
    cleared(first, good=1)
    printing(second)
    order.refresh_from_db()
    with pytest.raises(NotDivisible) as refusal:
        split(order, 2)
    assert (refusal.value.code, refusal.value.details) == ("PROD_006", {"most": 1, "begun": 2})
    new = split(order, 1)
    order.refresh_from_db()
    assert (order.status, order.quantity, new.status) == ("printing", 2, "queued")
    assert parts(new) == {third.code: 1}


def test_an_order_with_nothing_left_to_make_completes() -> None:
    stock(black_pla())
    order, [first, second] = queued(printable(), 2)
    cleared(first, good=1)
    order.refresh_from_db()
    new = split(order, 1)
    order.refresh_from_db()
    assert (order.status, order.quantity_completed, order.closed_short) == ("completed", 1, False)
    assert (new.status, parts(new)) == ("queued", {second.code: 1})
    assert held(order) == {}


@pytest.mark.parametrize("quantity", [-1, 0, 5, 6])
def test_a_split_leaves_something_and_takes_something(quantity: int) -> None:
    order = draft(printable(), 5, **for_line(1))
    with pytest.raises(NotDivisible):
        split(order, quantity)
    order.refresh_from_db()
    assert (order.quantity, demand(order), ProductionOrder.objects.count()) == (5, [(1, 5)], 1)


def test_a_finished_or_failed_order_is_not_split() -> None:
    order = draft(printable(), 5)
    production.cancel_production_order(order, actor=system_actor(), reason="not needed")
    with pytest.raises(InvalidTransition):
        split(order, 2)
    assert ProductionOrder.objects.count() == 1


def test_what_was_made_for_the_shelf_goes_to_the_shelf() -> None:
    order = draft(printable(), 10, **for_line(1))
    ProductionOrder.objects.filter(pk=order.pk).update(quantity=14)
    order.refresh_from_db()
    new = split(order, 4)
    assert (demand(order), demand(new)) == ([(1, 10)], [])
    assert new.source_type == "stock"


def test_a_split_order_stays_held_and_bound_to_its_printers() -> None:
    group = PrinterGroup.objects.create(name="Large")
    order = confirmed(printable(), 4)
    ProductionOrder.objects.filter(pk=order.pk).update(printer_group=group)
    production.hold_production_order(order, actor=system_actor(), reason="Colour unclear")
    new = split(order, 2)
    assert (new.is_held, new.hold_reason, new.printer_group) == (True, "Colour unclear", group)


def test_both_orders_have_the_operations_and_what_is_at_one_has_begun() -> None:
    stock(black_pla())
    product = printable(parts=2)
    routed(product, "post_process", "pack")
    order, [job, _] = queued(product, 4, **for_line(1))
    cleared(job, good=2)
    order.refresh_from_db()
    assert order.quantity_completed == 0
    with pytest.raises(NotDivisible) as refusal:
        split(order, 3)
    assert refusal.value.details == {"most": 2, "begun": 2}
    new = split(order, 2)
    names = [list(row.operations.order_by("sequence").values_list("name", flat=True)) for row in (order, new)]
    assert names[0] == names[1]
    assert len(names[1]) == 2
    assert [row.operations.order_by("sequence").first().quantity_in for row in (order, new)] == [2, 0]
    with pytest.raises(NotMergeable) as refused:
        merge(new, order)
    assert refused.value.details == {"orders": [order.code]}


# --- Merging -----------------------------------------------------------------------------------------------------


def test_merging_joins_demand_material_and_waiting_jobs() -> None:
    pla = black_pla()
    stock(pla, "10")
    product = printable(parts=4, grams="400")
    soon = datetime.date(2030, 1, 5)
    order, [job] = queued(product, 2, **for_line(1, datetime.date(2030, 2, 1)))
    other, [second] = queued(product, 3, **for_line(2, soon), priority=4)
    assert merge(order, other) == order
    assert (order.quantity, order.priority, order.due_date) == (5, 4, soon)
    assert demand(order) == [(1, 2), (2, 3)]
    assert parts(order) == {job.code: 2, second.code: 3}
    assert held(order) == {pla.pk: Decimal("0.5")}
    assert (other.status, other.merged_into, held(other), demand(other)) == ("cancelled", order, {}, [])
    second.refresh_from_db()
    job.refresh_from_db()
    assert (second.production_order, second.status, job.priority) == (order, "queued", 4)
    assert verify_ledger().is_clean


def test_parts_of_both_on_one_plate_become_one_count() -> None:
    stock(black_pla())
    product = printable(parts=4)
    order, [job] = queued(product, 4)
    new = split(order, 1)
    merge(order, new)
    assert parts(order) == {job.code: 4}
    assert PrintJobPart.objects.count() == 1


def test_jobs_are_made_for_what_joins_an_order_that_is_queued() -> None:
    stock(black_pla(), "10")
    product = printable(parts=4, grams="400")
    order, [job] = queued(product, 4)
    merge(order, draft(product, 5))
    made = list(PrintJob.objects.exclude(pk=job.pk).order_by("id"))
    assert [row.parts.get().planned for row in made] == [4, 1]
    assert held(order) == {black_pla().pk: Decimal("0.9")}


def test_an_order_merged_before_points_to_where_its_parts_are_made_now() -> None:
    product = printable()
    first, second, third = (confirmed(product, 1) for _ in range(3))
    merge(second, first)
    merge(third, second)
    first.refresh_from_db()
    assert (first.merged_into, second.merged_into, third.quantity) == (third, third, 3)


def test_orders_of_other_products_are_not_merged() -> None:
    order, other = confirmed(printable(), 1), confirmed(printable(), 2)
    with pytest.raises(NotMergeable) as refusal:
        merge(order, other)
    assert refusal.value.code == "PROD_007"
    assert refusal.value.details == {"orders": [other.code]}
    order.refresh_from_db()
    other.refresh_from_db()
    assert (order.quantity, other.status) == (1, "confirmed")


def test_orders_of_another_bill_are_not_merged() -> None:
    product = printable()
    order = confirmed(product, 1)
    make_bom(product, (black_pla(), "0.5"))
    with pytest.raises(NotMergeable):
        merge(order, confirmed(product, 1))


def test_an_order_that_has_begun_is_not_merged() -> None:
    stock(black_pla())
    product = printable()
    order, [job] = queued(product, 1)
    sent(job)
    other = queued(product, 1)[0]
    for pair in ((order, other), (other, order)):
        with pytest.raises(NotMergeable) as refusal:
            merge(*pair)
        assert refusal.value.details == {"orders": [order.code]}


def test_an_order_that_is_further_takes_the_other_and_not_the_other_way_round() -> None:
    product = printable()
    plan, order = draft(product, 2), confirmed(product, 1)
    with pytest.raises(NotMergeable, match="other way round"):
        merge(plan, order)
    assert merge(order, plan).quantity == 3


def test_a_held_order_is_not_merged_with_one_that_goes_on() -> None:
    product = printable()
    order, other = confirmed(product, 1), confirmed(product, 1)
    production.hold_production_order(other, actor=system_actor(), reason="wait")
    with pytest.raises(NotMergeable):
        merge(order, other)


def test_an_order_is_not_merged_with_itself_alone_nor_with_one_that_is_over() -> None:
    product = printable()
    order, over = confirmed(product, 1), confirmed(product, 1)
    production.cancel_production_order(over, actor=system_actor(), reason="x")
    for others in ([order], [], [over]):
        with pytest.raises(NotMergeable):
            merge(order, *others)


def test_merging_costs_about_the_same_for_two_orders_and_five() -> None:
    stock(black_pla(), "100")
    product = printable(parts=4)

    def cost(number: int) -> int:
        order, *others = (queued(product, 6)[0] for _ in range(number))
        with CaptureQueriesContext(connection) as queries:
            merge(order, *others)
        return len(queries)

    cost(2)
    two, five = cost(2), cost(5)
    # Each order that is emptied takes its own step and hands its material over.
    assert five - two <= 3 * 20


# --- Withdrawing what nobody needs any more ----------------------------------------------------------------------


def withdraw(*lines: int) -> None:
    production.withdraw_demand(LINE, lines, actor=system_actor(), reason="The customer cancelled")


def test_an_order_for_nobody_else_is_cancelled() -> None:
    stock(black_pla())
    order, [job] = queued(printable(), 1, **for_line(1))
    withdraw(1)
    order.refresh_from_db()
    job.refresh_from_db()
    assert (order.status, job.status, held(order)) == ("cancelled", "cancelled", {})
    assert not Demand.objects.exists()


def test_an_order_that_others_wait_for_goes_on_with_their_quantity() -> None:
    stock(black_pla(), "10")
    product = printable(parts=4)
    order, _ = queued(product, 4, **for_line(1))
    merge(order, queued(product, 3, **for_line(2))[0])
    withdraw(1)
    order.refresh_from_db()
    assert (order.status, order.quantity, demand(order)) == ("queued", 3, [(2, 3)])
    assert sum(parts(order).values()) == 3
    assert ProductionOrder.objects.get(split_from=order).status == "cancelled"


def test_units_made_for_who_left_are_kept_for_who_comes_next() -> None:
    stock(black_pla(), "10")
    product = printable()
    order = confirmed(product, 2, **for_line(1))
    merge(order, confirmed(product, 2, **for_line(2)))
    jobs = production.queue_production_order(order, actor=system_actor())
    cleared(jobs[0], good=1)
    withdraw(1)
    order.refresh_from_db()
    # The unit that was made is the other customer's now, so that two units less are to be made.
    assert (order.quantity, order.quantity_completed, demand(order)) == (2, 1, [(2, 2)])
    kept = Reservation.objects.get(reference_type=LINE)
    assert (kept.reference_id, kept.quantity) == (2, Decimal(1))
    assert verify_ledger().is_clean


# --- Changing the quantity ----------------------------------------------------------------------------------------


def change(order: ProductionOrder, quantity: int) -> ProductionOrder:
    return production.change_production_quantity(order, quantity=quantity, actor=system_actor())


def test_more_units_get_material_and_jobs() -> None:
    stock(black_pla(), "10")
    order, [job] = queued(printable(parts=4, grams="400"), 4)
    change(order, 6)
    assert sorted(parts(order).values()) == [2, 4]
    assert job.code in parts(order)
    assert held(order) == {black_pla().pk: Decimal("0.6")}


def test_fewer_units_free_material_and_waiting_parts() -> None:
    stock(black_pla(), "10")
    order, jobs = queued(printable(parts=4, grams="400"), 8)
    printing(jobs[0])
    order.refresh_from_db()
    change(order, 5)
    assert list(parts(order).values()) == [1]
    jobs[0].refresh_from_db()
    assert (jobs[0].status, order.quantity, order.status) == ("printing", 5, "printing")
    assert held(order) == {black_pla().pk: Decimal("0.5")}
    assert verify_ledger().is_clean


def test_an_order_that_has_all_it_is_for_now_completes() -> None:
    stock(black_pla())
    order, jobs = queued(printable(), 3)
    cleared(jobs[0], good=1)
    order.refresh_from_db()
    change(order, 1)
    assert (order.status, order.closed_short, parts(order), held(order)) == ("completed", False, {}, {})


@pytest.mark.parametrize("quantity", [0, 2, 10**7])
def test_nobody_loses_what_they_wait_for(quantity: int) -> None:
    order = draft(printable(), 3, **for_line(1))
    with pytest.raises(InvalidValue) as refusal:
        change(order, quantity)
    assert refusal.value.details == {"field": "quantity", "least": 3}
    order.refresh_from_db()
    assert order.quantity == 3
    assert change(order, 5).quantity == 5


# --- Several people at once ---------------------------------------------------------------------------------------


@needs_rows_locked
@pytest.mark.django_db(transaction=True)
def test_two_orders_merged_into_each_other_at_once_become_one() -> None:
    stock(black_pla(), "100")
    product = printable(parts=4)
    for _ in range(4):
        one, two = queued(product, 3, **for_line(1))[0], queued(product, 3, **for_line(2))[0]
        read = [ProductionOrder.objects.in_bulk([one.pk, two.pk]) for _ in range(2)]
        answers = _at_once(
            lambda read=read[0], a=one.pk, b=two.pk: merge(read[a], read[b]),
            lambda read=read[1], a=two.pk, b=one.pk: merge(read[a], read[b]),
        )
        assert sum(isinstance(answer, ProductionOrder) for answer in answers) == 1
        assert sum(isinstance(answer, NotMergeable) for answer in answers) == 1
        kept = ProductionOrder.objects.get(pk__in=[one.pk, two.pk], status="queued")
        assert (kept.quantity, sum(parts(kept).values()), sum(n for _, n in demand(kept))) == (6, 6, 6)
    assert verify_ledger().is_clean


@needs_rows_locked
@pytest.mark.django_db(transaction=True)
def test_a_job_that_is_sent_while_its_order_is_split_is_counted_once() -> None:
    stock(black_pla(), "100")
    product = printable(parts=2)
    actor = system_actor()
    for _ in range(4):
        order, [job] = queued(product, 2)
        printer = PrinterFactory(loaded=[black_pla()])
        answers = _at_once(
            lambda pk=order.pk: split(ProductionOrder.objects.get(pk=pk), 1),
            lambda pk=job.pk, printer=printer: production.dispatch_job(
                PrintJob.objects.get(pk=pk), printer, actor=actor
            ),
        )
        assert isinstance(answers[1], PrintJob)
        shares = list(PrintJobPart.objects.filter(job=job).values_list("planned", flat=True))
        # Either the split came first and the plate is shared, or the job did and nothing could be split off.
        assert shares == ([1, 1] if isinstance(answers[0], ProductionOrder) else [2])
        if not isinstance(answers[0], ProductionOrder):
            assert isinstance(answers[0], NotDivisible)


@needs_rows_locked
@pytest.mark.django_db(transaction=True)
def test_two_splits_at_once_take_no_more_than_there_is() -> None:
    for _ in range(4):
        order = confirmed(printable(), 5, **for_line(1))
        answers = _at_once(*(lambda pk=order.pk: split(ProductionOrder.objects.get(pk=pk), 3) for _ in range(2)))
        assert sorted(isinstance(answer, ProductionOrder) for answer in answers) == [False, True]
        made = ProductionOrder.objects.filter(Q(pk=order.pk) | Q(split_from=order))
        assert sorted(made.values_list("quantity", flat=True)) == [2, 3]
        assert Demand.objects.filter(production_order__in=made).aggregate(total=Sum("quantity"))["total"] == 5


# --- The invariant ------------------------------------------------------------------------------------------------


class Conservation(TestCase):
    """Whatever is split, merged and cleared in whatever order: demand, parts and material add up."""

    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        quantities=st.lists(st.integers(1, 7), min_size=2, max_size=3),
        acts=st.lists(
            st.tuples(st.sampled_from(["split", "merge", "clear"]), st.integers(0, 5), st.integers(1, 6)), max_size=7
        ),
    )
    def test_demand_is_conserved_and_nothing_is_double(
        self, quantities: list[int], acts: list[tuple[str, int, int]]
    ) -> None:
        stock(black_pla(), "1000")
        product = ProductFactory(sku="FG-KEPT")
        make_bom(product, (black_pla(), "0.1"))
        release_file(make_plate(product, parts=3, grams={black_pla(): "300"}))
        for line, quantity in enumerate(quantities, start=1):
            queued(product, quantity, **for_line(line))
        wanted = dict(enumerate(quantities, start=1))
        for act, which, number in acts:
            orders = list(ProductionOrder.objects.filter(status__in=["queued", "printing"]).order_by("id"))
            if not orders:
                break
            order, other = orders[which % len(orders)], orders[(which + 1) % len(orders)]
            try:
                if act == "split":
                    split(order, number)
                elif act == "merge":
                    merge(order, other)
                else:
                    self._print(order, number)
            except (NotDivisible, NotMergeable):
                pass
            self._check(wanted)

    def _print(self, order: ProductionOrder, number: int) -> None:
        job = PrintJob.objects.filter(parts__production_order=order, status="queued").order_by("id").first()
        if job is None:
            return
        finished(job)
        counts = [
            production.PlateCount(
                row.production_order_id, min(number, row.planned), row.planned - min(number, row.planned)
            )
            for row in job.parts.all()
        ]
        production.clear_plate(job, counts, actor=system_actor())

    def _check(self, wanted: dict[int, int]) -> None:
        live = ProductionOrder.objects.exclude(status="cancelled")
        assert live.aggregate(total=Sum("quantity"))["total"] == sum(wanted.values())
        found: Counter[int] = Counter()
        for row in Demand.objects.filter(production_order__in=live):
            found[row.reference_id] += row.quantity
        assert found == wanted
        assert not Demand.objects.exclude(production_order__in=live).exists()
        for order in live:
            counts = count_plates([order.pk])[order.pk]
            for plate in counts.values():
                assert plate.good + plate.expected <= order.quantity
            plates = list(order.product.plates.values_list("pk", flat=True))
            assert missing_by_plate(order, counts, plates) == {}
        on_lines = Reservation.objects.filter(reference_type=LINE).aggregate(total=Sum("quantity"))["total"] or 0
        assert on_lines == live.aggregate(total=Sum("quantity_completed"))["total"]
        cancelled = ProductionOrder.objects.filter(status="cancelled")
        assert not Reservation.objects.filter(reference_type="production_order", reference_id__in=cancelled).exists()
        assert not PrintJobPart.objects.filter(production_order__in=cancelled, job__status="queued").exists()
        assert verify_ledger().is_clean


def test_nothing_is_left_to_do_at_a_bench_for_an_order_that_was_merged() -> None:
    stock(black_pla())
    product = printable(parts=2)
    routed(product, "paint")
    order, other = confirmed(product, 2), confirmed(product, 2)
    production.merge_production_orders(order, [other], actor=system_actor())
    assert [(row.operations.get().status, row.status) for row in (order, other)] == [
        ("pending", "confirmed"),
        ("cancelled", "cancelled"),
    ]
