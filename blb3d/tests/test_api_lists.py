"""What every list of the API must hold, whichever app offers it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection, models
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.test import APIClient

from blb3d.accounts.models import User
from blb3d.bench.lists import list_addresses
from blb3d.core.api.lists import PlainListMixin, plan_of
from blb3d.tests.rows import make_row
from sales.models import Customer, CustomerAddress, CustomerUser

pytestmark = pytest.mark.django_db

MOST_QUERIES = 10
LISTS = [pytest.param(path, callback, id=path) for path, callback in list_addresses()]
PLAIN = [param for param in LISTS if param.values[1].cls.list is PlainListMixin.list]
OWN = (CustomerUser, CustomerAddress)


class Caller:
    """A superuser who also acts for a customer, so that no list is closed to them."""

    def __init__(self) -> None:
        self.user = User.objects.create_superuser("boss@example.com")
        self.customer = make_row(Customer)
        CustomerUser.objects.create(customer=self.customer, user=self.user, role=CustomerUser.Role.ADMIN)
        self.client = APIClient()
        self.client.force_authenticate(self.user)

    def add_rows(self, model: type[models.Model], count: int) -> None:
        for _ in range(count):
            row = make_row(model, with_optional_keys=True)
            for relation in model._meta.related_objects:
                if relation.one_to_many and relation.related_model._meta.app_label == model._meta.app_label:
                    self._add_below(relation, row)
            if model in OWN:
                models.QuerySet.update(model.objects.filter(pk=row.pk), customer=self.customer)

    def _add_below(self, relation: Any, row: Any) -> None:
        below = relation.related_model
        if relation.get_accessor_name() in {"lines", "parts", "slots"}:
            made = make_row(below)
            below._base_manager.filter(pk=made.pk).update(**{relation.field.name: row})

    def view(self, path: str, callback: Any) -> Any:
        view = callback.cls(**callback.initkwargs)
        view.request = Request(RequestFactory().get(path))
        view.request.user, view.request.version = self.user, "v1"
        view.action, view.format_kwarg, view.args, view.kwargs = "list", None, (), {}
        return view


@pytest.fixture
def caller() -> Caller:
    return Caller()


@pytest.mark.parametrize(("path", "callback"), LISTS)
def test_a_list_costs_the_same_for_two_rows_and_for_twenty(path: str, callback: Any, caller: Caller) -> None:
    counts = []
    for more in (2, 18):
        caller.add_rows(callback.cls.queryset.model, more)
        with CaptureQueriesContext(connection) as queries:
            answer = caller.client.get(path)
        assert answer.status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1] <= MOST_QUERIES


@pytest.mark.parametrize(("path", "callback"), PLAIN)
def test_a_list_read_by_columns_shows_what_its_serializer_shows(path: str, callback: Any, caller: Caller) -> None:
    caller.add_rows(callback.cls.queryset.model, 3)
    view = caller.view(path, callback)
    shown = caller.client.get(path).json()["results"]
    assert shown
    rows = {row.pk: row for row in view.get_queryset()}
    instances = [rows[row["id"]] for row in shown]
    serializer = view.get_serializer_class()(instances, many=True, context=view.list_context(instances))
    assert json.loads(JSONRenderer().render(serializer.data)) == shown


@pytest.mark.parametrize(("path", "callback"), PLAIN)
def test_a_list_that_could_be_read_by_columns_is(path: str, callback: Any, caller: Caller) -> None:
    assert plan_of(caller.view(path, callback).get_serializer_class()) is not None
