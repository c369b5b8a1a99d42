"""Why no number came out of an estimator."""

from __future__ import annotations

from blb3d.core.errors import BLB3DError


class CannotEstimate(BLB3DError):
    """This method cannot judge this file; the message says why, and the next method of the chain is asked."""

    code = "QUOTE_020"
    http_status = 422
    message = "This file cannot be estimated automatically."
