"""``manage.py import_table``: a table from a file, looked at and, when told so, taken."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from blb3d.accounts.models import User
from blb3d.core.errors import BLB3DError
from blb3d.core.tables import read_table
from inventory.services import imports

#: Lines of errors and changes that are printed.
SHOWN = 50


class Command(BaseCommand):
    """Tell what a table would do; with ``--apply`` do it, all of it or nothing. Exit 1 when a row is wrong."""

    help = "Look at a CSV or XLSX table of products, boms, stock or vendors; --apply takes it, all or nothing."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what the table holds, the file, and whether it is taken."""
        parser.add_argument("kind", choices=list(imports.KINDS))
        parser.add_argument("file", type=Path)
        parser.add_argument("--apply", action="store_true", help="take the table when no row of it is wrong")
        parser.add_argument("--actor", help="e-mail of the person who does it; default: a user of the system")

    def handle(self, *args: Any, **options: Any) -> None:
        """Look, print, take."""
        path: Path = options["file"]
        try:
            content = path.read_bytes()
        except OSError as error:
            raise CommandError(f"{path} cannot be read: {error.strerror}.") from None
        actor = self._actor(options["actor"])
        try:
            batch = imports.preview_import(read_table(path.name, content), kind=options["kind"], actor=actor)
            self._tell(json.loads(batch.content.findings))
            self.stdout.write(
                f"{batch}: {batch.row_count} rows; {batch.new_count} new, {batch.changed_count} changed, "
                f"{batch.unchanged_count} unchanged, {batch.error_count} errors"
            )
            if batch.error_count:
                raise CommandError("Nothing was taken: please correct the errors.")
            if not options["apply"]:
                self.stdout.write("Nothing was taken; --apply takes it.")
                return
            imports.apply_import(batch, actor=actor)
        except BLB3DError as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write("Taken.")

    def _actor(self, email: str | None) -> User:
        if not email:
            return User.objects.system("import")
        actor = User.objects.filter(email__iexact=email).first()
        if actor is None:
            raise CommandError(f"There is no user {email}.")
        return actor

    def _tell(self, found: dict[str, Any]) -> None:
        lines = [*found["notes"]]
        lines += [f"row {row}, {column}: {message}" for row, column, message in found["errors"][:SHOWN]]
        if not found["errors"]:
            lines += [
                f"row {row}, {key}: {self._said(new, values)}" for row, key, new, values in found["changes"][:SHOWN]
            ]
        for line in lines:
            self.stdout.write(line)
        left_out = max(len(found["errors"]), 0 if found["errors"] else len(found["changes"])) - SHOWN
        if left_out > 0:
            self.stdout.write(f"and {left_out} more")

    @staticmethod
    def _said(is_new: bool, values: list[list[str]]) -> str:
        if is_new:
            return ", ".join(["new", *(f"{name} {value}" for name, _, value in values)])
        return ", ".join(f"{name} {old} -> {value}" for name, old, value in values)
