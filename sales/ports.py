"""What selling asks of the world above it: somebody who takes a customer's money."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, Protocol


@dataclass(frozen=True)
class ChargeResult:
    """A provider's answer: its own id of the charge, whether the money is ours, and why not."""

    reference: str
    status: Literal["received", "declined"]
    reason: str = ""


class PaymentBackend(Protocol):
    """A payment provider. Both calls run outside any transaction and may raise ``PartnerUnavailable``."""

    def charge(
        self, *, amount: Decimal, currency: str, token: str, idempotency_key: str, description: str
    ) -> ChargeResult:
        """Charge once per key: the same key again gives the first answer and moves no money."""
        ...

    def find(self, idempotency_key: str) -> ChargeResult | None:
        """Return what became of a charge, or None when the provider never saw the key."""
        ...
