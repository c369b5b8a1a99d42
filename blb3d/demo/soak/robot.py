"""The people of the soaked farm, played by a robot: it orders, clears plates, decides, cancels and pauses.

What it does to a job depends on the seed and the job's code alone, so that a robot that was killed goes on as it began.
"""

from __future__ import annotations

import datetime
import json
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import OperationalError
from django.db.models import Count, Exists, OuterRef, Q
from django.utils import timezone

from blb3d.core.errors import BLB3DError
from blb3d.core.outbox import EventDelivery, OutboxEvent
from blb3d.core.work import WorkStatus
from blb3d.demo.seed import plate_robot
from blb3d.demo.soak.truth import Truth
from blb3d.demo.soak.world import GOODS
from inventory.models import Product
from production import services as production
from production.models import PrintJob, PrintJobPart, ProductionOrder

log = logging.getLogger(__name__)

TURN_SECONDS = 0.5
#: So many plates per printer wait in the queue while the farm is fed.
AHEAD = 1.5
#: What people do to jobs, as shares of them.
CANCELLED, CANCELLED_WAITING, PAUSED, HELD = 0.03, 0.005, 0.03, 0.02
#: A machine that was never heard of a job for so long never had it.
NEVER_ACCEPTED = datetime.timedelta(seconds=60)

Status = PrintJob.Status
OVER = (Status.FINISHED, Status.FAILED, Status.CANCELLED)


def chance(seed: str, code: str, what: str) -> float:
    """Return a number from 0 to 1 that is always the same for the seed, the document and the question."""
    return random.Random(f"{seed}/{code}/{what}").random()  # noqa: S311  (to be repeatable, not secret)


def good_of(seed: str, code: str, status: str, planned: int) -> int:
    """Return how many of the planned parts of an order on a job's plate are good: what the robot counts."""
    generator = random.Random(f"{seed}/{code}/good")  # noqa: S311
    if status == Status.FINISHED:
        return planned if generator.random() < 0.85 else generator.randint(0, planned)
    return 0 if generator.random() < 0.9 else generator.randint(0, planned)


def scrap_of(seed: str, code: str, planned: int, good: int) -> int:
    """Return how many are scrap; the rest is missing: nobody found it on the plate."""
    return planned - good if chance(seed, code, "missing") < 0.7 else (planned - good) // 2


@dataclass(frozen=True)
class Plan:
    """What is soaked, from the command line; ``folder`` is where robot, killer and judge leave word."""

    folder: Path
    printers: int
    jobs: int
    seed: str
    until: float = float("inf")

    @property
    def truth(self) -> Path:
        """Where the printers keep their cards and their record."""
        return self.folder / "printers"

    @property
    def asked(self) -> Path:
        """The jobs that a person was asked about, a code per line."""
        return self.folder / "asked.txt"

    @property
    def status(self) -> Path:
        """How far the soak is, as JSON."""
        return self.folder / "status.json"


