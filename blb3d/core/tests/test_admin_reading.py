from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from blb3d.core.admin.reading import NOTHING, is_read, labelled, read, reading
from inventory.models import MaterialLot, PrintFile, Product
from production.models import PrintJob
from sales.models import Payment, SalesOrder


def shown(obj: Any, name: str) -> str:
    return str(read(type(obj)._meta.get_field(name), obj)).replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("obj", "name", "words"),
    [
        (SalesOrder(grand_total=Decimal("1234.5"), currency="EUR"), "grand_total", "€1,234.50"),
        (Payment(amount=Decimal(3), currency="USD"), "amount", "$3.00"),
        (Product(unit_cost=Decimal("0.0123")), "unit_cost", "$0.0123"),
        (PrintJob(estimated_time_minutes=Decimal("123.4")), "estimated_time_minutes", "2 h 3 min"),
        (PrintJob(estimated_grams=Decimal("76.79")), "estimated_grams", "76.8 g"),
        (PrintJob(progress_percent=Decimal("12.50")), "progress_percent", "12.5 %"),
        (PrintFile(size_bytes=1742), "size_bytes", "2 kB"),
        (SalesOrder(promised_date=None), "promised_date", NOTHING),
        (SalesOrder(source="manual"), "source", "By hand"),
    ],
)
def test_a_number_is_read_with_its_unit_and_money_with_its_currency(obj: Any, name: str, words: str) -> None:
    assert shown(obj, name) == words


def test_a_quantity_takes_its_unit_from_a_product_that_is_loaded_and_asks_for_nothing() -> None:
    lot = MaterialLot(quantity_received=Decimal("0.6000"), product_id=7)
    assert shown(lot, "quantity_received") == "0.6"
    lot.product = Product(pk=7, unit_of_measure="kg")
    assert shown(lot, "quantity_received") == "0.6 kg"


def test_a_moment_is_read_as_a_clock_time_and_a_status_as_a_chip() -> None:
    order = SalesOrder(confirmed_at=timezone.now() - datetime.timedelta(days=400), status="on_hold")
    assert "<time " in shown(order, "confirmed_at")
    assert "chip--attention" in shown(order, "status")


def test_a_name_loses_the_unit_and_keeps_its_abbreviations() -> None:
    assert labelled("customer po number") == "customer PO number"
    column: Any = reading(PrintJob._meta.get_field("estimated_time_minutes"))
    assert (column.short_description, column.admin_order_field) == ("estimated time", "estimated_time_minutes")
    assert not is_read(SalesOrder._meta.get_field("internal_note"))
