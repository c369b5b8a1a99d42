"""Keeping printers fit: services that were done, and taking a printer out of service."""

from __future__ import annotations

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.errors import InvalidValue, ReasonRequired
from blb3d.core.outbox import emit
from blb3d.core.verbs import verb
from production.errors import PrinterNotReady
from production.models import Printer, PrintJob, ServicePlan, ServiceRecord
from production.services.making import lock_job
from production.services.progress import requeue_job


@verb
def record_service(
    printer: Printer, *, actor: User, plan: ServicePlan | None = None, task: str = "", note: str = ""
) -> ServiceRecord:
    """Note that a service was done on a printer now, with its counters; its plan counts from here on.

    Without a plan ``task`` says what was done.

    Raises:
        InvalidValue: neither plan nor task is given, or the plan is another printer's.
    """
    if plan is not None:
        is_its_own = plan.printer_id == printer.pk if plan.printer_id else plan.printer_model == printer.model
        if not is_its_own:
            raise InvalidValue(f"{plan.task} is not a service of {printer.name}.", details={"plan": plan.pk})
    task = task.strip() or (plan.task if plan else "")
    if not task:
        raise InvalidValue("Say what was done.", details={"field": "task"})
    [row] = lock_documents(Printer.objects.filter(pk=printer.pk))
    record = ServiceRecord.objects.create(
        printer=row,
        plan=plan,
        task=task[:200],
        note=note[:500],
        printed_minutes=row.printed_minutes,
        jobs_done=row.jobs_done,
        done_by=actor,
    )
    emit(
        "production.printer_serviced",
        f"production.printer:{row.pk}",
        printer_id=row.pk,
        printer=row.name,
        task=record.task,
    )
    return record


@verb
def take_out_of_service(printer: Printer, *, actor: User, reason: str) -> Printer:
    """Send the printer no job until it is put back; a job on its way to it goes back into the queue.

    What it prints goes on: a person stops it, or lets it end. Said again, the reason is replaced.

    Raises:
        ReasonRequired: no reason was given.
        PrinterNotReady: it was given a job at this very moment; ask again.
    """
    if not reason.strip():
        raise ReasonRequired(details={"step": "out_of_service"})
    # Jobs are locked before printers, as whoever sends or ends one does.
    on_its_way = list(PrintJob.objects.filter(printer=printer, status=PrintJob.Status.SENT))
    for job in on_its_way:
        lock_job(job)
    [row] = lock_documents(Printer.objects.filter(pk=printer.pk))
    now_sent = PrintJob.objects.filter(printer=printer, status=PrintJob.Status.SENT)
    newer = now_sent.exclude(pk__in=[job.pk for job in on_its_way]).first()
    if newer is not None:
        raise PrinterNotReady(f"{row.name} was just given {newer.code}: please try again.", details={"job": newer.code})
    row.is_active, row.out_of_service_reason = False, reason.strip()[:200]
    row.save()
    for job in on_its_way:
        if job.status == PrintJob.Status.SENT and job.printer_id == row.pk:
            requeue_job(job, actor=actor, reason=f"{row.name} was taken out of service: {reason.strip()}")
    emit(
        "production.printer_out_of_service",
        f"production.printer:{row.pk}",
        printer_id=row.pk,
        printer=row.name,
        reason=row.out_of_service_reason,
    )
    return row
