"""Production over HTTP: who may, what is answered, and the print suite's calls."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from blb3d.accounts.models import User
from blb3d.accounts.roles import sync_roles
from blb3d.accounts.services import issue_api_key
from blb3d.accounts.tests.factories import StaffFactory, SuperuserFactory, UserFactory
from inventory.models import Inventory
from production import services as production
from production.models import PrintJob, ProductionOrder, QualityInspection
from production.tests.factories import (
    PrinterFactory,
    black_pla,
    cleared,
    confirmed,
    draft,
    finished,
    printable,
    printing,
    queued,
    stock,
)

pytestmark = pytest.mark.django_db
ORDERS, JOBS = "/api/v1/production-orders", "/api/v1/print-jobs"


def _client(user: User | None) -> APIClient:
    client = APIClient()
    if user is not None:
        client.force_authenticate(user)
    return client


@pytest.fixture
def staff() -> APIClient:
    return _client(SuperuserFactory())


@pytest.fixture
def suite() -> APIClient:
    """The print suite with its key."""
    _, secret = issue_api_key("suite", scopes=["production.*"], actor=SuperuserFactory())
    client = APIClient()
    client.credentials(HTTP_X_API_KEY=secret)
    return client


READS = (
    ORDERS,
    JOBS,
    "/api/v1/printers",
    "/api/v1/mrp/material-requirements",
    "/api/v1/serials",
    "/api/v1/inspections",
    "/api/v1/nonconformances",
)


@pytest.mark.parametrize("path", READS)
def test_only_people_of_the_shop_may_read(path: str, staff: APIClient) -> None:
    assert _client(None).get(path).status_code == 401
    assert _client(UserFactory()).get(path).status_code == 403
    assert _client(StaffFactory()).get(path).status_code == 403
    answer = staff.get(path)
    assert answer.status_code == 200
    assert staff.get(f"{path}/").json() == answer.json()


def test_each_act_needs_its_own_permission() -> None:
    sync_roles()
    operator = StaffFactory()
    operator.groups.set([Group.objects.get(name="operator")])
    client = _client(User.objects.get(pk=operator.pk))
    order = draft(printable())
    assert client.get(f"{ORDERS}/{order.pk}").status_code == 200
    for act in ("confirm", "queue", "cancel", "hold"):
        answer = client.post(f"{ORDERS}/{order.pk}/{act}", {"reason": "because"})
        assert (answer.status_code, answer.json()["error_code"]) == (403, "PERM_001")
    assert client.post(ORDERS, {"sku": order.product.sku, "quantity": 1}).status_code == 403
    order.refresh_from_db()
    assert order.status == "draft"
    assert ProductionOrder.objects.count() == 1


def test_an_order_is_made_by_sku_and_read_by_id_and_by_code(staff: APIClient) -> None:
    product = printable(sku="FG-00015")
    answer = staff.post(ORDERS, {"sku": "fg-00015", "quantity": 3, "priority": 4})
    assert answer.status_code == 201
    body = answer.json()
    assert (body["sku"], body["quantity"], body["status"], body["priority"], body["source_type"]) == (
        "FG-00015",
        3,
        "draft",
        4,
        "stock",
    )
    assert body["product_id"] == product.pk
    assert body["available_actions"] == ["confirm", "cancel"]
    assert staff.get(f"{ORDERS}/{body['id']}").json() == staff.get(f"{ORDERS}/{body['code']}").json() == body
    assert staff.get(f"{ORDERS}/PO-1999-001").status_code == 404


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"quantity": 1}, "VALID_001"),
        ({"sku": "FG-NONE", "quantity": 1}, "VALID_001"),
        ({"sku": "FG-00015", "quantity": 0}, "VALID_001"),
        ({"sku": "FG-00015", "quantity": -1}, "VALID_001"),
        ({"sku": "FG-00015", "quantity": 10**9}, "VALID_001"),
        ({"sku": "FG-00015", "quantity": "NaN"}, "VALID_001"),
        ({"sku": "FG-00015", "quantity": 1.5}, "VALID_001"),
        ({"sku": "FG-00015", "quantity": 1, "status": "completed"}, "VALID_002"),
    ],
)
def test_a_wrong_body_is_refused(staff: APIClient, body: dict[str, Any], code: str) -> None:
    printable(sku="FG-00015")
    answer = staff.post(ORDERS, body)
    assert (answer.status_code, answer.json()["error_code"]) == (400, code)
    assert not ProductionOrder.objects.exists()


def test_an_order_goes_all_the_way(staff: APIClient) -> None:
    stock(black_pla())
    printer = PrinterFactory(loaded=[black_pla()])
    path = f"{ORDERS}/{draft(printable(parts=2, grams='50'), 2).pk}"
    assert staff.post(f"{path}/start").status_code == 409
    assert staff.post(f"{path}/confirm").json()["status"] == "confirmed"
    assert staff.post(f"{path}/start").json()["status"] == "queued"
    [job] = staff.get(JOBS, {"status": "sent"}).json()["results"]
    assert job["printer_id"] == printer.pk
    production.begin_job(PrintJob.objects.get(pk=job["id"]), actor=User.objects.system("tests"))
    # the suite's call: printed, nothing in stock yet
    assert staff.post(f"{path}/complete").json()["status"] == "printing"
    assert PrintJob.objects.get(pk=job["id"]).status == "finished"
    assert not Inventory.objects.filter(on_hand_quantity=2).exists()
    done = staff.post(f"{path}/complete", {"quantity_good": 2, "quantity_scrapped": 0}).json()
    assert (done["status"], done["quantity_completed"], done["available_actions"]) == ("completed", 2, [])
    history = staff.get(f"{path}/history").json()
    assert [row["new_status"] for row in history] == ["draft", "confirmed", "queued", "printing", "completed"]
    materials = staff.get(f"{path}/materials").json()
    assert [(row["sku"], row["quantity_used"], row["unit"]) for row in materials["used"]] == [
        ("M-BLACK", "0.0500", "kg")
    ]
    assert [(row["sku"], row["quantity"]) for row in materials["required"]] == [("M-BLACK", "0.0500")]
    progress = staff.get(f"{path}/progress").json()
    [plate] = progress.pop("plates")
    assert progress == {"total": 2, "printed": 2, "good": 2, "scrapped": 0, "missing": 0}
    assert (plate["plate_number"], plate["wanted"], plate["good"], plate["expected"], plate["missing"]) == (
        1,
        2,
        2,
        0,
        0,
    )


def test_scrap_is_counted_and_its_parts_come_back(staff: APIClient) -> None:
    stock(black_pla())
    order, [job] = queued(printable(parts=4), 4)
    finished(job)
    answer = staff.post(
        f"{ORDERS}/{order.code}/complete", {"quantity_good": 3, "quantity_scrapped": 1, "reason": "warped"}
    )
    assert (answer.json()["status"], answer.json()["quantity_scrapped"]) == ("printing", 1)
    assert PrintJob.objects.get(retry_of=job).parts.get().planned == 1
    again = staff.post(f"{ORDERS}/{order.code}/complete", {"quantity_good": 1})
    assert (again.status_code, again.json()["error_code"]) == (400, "PRINT_006")


def test_closing_short_takes_a_reason_and_makes_no_more(staff: APIClient) -> None:
    stock(black_pla())
    order, [job] = queued(printable(parts=4), 4)
    finished(job)
    path = f"{ORDERS}/{order.pk}/complete"
    refused = staff.post(path, {"quantity_good": 3, "quantity_scrapped": 1, "close_short": True})
    assert refused.json()["error_code"] == "VALID_004"
    assert PrintJob.objects.get(pk=job.pk).cleared_at is None
    done = staff.post(
        path, {"quantity_good": 3, "quantity_scrapped": 1, "close_short": True, "reason": "enough"}
    ).json()
    assert (done["status"], done["closed_short"]) == ("completed", True)
    assert PrintJob.objects.count() == 1


def test_fail_retry_cancel_and_hold(staff: APIClient) -> None:
    order, _ = queued(printable())
    path = f"{ORDERS}/{order.pk}"
    assert staff.post(f"{path}/fail").json()["error_code"] == "VALID_004"
    assert staff.post(f"{path}/fail", {"reason": "broken"}).json()["status"] == "failed"
    assert staff.post(f"{path}/retry").json()["status"] == "queued"
    assert staff.post(f"{path}/hold", {"reason": "wait"}).json()["is_held"] is True
    assert staff.post(f"{path}/release").json()["is_held"] is False
    assert staff.post(f"{path}/cancel", {"reason": "no"}).json()["status"] == "cancelled"
    refused = staff.post(f"{path}/cancel", {"reason": "no"})
    assert (refused.status_code, refused.json()["error_code"]) == (409, "CONFLICT_002")
    assert refused.json()["details"]["allowed"] == []


def test_an_old_version_is_refused(staff: APIClient) -> None:
    order = draft(printable())
    stale = staff.post(f"{ORDERS}/{order.pk}/confirm", {"version": order.version + 5})
    assert (stale.status_code, stale.json()["error_code"]) == (409, "CONFLICT_001")
    assert staff.post(f"{ORDERS}/{order.pk}/confirm", HTTP_IF_MATCH=f'"{order.version}"').status_code == 200


def test_an_order_says_what_it_waits_for(staff: APIClient) -> None:
    order = confirmed(printable(file=False))
    assert staff.get(f"{ORDERS}/{order.pk}").json()["waiting_reason"] == "No print file for plate 1"
    refused = staff.post(f"{ORDERS}/{order.pk}/queue")
    assert (refused.status_code, refused.json()["error_code"]) == (409, "PROD_002")


def test_the_suite_reports_by_its_own_id(suite: APIClient) -> None:
    stock(black_pla())
    _, [other, job] = queued(printable(grams="100"), 2)
    # the suite's id is a number that is also the id of another job of ours
    production.name_job(job, bambu_job_id=str(other.pk), actor=User.objects.system("tests"))
    path = f"{JOBS}/{other.pk}"
    answer = suite.patch(path, {"status": "running", "progress_percent": 40, "current_layer": 12, "remaining_time": 33})
    assert answer.status_code == 200
    assert (answer.json()["id"], answer.json()["status"]) == (job.pk, "printing")
    assert (answer.json()["progress_percent"], answer.json()["remaining_minutes"]) == ("40.00", 33)
    assert suite.patch(path, {"status": "paused"}).json()["status"] == "paused"
    assert suite.patch(path, {"status": "printing"}).json()["status"] == "printing"
    assert suite.patch(path, {"status": "levitating"}).json()["error_text"] == "Reported as levitating"
    done = {"actual_time_minutes": 62, "actual_material_grams": 97.5, "variance_percent": -2.5}
    assert suite.post(f"{path}/complete", done).json()["material_grams_used"] == "97.5000"
    corrected = suite.post(f"{path}/complete", {**done, "actual_material_grams": "98.0"}).json()
    assert (corrected["status"], corrected["material_grams_used"]) == ("finished", "98.0000")
    assert job.materials.get().quantity_used == Decimal("0.098")
    assert PrintJob.objects.get(pk=other.pk).status == "queued"


def test_the_suite_completes_a_job_it_started_itself(suite: APIClient) -> None:
    stock(black_pla())
    order, [job] = queued(printable())
    production.name_job(job, bambu_job_id="bj-7", actor=User.objects.system("tests"))
    answer = suite.post(
        f"{ORDERS}/{order.pk}/complete", {"print_job_id": "bj-7", "actual_time": 61, "actual_cost": 2.5}
    )
    assert answer.json()["status"] == "printing"
    job.refresh_from_db()
    assert (job.status, job.actual_time_minutes) == ("finished", Decimal(61))
    missing = suite.post(f"{ORDERS}/{order.pk}/complete", {"print_job_id": "bj-8"})
    assert (missing.status_code, missing.json()["error_code"]) == (404, "NOT_FOUND_001")


def test_people_ask_printers_and_count_plates(staff: APIClient) -> None:
    stock(black_pla())
    order, [job] = queued(printable(parts=2), 2)
    printer = PrinterFactory(loaded=[black_pla()])
    path = f"{JOBS}/{job.code}"
    assert staff.get(path).json()["waiting_reason"] == f"Next in line for {printer.name}"
    assert staff.post(f"{path}/dispatch", {"printer_id": printer.pk}).json()["status"] == "sent"
    production.begin_job(job, actor=User.objects.system("tests"))
    assert staff.post(f"{path}/pause").json()["status"] == "printing"
    assert staff.post(f"{path}/resume").json()["error_code"] == "CONFLICT_002"
    assert staff.post(f"{path}/cancel").status_code == 200
    assert staff.post(f"{path}/fail", {"reason": "spaghetti", "progress_percent": 50}).json()["status"] == "failed"
    body = {"counts": [{"production_order_id": order.pk, "good": 1, "scrap": 1, "reason": "spaghetti"}]}
    assert staff.post(f"{path}/clear", body).json()["parts"][0]["good"] == 1
    assert staff.post(f"{path}/clear", body).json()["error_code"] == "PRINT_005"


def test_a_lost_job_is_decided_by_a_person(staff: APIClient) -> None:
    stock(black_pla())
    _, [job] = queued(printable())
    printing(job)
    production.lose_job(job, actor=User.objects.system("tests"), reason="power cut")
    answer = staff.post(f"{JOBS}/{job.pk}/decide", {"outcome": "finished", "reason": "it lies there"})
    assert answer.json()["status"] == "finished"


def test_requirements_are_shortages_unless_all_are_asked_for(staff: APIClient) -> None:
    stock(black_pla(), "1")
    draft(printable(grams="100"), 2)
    path = "/api/v1/mrp/material-requirements"
    assert staff.get(path).json()["results"] == []
    draft(printable(grams="100"), 10)
    [row] = staff.get(path).json()["results"]
    assert row == {
        "material_sku": "M-BLACK",
        "material_name": black_pla().name,
        "total_required_kg": "1.2000",
        "available_kg": "1.0000",
        "shortage_kg": "0.2000",
    }
    assert staff.get(path, {"all": "true"}).json()["count"] == 1


def test_inspections_and_traces(staff: APIClient) -> None:
    stock(black_pla())
    order, [job] = queued(printable(parts=2, is_serialized=True), 2)
    cleared(job, good=2)
    numbers = [row["serial_number"] for row in staff.get("/api/v1/serials").json()["results"]]
    passed = staff.post(
        "/api/v1/inspections", {"production_order": order.code, "passed": True, "serial_numbers": numbers[:1]}
    )
    assert (passed.status_code, [row["serial_number"] for row in passed.json()]) == (201, numbers[:1])
    failed = staff.post(
        "/api/v1/inspections",
        {"production_order": str(order.pk), "passed": False, "serial_numbers": numbers[1:], "reason": "crack"},
    )
    assert (failed.status_code, failed.json()[0]["passed"]) == (201, False)
    assert QualityInspection.objects.count() == 2
    assert staff.get("/api/v1/nonconformances").json()["count"] == 1
    story = staff.get(f"/api/v1/serials/{numbers[0]}/trace").json()
    assert story["production_order"]["code"] == order.code
    assert staff.get("/api/v1/serials/BLB-20200101-0001/trace").status_code == 404


def test_printers_show_what_is_loaded(staff: APIClient) -> None:
    PrinterFactory(name="Leonardo", loaded=[black_pla()])
    [row] = staff.get("/api/v1/printers").json()["results"]
    assert (row["name"], row["is_ready"]) == ("Leonardo", True)
    assert row["slots"] == [
        {
            "tray": 0,
            "sku": "M-BLACK",
            "material_type": "PLA",
            "color_hex": "000000",
            "spool": None,
            "remain_percent": None,
        }
    ]


@pytest.mark.parametrize("path", [ORDERS, JOBS, "/api/v1/printers", "/api/v1/serials", "/api/v1/inspections"])
def test_a_list_costs_the_same_for_two_rows_and_for_eight(path: str, staff: APIClient) -> None:
    stock(black_pla())
    product = printable(is_serialized=True)

    def fill(number: int) -> None:
        for _ in range(number):
            order, jobs = queued(product, 2)
            cleared(jobs[0], good=1)
            order.refresh_from_db()
            production.pass_inspection(order, actor=User.objects.system("tests"))
            confirmed(product)

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert staff.get(path).status_code == 200
        return len(queries)

    fill(2)
    cost()
    few = cost()
    fill(6)
    assert cost() == few <= 15


def test_an_order_is_split_and_merged_again_over_http(staff: APIClient) -> None:
    order = confirmed(printable(), 5)
    path = f"{ORDERS}/{order.code}"
    answer = staff.post(f"{path}/split", {"quantity": 2, "reason": "Two first"})
    assert answer.status_code == 201
    new = answer.json()
    assert (new["quantity"], new["status"], new["split_from_id"]) == (2, "confirmed", order.pk)
    refused = staff.post(f"{path}/split", {"quantity": 3})
    assert (refused.status_code, refused.json()["error_code"]) == (409, "PROD_006")
    joined = staff.post(f"{path}/merge", {"orders": [new["code"]]})
    assert (joined.status_code, joined.json()["quantity"]) == (200, 5)
    emptied = staff.get(f"{ORDERS}/{new['id']}").json()
    assert (emptied["status"], emptied["merged_into_id"]) == ("cancelled", order.pk)
    again = staff.post(f"{path}/merge", {"orders": [new["code"]]})
    assert (again.status_code, again.json()["error_code"]) == (409, "PROD_007")
    assert staff.post(f"{path}/merge", {"orders": ["PO-NONE"]}).status_code == 400
    assert staff.post(f"{path}/merge", {"orders": []}).status_code == 400
    assert staff.post(f"{path}/quantity", {"quantity": 7}).json()["quantity"] == 7
    assert staff.post(f"{path}/quantity", {"quantity": 10**9}).json()["error_code"] == "VALID_001"


def test_costs_and_effects_are_told_over_http(staff: APIClient) -> None:
    stock(black_pla())
    order, [job] = queued(printable(), 1)
    finished(job, minutes=Decimal(120))
    costs = staff.get(f"{ORDERS}/{order.code}/costs").json()
    assert (costs["currency"], costs["actual"]["material"], costs["actual"]["machine"]) == ("USD", "1.20", "3.00")
    assert (costs["actual"]["total"], costs["planned"]["total"], costs["actual_per_good"]) == ("4.20", "2.70", None)
    effects = staff.get(f"{ORDERS}/{order.code}/effects", {"action": "hold"}).json()
    assert effects[0] == {
        "about": "promise",
        "text": "The parts are for the shelf; no finish can be planned while it is held.",
        "is_warning": False,
    }
    unknown = staff.get(f"{ORDERS}/{order.code}/effects", {"action": "explode"})
    assert (unknown.status_code, unknown.json()["details"]["field"]) == (400, "action")
    order.refresh_from_db()
    assert not order.is_held


def test_splitting_and_merging_need_the_permission_to_change(staff: APIClient) -> None:
    sync_roles()
    operator = StaffFactory()
    operator.groups.add(Group.objects.get(name="operator"))
    order = confirmed(printable(), 2)
    for act, body in (("split", {"quantity": 1}), ("merge", {"orders": ["PO-1"]}), ("quantity", {"quantity": 3})):
        assert _client(operator).post(f"{ORDERS}/{order.code}/{act}", body).status_code == 403
    assert _client(operator).get(f"{ORDERS}/{order.code}/costs").status_code == 200
    order.refresh_from_db()
    assert order.quantity == 2
