"""Links that let a browser fetch one stored file from the cloud for a short while, without passing through here."""

from __future__ import annotations

import logging
from urllib.parse import quote

from django.core.files.storage import FileSystemStorage, Storage
from django.utils.functional import LazyObject, empty

log = logging.getLogger(__name__)


def signed_link(storage: Storage, name: str, *, file_name: str) -> str:
    """Return a signed link that saves the file as ``file_name``; empty where the storage cannot sign one.

    Its life is ``SIGNED_LINK_SECONDS``. The cloud answers it as an attachment of bytes, whatever the file claims to be.
    """
    storage = _real(storage)
    if isinstance(storage, FileSystemStorage):
        return ""
    # Not at the top: both load a cloud's whole library, which a disk does not need.
    from google.auth.credentials import Signing
    from storages.backends.gcloud import GoogleCloudStorage
    from storages.backends.s3 import S3Storage

    disposition = f"attachment; filename*=UTF-8''{quote(file_name, safe='')}"
    if isinstance(storage, S3Storage):
        answer = {"ResponseContentDisposition": disposition, "ResponseContentType": "application/octet-stream"}
        return str(storage.url(name, parameters=answer))
    if isinstance(storage, GoogleCloudStorage) and isinstance(storage.client._credentials, Signing):
        answer = {"response_disposition": disposition, "response_type": "application/octet-stream"}
        return str(storage.url(name, parameters=answer))
    return ""


def _real(storage: Storage) -> Storage:
    """Return the storage behind Django's lazy default."""
    if isinstance(storage, LazyObject):
        if storage._wrapped is empty:  # type: ignore[attr-defined]
            storage._setup()  # type: ignore[attr-defined]
        return storage._wrapped  # type: ignore[attr-defined,no-any-return]
    return storage
