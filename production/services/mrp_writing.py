"""Storing a plan: a constant number of statements, however long it is."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable
from itertools import groupby
from typing import Any

import numpy as np
from django.db import connection, models, transaction

from production.models import MRPRun, PlanLate, PlanMessage, PlannedOrder, PlanSupply, Replenish
from production.mrp.engine import ArrayPlan, Solution, joined
from production.mrp.ground import SCALE, Key, Plan, Problem, date_of
from production.mrp.memory import collecting_later

#: A row of a table: values by the names of ``_COLUMNS``.
Row = tuple[Any, ...]
_COLUMNS: dict[type[models.Model], tuple[str, ...]] = {
    PlannedOrder: (
        "run_id", "product_id", "number", "kind", "quantity", "start_on", "due_on", "ready_on", "pegs",
    ),
    PlanSupply: ("run_id", "product_id", "reference_type", "reference_id", "quantity", "on", "pegs"),
    PlanMessage: (
        "run_id", "kind", "product_id", "reference_type", "reference_id", "quantity", "from_on", "to_on",
    ),
    PlanLate: (
        "run_id", "product_id", "reference_type", "reference_id", "quantity", "due_on", "ready_on", "cause_id",
    ),
}  # fmt: skip


def write_plan(run: MRPRun, problem: Problem, plan: Plan, *, in_bulk: bool = False) -> None:
    """Store the rows of a plan under a run, all or nothing; the run's own figures are its caller's.

    On PostgreSQL rows are copied in, elsewhere inserted in bulk: as many statements for ten orders as for a hundred
    thousand, SQLite's and SQL Server's limits on values apart. ``in_bulk`` inserts on PostgreSQL too.
    """
    with collecting_later():
        _write(run, problem, plan, in_bulk=in_bulk)


def _write(run: MRPRun, problem: Problem, plan: Plan, *, in_bulk: bool) -> None:
    pegs_of = _texts_by_arrays(plan.solution) if isinstance(plan, ArrayPlan) else _texts(plan)
    quantity, day, run_id = _quantities(), _days(), run.pk
    kinds = {True: Replenish.MAKE.value, False: Replenish.BUY.value}
    cancel = PlanMessage.Kind.CANCEL.value
    is_made = {pk: item.is_made for pk, item in problem.items.items()}
    with transaction.atomic():
        insert_rows(
            PlannedOrder,
            (
                (
                    run_id,
                    row.item,
                    row.number,
                    kinds[is_made[row.item]],
                    quantity[row.quantity],
                    day[row.start],
                    day[row.due],
                    day[row.ready],
                    pegs_of.get(row.key, "[]"),
                )
                for row in plan.planned
            ),
            in_bulk=in_bulk,
        )
        insert_rows(
            PlanSupply,
            (
                (
                    run_id, row.item, row.key[0], row.key[1], quantity[row.quantity], day[row.day],
                    pegs_of.get(row.key, "[]"),
                )
                for row in problem.supplies
                if row.quantity > 0 and row.item in problem.items
            ),
            in_bulk=in_bulk,
        )  # fmt: skip
        insert_rows(
            PlanMessage,
            (
                (
                    run_id, row.kind, row.item, row.supply[0], row.supply[1], quantity[row.quantity], day[row.day],
                    None if row.kind == cancel else day[row.to_day],
                )
                for row in plan.messages
            ),
            in_bulk=in_bulk,
        )  # fmt: skip
        insert_rows(
            PlanLate,
            (
                (
                    run_id, row.item, row.key[0], row.key[1], quantity[row.quantity], day[row.day], day[row.ready],
                    row.cause,
                )
                for row in plan.late
            ),
            in_bulk=in_bulk,
        )  # fmt: skip


def insert_rows(model: type[models.Model], rows: Iterable[Row], *, in_bulk: bool = False) -> None:
    """Insert rows of a plan's table; ``in_bulk``: not by the database's own way of copying."""
    if connection.vendor == "postgresql" and not in_bulk:
        _copy(model, rows)
        return
    names = _COLUMNS[model]
    model._base_manager.bulk_create(model(**dict(zip(names, row, strict=True))) for row in rows)


def _copy(model: type[models.Model], rows: Iterable[Row]) -> None:
    """Copy rows in as text: PostgreSQL takes them at a tenth of the cost of an INSERT."""
    given = _COLUMNS[model]
    fields = [field for field in model._meta.local_concrete_fields if not isinstance(field, models.AutoField)]
    column_of = {field.attname: str(field.column) for field in fields}
    rest = [field for field in fields if field.attname not in given]
    quote = connection.ops.quote_name
    columns = ", ".join(quote(column_of[name]) for name in (*given, *(field.attname for field in rest)))
    line = "\t".join(["%s"] * len(given) + [str(field.get_default()).replace("%", "%%") for field in rest]) + "\n"
    text = "".join([line % row for row in rows])
    if not text:
        return
    # No column holds text of people's: nothing but a missing value is written as Python writes it.
    statement = f"COPY {quote(model._meta.db_table)} ({columns}) FROM STDIN (NULL 'None')"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(text.replace("\\", "\\\\"))


class _quantities(dict[int, str]):  # noqa: N801  (a cache that reads like a function)
    """Stock units by scaled quantity, as text."""

    def __missing__(self, scaled: int) -> str:
        whole, part = divmod(scaled, SCALE)
        self[scaled] = value = f"{whole}.{part:04}"
        return value


class _days(dict[int, datetime.date]):  # noqa: N801
    """Dates by ordinal."""

    def __missing__(self, ordinal: int) -> datetime.date:
        self[ordinal] = value = date_of(ordinal)
        return value


def _texts(plan: Plan) -> dict[Key, str]:
    """Return the needs that each supply serves, as JSON."""
    found: dict[Key, str] = {}
    by_supply = sorted(plan.pegs, key=lambda peg: (peg.supply, peg.day, peg.need))
    for supply, pegs in groupby(by_supply, key=lambda peg: peg.supply):
        rows = [[*peg.need, peg.quantity, peg.day] for peg in pegs]
        found[supply] = json.dumps(rows, separators=(",", ":"))
    return found


def _texts_by_arrays(solution: Solution) -> dict[Key, str]:
    """Return the same as :func:`_texts` without a row for every peg."""
    parts = [(part.needs, part.pegs) for part in solution.levels]
    order = joined([pegs.order for _, pegs in parts])
    if not order.size:
        return {}
    code = joined([needs.code[pegs.need] for needs, pegs in parts])
    day = joined([needs.day[pegs.need] for needs, pegs in parts])
    quantity = joined([pegs.quantity for _, pegs in parts])
    by_order = np.lexsort((code, day, order))
    order = order[by_order]
    keys = solution.ground.keys
    kinds, ids, numbers = keys.parts(code[by_order])
    texts = [
        f'["{kind}",{pk},{number},{amount},{on}]'
        for kind, pk, number, amount, on in zip(
            kinds, ids, numbers, quantity[by_order].tolist(), day[by_order].tolist(), strict=True
        )
    ]
    first = np.flatnonzero(np.concatenate(([True], np.diff(order) != 0)))
    served = keys.keys(solution.orders.code[order[first]])
    bounds = [*first.tolist(), order.size]
    return {
        key: f"[{','.join(texts[begin:end])}]" for key, begin, end in zip(served, bounds[:-1], bounds[1:], strict=True)
    }
