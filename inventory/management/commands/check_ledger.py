"""`manage.py check_ledger`: prove that ledger, balances, lots and reservations agree."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from inventory.selectors import verify_ledger


class Command(BaseCommand):
    """List every difference and fail when there is one; nothing is repaired."""

    help = "Compare the stock ledger with balances, lots and reservations; exit 1 on a difference."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the comparison in one transaction."""
        with transaction.atomic():
            report = verify_ledger()
        for difference in report.differences:
            self.stdout.write(str(difference))
        summary = f"{report.transactions} movements, {report.balances} balances, {report.lots} lots"
        if not report.is_clean:
            raise CommandError(f"{len(report.differences)} differences in {summary}.")
        self.stdout.write(self.style.SUCCESS(f"{summary}: all agree."))
