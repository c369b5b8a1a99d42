"""Two people who take the same table at the same moment."""

from __future__ import annotations

from typing import Any

from blb3d.core.errors import InvalidTransition
from blb3d.core.tables import read_table
from inventory.errors import ImportChanged
from inventory.models import ImportBatch, Inventory, MaterialLot, Product
from inventory.selectors import prove_ledger
from inventory.services.imports import apply_import, preview_import
from inventory.tests.concurrency import shared_database, together
from inventory.tests.factories import LocationFactory, MaterialFactory, system_actor

__all__ = ["shared_database"]


def look(kind: str, text: str) -> ImportBatch:
    return preview_import(read_table("table.csv", text.encode()), kind=kind, actor=system_actor())


def apply(batch: ImportBatch) -> Any:
    return apply_import(ImportBatch.objects.get(pk=batch.pk), actor=system_actor())


def test_a_table_that_two_take_at_once_is_taken_once(shared_database: None) -> None:
    LocationFactory()
    MaterialFactory(sku="M-1")
    batch = look("stock", "product,lot,quantity\n" + "".join(f"M-1,L-{n},2\n" for n in range(50)))
    results = together(*[lambda: apply(batch)] * 4)
    assert sum(isinstance(result, ImportBatch) for result in results) == 1
    assert sum(isinstance(result, InvalidTransition) for result in results) == 3
    assert (MaterialLot.objects.count(), Inventory.objects.count()) == (50, 50)
    assert prove_ledger().is_clean


def test_the_same_rows_in_two_tables_are_taken_once(shared_database: None) -> None:
    text = "sku,name\n" + "".join(f"P-{n},Part {n}\n" for n in range(50))
    batches = [look("products", text) for _ in range(3)]
    results = together(*[lambda batch=batch: apply(batch) for batch in batches])  # type: ignore[misc]
    assert sum(isinstance(result, ImportBatch) for result in results) == 1
    assert sum(isinstance(result, ImportChanged) for result in results) == 2
    assert Product.objects.count() == 50
    assert ImportBatch.objects.filter(status="applied").count() == 1
