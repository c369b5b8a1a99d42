"""Production in the console."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from blb3d.accounts.tests.factories import StaffFactory, SuperuserFactory
from inventory.models import Inventory, Spool
from inventory.tests.factories import MaterialFactory, receive, system_actor
from production import services as production
from production.models import Nonconformance, Printer, PrinterSlot, PrintJob, ProductionOrder
from production.tests.factories import (
    PrinterFactory,
    black_pla,
    cleared,
    draft,
    finished,
    printable,
    printing,
    queued,
    stock,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def console(client: Client) -> Client:
    client.force_login(SuperuserFactory())
    return client


def _page(obj: Any, act: str = "") -> str:
    base = f"/admin/{obj._meta.app_label}/{obj._meta.model_name}/{obj.pk}/"
    return f"{base}verb/{act}/" if act else f"{base}change/"


MODELS = (
    "productionorder",
    "printjob",
    "printer",
    "workcenter",
    "maintenancewindow",
    "serialnumber",
    "qualityinspection",
    "nonconformance",
    "tracelink",
    "productionanalytics",
)


@pytest.mark.parametrize("model", MODELS)
def test_every_list_opens_with_rows_in_it(console: Client, model: str) -> None:
    stock(black_pla())
    order, [job] = queued(printable(parts=2, is_serialized=True), 2)
    cleared(job, good=2)
    order.refresh_from_db()
    number = order.serials.first().serial_number
    production.fail_inspection(order, quantity=1, reason="crack", serial_numbers=[number], actor=system_actor())
    assert console.get(f"/admin/production/{model}/").status_code == 200
    assert console.get(f"/admin/production/{model}/?q=x").status_code == 200


def test_pages_show_parts_material_by_lot_and_jobs(console: Client) -> None:
    stock(black_pla())
    order, [job] = queued(printable(parts=2, is_serialized=True), 2)
    cleared(job, good=2)
    page = console.get(_page(order)).content.decode()
    for words in (job.code, "LOT-00001", "M-BLACK", "good parts"):
        assert words in page
    assert order.code in console.get(_page(job)).content.decode()
    for document in (job.printer, order.serials.first(), order.analytics):
        assert console.get(_page(document)).status_code == 200


NO_LINES = {f"{prefix}-{name}": 0 for prefix in ("operations", "demands") for name in ("TOTAL_FORMS", "INITIAL_FORMS")}


def test_an_order_is_planned_confirmed_and_queued_by_buttons(console: Client) -> None:
    product = printable()
    answer = console.post(
        "/admin/production/productionorder/add/",
        {"product": product.pk, "quantity": 2, "priority": 3, "due_date": "", "notes": "", **NO_LINES},
    )
    assert answer.status_code == 302
    order = ProductionOrder.objects.get()
    assert (order.status, order.source_type, order.priority) == ("draft", "stock", 3)
    for act, status in (("confirm", "confirmed"), ("queue", "queued")):
        assert console.post(_page(order, act), {"reason": "", "_answered": "1"}).status_code == 302
        order.refresh_from_db()
        assert order.status == status
    console.post(_page(order, "prioritise"), {"priority": 4, "reason": "", "_answered": "1"})
    order.refresh_from_db()
    assert order.priority == 4
    assert set(order.print_jobs.values_list("priority", flat=True)) == {4}


@pytest.mark.parametrize("quantity", ["0", "-1", str(10**9), "NaN", "1.5"])
def test_an_impossible_quantity_plans_nothing(console: Client, quantity: str) -> None:
    told = {"product": printable().pk, "quantity": quantity, "priority": 3, "due_date": "", "notes": "", **NO_LINES}
    answer = console.post("/admin/production/productionorder/add/", told)
    assert answer.status_code == 200
    assert not ProductionOrder.objects.exists()


def test_a_plate_is_counted_and_cleared_on_its_page(console: Client) -> None:
    stock(black_pla())
    order, [job] = queued(printable(parts=3), 3)
    finished(job)
    assert "Clear plate" in console.get(_page(job)).content.decode()
    asked = console.post(_page(job, "clear"))
    assert f"{order.product.name}: good of 3" in asked.content.decode()
    key = order.pk
    answer = console.post(
        _page(job, "clear"),
        {f"good_{key}": 2, f"scrap_{key}": 1, f"why_{key}": "warped", "requeue_missing": "on", "_answered": "1"},
    )
    assert answer.status_code == 302
    part = job.parts.get()
    assert (part.good, part.scrap, part.scrap_reason) == (2, 1, "warped")
    assert Inventory.objects.get(product=order.product).on_hand_quantity == 2
    assert PrintJob.objects.get(retry_of=job).parts.get().planned == 1


def test_a_job_is_sent_to_the_printer_that_a_person_chose(console: Client) -> None:
    _, [job] = queued(printable())
    printer = PrinterFactory(loaded=[black_pla()])
    console.post(_page(job, "send"), {"printer": printer.pk, "_answered": "1"})
    job.refresh_from_db()
    assert (job.status, job.printer_id) == ("sent", printer.pk)


def test_a_refusal_is_shown_with_its_code(console: Client) -> None:
    _, [job] = queued(printable())
    printer = PrinterFactory(loaded=[MaterialFactory(color_hex="FFFFFF")])
    answer = console.post(_page(job, "send"), {"printer": printer.pk, "_answered": "1"}, follow=True)
    assert "PRINT_003" in answer.content.decode()
    assert PrintJob.objects.get(pk=job.pk).status == "queued"


def test_a_lost_job_is_decided_on_its_page(console: Client) -> None:
    stock(black_pla())
    _, [job] = queued(printable())
    printing(job)
    production.lose_job(job, actor=system_actor(), reason="power cut")
    console.post(_page(job, "decide"), {"outcome": "failed", "reason": "I looked", "_answered": "1"})
    assert PrintJob.objects.get(pk=job.pk).status == "failed"


def test_failed_parts_are_written_up(console: Client) -> None:
    stock(black_pla())
    order, [job] = queued(printable(parts=2), 2)
    cleared(job, good=2)
    body = {"quantity": 1, "inspection_type": "FINAL", "severity": "MINOR", "reason": "crack", "_answered": "1"}
    console.post(_page(order, "fail_inspection"), body)
    report = Nonconformance.objects.get()
    assert (report.severity, report.description) == ("MINOR", "crack")
    assert console.get(_page(report)).status_code == 200
    for act, body in (
        ("contain", {"containment_action": "Quarantined the shelf"}),
        ("explain", {"root_cause": "Belt slipped"}),
        ("correct", {"corrective_action": "Belt replaced"}),
        ("verify", {"reason": "Ten good parts"}),
        ("close", {}),
    ):
        assert console.post(_page(report, act), {**body, "_answered": "1"}).status_code == 302
    report.refresh_from_db()
    assert (report.status, report.root_cause) == ("CLOSED", "Belt slipped")
    assert report.closed_date is not None


def test_a_spool_is_loaded_into_one_slot_only(console: Client) -> None:
    stock(black_pla())
    spool = Spool.objects.create(label="S-1", lot=receive(black_pla(), "1"), remaining_grams=1000)
    first, second = PrinterFactory(), PrinterFactory()
    for printer in (first, second):
        console.post(_page(printer, "load"), {"tray": 2, "spool": spool.pk, "material": "", "_answered": "1"})
    slot = PrinterSlot.objects.get(printer=second)
    assert (slot.tray, slot.material_id, slot.color_hex, slot.spool_id) == (2, black_pla().pk, "000000", spool.pk)
    assert PrinterSlot.objects.get(printer=first).spool_id is None


def test_somebody_without_permission_sees_no_page_and_no_button(client: Client) -> None:
    client.force_login(StaffFactory())
    order = draft(printable())
    assert client.get(_page(order)).status_code in (302, 403)
    assert client.post(_page(order, "confirm")).status_code in (302, 403)
    order.refresh_from_db()
    assert order.status == "draft"
    assert Printer.objects.count() == 0


def test_an_inspection_is_asked_for_until_one_has_passed(console: Client) -> None:
    stock(black_pla())
    order, [job] = queued(printable(parts=2), 2)
    cleared(job, good=2)
    assert _page(order, "pass_inspection") in console.get(_page(order)).content.decode()
    console.post(
        _page(order, "pass_inspection"), {"quantity": 2, "inspection_type": "FINAL", "notes": "", "_answered": "1"}
    )
    page = console.get(_page(order))
    assert _page(order, "pass_inspection") not in page.content.decode()
    told = [entry.what for entry in page.context["document"]["timeline"]]
    assert {"passed 2 at the inspection", f"cleared {job.code}: 2 good"} <= set(told)


def test_a_serial_number_and_a_lot_lead_to_their_trace(console: Client) -> None:
    stock(black_pla())
    order, [job] = queued(printable(parts=1, is_serialized=True))
    cleared(job, good=1)
    serial = order.serials.get()
    [lot] = order.materials.values_list("material_lot", flat=True)[:1]
    assert f"/admin/trace/?number={serial.serial_number}" in console.get(_page(serial)).content.decode()
    assert "/admin/trace/?number=" in console.get(f"/admin/inventory/materiallot/{lot}/change/").content.decode()


def test_an_orders_page_costs_the_same_for_two_jobs_and_for_twenty(console: Client) -> None:
    stock(black_pla(), "100")
    small, large = queued(printable(), 2)[0], queued(printable(), 20)[0]

    def cost(order: ProductionOrder) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert console.get(_page(order)).status_code == 200
        return len(queries)

    cost(small)
    assert cost(small) == cost(large)


def test_an_order_is_split_and_merged_on_its_page(console: Client) -> None:
    order = draft(printable(), 5)
    console.post(_page(order, "split"), {"quantity": 2, "reason": "", "_answered": "1"})
    new = ProductionOrder.objects.get(split_from=order)
    asked = console.post(_page(order, "merge")).content.decode()
    assert f"{new.code}: 2 parts, for the shelf, draft" in asked
    console.post(_page(order, "merge"), {"orders": [new.pk], "reason": "", "_answered": "1"})
    order.refresh_from_db()
    new.refresh_from_db()
    assert (order.quantity, new.status, new.merged_into) == (5, "cancelled", order)
    refused = console.post(_page(order, "quantity"), {"quantity": 0, "reason": "", "_answered": "1"})
    assert refused.status_code == 200
    console.post(_page(order, "quantity"), {"quantity": 9, "reason": "", "_answered": "1"})
    order.refresh_from_db()
    assert order.quantity == 9


def test_the_page_says_what_to_do_next(console: Client) -> None:
    stock(black_pla())
    order, [job, _] = queued(printable(parts=2), 4)
    finished(job, PrinterFactory(name="Left", loaded=[black_pla()]))
    page = console.get(_page(order)).content.decode()
    assert "Clear 2 parts off Left." in page
    production.hold_production_order(order, actor=system_actor(), reason="Colour unclear")
    assert "It is held: Colour unclear." in console.get(_page(order)).content.decode()
