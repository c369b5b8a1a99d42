"""Cells as people type them: numbers with a decimal comma or point, dates, yes and no. What is doubtful is refused."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.utils import timezone


@dataclass(frozen=True)
class Bad:
    """A cell of a spreadsheet that holds no value to take: a formula, an error."""

    why: str


#: What a cell holds: nothing, text, or what a spreadsheet knows the type of.
Cell = None | str | Decimal | bool | dt.date | dt.datetime | Bad

FORMULA = "holds a formula; copy the column and paste it as values"

_PLAIN = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?")
_GROUPS_OF_COMMAS = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3}){2,}|[+-]?[0-9]{1,3}(?:,[0-9]{3})+\.[0-9]+")
_GROUPS_OF_POINTS = re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]{3}){2,}|[+-]?[0-9]{1,3}(?:\.[0-9]{3})+,[0-9]+")
_GROUPS_OF_QUOTES = re.compile(r"[+-]?[0-9]{1,3}(?:['’ ][0-9]{3})+(?:[.,][0-9]+)?")
_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
_DOUBTFUL_COMMA = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")
_DOUBTFUL_POINT = re.compile(r"[+-]?[1-9][0-9]{0,2}\.[0-9]{3}")
#: Digits that no column holds are refused before they are reckoned with.
_LONGEST = 40

_TRUE = {"yes", "y", "true", "1", "x", "on", "ja", "wahr", "oui", "si", "sí"}
_FALSE = {"no", "n", "false", "0", "-", "off", "nein", "falsch", "non"}

_ISO = re.compile(r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:[T ].*)?")
_POINTS = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})")
_SLASHES = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})")


def read_text(cell: Cell) -> str:
    """Return a cell as text; a number that a spreadsheet made of a code loses nothing (1001 -> "1001").

    Raises:
        ValueError: it holds a formula or an error.
    """
    if isinstance(cell, str):
        return cell.strip()
    if cell is None:
        return ""
    if isinstance(cell, Bad):
        raise ValueError(cell.why)
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, Decimal):
        text = f"{cell:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return cell.isoformat()


def has_decimal_comma(cells: Iterable[Cell]) -> bool:
    """Tell whether a column clearly writes its numbers with a decimal comma, as "1,5" and "1.234,50" do."""
    for cell in cells:
        if isinstance(cell, str) and "," in cell:
            text = cell.strip().replace("\N{NO-BREAK SPACE}", "")
            if _GROUPS_OF_POINTS.fullmatch(text) or (_COMMA.fullmatch(text) and not _DOUBTFUL_COMMA.fullmatch(text)):
                return True
    return False


def read_number(cell: Cell, *, decimal_comma: bool = False) -> Decimal:
    """Return a cell as a number: 1.5, 1,5, 1,234.5 and 1.234,5 are understood, "1,234" is refused.

    ``decimal_comma`` says that the column writes "1,5": then "1.234" is as doubtful.

    Raises:
        ValueError: it is not a number, or may be two different ones; the words say which.
    """
    if isinstance(cell, Decimal):
        return cell
    text = read_text(cell)
    if isinstance(cell, bool) or len(text) > _LONGEST:
        raise ValueError(f"{_shown(text)} is not a number")
    text = (
        text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ").replace("\N{MINUS SIGN}", "-")
    )
    if _DOUBTFUL_COMMA.fullmatch(text) or (decimal_comma and _DOUBTFUL_POINT.fullmatch(text)):
        whole = text.replace(",", "").replace(".", "")
        raise ValueError(f"{_shown(text)} may be {whole} or {text.replace(',', '.')}: please write it without groups")
    if _PLAIN.fullmatch(text):
        return Decimal(text)
    if _COMMA.fullmatch(text) or _GROUPS_OF_POINTS.fullmatch(text):
        return Decimal(text.replace(".", "").replace(",", "."))
    if _GROUPS_OF_COMMAS.fullmatch(text):
        return Decimal(text.replace(",", ""))
    if _GROUPS_OF_QUOTES.fullmatch(text):
        return Decimal(re.sub(r"['’ ]", "", text).replace(",", "."))
    raise ValueError(f"{_shown(text)} is not a number")


def read_flag(cell: Cell) -> bool:
    """Return a cell as yes or no.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(cell, bool):
        return cell
    word = read_text(cell).lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError(f"{_shown(word)} is neither yes nor no")


def read_date(cell: Cell) -> dt.date:
    """Return a cell as a day: 2026-03-31, 31.03.2026 and 03/31/2026 are understood, 03/04/2026 is refused.

    Raises:
        ValueError: it is no day, or may be two different ones.
    """
    if isinstance(cell, dt.datetime):
        return timezone.localtime(cell).date() if timezone.is_aware(cell) else cell.date()
    if isinstance(cell, dt.date):
        return cell
    text = read_text(cell)
    try:
        if found := _ISO.fullmatch(text):
            return dt.date(*map(int, found.groups()))
        if found := _POINTS.fullmatch(text):
            day, month, year = map(int, found.groups())
            return dt.date(year, month, day)
        if found := _SLASHES.fullmatch(text):
            first, second, year = map(int, found.groups())
            if first <= 12 and second <= 12 and first != second:
                raise ValueError
            return dt.date(year, first, second) if first <= 12 else dt.date(year, second, first)
    except ValueError:
        if _SLASHES.fullmatch(text):
            raise ValueError(f"{_shown(text)} may be two days, or none: please write it as 2026-03-31") from None
    raise ValueError(f"{_shown(text)} is not a date; please write it as 2026-03-31")


def _shown(text: str) -> str:
    return f'"{text[:40]}…"' if len(text) > 40 else f'"{text}"'
