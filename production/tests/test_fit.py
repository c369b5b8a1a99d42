"""Which printer may have which job: groups, nozzle, tags, materials, services, maintenance ahead, staggered starts."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blb3d.core.errors import BLB3DError, InvalidTransition
from inventory.tests.factories import MaterialFactory, system_actor
from production import services as production
from production.errors import (
    MaintenanceAhead,
    MaterialNotPrintable,
    NotInGroup,
    PlateNotCleared,
    PrinterNotReady,
    ServiceOverdue,
    StartsStaggered,
    SuggestionGone,
    TagsMissing,
    WrongNozzle,
)
from production.models import MaintenanceWindow, Printer, PrinterGroup, PrinterModel, PrintJob, ServicePlan
from production.selectors import waiting_reason
from production.selectors.fleet import assignments, dispatch_suggestions, hand_starts
from production.tests.factories import PrinterFactory, black_pla, finished, printable, printing, queued, sent, stock

pytestmark = pytest.mark.django_db

HOUR = datetime.timedelta(hours=1)


def grouped(name: str, *printers: Printer, **policy: Any) -> PrinterGroup:
    """Return a group of these printers."""
    group = PrinterGroup.objects.create(name=name, **policy)
    for printer in printers:
        printer.groups.add(group)
    return group


def next_sent() -> list[tuple[str, str]]:
    """Dispatch what there is; return job codes with the printers' names."""
    return [(job.code, job.printer.name) for job in production.dispatch_next(actor=system_actor())]


def _another_nozzle(job: PrintJob, printer: Printer) -> None:
    job.plate.nozzle_diameter_mm = "0.60"
    job.plate.save()


def _a_tag(job: PrintJob, printer: Printer) -> None:
    printer.tags = ["enclosed"]
    printer.save()
    job.plate.printer_tags = ["enclosed", "hardened"]
    job.plate.save()


def _another_group(job: PrintJob, printer: Printer) -> None:
    production.restrict_job(job, group=grouped("Cell B"), actor=system_actor())


def _no_pla(job: PrintJob, printer: Printer) -> None:
    PrinterModel.objects.create(name="P1S", material_types=["PETG", "ABS"])


def _overdue(job: PrintJob, printer: Printer) -> None:
    ServicePlan.objects.create(task="Grease the rods", printer_model="P1S", every_hours=10, blocks_printer=True)
    Printer.objects.filter(pk=printer.pk).update(printed_minutes=600)


def _maintenance_soon(job: PrintJob, printer: Printer) -> None:
    start = timezone.now() + datetime.timedelta(minutes=59)
    MaintenanceWindow.objects.create(printer=printer, starts_at=start, ends_at=start + HOUR, reason="new belt")


def _just_started(job: PrintJob, printer: Printer) -> None:
    grouped("Cell A", printer, stagger_seconds=300, last_start_at=timezone.now() - datetime.timedelta(seconds=200))


@pytest.mark.parametrize(
    ("hinder", "error", "words"),
    [
        (_another_nozzle, WrongNozzle, "needs a 0.60 mm nozzle"),
        (_a_tag, TagsMissing, "asks for hardened"),
        (_another_group, NotInGroup, "kept to Cell B"),
        (_no_pla, MaterialNotPrintable, "P1S does not print PLA"),
        (_overdue, ServiceOverdue, "needs a service first: Grease the rods"),
        (_maintenance_soon, MaintenanceAhead, "new belt"),
        (_just_started, StartsStaggered, "another printer of Cell A was just started"),
    ],
)
def test_it_is_refused_and_not_chosen(
    hinder: Callable[[PrintJob, Printer], None], error: type[BLB3DError], words: str
) -> None:
    _, [job] = queued(printable())
    printer = PrinterFactory(loaded=[black_pla()])
    hinder(job, printer)
    job.refresh_from_db()
    with pytest.raises(error, match=words) as refusal:
        production.dispatch_job(job, printer, actor=system_actor())
    assert refusal.value.details["printer"] == printer.name
    stored = PrintJob.objects.get(pk=job.pk)
    assert (stored.status, stored.printer_id, stored.dispatch_attempts) == ("queued", None, 0)
    assert next_sent() == []


def test_a_job_that_ends_before_the_maintenance_is_sent() -> None:
    _, [job] = queued(printable())
    printer = PrinterFactory(loaded=[black_pla()])
    start = timezone.now() + datetime.timedelta(minutes=62)
    MaintenanceWindow.objects.create(printer=printer, starts_at=start, ends_at=start + HOUR, reason="new belt")
    assert next_sent() == [(job.code, printer.name)]


def test_a_slow_model_would_run_into_the_same_maintenance() -> None:
    _, [_job] = queued(printable())
    printer = PrinterFactory(loaded=[black_pla()])
    PrinterModel.objects.create(name="P1S", speed_factor="1.5")
    start = timezone.now() + datetime.timedelta(minutes=62)
    MaintenanceWindow.objects.create(printer=printer, starts_at=start, ends_at=start + HOUR, reason="new belt")
    assert next_sent() == []


