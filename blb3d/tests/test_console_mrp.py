"""Material planning in the console: the plan, firm and release, messages, one product, what if, earlier runs."""

from __future__ import annotations

import datetime
import io
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from openpyxl import load_workbook

from blb3d.accounts.models import User
from blb3d.accounts.roles import sync_roles
from inventory.models import Product, PurchaseOrder, VendorItem
from inventory.tests.factories import (
    ComponentFactory,
    MaterialFactory,
    ProductFactory,
    VendorFactory,
    make_bom,
    put_on_shelf,
    system_actor,
)
from production.models import FirmOrder, Forecast, MRPRun, PlanLate, PlanMessage, PlannedOrder, ProductionOrder
from production.services import mrp
from production.tests.factories import draft
from sales.tests.factories import placed

pytestmark = pytest.mark.django_db
PAGE = "/admin/mrp/"


def day(number: int) -> datetime.date:
    """Return the day so many days from today."""
    return timezone.localdate() + datetime.timedelta(days=number)


@pytest.fixture
def boss() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("boss@example.com"))
    return client


def _in_role(name: str) -> Client:
    sync_roles()
    user = User.objects.create_user(f"{name}@example.com", is_staff=True)
    user.groups.add(Group.objects.get(name=name))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def farm() -> Product:
    """Return the filament of a farm: a lamp is ordered, its arms are to be made, filament and screws to be bought."""
    vendor = VendorFactory(code="V-FIL", name="Filament House", lead_time_days=9)
    filament = MaterialFactory(sku="F-BLACK", name="PLA Black")
    screw = ComponentFactory(sku="SCREW", name="Screw M3")
    orphan = ComponentFactory(sku="ORPHAN")
    for product in (filament, screw):
        VendorItem.objects.create(vendor=vendor, product=product, unit=product.unit_of_measure)
    arm = ProductFactory(sku="ARM", name="Lamp arm", lead_time_days=2)
    make_bom(arm, (filament, "0.05"), (screw, 4), (orphan, 1))
    lamp = ProductFactory(sku="LAMP", name="Lamp", lead_time_days=3)
    make_bom(lamp, (filament, "0.1"), (arm, 2))
    draft(lamp, 10, due_date=day(20))
    Forecast.objects.create(product=screw, starts_on=day(2), ends_on=day(6), quantity=Decimal(50))
    return filament


def test_before_the_first_run_the_page_says_what_planning_does(boss: Client) -> None:
    page = boss.get(PAGE)
    assert page.status_code == 200
    assert "Nothing was planned yet" in page.content.decode()
    answer = boss.post(f"{PAGE}run/", follow=True)
    assert "0 orders are planned, 0 demands go late." in answer.content.decode()
    assert "Nothing has to be bought or made" in answer.content.decode()


def test_what_a_run_found_is_counted_in_words(boss: Client) -> None:
    order = placed((ComponentFactory(lead_time_days=5), 1))
    order.promised_date = day(4)
    order.save()
    answer = boss.post(f"{PAGE}run/", follow=True)
    assert "1 order is planned, 1 demand goes late." in answer.content.decode()
    assert "1 day late" in answer.content.decode()


def test_the_plan_is_shown_in_words_by_vendor_with_whom_it_is_for(boss: Client, farm: Product) -> None:
    assert boss.post(f"{PAGE}run/").status_code == 302
    page = boss.get(PAGE)
    assert [group.title for group in page.context["groups"]] == [
        "Buy from V-FIL Filament House",
        "Buy, but nobody is known to sell it",
    ]
    order = ProductionOrder.objects.get()
    filament = [line for line in page.context["groups"][0].lines if line.order.product == farm]
    assert [line.words for line in filament] == ["Buy 1 kg F-BLACK", "Buy 1 kg F-BLACK"]
    assert filament[0].whom == f"{order.code} ({day(20).day} {day(20):%b}) needs 1 kg"
    assert [line.words for line in page.context["to_make"]] == ["Make 20 ARM"]
    text = page.content.decode()
    assert "SCREW" in text
    assert "days late" in text
    [short] = page.context["shortfalls"]
    assert (short["row"].product.sku, short["row"].worst) == ("SCREW", 7)


def test_planned_orders_are_filtered(boss: Client, farm: Product) -> None:
    mrp.run_mrp(actor=system_actor())

    def shown(**given: Any) -> list[str]:
        context = boss.get(PAGE, given).context
        lines = [line for group in context["groups"] for line in group.lines] + context["to_make"]
        return sorted({line.order.product.sku for line in lines})

    assert shown() == ["ARM", "F-BLACK", "ORPHAN", "SCREW"]
    assert shown(q="black") == ["F-BLACK"]
    assert shown(kind="make") == ["ARM"]
    assert shown(vendor=str(VendorItem.objects.first().vendor_id)) == ["F-BLACK", "SCREW"]  # type: ignore[union-attr]
    assert shown(late="on") == ["SCREW"]
    assert shown(until=str(timezone.localdate())) == ["SCREW"]
    assert shown(until="soon", q="%") == shown()
    assert shown(q="nothing") == []


