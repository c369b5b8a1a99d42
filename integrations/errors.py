"""What the doors to the outside can refuse."""

from __future__ import annotations

from blb3d.core.errors import BLB3DError, PartnerRefused


class BadSignature(BLB3DError):
    """A webhook's signature does not fit its body: it is not from the partner, or was changed on its way."""

    code = "HOOK_001"
    http_status = 401
    message = "The signature does not fit the body."


class UnreadableNotification(BLB3DError):
    """A webhook's body is not what the partner documents."""

    code = "HOOK_002"
    message = "The notification cannot be read."


class WebhookNotSetUp(BLB3DError):
    """The secret of this webhook is not configured, so nobody can be believed; the partner tries again later."""

    code = "HOOK_003"
    http_status = 503
    message = "This webhook is not set up."
    transient = True


class PartnerNotSetUp(BLB3DError):
    """The address or key of a partner is not configured; work for it waits with a person."""

    code = "INTEG_003"
    http_status = 503
    message = "This outside service is not set up."


class UnreadableAnswer(PartnerRefused):
    """A partner answered something else than it documents."""

    code = "INTEG_004"
    message = "An outside service gave an answer that cannot be read."
