"""Optimistic locking over HTTP: `version` in the body or `If-Match`, and an ETag on every answer that has a version."""

from __future__ import annotations

import re
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response

from blb3d.core.errors import InvalidValue


def expected_version(request: Request) -> int | None:
    """Return the version the caller has seen, or None when it does not say.

    Raises:
        InvalidValue: it is not a number, or body and header differ.
    """
    given: set[int] = set()
    header = request.headers.get("If-Match", "").strip()
    if header and header != "*":
        match = re.fullmatch(r'(?:W/)?"?(\d{1,9})"?', header)
        if not match:
            raise InvalidValue("If-Match must be the version of the document.", details={"If-Match": header[:100]})
        given.add(int(match[1]))
    data: Any = request.data
    body = data.get("version") if hasattr(data, "get") else None
    if body is not None:
        if isinstance(body, bool) or not re.fullmatch(r"\d{1,9}", str(body)):
            raise InvalidValue("version must be a whole number.", details={"version": str(body)[:100]})
        given.add(int(str(body)))
    if len(given) > 1:
        raise InvalidValue("version and If-Match differ.")
    return next(iter(given), None)


class VersionedMixin:
    """For a view: gives the ETag. A write hands `expected_version(request)` to `document.check_version`."""

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        response = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[misc]
        data = getattr(response, "data", None)
        if isinstance(data, dict) and isinstance(data.get("version"), int):
            response["ETag"] = f'"{data["version"]}"'
        return response
