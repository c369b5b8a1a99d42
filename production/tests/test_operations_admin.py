"""Routings, operations and defects on the pages of the console."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from blb3d.accounts.roles import ROLES, permissions_matching
from blb3d.accounts.tests.factories import StaffFactory, SuperuserFactory
from inventory.models import Inventory
from inventory.tests.factories import system_actor
from production import services as production
from production.models import (
    DefectReason,
    OperationReport,
    PrintJob,
    ProductionOperation,
    ProductionOrder,
    Routing,
    RoutingStep,
)
from production.tests.factories import (
    black_pla,
    cleared,
    finished,
    printable,
    printing,
    queued,
    routed,
    stock,
    work_center,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def console(client: Client) -> Client:
    client.force_login(SuperuserFactory())
    return client


def _page(obj: Any, act: str = "") -> str:
    base = f"/admin/{obj._meta.app_label}/{obj._meta.model_name}/{obj.pk}/"
    return f"{base}verb/{act}/" if act else f"{base}change/"


def _order(*kinds: str, quantity: int = 3) -> tuple[ProductionOrder, list[ProductionOperation]]:
    stock(black_pla())
    product = printable(parts=quantity)
    routed(product, *(kinds or ("paint", "pack")))
    order, [job] = queued(product, quantity)
    cleared(job, good=quantity)
    order.refresh_from_db()
    return order, list(order.operations.order_by("sequence"))


def _steps(*rows: dict[str, Any], initial: int = 0, routing: Routing | None = None) -> dict[str, Any]:
    form: dict[str, Any] = {
        "steps-TOTAL_FORMS": len(rows),
        "steps-INITIAL_FORMS": initial,
        "steps-MIN_NUM_FORMS": 0,
        "steps-MAX_NUM_FORMS": 1000,
    }
    usual = {"setup_minutes": "0", "minutes_per_unit": "2.5", "wait_minutes": "0", "instructions": "", "id": ""}
    for number, row in enumerate(rows):
        for name, value in {**usual, "routing": routing.pk if routing else "", **row}.items():
            form[f"steps-{number}-{name}"] = value
    return form


def test_a_routing_is_entered_with_its_steps_and_the_first_one_is_active(console: Client) -> None:
    product = printable()
    paint, pack = work_center("paint"), work_center("pack")
    steps = _steps(
        {"sequence": 10, "name": "Two coats", "work_center": paint.pk, "wait_minutes": "60"},
        {"sequence": 20, "name": "Wrap", "work_center": pack.pk},
    )
    form = {"product": product.pk, "name": "painted", **steps}
    answer = console.post("/admin/production/routing/add/", form)
    assert answer.status_code == 302, answer.context["errors"]
    routing = Routing.objects.get()
    assert (routing.revision, routing.is_active, routing.name) == (1, True, "painted")
    assert [step.name for step in routing.steps.order_by("sequence")] == ["Two coats", "Wrap"]
    console.post("/admin/production/routing/add/", {**form, "name": "again"})
    second = Routing.objects.get(name="again")
    assert (second.revision, second.is_active) == (2, False)
    page = console.get(f"/admin/inventory/product/{product.pk}/change/").content.decode()
    assert _page(routing) in page
    assert "Two coats" in console.get(_page(routing)).content.decode()


def test_steps_are_changed_taken_out_and_checked_on_the_page(console: Client) -> None:
    routing = routed(printable(), "paint", "pack")
    paint, pack = routing.steps.order_by("sequence")
    rows = [
        {"id": paint.pk, "sequence": 10, "name": "Spray", "work_center": paint.work_center_id},
        {"id": pack.pk, "sequence": 20, "name": "Pack", "work_center": pack.work_center_id, "DELETE": "on"},
    ]
    form = {"name": "standard", **_steps(*rows, initial=2, routing=routing)}
    assert console.post(_page(routing), {**form, "steps-0-minutes_per_unit": "-1"}).status_code == 200
    assert routing.steps.count() == 2
    assert console.post(_page(routing), form).status_code == 302
    assert [step.name for step in routing.steps.all()] == ["Spray"]
    assert RoutingStep.history.filter(id=pack.pk).first().history_type == "-"


def test_a_printing_work_center_is_no_place_for_a_step(console: Client) -> None:
    printing_place = work_center("print")
    form = {"product": printable().pk, "name": "x"}
    steps = _steps({"sequence": 10, "name": "Print", "work_center": printing_place.pk})
    assert console.post("/admin/production/routing/add/", {**form, **steps}).status_code == 200
    assert not RoutingStep.objects.exists()


def test_a_revision_is_copied_activated_and_switched_off_by_buttons(console: Client) -> None:
    first = routed(printable(), "paint")
    console.post(_page(first, "copy"))
    second = Routing.objects.get(revision=2)
    console.post(_page(second, "activate"), {"_answered": "1"})
    assert set(Routing.objects.filter(is_active=True)) == {second}
    console.post(_page(second, "deactivate"), {"_answered": "1"})
    assert not Routing.objects.filter(is_active=True).exists()


def test_an_operation_is_started_and_reported_by_buttons(console: Client) -> None:
    production.add_standard_defects(actor=system_actor())
    surface = DefectReason.objects.get(code="surface")
    order, [paint, pack] = _order()
    console.post(_page(paint, "start"))
    asked = console.post(_page(paint, "report")).content.decode()
    assert "3 wait here" in asked
    assert "Bad surface" in asked
    assert "Stringing" not in asked
    form = {"_answered": "1", "good": 1, "scrap": 1, "rework": 1, "rework_to": paint.pk, "defect": surface.pk,
            "minutes": "4", "note": "drip"}  # fmt: skip
    answer = console.post(_page(paint, "report"), form)
    assert answer.status_code == 302, answer.content
    report = OperationReport.objects.get()
    assert (report.good, report.scrap, report.rework, report.defect, report.note) == (1, 1, 1, surface, "drip")
    refused = console.post(_page(paint, "report"), {**form, "good": 3})
    assert "[PROD_008]" in refused.content.decode()
    assert OperationReport.objects.count() == 1
    page = console.get(_page(paint)).content.decode()
    assert "drip" in page
    skipped = console.post(_page(pack, "skip"), {"_answered": "1", "reason": "loose"})
    assert skipped.status_code == 302
    assert Inventory.objects.get(product=order.product).on_hand_quantity == 1


def test_the_order_shows_its_operations_and_what_was_reported_of_them(console: Client) -> None:
    order, [paint, _] = _order()
    production.report_operation(paint, good=2, scrap=1, note="drip", actor=system_actor())
    page = console.get(_page(order)).content.decode()
    assert _page(paint) in page
    assert "painting: 2 good, 1 scrap" in page
    console.post(_page(order, "scrap_in_work"), {"_answered": "1", "reason": "gave up"})
    order.refresh_from_db()
    assert order.quantity_scrapped == 3
    assert OperationReport.objects.order_by("-id").first().note == "gave up"


def test_the_home_page_counts_what_waits_for_hands(console: Client) -> None:
    _order()
    page = console.get("/admin/").content.decode()
    assert "Work after printing" in page
    assert 'href="/floor/work/"' in page


def test_the_list_of_operations_costs_the_same_however_long_it_is(console: Client) -> None:
    counts = []
    for _ in range(2):
        _order()
        with CaptureQueriesContext(connection) as queries:
            assert console.get("/admin/production/productionoperation/").status_code == 200
        counts.append(len(queries))
        _order("post_process", "paint", "inspect", "pack")
    assert counts[0] == counts[1]


def test_an_operator_reports_but_does_not_skip(client: Client) -> None:
    _, [paint, _] = _order()
    operator = StaffFactory()
    group, _ = Group.objects.get_or_create(name="operator")
    group.permissions.set(permissions_matching(ROLES["operator"]))
    operator.groups.add(group)
    client.force_login(operator)
    assert client.post(_page(paint, "skip"), {"_answered": "1", "reason": "no"}).status_code == 403
    form = {"_answered": "1", "good": 3, "scrap": 0, "rework": 0, "minutes": "0", "note": ""}
    assert client.post(_page(paint, "report"), form).status_code == 302
    paint.refresh_from_db()
    assert paint.quantity_good == 3


def test_a_plate_is_cleared_and_a_failure_named_with_a_defect(console: Client) -> None:
    production.add_standard_defects(actor=system_actor())
    warping = DefectReason.objects.get(code="warping")
    stock(black_pla())
    order, [job, other] = queued(printable(parts=2), 4)
    finished(job)
    form = {"_answered": "1", f"good_{order.pk}": 1, f"scrap_{order.pk}": 1, f"defect_{order.pk}": warping.pk,
            f"why_{order.pk}": ""}  # fmt: skip
    console.post(_page(job, "clear"), form)
    assert job.parts.get().defect == warping
    assert "Warping" in console.get(_page(job)).content.decode()
    printing(other)
    production.record_failed(other, code="", text="", progress_percent=5, actor=system_actor())
    console.post(_page(other, "classify"), {"_answered": "1", "defect": warping.pk, "reason": ""})
    assert PrintJob.objects.get(pk=other.pk).defect == warping
