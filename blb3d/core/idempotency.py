"""First answers of repeatable writes, so that the same request under the same Idempotency-Key gets the same one."""

from __future__ import annotations

import datetime
import hashlib
from typing import Any

from django.db import IntegrityError, models, transaction
from django.utils import timezone

from blb3d.core.errors import BLB3DError

LEASE = datetime.timedelta(minutes=2)
KEPT = datetime.timedelta(days=7)


class KeyReused(BLB3DError):
    """The Idempotency-Key was already used by this caller for another request."""

    code = "VALID_005"
    http_status = 422
    message = "This Idempotency-Key was used for a different request."


class StillRunning(BLB3DError):
    """The first request with this Idempotency-Key has not been answered yet."""

    code = "CONFLICT_005"
    http_status = 409
    message = "The first request with this Idempotency-Key is still running."
    transient = True


class IdempotencyRecord(models.Model):
    """One key of one caller, what was asked, and the answer once there is one."""

    id = models.BigAutoField(primary_key=True)
    digest = models.CharField(
        max_length=64, unique=True
    )  # of caller and key: exact also where text compares without case
    fingerprint = models.CharField(max_length=64)  # of method, path and body
    status_code = models.PositiveSmallIntegerField(null=True)
    body = models.JSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        app_label = "core"
        db_table = "idempotency_records"

    def __str__(self) -> str:
        return self.digest[:12]

    def answer(self, status_code: int, body: dict[str, Any] | list[Any]) -> None:
        """Keep the first answer."""
        self.status_code = status_code
        self.body = body
        self.save(update_fields=["status_code", "body"])


def digest_of(caller: str, key: str) -> str:
    """Return the stored form of a caller's key."""
    return hashlib.sha256(f"{caller}\n{key}".encode()).hexdigest()


def begin(*, caller: str, key: str, fingerprint: str) -> tuple[IdempotencyRecord, bool]:
    """Return the record of this request and whether it is new, that is: whether the work is to be done.

    Inside a transaction the record comes and goes with it, and a second request waits for the first. Outside, it is a
    claim for `LEASE`: the caller removes it when the work fails, and after the lease the next request takes it over.

    Raises:
        KeyReused: the key belongs to a different request.
        StillRunning: the first request is not answered yet.
    """
    digest = digest_of(caller, key)
    try:
        with transaction.atomic():
            return IdempotencyRecord.objects.create(digest=digest, fingerprint=fingerprint), True
    except IntegrityError:
        record = IdempotencyRecord.objects.get(digest=digest)
    if record.fingerprint != fingerprint:
        raise KeyReused
    if record.status_code is not None:
        return record, False
    now = timezone.now()
    taken_over = IdempotencyRecord.objects.filter(
        pk=record.pk, status_code__isnull=True, created_at__lte=now - LEASE
    ).update(created_at=now)
    if not taken_over:
        raise StillRunning
    return record, True


def forget_old_records() -> int:
    """Delete records older than `KEPT`; return how many."""
    return IdempotencyRecord.objects.filter(created_at__lt=timezone.now() - KEPT).delete()[0]
