"""The verbs of accounts."""

from blb3d.accounts.services.keys import issue_api_key, revoke_api_key, user_of_key
from blb3d.accounts.services.locks import unlock_user
from blb3d.accounts.services.registration import (
    confirm_password_reset,
    email_verification_link,
    password_reset_link,
    register_user,
    request_password_reset,
    update_profile,
    verify_email,
)
from blb3d.accounts.services.visits import start_visit, touch_visit

__all__ = [
    "confirm_password_reset",
    "email_verification_link",
    "issue_api_key",
    "password_reset_link",
    "register_user",
    "request_password_reset",
    "revoke_api_key",
    "start_visit",
    "touch_visit",
    "unlock_user",
    "update_profile",
    "user_of_key",
    "verify_email",
]
