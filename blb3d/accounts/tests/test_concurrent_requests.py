from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from django.db import connection, connections
from rest_framework.test import APIClient

from blb3d.accounts.models import User
from blb3d.core.models import IdempotencyRecord

pytestmark = pytest.mark.django_db(transaction=True)


def at_once(count, act):
    """Run `act` in threads that start together; return the results."""
    barrier = Barrier(count)

    def run(number):
        try:
            barrier.wait(timeout=30)
            return act(number)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@pytest.fixture(autouse=True)
def _needs_a_server():
    if connection.vendor == "sqlite":
        pytest.skip("an SQLite database in memory belongs to one connection")


def test_threads_that_ask_at_once_get_the_same_system_user():
    keys = at_once(8, lambda _: User.objects.system("relay").pk)
    assert len(set(keys)) == 1
    assert User.objects.filter(email="relay@system.invalid").count() == 1


@pytest.mark.urls("blb3d.core.tests.api_urls")
def test_the_same_request_sent_eight_times_at_once_works_once():
    def send(_):
        response = APIClient().post("/api/test/counted", {"a": 1}, headers={"Idempotency-Key": "k"})
        return response.status_code, response.json()

    answers = at_once(8, send)
    assert {status for status, _ in answers} == {201}
    assert len({body["user"] for _, body in answers}) == 1
    assert User.objects.count() == 1
    assert IdempotencyRecord.objects.count() == 1


def test_a_refresh_token_sent_twice_at_once_is_good_for_one():
    User.objects.create_user("buyer@example.com", "correct horse battery")
    tokens = APIClient().post("/api/v1/auth/login", {"email": "buyer@example.com", "password": "correct horse battery"})
    body = {"refresh_token": tokens.json()["refresh_token"]}
    answers = at_once(4, lambda _: APIClient().post("/api/v1/auth/refresh", body).status_code)
    assert sorted(answers) == [200, 401, 401, 401]
