from __future__ import annotations

from decimal import Decimal

import pytest

from integrations.models import OfflineCharge
from integrations.payments.offline import OfflinePayments
from sales.errors import PaymentsNotSetUp

pytestmark = pytest.mark.django_db


def charge(token="tok_ok", key="k1", amount="10.00"):
    return OfflinePayments().charge(
        amount=Decimal(amount), currency="USD", token=token, idempotency_key=key, description="SO-2025-001"
    )


def test_it_takes_the_good_card():
    assert charge().status == "received"
    assert OfflineCharge.objects.get().amount == Decimal("10.00")


@pytest.mark.parametrize("token", ["tok_declined", "tok_else", ""])
def test_it_refuses_every_other_card_with_a_reason(token):
    result = charge(token)
    assert result.status == "declined"
    assert result.reason


def test_the_same_key_gives_the_first_answer_and_charges_once():
    first = charge()
    assert charge("tok_declined") == first
    assert OfflineCharge.objects.count() == 1


def test_it_finds_a_charge_by_its_key_and_nothing_by_another():
    result = charge()
    assert OfflinePayments().find("k1") == result
    assert OfflinePayments().find("k2") is None


def test_it_takes_no_payment_outside_the_demo(settings):
    settings.DEMO = settings.DEBUG = False
    with pytest.raises(PaymentsNotSetUp):
        charge()
    assert OfflineCharge.objects.count() == 0
