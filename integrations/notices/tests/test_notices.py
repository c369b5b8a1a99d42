"""Who is told what happens on the floor: once, signed, in the end, and not at night."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core import outbox
from blb3d.core.errors import PartnerUnavailable
from blb3d.core.work import WorkStatus
from integrations.models import Notice, NoticeRule
from integrations.notices import sending, writing
from integrations.notices.errors import ForbiddenAddress
from integrations.notices.tests.receiver import Receiver
from integrations.printers import access_codes
from integrations.services import send_test_notice
from production import services as production
from production.models import Printer, PrinterGroup, PrintJob, ServicePlan
from production.tests.factories import PrinterFactory, black_pla, printable, printing, queued, stock, system_actor

pytestmark = pytest.mark.django_db

Event = NoticeRule.Event


def rule(event: str, **values: Any) -> NoticeRule:
    values = {"name": f"On {event}", "recipients": "floor@example.com", **values}
    made: NoticeRule = NoticeRule.objects.create(event=event, **values)
    return made


@pytest.fixture
def job() -> PrintJob:
    """A job that prints on Leonardo."""
    stock(black_pla())
    _, [job] = queued(printable(), 1)
    return printing(job, PrinterFactory(name="Leonardo", serial="LEO1", loaded=[black_pla()]))


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    settings.NOTICE_PRIVATE_URLS = True
    with Receiver() as running:
        yield running


def fail(job: PrintJob) -> None:
    production.record_failed(job, actor=system_actor(), code="0300_8004", text="nozzle clogged", progress_percent=40)
    outbox.drain()


def test_a_failed_print_is_mailed_once_to_those_who_asked_for_it(job: PrintJob, settings: Any) -> None:
    rule(Event.JOB_FAILED, recipients="a@example.com, b@example.com")
    rule(Event.JOB_PAUSED)
    rule(Event.JOB_FAILED, is_active=False)
    fail(job)
    assert (sending.drain(), sending.drain()) == (1, 0)
    [sent] = mail.outbox
    assert sent.to == ["a@example.com", "b@example.com"]
    assert sent.subject == f"Leonardo: {job.code} failed"
    assert f"{job.code} (plate 1, revision 1) failed on Leonardo: 0300_8004 nozzle clogged." in sent.body
    assert f"{settings.BASE_URL}/floor/printers/" in sent.body
    assert Notice.objects.get().status == WorkStatus.DONE


@pytest.mark.parametrize(
    ("act", "event", "word"),
    [
        (lambda job: production.record_paused(job, actor=system_actor(), reason="filament runout"),
         Event.JOB_PAUSED, "paused on Leonardo: filament runout"),
        (lambda job: production.lose_job(job, actor=system_actor(), reason="not heard"),
         Event.JOB_UNKNOWN, "ended unseen on Leonardo: not heard"),
        (lambda job: production.report_problem(job.printer, text="Belt is loose", actor=system_actor()),
         Event.PROBLEM_REPORTED, "Belt is loose"),
    ],
)  # fmt: skip
def test_what_happens_is_told_with_its_reason(job: PrintJob, act: Any, event: str, word: str) -> None:
    rule(event)
    act(job)
    outbox.drain()
    assert word in Notice.objects.get().text


def test_a_rule_of_a_group_hears_of_its_printers_alone(job: PrintJob) -> None:
    ours, other = PrinterGroup.objects.create(name="ours"), PrinterGroup.objects.create(name="other")
    assert job.printer is not None
    job.printer.groups.add(ours)
    wanted = rule(Event.JOB_FAILED, printer_group=ours)
    rule(Event.JOB_FAILED, printer_group=other)
    fail(job)
    assert Notice.objects.get().rule == wanted


def test_a_webhook_is_signed_so_that_its_receiver_can_tell_us(job: PrintJob, receiver: Receiver) -> None:
    rule(Event.JOB_FAILED, channel="webhook", url=receiver.url, secret_encrypted=access_codes.encrypt("shared secret"))
    fail(job)
    assert sending.drain() == 1
    [(headers, body)] = receiver.got
    expected = hmac.new(b"shared secret", headers["X-BLB3D-Timestamp"].encode() + b"." + body, hashlib.sha256)
    assert headers["X-BLB3D-Signature"] == f"sha256={expected.hexdigest()}"
    told = json.loads(body)
    notice = Notice.objects.get()
    assert (told["id"], told["event"], told["subject"]) == (notice.pk, "job_failed", notice.subject)
    assert told["details"] == {"event": "job_failed", "job": job.code, "printer": "Leonardo"}
    assert told["url"].endswith(notice.path)


def test_a_receiver_in_trouble_is_asked_again_and_one_that_refuses_is_laid_before_a_person(
    job: PrintJob, receiver: Receiver
) -> None:
    rule(Event.JOB_FAILED, channel="webhook", url=receiver.url)
    fail(job)
    receiver.troubles = [503]
    assert sending.drain() == 0
    notice = Notice.objects.get()
    assert (notice.status, notice.attempts) == (WorkStatus.PENDING, 1)
    assert notice.next_attempt_at > timezone.now()
    Notice.objects.update(next_attempt_at=timezone.now())
    receiver.troubles = [410]
    sending.drain()
    notice.refresh_from_db()
    assert (notice.status, receiver.got) == (WorkStatus.DEAD, [])
    notice.replay()
    assert sending.drain() == 1


def test_a_redirect_is_not_followed(job: PrintJob, receiver: Receiver) -> None:
    rule(Event.JOB_FAILED, channel="webhook", url=receiver.url)
    fail(job)
    receiver.troubles = [302]
    assert (sending.drain(), receiver.got) == (0, [])


def test_a_dead_address_stops_nobody_elses_notice(job: PrintJob, receiver: Receiver) -> None:
    rule(Event.JOB_FAILED, channel="webhook", url="http://127.0.0.1:9/")
    rule(Event.JOB_FAILED)
    fail(job)
    assert sending.drain() == 1
    assert [row.status for row in Notice.objects.order_by("id")] == [WorkStatus.PENDING, WorkStatus.DONE]


def test_a_webhook_goes_to_the_address_that_was_checked(
    job: PrintJob, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """A name that leads to a public address when it is checked, and into our network when it is called."""
    settings.NOTICE_PRIVATE_URLS = False
    port = urlsplit(receiver.url).port
    real, asked = socket.getaddrinfo, []

    def answer(host: Any, *rest: Any, **more: Any) -> Any:
        asked.append(host)
        if host == "hooks.example":
            return real("203.0.113.7" if asked.count(host) == 1 else "127.0.0.1", port, proto=socket.IPPROTO_TCP)
        return real(host, *rest, **more)

    dialled = []

    def dial(address: Any, *rest: Any, **more: Any) -> Any:
        dialled.append(address)
        raise OSError("nobody is called in a test")

    monkeypatch.setattr(socket, "getaddrinfo", answer)
    monkeypatch.setattr(socket, "create_connection", dial)
    monkeypatch.setattr(sending, "_is_public", lambda address: address == "203.0.113.7")
    rule(Event.JOB_FAILED, channel="webhook", url=f"http://hooks.example:{port}/hook")
    fail(job)
    assert (sending.drain(), receiver.got) == (0, [])
    assert dialled == [("203.0.113.7", port)]
    assert asked.count("hooks.example") == 1


@pytest.mark.parametrize("url", ["https://example.com:99999/", "https://a..example.com/"])
def test_an_address_that_cannot_be_called_stands_in_nobodys_way(job: PrintJob, settings: Any, url: str) -> None:
    settings.NOTICE_PRIVATE_URLS = False
    rule(Event.JOB_FAILED, channel="webhook", url=url)
    rule(Event.JOB_FAILED)
    fail(job)
    assert sending.drain() == 1
    assert [row.status for row in Notice.objects.order_by("id")] == [WorkStatus.DEAD, WorkStatus.DONE]


@pytest.mark.parametrize("host", ["[::ffff:10.0.0.1]", "[64:ff9b::a00:1]", "[2002:a00:1::]", "224.0.0.1"])
def test_a_private_address_within_another_is_private(host: str) -> None:
    with pytest.raises(ForbiddenAddress):
        sending.check_address(f"http://{host}/admin")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.1.2.3", "192.168.0.9", "169.254.169.254", "[::1]"])
def test_webhooks_do_not_reach_into_private_networks(host: str) -> None:
    with pytest.raises(ForbiddenAddress):
        sending.check_address(f"http://{host}/admin")


def test_a_host_that_cannot_be_found_is_tried_later() -> None:
    with pytest.raises(PartnerUnavailable):
        sending.check_address("https://nowhere.invalid/")


def test_a_plate_that_waits_too_long_is_told_once(job: PrintJob) -> None:
    rule(Event.PLATE_WAITING, after_minutes=30)
    ended = timezone.now()
    production.record_finished(job, actor=system_actor(), at=ended)
    assert writing.look_around(ended + datetime.timedelta(minutes=29)) == 0
    assert writing.look_around(ended + datetime.timedelta(minutes=31)) == 1
    assert writing.look_around(ended + datetime.timedelta(minutes=90)) == 0
    assert Notice.objects.get().subject == "Leonardo: the plate waits to be cleared"


def test_a_printer_is_idle_only_while_work_waits(job: PrintJob) -> None:
    rule(Event.PRINTER_IDLE, after_minutes=10)
    idle: Printer = PrinterFactory(name="Raphael")
    later = timezone.now() + datetime.timedelta(minutes=11)
    assert writing.look_around(later) == 0
    queued(printable(), 1)
    assert (writing.look_around(later), writing.look_around(later)) == (1, 0)
    assert Notice.objects.get().details["printer"] == "Raphael"
    Printer.objects.filter(pk=idle.pk).update(state_at=later)
    assert writing.look_around(later + datetime.timedelta(minutes=11)) == 1


def test_a_silent_printer_is_told_once_per_silence() -> None:
    rule(Event.PRINTER_SILENT, after_minutes=5)
    heard = timezone.now()
    printer: Printer = PrinterFactory(name="Donatello", last_seen_at=heard, connection="stale")
    later = heard + datetime.timedelta(minutes=6)
    assert (writing.look_around(later), writing.look_around(later)) == (1, 0)
    Printer.objects.filter(pk=printer.pk).update(last_seen_at=later)
    assert writing.look_around(later + datetime.timedelta(minutes=6)) == 1


def test_an_overdue_service_is_told_until_it_is_done_and_then_anew() -> None:
    rule(Event.SERVICE_DUE)
    printer: Printer = PrinterFactory(name="Leonardo", jobs_done=100)
    plan = ServicePlan.objects.create(task="Grease the rods", printer=printer, every_jobs=50)
    assert (writing.look_around(), writing.look_around()) == (1, 0)
    assert Notice.objects.get().subject == "Leonardo: Grease the rods is overdue"
    production.record_service(printer, plan=plan, actor=system_actor())
    assert writing.look_around() == 0
    Printer.objects.filter(pk=printer.pk).update(jobs_done=200)
    assert writing.look_around() == 1


@pytest.mark.parametrize(
    ("at", "told"),
    [("21:59", "21:59"), ("22:00", "06:30 next"), ("23:30", "06:30 next"), ("03:00", "06:30"), ("06:30", "06:30")],
)
def test_quiet_hours_end_before_anybody_is_told(at: str, told: str, settings: Any) -> None:
    zone = ZoneInfo(settings.TIME_ZONE)
    quiet = NoticeRule(quiet_from=datetime.time(22), quiet_to=datetime.time(6, 30))
    hour, minute = map(int, at.split(":"))
    now = datetime.datetime(2026, 11, 20, hour, minute, tzinfo=zone)
    clock, _, is_next = told.partition(" ")
    hour, minute = map(int, clock.split(":"))
    expected = datetime.datetime(2026, 11, 21 if is_next else 20, hour, minute, tzinfo=zone)
    assert writing.after_quiet_hours(quiet, now) == expected


def test_much_news_costs_no_more_queries_than_one(django_assert_num_queries: Any) -> None:
    for _ in range(3):
        rule(Event.PRINTER_SILENT)
    rules = list(NoticeRule.objects.all())
    for number in (1, 20):
        news = [
            writing.Occurrence(Event.PRINTER_SILENT, f"{number}-{one}", "silent", "silent", "/", None)
            for one in range(number)
        ]
        with django_assert_num_queries(2):
            assert writing.write_notices(news, rules) == 3 * number


def test_a_test_notice_reaches_the_rules_people(receiver: Receiver, admin_user: User) -> None:
    tried = rule(Event.JOB_FAILED, channel="webhook", url=receiver.url)
    send_test_notice(tried, actor=admin_user)
    assert sending.drain() == 1
    assert json.loads(receiver.got[0][1])["details"] == {"event": "test"}


def test_the_console_keeps_a_rules_secret_and_refuses_one_that_leads_nowhere(admin_client: Client) -> None:
    address = reverse("admin:integrations_noticerule_add")
    form = {
        "name": "Failures", "event": "job_failed", "channel": "webhook", "url": "", "recipients": "",
        "after_minutes": "15", "is_active": "on", "secret": "s3cret",
    }  # fmt: skip
    assert "A webhook needs an address." in admin_client.post(address, form).content.decode()
    form["url"] = "https://hooks.example.com/farm"
    assert admin_client.post(address, form).status_code == 302
    made = NoticeRule.objects.get()
    assert access_codes.decrypt(made.secret_encrypted) == "s3cret"
    page = admin_client.get(reverse("admin:integrations_noticerule_change", args=[made.pk])).content.decode()
    assert "s3cret" not in page
    assert made.secret_encrypted not in page
