"""The floor pages as an operator uses them: the board, the machine page, forms sent twice, forms that come too late."""

from __future__ import annotations

import datetime
import io
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from PIL import Image

from blb3d.accounts.models import User
from blb3d.accounts.roles import ROLES, permissions_matching
from inventory.models import Spool
from inventory.tests.factories import MaterialFactory, receive, system_actor
from production import services as production
from production.models import (
    DefectReason,
    Demand,
    JobPhoto,
    MaintenanceWindow,
    Printer,
    PrinterProblem,
    PrinterSlot,
    PrintJob,
    ProductionOrder,
    WallScreen,
)
from production.selectors.board import farm_board, tray_name
from production.tests.factories import PrinterFactory, black_pla, finished, printable, printing, queued, sent, stock
from quotes.tests.factories import priced_at

pytestmark = pytest.mark.django_db

Status = PrintJob.Status
PASSWORD = "an-operators-word-1"


def role(name: str) -> Group:
    """Return a role as ``sync_roles`` makes it, alone."""
    group, _ = Group.objects.get_or_create(name=name)
    group.permissions.set(permissions_matching(ROLES[name]))
    return group


@pytest.fixture
def operator() -> User:
    user = User.objects.create_user("operator@example.com", PASSWORD, is_staff=True)
    user.groups.add(role("operator"))
    return user


