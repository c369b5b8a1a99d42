"""The schedule in the system: what is planned, for when, and what is not."""

from __future__ import annotations

import datetime
import itertools
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blb3d.core import outbox
from inventory import services as inventory
from inventory.models import PrintFile, Product
from inventory.tests.factories import MaterialFactory, VendorFactory, system_actor
from production import services as production
from production import tasks
from production.models import (
    MaintenanceWindow,
    Printer,
    PrinterGroup,
    PrinterModel,
    PrintJob,
    ProductionOrder,
    ScheduleEntry,
    ScheduleRun,
    ScheduleTouch,
    Shift,
    WorkCenter,
)
from production.selectors.schedule import MAX_RUNS, load_schedule_problem
from production.services import scheduling
from production.services.routings import StepSpec, set_routing
from production.services.scheduling import make_schedule, repair_schedule, touch_schedule
from production.tests.factories import (
    PrinterFactory,
    black_pla,
    confirmed,
    draft,
    finished,
    printable,
    printing,
    queued,
    stock,
)

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture(autouse=True)
def always_attended(settings: Any) -> None:
    settings.FARM_WORKING_DAYS = list(range(7))
    settings.FARM_SHIFT_STARTS = settings.FARM_SHIFT_ENDS = datetime.time(0)


@pytest.fixture
def black() -> Product:
    material = black_pla()
    stock(material, "100")
    return material


def plan(at: datetime.datetime | None = None) -> ScheduleRun:
    return make_schedule(cause="test", actor=system_actor(), at=at)


def entries() -> list[ScheduleEntry]:
    return list(ScheduleEntry.objects.order_by("starts_at", "id"))


def minutes(start: datetime.datetime, moment: datetime.datetime) -> int:
    return round((moment - start).total_seconds() / 60)


def test_jobs_and_plates_to_come_are_planned_and_their_orders_know_when_they_are_ready(black: Product) -> None:
    printer = PrinterFactory(loaded=[black])
    order, [first, second] = queued(printable(), 2)
    later = draft(printable(parts=2), 3)
    now = timezone.now()
    run = plan(now)
    assert (run.kind, run.tasks, run.unplanned, run.late) == ("full", 4, 0, 0)
    found = entries()
    assert {entry.print_job_id for entry in found} == {first.pk, second.pk, None}
    assert {entry.printer_id for entry in found} == {printer.pk}
    assert sorted(entry.parts for entry in found if entry.production_order_id == later.pk) == [1, 2]
    assert not any(early.ends_at > late.starts_at for early, late in itertools.pairwise(found))
    for each in (order, later):
        own = [entry for entry in found if entry.production_order_id == each.pk]
        each.refresh_from_db()
        assert each.scheduled_start == min(entry.starts_at for entry in own)
        assert each.scheduled_end == max(entry.ends_at for entry in own)
        assert each.is_late is False
    # Three plates of an hour and one of half an hour, with three plates cleared between them.
    assert minutes(now, found[-1].ends_at) == 3 * 60 + 30 + 3 * 5


def test_the_plan_leaves_version_and_history_of_an_order_alone(black: Product) -> None:
    PrinterFactory(loaded=[black])
    order = draft(printable())
    before = (order.version, order.history.count())
    plan()
    order.refresh_from_db()
    assert order.scheduled_end is not None
    assert (order.version, order.history.count()) == before


def test_what_prints_now_is_waited_for_and_its_plate_is_cleared_first(black: Product) -> None:
    printer = PrinterFactory(loaded=[black])
    _, [running] = queued(printable())
    printing(running, printer)
    PrintJob.objects.filter(pk=running.pk).update(remaining_minutes=40)
    _, [waiting] = queued(printable())
    now = timezone.now()
    plan(now)
    first, second = entries()
    assert (first.print_job_id, minutes(now, first.ends_at)) == (running.pk, 40)
    assert (second.print_job_id, minutes(now, second.starts_at)) == (waiting.pk, 45)


def test_a_plate_that_was_not_cleared_waits_for_a_person_in_the_morning(black: Product, settings: Any) -> None:
    settings.FARM_SHIFT_STARTS, settings.FARM_SHIFT_ENDS = datetime.time(8), datetime.time(18)
    printer = PrinterFactory(loaded=[black])
    _, [done] = queued(printable())
    finished(done, printer)
    queued(printable())
    night = datetime.datetime(2026, 3, 2, 20, 0, tzinfo=timezone.get_default_timezone())
    plan(night)
    [entry] = entries()
    assert entry.starts_at == night + datetime.timedelta(hours=12, minutes=5)


