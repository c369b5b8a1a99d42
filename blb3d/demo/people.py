"""The demo's people, so that the farm works while nobody is there: who orders, and a robot that clears plates.

The robot is a user of its own, with a name that everybody sees in the history: what it did is not taken for a person's.
"""

from __future__ import annotations

import datetime
import logging
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from django.db import OperationalError
from django.db.models import Sum
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.errors import BLB3DError
from blb3d.demo.catalogue import FILAMENTS, GOODS, Good
from blb3d.demo.seed import USERS, plate_robot
from blb3d.demo.soak.truth import Truth
from inventory import services as inventory
from inventory.models import Inventory, Product, Vendor
from production import services as production
from production.models import DefectReason, Printer, PrintJob, ProductionOperation
from production.selectors.operations import open_operations
from sales import services as sales
from sales.models import Customer, SalesOrder
from sales.services import LineDraft, OrderDraft

log = logging.getLogger(__name__)

#: A plate lies for a while, so that it is seen; a unit takes its time on the bench.
LIES = datetime.timedelta(seconds=10)
ON_THE_BENCH = datetime.timedelta(seconds=20)
#: So many plates wait at least, and so much of each filament is there.
PLATES_AHEAD = 8
LEAST_KG = Decimal("0.8")
SCRAPPED = 0.06

Status = PrintJob.Status
OVER = (Status.FINISHED, Status.FAILED, Status.CANCELLED)


class People:
    """Orders when little is left to print; with ``clears`` also does what hands do on the floor."""

    def __init__(self, *, shop_url: str, printers: Path, clears: bool) -> None:
        self.robot = plate_robot()
        self.clears = clears
        self.shop_url = shop_url
        self.truth = Truth(printers)
        self.random = random.Random()  # noqa: S311  (not secret)
        self.turns = 0
        self.sources: list[Callable[[], None]] = [self._from_the_shop, self._for_the_shelf, self._by_phone]

    def turn(self) -> None:
        """Do what there is to do; what goes wrong now is done at the next turn."""
        acts: list[Callable[[], None]] = [self.order, self.buy]
        if self.clears:
            acts += [self.clear, self.decide, self.work]
        for act in acts:
            try:
                act()
            except (OperationalError, httpx.HTTPError, BLB3DError) as trouble:
                log.warning("%s: %s", act.__name__, trouble)

    # --- orders ----------------------------------------------------------------------------------------------------

    def order(self) -> None:
        """Place one order, each time from another source, while too few plates wait."""
        waiting = PrintJob.objects.filter(status=Status.QUEUED).count()
        if waiting >= PLATES_AHEAD:
            return
        self.sources[self.turns % len(self.sources)]()
        self.turns += 1

    def _from_the_shop(self) -> None:
        goods = self.random.sample(GOODS, 2)
        lines = [{"sku": good.sku, "quantity": self._quantity(good)} for good in goods]
        httpx.post(f"{self.shop_url}/sandbox/orders", json={"lines": lines}, timeout=10).raise_for_status()

    def _for_the_shelf(self) -> None:
        good = self.random.choice(GOODS)
        product = Product.objects.get(sku=good.sku)
        order = production.make_stock_order(
            product, quantity=2 * good.per_plate, notes="The shelf is filled up", actor=self.robot
        )
        production.confirm_production_orders([order], actor=self.robot)
        self._try(production.queue_production_order, order)

    def _by_phone(self) -> None:
        desk = User.objects.get(email=USERS[2].email)
        good = self.random.choice(GOODS)
        product = Product.objects.get(sku=good.sku)
        assert product.list_price is not None
        order = sales.place_order(
            OrderDraft(
                source=SalesOrder.Source.MANUAL,
                customer=Customer.objects.get(email="parts@clinic.example"),
                lines=[LineDraft(product=product, quantity=self._quantity(good), unit_price=product.list_price)],
                promised_date=timezone.localdate() + datetime.timedelta(days=self.random.randint(1, 6)),
            ),
            actor=desk,
        )
        sales.confirm_order(order, actor=desk, reason="Ordered by the demo")

    def _quantity(self, good: Good) -> int:
        return self.random.randint(1, 2 * good.per_plate)

    def buy(self) -> None:
        """Receive a new lot of every filament that runs short."""
        skus = [row.sku for row in FILAMENTS]
        left = dict(
            Inventory.objects.filter(product__sku__in=skus)
            .order_by()
            .values_list("product__sku")
            .annotate(Sum("on_hand_quantity"))
        )
        products = {product.sku: product for product in Product.objects.filter(sku__in=skus)}
        for row in FILAMENTS:
            if row.sku in products and left.get(row.sku, Decimal(0)) < LEAST_KG:
                inventory.receive_lot(
                    products[row.sku],
                    lot_number=f"{row.sku}-{timezone.now():%y%m%d%H%M%S}",
                    quantity=Decimal(5),
                    unit_cost=row.price_per_kg,
                    vendor=Vendor.objects.get(code=row.vendor),
                    actor=self.robot,
                )

    # --- hands -----------------------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Clear the plates that have lain for a while; most parts are good."""
        over = PrintJob.objects.filter(status__in=OVER, started_at__isnull=False, cleared_at__isnull=True)
        for job in over.filter(finished_at__lt=timezone.now() - LIES).prefetch_related("parts"):
            self._try(production.clear_plate, job, [self._count(job, part) for part in job.parts.all()])

    def _count(self, job: PrintJob, part: Any) -> production.PlateCount:
        bad = part.planned if job.status != Status.FINISHED else sum(
            self.random.random() < SCRAPPED for _ in range(part.planned)
        )  # fmt: skip
        defects = list(DefectReason.objects.filter(stage__in=("print", "any"), is_active=True)) if bad else []
        return production.PlateCount(
            part.production_order_id,
            part.planned - bad,
            bad,
            "Counted by the plate robot" if bad else "",
            self.random.choice(defects) if defects else None,
        )

    def decide(self) -> None:
        """Look at the machine, where nobody saw how a job ended."""
        self.truth.refresh()
        for job in PrintJob.objects.filter(status=Status.UNKNOWN).select_related("printer"):
            ended = self.truth.by_code.get(job.code)
            if ended:
                reason = f"The plate robot looked: {ended[-1].ending}"
                self._try(production.decide_job, job, outcome=ended[-1].status, reason=reason)
            elif self._was_switched_off(job):
                reason = "The plate robot looked: the machine was switched off while it printed"
                self._try(production.decide_job, job, outcome=Status.FAILED.value, reason=reason)

    @staticmethod
    def _was_switched_off(job: PrintJob) -> bool:
        """Tell whether its machine rests without a record of the job, which ended with the last run of the farm."""
        printer = job.printer
        rests = printer is not None and printer.connection == Printer.Connection.ONLINE and printer.state == "IDLE"
        return rests and job.updated_at < timezone.now() - LIES

    def work(self) -> None:
        """Do what is to be done after printing, a batch at a time."""
        for operation in open_operations().select_related("work_center"):
            waiting = operation.quantity_waiting
            if not waiting:
                continue
            if operation.status == ProductionOperation.Status.PENDING:
                self._try(production.start_operation, operation)
            elif operation.started_at is None or operation.started_at < timezone.now() - ON_THE_BENCH:
                minutes = operation.minutes_per_unit * waiting
                self._try(production.report_operation, operation, good=waiting, minutes=minutes)

    def _try(self, verb: Callable[..., Any], document: Any, *given: Any, **values: Any) -> None:
        try:
            verb(document, *given, actor=self.robot, **values)
        except BLB3DError as refusal:
            log.info("%s was refused: %s %s", document, refusal, refusal.details)
