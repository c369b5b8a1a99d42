"""What every page of the console must hold, whoever registered it."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from blb3d.accounts.models import User
from blb3d.accounts.roles import sync_roles
from blb3d.core.admin import ConsoleAdmin, LedgerAdmin
from blb3d.core.documents import Document
from blb3d.core.lifecycle import Lifecycle
from blb3d.tests.rows import make_row

pytestmark = pytest.mark.django_db

MOST_QUERIES = 10
ADMINS = sorted(admin.site._registry.values(), key=lambda page: page.model._meta.label)
BY_LABEL = [pytest.param(page, id=page.model._meta.label) for page in ADMINS]
CONSOLE = [param for param in BY_LABEL if isinstance(param.values[0], ConsoleAdmin)]
OURS = {"accounts", "core", "inventory", "production", "sales", "quotes", "integrations"}


def url(page: Any, name: str, *args: Any) -> str:
    return reverse(f"admin:{page.opts.app_label}_{page.opts.model_name}_{name}", args=args)


@pytest.fixture
def boss() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("boss@example.com"))
    return client


def list_queries(client: Client, page: Any) -> int:
    with CaptureQueriesContext(connection) as queries:
        response = client.get(url(page, "changelist"))
    assert response.status_code == 200
    return len(queries)


@pytest.mark.parametrize("page", BY_LABEL)
def test_a_list_costs_the_same_however_long_it_is(page: Any, boss: Client) -> None:
    for _ in range(2):
        make_row(page.model, with_optional_keys=True)
    two = list_queries(boss, page)
    for _ in range(10):
        make_row(page.model, with_optional_keys=True)
    assert list_queries(boss, page) == two
    assert two <= MOST_QUERIES


@pytest.mark.parametrize("page", BY_LABEL)
def test_every_page_opens_for_a_superuser(page: Any, boss: Client) -> None:
    row = make_row(page.model, with_optional_keys=True)
    listed = boss.get(url(page, "changelist"), {"q": "x"} if page.search_fields else {})
    assert listed.status_code == 200
    assert boss.get(url(page, "change", row.pk)).status_code == 200
    if isinstance(row, Document):
        assert boss.get(url(page, "history", row.pk)).status_code == 200
    allowed = listed.context["has_add_permission"]
    assert boss.get(url(page, "add")).status_code == (200 if allowed else 403)


@pytest.mark.parametrize("role", ["operator", "quality"])
def test_a_role_opens_only_what_it_may_see(role: str) -> None:
    sync_roles()
    user = User.objects.create_user("clerk@example.com", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    rows = {page: make_row(page.model) for page in ADMINS}
    allowed = {page: user.has_perm(f"{page.opts.app_label}.view_{page.opts.model_name}") for page in ADMINS}
    assert {page: client.get(url(page, "changelist")).status_code == 200 for page in ADMINS} == allowed
    assert {page: client.get(url(page, "change", row.pk)).status_code == 200 for page, row in rows.items()} == allowed


@pytest.mark.parametrize("page", CONSOLE)
def test_every_act_has_one_name_and_a_real_permission_and_refuses_get(page: Any, boss: Client) -> None:
    verbs = page.declared_verbs()
    names = [verb.name for verb in verbs]
    assert len(set(names)) == len(names)
    assert set(page.bulk_verbs) <= {verb.name for verb in verbs if not verb.needs_answer}
    known = {f"{p.content_type.app_label}.{p.codename}" for p in Permission.objects.select_related("content_type")}
    assert {verb.permission for verb in verbs} <= known
    row = make_row(page.model) if names else None
    for name in names:
        assert boss.get(url(page, "verb", row.pk, name)).status_code == 405


@pytest.mark.parametrize("page", [param for param in BY_LABEL if param.values[0].opts.app_label in OURS])
def test_nothing_of_ours_is_deleted_by_hand_and_a_ledger_is_only_read(page: Any, boss: Client) -> None:
    row = make_row(page.model)
    assert boss.post(url(page, "delete", row.pk), {"post": "yes"}).status_code == 403
    assert page.model._base_manager.filter(pk=row.pk).exists()
    if isinstance(page, LedgerAdmin):
        assert boss.get(url(page, "add")).status_code == 403
        assert boss.post(url(page, "change", row.pk), {}).status_code == 403


def test_every_document_with_a_status_has_a_page() -> None:
    assert [lifecycle.model for lifecycle in Lifecycle.all() if lifecycle.model not in admin.site._registry] == []
