"""Say in old ledger rows what they changed in value, and in old purchase orders what they come to."""

from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal

from django.db import migrations


def _round(number, places="0.0001"):
    return number.quantize(Decimal(places), rounding=ROUND_HALF_UP)


def fill_values(apps, schema_editor):
    """Play every balance's rows again, oldest first.

    Costs were rounded once per posting and not per row; what that leaves goes on the balance's last row, so that the sum
    is exactly what quantity times cost is now.
    """
    Row = apps.get_model("inventory", "InventoryTransaction")
    Balance = apps.get_model("inventory", "Inventory")
    rows = Row._base_manager.order_by()
    for (product_id,) in rows.values_list("product_id").distinct():
        states = defaultdict(lambda: (Decimal(0), Decimal(0)))
        last, changed = {}, []
        for row in rows.filter(product_id=product_id).order_by("id"):
            key = (row.location_id, row.lot_id)
            quantity, cost = states[key]
            after, new_cost = quantity + row.on_hand_change, cost
            if row.on_hand_change > 0:
                worth = max(quantity, Decimal(0)) * cost + row.on_hand_change * row.unit_cost
                new_cost = _round(worth / (max(quantity, Decimal(0)) + row.on_hand_change))
            row.value_change = _round(after * new_cost) - _round(quantity * cost)
            states[key] = (after, new_cost)
            if row.on_hand_change:
                last[key] = row
                changed.append(row)
        for balance in Balance._base_manager.filter(product_id=product_id):
            key = (balance.location_id, balance.lot_id)
            if key in last:
                quantity, cost = states[key]
                booked = _round(quantity * cost)
                last[key].value_change += _round(balance.on_hand_quantity * balance.cost_per_unit) - booked
        Row._base_manager.bulk_update(changed, ["value_change"], batch_size=200)


def fill_purchases(apps, schema_editor):
    """Add up the lines of purchase orders, and take the day that was expected for the day that was promised."""
    Order = apps.get_model("inventory", "PurchaseOrder")
    Line = apps.get_model("inventory", "PurchaseOrderLine")
    sums = defaultdict(Decimal)
    for order_id, quantity, price in Line._base_manager.values_list("purchase_order_id", "quantity", "unit_price"):
        sums[order_id] += _round(quantity * price, "0.01")
    for order_id, subtotal in sums.items():
        Order._base_manager.filter(pk=order_id).update(subtotal=subtotal)
    on_their_way = Order._base_manager.filter(status__in=("ordered", "partially_received"), expected_on__isnull=False)
    for order_id, expected_on in on_their_way.values_list("pk", "expected_on"):
        Line._base_manager.filter(purchase_order_id=order_id, promised_on__isnull=True).update(promised_on=expected_on)


class Migration(migrations.Migration):
    dependencies = [("inventory", "0004_stock_and_purchasing")]

    operations = [
        migrations.RunPython(fill_values, migrations.RunPython.noop),
        migrations.RunPython(fill_purchases, migrations.RunPython.noop),
    ]
