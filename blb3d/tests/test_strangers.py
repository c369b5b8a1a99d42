"""Whoever guesses ids finds nothing: every address with an id in it, asked by a customer of another company."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.db.models import Sum
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

from blb3d.core.outbox import OutboxEvent
from blb3d.tests.farm_play import Play, start_over
from blb3d.tests.rows import make_row
from integrations.squarespace.sandbox import Shop
from integrations.tests.conftest import sandbox, shop
from inventory.models import (
    CycleCount,
    InventoryLocation,
    InventoryTransaction,
    MaterialLot,
    PrintFile,
    Product,
    PurchaseOrder,
    Spool,
    Vendor,
)
from inventory.models import Inventory as Balance
from production.models import (
    DefectReason,
    FirmOrder,
    JobPhoto,
    MRPRun,
    Nonconformance,
    PlanMessage,
    Printer,
    PrinterProblem,
    PrintJob,
    ProductionOperation,
    ProductionOrder,
    QualityInspection,
    Routing,
    ScheduleEntry,
    ScheduleRun,
    SerialNumber,
    WallScreen,
    WorkCenter,
)
from quotes.models import Quote, QuoteFile
from sales.models import Customer, CustomerAddress, CustomerUser, Invoice, Payment, SalesOrder, Shipment
from sales.tests.factories import CustomerAddressFactory, CustomerUserFactory

__all__ = ["sandbox", "shop"]

pytestmark = pytest.mark.django_db

#: Whose row an address means, by its beginning; a new address must be given its own here.
ROWS: dict[str, Any] = {
    "api/v1/products/": Product.objects.filter(category=Product.Category.CUSTOM),
    "api/v1/print-files/": PrintFile.objects.all(),
    "api/v1/vendors/": Vendor.objects.all(),
    "api/v1/purchase-orders/": PurchaseOrder.objects.all(),
    "api/v1/inventory/lots/": MaterialLot.objects.all(),
    "api/v1/inventory/cycle-counts/": CycleCount.objects.all(),
    "api/v1/inventory/locations/": InventoryLocation.objects.all(),
    "api/v1/inventory/balances/": Balance.objects.all(),
    "api/v1/production-orders/": ProductionOrder.objects.all(),
    "api/v1/print-jobs/": PrintJob.objects.all(),
    "api/v1/printers/": Printer.objects.all(),
    "api/v1/printer-problems/": PrinterProblem.objects.all(),
    "api/v1/spools/": Spool.objects.all(),
    "api/v1/operations/": ProductionOperation.objects.all(),
    "api/v1/routings/": Routing.objects.all(),
    "api/v1/defect-reasons/": DefectReason.objects.all(),
    "api/v1/schedule/": ScheduleEntry.objects.all(),
    "api/v1/schedule/runs/": ScheduleRun.objects.all(),
    "api/v1/mrp/runs/": MRPRun.objects.all(),
    "api/v1/mrp/firm-orders/": FirmOrder.objects.all(),
    "api/v1/mrp/messages/": PlanMessage.objects.all(),
    "api/v1/serials/": SerialNumber.objects.all(),
    "api/v1/inspections/": QualityInspection.objects.all(),
    "api/v1/nonconformances/": Nonconformance.objects.all(),
    "api/v1/sales-orders/convert/": Quote.objects.all(),
    "api/v1/sales-orders/": SalesOrder.objects.all(),
    "api/v1/quotes/": Quote.objects.all(),
    "api/v1/shipments/": Shipment.objects.all(),
    "api/v1/invoices/": Invoice.objects.all(),
    "api/v1/payments/": Payment.objects.all(),
    "api/v1/customers/users/": CustomerUser.objects.all(),
    "api/v1/customers/addresses/": CustomerAddress.objects.all(),
    "api/v1/customers/": Customer.objects.all(),
    "orders/": SalesOrder.objects.all(),
    "invoices/": Invoice.objects.all(),
    "quotes/": Quote.objects.all(),
    "floor/counts/": CycleCount.objects.all(),
    "floor/lots/": MaterialLot.objects.all(),
    "floor/places/": InventoryLocation.objects.all(),
    "floor/printers/": Printer.objects.all(),
    "floor/problems/": PrinterProblem.objects.all(),
    "floor/photos/": JobPhoto.objects.all(),
    "floor/screens/": WallScreen.objects.all(),
    "floor/spools/": Spool.objects.all(),
    "floor/work/": WorkCenter.objects.all(),
    "company/users/": CustomerUser.objects.all(),
    "company/addresses/": CustomerAddress.objects.all(),
}
#: What everybody may look at: what is sold, and of what.
FOR_EVERYBODY = {"product-list", "material-list", "material-detail", "schema", "docs"}
#: Bodies that would be taken from who may, so that a refusal is one of the person and not of the body.
BODY = {"reason": "curious"}
BODIES: dict[str, dict[str, str]] = {
    "sales-order-convert": {},
    "quote-accept": {},
    "quote-approve": {},
    "quote-ask-changes": {"text": "curious"},
    "quote-comments": {"text": "curious"},
    "quote-offer": {"unit_price": "1.00", "reason": "curious"},
    "sales-order-status": {"status": "cancelled", "reason": "curious"},
    "sales-order-payment": {"amount": "1.00", "method": "card"},
}
#: Addresses whose parts are no ids but secrets that were mailed, or given by who may see the quote or the farm.
SECRETS = {"password-reset-confirm", "verify-email", "shared-quote", "shared-picture", "wall"}


def addresses() -> Iterator[tuple[str, URLPattern]]:
    """Yield every address outside the console, as it is written in the code."""

    def walk(patterns: list[Any], before: str) -> Iterator[tuple[str, URLPattern]]:
        for pattern in patterns:
            address = before + str(pattern.pattern).replace("^", "").replace("/?$", "")
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, address)
            else:
                yield address, pattern

    return ((address, pattern) for address, pattern in walk(get_resolver().url_patterns, "") if address[:6] != "admin/")


def paths() -> Iterator[tuple[str, str]]:
    """Yield the name and path of every address with an id, filled in with somebody's rows."""
    for address, pattern in addresses():
        if "<" not in address or pattern.name in FOR_EVERYBODY | SECRETS:
            continue
        beginning = max((start for start in ROWS if address.startswith(start)), key=len, default="")
        assert beginning, f"{address}: whose rows are these?"
        row = ROWS[beginning].order_by("-pk").first() or make_row(ROWS[beginning].model)
        own = row.serial_number if isinstance(row, SerialNumber) else row.pk
        file = QuoteFile.objects.latest("pk").pk
        for part in re.findall(r"\(\?P<\w+>(?:[^()]|\([^()]*\))*\)|<\w+:\w+>", address):
            address = address.replace(part, str(file if "file_id" in part else own), 1)
        yield str(pattern.name), "/" + address


