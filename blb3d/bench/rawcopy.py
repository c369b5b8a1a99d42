"""The floor of a write: the same rows in raw SQL, one multi-row INSERT per table, keys drawn anew each time."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

from django.apps import apps
from django.db import connection, models, transaction

from blb3d.core.numbering import NumberSequence

#: Generic references name the kind of row they point at; this is where those rows lie.
_NODES = {
    "production_order": "production_orders",
    "print_job": "print_jobs",
    "serial": "serial_numbers",
    "sales_order": "sales_orders",
    "sales_order_line": "sales_order_lines",
    "customer": "customers",
    "shipment": "shipments",
}
#: Numbers of all copies that are written, so that no two hold the same unique words.
_copies = itertools.count(1)
_REFERENCES = (("source_type", "source_id"), ("target_type", "target_id"), ("reference_type", "reference_id"))


class RawCopy:
    """Remembers the rows that one call of a subject adds, and writes such rows again, raw."""

    def __init__(self, subject: Callable[[], Any]) -> None:
        """Run ``subject`` once and see which rows it added, in the order in which tables depend on each other."""
        tables = [m for m in apps.get_models() if m._meta.managed and m._meta.auto_field is not None]
        before = {m: m._base_manager.aggregate(top=models.Max("pk"))["top"] or 0 for m in tables}
        sequences = dict(NumberSequence.objects.values_list("pk", "last_value"))
        subject()
        self.sequences = [
            (pk, last - sequences.get(pk, 0))
            for pk, last in NumberSequence.objects.values_list("pk", "last_value")
            if last != sequences.get(pk, 0)
        ]
        found = {}
        for model in tables:
            if model is NumberSequence:
                continue
            rows = list(model._base_manager.filter(pk__gt=before[model]).order_by("pk").values())
            if rows:
                found[model] = rows
        self.tables = sorted(found.items(), key=lambda item: self._depth(item[0], set(found)))
        self._written: list[tuple[Any, list[int]]] = []

    def _depth(
        self, model: type[models.Model], among: set[type[models.Model]], seen: frozenset[Any] = frozenset()
    ) -> int:
        parents = {
            field.remote_field.model
            for field in model._meta.local_fields
            if isinstance(field, models.ForeignKey) and field.remote_field.model in among - {model} - seen
        }
        base = getattr(model, "instance_type", None)
        parents |= {base} & among if base else set()
        if any(kind in (field.name for field in model._meta.local_fields) for kind, _ in _REFERENCES):
            # It refers to rows of any table, so it is written after all of them.
            return 1 + len(among)
        return 1 + max((self._depth(parent, among, seen | {model}) for parent in parents), default=0)

    def write(self, instead: Mapping[tuple[str, int], int] | None = None) -> None:
        """Write all rows once more in one transaction; ``instead`` gives other rows to refer to, by table and key."""
        fresh = next(_copies)
        keys: dict[tuple[str, int], int] = dict(instead or {})
        with transaction.atomic(), connection.cursor() as cursor:
            for pk, by in self.sequences:
                cursor.execute("UPDATE number_sequences SET last_value = last_value + %s WHERE id = %s", [by, pk])
                cursor.execute("SELECT last_value FROM number_sequences WHERE id = %s", [pk])
                cursor.fetchone()
            for model, rows in self.tables:
                self._insert(cursor, model, rows, keys, fresh)

    def wipe(self) -> None:
        """Take away what was written, where it would spoil the books."""
        quote = connection.ops.quote_name
        with transaction.atomic(), connection.cursor() as cursor:
            for meta, keys in reversed(self._written):
                marks = ", ".join(["%s"] * len(keys))
                table, column = quote(meta.db_table), quote(meta.auto_field.column)
                cursor.execute(f"DELETE FROM {table} WHERE {column} IN ({marks})", keys)  # noqa: S608
        self._written = []

    def _insert(self, cursor: Any, model: Any, rows: list[dict[str, Any]], keys: dict[Any, int], fresh: int) -> None:
        meta = model._meta
        fields = [f for f in meta.local_concrete_fields if not f.generated and not isinstance(f, models.AutoField)]
        values: list[Any] = []
        for number, row in enumerate(rows):
            row = self._moved(model, row, keys)
            for field in fields:
                value = row[field.attname]
                if field.unique and isinstance(value, str):
                    value = f"{fresh}-{number}"
                elif field.name == "source_order_id":
                    value = f"raw-{fresh}"
                elif isinstance(field, models.JSONField):
                    value = json.dumps(value)
                values.append(value)
        quote = connection.ops.quote_name
        one = "(" + ", ".join(["%s"] * len(fields)) + ")"
        cursor.execute(
            f"INSERT INTO {quote(meta.db_table)} ({', '.join(quote(f.column) for f in fields)}) "  # noqa: S608
            f"VALUES {', '.join([one] * len(rows))} RETURNING {quote(meta.auto_field.column)}",
            values,
        )
        made = [new for (new,) in cursor.fetchall()]
        for row, new in zip(rows, made, strict=True):
            keys[(meta.db_table, row[meta.auto_field.attname])] = new
        self._written.append((meta, made))

    def _moved(self, model: Any, row: dict[str, Any], keys: dict[Any, int]) -> dict[str, Any]:
        row = dict(row)
        base = getattr(model, "instance_type", None)
        if base is not None:
            row["id"] = keys.get((base._meta.db_table, row["id"]), row["id"])
        for field in model._meta.local_fields:
            if isinstance(field, models.ForeignKey):
                value = row[field.attname]
                row[field.attname] = keys.get((field.remote_field.model._meta.db_table, value), value)
        for kind, reference in _REFERENCES:
            if kind in row and reference in row:
                row[reference] = keys.get((_NODES.get(row[kind], ""), row[reference]), row[reference])
        return row
