"""What a run of material planning says, read for people: pegs up to the customers, down to the cause, stock over time.

Pegs hang on what brings something and name whom it serves, so the way up is read level by level, in two statements for
each. The way down asks for everything that brings the components, in three for each level.
"""

from __future__ import annotations

import datetime
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from heapq import nsmallest
from typing import NamedTuple

from django.db.models import QuerySet
from django.utils import timezone

from blb3d.core.units import round_quantity
from inventory.models import BOMLine, Product, PurchaseOrderLine
from production.models import (
    Demand,
    FirmOrder,
    Forecast,
    MRPRun,
    PlanLate,
    PlanMessage,
    PlannedOrder,
    PlanSupply,
    ProductionOrder,
    Replenish,
)
from production.mrp.ground import (
    FIRM,
    FLOOR,
    FORECAST,
    PLANNED,
    PRODUCTION,
    PURCHASE,
    SALES,
    SCALE,
    STOCK,
    Key,
    Plan,
    date_of,
)
from production.ports import open_demand

ZERO = Decimal(0)
#: Of ``SCALE``, which is a power of ten.
_PLACES = -(len(str(SCALE)) - 1)
#: Ids in one statement: less than every database's limit of parameters.
_CHUNK = 900
#: These bring something and need something themselves.
_THROUGH = (PLANNED, PRODUCTION, FIRM)
#: No bill is deeper than this; a walk ends here whatever the rows say.
_DEEPEST = 60


class PegTo(NamedTuple):
    """So much of a supply serves this need, which is on ``day``."""

    need: Key
    quantity: Decimal
    day: datetime.date


@dataclass(frozen=True)
class Node:
    """Something that brings a product: stock, an open order, a planned one."""

    key: Key
    product_id: int
    quantity: Decimal
    #: When it should be there.
    day: datetime.date
    #: When it will be there, where the run says so: of planned orders.
    ready: datetime.date | None = None
    pegs: tuple[PegTo, ...] = ()


class Reason(NamedTuple):
    """Whom something is for: the document's number for people, how much of it, and when it is owed."""

    key: Key
    label: str
    quantity: Decimal
    due: datetime.date


class Reasons(list[Reason]):
    """Whom something is for, first owed first; so many more are ``left`` out."""

    left: int = 0


class Named(NamedTuple):
    """A document that needs or brings something, as people call it; ``label`` of its table for a link to its page."""

    words: str
    model: str = ""
    pk: int = 0
    due: datetime.date | None = None


def unscaled(value: int) -> Decimal:
    """Return a quantity of the plan as the tables hold it."""
    return Decimal(value).scaleb(_PLACES)


def newest_run() -> MRPRun | None:
    """Return the run that holds: the last one that came to its end."""
    return MRPRun.objects.filter(status=MRPRun.Status.DONE).exclude(kind=MRPRun.Kind.WHAT_IF).order_by("-id").first()


def pegs_of(text: str) -> tuple[PegTo, ...]:
    """Return the pegs of a row."""
    return tuple(
        PegTo((kind, pk, number), unscaled(quantity), date_of(day))
        for kind, pk, number, quantity, day in json.loads(text)
    )


def node_of(row: PlannedOrder | PlanSupply) -> Node:
    """Return a row with its pegs read."""
    if isinstance(row, PlannedOrder):
        key: Key = (PLANNED, row.product_id, row.number)
        return Node(key, row.product_id, row.quantity, row.due_on, row.ready_on, pegs_of(row.pegs))
    return Node(
        (row.reference_type, row.reference_id, 0), row.product_id, row.quantity, row.on, None, pegs_of(row.pegs)
    )


def _planned_nodes(rows: QuerySet[PlannedOrder], wanted: Collection[Key] | None = None) -> Iterator[Node]:
    """Yield planned orders, only those with these keys when they are given; without an instance for each row."""
    columns = rows.order_by("id").values_list("product_id", "number", "quantity", "due_on", "ready_on", "pegs")
    for product_id, number, quantity, day, ready, pegs in columns:
        key: Key = (PLANNED, product_id, number)
        if wanted is None or key in wanted:
            yield Node(key, product_id, quantity, day, ready, pegs_of(pegs))


