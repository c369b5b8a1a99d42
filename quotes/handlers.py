"""What quoting does about its own facts."""

from __future__ import annotations

from blb3d.accounts.models import User
from blb3d.core.outbox import OutboxEvent, subscribes
from quotes import services as quotes


@subscribes("quotes.quote_uploaded", outside=True)
def read_large_files(event: OutboxEvent) -> None:
    """Read and price a quote whose files were too large for its request; outside, because reading takes minutes."""
    quotes.read_uploaded_quote(event.payload["id"], submit=event.payload["submit"], actor=User.objects.system("quotes"))
