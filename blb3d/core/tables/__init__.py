"""Tables as files: CSV and XLSX read with limits and written without surprises."""

from blb3d.core.tables.cells import Cell, has_decimal_comma, read_date, read_flag, read_number, read_text
from blb3d.core.tables.reading import Table, from_text, read_table, to_text
from blb3d.core.tables.writing import csv_lines, plain, write_csv, write_xlsx

__all__ = [
    "Cell",
    "Table",
    "csv_lines",
    "from_text",
    "has_decimal_comma",
    "plain",
    "read_date",
    "read_flag",
    "read_number",
    "read_table",
    "read_text",
    "to_text",
    "write_csv",
    "write_xlsx",
]
