"""What nobody types by hand and a script does: it is refused or found to be nothing, and is no failure of ours."""

from __future__ import annotations

import pytest
from django.test import Client
from rest_framework.test import APIClient

from blb3d.accounts.models import User
from inventory.models import CycleCount

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss() -> User:
    return User.objects.create_superuser("boss@example.com")


@pytest.fixture
def console(boss: User) -> Client:
    client = Client()
    client.force_login(boss)
    return client


def test_a_sheet_of_products_and_places_that_cannot_be_is_none(console: Client) -> None:
    page = "/admin/inventory/cyclecount/due/"
    assert console.get(page, {"location": "\0"}).status_code == 200
    assert console.post(page, {"product": ["9" * 30, "²"], "location": "\0"}).status_code == 302
    assert not CycleCount.objects.exists()


def test_deliveries_until_the_first_day_there_is_are_none(console: Client) -> None:
    page = console.get("/admin/vendors/", {"date_to": "0001-01-01"})
    assert (page.status_code, page.context["rows"]) == (200, [])


def test_the_last_day_there_is_has_not_come(boss: User) -> None:
    client = APIClient()
    client.force_authenticate(boss)
    answer = client.get("/api/v1/inventory/valuation", {"on": "9999-12-31"})
    assert (answer.status_code, answer.json()["message"]) == (400, "on: This has not come yet.")
