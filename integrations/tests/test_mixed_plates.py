"""Parts of different products on one plate: laid out, sliced, released, printed, counted, and given back."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone
from rest_framework.test import APIClient

from blb3d.accounts.tests.factories import SuperuserFactory
from blb3d.core import outbox
from blb3d.core.errors import InvalidTransition
from blb3d.core.outbox import EventDelivery
from integrations import slicing
from integrations.mixing import one_file
from integrations.printers.tasks import dispatch_jobs
from inventory import services as inventory
from inventory.models import PrintFile, Product, ProductPlate
from inventory.selectors import verify_ledger
from inventory.tests.factories import MaterialFactory, ProductFactory, make_bom, release_file, system_actor
from production import services as production
from production.errors import MaterialNotLoaded, NoFileForModel, NotCombinable, NotMakeable, NotMergeable
from production.models import Printer, PrinterGroup, PrintJob, ProductionOrder
from production.selectors import order_progress
from production.selectors.costs import production_costs
from production.selectors.progress import count_plates
from production.tests.factories import PrinterFactory, black_pla, queued, stock
from quotes.modelfiles import read_model
from quotes.modelfiles.make import box, write_3mf

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _simulated(settings: Any) -> None:
    settings.SLICER_BACKEND = "integrations.slicers.simulated.SimulatedSlicer"


def boxed(side: float, *, parts: int = 4, grams: str = "80", minutes: int = 60, **plate: Any) -> Product:
    """Return a product whose plate holds so many cubes, with its model and its released file."""
    product, material = ProductFactory(), plate.pop("material", None) or black_pla()
    make_bom(product, (material, Decimal(grams) / 1000 / parts))
    path = default_storage.save(f"models/{product.sku}.3mf", ContentFile(write_3mf([("Cube", *box(side, side, 20))])))
    spec = inventory.PlateSpec(
        parts_per_plate=parts,
        minutes=Decimal(minutes),
        filaments=[(material, Decimal(grams))],
        model_file=path,
        bbox=(Decimal(str(side)), Decimal(str(side)), Decimal(20)),
        **plate,
    )
    [made] = inventory.set_plates(product, [spec], actor=system_actor())
    release_file(made)
    return product


def mixed() -> tuple[PrintJob, ProductionOrder, ProductionOrder]:
    """Return the job of a plate with two small and one large cube, of two orders."""
    small, [one] = queued(boxed(20), 2)
    large, [other] = queued(boxed(60, parts=2, grams="120", minutes=100), 1)
    return production.mix_jobs([one, other], actor=system_actor()), small, large


def release(job: PrintJob) -> None:
    """Let the workers slice the plate, and a person release what they made."""
    outbox.drain()
    slicing.drain()
    assert not EventDelivery.objects.exclude(status="done").exists()
    for file in PrintFile.objects.filter(plate=job.plate_id):
        inventory.release_print_file(file, actor=system_actor())


def test_a_mixed_plate_is_sliced_released_printed_and_counted_by_order() -> None:
    stock(black_pla())
    printer = PrinterFactory(loaded=[black_pla()])
    job, small, large = mixed()
    assert set(PrintJob.objects.exclude(pk=job.pk).values_list("status", flat=True)) == {"cancelled"}
    # 2 of 4 small in 60 min and 80 g, 1 of 2 large in 100 min and 120 g.
    assert (job.estimated_time_minutes, job.estimated_grams) == (Decimal(80), Decimal(100))
    assert dict(job.parts.values_list("production_order", "planned")) == {small.pk: 2, large.pk: 1}
    assert {row.missing for row in order_progress([small.pk, large.pk]).values()} == {2, 1}
    with pytest.raises(NoFileForModel):
        production.dispatch_job(job, printer, actor=system_actor())

    release(job)
    [file] = job.plate.print_files.all()
    assert (file.printer_model, file.released_at is None) == ("P1S", False)
    [sent] = production.dispatch_next(actor=system_actor())
    assert sent.pk == job.pk
    production.begin_job(sent, actor=system_actor())
    grams = {0: Decimal("200.00")}
    production.record_finished(sent, minutes=Decimal(160), grams=grams, actor=system_actor())
    counts = [production.PlateCount(small.pk, 1, 1, "warped"), production.PlateCount(large.pk, 1)]
    production.clear_plate(sent, counts, actor=system_actor())

    large.refresh_from_db()
    small.refresh_from_db()
    assert (large.status, large.quantity_completed) == ("completed", 1)
    assert (small.status, small.quantity_completed, small.quantity_scrapped) == ("printing", 1, 1)
    [again] = PrintJob.objects.filter(status="queued")
    assert (again.plate.product_id, again.retry_of_id) == (small.product_id, job.pk)
    assert list(again.parts.values_list("production_order", "planned", "plate")) == [(small.pk, 1, None)]
    # 40 of 100 g and 30 of 80 min were the small ones'.
    used = {order.pk: sum(row.quantity_used for row in order.materials.all()) for order in (small, large)}
    assert used == {small.pk: Decimal("0.0800"), large.pk: Decimal("0.1200")}
    costs = production_costs([small.pk, large.pk])
    assert costs[small.pk].actual_machine_minutes == Decimal(60)
    assert costs[large.pk].actual_machine_minutes == Decimal(100)
    assert verify_ledger().is_clean


def test_the_slicer_reads_every_piece_in_one_file() -> None:
    job, _, _ = mixed()
    analysis = read_model(one_file(job.plate), file_name="mixed.3mf")
    assert sorted((part.bbox_mm[0], part.count) for part in analysis.parts) in (
        [(Decimal(20), 2), (Decimal(60), 1)],
        [(Decimal(20), 1), (Decimal(20), 1), (Decimal(60), 1)],
    )


def test_a_failed_mixed_plate_gives_every_part_back_to_its_own_plate() -> None:
    stock(black_pla())
    PrinterFactory(loaded=[black_pla()])
    job, small, large = mixed()
    release(job)
    [sent] = production.dispatch_next(actor=system_actor())
    production.begin_job(sent, actor=system_actor())
    production.record_failed(sent, actor=system_actor(), code="", text="Spaghetti", progress_percent=50)
    production.clear_plate(sent, [], actor=system_actor())
    waiting = PrintJob.objects.filter(status="queued")
    found = {row.plate.product_id: row.parts.get().planned for row in waiting}
    assert found == {small.product_id: 2, large.product_id: 1}
    assert production.requeue_missing_parts(small, actor=system_actor()) == []


def test_a_mixed_plate_that_was_not_sent_is_given_up_with_a_reason() -> None:
    job, small, large = mixed()
    back = production.unmix_job(job, actor=system_actor(), reason="The slicer refused it")
    assert {row.plate.product_id: row.parts.get().planned for row in back} == {small.product_id: 2, large.product_id: 1}
    job.refresh_from_db()
    assert (job.status, job.plate.is_active) == ("cancelled", False)
    for other in (job, back[0]):
        with pytest.raises(InvalidTransition):
            production.unmix_job(other, actor=system_actor(), reason="again")
    for order in (small, large):
        assert production.requeue_missing_parts(order, actor=system_actor()) == []


def test_a_withdrawn_order_takes_the_mixed_plate_apart_and_the_others_parts_are_printed() -> None:
    job, small, large = mixed()
    production.cancel_production_order(small, actor=system_actor(), reason="Not wanted")
    job.refresh_from_db()
    assert job.status == "cancelled"
    [left] = PrintJob.objects.filter(status="queued")
    assert (left.production_order_id, left.plate.product_id) == (large.pk, large.product_id)
    assert production.requeue_missing_parts(large, actor=system_actor()) == []


def test_a_split_order_keeps_its_parts_on_the_mixed_plate() -> None:
    job, small, _ = mixed()
    new = production.split_production_order(small, quantity=1, actor=system_actor())
    assert sorted(job.parts.values_list("production_order", "planned", "plate__product")) == sorted(
        [
            (small.pk, 1, small.product_id),
            (new.pk, 1, small.product_id),
            *job.parts.exclude(production_order__in=[small, new]).values_list(
                "production_order", "planned", "plate__product"
            ),
        ]
    )
    for order in (small, new):
        assert production.requeue_missing_parts(order, actor=system_actor()) == []


def test_parts_that_do_not_fit_on_any_bed_are_refused_and_nothing_changes() -> None:
    PrinterFactory()
    _, [one] = queued(boxed(120, parts=4), 3)
    _, [other] = queued(boxed(120, parts=4), 3)
    with pytest.raises(NotCombinable, match="do not fit"):
        production.mix_jobs([one, other], actor=system_actor())
    assert not ProductPlate.objects.filter(is_mixed=True).exists()
    assert set(PrintJob.objects.values_list("status", flat=True)) == {"queued"}


def test_only_the_printers_whose_bed_takes_all_of_it_are_asked() -> None:
    PrinterFactory(model="A1 MINI", build_x_mm=130, build_y_mm=130, build_z_mm=130, loaded=[black_pla()])
    PrinterFactory(model="P1S")
    _, [one] = queued(boxed(60), 3)
    _, [other] = queued(boxed(61), 3)
    job = production.mix_jobs([one, other], actor=system_actor())
    assert job.plate.printer_models == ["P1S"]


def test_what_differs_is_not_mixed_and_not_offered() -> None:
    base, [job] = queued(boxed(20), 1)
    group = PrinterGroup.objects.create(name="Cell")
    _, [thick] = queued(boxed(20, layer_height_mm=Decimal("0.28")), 1)
    _, [red] = queued(boxed(20, material=MaterialFactory(color_hex="FF0000")), 1)
    _, [kept] = queued(boxed(20), 1)
    production.restrict_job(kept, group=group, actor=system_actor())
    _, [same] = queued(boxed(30), 1)
    assert [row.pk for row in production.mixable_with(job)] == [same.pk]
    for other in (thick, red, kept):
        with pytest.raises(NotCombinable):
            production.mix_jobs([job, other], actor=system_actor())
    with pytest.raises(NotCombinable, match="two products"):
        production.mix_jobs([job], actor=system_actor())
    made = production.mix_jobs([job, same], actor=system_actor())
    _, [late] = queued(boxed(25), 1)
    for pair in ([made, late], [job, late]):
        with pytest.raises(NotCombinable):
            production.mix_jobs(pair, actor=system_actor())
    assert production.mixable_with(made) == []
    assert base.print_jobs.filter(status="queued").get() == made


def test_a_plate_without_a_model_cannot_be_laid_out() -> None:
    _, [one] = queued(boxed(20), 1)
    _, [other] = queued(boxed(20), 1)
    ProductPlate.objects.filter(pk=other.plate_id).update(model_file="")
    with pytest.raises(NotCombinable, match="cannot be laid out"):
        production.mix_jobs([one, other], actor=system_actor())


def test_nobody_can_order_the_product_that_mixed_plates_stand_under() -> None:
    job, _, _ = mixed()
    assert (job.plate.product.is_active, job.plate.product.boms.exists()) == (False, False)
    with pytest.raises(NotMakeable):
        production.make_stock_order(job.plate.product, quantity=1, actor=system_actor())


def test_a_mixed_plate_needs_its_filament_like_every_other() -> None:
    printer = PrinterFactory(loaded=[MaterialFactory(color_hex="FFFFFF")])
    job, _, _ = mixed()
    release(job)
    Printer.objects.update(last_seen_at=timezone.now())
    with pytest.raises(MaterialNotLoaded):
        production.dispatch_job(job, printer, actor=system_actor())


def test_jobs_are_mixed_and_given_up_in_the_console(client: Client) -> None:
    client.force_login(SuperuserFactory())
    _, [one] = queued(boxed(20), 2)
    _, [other] = queued(boxed(60), 1)
    page = f"/admin/production/printjob/{one.pk}/verb/mix/"
    assert other.code in client.post(page).content.decode()
    assert client.post(page, {"others": [other.pk], "_answered": "1"}).status_code == 302
    job = PrintJob.objects.get(plate__is_mixed=True)
    plate_page = client.get(f"/admin/inventory/productplate/{job.plate_id}/change/").content.decode()
    assert one.plate.product.sku in plate_page
    assert client.get(f"/admin/production/printjob/{job.pk}/change/").status_code == 200
    assert client.get("/admin/inventory/printfile/").status_code == 200
    give_up = f"/admin/production/printjob/{job.pk}/verb/unmix/"
    assert client.post(give_up, {"reason": "", "_answered": "1"}).status_code == 200
    assert client.post(give_up, {"reason": "Too slow", "_answered": "1"}).status_code == 302
    assert PrintJob.objects.filter(status="queued").count() == 2


def test_jobs_are_mixed_and_given_up_over_the_api() -> None:
    api = APIClient()
    api.force_authenticate(SuperuserFactory())
    _, [one] = queued(boxed(20), 2)
    _, [other] = queued(boxed(60), 1)
    made = api.post("/api/v1/dispatch/mix", {"jobs": [one.code, other.pk]}, format="json")
    assert (made.status_code, made.json()["printer_models"]) == (201, [])
    again = api.post("/api/v1/dispatch/mix", {"jobs": [one.code, other.code]}, format="json")
    assert (again.status_code, again.json()["error_code"]) == (409, "PROD_005")
    assert api.post("/api/v1/dispatch/mix", {"jobs": ["x", "y"]}, format="json").status_code == 404
    told = {"job": made.json()["job"], "reason": "Too slow"}
    answer = api.post("/api/v1/dispatch/unmix", told, format="json")
    assert (answer.status_code, len(answer.json()["jobs"])) == (200, 2)
    assert api.post("/api/v1/dispatch/unmix", told, format="json").status_code == 409


def test_what_a_plate_asks_of_printers_is_said_on_its_page(client: Client) -> None:
    client.force_login(SuperuserFactory())
    plate = boxed(20).plates.get()
    page = f"/admin/inventory/productplate/{plate.pk}/verb/ask_of_printers/"
    told = {"printer_tags": "enclosed, ,hardened", "nozzle_diameter_mm": "0.6", "reason": "", "_answered": "1"}
    assert client.post(page, told).status_code == 302
    plate.refresh_from_db()
    assert (plate.printer_tags, plate.nozzle_diameter_mm) == (["enclosed", "hardened"], Decimal("0.60"))
    assert client.post(page, {**told, "nozzle_diameter_mm": "9"}).status_code == 200


def test_the_worker_fills_plates_before_it_sends_them() -> None:
    product = boxed(20)
    for number in (1, 2):
        queued(product, number)
    PrinterFactory(loaded=[black_pla()])
    assert dispatch_jobs() == 1
    assert sorted(PrintJob.objects.values_list("status", flat=True)) == ["cancelled", "sent"]
    assert sorted(PrintJob.objects.get(status="sent").parts.values_list("planned", flat=True)) == [1, 2]


def test_two_mixed_orders_withdrawn_one_after_the_other_leave_nothing_waiting() -> None:
    _, small, large = mixed()
    for order in (small, large):
        production.fail_production_order(order, actor=system_actor(), reason="Not now")
    assert not PrintJob.objects.filter(status="queued").exists()


def test_orders_whose_different_plates_share_a_mixed_one_are_merged_after_it_is_given_up() -> None:
    product = boxed(20)
    own = product.plates.get()
    specs = [
        inventory.PlateSpec(
            parts_per_plate=4,
            minutes=Decimal(60),
            filaments=[(black_pla(), Decimal(80))],
            model_file=own.model_file,
            bbox=(Decimal(20), Decimal(20), Decimal(20)),
        )
        for _ in range(2)
    ]
    for plate in inventory.set_plates(product, specs, actor=system_actor()):
        release_file(plate)
    (order, jobs), (other, others) = queued(product, 2), queued(product, 2)
    job = production.mix_jobs([jobs[0], others[1]], actor=system_actor())
    with pytest.raises(NotMergeable, match="mixed plate"):
        production.merge_production_orders(order, [other], actor=system_actor())
    production.unmix_job(job, actor=system_actor(), reason="Merged")
    production.merge_production_orders(order, [other], actor=system_actor())
    assert [plate.expected for plate in count_plates([order.pk])[order.pk].values()] == [4, 4]
