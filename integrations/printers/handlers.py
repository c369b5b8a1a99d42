"""From the facts of production to commands for printers, and to a look at what could be printed next."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

from blb3d.core.outbox import OutboxEvent, subscribes
from integrations.printers.tasks import dispatch_jobs
from production.models import PrintJob
from production.ports import PrintBackend

RUNNING = (PrintJob.Status.SENT, PrintJob.Status.PRINTING, PrintJob.Status.PAUSED)


def print_backend() -> PrintBackend:
    """Return the configured way to the printers."""
    backend: PrintBackend = import_string(settings.PRINT_BACKEND)()
    return backend


@subscribes("production.job_dispatched", outside=True)
def start_job(event: OutboxEvent) -> None:
    """Start a job that was sent to a printer, if it still is."""
    job = PrintJob.objects.filter(pk=event.payload["id"], status=PrintJob.Status.SENT).first()
    if job:
        print_backend().start(job)


@subscribes("production.job_command_requested", outside=True)
def command_job(event: OutboxEvent) -> None:
    """Pause, resume or stop a job that is on a printer, if it still is."""
    job = PrintJob.objects.filter(pk=event.payload["id"], status__in=RUNNING).first()
    if job is None:
        return
    backend = print_backend()
    acts = {"pause": backend.pause, "resume": backend.resume, "stop": backend.stop}
    acts[event.payload["command"]](job)


@subscribes(
    "production.order_queued",
    "production.order_retried",
    "production.job_requeued",
    "production.job_cancelled",
    "production.plate_cleared",
    "integrations.printer_ready",
)
def look_for_work(event: OutboxEvent) -> None:
    """Ask the worker to send jobs to printers that are free now; the beat asks too, every few seconds."""
    if settings.OUTBOX_NUDGE:
        transaction.on_commit(dispatch_jobs.delay, robust=True)
