"""From the facts of production to commands for printers, and to a look at what could be printed next."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction

from blb3d.core.outbox import OutboxEvent, subscribes
from integrations.printers.backend import print_backend
from integrations.printers.tasks import dispatch_jobs
from integrations.suite.backend import take_back
from production.models import PrintJob

RUNNING = (PrintJob.Status.SENT, PrintJob.Status.PRINTING, PrintJob.Status.PAUSED)


@subscribes("production.job_dispatched", outside=True)
def start_job(event: OutboxEvent) -> None:
    """Start a job that was sent to a printer, if it still is."""
    job = PrintJob.objects.filter(pk=event.payload["id"], status=PrintJob.Status.SENT).first()
    if job:
        print_backend(job.printer_id).start(job)


@subscribes("production.job_command_requested", outside=True)
def command_job(event: OutboxEvent) -> None:
    """Pause, resume or stop a job that is on a printer, if it still is."""
    job = PrintJob.objects.filter(pk=event.payload["id"], status__in=RUNNING).first()
    if job is None:
        return
    backend = print_backend(job.printer_id)
    acts = {"pause": backend.pause, "resume": backend.resume, "stop": backend.stop}
    acts[event.payload["command"]](job)


@subscribes("production.job_requeued", outside=True)
def take_back_job(event: OutboxEvent) -> None:
    """Have the print suite forget a job that went back into the queue: it will be sent again."""
    job = PrintJob.objects.filter(pk=event.payload["id"]).first()
    if job:
        take_back(job)


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
