"""`/inventory/cycle-counts`: a scanner counts a sheet from first to last, and a blind one tells nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from blb3d.accounts.models import User
from blb3d.accounts.tests.factories import StaffFactory
from inventory.models import CycleCount, Inventory
from inventory.tests.factories import ComponentFactory, LocationFactory, MaterialFactory, put_on_shelf, receive

pytestmark = pytest.mark.django_db
URL = "/api/v1/inventory/cycle-counts"


def client(*permissions: str) -> tuple[APIClient, User]:
    """Return a caller with permissions on sheets."""
    user = StaffFactory()
    user.user_permissions.set(Permission.objects.filter(codename__in=[f"{name}_cyclecount" for name in permissions]))
    made = APIClient()
    made.force_authenticate(user)
    return made, user


COUNTER = ("view", "add", "start", "count", "submit")


def started(caller: APIClient, **what: Any) -> int:
    """Draw up and start a sheet; return its id."""
    made = caller.post(URL, what or {"location": LocationFactory().code}, format="json")
    assert made.status_code == 201, made.json()
    pk = int(made.json()["id"])
    assert caller.post(f"{URL}/{pk}/start", {}, format="json").json()["status"] == "counting"
    return pk


def test_a_sheet_is_counted_over_http_and_approved_by_another_person() -> None:
    part = ComponentFactory(sku="C-1")
    put_on_shelf(part, 100)
    caller, _ = client(*COUNTER)
    pk = started(caller, location=LocationFactory().code, skus=["c-1"])
    lot = receive(MaterialFactory(), 1)
    answer = caller.post(f"{URL}/{pk}/lines/1/count", {"quantity": "60"}, format="json")
    assert (answer.status_code, answer.json()["counted_quantity"]) == (200, "60.0000")
    found = {"sku": lot.product.sku, "location": "MAIN", "lot_number": lot.lot_number, "quantity": "1"}
    assert caller.post(f"{URL}/{pk}/found", found, format="json").json()["position"] == 2
    assert caller.post(f"{URL}/{pk}/submit", {}, format="json").json()["status"] == "submitted"
    assert caller.post(f"{URL}/{pk}/approve", {}, format="json").status_code == 403
    other, user = client("view", "approve")
    done = other.post(f"{URL}/{pk}/approve", {}, format="json").json()
    assert (done["status"], done["approved_by"], done["variance_value"]) == ("approved", user.email, "-10.0000")
    assert (done["lines"], done["counted"]) == (2, 2)
    assert Inventory.objects.get(product=part).on_hand_quantity == 60


def test_a_blind_sheet_tells_nothing_until_it_is_counted_and_then_only_who_approves() -> None:
    put_on_shelf(ComponentFactory(), 8765)
    caller, _ = client(*COUNTER)
    approver, _ = client("view", "approve")
    pk = started(caller)
    counted = caller.post(f"{URL}/{pk}/lines/1/count", {"quantity": "4321"}, format="json").json()
    for row in (counted, *caller.get(f"{URL}/{pk}/lines").json(), *approver.get(f"{URL}/{pk}/lines").json()):
        assert (row["expected_quantity"], row["book_quantity"], row["variance"]) == (None, None, None)
    caller.post(f"{URL}/{pk}/submit", {}, format="json")
    [row] = caller.get(f"{URL}/{pk}/lines").json()
    assert row["expected_quantity"] is None
    [row] = approver.get(f"{URL}/{pk}/lines").json()
    assert (row["expected_quantity"], row["variance"]) == ("8765.0000", "-4444.0000")


def test_what_cannot_be_is_refused_with_its_code() -> None:
    put_on_shelf(ComponentFactory(), 10)
    caller, _ = client(*COUNTER, "cancel")
    assert caller.post(URL, {}, format="json").status_code == 400
    assert caller.post(URL, {"location": "nowhere"}, format="json").status_code == 400
    assert caller.post(URL, {"skus": ["X-1"]}, format="json").status_code == 404
    pk = started(caller)
    second = caller.post(URL, {"location": "MAIN"}, format="json").json()["id"]
    taken = caller.post(f"{URL}/{second}/start", {}, format="json")
    assert (taken.status_code, taken.json()["error_code"]) == (409, "COUNT_004")
    assert caller.post(f"{URL}/{pk}/lines/9/count", {"quantity": "1"}, format="json").status_code == 404
    assert caller.post(f"{URL}/{pk}/lines/1/count", {"quantity": "-1"}, format="json").status_code == 400
    left = caller.post(f"{URL}/{pk}/submit", {}, format="json")
    assert (left.status_code, left.json()["error_code"]) == (409, "COUNT_002")
    stale = caller.post(f"{URL}/{pk}/cancel", {"reason": "x", "version": 1}, format="json")
    assert stale.status_code == 409
    assert CycleCount.objects.get(pk=pk).status == "counting"


def test_sheets_are_for_people_with_the_permission() -> None:
    nobody, _ = client()
    assert nobody.get(URL).status_code == 403
    reader, _ = client("view")
    assert reader.post(URL, {"abc_class": "A"}, format="json").status_code == 403
    assert APIClient().get(URL).status_code in (401, 403)


def test_lists_and_lines_cost_the_same_for_few_and_many() -> None:
    caller, _ = client(*COUNTER)

    def cost(path: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert caller.get(path).status_code == 200
        return len(queries)

    def sheet(code: str, lines: int) -> int:
        place = LocationFactory(code=code)
        for _ in range(lines):
            put_on_shelf(ComponentFactory(), Decimal(5), place)
        return started(caller, location=code)

    small = sheet("P-1", 1)
    one, lines = cost(URL), cost(f"{URL}/{small}/lines")
    large = sheet("P-2", 7)
    sheet("P-3", 2)
    assert (cost(URL), cost(f"{URL}/{large}/lines")) == (one, lines)