def test_the_page_costs_the_same_however_much_is_planned(boss: Client, farm: Product) -> None:
    counts = []
    for number in (1, 8):
        for turn in range(number):
            draft(Product.objects.get(sku="LAMP"), 2, due_date=day(20 + turn))
        mrp.run_mrp(actor=system_actor())
        boss.get(PAGE)
        with CaptureQueriesContext(connection) as queries:
            boss.get(PAGE)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_ticked_orders_are_released_to_drafts(boss: Client, farm: Product) -> None:
    mrp.run_mrp(actor=system_actor())
    assert " checked>" not in boss.get(PAGE).content.decode()
    assert boss.get(PAGE, {"tick": "1", "kind": "make"}).content.decode().count(" checked>") == 1
    chosen = list(PlannedOrder.objects.exclude(product__sku="ORPHAN").values_list("pk", flat=True))
    answer = boss.post(f"{PAGE}act/", {"act": "release", "chosen": chosen, "asked": "kind=make"})
    assert answer["Location"] == f"{PAGE}?kind=make"
    text = boss.get(PAGE).content.decode()
    purchase = PurchaseOrder.objects.get()
    made = ProductionOrder.objects.get(source_type="stock")
    assert f"Written as drafts: {made.code}, {purchase.po_number}." in text
    assert set(purchase.lines.values_list("product__sku", flat=True)) == {"F-BLACK", "SCREW"}
    again = boss.post(f"{PAGE}act/", {"act": "release", "chosen": chosen}, follow=True)
    assert "PROD_062" in again.content.decode()
    assert PurchaseOrder.objects.count() == 1


def test_ticked_orders_are_made_firm_and_the_next_plan_keeps_them(boss: Client, farm: Product) -> None:
    mrp.run_mrp(actor=system_actor())
    row = PlannedOrder.objects.get(product__sku="ARM")
    answer = boss.post(f"{PAGE}act/", {"act": "firm", "chosen": [row.pk]}, follow=True)
    decided = FirmOrder.objects.get()
    assert f"Firm: {decided.number}." in answer.content.decode()
    assert answer.context["to_make"] == []
    page = boss.get(f"/admin/production/firmorder/{decided.pk}/change/")
    assert page.status_code == 200
    change = f"/admin/production/firmorder/{decided.pk}/verb/change/"
    assert "There by" in boss.post(change).content.decode()
    boss.post(change, {"quantity": "24", "due_on": str(day(15)), "_answered": "1"})
    decided.refresh_from_db()
    assert (decided.quantity, decided.due_on) == (Decimal(24), day(15))
    boss.post(f"/admin/production/firmorder/{decided.pk}/verb/release/")
    decided.refresh_from_db()
    assert decided.status == "released"
    assert decided.production_order is not None
    assert boss.get("/admin/production/firmorder/").status_code == 200


def test_nothing_ticked_is_said(boss: Client, farm: Product) -> None:
    answer = boss.post(f"{PAGE}act/", {"act": "firm", "chosen": ["x", "1" * 30]}, follow=True)
    assert "Please choose planned orders." in answer.content.decode()
    assert not FirmOrder.objects.exists()


def test_a_message_is_done_by_a_button(boss: Client) -> None:
    box, part = ProductFactory(sku="BOX", lead_time_days=1), ComponentFactory(sku="PART")
    put_on_shelf(part, 100)
    make_bom(box, (part, 1))
    order = draft(box, 5, source_type="stock", due_date=day(30))
    mrp.run_mrp(actor=system_actor())
    page = boss.get(PAGE).content.decode()
    assert "be cancelled: nothing needs it" in page
    message = PlanMessage.objects.get()
    assert boss.get(f"{PAGE}message/{message.pk}/").status_code == 405
    boss.post(f"{PAGE}message/{message.pk}/")
    order.refresh_from_db()
    assert order.status == "cancelled"
    again = boss.post(f"{PAGE}message/{message.pk}/", follow=True)
    assert "PROD_063" in again.content.decode()
    assert boss.get(PAGE).context["messages_to_do"] == []


