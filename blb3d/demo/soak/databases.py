"""The soak's database: a file in its folder, or one that is made on a PostgreSQL server and dropped afterwards."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit


@contextmanager
def throw_away_database(server_url: str) -> Iterator[str]:
    """Yield the URL of a fresh database on the server of ``server_url``; "" yields "", which is a file."""
    if not server_url:
        yield ""
        return
    import psycopg

    parts = urlsplit(server_url)
    name = f"blb3d_soak_{secrets.token_hex(4)}"
    server = urlunsplit(parts._replace(scheme="postgresql", path="/postgres", query=""))
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"create database {name}")
    try:
        yield urlunsplit(parts._replace(path=f"/{name}"))
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"drop database if exists {name} with (force)")
