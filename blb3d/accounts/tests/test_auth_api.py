import datetime

import pytest
from django.utils import timezone
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from blb3d.accounts.models import User
from blb3d.accounts.services import email_verification_link, password_reset_link
from blb3d.accounts.tests.factories import PASSWORD, UserFactory

pytestmark = pytest.mark.django_db

NEW = "another long passphrase"


@pytest.fixture
def api():
    return APIClient()


@pytest.fixture
def user():
    return UserFactory(email="buyer@example.com")


def login(api, email="buyer@example.com", password=PASSWORD):
    return api.post("/api/v1/auth/login", {"email": email, "password": password})


def me(api, access):
    return api.get("/api/v1/auth/me", headers={"authorization": f"Bearer {access}"})


def outcome(response):
    return response.status_code, response.json()["error_code"]


def test_login_gives_tokens_that_work(api, user):
    response = login(api, "Buyer@Example.com ")
    body = response.json()
    assert response.status_code == 200
    assert sorted(body) == ["access_token", "expires_in", "refresh_token", "token_type"]
    assert (body["token_type"], body["expires_in"]) == ("bearer", 1800)
    assert me(api, body["access_token"]).json()["email"] == "buyer@example.com"
    user.refresh_from_db()
    assert user.last_login is not None


def test_login_takes_what_curl_sends(api, user):
    response = api.post(
        "/api/v1/auth/login/",
        data=f'{{"email": "buyer@example.com", "password": "{PASSWORD}"}}',
        content_type="application/x-www-form-urlencoded",
    )
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("email", "password"), [("buyer@example.com", "wrong"), ("stranger@example.com", PASSWORD), ("", PASSWORD)]
)
def test_login_refuses_without_telling_what_was_wrong(api, user, email, password):
    response = login(api, email or "x", password)
    assert outcome(response) == (401, "AUTH_001")
    assert response.json()["message"] == "E-mail or password is wrong."


def test_login_refuses_a_user_who_was_switched_off(api):
    UserFactory(email="buyer@example.com", is_active=False)
    assert outcome(login(api)) == (401, "AUTH_001")


def test_login_refuses_the_system(api):
    User.objects.system("relay")
    assert outcome(login(api, "relay@system.invalid", "")) == (400, "VALID_001")
    assert outcome(login(api, "relay@system.invalid", "!")) == (401, "AUTH_001")


def test_five_wrong_passwords_lock_this_email_for_this_address(api, user, settings):
    UserFactory(email="other@example.com")
    for number in range(5):
        # However it is written: another spelling gives no further tries.
        response = login(api, "buyer@example.com" if number % 2 else " BUYER@example.com", "wrong")
    assert outcome(response) == (429, "AUTH_004")
    assert response.headers["Retry-After"] == "900"
    assert outcome(login(api)) == (429, "AUTH_004")
    assert login(api, "other@example.com").status_code == 200
    elsewhere = APIClient(REMOTE_ADDR="10.9.9.9")
    assert login(elsewhere).status_code == 200


def test_a_reset_password_lifts_the_lock(api, user):
    for _ in range(5):
        login(api, password="wrong")
    body = {**password_reset_link(user), "new_password": NEW}
    assert api.post("/api/v1/auth/password/confirm", body).status_code == 200
    assert login(api, password=NEW).status_code == 200


def test_a_refresh_token_is_good_for_one_use(api, user):
    first = login(api).json()
    second = api.post("/api/v1/auth/refresh", {"refresh_token": first["refresh_token"]})
    assert second.status_code == 200
    assert sorted(second.json()) == sorted(first)
    assert me(api, second.json()["access_token"]).status_code == 200
    again = api.post("/api/v1/auth/refresh", {"refresh_token": first["refresh_token"]})
    assert outcome(again) == (401, "AUTH_003")


def test_a_refresh_token_lives_seven_days(user):
    token = RefreshToken.for_user(user)
    lives = datetime.datetime.fromtimestamp(token["exp"], datetime.UTC) - timezone.now()
    assert datetime.timedelta(days=6, hours=23) < lives <= datetime.timedelta(days=7)


