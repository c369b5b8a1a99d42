"""What logging in and registering can refuse."""

from __future__ import annotations

from blb3d.core.errors import BLB3DError


class InvalidCredentials(BLB3DError):
    """E-mail and password do not belong to an active user."""

    code = "AUTH_001"
    http_status = 401
    message = "E-mail or password is wrong."


class EmailTaken(BLB3DError):
    """A user with this e-mail exists."""

    code = "AUTH_005"
    http_status = 409
    message = "This e-mail is already registered."


class InvalidLink(BLB3DError):
    """The reset or verification link is wrong, expired or used."""

    code = "AUTH_006"
    message = "This link is no longer good. Please ask for a new one."


class WeakPassword(BLB3DError):
    """The password breaks the rules, which the details name."""

    code = "AUTH_007"
    message = "Please choose another password."


class UnknownPermission(BLB3DError):
    """A role or an API key names a permission that does not exist."""

    code = "PERM_002"
    message = "There is no such permission."
