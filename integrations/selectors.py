"""How the doors to the outside stand: what waits, what is stuck, which printers answer."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet
from django.utils import timezone

from blb3d.core.inbox import InboundMessage
from blb3d.core.outbox import EventDelivery, OutboxEvent
from blb3d.core.work import WorkStatus
from integrations.models import Channel, PrinterCommand
from production.models import Printer, PrintJob


@dataclass(frozen=True)
class SyncStatus:
    """What waits at each door; a dead letter waits for a person."""

    channels: list[Channel]
    inbox_pending: int
    inbox_dead: int
    outbox_pending: int
    outbox_dead: int
    outbox_lag_seconds: int
    commands_pending: int
    commands_dead: int
    printers_online: int
    printers_total: int

    @property
    def dead_letters(self) -> int:
        """Return everything that waits for a person."""
        return self.inbox_dead + self.outbox_dead + self.commands_dead


def sync_status() -> SyncStatus:
    """Return how every door stands, in seven queries."""
    inbox, deliveries, commands = (
        model._default_manager.order_by().aggregate(
            pending=Count("pk", filter=Q(status=WorkStatus.PENDING)),
            dead=Count("pk", filter=Q(status=WorkStatus.DEAD)),
        )
        for model in (InboundMessage, EventDelivery, PrinterCommand)
    )
    waiting = OutboxEvent.objects.filter(relayed_at__isnull=True)
    oldest = waiting.order_by("id").values_list("created_at", flat=True).first()
    printers = Printer.objects.filter(is_active=True).aggregate(
        total=Count("pk"), online=Count("pk", filter=Q(connection=Printer.Connection.ONLINE))
    )
    return SyncStatus(
        channels=list(Channel.objects.order_by("marketplace")),
        inbox_pending=inbox["pending"],
        inbox_dead=inbox["dead"],
        outbox_pending=deliveries["pending"] + waiting.count(),
        outbox_dead=deliveries["dead"],
        outbox_lag_seconds=_seconds_since(oldest),
        commands_pending=commands["pending"],
        commands_dead=commands["dead"],
        printers_online=printers["online"],
        printers_total=printers["total"],
    )


def _seconds_since(moment: datetime.datetime | None) -> int:
    return max(0, int((timezone.now() - moment).total_seconds())) if moment else 0


@dataclass(frozen=True)
class PrinterStatus:
    """A printer and the job that holds it, if any."""

    printer: Printer
    job: PrintJob | None


def printer_statuses(printers: QuerySet[Printer]) -> list[PrinterStatus]:
    """Return what each printer does now, in three queries."""
    rows = list(printers.prefetch_related("slots").order_by("name"))
    jobs = {
        job.printer_id: job
        for job in PrintJob.objects.filter(printer__in=[printer.pk for printer in rows], status__in=PrintJob.ACTIVE)
    }
    return [PrinterStatus(printer, jobs.get(printer.pk)) for printer in rows]
