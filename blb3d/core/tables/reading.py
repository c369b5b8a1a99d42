"""Reading tables from CSV and XLSX: whatever the file claims, only so much of it is unpacked."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.conf import settings

from blb3d.core.tables.cells import FORMULA, Bad, Cell
from blb3d.core.tables.errors import TableTooLarge, UnreadableTable

MAX_COLUMNS = 100
MAX_CELL = 10_000
#: Of a file, and of what an XLSX holds once it is unpacked.
MAX_BYTES = 20 * 1024 * 1024
MAX_UNPACKED = 120 * 1024 * 1024
MAX_MEMBERS = 500
#: Whole numbers up to here are what they were in a spreadsheet, which counts in floats.
_EXACT = 2**53
#: Empty rows in front of the headings.
_LEADING = 20
_DELIMITERS = ",;\t|"


@dataclass
class Table:
    """A file's headings and rows, each row with its number as a spreadsheet counts."""

    file_name: str
    sha256: str
    headings: list[str]
    rows: list[tuple[int, list[Cell]]]
    notes: list[str] = field(default_factory=list)


def read_table(file_name: str, content: bytes) -> Table:
    """Read a CSV or XLSX file; which one it is says the content, not the name. Formulas are not taken.

    Raises:
        UnreadableTable: it is neither, damaged, or has no headings.
        TableTooLarge: it has more rows, columns or bytes than are taken.
    """
    if len(content) > MAX_BYTES:
        raise TableTooLarge(f"A table is taken up to {MAX_BYTES // 1024 // 1024} MB.")
    notes: list[str] = []
    if content.startswith(b"PK\x03\x04"):
        rows = _xlsx_rows(content, notes)
    elif content.startswith(b"\xd0\xcf\x11\xe0"):
        raise UnreadableTable("This is an old or protected Excel file. Please save it as XLSX without a password.")
    else:
        rows = _csv_rows(content)
    headings, kept = _split(rows)
    return Table(file_name[-200:], hashlib.sha256(content).hexdigest(), headings, kept, notes)


def _split(rows: Iterable[tuple[int, list[Cell]]]) -> tuple[list[str], list[tuple[int, list[Cell]]]]:
    headings: list[str] = []
    kept: list[tuple[int, list[Cell]]] = []
    most = settings.IMPORT_MAX_ROWS  # type: ignore[misc]
    last = 0
    for number, cells in rows:
        if not any(cell is not None and cell != "" for cell in cells):
            # A sheet may be formatted far below its last row.
            if number - last > most + _LEADING or (not headings and number >= _LEADING):
                break
            continue
        last = number
        if not headings:
            while cells and cells[-1] in (None, ""):
                cells.pop()
            if len(cells) > MAX_COLUMNS:
                raise TableTooLarge(f"A table has at most {MAX_COLUMNS} columns.")
            headings = ["" if cell is None or isinstance(cell, Bad) else str(cell).strip() for cell in cells]
            continue
        if len(kept) >= most:
            raise TableTooLarge(f"A table has at most {most:,} rows.", details={"rows": most})
        kept.append((number, cells))
    if not headings:
        raise UnreadableTable("The file has no headings.")
    return headings, kept


