import pytest
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from rest_framework.request import Request

from blb3d.accounts.models import User
from blb3d.core.api import throttles
from blb3d.core.api.throttles import AuthThrottle, DefaultThrottle, QuoteAddressThrottle, QuoteThrottle, parse_rate


class Clock:
    def __init__(self) -> None:
        self.now = 6_000_000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """The time is an outside fact."""
    clock = Clock()
    monkeypatch.setattr(throttles, "time", clock)
    return clock


def request_of(user=None, address="10.0.0.1"):
    request = Request(RequestFactory().get("/", REMOTE_ADDR=address))
    request.user = user or AnonymousUser()
    return request


def allowed(throttle_class, request, times):
    return [throttle_class().allow_request(request, None) for _ in range(times)].count(True)


def test_a_rate_is_count_and_seconds():
    rates = [parse_rate(rate) for rate in ("10/min", "5/s", "7/hour", "1/d")]
    assert rates == [(10, 60), (5, 1), (7, 3600), (1, 86400)]


def test_the_limit_is_the_limit(settings, clock):
    settings.RATE_LIMIT_AUTH = "10/min"
    assert allowed(AuthThrottle, request_of(), 15) == 10


def test_there_is_no_burst_at_the_turn_of_the_window(settings, clock):
    settings.RATE_LIMIT_AUTH = "10/min"
    clock.now += 59
    assert allowed(AuthThrottle, request_of(), 15) == 10
    clock.now += 2
    assert allowed(AuthThrottle, request_of(), 15) == 0
    clock.now += 29
    assert allowed(AuthThrottle, request_of(), 15) == 5


def test_after_the_told_wait_there_is_room(settings, clock):
    settings.RATE_LIMIT_AUTH = "10/min"
    allowed(AuthThrottle, request_of(), 10)
    throttle = AuthThrottle()
    assert not throttle.allow_request(request_of(), None)
    clock.now += throttle.wait() + 0.01
    assert AuthThrottle().allow_request(request_of(), None)


def test_two_addresses_do_not_share_a_limit(settings, clock):
    settings.RATE_LIMIT_AUTH = "1/min"
    assert allowed(AuthThrottle, request_of(address="10.0.0.1"), 2) == 1
    assert allowed(AuthThrottle, request_of(address="10.0.0.2"), 2) == 1


def test_quotes_are_limited_per_user_and_per_address(settings, clock):
    settings.RATE_LIMIT_QUOTES = "2/min"
    ann, bob = User(pk=1), User(pk=2)
    assert allowed(QuoteThrottle, request_of(ann, "10.0.0.1"), 3) == 2
    assert allowed(QuoteThrottle, request_of(ann, "10.0.0.2"), 3) == 0
    assert allowed(QuoteThrottle, request_of(bob, "10.0.0.1"), 3) == 2
    assert allowed(QuoteAddressThrottle, request_of(ann, "10.0.0.1"), 1) == 1
    assert allowed(QuoteAddressThrottle, request_of(bob, "10.0.0.1"), 3) == 1


def test_a_limit_does_not_use_up_another(settings, clock):
    settings.RATE_LIMIT_AUTH = settings.RATE_LIMIT_DEFAULT = "1/min"
    assert allowed(AuthThrottle, request_of(), 1) == 1
    assert allowed(DefaultThrottle, request_of(), 1) == 1
