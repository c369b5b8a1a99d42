"""The nightly proof of the books, kept for whoever asks later."""

from __future__ import annotations

from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.outbox import emit
from blb3d.core.verbs import verb
from inventory.models import ReconciliationReport
from inventory.selectors.reconciliation import Difference, prove_ledger

#: How many differences a report keeps; it counts all of them.
KEPT = 500


@verb
def reconcile_stock(*, actor: User) -> ReconciliationReport:
    """Prove that all stock books agree and keep the report; nothing is repaired.

    A clean proof settles what earlier ones found. One that is not clean says so in a fact ``inventory.books_differ``.
    """
    proof = prove_ledger()
    report = ReconciliationReport.objects.create(
        is_clean=proof.is_clean,
        balances=proof.balances,
        lots=proof.lots,
        transactions=proof.transactions,
        difference_count=len(proof.differences),
        differences=[_written(difference) for difference in proof.differences[:KEPT]],
        stock_value=proof.value,
    )
    if proof.is_clean:
        open_reports = ReconciliationReport.objects.filter(is_clean=False, settled_at__isnull=True)
        open_reports.update(settled_at=timezone.now())
    else:
        emit(
            "inventory.books_differ",
            f"inventory.reconciliationreport:{report.pk}",
            id=report.pk,
            differences=len(proof.differences),
        )
    return report


def _written(difference: Difference) -> dict[str, str]:
    return {
        "what": difference.what,
        "subject": difference.subject,
        "expected": str(difference.expected),
        "found": str(difference.found),
    }
