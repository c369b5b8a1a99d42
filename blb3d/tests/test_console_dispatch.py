"""The console's pages of jobs to start and services due."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from blb3d.accounts.models import User
from blb3d.accounts.tests.factories import StaffFactory, SuperuserFactory
from production.models import Printer, PrinterGroup, PrintJob, ServicePlan
from production.tests.factories import PrinterFactory, black_pla, printable, queued

pytestmark = pytest.mark.django_db

PAGE, CONFIRM = reverse("console-dispatch"), reverse("console-dispatch-confirm")


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(SuperuserFactory())
    return client


def said(answer: object) -> list[str]:
    return [str(message) for message in answer.context["messages"]]  # type: ignore[attr-defined]


def test_a_person_sends_one_suggested_job_and_then_the_rest(boss: Client) -> None:
    _, jobs = queued(printable(), 3)
    group = PrinterGroup.objects.create(name="Cell", dispatch=PrinterGroup.Dispatch.SUGGEST)
    group.printers.set([PrinterFactory(name=f"Cell {n}", loaded=[black_pla()]) for n in range(3)])
    page = boss.get(PAGE).content.decode()
    assert all(job.code in page for job in jobs)
    assert boss.get(reverse("admin:index")).content.decode().count("Jobs to start") >= 1
    one = boss.post(CONFIRM, {"job": jobs[1].pk}, follow=True)
    assert said(one) == [f"{jobs[1].code} is on its way to Cell 1."]
    rest = boss.post(CONFIRM, follow=True)
    assert said(rest) == [f"{jobs[0].code} is on its way to Cell 0.", f"{jobs[2].code} is on its way to Cell 2."]
    assert "[PRINT_014]" in said(boss.post(CONFIRM, {"job": jobs[0].pk}, follow=True))[0]
    assert said(boss.post(CONFIRM, follow=True)) == ["Nothing is suggested now."]
    assert said(boss.post(CONFIRM, {"job": "x"}, follow=True)) == ["There is no such print job."]
    assert set(PrintJob.objects.values_list("status", flat=True)) == {"sent"}


def test_the_page_names_the_file_to_start_at_a_read_only_printer(boss: Client) -> None:
    _, [job] = queued(printable(sku="VASE"))
    PrinterFactory(name="Old one", loaded=[black_pla()], write_access=Printer.WriteAccess.NO, connection="offline")
    page = boss.get(PAGE).content.decode()
    assert f"{job.code}_VASE.gcode.3mf" in page
    assert "Silent: see if it is free" in page


def test_services_are_listed_with_what_is_left_and_lead_to_recording(boss: Client) -> None:
    printer = PrinterFactory(name="P-1", jobs_done=7)
    ServicePlan.objects.create(task="Grease", printer=printer, every_jobs=5, blocks_printer=True)
    page = boss.get(reverse("console-services")).content.decode()
    assert "Overdue, no jobs" in page
    assert "-2 jobs" in page
    assert reverse("admin:production_printer_verb", args=[printer.pk, "record_service"]) in page
    assert "Services due" in boss.get(reverse("admin:index")).content.decode()


def test_only_who_may_dispatch_sends() -> None:
    client, nobody = Client(), StaffFactory()
    assert isinstance(nobody, User)
    client.force_login(nobody)
    assert client.post(CONFIRM).status_code == 403
    assert client.get(CONFIRM).status_code in (403, 405)
