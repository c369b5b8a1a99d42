"""Tables as people save them: encodings, delimiters, decimal commas, workbooks, and what is refused."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from decimal import Decimal
from typing import Any

import pytest
from openpyxl import Workbook

from blb3d.core.tables import (
    from_text,
    has_decimal_comma,
    read_date,
    read_flag,
    read_number,
    read_table,
    read_text,
    to_text,
    write_csv,
    write_xlsx,
)
from blb3d.core.tables.cells import FORMULA, Bad
from blb3d.core.tables.errors import TableTooLarge, UnreadableTable

D = Decimal


def workbook(*rows: list[Any], sheets: int = 1) -> bytes:
    book = Workbook()
    for row in rows:
        book.active.append(row)
    for _ in range(sheets - 1):
        book.create_sheet().append(["other"])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_is_read_in_any_encoding_and_with_any_delimiter(encoding: str, delimiter: str) -> None:
    text = f'SKU{delimiter}Name{delimiter}Notes\r\nM-1{delimiter}Größe ½{delimiter}"two\r\nlines, ""quoted"""\r\n'
    table = read_table("products.csv", text.encode(encoding))
    assert table.headings == ["SKU", "Name", "Notes"]
    assert table.rows == [(2, ["M-1", "Größe ½", 'two\r\nlines, "quoted"'])]


def test_empty_rows_are_left_out_and_counted_and_a_said_delimiter_holds() -> None:
    table = read_table("x", b"\n\nsku,name\n\nA,a\n,\nB,b\n")
    assert (table.headings, table.rows) == (["sku", "name"], [(5, ["A", "a"]), (7, ["B", "b"])])
    assert read_table("x", b"sep=|\nsku|a;b;c\nA|1\n").rows == [(3, ["A", "1"])]


def test_rows_far_below_are_read_where_a_table_has_many_empty_ones(settings: Any) -> None:
    settings.IMPORT_MAX_ROWS = 20
    table = read_table("x.csv", b"a,b\n" + b"1,2\n,\n,\n,\n,\n" * 20)
    assert [number for number, _ in table.rows] == list(range(2, 102, 5))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n\n",
        b"\x00\x01\x02binary\x00\x81",
        b'sku,name\n"A,never closed\n',
        b"PK\x03\x04 no archive",
        b"\xd0\xcf\x11\xe0 an old workbook",
    ],
)
def test_what_is_no_table_is_refused(content: bytes) -> None:
    with pytest.raises(UnreadableTable):
        read_table("x.csv", content)


def test_a_workbook_keeps_its_types_and_formulas_are_not_taken() -> None:
    content = workbook(
        ["sku", "qty", "on", "ok", "sum"],
        [1001, 0.1, dt.date(2026, 3, 31), True, "=B2*2"],
        [None, None, None, None, None],
        ["M-1", 1234, dt.datetime(2026, 3, 31, 8, 30), False, "#N/A"],
        sheets=2,
    )
    table = read_table("stock.xlsx", content)
    assert table.headings == ["sku", "qty", "on", "ok", "sum"]
    (first, cells), (second, more) = table.rows
    assert (first, second) == (2, 4)
    assert (read_text(cells[0]), cells[1], read_date(cells[2]), cells[3]) == (
        "1001",
        D("0.1"),
        dt.date(2026, 3, 31),
        True,
    )
    assert cells[4] == Bad(FORMULA)
    assert (more[1], read_date(more[2]), more[4]) == (D(1234), dt.date(2026, 3, 31), Bad("holds the error #N/A"))
    assert table.notes == ["Only the first sheet, Sheet, is read."]
    with pytest.raises(ValueError, match="formula"):
        read_number(cells[4])
    again = from_text(to_text(table))
    assert (again.headings, again.rows, again.notes) == (table.headings, table.rows, table.notes)


def test_no_digit_of_a_code_is_lost_that_a_workbook_keeps_as_a_number() -> None:
    [(_, cells)] = read_table("codes.xlsx", workbook(["a", "b", "c"], [4006381333931.0, 4006381333931, 10.0**16])).rows
    assert [read_text(cell) for cell in cells[:2]] == ["4006381333931", "4006381333931"]
    assert cells[2] == Bad("has more digits than a number keeps; make it text")


