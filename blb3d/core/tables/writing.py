"""Writing tables: cells that a spreadsheet takes for what they are, never for a formula."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from html import unescape
from typing import IO, Any

from django.utils import timezone
from django.utils.html import strip_tags
from django.utils.safestring import SafeString

#: What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
#: Control characters, which XML cannot hold.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
#: What a picture says to those who do not see it.
_LABEL = re.compile(r'aria-label="([^"]*)"')
#: A cell of a spreadsheet holds no more.
_LONGEST = 32_767

#: So that a spreadsheet reads the file as UTF-8.
BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


def plain(value: Any) -> Any:
    """Return what a cell holds: numbers, dates and truths as they are, moments as local time, all else as text."""
    if value is None or isinstance(value, bool | int | float | Decimal):
        return value
    if isinstance(value, dt.datetime):
        return timezone.localtime(value).replace(tzinfo=None) if timezone.is_aware(value) else value
    if isinstance(value, dt.date | dt.time):
        return value
    if not isinstance(value, SafeString):
        return _CONTROL.sub("", str(value))
    text = " ".join(_CONTROL.sub("", unescape(strip_tags(value))).split())
    pictures = () if text else _LABEL.findall(value)
    return text or unescape(", ".join(pictures))


def _csv_cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, dt.datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return f"'{value}" if value.startswith(_FORMULA) else str(value)


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def csv_lines(rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """Yield the lines of a CSV file, the first with the mark by which spreadsheets know UTF-8."""
    writer = csv.writer(_Echo())
    begin = BOM
    for row in rows:
        yield begin + writer.writerow([_csv_cell(plain(value)) for value in row])
        begin = ""


def write_csv(rows: Iterable[Sequence[Any]]) -> bytes:
    """Return a CSV file."""
    return "".join(csv_lines(rows)).encode()


def write_xlsx(rows: Iterable[Sequence[Any]], target: IO[bytes] | None = None, *, title: str = "Export") -> IO[bytes]:
    """Write an XLSX file with typed numbers and dates and texts that are never formulas; return it, rewound."""
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    out: IO[bytes] = target if target is not None else io.BytesIO()
    book = Workbook(write_only=True)
    sheet = book.create_sheet(re.sub(r"[\[\]:*?/\\]", " ", title)[:31])
    sheet.freeze_panes = "A2"
    for row in rows:
        cells = []
        for given in row:
            value = plain(given)
            if isinstance(value, str):
                cell = WriteOnlyCell(sheet, None)
                # Set past the setter, which would take "=..." for a formula.
                cell._value = value[:_LONGEST]
                cell.data_type = "s"
                cells.append(cell)
            else:
                cells.append(value)
        sheet.append(cells)
    book.save(out)
    out.seek(0)
    return out
