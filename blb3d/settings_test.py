"""Settings of the test suite: nothing from `.env`, SQLite in memory, no partner and no server.

`TEST_DATABASE_URL`, `TEST_REDIS_URL` (without a database number) and `TEST_MQTT_URL` point it at real services.
"""

import os
import tempfile

# Gone when the process ends.
FOLDER = tempfile.TemporaryDirectory(prefix="blb3d-tests-")
# Each parallel worker has a Redis database of its own: emptying the cache empties the database.
REDIS_DATABASE = 8 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))

os.environ.update(
    {
        "ENV_FILE": "",
        "DEBUG": "false",
        "DEMO": "true",
        "SECRET_KEY": "only-for-tests-" + "0123456789" * 5,
        "DATABASE_URL": os.environ.get("TEST_DATABASE_URL", "sqlite://:memory:"),
        "DB_POOL_SIZE": "0",
        "REDIS_URL": (f"{os.environ['TEST_REDIS_URL']}/{REDIS_DATABASE}" if os.environ.get("TEST_REDIS_URL") else ""),
        "CELERY_BROKER_URL": "memory://",
        "OUTBOX_NUDGE": "false",
        # Starting reading processes takes seconds; the tests that are about them start them.
        "QUOTE_PARSE_ISOLATED": "false",
        "LOG_DIR": os.path.join(FOLDER.name, "logs"),
        "UPLOAD_DIR": os.path.join(FOLDER.name, "uploads"),
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
    CACHES = {
        name: {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": name}
        for name in ("default", "readings")
    }
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
# Argon2 is slow on purpose; the tests that are about it name it.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", "django.contrib.auth.hashers.Argon2PasswordHasher"]
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