def _supply_nodes(rows: QuerySet[PlanSupply], wanted: Collection[Key] | None = None) -> Iterator[Node]:
    """Yield what is there or on its way, likewise."""
    columns = rows.order_by("id").values_list("reference_type", "reference_id", "product_id", "quantity", "on", "pegs")
    for kind, pk, product_id, quantity, day, pegs in columns:
        key: Key = (kind, pk, 0)
        if wanted is None or key in wanted:
            yield Node(key, product_id, quantity, day, None, pegs_of(pegs))


class Pegging:
    """The pegs of a run, as far as somebody asked for them."""

    def __init__(self, run: MRPRun) -> None:
        """Start with nothing read."""
        self.run = run
        self.nodes: dict[Key, Node] = {}
        #: Who serves a need.
        self.serves: dict[Key, list[tuple[Node, PegTo]]] = defaultdict(list)
        self._read_products: set[int] = set()
        self._shares: dict[Key, dict[Key, tuple[Decimal, datetime.date]]] = {}

    def climb(self, rows: Iterable[PlannedOrder | PlanSupply]) -> list[Node]:
        """Take these rows in and read all that they serve up to the top; return them as nodes."""
        nodes = [node_of(row) for row in rows]
        self.nodes |= {node.key: node for node in nodes}
        frontier: Collection[Node] = nodes
        for _ in range(_DEEPEST):
            wanted = {peg.need for node in frontier for peg in node.pegs if peg.need[0] in _THROUGH} - set(self.nodes)
            if not wanted:
                break
            frontier = list(self._nodes(wanted))
            self.nodes |= {node.key: node for node in frontier}
        return nodes

    def _nodes(self, keys: Collection[Key]) -> Iterator[Node]:
        products = sorted({pk for kind, pk, _ in keys if kind == PLANNED})
        for pks in _chunks(products):
            yield from _planned_nodes(PlannedOrder.objects.filter(run=self.run, product__in=pks), keys)
        orders = sorted({pk for kind, pk, _ in keys if kind != PLANNED})
        for pks in _chunks(orders):
            open_orders = PlanSupply.objects.filter(run=self.run, reference_type__in=(PRODUCTION, FIRM))
            yield from _supply_nodes(open_orders.filter(reference_id__in=pks), keys)

    def tops(self, key: Key) -> dict[Key, tuple[Decimal, datetime.date]]:
        """Return whom a supply serves in the end: need -> (which part of the supply, when it needs it)."""
        known = self._shares.get(key)
        if known is not None:
            return known
        found: dict[Key, tuple[Decimal, datetime.date]] = {}
        pegs = self.nodes[key].pegs
        total = sum((peg.quantity for peg in pegs), ZERO)
        for peg in pegs:
            part = peg.quantity / total
            above = self.tops(peg.need) if peg.need in self.nodes else {}
            for need, (share, day) in (above or {peg.need: (Decimal(1), peg.day)}).items():
                before, first = found.get(need, (ZERO, day))
                found[need] = before + part * share, min(day, first)
        self._shares[key] = found
        return found

    def reasons(self, node: Node, names: Mapping[Key, Named], most: int | None = None) -> Reasons:
        """Return whom a supply is for, first owed first, in quantities of the supply; at most so many."""
        used = sum((peg.quantity for peg in node.pegs), ZERO)
        tops = [
            (names[key].due or day, names[key].words, key, share) for key, (share, day) in self.tops(node.key).items()
        ]
        shown = sorted(tops) if most is None else nsmallest(most, tops)
        found = Reasons(Reason(key, words, round_quantity(used * share), due) for due, words, key, share in shown)
        found.left = len(tops) - len(shown)
        return found

    def descend(self, product_ids: Collection[int]) -> None:
        """Read all that brings these products and their components, down to what is bought."""
        frontier = set(product_ids)
        for _ in range(_DEEPEST):
            frontier -= self._read_products
            if not frontier:
                break
            self._read_products |= frontier
            below: set[int] = set()
            for pks in _chunks(sorted(frontier)):
                planned = PlannedOrder.objects.filter(run=self.run, product__in=pks)
                supplies = PlanSupply.objects.filter(run=self.run, product__in=pks)
                for node in (*_planned_nodes(planned), *_supply_nodes(supplies)):
                    self.nodes[node.key] = node
                    for peg in node.pegs:
                        self.serves[peg.need].append((node, peg))
                lines = BOMLine.objects.filter(bom__product__in=pks).order_by()
                below |= set(lines.values_list("component", flat=True))
            frontier = below

    def ready(self, node: Node) -> datetime.date:
        """Return when a supply is there by the rules of planning; its components must have been read."""
        if node.ready is not None:
            return node.ready
        day = max(node.day, self.run.planned_from)
        late = [
            date_of(self.ready(part).toordinal() + (day - peg.day).days)
            for part, peg in self.serves.get(node.key, ())
            if part.key != node.key
        ]
        return max([day, *late])


