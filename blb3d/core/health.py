"""`/health/live`: the process answers. `/health/ready`: so do the things it needs."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Callable

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

log = logging.getLogger(__name__)


class NotReady(Exception):
    """Something the system needs does not work; the message is for the operator."""


def database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def shared_cache() -> None:
    cache.set("health", "ok", timeout=30)
    if cache.get("health") != "ok":
        raise NotReady("the cache does not keep what is written")


def broker() -> None:
    from celery import current_app

    with current_app.connection_for_write() as broker_connection:
        broker_connection.ensure_connection(max_retries=1, timeout=2, interval_start=0)


def outbox() -> None:
    from blb3d.core.models import OutboxEvent

    oldest = (
        OutboxEvent.objects.filter(relayed_at__isnull=True).order_by("id").values_list("created_at", flat=True).first()
    )
    if oldest is not None and timezone.now() - oldest > datetime.timedelta(seconds=settings.OUTBOX_LAG_SECONDS):
        raise NotReady(f"the oldest fact waits since {oldest.isoformat()}: is a worker running?")


PROBES: dict[str, Callable[[], None]] = {
    "database": database,
    "cache": shared_cache,
    "broker": broker,
    "outbox": outbox,
}


@never_cache
@require_safe
def live(request: HttpRequest) -> JsonResponse:
    """Answer 200 as long as the process does."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Answer 200 when every probe passes, else 503, each by name; why one failed goes to the log, not to the caller."""
    results = {}
    for name, probe in PROBES.items():
        try:
            probe()
        except NotReady as reason:
            log.error("not ready: %s: %s", name, reason)
            results[name] = "failed"
        except Exception:
            log.exception("not ready: %s", name)
            results[name] = "failed"
        else:
            results[name] = "ok"
    good = all(result == "ok" for result in results.values())
    return JsonResponse({"status": "ok" if good else "failed", "checks": results}, status=200 if good else 503)
