import re

import pytest
from django.urls import reverse

from blb3d.accounts.models import ApiKey, User
from blb3d.accounts.roles import permissions_matching, sync_roles
from blb3d.accounts.services import issue_api_key, user_of_key
from blb3d.accounts.tests.factories import PASSWORD, StaffFactory, SuperuserFactory, UserFactory

pytestmark = pytest.mark.django_db


def logged_in(client, user):
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def owner():
    """A member of the owner role: not a superuser."""
    from django.contrib.auth.models import Group

    sync_roles()
    user = StaffFactory()
    user.groups.add(Group.objects.get(name="owner"))
    return user


def test_the_console_logs_in_by_email_and_locks_after_five_failures(client):
    SuperuserFactory(email="root@example.com")
    page = reverse("admin:login")
    assert client.post(page, {"username": "Root@Example.com", "password": PASSWORD}).status_code == 302
    client.logout()
    for _ in range(5):
        response = client.post(page, {"username": "root@example.com", "password": "wrong"})
    assert response.status_code == 429
    assert response.headers["Retry-After"] == "900"
    assert client.post(page, {"username": "ROOT@example.com", "password": PASSWORD}).status_code == 429


@pytest.mark.parametrize("name", ["user", "apikey", "portalsession"])
def test_every_list_opens_with_a_constant_number_of_queries(client, name, django_assert_max_num_queries):
    logged_in(client, SuperuserFactory())
    UserFactory.create_batch(30)
    with django_assert_max_num_queries(10):
        assert client.get(reverse(f"admin:accounts_{name}_changelist")).status_code == 200


def test_a_person_is_added_and_changed(client):
    logged_in(client, SuperuserFactory())
    response = client.post(
        reverse("admin:accounts_user_add"),
        {"email": "New@Example.com", "password1": PASSWORD, "password2": PASSWORD},
    )
    assert response.status_code == 302, response.content.decode()
    user = User.objects.get(email="new@example.com")
    assert user.check_password(PASSWORD)
    page = reverse("admin:accounts_user_change", args=[user.pk])
    assert client.get(page).status_code == 200
    response = client.post(page, {"email": "new@example.com", "first_name": "Eve", "is_active": "on"})
    assert response.status_code == 302
    user.refresh_from_db()
    assert user.first_name == "Eve"
    assert client.get(reverse("admin:accounts_user_history", args=[user.pk])).status_code == 200


def test_an_owner_cannot_make_a_superuser_nor_touch_one(client, owner):
    logged_in(client, owner)
    user = UserFactory()
    response = client.post(
        reverse("admin:accounts_user_change", args=[user.pk]),
        {"email": user.email, "is_active": "on", "is_superuser": "on", "user_permissions": "1"},
    )
    assert response.status_code == 302
    user.refresh_from_db()
    assert not user.is_superuser
    assert user.user_permissions.count() == 0
    superuser = SuperuserFactory()
    page = reverse("admin:accounts_user_change", args=[superuser.pk])
    assert client.post(page, {"email": "x@example.com"}).status_code == 403
    password = reverse("admin:auth_user_password_change", args=[superuser.pk])
    assert client.post(password, {"password1": PASSWORD, "password2": PASSWORD}).status_code == 403


def test_a_key_is_issued_shown_once_and_revoked(client, owner):
    logged_in(client, owner)
    response = client.post(
        reverse("admin:accounts_apikey_add"),
        {"name": "Suite", "scopes_text": "production.view_*\nquotes.add_quote", "expires_at_0": "", "expires_at_1": ""},
        follow=True,
    )
    key = ApiKey.objects.get()
    secret = re.search(r"blb_[\w-]{40,}", response.content.decode())[0]
    assert user_of_key(secret) == key.user
    assert set(key.user.user_permissions.all()) == set(permissions_matching(["production.view_*", "quotes.add_quote"]))
    page = client.get(reverse("admin:accounts_apikey_change", args=[key.pk]))
    assert page.status_code == 200
    assert secret not in page.content.decode()
    door = reverse("admin:accounts_apikey_verb", args=[key.pk, "revoke"])
    assert client.post(door).status_code == 200
    assert user_of_key(secret) == key.user
    assert client.post(door, {"_answered": "1"}).status_code == 302
    assert user_of_key(secret) is None


def test_an_owner_lets_somebody_in_who_was_locked_out(client, owner):
    locked = StaffFactory(email="clerk@example.com")
    page = reverse("admin:login")
    for _ in range(5):
        client.post(page, {"username": locked.email, "password": "wrong"})
    assert client.post(page, {"username": locked.email, "password": PASSWORD}).status_code == 429
    logged_in(client, owner)
    assert client.post(reverse("admin:accounts_user_verb", args=[locked.pk, "unlock"])).status_code == 302
    client.logout()
    assert client.post(page, {"username": locked.email, "password": PASSWORD}).status_code == 302


def test_who_may_look_at_users_cannot_put_an_old_version_back(client):
    sync_roles()
    user = UserFactory(is_superuser=True)
    user.is_superuser = False
    user.save()
    looker = StaffFactory()
    looker.user_permissions.set(permissions_matching(["accounts.view_user"]))
    logged_in(client, looker)
    old = reverse("admin:accounts_user_simple_history", args=[user.pk, user.history.last().pk])
    assert client.get(old).status_code == 200
    assert client.post(old, {"email": user.email}).status_code == 403
    user.refresh_from_db()
    assert not user.is_superuser


def test_a_key_with_an_unknown_scope_is_told_in_the_form(client):
    logged_in(client, SuperuserFactory())
    response = client.post(reverse("admin:accounts_apikey_add"), {"name": "Suite", "scopes_text": "sales.fly"})
    assert response.status_code == 200
    assert "No permission fits sales.fly." in response.content.decode()
    assert ApiKey.objects.count() == 0


@pytest.mark.parametrize("name", ["user", "apikey", "portalsession"])
def test_staff_without_the_permission_see_nothing(client, name):
    key, _ = issue_api_key("k", scopes=[], actor=SuperuserFactory())
    logged_in(client, StaffFactory())
    assert client.get(reverse(f"admin:accounts_{name}_changelist")).status_code == 403
    assert client.get(reverse("admin:accounts_apikey_change", args=[key.pk])).status_code == 403
    client.logout()
    assert client.get(reverse(f"admin:accounts_{name}_changelist")).status_code == 302