def test_a_bomb_and_a_huge_table_are_refused_before_they_are_unpacked(settings: Any) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as package:
        for number in range(3):
            package.writestr(f"xl/{number}.xml", b"0" * 80_000_000)
    assert len(out.getvalue()) < 1_000_000
    with pytest.raises(TableTooLarge):
        read_table("bomb.xlsx", out.getvalue())
    settings.IMPORT_MAX_ROWS = 3
    rows = "".join(f"{number}\n" for number in range(3))
    assert len(read_table("x", f"sku\n{rows}".encode()).rows) == 3
    for content in (f"sku\n{rows}4\n".encode(), workbook(["sku"], *([str(n)] for n in range(4)))):
        with pytest.raises(TableTooLarge):
            read_table("x", content)
    with pytest.raises(TableTooLarge):
        read_table("x", ",".join(f"c{number}" for number in range(101)).encode())
    with pytest.raises(TableTooLarge):
        read_table("x", b"a\n" + b"x" * 10_001)
    with pytest.raises(TableTooLarge):
        read_table("x", b"x" * (20 * 1024 * 1024 + 1))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1.5", "1.5"), ("1,5", "1.5"), ("0,125", "0.125"), ("1,234.5", "1234.5"), ("1.234,5", "1234.5"),
        ("1,234,567", "1234567"), ("1.234.567", "1234567"), ("1'234.50", "1234.50"), ("1 234,5", "1234.5"),
        ("-3", "-3"), ("\N{MINUS SIGN}3", "-3"), ("1234,567", "1234.567"), ("1.234", "1.234"),
        ("1\N{NO-BREAK SPACE}234", "1234"),
    ],
)  # fmt: skip
def test_numbers_are_read_as_people_write_them(text: str, number: str) -> None:
    assert read_number(text) == D(number)


@pytest.mark.parametrize(
    "text", ["1,234", "-12,500", "1.2.3", "1,2,3", "12 34", "1e5", "NaN", "abc", "$5", "5 kg", "9" * 41]
)
def test_doubtful_numbers_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"may be|not a number"):
        read_number(text)


def test_a_group_is_doubtful_only_where_the_column_writes_a_decimal_comma() -> None:
    assert has_decimal_comma(["1", "2,5", "1.234"])
    assert not has_decimal_comma(["1,234", "1.234", None, D(1)])
    with pytest.raises(ValueError, match=r'"1\.234" may be 1234 or 1\.234'):
        read_number("1.234", decimal_comma=True)
    with pytest.raises(ValueError, match=r'"1,234" may be 1234 or 1\.234'):
        read_number("1,234")


def test_days_and_truths_are_read_as_people_write_them() -> None:
    day = dt.date(2026, 3, 31)
    for text in ("2026-03-31", "31.03.2026", "03/31/2026", "31/03/2026", "2026-03-31T10:00:00"):
        assert read_date(text) == day
    for text in ("03/04/2026", "31.02.2026", "2026", "soon", "32/01/2026"):
        with pytest.raises(ValueError, match="2026-03-31"):
            read_date(text)
    assert [read_flag(word) for word in ("Yes", "x", "1", True, "no", "0", "Nein", False)] == [True] * 4 + [False] * 4
    with pytest.raises(ValueError, match="neither"):
        read_flag("maybe")


def test_what_is_written_is_read_back() -> None:
    rows = [["sku", "name", "cost"], ["A", "=1+1", D("1.50")], ["B", "two\nlines", None]]
    table = read_table("x.csv", write_csv(rows))
    assert table.rows == [(2, ["A", "'=1+1", "1.50"]), (3, ["B", "two\nlines", ""])]
    sheet = read_table("x.xlsx", write_xlsx(rows).read())
    assert sheet.rows == [(2, ["A", "=1+1", D("1.5")]), (3, ["B", "two\nlines", None])]
