"""What is refused of files with tables, with stable codes."""

from __future__ import annotations

from blb3d.core.errors import BLB3DError


class UnreadableTable(BLB3DError):
    """The file is neither CSV nor XLSX, or it is damaged."""

    code = "IMPORT_001"
    message = "This file cannot be read as a table."


class TableTooLarge(BLB3DError):
    """The file holds more rows, columns or bytes than are taken."""

    code = "IMPORT_002"
    http_status = 413
    message = "This table is too large."


class ExportTooLarge(BLB3DError):
    """The list is longer than an export may be; a filter makes it shorter."""

    code = "IMPORT_003"
    http_status = 413
    message = "This list is too long to be exported."
