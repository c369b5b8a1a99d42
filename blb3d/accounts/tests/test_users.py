import pytest

from blb3d.accounts.models import User
from blb3d.accounts.tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db


def test_an_email_is_kept_and_found_in_lower_case():
    user = User.objects.create_user(" Buyer@Example.COM ", PASSWORD)
    assert user.email == "buyer@example.com"
    assert User.objects.get_by_natural_key("BUYER@example.com") == user


def test_a_user_needs_an_email():
    with pytest.raises(ValueError, match="e-mail"):
        User.objects.create_user("  ", PASSWORD)


def test_a_superuser_may_use_the_console():
    user = User.objects.create_superuser("root@example.com", PASSWORD)
    assert (user.is_staff, user.is_superuser, user.is_email_verified) == (True, True, True)


def test_a_system_user_is_made_once_and_nobody_can_log_in_as_it():
    robot = User.objects.system("Scheduler")
    assert User.objects.system("scheduler") == robot
    assert (robot.email, robot.kind, robot.has_usable_password()) == (
        "scheduler@system.invalid",
        User.Kind.SYSTEM,
        False,
    )
    assert User.objects.count() == 1


def test_passwords_are_hashed_with_argon2_in_production():
    from blb3d import settings

    assert settings.PASSWORD_HASHERS[0].endswith("Argon2PasswordHasher")


def test_history_keeps_neither_password_nor_last_login():
    user = UserFactory()
    user.first_name = "Eve"
    user.save()
    row = user.history.first()
    assert row.first_name == "Eve"
    assert not hasattr(row, "password")
    assert user.history.count() == 2


def test_a_user_is_called_by_name_or_email():
    assert str(UserFactory(first_name="Buyer", last_name="Lee")) == "Buyer Lee"
    assert str(UserFactory(first_name="", last_name="", email="x@example.com")) == "x@example.com"
