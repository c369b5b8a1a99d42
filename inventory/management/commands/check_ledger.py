"""`manage.py check_ledger`: prove that ledger, balances, lots, reservations, values and closings agree."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inventory.selectors import prove_ledger


class Command(BaseCommand):
    """List every difference and fail when there is one; nothing is repaired."""

    help = "Compare the stock ledger with balances, lots, reservations and values; exit 1 on a difference."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the comparison; others may post meanwhile."""
        report = prove_ledger()
        for difference in report.differences:
            self.stdout.write(str(difference))
        summary = (
            f"{report.transactions} movements, {report.balances} balances, {report.lots} lots, worth {report.value}"
        )
        if not report.is_clean:
            raise CommandError(f"{len(report.differences)} differences in {summary}.")
        self.stdout.write(self.style.SUCCESS(f"{summary}: all agree."))
