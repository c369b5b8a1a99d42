"""The rows of an uploaded table, read by the columns of what they are: values by name, and every error by row."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import models

from blb3d.core.tables import (
    Cell,
    Table,
    has_decimal_comma,
    read_date,
    read_flag,
    read_number,
    read_text,
)
from blb3d.core.units import Unit
from inventory.errors import UnusableHeadings

T = TypeVar("T")

#: Keys that one statement is asked for; SQL Server takes at most 2100 parameters.
KEYS_PER_QUERY = 2000

_WORD = re.compile(r"[^0-9a-z%]+")
_ASIDE = re.compile(r"\([^)]*\)|\[[^\]]*\]")

#: Units that every product may have, and none named.
COMMON = frozenset({None, *Unit.values})

#: What other programs and people write for our units.
_UNITS = {
    **dict.fromkeys(("ea", "each", "pc", "pcs", "piece", "pieces", "stk", "stück", "unit", "units", "x"), Unit.EACH),
    **dict.fromkeys(("kg", "kgs", "kilo", "kilogram", "kilograms", "kilogramm"), Unit.KILOGRAM),
    **dict.fromkeys(("g", "gr", "gram", "grams", "gramm"), Unit.GRAM),
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), Unit.METER),
    **dict.fromkeys(("mm", "millimeter", "millimetre"), Unit.MILLIMETER),
    **dict.fromkeys(("l", "liter", "liters", "litre", "litres"), Unit.LITER),
    **dict.fromkeys(("ml", "milliliter", "millilitre"), Unit.MILLILITER),
    **dict.fromkeys(("h", "hour", "hours", "hr", "std"), Unit.HOUR),
    **dict.fromkeys(("min", "minute", "minutes"), Unit.MINUTE),
}


@dataclass(frozen=True)
class Problem:
    """What is wrong with a row, in words; ``column`` is the heading as it stands in the file, or none."""

    row: int
    column: str
    message: str


@dataclass(frozen=True)
class Change:
    """What a row, or the rows of one bill or lot, would do: the values that become others, old and new."""

    row: int
    key: str
    is_new: bool
    values: tuple[tuple[str, str, str], ...] = ()


@dataclass
class Plan:
    """What a table would do, and doing it."""

    new: int = 0
    unchanged: int = 0
    changes: list[Change] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    #: Calls that write; only run when there is no problem.
    work: list[Callable[[], None]] = field(default_factory=list)

    @property
    def changed(self) -> int:
        """Return how many things would become different."""
        return len(self.changes) - self.new

    def add(self, change: Change) -> None:
        """Take in what a row would do."""
        self.changes.append(change)
        self.new += change.is_new


@dataclass(frozen=True)
class Column:
    """A column that a kind of table may have: its names, how a cell is read, and what to say of it."""

    name: str
    words: tuple[str, ...]
    read: Callable[[Cell], Any]
    help: str = ""
    example: str = ""
    is_required: bool = False
    #: For numbers: whether the column writes a decimal comma changes how a cell is read.
    is_number: bool = False


def normal(heading: str) -> str:
    """Return a heading without capitals, signs and remarks in brackets: "Unit cost (USD)" -> "unit cost"."""
    return _WORD.sub(" ", _ASIDE.sub(" ", heading.lower()).replace("_", " ")).strip()


@dataclass
class Row:
    """One row: its number and the values of the cells that hold something."""

    number: int
    values: dict[str, Any]
    #: Names of the columns that cannot be taken.
    bad: set[str] = field(default_factory=set)

    @property
    def is_bad(self) -> bool:
        """Tell whether something is wrong with it."""
        return bool(self.bad)


class Sheet:
    """A table seen through the columns of its kind."""

    def __init__(self, table: Table, columns: Sequence[Column], plan: Plan) -> None:
        """Find the columns by their headings and read every cell; what is wrong goes to ``plan``.

        Raises:
            UnusableHeadings: a column that is needed is missing, or one is there twice.
        """
        self.plan = plan
        self.columns = self._found(table, columns)
        self.headings = {column.name: table.headings[place] for place, column in self.columns.items()}
        self.rows = [Row(number, {}) for number, _ in table.rows]
        for place, column in self.columns.items():
            self._read(table, place, column)

    def _found(self, table: Table, columns: Sequence[Column]) -> dict[int, Column]:
        by_word = {normal(word): column for column in columns for word in (column.name, *column.words)}
        found: dict[int, Column] = {}
        unknown = []
        for place, heading in enumerate(table.headings):
            column = by_word.get(normal(heading))
            if column is not None:
                found[place] = column
            elif heading:
                unknown.append(heading)
        names = [column.name for column in found.values()]
        twice = sorted({name for name in names if names.count(name) > 1})
        missing = [column.name for column in columns if column.is_required and column.name not in names]
        if missing or twice:
            said = [f"no column {', '.join(missing)}"] if missing else []
            said += [f"two columns for {', '.join(twice)}"] if twice else []
            raise UnusableHeadings(
                f"The table has {' and '.join(said)}. Its headings are: {', '.join(filter(None, table.headings))}.",
                details={"missing": missing, "twice": twice, "unknown": unknown},
            )
        if unknown:
            self.plan.notes.append(f"Not known and not read: {', '.join(unknown)}.")
        return found

    def _read(self, table: Table, place: int, column: Column) -> None:
        cells = [cells[place] if place < len(cells) else None for _, cells in table.rows]
        read = column.read
        if column.is_number and has_decimal_comma(cells):

            def read(cell: Cell) -> Any:
                return column.read(read_number(cell, decimal_comma=True))

        # Most columns say the same few things again and again.
        known: dict[Any, Any] = {}
        name = column.name
        for row, cell in zip(self.rows, cells, strict=True):
            if cell is None or cell == "":
                continue
            key = (type(cell), cell)
            if key not in known:
                try:
                    known[key] = read(cell)
                except (ValueError, ValidationError) as error:
                    words = error.messages[0] if isinstance(error, ValidationError) else str(error)
                    known[key] = error
                    known[(key,)] = words
            value = known[key]
            if isinstance(value, Exception):
                self.wrong(row, name, known[(key,)])
            elif value is not None:
                row.values[name] = value

    def wrong(self, row: Row, name: str, message: str) -> None:
        """Note that a row cannot be taken, and why; ``name`` is the column's."""
        row.bad.add(name)
        self.plan.problems.append(Problem(row.number, self.headings.get(name, name), message))

    def need(self, row: Row, *names: str) -> bool:
        """Tell whether a row has these values, and note those that it lacks."""
        for name in names:
            if name not in row.values and name not in row.bad:
                self.wrong(row, name, "is missing")
        return all(name in row.values for name in names)

    def has(self, name: str) -> bool:
        """Tell whether the table has the column."""
        return name in self.headings