@pytest.fixture
def floor(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


def done(parts: int = 8, quantity: int = 16, **printer: Any) -> tuple[PrintJob, Printer]:
    """Return a finished job whose plate waits, and its printer."""
    stock(black_pla())
    machine = PrinterFactory(loaded=[black_pla()], **printer)
    _, jobs = queued(printable(parts=parts), quantity)
    return finished(jobs[0], machine), machine


def picture(kind: str = "JPEG", size: tuple[int, int] = (64, 48), **extra: Any) -> SimpleUploadedFile:
    """Return a photo as a phone sends it."""
    out = io.BytesIO()
    Image.new("RGB", size, "orange").save(out, kind, **extra)
    return SimpleUploadedFile("photo.jpg", out.getvalue(), "image/jpeg")


def said(answer: Any) -> list[str]:
    """Return the messages of the page that a form leads to."""
    return [str(message) for message in answer.context["messages"]]


def send(client: Client, printer: Printer, what: str, **fields: Any) -> Any:
    """Send a form of a printer's page and follow where it leads."""
    return client.post(f"/floor/printers/{printer.serial}/{what}/", fields, follow=True)


# --- the board -------------------------------------------------------------------------------------------------------


def test_the_board_is_for_people_who_may_see_printers(client: Client, operator: User) -> None:
    answer = client.get("/floor/")
    assert (answer.status_code, answer["Location"]) == (302, "/login/?next=/floor/")
    stranger = User.objects.create_user("customer@example.com", PASSWORD)
    client.force_login(stranger)
    assert client.get("/floor/").status_code == 403
    client.force_login(operator)
    assert client.get("/floor/").status_code == 200


def test_what_needs_hands_stands_first() -> None:
    material, other = black_pla(), MaterialFactory(sku="M-RED", color_name="Red", color_hex="FF0000")
    stock(material, "50")
    _, jobs = queued(printable(), 6)
    clear, later, sooner = (PrinterFactory(name=name, loaded=[material]) for name in ("Clear", "Later", "Sooner"))
    finished(jobs[0], clear)
    for job, printer, minutes in ((jobs[1], later, 90), (jobs[2], sooner, 10)):
        printing(job, printer)
        production.record_progress(job, percent=50, remaining_minutes=minutes, actor=system_actor())
    paused = production.record_paused(
        printing(jobs[3], PrinterFactory(name="Paused", loaded=[material])), actor=system_actor(), reason="Runout"
    )
    production.lose_job(
        printing(jobs[4], PrinterFactory(name="Unseen", loaded=[material])), actor=system_actor(), reason="Silent"
    )
    PrinterFactory(name="Wrong colour", loaded=[other])
    PrinterFactory(name="Free", loaded=[material])
    broken = PrinterFactory(name="Broken", loaded=[material])
    production.report_problem(broken, text="Nozzle clogged", out_of_service=True, actor=system_actor())
    PrinterFactory(name="Silent", connection=Printer.Connection.OFFLINE)

    board = farm_board()

    assert [tile.printer.name for tile in board.tiles] == [
        "Clear", "Broken", "Paused", "Unseen", "Wrong colour", "Free", "Sooner", "Later", "Silent",
    ]  # fmt: skip
    by_name = {tile.printer.name: tile for tile in board.tiles}
    assert by_name["Wrong colour"].waits_for == "Load PLA Black"
    assert by_name["Free"].waits_for == f"Next: {jobs[5].code}"
    assert by_name["Paused"].waits_for == "Runout"
    assert by_name["Paused"].job == paused
    assert by_name["Broken"].waits_for == "Nozzle clogged"
    assert (board.printing, board.hands, board.waiting) == (2, 5, 1)
    assert [tile.printer.name for tile in board.tiles if tile.needs_hands][-1] == "Wrong colour"


def test_a_bin_to_be_counted_needs_hands_and_a_printer_at_rest_does_not(floor: Client) -> None:
    material = black_pla()
    stock(material)
    _, jobs = queued(printable(parts=4), 8)
    ejects = PrinterFactory(name="Ejects", loaded=[material], auto_eject=True)
    thrown = finished(jobs[0], ejects)
    printing(jobs[1], ejects)
    resting = PrinterFactory(name="Resting", loaded=[material])
    now = timezone.now()
    MaintenanceWindow.objects.create(
        printer=resting,
        starts_at=now - datetime.timedelta(minutes=5),
        ends_at=now + datetime.timedelta(hours=1),
        reason="Greasing rods",
    )
    first, second = farm_board().tiles
    assert (first.printer, first.label, first.needs_hands, first.to_count) == (ejects, "Printing", True, [thrown])
    assert (second.label, second.waits_for, second.needs_hands) == ("Maintenance", "Greasing rods", False)
    assert "1 plate in the bin to count" in floor.get("/floor/").content.decode()
    send(floor, ejects, f"jobs/{thrown.pk}/clear", key="1", all="good")
    thrown.refresh_from_db()
    assert thrown.cleared_at is not None
    assert farm_board().tiles[-1].printer == resting


def test_the_board_takes_the_newest_figures_where_they_speak_of_this_job() -> None:
    stock(black_pla())
    printer = PrinterFactory(loaded=[black_pla()])
    _, jobs = queued(printable(), 1)
    job = printing(jobs[0], printer)
    production.record_progress(job, percent=10, remaining_minutes=200, actor=system_actor())
    now = timezone.now()
    figures = {"at": now.isoformat(), "job": job.subtask_name, "percent": 42, "remaining_minutes": 30, "active_tray": 0}
    cache.set(f"printer-telemetry-{printer.pk}", figures, 60)
    [tile] = farm_board().tiles
    assert (tile.percent, tile.finish) == (42, now + datetime.timedelta(minutes=30))
    assert [slot.is_active for slot in tile.slots] == [True]
    cache.set(f"printer-telemetry-{printer.pk}", figures | {"job": "another"}, 60)
    [tile] = farm_board().tiles
    assert tile.percent == 10
    old = (now - datetime.timedelta(minutes=20)).isoformat()
    cache.set(f"printer-telemetry-{printer.pk}", figures | {"at": old}, 60)
    [tile] = farm_board().tiles
    assert tile.percent == 10


def test_the_board_costs_the_same_for_few_printers_and_many(floor: Client) -> None:
    def farm(number: int) -> int:
        material = black_pla()
        _, jobs = queued(printable(), 3 * number)
        for index in range(number):
            finished(jobs[3 * index], PrinterFactory(loaded=[material]))
            printing(jobs[3 * index + 1], PrinterFactory(loaded=[material]))
            PrinterFactory(loaded=[MaterialFactory(color_name="Blue", color_hex="0000FF")])
        floor.get("/floor/")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert floor.get("/floor/").status_code == 200
        return len(queries)

    stock(black_pla(), "90")
    few = farm(1)
    assert farm(6) == few
    assert few <= 24


def test_a_script_asks_for_the_tiles_alone(floor: Client) -> None:
    PrinterFactory()
    part = floor.get("/floor/", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in part
    assert 'class="tile ' in part
    assert "<html" in floor.get("/floor/", headers={"HX-Request": "true", "HX-Boosted": "true"}).content.decode()


def test_trays_are_named_as_at_the_machine() -> None:
    assert [tray_name(tray) for tray in (0, 3, 4, 15, 128, 254, 255)] == ["A1", "A4", "B1", "D4", "HT1", "Ext", "Ext"]


# --- wall screens ----------------------------------------------------------------------------------------------------


def test_a_wall_screen_needs_no_login_and_names_no_customer(client: Client, operator: User) -> None:
    job, _ = done()
    Demand.objects.create(
        production_order=job.production_order,
        quantity=16,
        reference_type="sales_order_line",
        reference_id=1,
        label="SO-1 Very Private Company",
    )
    screen, token = production.add_screen("Hall", actor=operator)
    page = client.get(f"/floor/wall/{token}/")
    assert page.status_code == 200
    text = page.content.decode()
    assert "Very Private" not in text
    assert job.production_order.code in text
    assert "/floor/printers/" not in text
    assert page["Referrer-Policy"] == "no-referrer"
    screen.refresh_from_db()
    assert screen.last_seen_at is not None
    client.force_login(operator)
    assert "Very Private Company" in client.get("/floor/?wall=1").content.decode()


def test_a_wall_screen_does_not_name_a_part_under_an_nda(client: Client, operator: User) -> None:
    job, _ = done()
    quote = priced_at("10", is_under_nda=True)
    ProductionOrder.objects.filter(pk=job.production_order_id).update(quote=quote)
    _, token = production.add_screen("Hall", actor=operator)
    text = client.get(f"/floor/wall/{token}/").content.decode()
    assert job.plate.product.name not in text
    assert "Part under NDA" in text
    client.force_login(operator)
    assert job.plate.product.name in client.get("/floor/").content.decode()


def test_a_part_under_an_nda_stays_so_when_it_is_made_again_or_with_others(client: Client, operator: User) -> None:
    job, _ = done()
    quote = priced_at("10", is_under_nda=True)
    type(quote).objects.filter(pk=quote.pk).update(product=job.plate.product)
    assert job.production_order.quote is None
    _, token = production.add_screen("Hall", actor=operator)
    text = client.get(f"/floor/wall/{token}/").content.decode()
    assert job.plate.product.name not in text
    assert "Part under NDA" in text


@pytest.mark.parametrize("state", ["RUNNING", "FINISH"])
def test_a_wall_screen_does_not_name_a_file_that_was_not_sent_from_here(
    client: Client, operator: User, state: str
) -> None:
    PrinterFactory(foreign_job="very private company, bracket", state=state)
    _, token = production.add_screen("Hall", actor=operator)
    text = client.get(f"/floor/wall/{token}/").content.decode()
    assert "A print that was not sent from here" in text
    assert "very private" not in text
    client.force_login(operator)
    assert "very private company, bracket" in client.get("/floor/").content.decode()


def test_a_name_with_a_slash_has_its_pages(floor: Client) -> None:
    printer, spool = PrinterFactory(serial="01/P00", name="Left / top"), reel("A/1")
    production.load_spool(printer, spool, tray=0, actor=system_actor())
    assert floor.get("/floor/").status_code == 200
    for path in ("/floor/printers/01/P00/", "/floor/printers/Left / top/", "/floor/printers/01/P00/now/"):
        assert floor.get(path).context["tile"].printer == printer
    assert said(send(floor, printer, "load", key="1", tray=0, empty=1)) == ["A1 of Left / top is empty."]
    assert floor.get("/floor/spools/A/1/").context["spool"] == spool
    floor.post("/floor/spools/A/1/weigh/", {"key": "2", "gross": "900"})
    spool.refresh_from_db()
    assert spool.remaining_grams == Decimal(650)


def test_a_screen_that_was_taken_back_shows_nothing(client: Client, operator: User) -> None:
    screen, token = production.add_screen("Hall", actor=operator)
    production.revoke_screen(screen, actor=operator)
    answer = client.get(f"/floor/wall/{token}/")
    assert answer.status_code == 404
    assert "not good any more" in answer.content.decode()
    assert client.get("/floor/wall/guessed/").status_code == 404


def test_a_manager_makes_and_takes_back_links_and_an_operator_does_not(client: Client, operator: User) -> None:
    client.force_login(operator)
    assert client.post("/floor/screens/", {"name": "Hall"}).status_code == 403
    operator.groups.set([role("manager")])
    page = client.post("/floor/screens/", {"name": "Hall"})
    assert page.status_code == 200
    token = page.context["made"].rstrip("/").rpartition("/")[2]
    assert client.get(f"/floor/wall/{token}/").status_code == 200
    assert token not in client.get("/floor/screens/").content.decode()
    assert client.post("/floor/screens/", {"name": " "}).status_code == 422
    client.post(f"/floor/screens/{WallScreen.objects.get().pk}/revoke/")
    assert client.get(f"/floor/wall/{token}/").status_code == 404


# --- clearing a plate ------------------------------------------------------------------------------------------------


def test_one_tap_clears_a_plate_with_everything_good(floor: Client) -> None:
    job, printer = done()
    answer = send(floor, printer, f"jobs/{job.pk}/clear", key="k1", all="good")
    assert said(answer) == [f"Cleared: 8 good. {printer.name} is free for the next job."]
    job.refresh_from_db()
    assert job.cleared_at is not None
    assert job.parts.get().good == 8


def test_scrap_is_counted_with_its_reason(floor: Client) -> None:
    job, printer = done()
    warping = DefectReason.objects.create(code="warping-x", name="Warping off")
    order = job.production_order_id
    counts = {f"good_{order}": 6, f"scrap_{order}": 2, f"defect_{order}": "warping-x"}
    send(floor, printer, f"jobs/{job.pk}/clear", key="k1", **counts)
    part = job.parts.get()
    assert (part.good, part.scrap, part.scrap_reason, part.defect) == (6, 2, "Warping off", warping)


def test_the_same_form_sent_twice_clears_once_and_says_so(floor: Client) -> None:
    job, printer = done()
    send(floor, printer, f"jobs/{job.pk}/clear", key="k1", all="good")
    at = timezone.localtime()
    again = send(floor, printer, f"jobs/{job.pk}/clear", key="k1", all="good")
    [words] = said(again)
    assert words.startswith("Nothing was changed. Already done at ")
    assert words.endswith(f"Cleared: 8 good. {printer.name} is free for the next job.")
    assert f"{at:%H:}" in words or at.minute == 59
    assert job.parts.get().good == 8
    assert PrintJob.objects.filter(retry_of=job).count() == 0


def test_a_second_person_hears_who_cleared_it_and_what_was_counted(floor: Client, operator: User) -> None:
    job, printer = done()
    send(floor, printer, f"jobs/{job.pk}/clear", key="k1", all="good")
    answer = send(floor, printer, f"jobs/{job.pk}/clear", key="another", all="good")
    assert answer.status_code == 422
    assert " by you: 8 good. Nothing was changed." in answer.context["error"].message
    other = User.objects.create_superuser("other@example.com", PASSWORD)
    floor.force_login(other)
    answer = send(floor, printer, f"jobs/{job.pk}/clear", key="k1", all="good")
    assert f" by {operator}: 8 good. Nothing was changed." in answer.context["error"].message


def test_the_same_form_with_other_values_changes_nothing(floor: Client) -> None:
    job, printer = done()
    order = job.production_order_id
    send(floor, printer, f"jobs/{job.pk}/clear", key="k1", all="good")
    answer = send(floor, printer, f"jobs/{job.pk}/clear", **{"key": "k1", f"good_{order}": 1})
    assert answer.status_code == 422
    assert "sent before with other values" in answer.context["error"].message
    assert "Cleared: 8 good." in answer.context["error"].message
    assert job.parts.get().good == 8


def test_too_many_parts_are_refused_and_what_was_typed_stays(floor: Client) -> None:
    job, printer = done()
    order = job.production_order_id
    fields = {"key": "k1", f"good_{order}": 8, f"scrap_{order}": 2}
    answer = send(floor, printer, f"jobs/{job.pk}/clear", **fields)
    assert answer.status_code == 422
    assert answer.context["error"].code == "PRINT_006"
    assert 'value="2" data-scrap' in answer.content.decode()
    for value in ("two", "-1", "1.5", ""):
        answer = send(floor, printer, f"jobs/{job.pk}/clear", **(fields | {f"good_{order}": value}))
        assert answer.status_code == 422, value
    job.refresh_from_db()
    assert job.cleared_at is None
    # A refusal is not kept: the same form, corrected, is carried out.
    assert send(floor, printer, f"jobs/{job.pk}/clear", **(fields | {f"scrap_{order}": 0})).status_code == 200


def test_a_failed_print_is_put_down_to_its_reason(floor: Client) -> None:
    stock(black_pla())
    printer = PrinterFactory(loaded=[black_pla()])
    _, jobs = queued(printable(parts=4), 4)
    job = production.record_failed(printing(jobs[0], printer), actor=system_actor(), code="0300", text="Spaghetti")
    DefectReason.objects.create(code="spaghetti-x", name="Spaghetti off")
    order = job.production_order_id
    page = floor.get(f"/floor/printers/{printer.serial}/").content.decode()
    assert "All 4 good" not in page
    counts = {f"good_{order}": 0, f"scrap_{order}": 4, f"defect_{order}": "spaghetti-x"}
    send(floor, printer, f"jobs/{job.pk}/clear", key="k", **counts)
    job.refresh_from_db()
    assert job.defect is not None
    assert job.defect.code == "spaghetti-x"
    assert PrintJob.objects.get(retry_of=job).parts.get().planned == 4


def test_missing_parts_may_be_left_out(floor: Client) -> None:
    job, printer = done()
    order = job.production_order_id
    send(floor, printer, f"jobs/{job.pk}/clear", **{"key": "k", f"good_{order}": 5, "missing": "leave"})
    assert job.parts.get().good == 5
    assert not PrintJob.objects.filter(retry_of=job).exists()


def test_who_may_not_clear_is_refused(floor: Client, operator: User) -> None:
    job, printer = done()
    operator.groups.set([role("sales")])
    assert send(floor, printer, f"jobs/{job.pk}/clear", key="k", all="good").status_code == 403
    job.refresh_from_db()
    assert job.cleared_at is None


# --- other acts at the machine ---------------------------------------------------------------------------------------


def test_a_person_says_how_an_unseen_print_ended(floor: Client) -> None:
    stock(black_pla())
    printer = PrinterFactory(loaded=[black_pla()])
    _, jobs = queued(printable(), 1)
    job = production.lose_job(printing(jobs[0], printer), actor=system_actor(), reason="Silent for an hour")
    assert "How did" in floor.get(f"/floor/printers/{printer.serial}/").content.decode()
    send(floor, printer, f"jobs/{job.pk}/decide", key="k", outcome="finished")
    job.refresh_from_db()
    assert job.status == Status.FINISHED
    again = send(floor, printer, f"jobs/{job.pk}/decide", key="k2", outcome="failed")
    assert again.context["error"].message == f"It is known by now how {job.code} ended: finished."


def test_pause_go_on_and_stop_are_asked_of_the_machine(floor: Client) -> None:
    stock(black_pla())
    printer = PrinterFactory(loaded=[black_pla()])
    _, jobs = queued(printable(), 1)
    job = printing(jobs[0], printer)
    assert said(send(floor, printer, f"jobs/{job.pk}/pause", key="1")) == [f"{printer.name} is asked to pause."]
    assert send(floor, printer, f"jobs/{job.pk}/resume", key="2").status_code == 422
    assert said(send(floor, printer, f"jobs/{job.pk}/stop", key="3")) == [f"{printer.name} is asked to stop."]
    job.refresh_from_db()
    assert job.cancel_requested_at is not None
    assert floor.post(f"/floor/printers/{printer.serial}/jobs/{job.pk}/explode/").status_code == 404


def test_a_job_is_started_at_a_printer_that_waits_for_people(floor: Client) -> None:
    stock(black_pla())
    printer = PrinterFactory(loaded=[black_pla()], auto_dispatch=False)
    _, jobs = queued(printable(), 2)
    [tile] = farm_board().tiles
    assert tile.waits_for == f"Next: {jobs[0].code}. Somebody must start it"
    answer = send(floor, printer, "start", key="1", job=jobs[0].pk)
    assert said(answer) == [f"{jobs[0].code} is on its way to {printer.name}."]
    jobs[0].refresh_from_db()
    assert (jobs[0].status, jobs[0].printer) == (Status.SENT, printer)
    refused = send(floor, printer, "start", key="2", job=jobs[1].pk)
    assert refused.status_code == 422
    assert refused.context["error"].code == "PRINT_001"


def test_a_spool_that_cannot_finish_the_job_is_named_before_the_start(floor: Client, settings: Any) -> None:
    settings.SPOOL_RESERVE_GRAMS = Decimal(0)
    spool, printer = reel("SP-0001", "90"), PrinterFactory(auto_dispatch=False)
    production.load_spool(printer, spool, tray=2, actor=system_actor())
    queued(printable(grams="100"), 1)
    page = f"/floor/printers/{printer.serial}/"
    words = "SP-0001 in A3 has 90 g left, this takes 100 g: it will run out"
    assert words in floor.get(page).content.decode()
    Spool.objects.filter(pk=spool.pk).update(remaining_grams=Decimal(100))
    assert "this takes" not in floor.get(page).content.decode()


def test_a_read_only_printer_shows_what_to_start_at_it(floor: Client) -> None:
    stock(black_pla())
    printer = PrinterFactory(loaded=[black_pla()], write_access=Printer.WriteAccess.NO)
    _, jobs = queued(printable(), 1)
    page = floor.get(f"/floor/printers/{printer.serial}/").content.decode()
    assert "Start at the machine" in page
    assert f"{jobs[0].code}_{jobs[0].plate.product.sku}.gcode.3mf" in page
    send(floor, printer, "start", key="1", job=jobs[0].pk, by_hand="1")
    jobs[0].refresh_from_db()
    assert (jobs[0].status, jobs[0].printer) == (Status.PRINTING, printer)
    assert jobs[0].print_file is not None
    assert [row.tray for row in jobs[0].filaments.all()] == [0]
    another = PrinterFactory(write_access=Printer.WriteAccess.NO)
    refused = send(floor, another, "start", key="2", job=jobs[0].pk, by_hand="1")
    assert refused.status_code == 422


def test_a_foreign_print_is_taken_off(floor: Client) -> None:
    printer = PrinterFactory(foreign_job="benchy", state="FINISH")
    [tile] = farm_board().tiles
    assert (tile.label, tile.waits_for) == ("Clear plate", "A print that was not sent from here: benchy")
    send(floor, printer, "foreign", key="1")
    printer.refresh_from_db()
    assert printer.foreign_job == ""


def test_an_unknown_printer_is_not_found(floor: Client) -> None:
    assert floor.get("/floor/printers/nothing/").status_code == 404
    printer = PrinterFactory(name="P1S left")
    assert floor.get("/floor/printers/P1S left/").status_code == 200
    assert floor.get(f"/floor/printers/{printer.serial}/now/").status_code == 200


# --- spools at the machine -------------------------------------------------------------------------------------------


def reel(label: str = "SP-0001", grams: str = "750") -> Spool:
    """Return a spool of a new lot of one kilogram."""
    lot = receive(black_pla(), "1")
    return Spool.objects.create(label=label, lot=lot, tare_grams=Decimal(250), remaining_grams=Decimal(grams))


@pytest.mark.parametrize("scanned", ["SP-0001", "sp-0001 ", "https://farm.example/floor/spools/SP-0001/", "04A1B2C3"])
def test_a_spool_is_loaded_by_what_was_scanned(floor: Client, scanned: str) -> None:
    spool, printer = reel(), PrinterFactory()
    Spool.objects.filter(pk=spool.pk).update(tag_uid="04A1B2C3")
    answer = send(floor, printer, "load", key="1", tray=1, spool=scanned)
    product = spool.lot.product.name
    assert said(answer) == [f"SP-0001 ({product}, 750 g left) hangs in A2 of {printer.name}."]
    slot = PrinterSlot.objects.get(printer=printer, tray=1)
    assert (slot.spool, slot.color_hex) == (spool, "000000")


def test_a_spool_hangs_in_one_slot_only_and_a_slot_is_emptied(floor: Client) -> None:
    spool, first, second = reel(), PrinterFactory(), PrinterFactory()
    send(floor, first, "load", key="1", tray=0, spool=spool.label)
    send(floor, second, "load", key="2", tray=0, spool=spool.label)
    assert [slot.printer for slot in spool.slots.all()] == [second]
    assert said(send(floor, second, "load", key="3", tray=0, empty=1)) == [f"A1 of {second.name} is empty."]
    assert not spool.slots.exists()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tray": 0, "spool": "nothing"}, "There is no spool “nothing”."),
        ({"tray": 0, "spool": ""}, "Scan or type the label of the spool."),
        ({"tray": "x", "spool": "SP-0001"}, "“x” is not a whole number."),
        ({"tray": 999, "spool": "SP-0001"}, "There is no such slot."),
    ],
)
def test_a_wrong_scan_is_refused_in_words_and_kept(floor: Client, fields: dict[str, Any], words: str) -> None:
    reel()
    answer = send(floor, PrinterFactory(), "load", key="1", **fields)
    assert answer.status_code == 422
    assert answer.context["error"].message == words


