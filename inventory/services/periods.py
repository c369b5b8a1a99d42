"""Periods of the stock ledger: closed with a picture of what everything was worth, opened again for a reason.

Whoever dates a movement back and whoever closes a period lock the same row, so that a movement is either in the
closing's picture or refused. A movement of now needs no lock: a period can only be closed a while after its end.
"""

from __future__ import annotations

import datetime
from decimal import Decimal

from django.conf import settings
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.errors import InvalidValue
from blb3d.core.verbs import verb
from inventory.errors import BooksDiffer, PeriodNotOver, PeriodsOutOfOrder, PeriodsOverlap
from inventory.lifecycles import STOCK_PERIOD
from inventory.models import StockBook, StockPeriod, StockPeriodValue
from inventory.models.periods import midnight
from inventory.selectors.reconciliation import prove_ledger
from inventory.selectors.valuation import stock_on

BOOK = "stock"
#: A period may be closed so long after its end, and twice as long as a task may run: by then every transaction that
#: began in it has ended.
GRACE = datetime.timedelta(minutes=15)
#: How many differences a refusal names.
_NAMED = 20


def lock_book() -> StockBook:
    """Lock the one row that stands for the whole ledger and return it; needs a transaction."""
    rows = StockBook.objects.select_for_update().filter(code=BOOK)
    book = rows.first()
    if book is None:
        StockBook.objects.get_or_create(code=BOOK)
        book = rows.get()
    return book


def closable_from(period: StockPeriod) -> datetime.datetime:
    """Return from when a period may be closed."""
    task = datetime.timedelta(seconds=settings.CELERY_TASK_TIME_LIMIT)
    return period.ends_at + max(GRACE, 2 * task)


@verb
def create_period(*, first_day: datetime.date, last_day: datetime.date, actor: User) -> StockPeriod:
    """Lay down a period of whole local days; what it means begins when it is closed.

    Raises:
        InvalidValue: it ends before it begins.
        PeriodsOverlap: another period has some of these days, or they are closed.
    """
    if last_day < first_day:
        raise InvalidValue("A period cannot end before it begins.", details={"field": "last_day"})
    book = lock_book()
    other = StockPeriod.objects.filter(first_day__lte=last_day, last_day__gte=first_day).first()
    if other is not None:
        raise PeriodsOverlap(details={"period": str(other)})
    if book.closed_through is not None and midnight(first_day) < book.closed_through:
        raise PeriodsOverlap(details={"closed_through": timezone.localtime(book.closed_through).isoformat()})
    period = StockPeriod(first_day=first_day, last_day=last_day)
    period.save()
    return period


@verb
def close_period(period: StockPeriod, *, actor: User, reason: str = "") -> StockPeriod:
    """Close the books up to the end of the period and keep what everything was worth then.

    The fact is ``inventory.period_closed``.

    Raises:
        PeriodNotOver: its last day has not ended, or only minutes ago.
        PeriodsOutOfOrder: an earlier period is still open.
        BooksDiffer: ledger, balances, lots, reservations and values do not agree.
    """
    with STOCK_PERIOD.step(period, "close", actor=actor, reason=reason) as move:
        book = lock_book()
        possible = closable_from(period)
        if timezone.now() < possible:
            raise PeriodNotOver(details={"possible_from": possible.isoformat()})
        earlier = StockPeriod.objects.filter(first_day__lt=period.first_day, status=StockPeriod.Status.OPEN).last()
        if earlier is not None:
            raise PeriodsOutOfOrder("An earlier period is still open.", details={"period": str(earlier)})
        proof = prove_ledger()
        if not proof.is_clean:
            raise BooksDiffer(details={"differences": [str(found) for found in proof.differences[:_NAMED]]})
        rows = stock_on(period.ends_at)
        period.closings += 1
        period.closed_at = timezone.now()
        period.stock_value = sum((value for _, value in rows.values()), Decimal(0))
        StockPeriodValue.objects.bulk_create(
            StockPeriodValue(
                period=period,
                closing=period.closings,
                product_id=product_id,
                location_id=location_id,
                lot_id=lot_id,
                quantity=quantity,
                stock_value=value,
            )
            for (product_id, location_id, lot_id), (quantity, value) in rows.items()
        )
        book.closed_through = period.ends_at
        book.save(update_fields=["closed_through"])
        move.payload |= {"through": period.last_day.isoformat(), "value": str(period.stock_value)}
    return period


@verb
def reopen_period(period: StockPeriod, *, actor: User, reason: str) -> StockPeriod:
    """Open the books of a closed period again; what was kept of the closing stays, the next one is compared with it.

    Raises:
        PeriodsOutOfOrder: a later period is closed.
    """
    with STOCK_PERIOD.step(period, "reopen", actor=actor, reason=reason) as move:
        book = lock_book()
        closed = StockPeriod.objects.filter(status=StockPeriod.Status.CLOSED).exclude(pk=period.pk)
        later = closed.filter(first_day__gt=period.first_day).first()
        if later is not None:
            raise PeriodsOutOfOrder("A later period is closed.", details={"period": str(later)})
        before = closed.order_by("-last_day").first()
        book.closed_through = before.ends_at if before else None
        book.save(update_fields=["closed_through"])
        period.closed_at = None
        move.payload["through"] = period.last_day.isoformat()
    return period
