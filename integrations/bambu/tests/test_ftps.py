import hashlib
import io
import ssl

import pytest

from integrations.bambu.address import PrinterAddress, Trust
from integrations.bambu.broker import free_port
from integrations.bambu.errors import UploadFailed, UploadRefused
from integrations.bambu.ftps import DataChannel, upload
from integrations.bambu.simulator import printer_certificate
from integrations.bambu.simulator.storage import CardServer
from integrations.bambu.tests.peers import QuirkyCard

CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def card(tmp_path):
    """Return a function that starts a card server; everything started is stopped."""
    started = []

    def start(*, tls=True, **options):
        certificate, key = printer_certificate(tmp_path / "keys", "SERIAL1")
        files = {"certificate": certificate, "key": key} if tls else {}
        server = CardServer(tmp_path / "card", host="127.0.0.1", port=0, access_code="12345678", **files, **options)
        server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def address(tmp_path):
    def make(server, **changes):
        pem = printer_certificate(tmp_path / "keys", "SERIAL1")[0].read_text()
        values = {"serial": "SERIAL1", "host": "127.0.0.1", "access_code": "12345678", "ftps_port": server.port}
        return PrinterAddress(**{**values, "trust": Trust.PINNED, "certificate": pem, **changes})

    return make


@pytest.mark.parametrize("trust", [Trust.PINNED, Trust.AUTHORITY])
def test_a_file_arrives_whole_over_implicit_tls(card, address, tmp_path, trust):
    result = upload(address(card(), trust=trust), io.BytesIO(CONTENT), file_name="a.gcode.3mf")
    assert (result.size, result.data_channel) == (len(CONTENT), DataChannel.PROTECTED)
    assert result.md5 == hashlib.md5(CONTENT).hexdigest()
    assert (tmp_path / "card" / "a.gcode.3mf").read_bytes() == CONTENT


def test_an_upload_starts_at_the_beginning_of_a_file_that_was_read(card, address, tmp_path):
    source = io.BytesIO(CONTENT)
    source.read()
    upload(address(card()), source, file_name="a.3mf")
    assert (tmp_path / "card" / "a.3mf").stat().st_size == len(CONTENT)


def test_a_second_upload_replaces_the_file(card, address, tmp_path):
    where = address(card())
    upload(where, io.BytesIO(CONTENT), file_name="a.3mf")
    upload(where, io.BytesIO(b"short"), file_name="a.3mf")
    assert (tmp_path / "card" / "a.3mf").read_bytes() == b"short"


def test_plain_ftp_serves_the_demo(card, address, tmp_path):
    where = address(card(tls=False), trust=Trust.OFF, certificate="")
    assert upload(where, io.BytesIO(b"abc"), file_name="a.3mf").data_channel is DataChannel.CLEAR
    assert (tmp_path / "card" / "a.3mf").read_bytes() == b"abc"


def test_a_printer_that_takes_only_a_clear_data_channel_is_found_out_and_remembered(card, address, tmp_path):
    where = address(card(clear_data_only=True))
    first = upload(where, io.BytesIO(CONTENT), file_name="a.3mf")
    assert first.data_channel is DataChannel.CLEAR
    again = upload(where, io.BytesIO(CONTENT), file_name="b.3mf", data_channel=first.data_channel)
    assert again.data_channel is DataChannel.CLEAR
    assert (tmp_path / "card" / "b.3mf").read_bytes() == CONTENT


def test_a_data_channel_that_was_asked_for_is_not_given_up(card, address):
    where = address(card(clear_data_only=True))
    with pytest.raises(UploadFailed):
        upload(where, io.BytesIO(b"abc"), file_name="a.3mf", data_channel=DataChannel.PROTECTED)


def test_a_wrong_access_code_is_refused_for_good(card, address, tmp_path):
    with pytest.raises(UploadRefused) as refusal:
        upload(address(card(), access_code="wrong"), io.BytesIO(b"abc"), file_name="a.3mf")
    assert not refusal.value.transient
    assert list((tmp_path / "card").iterdir()) == []


def test_a_stranger_at_the_address_is_refused(card, address, tmp_path):
    other = printer_certificate(tmp_path / "others", "SERIAL1")[0].read_text()
    with pytest.raises(UploadRefused):
        upload(address(card(), certificate=other), io.BytesIO(b"abc"), file_name="a.3mf")


