import logging

import pytest
from django.test import RequestFactory

from blb3d.core.logging import RequestIDFilter, get_request_id, request_id_scope
from blb3d.core.middleware import client_ip


def test_an_answer_carries_a_request_id(client):
    first, second = client.get("/health/live"), client.get("/health/live")
    assert len(first.headers["X-Request-ID"]) == 32
    assert first.headers["X-Request-ID"] != second.headers["X-Request-ID"]


def test_the_callers_request_id_is_kept(client):
    assert client.get("/health/live", headers={"X-Request-ID": "abc-1.2_3"}).headers["X-Request-ID"] == "abc-1.2_3"


@pytest.mark.parametrize("given", ["a b", "x" * 65, 'a"b', "a{b}"])
def test_a_request_id_that_could_forge_a_log_line_is_replaced(client, given):
    assert len(client.get("/health/live", headers={"X-Request-ID": given}).headers["X-Request-ID"]) == 32


def test_log_lines_carry_the_request_id_inside_a_request_only():
    record = logging.LogRecord("a", logging.INFO, "f", 1, "m", (), None)
    with request_id_scope("r-1"):
        RequestIDFilter().filter(record)
    assert record.request_id == "r-1"
    assert get_request_id() == ""


def test_a_failed_request_is_logged_under_its_id(client, caplog):
    caplog.handler.addFilter(RequestIDFilter())
    client.get("/api/nothing", headers={"X-Request-ID": "r-3"})
    record = next(record for record in caplog.records if record.name == "django.request")
    assert record.request_id == "r-3"


def test_a_task_gets_the_request_id_of_whoever_sent_it():
    from blb3d.celery import drop_request_id, send_request_id, take_request_id

    headers: dict[str, str] = {}
    with request_id_scope("r-2"):
        send_request_id(headers=headers)
    task = type("Task", (), {"request": type("Context", (), headers)})
    take_request_id(task=task)
    assert get_request_id() == "r-2"
    drop_request_id()
    assert get_request_id() == ""


def test_the_policy_is_strict_and_eased_only_for_the_console(client, db):
    page = client.get("/health/live").headers["Content-Security-Policy"]
    assert "script-src 'self';" in page + ";"
    assert "unsafe" not in page
    console = client.get("/admin/login/").headers["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval'" in console
    assert "object-src 'none'" in console
    assert "frame-ancestors 'none'" in console
    docs = client.get("/api/v1/docs").headers["Content-Security-Policy"]
    assert "unsafe-eval" not in docs


def test_a_proxys_word_for_the_address_counts_only_when_trusted(settings):
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.9", HTTP_X_FORWARDED_FOR="1.1.1.1, 2.2.2.2")
    settings.TRUST_PROXY_HEADERS = False
    assert client_ip(request) == "10.0.0.9"
    settings.TRUST_PROXY_HEADERS = True
    assert client_ip(request) == "2.2.2.2"
    assert client_ip(RequestFactory().get("/", REMOTE_ADDR="10.0.0.9")) == "10.0.0.9"
