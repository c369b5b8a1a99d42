"""Document numbers: unique under concurrency, per year or day, never reused, gaps allowed.

Invoices must have no gaps: draw their number last in the transaction, so that nothing can roll it back after.
"""

from __future__ import annotations

from django.db import IntegrityError, models, transaction
from django.db.models import F
from django.utils import timezone


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


def _advance(name: str, period: str, count: int) -> int:
    """Move a sequence on by ``count`` and return its new last value; the row stays locked until commit."""
    rows = NumberSequence.objects.filter(name=name, period=period)
    if not rows.update(last_value=F("last_value") + count):
        try:
            with transaction.atomic():
                NumberSequence.objects.create(name=name, period=period, last_value=0)
        except IntegrityError:
            pass  # another transaction created it first: that row is the one to advance
        rows.update(last_value=F("last_value") + count)
    return rows.values_list("last_value", flat=True).get()


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
