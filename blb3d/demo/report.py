"""What a farm's database holds, in a form in which two runs can be compared: counts, quantities, money, states."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from blb3d.demo.processes import MANAGE

if TYPE_CHECKING:
    from blb3d.demo.farm import Farm


def read_report(farm: Farm, patience: float = 90.0) -> dict[str, Any]:
    """Return the farm's report once nothing is on its way any more, or as it stands after ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while True:
        answer = subprocess.run(  # noqa: S603  (our own command line)
            [sys.executable, str(MANAGE), "farm_report"], env=farm.environment, capture_output=True, check=True
        )
        report: dict[str, Any] = json.loads(answer.stdout)
        at_rest = not report["outbox"]["pending"] and not report["inbox"]["pending"]
        if at_rest or time.monotonic() > deadline:
            return report
        time.sleep(1)


def collect() -> dict[str, Any]:
    """Read the report from this process's database; ids, numbers and times are left out on purpose."""
    from django.db.models import Sum

    from blb3d.core.inbox import InboundMessage
    from blb3d.core.outbox import EventDelivery, OutboxEvent
    from blb3d.core.units import round_quantity
    from blb3d.core.work import WorkStatus
    from inventory.models import Inventory, InventoryTransaction
    from inventory.selectors import verify_ledger
    from production.models import PrintJob, PrintJobPart, ProductionOrder, QualityInspection, SerialNumber
    from quotes.models import Quote
    from sales.models import Invoice, Payment, SalesOrder, Shipment

    def counted(rows: Any) -> list[list[Any]]:
        return sorted([*map(str, row), number] for row, number in Counter(rows).items())

    def quantity(amount: Decimal | None) -> str:
        return str(round_quantity(amount or Decimal(0)))

    def money(amount: Decimal | None) -> str:
        return str(amount or Decimal(0))

    ledger = verify_ledger()
    balances = Inventory.objects.values("product__sku").annotate(
        on=Sum("on_hand_quantity"), al=Sum("allocated_quantity")
    )
    moves = InventoryTransaction.objects.exclude(transaction_type__in=["reservation", "release"])
    parts = PrintJobPart.objects.aggregate(good=Sum("good"), scrap=Sum("scrap"))
    deliveries = Counter(EventDelivery.objects.values_list("status", flat=True))
    return {
        "documents": {
            "quotes": counted(Quote.objects.values_list("status", "quantity", "total_price")),
            "sales_orders": counted(
                SalesOrder.objects.values_list("source", "status", "payment_status", "grand_total", "amount_paid")
            ),
            "payments": counted(Payment.objects.values_list("status", "amount")),
            "production_orders": counted(
                ProductionOrder.objects.values_list(
                    "product__category", "quantity", "status", "quantity_completed", "quantity_scrapped"
                )
            ),
            "cleared_jobs": PrintJob.objects.filter(cleared_at__isnull=False).count(),
            "open_jobs": PrintJob.objects.filter(status__in=["queued", *PrintJob.ACTIVE]).count(),
            "parts": [parts["good"], parts["scrap"]],
            "inspections": counted(QualityInspection.objects.values_list("inspection_type", "passed")),
            "serials": counted(SerialNumber.objects.values_list("product__sku", "status")),
            "shipments": counted(Shipment.objects.values_list("status", "carrier")),
            "invoices": [Invoice.objects.count(), money(Invoice.objects.aggregate(t=Sum("grand_total"))["t"])],
            "stock": sorted([row["product__sku"], quantity(row["on"]), quantity(row["al"])] for row in balances),
            "moved": sorted(
                [row["transaction_type"], row["product__category"], quantity(row["total"])]
                for row in moves.values("transaction_type", "product__category").annotate(total=Sum("on_hand_change"))
            ),
        },
        "ledger": {
            "balances": ledger.balances,
            "movements": ledger.transactions,
            "differences": [str(difference) for difference in ledger.differences],
        },
        "outbox": {
            "events": OutboxEvent.objects.count(),
            "delivered": deliveries[WorkStatus.DONE],
            "pending": deliveries[WorkStatus.PENDING] + OutboxEvent.objects.filter(relayed_at__isnull=True).count(),
            "dead": deliveries[WorkStatus.DEAD],
        },
        "inbox": {
            "pending": InboundMessage.objects.filter(status=WorkStatus.PENDING).count(),
            "dead": InboundMessage.objects.filter(status=WorkStatus.DEAD).count(),
        },
    }
