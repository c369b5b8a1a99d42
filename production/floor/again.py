"""A form that came after the session ran out: log in, then send what was kept."""

from __future__ import annotations

from typing import cast
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth import authenticate, login
from django.http import HttpRequest, HttpResponse
from django.views.csrf import csrf_failure as refuse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_POST
from rest_framework.request import Request
from rest_framework.views import APIView

from blb3d.core.api.errors import TooManyRequests
from blb3d.core.api.throttles import AuthThrottle
from production.floor.base import UNPROCESSABLE, keep_typed, refusal, show

FLOOR = "/floor/"
_KEPT = "kept:"


@sensitive_post_parameters("password")
@require_POST
def again(request: HttpRequest) -> HttpResponse:
    """Log in and show what was kept, to be sent again by one tap."""
    asked = Request(request)
    if not AuthThrottle().allow_request(asked, cast(APIView, None)):
        return refusal(request, TooManyRequests())
    path = request.POST.get("kept_path", "")
    if not path.startswith(FLOOR):
        path = FLOOR
    kept = [
        (name.removeprefix(_KEPT), value)
        for name, values in request.POST.lists()
        if name.startswith(_KEPT)
        for value in values
    ]
    name = request.POST.get("username", "").replace("\0", "")
    user = authenticate(request, username=name, password=request.POST.get("password", ""))
    if user is not None:
        login(request, user)
    context = {
        "kept": kept,
        "typed": [(name, value) for name, value in kept if name != "key" and value],
        "file_fields": request.POST.getlist("kept_files"),
        "path": path,
        "is_known": user is not None,
        "error": "" if user is not None else "E-mail and password do not fit.",
    }
    return show(request, "floor/again.html", context, status=200 if user is not None else UNPROCESSABLE)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Keep what was typed into a form of the floor whose token ran out; refuse what other sites send."""
    if request.path.startswith(FLOOR) and request.path != f"{FLOOR}again/" and _is_from_here(request):
        return keep_typed(request)
    return cast(HttpResponse, refuse(request, reason=reason))


def _is_from_here(request: HttpRequest) -> bool:
    """Tell whether the browser says that the form was on a page of ours; a browser says it of every POST."""
    own = f"{request.scheme}://{request.get_host()}"
    origin = request.headers.get("Origin")
    fetched = request.headers.get("Sec-Fetch-Site", "same-origin")
    if origin is None:
        page = urlsplit(request.headers.get("Referer", ""))
        origin = f"{page.scheme}://{page.netloc}"
    return origin in {own, *settings.CSRF_TRUSTED_ORIGINS} and fetched == "same-origin"
