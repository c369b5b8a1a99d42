"""The SQL Server backend, as far as it can be seen without a server: the types it declares in a query with GROUP BY.

Importing the driver changes Django for every database of the process, so that it is asked in a process of its own.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


def driver_problem() -> str:
    """Return why the driver cannot be loaded here, or nothing: on Linux it needs the unixODBC library of the system."""
    code = "import pyodbc, importlib.util; assert importlib.util.find_spec('mssql'), 'mssql-django is not installed'"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    return result.stderr.strip().rpartition("\n")[2]


PROBLEM = driver_problem()
pytestmark = pytest.mark.skipif(bool(PROBLEM), reason=f"no SQL Server driver: {PROBLEM}")

SCRIPT = """
import json, os
os.environ["DJANGO_SETTINGS_MODULE"] = "blb3d.settings_test"
import django
django.setup()
from decimal import Decimal
from types import SimpleNamespace
from blb3d.core.mssql.base import CursorWrapper, DatabaseWrapper

cursor = CursorWrapper(None, SimpleNamespace(driver_charset=None))
values = [Decimal("10.45"), Decimal("0.0001"), Decimal("-1E+3"), Decimal("0"), b"abc", b"", "text", 7]
sql, params = cursor.format_group_by_params("SELECT a FROM t WHERE p < %s GROUP BY a", (Decimal("10.45"),))
wrapper = DatabaseWrapper.__new__(DatabaseWrapper)
wrapper.connection = SimpleNamespace(cursor=lambda: None)
wrapper.driver_charset = None
print(json.dumps({
    "types": [cursor._as_sql_type(type(value), value) for value in values],
    "sql": " ".join(sql.split()),
    "params": [str(value) for value in params],
    "cursor": type(wrapper.create_cursor()).__module__,
}))
"""


@pytest.fixture(scope="module")
def seen() -> dict[str, object]:
    result = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_a_parameter_is_declared_with_its_true_size(seen):
    assert seen["types"] == [
        "NUMERIC(4, 2)",
        "NUMERIC(4, 4)",
        "NUMERIC(4, 0)",
        "NUMERIC(1, 0)",
        "VARBINARY(3)",
        "VARBINARY(max)",
        "NVARCHAR(4)",
        "INT",
    ]


def test_a_decimal_keeps_its_places_in_a_query_with_group_by(seen):
    assert seen["sql"] == "DECLARE @var0 NUMERIC(4, 2) = %s SELECT a FROM t WHERE p < @var0 GROUP BY a"
    assert seen["params"] == ["10.45"]


def test_the_database_wrapper_hands_out_that_cursor(seen):
    assert seen["cursor"] == "blb3d.core.mssql.base"