def test_an_empty_printer_begins_at_night_by_itself(black: Product, settings: Any) -> None:
    settings.FARM_SHIFT_STARTS, settings.FARM_SHIFT_ENDS = datetime.time(8), datetime.time(18)
    PrinterFactory(loaded=[black])
    queued(printable(), 2)
    night = datetime.datetime(2026, 3, 2, 20, 0, tzinfo=timezone.get_default_timezone())
    plan(night)
    first, second = entries()
    assert (first.starts_at, second.starts_at) == (night, night + datetime.timedelta(hours=12, minutes=5))


def test_only_a_printer_that_can_print_it_is_planned_and_what_none_can_says_why(black: Product) -> None:
    small = PrinterFactory(build_x_mm=100, loaded=[black])
    hard = PrinterFactory(tags=["hardened"], loaded=[black])
    tagged, grouped, lost = printable(), printable(), printable()
    tagged.plates.update(printer_tags=["hardened"])
    lost.plates.update(nozzle_diameter_mm=D("0.8"))
    group = PrinterGroup.objects.create(name="small ones")
    small.groups.add(group)
    orders = {name: draft(product) for name, product in (("tag", tagged), ("group", grouped), ("none", lost))}
    ProductionOrder.objects.filter(pk=orders["group"].pk).update(printer_group=group)
    run = plan()
    found = {entry.production_order_id: entry for entry in entries()}
    assert found[orders["tag"].pk].printer_id == hard.pk
    assert found[orders["group"].pk].printer_id == small.pk
    assert found[orders["none"].pk].starts_at is None
    assert "needs a 0.80 mm nozzle" in found[orders["none"].pk].waits_for
    assert run.unplanned == 1


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: draft(printable(file=False)), "No print file for plate 1"),
        (lambda: production.hold_production_order(draft(printable()), reason="the customer asks", actor=system_actor()),
         "Held: the customer asks"),
        (lambda: production.hold_production_order(queued(printable())[0], reason="colour", actor=system_actor()),
         "is held: colour"),
    ],
)  # fmt: skip
def test_what_cannot_be_planned_says_why(black: Product, make: Any, why: str) -> None:
    PrinterFactory(loaded=[black])
    order = make()
    plan()
    [entry] = entries()
    order.refresh_from_db()
    assert (entry.starts_at, order.scheduled_end) == (None, None)
    assert why in entry.waits_for


def test_without_a_printer_in_service_nothing_is_planned(black: Product) -> None:
    PrinterFactory(is_active=False)
    draft(printable())
    plan()
    assert [entry.waits_for for entry in entries()] == ["No printer is in service"]


def test_a_plate_without_file_that_will_be_sliced_is_planned_for_what_it_fits(black: Product) -> None:
    printer = PrinterFactory(loaded=[black])
    product = printable(file=False)
    product.plates.update(model_file="models/part.3mf")
    draft(product)
    plan()
    assert [entry.printer_id for entry in entries()] == [printer.pk]


def test_a_mixed_plate_is_planned_before_it_is_sliced(black: Product) -> None:
    printer = PrinterFactory(loaded=[black])
    (one, _), (two, _) = queued(printable(parts=2)), queued(printable(parts=2))
    sources = [order.product.plates.get() for order in (one, two)]
    plate = inventory.make_mixed_plate(
        [(source, 1) for source in sources], minutes=D(90), material=black, grams=D(80), layer_height_mm=D("0.2"),
        infill_percent=15, bbox=(D(100), D(100), D(40)), actor=system_actor(),
    )  # fmt: skip
    job = PrintJob.objects.get(production_order=one)
    PrintJob.objects.filter(pk=job.pk).update(plate=plate)
    plan()
    assert ScheduleEntry.objects.get(print_job=job).printer_id == printer.pk


def test_a_withdrawn_file_takes_the_job_out_of_the_plan(black: Product) -> None:
    PrinterFactory(loaded=[black])
    queued(printable())
    PrintFile.objects.update(withdrawn_at=timezone.now())
    plan()
    assert [entry.waits_for for entry in entries()] == ["There is no released print file for P1S"]