def test_one_product_is_shown_over_time_with_whom_each_order_serves(boss: Client, farm: Product) -> None:
    mrp.run_mrp(actor=system_actor())
    page = boss.get(f"{PAGE}product/{farm.pk}/")
    assert page.status_code == 200
    text = page.content.decode()
    assert ProductionOrder.objects.get().code in text
    assert "planned order 1 of ARM" in text
    assert len(page.context["plan"].periods) == 13
    assert len(boss.get(f"{PAGE}product/{farm.pk}/?by=day").context["plan"].periods) == 28
    assert boss.get(f"{PAGE}product/{farm.pk}/?by=never").context["by"] == "week"
    assert boss.get(f"{PAGE}product/999999/").status_code == 404


def test_the_way_to_the_reason_of_a_late_order_is_shown(boss: Client, farm: Product) -> None:
    mrp.run_mrp(actor=system_actor())
    late = PlanLate.objects.get()
    text = boss.get(f"{PAGE}late/{late.pk}/").content.decode()
    assert "7 days late" in text
    assert "Planned order 1 of SCREW" in text


def test_what_if_is_asked_by_a_form_and_stores_nothing(boss: Client, farm: Product) -> None:
    order = placed((farm, 3))
    before = MRPRun.objects.count()
    assert boss.get(f"{PAGE}what-if/").status_code == 200
    asked = {"extra_product": "f-black", "extra_quantity": "2", "extra_due": str(day(2))}
    page = boss.get(f"{PAGE}what-if/", asked)
    assert [row["row"].what for row in page.context["rows"]] == ["new"]
    assert "the order you imagine" in page.content.decode()
    page = boss.get(f"{PAGE}what-if/", {"order": order.order_number, "order_product": "F-BLACK", "order_quantity": "0"})
    assert [row["row"].what for row in page.context["rows"]] == ["gone"]
    page = boss.get(f"{PAGE}what-if/", {"lead_product": "F-BLACK", "lead_days": "40"})
    assert {row["cause"].sku for row in page.context["late"]} == {"F-BLACK"}
    for wrong, words in (
        ({"extra_product": "F-BLACK"}, "This is needed, too."),
        ({"extra_product": "NONE", "extra_quantity": "1", "extra_due": str(day(1))}, "There is no such product."),
        ({"order": "SO-1", "order_product": "F-BLACK"}, "Please say what changes"),
        ({"supply": "PUR-1900-001", "supply_day": str(day(3))}, "Nothing is open of PUR-1900-001."),
    ):
        assert words in boss.get(f"{PAGE}what-if/", wrong).content.decode()
    assert MRPRun.objects.count() == before


def test_earlier_runs_are_listed_and_compared(boss: Client, farm: Product) -> None:
    assert boss.get(f"{PAGE}runs/").status_code == 200
    first = mrp.run_mrp(actor=system_actor())
    draft(Product.objects.get(sku="LAMP"), 5, due_date=day(40))
    second = mrp.run_mrp(actor=system_actor())
    page = boss.get(f"{PAGE}runs/")
    assert (page.context["before"], page.context["after"]) == (first, second)
    assert {row["row"].what for row in page.context["rows"]} == {"new"}
    back = boss.get(f"{PAGE}runs/", {"a": second.pk, "b": first.pk})
    assert {row["row"].what for row in back.context["rows"]} == {"gone"}
    assert "Both plan the same" in boss.get(f"{PAGE}runs/", {"a": first.pk, "b": first.pk}).content.decode()
    assert boss.get(f"{PAGE}runs/", {"a": "x", "b": "0"}).status_code == 200
    assert boss.get("/admin/production/mrprun/").status_code == 200


def test_a_forecast_is_entered_by_hand_and_taken_back(boss: Client) -> None:
    part = ComponentFactory(sku="PART")
    body = {"product": part.pk, "starts_on": str(day(10)), "ends_on": str(day(16)), "quantity": "12", "notes": "fair"}
    wrong = boss.post("/admin/production/forecast/add/", {**body, "ends_on": str(day(9))})
    assert wrong.status_code == 200
    assert not Forecast.objects.exists()
    boss.post("/admin/production/forecast/add/", body)
    forecast = Forecast.objects.get()
    assert (forecast.quantity, forecast.created_by) == (Decimal(12), User.objects.get(email="boss@example.com"))
    assert mrp.run_mrp(actor=system_actor()).planned_to_buy == 1
    boss.post(f"/admin/production/forecast/{forecast.pk}/verb/remove/", {"_answered": "1"})
    assert not Forecast.objects.exists()
    assert mrp.run_mrp(actor=system_actor()).planned_to_buy == 0


def test_a_run_that_failed_is_told_on_the_page(boss: Client, farm: Product) -> None:
    mrp.run_mrp(actor=system_actor())
    MRPRun.objects.create(
        number="MRP-X", status="failed", planned_from=timezone.localdate(), started_by=system_actor(),
        error="Bills of materials go round.", has_rows=False,
    )  # fmt: skip
    text = boss.get(PAGE).content.decode()
    assert "MRP-X" in text
    assert "Bills of materials go round. What is shown is older." in text


