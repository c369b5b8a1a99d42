"""Write the configuration reference and `.env.example` from the declarations in `blb3d.env`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from blb3d.env import GROUPS, INSECURE_SECRET, Setting


def _default(setting: Setting) -> str:
    return "a value only good for a private machine" if setting.default == INSECURE_SECRET else setting.default


def markdown() -> str:
    """Return docs/configuration.md."""
    lines = [
        "# Configuration",
        "",
        "Settings come from the process environment, then from a file `.env` beside `manage.py` (another with",
        "`ENV_FILE`), then from the default. A secret may come from a file: `SECRET_KEY_FILE=/run/secrets/key`. A wrong",
        "value stops the start and is named; the value itself is not printed. `manage.py settings_reference` writes this page and",
        "`.env.example`.",
    ]
    for group in GROUPS:
        lines += ["", f"## {group.title}", "", "| name | kind | default | meaning |", "|---|---|---|---|"]
        for setting in group.settings:
            kind = " / ".join(setting.choices) or setting.kind
            meaning = setting.help
            if setting.aliases:
                others = ", ".join(f"`{alias}`" for alias in setting.aliases)
                meaning += f" Also read as {others}; both set differently is an error."
            if setting.secret:
                meaning += " **Secret.**"
            default = _default(setting)
            shown = default if default.startswith("a value") else f"`{default}`" if default else ""
            lines.append(f"| `{setting.name}` | {kind} | {shown} | {meaning.replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"


def example() -> str:
    """Return .env.example: every name, commented out, with its default."""
    lines = ["# Copy to .env and change what you need. Every line shows the default. Meaning: docs/configuration.md"]
    for group in GROUPS:
        lines += ["", f"# --- {group.title} ---"]
        for setting in group.settings:
            lines += [
                f"# {setting.help}",
                f"#{setting.name}={'' if setting.default == INSECURE_SECRET else setting.default}",
            ]
    return "\n".join(lines) + "\n"


FILES = {"docs/configuration.md": markdown, ".env.example": example}


class Command(BaseCommand):
    help = "Write docs/configuration.md and .env.example; with --check only tell whether they are up to date."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing, fail when a file is out of date")

    def handle(self, *args: Any, **options: Any) -> None:
        for name, write in FILES.items():
            path = Path(settings.BASE_DIR) / name
            text = write()
            if options["check"]:
                if not path.exists() or path.read_text(encoding="utf-8") != text:
                    raise CommandError(f"{name} is out of date: run manage.py settings_reference.")
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
            self.stdout.write(f"wrote {name}")
