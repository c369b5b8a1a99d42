"""A small print farm for tests: products that can be printed, printers that are ready, orders on their way."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import factory
from django.utils import timezone
from factory.django import DjangoModelFactory

from inventory.models import Product
from inventory.tests.factories import (
    LocationFactory,
    MaterialFactory,
    ProductFactory,
    make_bom,
    make_plate,
    receive,
    release_file,
    system_actor,
)
from production import services as production
from production.models import Printer, PrinterSlot, PrintJob, ProductionOrder, Routing, WorkCenter


class PrinterFactory(DjangoModelFactory):
    """A printer that is ready; ``loaded`` names the material of each slot."""

    class Meta:
        model = Printer
        skip_postgeneration_save = True

    name = factory.Sequence(lambda n: f"Printer {n:03d}")
    serial = factory.Sequence(lambda n: f"SERIAL{n:05d}")
    model = "P1S"
    state = "IDLE"
    state_at = factory.LazyFunction(timezone.now)
    connection = Printer.Connection.ONLINE
    write_access = Printer.WriteAccess.YES

    @factory.post_generation
    def loaded(self: Any, create: bool, materials: list[Product] | None, **_: Any) -> None:
        for tray, material in enumerate(materials or []):
            PrinterSlot.objects.create(
                printer=self,
                tray=tray,
                material=material,
                material_type=material.material_type,
                color_hex=material.color_hex,
            )


def black_pla() -> Product:
    """Return the farm's usual filament."""
    return Product.objects.filter(sku="M-BLACK").first() or MaterialFactory(sku="M-BLACK")


def printable(
    *, parts: int = 1, grams: str = "100", material: Product | None = None, file: bool = True, **product: Any
) -> Product:
    """Return a product of one plate that takes so many grams when full, with bill, plate and released file."""
    material = material or black_pla()
    made = ProductFactory(**product)
    make_bom(made, (material, Decimal(grams) / 1000 / parts))
    plate = make_plate(made, parts=parts, minutes=60, grams={material: grams})
    if file:
        release_file(plate)
    return made


def work_center(kind: str) -> WorkCenter:
    """Return the farm's work center of a kind: painting at PAINT."""
    code = kind.upper()
    found = WorkCenter.objects.filter(code=code).first()
    label = WorkCenter.Kind(kind).label
    return found or WorkCenter.objects.create(code=code, name=label, kind=kind, hourly_rate=Decimal(30))


def routed(product: Product, *kinds: str) -> Routing:
    """Give a product a routing with a step at the work center of each kind: 5 minutes and 2 for each unit."""
    steps = [
        production.StepSpec(center.name, center, minutes_per_unit=Decimal(2), setup_minutes=Decimal(5))
        for center in map(work_center, kinds)
    ]
    return production.set_routing(product, steps, actor=system_actor())


def stock(material: Product, quantity: str = "10") -> None:
    """Put material on the shelf in a lot."""
    LocationFactory()
    receive(material, quantity)


def draft(product: Product, quantity: int = 1, **request: Any) -> ProductionOrder:
    """Return a planned production order."""
    plan = production.PlanRequest(product, quantity, **request)
    return production.plan_production_orders([plan], actor=system_actor())[0]


def confirmed(product: Product, quantity: int = 1, **request: Any) -> ProductionOrder:
    """Return a confirmed production order."""
    order = draft(product, quantity, **request)
    production.confirm_production_orders([order], actor=system_actor())
    return order


def queued(product: Product, quantity: int = 1, **request: Any) -> tuple[ProductionOrder, list[PrintJob]]:
    """Return an order with its print jobs."""
    order = confirmed(product, quantity, **request)
    return order, production.queue_production_order(order, actor=system_actor())


def sent(job: PrintJob, printer: Printer | None = None) -> PrintJob:
    """Send a job to a printer that has what it takes."""
    materials = [row.material for row in job.filaments.select_related("material")]
    return production.dispatch_job(job, printer or PrinterFactory(loaded=materials), actor=system_actor())


def printing(job: PrintJob, printer: Printer | None = None) -> PrintJob:
    """Send a job and let it begin."""
    return production.begin_job(sent(job, printer), actor=system_actor())


def finished(job: PrintJob, printer: Printer | None = None, **report: Any) -> PrintJob:
    """Print a job to its end."""
    return production.record_finished(printing(job, printer), actor=system_actor(), **report)


def cleared(job: PrintJob, *, good: int, scrap: int = 0, reason: str = "") -> PrintJob:
    """Print a job of one order and count its plate."""
    finished(job)
    count = production.PlateCount(job.production_order_id, good, scrap, reason)
    return production.clear_plate(job, [count], actor=system_actor())
