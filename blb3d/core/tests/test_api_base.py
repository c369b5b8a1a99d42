import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from blb3d.accounts.models import User
from blb3d.core.models import IdempotencyRecord

pytestmark = [pytest.mark.urls("blb3d.core.tests.api_urls"), pytest.mark.django_db]

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def client():
    return APIClient(raise_request_exception=False)


@pytest.fixture
def user():
    return User.objects.create_user("buyer@example.com", "a long password")


# --- both slash forms


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("get", "things", 200),
        ("post", "things", 201),
        ("get", "things/7", 200),
        ("patch", "things/7", 200),
        ("delete", "things/7", 204),
        ("post", "things/7/accept", 200),
        ("patch", "things/7/accept", 200),
        ("post", "echo", 200),
    ],
)
def test_an_address_answers_with_and_without_the_slash_and_never_redirects(client, method, path, status, slash):
    response = getattr(client, method)(f"/api/test/{path}{slash}", {"name": "bolt"})
    assert response.status_code == status


# --- bodies


def test_json_sent_as_a_form_is_json(client):
    response = client.post("/api/test/echo", data='{"a": {"b": [1]}, "t": "x=1&y"}', content_type=FORM)
    assert response.json()["data"] == {"a": {"b": [1]}, "t": "x=1&y"}


def test_json_under_another_label_is_json(client):
    response = client.post("/api/test/echo", data='  {"a": 1}', content_type="text/plain")
    assert response.json()["data"] == {"a": 1}


def test_a_real_form_stays_a_form(client):
    response = client.post("/api/test/echo", data="a=1&b=%7Bx%7D", content_type=FORM)
    assert response.json()["data"] == {"a": "1", "b": "{x}"}


