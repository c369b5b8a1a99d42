import socket

import pytest
from paho.mqtt.client import MQTTv311
from paho.mqtt.publish import single
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from integrations.bambu.address import PrinterAddress, Trust
from integrations.bambu.broker import BrokerAccess, EmbeddedBroker, free_port
from integrations.bambu.connection import Link, PrinterConnection
from integrations.bambu.errors import CommandUnconfirmed, PrinterNotConnected
from integrations.bambu.protocol import pause
from integrations.bambu.simulator import printer_certificate
from integrations.bambu.tests.peers import DeafBroker, Requests


class Heard:
    """What a connection told: frames and changes of the link."""

    def __init__(self):
        self.frames = []
        self.links = []

    def frame(self, serial, payload):
        self.frames.append((serial, payload))
        if payload == b"explode":
            raise RuntimeError("a handler that fails")

    def link(self, serial, link, reason):
        self.links.append(link)


@pytest.fixture
def heard():
    return Heard()


@pytest.fixture
def connect(heard):
    started = []

    def start(host, port, *, serial="S1", wait=True, **options):
        address = PrinterAddress(serial, host, mqtt_port=port, **{"trust": Trust.OFF, **options.pop("address", {})})
        connection = PrinterConnection(address, on_frame=heard.frame, on_link=heard.link, **options)
        started.append(connection)
        connection.start()
        return connection

    yield start
    for connection in started:
        connection.stop()


def say(broker, payload, serial="S1"):
    single(f"device/{serial}/report", payload, hostname=broker[0], port=broker[1], protocol=MQTTv311)


def test_a_connection_asks_for_version_and_state_and_hands_frames_on(any_broker, connect, heard, wait_for):
    with Requests(any_broker, "C1") as requests:
        connection = connect(*any_broker, serial="C1")
        wait_for(lambda: requests.commands == ["get_version", "pushall"])
    assert connection.link is Link.ONLINE
    say(any_broker, b"\xff not json", "C1")
    wait_for(lambda: heard.frames == [("C1", b"\xff not json")])


def test_a_command_returns_once_it_is_confirmed(any_broker, connect, wait_for):
    with Requests(any_broker, "C2") as requests:
        connection = connect(*any_broker, serial="C2")
        wait_for(lambda: connection.link is Link.ONLINE)
        connection.send(pause())
        wait_for(lambda: "pause" in requests.commands)


def test_a_handler_that_fails_does_not_end_the_session(embedded_broker, connect, heard, wait_for):
    connection = connect(*embedded_broker, serial="C3")
    wait_for(lambda: connection.link is Link.ONLINE)
    say(embedded_broker, b"explode", "C3")
    say(embedded_broker, b"{}", "C3")
    wait_for(lambda: [payload for _, payload in heard.frames] == [b"explode", b"{}"])


def test_nothing_is_sent_to_a_printer_that_is_not_connected(connect):
    connection = connect("127.0.0.1", free_port())
    with pytest.raises(PrinterNotConnected):
        connection.send(pause())


def test_a_printer_that_is_switched_on_later_is_found(connect, heard, wait_for):
    port = free_port()
    connection = connect("127.0.0.1", port)
    assert connection.link is Link.CONNECTING
    with EmbeddedBroker(port=port):
        wait_for(lambda: connection.link is Link.ONLINE)
    wait_for(lambda: connection.link is Link.CONNECTING)
    assert heard.links[:1] == [Link.ONLINE]


def test_a_stopped_connection_says_no_more(embedded_broker, connect, heard, wait_for):
    connection = connect(*embedded_broker, serial="C4")
    wait_for(lambda: connection.link is Link.ONLINE)
    connection.stop()
    say(embedded_broker, b"{}", "C4")
    assert (connection.link, heard.frames) == (Link.STOPPED, [])


