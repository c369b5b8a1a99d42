"""`/dispatch` and `/printer-services`."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from blb3d.accounts.tests.factories import StaffFactory, SuperuserFactory
from production.models import Printer, PrinterGroup, PrintJob, ProductionOrder, ServicePlan, ServiceRecord
from production.tests.factories import PrinterFactory, black_pla, printable, queued

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss() -> APIClient:
    client = APIClient()
    client.force_authenticate(SuperuserFactory())
    return client


def cell(number: int = 1) -> list[Printer]:
    """Return printers of a group in which a person confirms every start."""
    group, _ = PrinterGroup.objects.get_or_create(name="Cell", dispatch=PrinterGroup.Dispatch.SUGGEST)
    printers = [PrinterFactory(loaded=[black_pla()]) for _ in range(number)]
    group.printers.add(*printers)
    return printers


def test_suggestions_are_listed_and_confirmed_one_by_one_or_all(boss: APIClient) -> None:
    order, [first, second, third] = queued(printable(sku="VASE"), 3)
    printers = cell(2)
    answer = boss.get("/api/v1/dispatch/suggestions").json()
    assert answer["count"] == 2
    assert answer["results"][0] == {
        "job_id": first.pk,
        "job": first.code,
        "production_order": order.code,
        "sku": "VASE",
        "priority": 2,
        "estimated_time_minutes": "60.00",
        "printer_id": printers[0].pk,
        "printer": printers[0].name,
    }
    one = boss.post("/api/v1/dispatch/suggestions", {"job": second.code}, format="json")
    assert (one.status_code, one.json()) == (200, {"sent": [second.code], "refused": []})
    rest = boss.post("/api/v1/dispatch/suggestions", {}, format="json")
    assert rest.json()["sent"] == [first.code]
    gone = boss.post("/api/v1/dispatch/suggestions", {"job": str(third.pk)}, format="json")
    assert (gone.status_code, gone.json()["error_code"]) == (409, "PRINT_014")
    assert boss.post("/api/v1/dispatch/suggestions", {"job": "PJ-0"}, format="json").status_code == 404


def test_the_work_list_names_file_and_printer(boss: APIClient) -> None:
    _, [job] = queued(printable(sku="VASE"))
    printer = PrinterFactory(loaded=[black_pla()], write_access=Printer.WriteAccess.NO)
    [row] = boss.get("/api/v1/dispatch/work-list").json()["results"]
    assert (row["job"], row["printer"], row["file_name"]) == (job.code, printer.name, f"{job.code}_VASE.gcode.3mf")
    assert boss.get(f"/api/v1/dispatch/work-list?printer={printer.pk + 1}").json()["count"] == 0
    assert boss.get("/api/v1/dispatch/work-list?printer=x").status_code == 400


def test_copies_are_made_once_however_often_the_request_is_repeated(boss: APIClient) -> None:
    printable(sku="VASE", parts=2)
    PrinterGroup.objects.create(name="Cell")
    wanted = {"sku": "vase", "copies": 5, "printer_group": "Cell", "priority": 4}
    answers = [
        boss.post("/api/v1/dispatch/copies", wanted, format="json", headers={"Idempotency-Key": "k-1"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    made = answers[0].json()
    assert (made["status"], made["quantity"], made["priority"], made["printer_group"]) == ("queued", 5, 4, "Cell")
    assert len(made["print_jobs"]) == 3 == PrintJob.objects.count()
    assert answers[1].json() == made


@pytest.mark.parametrize(
    ("change", "code"),
    [({"copies": 0}, 400), ({"sku": "NONE"}, 400), ({"printer_group": "Nowhere"}, 404), ({"priority": 7}, 400)],
)
def test_wrong_copies_are_refused(boss: APIClient, change: dict[str, object], code: int) -> None:
    printable(sku="VASE")
    answer = boss.post("/api/v1/dispatch/copies", {"sku": "VASE", "copies": 1, **change}, format="json")
    assert answer.status_code == code
    assert not ProductionOrder.objects.exists()


def test_an_order_or_a_job_is_kept_to_a_group_and_let_go(boss: APIClient) -> None:
    order, [job] = queued(printable())
    group = PrinterGroup.objects.create(name="Cell")
    for named in ({"production_order": order.code}, {"job": job.code}):
        answer = boss.post("/api/v1/dispatch/restrict", {**named, "printer_group": "Cell"}, format="json")
        assert (answer.status_code, answer.json()["printer_group"]) == (200, "Cell")
        job.refresh_from_db()
        assert job.printer_group == group
    let_go = boss.post(
        "/api/v1/dispatch/restrict", {"production_order": order.code, "printer_group": None}, format="json"
    )
    assert let_go.json() == {"code": order.code, "printer_group": None}
    job.refresh_from_db()
    assert job.printer_group is None
    for wrong, code in (({"printer_group": "Cell"}, 400), ({"job": "x", "printer_group": None}, 404)):
        assert boss.post("/api/v1/dispatch/restrict", wrong, format="json").status_code == code


def test_services_are_listed_by_urgency_and_recorded(boss: APIClient) -> None:
    printer = PrinterFactory(jobs_done=10)
    plan = ServicePlan.objects.create(task="Grease", printer=printer, every_jobs=5, blocks_printer=True)
    ServicePlan.objects.create(task="Clean", printer=printer, every_jobs=50)
    every = boss.get("/api/v1/printer-services").json()["results"]
    assert [(row["task"], row["is_overdue"], row["jobs_left"]) for row in every] == [
        ("Grease", True, -5), ("Clean", False, 40)
    ]  # fmt: skip
    done = boss.post(
        "/api/v1/printer-services", {"printer_id": printer.pk, "plan_id": plan.pk, "note": "ok"}, format="json"
    )
    assert (done.status_code, done.json()["task"], done.json()["jobs_done"]) == (201, "Grease", 10)
    assert boss.get("/api/v1/printer-services?due=1").json()["count"] == 0
    assert boss.post("/api/v1/printer-services", {"printer_id": 0, "task": "x"}, format="json").status_code == 404
    assert ServiceRecord.objects.count() == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "dispatch/suggestions"),
        ("post", "dispatch/suggestions"),
        ("get", "dispatch/work-list"),
        ("post", "dispatch/copies"),
        ("post", "dispatch/restrict"),
        ("post", "dispatch/mix"),
        ("post", "dispatch/unmix"),
        ("get", "printer-services"),
        ("post", "printer-services"),
    ],
)
def test_who_may_not_is_refused(method: str, path: str) -> None:
    client = APIClient()
    client.force_authenticate(StaffFactory())
    assert getattr(client, method)(f"/api/v1/{path}", {}, format="json").status_code == 403


def test_a_printer_shows_its_groups_tags_and_counters(boss: APIClient) -> None:
    [printer] = cell()
    Printer.objects.filter(pk=printer.pk).update(tags=["enclosed"], printed_minutes=90, jobs_done=2)
    PrinterFactory()
    [shown, bare] = boss.get("/api/v1/printers").json()["results"]
    assert (shown["groups"], shown["tags"], shown["printed_minutes"], shown["jobs_done"]) == (
        ["Cell"], ["enclosed"], "90.00", 2
    )  # fmt: skip
    assert bare["groups"] == []
    assert boss.get(f"/api/v1/printers/{printer.pk}").json()["groups"] == ["Cell"]