def test_a_spool_of_a_lot_in_quarantine_is_not_loaded(floor: Client) -> None:
    from inventory.services import quarantine_lot

    spool = reel()
    quarantine_lot(spool.lot, reason="Wet", actor=system_actor())
    answer = send(floor, PrinterFactory(), "load", key="1", tray=0, spool=spool.label)
    assert answer.context["error"].code == "FLOOR_002"
    assert not PrinterSlot.objects.filter(spool=spool).exists()


def test_a_spool_has_a_page_to_weigh_and_move_it(floor: Client) -> None:
    spool = reel()
    assert floor.get("/floor/spools/?q=sp-0001", follow=True).redirect_chain[-1][0] == "/floor/spools/SP-0001/"
    answer = floor.post("/floor/spools/SP-0001/weigh/", {"key": "1", "gross": "862,5", "tare": "250"}, follow=True)
    assert said(answer) == ["SP-0001: 612 g left, -138 g against the books."]
    spool.refresh_from_db()
    assert spool.remaining_grams == Decimal("612.5")
    again = floor.post("/floor/spools/SP-0001/weigh/", {"key": "1", "gross": "862,5", "tare": "250"}, follow=True)
    assert said(again)[0].startswith("Nothing was changed.")
    refused = floor.post("/floor/spools/SP-0001/weigh/", {"key": "2", "gross": "100"}, follow=True)
    assert refused.status_code == 422
    assert 'value="100"' in refused.content.decode()
    floor.post("/floor/spools/SP-0001/move/", {"key": "3", "location": "MAIN"})
    spool.refresh_from_db()
    assert spool.location is not None
    printer = PrinterFactory()
    floor.post("/floor/spools/SP-0001/hang/", {"key": "4", "printer": printer.pk, "tray": 2})
    assert PrinterSlot.objects.get(printer=printer, tray=2).spool == spool
    assert printer.name in floor.get("/floor/spools/SP-0001/").content.decode()
    assert floor.get("/floor/spools/none/").status_code == 404


