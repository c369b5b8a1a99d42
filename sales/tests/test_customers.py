from __future__ import annotations

import pytest
from django.core import mail
from django.utils import timezone

from blb3d.accounts.errors import EmailTaken, WeakPassword
from blb3d.accounts.models import User
from blb3d.core.errors import InvalidValue, NotAllowed
from blb3d.core.outbox import OutboxEvent
from inventory.tests.concurrency import shared_database, together  # noqa: F401
from sales import selectors
from sales import services as sales
from sales.models import Customer, CustomerAddress, CustomerUser, SalesOrder
from sales.tests.factories import (
    CustomerAddressFactory,
    CustomerFactory,
    CustomerUserFactory,
    UserFactory,
    made_product,
    manager,
    placed,
    staff,
    system_actor,
)

pytestmark = pytest.mark.django_db

PERSON = {"password": "correct horse battery", "first_name": "Miles", "last_name": "O'Brien"}


def test_registering_makes_a_user_and_the_customer_it_administers():
    member = sales.register_customer(email="Miles@Example.com", company_name="3M", phone="555", **PERSON)
    assert member.role == CustomerUser.Role.ADMIN
    assert (member.customer.name, member.customer.company_name) == ("Miles O'Brien", "3M")
    assert member.customer.email == member.user.email == "miles@example.com"
    assert member.customer.created_by == member.user
    assert selectors.membership_of(member.user) == member
    assert mail.outbox == []


def test_a_refused_registration_leaves_nothing_behind():
    sales.register_customer(email="miles@example.com", **PERSON)
    with pytest.raises(EmailTaken):
        sales.register_customer(email="miles@example.com", **PERSON)
    with pytest.raises(WeakPassword):
        sales.register_customer(email="new@example.com", **{**PERSON, "password": "12345"})
    assert Customer.objects.count() == 1
    assert not User.objects.filter(email="new@example.com").exists()


def test_a_buyer_is_found_again_by_the_address():
    first = sales.customer_for_buyer(email="Buyer@Example.com ", name="Buyer", actor=system_actor())
    again = sales.customer_for_buyer(email="buyer@example.com", name="Buyer B", actor=system_actor())
    assert first == again
    assert Customer.objects.count() == 1


def test_two_orders_of_a_new_buyer_at_once_make_one_customer(shared_database):  # noqa: F811
    actor = system_actor()
    results = together(*[lambda: sales.customer_for_buyer(email="buyer@example.com", name="Buyer", actor=actor)] * 4)
    assert len({result.pk for result in results}) == Customer.objects.count() == 1


def test_an_account_with_an_unproven_address_does_not_get_a_buyer_s_orders():
    impostor = sales.register_customer(email="buyer@example.com", **PERSON)
    found = sales.customer_for_buyer(email="buyer@example.com", name="Buyer", actor=system_actor())
    assert found != impostor.customer
    placed((made_product(), 1), customer=found)
    assert not selectors.for_user(impostor.user, SalesOrder).exists()
    User.objects.filter(pk=impostor.user.pk).update(email_verified_at=timezone.now())
    # Proven later, the account is simply another customer; the older one keeps its orders.
    assert sales.customer_for_buyer(email="buyer@example.com", name="Buyer", actor=system_actor()) == impostor.customer


def test_who_sees_what():
    mine, other = CustomerUserFactory(), CustomerUserFactory()
    order = placed((made_product(), 1), customer=mine.customer)
    assert list(selectors.for_user(mine.user, SalesOrder)) == [order]
    assert list(selectors.for_user(other.user, SalesOrder)) == []
    assert list(selectors.for_user(UserFactory(), SalesOrder)) == []
    assert list(selectors.for_user(staff(), SalesOrder)) == []
    assert list(selectors.for_user(staff("sales.view_salesorder"), SalesOrder)) == [order]
    mine.is_active = False
    mine.save()
    assert list(selectors.for_user(mine.user, SalesOrder)) == []


def test_only_an_administrator_adds_colleagues():
    admin, product = CustomerUserFactory(), {"first_name": "Ben", "last_name": "Sisko"}
    buyer = sales.add_customer_user(admin.customer, email="ben@example.com", role="BUYER", actor=admin.user, **product)
    assert (buyer.customer, buyer.role) == (admin.customer, "BUYER")
    assert OutboxEvent.objects.filter(topic="accounts.password_reset_requested").count() == 1
    for actor in (buyer.user, CustomerUserFactory().user, UserFactory()):
        with pytest.raises(NotAllowed):
            sales.add_customer_user(admin.customer, email="x@example.com", actor=actor, **product)
    assert CustomerUser.objects.filter(customer=admin.customer).count() == 2


def test_the_last_administrator_stays_one():
    admin = CustomerUserFactory()
    for change in ({"role": "BUYER"}, {"is_active": False}):
        with pytest.raises(InvalidValue):
            sales.update_customer_user(admin, actor=manager(), **change)
        admin.refresh_from_db()
    assert (admin.role, admin.is_active) == ("ADMIN", True)


def test_a_new_default_address_takes_the_place_of_the_old_one():
    admin = CustomerUserFactory()
    old = CustomerAddressFactory(customer=admin.customer, is_default=True)
    billing = CustomerAddressFactory(customer=admin.customer, is_default=True, address_type="BILLING")
    new = sales.save_address(
        admin.customer, address_line1="9 Pier", city="Bend", postal_code="97701", is_default=True, actor=admin.user
    )
    old.refresh_from_db()
    billing.refresh_from_db()
    assert (old.is_default, billing.is_default, new.is_default) == (False, True, True)
    sales.remove_address(new, actor=admin.user)
    assert set(CustomerAddress.objects.all()) == {old, billing}


def test_an_address_needs_a_street_and_only_known_fields():
    admin = CustomerUserFactory()
    with pytest.raises(InvalidValue):
        sales.save_address(admin.customer, address_line1="", city="Bend", postal_code="9", actor=admin.user)
    with pytest.raises(InvalidValue):
        sales.save_address(admin.customer, street="x", actor=admin.user)
    assert CustomerAddress.objects.count() == 0


def test_a_customer_by_hand_needs_the_permission():
    with pytest.raises(NotAllowed):
        sales.create_customer(name="Buyer", email="buyer@example.com", actor=UserFactory())
    made = sales.create_customer(name="Buyer", email="Buyer@Example.com", actor=manager())
    assert made.email == "buyer@example.com"
    assert made.customer_number.startswith("C-")
    with pytest.raises(InvalidValue):
        sales.create_customer(name="Buyer", email="nonsense", actor=manager())


def test_terms_are_not_the_customer_s_to_change():
    admin = CustomerUserFactory(customer=CustomerFactory(terms="prepaid"))
    sales.update_customer(admin.customer, name="Annabel", actor=admin.user)
    with pytest.raises(InvalidValue):
        sales.update_customer(admin.customer, terms="net_60", actor=admin.user)
    admin.customer.refresh_from_db()
    assert (admin.customer.name, admin.customer.terms) == ("Annabel", "prepaid")
