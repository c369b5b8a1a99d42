"""Files that leave the house."""

from __future__ import annotations

from blb3d.accounts.models import User
from blb3d.core.verbs import verb
from quotes.models import QuoteFile


@verb
def note_download(file: QuoteFile, *, actor: User) -> None:
    """Write to the audit log who fetched a file; callers do so for files under an NDA."""
