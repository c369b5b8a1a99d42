"""Material planning against its slow reference on random networks, and what must be true of every plan."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from production.mrp.engine import plan
from production.mrp.ground import (
    FIRM,
    FLOOR,
    FORECAST,
    PER_SCALE,
    PLANNED,
    PRODUCTION,
    PURCHASE,
    SALES,
    SCALE,
    STOCK,
    Demand,
    Item,
    Problem,
    Supply,
    exploded,
)
from production.tests.mrp_reference import reference_plan

TODAY = 740_000
days = st.integers(TODAY - 5, TODAY + 40)
scaled = st.one_of(st.integers(1, 40).map(lambda n: n * SCALE), st.integers(1, 60 * SCALE))
pers = st.one_of(st.integers(1, 8).map(lambda n: n * PER_SCALE), st.integers(1, 3 * PER_SCALE))


@st.composite
def problems(draw):
    """A network of up to nine items: bills only go to higher numbers, so that there is no way round."""
    count = draw(st.integers(1, 9))
    items, lines = {}, {}
    for number in range(1, count + 1):
        below = list(range(number + 1, count + 1))
        components = draw(st.lists(st.sampled_from(below), max_size=3, unique=True)) if below else []
        if components:
            lines[number] = [(component, draw(pers)) for component in components]
        items[number] = Item(
            id=number,
            is_made=bool(components),
            lead_days=draw(st.integers(0, 9)),
            floor=draw(st.one_of(st.just(0), scaled)),
            minimum=draw(st.one_of(st.just(0), scaled)),
            multiple=draw(st.one_of(st.just(0), st.just(0), scaled)),
            period_days=draw(st.sampled_from([0, 0, 1, 3, 7, 30])),
            bom=number if components else 0,
        )
    chosen = st.sampled_from(sorted(items))
    demands = []
    for number in range(1, draw(st.integers(0, 8)) + 1):
        kind = draw(st.sampled_from([SALES, SALES, FORECAST]))
        demands.append(Demand((kind, number, 0), draw(chosen), draw(scaled), draw(days)))
    supplies, holders = [], [demand.key for demand in demands] + [(PRODUCTION, number, 0) for number in range(1, 5)]

    def held(quantity):
        rows = draw(st.lists(st.tuples(st.sampled_from(holders), st.integers(1, quantity)), max_size=2))
        return tuple(rows)

    for item in sorted(items):
        if draw(st.booleans()):
            quantity = draw(scaled)
            supplies.append(Supply((STOCK, item, 0), item, quantity, TODAY, held(quantity)))
    for number in range(1, draw(st.integers(0, 6)) + 1):
        item, quantity, day = draw(chosen), draw(scaled), draw(days)
        if items[item].is_made and draw(st.booleans()):
            kind = draw(st.sampled_from([PRODUCTION, PRODUCTION, FIRM]))
            units = draw(st.one_of(st.just(quantity), st.integers(0, quantity)))
            row = Supply((kind, number, 0), item, quantity, day, held(quantity), item, units, day - draw(days) % 7)
        else:
            row = Supply((draw(st.sampled_from([PURCHASE, FIRM])), 100 + number, 0), item, quantity, day)
        supplies.append(row)
    return Problem(TODAY, items, lines, demands, supplies, draw(st.sampled_from([0, 5])))


def simple(**changes) -> Problem:
    """A box of 2 lids and 0.1255 kg of filament; ten boxes are wanted in ten days."""
    items = {
        1: Item(1, True, lead_days=2, bom=1),
        2: Item(2, True, lead_days=1, bom=2),
        3: Item(3, False, lead_days=5),
    }
    lines = {1: [(2, 2 * PER_SCALE), (3, PER_SCALE * 1255 // 10_000)], 2: [(3, PER_SCALE // 100)]}
    return replace(
        Problem(TODAY, items, lines, [Demand((SALES, 7, 0), 1, 10 * SCALE, TODAY + 10)]),
        **changes,
    )


@settings(max_examples=1500, deadline=None, suppress_health_check=list(HealthCheck))
@given(problems())
@example(simple())
def test_the_engine_plans_as_the_rules_say(problem):
    assert plan(problem) == reference_plan(problem)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(problems())
def test_every_need_is_covered_and_nothing_brings_more_than_it_has(problem):
    answer = plan(problem)
    served, given_away = defaultdict(int), defaultdict(int)
    for peg in answer.pegs:
        assert peg.quantity > 0
        served[(peg.item, peg.need)] += peg.quantity
        given_away[peg.supply] += peg.quantity
    wanted = defaultdict(int)
    for demand in problem.demands:
        wanted[(demand.item, demand.key)] += demand.quantity
    for item in problem.items.values():
        if item.floor:
            wanted[(item.id, (FLOOR, item.id, 0))] += item.floor
    making = [(supply.key, supply.bom, supply.units) for supply in problem.supplies if supply.bom]
    making += [(order.key, problem.items[order.item].bom, order.quantity) for order in answer.planned]
    for key, bom, units in making:
        for component, per in problem.lines.get(bom, ()):
            if exploded(per, units):
                wanted[(component, key)] += exploded(per, units)
    assert served == wanted
    there = {supply.key: supply.quantity for supply in problem.supplies}
    there |= {order.key: order.quantity for order in answer.planned}
    assert all(quantity <= there[key] for key, quantity in given_away.items())


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(problems())
def test_nothing_is_planned_that_nobody_needs_and_every_planned_order_leads_up_to_somebody(problem):
    answer = plan(problem)
    above = defaultdict(set)
    for peg in answer.pegs:
        above[peg.supply].add(peg.need)
    for order in answer.planned:
        seen, ways = set(), [order.key]
        while ways:
            key = ways.pop()
            if key not in seen:
                seen.add(key)
                ways += above[key]
        assert above[order.key]
        assert any(kind not in {PLANNED} for kind, _, _ in seen)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(problems())
def test_a_plan_that_is_carried_out_as_proposed_leaves_nothing_to_plan(problem):
    answer = plan(problem)
    placed = [
        Supply(
            (FIRM, 1_000 + number, 0),
            order.item,
            order.quantity,
            order.due,
            (),
            problem.items[order.item].bom if problem.items[order.item].is_made else 0,
            order.quantity if problem.items[order.item].is_made else 0,
            order.start,
        )
        for number, order in enumerate(answer.planned)
    ]
    assert plan(replace(problem, supplies=[*problem.supplies, *placed])).planned == []


def test_a_need_is_netted_before_it_is_exploded():
    """The peer's error: with all boxes on the shelf neither lids nor filament are asked for."""
    in_stock = [Supply((STOCK, 1, 0), 1, 10 * SCALE, TODAY)]
    assert plan(simple(supplies=in_stock)).planned == []


