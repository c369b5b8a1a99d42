"""The floor's pages of work after printing: what waits, start, report, and forms that come twice."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from blb3d.accounts.models import User
from blb3d.accounts.roles import ROLES, permissions_matching
from inventory.models import Inventory
from inventory.tests.factories import system_actor
from production import services as production
from production.models import OperationReport, ProductionOperation, ProductionOrder, QualityInspection
from production.tests.factories import black_pla, cleared, printable, queued, routed, stock

pytestmark = pytest.mark.django_db
PAINT = "/floor/work/PAINT/"


def _user(role: str) -> User:
    user = User.objects.create_user(f"{role}@example.com", "an-operators-word-1", is_staff=True)
    group, _ = Group.objects.get_or_create(name=role)
    group.permissions.set(permissions_matching(ROLES[role]))
    user.groups.add(group)
    return user


@pytest.fixture
def floor(client: Client) -> Client:
    client.force_login(_user("operator"))
    return client


def _order(*kinds: str, quantity: int = 3, **request: object) -> tuple[ProductionOrder, list[ProductionOperation]]:
    stock(black_pla())
    product = printable(parts=quantity, name="Bracket")
    routed(product, *(kinds or ("paint", "pack")))
    order, [job] = queued(product, quantity, **request)
    cleared(job, good=quantity)
    return order, list(order.operations.order_by("sequence"))


def _text(answer: object) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())  # type: ignore[attr-defined]


def test_work_centers_show_what_waits_at_them(floor: Client) -> None:
    _order()
    page = _text(floor.get("/floor/work/"))
    assert page.index("packing") < page.index("painting")
    assert page.count("3 waiting") == 1
    assert page.count("nothing waits") == 1


def test_a_work_center_shows_the_most_urgent_units_first_and_what_is_coming(floor: Client) -> None:
    calm, _ = _order()
    urgent, [paint, _] = _order(priority=4)
    page = _text(floor.get("/floor/work/paint/"))
    assert page.index(urgent.code) < page.index(calm.code)
    assert "6 units of 2 orders wait" in page
    assert f'action="{PAINT}{paint.pk}/start/"' in page
    assert "All 3 good" in page
    coming = _text(floor.get("/floor/work/PACK/"))
    assert "On its way here" in coming
    assert "Nothing waits here" in coming
    assert "0 of 3 done" in coming


def test_the_page_costs_the_same_however_much_waits(floor: Client) -> None:
    counts = []
    for _ in range(2):
        _order()
        _order("post_process", "paint", "pack")
        with CaptureQueriesContext(connection) as queries:
            assert floor.get(PAINT).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_work_is_started_and_reported_by_one_tap_each(floor: Client) -> None:
    order, [paint, pack] = _order()
    page = _text(floor.post(f"{PAINT}{paint.pk}/start/", {"key": "k1"}, follow=True))
    assert "Started: painting, Bracket." in page
    assert "works on it" in page
    page = _text(floor.post(f"{PAINT}{paint.pk}/report/", {"key": "k2", "all": "good", "shown": "3"}, follow=True))
    assert "painting, Bracket: 3 good." in page
    floor.post(f"/floor/work/PACK/{pack.pk}/report/", {"key": "k3", "all": "good", "shown": "3"})
    order.refresh_from_db()
    assert (order.status, Inventory.objects.get(product=order.product).on_hand_quantity) == ("completed", 3)


def test_a_report_that_is_sent_twice_counts_once_and_says_so(floor: Client) -> None:
    _, [paint, _] = _order()
    form = {"key": "once", "good": "1"}
    floor.post(f"{PAINT}{paint.pk}/report/", form)
    page = _text(floor.post(f"{PAINT}{paint.pk}/report/", form, follow=True))
    assert "Nothing was changed. Already done" in page
    assert OperationReport.objects.get().good == 1


def test_scrap_and_rework_are_reported_with_a_chip_and_a_place(floor: Client) -> None:
    production.add_standard_defects(actor=system_actor())
    _, [paint, pack] = _order()
    assert 'value="surface"' in _text(floor.get(PAINT))
    assert 'value="stringing"' not in _text(floor.get(PAINT))
    floor.post(f"{PAINT}{paint.pk}/report/", {"good": "3"})
    form = {"good": "1", "scrap": "1", "rework": "1", "rework_to": str(paint.pk), "defect": "surface",
            "note": " drip ", "minutes": "4,5"}  # fmt: skip
    page = _text(floor.post(f"/floor/work/PACK/{pack.pk}/report/", form, follow=True))
    assert "packing, Bracket: 1 good, 1 scrap, 1 to be done again." in page
    report = OperationReport.objects.order_by("-id").first()
    assert (report.scrap, report.rework, report.rework_to, report.defect.code) == (1, 1, paint, "surface")
    assert (report.note, str(report.minutes)) == ("drip", "4.50")
    assert "came back to be done again" in _text(floor.get(PAINT))


def test_what_does_not_fit_is_refused_and_what_was_typed_stays(floor: Client) -> None:
    _, [paint, _] = _order()
    answer = floor.post(f"{PAINT}{paint.pk}/report/", {"good": "2", "scrap": "2", "note": "runs"})
    page = _text(answer)
    assert answer.status_code == 422
    assert "PROD_008" in page
    assert 'value="runs"' in page
    assert '<details class="fold-card" open>' in page
    for form in ({"good": "two"}, {"good": "1", "minutes": "soon"}, {"good": "1", "minutes": "-3"}, {}):
        assert floor.post(f"{PAINT}{paint.pk}/report/", form).status_code == 422, form
    assert not OperationReport.objects.exists()


def test_a_stale_page_does_not_report_units_that_are_gone(floor: Client) -> None:
    _, [paint, _] = _order()
    production.report_operation(paint, good=2, actor=system_actor())
    answer = floor.post(f"{PAINT}{paint.pk}/report/", {"all": "good", "shown": "3"})
    assert (answer.status_code, "PROD_008" in _text(answer)) == (422, True)
    paint.refresh_from_db()
    assert paint.quantity_waiting == 1


def test_an_operator_does_not_inspect_but_quality_does(client: Client) -> None:
    _, [inspect] = _order("inspect")
    address = f"/floor/work/INSPECT/{inspect.pk}/report/"
    client.force_login(_user("operator"))
    assert "Somebody who may inspect" in _text(client.get("/floor/work/INSPECT/"))
    assert client.post(address, {"all": "good", "shown": "3"}).status_code == 422
    assert not QualityInspection.objects.exists()
    client.force_login(_user("quality"))
    assert "All 3 pass" in _text(client.get("/floor/work/INSPECT/"))
    client.post(address, {"all": "good", "shown": "3"})
    assert QualityInspection.objects.get().inspection_type == "FINAL"


def test_who_may_not_see_work_is_kept_out_and_unknown_places_are_not_found(client: Client) -> None:
    assert client.get(PAINT).status_code == 302
    client.force_login(User.objects.create_user("customer@example.com", "an-operators-word-1"))
    assert client.get(PAINT).status_code == 403
    client.force_login(_user("operator"))
    assert client.get("/floor/work/NOWHERE/").status_code == 404
    _order()
    for path in ("/floor/work/PAINT/999/start/", "/floor/work/PAINT/999/report/"):
        assert client.post(path, {"good": "1"}).status_code == 404
    assert client.get(f"{PAINT}1/report/").status_code == 405


def test_the_part_that_is_asked_again_changes_its_stamp_with_the_work(floor: Client) -> None:
    _, [paint, _] = _order()
    before = re.search(r'data-stamp="([^"]*)"', _text(floor.get(f"{PAINT}now/"))).group(1)
    assert f'data-stamp="{before}"' in _text(floor.get(PAINT))
    production.report_operation(paint, good=1, actor=system_actor())
    page = _text(floor.get(f"{PAINT}now/"))
    assert f'data-stamp="{before}"' not in page
    assert "2 units of 1 order wait" in page
