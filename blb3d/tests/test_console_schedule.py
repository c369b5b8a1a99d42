"""The schedule in the console: its page, its home card, shifts, and what lists say of it."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.accounts.roles import sync_roles
from blb3d.console import home
from inventory.tests.factories import system_actor
from production import services as production
from production.models import ScheduleRun, ScheduleTouch, Shift
from production.tests.factories import PrinterFactory, black_pla, draft, printable, printing, queued, stock

pytestmark = pytest.mark.django_db
PAGE = "/admin/schedule/"


@pytest.fixture(autouse=True)
def day_and_night(settings: Any) -> None:
    settings.FARM_WORKING_DAYS = list(range(7))
    settings.FARM_SHIFT_STARTS = settings.FARM_SHIFT_ENDS = datetime.time(0)


@pytest.fixture
def boss() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("boss@example.com"))
    return client


@pytest.fixture
def busy_farm() -> Any:
    """Return the order that goes late, on a farm with a running, a waiting and an unplanned job."""
    stock(black_pla(), "100")
    printer = PrinterFactory(name="Ada", loaded=[black_pla()])
    _, [job] = queued(printable())
    printing(job, printer)
    queued(printable())
    draft(printable(file=False, name="Unsliced"))
    late = draft(printable(name="Hurried"), due_date=timezone.localdate())
    production.make_schedule(cause="test", actor=system_actor())
    late.refresh_from_db()
    return late


def test_the_page_shows_who_does_what_and_until_when(boss: Client, busy_farm: Any) -> None:
    page = boss.get(PAGE)
    [lane] = page.context["lanes"]
    assert (lane.name, [bar.kind for bar in lane.bars]) == ("Ada", ["running", "late", "planned"])
    assert lane.bars[1].title.startswith(f"{busy_farm.code}: 1 x Hurried, ")
    assert lane.bars[1].title.endswith(", late")
    assert lane.ends == page.context["ends_at"] == lane.rows[-1].ends_at > busy_farm.scheduled_end
    assert [row["order"] for row in page.context["late"]] == [busy_farm]
    assert [line["row"].waits_for for line in page.context["unplanned"]] == ["No print file for plate 1"]
    html = page.content.decode()
    assert "All that is planned ends" in html
    assert "style=" not in html[html.index('class="gantt"') : html.index("gantt__key")]


def test_the_page_says_so_when_there_is_no_schedule(boss: Client) -> None:
    html = boss.get(PAGE).content.decode()
    assert "Nothing is planned" in html
    assert "There is no printer in service" in html
    assert boss.get(PAGE, {"days": "nonsense"}).context["days"] == 3
    assert boss.get(PAGE, {"days": "7"}).context["days"] == 7


def test_the_page_costs_the_same_with_much_work_and_with_little(boss: Client) -> None:
    stock(black_pla(), "100")

    def more() -> None:
        PrinterFactory(loaded=[black_pla()])
        draft(printable(), 3, due_date=timezone.localdate() - datetime.timedelta(days=2))
        draft(printable(file=False))
        production.make_schedule(cause="test", actor=system_actor())

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert boss.get(PAGE).status_code == 200
        return len(queries)

    more()
    boss.get(PAGE)
    few = cost()
    for _ in range(4):
        more()
    assert cost() == few <= 16


def test_a_person_plans_anew_if_allowed(boss: Client, busy_farm: Any) -> None:
    before = ScheduleRun.objects.count()
    assert boss.post(PAGE, follow=True).redirect_chain == [(PAGE, 302)]
    assert ScheduleRun.objects.count() == before + 1
    sync_roles()
    operator = User.objects.create_user("operator@example.com", is_staff=True)
    operator.groups.add(Group.objects.get(name="operator"))
    client = Client()
    client.force_login(operator)
    assert "Plan now" not in client.get(PAGE).content.decode()
    assert client.post(PAGE).status_code == 403
    assert ScheduleRun.objects.count() == before + 1


def test_the_page_is_for_those_who_may_see_the_schedule(busy_farm: Any) -> None:
    client = Client()
    client.force_login(User.objects.create_user("nobody@example.com", is_staff=True))
    assert client.get(PAGE).status_code == 403


def test_home_counts_the_orders_that_go_late(boss: Client, busy_farm: Any) -> None:
    request: Any = RequestFactory().get("/admin/")
    request.user = User.objects.get(email="boss@example.com")
    [card] = [card for card in home.queues_for(request)["Production"] if card.name == "Orders going late"]
    assert card.count == 1
    assert boss.get(card.url).context["cl"].result_count == 1


def test_order_and_job_lists_show_the_planned_finish(boss: Client, busy_farm: Any) -> None:
    listed = boss.get("/admin/production/productionorder/").content.decode()
    assert "not planned" in listed
    assert ">Late<" in listed or "Late</span>" in listed
    assert " on Ada" in boss.get("/admin/production/printjob/").content.decode()
    assert boss.get(f"/admin/production/productionorder/{busy_farm.pk}/change/").status_code == 200


def test_a_changed_or_removed_shift_has_everything_planned_anew(boss: Client) -> None:
    given = {"name": "early", "weekday": "0", "starts_at": "06:00", "ends_at": "14:00", "work_center": ""}
    assert boss.post("/admin/production/shift/add/", given).status_code == 302
    shift = Shift.objects.get()
    assert ScheduleTouch.objects.get().cause == "Shift early was changed"
    removed = boss.post(f"/admin/production/shift/{shift.pk}/verb/remove/", {"_answered": "1"}, follow=True)
    assert removed.status_code == 200
    assert not Shift.objects.exists()
    assert ScheduleTouch.objects.last().cause == "Shift early was removed"
