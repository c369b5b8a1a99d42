"""Calling partners over HTTP: one client with timeouts, our name, and errors that say whether trying again helps."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx
from django.conf import settings

from blb3d.core.errors import PartnerRefused, PartnerUnavailable
from integrations.errors import UnreadableAnswer

#: Answers of a partner that is busy or broken: the same call may succeed later.
_LATER = frozenset({408, 423, 425, 429})


class PartnerClient:
    """Calls one partner; use it as a context manager and never inside a transaction."""

    def __init__(self, partner: str, base_url: str, *, headers: dict[str, str] | None = None) -> None:
        """Talk to ``partner`` (its name, for people) at ``base_url``."""
        self.partner = partner
        timeout = httpx.Timeout(settings.PARTNER_TIMEOUT_SECONDS)  # type: ignore[misc]
        agent = {"User-Agent": f"BLB3D-ERP/1.0 (+{settings.BASE_URL})", "Accept": "application/json"}  # type: ignore[misc]
        self.http = httpx.Client(base_url=base_url, headers={**agent, **(headers or {})}, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def call(self, method: str, path: str, **request: Any) -> httpx.Response:
        """Make one call and return its 2xx answer. Whether it had an effect is unknown after ``PartnerUnavailable``.

        Raises:
            PartnerUnavailable: no connection, no answer in time, a 5xx, or an answer that asks us to come later.
            PartnerRefused: any other answer; ``details`` holds its status and the beginning of its body.
        """
        details: dict[str, Any] = {"partner": self.partner, "call": f"{method} {path}"}
        try:
            response = self.http.request(method, path, **request)
        except (httpx.TransportError, httpx.DecodingError) as error:
            raise PartnerUnavailable(
                f"{self.partner} did not answer: {type(error).__name__}.", details=details
            ) from error
        if response.is_success:
            return response
        details |= {"status": response.status_code, "body": response.text[:500]}
        if response.is_server_error or response.status_code in _LATER:
            raise PartnerUnavailable(f"{self.partner} cannot answer now ({response.status_code}).", details=details)
        raise PartnerRefused(f"{self.partner} refused the call ({response.status_code}).", details=details)

    def get_json(self, path: str, **request: Any) -> dict[str, Any]:
        """Return the JSON object that a GET answers; raises as :meth:`call`, or ``UnreadableAnswer``."""
        response = self.call("GET", path, **request)
        try:
            body = response.json()
        except ValueError as error:
            raise UnreadableAnswer(f"{self.partner} did not answer JSON.", details={"path": path}) from error
        if not isinstance(body, dict):
            raise UnreadableAnswer(f"{self.partner} did not answer an object.", details={"path": path})
        return body
