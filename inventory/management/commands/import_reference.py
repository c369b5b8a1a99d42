"""``manage.py import_reference``: docs/import.md, written from the columns that imports know."""

from __future__ import annotations

from blb3d.core.generated import GeneratedFiles
from inventory.services.imports import KINDS

_BEFORE = """\
# Tables in and out

Written by `manage.py import_reference`.

## Bringing a table in

*Stock, Import* takes a CSV or XLSX file of products, bills of materials, opening stock, vendors, or what vendors sell.
It is looked at first: the page shows what would be new, what would change from which value to which, what is as it is
already, and **every** error by row and column, all at once. Nothing is written until you press *Apply*, and then
everything is, or nothing:

- A table with an error is not taken. Correct the file and send it again; *Errors as CSV* is the list to work through.
- Applying does exactly what the page showed. When somebody changed the data since, it is refused (`IMPORT_005`):
  *Check again* shows what it would do now.
- A table is taken once, also when two people press at once. The import stays under *Records, Imports* with its rows,
  who took it and when; products, bills and lots name it in their history.

The same from a terminal, with exit code 1 when a row is wrong:

    manage.py import_table products products.xlsx            # only looks
    manage.py import_table products products.xlsx --apply --actor you@example.com

Who may import what: who may make products (and change them) imports products, and so on for bills, stock movements
with lots, vendors, and vendors' items. `IMPORT_MAX_ROWS` limits the rows, 20 MB the file.

## How cells are read

- **Files:** CSV in UTF-8, UTF-16 or Windows-1252, divided by comma, semicolon, tab or bar; XLSX, its first sheet. Old
  XLS files, and files with a password, are refused: save them as XLSX.
- **Headings** stand in the first row in any order, in any case; each column knows the other names listed below. Columns
  that are not known are named on the page and not read.
- **Numbers:** `1.5`, `1,5`, `1,234.5` and `1.234,5` are understood. `1,234` is refused, because it may be 1234 or
  1.234; so is `1.234` in a column that writes decimal commas elsewhere.
- **Dates:** `2026-03-31`, `31.03.2026` and `03/31/2026`; `03/04/2026` is refused. **Yes and no:** yes, no, true, false,
  1, 0, x.
- **Formulas** of a workbook are refused, since a file does not say whether their result is today's: copy the column and
  paste it as values.
- **Units:** kg, g, m, mm, l, ml, h, min, each (also pcs, piece), and units of the product's own, such as spool.
- An **empty cell** says nothing: a new row takes the default, what is there stays.

## Opening stock

It is received into the ledger on the day of the import, so that closed books stay as they are; a lot keeps the day on
which it was received, and by it the oldest is used first. A product that is tracked by lot needs a lot in each row, one
that is not may have none, and stock of serialised products comes from production. Several rows of one lot are the same
lot at several locations. A lot that was imported before, or stock without lot that an import brought in, is left as it
is when the table is read again; other stock that is there is an error, because it would count twice: count or correct
it instead. The cost is per unit of the row: 20.00 for a spool of 1 kg is 20.00 per kg, 0.02 per g is the same.

## Taking a list out

Every list of the console has *Export CSV* and *Export XLSX*: the columns that the list shows, filtered, searched and
sorted as it is shown, all rows up to `EXPORT_MAX_ROWS`. Quantities come with a column for their unit, amounts with
one for their currency where they have their own. In CSV a text that begins like a formula gets an apostrophe in front;
in XLSX numbers and dates are typed and texts are never formulas. Who may see a list may export it; the audit log says
who did.

## Columns
"""


def markdown() -> str:
    """Return the page: how tables are read, and the columns of each kind."""
    lines = [_BEFORE]
    for kind in KINDS.values():
        lines += [f"### {kind.title} (`{kind.value}`)", "", kind.help, ""]
        lines += ["| column | meaning | example | also called |", "|---|---|---|---|"]
        for column in kind.columns():
            name = f"**`{column.name}`**" if column.is_required else f"`{column.name}`"
            cells = (name, column.help, column.example, ", ".join(column.words))
            lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
        lines += [""]
    lines += ["Bold columns are needed."]
    return "\n".join(lines) + "\n"


class Command(GeneratedFiles):
    """Write docs/import.md."""

    help = "Write docs/import.md from the columns of imports."
    files = {"docs/import.md": markdown}