def test_a_faster_model_takes_less_time_and_maintenance_is_kept_free(black: Product) -> None:
    PrinterModel.objects.create(name="P1S", speed_factor=D("0.5"))
    printer = PrinterFactory(loaded=[black])
    now = timezone.now()
    MaintenanceWindow.objects.create(
        printer=printer, reason="belt",
        starts_at=now + datetime.timedelta(minutes=20), ends_at=now + datetime.timedelta(minutes=80),
    )  # fmt: skip
    draft(printable())
    plan(now)
    [entry] = entries()
    assert (minutes(now, entry.starts_at), minutes(now, entry.ends_at)) == (80, 110)


def test_operations_follow_the_prints_and_keep_the_hours_of_their_work_center(black: Product) -> None:
    PrinterFactory(loaded=[black])
    center = WorkCenter.objects.create(code="PAINT", name="Painting", kind="paint", places=1)
    packing = WorkCenter.objects.create(code="PACK", name="Packing", kind="pack", places=1)
    for weekday in range(7):
        Shift.objects.create(
            name="paint", work_center=center, weekday=weekday, starts_at=datetime.time(9), ends_at=datetime.time(12)
        )
    product = printable()
    steps = [StepSpec("paint", center, D(30), D(10), wait_minutes=D(120)), StepSpec("pack", packing, D(5))]
    set_routing(product, steps, actor=system_actor())
    order = confirmed(product, 2)
    morning = datetime.datetime(2026, 3, 2, 8, 0, tzinfo=timezone.get_default_timezone())
    plan(morning)
    done = {entry.work_center_id: entry for entry in entries() if entry.work_center_id}
    # Two hours of printing with a plate cleared between: until 10:05. Ten minutes of set-up and 30 for each.
    painted = done[center.pk]
    assert (minutes(morning, painted.starts_at), minutes(morning, painted.ends_at)) == (125, 195)
    packed = done[packing.pk]
    assert (minutes(morning, packed.starts_at), minutes(morning, packed.ends_at)) == (315, 325)
    order.refresh_from_db()
    assert order.scheduled_end == packed.ends_at
    assert {painted.operation_id, packed.operation_id} == set(order.operations.values_list("pk", flat=True))


def test_the_steps_of_a_draft_are_planned_from_its_routing(black: Product) -> None:
    PrinterFactory(loaded=[black])
    center = WorkCenter.objects.create(code="PACK", name="Packing", kind="pack")
    product = printable()
    set_routing(product, [StepSpec("pack", center, D(7))], actor=system_actor())
    order = draft(product, 3)
    plan()
    [step] = [entry for entry in entries() if entry.work_center_id]
    assert (step.operation_id, minutes(step.starts_at, step.ends_at)) == (None, 21)
    order.refresh_from_db()
    assert order.scheduled_end == step.ends_at


def test_what_follows_unplanned_printing_is_unplanned_too(black: Product) -> None:
    center = WorkCenter.objects.create(code="PACK", name="Packing", kind="pack")
    product = printable()
    set_routing(product, [StepSpec("pack", center, D(7))], actor=system_actor())
    confirmed(product)
    plan()
    assert [entry.waits_for for entry in entries()] == [
        "No printer is in service",
        "What comes before it is not planned",
    ]


def test_material_that_is_on_order_is_waited_for_and_goes_to_the_most_urgent_first() -> None:
    red = MaterialFactory(color_name="Red")
    stock(red, "0.15")
    line = inventory.PurchaseLineSpec(red, D(1000), "g", D("0.02"))
    coming = timezone.localdate() + datetime.timedelta(days=2)
    bought = inventory.create_purchase_order(VendorFactory(), lines=[line], expected_on=coming, actor=system_actor())
    inventory.order_purchase(bought, actor=system_actor())
    PrinterFactory(loaded=[red])
    product = printable(material=red)
    slow = draft(product)
    fast = draft(product, priority=4)
    plan()
    found = {entry.production_order_id: entry for entry in entries()}
    assert timezone.localdate(found[fast.pk].starts_at) == timezone.localdate()
    assert timezone.localdate(found[slow.pk].starts_at) == coming


def test_what_an_order_has_reserved_is_its_own() -> None:
    red = MaterialFactory(color_name="Red")
    stock(red, "0.1")
    PrinterFactory(loaded=[red])
    product = printable(material=red)
    holder = confirmed(product)
    urgent = draft(product, priority=4)
    reading = load_schedule_problem()
    waiting = {reading.pieces[key].order_id for key in reading.arriving}
    assert waiting == {urgent.pk} != {holder.pk}


