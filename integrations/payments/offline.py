"""A payment provider that lives in this system: for the demo, development and tests, never for real money."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.db import IntegrityError, transaction

from integrations.models import OfflineCharge
from sales.errors import PaymentsNotSetUp
from sales.ports import ChargeResult

RECEIVED_TOKEN = "tok_ok"  # noqa: S105  (a card that always works)
DECLINED_TOKEN = "tok_declined"  # noqa: S105  (a card that is always refused)


class OfflinePayments:
    """Takes ``tok_ok``, refuses ``tok_declined`` and every other token; remembers each charge by its key.

    Raises PaymentsNotSetUp outside DEBUG and DEMO, where its tokens would let anybody pay with a word.
    """

    def charge(
        self, *, amount: Decimal, currency: str, token: str, idempotency_key: str, description: str
    ) -> ChargeResult:
        """Charge once per key: the same key again gives the first answer."""
        if not (settings.DEBUG or settings.DEMO):  # type: ignore[misc]
            raise PaymentsNotSetUp
        known = self.find(idempotency_key)
        if known is not None:
            return known
        received = token == RECEIVED_TOKEN
        row = OfflineCharge(
            idempotency_key=idempotency_key,
            status="received" if received else "declined",
            reason="" if received else "The card was declined." if token == DECLINED_TOKEN else "Unknown card.",
            amount=amount,
            currency=currency,
            description=description,
        )
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            row = OfflineCharge.objects.get(idempotency_key=idempotency_key)
        return self._result(row)

    def find(self, idempotency_key: str) -> ChargeResult | None:
        """Return what became of a charge, or None when the key was never seen."""
        row = OfflineCharge.objects.filter(idempotency_key=idempotency_key).first()
        return self._result(row) if row else None

    @staticmethod
    def _result(row: OfflineCharge) -> ChargeResult:
        return ChargeResult(
            reference=f"offline_{row.pk}",
            status="received" if row.status == "received" else "declined",
            reason=row.reason,
        )
