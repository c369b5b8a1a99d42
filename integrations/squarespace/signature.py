"""The signature of Squarespace's notifications.

Header ``Squarespace-Signature``: the hex digest of HMAC-SHA256 over the raw body, keyed with the subscription's secret
after hex decoding (developers.squarespace.com/webhooks, verifying notifications). The case of its letters is not
documented, so bytes are compared.
"""

from __future__ import annotations

import hashlib
import hmac

HEADER = "Squarespace-Signature"


def sign(secret: str, body: bytes) -> str:
    """Return the signature of a body; ``secret`` is hex as Squarespace shows it. Raises ValueError if it is not."""
    return hmac.new(bytes.fromhex(secret), body, hashlib.sha256).hexdigest()


def is_genuine(secret: str, body: bytes, signature: str) -> bool:
    """Return whether a body was signed with the secret, in constant time."""
    try:
        given = bytes.fromhex(signature.strip())
    except ValueError:
        return False
    return hmac.compare_digest(bytes.fromhex(sign(secret, body)), given)
