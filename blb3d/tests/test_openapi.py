"""The schema is what other people's programs are made from. `make schema-check` compares the committed one."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiYamlRenderer
from jsonschema import Draft202012Validator

from blb3d.openapi import EXAMPLES, SPECTACULAR_SETTINGS
from integrations import webhooks

METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The schema as it is served."""
    made = SchemaGenerator(api_version="v1").get_schema(request=None, public=True)
    return yaml.safe_load(OpenApiYamlRenderer().render(made, renderer_context={}))


@pytest.fixture(scope="module")
def operations(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Operation id -> operation."""
    found = [path[method] for path in schema["paths"].values() for method in METHODS if method in path]
    named = {operation["operationId"]: operation for operation in found}
    assert len(named) == len(found)
    return named


def test_every_operation_belongs_to_one_described_family(operations):
    families = {tag["name"] for tag in SPECTACULAR_SETTINGS["TAGS"]}
    used = [operation["tags"] for operation in operations.values()]
    assert {len(tags) for tags in used} == {1}
    assert {tag for tags in used for tag in tags} == families


def test_every_refusal_is_described_by_the_envelope(schema, operations):
    envelope = {"$ref": "#/components/schemas/Error"}
    for name, operation in operations.items():
        refusals = {status: row for status, row in operation["responses"].items() if not status.startswith("2")}
        assert {"401", "429", "default"} <= set(refusals), name
        for status, row in refusals.items():
            described = _resolved(schema, row)
            assert described["description"], (name, status)
            assert [content["schema"] for content in described["content"].values()] == [envelope], (name, status)


def test_every_example_is_one_that_the_schema_allows(schema, operations):
    assert set(EXAMPLES) <= set(operations)
    for name, places in EXAMPLES.items():
        for place, example in places.items():
            operation = operations[name]
            row = operation["requestBody"] if place == "request" else _resolved(schema, operation["responses"][place])
            for content in row["content"].values():
                assert content["example"] == example
                whole = {**content["schema"], "components": schema["components"]}
                assert [error.message for error in Draft202012Validator(whole).iter_errors(example)] == [], name


def test_the_ways_to_prove_who_calls_are_named(schema):
    schemes = schema["components"]["securitySchemes"]
    assert {name: (row["type"], row.get("scheme") or row["name"]) for name, row in schemes.items()} == {
        "jwtAuth": ("http", "bearer"),
        "apiKey": ("apiKey", "X-API-Key"),
        "cookieAuth": ("apiKey", "sessionid"),
        "squarespaceSignature": ("apiKey", "Squarespace-Signature"),
    }


def test_writes_that_can_be_repeated_name_the_key(operations):
    keyed = {
        name
        for name, operation in operations.items()
        if any(row["name"] == "Idempotency-Key" for row in operation.get("parameters", []))
    }
    assert {"quotes_create", "quotes_accept_create", "sales_orders_convert", "payments_create"} <= keyed
    assert {"sales_orders_reorder_create", "inventory_transactions_create", "print_jobs_clear_create"} <= keyed


def test_every_address_of_a_shop_is_described(schema):
    described = {path.removeprefix("/api/v1/") for path in schema["paths"] if "/webhooks/" in path}
    assert described == {str(pattern.pattern).strip("^$").removesuffix("/?") for pattern in webhooks.urlpatterns}


def _resolved(schema: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in row:
        return row
    return schema["components"]["responses"][row["$ref"].rpartition("/")[2]]
