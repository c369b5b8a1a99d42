"""Access codes, addresses, and commands as rows; nothing here speaks to a machine."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from blb3d.core import outbox
from blb3d.core.outbox import OutboxEvent
from integrations.bambu.address import Trust
from integrations.bambu.simulator import Family, Reel, SimulatedPrinter, printer_certificate
from integrations.models import PrinterCommand, PrinterConnection
from integrations.printers import commands
from integrations.printers.addresses import command_address, file_address, first_certificate, has_no_trust
from integrations.printers.backend import BambuLan
from integrations.printers.errors import AccessCodeUnreadable, StrangeCertificate
from integrations.printers.simulation import family, pace, simulated_farm
from integrations.printers.tasks import dispatch_jobs
from inventory.tests.concurrency import shared_database, together  # noqa: F401
from inventory.tests.factories import system_actor
from production import services as production
from production.models import Printer
from production.tests.factories import PrinterFactory, black_pla, finished, printable, queued, sent, stock

pytestmark = pytest.mark.django_db

CODE = "31415926"


def connection(**values: Any) -> PrinterConnection:
    link = PrinterConnection(printer=PrinterFactory(loaded=[black_pla()]), host="192.0.2.7", **values)
    link.set_access_code(CODE)
    link.save()
    return link


# --- access codes ----------------------------------------------------------------------------------------------------


def test_an_access_code_is_kept_encrypted_and_read_back() -> None:
    link = PrinterConnection.objects.get(pk=connection().pk)
    assert link.access_code() == CODE
    assert CODE not in link.access_code_encrypted


def test_an_access_code_stands_nowhere_else() -> None:
    link = connection(use_tls=False)
    row = link.history.get()
    assert not hasattr(row, "access_code_encrypted")
    assert CODE not in f"{link!r} {link} {command_address(link)!r} {row.__dict__}"
    assert OutboxEvent.objects.count() == 0


def test_no_access_code_is_an_empty_one() -> None:
    link = connection()
    link.set_access_code("")
    assert (link.access_code(), link.access_code_encrypted) == ("", "")


def test_another_key_cannot_read_an_access_code(settings: Any) -> None:
    link = connection()
    settings.PRINTER_SECRET_KEY = "another key of some length"
    with pytest.raises(AccessCodeUnreadable):
        link.access_code()


# --- addresses -------------------------------------------------------------------------------------------------------


def test_a_printer_is_reached_at_its_own_address(settings: Any, tmp_path: Path) -> None:
    settings.MQTT_CA_FILE = str(tmp_path / "ca.pem")
    (tmp_path / "ca.pem").write_text("authority")
    address = command_address(connection(mqtt_port=8884))
    assert (address.host, address.mqtt_port, address.ftps_port) == ("192.0.2.7", 8884, 990)
    assert (address.trust, address.certificate, address.access_code) == (Trust.AUTHORITY, "authority", CODE)


def test_a_pinned_certificate_is_what_counts() -> None:
    address = file_address(connection(pinned_certificate="this one"))
    assert (address.trust, address.certificate) == (Trust.PINNED, "this one")


def test_one_broker_takes_the_commands_of_all_printers(settings: Any) -> None:
    settings.MQTT_HOST, settings.MQTT_PORT, settings.MQTT_TLS = "broker.example", 18830, False
    link = connection(use_tls=False)
    assert (command_address(link).host, command_address(link).mqtt_port) == ("broker.example", 18830)
    assert command_address(link).trust is Trust.OFF
    assert file_address(link).host == "192.0.2.7"


def test_the_certificate_of_one_broker_must_name_it(settings: Any, tmp_path: Path) -> None:
    settings.MQTT_HOST, settings.MQTT_TLS, settings.MQTT_CA_FILE = "broker.example", True, str(tmp_path / "ca.pem")
    (tmp_path / "ca.pem").write_text(printer_certificate(tmp_path / "keys", "SERIAL1")[0].read_text())
    context = command_address(connection()).tls_context()
    assert context is not None
    assert (context.check_hostname, getattr(context, "serial", "")) == (True, "broker.example")


def test_the_certificate_shown_first_is_taken_when_it_names_the_printer(tmp_path: Path) -> None:
    link = connection()
    assert has_no_trust(link)
    serial = link.printer.serial
    certificate, key = printer_certificate(tmp_path / "keys", serial)
    with SimulatedPrinter(serial, tmp_path / "card", certificate=certificate, key=key) as machine:
        link.host, link.ftps_port = "127.0.0.1", machine.card.port
        assert first_certificate(link) == ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert(certificate.read_text()))
        link.printer.serial = "01P00OTHER"
        with pytest.raises(StrangeCertificate):
            first_certificate(link)


# --- commands --------------------------------------------------------------------------------------------------------


def test_a_dispatched_job_becomes_one_command() -> None:
    _, [job] = queued(printable())
    sent(job)
    outbox.drain()
    BambuLan().start(job)
    command = PrinterCommand.objects.get()
    assert (command.kind, command.job, command.printer, command.dispatch) == ("start", job, job.printer, 1)


def test_each_dispatch_of_a_job_is_a_command_of_its_own() -> None:
    _, [job] = queued(printable())
    printer = PrinterFactory(loaded=[black_pla()])
    for _ in range(2):
        sent(job, printer)
        outbox.drain()
        production.requeue_job(job, actor=system_actor(), reason="try again")
    assert list(PrinterCommand.objects.order_by("id").values_list("dispatch", flat=True)) == [1, 2]


def test_a_job_that_is_not_sent_any_more_makes_no_command() -> None:
    _, [job] = queued(printable())
    sent(job)
    production.requeue_job(job, actor=system_actor(), reason="another printer")
    outbox.drain()
    assert PrinterCommand.objects.count() == 0


def test_a_request_is_written_once_while_it_waits() -> None:
    _, [job] = queued(printable())
    production.begin_job(sent(job), actor=system_actor())
    for _ in range(2):
        production.request_pause(job, actor=system_actor())
        production.request_cancel(job, actor=system_actor(), reason="enough")
    outbox.drain()
    kinds = PrinterCommand.objects.exclude(kind="start").order_by("kind").values_list("kind", flat=True)
    assert list(kinds) == ["pause", "stop"]


def test_a_request_for_a_job_that_is_over_makes_no_command() -> None:
    stock(black_pla())
    _, [job] = queued(printable())
    production.begin_job(sent(job), actor=system_actor())
    production.request_pause(job, actor=system_actor())
    production.record_finished(job, actor=system_actor())
    outbox.drain()
    assert not PrinterCommand.objects.filter(kind="pause").exists()


def test_a_published_start_is_not_due() -> None:
    _, [job] = queued(printable())
    sent(job)
    outbox.drain()
    assert [command.job for command in commands.due([job.printer_id])] == [job]
    PrinterCommand.objects.update(published_at=timezone.now())
    assert commands.due([job.printer_id]) == []


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("shared_database")
def test_one_of_two_workers_claims_a_command() -> None:
    _, [job] = queued(printable())
    sent(job)
    outbox.drain()
    claims = [PrinterCommand.objects.get().claim for _ in range(4)]
    assert sorted(together(*claims)) == [False, False, False, True]


# --- dispatching -----------------------------------------------------------------------------------------------------


def test_the_dispatcher_sends_what_fits(settings: Any) -> None:
    _, [job] = queued(printable())
    printer = PrinterFactory(loaded=[black_pla()])
    assert dispatch_jobs() == 1
    job.refresh_from_db()
    assert (job.status, job.printer) == ("sent", printer)


def test_the_dispatcher_sends_nothing_without_automatic_routing(settings: Any) -> None:
    settings.ENABLE_AUTO_ROUTING = False
    queued(printable())
    PrinterFactory(loaded=[black_pla()])
    assert dispatch_jobs() == 0


def test_the_dispatcher_leaves_a_printer_alone_that_takes_no_commands() -> None:
    queued(printable())
    PrinterFactory(loaded=[black_pla()], write_access="no")
    assert dispatch_jobs() == 0


def test_the_dispatcher_waits_until_a_plate_is_cleared() -> None:
    stock(black_pla())
    _, [first, _] = queued(printable(), 2)
    printer = PrinterFactory(loaded=[black_pla()])
    finished(first, printer)
    assert dispatch_jobs() == 0


# --- the simulated farm ----------------------------------------------------------------------------------------------


def test_the_simulated_farm_is_made_after_the_rows(tmp_path: Path, settings: Any) -> None:
    settings.MQTT_HOST, settings.MQTT_PORT = "127.0.0.1", 1
    link = connection(use_tls=False, ftps_port=0)
    farm = simulated_farm(tmp_path, time_scale=60)
    machine = farm[link.printer.serial]
    try:
        assert (machine.family, machine.address.access_code) == (Family.P1, CODE)
        assert machine.machine.reels == {0: Reel("PLA", "000000")}
    finally:
        farm.stop()


def test_a_printer_out_of_service_or_deleted_leaves_the_others_their_ports(tmp_path: Path, settings: Any) -> None:
    settings.MQTT_HOST, settings.MQTT_PORT = "127.0.0.1", 1
    links = [connection(use_tls=False, ftps_port=47310 + number) for number in range(3)]
    Printer.objects.filter(pk=links[0].printer_id).update(is_active=False)
    Printer.objects.filter(pk=links[1].printer_id).update(deleted_at=timezone.now())
    farm = simulated_farm(tmp_path, time_scale=60, first_port=47310)
    try:
        ports = {machine.serial: machine.address.ftps_port for machine in farm.printers.values()}
        assert ports == {links[0].printer.serial: 47310, links[2].printer.serial: 47312}
    finally:
        farm.stop()


@pytest.mark.parametrize(
    ("model", "expected"),
    [("A1", Family.A1), ("A1 mini", Family.A1), ("P1S", Family.P1), ("Bambu Lab X1C", Family.X1), ("H2D", Family.H2),
     ("Unheard Of", Family.P1)],
)  # fmt: skip
def test_a_model_behaves_like_its_family(model: str, expected: Family) -> None:
    assert family(model) is expected


def test_a_watched_farm_prints_for_minutes_and_a_rushed_one_for_seconds() -> None:
    five_hours = 5 * 3600.0
    assert pace(60).job_seconds(five_hours) == 300
    assert pace(1200).job_seconds(five_hours * 10) == 40
    assert pace(1200).job_seconds(600) == 3


@pytest.mark.parametrize("command", ["mqtt_broker", "simulate_printers"])
def test_what_is_simulated_does_not_run_outside_the_demo(command: str, settings: Any) -> None:
    settings.DEMO = settings.DEBUG = False
    with pytest.raises(CommandError):
        call_command(command)
