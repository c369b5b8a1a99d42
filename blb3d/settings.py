"""Django settings. What an installation may choose is declared in `blb3d.env`; here it becomes Django's own names."""

from datetime import timedelta
from pathlib import Path

from celery.schedules import crontab
from csp.constants import NONE, SELF, UNSAFE_EVAL, UNSAFE_INLINE

from blb3d import env
from blb3d.core.logging import logging_config
from blb3d.databases import database_config
from blb3d.file_storages import backup_config, storage_config
from blb3d.openapi import SPECTACULAR_SETTINGS as SPECTACULAR_SETTINGS
from blb3d.unfold import UNFOLD as UNFOLD

BASE_DIR = Path(__file__).resolve().parent.parent

VALUES = env.read(BASE_DIR)
# Each declared name is a setting of the same name, typed.
globals().update(VALUES)

DEBUG: bool = VALUES["DEBUG"]
DEMO: bool = VALUES["DEMO"]
VAR_DIR = BASE_DIR / VALUES["VAR_DIR"]
LOG_DIR = BASE_DIR / VALUES["LOG_DIR"]
UPLOAD_DIR = BASE_DIR / VALUES["UPLOAD_DIR"]
STATIC_ROOT = BASE_DIR / "staticfiles"
for folder in (VAR_DIR, LOG_DIR, STATIC_ROOT):
    folder.mkdir(parents=True, exist_ok=True)

# --- Applications -----------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "unfold.contrib.inlines",
    "unfold.contrib.simple_history",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "rest_framework_simplejwt.token_blacklist",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "simple_history",
    "django_htmx",
    "csp",
    "axes",
    "blb3d.core",
    "blb3d.accounts",
    "inventory",
    "production",
    "sales",
    "quotes",
    "integrations",
    "blb3d.demo",
    "blb3d.bench",
]

MIDDLEWARE = [
    "blb3d.core.middleware.RequestIDMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "blb3d.core.middleware.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "blb3d.urls"
WSGI_APPLICATION = "blb3d.wsgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# --- Database, cache, tasks -------------------------------------------------------------------------------------------
DATABASES = {
    "default": database_config(
        VALUES["DATABASE_URL"],
        base_dir=BASE_DIR,
        pool_size=VALUES["DB_POOL_SIZE"],
        max_overflow=VALUES["DB_MAX_OVERFLOW"],
    )
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

if VALUES["REDIS_URL"]:
    _redis = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": VALUES["REDIS_URL"]}
    CACHES = {"default": _redis, "readings": _redis}
else:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": "django_cache",
            # Estimates must not crowd out the counters of the rate limits.
            "OPTIONS": {"MAX_ENTRIES": 10_000},
        },
        # What was read from customers' files, pictures and meshes included: megabytes, which no table should hold.
        "readings": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": VAR_DIR / "readings",
            "OPTIONS": {"MAX_ENTRIES": 200},
        },
    }

CELERY_BROKER_URL = VALUES["CELERY_BROKER_URL"] or "folder://"
BROKER_DIR = VAR_DIR / "broker"
if CELERY_BROKER_URL == "folder://":
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(BROKER_DIR / "queue"),
        "data_folder_out": str(BROKER_DIR / "queue"),
        "control_folder": str(BROKER_DIR / "control"),
        "store_processed": False,
        # Seconds between looks into the folder when it is empty; the default of 1 would make every step wait.
        "polling_interval": 0.1,
    }
    for folder in (BROKER_DIR / "queue", BROKER_DIR / "control"):
        folder.mkdir(parents=True, exist_ok=True)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_SOFT_TIME_LIMIT = VALUES["CELERY_TASK_SECONDS"]
