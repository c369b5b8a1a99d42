"""Becoming a user, proving the address, keeping one's own data and password."""

from __future__ import annotations

from axes.utils import reset as unlock
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.tokens import PasswordResetTokenGenerator, default_token_generator
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_decode, urlsafe_base64_encode

from blb3d.accounts.errors import EmailTaken, InvalidLink, WeakPassword
from blb3d.accounts.models import SERVICE_DOMAIN, SYSTEM_DOMAIN, User, normalise_email
from blb3d.core import outbox
from blb3d.core.errors import InvalidValue
from blb3d.core.verbs import verb

PROFILE_FIELDS = ("first_name", "last_name", "phone")


class _EmailTokens(PasswordResetTokenGenerator):
    """Links that prove an address; one is used up when the address is verified or changed."""

    key_salt = "blb3d.accounts.verify-email"

    def _make_hash_value(self, user: User, timestamp: int) -> str:  # type: ignore[override]
        return f"{user.pk}{user.email}{user.email_verified_at}{timestamp}"


email_tokens = _EmailTokens()


def register_user(
    *, email: str, password: str, first_name: str, last_name: str, phone: str = "", actor: User | None = None
) -> User:
    """Create a person who can log in; without an actor the person registers themselves.

    Raises:
        InvalidValue: the e-mail or a name is not one.
        EmailTaken: somebody has it.
        WeakPassword: the password breaks the rules.
    """
    return _register(
        email=email,
        password=password,
        first_name=first_name,
        last_name=last_name,
        phone=phone,
        actor=actor or User.objects.system("registration"),
    )


@verb
def _register(*, email: str, password: str, first_name: str, last_name: str, phone: str, actor: User) -> User:
    email = normalise_email(email)
    try:
        validate_email(email)
    except ValidationError:
        raise InvalidValue(
            "email: Please give a valid e-mail address.", details={"fields": {"email": [email]}}
        ) from None
    if email.endswith((f"@{SYSTEM_DOMAIN}", f"@{SERVICE_DOMAIN}")):
        raise InvalidValue("email: This domain is not for people.", details={"fields": {"email": [email]}})
    user = User(email=email, first_name=first_name.strip(), last_name=last_name.strip(), phone=phone.strip())
    _check_lengths(user)
    if User.objects.filter(email=email).exists():
        raise EmailTaken
    _set_password(user, password)
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:
        raise EmailTaken from None
    outbox.emit("accounts.user_registered", f"user:{user.pk}", user_id=user.pk)
    return user


@verb
def update_profile(user: User, *, actor: User, **changes: str) -> User:
    """Set first_name, last_name and phone, as given."""
    unknown = sorted(set(changes) - set(PROFILE_FIELDS))
    if unknown:
        raise InvalidValue(f"Not part of a profile: {', '.join(unknown)}.")
    for name, value in changes.items():
        setattr(user, name, value.strip())
    _check_lengths(user)
    user.save(update_fields=[*changes, "updated_at"])
    return user


@verb
def request_password_reset(email: str, *, actor: User) -> None:
    """Ask for a reset link to be mailed; says nothing about whether the address is known."""
    user = User.objects.filter(email=normalise_email(email), kind=User.Kind.PERSON, is_active=True).first()
    if user is not None:
        outbox.emit("accounts.password_reset_requested", f"user:{user.pk}", user_id=user.pk)


@verb
def confirm_password_reset(*, uid: str, token: str, new_password: str, actor: User) -> User:
    """Set a new password by a mailed link, which also proves the address and lifts a lock.

    Every session and token of the user ends. Raises InvalidLink, WeakPassword.
    """
    user = _user_of(uid)
    if user is None or not default_token_generator.check_token(user, token):
        raise InvalidLink
    _set_password(user, new_password)
    user.email_verified_at = user.email_verified_at or timezone.now()
    user.save(update_fields=["password", "email_verified_at", "updated_at"])
    unlock(username=user.email)
    outbox.emit("accounts.password_changed", f"user:{user.pk}", user_id=user.pk)
    return user


@verb
def verify_email(*, uid: str, token: str, actor: User) -> User:
    """Mark the address as proven by a mailed link. Raises InvalidLink."""
    user = _user_of(uid)
    if user is None or not email_tokens.check_token(user, token):
        raise InvalidLink
    user.email_verified_at = timezone.now()
    user.save(update_fields=["email_verified_at", "updated_at"])
    outbox.emit("accounts.email_verified", f"user:{user.pk}", user_id=user.pk)
    return user


def password_reset_link(user: User) -> dict[str, str]:
    """Return the `uid` and `token` of a reset link; made when the mail is written, never stored."""
    return {"uid": _uid(user), "token": default_token_generator.make_token(user)}


def email_verification_link(user: User) -> dict[str, str]:
    """Return the `uid` and `token` of a verification link."""
    return {"uid": _uid(user), "token": email_tokens.make_token(user)}


def _uid(user: User) -> str:
    return urlsafe_base64_encode(force_bytes(user.pk))


def _user_of(uid: str) -> User | None:
    try:
        pk = int(urlsafe_base64_decode(uid))
    except (ValueError, OverflowError):
        return None
    return User.objects.filter(pk=pk, kind=User.Kind.PERSON, is_active=True).first()


def _set_password(user: User, password: str) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise WeakPassword(error.messages[0], details={"fields": {"password": error.messages}}) from None
    user.set_password(password)


def _check_lengths(user: User) -> None:
    try:
        user.clean_fields(exclude=["password"])
    except ValidationError as error:
        raise InvalidValue(details={"fields": error.message_dict}) from None