def test_a_spool_is_not_weighed_while_a_job_prints_with_it(floor: Client) -> None:
    spool, printer = reel(), PrinterFactory()
    production.load_spool(printer, spool, tray=0, actor=system_actor())
    _, jobs = queued(printable(), 1)
    job = printing(jobs[0], printer)
    answer = floor.post(f"/floor/spools/{spool.label}/weigh/", {"key": "1", "gross": "900"})
    assert answer.status_code == 422
    assert answer.context["error"].code == "FLOOR_003"
    assert job.code in answer.context["error"].message


def test_the_list_of_spools_costs_the_same_for_few_and_many(floor: Client) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            floor.get("/floor/spools/")
        return len(queries)

    production.load_spool(PrinterFactory(), reel("A-1"), tray=0, actor=system_actor())
    few = cost()
    for index in range(5):
        production.load_spool(PrinterFactory(), reel(f"B-{index}"), tray=0, actor=system_actor())
    assert cost() == few


# --- labels ----------------------------------------------------------------------------------------------------------


def test_labels_are_pdfs_with_the_names_on_them(floor: Client) -> None:
    from pypdf import PdfReader

    PrinterFactory(name="P1S left", serial="01P00A1")
    reel("SP-0001")
    reel("SP-0002")
    sheet = PdfReader(io.BytesIO(floor.get("/floor/labels/printers.pdf").content))
    assert len(sheet.pages) == 1
    assert "P1S left" in sheet.pages[0].extract_text()
    single = PdfReader(io.BytesIO(floor.get("/floor/labels/spools.pdf").content))
    assert ["SP-0001" in page.extract_text() for page in single.pages] == [True, False]
    one = PdfReader(io.BytesIO(floor.get("/floor/labels/spools.pdf?label=SP-0002").content))
    assert len(one.pages) == 1
    assert floor.get("/floor/labels/spools.pdf?label=nothing").status_code == 404


