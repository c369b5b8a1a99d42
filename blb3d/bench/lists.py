"""Bench 9: every list of the console and of the API costs a constant number of statements, whatever its length."""

from __future__ import annotations

import datetime
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django.contrib.admin
import django.forms
from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.sessions.backends.cache import SessionStore
from django.core.exceptions import FieldDoesNotExist
from django.core.management.base import CommandError
from django.db import connection, models
from django.http import HttpRequest
from django.test import Client, RequestFactory, override_settings
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone
from rest_framework import serializers
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework_simplejwt.tokens import AccessToken

from blb3d.bench.fill import fill, multiply
from blb3d.bench.measure import Report, counting, interleaved
from blb3d.core.api.pagination import MAX_PAGE_SIZE
from inventory.models import InventoryTransaction
from production.models import PrintJob, SerialNumber
from sales.models import Customer, CustomerAddress, CustomerUser, SalesOrder, SalesOrderLine

OURS = {"core", "accounts", "inventory", "production", "sales", "quotes", "integrations"}
SIZES = (25, 100, 500)
MOST_STATEMENTS = 10
MILLION = 1_000_000


@dataclass(frozen=True)
class ApiList:
    """A list endpoint: its address, the view behind it, and who asks."""

    path: str
    callback: Any
    client: Client
    user: Any

    @property
    def model(self) -> type[models.Model]:
        """Return whose rows it lists."""
        return self.callback.cls.queryset.model  # type: ignore[no-any-return]

    def get(self) -> bytes:
        """Return the answer with as many rows as a page may hold."""
        response = self.client.get(self.path, {"page_size": MAX_PAGE_SIZE})
        if response.status_code != 200:
            raise AssertionError(f"{self.path}: {response.status_code} {response.content[:300]!r}")
        return response.content


class Visitors:
    """A superuser for everything of ours, and somebody of one customer for what only customers list."""

    def __init__(self) -> None:
        """Make both and log them in."""
        self.staff = get_user_model().objects.create_superuser("lists@staff.example", "a-password-for-a-bench")
        self.buyer = get_user_model().objects.create_user("lists@customer.example")
        self.customer = Customer.objects.create(customer_number="C-LISTS", name="Lists", email="lists@example.com")
        CustomerUser.objects.create(customer=self.customer, user=self.buyer, role=CustomerUser.Role.ADMIN)
        self.staff_client, self.buyer_client = self._client(self.staff), self._client(self.buyer)

    def _client(self, user: Any) -> Client:
        """Return a client with a session for the console and a token, which the API looks at first."""
        client = Client(headers={"Authorization": f"Bearer {AccessToken.for_user(user)}"})
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client

    def api_lists(self) -> list[ApiList]:
        """Return every list endpoint with whoever may ask it."""
        found = []
        for path, callback in list_addresses():
            own = path.startswith("/api/v1/customers/")
            client, user = (self.buyer_client, self.buyer) if own else (self.staff_client, self.staff)
            found.append(ApiList(path, callback, client, user))
        return found

    def gather(self) -> None:
        """Give the customer all rows of the kinds that a customer lists as its own."""
        for model in (CustomerUser, CustomerAddress):
            models.QuerySet.update(model.objects.all(), customer=self.customer)


@contextmanager
def _settings() -> Iterator[None]:
    bare = {
        "NAME": "bare",
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [
            Path(module.__file__).parent / "templates"  # type: ignore[arg-type]
            for module in (django.contrib.admin, django.forms)
        ],
        "OPTIONS": {"context_processors": settings.TEMPLATES[0]["OPTIONS"]["context_processors"]},
    }
    with override_settings(
        ALLOWED_HOSTS=["testserver"], RATE_LIMIT_DEFAULT="1000000/min", TEMPLATES=[*settings.TEMPLATES, bare]
    ):
        yield


def run() -> Report:
    """Count the statements of each list at 25, 100 and 500 rows, and time each at 500 against its floor."""
    report = Report("lists")
    with _settings():
        visitors = Visitors()
        consoles = dict(_consoles())
        apis = visitors.api_lists()
        statements: dict[str, list[int]] = {}
        for size in SIZES:
            _fill_all(size)
            visitors.gather()
            for model in consoles:
                count = _count(lambda m=model: _page(visitors.staff_client, m))
                statements.setdefault(f"console {model._meta.label}", []).append(count)
            for api in apis:
                statements.setdefault(f"API {api.path}", []).append(_count(api.get))
        for name, counts in statements.items():
            report.figures[name] = {"statements": counts}
            report.judge(f"{name}: most statements", max(counts), MOST_STATEMENTS)
            report.judge(f"{name}: statements grow by", max(counts) - min(counts), 0)
        connection.cursor().execute("ANALYZE")
        for model, model_admin in consoles.items():
            _time_console(report, model, model_admin, visitors.staff)
        for api in apis:
            _time_api(report, api)
    return report


