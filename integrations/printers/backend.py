"""The print backend for printers on the local network: what is asked becomes a row, which the listener carries out."""

from __future__ import annotations

from typing import Any

from blb3d.core.work import WorkStatus
from integrations.models import PrinterCommand

Kind = PrinterCommand.Kind


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
        asked = PrinterCommand.objects.filter(job=job, kind=kind, status=WorkStatus.PENDING)
        if job.printer_id and not asked.exists():
            PrinterCommand.objects.create(job=job, printer_id=job.printer_id, kind=kind)
