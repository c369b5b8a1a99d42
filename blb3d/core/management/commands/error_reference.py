"""``manage.py error_reference``: docs/errors.md, written from the error classes."""

from __future__ import annotations

import importlib
import pkgutil
from collections import defaultdict

from django.apps import apps
from django.conf import settings

from blb3d.core.errors import BLB3DError
from blb3d.core.generated import GeneratedFiles


def _load_every_error() -> None:
    for config in apps.get_app_configs():
        if not config.path.startswith(str(settings.BASE_DIR)):
            continue
        for module in pkgutil.walk_packages([config.path], prefix=f"{config.name}."):
            if module.name.rpartition(".")[2] == "errors":
                importlib.import_module(module.name)


def markdown() -> str:
    """Return the page: every code with status and meaning, by family."""
    _load_every_error()
    codes: dict[str, set[tuple[int, str]]] = defaultdict(set)
    for error in set(BLB3DError.all_codes()):
        if "code" in error.__dict__ and ".tests." not in error.__module__:
            meaning = (error.__doc__ or error.message).strip().splitlines()[0]
            codes[error.code].add((error.http_status, meaning))
    lines = [
        "# Error codes",
        "",
        'Every error of the API is `{"error_code": ..., "message": ..., "details": {...}}` with the HTTP status given',
        "here; pages and the console show the same codes. Written by `manage.py error_reference`.",
        "",
        "| code | HTTP | meaning |",
        "|---|---|---|",
    ]
    for code in sorted(codes):
        lines += [f"| `{code}` | {status} | {meaning.replace('|', '/')} |" for status, meaning in sorted(codes[code])]
    return "\n".join(lines) + "\n"


class Command(GeneratedFiles):
    """Write docs/errors.md."""

    help = "Write docs/errors.md from the error classes."
    files = {"docs/errors.md": markdown}
