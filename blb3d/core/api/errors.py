"""One envelope for every error of the API: `{"error_code", "message", "details"}`."""

from __future__ import annotations

import logging
import math
from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation, ValidationError
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from blb3d.core.errors import BLB3DError, GaveWay, InvalidValue, NotAllowed, NotFound
from blb3d.core.verbs import is_victim

log = logging.getLogger(__name__)


class NotLoggedIn(BLB3DError):
    """The call needs a user and carries no token, session or key."""

    code = "AUTH_002"
    http_status = 401
    message = "Please log in."


class InvalidToken(BLB3DError):
    """The token, key or link is wrong, expired, used or revoked."""

    code = "AUTH_003"
    http_status = 401
    message = "The token is not valid."


class LockedOut(BLB3DError):
    """Too many wrong passwords; the account is locked for this address for a while."""

    code = "AUTH_004"
    http_status = 429
    message = "Too many failed attempts. Please try again later."
    transient = True


class MethodNotPossible(BLB3DError):
    """The address exists, the method does not."""

    code = "VALID_010"
    http_status = 405
    message = "This method is not possible here."


class NotAcceptable(BLB3DError):
    """The caller accepts no format that can be given."""

    code = "VALID_011"
    http_status = 406
    message = "This format cannot be given."


class UnsupportedContentType(BLB3DError):
    """The body is of a kind that is not read here."""

    code = "VALID_012"
    http_status = 415
    message = "This kind of body is not read here."


class Unreadable(BLB3DError):
    """The body cannot be parsed."""

    code = "VALID_013"
    message = "The body cannot be read."


class TooLarge(BLB3DError):
    """The body is larger than this address takes."""

    code = "VALID_014"
    http_status = 413
    message = "The request is too large."


class TooManyRequests(BLB3DError):
    """A rate limit was reached; Retry-After says when to come back."""

    code = "RATE_001"
    http_status = 429
    message = "Too many requests. Please slow down."
    transient = True


class Unexpected(BLB3DError):
    """Something failed that should not; it is logged under the request id."""

    code = "SERVER_001"
    http_status = 500
    message = "Something went wrong on our side. The request id helps us to find it."


def envelope(error: BLB3DError) -> dict[str, Any]:
    """Return the body that every failed API call has."""
    return {"error_code": error.code, "message": error.message, "details": error.details}


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Answer any expected exception of a view with the envelope, and undo what the request wrote.

    An unexpected one is left to Django, which logs it and answers through `server_error`.
    """
    error = as_domain_error(exc)
    if error is None:
        return None
    set_rollback()
    if error.http_status >= 500:
        log.error("%s", error, exc_info=exc)
    response = Response(envelope(error), status=error.http_status)
    if error.http_status == 401:
        response["WWW-Authenticate"] = getattr(exc, "auth_header", None) or 'Bearer realm="api"'
    wait = getattr(exc, "wait", None)
    if wait is not None:
        response["Retry-After"] = str(math.ceil(wait))
    elif error.transient:
        response["Retry-After"] = "5"
    if isinstance(exc, exceptions.MethodNotAllowed):
        allowed = getattr(context.get("view"), "allowed_methods", [])
        response["Allow"] = ", ".join(allowed)
    return response


def as_domain_error(exc: Exception) -> BLB3DError | None:
    """Return the exception as one of ours, or None when it is not an answer but a fault."""
    match exc:
        case BLB3DError():
            return exc
        case exceptions.ValidationError():
            return InvalidValue(_first_sentence(exc.detail), details={"fields": _plain(exc.detail)})
        case ValidationError():
            fields = exc.message_dict if hasattr(exc, "error_dict") else {"non_field_errors": exc.messages}
            return InvalidValue(_first_sentence(fields), details={"fields": fields})
        case exceptions.NotAuthenticated():
            return NotLoggedIn()
        case exceptions.AuthenticationFailed():
            return InvalidToken()
        case exceptions.PermissionDenied() | PermissionDenied():
            return NotAllowed()
        case exceptions.NotFound() | Http404():
            return NotFound()
        case exceptions.MethodNotAllowed():
            return MethodNotPossible(str(exc.detail))
        case exceptions.NotAcceptable():
            return NotAcceptable()
        case exceptions.UnsupportedMediaType():
            return UnsupportedContentType(str(exc.detail))
        case exceptions.Throttled():
            return TooManyRequests()
        case exceptions.ParseError():
            return Unreadable(str(exc.detail))
        case RequestDataTooBig():
            return TooLarge()
        case SuspiciousOperation():
            return Unreadable()
        case OperationalError() if is_victim(exc):
            return GaveWay()
    return None


def _plain(detail: Any) -> Any:
    if isinstance(detail, dict):
        return {str(name): _plain(value) for name, value in detail.items()}
    if isinstance(detail, list):
        return [_plain(value) for value in detail]
    return str(detail)


def _first_sentence(detail: Any, field: str = "") -> str:
    """Return the first complaint as a sentence for people: `quantity: A valid integer is required.`"""
    if isinstance(detail, dict):
        for name, value in detail.items():
            if value:
                return _first_sentence(value, "" if name == "non_field_errors" else str(name))
    if isinstance(detail, list):
        for value in detail:
            if value:
                return _first_sentence(value, field)
    text = str(detail) if detail else InvalidValue.message
    return f"{field}: {text}" if field else text


def is_api(request: HttpRequest) -> bool:
    """Return whether the caller expects JSON errors."""
    return request.path_info.startswith("/api/")


def error_response(error: BLB3DError) -> JsonResponse:
    """Return the envelope outside of a DRF view."""
    return JsonResponse(envelope(error), status=error.http_status)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler400."""
    if is_api(request):
        return error_response(as_domain_error(exception) or Unreadable())
    return defaults.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler403."""
    if is_api(request):
        return error_response(NotAllowed())
    return defaults.permission_denied(request, exception)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404."""
    if is_api(request):
        return error_response(NotFound())
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500."""
    if is_api(request):
        return error_response(Unexpected())
    return defaults.server_error(request)


def lockout_response(
    request: HttpRequest, original_response: HttpResponse | None = None, credentials: dict[str, Any] | None = None
) -> HttpResponse:
    """Answer a locked-out log-in, in the API's or the pages' form."""
    error = LockedOut(details={"retry_after_minutes": settings.LOGIN_COOLOFF_MINUTES})
    response = (
        error_response(error)
        if is_api(request)
        else render(request, "429.html", {"error": error}, status=error.http_status)
    )
    response["Retry-After"] = str(settings.LOGIN_COOLOFF_MINUTES * 60)
    return response