def test_an_order_that_is_ready_too_late_is_marked_and_no_longer_when_it_is_closed(
    black: Product, settings: Any
) -> None:
    settings.FARM_HANDLING_DAYS = 1
    PrinterFactory(loaded=[black])
    today = timezone.localdate()
    late, fine = draft(printable(), due_date=today), draft(printable(), due_date=today + datetime.timedelta(days=3))
    run = plan()
    for order in (late, fine):
        order.refresh_from_db()
    assert (late.is_late, fine.is_late, run.late) == (True, False, 1)
    assert run.lateness_minutes > 0
    production.cancel_production_order(late, reason="gone", actor=system_actor())
    plan()
    late.refresh_from_db()
    assert late.is_late is False


def test_a_plate_of_two_orders_counts_for_both(black: Product) -> None:
    PrinterFactory(loaded=[black])
    product = printable(parts=4)
    one, [job] = queued(product, 2)
    two, [other] = queued(product, 2)
    production.combine_jobs([job, other], actor=system_actor())
    plan()
    [entry] = entries()
    for order in (one, two):
        order.refresh_from_db()
        assert order.scheduled_end == entry.ends_at
    assert entry.parts == 4


def test_a_huge_order_is_planned_in_lots_of_runs(black: Product) -> None:
    PrinterFactory(loaded=[black])
    order = draft(printable(), MAX_RUNS * 3)
    plan()
    found = entries()
    assert len(found) == MAX_RUNS
    assert sum(entry.parts for entry in found) == order.quantity


def test_a_second_plan_of_the_same_farm_rewrites_nothing(black: Product) -> None:
    PrinterFactory(loaded=[black])
    queued(printable(), 3)
    draft(printable(), 2)
    now = timezone.now()
    plan(now)
    before = [entry.pk for entry in entries()]
    plan(now + datetime.timedelta(seconds=20))
    assert [entry.pk for entry in entries()] == before


def test_a_schedule_costs_the_same_few_queries_whatever_waits(black: Product) -> None:
    PrinterFactory(loaded=[black])
    center = WorkCenter.objects.create(code="PACK", name="Packing", kind="pack")

    def more() -> None:
        product = printable()
        set_routing(product, [StepSpec("pack", center, D(7))], actor=system_actor())
        draft(product)
        confirmed(product)
        queued(product, 2)
        PrinterFactory(loaded=[black])

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            load_schedule_problem()
        return len(queries)

    def cost_of_all() -> int:
        with CaptureQueriesContext(connection) as queries:
            plan()
        return len(queries)

    more()
    plan()
    more()
    few, whole = cost(), cost_of_all()
    for _ in range(4):
        more()
    assert cost() == few <= 30
    assert cost_of_all() == whole <= 42


def test_a_repair_takes_in_what_happened_and_nothing_is_left_to_do(black: Product) -> None:
    PrinterFactory(loaded=[black])
    assert repair_schedule(actor=system_actor()) is None
    plan()
    order = draft(printable())
    touch_schedule("a new order", order_id=order.pk)
    run = repair_schedule(actor=system_actor())
    assert (run.kind, run.cause, run.tasks) == ("repair", "a new order", 1)
    assert [entry.production_order_id for entry in entries()] == [order.pk]
    assert not ScheduleTouch.objects.exists()
    assert repair_schedule(actor=system_actor()) is None


def test_a_printer_that_fails_gives_its_work_to_another(black: Product) -> None:
    failing, other = PrinterFactory(loaded=[black]), PrinterFactory(loaded=[black])
    queued(printable(), 6)
    plan()
    kept = {entry.pk for entry in entries() if entry.printer_id == other.pk}
    assert len(kept) == 3
    Printer.objects.filter(pk=failing.pk).update(is_active=False)
    touch_schedule("out of service", printer_id=failing.pk)
    run = repair_schedule(actor=system_actor())
    assert {entry.printer_id for entry in entries()} == {other.pk}
    assert run.tasks == 3
    assert kept <= {entry.pk for entry in entries()}


def facts() -> list[str]:
    outbox.drain()
    return list(ScheduleTouch.objects.order_by("id").values_list("cause", flat=True))


def test_facts_are_noted_for_the_next_repair(black: Product) -> None:
    printer = PrinterFactory(loaded=[black])
    product = printable()
    assert facts() == ["lot received", "print file released"]
    plan()
    order, [job] = queued(product)
    assert facts() == [f"{order.code}: order confirmed", f"{order.code}: order queued"]
    ScheduleTouch.objects.all().delete()
    printing(job, printer)
    production.record_failed(job, code="", text="It came off the plate", actor=system_actor())
    assert facts() == [f"{job.code}: job dispatched", f"{job.code}: job failed"]
    assert set(ScheduleTouch.objects.values_list("printer", flat=True)) == {printer.pk}
    ScheduleTouch.objects.all().delete()
    production.hold_production_order(order, reason="wait", actor=system_actor())
    production.release_production_order_hold(order, actor=system_actor())
    production.prioritise_production_order(order, priority=4, actor=system_actor())
    assert facts() == [f"{order.code}: {said}" for said in ("order held", "order released", "order prioritised")]
    assert set(ScheduleTouch.objects.values_list("production_order", flat=True)) == {order.pk}


