"""Mails about a quote, for its timeline."""

from __future__ import annotations

from collections.abc import Iterator

from blb3d.core.admin import Entry
from blb3d.core.outbox import EventDelivery
from blb3d.core.work import WorkStatus
from quotes.models import Quote
from quotes.selectors import told_of

#: What writes mails lies in this folder.
_MAILERS = "integrations.mail."
_LATEST = 12


def mails_of(quote: Quote) -> Iterator[Entry]:
    """Yield what was mailed about a quote, and what is stuck on the way. Three queries at most."""
    rows = EventDelivery.objects.filter(
        event__key=f"quotes.quote:{quote.pk}",
        handler__startswith=_MAILERS,
        status__in=(WorkStatus.DONE, WorkStatus.DEAD),
    )
    customer = ", ".join(told_of(quote))
    for row in rows.select_related("event").order_by("-pk")[:_LATEST]:
        receiver = _receiver(row, customer)
        if not receiver:
            continue
        is_sent = row.status == WorkStatus.DONE
        fact = row.event.topic.rpartition(".")[2].replace("_", " ")
        yield Entry(
            at=row.finished_at or row.event.created_at,
            who="Mail",
            what=f"{fact}, {'to' if is_sent else 'not sent to'} {receiver}",
            reason="" if is_sent else row.last_error,
        )


def _receiver(row: EventDelivery, customer: str) -> str:
    """Return whom a fact was mailed to; nobody where it is not worth a mail to that side."""
    body, handler = row.event.payload, row.handler.rpartition(".")[2]
    is_waiting = body.get("to") == Quote.Status.PENDING
    if handler == "mail_quote":
        quiet = (
            (is_waiting and row.event.topic == "quotes.price_offered")
            or (row.event.topic == "quotes.quote_expired" and body.get("from") == Quote.Status.DRAFT)
            or (row.event.topic == "quotes.quote_rejected" and body.get("by_customer"))
        )
        return "" if quiet else customer
    if handler == "mail_comment":
        return "" if body.get("is_internal") else "the sales desk" if body.get("by_customer") else customer
    return "" if handler == "mail_review" and not is_waiting else "the sales desk"