def _decoded(content: bytes) -> str:
    marks = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
    guessed = next((code for mark, code in marks if content.startswith(mark)), None)
    if guessed is None and b"\x00" in content[:200]:
        guessed = "utf-16-le" if content[1:2] == b"\x00" else "utf-16-be"
    for encoding in (guessed,) if guessed else ("utf-8", "cp1252"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            break
        return text
    raise UnreadableTable("The file is neither XLSX nor text in UTF-8, UTF-16 or Windows-1252.")


def _csv_rows(content: bytes) -> Iterator[tuple[int, list[Cell]]]:
    text = _decoded(content)
    said = None
    if text[:4].lower() == "sep=" and text[5:6] in ("\r", "\n"):
        said, text = text[4], text[6:].lstrip("\n")
    number = 0
    try:
        for number, cells in enumerate(
            csv.reader(io.StringIO(text, newline=""), delimiter=said or _delimiter(text), strict=True),
            start=2 if said else 1,
        ):
            if any(len(cell) > MAX_CELL for cell in cells):
                raise TableTooLarge(f"Row {number} has a cell of more than {MAX_CELL:,} signs.")
            yield number, [*cells]
    except csv.Error as error:
        raise UnreadableTable(f"After row {number} the file cannot be read as CSV: {error}.") from None


def _delimiter(text: str) -> str:
    """Return the sign that divides the first line with words into the most cells."""
    first = next((line for line in text.splitlines()[:_LEADING] if line.strip(" ,;\t|")), "")
    return max(_DELIMITERS, key=lambda sign: len(next(csv.reader([first], delimiter=sign), [])))


def _xlsx_rows(content: bytes, notes: list[str]) -> Iterator[tuple[int, list[Cell]]]:
    from openpyxl import load_workbook

    _refuse_bomb(content)
    try:
        book = load_workbook(io.BytesIO(content), read_only=True, data_only=False, keep_links=False)
        sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
        if not sheets:
            raise UnreadableTable("The workbook has no sheet.")
        sheet = sheets[0]
        if len(sheets) > 1:
            notes.append(f"Only the first sheet, {sheet.title}, is read.")
        # What a file says of its own size is not believed.
        sheet.reset_dimensions()
        width = 0
        for number, row in enumerate(sheet.iter_rows(max_row=_LEADING), start=1):
            if any(cell.value not in (None, "") for cell in row):
                width, begin = min(len(row), MAX_COLUMNS + 1), number
                break
        if not width:
            return
        for number, row in enumerate(sheet.iter_rows(min_row=begin, max_col=width), start=begin):
            yield number, [_xlsx_cell(cell) for cell in row]
    except (UnreadableTable, TableTooLarge):
        raise
    except Exception as error:
        raise UnreadableTable("The workbook is damaged.", details={"reason": str(error)[:200]}) from error


def _refuse_bomb(content: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as package:
            members = package.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
        raise UnreadableTable("The workbook is damaged.", details={"reason": str(error)[:200]}) from None
    if len(members) > MAX_MEMBERS or sum(member.file_size for member in members) > MAX_UNPACKED:
        raise TableTooLarge("The workbook is far larger unpacked than a table needs.")


def _xlsx_cell(cell: Any) -> Cell:
    value = cell.value
    if value is None:
        return None
    if isinstance(value, str):
        if cell.data_type == "f":
            return Bad(FORMULA)
        if cell.data_type == "e":
            return Bad(f"holds the error {value[:20]}")
        if len(value) > MAX_CELL:
            return Bad(f"has more than {MAX_CELL:,} signs")
        return value
    if isinstance(value, bool | dt.datetime):
        return value
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, float) and value.is_integer():
        # A barcode or a lot's number, of which every digit counts.
        return Decimal(int(value)) if abs(value) <= _EXACT else Bad("has more digits than a number keeps; make it text")
    if isinstance(value, float):
        # As it is shown, not as it is stored: 0.1 is 0.1; what arithmetic leaves behind the 12th digit is dropped.
        return Decimal(repr(value)) if len(repr(value)) <= 14 else Decimal(f"{value:.12g}")
    if isinstance(value, dt.date):
        return value
    return Bad(FORMULA) if cell.data_type == "f" else Bad("holds neither text, number nor date")


def to_text(table: Table) -> str:
    """Return headings, rows and notes as text that :func:`from_text` reads back as they were."""
    rows = [[number, *map(_packed, cells)] for number, cells in table.rows]
    return json.dumps([table.headings, rows, table.notes])


def from_text(text: str, *, file_name: str = "", sha256: str = "") -> Table:
    """Return the table that was kept as text."""
    headings, rows, notes = json.loads(text)
    kept = [(row[0], [_unpacked(cell) for cell in row[1:]]) for row in rows]
    return Table(file_name, sha256, headings, kept, notes)


def _packed(cell: Cell) -> Any:
    if cell is None or isinstance(cell, str | bool):
        return cell
    if isinstance(cell, Decimal):
        return ["n", str(cell)]
    if isinstance(cell, dt.datetime):
        return ["m", cell.isoformat()]
    if isinstance(cell, dt.date):
        return ["d", cell.isoformat()]
    return ["b", cell.why]


def _unpacked(cell: Any) -> Cell:
    if not isinstance(cell, list):
        return cell  # type: ignore[no-any-return]
    kind, text = cell
    if kind == "n":
        return Decimal(text)
    if kind == "m":
        return dt.datetime.fromisoformat(text)
    return dt.date.fromisoformat(text) if kind == "d" else Bad(text)