def test_logging_out_makes_the_refresh_token_worthless(api, user):
    tokens = login(api).json()
    response = api.post("/api/v1/auth/logout", {"refresh_token": tokens["refresh_token"]})
    assert response.status_code == 204
    assert outcome(api.post("/api/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]})) == (401, "AUTH_003")


def expired(token):
    token.set_exp(lifetime=-datetime.timedelta(seconds=1))
    return str(token)


def test_no_other_token_refreshes(api, user):
    tokens = login(api).json()
    for given in (tokens["access_token"], "nonsense", expired(RefreshToken.for_user(user))):
        assert outcome(api.post("/api/v1/auth/refresh", {"refresh_token": given})) == (401, "AUTH_003")


def test_who_am_i_needs_a_good_access_token(api, user):
    assert outcome(api.get("/api/v1/auth/me")) == (401, "AUTH_002")
    for given in ("nonsense", str(RefreshToken.for_user(user)), expired(AccessToken.for_user(user))):
        assert outcome(me(api, given)) == (401, "AUTH_003")


def test_tokens_end_when_the_user_is_switched_off_or_changes_the_password(api, user):
    tokens = login(api).json()
    user.set_password(NEW)
    user.save()
    assert outcome(me(api, tokens["access_token"])) == (401, "AUTH_003")
    assert outcome(api.post("/api/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]})) == (401, "AUTH_003")
    tokens = login(api, password=NEW).json()
    User.objects.update(is_active=False)
    assert outcome(me(api, tokens["access_token"])) == (401, "AUTH_003")
    assert outcome(api.post("/api/v1/auth/refresh", {"refresh_token": tokens["refresh_token"]})) == (401, "AUTH_003")


def test_a_user_changes_name_and_phone_and_nothing_else(api, user):
    api.force_authenticate(user)
    response = api.patch("/api/v1/auth/me", {"first_name": "Renamed", "phone": "+1 555"})
    assert response.status_code == 200
    assert (response.json()["first_name"], response.json()["phone"]) == ("Renamed", "+1 555")
    response = api.patch("/api/v1/auth/me/", {"is_staff": True, "email": "eve@example.com"})
    assert outcome(response) == (400, "VALID_002")
    assert response.json()["details"]["known"] == ["first_name", "last_name", "phone"]
    user.refresh_from_db()
    assert (user.is_staff, user.email, user.first_name) == (False, "buyer@example.com", "Renamed")


def test_asking_for_a_reset_answers_alike_for_known_and_unknown(api, user):
    answers = [
        api.post("/api/v1/auth/password/reset", {"email": email}) for email in ("buyer@example.com", "no@example.com")
    ]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json() == answers[1].json()


def test_a_wrong_reset_link_is_refused(api, user):
    body = {**password_reset_link(user), "token": "wrong", "new_password": NEW}
    assert outcome(api.post("/api/v1/auth/password/confirm", body)) == (400, "AUTH_006")
    assert login(api).status_code == 200


def test_an_email_is_verified_by_its_link(api, user):
    assert api.post("/api/v1/auth/verify-email", email_verification_link(user)).status_code == 200
    user.refresh_from_db()
    assert user.is_email_verified


def test_logging_in_is_limited_per_address(api, user, settings):
    settings.RATE_LIMIT_AUTH = "3/min"
    answers = [login(api) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429, 429]
    assert outcome(answers[-1]) == (429, "RATE_001")
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 120


def test_a_session_needs_its_csrf_token_to_write(user):
    browser = APIClient(enforce_csrf_checks=True)
    browser.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    assert browser.get("/api/v1/auth/me").status_code == 200
    assert outcome(browser.patch("/api/v1/auth/me", {"first_name": "Renamed"})) == (403, "PERM_001")
    user.refresh_from_db()
    assert user.first_name == "Buyer"