CELERY_TASK_TIME_LIMIT = VALUES["CELERY_TASK_SECONDS"] + 30
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CONCURRENCY = VALUES["CELERY_CONCURRENCY"]
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")
CELERY_BEAT_SCHEDULE: dict[str, dict[str, object]] = {
    # A message older than its interval is of no use: the next one does the same work.
    "relay-outbox": {"task": "blb3d.core.tasks.relay_outbox", "schedule": 5.0, "options": {"expires": 5}},
    "dispatch-jobs": {
        "task": "integrations.printers.tasks.dispatch_jobs",
        "schedule": 5.0,
        "options": {"expires": 5},
    },
    "repair-schedule": {"task": "production.tasks.repair_schedule", "schedule": 5.0, "options": {"expires": 5}},
    "plan-schedule": {"task": "production.tasks.plan_schedule", "schedule": 300.0, "options": {"expires": 300}},
    # Every hour, because the night is that of TIME_ZONE; the first one after 02:30 plans.
    "plan-material": {
        "task": "production.tasks.plan_material",
        "schedule": crontab(minute="30"),
        "options": {"expires": 1800},
    },
    "replenish-stock": {"task": "production.tasks.replenish_stock", "schedule": 900.0, "options": {"expires": 900}},
    "slice-plates": {"task": "integrations.tasks.slice_plates", "schedule": 5.0, "options": {"expires": 5}},
    "work-inbox": {"task": "blb3d.core.tasks.work_inbox", "schedule": 5.0, "options": {"expires": 5}},
    "poll-squarespace": {
        "task": "integrations.tasks.poll_squarespace",
        "schedule": 600.0,
        "options": {"expires": 600},
    },
    "look-around": {"task": "integrations.tasks.look_around", "schedule": 60.0, "options": {"expires": 60}},
    "send-notices": {"task": "integrations.tasks.send_notices", "schedule": 10.0, "options": {"expires": 10}},
    "serve-print-suite": {
        "task": "integrations.tasks.serve_print_suite",
        "schedule": 10.0,
        "options": {"expires": 10},
    },
    "settle-payments": {"task": "sales.tasks.settle_payments", "schedule": 30.0, "options": {"expires": 30}},
    "complete-orders": {
        "task": "sales.tasks.complete_delivered_orders",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    "expire-quotes": {"task": "quotes.tasks.expire_quotes", "schedule": 3600.0, "options": {"expires": 3600}},
    "renew-promises": {"task": "quotes.tasks.renew_promises", "schedule": 21600.0, "options": {"expires": 21600}},
    "remind-quotes": {"task": "quotes.tasks.remind_quotes", "schedule": 3600.0, "options": {"expires": 3600}},
    "rescan-held-files": {"task": "quotes.tasks.rescan_held_files", "schedule": 60.0, "options": {"expires": 60}},
    "learn-from-prints": {"task": "quotes.tasks.learn_from_prints", "schedule": 3600.0, "options": {"expires": 3600}},
    "expire-lots": {"task": "inventory.tasks.expire_lots", "schedule": 3600.0, "options": {"expires": 3600}},
    "prune-telemetry": {
        "task": "integrations.printers.tasks.prune_telemetry",
        "schedule": 3600.0,
        "options": {"expires": 3600},
    },
    # 8:15 UTC is night in the Americas, when nobody posts.
    "reconcile-ledger": {"task": "inventory.tasks.reconcile_ledger", "schedule": crontab(hour="8", minute="15")},
    "classify-abc": {
        "task": "inventory.tasks.classify_abc",
        "schedule": crontab(hour="7", minute="45", day_of_month="1"),
    },
    "purge-expired": {"task": "blb3d.accounts.tasks.purge_expired", "schedule": 3600.0, "options": {"expires": 3600}},
}

# --- Users and log-in -------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
PASSWORD_RESET_TIMEOUT = VALUES["PASSWORD_RESET_HOURS"] * 3600
LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"

AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = VALUES["LOGIN_FAILURE_LIMIT"]
AXES_COOLOFF_TIME = timedelta(minutes=VALUES["LOGIN_COOLOFF_MINUTES"])
AXES_RESET_ON_SUCCESS = True
AXES_USERNAME_FORM_FIELD = "username"
AXES_USERNAME_CALLABLE = "blb3d.accounts.lockout.username"
AXES_VERBOSE = False
AXES_CLIENT_IP_CALLABLE = "blb3d.core.middleware.client_ip"
AXES_LOCKOUT_CALLABLE = "blb3d.core.api.errors.lockout_response"

# --- Language and time ------------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en-us"
FORMAT_MODULE_PATH = "blb3d.formats"
USE_I18N = True
USE_TZ = True

# --- Files and mail ---------------------------------------------------------------------------------------------------
STATIC_URL = "/static/"
MEDIA_ROOT = UPLOAD_DIR
MEDIA_URL = ""
STORAGES = {
    "default": storage_config(VALUES),
    # Where GCS_ENABLED copies customers' files to.
    "backup": backup_config(VALUES),
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG or DEMO
        else "whitenoise.storage.CompressedManifestStaticFilesStorage"
    },
}
WHITENOISE_USE_FINDERS = DEBUG or DEMO
FILE_UPLOAD_HANDLERS = [
    "blb3d.core.uploads.LimitedUploadHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
FILE_UPLOAD_PERMISSIONS = 0o640

if VALUES["SMTP_HOST"]:
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST = VALUES["SMTP_HOST"]
    EMAIL_PORT = VALUES["SMTP_PORT"]
    EMAIL_HOST_USER = VALUES["SMTP_USER"]
    EMAIL_HOST_PASSWORD = VALUES["SMTP_PASSWORD"]
    EMAIL_USE_TLS = VALUES["SMTP_USE_TLS"]
    EMAIL_TIMEOUT = 20
else:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = VAR_DIR / "mail"
DEFAULT_FROM_EMAIL = SERVER_EMAIL = VALUES["ADMIN_EMAIL"]
ADMINS = [("Operations", VALUES["ADMIN_EMAIL"])]

# --- Security ---------------------------------------------------------------------------------------------------------
HTTPS: bool = VALUES["HTTPS"] and not (DEBUG or DEMO)
SECURE_SSL_REDIRECT = HTTPS
# Probes come from inside, over plain HTTP.
SECURE_REDIRECT_EXEMPT = [r"^health/"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if VALUES["TRUST_PROXY_HEADERS"] else None
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
# A form of the floor pages that was open for too long keeps what was typed.
CSRF_FAILURE_VIEW = "production.floor.again.csrf_failure"

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:", "blob:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
# Parts of the site whose own scripts need more, by path prefix; the first that fits replaces the directives it names.
CONTENT_SECURITY_POLICY_BY_PREFIX = {
    # Unfold ships Alpine, which evaluates expressions found in attributes, and styles set by script.
    "/admin/": {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]},
    # Swagger UI sets styles on its elements.
    "/api/v1/docs": {"style-src": [SELF, UNSAFE_INLINE]},
}

# --- API --------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "rest_framework_simplejwt.authentication.JWTAuthentication",
        "blb3d.accounts.authentication.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": [
        "rest_framework.parsers.JSONParser",
        "blb3d.core.api.parsers.FormOrJSONParser",
        "rest_framework.parsers.MultiPartParser",
        "blb3d.core.api.parsers.AnyJSONParser",
    ],
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_PAGINATION_CLASS": "blb3d.core.api.pagination.PagePagination",
    "DEFAULT_FILTER_BACKENDS": [
        "blb3d.core.api.filters.FilterBackend",
        "rest_framework.filters.SearchFilter",
        "rest_framework.filters.OrderingFilter",
    ],
    "DEFAULT_THROTTLE_CLASSES": ["blb3d.core.api.throttles.DefaultThrottle"],
    "DEFAULT_VERSIONING_CLASS": "rest_framework.versioning.NamespaceVersioning",
    "DEFAULT_VERSION": "v1",
    "ALLOWED_VERSIONS": ["v1", "v2"],
    "EXCEPTION_HANDLER": "blb3d.core.api.errors.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "blb3d.core.api.schema.Schema",
    "COERCE_DECIMAL_TO_STRING": True,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=VALUES["JWT_ACCESS_TOKEN_EXPIRE_MINUTES"]),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=VALUES["JWT_REFRESH_TOKEN_EXPIRE_DAYS"]),
    "SIGNING_KEY": VALUES["JWT_SECRET_KEY"] or VALUES["SECRET_KEY"],
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "CHECK_REVOKE_TOKEN": True,
}

# --- Admin and history ------------------------------------------------------------------------------------------------
SIMPLE_HISTORY_HISTORY_CHANGE_REASON_USE_TEXT_FIELD = False

# --- Logging ----------------------------------------------------------------------------------------------------------
LOGGING = logging_config(level=VALUES["LOG_LEVEL"], style=VALUES["LOG_FORMAT"], directory=LOG_DIR)
