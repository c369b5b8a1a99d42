"""The client on the wire: many printers on one line, frames however they are cut, garbage, and brokers that go away."""

import datetime
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from integrations.bambu.address import PrinterAddress, Trust
from integrations.bambu.broker import BrokerAccess, EmbeddedBroker
from integrations.bambu.connection import Line, Link, PrinterConnection
from integrations.bambu.mqtt import MAX_PACKET_BYTES, publish_packet
from integrations.bambu.protocol import pause
from integrations.bambu.tests.peers import DeafBroker, TalkingBroker

TOPIC = "device/S1/report"


class Farm:
    """Printers on lines; everything that was started is stopped."""

    def __init__(self):
        self.frames, self.links, self.connections = {}, {}, []

    def line(self, broker):
        return Line(PrinterAddress("broker", "127.0.0.1", mqtt_port=broker.port, trust=Trust.OFF), is_shared=True)

    def printer(self, broker, serial="S1", *, line=None, **changes):
        values = {"serial": serial, "host": "127.0.0.1", "mqtt_port": broker.port, "trust": Trust.OFF, **changes}
        frames, links = self.frames.setdefault(serial, []), self.links.setdefault(serial, [])
        connection = PrinterConnection(
            PrinterAddress(**values),
            on_frame=lambda _, payload: frames.append(payload),
            on_link=lambda _, link, reason: links.append(link),
            line=line,
        )
        self.connections.append(connection)
        connection.start()
        return connection


@pytest.fixture
def farm():
    made = Farm()
    yield made
    for connection in made.connections:
        connection.stop()


@pytest.fixture
def broker():
    with TalkingBroker() as running:
        yield running


def test_printers_at_a_common_broker_share_one_session_and_hear_only_themselves(farm, broker, wait_for):
    line = farm.line(broker)
    serials = [f"S{number}" for number in range(50)]
    for serial in serials:
        farm.printer(broker, serial, line=line)
    wait_for(lambda: all(connection.link is Link.ONLINE for connection in farm.connections))
    assert len(broker.client_ids) == 1
    assert sorted(broker.topics) == sorted(f"device/{serial}/report" for serial in serials)
    for serial in serials:
        broker.say(serial, serial.encode())
    broker.say("STRANGER", b"not ours")
    wait_for(lambda: all(farm.frames[serial] for serial in serials))
    assert farm.frames == {serial: [serial.encode()] for serial in serials}


def test_many_printers_of_their_own_need_one_network_thread(farm, broker, wait_for):
    for number in range(30):
        farm.printer(broker, f"S{number}")
    wait_for(lambda: all(connection.link is Link.ONLINE for connection in farm.connections))
    assert len(set(broker.client_ids)) == 30
    assert [thread.name for thread in threading.enumerate()].count("printer-network") == 1


def test_a_printer_that_leaves_a_common_line_takes_nobody_with_it(farm, broker, wait_for):
    line = farm.line(broker)
    first, second = farm.printer(broker, "S1", line=line), farm.printer(broker, "S2", line=line)
    wait_for(lambda: first.link is second.link is Link.ONLINE)
    first.stop()
    broker.say("S1", b"late")
    broker.say("S2", b"here")
    wait_for(lambda: farm.frames["S2"] == [b"here"])
    assert (farm.frames["S1"], second.link, broker.goodbyes) == ([], Link.ONLINE, 0)
    second.stop()
    wait_for(lambda: broker.goodbyes == 1)


def test_a_printer_that_joins_later_is_subscribed_on_the_running_line(farm, broker, wait_for):
    line = farm.line(broker)
    first = farm.printer(broker, "S1", line=line)
    wait_for(lambda: first.link is Link.ONLINE)
    later = farm.printer(broker, "S2", line=line)
    wait_for(lambda: later.link is Link.ONLINE)
    assert len(broker.client_ids) == 1


def test_a_silent_printer_on_a_common_line_is_asked_for_again_and_the_others_go_on(farm, broker, wait_for):
    now = [0.0]
    line = farm.line(broker)
    loud = farm.printer(broker, "S1", line=line)
    quiet = PrinterConnection(
        PrinterAddress("S2", "127.0.0.1", mqtt_port=broker.port, trust=Trust.OFF),
        on_frame=lambda *_: None,
        line=line,
        clock=lambda: now[0],
    )
    farm.connections.append(quiet)
    quiet.start()
    wait_for(lambda: loud.link is quiet.link is Link.ONLINE)
    now[0] = 61.0
    quiet.check()
    wait_for(lambda: "start" in broker.commands)
    now[0] = 122.0
    quiet.check()
    wait_for(lambda: broker.topics.count("device/S2/report") == 2 and quiet.link is Link.ONLINE)
    assert (len(broker.client_ids), farm.links["S1"]) == (1, [Link.ONLINE])


def test_a_common_broker_that_hangs_up_is_found_again_by_all(farm, broker, wait_for):
    line = farm.line(broker)
    connections = [farm.printer(broker, f"S{number}", line=line) for number in range(5)]
    wait_for(lambda: all(connection.link is Link.ONLINE for connection in connections))
    broker.hang_up()
    wait_for(lambda: all(links == [Link.ONLINE, Link.CONNECTING, Link.ONLINE] for links in farm.links.values()))
    connections[3].send(pause())
    assert broker.commands.count("pause") == 1


