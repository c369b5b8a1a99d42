"""Bench 3 and 4: material planning against the netted SQL aggregate without dates, and a small change against it all.

The farm: 3,000 goods, 2,000 assemblies, 1,000 printed parts and 2,000 bought parts (filament, hardware, packaging);
each bill has 20 lines, two of them (of a printed part: none) to what is made a level below, the rest to bought parts.
10,000 orders of one line are due over 90 days; three lots of everything lie on the shelf. Bought parts come in packs
from a vendor each and for a fortnight, assemblies and printed parts are made for a week.
"""

from __future__ import annotations

import datetime
import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from typing import Any

from django.core.management import call_command
from django.db import connection, models, transaction
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.bench import data
from blb3d.bench.measure import Report, Timing, counting, interleaved, once
from blb3d.core.units import Unit
from inventory.models import BOM, BOMLine, Inventory, MaterialLot, Product, ProductPlate, Vendor, VendorItem
from production.models import MRPRun, PrintJob, PrintJobPart, ProductionOrder
from production.mrp.engine import ArrayPlan, plan
from production.mrp.ground import SCALE, Plan, Problem
from production.mrp.netchange import Planner
from production.selectors.mrp_ground import load_change, load_problem
from production.services.mrp_writing import write_plan
from sales.models import Customer, SalesOrder, SalesOrderLine

ROUNDS = 5
GOODS, ASSEMBLIES, PARTS, BOUGHT = 3_000, 2_000, 1_000, 2_000
LINES = 20
DAYS = 90
BATCH = 5_000

#: What is lacking of everything, without dates and lots: netted on each of three levels of what is made, in one query.
FLOOR_SQL = """
WITH stock AS (
    SELECT i.product_id AS item, SUM(i.on_hand_quantity) AS q
    FROM inventory i JOIN material_lots l ON l.id = i.lot_id
    WHERE l.status = 'ACTIVE' GROUP BY i.product_id
), d0 AS (
    SELECT l.product_id AS item, SUM(l.quantity - l.quantity_shipped) AS q
    FROM sales_order_lines l JOIN sales_orders o ON o.id = l.sales_order_id
    WHERE o.status NOT IN ('shipped', 'delivered', 'completed', 'cancelled') GROUP BY l.product_id
), n0 AS (
    SELECT d.item, CASE WHEN d.q > COALESCE(s.q, 0) THEN d.q - COALESCE(s.q, 0) ELSE 0 END AS q
    FROM d0 d LEFT JOIN stock s ON s.item = d.item
), d1 AS (
    SELECT bl.component_id AS item, SUM(bl.quantity * n.q) AS q
    FROM n0 n JOIN boms b ON b.product_id = n.item AND b.is_active JOIN bom_lines bl ON bl.bom_id = b.id
    GROUP BY bl.component_id
), n1 AS (
    SELECT d.item, b.id AS bom, CASE WHEN d.q > COALESCE(s.q, 0) THEN d.q - COALESCE(s.q, 0) ELSE 0 END AS q
    FROM d1 d JOIN boms b ON b.product_id = d.item AND b.is_active LEFT JOIN stock s ON s.item = d.item
), d2 AS (
    SELECT bl.component_id AS item, SUM(bl.quantity * n.q) AS q
    FROM n1 n JOIN bom_lines bl ON bl.bom_id = n.bom GROUP BY bl.component_id
), n2 AS (
    SELECT d.item, b.id AS bom, CASE WHEN d.q > COALESCE(s.q, 0) THEN d.q - COALESCE(s.q, 0) ELSE 0 END AS q
    FROM d2 d JOIN boms b ON b.product_id = d.item AND b.is_active LEFT JOIN stock s ON s.item = d.item
), d3 AS (
    SELECT bl.component_id AS item, SUM(bl.quantity * n.q) AS q
    FROM n2 n JOIN bom_lines bl ON bl.bom_id = n.bom GROUP BY bl.component_id
), wanted AS (
    SELECT item, SUM(q) AS q FROM (
        SELECT item, q FROM d0 UNION ALL SELECT item, q FROM d1 UNION ALL SELECT item, q FROM d2
        UNION ALL SELECT item, q FROM d3
    ) every_level GROUP BY item
)
SELECT w.item, w.q, CASE WHEN w.q > COALESCE(s.q, 0) THEN w.q - COALESCE(s.q, 0) ELSE 0 END AS lacking
FROM wanted w LEFT JOIN stock s ON s.item = w.item
"""


