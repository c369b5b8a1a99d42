"""Document numbers: unique under concurrency, per year or day, never reused, gaps allowed.

Invoices must have no gaps: draw their number last in the transaction, so that nothing can roll it back after.
"""

from __future__ import annotations

from django.db import IntegrityError, connection, models, transaction
from django.db.models import F
from django.utils import timezone

#: Databases that say in one statement what an update has come to; elsewhere, on SQL Server, it is read after it.
_RETURNING = ("postgresql", "sqlite")
_ADD = "UPDATE number_sequences SET last_value = last_value + %s WHERE name = %s AND period = %s RETURNING last_value"


class NumberSequence(models.Model):
    """The last number given out for one kind of document in one period."""

    name = models.CharField(max_length=20)
    period = models.CharField(max_length=8)
    last_value = models.PositiveBigIntegerField(default=0)

    class Meta:
        app_label = "core"
        db_table = "number_sequences"
        constraints = [models.UniqueConstraint(fields=["name", "period"], name="number_sequence_unique")]

    def __str__(self) -> str:
        return f"{self.name}-{self.period}: {self.last_value}"


def _add(name: str, period: str, count: int) -> int | None:
    """Add to a sequence, which stays locked until commit, and return its value; None where there is no such row."""
    if connection.vendor in _RETURNING:
        with connection.cursor() as cursor:
            cursor.execute(_ADD, [count, name, period])
            row = cursor.fetchone()
        return None if row is None else row[0]
    rows = NumberSequence.objects.filter(name=name, period=period)
    return rows.values_list("last_value", flat=True).get() if rows.update(last_value=F("last_value") + count) else None


def _advance(name: str, period: str, count: int) -> int:
    """Move a sequence on by ``count`` and return its new last value; the row stays locked until commit."""
    last = _add(name, period, count)
    while last is None:
        try:
            with transaction.atomic():
                NumberSequence.objects.create(name=name, period=period, last_value=0)
        except IntegrityError:
            pass  # another transaction created it first: that row is the one to advance
        last = _add(name, period, count)
    return last


def next_numbers(name: str, count: int, *, period: str | None = None, digits: int = 3) -> list[str]:
    """Return ``count`` new numbers such as SO-2025-001, in order; needs a transaction.

    ``period`` is the present year when not given; ``digits`` is a least width, numbers grow past it.
    """
    if not count:
        return []
    period = period or str(timezone.localdate().year)
    last = _advance(name, period, count)
    return [f"{name}-{period}-{value:0{digits}d}" for value in range(last - count + 1, last + 1)]


def next_number(name: str, *, period: str | None = None, digits: int = 3) -> str:
    """Return one new number; see :func:`next_numbers`."""
    return next_numbers(name, 1, period=period, digits=digits)[0]
