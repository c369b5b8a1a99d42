"""What people do at a machine, over the API: the same verbs, the same refusals, the same care with repeats."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from blb3d.accounts.tests.factories import SuperuserFactory
from inventory.models import Spool
from inventory.tests.factories import receive
from production.models import JobPhoto, PrinterProblem, PrinterSlot
from production.tests.factories import PrinterFactory, black_pla, finished, printable, queued, stock
from production.tests.test_floor import picture

pytestmark = pytest.mark.django_db


@pytest.fixture
def api() -> APIClient:
    client = APIClient()
    client.force_authenticate(SuperuserFactory())
    return client


def reel() -> Spool:
    lot = receive(black_pla(), "1")
    return Spool.objects.create(label="SP-1", lot=lot, tare_grams=Decimal(250), remaining_grams=Decimal(1000))


def test_a_spool_is_hung_into_a_slot(api: APIClient) -> None:
    spool, printer = reel(), PrinterFactory()
    url = f"/api/v1/printers/{printer.pk}/load-spool"
    answer = api.post(url, {"spool": "sp-1", "tray": 2}, format="json")
    assert answer.status_code == 200
    assert answer.json()["spool"] == "SP-1"
    assert PrinterSlot.objects.get(printer=printer, tray=2).spool == spool
    unknown = api.post(url, {"spool": "nothing", "tray": 2}, format="json")
    assert (unknown.status_code, unknown.json()["error_code"]) == (404, "NOT_FOUND_001")
    assert api.post(url, {"spool": "SP-1", "tray": 256}, format="json").status_code == 400


def test_a_spool_is_weighed_once_under_one_key(api: APIClient) -> None:
    spool = reel()
    for replayed in (None, "true"):
        answer = api.post(
            "/api/v1/spools/SP-1/weigh", {"gross_grams": "1100"}, format="json", headers={"Idempotency-Key": "w-1"}
        )
        assert answer.status_code == 200
        assert answer.headers.get("Idempotency-Replayed") == replayed
        body = answer.json()
        assert (Decimal(body["grams"]), Decimal(body["before"])) == (Decimal(850), Decimal(1000))
        assert Decimal(body["booked"]) == Decimal(-150)
    spool.refresh_from_db()
    assert spool.remaining_grams == Decimal(850)
    refused = api.post(f"/api/v1/spools/{spool.pk}/weigh", {"gross_grams": "10"}, format="json")
    assert (refused.status_code, refused.json()["error_code"]) == (400, "STOCK_004")
    assert api.get("/api/v1/spools").json()["results"][0]["label"] == "SP-1"
    assert api.get("/api/v1/spools/none").status_code == 404


def test_a_problem_is_reported_and_resolved(api: APIClient) -> None:
    printer = PrinterFactory()
    fields: dict[str, Any] = {"text": "Nozzle clogged", "out_of_service": "true", "photo": picture()}
    answer = api.post(f"/api/v1/printers/{printer.pk}/problems", fields, format="multipart")
    assert answer.status_code == 201, answer.content
    body = answer.json()
    assert (body["has_photo"], body["took_out_of_service"]) == (True, True)
    listed = api.get("/api/v1/printer-problems?resolved_at__isnull=true").json()["results"]
    assert [row["id"] for row in listed] == [body["id"]]
    url = f"/api/v1/printer-problems/{body['id']}/resolve"
    solved = api.post(url, {"resolution": "New nozzle"}, format="json")
    assert solved.json()["resolution"] == "New nozzle"
    printer.refresh_from_db()
    assert printer.is_active
    again = api.post(url, {"resolution": "New nozzle"}, format="json")
    assert (again.status_code, again.json()["error_code"]) == (409, "CONFLICT_004")
    wordless = api.post(f"/api/v1/printers/{printer.pk}/problems", {"text": " "}, format="json")
    assert wordless.status_code == 400
    stray = api.post(f"/api/v1/printers/{printer.pk}/problems", {"text": "x", "job": "PJ-0"}, format="json")
    assert stray.status_code == 404
    assert PrinterProblem.objects.count() == 1


def test_a_photo_is_added_to_a_print(api: APIClient) -> None:
    stock(black_pla())
    _, jobs = queued(printable(), 1)
    job = finished(jobs[0])
    url = f"/api/v1/print-jobs/{job.code}/photos"
    answer = api.post(url, {"image": picture(), "kind": "camera", "note": "layer 1"}, format="multipart")
    assert answer.status_code == 201, answer.content
    assert answer.json()["kind"] == "camera"
    photo = JobPhoto.objects.get()
    assert (photo.job, photo.note) == (job, "layer 1")
    broken = picture()
    broken.seek(0)
    broken.truncate(20)
    refused = api.post(url, {"image": broken}, format="multipart")
    assert (refused.status_code, refused.json()["error_code"]) == (400, "FLOOR_001")


@pytest.mark.parametrize(
    "path", ["printers/1/load-spool", "printers/1/problems", "print-jobs/1/photos", "spools/1/weigh"]
)
def test_who_may_only_look_changes_nothing(path: str, django_user_model: Any) -> None:
    client = APIClient()
    client.force_authenticate(django_user_model.objects.create_user("looker@example.com"))
    assert client.post(f"/api/v1/{path}", {}, format="json").status_code == 403
