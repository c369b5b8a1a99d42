"""Operations, routings and defect reasons over HTTP."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from blb3d.accounts.models import User
from blb3d.accounts.roles import sync_roles
from blb3d.accounts.tests.factories import StaffFactory, SuperuserFactory, UserFactory
from inventory.models import Inventory
from inventory.tests.factories import system_actor
from production import services as production
from production.models import OperationReport, PrintJob, ProductionOperation, ProductionOrder, QualityInspection
from production.tests.factories import black_pla, cleared, finished, printable, printing, queued, routed, stock

pytestmark = pytest.mark.django_db
OPERATIONS = "/api/v1/operations"


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


def _order(*kinds: str, quantity: int = 3) -> tuple[ProductionOrder, list[ProductionOperation]]:
    stock(black_pla())
    product = printable(parts=quantity)
    routed(product, *(kinds or ("paint", "pack")))
    order, [job] = queued(product, quantity)
    cleared(job, good=quantity)
    return order, list(order.operations.order_by("sequence"))


@pytest.mark.parametrize("path", [OPERATIONS, "/api/v1/routings", "/api/v1/defect-reasons"])
def test_strangers_and_customers_see_nothing_of_the_work(path: str) -> None:
    assert _client(None).get(path).status_code == 401
    assert _client(UserFactory()).get(path).status_code == 403


def test_operations_are_listed_with_what_waits_at_them(staff: APIClient) -> None:
    order, [paint, pack] = _order()
    rows = staff.get(OPERATIONS).json()["results"]
    assert [row["code"] for row in rows] == [pack.code, paint.code]
    row = staff.get(f"{OPERATIONS}/{paint.code}").json()
    assert (row["production_order"], row["work_center"], row["kind"]) == (order.code, "PAINT", "paint")
    assert (row["status"], row["quantity"], row["quantity_waiting"]) == ("pending", 3, 3)
    assert row["available_actions"] == ["start", "finish", "skip"]
    waiting = staff.get(OPERATIONS, {"is_waiting": "true"}).json()["results"]
    assert [row["code"] for row in waiting] == [paint.code]
    assert staff.get(OPERATIONS, {"work_center__code": "PACK"}).json()["results"][0]["code"] == pack.code


def test_the_list_costs_the_same_however_long_it_is(staff: APIClient) -> None:
    counts = []
    for _ in range(2):
        _order()
        with CaptureQueriesContext(connection) as queries:
            staff.get(OPERATIONS)
        counts.append(len(queries))
        _order("post_process", "paint", "inspect", "pack")
    assert counts[0] == counts[1]


def test_units_are_reported_with_a_defect_and_counted_once_per_key(staff: APIClient) -> None:
    production.add_standard_defects(actor=system_actor())
    order, [paint, pack] = _order()
    body = {"good": 2, "scrap": 1, "defect": "surface", "minutes": "12.5", "note": "runs", "request_key": "abc"}
    answers = [staff.post(f"{OPERATIONS}/{paint.pk}/report", body, format="json") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json()["report"] == answers[1].json()["report"]
    assert answers[0].json()["report"]["defect"] == "surface"
    assert answers[1].json()["operation"]["quantity_good"] == 2
    assert OperationReport.objects.count() == 1
    back = staff.post(f"{OPERATIONS}/{pack.code}/report", {"rework": 1, "rework_to": paint.code}, format="json")
    assert back.json()["report"]["rework_to"] == paint.code
    assert [row["rework"] for row in staff.get(f"{OPERATIONS}/{pack.pk}/reports").json()] == [1]
    order.refresh_from_db()
    assert order.quantity_scrapped == 1


def test_an_idempotency_key_repeats_the_first_answer(staff: APIClient) -> None:
    _, [paint, _] = _order()
    answers = [
        staff.post(f"{OPERATIONS}/{paint.pk}/report", {"good": 1}, format="json", HTTP_IDEMPOTENCY_KEY="k")
        for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert OperationReport.objects.count() == 1


def test_what_does_not_fit_is_refused_with_its_code(staff: APIClient) -> None:
    _, [paint, pack] = _order()
    refused = {
        (f"{paint.pk}/report", '{"good": 4}'): (409, "PROD_008"),
        (f"{paint.pk}/report", '{"good": -1}'): (400, "VALID_001"),
        (f"{paint.pk}/report", "{}"): (400, "VALID_001"),
        (f"{paint.pk}/report", '{"good": 1, "defect": "nonsense"}'): (400, "VALID_001"),
        (f"{paint.pk}/report", '{"rework": 1, "rework_to": "nowhere"}'): (404, "NOT_FOUND_001"),
        (f"{paint.pk}/report", '{"goood": 1}'): (400, "VALID_002"),
        (f"{paint.pk}/skip", "{}"): (400, "VALID_004"),
        (f"{pack.pk}/reopen", "{}"): (409, "CONFLICT_002"),
        ("nowhere/start", "{}"): (404, "NOT_FOUND_001"),
    }
    for (path, body), wanted in refused.items():
        answer = staff.post(f"{OPERATIONS}/{path}", body, content_type="application/json")
        assert (answer.status_code, answer.json()["error_code"]) == wanted, (path, body)
    assert not OperationReport.objects.exists()


def test_operations_are_started_skipped_and_reopened(staff: APIClient) -> None:
    _, [paint, pack] = _order()
    assert staff.post(f"{OPERATIONS}/{paint.pk}/start").json()["status"] == "running"
    skipped = staff.post(f"{OPERATIONS}/{paint.pk}/skip", {"reason": "raw"}, format="json").json()
    assert (skipped["status"], skipped["quantity_waiting"]) == ("skipped", 0)
    assert staff.get(f"{OPERATIONS}/{pack.pk}").json()["quantity_waiting"] == 3
    assert staff.post(f"{OPERATIONS}/{paint.pk}/reopen").json()["status"] == "pending"
    assert staff.post(f"{OPERATIONS}/{paint.pk}/finish").json()["status"] == "done"


def test_an_operator_reports_work_but_only_quality_inspects() -> None:
    _, [paint, inspect] = _order("paint", "inspect")
    operator, quality = _in_role("operator"), _in_role("quality")
    assert operator.post(f"{OPERATIONS}/{paint.pk}/report", {"good": 3}, format="json").status_code == 200
    assert operator.post(f"{OPERATIONS}/{paint.pk}/skip", {"reason": "no"}, format="json").status_code == 403
    refused = operator.post(f"{OPERATIONS}/{inspect.pk}/report", {"good": 3}, format="json")
    assert (refused.status_code, refused.json()["error_code"]) == (403, "PERM_001")
    assert quality.post(f"{OPERATIONS}/{inspect.pk}/report", {"good": 3}, format="json").status_code == 200
    assert QualityInspection.objects.get().inspection_type == "FINAL"


def test_routings_are_read_with_their_steps(staff: APIClient) -> None:
    routing = routed(printable(), "paint", "pack")
    row = staff.get(f"/api/v1/routings/{routing.pk}").json()
    assert (row["revision"], row["is_active"]) == (1, True)
    assert [(step["sequence"], step["work_center"], step["minutes_per_unit"]) for step in row["steps"]] == [
        (10, "PAINT", "2.00"),
        (20, "PACK", "2.00"),
    ]


def test_a_plate_is_cleared_with_the_defect_of_its_scrap(staff: APIClient) -> None:
    production.add_standard_defects(actor=system_actor())
    stock(black_pla())
    order, [job] = queued(printable(parts=2), 2)
    finished(job)
    count = {"production_order_id": order.pk, "good": 1, "scrap": 1, "defect": "warping"}
    answer = staff.post(f"/api/v1/print-jobs/{job.pk}/clear", {"counts": [count]}, format="json").json()
    assert (answer["parts"][0]["scrap"], answer["parts"][0]["defect"]) == (1, "warping")
    assert Inventory.objects.get(product=order.product).on_hand_quantity == 1
    assert len(staff.get("/api/v1/defect-reasons").json()["results"]) == 10


def test_a_failed_print_is_put_down_to_a_defect(staff: APIClient) -> None:
    production.add_standard_defects(actor=system_actor())
    stock(black_pla())
    _, [job] = queued(printable(), 1)
    printing(job)
    refused = staff.post(f"/api/v1/print-jobs/{job.pk}/classify", {"defect": "spaghetti"}, format="json")
    assert (refused.status_code, refused.json()["error_code"]) == (409, "CONFLICT_002")
    production.record_failed(job, code="", text="", progress_percent=40, actor=system_actor())
    answer = staff.post(f"/api/v1/print-jobs/{job.pk}/classify", {"defect": "spaghetti"}, format="json")
    assert answer.json()["defect"] == "spaghetti"
    assert PrintJob.objects.get().defect.name == "Spaghetti"