def test_a_job_of_a_group_goes_to_a_printer_of_it() -> None:
    order, [first, second] = queued(printable(), 2)
    PrinterFactory(name="A", loaded=[black_pla()])
    inside = PrinterFactory(name="B", loaded=[black_pla()])
    group = grouped("Cell B", inside)
    production.restrict_order(order, group=group, actor=system_actor())
    assert next_sent() == [(first.code, "B")]
    production.restrict_job(second, actor=system_actor())
    assert next_sent() == []
    production.restrict_order(order, actor=system_actor())
    assert next_sent() == [(second.code, "A")]
    with pytest.raises(InvalidTransition):
        production.restrict_job(second, group=group, actor=system_actor())


def test_the_strictest_policy_of_a_printers_groups_holds() -> None:
    _, [job] = queued(printable())
    printer = PrinterFactory(loaded=[black_pla()])
    grouped("Cell A", printer)
    assert assignments().automatic == [(job.pk, printer.pk)]
    grouped("By hand", printer, dispatch=PrinterGroup.Dispatch.SUGGEST)
    assert next_sent() == []
    assert [(found.pk, at.pk) for found, at in dispatch_suggestions()] == [(job.pk, printer.pk)]


def test_suggestions_are_sent_when_a_person_confirms_them() -> None:
    _order, [first, second] = queued(printable(), 2)
    cell = [PrinterFactory(loaded=[black_pla()]) for _ in range(2)]
    grouped("Cell", *cell, dispatch=PrinterGroup.Dispatch.SUGGEST)
    assert [job.pk for job in production.confirm_suggestions(job=second, actor=system_actor()).sent] == [second.pk]
    confirmed = production.confirm_suggestions(actor=system_actor())
    assert ([job.pk for job in confirmed.sent], confirmed.refused) == ([first.pk], {})
    with pytest.raises(SuggestionGone):
        production.confirm_suggestions(job=first, actor=system_actor())


def test_everything_is_only_suggested_with_the_farms_switch_off(settings: Any) -> None:
    settings.ENABLE_AUTO_ROUTING = False
    _, [job] = queued(printable())
    PrinterFactory(loaded=[black_pla()])
    assert next_sent() == []
    assert [found.pk for found, _ in dispatch_suggestions()] == [job.pk]


def test_starts_in_a_group_are_staggered_and_printers_outside_go_on() -> None:
    _, jobs = queued(printable(), 3)
    cell = [PrinterFactory(name=f"Cell {n}", loaded=[black_pla()]) for n in range(2)]
    PrinterFactory(name="Outside", loaded=[black_pla()])
    group = grouped("Cell", *cell, stagger_seconds=60)
    assert next_sent() == [(jobs[0].code, "Cell 0"), (jobs[1].code, "Outside")]
    assert next_sent() == []
    PrinterGroup.objects.filter(pk=group.pk).update(last_start_at=timezone.now() - datetime.timedelta(seconds=61))
    assert next_sent() == [(jobs[2].code, "Cell 1")]


def test_a_job_given_back_goes_to_another_printer_and_waits_a_while_for_it() -> None:
    _, [job] = queued(printable())
    first, second = (PrinterFactory(name=name, loaded=[black_pla()]) for name in "AB")
    assert next_sent() == [(job.code, "A")]
    job.refresh_from_db()
    production.requeue_job(job, actor=system_actor(), reason="The printer was busy with another job")
    job.refresh_from_db()
    assert (job.refused_by_id, job.printer_id) == (first.pk, None)
    Printer.objects.filter(pk=second.pk).update(state="RUNNING")
    assert next_sent() == []
    Printer.objects.filter(pk=second.pk).update(state="IDLE")
    assert next_sent() == [(job.code, "B")]


def test_the_only_printer_that_fits_gets_a_job_again_and_others_are_not_waited_for_forever() -> None:
    _, [job] = queued(printable())
    PrinterFactory(name="A", loaded=[black_pla()])
    other = PrinterFactory(name="B", loaded=[MaterialFactory(color_hex="FF0000")])
    for _ in range(2):
        assert next_sent() == [(job.code, "A")]
        job.refresh_from_db()
        production.requeue_job(job, actor=system_actor(), reason="It did not begin")
    other.slots.update(material=black_pla(), color_hex="000000")
    Printer.objects.filter(pk=other.pk).update(state="RUNNING")
    assert next_sent() == []
    PrintJob.objects.filter(pk=job.pk).update(refused_at=timezone.now() - datetime.timedelta(minutes=6))
    assert next_sent() == [(job.code, "A")]


