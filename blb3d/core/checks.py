"""System checks: a wrong configuration is told by name at start, never found out at midnight."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.utils.module_loading import import_string

from blb3d.file_storages import GOOGLE, S3

BACKENDS = (
    "PRINT_BACKEND",
    "SLICER_BACKEND",
    "PAYMENT_BACKEND",
    "SCANNER_BACKEND",
)
MINIMUM_SECRET_LENGTH = 50
#: Where each cloud storage keeps files.
_BUCKETS = {GOOGLE: "GCS_BUCKET_NAME", S3: "AWS_STORAGE_BUCKET_NAME"}


@register()
def check_values(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Settings that are typed right and still cannot be meant."""
    found: list[CheckMessage] = []
    if settings.TIME_ZONE not in available_timezones():
        found.append(Error(f"TIME_ZONE {settings.TIME_ZONE} is not a known zone.", id="blb3d.E001"))
    if settings.TAX_RATE >= 1:
        found.append(Error("TAX_RATE is a fraction: write 0.07 for 7 %.", id="blb3d.E002"))
    if not settings.QUOTE_APPROVAL_LEVEL_2_FROM < settings.QUOTE_APPROVAL_LEVEL_3_FROM:
        found.append(Error("QUOTE_APPROVAL_LEVEL_2_FROM must be below QUOTE_APPROVAL_LEVEL_3_FROM.", id="blb3d.E003"))
    if settings.QUOTE_REMINDER_DAYS >= settings.QUOTE_VALID_DAYS:
        found.append(
            Error(
                "QUOTE_REMINDER_DAYS must be below QUOTE_VALID_DAYS, or every price is reminded of at once.",
                id="blb3d.E011",
            )
        )
    if settings.GCS_ENABLED and not settings.GCS_BUCKET_NAME:
        found.append(Error("GCS_ENABLED needs GCS_BUCKET_NAME: a copy must go somewhere.", id="blb3d.E004"))
    bucket = _BUCKETS.get(settings.STORAGE_BACKEND)
    if bucket is not None and not getattr(settings, bucket):
        found.append(Error(f"{settings.STORAGE_BACKEND} needs {bucket}.", id="blb3d.E009"))
    for extension in settings.ALLOWED_FILE_EXTENSIONS:
        if not extension.startswith(".") or extension != extension.lower():
            found.append(Error(f"ALLOWED_FILE_EXTENSIONS: {extension} must look like .3mf.", id="blb3d.E005"))
    if urlsplit(settings.BASE_URL).scheme not in {"http", "https"}:
        found.append(Error("BASE_URL must start with http:// or https://.", id="blb3d.E006"))
    if settings.SLICER_TIMEOUT_SECONDS >= settings.CELERY_TASK_SECONDS:
        found.append(
            Error(
                "SLICER_TIMEOUT_SECONDS must be below CELERY_TASK_SECONDS, or the task ends before the slicer.",
                id="blb3d.E008",
            )
        )
    secret = settings.SQUARESPACE_WEBHOOK_SECRET
    if secret and not _is_hex(secret):
        found.append(
            Error(
                "SQUARESPACE_WEBHOOK_SECRET is not hex.",
                hint="Take it as given in the answer that made the webhook subscription.",
                id="blb3d.E007",
            )
        )
    return found


@register()
def check_backends(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Every backend named by a dotted path can be imported."""
    paths = [(name, getattr(settings, name)) for name in BACKENDS if getattr(settings, name)]
    paths += [("ESTIMATORS", path) for path in settings.ESTIMATORS]
    found: list[CheckMessage] = []
    for name, path in paths:
        try:
            import_string(path)
        except ImportError as error:
            found.append(Error(f"{name}: {path} cannot be imported: {error}", id="blb3d.E010"))
    return found


def unsafe_settings() -> list[CheckMessage]:
    """What must not be so on a machine that others can reach; empty when DEBUG or DEMO says that they cannot."""
    if settings.DEBUG or settings.DEMO:
        return []
    found: list[CheckMessage] = []
    for name in ("SECRET_KEY", "JWT_SECRET_KEY"):
        secret = getattr(settings, name)
        if name == "JWT_SECRET_KEY" and not secret:
            continue
        if "insecure" in secret or "your-secret" in secret or len(secret) < MINIMUM_SECRET_LENGTH:
            found.append(
                Error(
                    f"{name} is a default or too short.",
                    hint=f"Set {name} to at least {MINIMUM_SECRET_LENGTH} random characters. "
                    "On a private machine DEBUG=true or DEMO=true will do.",
                    id="blb3d.E020" if name == "SECRET_KEY" else "blb3d.E021",
                )
            )
    if "*" in settings.ALLOWED_HOSTS:
        found.append(Error("ALLOWED_HOSTS may not be * in production.", id="blb3d.E022"))
    return found


@register(Tags.security, deploy=True)
def check_deployment(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    found = unsafe_settings()
    if settings.DEMO:
        found.append(
            checks.Warning("DEMO is on: default secrets and simulated partners are accepted.", id="blb3d.W023")
        )
    return found


def refuse_unsafe_start() -> None:
    """Raise ImproperlyConfigured when a server, web or worker, is about to start with default secrets."""
    found = unsafe_settings()
    if found:
        raise ImproperlyConfigured(
            "Refusing to start: " + " ".join(f"{message.msg} {message.hint or ''}" for message in found)
        )


@register(Tags.models)
def check_big_keys(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Our models use 64-bit keys from the first migration: changing it later drops indexes on SQL Server."""
    from django.apps import apps

    ours = ("blb3d.", "inventory", "production", "sales", "quotes", "integrations")
    return [
        Error(f"{model.__name__} has a {type(model._meta.pk).__name__} key.", obj=model, id="blb3d.E030")
        for model in apps.get_models()
        if model.__module__.startswith(ours) and type(model._meta.pk) in {models.AutoField, models.SmallAutoField}
    ]


def _is_hex(text: str) -> bool:
    try:
        bytes.fromhex(text)
    except ValueError:
        return False
    return True
