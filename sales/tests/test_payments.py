from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from django.utils import timezone

from blb3d.core.errors import InvalidValue, NotAllowed, PartnerUnavailable
from blb3d.core.outbox import OutboxEvent
from integrations.models import OfflineCharge
from integrations.payments.offline import OfflinePayments
from sales import services as sales
from sales.errors import AmountTooHigh, NothingOwed, PaymentDeclined, PaymentsNotSetUp
from sales.models import Payment, SalesOrder
from sales.tests.factories import (
    CustomerUserFactory,
    UserFactory,
    made_product,
    placed,
    staff,
    system_actor,
)

pytestmark = pytest.mark.django_db


class ProcessKilled(BaseException):
    """Stands for SIGKILL: nothing of ours runs after it."""


class KilledAfterCharging(OfflinePayments):
    """Charges, and dies before the answer is written."""

    def charge(self, **what):
        super().charge(**what)
        raise ProcessKilled


class KilledBeforeCharging(OfflinePayments):
    def charge(self, **what):
        raise ProcessKilled


class Away(OfflinePayments):
    def charge(self, **what):
        raise PartnerUnavailable

    def find(self, idempotency_key):
        raise PartnerUnavailable


@pytest.fixture
def order():
    return placed((made_product(), 2), source="portal")


def provider(settings, backend):
    settings.PAYMENT_BACKEND = f"{backend.__module__}.{backend.__name__}"


def age(payment: Payment, minutes: int) -> None:
    Payment.objects.filter(pk=payment.pk).update(created_at=timezone.now() - datetime.timedelta(minutes=minutes))


def test_a_payment_in_full_pays_and_confirms_a_pending_order(order):
    payment = sales.record_payment(order, amount=order.grand_total, method="bank", actor=system_actor())
    order.refresh_from_db()
    assert (order.payment_status, order.status, order.amount_owed) == ("paid", "confirmed", 0)
    assert payment.received_at is not None
    fact = OutboxEvent.objects.get(topic="sales.payment_recorded")
    assert fact.payload["payment_id"] == payment.pk
    assert fact.payload["payment_status"] == "paid"


def test_a_part_is_partial_and_confirms_nothing(order):
    sales.record_payment(order, amount=Decimal("10.00"), method="bank", actor=system_actor())
    order.refresh_from_db()
    assert (order.payment_status, order.status, order.amount_paid) == ("partial", "pending", Decimal("10.00"))


def test_the_same_key_records_once(order):
    first = sales.record_payment(
        order, amount=Decimal("5.00"), method="bank", idempotency_key="k", actor=system_actor()
    )
    again = sales.record_payment(
        order, amount=Decimal("5.00"), method="bank", idempotency_key="k", actor=system_actor()
    )
    assert again == first
    order.refresh_from_db()
    assert order.amount_paid == Decimal("5.00")
    with pytest.raises(InvalidValue):
        sales.record_payment(order, amount=Decimal("6.00"), method="bank", idempotency_key="k", actor=system_actor())


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "NaN"])
def test_it_refuses_an_impossible_amount(order, amount):
    with pytest.raises(InvalidValue):
        sales.record_payment(order, amount=Decimal(amount), method="bank", actor=system_actor())
    assert Payment.objects.count() == 0


def test_it_refuses_more_than_is_owed_and_the_order_stays_as_it_was(order):
    with pytest.raises(AmountTooHigh) as refused:
        sales.record_payment(order, amount=Decimal("1000.00"), method="bank", actor=system_actor())
    assert refused.value.details == {"owed": str(order.grand_total)}
    order.refresh_from_db()
    assert (order.payment_status, Payment.objects.count()) == ("pending", 0)


def test_a_cancelled_order_takes_no_payment(order):
    sales.cancel_order(order, actor=system_actor(), reason="No")
    with pytest.raises(NothingOwed):
        sales.record_payment(order, amount=Decimal("1.00"), method="bank", actor=system_actor())


def test_recording_needs_the_permission_also_from_the_owner(order):
    owner = CustomerUserFactory(customer=order.customer).user
    for actor in (UserFactory(), owner, staff("sales.view_salesorder")):
        with pytest.raises(NotAllowed):
            sales.record_payment(order, amount=Decimal("1.00"), method="bank", actor=actor)
    assert Payment.objects.count() == 0


def test_the_owner_charges_a_card(order):
    owner = CustomerUserFactory(customer=order.customer).user
    payment = sales.charge_order(order, method="card", token="tok_ok", actor=owner)
    assert (payment.status, payment.amount) == ("received", order.grand_total)
    assert payment.reference.startswith("offline_")
    assert (order.payment_status, order.status) == ("paid", "confirmed")
    assert OfflineCharge.objects.get().amount == order.grand_total