# --- problems and photos ---------------------------------------------------------------------------------------------


def test_a_problem_is_reported_with_a_photo_and_solved(floor: Client, operator: User) -> None:
    printer = PrinterFactory()
    answer = send(
        floor, printer, "problems", key="1", word="Nozzle clogged", text="clicks", photo=picture(), out_of_service="1"
    )
    assert said(answer) == [f"Reported: Nozzle clogged: clicks. {printer.name} is out of service."]
    problem = PrinterProblem.objects.get()
    printer.refresh_from_db()
    assert (printer.is_active, printer.out_of_service_reason) == (False, "Nozzle clogged: clicks")
    assert problem.reported_by == operator
    shown = floor.get(f"/floor/problems/{problem.pk}/photo/")
    assert shown["Content-Type"] == "image/jpeg"
    assert Image.open(io.BytesIO(b"".join(shown))).size == (64, 48)
    refused = send(floor, printer, f"problems/{problem.pk}/resolve", key="2", resolution="")
    assert refused.status_code == 422
    solved = send(floor, printer, f"problems/{problem.pk}/resolve", key="3", resolution="Changed the nozzle")
    assert said(solved) == [f"Solved: Nozzle clogged: clicks. {printer.name} is in service."]
    printer.refresh_from_db()
    assert (printer.is_active, printer.out_of_service_reason) == (True, "")
    again = send(floor, printer, f"problems/{problem.pk}/resolve", key="4", resolution="Twice")
    assert "was resolved at" in again.context["error"].message


