"""`Idempotency-Key` for writes that a shaky network may repeat."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import QueryDict
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from blb3d.core import idempotency
from blb3d.core.api.throttles import user_or_ip
from blb3d.core.errors import InvalidValue

HEADER = "Idempotency-Key"
MAX_KEY_LENGTH = 200

V = TypeVar("V", bound=Callable[..., Response])


def idempotent(*, atomic: bool = True) -> Callable[[V], V]:
    """Make a view method repeatable: the same key with the same request gets the first answer, with another one 422.

    With `atomic` the answer is kept in the transaction of the work: exactly once, also after a crash. Work that is slow
    or asks a partner must not hold a transaction and takes `atomic=False`: the key is claimed first, and a repeat
    after a crash runs the work again, whose verb must then find what it did. A refusal is never kept.
    """

    def decorate(method: V) -> V:
        @wraps(method)
        def run(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
            key = request.headers.get(HEADER, "")
            if not key:
                return method(view, request, *args, **kwargs)
            if len(key) > MAX_KEY_LENGTH:
                raise InvalidValue(f"{HEADER} is longer than {MAX_KEY_LENGTH} characters.")
            asked = {"caller": user_or_ip(request), "key": key, "fingerprint": fingerprint(request)}
            if atomic:
                with transaction.atomic():
                    record, is_new = idempotency.begin(**asked)
                    return _work(record, method(view, request, *args, **kwargs)) if is_new else _replay(record)
            record, is_new = idempotency.begin(**asked)
            if not is_new:
                return _replay(record)
            try:
                return _work(record, method(view, request, *args, **kwargs))
            except BaseException:
                record.delete()
                raise

        run.is_idempotent = True  # type: ignore[attr-defined]  # for the schema
        return run  # type: ignore[return-value]

    return decorate


def _work(record: idempotency.IdempotencyRecord, response: Response) -> Response:
    record.answer(response.status_code, json.loads(JSONRenderer().render(response.data)) if response.data else {})
    return response


def _replay(record: idempotency.IdempotencyRecord) -> Response:
    return Response(record.body, status=record.status_code, headers={"Idempotency-Replayed": "true"})


def fingerprint(request: Request) -> str:
    """Return a hash of method, path and what the body says, not of how it is spaced or cut into parts."""
    digest = hashlib.sha256(f"{request.method}\n{request.path}\n".encode())
    data = request.data
    if isinstance(data, QueryDict):
        for name, values in sorted(data.lists()):
            for value in values:
                digest.update(f"{len(name)}:{name}=".encode())
                for piece in _pieces(value):
                    digest.update(piece)
    else:
        digest.update(json.dumps(data, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def _pieces(value: Any) -> Iterable[bytes]:
    if isinstance(value, UploadedFile):
        yield f"{value.name}:{value.size}:".encode()
        yield from value.chunks()
        value.seek(0)
    else:
        text = str(value).encode()
        yield f"{len(text)}:".encode()
        yield text
