"""Printers, their models, groups and services in the console."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client

from blb3d.accounts.tests.factories import SuperuserFactory
from blb3d.core.templatetags.blb3d_ui import when
from inventory.tests.factories import system_actor
from production import services as production
from production.models import Printer, PrinterGroup, PrinterModel, ProductionOrder, ServicePlan
from production.tests.factories import PrinterFactory, black_pla, printable, queued, sent

pytestmark = pytest.mark.django_db

NO_LINES = {
    f"{prefix}-{name}": 0
    for prefix in ("slots", "maintenance_windows", "problems")
    for name in ("TOTAL_FORMS", "INITIAL_FORMS")
}
ADD = "/admin/production/printer/add/"


@pytest.fixture
def console(client: Client) -> Client:
    client.force_login(SuperuserFactory())
    return client


def act(console: Client, row: object, name: str, **told: object) -> int:
    meta = row._meta  # type: ignore[attr-defined]
    address = f"/admin/production/{meta.model_name}/{row.pk}/verb/{name}/"  # type: ignore[attr-defined]
    return console.post(address, {**told, "_answered": "1"}).status_code


def test_a_new_printer_takes_from_its_model_what_was_left_empty(console: Client) -> None:
    PrinterModel.objects.create(
        name="H2D", build_x_mm=350, build_y_mm=320, build_z_mm=325, nozzle_diameter_mm=Decimal("0.60")
    )
    page = console.get(f"{ADD}?model=H2D").content.decode()
    assert 'value="350"' in page
    group = PrinterGroup.objects.create(name="Cell")
    typed = {"name": "Big", "serial": "S1", "model": "H2D", "build_y_mm": "300", "auto_dispatch": "on"}
    answer = console.post(ADD, {**typed, "tags": "enclosed, , hardened", "groups": [group.pk], **NO_LINES})
    assert answer.status_code == 302
    printer = Printer.objects.get(name="Big")
    assert (printer.build_x_mm, printer.build_y_mm, printer.build_z_mm) == (350, 300, 325)
    assert (printer.nozzle_diameter_mm, printer.tags) == (Decimal("0.60"), ["enclosed", "hardened"])
    assert list(printer.groups.all()) == [group]


def test_a_printer_of_an_unknown_model_starts_with_the_usual_values(console: Client) -> None:
    console.post(ADD, {"name": "Odd", "serial": "S2", "model": "MK4S", "tags": "", **NO_LINES})
    printer = Printer.objects.get(name="Odd")
    assert (printer.build_x_mm, printer.nozzle_diameter_mm, printer.tags) == (256, Decimal("0.40"), [])


def test_a_printer_leaves_service_with_a_reason_and_comes_back(console: Client) -> None:
    _, [job] = queued(printable())
    printer = PrinterFactory(loaded=[black_pla()])
    sent(job, printer)
    assert act(console, printer, "out_of_service", reason="") == 200
    assert act(console, printer, "out_of_service", reason="New belt") == 302
    printer.refresh_from_db()
    job.refresh_from_db()
    assert (printer.is_active, printer.out_of_service_reason, job.status) == (False, "New belt", "queued")
    assert act(console, printer, "in_service") == 302
    printer.refresh_from_db()
    assert printer.is_active


def test_a_service_is_recorded_by_its_plan_or_its_name(console: Client) -> None:
    printer = PrinterFactory()
    plan = ServicePlan.objects.create(task="Grease", printer_model="P1S", every_hours=100)
    other = ServicePlan.objects.create(task="Grease", printer_model="A1", every_hours=100)
    assert act(console, printer, "record_service", plan=plan.pk, task="", note="") == 302
    assert act(console, printer, "record_service", plan=other.pk, task="", note="") == 200
    assert act(console, printer, "record_service", plan="", task="New nozzle", note="") == 302
    assert list(printer.services.order_by("id").values_list("task", flat=True)) == ["Grease", "New nozzle"]


def test_a_service_plan_says_when_and_for_whom_it_is(console: Client) -> None:
    add, printer = "/admin/production/serviceplan/add/", PrinterFactory()
    asked = {"task": "Grease", "is_active": "on", "printer": "", "printer_model": "P1S"}
    for told, words in (
        (asked, "Say after how many hours"),
        ({**asked, "every_jobs": "5", "printer": printer.pk}, "name one of the two"),
        ({**asked, "every_jobs": "5", "printer_model": ""}, "name one of the two"),
    ):
        assert words in console.post(add, told).content.decode()
    assert console.post(add, {**asked, "every_jobs": "5"}).status_code == 302
    assert ServicePlan.objects.get().every_jobs == 5


def test_maintenance_ends_after_it_begins(console: Client) -> None:
    add, printer = "/admin/production/maintenancewindow/add/", PrinterFactory()
    told = {"printer": printer.pk, "reason": "belt", "starts_at_0": "2030-01-02", "starts_at_1": "10:00:00"}
    wrong = console.post(add, {**told, "ends_at_0": "2030-01-02", "ends_at_1": "09:00:00"})
    assert "It ends after it begins." in wrong.content.decode()
    assert console.post(add, {**told, "ends_at_0": "2030-01-02", "ends_at_1": "12:00:00"}).status_code == 302


def test_copies_are_ordered_on_the_page_of_a_group(console: Client) -> None:
    product, group = printable(), PrinterGroup.objects.create(name="Cell")
    told = {"product": product.pk, "copies": 3, "priority": 4, "due_date": ""}
    assert act(console, group, "copies", **told) == 302
    order = ProductionOrder.objects.get()
    assert (order.quantity, order.priority, order.printer_group, order.print_jobs.count()) == (3, 4, group, 3)


def test_a_waiting_job_is_kept_to_a_group_on_its_page(console: Client) -> None:
    _, [job] = queued(printable())
    group = PrinterGroup.objects.create(name="Cell")
    assert act(console, job, "restrict", group=group.pk, reason="Only there") == 302
    job.refresh_from_db()
    assert job.printer_group == group
    assert act(console, job.production_order, "restrict", group="", reason="") == 302
    job.refresh_from_db()
    assert job.printer_group is None


@pytest.mark.parametrize("model", ["printermodel", "printergroup", "serviceplan", "servicerecord", "printer"])
def test_lists_and_pages_open(console: Client, model: str) -> None:
    printer = PrinterFactory(tags=["enclosed"])
    group = PrinterGroup.objects.create(name="Cell")
    printer.groups.add(group)
    plan = ServicePlan.objects.create(task="Grease", printer=printer, every_hours=100)
    record = production.record_service(printer, plan=plan, actor=system_actor())
    made = PrinterModel.objects.create(name="P1S", material_types=["PLA", "PETG"])
    rows = {"printermodel": made, "printergroup": group, "serviceplan": plan, "servicerecord": record}
    row = rows.get(model, printer)
    assert console.get(f"/admin/production/{model}/?q=x").status_code == 200
    assert console.get(f"/admin/production/{model}/").status_code == 200
    page = console.get(f"/admin/production/{model}/{row.pk}/change/")
    assert page.status_code == 200
    shown = {"printermodel": "PLA, PETG", "printergroup": printer.name, "printer": "enclosed"}
    assert shown.get(model, "Grease") in page.content.decode()


def test_a_printers_page_names_trays_as_the_machine_does_and_frames_what_is_typed(console: Client) -> None:
    page = console.get(f"/admin/production/printer/{PrinterFactory(loaded=[black_pla()]).pk}/change/").content.decode()
    assert ">A1<" in page
    tags = page.split('name="tags"')[1].split(">")[0]
    assert "border-base-200" in tags


def test_lists_mark_only_what_is_held_and_say_days_in_one_way(console: Client) -> None:
    PrinterFactory(loaded=[black_pla()])
    order, _ = queued(printable(), 1)
    production.make_schedule(cause="test", actor=system_actor())
    order.refresh_from_db()
    address = "/admin/production/productionorder/"
    page = console.get(address).content.decode()
    assert str(when(order.scheduled_end)) in page
    assert "On hold" not in page
    production.hold_production_order(order, actor=system_actor(), reason="Customer asked")
    assert "On hold" in console.get(address).content.decode()