def test_a_printer_stays_out_while_another_problem_keeps_it_out() -> None:
    printer, actor = PrinterFactory(), system_actor()
    first = production.report_problem(printer, text="Belt", out_of_service=True, actor=actor)
    second = production.report_problem(printer, text="Noise", out_of_service=True, actor=actor)
    assert not second.took_out_of_service
    production.resolve_problem(second, resolution="Oiled", actor=actor)
    printer.refresh_from_db()
    assert not printer.is_active
    production.resolve_problem(first, resolution="New belt", actor=actor)
    printer.refresh_from_db()
    assert printer.is_active


def test_a_problem_gives_a_job_on_its_way_back(floor: Client) -> None:
    stock(black_pla())
    printer = PrinterFactory(loaded=[black_pla()])
    _, jobs = queued(printable(), 1)
    sent(jobs[0], printer)
    send(floor, printer, "problems", key="1", text="Smells", out_of_service="1")
    jobs[0].refresh_from_db()
    assert jobs[0].status == Status.QUEUED
    send(floor, printer, "in-service", key="2")
    printer.refresh_from_db()
    assert printer.is_active


@pytest.mark.parametrize("content", [b"", b"not a picture", b"\xff\xd8\xff\xe0 broken", b"GIF89a\x01\x00\x01\x00"])
def test_what_is_no_picture_is_refused_and_the_problem_is_not_half_reported(floor: Client, content: bytes) -> None:
    printer = PrinterFactory()
    photo = SimpleUploadedFile("photo.jpg", content, "image/jpeg")
    answer = send(floor, printer, "problems", key="1", text="Smells", photo=photo, out_of_service="1")
    assert answer.status_code == 422
    assert answer.context["error"].code == "FLOOR_001"
    assert "Smells" in answer.content.decode()
    assert not PrinterProblem.objects.exists()
    printer.refresh_from_db()
    assert printer.is_active


