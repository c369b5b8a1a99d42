"""Who acts: people, machines with an API key, and the system itself, all of them users."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from simple_history.models import HistoricalRecords

from blb3d.core.actors import current

SYSTEM_DOMAIN = "system.invalid"
SERVICE_DOMAIN = "service.invalid"


def normalise_email(email: str) -> str:
    """Return the address as it is stored and compared: no surrounding space, lower case throughout."""
    return email.strip().lower()


def _acting_user(instance: models.Model, request: HttpRequest | None = None, **_: Any) -> Any:
    """Return who to write into history: the verb's actor, else the person of the request (the admin's own forms)."""
    acting = current()
    if acting is not None:
        return acting.actor
    user = getattr(request, "user", None)
    return user if user is not None and user.is_authenticated else None


class UserManager(BaseUserManager["User"]):
    use_in_migrations = True

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Create a user; without a password nobody can log in as it."""
        if not email.strip():
            raise ValueError("A user needs an e-mail address.")
        user = self.model(email=normalise_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(
            email, password, **{**fields, "is_staff": True, "is_superuser": True, "email_verified_at": timezone.now()}
        )

    def get_by_natural_key(self, email: str | None) -> User:
        return self.get(email=normalise_email(email or ""))

    def system(self, name: str) -> User:
        """Return the system user of that name, made on first use; two processes asking at once get the same one."""
        email = f"{normalise_email(name)}@{SYSTEM_DOMAIN}"
        try:
            return self.get(email=email)
        except self.model.DoesNotExist:
            pass
        try:
            with transaction.atomic(using=self.db):
                return self.create_user(email, first_name=name, kind=User.Kind.SYSTEM)
        except IntegrityError:
            return self.get(email=email)


class User(AbstractBaseUser, PermissionsMixin):
    class Kind(models.TextChoices):
        PERSON = "person", "Person"
        SERVICE = "service", "Service"  # the actor behind an API key
        SYSTEM = "system", "System"  # this software acting by itself

    id = models.BigAutoField(primary_key=True)
    email = models.EmailField(unique=True)
    first_name = models.CharField(max_length=100, blank=True)
    last_name = models.CharField(max_length=100, blank=True)
    phone = models.CharField(max_length=50, blank=True)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.PERSON)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField("may use the console", default=False)
    email_verified_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects: ClassVar[UserManager] = UserManager()
    history = HistoricalRecords(
        excluded_fields=["password", "last_login"],
        get_user=_acting_user,
        history_id_field=models.BigAutoField(),
        history_change_reason_field=models.CharField(max_length=500, null=True),
    )

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        db_table = "users"
        ordering = ("email",)

    def __str__(self) -> str:
        return self.get_full_name() or self.email

    def clean(self) -> None:
        super().clean()
        self.email = normalise_email(self.email)

    def get_full_name(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    def get_short_name(self) -> str:
        return self.first_name or self.email

    @property
    def is_email_verified(self) -> bool:
        return self.email_verified_at is not None


class ApiKeyQuerySet(models.QuerySet["ApiKey"]):
    def usable(self, at: datetime) -> ApiKeyQuerySet:
        """Keys that are neither revoked nor expired, of an active user."""
        return self.filter(
            Q(expires_at__isnull=True) | Q(expires_at__gt=at), revoked_at__isnull=True, user__is_active=True
        )

    def matching(self, key: str) -> ApiKeyQuerySet:
        return self.filter(hashed_key=hash_key(key))


def hash_key(key: str) -> str:
    """Return what is stored of a key. It is long and random, so a plain SHA-256 cannot be guessed back."""
    return hashlib.sha256(key.encode()).hexdigest()


def new_key() -> str:
    return f"blb_{secrets.token_urlsafe(32)}"


class ApiKey(models.Model):
    """A machine's way in: shown once, kept as a hash, limited to its scopes, acting as its own service user."""

    PREFIX_LENGTH = 12

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=100, unique=True)
    user = models.OneToOneField(User, on_delete=models.PROTECT, related_name="api_key")
    prefix = models.CharField(max_length=PREFIX_LENGTH, editable=False)
    hashed_key = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(default=dict, blank=True, help_text='{"scopes": ["production.view_*", ...]}')
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)

    objects = ApiKeyQuerySet.as_manager()

    class Meta:
        db_table = "api_keys"
        ordering = ("name",)

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"


class PortalSession(models.Model):
    """One visit to the portal, of a guest or a customer."""

    id = models.BigAutoField(primary_key=True)
    session_id = models.CharField(max_length=100, unique=True)
    user = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="portal_sessions")
    email = models.EmailField(blank=True)
    ip_address = models.GenericIPAddressField(null=True, blank=True)
    user_agent = models.CharField(max_length=500, blank=True)
    started_at = models.DateTimeField(default=timezone.now)
    last_activity = models.DateTimeField(default=timezone.now, db_index=True)
    quotes_generated = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "customer_sessions"
        ordering = ("-last_activity",)

    def __str__(self) -> str:
        return self.session_id
