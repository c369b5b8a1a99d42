"""What was lost, why, and what it cost, over printing and the work after it."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework.test import APIClient

from blb3d.accounts.tests.factories import SuperuserFactory, UserFactory
from blb3d.core.errors import InvalidValue
from inventory.models import Product
from inventory.tests.factories import MaterialFactory, system_actor
from production import services as production
from production.models import DefectReason, Printer, PrintJob, PrintJobPart
from production.selectors.yields import YieldFilter, YieldRow, yield_report
from production.tests.factories import PrinterFactory, black_pla, printable, printing, queued, routed, stock

pytestmark = pytest.mark.django_db
TODAY = timezone.localdate


def _defect(code: str) -> DefectReason:
    if not DefectReason.objects.exists():
        production.add_standard_defects(actor=system_actor())
    return DefectReason.objects.get(code=code)


def _printed(
    product: Product, printer: Printer, *, good: int, scrap: int = 0, defect: DefectReason | None = None
) -> PrintJob:
    """Print one full plate of a product in 60 minutes, as planned, and count it."""
    parts = product.plates.get(is_active=True).parts_per_plate
    order, [job] = queued(product, parts)
    printing(job, printer)
    production.record_finished(job, minutes=Decimal(60), actor=system_actor())
    count = production.PlateCount(order.pk, good, scrap, "", defect)
    production.clear_plate(job, [count], actor=system_actor(), requeue_missing=False)
    return job


def _report(by: str = "printer", **rest: object) -> dict[str, YieldRow]:
    report = yield_report(YieldFilter.of_days(None, None, by=by, **rest))
    return {row.label: row for row in (*report.rows, report.total)}


@pytest.fixture
def farm() -> tuple[Product, Printer, Printer]:
    """A product of four parts a plate (100 g at 12.00 per kg) and two printers at 3.00 and 1.50 an hour."""
    stock(black_pla())
    first = PrinterFactory(name="First", loaded=[black_pla()], hourly_rate=Decimal(3))
    second = PrinterFactory(name="Second", loaded=[black_pla()])
    return printable(parts=4, grams="100", sku="FG-1"), first, second


def test_a_plate_that_is_all_good_costs_nothing(farm: tuple[Product, Printer, Printer]) -> None:
    product, first, _ = farm
    _printed(product, first, good=4)
    row = _report()["First"]
    assert (row.printed, row.good, row.lost, row.cost, row.yield_percent) == (4, 4, 0, 0, Decimal(100))


def test_scrap_costs_its_share_of_filament_and_machine_time(farm: tuple[Product, Printer, Printer]) -> None:
    product, first, second = farm
    _printed(product, first, good=3, scrap=1, defect=_defect("stringing"))
    _printed(product, second, good=2, scrap=2, defect=_defect("warping"))
    rows = _report()
    assert list(rows) == ["Second", "First", "All"]  # what cost most stands first
    one, two, total = rows["First"], rows["Second"], rows["All"]
    assert (one.printed, one.good, one.scrap, one.yield_percent) == (4, 3, 1, Decimal(75))
    assert one.cost == Decimal("1.05")  # (1.20 + 3.00) / 4
    assert two.cost == Decimal("1.35")  # (1.20 + 1.50) / 2, by the usual rate
    assert (total.printed, total.good, total.lost, total.cost) == (8, 5, 3, Decimal("2.40"))


def test_a_failed_print_loses_what_it_did_not_make_under_the_reason_of_the_job(
    farm: tuple[Product, Printer, Printer],
) -> None:
    product, first, _ = farm
    order, [job] = queued(product, 4)
    printing(job, first)
    production.record_failed(job, code="", text="", progress_percent=50, actor=system_actor())
    production.classify_failure(job, defect=_defect("spaghetti"), actor=system_actor())
    PrintJob.objects.filter(pk=job.pk).update(actual_time_minutes=Decimal(30))
    production.clear_plate(job, [production.PlateCount(order.pk, 1)], actor=system_actor())
    row = _report("defect")["Spaghetti"]
    assert (row.printed, row.good, row.scrap, row.missing) == (4, 1, 0, 3)
    # half of 100 g at 12.00 per kg, and half an hour at 3.00, of which three quarters were lost
    assert row.cost == Decimal("1.58")


def test_losses_are_grouped_by_material_product_defect_and_time(farm: tuple[Product, Printer, Printer]) -> None:
    product, first, second = farm
    red = MaterialFactory(sku="M-RED", color_hex="C12E1F")
    stock(red)
    other = printable(parts=2, grams="40", material=red, sku="FG-2")
    third = PrinterFactory(name="Third", loaded=[red])
    _printed(product, first, good=3, scrap=1, defect=_defect("warping"))
    _printed(product, second, good=4)
    _printed(other, third, good=1, scrap=1)
    assert {label: row.lost for label, row in _report("material").items()} == {"M-BLACK": 1, "M-RED": 1, "All": 2}
    assert {label: row.printed for label, row in _report("product").items()} == {"FG-1": 8, "FG-2": 2, "All": 10}
    by_defect = _report("defect")
    assert {label: row.lost for label, row in by_defect.items()} == {"Warping": 1, "Not named": 1, "All": 2}
    assert by_defect["All"].printed == 10
    today = TODAY()
    assert list(_report("day")) == [today.isoformat(), "All"]
    assert list(_report("week")) == [(today - datetime.timedelta(days=today.weekday())).isoformat(), "All"]
    assert list(_report("month")) == [f"{today:%Y-%m}", "All"]


def test_the_report_can_be_narrowed(farm: tuple[Product, Printer, Printer]) -> None:
    product, first, second = farm
    _printed(product, first, good=3, scrap=1, defect=_defect("warping"))
    _printed(product, second, good=2, scrap=2)
    assert _report("product", printer_id=first.pk)["All"].printed == 4
    assert _report("product", product_id=product.pk)["All"].printed == 8
    assert _report("product", product_id=black_pla().pk)["All"].printed == 0
    assert _report("printer", material_id=black_pla().pk)["All"].printed == 8
    assert _report("printer", defect="warping")["All"].lost == 1
    PrintJob.objects.update(cleared_at=timezone.now() - datetime.timedelta(days=40))
    assert _report()["All"].printed == 0
    start = TODAY() - datetime.timedelta(days=41)
    assert yield_report(YieldFilter.of_days(start, None)).total.printed == 8


def test_scrap_and_rework_after_printing_count_with_what_printing_them_cost(
    farm: tuple[Product, Printer, Printer],
) -> None:
    product, first, _ = farm
    routed(product, "paint")
    job = _printed(product, first, good=4)
    [paint] = job.production_order.operations.all()
    production.report_operation(
        paint, good=2, scrap=1, rework=1, minutes=Decimal(8), defect=_defect("surface"), actor=system_actor()
    )
    rows = _report()
    assert (rows["First"].good, rows["First"].cost) == (4, 0)
    after = rows["painting"]
    assert (after.printed, after.scrap_after, after.rework, after.yield_percent) == (0, 1, 1, None)
    # a quarter of 1.20 + 3.00, and half of 8 minutes at 30.00 an hour
    assert after.cost == Decimal("3.05")
    assert (rows["All"].lost, rows["All"].yield_percent) == (1, Decimal(75))
    assert _report("defect")["Bad surface"].cost == Decimal("3.05")
    assert _report("product")["FG-1"].cost == Decimal("3.05")
    assert _report("material")["M-BLACK"].scrap_after == 1
    assert _report("printer", printer_id=first.pk)["All"].scrap_after == 0


def test_a_shared_plate_counts_for_each_product_with_its_own_cost(farm: tuple[Product, Printer, Printer]) -> None:
    product, first, _ = farm
    one, [job] = queued(product, 2)
    two, [other] = queued(product, 2)
    production.combine_jobs([job, other], actor=system_actor())
    printing(job, first)
    production.record_finished(job, minutes=Decimal(60), actor=system_actor())
    counts = [production.PlateCount(one.pk, 2), production.PlateCount(two.pk, 0, 2)]
    production.clear_plate(job, counts, actor=system_actor(), requeue_missing=False)
    assert PrintJobPart.objects.filter(job=job).count() == 2
    assert _report()["First"].cost == Decimal("2.10")


def test_the_report_costs_the_same_number_of_queries_however_much_was_made(
    farm: tuple[Product, Printer, Printer],
) -> None:
    product, first, second = farm
    routed(product, "paint")
    counts = []
    for _ in range(2):
        for printer in (first, second):
            job = _printed(product, printer, good=3, scrap=1, defect=_defect("warping"))
            [paint] = job.production_order.operations.all()
            production.report_operation(paint, good=2, scrap=1, actor=system_actor())
        with CaptureQueriesContext(connection) as queries:
            _report("defect")
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 9


@pytest.mark.parametrize(
    ("start", "end", "by"),
    [("2026-02-01", "2026-01-31", "day"), ("2024-01-01", "2026-01-31", "day"), ("2026-01-01", "2026-01-31", "moon")],
)
def test_a_period_that_makes_no_report_is_refused(start: str, end: str, by: str) -> None:
    with pytest.raises(InvalidValue):
        YieldFilter(datetime.date.fromisoformat(start), datetime.date.fromisoformat(end), by=by)


def test_an_unknown_defect_is_refused() -> None:
    with pytest.raises(InvalidValue):
        _report("printer", defect="bad luck")


def test_the_api_gives_the_report(farm: tuple[Product, Printer, Printer]) -> None:
    product, first, _ = farm
    _printed(product, first, good=3, scrap=1, defect=_defect("warping"))
    client = APIClient()
    assert client.get("/api/v1/reports/yield").status_code == 401
    client.force_authenticate(UserFactory())
    assert client.get("/api/v1/reports/yield").status_code == 403
    client.force_authenticate(SuperuserFactory())
    answer = client.get("/api/v1/reports/yield", {"by": "defect"}).json()
    assert (answer["by"], answer["date_to"]) == ("defect", TODAY().isoformat())
    [row] = answer["rows"]
    assert (row["key"], row["label"], row["lost"], row["yield_percent"], row["cost"]) == (
        "warping", "Warping", 1, "75.0", "1.05",
    )  # fmt: skip
    for query in ({"by": "moon"}, {"date_from": "soon"}, {"defect": "bad luck"}, {"colour": "red"}):
        refused = client.get("/api/v1/reports/yield", query)
        assert (refused.status_code, refused.json()["error_code"][:5]) == (400, "VALID"), query
