"""Material planning over HTTP: runs, planned orders with whom they are for, firm orders, messages."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from blb3d.accounts.models import User
from blb3d.accounts.roles import sync_roles
from blb3d.accounts.tests.factories import StaffFactory, SuperuserFactory, UserFactory
from inventory.models import Product, PurchaseOrder, VendorItem
from inventory.tests.factories import (
    ComponentFactory,
    MaterialFactory,
    ProductFactory,
    VendorFactory,
    make_bom,
    put_on_shelf,
    system_actor,
)
from production.models import FirmOrder, Forecast, MRPRun, PlanMessage, PlannedOrder, ProductionOrder
from production.services import mrp
from production.tests.factories import draft

pytestmark = pytest.mark.django_db
RUNS = "/api/v1/mrp/runs"
FIRM = "/api/v1/mrp/firm-orders"
MESSAGES = "/api/v1/mrp/messages"


def day(number: int) -> datetime.date:
    """Return the day so many days from today."""
    return timezone.localdate() + datetime.timedelta(days=number)


def _client(user: User | None) -> APIClient:
    client = APIClient()
    if user is not None:
        client.force_authenticate(user)
    return client


@pytest.fixture
def staff() -> APIClient:
    return _client(SuperuserFactory())


def _in_role(name: str) -> APIClient:
    sync_roles()
    user = StaffFactory()
    user.groups.add(Group.objects.get(name=name))
    return _client(user)


@pytest.fixture
def farm() -> ProductionOrder:
    """Return an order for boxes; their lids are made, of filament that is bought."""
    filament = MaterialFactory(sku="F-BLACK")
    VendorItem.objects.create(vendor=VendorFactory(code="FIL", lead_time_days=9), product=filament, unit="kg")
    VendorFactory(code="OTHER")
    lid = ProductFactory(sku="LID", lead_time_days=2)
    make_bom(lid, (filament, "0.05"))
    box = ProductFactory(sku="BOX", lead_time_days=3)
    make_bom(box, (lid, 1))
    Forecast.objects.create(product=filament, starts_on=day(3), ends_on=day(4), quantity=Decimal(2))
    return draft(box, 10, due_date=day(30))


def _planned(run: str | int = "newest", **filters: Any) -> list[int]:
    rows = PlannedOrder.objects.filter(**filters)
    if run != "newest":
        rows = rows.filter(run=run)
    return list(rows.order_by("id").values_list("id", flat=True))


def test_a_run_is_made_and_read(staff: APIClient, farm: ProductionOrder) -> None:
    made = staff.post(RUNS, {"cause": "a big order"}, format="json")
    assert made.status_code == 201
    body = made.json()
    assert (body["kind"], body["status"], body["cause"]) == ("full", "done", "a big order")
    assert (body["planned_to_make"], body["planned_to_buy"], body["late"]) == (1, 2, 1)
    for key in (body["id"], body["number"], "newest"):
        assert staff.get(f"{RUNS}/{key}").json() == body
    assert [row["number"] for row in staff.get(RUNS).json()["results"]] == [body["number"]]
    gone = staff.get(f"{RUNS}/MRP-1900-001")
    assert (gone.status_code, gone.json()["error_code"]) == (404, "PROD_065")
    assert staff.post(RUNS, {"why": "x"}, format="json").json()["error_code"] == "VALID_002"
    assert MRPRun.objects.count() == 1


def test_of_an_old_run_only_the_figures_are_kept(staff: APIClient, farm: ProductionOrder, settings: Any) -> None:
    settings.MRP_RUNS_KEPT = 1
    old = mrp.run_mrp(actor=system_actor())
    mrp.run_mrp(actor=system_actor())
    body = staff.get(f"{RUNS}/{old.number}").json()
    assert (body["has_rows"], body["planned_to_buy"]) == (False, 2)
    for name in ("planned-orders", "messages", "late"):
        answer = staff.get(f"{RUNS}/{old.number}/{name}")
        assert (answer.status_code, answer.json()["error_code"]) == (404, "PROD_065")


def test_a_repeated_request_runs_once(staff: APIClient, farm: ProductionOrder) -> None:
    answers = [staff.post(RUNS, {}, format="json", headers={"Idempotency-Key": "night"}) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert MRPRun.objects.count() == 1


def test_a_run_while_another_is_under_way_is_refused(staff: APIClient) -> None:
    MRPRun.objects.create(
        number="MRP-X", status="running", planned_from=timezone.localdate(), started_by=system_actor()
    )
    answer = staff.post(RUNS, {}, format="json")
    assert (answer.status_code, answer.json()["error_code"]) == (409, "PROD_060")


def test_planned_orders_say_what_for_whom_and_by_when(staff: APIClient, farm: ProductionOrder) -> None:
    mrp.run_mrp(actor=system_actor())
    rows = staff.get(f"{RUNS}/newest/planned-orders").json()["results"]
    by_sku = {(row["sku"], row["due_on"]): row for row in rows}
    lid = by_sku["LID", str(day(27))]
    assert (lid["kind"], lid["quantity"], lid["unit"], lid["start_on"], lid["is_taken"]) == (
        "make",
        "10.0000",
        "each",
        str(day(25)),
        False,
    )
    assert lid["pegs"] == [
        {"kind": "production_order", "id": farm.pk, "number": 0, "quantity": "10.0000", "day": str(day(27))}
    ]
    filament = by_sku["F-BLACK", str(day(25))]
    assert filament["pegs"][0]["kind"] == "planned"
    assert filament["needed_for"] == [
        {"kind": "production_order", "id": farm.pk, "label": farm.code, "quantity": "0.5000", "due": str(day(30))}
    ]
    made = staff.get(f"{RUNS}/newest/planned-orders", {"kind": "make"}).json()["results"]
    assert [row["sku"] for row in made] == ["LID"]
    soon = staff.get(f"{RUNS}/newest/planned-orders", {"start_on__lte": str(day(1))}).json()["results"]
    assert [row["due_on"] for row in soon] == [str(day(3))]
    assert staff.get(f"{RUNS}/newest/planned-orders", {"product__sku": "BOX"}).json()["results"] == []
    assert staff.get(f"{RUNS}/newest/planned-orders", {"kind": "lend"}).status_code == 400


def test_late_demands_name_their_reason(staff: APIClient, farm: ProductionOrder) -> None:
    mrp.run_mrp(actor=system_actor())
    [row] = staff.get(f"{RUNS}/newest/late").json()["results"]
    assert (row["reference_type"], row["label"]) == ("forecast", f"forecast of F-BLACK until {day(4)}")
    assert (row["due_on"], row["ready_on"], row["cause_sku"]) == (str(day(3)), str(day(9)), "F-BLACK")


def test_lists_cost_the_same_however_long_they_are(staff: APIClient, farm: ProductionOrder) -> None:
    counts: dict[str, list[int]] = {"planned-orders": [], "messages": [], "late": []}
    for number in (1, 6):
        for turn in range(number):
            draft(farm.product, 2, due_date=day(30 + turn))
            draft(farm.product, 2, source_type="stock", due_date=day(3))
            Forecast.objects.create(
                product=Product.objects.get(sku="F-BLACK"), starts_on=day(2), ends_on=day(2), quantity=Decimal(1 + turn)
            )
        mrp.run_mrp(actor=system_actor())
        for name, found in counts.items():
            staff.get(f"{RUNS}/newest/{name}")
            with CaptureQueriesContext(connection) as queries:
                staff.get(f"{RUNS}/newest/{name}")
            found.append(len(queries))
    assert all(found[0] == found[1] for found in counts.values()), counts


def test_planned_orders_are_made_firm_with_other_terms(staff: APIClient, farm: ProductionOrder) -> None:
    mrp.run_mrp(actor=system_actor())
    [pk] = _planned(product__sku="F-BLACK", due_on=day(25))
    body = {"planned_orders": [pk], "quantity": "2.5", "due_on": str(day(20)), "vendor": "OTHER"}
    answer = staff.post(f"{RUNS}/newest/firm", body, format="json")
    assert answer.status_code == 201
    [row] = answer.json()
    assert (row["sku"], row["quantity"], row["due_on"], row["vendor"], row["status"]) == (
        "F-BLACK",
        "2.5000",
        str(day(20)),
        "OTHER",
        "firm",
    )
    assert farm.code in row["why"]
    again = staff.post(f"{RUNS}/newest/firm", body, format="json")
    assert (again.status_code, again.json()["error_code"]) == (409, "PROD_062")
    unknown = staff.post(f"{RUNS}/newest/firm", {"planned_orders": [987654]}, format="json")
    assert (unknown.status_code, unknown.json()["details"]) == (404, {"planned_orders": [987654]})
    nobody = staff.post(f"{RUNS}/newest/firm", {**body, "vendor": "NOBODY"}, format="json")
    assert (nobody.status_code, nobody.json()["error_code"]) == (400, "VALID_001")
    assert staff.post(f"{RUNS}/newest/firm", {"planned_orders": []}, format="json").status_code == 400
    assert FirmOrder.objects.count() == 1


def test_firm_orders_are_changed_released_and_dropped(staff: APIClient, farm: ProductionOrder) -> None:
    mrp.run_mrp(actor=system_actor())
    decided = mrp.firm(list(PlannedOrder.objects.order_by("id")), actor=system_actor())
    lid = next(order for order in decided if order.product.sku == "LID")
    changed = staff.patch(f"{FIRM}/{lid.number}", {"quantity": "12", "version": lid.version}, format="json")
    assert (changed.status_code, changed.json()["quantity"]) == (200, "12.0000")
    stale = staff.patch(f"{FIRM}/{lid.pk}", {"quantity": "13", "version": lid.version}, format="json")
    assert stale.status_code == 409
    released = staff.post(f"{FIRM}/{lid.pk}/release", format="json")
    assert released.status_code == 201
    [code] = released.json()["production_orders"]
    assert ProductionOrder.objects.get(code=code).quantity == 12
    assert released.json()["firm_orders"][0]["production_order"] == code
    again = staff.post(f"{FIRM}/{lid.pk}/release", format="json")
    assert (again.status_code, again.json()["error_code"]) == (409, "CONFLICT_002")
    other = next(order for order in decided if order.pk != lid.pk)
    dropped = staff.post(f"{FIRM}/{other.pk}/drop", {"reason": "not now"}, format="json")
    assert (dropped.status_code, dropped.json()["status"]) == (200, "dropped")
    assert [row["number"] for row in staff.get(FIRM, {"status": "dropped"}).json()["results"]] == [other.number]
    assert staff.get(f"{FIRM}/FIRM-1900-001").status_code == 404


def test_planned_orders_are_released_by_one_call(staff: APIClient, farm: ProductionOrder) -> None:
    mrp.run_mrp(actor=system_actor())
    body = {"planned_orders": _planned()}
    answers = [
        staff.post(f"{RUNS}/newest/release", body, format="json", headers={"Idempotency-Key": "once"}) for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    found = answers[0].json()
    assert found == answers[1].json()
    assert len(found["firm_orders"]) == 3
    assert found["purchase_orders"] == list(PurchaseOrder.objects.values_list("po_number", flat=True))
    assert len(found["production_orders"]) == 1
    old = staff.post(RUNS, {}, format="json").json()["id"]
    assert staff.get(f"{RUNS}/{old}/planned-orders").json()["results"] == []


def test_a_plan_that_was_replaced_is_not_released(staff: APIClient, farm: ProductionOrder) -> None:
    old = mrp.run_mrp(actor=system_actor())
    mrp.run_mrp(actor=system_actor())
    answer = staff.post(f"{RUNS}/{old.pk}/release", {"planned_orders": _planned(old.pk)}, format="json")
    assert (answer.status_code, answer.json()["error_code"]) == (409, "PROD_061")
    assert not PurchaseOrder.objects.exists()


def test_a_message_is_applied_once(staff: APIClient) -> None:
    part, box = ComponentFactory(sku="PART"), ProductFactory(sku="BOX", lead_time_days=1)
    put_on_shelf(part, 100)
    make_bom(box, (part, 1))
    order = draft(box, 5, source_type="stock", due_date=day(30))
    mrp.run_mrp(actor=system_actor())
    [row] = staff.get(f"{RUNS}/newest/messages").json()["results"]
    assert (row["kind"], row["order"], row["reference_type"], row["is_done"]) == (
        "cancel",
        order.code,
        "production_order",
        False,
    )
    done = staff.post(f"{MESSAGES}/{row['id']}/apply", {"reason": "enough"}, format="json")
    assert (done.status_code, done.json()["is_done"]) == (200, True)
    order.refresh_from_db()
    assert order.status == "cancelled"
    again = staff.post(f"{MESSAGES}/{row['id']}/apply", format="json")
    assert (again.status_code, again.json()["error_code"]) == (409, "PROD_063")
    assert staff.post(f"{MESSAGES}/987654/apply", format="json").status_code == 404


@pytest.mark.parametrize("path", [RUNS, FIRM, f"{RUNS}/newest/planned-orders", f"{RUNS}/newest/late"])
def test_strangers_and_customers_see_nothing(path: str, farm: ProductionOrder) -> None:
    mrp.run_mrp(actor=system_actor())
    assert _client(None).get(path).status_code == 401
    assert _client(UserFactory()).get(path).status_code == 403


@pytest.mark.parametrize(
    ("role", "runs", "firms", "buys", "makes", "cancels"),
    [
        ("manager", 201, 201, 201, 201, 200),
        ("purchasing", 201, 201, 201, 403, 403),
        ("operator", 403, 403, 403, 403, 403),
        ("sales", 403, 403, 403, 403, 403),
        ("quality", 403, 403, 403, 403, 403),
    ],
)
def test_who_may_do_what(
    role: str, runs: int, firms: int, buys: int, makes: int, cancels: int, farm: ProductionOrder
) -> None:
    client = _in_role(role)
    unneeded = ProductFactory(sku="TRAY", lead_time_days=1)
    make_bom(unneeded, (Product.objects.get(sku="F-BLACK"), "0.01"))
    draft(unneeded, 1, source_type="stock", due_date=day(40))
    assert client.post(RUNS, {}, format="json").status_code == runs
    mrp.run_mrp(actor=system_actor())
    assert client.get(f"{RUNS}/newest/planned-orders").status_code == 200
    newest = MRPRun.objects.order_by("-id").values_list("id", flat=True)[0]
    first, second = _planned(newest, product__sku="F-BLACK")[:2]
    [lid] = _planned(newest, product__sku="LID")
    assert client.post(f"{RUNS}/newest/firm", {"planned_orders": [first]}, format="json").status_code == firms
    assert client.post(f"{RUNS}/newest/release", {"planned_orders": [second]}, format="json").status_code == buys
    assert client.post(f"{RUNS}/newest/release", {"planned_orders": [lid]}, format="json").status_code == makes
    assert ProductionOrder.objects.filter(product__sku="LID").exists() is (makes == 201)
    message = PlanMessage.objects.filter(run=newest, kind="cancel").values_list("id", flat=True)[0]
    assert client.post(f"{MESSAGES}/{message}/apply", {}, format="json").status_code == cancels
