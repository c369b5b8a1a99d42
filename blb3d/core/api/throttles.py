"""Rate limits from settings, counted in the shared cache.

A limit is a sliding window made of two counters, the present and the previous one, which costs one small read and one
write whatever the rate, and has no burst at the turn of a window.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from blb3d.core.middleware import client_ip

if TYPE_CHECKING:
    from rest_framework.views import APIView

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def parse_rate(rate: str) -> tuple[int, int]:
    """Return (calls, seconds) of a rate such as `10/min`."""
    count, _, period = rate.partition("/")
    return int(count), _SECONDS[period[0]]


def user_or_ip(request: Request) -> str:
    user = request.user
    return f"user:{user.pk}" if user is not None and user.is_authenticated else f"ip:{client_ip(request._request)}"


def ip(request: Request) -> str:
    return f"ip:{client_ip(request._request)}"


class RateThrottle(BaseThrottle):
    """Base: `scope` names the counters, `setting` the rate; calls that were refused are not counted."""

    scope: str
    setting: str
    _wait = 0.0

    def caller(self, request: Request) -> str:
        return user_or_ip(request)

    def allow_request(self, request: Request, view: APIView) -> bool:
        limit, seconds = parse_rate(getattr(settings, self.setting))
        now = time.time()
        window, elapsed = divmod(now, seconds)
        name = f"rate:{self.scope}:{self.caller(request)}"
        present, previous = f"{name}:{int(window)}", f"{name}:{int(window) - 1}"
        counts = cache.get_many([present, previous])
        used, before = counts.get(present, 0), counts.get(previous, 0)
        if used + before * (1 - elapsed / seconds) > limit - 1:
            self._wait = self._time_until_room(limit, seconds, elapsed, used, before)
            return False
        self._count(present, seconds, known=bool(used))
        return True

    @staticmethod
    def _count(name: str, seconds: int, *, known: bool) -> None:
        """Add one call, in one trip to the cache where the counter is known to be there."""
        if known or not cache.add(name, 1, timeout=2 * seconds):
            try:
                cache.incr(name)
            except ValueError:
                cache.add(name, 1, timeout=2 * seconds)  # it ended just now

    def wait(self) -> float:
        return self._wait

    @staticmethod
    def _time_until_room(limit: int, seconds: int, elapsed: float, used: int, before: int) -> float:
        if used <= limit - 1 and before:
            return seconds * (1 - (limit - 1 - used) / before) - elapsed
        return seconds - elapsed + (seconds * (1 - (limit - 1) / used) if used else 0)


class DefaultThrottle(RateThrottle):
    """Every call that has no narrower limit."""

    scope = "default"
    setting = "RATE_LIMIT_DEFAULT"


class AuthThrottle(RateThrottle):
    """Log-in, registration, passwords: per address, so that one address cannot try many accounts."""

    scope = "auth"
    setting = "RATE_LIMIT_AUTH"

    def caller(self, request: Request) -> str:
        return ip(request)


class QuoteThrottle(RateThrottle):
    """Quotes made, per user."""

    scope = "quotes"
    setting = "RATE_LIMIT_QUOTES"


class QuoteAddressThrottle(QuoteThrottle):
    """Quotes made, per address."""

    scope = "quotes-ip"

    def caller(self, request: Request) -> str:
        return ip(request)
