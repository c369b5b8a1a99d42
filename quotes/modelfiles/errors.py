"""Why a model file cannot be used: one code for callers, a kind for machines and a reason in plain words."""

from __future__ import annotations

from typing import Any

from blb3d.core.errors import BLB3DError


class UnusableFile(BLB3DError):
    """The file cannot be quoted; ``details`` holds ``reason`` (for the customer) and ``kind`` (stable, for logs)."""

    code = "QUOTE_001"
    http_status = 400
    message = "This file cannot be used."
    kind = "FILE_UNUSABLE"

    def __init__(self, reason: str, *, details: dict[str, Any] | None = None) -> None:
        super().__init__(
            f"This file cannot be used: {reason}", details={"reason": reason, "kind": self.kind, **(details or {})}
        )


class UnknownFormat(UnusableFile):
    """The content is none of the formats that can be read, whatever the name says."""

    kind = "FILE_FORMAT"


class DamagedFile(UnusableFile):
    """The file is truncated or breaks the rules of its own format."""

    kind = "FILE_DAMAGED"


class FileTooLarge(UnusableFile):
    """The file, or what it unpacks to, is over a limit."""

    kind = "FILE_TOO_LARGE"


class HostileFile(UnusableFile):
    """The file is built to harm its reader: a zip bomb, a path out of the archive, XML entities."""

    kind = "FILE_HOSTILE"


class EmptyModel(UnusableFile):
    """The file is sound but holds nothing that can be printed."""

    kind = "FILE_EMPTY"


class AskAnEngineer(UnusableFile):
    """The file may be fine, but a person has to look at it."""

    kind = "FILE_NEEDS_PERSON"
