"""The yield page of the console: who sees it, filters, and the CSV."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from blb3d.accounts.tests.factories import StaffFactory, SuperuserFactory
from inventory.tests.factories import system_actor
from production import services as production
from production.models import DefectReason, Printer
from production.tests.factories import PrinterFactory, black_pla, printable, printing, queued, stock

pytestmark = pytest.mark.django_db
PAGE = reverse("console-yield")


def _lost(printer: Printer, defect: DefectReason) -> None:
    order, [job] = queued(printable(parts=4, grams="100"), 4)
    printing(job, printer)
    production.record_finished(job, minutes=Decimal(60), actor=system_actor())
    count = production.PlateCount(order.pk, 3, 1, "", defect)
    production.clear_plate(job, [count], actor=system_actor(), requeue_missing=False)


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(SuperuserFactory())
    return client


@pytest.fixture
def defect() -> DefectReason:
    stock(black_pla())
    production.add_standard_defects(actor=system_actor())
    return DefectReason.objects.get(code="stringing")


def test_staff_without_the_right_do_not_see_it(client: Client) -> None:
    client.force_login(StaffFactory())
    assert client.get(PAGE).status_code == 403


def test_the_page_shows_losses_by_what_is_chosen(boss: Client, defect: DefectReason) -> None:
    _lost(PrinterFactory(name="First", loaded=[black_pla()], hourly_rate=Decimal(3)), defect)
    page = boss.get(PAGE).content.decode()
    assert "<td>First</td>" in page
    assert "75.0 %" in page
    assert "$1.05" in page
    page = boss.get(PAGE, {"by": "defect"}).content.decode()
    assert "<td>Stringing</td>" in page
    assert "Nothing was counted" in boss.get(PAGE, {"defect": "warping"}).content.decode()


def test_the_same_rows_are_a_file_for_spreadsheets(boss: Client, defect: DefectReason) -> None:
    _lost(PrinterFactory(name="=cmd()", loaded=[black_pla()], hourly_rate=Decimal(3)), defect)
    answer = boss.get(PAGE, {"by": "printer", "format": "csv"})
    assert answer["Content-Type"].startswith("text/csv")
    assert 'filename="yield-by-printer-' in answer["Content-Disposition"]
    head, row, total = answer.content.decode().splitlines()
    assert head == "printer,printed,good,scrap,missing,scrap after,rework,cost,lost,yield percent"
    assert row == "'=cmd(),4,3,1,0,0,0,1.05,1,75.0"
    assert total == "All,4,3,1,0,0,0,1.05,1,75.0"


def test_a_filter_that_makes_no_sense_is_explained_and_nothing_is_shown(boss: Client) -> None:
    for query in ({"date_from": "2020-01-01", "date_to": "2026-01-01"}, {"product": "NOTHING"}, {"date_from": "soon"}):
        answer = boss.get(PAGE, query)
        assert answer.status_code == 200
        assert 'role="alert"' in answer.content.decode()
        assert answer.context["report"] is None
        assert boss.get(PAGE, {**query, "format": "csv"})["Content-Type"].startswith("text/html")


def test_the_page_costs_the_same_however_many_printers_lost_something(boss: Client, defect: DefectReason) -> None:
    counts = []
    for number in range(2):
        for name in ("A", "B"):
            _lost(PrinterFactory(name=f"{name}{number}", loaded=[black_pla()]), defect)
        with CaptureQueriesContext(connection) as queries:
            boss.get(PAGE)
        counts.append(len(queries))
    assert counts[0] == counts[1]