def test_a_job_that_is_sent_as_planned_changes_no_plan(black: Product) -> None:
    ada, other = PrinterFactory(loaded=[black]), PrinterFactory(loaded=[black])
    _, jobs = queued(printable(), 4)
    outbox.drain()
    tasks.plan_schedule()
    first = ScheduleEntry.objects.get(printer=ada, starts_at__lte=timezone.now())
    assert first.print_job is not None
    printing(first.print_job, ada)
    assert facts() == []
    [later] = [entry.print_job for entry in entries() if entry.printer_id == ada.pk and entry.pk != first.pk]
    assert later in jobs
    printing(later, other)
    assert facts() == [f"{later.code}: job dispatched"]


def test_a_printer_out_of_service_is_planned_around_within_one_beat(black: Product) -> None:
    failing, other = PrinterFactory(loaded=[black]), PrinterFactory(loaded=[black])
    queued(printable(), 4)
    outbox.drain()
    tasks.plan_schedule()
    production.take_out_of_service(failing, reason="nozzle", actor=system_actor())
    outbox.drain()
    assert ScheduleTouch.objects.get().cause == f"{failing.name} went out of service"
    assert tasks.repair_schedule() == 2
    assert {entry.printer_id for entry in entries()} == {other.pk}
    assert tasks.repair_schedule() == 0
    production.put_in_service(failing, actor=system_actor())
    outbox.drain()
    tasks.repair_schedule()
    assert ScheduleRun.objects.first().kind == "full"
    assert {entry.printer_id for entry in entries()} == {failing.pk, other.pk}


def test_an_urgent_order_goes_first_as_soon_as_it_is_known(black: Product) -> None:
    PrinterFactory(loaded=[black])
    queued(printable(), 5)
    plan()
    outbox.drain()
    _, [job] = queued(printable(), priority=4, due_date=timezone.localdate())
    outbox.drain()
    tasks.repair_schedule()
    assert entries()[0].print_job_id == job.pk


def test_a_failed_write_leaves_the_schedule_as_it_was(black: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    PrinterFactory(loaded=[black])
    order = draft(printable())
    plan()
    before = [(entry.pk, entry.run_id) for entry in entries()]
    draft(printable())
    touch_schedule("new")

    def crash(*args: Any) -> None:
        raise RuntimeError("the worker was killed")

    # The last thing that a run does to the orders; what it wrote before must not stay alone.
    monkeypatch.setattr(scheduling, "_tell_orders", crash)
    with pytest.raises(RuntimeError):
        repair_schedule(actor=system_actor())
    assert [(entry.pk, entry.run_id) for entry in entries()] == before
    assert (ScheduleRun.objects.count(), ScheduleTouch.objects.count()) == (1, 1)
    monkeypatch.undo()
    repair_schedule(actor=system_actor())
    order.refresh_from_db()
    assert (len(entries()), ScheduleTouch.objects.count()) == (2, 0)


def test_of_two_runs_from_the_same_schedule_the_first_one_holds(black: Product) -> None:
    PrinterFactory(loaded=[black])
    draft(printable())
    plan()
    follows = ScheduleRun.objects.first().pk
    reading = load_schedule_problem()
    first = plan()
    late = scheduling._Made(reading, scheduling.schedule(reading.problem), "full", "late", follows)
    with pytest.raises(IntegrityError), transaction.atomic():
        scheduling._write(late, actor=system_actor())
    assert ScheduleRun.objects.first().pk == first.pk
    assert len(entries()) == 1


def test_the_command_says_what_is_planned_and_what_is_not(black: Product) -> None:
    PrinterFactory(loaded=[black])
    draft(printable())
    lost = draft(printable(file=False))
    out = StringIO()
    call_command("plan_schedule", cause="by hand", stdout=out)
    assert (
        f"{lost.code}: No print file for plate 1\n1 planned, 1 not planned, 0 orders late, all ends" in out.getvalue()
    )
    assert ScheduleRun.objects.get().cause == "by hand"
