"""Access codes at rest: encrypted with a key that is derived from PRINTER_SECRET_KEY, or from SECRET_KEY."""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from integrations.printers.errors import AccessCodeUnreadable


def encrypt(plain: str) -> str:
    """Return the code as text that only this installation can read."""
    return _cipher().encrypt(plain.encode()).decode()


def decrypt(token: str) -> str:
    """Return the code in the clear; raises ``AccessCodeUnreadable`` when the key has changed since."""
    try:
        return _cipher().decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise AccessCodeUnreadable from error


def _cipher() -> Fernet:
    secret = str(settings.PRINTER_SECRET_KEY or settings.SECRET_KEY)
    derivation = HKDF(hashes.SHA256(), 32, salt=None, info=b"printer access codes")
    return Fernet(base64.urlsafe_b64encode(derivation.derive(secret.encode())))