def test_a_photo_of_a_print_keeps_nothing_but_the_picture(floor: Client) -> None:
    job, printer = done()
    exif = Image.Exif()
    exif[0x010F] = "A phone that says who it is"
    exif[0x0112] = 6  # lies on its side
    answer = send(floor, printer, f"jobs/{job.pk}/photo", key="1", kind="finish", photo=picture(exif=exif))
    assert said(answer) == ["Photo kept: finished plate."]
    photo = JobPhoto.objects.get()
    with photo.image.open("rb") as file:
        kept = Image.open(file)
        assert kept.size == (48, 64)
        assert not kept.getexif()
    send(floor, printer, f"jobs/{job.pk}/photo", key="2", kind="finish", photo=picture("PNG", (4000, 1000)))
    with JobPhoto.objects.latest("id").image.open("rb") as file:
        assert Image.open(file).size == (2000, 500)
    assert send(floor, printer, f"jobs/{job.pk}/photo", key="3", kind="finish").status_code == 422
    assert send(floor, printer, f"jobs/{job.pk}/photo", key="4", kind="x", photo=picture()).status_code == 422


def test_a_photo_whose_file_says_nonsense_of_its_camera_is_kept_all_the_same(floor: Client) -> None:
    job, printer = done()
    # It lies on its side, and a text stands where the resolution's unit should be a number.
    head = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x02\x00"
    side = b"\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"
    text_for_a_number = b"\x28\x01\x02\x00\x04\x00\x00\x00abc\x00"
    content = picture(exif=head + side + text_for_a_number + b"\x00\x00\x00\x00").read()
    photo = SimpleUploadedFile("photo.jpg", content, "image/jpeg")
    assert said(send(floor, printer, f"jobs/{job.pk}/photo", key="1", kind="finish", photo=photo)) == [
        "Photo kept: finished plate."
    ]
    with JobPhoto.objects.get().image.open("rb") as file:
        assert Image.open(file).size == (48, 64)


