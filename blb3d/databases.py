"""From a DATABASE_URL to Django's DATABASES entry, for the three databases the system runs on."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from django.core.exceptions import ImproperlyConfigured

SQL_SERVER_DRIVER = "ODBC Driver 18 for SQL Server"


def database_config(url: str, *, base_dir: Path, pool_size: int = 0, max_overflow: int = 0) -> dict[str, Any]:
    """Return the DATABASES entry for `url`; relative SQLite paths start at `base_dir`. Raises ImproperlyConfigured."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise ImproperlyConfigured(
            "DATABASE_URL must look like sqlite:///var/blb3d.sqlite3 or postgres://user:password@host/name."
        )
    address, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    match scheme:
        case "sqlite":
            return _sqlite(address, base_dir)
        case "postgres" | "postgresql" | "postgresql+psycopg":
            return _postgresql(address, options, pool_size, max_overflow)
        case "mssql" | "mssql+pyodbc":
            return _sql_server(address, options)
    raise ImproperlyConfigured(f"DATABASE_URL: {scheme} is not supported; use sqlite, postgres or mssql.")


def _sqlite(address: str, base_dir: Path) -> dict[str, Any]:
    name = unquote(address.removeprefix("/"))
    if name not in {":memory:", ""}:
        # Django gives a path of its own to a relative name, an absolute one is written sqlite:////absolute.
        path = base_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        name = str(path)
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": name or ":memory:",
        # A writer that begins DEFERRED cannot wait for the lock it upgrades to and fails at once; IMMEDIATE waits.
        # Opening a connection and its pragmas cost more than most queries.
        "CONN_MAX_AGE": 60,
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 30, "init_command": "PRAGMA journal_mode=WAL;"},
    }


def _postgresql(address: str, options: dict[str, str], pool_size: int, max_overflow: int) -> dict[str, Any]:
    config: dict[str, Any] = {"ENGINE": "django.db.backends.postgresql", **_server(address), "OPTIONS": dict(options)}
    if pool_size:
        config["OPTIONS"]["pool"] = {"min_size": 1, "max_size": pool_size + max_overflow, "timeout": 15}
        config["CONN_MAX_AGE"] = 0
    else:
        config["CONN_MAX_AGE"] = 60
        config["CONN_HEALTH_CHECKS"] = True
    return config


def _sql_server(address: str, options: dict[str, str]) -> dict[str, Any]:
    config = {"ENGINE": "blb3d.core.mssql", **_server(address), "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
    settings: dict[str, str] = {}
    python_driver = options.pop("python_driver", "")
    if python_driver:
        settings["python_driver"] = python_driver
        options.pop("driver", None)
    else:
        settings["driver"] = options.pop("driver", SQL_SERVER_DRIVER)
        if sys.platform != "win32":
            # The backend believes in MARS everywhere but asks for it only on Windows; told so, it buffers nested reads.
            options.setdefault("MARS_Connection", "no")
    settings["trusted_connection"] = options.pop("trusted_connection", options.pop("Trusted_Connection", "yes"))
    settings["extra_params"] = ";".join(f"{name}={value}" for name, value in options.items())
    return {**config, "OPTIONS": settings}


def _server(address: str) -> dict[str, Any]:
    r"""Split `user:password@host\instance:port/name`; the host keeps its letters and its backslash."""
    place, _, name = address.rpartition("/") if "/" in address else (address, "", "")
    credentials, _, host = place.rpartition("@")
    user, _, password = credentials.partition(":")
    port = ""
    if host.rpartition(":")[2].isdigit() and not host.endswith("]"):
        host, _, port = host.rpartition(":")
    if not name:
        raise ImproperlyConfigured("DATABASE_URL names no database.")
    return {
        "NAME": unquote(name),
        "HOST": unquote(host).strip("[]"),
        "PORT": port,
        "USER": unquote(user),
        "PASSWORD": unquote(password),
    }
