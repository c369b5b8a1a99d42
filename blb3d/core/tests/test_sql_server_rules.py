"""What SQL Server cannot do, or does wrong in silence, is not in the schema; seen without a server."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings
from django.db import models
from django.db.models import Q

from blb3d.core.tests.test_mssql_backend import PROBLEM

OURS = {"core", "accounts", "inventory", "production", "sales", "quotes", "integrations"}
MODELS = [model for model in apps.get_models(include_auto_created=True) if model._meta.app_label in OURS]
SIMPLE = {"exact", "gt", "gte", "lt", "lte", "in", "isnull"}

by_label = pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)


def conditions(model: type[models.Model]) -> Iterator[tuple[str, Q]]:
    for item in [*model._meta.constraints, *model._meta.indexes]:
        condition = getattr(item, "condition", None)
        if condition is not None and not isinstance(item, models.CheckConstraint):
            yield item.name, condition


def leaves(condition: Q) -> Iterator[tuple[Q, Any]]:
    for child in condition.children:
        if isinstance(child, Q):
            yield from leaves(child)
        else:
            yield condition, child


@by_label
def test_a_primary_key_is_a_big_integer_from_the_first_migration(model: type[models.Model]) -> None:
    """Altering an auto field later drops every index of the table and of those that refer to it."""
    assert isinstance(model._meta.pk, models.BigAutoField | models.OneToOneField | models.CharField)


@by_label
def test_texts_and_decimals_fit(model: type[models.Model]) -> None:
    for field in model._meta.local_fields:
        indexed = field.unique or field.db_index
        if isinstance(field, models.TextField):
            assert not indexed, field
        elif isinstance(field, models.CharField):
            assert (field.max_length or 9999) <= (850 if indexed else 4000), field
        elif isinstance(field, models.DecimalField):
            assert field.max_digits <= 38, field


@by_label
def test_an_index_fits_into_1700_bytes_and_holds_no_long_text(model: type[models.Model]) -> None:
    groups = [index.fields for index in model._meta.indexes]
    groups += [c.fields for c in model._meta.constraints if isinstance(c, models.UniqueConstraint)]
    for names in groups:
        assert names, f"{model._meta.label}: an expression index is silently not created"
        fields = [model._meta.get_field(name.lstrip("-")) for name in names]
        assert not any(isinstance(field, models.TextField) for field in fields)
        assert sum(2 * (getattr(field, "max_length", None) or 8) for field in fields) <= 1700, names


@by_label
def test_a_unique_constraint_over_a_nullable_column_leaves_the_nulls_out(model: type[models.Model]) -> None:
    for constraint in model._meta.constraints:
        if not isinstance(constraint, models.UniqueConstraint):
            continue
        assert constraint.deferrable is None
        assert constraint.nulls_distinct is None
        told = {child[0] for _, child in leaves(constraint.condition)} if constraint.condition else set()
        for name in constraint.fields:
            if model._meta.get_field(name).null:
                assert f"{name}__isnull" in told, f"{constraint.name}: two rows without {name} would clash"


@by_label
def test_a_filter_of_an_index_is_made_of_simple_comparisons_joined_by_and(model: type[models.Model]) -> None:
    for name, condition in conditions(model):
        for parent, (lookup, _) in leaves(condition):
            assert (parent.negated, parent.connector) == (False, Q.AND), name
            operator = lookup.partition("__")[2] or "exact"
            assert operator in SIMPLE, f"{name}: {lookup}"


@by_label
def test_a_json_column_holds_objects_and_arrays_only(model: type[models.Model]) -> None:
    for field in model._meta.local_fields:
        if isinstance(field, models.JSONField) and not hasattr(model, "history_id"):
            assert field.default in (dict, list), field


@by_label
def test_names_are_short_enough_everywhere(model: type[models.Model]) -> None:
    assert len(model._meta.db_table) <= 60
    for item in [*model._meta.constraints, *model._meta.indexes]:
        assert len(item.name) <= 30 or isinstance(item, models.CheckConstraint | models.UniqueConstraint)
        assert len(item.name) <= 60


FORBIDDEN_CALLS = {"explain", "raw", "extra"}
FORBIDDEN_KEYWORDS = {"ignore_conflicts", "update_conflicts", "no_key", "of"}
ASKED = {"no_key": "has_select_for_no_key_update", "update_conflicts": "supports_update_conflicts"}
FORBIDDEN_LOOKUPS = re.compile(r"__(date|iregex|regex|contained_by)(__|$)")


def sources() -> list[Path]:
    folders = ["blb3d", "inventory", "production", "sales", "quotes", "integrations"]
    files = [path for folder in folders for path in (Path(settings.BASE_DIR) / folder).rglob("*.py")]
    return [path for path in files if not {"tests", "migrations", "bench"} & set(path.parts)]


def test_no_query_uses_what_only_another_database_can() -> None:
    wrong: list[str] = []
    for path in sources():
        text = path.read_text(encoding="utf-8")
        # Who asks first whether the database can is allowed to.
        asked = {keyword for keyword, feature in ASKED.items() if f"features.{feature}" in text}
        forbidden = FORBIDDEN_KEYWORDS - asked
        for node in ast.walk(ast.parse(text)):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            keywords = {keyword.arg or "" for keyword in node.keywords}
            where = f"{path.relative_to(settings.BASE_DIR)}:{node.lineno}"
            if name in FORBIDDEN_CALLS and isinstance(node.func, ast.Attribute) and "objects" in ast.unparse(node.func):
                wrong.append(f"{where} {name}()")
            if name == "distinct" and node.args:
                wrong.append(f"{where} distinct(field)")
            if name in {"bulk_create", "select_for_update"} and keywords & forbidden:
                wrong.append(f"{where} {name}({keywords & forbidden})")
            wrong += [f"{where} {keyword}" for keyword in keywords if FORBIDDEN_LOOKUPS.search(keyword)]
    assert wrong == []


COMPILE = """
import json, os
os.environ["DJANGO_SETTINGS_MODULE"] = "blb3d.settings_test"
os.environ["TEST_DATABASE_URL"] = "mssql://user:password@127.0.0.1/erp?python_driver=mssql_python"
import django
django.setup()
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState

