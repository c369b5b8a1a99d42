"""The ways to the printers: what is asked becomes a row, which whoever talks to the machine carries out."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils.module_loading import import_string

from blb3d.accounts.models import User
from blb3d.core.work import WorkStatus
from integrations.models import PrinterCommand, PrinterConnection
from production import services as production
from production.models import Printer
from production.ports import PrintBackend

Kind = PrinterCommand.Kind
Backend = PrinterConnection.Backend

#: What a connection may choose.
BACKENDS = {
    Backend.BAMBU_LAN: "integrations.printers.backend.BambuLan",
    Backend.PRINT_SUITE: "integrations.suite.backend.PrintSuite",
    Backend.BY_HAND: "integrations.printers.backend.ByHand",
}


def print_backend(printer_id: int | None) -> PrintBackend:
    """Return the way to a printer: its connection's own, else the configured one."""
    chosen = PrinterConnection.objects.filter(printer=printer_id).values_list("backend", flat=True).first()
    path = BACKENDS[Backend(chosen)] if chosen else settings.PRINT_BACKEND
    backend: PrintBackend = import_string(path)()
    return backend


def served_by(backend: str) -> Q:
    """Return the condition on connections that jobs go this way."""
    way = Q(backend=backend)
    return way | Q(backend=Backend.DEFAULT) if BACKENDS[Backend(backend)] == settings.PRINT_BACKEND else way


class BambuLan:
    """Writes commands for ``manage.py listen_printers``; every call may be repeated."""

    def start(self, job: Any) -> None:
        """Write the start of a job's present dispatch, once."""
        PrinterCommand.objects.get_or_create(
            job=job, kind=Kind.START, dispatch=job.dispatch_attempts, defaults={"printer_id": job.printer_id}
        )

    def pause(self, job: Any) -> None:
        """Write that the printer shall pause."""
        self._ask(job, Kind.PAUSE)

    def resume(self, job: Any) -> None:
        """Write that the printer shall go on."""
        self._ask(job, Kind.RESUME)

    def stop(self, job: Any) -> None:
        """Write that the printer shall stop the job for good."""
        self._ask(job, Kind.STOP)

    def _ask(self, job: Any, kind: str) -> None:
        asked = PrinterCommand.objects.filter(job=job, kind=kind, dispatch=0, status=WorkStatus.PENDING)
        if job.printer_id and not asked.exists():
            PrinterCommand.objects.create(job=job, printer_id=job.printer_id, kind=kind)


class ByHand:
    """Sends nothing: a person starts prints at the machine, and is told what to press there."""

    def start(self, job: Any) -> None:
        """Give the job back: from now on the printer is known to take no commands, and work lists name it."""
        with transaction.atomic():
            Printer.objects.filter(pk=job.printer_id).update(write_access=Printer.WriteAccess.NO)
            actor = User.objects.system("dispatcher")
            production.requeue_job(job, actor=actor, reason="This printer is started by hand, at the machine")

    def pause(self, job: Any) -> None:
        """Do nothing: the person who asked stands at the machine, and what it does is heard."""

    resume = stop = pause