def names_of(keys: Collection[Key]) -> dict[Key, Named]:
    """Return what people call documents that need or bring something, in a constant number of statements."""
    ids: dict[str, set[int]] = defaultdict(set)
    for kind, pk, _ in keys:
        ids[kind].add(pk)
    found: dict[Key, Named] = {}
    if ids[SALES]:
        for row in open_demand():
            if row.reference_type == SALES and row.reference_id in ids[SALES]:
                found[SALES, row.reference_id, 0] = Named(row.label or f"line {row.reference_id}", due=row.due)
        gone = sorted(pk for pk in ids[SALES] if (SALES, pk, 0) not in found)
        for pks in _chunks(gone):
            told = Demand.objects.filter(reference_type=SALES, reference_id__in=pks).order_by("id")
            for pk, label, due in told.values_list("reference_id", "label", "due_date"):
                found[SALES, pk, 0] = Named(label, due=due)
    for pks in _chunks(sorted(ids[PRODUCTION])):
        orders = ProductionOrder.all_objects.filter(pk__in=pks).order_by()
        for pk, code, due in orders.values_list("id", "code", "due_date"):
            found[PRODUCTION, pk, 0] = Named(code, "production.ProductionOrder", pk, due)
    for pks in _chunks(sorted(ids[FIRM])):
        decided = FirmOrder.all_objects.filter(pk__in=pks).values_list("id", "number", "due_on")
        for pk, code, due in decided:
            found[FIRM, pk, 0] = Named(code, "production.FirmOrder", pk, due)
    for pks in _chunks(sorted(ids[FORECAST])):
        forecasts = Forecast.all_objects.filter(pk__in=pks).values_list("id", "product__sku", "ends_on")
        for pk, sku, ends in forecasts:
            found[FORECAST, pk, 0] = Named(f"forecast of {sku} until {ends:%Y-%m-%d}", "production.Forecast", pk)
    for pks in _chunks(sorted(ids[PURCHASE])):
        lines = PurchaseOrderLine.all_objects.filter(pk__in=pks).order_by()
        for pk, order_id, code in lines.values_list("id", "purchase_order", "purchase_order__po_number"):
            found[PURCHASE, pk, 0] = Named(code, "inventory.PurchaseOrder", order_id)
    skus = dict(
        pair
        for pks in _chunks(sorted(ids[PLANNED] | ids[FLOOR]))
        for pair in Product.all_objects.filter(pk__in=pks).values_list("id", "sku")
    )
    for key in keys:
        kind, pk, number = key
        if kind == PLANNED:
            found[key] = Named(f"planned order {number + 1} of {skus.get(pk, pk)}", "inventory.Product", pk)
        elif kind == FLOOR:
            found[key] = Named(f"safety stock of {skus.get(pk, pk)}", "inventory.Product", pk)
        elif kind == STOCK:
            found[key] = Named("stock", "inventory.Product", pk)
        elif key not in found:
            found[key] = Named(f"{kind.replace('_', ' ')} {pk}")
    return found


