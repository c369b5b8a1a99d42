"""Logs: one JSON object per line with the request it belongs to, and a separate audit trail in its own file."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

_request_id: ContextVar[str] = ContextVar("request_id", default="")


def get_request_id() -> str:
    """Return the id of the web request that caused the present work, also inside the worker; empty outside of one."""
    return _request_id.get()


def set_request_id(value: str) -> None:
    """Set the id for the rest of the present thread or task."""
    _request_id.set(value)


@contextmanager
def request_id_scope(value: str) -> Iterator[None]:
    """Make `value` the request id inside the block."""
    token = _request_id.set(value)
    try:
        yield
    finally:
        _request_id.reset(token)


class RequestIDFilter(logging.Filter):
    """Puts the request id on every record."""

    def filter(self, record: logging.LogRecord) -> bool:
        # Django logs a failed request after the middleware, but with the request at hand.
        request = getattr(record, "request", None)
        record.request_id = get_request_id() or getattr(request, "request_id", "")
        return True


def logging_config(*, level: str, style: str, directory: Path) -> dict[str, Any]:
    """Return the LOGGING setting: `style` json or console to stderr, the logger `audit` to `directory`/audit.log."""
    fields = "%(levelname)s %(name)s %(message)s %(request_id)s"
    json_formatter = {
        "()": "pythonjsonlogger.json.JsonFormatter",
        "format": fields,
        "timestamp": "time",
        "rename_fields": {"levelname": "level", "name": "logger"},
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "filters": {"request_id": {"()": RequestIDFilter}},
        "formatters": {
            "json": json_formatter,
            "console": {"format": "%(asctime)s %(levelname)-7s %(name)s [%(request_id)s] %(message)s"},
        },
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": style, "filters": ["request_id"]},
            "audit": {
                "class": "logging.FileHandler",
                "filename": str(directory / "audit.log"),
                "encoding": "utf-8",
                "delay": True,
                "formatter": "json",
                "filters": ["request_id"],
            },
        },
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "audit": {"handlers": ["audit"], "level": "INFO", "propagate": False},
            "django.server": {"handlers": ["stderr"], "level": level, "propagate": False},
            # These say at INFO what the worker's own lines already say.
            "celery.beat": {"level": "WARNING"},
            "celery.worker.strategy": {"level": "WARNING"},
            "celery.app.trace": {"level": "WARNING"},
            "axes": {"level": "WARNING"},
            "httpx": {"level": "WARNING"},
            # Told at every connection to the broker in a folder, which has no host.
            "kombu.connection": {"level": "ERROR"},
        },
    }