def traces() -> dict[str, Any]:
    """Return what anything that happened would have changed."""
    versioned = (Quote, SalesOrder, Customer, CustomerUser, CustomerAddress, ProductionOrder, PrintJob, Shipment)
    return {
        "facts": OutboxEvent.objects.count(),
        "movements": InventoryTransaction.objects.count(),
        **{model.__name__: (model.objects.count(), model.objects.aggregate(Sum("version"))) for model in versioned},
    }


@pytest.mark.timeout(600)
def test_a_stranger_finds_nothing_and_changes_nothing_at_any_address(shop: Shop, settings: Any) -> None:
    settings.SLICER_BACKEND = "blb3d.tests.farm_play.ThriftySlicer"
    start_over(shop)
    Play(shop).run()
    CustomerAddressFactory(customer=CustomerUser.objects.get().customer)
    guessed = list(paths())
    stranger = CustomerUserFactory()
    api, browser = APIClient(), Client()
    api.force_authenticate(stranger.user)
    browser.force_login(stranger.user)
    before = traces()
    wrong = []
    for name, path in guessed:
        client: Any = api if path.startswith("/api/") else browser
        for method in ("get", "post", "patch", "delete"):
            answer = getattr(client, method)(path, BODIES.get(name, BODY) if method != "get" else {})
            if answer.status_code not in (403, 404, 405):
                wrong.append(f"{method} {path} ({name}): {answer.status_code} {answer.content[:100]!r}")
    assert not wrong, "\n".join(wrong)
    assert traces() == before

    seen = {}
    for address, pattern in addresses():
        if address.startswith("api/") and "<" not in address and pattern.name not in FOR_EVERYBODY:
            answer = api.get("/" + address)
            rows = answer.json().get("results") if answer.status_code == 200 else []
            if rows:
                seen[pattern.name] = [row["id"] for row in rows]
    assert seen == {"customer-user-list": [stranger.pk]}
