from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from blb3d.core import outbox
from blb3d.core.errors import NotAllowed
from blb3d.core.numbering import NumberSequence
from inventory.tests.concurrency import shared_database, together  # noqa: F401
from sales import services as sales
from sales.errors import NotInvoiceable
from sales.models import Customer, Invoice, SalesOrder
from sales.tests.factories import (
    CustomerFactory,
    UserFactory,
    confirmed,
    made_product,
    placed,
    ready_to_ship,
    system_actor,
)

pytestmark = pytest.mark.django_db


def test_shipping_an_order_issues_its_invoice_once():
    order = ready_to_ship((made_product(), 2))
    sales.ship_order(order, actor=system_actor())
    outbox.drain()
    invoice = Invoice.objects.get()
    assert sales.issue_invoice(order, actor=system_actor()) == invoice
    assert (invoice.subtotal, invoice.tax_total, invoice.grand_total) == (
        Decimal("25.00"),
        Decimal("1.75"),
        Decimal("26.75"),
    )
    line = invoice.lines.get()
    assert (line.quantity, line.unit_price, line.total) == (2, Decimal("12.50"), Decimal("25.00"))
    assert "Portland OR 97201" in invoice.ship_to


def test_an_invoice_is_a_snapshot():
    order = confirmed(
        (made_product(), 1),
        customer=CustomerFactory(name="Old Name", company_name="Works Ltd", terms=Customer.Terms.NET_30),
    )
    invoice = sales.issue_invoice(order, actor=system_actor())
    line = order.lines.get()
    line.name = "Renamed"
    line.save()
    Customer.objects.update(name="New Name")
    invoice.refresh_from_db()
    assert invoice.lines.get().description == line.product.name
    assert "New Name" not in invoice.bill_to
    assert invoice.bill_to.startswith("Works Ltd\nBuyer Example\n")
    assert invoice.due_on == invoice.issued_on + datetime.timedelta(days=30)
    with pytest.raises(TypeError):
        invoice.delete()


def test_numbers_have_no_gaps_also_when_issuing_fails():
    first = sales.issue_invoice(confirmed((made_product(), 1)), actor=system_actor())
    with transaction.atomic():
        sales.issue_invoice(confirmed((made_product(), 1)), actor=system_actor())
        transaction.set_rollback(True)
    second = sales.issue_invoice(confirmed((made_product(), 1)), actor=system_actor())
    numbers = [int(invoice.invoice_number.rpartition("-")[2]) for invoice in (first, second)]
    assert numbers == [1, 2]


def test_eight_at_once_issue_one_invoice_and_draw_one_number(shared_database):  # noqa: F811
    order, actor = confirmed((made_product(), 1)), system_actor()
    results = together(*[lambda: sales.issue_invoice(SalesOrder.objects.get(pk=order.pk), actor=actor)] * 8)
    assert [type(result) for result in results] == [Invoice] * 8
    assert Invoice.objects.count() == 1
    assert NumberSequence.objects.get(name="INV").last_value == 1


def test_the_database_holds_one_invoice_per_order():
    invoice = sales.issue_invoice(confirmed((made_product(), 1)), actor=system_actor())
    invoice.pk, invoice.invoice_number, invoice._state.adding = None, "INV-X", True
    with pytest.raises(IntegrityError), transaction.atomic():
        invoice.save()


def test_it_refuses_an_order_that_is_not_confirmed():
    order = placed((made_product(), 1))
    with pytest.raises(NotInvoiceable):
        sales.issue_invoice(order, actor=system_actor())
    assert Invoice.objects.count() == 0
    assert not NumberSequence.objects.filter(name="INV").exists()


def test_it_needs_the_permission():
    with pytest.raises(NotAllowed):
        sales.issue_invoice(confirmed((made_product(), 1)), actor=UserFactory())


def test_the_pdf_is_made_from_whatever_a_customer_wrote():
    customer = CustomerFactory(name='#panic("x") $ *O\'Brien* \\ <b> @ref [', company_name="3M")
    order = confirmed((made_product(name="Bügel #1 @home $5 [x"), 3), customer=customer, customer_po_number="#let")
    pdf = sales.invoice_pdf(sales.issue_invoice(order, actor=system_actor()))
    assert pdf.startswith(b"%PDF-")
    assert len(pdf) > 5000


def test_a_long_invoice_has_more_pages():
    product = made_product()
    order = confirmed(*[(product, 1)] * 60)
    pdf = sales.invoice_pdf(sales.issue_invoice(order, actor=system_actor()))
    assert pdf.startswith(b"%PDF-")