def test_what_a_common_broker_did_not_confirm_is_never_sent_again(farm, wait_for):
    with DeafBroker() as broker:
        line = farm.line(broker)
        connection = farm.printer(broker, "S1", line=line)
        wait_for(lambda: connection.link is Link.ONLINE)
        with pytest.raises(Exception, match="PRINTER_002"):
            connection.send(pause(), timeout=0.3)
        wait_for(lambda: len(set(broker.client_ids)) == 2 and connection.link is Link.ONLINE)
        assert broker.commands.count("pause") == 1


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_frames_arrive_whole_however_they_are_cut(farm, broker, wait_for, size):
    connection = farm.printer(broker)
    wait_for(lambda: connection.link is Link.ONLINE)
    payloads = [b"a", b"b" * 130, b"c" * 20_000 if size > 7 else b"c" * 300, b""]
    raw = b"".join(publish_packet(TOPIC, payload) for payload in payloads)
    for start in range(0, len(raw), size):
        broker.send(raw[start : start + size])
    wait_for(lambda: len(farm.frames["S1"]) == len(payloads))
    assert farm.frames["S1"] == payloads


def test_a_frame_that_is_too_long_is_read_past_and_the_session_lives(farm, broker, wait_for):
    connection = farm.printer(broker)
    wait_for(lambda: connection.link is Link.ONLINE)
    broker.say("S1", b"x" * (3 * MAX_PACKET_BYTES))
    broker.say("S1", b"after")
    wait_for(lambda: farm.frames["S1"] == [b"after"])
    assert farm.links["S1"] == [Link.ONLINE]


def test_a_message_that_wants_a_confirmation_gets_it(farm, broker, wait_for):
    connection = farm.printer(broker)
    wait_for(lambda: connection.link is Link.ONLINE)
    broker.send(publish_packet(TOPIC, b"at QoS 1", number=7))
    wait_for(lambda: broker.confirmed == [7] and farm.frames["S1"] == [b"at QoS 1"])


@pytest.mark.parametrize(
    "garbage", [b"\x30\xff\xff\xff\xff\x01", b"\x30\x00", b"\x30\x01\x00", b"\x90\x01\x00", b"\x20\x00"]
)
def test_a_broker_that_does_not_speak_the_protocol_is_left_and_tried_again(farm, broker, wait_for, garbage):
    connection = farm.printer(broker)
    wait_for(lambda: connection.link is Link.ONLINE)
    broker.send(garbage)
    wait_for(lambda: farm.links["S1"] == [Link.ONLINE, Link.CONNECTING, Link.ONLINE])


# --- certificates ----------------------------------------------------------------------------------------------------


class Authority:
    """A certificate authority without the key-usage extension, as the printers' maker has it, and what it issues."""

    def __init__(self, folder):
        self.folder = folder
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.pem = self._certificate("Printer CA", self.key, "Printer CA", is_authority=True)

    def issue(self, name, *, days=(-1, 30), issuer=None, key=None):
        """Return the files of a certificate and its key; ``issuer`` is an intermediate that is sent along."""
        own = ec.generate_private_key(ec.SECP256R1())
        pem = self._certificate(name, own, issuer or "Printer CA", days=days, signed_by=key)
        certificate, keys = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_text(pem)
        form, kind = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        keys.write_bytes(own.private_bytes(form, kind, serialization.NoEncryption()))
        return certificate, keys

    def with_intermediate(self, name):
        """Return the files of a certificate that an intermediate signed; the file holds the chain."""
        middle = ec.generate_private_key(ec.SECP256R1())
        chain = self._certificate("Printer CA 2", middle, "Printer CA", is_authority=True)
        certificate, keys = self.issue(name, issuer="Printer CA 2", key=middle)
        certificate.write_text(certificate.read_text() + chain)
        return certificate, keys

    def _certificate(self, name, key, issuer, *, is_authority=False, days=(-1, 30), signed_by=None):
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=days[0]))
            .not_valid_after(now + datetime.timedelta(days=days[1]))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        signed = made.sign(signed_by or self.key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def guarded(files):
    return EmbeddedBroker(access=BrokerAccess(certificate=files[0], key=files[1]))


def test_a_printer_whose_chain_leads_to_the_authority_is_trusted(farm, authority, wait_for):
    with guarded(authority.with_intermediate("S1")) as broker:
        connection = farm.printer(broker, trust=Trust.AUTHORITY, certificate=authority.pem)
        wait_for(lambda: connection.link is Link.ONLINE)


@pytest.mark.parametrize(
    ("name", "days", "told"),
    [("S2", (-1, 30), "Hostname mismatch"), ("S1", (-30, -1), "expired"), ("S1", (1, 30), "not yet valid")],
)
def test_a_printer_with_a_wrong_or_expired_certificate_is_not_spoken_to(farm, authority, wait_for, name, days, told):
    with guarded(authority.issue(name, days=days)) as broker:
        secrets = {"trust": Trust.AUTHORITY, "certificate": authority.pem, "access_code": "12345678"}
        connection = farm.printer(broker, **secrets)
        wait_for(lambda: told in connection.problem)
    assert farm.links["S1"] == []
    assert "12345678" not in f"{connection.problem} {connection.address!r} {connection.__dict__}"


def test_a_certificate_of_another_authority_is_refused(farm, authority, tmp_path, wait_for):
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    with guarded(other.issue("S1")) as broker:
        connection = farm.printer(broker, trust=Trust.AUTHORITY, certificate=authority.pem)
        wait_for(lambda: "CERTIFICATE_VERIFY_FAILED" in connection.problem)
    assert farm.links["S1"] == []


def test_a_certificate_that_cannot_be_read_is_an_error_at_the_start(farm, broker):
    with pytest.raises(ssl.SSLError):
        farm.printer(broker, trust=Trust.AUTHORITY, certificate="-----BEGIN CERTIFICATE-----\nrubbish\n")