def _time_console(report: Report, model: type[models.Model], model_admin: Any, staff: Any) -> None:
    bare = _bare(model, model_admin)
    ours, floor = (
        lambda: _console(model_admin, staff),
        lambda: _console(bare, staff, using="bare"),
    )
    shown = [page.context_data["cl"].result_list for page in (ours(), floor())]
    if len(shown[0]) != len(shown[1]):
        raise AssertionError(f"{model._meta.label}: {len(shown[0])} and {len(shown[1])} rows")
    subject, lowest = interleaved(ours, floor, rounds=5)
    name = f"console {model._meta.label}"
    _keep(report, name, subject, lowest)
    report.judge(f"{name}: time against a bare list", subject.median / lowest.median, 3)


def _time_api(report: Report, api: ApiList) -> None:
    floor = ValuesList(api)
    floor.compare(json.loads(api.get()))
    subject, lowest = interleaved(api.get, floor.dump, rounds=21)
    _keep(report, f"API {api.path}", subject, lowest)
    report.judge(f"API {api.path}: time against .values() and json", subject.median / lowest.median, 4)


def _keep(report: Report, name: str, subject: Any, lowest: Any) -> None:
    for kind, timing in (("", subject), ("floor_", lowest)):
        report.figures[name][f"{kind}wall_ms"] = round(timing.median * 1000, 2)
        report.figures[name][f"{kind}cpu_ms"] = round(timing.median_cpu * 1000, 2)
    report.tell(
        f"{name}: {subject.median * 1000:.1f} ms wall, {subject.median_cpu * 1000:.1f} ms CPU; "
        f"floor {lowest.median * 1000:.1f} ms wall, {lowest.median_cpu * 1000:.1f} ms CPU"
    )


def run_million() -> Report:
    """Bring the five largest tables to a million rows; count and time their lists against those of 500 rows."""
    if connection.vendor != "postgresql":
        raise CommandError("A million rows are copied inside PostgreSQL.")
    report = Report("lists, a million rows")
    with _settings():
        visitors = Visitors()
        apis = {api.model: api for api in visitors.api_lists()}
        consoles = dict(_consoles())
        big = (InventoryTransaction, apps.get_model("core", "OutboxEvent"), PrintJob, SerialNumber, SalesOrderLine)
        _fill_all(500)
        for model in (SalesOrder, *big):
            # Order lines have no list of their own: they are shown with their orders.
            shown, note = (SalesOrder, " with lines") if model is SalesOrderLine else (model, "")
            lists: dict[str, Callable[[], Any]] = {}
            if shown in consoles:
                lists[f"console {shown._meta.label}{note}"] = lambda m=shown: _page(visitors.staff_client, m)
            if shown in apis:
                lists[f"API {apis[shown].path}{note}"] = apis[shown].get
            before = {name: (_count(work), _time(work)) for name, work in lists.items()}
            multiply(model, MILLION, spread="sales_order" if model is SalesOrderLine else "")
            for name, work in lists.items():
                count, took = _count(work), _time(work)
                small = before[name]
                report.tell(f"{name}: {took * 1000:.1f} ms, {small[1] * 1000:.1f} ms with 500 rows; {count} statements")
                report.figures[name] = {"wall_ms": took * 1000, "wall_ms_500": small[1] * 1000, "statements": count}
                report.judge(f"{name}: statements", count, MOST_STATEMENTS)
                report.judge(f"{name}: statements grow by", count - small[0], 0)
    return report


def _fill_all(size: int) -> None:
    for model in apps.get_models():
        if model._meta.app_label in OURS and not hasattr(model, "instance_type") and not model._meta.proxy:
            fill(model, size)
    _settle_jobs()


def _settle_jobs() -> None:
    """Make the print jobs' history one that can be: what ended is cleared, what waits has no printer."""
    jobs, now = PrintJob._base_manager, timezone.now()
    ended = (PrintJob.Status.FINISHED, PrintJob.Status.FAILED, PrintJob.Status.CANCELLED)
    models.QuerySet.update(jobs.filter(status__in=ended), started_at=now, finished_at=now, cleared_at=now)
    models.QuerySet.update(jobs.filter(status=PrintJob.Status.QUEUED), printer=None)


def _consoles() -> Iterator[tuple[type[models.Model], Any]]:
    for model, model_admin in admin.site._registry.items():
        if model._meta.app_label in OURS:
            yield model, model_admin


def list_addresses() -> Iterator[tuple[str, Any]]:
    """Return the address of every list of the API with the view that answers it."""

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
        queryset = getattr(getattr(callback, "cls", None), "queryset", None)
        listed = text.startswith("/api/v1/") and "<" not in text and "(" not in text and actions.get("get") == "list"
        if listed and queryset is not None and text not in seen:
            seen.add(text)
            yield text, callback


def _count(work: Callable[[], Any]) -> int:
    work()
    with counting() as counter:
        work()
    return counter.count


def _time(work: Callable[[], Any]) -> float:
    return interleaved(work, lambda: None, rounds=5)[0].median


