"""Uploads while they stream in: what goes over the limit is counted and hashed, and kept nowhere."""

from __future__ import annotations

import hashlib
import io
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

MEBIBYTE = 1024 * 1024


class OversizedFile(UploadedFile):
    """An uploaded file that was too large, alone or with those before it: name, size and SHA-256, no content."""

    def __init__(self, name: str, content_type: str, size: int, sha256: str) -> None:
        super().__init__(io.BytesIO(), name, content_type, size)
        self.sha256 = sha256


def refuse_oversized(file: Any) -> None:
    """Refuse a form's file that was too large; raises ValidationError."""
    if isinstance(file, OversizedFile):
        raise ValidationError(f"It is larger than {settings.MAX_UPLOAD_SIZE_MB} MB.")  # type: ignore[misc]


class LimitedUploadHandler(FileUploadHandler):
    """Passes a request's files on to the next handler, together up to ``MAX_UPLOAD_SIZE_MB``."""

    def __init__(self, request: Any = None) -> None:
        super().__init__(request)
        self._room = int(settings.MAX_UPLOAD_SIZE_MB) * MEBIBYTE  # type: ignore[misc]

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin to count."""
        super().new_file(*args, **kwargs)
        self._digest = hashlib.sha256()
        self._received = 0

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes | None:
        """Let a chunk pass while there is room."""
        self._digest.update(raw_data)
        self._received += len(raw_data)
        return raw_data if self._received <= self._room else None

    def file_complete(self, file_size: int) -> UploadedFile | None:
        """Return the file without content where there was no room; else the next handler has it."""
        if self._received <= self._room:
            self._room -= self._received
            return None
        for handler in self.request.upload_handlers if self.request is not None else ():
            if handler is not self:
                # What it was given before the limit came is of no use.
                handler.upload_interrupted()
        name, kind = self.file_name or "", self.content_type or ""
        return OversizedFile(name, kind, self._received, self._digest.hexdigest())
