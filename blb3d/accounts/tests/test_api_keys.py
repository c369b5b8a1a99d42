import datetime

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from blb3d.accounts.errors import UnknownPermission
from blb3d.accounts.models import ApiKey, User, hash_key
from blb3d.accounts.services import issue_api_key, revoke_api_key, user_of_key
from blb3d.accounts.tests.factories import StaffFactory, SuperuserFactory
from blb3d.core.errors import InvalidValue, NotAllowed

pytestmark = pytest.mark.django_db


@pytest.fixture
def owner():
    return SuperuserFactory()


def me(secret):
    return APIClient().get("/api/v1/auth/me", headers={"X-API-Key": secret})


def test_a_key_is_shown_once_and_kept_as_a_hash(owner):
    key, secret = issue_api_key("Print suite", scopes=["accounts.view_*"], actor=owner)
    key.refresh_from_db()
    assert secret.startswith("blb_")
    assert len(secret) > 40
    assert key.hashed_key == hash_key(secret)
    assert key.prefix == secret[:12]
    assert secret not in str([list(row) for row in ApiKey.objects.values_list()])
    assert key.scopes == {"scopes": ["accounts.view_*"]}


def test_a_key_acts_as_its_own_service_user_with_its_scopes_only(owner):
    key, secret = issue_api_key("Print suite", scopes=["accounts.view_*"], actor=owner)
    response = me(secret)
    assert response.status_code == 200
    assert response.json()["email"] == "print-suite@service.invalid"
    user = User.objects.get(pk=key.user_id)
    assert (user.kind, user.is_staff, user.is_superuser, user.has_usable_password()) == ("service", True, False, False)
    assert user.has_perm("accounts.view_user")
    assert not user.has_perm("accounts.change_user")


def test_use_is_noted_at_most_once_a_minute(owner):
    key, secret = issue_api_key("k", scopes=[], actor=owner)
    assert key.last_used_at is None
    user_of_key(secret)
    key.refresh_from_db()
    first = key.last_used_at
    assert first is not None
    user_of_key(secret)
    key.refresh_from_db()
    assert key.last_used_at == first


def test_a_wrong_revoked_or_expired_key_is_refused(owner):
    _, good = issue_api_key("good", scopes=[], actor=owner)
    revoked, revoked_secret = issue_api_key("revoked", scopes=[], actor=owner)
    revoke_api_key(revoked, actor=owner)
    revoke_api_key(revoked, actor=owner)
    past = timezone.now() - datetime.timedelta(seconds=1)
    _, expired_secret = issue_api_key("expired", scopes=[], expires_at=past, actor=owner)
    assert me(good).status_code == 200
    for secret in ("blb_wrong", revoked_secret, expired_secret, good + "x"):
        response = me(secret)
        assert (response.status_code, response.json()["error_code"]) == (401, "AUTH_003")
    revoked.user.refresh_from_db()
    assert not revoked.user.is_active


def test_an_unknown_scope_is_refused_and_nothing_is_made(owner):
    with pytest.raises(UnknownPermission) as refused:
        issue_api_key("k", scopes=["accounts.view_user", "sales.fly_*"], actor=owner)
    assert refused.value.details == {"unknown": ["sales.fly_*"]}
    assert ApiKey.objects.count() == 0
    assert User.objects.filter(kind="service").count() == 0


@pytest.mark.parametrize("name", ["", "  ", "Suite", "suite!"])
def test_a_key_needs_a_name_of_its_own(owner, name):
    issue_api_key("Suite", scopes=[], actor=owner)
    with pytest.raises(InvalidValue):
        issue_api_key(name, scopes=[], actor=owner)
    assert ApiKey.objects.count() == 1


def test_only_who_may_issues_and_revokes(owner):
    key, _ = issue_api_key("k", scopes=[], actor=owner)
    clerk = StaffFactory()
    with pytest.raises(NotAllowed):
        issue_api_key("mine", scopes=[], actor=clerk)
    with pytest.raises(NotAllowed):
        revoke_api_key(key, actor=clerk)
    key.refresh_from_db()
    assert key.revoked_at is None
    assert ApiKey.objects.count() == 1