def test_a_multipart_upload_stays_one(client):
    file = SimpleUploadedFile("part.stl", b"{solid")
    response = client.post("/api/test/echo", {"files": file, "quantity": "10"}, format="multipart")
    assert response.json() == {"data": {"quantity": "10"}, "files": {"files": "{solid"}}


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        ("{broken", "application/json", 400, "VALID_013"),
        ("{broken", FORM, 400, "VALID_013"),
        ('{"a": NaN}', "application/json", 400, "VALID_013"),
        ("<a/>", "application/xml", 415, "VALID_012"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_so(client, body, content_type, status, code):
    response = client.post("/api/test/echo", data=body, content_type=content_type)
    assert (response.status_code, response.json()["error_code"]) == (status, code)


def test_a_huge_form_is_refused(client, settings):
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    response = client.post("/api/test/echo", data="a=12345678901234567890", content_type=FORM)
    assert (response.status_code, response.json()["error_code"]) == (413, "VALID_014")


# --- errors


def test_a_domain_error_is_the_envelope(client):
    response = client.get("/api/test/failing/done")
    assert response.status_code == 409
    assert response.json() == {"error_code": "CONFLICT_004", "message": "Shipped already.", "details": {"id": 7}}


def test_a_transient_error_says_when_to_come_back(client):
    response = client.get("/api/test/failing/partner")
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")


def test_a_reached_limit_is_rate_001_with_retry_after(client):
    response = client.get("/api/test/failing/throttled")
    assert (response.status_code, response.headers["Retry-After"]) == (429, "13")
    assert response.json()["error_code"] == "RATE_001"


def test_an_unexpected_error_keeps_its_secrets_and_the_envelope(client):
    response = client.get("/api/test/failing/bug")
    assert response.status_code == 500
    assert response.json()["error_code"] == "SERVER_001"
    assert "ZeroDivision" not in response.content.decode()
    assert response.headers["X-Request-ID"]


def test_a_wrong_field_is_named(client):
    response = client.post("/api/test/things", {"size": "big"})
    assert response.status_code == 400
    assert response.json() == {
        "error_code": "VALID_001",
        "message": "name: This field is required.",
        "details": {"fields": {"name": ["This field is required."], "size": ["A valid integer is required."]}},
    }


def test_an_unknown_field_is_refused_with_the_known_ones(client):
    response = client.post("/api/test/things", {"name": "bolt", "unit_price": "0.01", "made_by": "me"})
    assert response.status_code == 400
    assert response.json()["error_code"] == "VALID_002"
    assert response.json()["details"] == {"unknown": ["made_by", "unit_price"], "known": ["name", "size"]}


@pytest.mark.parametrize("path", ["/api/test/nothing", "/api/nothing/here", "/api/v9/quotes/"])
def test_an_address_that_does_not_exist_is_the_envelope(client, path):
    response = client.get(path)
    assert (response.status_code, response.json()["error_code"]) == (404, "NOT_FOUND_001")


def test_a_method_that_does_not_exist_is_the_envelope(client):
    response = client.delete("/api/test/echo")
    assert (response.status_code, response.json()["error_code"]) == (405, "VALID_010")
    assert response.headers["Allow"] == "POST, OPTIONS"


def test_a_refused_host_is_the_envelope(client):
    response = client.get("/api/test/things", headers={"host": "evil.example.com"})
    assert (response.status_code, response.json()["error_code"]) == (400, "VALID_013")


# --- who may


def test_staff_only_by_role_of_caller(client, user):
    assert client.get("/api/test/staff").status_code == 401
    assert client.get("/api/test/staff").headers["WWW-Authenticate"] == 'Bearer realm="api"'
    client.force_authenticate(user)
    response = client.get("/api/test/staff")
    assert (response.status_code, response.json()["error_code"]) == (403, "PERM_001")
    user.is_staff = True
    assert client.get("/api/test/staff").status_code == 200


def test_a_permission_is_asked_by_name(client, user):
    assert client.get("/api/test/needs-permission").status_code == 401
    user.is_staff = True
    client.force_authenticate(user)
    assert client.get("/api/test/needs-permission").status_code == 403
    user.is_superuser = True
    assert client.get("/api/test/needs-permission").status_code == 200


# --- lists


def make_users(count):
    for number in range(count):
        User.objects.create_user(f"u{number}@example.com")


def test_a_list_comes_by_page_with_a_count(client):
    make_users(5)
    body = client.get("/api/test/users?page=2&page_size=2").json()
    assert body["count"] == 5
    assert [row["email"] for row in body["results"]] == ["u2@example.com", "u3@example.com"]
    assert "page=3" in body["next"]
    assert body["previous"]


def test_a_page_has_at_most_200_rows(client):
    make_users(203)
    assert len(client.get("/api/test/users?page_size=1000").json()["results"]) == 200


def test_a_page_that_does_not_exist_is_not_found(client):
    response = client.get("/api/test/users?page=99")
    assert (response.status_code, response.json()["error_code"]) == (404, "NOT_FOUND_001")


def test_a_ledger_comes_by_cursor_without_a_count_newest_first(client):
    make_users(3)
    body = client.get("/api/test/ledger?page_size=2").json()
    assert body["count"] is None
    assert [row["email"] for row in body["results"]] == ["u2@example.com", "u1@example.com"]
    rest = client.get(body["next"]).json()
    assert [row["email"] for row in rest["results"]] == ["u0@example.com"]
    assert rest["next"] is None


# --- versions


@pytest.mark.parametrize(
    ("body", "header", "expected"),
    [({}, None, None), ({"version": 3}, None, 3), ({}, '"3"', 3), ({}, 'W/"3"', 3), ({"version": "3"}, "3", 3)],
)
def test_the_version_is_read_from_body_or_if_match(client, body, header, expected):
    headers = {"If-Match": header} if header else {}
    response = client.patch("/api/test/versioned", body, headers=headers)
    assert response.json()["expected"] == expected
    assert response.headers["ETag"] == '"4"'


@pytest.mark.parametrize(
    ("body", "header"), [({"version": "new"}, None), ({"version": True}, None), ({}, "abc"), ({"version": 2}, "3")]
)
def test_a_version_that_is_none_is_refused(client, body, header):
    headers = {"If-Match": header} if header else {}
    response = client.patch("/api/test/versioned", body, headers=headers)
    assert (response.status_code, response.json()["error_code"]) == (400, "VALID_001")


# --- idempotency


@pytest.mark.parametrize("path", ["/api/test/counted", "/api/test/counted-slowly"])
class TestIdempotency:
    def test_the_same_request_gets_the_first_answer_and_works_once(self, client, path):
        first = client.post(path, {"a": 1, "b": 2}, headers={"Idempotency-Key": "k1"})
        again = client.post(
            path, data='{"b": 2,  "a": 1}', content_type="application/json", headers={"Idempotency-Key": "k1"}
        )
        assert first.status_code == again.status_code == 201
        assert again.json() == first.json()
        assert again.headers["Idempotency-Replayed"] == "true"
        assert "Idempotency-Replayed" not in first.headers
        assert User.objects.count() == 1

    def test_another_body_under_the_same_key_is_refused(self, client, path):
        client.post(path, {"a": 1}, headers={"Idempotency-Key": "k1"})
        response = client.post(path, {"a": 2}, headers={"Idempotency-Key": "k1"})
        assert (response.status_code, response.json()["error_code"]) == (422, "VALID_005")
        assert User.objects.count() == 1

    def test_a_refusal_is_not_kept(self, client, path):
        refused = client.post(path, {"refuse": True}, headers={"Idempotency-Key": "k1"})
        assert refused.status_code == 409
        assert IdempotencyRecord.objects.count() == 0
        assert client.post(path, {}, headers={"Idempotency-Key": "k1"}).status_code == 201

    def test_two_callers_may_use_the_same_key(self, client, path, user):
        client.post(path, {}, headers={"Idempotency-Key": "k1"})
        client.force_authenticate(user)
        assert "Idempotency-Replayed" not in client.post(path, {}, headers={"Idempotency-Key": "k1"}).headers
        assert User.objects.count() == 3

    def test_without_a_key_each_request_works(self, client, path):
        client.post(path, {})
        client.post(path, {})
        assert User.objects.count() == 2
        assert IdempotencyRecord.objects.count() == 0

    def test_an_uploaded_file_counts_by_its_content(self, client, path):
        def send(content):
            return client.post(
                path,
                {"files": SimpleUploadedFile("a.stl", content)},
                format="multipart",
                headers={"Idempotency-Key": "k1"},
            ).status_code

        assert [send(b"one"), send(b"one"), send(b"two")] == [201, 201, 422]

    def test_a_key_that_is_too_long_is_refused(self, client, path):
        assert client.post(path, {}, headers={"Idempotency-Key": "k" * 201}).status_code == 400


def test_keys_differ_by_case_on_every_database(client):
    client.post("/api/test/counted", {}, headers={"Idempotency-Key": "abc"})
    client.post("/api/test/counted", {}, headers={"Idempotency-Key": "ABC"})
    assert User.objects.count() == 2


# --- schema


def test_the_schema_is_openapi_3_1_without_trailing_slashes(client):
    response = client.get("/api/v1/schema", headers={"accept": "application/vnd.oai.openapi+json"})
    assert response.status_code == 200
    schema = json.loads(response.content)
    assert schema["openapi"].startswith("3.1")
    assert "/api/v1/auth/login" in schema["paths"]
    assert [path for path in schema["paths"] if path.endswith("/")] == []


def test_the_docs_page_takes_its_assets_from_here(client):
    html = client.get("/api/v1/docs/").content.decode()
    assert "/static/drf_spectacular_sidecar/swagger-ui-dist/swagger-ui-bundle.js" in html
    assert "https://" not in html
