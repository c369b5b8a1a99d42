"""Tables that are looked at first and then taken as a whole, or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.errors import InvalidTransition, InvalidValue
from blb3d.core.lifecycle import allow
from blb3d.core.tables import Table, from_text, to_text
from blb3d.core.verbs import verb
from inventory.errors import ImportChanged, ImportHasErrors
from inventory.lifecycles import IMPORT
from inventory.models import ImportBatch, ImportContent
from inventory.services.imports.boms import BOM_COLUMNS, plan_boms
from inventory.services.imports.products import plan_products, product_columns
from inventory.services.imports.sheets import Column, Plan
from inventory.services.imports.stock import STOCK_COLUMNS, plan_stock
from inventory.services.imports.vendor_items import VENDOR_ITEM_COLUMNS, plan_vendor_items
from inventory.services.imports.vendors import VENDOR_COLUMNS, plan_vendors

#: Errors that a refusal carries; the import keeps all of them.
_TOLD = 100


@dataclass(frozen=True)
class Kind:
    """A kind of table: who may import it, its columns, and what reads it."""

    value: str
    title: str
    #: What one thing of it is called, and several.
    noun: str
    nouns: str
    permissions: tuple[str, ...]
    columns: Callable[[], Sequence[Column]]
    plan: Callable[..., Plan]
    help: str


KINDS: dict[str, Kind] = {
    kind.value: kind
    for kind in (
        Kind(
            "products",
            "Products",
            "product",
            "products",
            ("inventory.add_product", "inventory.change_product"),
            product_columns,
            plan_products,
            "One row for each product. A SKU that is there is changed where a cell says something else; an empty cell "
            "changes nothing.",
        ),
        Kind(
            "boms",
            "Bills of materials",
            "bill of materials",
            "bills of materials",
            ("inventory.add_bom",),
            lambda: BOM_COLUMNS,
            plan_boms,
            "One row for each component. The rows of a product together are its whole bill; a bill that differs "
            "becomes a new revision.",
        ),
        Kind(
            "stock",
            "Opening stock",
            "lot or balance",
            "lots and balances",
            ("inventory.add_inventorytransaction", "inventory.add_materiallot"),
            lambda: STOCK_COLUMNS,
            plan_stock,
            "One row for each lot at a location, or product without lots. It is booked as a receipt today; what an "
            "earlier import brought in is left as it is.",
        ),
        Kind(
            "vendors",
            "Vendors",
            "vendor",
            "vendors",
            ("inventory.add_vendor", "inventory.change_vendor"),
            lambda: VENDOR_COLUMNS,
            plan_vendors,
            "One row for each vendor. A code that is there is changed where a cell says something else.",
        ),
        Kind(
            "vendor_items",
            "What vendors sell",
            "vendor's item",
            "vendors' items",
            ("inventory.add_vendoritem", "inventory.change_vendoritem", "inventory.add_vendorprice"),
            lambda: VENDOR_ITEM_COLUMNS,
            plan_vendor_items,
            "One row for each vendor, product and price break. A price that differs is added from its day on; the "
            "old one stays in the records.",
        ),
    )
}


def kind_of(name: str) -> Kind:
    """Return a kind of import by its name.

    Raises:
        InvalidValue: there is no such kind.
    """
    if name not in KINDS:
        raise InvalidValue(f"Nothing is imported as {name}.", details={"field": "kind", "known": sorted(KINDS)})
    return KINDS[name]


@verb
def preview_import(table: Table, *, kind: str, actor: User) -> ImportBatch:
    """Keep an uploaded table with what it would do and every error in it; nothing else is written.

    Raises:
        NotAllowed: the actor may not write what the table holds.
        UnusableHeadings: a column that is needed is missing, or one is there twice.
        InvalidValue: it has no rows.
    """
    told = kind_of(kind)
    _allow(told, actor)
    if not table.rows:
        raise InvalidValue("The table has headings and no rows.", details={"field": "file"})
    plan = told.plan(table)
    plan.notes[:0] = [*_taken_before(table, kind), *table.notes]
    batch = ImportBatch(kind=kind, file_name=table.file_name, sha256=table.sha256, row_count=len(table.rows))
    _describe(batch, plan)
    batch.save()
    ImportContent.objects.create(batch=batch, rows=to_text(table), findings=_findings(plan))
    return batch


@verb
def check_import(batch: ImportBatch, *, actor: User) -> ImportBatch:
    """Look at a table again, with the data as it is now: its counts, changes and errors are those of today.

    Raises:
        InvalidTransition: it was applied or discarded.
    """
    told = kind_of(batch.kind)
    _allow(told, actor)
    if batch.status != ImportBatch.Status.PREVIEWED:
        raise InvalidTransition(f"The import is {batch.get_status_display()}.", details={"status": batch.status})
    table = _table(batch)
    plan = told.plan(table)
    plan.notes[:0] = [*_taken_before(table, batch.kind), *table.notes]
    _describe(batch, plan)
    batch.save()
    ImportContent.objects.filter(batch=batch).update(findings=_findings(plan))
    return batch


@verb
def apply_import(batch: ImportBatch, *, actor: User) -> ImportBatch:
    """Do what was previewed, all of it or nothing; fact ``inventory.import_applied``.

    The table is read again under lock: where the data changed so that it would do something else, it is refused.

    Raises:
        NotAllowed: the actor may not write what the table holds.
        InvalidTransition: it was applied or discarded before.
        ImportHasErrors: a row is wrong.
        ImportChanged: it would do something else than was previewed.
    """
    told = kind_of(batch.kind)
    _allow(told, actor)
    with IMPORT.step(batch, "apply", actor=actor, reason=f"import {batch.pk}, {batch.file_name}") as move:
        plan = told.plan(_table(batch), lock=True)
        if plan.problems:
            if not batch.error_count:
                raise ImportChanged(details={"errors": _errors(plan)[:_TOLD]})
            raise ImportHasErrors(
                f"The table has {len(plan.problems)} errors; nothing was changed.",
                details={"errors": _errors(plan)[:_TOLD]},
            )
        if _digest(plan) != batch.plan_digest:
            raise ImportChanged
        try:
            with transaction.atomic():
                for work in plan.work:
                    work()
        except IntegrityError:
            # Somebody made one of these between our look and our write.
            raise ImportChanged from None
        batch.applied_at = timezone.now()
        batch.applied_by = actor
        move.payload.update(kind=batch.kind, new=plan.new, changed=plan.changed)
    return batch


@verb
def discard_import(batch: ImportBatch, *, actor: User) -> ImportBatch:
    """Put a table aside that shall not be applied."""
    _allow(kind_of(batch.kind), actor)
    with IMPORT.step(batch, "discard", actor=actor):
        pass
    return batch


def may_import(kind: str, user: Any) -> bool:
    """Tell whether a person may import tables of a kind."""
    return bool(user.has_perms(KINDS[kind].permissions))


def _allow(kind: Kind, actor: User) -> None:
    for permission in kind.permissions:
        allow(actor, permission)


def _taken_before(table: Table, kind: str) -> list[str]:
    """Say when the very same file was taken already."""
    before = ImportBatch.objects.filter(sha256=table.sha256, kind=kind, status=ImportBatch.Status.APPLIED).first()
    if before is None or before.applied_at is None:
        return []
    return [f"This very file was taken already, on {timezone.localtime(before.applied_at):%Y-%m-%d %H:%M}."]


def _table(batch: ImportBatch) -> Table:
    rows = ImportContent.objects.values_list("rows", flat=True).get(batch=batch)
    return from_text(rows, file_name=batch.file_name, sha256=batch.sha256)


def _describe(batch: ImportBatch, plan: Plan) -> None:
    batch.new_count = plan.new
    batch.changed_count = plan.changed
    batch.unchanged_count = plan.unchanged
    batch.error_count = len(plan.problems)
    batch.plan_digest = _digest(plan)


def _digest(plan: Plan) -> str:
    """Return a mark of what a plan would do; another plan has another."""
    done = [(change.key, change.is_new, change.values) for change in plan.changes]
    return hashlib.sha256(json.dumps([done, plan.unchanged]).encode()).hexdigest()


def _errors(plan: Plan) -> list[dict[str, Any]]:
    return [
        {"row": problem.row, "column": problem.column, "message": problem.message}
        for problem in sorted(plan.problems, key=lambda problem: problem.row)
    ]


def _findings(plan: Plan) -> str:
    return json.dumps(
        {
            "notes": plan.notes,
            "errors": [[row["row"], row["column"], row["message"]] for row in _errors(plan)],
            "changes": [[change.row, change.key, change.is_new, change.values] for change in plan.changes],
        }
    )
