"""A patient HTTP client: what a shaky network or a killed server does to a call is repeated until it is answered."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import Any, Literal, TypeVar

import httpx

T = TypeVar("T")


class Refused(AssertionError):
    """The system answered with an error that the caller did not expect."""


def wait_for(what: str, probe: Callable[[], T | Literal[False] | None], *, patience: float = 120.0) -> T:
    """Return the first truthy answer of ``probe``; raises TimeoutError naming ``what`` after ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        found = probe()
        if found:
            return found
        time.sleep(0.25)
    raise TimeoutError(f"waited {patience:.0f} s in vain for {what}")


class Client:
    """Calls the API as one user; every call is repeated through connection errors and 5xx answers for a while."""

    def __init__(self, base_url: str, *, patience: float = 60.0) -> None:
        """Talk to the system at ``base_url``."""
        self.patience = patience
        self.http = httpx.Client(base_url=base_url, timeout=30, headers={"Accept": "application/json"})

    def login(self, email: str, password: str) -> None:
        """Log in; the token is sent from now on."""
        tokens = self.call("POST", "/api/v1/auth/login", json={"email": email, "password": password})
        self.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"

    def call(self, method: str, path: str, *, done_when: tuple[str, ...] = (), **request: Any) -> Any:
        """Make one call and return its JSON.

        Every repetition carries the same Idempotency-Key. ``done_when`` names error codes which say that an earlier
        try, whose answer was lost, has done it already; the answer is then the error's body.

        Raises:
            Refused: the system refused the call.
            TimeoutError: nobody answered.
        """
        headers = {**request.pop("headers", {}), "Idempotency-Key": str(uuid.uuid4())}
        deadline = time.monotonic() + self.patience
        while True:
            try:
                response = self.http.request(method, path, headers=headers, **request)
            except httpx.TransportError as error:
                trouble = f"{type(error).__name__}: {error}"
            else:
                if response.is_success:
                    return response.json() if response.content else None
                if response.status_code < httpx.codes.INTERNAL_SERVER_ERROR and response.status_code != 429:
                    body = response.json()
                    if body.get("error_code") in done_when:
                        return body
                    raise Refused(f"{method} {path}: {response.status_code} {response.text[:500]}")
                trouble = f"{response.status_code} {response.text[:300]}"
            if time.monotonic() > deadline:
                raise TimeoutError(f"{method} {path}: {trouble}")
            time.sleep(0.3)

    def get(self, path: str, **params: Any) -> Any:
        """Return the JSON of a GET."""
        return self.call("GET", path, params=params)

    def rows(self, path: str, **params: Any) -> list[dict[str, Any]]:
        """Return the first page (up to 200 rows) of a list."""
        return self.get(path, page_size=200, **params)["results"]  # type: ignore[no-any-return]

    def post(self, path: str, body: dict[str, Any] | None = None, **options: Any) -> Any:
        """Post JSON and return the JSON of the answer."""
        return self.call("POST", path, json=body or {}, **options)
