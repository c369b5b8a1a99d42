"""A farm that prints quoted models and takes another time than was estimated."""

from __future__ import annotations

import base64
import zipfile
from collections.abc import Sequence
from decimal import Decimal
from io import BytesIO
from typing import Any

from blb3d.core import outbox
from blb3d.core.documents import insert_documents
from inventory.models import BOM, ProductPlate
from inventory.tests.factories import ProductFactory, make_plate, release_file, system_actor
from production import services as production
from production.models import Printer, PrintJob, ProductionOrder
from production.tests.factories import PrinterFactory, queued, sent
from quotes import services as quotes
from quotes.estimators.calibration import calibrated
from quotes.modelfiles.make import box, write_3mf
from quotes.models import EstimateObservation, Quote
from quotes.tests.factories import member, request

#: As what prints teach about the built-in estimator with its present coefficients.
METHOD = f"geometric {calibrated().version}"

#: A grey pixel.
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)


def block(x: float, y: float, z: float) -> quotes.Upload:
    """Return a block of these sides in mm as an upload, with a picture of its own: drawing one takes longest."""
    data = BytesIO(write_3mf([("Block", *box(x, y, z))]))
    with zipfile.ZipFile(data, "a") as package:
        package.writestr("Metadata/thumbnail.png", PICTURE)
    return quotes.Upload("block.3mf", data.getvalue(), "model/3mf")


def quoted_block(x: float, y: float, z: float, **wishes: Any) -> Quote:
    """Return a quote of one block for a new customer."""
    buyer = member()
    return quotes.create_quote(request(buyer, files=[block(x, y, z)], **wishes), actor=buyer.user)


def ordered(quote: Quote) -> list[PrintJob]:
    """Accept a quote and return the jobs of one production order for its quantity, the print files being released."""
    assert quote.user is not None
    quotes.accept_quote(quote, actor=quote.user)
    assert quote.product is not None
    for plate in ProductPlate.objects.filter(product=quote.product):
        for model in {"P1S", "A1"}:
            release_file(plate, printer_model=model, content=f"{plate.pk} {model}".encode())
    return queued(quote.product, quote.quantity)[1]


def printer_for(job: PrintJob, model: str = "P1S") -> Printer:
    """Return a new printer of this model with what the job needs."""
    return PrinterFactory(model=model, loaded=[row.material for row in job.filaments.select_related("material")])


def raw_minutes(quote: Quote) -> Decimal:
    """Return the minutes of the quote's first plate as the method said them."""
    return Decimal(quote.estimate_detail["raw"]["plates"][0]["minutes"])


def raw_grams(quote: Quote) -> Decimal:
    """Return the grams of the quote's first plate as the method said them."""
    return sum((Decimal(use["grams"]) for use in quote.estimate_detail["raw"]["plates"][0]["filaments"]), Decimal(0))


def printed(
    quote: Quote, *slower: float, heavier: float | None = None, printer: Printer | None = None
) -> list[PrintJob]:
    """Print a quote's jobs, each so many times the raw minutes of its plate and, if weighed, ``heavier`` its grams."""
    jobs = ordered(quote)
    for job, factor in zip(jobs, slower, strict=True):
        sent(job, printer or printer_for(job))
        production.begin_job(job, actor=system_actor())
        minutes = raw_minutes(quote) * Decimal(str(factor))
        grams = None
        if heavier is not None:
            (row,) = job.filaments.all()
            grams = {row.position: (raw_grams(quote) * Decimal(str(heavier))).quantize(Decimal("0.0001"))}
        production.record_finished(job, actor=system_actor(), minutes=minutes, grams=grams)
    return jobs


def observed(job: PrintJob) -> EstimateObservation:
    """Deliver the news and return what was noted of a job."""
    outbox.drain()
    return EstimateObservation.objects.get(print_job=job)


def observe(
    count: int, ratio: float | Sequence[float], *, method: str = METHOD, material_type: str = "PLA", **fields: Any
) -> list[EstimateObservation]:
    """Return observations of ``count`` prints of as many models that took ``ratio`` times their estimated 100 minutes.

    For rules that look at the numbers alone: nothing was quoted or printed.
    """
    ratios = [ratio] * count if isinstance(ratio, int | float) else ratio
    plate = ProductPlate.objects.first() or make_plate(ProductFactory())
    bom = BOM.objects.filter(product=plate.product).first() or BOM.objects.create(product=plate.product, code="BOM-X")
    order = ProductionOrder.objects.create(
        code=f"PO-{ProductionOrder.objects.count()}", product=plate.product, bom=bom, quantity=count
    )
    models = insert_documents(ProductFactory.build_batch(count), natural_key="sku")
    jobs = [PrintJob(code=f"{order.code}-{number}", production_order=order, plate=plate) for number in range(count)]
    insert_documents(jobs, natural_key="code")
    rows = [
        EstimateObservation(
            print_job=job,
            product=model,
            method=method,
            material_type=material_type,
            estimated_minutes=Decimal(100),
            estimated_grams=Decimal(50),
            actual_minutes=(100 * Decimal(str(one))).quantize(Decimal("0.01")),
            **{"printer_model": "P1S", **fields},
        )
        for job, model, one in zip(jobs, models, ratios, strict=True)
    ]
    EstimateObservation.objects.bulk_create(rows)
    return list(EstimateObservation.objects.filter(print_job__in=jobs).order_by("pk"))
