"""What every floor page does alike: who may see it, refusals in words, and acts that may be sent again without harm.

A form of the floor carries a one-time ``key``. The first time it is carried out; sent again over a bad connection it
changes nothing and says what was done. A form that comes back after the session or its token ran out is not thrown
away: the page that answers holds everything that was typed and sends it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.views import redirect_to_login
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from blb3d.accounts.actor import actor_of
from blb3d.accounts.models import User
from blb3d.core import idempotency
from blb3d.core.errors import AlreadyDone, BLB3DError, InvalidValue, NotAllowed

View = Callable[..., HttpResponseBase]

#: A form that is shown again with its errors.
UNPROCESSABLE = 422
KEY = "key"
_MAX_KEY = 100
#: What is no part of what a person typed.
_NOT_TYPED = {KEY, "csrfmiddlewaretoken"}


def show(request: HttpRequest, template: str, context: Mapping[str, Any], *, status: int = 200) -> HttpResponse:
    """Return a page of the floor."""
    return render(request, template, {"shop_name": settings.COMPANY_NAME, **context}, status=status)


def floor_page(*permissions: str) -> Callable[[View], View]:
    """Make a view a floor page: for people with all of ``permissions``; a refusal is a page with its words.

    Who is not logged in is led to the login and back; a form that they sent meanwhile is kept.
    """

    def decorate(view: View) -> View:
        @wraps(view)
        def run(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                if request.method == "POST":
                    return keep_typed(request)
                return redirect_to_login(request.get_full_path())
            try:
                if not request.user.has_perms(permissions):
                    raise NotAllowed
                _check_text(request)
                return view(request, *args, **kwargs)
            except BLB3DError as error:
                return refusal(request, error)

        return run

    return decorate


def _check_text(request: HttpRequest) -> None:
    """Refuse a text that no database keeps: forms of Django do so, these pages read what was sent as it is."""
    sent = (value for given in (request.GET, request.POST) for _, values in given.lists() for value in values)
    if "\0" in request.path or any("\0" in value for value in sent):
        raise InvalidValue("This text holds a character that is none.")


def refusal(request: HttpRequest, error: BLB3DError) -> HttpResponse:
    """Return the page of an error."""
    context = {"error": error, "request_id": getattr(request, "request_id", "")}
    return show(request, "floor/error.html", context, status=error.http_status)


def act(request: HttpRequest, then: str, do: Callable[[User], str]) -> HttpResponseBase:
    """Carry out what a form asks for, once for its key, and go to ``then`` with a message of what was done.

    ``do`` gets the actor and returns the sentence. It runs in the transaction that keeps the answer, so that the same
    form sent again is answered by the same sentence, also after a crash. Without a key the act is carried out as it is.

    Raises:
        BLB3DError: what ``do`` raises; nothing is kept then.
        AlreadyDone: the same form came before with other values; its answer is in the message.
    """
    actor = actor_of(request)
    key = request.POST.get(KEY, "")[:_MAX_KEY]
    if not key:
        messages.success(request, do(actor))
        return HttpResponseRedirect(then)
    caller = f"floor:{actor.pk}"
    try:
        with transaction.atomic():
            record, is_new = idempotency.begin(caller=caller, key=key, fingerprint=fingerprint(request))
            if is_new:
                record.answer(200, {"text": do(actor), "at": timezone.now().isoformat()})
    except idempotency.KeyReused as error:
        before = idempotency.IdempotencyRecord.objects.get(digest=idempotency.digest_of(caller, key))
        raise AlreadyDone(
            f"This form was sent before with other values, and these changed nothing. {_answer(before)}"
        ) from error
    if is_new:
        messages.success(request, record.body["text"])
    else:
        messages.info(request, f"Nothing was changed. {_answer(record)}")
    return HttpResponseRedirect(then)


def _answer(record: idempotency.IdempotencyRecord) -> str:
    at = parse_datetime(str(record.body.get("at", "")))
    return f"Already done at {timezone.localtime(at):%H:%M}: {record.body.get('text', '')}" if at else ""


def fingerprint(request: HttpRequest) -> str:
    """Return a hash of where a form goes and what was typed into it, files by their content."""
    digest = hashlib.sha256(request.path.encode())
    for name, values in sorted(request.POST.lists()):
        if name not in _NOT_TYPED:
            digest.update(repr((name, values)).encode())
    for name, files in sorted(request.FILES.lists()):
        for file in files:
            digest.update(repr((name, _hash_of(file))).encode())
    return digest.hexdigest()


def _hash_of(file: UploadedFile) -> str:
    digest = hashlib.sha256()
    for chunk in file.chunks():
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()


def number(request: HttpRequest, name: str, default: int | None = None) -> int:
    """Return a whole number of at least 0 that was typed.

    Raises:
        InvalidValue: it is missing without a default, or is none.
    """
    text = request.POST.get(name, "").strip()
    if not text and default is not None:
        return default
    if not (text.isdecimal() and text.isascii() and len(text) < 10):
        raise InvalidValue(f"“{text[:20]}” is not a whole number.", details={"field": name})
    return int(text)


def keep_typed(request: HttpRequest) -> HttpResponse:
    """Answer a form that came without a session or a valid token: everything typed is on the page, to be sent again."""
    sent = [(name, value) for name, values in request.POST.lists() for value in values]
    kept = [(name, value) for name, value in sent if name != "csrfmiddlewaretoken"]
    context = {
        "kept": kept,
        "typed": [(name, value) for name, value in kept if name != KEY and value],
        "file_fields": sorted(request.FILES),
        "path": request.get_full_path(),
        "is_known": request.user.is_authenticated,
    }
    return show(request, "floor/again.html", context, status=403)