def _insert(model: type[models.Model], rows: Iterable[Any]) -> list[Any]:
    """Insert rows and return them with their keys."""
    return list(model._base_manager.bulk_create(list(rows), batch_size=BATCH))


def _products(count: int, prefix: str, **fields: Any) -> list[Product]:
    return _insert(Product, (Product(sku=f"{prefix}{n:05d}", name=f"{prefix} {n}", **fields) for n in range(count)))


class Farm:
    """The network, its stock and its orders, fixed by seed."""

    def __init__(self, actor: User) -> None:
        """Fill the tables."""
        self.chance = random.Random(3)  # noqa: S311  (repeatable, not secret)
        self.actor = actor
        kind, how = Product.Category, Product.Replenishment
        self.goods = _products(GOODS, "G", lead_time_days=1)
        self.assemblies = _products(ASSEMBLIES, "A", category=kind.COMPONENT, lead_time_days=2, period_of_supply_days=7)
        self.parts = _products(PARTS, "P", category=kind.COMPONENT, lead_time_days=3, period_of_supply_days=7)
        self.bought = _products(BOUGHT, "B", category=kind.PACKAGING, replenishment=how.BUY, period_of_supply_days=14)
        self._write_bills()
        self._write_vendors()
        self._write_stock()
        self.customer = Customer.objects.create(customer_number="C-BENCH", name="Bench", email="bench@example.com")
        self.orders = 0

    def _write_bills(self) -> None:
        below = [(self.goods, self.assemblies), (self.assemblies, self.parts), (self.parts, [])]
        for parents, made in below:
            boms = _insert(BOM, (BOM(product=parent, code=f"BOM-{parent.sku}") for parent in parents))
            _insert(BOMLine, (line for bom in boms for line in self._lines(bom, made)))

    def _lines(self, bom: BOM, made: list[Product]) -> Iterable[BOMLine]:
        chosen = self.chance.sample(made, 2) if made else []
        for component in chosen:
            yield self._line(bom, component, Decimal(self.chance.randint(1, 3)))
        for component in self.chance.sample(self.bought, LINES - len(chosen)):
            yield self._line(bom, component, Decimal(self.chance.randint(1, 40_000)) / 10_000)

    @staticmethod
    def _line(bom: BOM, component: Product, quantity: Decimal) -> BOMLine:
        return BOMLine(
            bom=bom, component=component, quantity=quantity, entered_quantity=quantity, unit_of_measure=Unit.EACH
        )

    def _write_vendors(self) -> None:
        vendors = _insert(Vendor, (Vendor(code=f"V{n}", name=f"Vendor {n}", lead_time_days=7) for n in range(40)))
        packs = [Decimal(0), Decimal(10), Decimal(100)]
        _insert(
            VendorItem,
            (
                VendorItem(
                    vendor=vendors[n % 40],
                    product=product,
                    unit=Unit.EACH,
                    lead_time_days=3 + n % 18,
                    order_multiple=self.chance.choice(packs),
                )
                for n, product in enumerate(self.bought)
            ),
        )

    def _write_stock(self) -> None:
        """Lay three lots of everything on the shelf: of what is made about a quarter of what the orders take."""
        place = data.location()
        amounts = {"G": 2, "A": 5, "P": 20, "B": 400}
        products = [*self.goods, *self.assemblies, *self.parts, *self.bought]
        quantities = [Decimal(self.chance.randint(0, amounts[p.sku[0]])) for p in products for _ in range(3)]
        lots = _insert(
            MaterialLot,
            (
                MaterialLot(
                    lot_number=f"L-{products[n // 3].sku}-{n % 3}",
                    product=products[n // 3],
                    quantity_received=quantity,
                    quantity_remaining=quantity,
                )
                for n, quantity in enumerate(quantities)
            ),
        )
        _insert(
            Inventory,
            (
                Inventory(product_id=lot.product_id, location=place, lot=lot, on_hand_quantity=lot.quantity_received)
                for lot in lots
            ),
        )

    def take_orders(self, count: int, *, lines: int = 1) -> None:
        """Bring the open orders to ``count``, due over the next 90 days."""
        today = timezone.localdate()
        orders = _insert(
            SalesOrder,
            (
                SalesOrder(
                    order_number=f"SO-B-{n}",
                    customer=self.customer,
                    promised_date=today + datetime.timedelta(self.chance.randint(1, DAYS)),
                )
                for n in range(self.orders, count)
            ),
        )
        self.orders = count
        _insert(
            SalesOrderLine,
            (
                SalesOrderLine(
                    sales_order=order,
                    line_number=number,
                    product=product,
                    name=product.name,
                    quantity=self.chance.randint(1, 5),
                    unit_price=Decimal(10),
                    total=Decimal(10),
                )
                for order in orders
                for number, product in enumerate(self.chance.sample(self.goods, lines), 1)
            ),
        )


class Runs:
    """Full runs of material planning, as far as one is to be measured."""

    def __init__(self, actor: User) -> None:
        """Start counting."""
        self.actor = actor
        self.count = 0

    def compute(self) -> tuple[Problem, Plan]:
        """Read the tables and plan."""
        problem = load_problem(timezone.localdate())
        return problem, plan(problem)

    def full(self) -> None:
        """Read, plan and store."""
        self.count += 1
        problem, answer = self.compute()
        with transaction.atomic():
            run = MRPRun.objects.create(
                number=f"MRP-B-{self.count}",
                planned_from=datetime.date.fromordinal(problem.today),
                started_by=self.actor,
                status=MRPRun.Status.DONE,
            )
            write_plan(run, problem, answer)

    @staticmethod
    def forget() -> None:
        """Drop what was stored, so that each run finds the tables alike."""
        MRPRun.objects.all().delete()


def _floor() -> list[tuple[int, Any, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(FLOOR_SQL)
        return cursor.fetchall()


def _compare(floor: list[tuple[int, Any, Any]], problem: Problem, answer: Plan) -> None:
    """Refuse to go on unless both say how much is needed of everything, and how much of what is made is lacking.

    What is bought in packs is more than what lacks.
    """
    assert isinstance(answer, ArrayPlan)
    ids = answer.solution.ground.ids.tolist()
    gross: dict[int, int] = defaultdict(int)
    for part in answer.solution.levels:
        for item, quantity in zip(part.needs.item.tolist(), part.needs.quantity.tolist(), strict=True):
            gross[ids[item]] += quantity
    planned: dict[int, int] = defaultdict(int)
    for row in answer.planned:
        planned[row.item] += row.quantity
    for item, wanted, lacking in floor:
        if gross[item] != round(wanted * SCALE):
            raise AssertionError(f"needs of {item} differ: {gross[item]} and {wanted}")
        exact = round(lacking * SCALE)
        if planned[item] < exact or (problem.items[item].is_made and planned[item] != exact):
            raise AssertionError(f"what lacks of {item} differs: {planned[item]} and {lacking}")
    if {item for item, quantity in gross.items() if quantity} != {item for item, wanted, _ in floor if wanted}:
        raise AssertionError("not the same items are needed")


def _settle() -> None:
    """Let the database know its tables."""
    connection.cursor().execute("ANALYZE")


def run() -> Report:
    """Measure a full run on the farm, its growth with orders, and two cases that others were measured on."""
    report = Report("mrp")
    actor = User.objects.system("bench")
    farm, runs = Farm(actor), Runs(actor)
    farm.take_orders(10_000)
    _settle()
    problem, answer = runs.compute()
    _compare(_floor(), problem, answer)
    served = len(answer.pegs)
    lines = sum(map(len, problem.lines.values()))
    report.tell(f"{len(problem.items)} items, {lines} lines, {len(answer.planned)} planned orders, {served} pegs")
    compute, floor = interleaved(runs.compute, _floor, rounds=ROUNDS)
    report.timing("10,000 orders, read and planned", compute)
    report.timing("the SQL aggregate", floor)
    report.judge("compute against the SQL aggregate", compute.median / floor.median, 8)
    stored, floor = interleaved(runs.full, _floor, rounds=ROUNDS)
    report.timing("10,000 orders, read, planned and stored", stored)
    report.judge("stored against the SQL aggregate", stored.median / floor.median, 15)
    runs.forget()
    farm.take_orders(100_000)
    _settle()
    many = Timing()
    for _ in range(2):
        once(runs.compute, many)
    report.timing("100,000 orders, read and planned", many)
    report.judge("ten times the orders take", many.median / compute.median, 12)
    _peers(report, actor)
    return report


def _peers(report: Report, actor: User) -> None:
    """Measure 1,000 production orders of ten lines, and 10,000 sales orders of three lines, stored."""
    cases: list[tuple[str, Callable[[Farm], None], float]] = [
        ("1,000 production orders x 10 lines", _production_orders, 0.034),
        ("10,000 sales orders x 3 lines", lambda shop: shop.take_orders(10_000, lines=3), 1.28),
    ]
    for name, fill, most in cases:
        call_command("flush", verbosity=0, interactive=False)
        actor = User.objects.system("bench")
        shop, runs = Shop(actor), Runs(actor)
        fill(shop)
        _settle()
        timing = Timing()
        with counting() as counter:
            runs.full()
        # Copying rows in is no statement that can be counted: one for each of the four tables.
        timing.statements = counter.count + (4 if connection.vendor == "postgresql" else 0)
        for _ in range(2 * ROUNDS):
            once(runs.full, timing)
        report.timing(f"{name}, stored", timing)
        report.judge(f"{name}: statements", timing.statements, 50)
        # Wall time, because what the database does on its own is part of it: to be told of an idle machine only. The
        # CPU of this process stands beside it.
        report.judge(f"{name}: seconds ({timing.median_cpu:.3f} s of CPU)", timing.median, most)


class Shop(Farm):
    """200 goods of ten lines each, of 40 bought parts that lie on the shelf."""

    def __init__(self, actor: User) -> None:
        """Fill the tables."""
        self.chance = random.Random(4)  # noqa: S311
        self.actor = actor
        self.orders = 0
        self.bought = _products(40, "B", category=Product.Category.PACKAGING, replenishment=Product.Replenishment.BUY)
        self.goods = _products(200, "G", lead_time_days=1)
        self.assemblies = self.parts = []
        boms = _insert(BOM, (BOM(product=product, code=f"BOM-{product.sku}") for product in self.goods))
        self.boms = {bom.product_id: bom for bom in boms}
        _insert(
            BOMLine,
            (
                self._line(bom, component, Decimal(self.chance.randint(1, 40_000)) / 10_000)
                for bom in boms
                for component in self.chance.sample(self.bought, 10)
            ),
        )
        self._write_stock()
        self.customer = Customer.objects.create(customer_number="C-BENCH", name="Bench", email="bench@example.com")


def _production_orders(shop: Farm) -> None:
    assert isinstance(shop, Shop)
    today = timezone.localdate()
    _insert(
        ProductionOrder,
        (
            ProductionOrder(
                code=f"PO-B-{number}",
                product=(product := shop.chance.choice(shop.goods)),
                bom=shop.boms[product.pk],
                quantity=shop.chance.randint(1, 40),
                due_date=today + datetime.timedelta(shop.chance.randint(1, DAYS)),
            )
            for number in range(1_000)
        ),
    )


# --- A small change ---------------------------------------------------------------------------------------------------
def run_net_change() -> Report:
    """Measure planning anew after one order, one receipt and one failed print, read from the tables, against it all."""
    report = Report("mrp-net-change")
    actor = User.objects.system("bench")
    farm, runs = Farm(actor), Runs(actor)
    farm.take_orders(10_000)
    jobs = _printed(farm, 3 * ROUNDS)
    _settle()
    full = Timing()
    for _ in range(ROUNDS):
        once(runs.full, full)
    report.timing("the full run, stored", full)
    planner = Planner(load_problem(timezone.localdate()))
    chances = {"one order": _one_order, "one receipt": _one_receipt, "one failed print": _one_failed_print}
    for name, happen in chances.items():
        timing, alone, touched = Timing(), Timing(), 0
        for number in range(3 * ROUNDS):
            product = happen(farm, jobs, number)
            with counting() as counter:
                change = once(partial(load_change, planner.network, [product]), timing)
            timing.statements = counter.count
            touched += len(once(partial(planner.change, change), alone))
            for column, more in ((timing.wall, alone.wall), (timing.cpu, alone.cpu)):
                column[-1] += more[-1]
        report.timing(f"{name}: read and planned, {touched // (3 * ROUNDS)} products touched", timing)
        report.timing(f"{name}: planned", alone)
        report.judge(f"{name} against the full run, percent", 100 * timing.median / full.median, 2)
    if planner.plan() != plan(load_problem(timezone.localdate())):
        raise AssertionError("the plan that was changed is not the plan of everything")
    return report


def _printed(farm: Farm, count: int) -> list[PrintJob]:
    """Return jobs of as many production orders whose parts are printed and not counted."""
    products = farm.goods[:count]
    boms = {bom.product_id: bom for bom in BOM.objects.filter(product__in=products)}
    due = timezone.localdate() + datetime.timedelta(20)
    orders = _insert(
        ProductionOrder,
        (
            ProductionOrder(code=f"PO-B-{p.pk}", product=p, bom=boms[p.pk], quantity=5, due_date=due, status=_PRINTING)
            for p in products
        ),
    )
    plates = _insert(ProductPlate, (ProductPlate(product=p, estimated_minutes=60, parts_per_plate=5) for p in products))
    jobs = _insert(
        PrintJob,
        (
            PrintJob(
                code=f"PJ-B-{order.pk}", production_order=order, plate=plate, status=PrintJob.Status.FINISHED,
                started_at=timezone.now(),
            )
            for order, plate in zip(orders, plates, strict=True)
        ),
    )  # fmt: skip
    _insert(PrintJobPart, (PrintJobPart(job=job, production_order=job.production_order, planned=5) for job in jobs))
    return jobs


_PRINTING = ProductionOrder.Status.PRINTING


def _one_order(farm: Farm, jobs: list[PrintJob], number: int) -> int:
    farm.take_orders(farm.orders + 1)
    return SalesOrderLine.objects.order_by("-pk").values_list("product_id", flat=True)[0]


def _one_receipt(farm: Farm, jobs: list[PrintJob], number: int) -> int:
    product = farm.bought[37 * number % BOUGHT]
    lot = MaterialLot.objects.create(
        lot_number=f"L-R-{number}", product=product, quantity_received=500, quantity_remaining=500
    )
    Inventory.objects.create(product=product, location=data.location(), lot=lot, on_hand_quantity=500)
    return product.pk


def _one_failed_print(farm: Farm, jobs: list[PrintJob], number: int) -> int:
    job = jobs[number]
    models.QuerySet.update(PrintJob.objects.filter(pk=job.pk), status=PrintJob.Status.FAILED)
    return job.production_order.product_id
