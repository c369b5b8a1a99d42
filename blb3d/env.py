"""Every setting the environment can give, declared once.

`SETTINGS` is the only list: `blb3d.settings` reads it, `manage.py settings_reference` writes `docs/configuration.md`
and `.env.example` from it, and a name that is not in it does not exist. Values come from the process environment, then
from `.env`, then from the default. A secret may also come from a file: `SECRET_KEY_FILE=/run/secrets/key`.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import environ
from django.core.exceptions import ImproperlyConfigured

INSECURE_SECRET = "insecure-local-secret-change-me-before-anyone-else-can-reach-this"  # noqa: S105


@dataclass(frozen=True)
class Setting:
    """One name of the environment: kind (see `KINDS`), default as it would be typed, meaning, other names for it."""

    name: str
    kind: str
    default: str
    help: str
    secret: bool = False
    aliases: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    minimum: int | None = None


@dataclass(frozen=True)
class Group:
    title: str
    settings: tuple[Setting, ...]


def _text(raw: str) -> str:
    return raw


def _bool(raw: str) -> bool:
    word = raw.strip().lower()
    if word in {"true", "1", "yes", "on"}:
        return True
    if word in {"false", "0", "no", "off"}:
        return False
    raise ValueError("must be true or false")


def _int(raw: str) -> int:
    try:
        return int(raw)
    except ValueError:
        raise ValueError("must be a whole number") from None


def _decimal(raw: str) -> Decimal:
    try:
        value = Decimal(raw)
    except InvalidOperation:
        raise ValueError("must be a decimal number such as 1.50") from None
    if not value.is_finite():
        raise ValueError("must be a decimal number such as 1.50")
    return value


def _list(raw: str) -> list[str]:
    return [item.strip() for item in raw.split(",") if item.strip()]


def _rate(raw: str) -> str:
    if not re.fullmatch(r"[1-9]\d*/(s|sec|second|m|min|minute|h|hour|d|day)", raw):
        raise ValueError("must look like 10/min")
    return raw


def _dotted(raw: str) -> str:
    if not re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", raw):
        raise ValueError("must be a dotted path such as package.module.Class")
    return raw


def _dotted_list(raw: str) -> list[str]:
    return [_dotted(item) for item in _list(raw)]


#: As ``date.weekday`` counts.
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def _weekdays(raw: str) -> list[int]:
    names = _list(raw.lower())
    if not names or not set(names) <= set(_WEEKDAYS):
        raise ValueError("must be days such as mon,tue,wed")
    return sorted({_WEEKDAYS.index(name) for name in names})


def _dates(raw: str) -> list[datetime.date]:
    try:
        return [datetime.date.fromisoformat(item) for item in _list(raw)]
    except ValueError:
        raise ValueError("must be dates such as 2026-12-25") from None


def _time(raw: str) -> datetime.time:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", raw):
        raise ValueError("must be a time of day such as 08:30")
    return datetime.time.fromisoformat(raw)


KINDS: Mapping[str, Callable[[str], Any]] = {
    "text": _text,
    "bool": _bool,
    "int": _int,
    "decimal": _decimal,
    "list": _list,
    "path": _text,
    "url": _text,
    "rate": _rate,
    "dotted path": _dotted,
    "dotted paths": _dotted_list,
    "weekdays": _weekdays,
    "dates": _dates,
    "time": _time,
}

S = Setting

GROUPS: tuple[Group, ...] = (
    Group(
        "Server",
        (
            S(
                "DEBUG",
                "bool",
                "false",
                "Developer mode: error pages with source, no HTTPS. Never on a machine that others can reach.",
            ),
            S(
                "DEMO",
                "bool",
                "false",
                "Demo mode: default secrets and plain HTTP are accepted, simulated partners may be used.",
            ),
            S("SECRET_KEY", "text", INSECURE_SECRET, "Signs sessions and links. Long, random, private.", secret=True),
            S("ALLOWED_HOSTS", "list", "localhost,127.0.0.1,[::1]", "Host names this system answers to."),
            S(
                "CSRF_TRUSTED_ORIGINS",
                "list",
                "",
                "Origins such as https://erp.example.com that may post forms through a proxy.",
            ),
            S(
                "BASE_URL",
                "url",
                "http://localhost:8000",
                "Where people reach the system: links in mails, QR codes, callbacks.",
            ),
            S("HTTPS", "bool", "true", "Outside DEBUG and DEMO: redirect to HTTPS, secure cookies, HSTS."),
            S(
                "TRUST_PROXY_HEADERS",
                "bool",
                "false",
                "Believe X-Forwarded-Proto and X-Forwarded-For. Only behind a proxy that sets them itself.",
            ),
            S("TIME_ZONE", "text", "America/Indiana/Indianapolis", "Times are kept in UTC and shown in this zone."),
            S("COMPANY_NAME", "text", "BLB3D", "Who sells: the head of invoices and other documents."),
            S("COMPANY_ADDRESS", "text", "", "The seller's address on documents, its lines separated by |."),
            S("CURRENCY", "text", "USD", "ISO code of the currency of prices and costs."),
            S(
                "LOG_LEVEL",
                "text",
                "INFO",
                "Least severe message that is logged.",
                choices=("DEBUG", "INFO", "WARNING", "ERROR"),
            ),
            S(
                "LOG_FORMAT",
                "text",
                "json",
                "One JSON object per line, or plain lines to read.",
                choices=("json", "console"),
            ),
            S("LOG_DIR", "path", "logs", "Folder of audit.log."),
            S("VAR_DIR", "path", "var", "Folder of what the system writes for itself: local broker, schedule, mails."),
        ),
    ),
    Group(
        "Database, cache and tasks",
        (
            S(
                "DATABASE_URL",
                "url",
                "sqlite:///var/blb3d.sqlite3",
                "sqlite:///path, postgres://user:password@host/name, mssql://user:password@host/name, or "
                "SQLAlchemy's "
                r"mssql+pyodbc://localhost\SQLEXPRESS/BLB3D_ERP?driver=ODBC+Driver+17+for+SQL+Server&trusted_connection=yes.",
                secret=True,
            ),
            S(
                "DB_POOL_SIZE",
                "int",
                "5",
                "PostgreSQL: connections each process keeps open; 0 turns the pool off.",
                minimum=0,
            ),
            S(
                "DB_MAX_OVERFLOW",
                "int",
                "10",
                "PostgreSQL: further connections a process may open under load.",
                minimum=0,
            ),
            S(
                "REDIS_URL",
                "url",
                "",
                "Shared cache, e.g. redis://localhost:6379/0. Empty: a table of the database.",
                secret=True,
            ),
            S(
                "CELERY_BROKER_URL",
                "url",
                "",
                "Task broker, redis:// or amqp://. Empty: a folder of this machine (var/broker), enough for one host.",
                secret=True,
            ),
            S("CELERY_CONCURRENCY", "int", "2", "Tasks one worker runs at a time.", minimum=1),
            S("CELERY_TASK_SECONDS", "int", "300", "A task is stopped after this many seconds.", minimum=1),
            S(
                "OUTBOX_NUDGE",
                "bool",
                "true",
                "Ask the worker to relay right after a commit. Off: only the beat does, every few seconds.",
            ),
            S(
                "OUTBOX_LAG_SECONDS",
                "int",
                "60",
                "/health/ready fails when the oldest unrelayed event is older.",
                minimum=1,
            ),
        ),
    ),
    Group(
        "Log-in and rate limits",
        (
            S("JWT_SECRET_KEY", "text", "", "Signs API tokens. Empty: SECRET_KEY does.", secret=True),
            S("JWT_ACCESS_TOKEN_EXPIRE_MINUTES", "int", "30", "Life of an access token.", minimum=1),
            S(
                "JWT_REFRESH_TOKEN_EXPIRE_DAYS",
                "int",
                "7",
                "Life of a refresh token; each is good for one use.",
                minimum=1,
            ),
            S(
                "LOGIN_FAILURE_LIMIT",
                "int",
                "5",
                "Wrong passwords from one address for one e-mail before a lock.",
                minimum=1,
            ),
            S("LOGIN_COOLOFF_MINUTES", "int", "15", "How long that lock lasts.", minimum=1),
            S("PASSWORD_RESET_HOURS", "int", "3", "How long a reset or verification link is good.", minimum=1),
            S("RATE_LIMIT_AUTH", "rate", "10/min", "Log-in, registration and password calls, per address."),
            S("RATE_LIMIT_QUOTES", "rate", "10/min", "Quotes made and words about them, per user and per address."),
            S("RATE_LIMIT_DEFAULT", "rate", "600/min", "Every other API call, per user or address."),
        ),
    ),
    Group(
        "Business rules",
        (
            S("MACHINE_HOURLY_RATE", "decimal", "1.50", "Machine cost of one printing hour, in CURRENCY.", minimum=0),
            S("DEFAULT_MARKUP_PERCENT", "decimal", "40", "Markup on cost, in percent.", minimum=0),
            S("TAX_RATE", "decimal", "0.07", "Sales tax as a fraction: 0.07 is 7 %.", minimum=0),
            S(
                "PURCHASE_APPROVAL_OVER",
                "decimal",
                "500",
                "A purchase order with a total above this needs a second person's word; 0: every one.",
                minimum=0,
            ),
            S(
                "OVER_RECEIPT_TOLERANCE_PERCENT",
                "decimal",
                "10",
                "So much more than ordered may be received of a line.",
                minimum=0,
            ),
            S(
                "BILL_PRICE_TOLERANCE_PERCENT",
                "decimal",
                "2",
                "So far may a vendor's billed price be from the ordered one and still match.",
                minimum=0,
            ),
            S(
                "REQUIRE_QUOTE_APPROVAL_OVER",
                "decimal",
                "500",
                "A quote with a net price above this waits for a person.",
                minimum=0,
            ),
            S(
                "QUOTE_APPROVAL_NEW_CUSTOMER_OVER",
                "decimal",
                "250",
                "The same for a customer without a paid order.",
                minimum=0,
            ),
            S(
                "QUOTE_APPROVAL_LEVEL_2_FROM",
                "decimal",
                "2500",
                "Net price from which level 2 (director) must approve.",
                minimum=0,
            ),
            S(
                "QUOTE_APPROVAL_LEVEL_3_FROM",
                "decimal",
                "10000",
                "Net price from which level 3 (owner) must approve.",
                minimum=0,
            ),
            S("QUOTE_VALID_DAYS", "int", "30", "How long a price is held.", minimum=1),
            S(
                "QUOTE_REMINDER_DAYS",
                "int",
                "5",
                "So long before its end a customer is reminded of a price.",
                minimum=1,
            ),
            S("FARM_WORKING_DAYS", "weekdays", "mon,tue,wed,thu,fri", "Days on which people are at the farm."),
            S("FARM_CLOSED_ON", "dates", "", "Days on which nobody is: 2026-12-25,2027-01-01."),
            S(
                "FARM_SHIFT_STARTS",
                "time",
                "08:00",
                "From then people clear plates and change filament, on working days; shifts in the console replace it.",
            ),
            S("FARM_SHIFT_ENDS", "time", "18:00", "Until then; the same as the start: day and night."),
            S(
                "STOCK_BACKDATE_DAYS",
                "int",
                "7",
                "So many days back a stock movement may be dated, in periods that are open.",
                minimum=0,
            ),
            S(
                "FARM_HANDLING_DAYS",
                "int",
                "1",
                "Working days from the last print to the shipment: counting, inspection, packing.",
                minimum=0,
            ),
            S(
                "QUOTE_TERMS",
                "text",
                "The price holds until the day above, for the files as they were sent. "
                "Printing starts when the order is paid or confirmed; the day of shipment counts from then.",
                "The small print of a quote's PDF.",
            ),
            S("ENABLE_MULTI_COLOR", "bool", "true", "Off: one filament per quote."),
            S("ENABLE_AUTO_ROUTING", "bool", "true", "Off: dispatch only suggests a printer, a person starts the job."),
            S(
                "MRP_MAKE_LEAD_DAYS",
                "int",
                "1",
                "Days that planning gives a product that is made and has no lead time of its own.",
                minimum=0,
            ),
            S(
                "AUTO_REPLENISH",
                "bool",
                "false",
                "Products made to stock that fall below their floor get a draft production order by themselves, every "
                "quarter of an hour; off: the reorder page suggests it.",
            ),
            S("MRP_NIGHTLY", "bool", "true", "Material is planned every night at 02:30 of TIME_ZONE."),
            S(
                "MRP_RUNS_KEPT",
                "int",
                "10",
                "Runs of material planning that keep their rows, not only figures.",
                minimum=1,
            ),
            S("COMBINE_PLATES", "bool", "true", "Partly filled plates of several orders are printed as one."),
            S(
                "COUNT_TOLERANCE_PERCENT",
                "decimal",
                "2",
                "A counted difference up to this share of the books, and up to COUNT_TOLERANCE_VALUE, is booked at "
                "once; a larger one needs a second person.",
                minimum=0,
            ),
            S("COUNT_TOLERANCE_VALUE", "decimal", "20", "The same in money, in CURRENCY, per line.", minimum=0),
            S("PORTAL_GUEST_QUOTES", "bool", "true", "A visitor sees a price before registering."),
        ),
    ),
    Group(
        "Files",
        (
            S(
                "UPLOAD_DIR",
                "path",
                "./uploads",
                "Folder of customers' files, also the local storage of everything kept.",
            ),
            S(
                "MAX_UPLOAD_SIZE_MB",
                "int",
                "100",
                "Largest file taken, in MB.",
                aliases=("MAX_FILE_SIZE_MB",),
                minimum=1,
            ),
            S("IMPORT_MAX_ROWS", "int", "50000", "Most rows of a table that is imported.", minimum=1),
            S("EXPORT_MAX_ROWS", "int", "100000", "Most rows of a list that is exported.", minimum=1),
            S(
                "QUOTE_SYNC_MAX_MB",
                "int",
                "8",
                "Files of a quote up to this size together, in MB, are priced at once; larger ones by a worker.",
                minimum=0,
            ),
            S("ALLOWED_FILE_EXTENSIONS", "list", ".3mf,.stl,.step,.stp,.gcode", "Model files taken for a quote."),
            S("QUOTE_PARSE_ISOLATED", "bool", "true", "Customers' files are read in processes of their own."),
            S("QUOTE_PARSE_MAX_SECONDS", "int", "30", "Reading one file may take so long.", minimum=1),
            S("QUOTE_PARSE_MAX_MB", "int", "1024", "Reading one file may take so much memory, in MB.", minimum=64),
            S("QUOTE_PARSE_PROCESSES", "int", "2", "Files that one web or worker process reads at a time.", minimum=1),
            S(
                "SCANNER_BACKEND",
                "dotted path",
                "quotes.scanners.NoScanner",
                "Looks for viruses in uploads; integrations.scanners.clamd.ClamdScanner asks the daemon of ClamAV.",
            ),
            S(
                "CLAMD_URL",
                "text",
                "tcp://localhost:3310",
                "Where clamd listens: tcp://host:port or unix:///run/clamav/clamd.ctl.",
            ),
            S("SCANNER_TIMEOUT_SECONDS", "int", "20", "A scanner silent for longer holds the file back.", minimum=1),
            S(
                "STORAGE_BACKEND",
                "dotted path",
                "django.core.files.storage.FileSystemStorage",
                "Primary storage; storages.backends.gcloud.GoogleCloudStorage keeps files in GCS_BUCKET_NAME, "
                "storages.backends.s3.S3Storage in AWS_STORAGE_BUCKET_NAME.",
            ),
            S(
                "SIGNED_LINK_SECONDS",
                "int",
                "60",
                "Life of the signed link that a download from cloud storage leads to.",
                minimum=5,
            ),
            S(
                "GCS_ENABLED",
                "bool",
                "false",
                "A worker copies customers' files into GCS_BUCKET_NAME as a backup.",
            ),
            S("GCS_BUCKET_NAME", "text", "", "The bucket of GCS_ENABLED, or of STORAGE_BACKEND when it is Google's."),
            S("AWS_STORAGE_BUCKET_NAME", "text", "", "The bucket of STORAGE_BACKEND when it is S3."),
            S("AWS_S3_REGION_NAME", "text", "", "Its region."),
            S("AWS_S3_ENDPOINT_URL", "url", "", "Its address where it is not Amazon's, such as MinIO's."),
            S("AWS_ACCESS_KEY_ID", "text", "", "Its key. Empty: as boto3 finds one, such as the machine's role."),
            S("AWS_SECRET_ACCESS_KEY", "text", "", "The key's secret.", secret=True),
        ),
    ),
    Group(
        "Mail",
        (
            S("SMTP_HOST", "text", "", "Mail server. Empty: mails are written to var/mail."),
            S("SMTP_PORT", "int", "587", "Its port.", minimum=1),
            S("SMTP_USER", "text", "", "Its user."),
            S("SMTP_PASSWORD", "text", "", "Its password.", secret=True),
            S("SMTP_USE_TLS", "bool", "true", "STARTTLS."),
            S("ADMIN_EMAIL", "text", "orders@blb3dprinting.com", "Sender of mails and receiver of alarms."),
            S("SALES_EMAIL", "text", "", "Who is told of quotes to review and of answers to them. Empty: ADMIN_EMAIL."),
        ),
    ),
    Group(
        "Printers and slicing",
        (
            S(
                "PRINT_BACKEND",
                "dotted path",
                "integrations.printers.backend.BambuLan",
                "Carries jobs to printers.",
            ),
            S(
                "PRINTER_SECRET_KEY",
                "text",
                "",
                "Encrypts the printers' access codes. Empty: SECRET_KEY does. Codes are typed in anew after a change.",
                secret=True,
            ),
            S(
                "SLICER_BACKEND",
                "dotted path",
                "integrations.slicers.staff_upload.StaffUpload",
                "Makes print files from models. The default waits for staff to upload them.",
            ),
            S(
                "ESTIMATORS",
                "dotted paths",
                "quotes.estimators.sliced.SlicedEstimator,quotes.estimators.geometric.GeometricEstimator",
                "Price a model's grams and minutes; the first that can, does.",
            ),
            S(
                "ESTIMATE_LEARNING",
                "bool",
                "true",
                "Correct estimates by what finished prints took. Off: prints are recorded, nothing is applied.",
            ),
            S(
                "ESTIMATE_LEARNING_MIN_SAMPLE",
                "int",
                "8",
                "From so many prints of a method and material on, estimates are corrected.",
                minimum=2,
            ),
            S(
                "ESTIMATE_LEARNING_BOUND",
                "decimal",
                "0.5",
                "A correction changes an estimate by at most this share of it: 0.5 is from half to one and a half.",
                minimum=0,
            ),
            S("PRUSASLICER_PATH", "text", "prusa-slicer", "PrusaSlicer on the command line: its name or its path."),
            S("SLICER_TIMEOUT_SECONDS", "int", "240", "A slicer that takes longer for one plate is ended.", minimum=1),
            S("SLICER_MEMORY_MB", "int", "4096", "A slicer that needs more memory for one plate is ended.", minimum=64),
            S("SLICER_PROCESSES", "int", "1", "Plates that are sliced at the same time.", minimum=1),
            S(
                "BAMBU_CLI_PATH",
                "path",
                "C:/BambuStudio/bambu-studio-console.exe",
                "Bambu Studio or Orca on the command line, for "
                "SLICER_BACKEND=integrations.slicers.bambu_cli.BambuStudio.",
            ),
            S(
                "BAMBU_PROFILES_DIR",
                "path",
                "",
                "Folder of that program's own presets, with machine, process and filament in it. Empty: beside it.",
            ),
            S(
                "BAMBU_PRESETS_DIR",
                "path",
                "",
                "Folder with presets of your own (machine, process, filament): a file there goes before ours.",
            ),
            S(
                "BAMBU_SUITE_API_URL",
                "url",
                "http://localhost:8001",
                "Bambu Print Suite, for ESTIMATORS with integrations.suite.estimator.SuiteEstimator.",
                aliases=("ML_DASHBOARD_URL",),
            ),
            S("BAMBU_SUITE_API_KEY", "text", "", "Its key.", secret=True),
            S(
                "MQTT_HOST",
                "text",
                "",
                "One broker for all printers (demo, site broker). Empty: each printer's own address.",
            ),
            S("MQTT_PORT", "int", "8883", "Broker port; the demo's plain broker uses another.", minimum=1),
            S("MQTT_TLS", "bool", "true", "Speak TLS to the broker."),
            S("MQTT_USERNAME", "text", "", "Log-in at the one broker of MQTT_HOST; printers have access codes."),
            S("MQTT_PASSWORD", "text", "", "Password at the one broker.", secret=True),
            S(
                "MQTT_CA_FILE",
                "path",
                "",
                "Certificate authority of the printers or of the one broker. Empty: a printer must go on showing the "
                "certificate it showed first.",
            ),
            S(
                "PRINTER_STALE_SECONDS",
                "int",
                "60",
                "A printer silent for longer is shown as stale and asked again.",
                minimum=5,
            ),
            S(
                "PRINTER_DEBOUNCE_SECONDS",
                "decimal",
                "2",
                "How long a printer must show a state before it is believed.",
                minimum=0,
            ),
            S(
                "PRINTER_HOLD_SECONDS",
                "int",
                "90",
                "How long a printer may take to begin a job it was sent.",
                minimum=1,
            ),
            S("NOTICE_PRIVATE_URLS", "bool", "false", "Let webhooks of notices go to addresses of your own network."),
            S("DISPATCH_MAX_ATTEMPTS", "int", "3", "Starts of one job before a person must look.", minimum=1),
            S(
                "PRINTER_SAMPLE_SECONDS",
                "int",
                "60",
                "How often a printing printer's temperatures and progress are kept as history; 0: never.",
                minimum=0,
            ),
            S(
                "PRINTER_SAMPLE_IDLE_SECONDS",
                "int",
                "900",
                "The same for a printer that does not print; 0: never.",
                minimum=0,
            ),
            S("PRINTER_SAMPLE_DAYS", "int", "30", "How long that history is kept.", minimum=1),
            S("PRINTER_EVENT_DAYS", "int", "0", "How long events of printers are kept; 0: for good.", minimum=0),
            S(
                "PRINTER_SNAPSHOT_COMMAND",
                "text",
                "",
                "Program that writes a picture of a printer to its output when a job ends; {serial} and {host} are "
                "filled in. A printer's own picture address goes first.",
            ),
            S("PRINTER_SNAPSHOT_SECONDS", "int", "10", "How long a picture may take.", minimum=1),
            S(
                "SPOOL_RESERVE_GRAMS",
                "decimal",
                "10",
                "What must stay on a spool after a job: below that, a job is warned of.",
                minimum=0,
            ),
            S(
                "SPOOL_SHORT_BLOCKS",
                "bool",
                "false",
                "Send no job by itself to a printer whose spools do not hold enough for it.",
            ),
            S(
                "SPOOL_NOTICE_PERCENT",
                "int",
                "15",
                "A spool whose tag tells a remainder so many percent away from the books is pointed out.",
                minimum=1,
            ),
        ),
    ),
    Group(
        "Shops and payments",
        (
            S("PARTNER_TIMEOUT_SECONDS", "int", "15", "How long an outside service may take to answer.", minimum=1),
            S("SQUARESPACE_API_URL", "url", "https://api.squarespace.com", "Orders API."),
            S("SQUARESPACE_API_KEY", "text", "", "API key or OAuth token.", secret=True),
            S("SQUARESPACE_WEBHOOK_SECRET", "text", "", "Hex secret of the webhook subscription.", secret=True),
            S(
                "PAYMENT_BACKEND",
                "dotted path",
                "integrations.payments.offline.OfflinePayments",
                "Takes payments. The default plays a provider, in DEBUG and DEMO only.",
            ),
        ),
    ),
)

SETTINGS: tuple[Setting, ...] = tuple(setting for group in GROUPS for setting in group.settings)


def read(base_dir: Path, environment: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return every declared setting by name, aliases included, typed.

    Without `environment`, the process environment is read, completed from `.env` in `base_dir` (or the file named by
    `ENV_FILE`; an empty `ENV_FILE` reads none). All problems are told at once, as one ImproperlyConfigured.
    """
    if environment is None:
        env = environ.FileAwareEnv()
        env_file = env.str("ENV_FILE", default=str(base_dir / ".env"))
        if env_file and Path(env_file).is_file():
            env.read_env(env_file)
        # Not through env.str: it would take a value that begins with $ for the name of another variable.
        environment = env.ENVIRON
    values: dict[str, Any] = {}
    problems: list[str] = []
    for setting in SETTINGS:
        given = {
            name: environment[name].strip()
            for name in (setting.name, *setting.aliases)
            if environment.get(name, "").strip()
        }
        if len(set(given.values())) > 1:
            problems.append(f"{' and '.join(given)} name the same thing but differ")
        raw = next(iter(given.values()), setting.default)
        try:
            value = _typed(setting, raw)
        except ValueError as error:
            # The value itself stays out of the message: it may be a secret.
            problems.append(f"{next(iter(given), setting.name)} {error}")
            continue
        for name in (setting.name, *setting.aliases):
            values[name] = value
    if problems:
        raise ImproperlyConfigured("The environment is wrong: " + "; ".join(problems) + ".")
    return values


def _typed(setting: Setting, raw: str) -> Any:
    if not raw and setting.kind in {"text", "path", "url", "dotted path"}:
        return ""
    value = KINDS[setting.kind](raw)
    if setting.choices and value not in setting.choices:
        raise ValueError("must be one of " + ", ".join(setting.choices))
    if setting.minimum is not None and value < setting.minimum:
        raise ValueError(f"must be at least {setting.minimum}")
    return value