def test_the_whole_way_down_is_planned_in_time():
    rows = [(order.item, order.quantity, order.start - TODAY, order.due - TODAY) for order in plan(simple()).planned]
    assert rows == [
        (1, 10 * SCALE, 8, 10),
        (2, 20 * SCALE, 7, 8),
        (3, 2_000, 2, 7),
        (3, 12_550, 3, 8),
    ]


def test_sub_assemblies_on_the_shelf_spare_their_material():
    lids = [Supply((STOCK, 2, 0), 2, 15 * SCALE, TODAY)]
    rows = {(order.item, order.quantity) for order in plan(simple(supplies=lids)).planned}
    assert rows == {(1, 10 * SCALE), (2, 5 * SCALE), (3, 500), (3, 12_550)}


def test_what_is_on_its_way_is_not_ordered_again_even_when_it_comes_late():
    coming = [Supply((PURCHASE, 4, 0), 3, 14_550, TODAY + 20)]
    answer = plan(simple(supplies=coming))
    assert [order.item for order in answer.planned] == [1, 2]
    assert [(row.kind, row.to_day - TODAY) for row in answer.messages] == [("reschedule_in", 7)]
    [late] = answer.late
    # It is there on day 20, the lids a day later, the boxes two days after that.
    assert (late.key, late.ready - TODAY, late.cause) == ((SALES, 7, 0), 23, 3)


def test_an_open_production_order_is_not_made_twice_and_takes_its_material_once():
    order = Supply(
        (PRODUCTION, 9, 0), 1, 10 * SCALE, TODAY + 9, (((SALES, 7, 0), 10 * SCALE),), 1, 10 * SCALE, TODAY + 6
    )
    answer = plan(simple(supplies=[order]))
    assert [(row.item, row.quantity) for row in answer.planned] == [(2, 20 * SCALE), (3, 2_000), (3, 12_550)]


def test_stock_that_is_reserved_serves_its_holder_and_is_counted_once():
    reserved = [Supply((STOCK, 1, 0), 1, 10 * SCALE, TODAY, (((SALES, 8, 0), 10 * SCALE),))]
    demands = [Demand((SALES, 7, 0), 1, 10 * SCALE, TODAY + 10), Demand((SALES, 8, 0), 1, 10 * SCALE, TODAY + 30)]
    answer = plan(simple(supplies=reserved, demands=demands))
    assert [(peg.supply, peg.need) for peg in answer.pegs if peg.item == 1] == [
        ((PLANNED, 1, 0), (SALES, 7, 0)),
        ((STOCK, 1, 0), (SALES, 8, 0)),
    ]


def test_one_order_covers_a_period_and_its_rest_the_needs_after_it():
    items = {3: Item(3, False, lead_days=5, minimum=10 * SCALE, multiple=4 * SCALE, period_days=7)}
    wanted = [Demand((SALES, day, 0), 3, 5 * SCALE, TODAY + day) for day in (10, 16, 17, 40)]
    orders = plan(Problem(TODAY, items, demands=wanted)).planned
    # 5 + 5 makes 12, whose rest of 2 goes to day 17; there 3 are missing: 12 again, enough for day 40.
    assert [(order.quantity // SCALE, order.due - TODAY) for order in orders] == [(12, 10), (12, 17)]


def test_an_order_that_nobody_needs_is_to_be_cancelled_and_one_much_too_early_put_off():
    supplies = [Supply((PURCHASE, 1, 0), 3, SCALE, TODAY + 2), Supply((PURCHASE, 2, 0), 3, SCALE, TODAY + 3)]
    problem = Problem(TODAY, {3: Item(3, False)}, {}, [Demand((SALES, 1, 0), 3, SCALE, TODAY + 30)], supplies)
    assert [(row.kind, row.supply[1], row.to_day - TODAY) for row in plan(problem).messages] == [
        ("cancel", 2, 3),
        ("reschedule_out", 1, 30),
    ]


def test_what_cannot_come_in_time_names_the_reason():
    soon = [Demand((SALES, 7, 0), 1, 10 * SCALE, TODAY + 3)]
    [late] = plan(simple(demands=soon)).late
    # Filament is there on day 5, the lids on day 6, the boxes on day 8.
    assert (late.day - TODAY, late.ready - TODAY, late.cause) == (3, 8, 3)


def test_bills_that_go_round_are_refused_by_name():
    round_about = {1: [(2, PER_SCALE)], 2: [(1, PER_SCALE)]}
    items = {1: Item(1, True, bom=1), 2: Item(2, True, bom=2)}
    with pytest.raises(ValueError, match=r"1.*2"):
        plan(Problem(TODAY, items, round_about))
