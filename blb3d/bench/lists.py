"""Bench 9: every list of the console and of the API costs a constant number of statements, whatever its length."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.cache import SessionStore
from django.db import IntegrityError, models, transaction
from django.http import HttpRequest
from django.test import Client, RequestFactory, override_settings
from django.urls import URLPattern, URLResolver, get_resolver

from blb3d.bench.fill import fill
from blb3d.bench.measure import Report, counting, interleaved

SIZES = (25, 100, 500)
MOST_STATEMENTS = 10
#: The API gives at most this many rows a page.
PAGE = 200


def run() -> Report:
    """Count the statements of each list at 25, 100 and 500 rows, and time each at 500 against its floor."""
    report = Report("lists")
    staff = get_user_model().objects.create_superuser("lists@staff.example", "a-password-for-a-bench")
    client = Client()
    client.force_login(staff, backend="django.contrib.auth.backends.ModelBackend")
    with override_settings(ALLOWED_HOSTS=["testserver"], RATE_LIMIT_DEFAULT="1000000/min"):
        consoles = dict(_consoles())
        apis = list(_apis())
        statements: dict[str, list[int]] = {}
        for size in SIZES:
            for model in {*consoles, *(model for _, model in apis)}:
                _fill(model, size)
            for model, model_admin in consoles.items():
                statements.setdefault(f"console {model._meta.label}", []).append(
                    _count(lambda a=model_admin: _console(a, staff))
                )
            for path, _ in apis:
                statements.setdefault(f"API {path}", []).append(_count(lambda p=path: _api(client, p)))
        for name, counts in statements.items():
            report.figures[name] = {"statements": counts}
            report.judge(f"{name}: most statements", max(counts), MOST_STATEMENTS)
            report.judge(f"{name}: statements grow by", max(counts) - min(counts), 0)
        for model, model_admin in consoles.items():
            floor = _bare(model, model_admin)
            subject, lowest = interleaved(
                lambda a=model_admin: _console(a, staff), lambda f=floor: _console(f, staff), rounds=5
            )
            report.judge(f"console {model._meta.label}: time against a bare list", subject.median / lowest.median, 3)
        for path, model in apis:
            subject, lowest = interleaved(lambda p=path: _api(client, p), lambda m=model: _values(m), rounds=5)
            report.judge(f"API {path}: time against .values() and json", subject.median / lowest.median, 4)
    return report


def _fill(model: type[models.Model], size: int) -> None:
    try:
        with transaction.atomic():
            fill(model, size)
    except IntegrityError as error:
        raise AssertionError(f"cannot fill {model._meta.label}: {error}") from error


def _consoles() -> Iterator[tuple[type[models.Model], Any]]:
    ours = {"core", "accounts", "inventory", "production", "sales", "quotes", "integrations"}
    for model, model_admin in admin.site._registry.items():
        if model._meta.app_label in ours:
            yield model, model_admin


def _apis() -> Iterator[tuple[str, type[models.Model]]]:
    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[tuple[str, Any]]:
        for pattern in patterns:
            text = prefix + str(pattern.pattern).lstrip("^").rstrip("$").replace("/?", "").replace("\\Z", "")
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, text)
            else:
                yield text, pattern.callback

    seen = set()
    for text, callback in walk(get_resolver().url_patterns, "/"):
        actions = getattr(callback, "actions", None) or {}
        view = getattr(callback, "cls", None)
        if not text.startswith("/api/v1/") or "<" in text or "(" in text or actions.get("get") != "list":
            continue
        queryset = getattr(view, "queryset", None)
        if queryset is not None and text not in seen:
            seen.add(text)
            yield text, queryset.model


def _count(work: Callable[[], Any]) -> int:
    work()
    with counting() as counter:
        work()
    return counter.count


def _console(model_admin: Any, staff: Any) -> bytes:
    request: HttpRequest = RequestFactory().get("/admin/")
    request.user = staff
    request.session = SessionStore()
    response = model_admin.changelist_view(request)
    response.render()
    return response.content  # type: ignore[no-any-return]


def _bare(model: type[models.Model], model_admin: Any) -> Any:
    """Return a ModelAdmin that shows the same columns, as far as they are fields, and does nothing else."""
    fields = {field.name for field in model._meta.get_fields() if getattr(field, "concrete", False)}
    columns = [name for name in model_admin.list_display if name in fields] or ["__str__"]
    related = [
        name for name in columns if name != "__str__" and isinstance(model._meta.get_field(name), models.ForeignKey)
    ]
    site = admin.AdminSite(name="admin")
    attributes = {
        "list_display": columns,
        "list_select_related": related or False,
        "list_per_page": model_admin.list_per_page,
        "show_full_result_count": False,
    }
    site.register(model, type("Bare", (admin.ModelAdmin,), attributes))
    return site._registry[model]


def _api(client: Client, path: str) -> bytes:
    response = client.get(path, {"page_size": PAGE})
    if response.status_code != 200:
        raise AssertionError(f"{path}: {response.status_code} {response.content[:300]!r}")
    return response.content


def _values(model: type[models.Model]) -> str:
    total = model._base_manager.count()
    return json.dumps({"count": total, "results": list(model._base_manager.values()[:PAGE])}, default=str)