# The backend asks the server for these two; everything else it knows by itself.
type(connection).sql_server_version = 2019
type(connection).to_azure_sql_db = False
loader, state, done, statements = MigrationLoader(None), ProjectState(), set(), []
for leaf in sorted(loader.graph.leaf_nodes()):
    for key in loader.graph.forwards_plan(leaf):
        if key in done:
            continue
        done.add(key)
        migration = loader.graph.nodes[key]
        if key[0] not in OURS:
            state = migration.mutate_state(state, preserve=False)
            continue
        with connection.schema_editor(collect_sql=True, atomic=False) as editor:
            state = migration.apply(state, editor, collect_sql=True)
        statements += editor.collected_sql
print(json.dumps(statements))
""".replace("OURS", str(sorted(OURS)))


@pytest.mark.skipif(bool(PROBLEM), reason=f"no SQL Server driver: {PROBLEM}")
@pytest.mark.timeout(300)
def test_every_migration_compiles_for_sql_server() -> None:
    result = subprocess.run(
        [sys.executable, "-c", COMPILE], capture_output=True, text=True, timeout=280, check=False, cwd=settings.BASE_DIR
    )
    assert result.returncode == 0, result.stderr
    statements: list[str] = json.loads(result.stdout.splitlines()[-1])
    created = {match[1] for s in statements if (match := re.match(r"CREATE TABLE \[(\w+)\]", s))}
    assert {model._meta.db_table for model in MODELS} <= created
    for statement in statements:
        if "INDEX" in statement and " WHERE " in statement:
            predicate = statement.partition(" WHERE ")[2]
            assert not re.search(r"\b(OR|LIKE)\b|\bNOT \(", predicate), statement