def test_home_counts_what_should_be_placed_within_a_week_and_tells_of_a_failure(boss: Client, farm: Product) -> None:
    def cards() -> dict[str, int]:
        groups = boss.get("/admin/").context["queue_groups"]
        return {card.name: card.count for group in groups.values() for card in group}

    assert "Planned orders to place" not in cards()
    run = mrp.run_mrp(actor=system_actor())
    soon = PlannedOrder.objects.filter(start_on__lte=day(7))
    assert cards()["Planned orders to place"] == soon.count() == 3
    mrp.firm(list(soon[:1]), actor=system_actor())
    assert cards()["Planned orders to place"] == 2
    MRPRun.objects.create(
        number="MRP-X", status="failed", planned_from=run.planned_from, started_by=system_actor(), has_rows=False
    )
    assert "Planned orders to place" not in cards()
    assert cards()["Material planning failed"] == 1


def test_the_plan_is_a_file_too(boss: Client, farm: Product) -> None:
    run = mrp.run_mrp(actor=system_actor())
    answer = boss.get(PAGE, {"format": "csv", "q": "F-BLACK"})
    assert answer["Content-Disposition"] == f'attachment; filename="{run.number}.csv"'
    lines = answer.content.decode("utf-8-sig").splitlines()
    assert lines[0] == "what,product,name,quantity,unit,start,there by,ready,for"
    assert [line.split(",")[:5] for line in lines[1:]] == [["buy", "F-BLACK", "PLA Black", "1.0000", "kg"]] * 2
    answer = boss.get(PAGE, {"format": "xlsx"})
    sheet = load_workbook(io.BytesIO(answer.content)).active
    assert sheet is not None
    rows = list(sheet.iter_rows(values_only=True))
    assert len(rows) == 1 + run.planned_to_buy + run.planned_to_make


ADDRESSES = ("", "what-if/", "runs/")


@pytest.mark.parametrize(
    ("role", "sees", "runs", "firms", "buys", "makes"),
    [
        ("manager", True, True, True, True, True),
        ("purchasing", True, True, True, True, False),
        ("operator", True, False, False, False, False),
        ("sales", True, False, False, False, False),
    ],
)
def test_who_may_do_what(
    role: str, sees: bool, runs: bool, firms: bool, buys: bool, makes: bool, farm: Product
) -> None:
    client = _in_role(role)
    assert client.get(PAGE).status_code == (200 if sees else 403)
    assert client.get(f"{PAGE}what-if/").status_code == (200 if runs else 403)
    assert client.get(f"{PAGE}runs/").status_code == (200 if sees else 403)
    assert client.post(f"{PAGE}run/").status_code == (302 if runs else 403)
    assert MRPRun.objects.exists() is runs
    mrp.run_mrp(actor=system_actor())
    row = PlannedOrder.objects.filter(run=MRPRun.objects.first(), product=farm).first()
    assert row is not None
    assert client.post(f"{PAGE}act/", {"act": "firm", "chosen": [row.pk]}).status_code == (302 if firms else 403)
    assert FirmOrder.objects.exists() is firms
    for sku, may in (("SCREW", buys), ("ARM", makes)):
        chosen = PlannedOrder.objects.filter(run=MRPRun.objects.first(), product__sku=sku).first()
        assert chosen is not None
        answer = client.post(f"{PAGE}act/", {"act": "release", "chosen": [chosen.pk]})
        assert answer.status_code == (302 if may else 403)
    assert PurchaseOrder.objects.exists() is buys
    assert ProductionOrder.objects.filter(source_type="stock").exists() is makes


def test_who_may_not_make_does_not_release_what_is_made_from_its_page_either(farm: Product) -> None:
    run = mrp.run_mrp(actor=system_actor())
    rows = PlannedOrder.objects.filter(run=run, product__sku__in=["ARM", "SCREW"]).order_by("kind", "id")
    to_buy, *_, to_make = mrp.firm(list(rows), actor=system_actor())
    assert (to_buy.kind, to_make.kind) == ("buy", "make")
    client = _in_role("purchasing")
    for order in (to_make, to_buy):
        client.post(f"/admin/production/firmorder/{order.pk}/verb/release/")
    assert ProductionOrder.objects.filter(source_type="stock").count() == 0
    assert list(FirmOrder.objects.filter(status="released")) == [to_buy]


def test_strangers_are_sent_to_the_log_in() -> None:
    for address in ADDRESSES:
        assert Client().get(f"{PAGE}{address}").status_code == 302
