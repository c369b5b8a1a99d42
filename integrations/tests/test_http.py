"""A partner's answer says whether trying again helps."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from blb3d.core.errors import PartnerRefused, PartnerUnavailable
from integrations.errors import UnreadableAnswer
from integrations.http import PartnerClient

ANSWERS: dict[str, bytes] = {"/object": b'{"a": 1}', "/list": b"[1]", "/page": b"<html>"}
seen: list[dict[str, str]] = []


class Partner(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        seen.append(dict(self.headers))
        body = ANSWERS.get(self.path, b"secret words")
        self.send_response(200 if self.path in ANSWERS else int(self.path[1:]))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def client(settings: Any) -> Iterator[PartnerClient]:
    settings.PARTNER_TIMEOUT_SECONDS = 5
    seen.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Partner)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    with PartnerClient("Carrier", f"http://127.0.0.1:{server.server_port}", headers={"X-Key": "k"}) as opened:
        yield opened
    server.shutdown()
    server.server_close()
    thread.join()


def test_it_says_who_calls(client: PartnerClient, settings: Any) -> None:
    assert client.get_json("/object") == {"a": 1}
    assert seen[0]["User-Agent"] == f"BLB3D-ERP/1.0 (+{settings.BASE_URL})"
    assert seen[0]["X-Key"] == "k"


@pytest.mark.parametrize("status", [500, 502, 503, 408, 425, 429])
def test_trouble_that_passes_is_worth_another_try(client: PartnerClient, status: int) -> None:
    with pytest.raises(PartnerUnavailable) as caught:
        client.call("GET", f"/{status}")
    assert caught.value.transient
    assert caught.value.details["status"] == status


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 301])
def test_a_refusal_is_not(client: PartnerClient, status: int) -> None:
    with pytest.raises(PartnerRefused) as caught:
        client.call("GET", f"/{status}")
    assert not caught.value.transient
    assert caught.value.details == {
        "partner": "Carrier",
        "call": f"GET /{status}",
        "status": status,
        "body": "secret words",
    }


def test_nobody_there_is_worth_another_try() -> None:
    with PartnerClient("Carrier", "http://127.0.0.1:1") as nobody, pytest.raises(PartnerUnavailable):
        nobody.call("GET", "/object")


@pytest.mark.parametrize("path", ["/page", "/list"])
def test_an_answer_that_is_no_object_is_a_refusal(client: PartnerClient, path: str) -> None:
    with pytest.raises(UnreadableAnswer):
        client.get_json(path)
