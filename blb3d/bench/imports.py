"""Bench 10: tables of 10,000 rows, against ``bulk_create`` of the same clean rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.bench.measure import Report, Timing, counting, interleaved
from blb3d.core.documents import insert_documents
from blb3d.core.tables import read_table
from inventory.models import (
    BOM,
    BOMLine,
    ImportBatch,
    Inventory,
    InventoryLocation,
    InventoryTransaction,
    MaterialLot,
    Product,
)
from inventory.services.imports import apply_import, preview_import

ROWS = 10_000
LINES = 10
ROUNDS = 5
#: A statement for so many rows, and the few that an import of any length needs.
ROWS_PER_STATEMENT = 500


def _undone(work: Callable[[], Any]) -> Callable[[], None]:
    """Return what does the work and takes it back, so that every round finds the same database."""

    def run() -> None:
        with transaction.atomic():
            work()
            transaction.set_rollback(True)

    return run


class Farm:
    """What the tables speak of, and the tables."""

    def __init__(self) -> None:
        """Store products, materials and a place, and write a clean and a wrong table of each kind."""
        self.actor = User.objects.system("bench")
        self.place = InventoryLocation.objects.create(code="MAIN", name="Main", is_default=True)
        parts = [
            Product(sku=f"C-{n}", name=f"Part {n}", category="component", unit_cost=Decimal("0.25")) for n in range(500)
        ]
        goods = [Product(sku=f"G-{n}", name=f"Good {n}") for n in range(ROWS // LINES)]
        reels = [
            Product(
                sku=f"M-{n}",
                name=f"Reel {n}",
                category="material",
                unit_of_measure="kg",
                unit_cost=Decimal("18.5"),
                is_lot_tracked=True,
            )
            for n in range(200)
        ]
        self.parts, self.goods, self.reels = (insert_documents(rows) for rows in (parts, goods, reels))
        self.tables = {
            "products": self._csv(
                "sku,name,category,unit,unit cost,price,replenishment,lot tracked,reorder point,lead time,notes",
                (f"P-{n},Part number {n},component,each,{n % 90}.25,{n % 200}.90,buy,no,{n % 40},{n % 30},from {n}"
                 for n in range(ROWS)),
            ),
            "boms": self._csv(
                "product,component,quantity,unit,scrap",
                (f"G-{n // LINES},C-{(n // LINES * 7 + n % LINES) % 500},{n % 9 + 1},each,{n % 5}"
                 for n in range(ROWS)),
            ),
            "stock": self._csv(
                "product,location,lot,quantity,unit,cost,received,expires,vendor lot",
                (f"M-{n % 200},MAIN,LOT-{n},{n % 5 + 1}50,g,0.0185,2026-01-{n % 28 + 1:02d},2030-12-31,V-{n}"
                 for n in range(ROWS)),
            ),
        }  # fmt: skip
        self.wrong = {
            "products": self._csv("sku,name,category,unit cost", (f"P-{n},Part {n},toy,dear" for n in range(ROWS))),
            "boms": self._csv("product,component,quantity", (f"G-{n},NONE-{n},-1" for n in range(ROWS))),
            "stock": self._csv("product,lot,quantity,expires", (f"NONE-{n},L,0,2020-01-01" for n in range(ROWS))),
        }

    @staticmethod
    def _csv(heading: str, rows: Any) -> bytes:
        return "\n".join([heading, *rows]).encode()

    def look(self, kind: str, content: bytes) -> ImportBatch:
        """Read a file and keep what it would do."""
        return preview_import(read_table(f"{kind}.csv", content), kind=kind, actor=self.actor)

    def take(self, kind: str) -> None:
        """Read a file, look at it and take it."""
        batch = self.look(kind, self.tables[kind])
        if batch.error_count:
            raise AssertionError(f"{kind}: {batch.error_count} errors in a clean table")
        apply_import(batch, actor=self.actor)

    def rows(self, kind: str) -> list[list[models.Model]]:
        """Return the clean rows of a kind, table by table, as they are in memory before they are stored."""
        now = timezone.now()
        if kind == "products":
            return [
                [
                    Product(
                        sku=f"P-{n}",
                        name=f"Part number {n}",
                        category="component",
                        unit_cost=Decimal(n % 90),
                        list_price=Decimal(n % 200),
                        replenishment="buy",
                        reorder_point=Decimal(n % 40),
                        lead_time_days=n % 30,
                        notes=f"from {n}",
                    )
                    for n in range(ROWS)
                ]
            ]
        if kind == "boms":
            boms = [BOM(product=good, code=f"BOM-{good.sku}", name=good.name) for good in self.goods]
            lines: list[models.Model] = [
                BOMLine(
                    bom=boms[n // LINES],
                    component=self.parts[(n // LINES * 7 + n % LINES) % 500],
                    quantity=Decimal(n % 9 + 1),
                    entered_quantity=Decimal(n % 9 + 1),
                    unit_of_measure="each",
                    scrap_percent=Decimal(n % 5),
                )
                for n in range(ROWS)
            ]
            return [list(boms), lines]
        amount, cost = Decimal("0.25"), Decimal("18.5")
        lots = [
            MaterialLot(
                lot_number=f"LOT-{n}",
                product=self.reels[n % 200],
                quantity_received=amount,
                quantity_remaining=amount,
                unit_cost=cost,
                vendor_lot_number=f"V-{n}",
                expiration_date=now,
            )
            for n in range(ROWS)
        ]
        same = [{"product_id": lot.product_id, "location": self.place, "lot": lot} for lot in lots]
        balances = [Inventory(**row, on_hand_quantity=amount, cost_per_unit=cost) for row in same]
        ledger = [
            InventoryTransaction(
                **row,
                transaction_type="receipt",
                quantity=amount,
                on_hand_change=amount,
                allocated_change=Decimal(0),
                unit_cost=cost,
                reason="bench",
                created_by=self.actor,
            )
            for row in same
        ]
        return [list(lots), list(balances), list(ledger)]

    def store(self, kind: str) -> None:
        """Store the clean rows by ``bulk_create``: the floor."""
        for rows in self.rows(kind):
            type(rows[0])._base_manager.bulk_create(rows)


def run() -> Report:
    """Measure a look and a taking of each kind, count statements, and prove that every error is told at once."""
    report = Report("import")
    farm = Farm()
    for kind in farm.tables:
        subject, floor = interleaved(
            _undone(lambda kind=kind: farm.take(kind)),  # type: ignore[misc]
            _undone(lambda kind=kind: farm.store(kind)),  # type: ignore[misc]
            rounds=ROUNDS,
        )
        report.timing(f"{kind}: {ROWS} rows read, looked at and taken", subject)
        report.timing(f"{kind}: bulk_create of the clean rows", floor)
        report.judge(f"{kind}: times the floor", subject.median / floor.median, 4)
        _statements(report, farm, kind)
        _errors(report, farm, kind)
    return report


def _statements(report: Report, farm: Farm, kind: str) -> None:
    with transaction.atomic():
        with counting() as looking:
            batch = farm.look(kind, farm.tables[kind])
        with counting() as taking:
            apply_import(batch, actor=farm.actor)
        transaction.set_rollback(True)
    report.figures[f"{kind}: statements"] = {"look": looking.count, "take": taking.count}
    report.tell(f"{kind}: {looking.count} statements to look, {taking.count} to take")
    report.judge(f"{kind}: statements to take", taking.count, ROWS / ROWS_PER_STATEMENT)
    report.judge(f"{kind}: statements to look", looking.count, ROWS / ROWS_PER_STATEMENT)


def _errors(report: Report, farm: Farm, kind: str) -> None:
    timing = Timing()
    with transaction.atomic():
        begin = time.perf_counter()
        with counting() as counter:
            batch = farm.look(kind, farm.wrong[kind])
        timing.wall.append(time.perf_counter() - begin)
        transaction.set_rollback(True)
    report.tell(f"{kind}: {batch.error_count} errors of {ROWS} rows told in {timing.median:.2f} s")
    report.judge(f"{kind}: errors told in one pass", batch.error_count, ROWS * 2, at_least=True)
    report.judge(f"{kind}: statements to tell them", counter.count, ROWS / ROWS_PER_STATEMENT)
