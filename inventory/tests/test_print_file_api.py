"""`/print-files`: who may release what reaches a printer."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from blb3d.accounts.models import User
from blb3d.accounts.tests.factories import StaffFactory, SuperuserFactory, UserFactory
from inventory import services as inventory
from inventory.models import PrintFile
from inventory.tests.factories import ProductFactory, make_plate

pytestmark = pytest.mark.django_db
LIST = "/api/v1/print-files"


def client_of(user: User | None) -> APIClient:
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def print_file() -> PrintFile:
    plate = make_plate(ProductFactory())
    return inventory.attach_print_file(
        plate,
        printer_model="A1",
        content=b"sliced",
        file_name="part.gcode.3mf",
        minutes=Decimal(30),
        grams=Decimal(12),
        sliced_by="a test",
        actor=User.objects.system("test"),
    )


def test_a_person_releases_a_file_and_a_second_time_changes_nothing(print_file: PrintFile) -> None:
    person = SuperuserFactory()
    client = client_of(person)
    assert [row["id"] for row in client.get(LIST, {"waits": "true"}).data["results"]] == [print_file.pk]
    for _ in range(2):
        answer = client.post(f"{LIST}/{print_file.pk}/release")
        assert (answer.status_code, answer.data["is_released"]) == (200, True)
    print_file.refresh_from_db()
    assert (print_file.released_by, print_file.version) == (person, 2)
    assert client.get(LIST, {"waits": "true"}).data["count"] == 0
    assert client.get(LIST, {"product": print_file.plate.product_id}).data["count"] == 1


def test_a_withdrawn_file_cannot_be_released(print_file: PrintFile) -> None:
    client = client_of(SuperuserFactory())
    assert client.post(f"{LIST}/{print_file.pk}/withdraw", {}).status_code == 400
    answer = client.post(f"{LIST}/{print_file.pk}/withdraw", {"reason": "wrong nozzle"})
    assert (answer.status_code, answer.data["is_released"]) == (200, False)
    answer = client.post(f"{LIST}/{print_file.pk}/release")
    assert (answer.status_code, answer.data["error_code"]) == (409, "CONFLICT_002")
    print_file.refresh_from_db()
    assert print_file.released_at is None


@pytest.mark.parametrize(
    ("who", "reading", "releasing"), [(None, 401, 401), (UserFactory, 403, 403), (StaffFactory, 403, 403)]
)
def test_only_who_may_sees_and_releases(print_file: PrintFile, who: Any, reading: int, releasing: int) -> None:
    client = client_of(who() if who else None)
    assert client.get(LIST).status_code == reading
    assert client.post(f"{LIST}/{print_file.pk}/release").status_code == releasing
    print_file.refresh_from_db()
    assert print_file.released_at is None
