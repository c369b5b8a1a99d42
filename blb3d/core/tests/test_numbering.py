"""Numbers are unique, in order, per period, and grow past their width."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from blb3d.core.numbering import NumberSequence, next_number, next_numbers

pytestmark = pytest.mark.django_db


def test_numbers_run_per_name_and_year() -> None:
    assert next_numbers("SO", 2, period="2025") == ["SO-2025-001", "SO-2025-002"]
    assert next_number("SO", period="2026") == "SO-2026-001"
    assert next_number("PO", period="2025") == "PO-2025-001"
    assert next_numbers("SO", 0) == []


def test_numbers_grow_past_their_width() -> None:
    NumberSequence.objects.create(name="SO", period="2025", last_value=999)
    assert next_number("SO", period="2025") == "SO-2025-1000"
    assert next_number("BLB", period="20251120", digits=4) == "BLB-20251120-0001"


def test_numbers_cost_one_statement_however_many(django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    next_number("SO", period="2025")
    with django_assert_num_queries(1):
        assert len(next_numbers("SO", 500, period="2025")) == 500


@pytest.mark.django_db(transaction=True)
def test_eight_threads_never_draw_the_same_number() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("threads share nothing with a database in memory; runs on PostgreSQL")
    drawn: list[str] = []

    def draw() -> None:
        try:
            for _ in range(20):
                with transaction.atomic():
                    drawn.append(next_number("SO", period="2025"))
        finally:
            connection.close()

    threads = [threading.Thread(target=draw) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(drawn) == [f"SO-2025-{n:03d}" for n in range(1, 161)]
