"""Reading bodies: a body that starts with `{` is JSON, whatever its Content-Type says.

`curl -d '{"a": 1}'` labels its body a form; read as one it is a single odd key.
Real forms and multipart stay what they are.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.parsers import BaseParser, FormParser, JSONParser


def _read(stream: IO[Any]) -> bytes:
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    body = bytes(stream.read(limit + 1))
    if len(body) > limit:
        raise RequestDataTooBig
    return body


class FormOrJSONParser(FormParser):
    """Forms, and JSON that was sent as a form."""

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        body = _read(stream)
        if body.lstrip()[:1] == b"{":
            return JSONParser().parse(io.BytesIO(body), media_type, parser_context)
        return super().parse(io.BytesIO(body), media_type, parser_context)


class AnyJSONParser(BaseParser):
    """JSON under any other label, or under none; to be listed last."""

    media_type = "*/*"

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        body = _read(stream)
        if body.strip() and body.lstrip()[:1] not in {b"{", b"["}:
            raise UnsupportedMediaType(media_type or "")
        return JSONParser().parse(io.BytesIO(body or b"{}"), media_type, parser_context)
