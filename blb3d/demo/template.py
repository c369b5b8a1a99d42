"""An empty, migrated SQLite file that later farms start from: replaying every migration takes a minute.

It is made by the migrations and named by them, so that a change of any makes a new one.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path

import django

ROOT = Path(__file__).resolve().parents[2]


def template() -> Path:
    """Return where the migrated file is, or belongs, for the migrations as they are now."""
    digest = hashlib.sha256(django.__version__.encode())
    for path in sorted(ROOT.glob("*/migrations/*.py")) + sorted(ROOT.glob("*/*/migrations/*.py")):
        digest.update(path.relative_to(ROOT).as_posix().encode())
        digest.update(path.read_bytes())
    return Path(tempfile.gettempdir()) / f"blb3d-empty-{digest.hexdigest()[:16]}.sqlite3"


def take(database: Path) -> bool:
    """Copy the migrated file to where a database is to be; False when there is none, or a database is there."""
    source = template()
    if database.exists() or not source.exists():
        return False
    database.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, database)
    return True


def keep(database: Path) -> None:
    """Keep a database that was migrated and holds nothing else; no process has it open."""
    target = template()
    fresh = target.with_suffix(f".{os.getpid()}")
    shutil.copyfile(database, fresh)
    fresh.replace(target)
