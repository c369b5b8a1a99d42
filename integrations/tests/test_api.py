"""How the connections stand, what the printers do, and whether there is material: for staff and machines."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from blb3d.core import outbox
from blb3d.core.inbox import InboundMessage
from integrations.models import Channel
from inventory.models import ProductPlate
from inventory.tests.factories import MaterialFactory, receive, release_file
from production.models import Printer, PrinterSlot, PrintJob, ProductionOrder
from quotes import services as quotes
from quotes.models import Quote
from quotes.tests.factories import materials, member, quoted
from sales.models import SalesOrder
from sales.tests.factories import CustomerAddressFactory, CustomerUserFactory, UserFactory, staff

pytestmark = pytest.mark.django_db

SYNC, PRINTERS, CHECK, CONVERT = (
    f"/api/v1/integration/{name}" for name in ("sync-status", "printer-status", "material-check", "quotes/convert")
)


def client(*permissions: str) -> APIClient:
    caller = APIClient()
    caller.force_authenticate(staff(*permissions))
    return caller


@pytest.mark.parametrize(("method", "path"), [("get", SYNC), ("get", PRINTERS), ("post", CHECK), ("post", CONVERT)])
def test_it_is_for_staff_with_the_permission(method: str, path: str) -> None:
    anonymous, customer, bare = APIClient(), APIClient(), APIClient()
    customer.force_authenticate(CustomerUserFactory().user)
    bare.force_authenticate(UserFactory(is_staff=True))
    assert getattr(anonymous, method)(path).status_code == 401
    assert getattr(customer, method)(path).status_code == 403
    assert getattr(bare, method)(path).status_code == 403


def test_it_tells_what_waits_and_what_is_stuck() -> None:
    Channel.objects.create(marketplace="squarespace", last_error="INTEG_001: away")
    for number, status in enumerate(("pending", "pending", "dead", "done")):
        InboundMessage.objects.create(
            provider="squarespace", external_id=str(number), topic="t", body="", status=status
        )
    Printer.objects.create(name="A", serial="1", model="A1", connection="online")
    Printer.objects.create(name="B", serial="2", model="A1")
    answer = client("integrations.view_channel").get(SYNC).json()
    (channel,) = answer.pop("channels")
    assert (channel["marketplace"], channel["is_active"], channel["last_error"]) == (
        "squarespace",
        True,
        "INTEG_001: away",
    )
    assert answer == {
        "inbox_pending": 2,
        "inbox_dead": 1,
        "outbox_pending": 0,
        "outbox_dead": 0,
        "outbox_lag_seconds": 0,
        "commands_pending": 0,
        "commands_dead": 0,
        "dead_letters": 1,
        "printers_online": 1,
        "printers_total": 2,
    }


def test_it_tells_what_every_printer_does_in_a_constant_number_of_queries(django_assert_num_queries: Any) -> None:
    caller = client("production.view_printer")
    for number in range(5):
        printer = Printer.objects.create(
            name=f"Printer {number}", serial=str(number), model="P1S", connection="online", state="IDLE"
        )
        PrinterSlot.objects.create(printer=printer, tray=0, material_type="PETG", color_hex="112233")
    with django_assert_num_queries(5):  # two of them are the caller's permissions
        rows = caller.get(f"{PRINTERS}/").json()
    assert [row["name"] for row in rows] == [f"Printer {number}" for number in range(5)]
    first = rows[0]
    assert (first["status"], first["connection"], first["is_ready"]) == ("IDLE", "online", True)
    assert (first["current_job_id"], first["progress_percent"], first["remaining_time"]) == (None, None, None)
    assert first["slots"] == [{"tray": 0, "material_type": "PETG", "color_hex": "112233", "remain_percent": None}]


def test_it_says_whether_there_is_material_and_where() -> None:
    receive(MaterialFactory(material_type="PETG"), "2.5000")
    caller = client("inventory.view_inventory")
    answer = caller.post(CHECK, {"material_type": "petg", "required_quantity": "2.5"}).json()
    assert answer == {
        "material_type": "PETG",
        "required_quantity": "2.5000",
        "available": True,
        "on_hand": "2.5000",
        "allocated": "0.0000",
        "locations": [{"location": "MAIN", "quantity": "2.5000"}],
    }
    assert caller.post(CHECK, {"material_type": "PETG", "required_quantity": "2.5001"}).json()["available"] is False


@pytest.mark.parametrize("quantity", ["-1", "many", "", str(Decimal(10) ** 12)])
def test_it_refuses_a_quantity_that_is_none(quantity: str) -> None:
    answer = client("inventory.view_inventory").post(CHECK, {"material_type": "PLA", "required_quantity": quantity})
    assert (answer.status_code, answer.json()["error_code"]) == (400, "VALID_001")


def accepted_quote() -> Quote:
    materials()
    buyer = member(customer__terms="net_30")
    quote = quoted(buyer)
    return quotes.accept_quote(quote, actor=buyer.user)


def test_the_print_suite_orders_an_accepted_quote_once() -> None:
    quote = accepted_quote()
    CustomerAddressFactory(customer=quote.customer, is_default=True)
    caller = client("quotes.convert_quote", "quotes.view_quote", "sales.add_salesorder")
    body = {"quote_id": quote.quote_number, "customer_id": quote.customer_id}
    answer = caller.post(CONVERT, body, format="json")
    assert answer.status_code == 200, answer.json()
    order = SalesOrder.objects.get()
    made = ProductionOrder.objects.get(sales_order=order)
    assert answer.json() == {"sales_order_id": order.pk, "production_order_id": made.pk, "print_job_id": None}
    release_file(ProductPlate.objects.get())
    outbox.drain()
    again = caller.post(CONVERT, body, format="json").json()
    assert again == {**answer.json(), "print_job_id": PrintJob.objects.get().pk}
    assert SalesOrder.objects.count() == 1


def test_a_quote_of_another_customer_or_one_that_nobody_accepted_is_not_ordered() -> None:
    quote = accepted_quote()
    caller = client("quotes.convert_quote", "quotes.view_quote", "sales.add_salesorder")
    other = caller.post(CONVERT, {"quote_id": quote.pk, "customer_id": quote.customer_id + 1}, format="json")
    assert other.status_code == 404
    open_quote = quoted()
    early = {"quote_id": open_quote.pk, "customer_id": open_quote.customer_id}
    assert caller.post(CONVERT, early, format="json").status_code == 409
    assert not SalesOrder.objects.exists()
