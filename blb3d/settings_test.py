"""Settings of the test suite: nothing from `.env`, SQLite in memory, no partner and no server.

`TEST_DATABASE_URL`, `TEST_REDIS_URL` and `TEST_MQTT_URL` point it at real services.
"""

import os
import tempfile

os.environ.update(
    {
        "ENV_FILE": "",
        "DEBUG": "false",
        "DEMO": "true",
        "SECRET_KEY": "only-for-tests-" + "0123456789" * 5,
        "DATABASE_URL": os.environ.get("TEST_DATABASE_URL", "sqlite://:memory:"),
        "DB_POOL_SIZE": "0",
        "REDIS_URL": os.environ.get("TEST_REDIS_URL", ""),
        "CELERY_BROKER_URL": "memory://",
        "OUTBOX_NUDGE": "false",
        "LOG_DIR": tempfile.mkdtemp(prefix="blb3d-logs-"),
        "UPLOAD_DIR": tempfile.mkdtemp(prefix="blb3d-uploads-"),
        "LOG_FORMAT": "console",
        "LOG_LEVEL": "WARNING",
        "RATE_LIMIT_AUTH": "1000/min",
        "RATE_LIMIT_QUOTES": "1000/min",
        "RATE_LIMIT_DEFAULT": "100000/min",
    }
)

from blb3d.settings import *  # noqa: F403
from blb3d.settings import STORAGES, VALUES

if not VALUES["REDIS_URL"]:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
# Argon2 is slow on purpose; the tests that are about it name it.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", "django.contrib.auth.hashers.Argon2PasswordHasher"]
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
