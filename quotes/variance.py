"""What finished production orders cost against what was quoted, and what is left of their price."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.conf import settings
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from blb3d.core.errors import InvalidValue
from blb3d.core.money import ZERO, round_money
from inventory.models import Reference
from production.models import Demand, ProductionOrder
from production.selectors.costs import Cost, OrderCost, production_costs
from quotes.models import Quote
from sales.models import SalesOrderLine
from sales.pricing import costs_of, kept_input, margin_percent

#: A report is for at most so many days, and without any days given for the last so many.
MAX_DAYS, USUAL_DAYS = 731, 30
#: SQL Server takes at most 2100 parameters in a statement.
_AT_ONCE = 1000


@dataclass(frozen=True)
class VarianceFilter:
    """Orders that were completed on these days (both counted), for customers and of products named like this."""

    start: datetime.date
    end: datetime.date
    customer: str = ""
    product: str = ""

    @classmethod
    def of_days(
        cls, start: datetime.date | None, end: datetime.date | None, *, customer: str = "", product: str = ""
    ) -> VarianceFilter:
        """Return the filter for days as they were given; the last month without any.

        Raises:
            InvalidValue: the days are the wrong way round, or too many.
        """
        last = end or timezone.localdate()
        first = start or last - datetime.timedelta(days=USUAL_DAYS - 1)
        if first > last or (last - first).days >= MAX_DAYS:
            raise InvalidValue(
                f"The first day comes before the last, at most {MAX_DAYS} days.",
                details={"from": first.isoformat(), "to": last.isoformat()},
            )
        return cls(first, last, customer.strip(), product.strip())


@dataclass
class Variance:
    """One order, or the sum of several. Amounts are in the system's currency.

    ``expected`` is what the quote reckoned with for so many units, set-up counted as labour; without a quote that was
    priced (``basis`` is "plan") what bill, plates and routing say. ``price`` is what customers pay for the good units,
    net of discounts; None where nobody ordered them, or in another currency.
    """

    order_id: int = 0
    code: str = ""
    completed: datetime.date | None = None
    sku: str = ""
    customer: str = ""
    quote: str = ""
    basis: str = ""
    units: int = 0
    good: int = 0
    expected: Cost = field(default_factory=Cost)
    actual: Cost = field(default_factory=Cost)
    failures: Decimal = ZERO
    price: Decimal | None = None
    #: Cost of what has a price, so that margins of sums compare like with like.
    priced_cost: Decimal = ZERO

    @property
    def over(self) -> Decimal:
        """Return how much more it cost than was reckoned with."""
        return self.actual.total - self.expected.total

    @property
    def over_percent(self) -> Decimal | None:
        """Return the same in percent of what was reckoned with."""
        if not self.expected.total:
            return None
        return (self.over / self.expected.total * 100).quantize(Decimal("0.1"))

    @property
    def margin(self) -> Decimal | None:
        """Return what is left of the price."""
        return None if self.price is None else self.price - self.priced_cost

    @property
    def margin_percent(self) -> Decimal | None:
        """Return the same in percent of the price."""
        return None if not self.price else margin_percent(self.price, self.priced_cost)


@dataclass(frozen=True)
class VarianceReport:
    """The orders, the latest first, and their sum."""

    rows: Sequence[Variance]
    total: Variance


def variance_report(wanted: VarianceFilter) -> VarianceReport:
    """Compare cost with quote and price, in a constant number of queries per thousand orders."""
    orders = list(_orders(wanted))
    rows: list[Variance] = []
    for start in range(0, len(orders), _AT_ONCE):
        rows += _rows(orders[start : start + _AT_ONCE])
    return VarianceReport(rows, _sum(rows))


def _orders(wanted: VarianceFilter) -> Iterable[ProductionOrder]:
    midnight = datetime.time()
    first = timezone.make_aware(datetime.datetime.combine(wanted.start, midnight))
    after = timezone.make_aware(datetime.datetime.combine(wanted.end + datetime.timedelta(days=1), midnight))
    rows = ProductionOrder.objects.filter(
        status=ProductionOrder.Status.COMPLETED, completed_at__gte=first, completed_at__lt=after
    )
    if wanted.customer:
        named = Demand.objects.filter(production_order=OuterRef("pk"), label__icontains=wanted.customer)
        rows = rows.filter(
            Q(sales_order__customer__name__icontains=wanted.customer)
            | Q(sales_order__customer__company_name__icontains=wanted.customer)
            | Exists(named)
        )
    if wanted.product:
        rows = rows.filter(Q(product__sku__icontains=wanted.product) | Q(product__name__icontains=wanted.product))
    return rows.select_related("product", "quote").order_by("-completed_at", "-id")


def _rows(orders: Sequence[ProductionOrder]) -> list[Variance]:
    costs = production_costs(order.pk for order in orders)
    demands: dict[int, list[Demand]] = defaultdict(list)
    for demand in Demand.objects.filter(production_order__in=[order.pk for order in orders]).order_by("id"):
        demands[demand.production_order_id].append(demand)
    wanted = {
        demand.reference_id
        for rows in demands.values()
        for demand in rows
        if demand.reference_type == Reference.SALES_ORDER_LINE
    }
    lines = SalesOrderLine.objects.filter(pk__in=wanted).select_related("sales_order__customer").in_bulk()
    return [_row(order, costs[order.pk], demands[order.pk], lines) for order in orders]


def _row(
    order: ProductionOrder, cost: OrderCost, demands: Sequence[Demand], lines: dict[int, SalesOrderLine]
) -> Variance:
    own = [
        (demand, lines[demand.reference_id])
        for demand in demands
        if demand.reference_type == Reference.SALES_ORDER_LINE and demand.reference_id in lines
    ]
    quoted = _quoted(order.quote, order.quantity) if order.quote is not None else None
    customers = (line.sales_order.customer for _, line in own)
    price = _price(order, demands, lines)
    return Variance(
        order_id=order.pk,
        code=order.code,
        completed=timezone.localdate(order.completed_at) if order.completed_at else None,
        sku=order.product.sku,
        customer=", ".join(dict.fromkeys(customer.company_name or customer.name for customer in customers)),
        quote=order.quote.quote_number if order.quote is not None else "",
        basis="plan" if quoted is None else "quote",
        units=order.quantity,
        good=order.quantity_completed,
        expected=quoted or cost.planned,
        actual=cost.actual,
        failures=cost.failures,
        price=price,
        priced_cost=ZERO if price is None else cost.actual.total,
    )


def _quoted(quote: Quote, units: int) -> Cost | None:
    """Return what a quote reckoned with for so many of its sets; None where a person gave the price alone."""
    if not quote.price_breakdown.get("inputs"):
        return None
    costs = costs_of(kept_input(quote.price_breakdown))
    share = Decimal(units) / quote.quantity
    labour = costs["setup"] + costs["labour"]
    return Cost(costs["material"] * share, costs["machine"] * share, labour * share).rounded()


def _price(order: ProductionOrder, demands: Sequence[Demand], lines: dict[int, SalesOrderLine]) -> Decimal | None:
    """Return what is paid for the good units, each demand being served in its turn."""
    total, is_priced, start = ZERO, False, 0
    for demand in demands:
        served = max(min(order.quantity_completed - start, demand.quantity), 0)
        start += demand.quantity
        is_line = demand.reference_type == Reference.SALES_ORDER_LINE
        line = lines.get(demand.reference_id) if is_line else None
        if line is None:
            continue
        if line.sales_order.currency != settings.CURRENCY:  # type: ignore[misc]
            return None
        is_priced = True
        amount = line.unit_price * served
        if line.sales_order.subtotal:
            amount -= amount * line.sales_order.discount_total / line.sales_order.subtotal
        total += amount
    return round_money(total) if is_priced else None


def _sum(rows: Sequence[Variance]) -> Variance:
    total = Variance(code="All", price=ZERO)
    for row in rows:
        total.units += row.units
        total.good += row.good
        for kind in ("material", "machine", "labour"):
            for side in ("expected", "actual"):
                cost = getattr(total, side)
                setattr(cost, kind, getattr(cost, kind) + getattr(getattr(row, side), kind))
        total.failures += row.failures
        total.price = (total.price or ZERO) + (row.price or ZERO)
        total.priced_cost += row.priced_cost
    return total