def test_photos_are_for_staff_only(client: Client, floor: Client) -> None:
    job, printer = done()
    send(floor, printer, f"jobs/{job.pk}/photo", key="1", kind="finish", photo=picture())
    photo = JobPhoto.objects.get()
    assert b"".join(floor.get(f"/floor/photos/{photo.pk}/")).startswith(b"\xff\xd8")
    assert floor.get("/floor/photos/999/").status_code == 404
    floor.force_login(User.objects.create_user("customer@example.com", PASSWORD))
    assert floor.get(f"/floor/photos/{photo.pk}/").status_code == 403
    floor.logout()
    assert floor.get(f"/floor/photos/{photo.pk}/").status_code == 302


def test_the_same_photo_sent_twice_is_kept_once(floor: Client) -> None:
    job, printer = done()
    for _ in range(2):
        send(floor, printer, f"jobs/{job.pk}/photo", key="1", kind="finish", photo=picture())
    assert JobPhoto.objects.count() == 1


@pytest.mark.parametrize("scanned", ["http://[x/", "http://x/spools/%00", "\0", "A\0"])
def test_a_code_that_was_misread_is_refused(floor: Client, scanned: str) -> None:
    answer = send(floor, PrinterFactory(), "load", tray="0", spool=scanned)
    assert answer.status_code in (400, 422)


@pytest.mark.parametrize(
    "path",
    ["printers/%00/", "spools/%00/", "spools/?q=%00", "work/%00/", "labels/spools.pdf?label=%00", "wall/%00/"],
)
def test_a_path_that_nobody_can_have_is_no_error_of_ours(floor: Client, path: str) -> None:
    assert floor.get(f"/floor/{path}").status_code in (400, 404)


def test_a_login_that_nobody_can_have_is_refused(client: Client) -> None:
    answer = client.post("/floor/again/", {"username": "a\0@example.com", "password": "x\0", "kept_path": "/floor/"})
    assert answer.status_code == 422


# --- forms that come too late ----------------------------------------------------------------------------------------


def test_a_form_sent_after_the_session_ran_out_is_kept_and_sent_after_the_login(operator: User) -> None:
    job, printer = done()
    order = job.production_order_id
    client = Client()
    path = f"/floor/printers/{printer.serial}/jobs/{job.pk}/clear/"
    lost = client.post(path, {"key": "k1", f"good_{order}": "7", f"scrap_{order}": "1"})
    assert lost.status_code == 403
    assert 'name="kept:key" value="k1"' in lost.content.decode()
    kept = {f"kept:{name}": value for name, value in lost.context["kept"]} | {"kept_path": path}
    wrong = client.post("/floor/again/", kept | {"username": operator.email, "password": "wrong"})
    assert wrong.status_code == 422
    assert dict(wrong.context["kept"])[f"good_{order}"] == "7"
    back = client.post("/floor/again/", kept | {"username": operator.email, "password": PASSWORD})
    assert back.status_code == 200
    assert back.context["path"] == path
    job.refresh_from_db()
    assert job.cleared_at is None
    client.post(back.context["path"], dict(back.context["kept"]))
    assert (job.parts.get().good, job.parts.get().scrap) == (7, 1)


def test_a_form_with_an_old_token_is_kept_and_sent_by_one_tap(operator: User) -> None:
    job, printer = done()
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    path = f"/floor/printers/{printer.serial}/jobs/{job.pk}/clear/"
    headers = {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}
    late = client.post(path, {"key": "k1", "all": "good", "csrfmiddlewaretoken": "x" * 64}, headers=headers)
    assert late.status_code == 403
    assert late.context["is_known"]
    token = str(late.context["csrf_token"])
    sent_again = client.post(path, dict(late.context["kept"]) | {"csrfmiddlewaretoken": token}, headers=headers)
    assert sent_again.status_code == 302
    assert job.parts.get().good == 8


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {},
        {"Referer": "http://testserver.evil.example/"},
        {"Referer": "http://testserver@evil.example/"},
    ],
)
def test_what_another_site_sends_is_refused_and_not_offered_again(operator: User, headers: dict[str, str]) -> None:
    job, printer = done()
    client = Client(enforce_csrf_checks=True)
    client.force_login(operator)
    path = f"/floor/printers/{printer.serial}/jobs/{job.pk}/clear/"
    answer = client.post(path, {"key": "k1", "all": "good"}, headers=headers)
    assert answer.status_code == 403
    assert "kept" not in (answer.context or {})
    job.refresh_from_db()
    assert job.cleared_at is None
