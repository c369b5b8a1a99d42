"""What quoting does about its own facts."""

from __future__ import annotations

from blb3d.accounts.models import User
from blb3d.core.outbox import OutboxEvent, subscribes
from production.models import PrintJob
from quotes import services as quotes


@subscribes("quotes.quote_uploaded", outside=True)
def read_large_files(event: OutboxEvent) -> None:
    """Read and price a quote whose files were not read in its request; outside, because reading takes minutes."""
    quotes.read_uploaded_quote(event.payload["id"], actor=User.objects.system("quotes"))


@subscribes("quotes.file_stored", outside=True)
def copy_to_bucket(event: OutboxEvent) -> None:
    """Copy a customer's file into the backup bucket, where ``GCS_ENABLED`` asks for it."""
    quotes.back_up(event.payload["id"])


@subscribes(
    "production.job_finished",
    "production.job_restated",
    "production.job_failed",
    "production.job_cancelled",
    "production.plate_cleared",
)
def compare_with_estimate(event: OutboxEvent) -> None:
    """Keep a print that is over beside its estimate; whatever is corrected later is taken over."""
    quotes.observe_job(PrintJob.objects.get(pk=event.payload["id"]), actor=User.objects.system("quotes"))
