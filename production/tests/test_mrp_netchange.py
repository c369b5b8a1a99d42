"""Planning what a change touches gives what planning everything would give."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from production.mrp.engine import plan
from production.mrp.ground import PER_SCALE, PRODUCTION, PURCHASE, SALES, SCALE, STOCK, Demand, Item, Supply
from production.mrp.netchange import Change, Planner
from production.tests.test_mrp_reference import TODAY, problems, simple


@st.composite
def histories(draw):
    """A problem and up to three changes of one or two products, made of the rows of other problems."""
    problem = draw(problems())
    changes = []
    for number in range(1, draw(st.integers(1, 3)) + 1):
        other = draw(problems())
        products = draw(st.lists(st.sampled_from(sorted(problem.items)), min_size=1, max_size=2, unique=True))
        items = {}
        for product in products:
            if product in other.items and draw(st.booleans()):
                made = problem.items[product]
                items[product] = other.items[product]._replace(is_made=made.is_made, bom=made.bom)

        def renamed(row, by=1_000 * number):
            kind, pk, position = row.key
            return row if kind == STOCK else row._replace(key=(kind, pk + by, position))

        demands = [renamed(row) for row in other.demands if row.item in products]
        demands += [row for row in problem.demands if row.item in products and draw(st.booleans())]
        supplies = [row for row in problem.supplies if row.item in products and draw(st.booleans())]
        kept = {row.key for row in supplies}
        for row in map(renamed, other.supplies):
            if row.item in products and row.key not in kept:
                made = problem.items[row.item].is_made
                supplies.append(row if made else row._replace(bom=0, units=0))
        changes.append(Change(products, demands, supplies, items))
    return problem, changes


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories())
def test_a_plan_that_was_changed_is_the_plan_of_the_changed_problem_row_for_row(history):
    problem, changes = history
    planner = Planner(problem)
    assert planner.plan() == plan(problem)
    for change in changes:
        before = planner.plan()
        touched = planner.change(change)
        after = planner.plan()
        assert after == plan(planner.problem)
        untouched = set(problem.items) - touched
        assert planner.plan(untouched) == type(after)(
            [row for row in before.planned if row.item in untouched],
            [row for row in before.pegs if row.item in untouched],
            [row for row in before.messages if row.item in untouched],
            [row for row in before.late if row.item in untouched],
        )


def test_the_changed_problem_is_what_was_changed():
    planner = Planner(simple())
    demand = Demand((SALES, 9, 0), 2, 4 * SCALE, TODAY + 3)
    stock = Supply((STOCK, 2, 0), 2, SCALE, TODAY)
    item = planner.problem.items[2]._replace(lead_days=4)
    planner.change(Change([2], [demand], [stock], {2: item}))
    problem = planner.problem
    assert problem.demands == [*simple().demands, demand]
    assert problem.supplies == [stock]
    assert problem.items[2].lead_days == 4


def test_one_order_touches_its_product_and_what_that_takes_and_nothing_else():
    lonely = {8: Item(8, False), 9: Item(9, True, bom=9)}
    problem = simple()
    problem = replace(
        problem,
        items={**problem.items, **lonely},
        lines={**problem.lines, 9: [(8, PER_SCALE)]},
        demands=[*problem.demands, Demand((SALES, 1, 0), 9, SCALE, TODAY + 4)],
    )
    planner = Planner(problem)
    more = Demand((SALES, 8, 0), 1, SCALE, TODAY + 12)
    assert planner.change(Change([1], [problem.demands[0], more])) == {1, 2, 3}
    assert planner.plan() == plan(planner.problem)
    assert planner.change(Change([1], [problem.demands[0], more])) == {1}


def test_a_receipt_and_a_failed_print_are_followed():
    planner = Planner(simple(supplies=[Supply((PURCHASE, 4, 0), 3, 14_550, TODAY + 20)]))
    assert [row.cause for row in planner.plan().late] == [3]
    planner.change(Change([3], supplies=[Supply((STOCK, 3, 0), 3, 14_550, TODAY)]))
    assert planner.plan().late == []
    failed = Supply((PRODUCTION, 5, 0), 1, 3 * SCALE, TODAY + 9, (), 1, 3 * SCALE, TODAY + 6)
    planner.change(Change([1], planner.problem.demands, [failed]))
    assert planner.plan() == plan(planner.problem)
    assert [row.quantity for row in planner.plan().planned if row.item == 1] == [7 * SCALE]


def test_what_changes_the_network_is_planned_from_scratch():
    problem = simple()
    planner = Planner(problem)
    bought = problem.items[2]._replace(is_made=False, bom=0)
    assert planner.change(Change([2], items={2: bought})) == {1, 2, 3}
    assert planner.plan() == plan(planner.problem)
    assert planner.problem.items[2] == bought
    new = Demand(("rental", 1, 0), 1, SCALE, TODAY)
    assert planner.change(Change([1], [*planner.problem.demands, new])) == {1, 2, 3}
    assert planner.plan() == plan(planner.problem)
