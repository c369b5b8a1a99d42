"""A print job's use of material, told through `/inventory/transactions`, is booked once."""

from __future__ import annotations

from decimal import Decimal

import pytest
from rest_framework.test import APIClient

from blb3d.accounts.tests.factories import SuperuserFactory
from inventory.models import Inventory
from inventory.selectors import verify_ledger
from inventory.tests.factories import system_actor
from production import services as production
from production.tests.factories import black_pla, printable, printing, queued, stock

pytestmark = pytest.mark.django_db


def used(client: APIClient, reference: object, kilograms: str) -> object:
    return client.post(
        "/api/v1/inventory/transactions",
        {
            "transaction_type": "consumption",
            "reference_type": "print_job",
            "reference_id": str(reference),
            "product_sku": black_pla().sku,
            "quantity": kilograms,
        },
    )


def test_the_jobs_own_end_corrects_what_was_told_and_never_adds() -> None:
    stock(black_pla(), "10")
    _, [job] = queued(printable())
    printing(job)
    client = APIClient()
    client.force_authenticate(SuperuserFactory())
    for kilograms in ("0.0500", "0.0420"):
        answer = used(client, job.pk, kilograms)
        assert answer.status_code == 201, answer.data  # type: ignore[attr-defined]
    assert Inventory.objects.get().on_hand_quantity == Decimal("9.9580")
    production.record_finished(job, actor=system_actor(), grams={0: Decimal(41)})
    assert Inventory.objects.get().on_hand_quantity == Decimal("9.9590")
    assert verify_ledger().is_clean


@pytest.mark.parametrize("kilograms", ["-1", "NaN", str(10**9), "1e400"])
def test_an_impossible_use_is_refused_and_nothing_is_booked(kilograms: str) -> None:
    stock(black_pla(), "10")
    _, [job] = queued(printable())
    printing(job)
    client = APIClient()
    client.force_authenticate(SuperuserFactory())
    answer = used(client, job.pk, kilograms)
    assert (answer.status_code, answer.data["error_code"]) == (400, "VALID_001")  # type: ignore[attr-defined]
    assert Inventory.objects.get().on_hand_quantity == Decimal(10)
    assert verify_ledger().is_clean


def test_an_unknown_job_is_refused_and_nothing_is_booked() -> None:
    stock(black_pla(), "10")
    client = APIClient()
    client.force_authenticate(SuperuserFactory())
    answer = used(client, 999, "0.05")
    assert (answer.status_code, answer.data["error_code"]) == (404, "NOT_FOUND_001")  # type: ignore[attr-defined]
    assert Inventory.objects.get().on_hand_quantity == Decimal(10)


def test_jobs_whose_plate_waits_are_listed() -> None:
    stock(black_pla(), "10")
    _, [first, second] = queued(printable(), 2)
    production.record_finished(printing(first), actor=system_actor())
    client = APIClient()
    client.force_authenticate(SuperuserFactory())
    for wanted, expected in (("true", [first.pk]), ("false", [second.pk])):
        rows = client.get("/api/v1/print-jobs", {"needs_clearing": wanted}).data["results"]
        assert [row["id"] for row in rows] == expected