def batches(keys: Sequence[T], size: int = KEYS_PER_QUERY) -> Iterator[Sequence[T]]:
    """Yield keys in portions that a statement takes."""
    for start in range(0, len(keys), size):
        yield keys[start : start + size]


def text(longest: int) -> Callable[[Cell], str | None]:
    """Return a reader of texts."""

    def read(cell: Cell) -> str | None:
        value = read_text(cell)
        if len(value) > longest:
            raise ValueError(f"has {len(value)} signs; at most {longest} are kept")
        return value or None

    return read


def code(longest: int) -> Callable[[Cell], str | None]:
    """Return a reader of codes, which are kept in capitals."""
    read_plain = text(longest)

    def read(cell: Cell) -> str | None:
        value = read_plain(cell)
        return value.upper() if value else None

    return read


def number(
    *,
    digits: int = 12,
    places: int = 4,
    least: Decimal = Decimal(0),
    most: Decimal | None = None,
    is_above: bool = False,
) -> Callable[[Cell], Decimal]:
    """Return a reader of numbers with so many digits before and after the point, within bounds."""
    highest = most if most is not None else Decimal(10) ** (digits - places) - Decimal(1).scaleb(-places)
    step = Decimal(1).scaleb(-places)

    def read(cell: Cell) -> Decimal:
        value = read_number(cell)
        if not value.is_finite() or value > highest:
            raise ValueError(f"{value} is more than {highest:f}")
        if value < least or (is_above and value == least):
            raise ValueError(f"must be {'more than' if is_above else 'at least'} {least:f}")
        kept = value.quantize(step)
        if kept != value:
            raise ValueError(f"{value} has more than {places} decimals")
        return kept

    return read


def whole(*, most: int = 32_767) -> Callable[[Cell], int]:
    """Return a reader of whole numbers from 0."""

    def read(cell: Cell) -> int:
        value = read_number(cell)
        if value != value.to_integral_value():
            raise ValueError(f"{value} is not a whole number")
        if not 0 <= value <= most:
            raise ValueError(f"must be between 0 and {most}")
        return int(value)

    return read


def flag(cell: Cell) -> bool:
    """Read yes or no."""
    return read_flag(cell)


def day(cell: Cell) -> dt.date:
    """Read a day."""
    return read_date(cell)


def choice(field_with_choices: models.Field[Any, Any]) -> Callable[[Cell], str]:
    """Return a reader of a field's choices, by value or by what people read."""
    known = {}
    for value, label in field_with_choices.flatchoices:  # type: ignore[attr-defined]
        known[normal(str(value))] = known[normal(str(label))] = str(value)

    def read(cell: Cell) -> str:
        word = read_text(cell)
        if normal(word) not in known:
            words = ", ".join(dict.fromkeys(str(label) for _, label in field_with_choices.flatchoices))  # type: ignore[attr-defined]
            raise ValueError(f'"{word[:40]}" is none of: {words}')
        return known[normal(word)]

    return read


def common_unit(cell: Cell) -> str:
    """Read one of the units that every product may have."""
    word = read_text(cell).lower().rstrip(".")
    if word not in _UNITS:
        raise ValueError(f'"{word[:40]}" is no unit; known are {", ".join(Unit.values)}')
    return str(_UNITS[word].value)


def any_unit(cell: Cell) -> str | None:
    """Read a unit that may be a product's own; the common ones by any of their names."""
    word = read_text(cell).lower()
    if len(word) > 20:
        raise ValueError(f'"{word[:40]}" is no unit')
    known = _UNITS.get(word.rstrip("."))
    return str(known.value) if known is not None else word or None


def as_text(value: Any) -> str:
    """Return a value as the preview shows it."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        shown = f"{value:f}"
        return shown.rstrip("0").rstrip(".") if "." in shown else shown
    return str(value)
