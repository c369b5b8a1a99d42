"""What clamd says is believed; where it says nothing, a file waits."""

from __future__ import annotations

import io
import socket
import sys
import time

import pytest

from integrations.scanners.clamd import ClamdScanner
from integrations.scanners.tests.daemons import VIRUS, nowhere, server
from quotes.modelfiles.make import BRACKET
from quotes.ports import Scan


def scan(url, content, seconds=5):
    return ClamdScanner(url, seconds=seconds).scan(io.BytesIO(content))


def test_a_harmless_file_is_clean(daemon):
    assert scan(daemon, BRACKET.read_bytes()) == Scan("clean")
    assert scan(daemon, b"") == Scan("clean")


def test_a_known_signature_is_found_and_named(daemon):
    assert scan(daemon, b"x" * 100_000 + VIRUS) == Scan("infected", "Test.Signature.UNOFFICIAL")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such socket in Python")
def test_the_daemon_is_reached_by_its_socket_file_too(daemon, tmp_path_factory):
    (path,) = tmp_path_factory.getbasetemp().glob("clamd[0-9]*/clamd.ctl")
    assert scan(f"unix://{path}", VIRUS).result == "infected"
    assert scan(f"unix://{path}.not", VIRUS).result == "held"


def test_a_stream_above_the_daemons_limit_is_held_not_clean(daemon):
    answer = scan(daemon, b"x" * 3_000_000)
    assert (answer.result, answer.is_away) == ("held", False)
    assert "size limit exceeded" in answer.detail


def test_a_file_that_the_daemon_does_not_look_into_is_held_not_infected(daemon):
    answer = scan(daemon, b"x" * 1_500_000)
    assert answer.result == "held"
    assert "Limits.Exceeded" in answer.detail


def test_without_a_daemon_the_file_is_held():
    answer = scan(nowhere(), b"part")
    assert (answer.result, answer.is_away) == ("held", True)
    assert "gave no answer" in answer.detail


@pytest.mark.parametrize("url", ["", "clamd", "tcp://localhost", "http://localhost:3310"])
def test_an_address_that_is_none_holds_the_file(url, settings):
    settings.CLAMD_URL = "nonsense"
    assert scan(url, b"part").result == "held"


@pytest.mark.parametrize(
    "said",
    [b"", b"stream: OK", b"OK\n", b"stream: \0", b"stream: INSTREAM size limit exceeded. ERROR\0", b"\xff" * 10_000],
)
def test_a_broken_answer_is_never_clean(said):
    def answer(connection: socket.socket) -> None:
        _take_all(connection)
        connection.sendall(said)

    with server(answer) as url:
        assert scan(url, b"part").result == "held"


def test_a_daemon_that_hangs_up_in_the_middle_holds_the_file():
    with server(lambda connection: connection.recv(10)) as url:
        assert scan(url, b"x" * 5_000_000).result == "held"


def test_a_daemon_that_is_silent_holds_the_file_after_the_timeout():
    def wait(connection: socket.socket) -> None:
        _take_all(connection)
        time.sleep(1)

    with server(wait) as url:
        answer = scan(url, b"part", seconds=0.2)
    assert (answer.result, answer.is_away) == ("held", True)


def _take_all(connection: socket.socket) -> None:
    """Read a whole command: it ends with a chunk of length 0."""
    received = b""
    while not received.endswith(b"\0\0\0\0"):
        received += connection.recv(65536)
