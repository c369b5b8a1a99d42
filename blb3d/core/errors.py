"""The one error hierarchy: every refusal has a stable code, an HTTP status and data.

Apps subclass these in their own ``errors.py``. A surface (API, portal, admin, command) words the error itself from
``code``, ``message`` and ``details``; see ``docs/errors.md``, which is written from these classes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


class BLB3DError(Exception):
    """A refusal with a stable code; the base of every error this system raises on purpose.

    ``message`` is a sentence for people, ``details`` holds the data behind it (JSON-serialisable).
    """

    code: str = "VALID_000"
    http_status: int = 400
    message: str = "The request cannot be carried out."
    #: True when the same call may succeed later: the only bit that retry logic needs.
    transient: bool = False

    def __init__(self, message: str | None = None, *, details: dict[str, Any] | None = None) -> None:
        self.message = message or type(self).message
        self.details: dict[str, Any] = details or {}
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    @classmethod
    def all_codes(cls) -> Iterator[type[BLB3DError]]:
        """Yield every concrete error class below this one, for the documentation page."""
        for sub in cls.__subclasses__():
            yield sub
            yield from sub.all_codes()


class InvalidValue(BLB3DError):
    """A value is missing, malformed or out of range."""

    code = "VALID_001"
    message = "A value is not valid."


class UnknownFields(BLB3DError):
    """The body holds fields that this document does not have."""

    code = "VALID_002"
    message = "Unknown fields."


class UnknownConversion(BLB3DError):
    """A quantity cannot be converted between two units."""

    code = "VALID_003"
    message = "These units cannot be converted into each other."


class NotAllowed(BLB3DError):
    """The actor lacks the permission for this act."""

    code = "PERM_001"
    http_status = 403
    message = "You are not allowed to do this."


class NotFound(BLB3DError):
    """The document does not exist, or the actor may not know that it does."""

    code = "NOT_FOUND_001"
    http_status = 404
    message = "Not found."


class StaleVersion(BLB3DError):
    """Somebody else changed the document since it was read."""

    code = "CONFLICT_001"
    http_status = 409
    message = "The document was changed meanwhile."


class InvalidTransition(BLB3DError):
    """The step is not legal from the document's present status; ``details`` names those that are."""

    code = "CONFLICT_002"
    http_status = 409
    message = "This step is not possible now."


class StatusChangedOutsideLifecycle(BLB3DError):
    """Code tried to set a status past its lifecycle: a programming error, refused loudly."""

    code = "CONFLICT_003"
    http_status = 500
    message = "A status may only change through its lifecycle."


class ReasonRequired(BLB3DError):
    """The step needs a reason."""

    code = "VALID_004"
    message = "Please give a reason."


class AlreadyDone(BLB3DError):
    """The same thing was already done by another request."""

    code = "CONFLICT_004"
    http_status = 409
    message = "This was already done."


class GaveWay(BLB3DError):
    """The database gave this request up for another one that it met on its way; nothing of it has happened."""

    code = "CONFLICT_006"
    http_status = 503
    message = "Somebody else worked on the same at this moment. Please send it again."
    transient = True


class PartnerUnavailable(BLB3DError):
    """A partner did not answer, or answered that it cannot now; trying again later may help."""

    code = "INTEG_001"
    http_status = 503
    message = "An outside service did not answer."
    transient = True


class PartnerRefused(BLB3DError):
    """A partner understood the call and refused it; trying the same again is pointless."""

    code = "INTEG_002"
    http_status = 502
    message = "An outside service refused the call."
