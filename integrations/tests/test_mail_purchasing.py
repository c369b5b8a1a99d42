"""The vendor gets the order once, with its PDF; what the mail server refuses stays visible."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core import mail

from integrations.tests.test_mail import deliver
from inventory import services as inventory
from inventory.models import ProductUnit, PurchaseOrder
from inventory.services import PurchaseLineSpec
from inventory.tests.factories import MaterialFactory, VendorFactory, system_actor

pytestmark = pytest.mark.django_db
D = Decimal
BY = "integrations.mail.purchasing."


@pytest.fixture(autouse=True)
def _addresses(settings: Any) -> None:
    settings.COMPANY_NAME = "Farm & Sons"


def ordered(email: str = "sales@vendor.example") -> PurchaseOrder:
    pla = MaterialFactory()
    ProductUnit.objects.create(product=pla, unit="spool", factor=D("0.75"))
    vendor = VendorFactory(email=email, contact_name="Sales <desk>", address="1 Main St\nTown")
    line = PurchaseLineSpec(pla, D(4), "spool", D("15.1234"), vendor_sku="#PLA [x] *y*")
    order = inventory.create_purchase_order(vendor, lines=[line], notes="For us alone", actor=system_actor())
    return inventory.order_purchase(order, actor=system_actor())


def test_an_order_is_mailed_with_its_pdf_and_marked_as_sent() -> None:
    order = ordered()
    delivery = deliver("inventory.purchase_ordered", BY)
    assert delivery.status == "done"
    (sent,) = mail.outbox
    assert (sent.to, sent.subject) == (["sales@vendor.example"], f"Purchase order {order.po_number} of Farm & Sons")
    assert "60.49" in sent.body
    assert "For us alone" not in sent.body
    ((name, content, kind),) = sent.attachments
    assert (name, kind, bytes(content)[:5]) == (f"{order.po_number}.pdf", "application/pdf", b"%PDF-")
    assert PurchaseOrder.objects.get().sent_at is not None


def test_it_is_sent_again_when_somebody_asks() -> None:
    order = ordered()
    deliver("inventory.purchase_ordered", BY)
    first = PurchaseOrder.objects.get().sent_at
    inventory.send_purchase_again(order, actor=system_actor())
    assert deliver("inventory.purchase_send_asked", BY).status == "done"
    assert len(mail.outbox) == 2
    assert mail.outbox[0].extra_headers["Message-ID"] != mail.outbox[1].extra_headers["Message-ID"]
    sent_at = PurchaseOrder.objects.get().sent_at
    assert first is not None
    assert sent_at is not None
    assert sent_at > first


def test_who_has_no_address_and_what_was_cancelled_gets_no_mail() -> None:
    ordered(email="")
    assert deliver("inventory.purchase_ordered", BY).status == "done"
    order = ordered()
    inventory.cancel_purchase(order, reason="never mind", actor=system_actor())
    assert deliver("inventory.purchase_ordered", BY).status == "done"
    assert mail.outbox == []
    assert not PurchaseOrder.objects.filter(sent_at__isnull=False).exists()


def test_a_mail_that_cannot_go_out_waits_and_the_order_is_not_sent(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    ordered()
    delivery = deliver("inventory.purchase_ordered", BY)
    assert delivery.status == "pending"
    assert "mail server" in delivery.last_error
    assert PurchaseOrder.objects.get().sent_at is None
