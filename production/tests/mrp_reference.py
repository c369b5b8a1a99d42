"""Material planning again, slow and plain: the ten rules of ``production.mrp.ground`` written down one after the other.

It shares nothing with the engine but the rows. Where both agree on thousands of networks, both read the rules alike.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from production.mrp.ground import FLOOR, SCALE, STOCK, Key, Late, Message, Peg, Plan, Planned, Problem, Supply, exploded

Need = tuple[int, Key]


class Reference:
    """One problem being planned."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.today = problem.today
        #: item -> (day, key) -> quantity
        self.needs: dict[int, dict[Need, int]] = defaultdict(lambda: defaultdict(int))
        self.pegs: list[Peg] = []
        self.planned: list[Planned] = []
        self.supplies: dict[Key, Supply] = {}

    def plan(self) -> Plan:
        for demand in self.problem.demands:
            self.need(demand.item, demand.day, demand.key, demand.quantity)
        for supply in self.problem.supplies:
            if supply.quantity:
                self.supplies[supply.key] = supply
            self.explode(supply.key, supply.bom, supply.units, supply.start)
        for item in self.problem.items.values():
            self.need(item.id, self.today + item.lead_days, (FLOOR, item.id, 0), item.floor)
        for item_id in self.in_order():
            self.net(item_id)
        ready = self.ready()
        planned = [order._replace(ready=ready[order.key]) for order in self.planned]
        return Plan(sorted(planned), sorted(self.pegs), sorted(self.messages()), sorted(self.late(ready)))

    def need(self, item: int, day: int, key: Key, quantity: int) -> None:
        if quantity:
            self.needs[item][(max(day, self.today), key)] += quantity

    def explode(self, key: Key, bom: int, units: int, start: int) -> None:
        for component, per in self.problem.lines.get(bom, ()) if bom else ():
            self.need(component, start, key, exploded(per, units))

    def in_order(self) -> list[int]:
        """Every item after all items whose bills name it."""
        above: dict[int, set[int]] = defaultdict(set)
        for parent, bom in [
            *((item.id, item.bom) for item in self.problem.items.values()),
            *((supply.item, supply.bom) for supply in self.problem.supplies),
        ]:
            for component, _ in self.problem.lines.get(bom, ()) if bom else ():
                above[component].add(parent)

        def level(item: int) -> int:
            return max((level(parent) + 1 for parent in above[item]), default=0)

        return sorted(self.problem.items, key=lambda item: (level(item), item))

    def day_of(self, supply: Supply) -> int:
        return self.today if supply.key[0] == STOCK else max(supply.day, self.today)

    def net(self, item_id: int) -> None:
        open_needs = [[day, key, quantity] for (day, key), quantity in sorted(self.needs[item_id].items())]
        there = [
            [supply, supply.quantity]
            for supply in sorted(
                (supply for supply in self.supplies.values() if supply.item == item_id),
                key=lambda supply: (self.day_of(supply), supply.key),
            )
        ]

        def serve(need: list[Any], source: list[Any], key: Key, most: int) -> int:
            part = min(need[2], source[1], most)
            if part > 0:
                need[2] -= part
                source[1] -= part
                self.pegs.append(Peg(key, need[1], item_id, part, need[0]))
            return max(part, 0)

        for source in there:
            for holder, quantity in source[0].held:
                left = quantity
                for need in open_needs:
                    if need[1] == holder:
                        left -= serve(need, source, source[0].key, left)
        for need in open_needs:
            for source in there:
                serve(need, source, source[0].key, need[2])
        self.order_rest(item_id, [need for need in open_needs if need[2]], serve)
        self.merge_pegs()

    def order_rest(self, item_id: int, open_needs: list[list[Any]], serve: Any) -> None:
        item = self.problem.items[item_id]
        number = 0
        too_much: list[list[Any]] = []  # [planned order, what is left of it]
        while True:
            for need in open_needs:
                for source in too_much:
                    serve(need, source, source[0], need[2])
                if need[2]:
                    break
            open_needs = [need for need in open_needs if need[2]]
            if not open_needs:
                return
            due = open_needs[0][0]
            window = [need for need in open_needs if need[0] <= due + max(item.period_days, 1) - 1]
            quantity = max(sum(need[2] for need in window), item.minimum)
            if item.multiple:
                quantity = -(-quantity // item.multiple) * item.multiple
            if item.is_made:
                quantity = -(-quantity // SCALE) * SCALE
            start = max(due - item.lead_days, self.today)
            order = Planned(item_id, number, quantity, start, due, 0)
            number += 1
            self.planned.append(order)
            source = [order.key, quantity]
            for need in window:
                serve(need, source, order.key, need[2])
            too_much.append(source)
            if item.is_made:
                self.explode(order.key, item.bom, quantity, start)

    def merge_pegs(self) -> None:
        """What a supply gives to one need is one peg, whether it was held for it or not."""
        sums: dict[tuple[Key, Key, int, int], int] = defaultdict(int)
        for peg in self.pegs:
            sums[(peg.supply, peg.need, peg.item, peg.day)] += peg.quantity
        self.pegs = [Peg(supply, need, item, quantity, day) for (supply, need, item, day), quantity in sums.items()]

    def messages(self) -> list[Message]:
        found = []
        for supply in self.supplies.values():
            if supply.key[0] == STOCK:
                continue
            day = self.day_of(supply)
            served = [peg for peg in self.pegs if peg.supply == supply.key]
            first = min((peg.day for peg in served), default=None)
            kind, to_day = "", day
            if first is None:
                kind = "cancel"
            elif first < day:
                kind, to_day = "reschedule_in", first
            elif first - day > self.problem.slack_days and not any(peg.need[0] == FLOOR for peg in served):
                kind, to_day = "reschedule_out", first
            if kind:
                found.append(Message(kind, supply.key, supply.item, supply.quantity, day, to_day))
        return found

    def own_terms(self) -> dict[Key, tuple[int, int]]:
        """Return of each supply its own readiness and how long it takes once its components are there."""
        terms = {}
        for supply in self.supplies.values():
            day = self.day_of(supply)
            terms[supply.key] = (day, max(day - max(supply.start, self.today), 0) if supply.bom else 0)
        for order in self.planned:
            lead = self.problem.items[order.item].lead_days
            terms[order.key] = (max(self.today + lead, order.due), lead)
        return terms

    def components(self, key: Key) -> dict[int, list[Peg]]:
        """Return what serves the needs of an order, by component."""
        found: dict[int, list[Peg]] = defaultdict(list)
        for peg in self.pegs:
            if peg.need == key:
                found[peg.item].append(peg)
        return found

    def ready(self) -> dict[Key, int]:
        terms = self.own_terms()
        made = {key for key in terms if key in self.supplies or key[0] == "planned"}
        known: dict[Key, int] = {}

        def of(key: Key) -> int:
            if key not in known:
                own, takes = terms[key]
                latest = max((of(peg.supply) for pegs in self.components(key).values() for peg in pegs), default=None)
                known[key] = own if latest is None else max(own, latest + takes)
            return known[key]

        return {key: of(key) for key in made}

    def late(self, ready: dict[Key, int]) -> list[Late]:
        terms = self.own_terms()
        demanded = {(demand.key, demand.item, max(demand.day, self.today)) for demand in self.problem.demands}
        found = []
        for key, item, day in demanded:
            pegs = [peg for peg in self.pegs if peg.need == key and peg.item == item and peg.day == day]
            quantity = sum(peg.quantity for peg in pegs)
            if not quantity:
                continue
            last = max(ready[peg.supply] for peg in pegs)
            if last > day:
                found.append(Late(key, item, quantity, day, last, self.cause(item, pegs, ready, terms)))
        return found

    def cause(self, item: int, pegs: list[Peg], ready: dict[Key, int], terms: dict[Key, tuple[int, int]]) -> int:
        supply = min((peg.supply for peg in pegs), key=lambda key: (-ready[key], key))
        if ready[supply] <= terms[supply][0]:
            return item
        below = self.components(supply)
        latest = {component: max(ready[peg.supply] for peg in rows) for component, rows in below.items()}
        component = min(latest, key=lambda one: (-latest[one], one))
        return self.cause(component, below[component], ready, terms)


def reference_plan(problem: Problem) -> Plan:
    """Return the plan by the rules, whatever it takes."""
    return Reference(problem).plan()
