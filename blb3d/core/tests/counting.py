"""Counting the statements that something costs."""

from __future__ import annotations

from itertools import groupby

from django.test.utils import CaptureQueriesContext

_FRAME = ("BEGIN", "SAVEPOINT", "RELEASE")


def statements_of(queries: CaptureQueriesContext) -> list[str]:
    """Return what was asked of the database, transactions' own statements left out.

    An insert counts once, also where SQLite, which takes 999 values at a time, needs several.
    """
    asked = [query["sql"] for query in queries if not query["sql"].startswith(_FRAME)]
    heads = (
        sql.partition("(")[0] if sql.startswith("INSERT") else f"{number} {sql}" for number, sql in enumerate(asked)
    )
    return [head for head, _ in groupby(heads)]
