"""Bringing tables in by the console and by the command."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from openpyxl import load_workbook

from blb3d.accounts.models import User
from blb3d.accounts.roles import sync_roles
from blb3d.core.tables import read_table, write_xlsx
from blb3d.tests.test_admin_pages import boss
from inventory.models import ImportBatch, Product
from inventory.services.imports import KINDS
from inventory.tests.factories import LocationFactory, MaterialFactory

pytestmark = pytest.mark.django_db
__all__ = ["boss"]

START = "/admin/imports/"


def send(client: Client, kind: str, content: bytes, name: str = "table.csv") -> Any:
    return client.post(f"{START}{kind}/", {"file": SimpleUploadedFile(name, content)}, follow=True)


def clerk_of(role: str) -> Client:
    sync_roles()
    clerk = User.objects.create_user(f"{role}@example.com", is_staff=True)
    clerk.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(clerk)
    return client


def test_a_table_is_looked_at_and_taken_on_its_page(boss: Client) -> None:
    MaterialFactory(sku="M-1", name="PLA")
    page = send(boss, "products", b"sku,name,colour of box\nM-1,PLA black,red\nN-1,Nut,\n")
    batch = ImportBatch.objects.get()
    assert page.redirect_chain == [(f"/admin/inventory/importbatch/{batch.pk}/change/", 302)]
    text = page.content.decode()
    for words in ("Not known and not read: colour of box.", "What would change", "PLA black", "New products", "N-1"):
        assert words in text
    assert not Product.objects.filter(sku="N-1").exists()
    taken = boss.post(f"/admin/inventory/importbatch/{batch.pk}/verb/apply/", {"_version": batch.version}, follow=True)
    assert "Apply: done for" in taken.content.decode()
    assert Product.objects.get(sku="N-1").created_by.email == "boss@example.com"
    again = boss.post(f"/admin/inventory/importbatch/{batch.pk}/verb/apply/", follow=True)
    assert "CONFLICT_002" in again.content.decode()


def test_errors_are_shown_and_sent_as_a_file_and_such_a_table_has_no_button(boss: Client) -> None:
    rows = "".join(f"A-{number},Part,{number} apples\n" for number in range(300))
    page = send(boss, "products", f"sku,name,cost\n{rows}".encode()).content.decode()
    batch = ImportBatch.objects.get()
    assert "&quot;0 apples&quot; is not a number" in page
    assert "&quot;200 apples&quot;" not in page
    assert "100 more are in the file of errors." in page
    assert f"/admin/inventory/importbatch/{batch.pk}/verb/apply/" not in page
    assert f"/admin/inventory/importbatch/{batch.pk}/verb/discard/" in page
    sent = boss.get(f"/admin/inventory/importbatch/{batch.pk}/errors.csv")
    table = read_table("errors.csv", sent.content)
    assert (len(table.rows), table.rows[299][1]) == (300, ["301", "cost", '"299 apples" is not a number'])


def test_a_workbook_is_taken_and_what_is_no_table_is_refused_in_words(boss: Client) -> None:
    LocationFactory()
    MaterialFactory(sku="M-1")
    content = write_xlsx([["product", "lot", "quantity"], ["M-1", "L-1", 2]]).read()
    assert "New lots and balances" in send(boss, "stock", content, "stock.xlsx").content.decode()
    for bad, words in (
        (b"PK\x03\x04rubbish", "IMPORT_001"),
        (b"name\nx\n", "no column product, quantity"),
        (b"", "The submitted file is empty."),
    ):
        assert words in send(boss, "stock", bad).content.decode()
    assert ImportBatch.objects.count() == 1
    assert boss.post(f"{START}stock/", {}, follow=True).status_code == 200
    assert boss.get(f"{START}stock/").status_code == 405


def test_templates_have_every_column_and_no_row(boss: Client) -> None:
    for name, kind in KINDS.items():
        headings = [column.name for column in kind.columns()]
        table = read_table("x", boss.get(f"{START}{name}/template.csv").content)
        assert (table.headings, table.rows) == (headings, [])
        response = boss.get(f"{START}{name}/template.xlsx")
        sheet = load_workbook(io.BytesIO(b"".join(response.streaming_content))).active
        assert [cell.value for cell in next(sheet.iter_rows())] == headings
    assert boss.get(f"{START}orders/template.csv").status_code == 404


def test_each_role_imports_only_what_it_may_write() -> None:
    buyer, operator = clerk_of("purchasing"), clerk_of("operator")
    page = buyer.get(START).content.decode()
    assert [f'action="{START}{kind}/"' in page for kind in KINDS] == [True, False, False, True, True]
    assert send(buyer, "products", b"sku,name\nA,a\n").status_code == 200
    assert send(buyer, "boms", b"product,component,quantity\nA,B,1\n").status_code == 403
    assert operator.get(START).status_code == 403
    assert send(operator, "products", b"sku,name\nB,b\n").status_code == 403
    assert ImportBatch.objects.count() == 1
    assert Client().get(START).status_code == 302


def test_the_page_costs_the_same_however_many_imports_there_were(boss: Client) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert boss.get(START).status_code == 200
        return len(queries)

    send(boss, "products", b"sku,name\nA,a\n")
    one = cost()
    for number in range(5):
        send(boss, "vendors", f"code,name\nV-{number},a\n".encode())
    assert cost() == one


def test_the_command_tells_and_takes_only_when_told(tmp_path: Path) -> None:
    file = tmp_path / "products.csv"
    file.write_text("sku,name\nA-1,One\n")
    out = io.StringIO()
    call_command("import_table", "products", file, stdout=out)
    assert "row 2, A-1: new, name One\n" in out.getvalue()
    assert "1 rows; 1 new, 0 changed, 0 unchanged, 0 errors\nNothing was taken; --apply takes it." in out.getvalue()
    assert not Product.objects.exists()
    User.objects.create_superuser("boss@example.com")
    call_command("import_table", "products", file, "--apply", "--actor", "BOSS@example.com", stdout=out)
    assert out.getvalue().endswith("Taken.\n")
    assert Product.objects.get().created_by.email == "boss@example.com"
    file.write_text("sku,name,cost\nA-2,Two,dear\n")
    with pytest.raises(CommandError, match="Nothing was taken"):
        call_command("import_table", "products", file, "--apply", stdout=out)
    assert 'row 2, cost: "dear" is not a number' in out.getvalue()
    for arguments in (("products", tmp_path / "none.csv"), ("products", file, "--actor", "nobody@example.com")):
        with pytest.raises(CommandError):
            call_command("import_table", *arguments, stdout=out)
    file.write_text("name\nx\n")
    with pytest.raises(CommandError, match="IMPORT_006"):
        call_command("import_table", "products", file, stdout=out)
    assert Product.objects.count() == 1