def why(run: MRPRun, rows: Sequence[PlannedOrder | PlanSupply], *, most: int | None = None) -> list[Reasons]:
    """Return for each row of a run whom it is for in the end: customers' orders, forecasts, safety stock."""
    pegging = Pegging(run)
    nodes = pegging.climb(rows)
    names = names_of({key for node in nodes for key in pegging.tops(node.key)})
    return [pegging.reasons(node, names, most) for node in nodes]


def in_words(reasons: Reasons, unit: str, *, most: int = 3) -> str:
    """Return reasons as a sentence: ``SO-2026-014 (5 Dec) needs 1.2 kg, SO-2026-019 (8 Dec) needs 3 kg, 2 more``."""
    if not reasons:
        return "Nobody needs it yet"
    shown = [f"{row.label} ({row.due.day} {row.due:%b}) needs {amount(row.quantity, unit)}" for row in reasons[:most]]
    left = reasons.left + max(len(reasons) - most, 0)
    return ", ".join([*shown, f"{left} more"] if left else shown)


def amount(quantity: Decimal, unit: str) -> str:
    """Return a quantity for people; pieces are only counted."""
    number = f"{quantity.normalize():f}"
    return number if unit == "each" else f"{number} {unit}"


# --- What is late, and why --------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Endangered:
    """A demand that will be served late."""

    late: PlanLate
    name: Named

    @property
    def days(self) -> int:
        """How many days too late it is."""
        return (self.late.ready_on - self.late.due_on).days


@dataclass
class Shortfall:
    """A product that makes demands late, and which."""

    product: Product
    demands: list[Endangered] = field(default_factory=list)

    @property
    def worst(self) -> int:
        """By how many days the latest of them is late."""
        return max(row.days for row in self.demands)


def shortfalls(run: MRPRun) -> list[Shortfall]:
    """Return the products that are the reason of late demands, those that delay most first, in a few statements."""
    rows = list(PlanLate.objects.filter(run=run).select_related("product", "cause").order_by("due_on", "id"))
    names = names_of({_late_key(row) for row in rows})
    found: dict[int, Shortfall] = {}
    for row in rows:
        shortfall = found.setdefault(row.cause_id, Shortfall(row.cause))
        shortfall.demands.append(Endangered(row, names[_late_key(row)]))
    return sorted(found.values(), key=lambda row: (-len(row.demands), row.product.sku))


def _late_key(row: PlanLate) -> Key:
    return (row.reference_type, row.reference_id, 0)


@dataclass(frozen=True)
class Link:
    """One link of the chain from a late demand to its cause: what brings the product, and when."""

    product_id: int
    key: Key
    quantity: Decimal
    needed: datetime.date
    ready: datetime.date


def chain(run: MRPRun, late: PlanLate) -> list[Link]:
    """Return why a demand is late: the supply that comes last, its component that comes last, down to the cause."""
    pegging = Pegging(run)
    pegging.descend([late.product_id])
    links: list[Link] = []
    need = _late_key(late)
    for _ in range(_DEEPEST):
        there = [(pegging.ready(node), node, peg) for node, peg in pegging.serves.get(need, ())]
        if not there:
            break
        ready, node, peg = min(there, key=lambda row: (-row[0].toordinal(), row[1].product_id, row[1].key))
        if links and ready <= peg.day:
            break  # its components are there in time: it is itself what takes so long
        links.append(Link(node.product_id, node.key, peg.quantity, peg.day, ready))
        if node.product_id == late.cause_id and node.key[0] not in _THROUGH:
            break
        need = node.key
    return links


# --- One product over time --------------------------------------------------------------------------------------------
@dataclass
class Period:
    """A day or a week of a product's plan."""

    start: datetime.date
    end: datetime.date
    gross: Decimal = ZERO
    scheduled: Decimal = ZERO
    receipts: Decimal = ZERO
    releases: Decimal = ZERO
    projected: Decimal = ZERO


