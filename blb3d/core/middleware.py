"""What every web request passes: a request id and a content security policy."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from blb3d.core.logging import request_id_scope

_GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestIDMiddleware:
    """Takes the caller's X-Request-ID when it is plain, else makes one; logs and the answer carry it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        given = request.headers.get("X-Request-ID", "")
        current = given if _GIVEN_ID.fullmatch(given) else uuid.uuid4().hex
        request.request_id = current  # type: ignore[attr-defined]
        with request_id_scope(current):
            response = self.get_response(request)
        response["X-Request-ID"] = current
        return response


class ContentSecurityPolicyMiddleware(CSPMiddleware):
    """The strict policy everywhere, eased only where CONTENT_SECURITY_POLICY_BY_PREFIX says so."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        # django-csp would build the policy first and ask after.
        if getattr(response, "_csp_exempt", False):
            return response
        return super().process_response(request, response)

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts = super().get_policy_parts(request, response, report_only)
        eased: dict[str, dict[str, Any]] = settings.CONTENT_SECURITY_POLICY_BY_PREFIX
        for prefix, directives in eased.items():
            if request.path_info.startswith(prefix):
                parts.replace = {**directives, **(parts.replace or {})}
                break
        return parts


def client_ip(request: HttpRequest) -> str:
    """Return the caller's address; with TRUST_PROXY_HEADERS the one that the last proxy saw."""
    if settings.TRUST_PROXY_HEADERS:
        forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        if forwarded:
            return forwarded
    return str(request.META.get("REMOTE_ADDR", ""))
