"""Every list of the console as a file."""

from __future__ import annotations

import csv
import datetime
import io
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from openpyxl import load_workbook

from blb3d.accounts.models import User
from blb3d.tests.rows import make_row
from blb3d.tests.test_admin_pages import BY_LABEL, boss, url
from inventory.tests.factories import ComponentFactory, MaterialFactory, ProductFactory, receive

pytestmark = pytest.mark.django_db
__all__ = ["boss"]


def lines_of(response: Any) -> list[list[str]]:
    assert response.status_code == 200
    content = b"".join(response.streaming_content).decode()
    assert content.startswith("\N{ZERO WIDTH NO-BREAK SPACE}")
    return list(csv.reader(io.StringIO(content[1:])))


def sheet_of(response: Any) -> list[tuple[Any, ...]]:
    assert response.status_code == 200
    book = load_workbook(io.BytesIO(b"".join(response.streaming_content)))
    return [tuple(cell.value for cell in row) for row in book.active.iter_rows()]


def queries_of(client: Client, page: Any) -> int:
    with CaptureQueriesContext(connection) as queries:
        lines_of(client.get(url(page, "export", "csv")))
    return len(queries)


@pytest.mark.parametrize("page", BY_LABEL)
def test_every_list_is_exported_whole_at_the_same_cost_however_long_it_is(page: Any, boss: Client) -> None:
    for _ in range(2):
        make_row(page.model, with_optional_keys=True)
    two = queries_of(boss, page)
    for _ in range(60):  # more than one page of the list
        make_row(page.model, with_optional_keys=True)
    assert queries_of(boss, page) == two
    listed = boss.get(url(page, "changelist")).context["cl"]
    rows, cells = (lines_of(boss.get(url(page, "export", "csv"))), sheet_of(boss.get(url(page, "export", "xlsx"))))
    assert len(rows) == len(cells) == listed.result_count + 1
    shown = len([name for name in listed.list_display if name != "action_checkbox"])
    assert {len(row) for row in rows} == {len(rows[0])}
    assert shown <= len(rows[0]) <= shown + 2
    assert [str(cell) for cell in cells[0]] == rows[0]
    assert not [cell for row in rows for cell in row if "<" in cell]


def test_a_list_is_exported_as_it_is_filtered_searched_and_sorted(boss: Client) -> None:
    for name in ("Box small", "Box large", "Screw"):
        ComponentFactory(sku=f"C-{name.split()[-1].upper()}", name=name, unit_cost=Decimal("1.2500"))
    ProductFactory(sku="FG-BOX", name="Box of wonders")
    address = "/admin/inventory/product/export/{}/?category__exact=component&q=box&o=-1"
    rows = lines_of(boss.get(address.format("csv")))
    assert [row[0] for row in rows] == ["SKU", "C-SMALL", "C-LARGE"]
    assert [row[1] for row in rows] == ["Name", "Box small", "Box large"]
    first = dict(zip(rows[0], rows[1], strict=True))
    assert (first["Category"], first["Unit cost"]) == ("Component", "1.2500")
    MaterialFactory(sku="M-1", color_name="Black")
    (heads, pla) = lines_of(boss.get("/admin/inventory/product/export/csv/?q=M-1"))
    assert dict(zip(heads, pla, strict=True))["Colour"] == "Black"


def test_numbers_and_dates_stay_numbers_and_dates_and_quantities_keep_their_unit(boss: Client) -> None:
    pla = MaterialFactory(sku="M-PLA")
    lot = receive(pla, "2.5", lot_number="L-1")
    rows = sheet_of(boss.get("/admin/inventory/materiallot/export/xlsx/"))
    found = dict(zip(rows[0], rows[1], strict=True))
    left = next(value for head, value in found.items() if "remaining" in str(head).lower())
    assert (left, type(left)) == (2.5, float)
    assert found["Unit"] == "kg"
    assert any(isinstance(value, datetime.datetime) for value in rows[1])
    texts = lines_of(boss.get("/admin/inventory/materiallot/export/csv/"))
    assert "2.5000" in texts[1]
    assert "L-1" in texts[1]
    assert lot.get_status_display().capitalize() in texts[1]


@pytest.mark.parametrize(
    "evil", ['=HYPERLINK("http://x.example";"y")', "+1+1", "-2+3", "@SUM(A1)", "\t=1", "=cmd|' /C calc'!A0"]
)
def test_no_cell_becomes_a_formula(evil: str, boss: Client) -> None:
    ProductFactory(sku="FG-EVIL", name=evil)
    (_, row) = lines_of(boss.get("/admin/inventory/product/export/csv/"))
    assert f"'{evil}" in row
    response = boss.get("/admin/inventory/product/export/xlsx/")
    book = load_workbook(io.BytesIO(b"".join(response.streaming_content)))
    cells = [cell for line in book.active.iter_rows() for cell in line]
    assert [cell.data_type for cell in cells if cell.value == evil] == ["s"]
    assert not [cell for cell in cells if cell.data_type == "f"]


def test_a_list_that_is_too_long_is_refused_in_words_and_may_be_filtered(boss: Client, settings: Any) -> None:
    settings.EXPORT_MAX_ROWS = 2
    for sku in ("A", "B", "C"):
        ProductFactory(sku=sku)
    response = boss.get("/admin/inventory/product/export/csv/?q=a", follow=True)
    assert response.status_code == 200
    refused = boss.get("/admin/inventory/product/export/xlsx/", follow=True)
    assert refused.redirect_chain == [("/admin/inventory/product/", 302)]
    told = "The list has 3 rows; an export holds at most 2. Please filter it first. [IMPORT_003]"
    assert told in refused.content.decode()


def test_who_may_not_look_may_not_export_and_nobody_posts(boss: Client) -> None:
    clerk = User.objects.create_user("clerk@example.com", is_staff=True)
    client = Client()
    client.force_login(clerk)
    assert client.get("/admin/inventory/product/export/csv/").status_code == 403
    clerk.user_permissions.add(Permission.objects.get(codename="view_product"))
    assert client.get("/admin/inventory/product/export/csv/").status_code == 200
    assert client.get("/admin/inventory/product/export/pdf/").status_code == 404
    assert client.post("/admin/inventory/product/export/csv/").status_code in {403, 405}
    assert boss.post("/admin/inventory/product/export/csv/").status_code == 405
    assert Client().get("/admin/inventory/product/export/csv/").status_code == 302


def test_every_list_offers_its_files(boss: Client) -> None:
    page = boss.get("/admin/inventory/product/?q=box&category__exact=component").content.decode()
    assert 'href="/admin/inventory/product/export/csv/?category__exact=component&amp;q=box"' in page
    assert 'href="/admin/inventory/product/export/xlsx/?category__exact=component&amp;q=box"' in page