class Robot:
    """Plays until ``plan.jobs`` plates were made and all that was begun is over."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.seed = plan.seed
        self.truth = Truth(plan.truth)
        self.actor = plate_robot()
        self.asked = set(plan.asked.read_text().split()) if plan.asked.exists() else set()
        self.products = {row.sku: row for row in Product.objects.filter(sku__in=[good.sku for good in GOODS])}

    def run(self) -> None:
        """Play to the end."""
        while True:
            started = time.monotonic()
            try:
                if self.turn():
                    return
            except (OperationalError, BLB3DError) as busy:
                log.warning("it was not taken, again: %s", busy)
            time.sleep(max(0.05, TURN_SECONDS - (time.monotonic() - started)))

    def turn(self) -> bool:
        """Do what there is to do; True when all is over."""
        self.truth.refresh()
        counts = dict(PrintJob.objects.order_by().values_list("status").annotate(Count("pk")))
        made = sum(counts.values())
        is_fed = made >= self.plan.jobs or time.time() > self.plan.until
        if not is_fed:
            self.order(made, waiting=counts.get(Status.QUEUED, 0))
        uncleared = self.clear()
        self.decide()
        self.disturb()
        short = self.fill_up()
        open_jobs = sum(counts.get(status, 0) for status in (Status.QUEUED, *PrintJob.ACTIVE))
        status = {
            "made": made, "open": open_jobs, "waiting": counts.get(Status.QUEUED, 0), "uncleared": uncleared,
            "over": sum(counts.get(status, 0) for status in OVER), "asked": len(self.asked), "at": time.time(),
            **{status: counts.get(status, 0) for status in Status.values},
        }  # fmt: skip
        is_over = is_fed and not open_jobs and not uncleared and not short and self._all_told()
        self._write({**status, "is_over": is_over})
        return is_over

    def _write(self, status: dict[str, object]) -> None:
        fresh = self.plan.status.with_suffix(".new")
        fresh.write_text(json.dumps(status))
        fresh.replace(self.plan.status)

    def _all_told(self) -> bool:
        pending = EventDelivery.objects.filter(status=WorkStatus.PENDING).exists()
        return not pending and not OutboxEvent.objects.filter(relayed_at__isnull=True).exists()

    # --- what people do --------------------------------------------------------------------------------------------

    def order(self, made: int, *, waiting: int) -> None:
        """Keep the farm fed, a few orders at a time, never for more plates than are to be made."""
        wanted = min(int(self.plan.printers * AHEAD) - waiting, self.plan.jobs - made)
        number = ProductionOrder.objects.count()
        for _ in range(12):
            if wanted <= 0:
                return
            number += 1
            generator = random.Random(f"{self.seed}/order/{number}")  # noqa: S311
            good = generator.choice(GOODS)
            plates = generator.randint(1, min(4, wanted))
            spare = generator.randint(0, good.per_plate - 1) if generator.random() < 0.4 else 0
            order = production.make_stock_order(
                self.products[good.sku],
                quantity=plates * good.per_plate - spare,
                priority=generator.randint(1, 4),
                actor=self.actor,
            )
            production.confirm_production_orders([order], actor=self.actor)
            # Somebody may have queued it already; one that nobody did is found by ``fill_up``.
            self._try(production.queue_production_order, order)
            wanted -= plates

    def clear(self) -> int:
        """Clear every plate that waits; return how many there still are."""
        left = 0
        over = PrintJob.objects.filter(status__in=OVER, started_at__isnull=False, cleared_at__isnull=True)
        for job in over.prefetch_related("parts").order_by("finished_at"):
            counts = []
            for part in job.parts.all():
                good = good_of(self.seed, job.code, job.status, part.planned)
                scrap = scrap_of(self.seed, job.code, part.planned, good)
                counts.append(production.PlateCount(part.production_order_id, good, scrap, "stringing" * bool(scrap)))
            try:
                production.clear_plate(job, counts, actor=self.actor)
            except BLB3DError as refusal:
                left += 1
                log.warning("%s is not cleared: %s %s", job.code, refusal, refusal.details)
        return left

    def decide(self) -> None:
        """Go to the machine and look, where the books do not know how a job ended."""
        for job in PrintJob.objects.filter(status=Status.UNKNOWN):
            if job.code not in self.asked:
                self.asked.add(job.code)
                with self.plan.asked.open("a") as file:
                    file.write(f"{job.code}\n")
            ended = self.truth.by_code.get(job.code, [])
            if ended:
                outcome = ended[-1].status
            elif timezone.now() - (job.updated_at or timezone.now()) > NEVER_ACCEPTED:
                outcome = "cancelled"
            else:
                continue  # It may still print: a person would wait too.
            self._try(production.decide_job, job, outcome=outcome, reason="Looked at the machine")

    def disturb(self) -> None:
        """Cancel, pause, resume and hold a few."""
        for job in PrintJob.objects.filter(status=Status.PRINTING, cancel_requested_at__isnull=True):
            at = 5 + 90 * chance(self.seed, job.code, "at")
            if job.progress_percent < at:
                continue
            if chance(self.seed, job.code, "cancel") < CANCELLED:
                self._try(production.request_cancel, job, reason="Not wanted any more")
            elif chance(self.seed, job.code, "pause") < PAUSED and not job.commands.filter(kind="pause").exists():
                self._try(production.request_pause, job)
        ours = PrintJob.objects.filter(status=Status.PAUSED, commands__kind="pause").distinct()
        for job in ours:
            if not job.commands.filter(kind="resume", status=WorkStatus.PENDING).exists():
                self._try(production.request_resume, job)
        for job in PrintJob.objects.filter(status=Status.QUEUED):
            if chance(self.seed, job.code, "cancel-waiting") < CANCELLED_WAITING:
                self._try(production.request_cancel, job, reason="Not wanted any more")
        for order in ProductionOrder.objects.filter(status__in=("queued", "printing")):
            if order.is_held:
                if timezone.now() - order.updated_at > datetime.timedelta(seconds=15):
                    self._try(production.release_production_order_hold, order)
            elif (
                chance(self.seed, order.code, "hold") < HELD
                and "held once" not in order.notes
                and self._try(production.hold_production_order, order, reason="Waits for a word")
            ):
                ProductionOrder.objects.filter(pk=order.pk).update(notes="held once")

    def fill_up(self) -> int:
        """Make jobs for orders that owe parts which nobody prints; return how many orders are not complete."""
        coming = PrintJobPart.objects.filter(production_order=OuterRef("pk"), job__deleted_at__isnull=True).filter(
            Q(job__status__in=(Status.QUEUED, *PrintJob.ACTIVE))
            | Q(job__started_at__isnull=False, job__cleared_at__isnull=True)
        )
        for order in ProductionOrder.objects.filter(status__in=("draft", "confirmed")):
            if order.status == ProductionOrder.Status.DRAFT:
                production.confirm_production_orders([order], actor=self.actor)
            self._try(production.queue_production_order, order)
        open_orders = ProductionOrder.objects.filter(status__in=("draft", "confirmed", "queued", "printing"))
        for order in open_orders.filter(~Exists(coming), is_held=False, status__in=("queued", "printing")):
            self._try(production.requeue_missing_parts, order)
        return open_orders.count()

    def _try(self, verb: Callable[..., Any], document: PrintJob | ProductionOrder, **values: Any) -> bool:
        try:
            verb(document, actor=self.actor, **values)
        except BLB3DError as refusal:
            # The machine was faster: a person would shrug too.
            log.info("%s was refused: %s %s", document, refusal, refusal.details)
            return False
        return True
