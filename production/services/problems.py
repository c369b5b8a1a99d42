"""Problems with printers: a person reports one, and with it may take the printer out of service until it is solved."""

from __future__ import annotations

from contextlib import nullcontext
from typing import IO

from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.errors import AlreadyDone, InvalidValue, ReasonRequired
from blb3d.core.outbox import emit
from blb3d.core.verbs import verb
from production.models import Printer, PrinterProblem, PrintJob
from production.services.photos import clean_photo, stored
from production.services.upkeep import take_out_of_service

#: What is wrong most often: one tap each.
WORDS = (
    "Does not stick to the plate",
    "Nozzle clogged",
    "Filament tangled or stuck",
    "Feeder or AMS",
    "Poor surface",
    "Noise or motion",
    "Camera or display",
)


@verb
def report_problem(
    printer: Printer,
    *,
    text: str,
    actor: User,
    photo: IO[bytes] | None = None,
    out_of_service: bool = False,
    job: PrintJob | None = None,
) -> PrinterProblem:
    """Note a problem; with ``out_of_service`` the printer gets no job until it is put back. What it prints goes on.

    Emits ``production.problem_reported``.

    Raises:
        ReasonRequired: nobody says what is wrong.
        PrinterNotReady: it was given a job at this very moment; ask again.
        InvalidValue: the job was printed elsewhere.
        UnusablePhoto: the photo cannot be read, or is too large.
    """
    words = " ".join(text.split())[:500]
    if not words:
        raise ReasonRequired("Please say what is wrong.", details={"field": "text"})
    if job is not None and job.printer_id != printer.pk:
        raise InvalidValue(f"{job.code} is not on {printer.name}.", details={"field": "job"})
    image = clean_photo(photo) if photo is not None else None
    row = Printer.objects.get(pk=printer.pk)
    problem = PrinterProblem(printer=row, job=job, text=words, reported_by=actor)
    if out_of_service and row.is_active:
        problem.took_out_of_service = True
        take_out_of_service(row, reason=words, actor=actor)
    with stored(problem.photo, image) if image is not None else nullcontext():
        problem.save()
    emit(
        "production.problem_reported",
        f"production.printer:{row.pk}",
        id=problem.pk,
        printer_id=row.pk,
        printer=row.name,
        job_id=job.pk if job else None,
        text=words,
        out_of_service=problem.took_out_of_service,
    )
    printer.refresh_from_db()
    return problem


@verb
def resolve_problem(
    problem: PrinterProblem, *, resolution: str, actor: User, back_in_service: bool = True
) -> PrinterProblem:
    """Say what was done about a problem.

    The printer goes back into service where this problem took it out and no other that did is open, unless
    ``back_in_service`` says that it stays out. Emits ``production.problem_resolved``.

    Raises:
        ReasonRequired: nobody says what was done.
        AlreadyDone: it was resolved before.
    """
    words = " ".join(resolution.split())[:500]
    if not words:
        raise ReasonRequired("Please say what was done.", details={"field": "resolution"})
    [printer] = lock_documents(Printer.objects.filter(pk=problem.printer_id))
    [row] = lock_documents(PrinterProblem.objects.filter(pk=problem.pk))
    if row.resolved_at is not None:
        at = timezone.localtime(row.resolved_at)
        raise AlreadyDone(f"This problem was resolved at {at:%H:%M}: {row.resolution}", details={"problem": row.pk})
    row.resolved_at, row.resolution = timezone.now(), words
    row.save()
    others = PrinterProblem.objects.filter(printer=printer, resolved_at__isnull=True, took_out_of_service=True).exclude(
        pk=row.pk
    )
    back = back_in_service and row.took_out_of_service and not printer.is_active and not others.exists()
    if back:
        _back(printer)
    emit(
        "production.problem_resolved",
        f"production.printer:{printer.pk}",
        id=row.pk,
        printer_id=printer.pk,
        printer=printer.name,
        text=words,
        back_in_service=back,
    )
    problem.refresh_from_db()
    return problem


@verb
def put_in_service(printer: Printer, *, actor: User) -> Printer:
    """Let a printer that was taken out of service take jobs again; its open problems stay open.

    Emits ``production.printer_in_service``.
    """
    [row] = lock_documents(Printer.objects.filter(pk=printer.pk))
    if not row.is_active:
        _back(row)
    printer.refresh_from_db()
    return printer


def _back(row: Printer) -> None:
    row.is_active, row.out_of_service_reason = True, ""
    row.save()
    emit("production.printer_in_service", f"production.printer:{row.pk}", printer_id=row.pk, printer=row.name)
