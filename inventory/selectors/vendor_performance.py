"""How vendors deliver: on time, in order, and at which price."""

from __future__ import annotations

import datetime
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal

from django.utils import timezone

from inventory.models import GoodsReceiptLine, PurchaseOrder, PurchaseOrderLine, Vendor

_ZERO = Decimal(0)
_TENTH = Decimal("0.1")
_ON_ITS_WAY = (PurchaseOrder.Status.ORDERED, PurchaseOrder.Status.PARTIALLY_RECEIVED)


@dataclass
class Delivered:
    """What a vendor did in some days. Percentages are None where there is nothing to judge by.

    ``judged`` are deliveries of lines that had a promised day, and promised lines that are overdue; ``days_late`` is
    the average of those that came or are late. Rejected is by value; prices are compared from the first order to the
    last, by product and unit.
    """

    vendor: Vendor
    deliveries: int = 0
    judged: int = 0
    on_time: int = 0
    overdue: int = 0
    value: Decimal = _ZERO
    rejected_value: Decimal = _ZERO
    late: list[int] = field(default_factory=list)
    prices: dict[tuple[int, str], list[Decimal]] = field(default_factory=dict)

    @property
    def on_time_percent(self) -> Decimal | None:
        """Return the share of what was judged that came by the promised day."""
        return _percent(Decimal(self.on_time), Decimal(self.judged))

    @property
    def days_late(self) -> Decimal | None:
        """Return by how many days what was late was late, on average."""
        return (Decimal(sum(self.late)) / len(self.late)).quantize(_TENTH) if self.late else None

    @property
    def rejected_percent(self) -> Decimal | None:
        """Return the share of what came that was refused, by value."""
        return _percent(self.rejected_value, self.value)

    @property
    def price_percent(self) -> Decimal | None:
        """Return by how much prices rose (or fell, below 0), on average over what was ordered more than once."""
        changes = [
            (prices[-1] / prices[0] - 1) * 100 for prices in self.prices.values() if len(prices) > 1 and prices[0]
        ]
        return (sum(changes, _ZERO) / len(changes)).quantize(_TENTH) if changes else None

    @property
    def prices_changed(self) -> int:
        """Return how many products cost something else in the last order than in the first."""
        return sum(prices[0] != prices[-1] for prices in self.prices.values())


def _percent(part: Decimal, whole: Decimal) -> Decimal | None:
    return (100 * part / whole).quantize(_TENTH) if whole else None


def vendor_performance(
    start: datetime.date, end: datetime.date, *, today: datetime.date, vendor_code: str = ""
) -> list[Delivered]:
    """Return what each vendor with anything to judge did from ``start`` to ``end``, both days included; four queries.

    Days are local. A delivery is judged by the day promised when it was ordered, whatever was put off later.
    """
    vendors = Vendor.objects.filter(code__iexact=vendor_code) if vendor_code else Vendor.objects.all()
    found = {vendor.pk: Delivered(vendor) for vendor in vendors}
    first, after = _midnight(start), _midnight(end + datetime.timedelta(days=1))
    came = GoodsReceiptLine.objects.filter(receipt__received_at__gte=first, receipt__received_at__lt=after)
    for vendor_id, at, promised, quantity, rejected, cost in came.order_by().values_list(
        "receipt__purchase_order__vendor_id",
        "receipt__received_at",
        "order_line__promised_on",
        "stock_quantity",
        "rejected_quantity",
        "unit_cost",
    ):
        row = found.get(vendor_id)
        if row is None:
            continue
        row.deliveries += 1
        row.value += quantity * cost
        row.rejected_value += rejected * cost
        if promised is not None:
            _judge(row, (timezone.localdate(at) - promised).days)
    for line in PurchaseOrderLine.objects.filter(
        purchase_order__status__in=_ON_ITS_WAY, promised_on__gte=start, promised_on__lte=end, promised_on__lt=today
    ).select_related("purchase_order"):
        row = found.get(line.purchase_order.vendor_id)
        if row is not None and line.owed and line.promised_on is not None:
            row.overdue += 1
            _judge(row, (today - line.promised_on).days)
    priced: dict[int, dict[tuple[int, str], list[Decimal]]] = defaultdict(lambda: defaultdict(list))
    ordered = PurchaseOrderLine.objects.filter(
        purchase_order__ordered_on__gte=start, purchase_order__ordered_on__lte=end
    )
    for vendor_id, product_id, unit, price in ordered.order_by("purchase_order__ordered_on", "pk").values_list(
        "purchase_order__vendor_id", "product_id", "unit_of_measure", "unit_price"
    ):
        priced[vendor_id][(product_id, unit)].append(price)
    for vendor_id, prices in priced.items():
        if vendor_id in found:
            found[vendor_id].prices = dict(prices)
    rows = [row for row in found.values() if row.deliveries or row.judged or row.prices]
    return sorted(rows, key=lambda row: row.vendor.code)


def _judge(row: Delivered, days: int) -> None:
    row.judged += 1
    if days <= 0:
        row.on_time += 1
    else:
        row.late.append(days)


def _midnight(day: datetime.date) -> datetime.datetime:
    return timezone.make_aware(datetime.datetime.combine(day, datetime.time()))
