"""What never reaches a printer: a customer's own G-code, a file that nobody released, one for another machine."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

import pytest

from blb3d.core import outbox
from integrations import slicing
from integrations.models import PrinterCommand, PrinterConnection, SliceTask
from integrations.printers.backend import BambuLan
from integrations.printers.commands import prepare_start
from inventory import services as inventory
from inventory.models import PrintFile, ProductPlate
from inventory.tests.factories import system_actor
from production.models import PrintJob, ProductionOrder
from production.selectors.waiting import order_waiting_reasons
from production.tests.factories import PrinterFactory, printable, queued, sent
from quotes import services as quotes
from quotes.modelfiles.tests.packages import model, package, slice_info
from quotes.models import Quote
from quotes.tests.factories import materials, member, quoted
from sales.tests.factories import ADDRESS

pytestmark = pytest.mark.django_db

GCODE = b"G28\nG1 X1 Y1 E1\n; filament used [g] = 20.0\n; estimated printing time (normal mode) = 1h 0m 0s\n"
DIGEST = hashlib.md5(GCODE, usedforsecurity=False).hexdigest().upper()


def sliced(printer_model_id: str = "C12") -> bytes:
    """Return a sliced package as a slicer exports it, made for a printer model."""
    members = {
        "Metadata/slice_info.config": slice_info(model_id=printer_model_id),
        "Metadata/plate_1.gcode": GCODE,
        "Metadata/plate_1.gcode.md5": DIGEST,
    }
    return package(model("", ""), others=members)


@pytest.mark.parametrize("name", ["part.gcode.3mf", "part.gcode"])
def test_a_customers_own_gcode_is_priced_and_never_printed(settings: Any, name: str) -> None:
    settings.SLICER_BACKEND = "integrations.slicers.bambu_cli.BambuStudio"
    settings.BAMBU_CLI_PATH = "/nowhere/bambu-studio"
    materials()
    PrinterFactory(model="P1S")
    buyer = member(customer__terms="net_30")
    upload = quotes.Upload(name, sliced() if name.endswith("3mf") else GCODE, "application/octet-stream")
    quote = quoted(buyer, files=[upload], submit=False)
    quotes.estimate_quote_by_hand(
        quote, material_grams=Decimal(20), print_time_minutes=Decimal(60), actor=system_actor()
    )
    quotes.submit_quote(quote, actor=buyer.user)
    if quote.status == Quote.Status.PENDING:
        quotes.approve_quote(quote, actor=system_actor())
    quotes.accept_quote(quote, actor=buyer.user, shipping=ADDRESS)
    outbox.drain()
    slicing.drain()
    outbox.drain()
    assert ProductPlate.objects.get().model_file == quote.files.get().file.name
    assert not PrintFile.objects.exists()
    [task] = SliceTask.objects.all()
    assert task.status == "dead"
    order = ProductionOrder.objects.get()
    assert order_waiting_reasons([order]) == {order.pk: "No print file for plate 1"}
    assert not PrintJob.objects.exists()


def start(content: bytes, *, printer_model: str = "P1S") -> PrintJob:
    """Send a job with this file to a printer, as far as the point before the upload."""
    product = printable(file=False)
    file = inventory.attach_print_file(
        product.plates.get(), printer_model=printer_model, content=content, file_name="x.gcode.3mf",
        minutes=Decimal(60), grams=Decimal(100), sliced_by="tests", actor=system_actor(),
    )  # fmt: skip
    inventory.release_print_file(file, actor=system_actor())
    _, [job] = queued(product)
    materials_of = [row.material for row in job.filaments.all()]
    printer = PrinterFactory(model=printer_model, loaded=materials_of)
    link = PrinterConnection.objects.create(printer=printer, host="127.0.0.1", ftps_port=1, use_tls=False)
    sent(job, printer)
    BambuLan().start(job)
    command = PrinterCommand.objects.get(job=job)
    assert command.claim()
    assert prepare_start(command, link) is None
    job.refresh_from_db()
    command.refresh_from_db()
    assert command.status == "dead"
    return job


def test_a_file_that_names_another_machine_is_not_uploaded() -> None:
    job = start(sliced("N2S"))
    assert (job.status, job.error_code) == ("failed", "SLICE_002")
    assert "sliced for another printer" in job.error_text


def test_a_file_that_names_no_machine_is_not_uploaded_to_one_by_name() -> None:
    assert "does not say for which printer" in start(sliced("")).error_text
