"""Bench 11: a plate is counted, and with it a production order of 20 and of 200 components completes.

Each component is taken from two lots, one of which is used up by it. Subject is ``clear_plate`` with all that follows:
components and what is left of reservations, units on the shelf for whoever waits, their cost and serial numbers, the
trace, the analytics, history and facts. The floor inserts the same rows in raw SQL, one statement per table.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection, connections
from django.test.utils import override_settings

from blb3d.accounts.models import User
from blb3d.bench import data
from blb3d.bench.measure import Report, Timing, counting, once
from blb3d.bench.rawcopy import RawCopy
from blb3d.core.actors import acting
from blb3d.core.documents import insert_documents
from blb3d.core.units import Unit
from inventory import services as inventory
from inventory.models import BOM, BOMLine, InventoryTransaction, MaterialLot, PlateFilament, Product, ProductPlate
from inventory.selectors import verify_ledger
from production import services as production
from production.models import PrintJob, ProductionOrder, SerialNumber

SIZES = (20, 200)
UNITS = 10
ROUNDS = 9
POSTERS = 8
#: How many orders each poster completes.
EACH = 2
GRAMS = Decimal(100)
MOST_STATEMENTS = 25
MOST_TIMES = 4


@dataclass(frozen=True)
class Plate:
    """A plate to be counted: its order is complete with it."""

    job: PrintJob
    order: ProductionOrder
    #: The line of a sales order that waits for the units.
    reference: int


class Assembly:
    """A serialised product of one plate and so many components, each of which comes in lots of one order's need."""

    def __init__(self, components: int) -> None:
        """Make the product, and the stock that leaves its first lots half full."""
        self.actor = User.objects.system("bench")
        self.numbers = itertools.count(1)
        self.filament = Product.objects.filter(sku="M-B0000").first() or data.materials(1, self.actor)[0]
        if not self.filament.lots.exists():
            data.stock([self.filament], self.actor, lots=1, quantity=Decimal(1_000))
        with acting(self.actor, "bench"):
            self.components = insert_documents(
                [
                    Product(
                        sku=f"C-{components}-{number:04d}",
                        name=f"Part {number}",
                        category=Product.Category.COMPONENT,
                        unit_cost=Decimal("0.25"),
                        is_lot_tracked=True,
                    )
                    for number in range(components)
                ],
                natural_key="sku",
            )
            self.product = Product.objects.create(sku=f"FG-{components}", name="Assembly", is_serialized=True)
            bom = BOM.objects.create(product=self.product, code=f"BOM-{components}")
            plate = ProductPlate.objects.create(
                product=self.product, parts_per_plate=UNITS, estimated_minutes=Decimal(60)
            )
            self.file = inventory.release_print_file(
                inventory.attach_print_file(
                    plate,
                    printer_model="P1S",
                    content=f"bench {components}".encode(),
                    file_name="bench.gcode.3mf",
                    minutes=Decimal(60),
                    grams=GRAMS,
                    sliced_by="bench",
                    actor=self.actor,
                ),
                actor=self.actor,
            )
        PlateFilament.objects.create(plate=plate, material=self.filament, grams=GRAMS)
        # A little more than the plate takes, so that some of what was reserved is left at the end.
        filament = (self.filament, GRAMS / UNITS / 1000 + Decimal("0.0005"), Unit.KILOGRAM)
        BOMLine.objects.bulk_create(
            BOMLine(bom=bom, component=product, quantity=quantity, entered_quantity=quantity, unit_of_measure=unit)
            for product, quantity, unit in (
                filament,
                *((row, Decimal(1), row.unit_of_measure) for row in self.components),
            )
        )
        self._receive(1)
        half = [
            inventory.Use(product.pk, Decimal(UNITS // 2), "manual", None, reason="Half a lot")
            for product in self.components
        ]
        inventory.consume(half, actor=self.actor)

    def _receive(self, lots: int) -> None:
        """Put lots of every component on the shelf; each is what one order takes."""
        with acting(self.actor, "bench"):
            rows = insert_documents(
                [
                    MaterialLot(
                        lot_number=f"L-{product.sku}-{next(self.numbers)}",
                        product=product,
                        quantity_received=Decimal(UNITS),
                        quantity_remaining=Decimal(0),
                        unit_cost=Decimal("0.25"),
                    )
                    for _ in range(lots)
                    for product in self.components
                ],
                natural_key="lot_number",
            )
        place = data.location()
        inventory.post_transactions(
            [
                inventory.Movement(
                    kind="receipt",
                    product_id=lot.product_id,
                    location_id=place.pk,
                    lot_id=lot.pk,
                    quantity=lot.quantity_received,
                    unit_cost=lot.unit_cost,
                    reference_type="lot",
                    reference_id=lot.pk,
                )
                for lot in rows
            ],
            actor=self.actor,
        )

    def ready(self) -> Plate:
        """Bring an order so far that its plate waits to be counted."""
        self._receive(1)
        reference = next(self.numbers)
        request = production.PlanRequest(
            self.product, UNITS, demand_reference=("sales_order_line", reference), demand_label="bench"
        )
        [order] = production.plan_production_orders([request], actor=self.actor)
        short = production.confirm_production_orders([order], actor=self.actor)
        if short:
            raise AssertionError(short)
        [job] = production.queue_production_order(order, actor=self.actor)
        production.begin_job(job, actor=self.actor)
        production.record_finished(job, actor=self.actor)
        return Plate(job, order, reference)

    def clear(self, plate: Plate) -> None:
        """Count the plate: every part is good."""
        count = production.PlateCount(plate.order.pk, UNITS)
        production.clear_plate(plate.job, [count], actor=self.actor)


def run() -> Report:
    """Count statements, compare with the floor, and prove the books, also when eight complete orders at once."""
    report = Report("complete")
    with override_settings(OUTBOX_NUDGE=False):
        for components in SIZES:
            _measure(report, components)
    return report


def _measure(report: Report, components: int) -> None:
    assembly = Assembly(components)
    # The first units of a product also open its balance: that is counted, and told, apart.
    plate = assembly.ready()
    with counting() as first:
        assembly.clear(plate)
    plate = assembly.ready()
    with counting() as counter:
        assembly.clear(plate)
    report.tell(f"{components} components: {counter.count} statements, {first.count} for a product's first units")
    report.judge(f"{components} components: statements", counter.count, MOST_STATEMENTS)
    _judge_order(report, assembly, plate, components)
    _race(report, assembly, components)
    _against_floor(report, assembly, components, counter.count)


def _judge_order(report: Report, assembly: Assembly, plate: Plate, components: int) -> None:
    """Compare what an order left in the books with what it must."""
    order = ProductionOrder.objects.get(pk=plate.order.pk)
    of_order = InventoryTransaction.objects.filter(reference_type="production_order", reference_id=order.pk)
    out = of_order.get(transaction_type="production_output")
    expected = components * Decimal("0.25") + GRAMS / 1000 / UNITS * Decimal("16.99")
    wrong = (
        (order.status != ProductionOrder.Status.COMPLETED)
        + (of_order.filter(transaction_type="consumption").count() != 2 * components)
        + (out.quantity != UNITS or abs(out.unit_cost - expected) > Decimal("0.0001"))
        + (SerialNumber.objects.filter(production_order=order).count() != UNITS)
    )
    report.judge(f"{components} components: things wrong with the order", wrong, 0)
    report.judge(f"{components} components: differences in the books", len(verify_ledger().differences), 0)


def _race(report: Report, assembly: Assembly, components: int) -> None:
    """Complete orders from several threads that draw on the same components."""
    if connection.vendor == "sqlite":
        report.tell("eight at once: not on SQLite, which has one writer")
        return
    plates = [assembly.ready() for _ in range(POSTERS * EACH)]
    errors = _together([[lambda p=p: assembly.clear(p) for p in plates[start::POSTERS]] for start in range(POSTERS)])
    for error in errors:
        report.tell(f"at once: {type(error).__name__}: {error}")
    done = ProductionOrder.objects.filter(pk__in=[p.order.pk for p in plates], status="completed").count()
    report.judge(f"{components} components: orders not completed by {POSTERS} at once", len(plates) - done, 0)
    report.judge(f"{components} components: differences in the books after that", len(verify_ledger().differences), 0)


def _together(works: Sequence[Sequence[Callable[[], Any]]]) -> list[Exception]:
    """Do lists of work at the same time, each in a thread of its own; return what went wrong."""
    start = threading.Barrier(len(works))
    errors: list[Exception] = []

    def run_all(calls: Sequence[Callable[[], Any]]) -> None:
        try:
            start.wait(timeout=60)
            for call in calls:
                call()
        except Exception as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run_all, args=(calls,)) for calls in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


def _against_floor(report: Report, assembly: Assembly, components: int, statements: int) -> None:
    """Take rounds in turn; the floor writes rows of an order that nobody counts, and they are taken away again."""
    copied = assembly.ready()
    raw = RawCopy(lambda: assembly.clear(copied))
    spare = assembly.ready()
    instead = {
        ("production_orders", copied.order.pk): spare.order.pk,
        ("print_jobs", copied.job.pk): spare.job.pk,
        ("sales_order_lines", copied.reference): spare.reference,
    }
    subject, floor = Timing(statements=statements), Timing()
    for number in range(ROUNDS + 1):
        plate = assembly.ready()
        # The first round warms up and is not counted.
        once(lambda plate=plate: assembly.clear(plate), subject if number else Timing())
        once(lambda: raw.write(instead), floor if number else Timing())
        raw.wipe()
    with counting() as counter:
        raw.write(instead)
    raw.wipe()
    floor.statements = counter.count
    rows = sum(len(rows) for _, rows in raw.tables)
    report.timing(f"{components} components, an order completed", subject)
    report.timing(f"the same {rows:,} rows in raw SQL", floor)
    report.judge(f"{components} components: time against raw SQL", subject.median / floor.median, MOST_TIMES)
    report.judge(f"{components} components: differences in the books at the end", len(verify_ledger().differences), 0)