def test_a_refused_card_changes_nothing_and_can_be_followed_by_another(order):
    with pytest.raises(PaymentDeclined) as refused:
        sales.charge_order(order, method="card", token="tok_declined", actor=system_actor())
    assert (refused.value.code, refused.value.http_status) == ("PAYMENT_001", 402)
    assert refused.value.details["reason"] == "The card was declined."
    order.refresh_from_db()
    assert (order.status, order.payment_status, order.amount_paid) == ("pending", "pending", 0)
    assert Payment.objects.get().status == Payment.Status.DECLINED
    sales.charge_order(order, method="card", token="tok_ok", actor=system_actor())
    assert order.payment_status == "paid"


def test_a_stranger_cannot_pay(order):
    with pytest.raises(NotAllowed):
        sales.charge_order(order, method="card", token="tok_ok", actor=CustomerUserFactory().user)
    assert Payment.objects.count() == OfflineCharge.objects.count() == 0


def test_a_paid_order_is_not_charged_again(order):
    sales.charge_order(order, method="card", token="tok_ok", actor=system_actor())
    with pytest.raises(NothingOwed):
        sales.charge_order(order, method="card", token="tok_ok", actor=system_actor())
    assert OfflineCharge.objects.count() == 1


def test_without_a_provider_it_says_so_before_anything_is_written(order, settings):
    settings.PAYMENT_BACKEND = ""
    with pytest.raises(PaymentsNotSetUp):
        sales.charge_order(order, method="card", token="tok_ok", actor=system_actor())
    assert Payment.objects.count() == 0


def test_a_charge_killed_before_its_answer_was_written_is_settled_by_asking_the_provider(order, settings):
    provider(settings, KilledAfterCharging)
    with pytest.raises(ProcessKilled):
        sales.charge_order(order, method="card", token="tok_ok", actor=system_actor())
    payment = Payment.objects.get()
    assert payment.status == Payment.Status.INTENDED
    assert sales.settle_intended_payments(actor=system_actor()) == []  # its caller may still be at work
    age(payment, 3)
    assert [row.status for row in sales.settle_intended_payments(actor=system_actor())] == ["received"]
    order.refresh_from_db()
    assert (order.payment_status, order.status) == ("paid", "confirmed")
    assert sales.settle_intended_payments(actor=system_actor()) == []
    assert OfflineCharge.objects.count() == Payment.objects.count() == 1


def test_the_same_call_after_a_kill_charges_once(order, settings):
    provider(settings, KilledAfterCharging)
    with pytest.raises(ProcessKilled):
        sales.charge_order(order, method="card", token="tok_ok", actor=system_actor())
    provider(settings, OfflinePayments)
    payment = sales.charge_order(order, method="card", token="tok_ok", actor=system_actor())
    assert payment.status == Payment.Status.RECEIVED
    assert OfflineCharge.objects.count() == Payment.objects.count() == 1
    assert order.amount_paid == order.grand_total


def test_a_charge_that_was_never_sent_is_given_up_after_some_minutes(order, settings):
    provider(settings, KilledBeforeCharging)
    with pytest.raises(ProcessKilled):
        sales.charge_order(order, method="card", token="tok_ok", actor=system_actor())
    payment = Payment.objects.get()
    age(payment, 3)
    assert sales.settle_intended_payments(actor=system_actor()) == []
    age(payment, 11)
    assert [row.status for row in sales.settle_intended_payments(actor=system_actor())] == ["declined"]
    order.refresh_from_db()
    assert order.payment_status == "pending"


def test_a_provider_that_is_away_leaves_the_intent_for_later(order, settings):
    provider(settings, Away)
    with pytest.raises(PartnerUnavailable):
        sales.charge_order(order, method="card", token="tok_ok", actor=system_actor())
    age(Payment.objects.get(), 30)
    assert sales.settle_intended_payments(actor=system_actor()) == []
    assert Payment.objects.get().status == Payment.Status.INTENDED


def test_a_bank_transfer_waits_for_a_person_to_see_the_money(order, settings):
    settings.PAYMENT_BACKEND = ""
    owner = CustomerUserFactory(customer=order.customer).user
    payment = sales.charge_order(order, method="bank_transfer", token="", actor=owner)
    assert payment.status == Payment.Status.INTENDED
    assert sales.charge_order(order, method="bank_transfer", token="", actor=owner) == payment
    age(payment, 60 * 24 * 7)
    assert sales.settle_intended_payments(actor=system_actor()) == []
    with pytest.raises(NotAllowed):
        sales.receive_payment(payment, actor=owner)
    sales.receive_payment(payment, reference="statement 7", actor=system_actor())
    order.refresh_from_db()
    assert (order.payment_status, order.status) == ("paid", SalesOrder.Status.CONFIRMED)


def test_a_refund_goes_back_up_to_what_was_paid(order):
    sales.record_payment(order, amount=order.grand_total, method="bank", actor=system_actor())
    sales.record_refund(order, amount=Decimal("1.00"), reason="scratch", actor=system_actor())
    assert order.payment_status == "paid"
    with pytest.raises(AmountTooHigh):
        sales.record_refund(order, amount=order.grand_total, actor=system_actor())
    sales.record_refund(order, amount=order.grand_total - 1, actor=system_actor())
    assert order.payment_status == SalesOrder.PaymentStatus.REFUNDED
    assert order.refunds.count() == 2