def test_a_stranger_at_the_data_channel_does_not_get_the_file_in_the_clear(card, address, monkeypatch, tmp_path):
    real = ssl.SSLContext.wrap_socket

    def wrap(self, sock, *args, **kwargs):
        if kwargs.get("session") is not None:
            stranger = ssl.SSLCertVerificationError("another certificate")
            stranger.verify_message = "another certificate"
            raise stranger
        return real(self, sock, *args, **kwargs)

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", wrap)
    with pytest.raises(UploadRefused):
        upload(address(card()), io.BytesIO(b"abc"), file_name="a.3mf")
    assert b"".join(file.read_bytes() for file in (tmp_path / "card").iterdir()) == b""


def test_another_printer_of_the_same_authority_is_refused(card, address):
    with pytest.raises(UploadRefused):
        upload(address(card(), serial="SERIAL2", trust=Trust.AUTHORITY), io.BytesIO(b"abc"), file_name="a.3mf")


def test_where_a_name_is_asked_for_the_certificate_must_be_made_out_to_it(card, address):
    server = card()
    with pytest.raises(UploadRefused):
        upload(address(server, name="broker.example"), io.BytesIO(b"abc"), file_name="a.3mf")
    assert upload(address(server, serial="SERIAL2", name="SERIAL1"), io.BytesIO(b"abc"), file_name="a.3mf").size == 3


def test_a_pinned_certificate_may_carry_any_name(card, address):
    assert upload(address(card(), serial="SERIAL2"), io.BytesIO(b"abc"), file_name="a.3mf").size == 3


def test_a_printer_that_is_off_may_be_tried_again(card, address):
    with pytest.raises(UploadFailed) as failure:
        upload(address(card(), ftps_port=free_port()), io.BytesIO(b"abc"), file_name="a.3mf")
    assert failure.value.transient


def test_a_name_with_a_line_break_never_reaches_the_printer(card, address, tmp_path):
    with pytest.raises(UploadFailed):
        upload(address(card()), io.BytesIO(b"abc"), file_name="a.3mf\r\nDELE b")
    assert list((tmp_path / "card").iterdir()) == []


def test_a_transfer_that_takes_too_long_is_given_up(card, address):
    times = iter([0.0] + [1000.0] * 10)
    with pytest.raises(UploadFailed, match="could not be transferred") as failure:
        upload(address(card()), io.BytesIO(CONTENT), file_name="a.3mf", clock=lambda: next(times))
    assert failure.value.details["reason"] == "the transfer took too long"


# --- cards with ways of their own ------------------------------------------------------------------------------------


def quirky(card):
    return PrinterAddress("SERIAL1", "127.0.0.1", access_code="1", ftps_port=card.port, trust=Trust.OFF)


@pytest.mark.parametrize("answer", ["226 done", "426 Connection closed; transfer aborted", "451 Local error"])
def test_an_interruption_at_the_very_end_is_judged_by_the_size(answer):
    with QuirkyCard((answer, None)) as card:
        result = upload(quirky(card), io.BytesIO(CONTENT), file_name="a.3mf")
        assert (result.size, card.files["a.3mf"]) == (len(CONTENT), CONTENT)


@pytest.mark.parametrize("answer", ["226 done", "426 aborted"])
def test_a_file_that_arrived_in_part_is_a_failure_whatever_the_card_says(answer):
    with QuirkyCard((answer, 1000)) as card, pytest.raises(UploadFailed) as failure:
        upload(quirky(card), io.BytesIO(CONTENT), file_name="a.3mf")
    assert failure.value.details["reason"] == f"1000 of {len(CONTENT)} bytes arrived"


def test_after_a_transfer_that_broke_the_whole_file_is_sent_again():
    with QuirkyCard(("", 1000), ("226 done", None)) as card:
        with pytest.raises(UploadFailed):
            upload(quirky(card), io.BytesIO(CONTENT), file_name="a.3mf")
        upload(quirky(card), io.BytesIO(CONTENT), file_name="a.3mf")
        assert (card.transfers, card.files["a.3mf"]) == (2, CONTENT)


def test_a_full_card_is_refused_for_good():
    with QuirkyCard(("552 Storage full", 10)) as card, pytest.raises(UploadRefused, match="refused the file"):
        upload(quirky(card), io.BytesIO(CONTENT), file_name="a.3mf")