@dataclass(frozen=True)
class StockOverTime:
    """What is there, what is needed, what comes and what is there then, and each row behind it."""

    opening: Decimal
    floor: Decimal
    periods: list[Period]
    planned: list[PlannedOrder]
    supplies: list[PlanSupply]

    @property
    def lowest(self) -> Decimal:
        """The least that will be there."""
        return min((period.projected for period in self.periods), default=self.opening)


def stock_over_time(run: MRPRun, product: Product, *, days: int = 7, periods: int = 13) -> StockOverTime:
    """Return the plan of one product in periods of so many days, in two statements; the last holds what comes later.

    What is planned counts on the day on which it can be there, so that a shortage shows as one. Safety stock is no
    need here: it is what stays.
    """
    planned = list(PlannedOrder.objects.filter(run=run, product=product).order_by("due_on", "number"))
    supplies = list(PlanSupply.objects.filter(run=run, product=product).order_by("on", "id"))
    first = run.planned_from
    opening = sum((row.quantity for row in supplies if row.reference_type == STOCK), ZERO)
    rows = [
        Period(first + datetime.timedelta(days=days * number), first + datetime.timedelta(days=days * (number + 1) - 1))
        for number in range(periods)
    ]

    def at(day: datetime.date) -> Period:
        return rows[min(max((day - first).days, 0) // days, periods - 1)]

    for text in (*(row.pegs for row in planned), *(row.pegs for row in supplies)):
        for peg in pegs_of(text):
            if peg.need[0] != FLOOR:
                at(peg.day).gross += peg.quantity
    for supply in supplies:
        if supply.reference_type != STOCK:
            at(supply.on).scheduled += supply.quantity
    for order in planned:
        at(order.ready_on).receipts += order.quantity
        at(order.start_on).releases += order.quantity
    there = opening
    for period in rows:
        there += period.scheduled + period.receipts - period.gross
        period.projected = there
    return StockOverTime(opening, max(product.safety_stock, product.reorder_point), rows, planned, supplies)


@dataclass
class Branch:
    """A need in the pegging tree of a product, and the needs that it serves itself."""

    key: Key
    name: Named
    quantity: Decimal
    day: datetime.date
    above: list[Branch] = field(default_factory=list)


def pegging_tree(
    run: MRPRun, rows: Sequence[PlannedOrder | PlanSupply], *, deepest: int = 6, widest: int = 20
) -> list[list[Branch]]:
    """Return for each row the tree of the needs that it serves, so many levels high and so many needs wide."""
    pegging = Pegging(run)
    nodes = pegging.climb(rows)

    def grow(node: Node, depth: int) -> list[Branch]:
        return [
            Branch(
                peg.need,
                names[peg.need],
                peg.quantity,
                peg.day,
                grow(pegging.nodes[peg.need], depth + 1) if peg.need in pegging.nodes and depth < deepest else [],
            )
            for peg in sorted(node.pegs, key=lambda peg: (peg.day, peg.need))[:widest]
        ]

    names = names_of({peg.need for node in pegging.nodes.values() for peg in node.pegs})
    return [grow(node, 1) for node in nodes]


# --- Two plans side by side -------------------------------------------------------------------------------------------
class Proposal(NamedTuple):
    """A planned order without the run that it is of."""

    product_id: int
    kind: str
    quantity: Decimal
    due_on: datetime.date
    start_on: datetime.date
    ready_on: datetime.date


class Difference(NamedTuple):
    """What became of a planned order from one plan to another: ``new``, ``gone`` or ``changed``."""

    what: str
    product_id: int
    before: Proposal | None
    after: Proposal | None


def proposals(run: MRPRun) -> list[Proposal]:
    """Return the planned orders of a run."""
    rows = PlannedOrder.objects.filter(run=run).order_by("id")
    return [
        Proposal(*row) for row in rows.values_list("product_id", "kind", "quantity", "due_on", "start_on", "ready_on")
    ]


def proposals_of(plan: Plan, made: Collection[int]) -> list[Proposal]:
    """Return the planned orders of a plan that is not stored."""
    return [
        Proposal(
            row.item,
            "make" if row.item in made else "buy",
            unscaled(row.quantity),
            date_of(row.due),
            date_of(row.start),
            date_of(row.ready),
        )
        for row in plan.planned
    ]


def compare(before: Iterable[Proposal], after: Iterable[Proposal]) -> list[Difference]:
    """Return what changed from one plan to another, by product and date.

    What is alike in quantity and date is left out; of the rest, orders of one product for the same date belong
    together, then those of the same quantity, then the others in their order.
    """
    old: dict[int, list[Proposal]] = defaultdict(list)
    new: dict[int, list[Proposal]] = defaultdict(list)
    for row in before:
        old[row.product_id].append(row)
    for row in after:
        new[row.product_id].append(row)
    found: list[Difference] = []
    for product_id in sorted({*old, *new}):
        was, now = old[product_id], new[product_id]
        _matched(was, now, lambda row: (row.due_on, row.quantity, row.kind))
        pairs = _matched(was, now, lambda row: (row.due_on, row.kind))
        pairs += _matched(was, now, lambda row: (row.quantity, row.kind))
        pairs += _matched(was, now, lambda row: row.kind)
        found += [Difference("changed", product_id, a, b) for a, b in pairs]
        found += [Difference("gone", product_id, row, None) for row in was]
        found += [Difference("new", product_id, None, row) for row in now]
    return sorted(found, key=lambda row: ((row.after or row.before or row).due_on, row.product_id))  # type: ignore[union-attr]


def _matched(
    was: list[Proposal], now: list[Proposal], alike: Callable[[Proposal], object]
) -> list[tuple[Proposal, Proposal]]:
    """Take out of both lists what is alike, and return it in pairs."""
    waiting: dict[object, list[Proposal]] = defaultdict(list)
    for row in sorted(now, key=lambda row: row.due_on):
        waiting[alike(row)].append(row)
    pairs = []
    for row in sorted(was, key=lambda row: row.due_on):
        candidates = waiting[alike(row)]
        if candidates:
            pairs.append((row, candidates.pop(0)))
    for a, b in pairs:
        was.remove(a)
        now.remove(b)
    return pairs


def message_names(rows: Iterable[PlanMessage]) -> dict[Key, Named]:
    """Return what people call the orders that messages are about."""
    return names_of({(row.reference_type, row.reference_id, 0) for row in rows})


def last_failure() -> MRPRun | None:
    """Return the last run when it failed: what is shown is older than somebody wanted."""
    last = MRPRun.objects.exclude(status=MRPRun.Status.RUNNING).order_by("-id").first()
    return last if last is not None and last.status == MRPRun.Status.FAILED else None


def days_old(run: MRPRun) -> int:
    """Return for how many days a plan has stood."""
    return (timezone.localdate() - run.planned_from).days


def _chunks(pks: Sequence[int]) -> Iterable[Sequence[int]]:
    return (pks[index : index + _CHUNK] for index in range(0, len(pks), _CHUNK))


# --- Who may do what --------------------------------------------------------------------------------------------------
def release_permissions(kinds: Iterable[str]) -> list[str]:
    """Return what somebody needs to release orders of these kinds."""
    needed = ["production.release_firmorder"]
    own = {Replenish.MAKE: "production.add_productionorder", Replenish.BUY: "inventory.add_purchaseorder"}
    return [*needed, *(own[Replenish(kind)] for kind in sorted(set(kinds)))]


def message_permission(message: PlanMessage) -> str:
    """Return what somebody needs to do what a message says."""
    act = "cancel" if message.kind == PlanMessage.Kind.CANCEL else "change"
    if message.reference_type == PURCHASE:
        return f"inventory.{act}_purchaseorder"
    if message.reference_type == FIRM:
        return "production.drop_firmorder" if act == "cancel" else "production.change_firmorder"
    return f"production.{act}_productionorder"