def test_a_printer_that_ejects_takes_the_next_job_and_its_prints_are_counted_later() -> None:
    stock(black_pla())
    order, [first, second, third] = queued(printable(), 3)
    printer = PrinterFactory(loaded=[black_pla()], auto_eject=True)
    finished(first, printer)
    finished(second, printer)
    for job in (first, second):
        job.refresh_from_db()
        assert not job.occupies_plate
    printing(third, printer)
    production.record_failed(third, actor=system_actor(), code="", text="Spaghetti")
    third.refresh_from_db()
    assert third.occupies_plate
    _, [fourth] = queued(printable(sku="NEXT"))
    with pytest.raises(PlateNotCleared, match=third.code):
        sent(fourth, printer)
    production.clear_plate(third, [], actor=system_actor(), requeue_missing=False)
    assert sent(fourth, printer).status == "sent"
    production.count_printed(order, good=2, actor=system_actor(), close_short=True, reason="Enough")
    order.refresh_from_db()
    assert (order.status, order.quantity_completed) == ("completed", 2)


def test_a_read_only_printer_gets_a_work_list_with_the_file_to_look_for() -> None:
    _, [job, _] = queued(printable(sku="VASE BLACK"), 2)
    printer = PrinterFactory(loaded=[black_pla()], write_access=Printer.WriteAccess.NO)
    assert next_sent() == []
    [start] = hand_starts()
    assert (start.job.pk, start.printer.pk, start.is_heard) == (job.pk, printer.pk, True)
    assert start.file_name == f"{job.code}_VASE_BLACK.gcode.3mf"
    assert start.print_file_id == job.plate.print_files.get().pk
    assert hand_starts(printer_id=printer.pk + 1) == []
    Printer.objects.filter(pk=printer.pk).update(connection="offline", state="")
    [unheard] = hand_starts()
    assert not unheard.is_heard
    Printer.objects.filter(pk=printer.pk).update(connection="online", state="RUNNING")
    assert hand_starts() == []


def test_what_other_printers_take_is_not_on_the_work_list() -> None:
    _, [first, second] = queued(printable(), 2)
    PrinterFactory(loaded=[black_pla()])
    by_hand = PrinterFactory(loaded=[black_pla()], write_access=Printer.WriteAccess.NO)
    found = assignments()
    assert found.automatic[0][0] == first.pk
    assert found.by_hand == [(second.pk, by_hand.pk)]


def test_choosing_costs_the_same_for_many_jobs_printers_and_groups() -> None:
    product = printable()

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assignments()
        return len(queries)

    def add(number: int) -> None:
        for _ in range(number):
            queued(product)
            printer = PrinterFactory(loaded=[black_pla()])
            grouped(f"Group {printer.pk}", printer, stagger_seconds=5)
            ServicePlan.objects.create(task="Clean", printer=printer, every_days=9, blocks_printer=True)

    add(2)
    few = cost()
    add(10)
    assert cost() == few <= 14


def test_a_printer_out_of_service_gives_the_job_on_its_way_back_and_prints_on() -> None:
    _, [first, second] = queued(printable(), 2)
    broken, busy = (PrinterFactory(name=name, loaded=[black_pla()]) for name in "AB")
    sent(first, broken)
    printing(second, busy)
    for printer in (broken, busy):
        production.take_out_of_service(printer, reason="Nozzle clogged", actor=system_actor())
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, first.printer_id, first.refused_by_id) == ("queued", None, broken.pk)
    assert (second.status, second.printer_id) == ("printing", busy.pk)
    broken.refresh_from_db()
    assert (broken.is_active, broken.out_of_service_reason) == (False, "Nozzle clogged")
    with pytest.raises(PrinterNotReady, match="Nozzle clogged"):
        sent(first, broken)
    production.put_in_service(broken, actor=system_actor())
    assert sent(first, broken).status == "sent"


def test_a_waiting_job_says_what_is_nearest_to_printing_it() -> None:
    _, [job] = queued(printable())
    inside = PrinterFactory(name="Inside", loaded=[MaterialFactory(color_hex="FF0000")])
    PrinterFactory(name="Outside", loaded=[black_pla()])
    production.restrict_job(job, group=grouped("Cell", inside), actor=system_actor())
    assert waiting_reason(job) == "Inside does not hold PLA 000000."
    inside.slots.update(material=black_pla(), color_hex="000000")
    assert waiting_reason(job) == "Next in line for Inside"
    PrinterGroup.objects.update(dispatch=PrinterGroup.Dispatch.SUGGEST)
    assert waiting_reason(job) == "Inside could take it: a person starts it"
    Printer.objects.filter(pk=inside.pk).update(write_access=Printer.WriteAccess.NO)
    assert waiting_reason(job) == "Inside could take it: a person starts it at the machine"
    _maintenance_soon(job, inside)
    assert "would run into the maintenance of Inside" in waiting_reason(job)
