"""SQL Server through mssql-django, with decimals that survive a GROUP BY.

The package rewrites every query that contains GROUP BY with declared variables and declares a decimal as NUMERIC,
which is NUMERIC(18, 0): the places are lost without an error. Bytes become VARBINARY(1). Here both get their true size.
"""

from decimal import Decimal
from typing import Any

from mssql import base


class CursorWrapper(base.CursorWrapper):
    def _as_sql_type(self, typ: type, value: Any) -> str:
        if isinstance(value, Decimal):
            _, digits, exponent = value.as_tuple()
            if not isinstance(exponent, int):
                raise ValueError("SQL Server has no NaN or infinity.")
            scale = max(-exponent, 0)
            return f"NUMERIC({max(len(digits) + max(exponent, 0), scale, 1)}, {scale})"
        if isinstance(value, bytes):
            return f"VARBINARY({len(value)})" if 0 < len(value) <= 8000 else "VARBINARY(max)"
        return super()._as_sql_type(typ, value)


class DatabaseWrapper(base.DatabaseWrapper):
    def create_cursor(self, name: str | None = None) -> CursorWrapper:
        return CursorWrapper(self.connection.cursor(), self)
