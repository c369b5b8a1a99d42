"""The owner's calls, run as written by curl against a listening server."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import pytest

from blb3d.accounts.models import User
from quotes.modelfiles.make import BRACKET
from quotes.models import Quote
from quotes.tests.factories import materials as make_materials
from sales import services as sales
from sales.models import SalesOrder

CURL = shutil.which("curl")
pytestmark = [
    pytest.mark.skipif(CURL is None, reason="curl is not installed"),
    pytest.mark.django_db(transaction=True),
]

PASSWORD = "a-long-curl-password"


def curl(*arguments: str) -> tuple[int, Any]:
    """Run curl and return status and JSON."""
    done = subprocess.run(
        [CURL or "curl", "-s", "-w", "\n%{http_code}", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    body, _, code = done.stdout.rpartition("\n")
    return int(code), json.loads(body) if body else None


def log_in(api: str, email: str) -> tuple[str, str]:
    """Return the arguments that carry a user's token."""
    body = json.dumps({"email": email, "password": PASSWORD})
    code, tokens = curl("-X", "POST", f"{api}/auth/login", "-H", "Content-Type: application/json", "-d", body)
    assert code == 200
    return "-H", f"Authorization: Bearer {tokens['access_token']}"


def test_the_owners_test_flow_runs_as_written(live_server, tmp_path, uploads):
    make_materials()
    sales.register_customer(email="curl@example.com", password=PASSWORD, first_name="Curl", last_name="Example")
    (tmp_path / "test.3mf").write_bytes(BRACKET.read_bytes())
    api = f"{live_server.url}/api/v1"

    bearer = log_in(api, "curl@example.com")

    code, quote = curl(
        "-X", "POST", f"{api}/quotes", *bearer,
        "-F", f"files=@{tmp_path}/test.3mf", "-F", "material_type=PLA", "-F", "quantity=10",
    )  # fmt: skip
    assert (code, quote["status"]) == (201, "approved")

    code, accepted = curl("-X", "PATCH", f"{api}/quotes/{quote['id']}/accept", *bearer)
    assert (code, accepted["status"]) == (200, "accepted")

    address = {
        "shipping_address_line1": "123 Main St",
        "shipping_city": "Fort Wayne",
        "shipping_state": "IN",
        "shipping_zip": "46802",
    }
    convert = ("-X", "POST", f"{api}/sales-orders/convert/{quote['id']}", *bearer, "-d", json.dumps(address))
    code, order = curl(*convert)
    assert code == 200
    assert (order["shipping_address_line1"], order["quote_id"]) == ("123 Main St", quote["id"])
    assert curl(*convert) == (200, order)
    assert (Quote.objects.get().status, SalesOrder.objects.count()) == ("converted", 1)

    requirements = f"{api}/mrp/material-requirements"
    assert curl(requirements)[0] == 401
    assert curl(requirements, *bearer)[0] == 403
    User.objects.create_superuser("owner@example.com", PASSWORD)
    code, rows = curl(f"{requirements}?all=true", *log_in(api, "owner@example.com"))
    assert code == 200
    assert rows
