"""From what an installation chose to Django's STORAGES entries, for a disk, Google's cloud and S3."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

GOOGLE = "storages.backends.gcloud.GoogleCloudStorage"
S3 = "storages.backends.s3.S3Storage"
#: Seconds to a connection and to each answer, and tries of one call.
_CONNECT, _READ, _TRIES = 5, 60, 3
#: Larger files are read through a temporary file.
_IN_MEMORY = 5 * 1024 * 1024


def storage_config(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry of the primary storage, ``STORAGE_BACKEND``."""
    backend = values["STORAGE_BACKEND"]
    if backend == GOOGLE:
        return _google(values)
    if backend == S3:
        return _s3(values)
    return {"BACKEND": backend}


def backup_config(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entry of the bucket that ``GCS_ENABLED`` copies customers' files to."""
    return _google(values)


def _google(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "BACKEND": GOOGLE,
        "OPTIONS": {
            "bucket_name": values["GCS_BUCKET_NAME"],
            "expiration": datetime.timedelta(seconds=values["SIGNED_LINK_SECONDS"]),
            "file_overwrite": False,
            "max_memory_size": _IN_MEMORY,
        },
    }


def _s3(values: Mapping[str, Any]) -> dict[str, Any]:
    # Not at the top: only who keeps files there needs it.
    from botocore.config import Config

    return {
        "BACKEND": S3,
        "OPTIONS": {
            "bucket_name": values["AWS_STORAGE_BUCKET_NAME"],
            "region_name": values["AWS_S3_REGION_NAME"] or None,
            "endpoint_url": values["AWS_S3_ENDPOINT_URL"] or None,
            "access_key": values["AWS_ACCESS_KEY_ID"] or None,
            "secret_key": values["AWS_SECRET_ACCESS_KEY"] or None,
            "querystring_expire": values["SIGNED_LINK_SECONDS"],
            "file_overwrite": False,
            "max_memory_size": _IN_MEMORY,
            "client_config": Config(
                signature_version="s3v4",
                connect_timeout=_CONNECT,
                read_timeout=_READ,
                retries={"max_attempts": _TRIES, "mode": "standard"},
            ),
        },
    }
