import pytest

from blb3d.accounts.errors import EmailTaken, InvalidLink, WeakPassword
from blb3d.accounts.models import User
from blb3d.accounts.services import (
    confirm_password_reset,
    email_verification_link,
    password_reset_link,
    register_user,
    request_password_reset,
    update_profile,
    verify_email,
)
from blb3d.accounts.tests.factories import PASSWORD, UserFactory
from blb3d.core.errors import InvalidValue
from blb3d.core.models import OutboxEvent

pytestmark = pytest.mark.django_db

NEW = "another long passphrase"


@pytest.fixture
def robot():
    return User.objects.system("registration")


def register(**changes):
    given = {"email": "Buyer@Example.com", "password": PASSWORD, "first_name": " Buyer ", "last_name": "O'Brien"}
    return register_user(**{**given, **changes})


def topics():
    return list(OutboxEvent.objects.order_by("id").values_list("topic", "payload"))


def test_a_person_registers_and_the_fact_is_written():
    user = register(phone="+1 555")
    user.refresh_from_db()
    assert (user.email, user.first_name, user.last_name, user.phone) == (
        "buyer@example.com",
        "Buyer",
        "O'Brien",
        "+1 555",
    )
    assert user.check_password(PASSWORD)
    assert (user.is_staff, user.is_superuser, user.kind, user.is_email_verified) == (False, False, "person", False)
    assert topics() == [("accounts.user_registered", {"user_id": user.pk})]
    assert user.history.get().history_user == User.objects.system("registration")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"email": "no address"}, InvalidValue),
        ({"email": "x@system.invalid"}, InvalidValue),
        ({"email": "x@service.invalid"}, InvalidValue),
        ({"first_name": "x" * 101}, InvalidValue),
        ({"password": "short"}, WeakPassword),
        ({"password": "password1234"}, WeakPassword),
        ({"password": "buyer@example.com"}, WeakPassword),
    ],
)
def test_it_refuses_and_changes_nothing(changes, error):
    with pytest.raises(error):
        register(**changes)
    assert User.objects.exclude(kind="system").count() == 0
    assert OutboxEvent.objects.count() == 0


def test_it_refuses_an_email_that_is_taken_however_it_is_written():
    register()
    with pytest.raises(EmailTaken):
        register(email="BUYER@EXAMPLE.COM ")
    assert User.objects.exclude(kind="system").count() == 1
    assert OutboxEvent.objects.count() == 1


def test_a_profile_changes_only_what_belongs_to_it():
    user = UserFactory(phone="1")
    update_profile(user, actor=user, first_name=" Eve ")
    user.refresh_from_db()
    assert (user.first_name, user.phone) == ("Eve", "1")
    with pytest.raises(InvalidValue):
        update_profile(user, actor=user, is_staff="yes")


def test_a_reset_is_asked_for_without_telling_who_is_known(robot):
    user = UserFactory()
    request_password_reset(user.email.upper(), actor=robot)
    request_password_reset("stranger@example.com", actor=robot)
    request_password_reset(robot.email, actor=robot)
    UserFactory(email="off@example.com", is_active=False)
    request_password_reset("off@example.com", actor=robot)
    assert topics() == [("accounts.password_reset_requested", {"user_id": user.pk})]


def test_a_reset_link_sets_the_password_once_and_proves_the_address(robot):
    user = UserFactory()
    link = password_reset_link(user)
    confirm_password_reset(**link, new_password=NEW, actor=robot)
    user.refresh_from_db()
    assert user.check_password(NEW)
    assert user.is_email_verified
    with pytest.raises(InvalidLink):
        confirm_password_reset(**link, new_password="a third long passphrase", actor=robot)
    user.refresh_from_db()
    assert user.check_password(NEW)


def test_a_weak_new_password_is_refused_and_the_link_stays_good(robot):
    user = UserFactory()
    link = password_reset_link(user)
    with pytest.raises(WeakPassword):
        confirm_password_reset(**link, new_password="short", actor=robot)
    confirm_password_reset(**link, new_password=NEW, actor=robot)


@pytest.mark.parametrize("uid", ["", "MQ", "%%%", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5", "w7w"])
def test_a_wrong_link_is_refused(robot, uid):
    with pytest.raises(InvalidLink):
        confirm_password_reset(uid=uid, token="x-y", new_password=NEW, actor=robot)
    with pytest.raises(InvalidLink):
        verify_email(uid=uid, token="x-y", actor=robot)


def test_a_link_of_one_kind_is_no_link_of_the_other(robot):
    user = UserFactory()
    with pytest.raises(InvalidLink):
        verify_email(**password_reset_link(user), actor=robot)
    with pytest.raises(InvalidLink):
        confirm_password_reset(**email_verification_link(user), new_password=NEW, actor=robot)


def test_an_address_is_proven_once(robot):
    user = UserFactory()
    link = email_verification_link(user)
    verify_email(**link, actor=robot)
    user.refresh_from_db()
    assert user.is_email_verified
    with pytest.raises(InvalidLink):
        verify_email(**link, actor=robot)
