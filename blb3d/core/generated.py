"""Pages that are written from the code, so that they cannot drift from it."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError


class GeneratedFiles(BaseCommand):
    """Writes files from the code; with ``--check`` only tells whether they are up to date."""

    requires_system_checks: list[str] = []
    #: path below the project's root -> function returning the text
    files: ClassVar[dict[str, Callable[[], str]]]

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take whether only to look."""
        parser.add_argument("--check", action="store_true", help="write nothing, fail when a file is out of date")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write or check each file."""
        for name, write in type(self).files.items():
            path = Path(settings.BASE_DIR) / name
            text = write()
            if options["check"]:
                if not path.exists() or path.read_text(encoding="utf-8") != text:
                    raise CommandError(f"{name} is out of date: run `make docs`.")
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            self.stdout.write(f"wrote {name}")
