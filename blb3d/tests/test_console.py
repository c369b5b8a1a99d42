from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.db import connection
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.accounts.roles import sync_roles
from blb3d.console import home, navigation
from blb3d.core.inbox import InboundMessage
from blb3d.core.outbox import EventDelivery
from blb3d.tests.rows import make_row
from integrations.models import MarketplaceProductMapping
from inventory.models import BOMLine
from production.models import (
    Printer,
    PrintJob,
    PrintJobPart,
    ProductionOrder,
    ProductionOrderMaterial,
    SerialNumber,
)
from sales.models import Invoice, SalesOrder

pytestmark = pytest.mark.django_db


def entering(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def clerk(role: str) -> User:
    sync_roles()
    user = User.objects.create_user(f"{role}@example.com", is_staff=True)
    user.groups.add(Group.objects.get(name=role))
    return user


def asking(user: User) -> Any:
    request = RequestFactory().get("/admin/")
    request.user = user
    return request


def counts(user: User) -> dict[str, int]:
    return {card.name: card.count for cards in home.queues_for(asking(user)).values() for card in cards}


def move(document: Any, status: str, **values: Any) -> Any:
    """Put a document where a long story would have brought it."""
    document._moving = True
    for name, value in {"status": status, **values}.items():
        setattr(document, name, value)
    document.save()
    document._moving = False
    return document


@pytest.fixture
def boss() -> User:
    return User.objects.create_superuser("boss@example.com")


def test_each_queue_counts_what_waits_and_nothing_else(boss: User) -> None:
    yesterday = timezone.localdate() - datetime.timedelta(days=1)
    make_row(SalesOrder)
    move(make_row(SalesOrder), "on_hold")
    move(make_row(SalesOrder), "on_hold", held_for_mapping=True)
    move(make_row(SalesOrder), "confirmed", promised_date=yesterday)
    move(make_row(SalesOrder), "completed", promised_date=yesterday)
    now = timezone.now()
    move(make_row(PrintJob), "finished", started_at=now, finished_at=now)
    move(make_row(PrintJob), "finished", started_at=now, finished_at=now, cleared_at=now)
    move(make_row(PrintJob), "failed", started_at=now, finished_at=now)
    move(make_row(PrintJob), "cancelled")
    Printer.objects.create(name="a", serial="1", model="X1C", connection="stale")
    Printer.objects.create(name="b", serial="2", model="X1C", connection="online")
    Printer.objects.create(name="c", serial="3", model="X1C", connection="refused", is_active=False)
    make_row(InboundMessage)
    dead = make_row(EventDelivery)
    dead.status = "dead"
    dead.save()
    found = {name: count for name, count in counts(boss).items() if count}
    assert found == {
        "Orders to confirm": 1,
        "Orders held": 1,
        "Orders late": 1,
        "SKUs not mapped": 1,
        "Plates to clear": 2,
        "Failed jobs": 1,
        "Printers silent or refused": 1,
        "News not passed on": 1,
    }


def test_a_card_leads_to_the_rows_that_it_counts(boss: User) -> None:
    client = entering(boss)
    dead = make_row(EventDelivery)
    dead.status = "dead"
    dead.save()
    make_row(EventDelivery)
    for queue in home.QUEUES:
        card = home.card_of(queue, asking(boss))
        page = admin.site._registry.get(apps.get_model(queue.model))
        if page is None:
            assert card.url == ""
            continue
        listed = client.get(card.url)
        assert listed.status_code == 200, queue.name
        assert listed.context["cl"].result_count == card.count, queue.name


def test_every_queue_and_page_is_named_after_a_real_permission() -> None:
    known = {f"{p.content_type.app_label}.{p.codename}" for p in Permission.objects.select_related("content_type")}
    assert {name for queue in home.QUEUES for name in (queue.permission, queue.also) if name} <= known
    assert all(apps.get_model(label) for models in navigation.NAVIGATION.values() for label, _, _ in models)


def test_the_age_is_that_of_the_oldest(boss: User) -> None:
    for hours in (2, 30):
        order = make_row(SalesOrder)
        order.created_at = timezone.now() - datetime.timedelta(hours=hours)
        order.save()
    [card] = [card for card in home.queues_for(asking(boss))["Sales"] if card.name == "Orders to confirm"]
    assert (card.count, card.oldest) == (2, "30 h")


@pytest.mark.parametrize(
    ("minutes", "words"), [(0, "0 min"), (59, "59 min"), (60, "1 h"), (47 * 60, "47 h"), (48 * 60, "2 d")]
)
def test_an_age_is_said_as_people_say_it(minutes: int, words: str) -> None:
    assert home.age(timezone.now() - datetime.timedelta(minutes=minutes)) == words


def test_home_costs_the_same_with_many_rows(boss: User) -> None:
    client = entering(boss)

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(reverse("admin:index")).status_code == 200
        return len(captured)

    make_row(Printer)
    few = queries()
    for _ in range(10):
        make_row(Printer)
        make_row(SalesOrder)
        make_row(PrintJobPart)
        make_row(Invoice)
    assert queries() == few
    assert few <= len(home.QUEUES) + 15


def test_home_shows_a_role_its_own_work_only() -> None:
    operator = clerk("operator")
    assert set(counts(operator)) == {
        "Orders to inspect and pack",
        "Plates to clear",
        "Failed jobs",
        "Jobs ended unseen",
        "Jobs to start",
        "Problems of printers",
        "Printers silent or refused",
        "Services due",
        "Work after printing",
    }
    assert [number.name for number in home.numbers_for(asking(operator))] == ["Orders", "Shipped", "Parts printed"]
    page = entering(operator).get(reverse("admin:index"))
    assert page.status_code == 200
    assert "Invoiced" not in page.content.decode()


def test_navigation_holds_what_the_role_may_see() -> None:
    operator = clerk("operator")
    titles = {group.get("title") for group in navigation.navigation(asking(operator))}
    assert "System" not in titles
    links = [item["link"] for group in navigation.navigation(asking(operator)) for item in group["items"]]
    client = entering(operator)
    assert {client.get(link).status_code for link in links} == {200}


def test_todays_numbers_add_up(boss: User) -> None:
    part = make_row(PrintJobPart)
    PrintJobPart.objects.filter(pk=part.pk).update(planned=7, good=5, scrap=2)
    move(part.job, "finished", cleared_at=timezone.now())
    make_row(PrintJobPart)
    invoice = make_row(Invoice)
    numbers = {number.name: (number.value, number.note) for number in home.numbers_for(asking(boss))}
    assert numbers["Parts printed"] == ("5", "2 scrapped")
    assert numbers["Invoiced"] == ("$1.00", "1 invoice")
    assert numbers["Orders"] == (str(SalesOrder.objects.count()), "")
    assert invoice.issued_on == timezone.localdate()


def test_search_finds_a_document_by_its_number_and_hides_what_the_role_may_not_see() -> None:
    make_row(Printer)
    operator = clerk("operator")
    mapping = make_row(MarketplaceProductMapping)
    assert navigation.search(asking(operator), mapping.marketplace_product_id) == []
    response = entering(operator).get(reverse("admin:search"), {"s": "zzz", "extended": "1"})
    assert response.status_code == 200


def test_dead_work_is_put_back_by_who_may() -> None:
    message = make_row(InboundMessage)
    message.status, message.attempts = "dead", 12
    message.save()
    door = reverse("admin:core_inboundmessage_verb", args=[message.pk, "replay"])
    assert entering(clerk("operator")).post(door).status_code == 403
    message.refresh_from_db()
    assert message.status == "dead"
    assert entering(clerk("manager")).post(door).status_code == 302
    message.refresh_from_db()
    assert (message.status, message.attempts) == ("pending", 0)


def test_nobody_enters_the_console_who_is_not_staff() -> None:
    user = User.objects.create_user("buyer@example.com")
    response = entering(user).get(reverse("admin:index"))
    assert response.status_code == 302
    assert response.headers["Location"].startswith(reverse("admin:login"))


def test_the_trace_page_follows_a_serial_number_and_a_lot(boss: User) -> None:
    serial = make_row(SerialNumber, with_optional_keys=True)
    used = make_row(ProductionOrderMaterial, with_optional_keys=True)
    ProductionOrderMaterial.objects.filter(pk=used.pk).update(
        production_order=serial.production_order, print_job=serial.print_job
    )
    SerialNumber.objects.filter(pk=serial.pk).update(serial_number="BLB-20260401-0001")
    client = entering(boss)
    page = client.get(reverse("console-trace"), {"number": "blb-20260401-0001"})
    chain = {what: [text for text, _, _ in links] for what, links in page.context["steps"]}
    assert chain["Production order"] == [serial.production_order.code]
    assert chain["Material lots"] == [used.material_lot.lot_number]
    assert chain["Customer"] == [str(serial.sales_order.customer)]
    page = client.get(reverse("console-trace"), {"number": used.material_lot.lot_number})
    chain = {what: [text for text, _, _ in links] for what, links in page.context["steps"]}
    assert chain["Production orders"] == [serial.production_order.code]
    assert chain["Serial numbers"] == ["BLB-20260401-0001"]
    missing = client.get(reverse("console-trace"), {"number": "nothing"})
    assert "Nothing has the number nothing." in missing.content.decode()


def test_the_materials_page_names_what_is_short(boss: User) -> None:
    line = make_row(BOMLine)
    make_row(ProductionOrder)
    order = ProductionOrder.objects.get()
    order.bom, order.product = line.bom, line.bom.product
    order.save()
    page = entering(boss).get(reverse("console-materials"))
    assert [(row.material_sku, row.shortage_kg, unit) for row, _, unit in page.context["rows"]] == [
        (line.component.sku, order.quantity, line.component.unit_of_measure)
    ]
    [card] = [card for card in home.queues_for(asking(boss))["Stock"] if card.name == "Materials short"]
    assert (card.count, card.url) == (1, reverse("console-materials"))


@pytest.mark.parametrize(
    "name", ["console-trace", "console-materials", "console-dispatch", "console-services", "console-yield"]
)
def test_pages_of_their_own_are_for_roles_that_may_see_what_is_on_them(name: str) -> None:
    nobody = User.objects.create_user("new@example.com", is_staff=True)
    assert entering(nobody).get(reverse(name)).status_code == 403
    assert entering(clerk("operator")).get(reverse(name)).status_code == 200
    assert Client().get(reverse(name)).status_code == 302


def test_a_printer_with_a_full_plate_stands_first_and_leads_to_clearing(boss: User) -> None:
    idle = Printer.objects.create(name="a", serial="1", model="X1C")
    full = Printer.objects.create(name="b", serial="2", model="X1C")
    job = move(make_row(PrintJob), "finished", printer=full, started_at=timezone.now())
    first, second = home.farm(asking(boss))
    assert (first["printer"], second["printer"], second["clear_url"]) == (full, idle, "")
    assert first["clear_url"] == reverse("admin:production_printjob_verb", args=[job.pk, "clear"])
    assert first["clear_url"] in entering(boss).get(reverse("admin:index")).content.decode()
    assert [row["clear_url"] for row in home.farm(asking(clerk("sales")))] in ([], ["", ""])


def test_a_print_whose_end_nobody_saw_is_not_shown_as_running(boss: User) -> None:
    printer = Printer.objects.create(name="a", serial="1", model="X1C")
    values = {"started_at": timezone.now(), "progress_percent": 40, "remaining_minutes": 116}
    job = move(make_row(PrintJob), "printing", printer=printer, **values)
    page = entering(boss).get(reverse("admin:index")).content.decode()
    assert " left</span>" in page
    move(job, "unknown")
    page = entering(boss).get(reverse("admin:index")).content.decode()
    assert " left</span>" not in page
    assert job.get_status_display() in page


def test_quality_sees_the_orders_that_wait_for_its_inspection(boss: User) -> None:
    move(make_row(SalesOrder), "quality_check")
    assert counts(clerk("quality"))["Orders to inspect and pack"] == 1


def test_home_says_so_when_nothing_needs_anybody(boss: User) -> None:
    page = entering(boss).get(reverse("admin:index"))
    assert page.context["queue_groups"] == {}
    assert len(page.context["idle_queues"]) == len(home.QUEUES) + 5
    assert "Nothing needs you now." in page.content.decode()


def test_a_log_in_leads_to_the_console(boss: User) -> None:
    boss.set_password("a-long-password")
    boss.save()
    client = Client()
    form = client.get(reverse("admin:login"))
    assert f'name="next" value="{reverse("admin:index")}"' in form.content.decode()
    answer = client.post(
        reverse("admin:login"),
        {"username": boss.email, "password": "a-long-password", "next": reverse("admin:index")},
    )
    assert answer.headers["Location"] == reverse("admin:index")