def _page(client: Client, model: type[models.Model]) -> bytes:
    meta = model._meta
    response = client.get(reverse(f"admin:{meta.app_label}_{meta.model_name}_changelist"))
    if response.status_code != 200:
        raise AssertionError(f"{meta.label}: {response.status_code}")
    return response.content


def _console(model_admin: Any, staff: Any, *, using: str | None = None) -> Any:
    """Return a rendered list without the middleware around it, which would dilute the difference."""
    request: HttpRequest = RequestFactory().get("/admin/")
    request.user = staff
    request.session = SessionStore()
    response = model_admin.changelist_view(request)
    response._using = using
    return response.render()


def _bare(model: type[models.Model], model_admin: Any) -> Any:
    """Return a ModelAdmin of Django's own that shows the same columns, as far as they are fields, and no more."""
    fields = {field.name for field in model._meta.get_fields() if getattr(field, "concrete", False)}
    columns = []
    for column in model_admin.list_display:
        function = column if callable(column) else getattr(model_admin, column, None)
        name = column if column in fields else getattr(function, "admin_order_field", None)
        if name in fields and name not in columns:
            columns.append(name)
    related = [name for name in columns if isinstance(model._meta.get_field(name), models.ForeignKey)]
    site = admin.AdminSite(name="admin")
    attributes = {
        "list_display": columns or ["__str__"],
        "list_select_related": related or False,
        "list_per_page": model_admin.list_per_page,
        "show_full_result_count": False,
    }
    site.register(model, type("Bare", (admin.ModelAdmin,), attributes))
    return site._registry[model]


class ValuesList:
    """The floor of a list endpoint: ``.values()`` of the columns that it shows, and ``json.dumps``."""

    def __init__(self, api: ApiList) -> None:
        """Read from the endpoint's serializer which columns it shows, its own and those of rows under it."""
        view = api.callback.cls(**api.callback.initkwargs)
        request = Request(RequestFactory().get(api.path))
        request.user, request.version = api.user, "v1"
        view.request, view.action, view.format_kwarg, view.args, view.kwargs = request, "list", None, (), {}
        rows = view.get_queryset()
        self.counts = isinstance(view.paginator, PageNumberPagination)
        if not self.counts:
            rows = rows.order_by("-id")
        self.rows = rows.select_related(None).prefetch_related(None)
        fields = view.get_serializer_class()(context=view.get_serializer_context()).fields
        self.columns = self._columns(fields, rows.model, set(rows.query.annotations))
        self.below = {}
        for name, field in fields.items():
            child = getattr(field, "child", None)
            relation = next(
                (r for r in rows.model._meta.related_objects if r.get_accessor_name() == field.source), None
            )
            if isinstance(child, serializers.BaseSerializer) and relation is not None and relation.one_to_many:
                columns = self._columns(child.fields, relation.related_model, set())
                self.below[name] = (relation.related_model._base_manager, relation.field.attname, columns)

    @staticmethod
    def _columns(fields: Any, model: Any, annotations: set[str]) -> dict[str, str]:
        """Return the path of every shown field that is a column."""
        columns = {}
        for name, field in fields.items():
            path = (field.source or "").replace(".", "__")
            if path in annotations or _is_column(model, path):
                columns[name] = path
        return columns

    def read(self) -> list[dict[str, Any]]:
        """Return the rows with those below them."""
        rows = list(self.rows.values("pk", *dict.fromkeys(self.columns.values()))[:MAX_PAGE_SIZE])
        for name, (manager, key, columns) in self.below.items():
            below = defaultdict(list)
            for row in manager.filter(**{f"{key}__in": [row["pk"] for row in rows]}).values(key, *columns.values()):
                below[row[key]].append(row)
            for row in rows:
                row[name] = below[row["pk"]]
        return rows

    def dump(self) -> str:
        """Return what the endpoint answers, as cheaply as it can be had."""
        total = self.rows.count() if self.counts else None
        return json.dumps({"count": total, "results": self.read()}, default=str)

    def compare(self, answer: dict[str, Any]) -> None:
        """Raise unless the endpoint's answer has the same rows in the same order with the same values."""
        rows = self.read()
        if len(answer["results"]) != len(rows):
            raise AssertionError(f"{self.rows.model._meta.label}: {len(answer['results'])} rows, not {len(rows)}")
        for shown, row in zip(answer["results"], rows, strict=True):
            for name, path in self.columns.items():
                if name in shown and not _same(shown[name], row[path]):
                    raise AssertionError(f"{self.rows.model._meta.label}.{name}: {shown[name]!r}, not {row[path]!r}")


def _is_column(model: Any, path: str) -> bool:
    for part in path.split("__"):
        if model is None:
            return False
        try:
            field = model._meta.get_field(part)
        except FieldDoesNotExist:
            return False
        if not getattr(field, "concrete", False):
            return False
        model = field.related_model
    return True


def _same(shown: Any, value: Any) -> bool:
    if isinstance(value, datetime.datetime):
        return datetime.datetime.fromisoformat(str(shown)) == value
    return shown == value or str(shown) == str(value)