def test_a_command_without_confirmation_raises_and_is_never_sent_again(connect, wait_for):
    with DeafBroker() as broker:
        connection = connect("127.0.0.1", broker.port)
        wait_for(lambda: connection.link is Link.ONLINE)
        first = connection.client_id
        with pytest.raises(CommandUnconfirmed):
            connection.send(pause(), timeout=0.3)
        wait_for(lambda: connection.link is Link.ONLINE and len(broker.client_ids) == 2)
        assert broker.client_ids == [first, connection.client_id]
        assert first != connection.client_id
        assert broker.commands.count("pause") == 1


def test_a_silent_stream_is_woken_then_rebuilt(connect, wait_for):
    now = [0.0]
    with DeafBroker() as broker:
        connection = connect("127.0.0.1", broker.port, clock=lambda: now[0])
        wait_for(lambda: broker.commands == ["get_version", "pushall"])
        connection.check()
        now[0] = 61.0
        connection.check()
        wait_for(lambda: broker.commands[2:] == ["start"])
        connection.check()
        assert len(broker.client_ids) == 1
        now[0] = 122.0
        connection.check()
        wait_for(lambda: len(broker.client_ids) == 2)
        assert len(set(broker.client_ids)) == 2


def test_a_printer_that_stays_away_gets_a_new_session(connect):
    now = [0.0]
    connection = connect("127.0.0.1", free_port(), clock=lambda: now[0])
    first = connection.client_id
    now[0] = 299.0
    connection.check()
    assert connection.client_id == first
    now[0] = 301.0
    connection.check()
    assert connection.client_id != first


@pytest.fixture(scope="module")
def guarded_broker(tmp_path_factory):
    """A broker as a printer has it: TLS with a certificate in the printer's name, and an access code."""
    folder = tmp_path_factory.mktemp("broker")
    certificate, key = printer_certificate(folder, "SERIAL1")
    passwords = folder / "passwords"
    passwords.write_text(f"bblp:{PasswordHash((Argon2Hasher(),)).hash('12345678')}\n")
    access = BrokerAccess(password_file=passwords, certificate=certificate, key=key)
    with EmbeddedBroker(access=access) as broker:
        yield broker, certificate.read_text()


@pytest.mark.parametrize("trust", [Trust.PINNED, Trust.AUTHORITY])
def test_the_serial_number_proves_a_printer_over_tls(guarded_broker, connect, wait_for, trust):
    broker, pem = guarded_broker
    secrets = {"access_code": "12345678", "trust": trust, "certificate": pem}
    connection = connect(broker.host, broker.port, serial="SERIAL1", address=secrets)
    wait_for(lambda: connection.link is Link.ONLINE)


def test_a_wrong_access_code_is_reported_once_and_not_tried_again(guarded_broker, connect, heard, wait_for):
    broker, pem = guarded_broker
    secrets = {"access_code": "wrong", "trust": Trust.PINNED, "certificate": pem}
    now = [0.0]
    connection = connect(broker.host, broker.port, serial="SERIAL1", address=secrets, clock=lambda: now[0])
    wait_for(lambda: connection.link is Link.REFUSED)
    refused = connection.client_id
    now[0] = 10_000.0
    connection.check()
    assert connection.client_id == refused
    assert heard.links == [Link.REFUSED]
    with pytest.raises(PrinterNotConnected):
        connection.send(pause())


@pytest.mark.parametrize(("serial", "trust"), [("SERIAL2", Trust.AUTHORITY), ("SERIAL1", Trust.PINNED)])
def test_a_stranger_never_gets_the_access_code(guarded_broker, tmp_path, serial, trust):
    broker, pem = guarded_broker
    if trust is Trust.PINNED:
        pem = printer_certificate(tmp_path, serial)[0].read_text()
    context = PrinterAddress(serial, broker.host, trust=trust, certificate=pem).tls_context()
    with (
        socket.create_connection((broker.host, broker.port)) as plain,
        pytest.raises(OSError, match="CERTIFICATE_VERIFY"),
    ):
        context.wrap_socket(plain)
