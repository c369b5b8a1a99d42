"""Which facts are told by notices; the rows are written with the fact's own mark, so each is written once."""

from __future__ import annotations

from blb3d.core.outbox import OutboxEvent, subscribes
from integrations.models import NoticeRule
from integrations.notices.writing import Occurrence, machine_page, of_job, write_notices
from production.models import Printer, PrintJob

Event = NoticeRule.Event


@subscribes("production.job_failed")
def note_failure(event: OutboxEvent) -> None:
    """Tell of a print that failed."""
    _note(Event.JOB_FAILED, event)


@subscribes("production.job_paused")
def note_pause(event: OutboxEvent) -> None:
    """Tell of a print that paused, with the printer's reason."""
    _note(Event.JOB_PAUSED, event)


@subscribes("production.job_lost")
def note_unseen_end(event: OutboxEvent) -> None:
    """Tell of a print whose end nobody saw."""
    _note(Event.JOB_UNKNOWN, event)


def _note(kind: str, event: OutboxEvent) -> None:
    job = PrintJob.all_objects.select_related("printer", "plate__product").get(pk=event.payload["id"])
    write_notices([of_job(kind, job, f"event-{event.pk}")])


@subscribes("production.problem_reported")
def note_problem(event: OutboxEvent) -> None:
    """Tell of a problem that somebody reported."""
    told = event.payload
    printer = Printer.all_objects.get(pk=told["printer_id"])
    rest = " It was taken out of service." if told["out_of_service"] else ""
    write_notices(
        [
            Occurrence(
                Event.PROBLEM_REPORTED, f"problem-{told['id']}", f"{told['printer']}: a problem was reported",
                f"{told['text']}.{rest}", machine_page(printer), told["printer_id"],
                {"printer": told["printer"]},
            )
        ]
    )  # fmt: skip
