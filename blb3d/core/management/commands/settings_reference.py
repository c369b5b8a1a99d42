"""Write the configuration reference and `.env.example` from the declarations in `blb3d.env`."""

from __future__ import annotations

from blb3d.core.generated import GeneratedFiles
from blb3d.env import GROUPS, INSECURE_SECRET, Setting


def _default(setting: Setting) -> str:
    return "a value only good for a private machine" if setting.default == INSECURE_SECRET else setting.default


def markdown() -> str:
    """Return docs/configuration.md."""
    lines = [
        "# Configuration",
        "",
        "Settings come from the process environment, then from a file `.env` beside `manage.py` (another with",
        "`ENV_FILE`), then from the default. A secret may come from a file: `SECRET_KEY_FILE=/run/secrets/key`.",
        "A wrong value stops the start and is named; the value itself is not printed. This page and `.env.example`",
        "are written by `manage.py settings_reference`.",
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


class Command(GeneratedFiles):
    """Write docs/configuration.md and .env.example."""

    help = "Write docs/configuration.md and .env.example from the declarations in blb3d.env."
    files = {"docs/configuration.md": markdown, ".env.example": example}
