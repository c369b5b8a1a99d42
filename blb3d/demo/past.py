"""What the demo farm is said to have printed in the last days, so that yield, cost and learning have something to show.

The simulated printers print far too fast to teach anything, so this past is made up, and says so on every order. It is
entered through the same verbs as anything else, with times that are spread over the days before the first start.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core import outbox
from blb3d.core.units import round_quantity
from blb3d.demo.seed import USERS
from integrations import slicing
from inventory import services as inventory
from inventory.models import PrintFile, Product
from production import services as production
from production.models import DefectReason, Printer, PrintJob, ProductionOrder
from quotes import services as quotes
from quotes.models import Quote
from quotes.services import PaymentOrder, QuoteRequest, Upload
from sales.models import Address

MODEL = Path(__file__).resolve().parents[2] / "quotes" / "modelfiles" / "samples" / "bracket.3mf"
NOTE = "Made-up past of the demo"
DAYS = 5
#: What was made for the shelf; a failed plate was printed again.
MADE = (("FG-00031", 144), ("FG-00008", 36), ("FG-00015", 10), ("FG-00022", 4))
#: A customer's own part, ordered twice: enough plates to learn from.
SERIES = (("Bracket, first series", 80), ("Bracket, second series", 64))
BENCH = Address(line1="123 Main St", city="Fort Wayne", state="IN", zip="46802", name="Goods in")
#: Printers of one model are not alike: how long each takes against its slicer.
HABITS = (Decimal("1.02"), Decimal("1.06"), Decimal("1.11"), Decimal("1.04"))
FAILED, SCRAPPED = 0.07, 0.12


def load() -> bool:
    """Enter the past of a farm that has not printed yet; tell whether it did."""
    if PrintJob.objects.filter(started_at__isnull=False).exists():
        return False
    Past().load()
    return True


class Past:
    """Enters the past, always the same one but for the day."""

    def __init__(self) -> None:
        self.actor = User.objects.system("demo")
        self.random = random.Random("the past")  # noqa: S311  (to be repeatable, not secret)
        self.printers = list(Printer.objects.order_by("name").prefetch_related("slots"))
        start = timezone.now() - datetime.timedelta(days=DAYS)
        hour = datetime.timedelta(hours=1)
        self.free_at = {printer.pk: start + hour * index for index, printer in enumerate(self.printers)}
        self.defects = list(DefectReason.objects.filter(stage__in=("print", "any")).order_by("position")[:5])

    def load(self) -> None:
        """Print what was made for the shelf, and a customer's quote; then everybody hears of it."""
        orders = [
            production.make_stock_order(Product.objects.get(sku=sku), quantity=quantity, notes=NOTE, actor=self.actor)
            for sku, quantity in MADE
        ]
        production.confirm_production_orders(orders, actor=self.actor)
        for order in orders:
            production.queue_production_order(order, actor=self.actor)
        for name, quantity in SERIES:
            orders += self._series(name, quantity)
        for order in orders:
            self._print(order)
        outbox.drain()
        quotes.recompute_corrections(actor=User.objects.system("learning"))

    def _series(self, name: str, quantity: int) -> list[ProductionOrder]:
        """A customer's own part: only estimates of quotes are learned from."""
        buyer = User.objects.get(email=USERS[-1].email)
        quote = quotes.create_quote(
            QuoteRequest(
                files=[Upload(MODEL.name, MODEL.read_bytes(), "model/3mf")],
                material_type="PETG",
                color="Black",
                quantity=quantity,
                user=buyer,
                customer=buyer.customer_user.customer,
                product_name=name,
                special_instructions=NOTE,
            ),
            actor=buyer,
        )
        outbox.drain()
        quote.refresh_from_db()
        if quote.status != Quote.Status.APPROVED:
            quotes.approve_quote(quote, actor=User.objects.get(email=USERS[0].email))
        quotes.accept_quote(quote, actor=buyer, shipping=BENCH, payment=PaymentOrder("card", "tok_ok"))
        outbox.drain()
        slicing.drain()
        quote.refresh_from_db()
        for file in PrintFile.objects.filter(plate__product=quote.product, released_at__isnull=True):
            inventory.release_print_file(file, actor=self.actor)
        outbox.drain()
        orders = list(ProductionOrder.objects.filter(quote=quote))
        for order in orders:
            if order.status == ProductionOrder.Status.CONFIRMED:
                production.queue_production_order(order, actor=self.actor)
        return orders

    def _print(self, order: ProductionOrder) -> None:
        """Print an order's plates one after the other on the printers that hold its filament, until it is whole."""
        waiting = PrintJob.objects.filter(production_order=order, status=PrintJob.Status.QUEUED).order_by("pk")
        while job := waiting.first():
            self._print_job(job)
        order.refresh_from_db()
        if order.completed_at is not None:
            ended = PrintJob.objects.filter(production_order=order).latest("cleared_at").cleared_at
            ProductionOrder.objects.filter(pk=order.pk).update(completed_at=ended)

    def _print_job(self, job: PrintJob) -> None:
        filaments = list(job.filaments.order_by("position"))
        printer = min(self._with(row.material_id for row in filaments), key=lambda row: self.free_at[row.pk])
        habit = HABITS[self.printers.index(printer) % len(HABITS)]
        factor = habit * self._about(0.97, 1.04)
        began = self._shift(self.free_at[printer.pk])
        minutes = (job.estimated_time_minutes * factor).quantize(Decimal("0.01"))
        is_failed = self.random.random() < FAILED
        percent = self.random.randint(10, 80) if is_failed else 100
        ended = began + datetime.timedelta(minutes=float(minutes) * percent / 100)
        production.begin_job(job, actor=self.actor, at=began, printer=printer)
        if is_failed:
            production.record_failed(
                job, actor=self.actor, code="0300_8003", text=NOTE, progress_percent=percent, at=ended
            )
        else:
            grams = {row.position: round_quantity(row.planned_grams * self._about(0.99, 1.03)) for row in filaments}
            production.record_finished(job, actor=self.actor, at=ended, minutes=minutes, grams=grams)
        cleared = ended + datetime.timedelta(minutes=self.random.randint(2, 25))
        production.clear_plate(job, [self._count(job, is_failed)], actor=self.actor)
        # The verb says "now": nobody clears the plates of twelve days in one minute.
        PrintJob.objects.filter(pk=job.pk).update(cleared_at=cleared)
        self.free_at[printer.pk] = cleared

    def _about(self, low: float, high: float) -> Decimal:
        return Decimal(str(round(self.random.uniform(low, high), 3)))

    def _count(self, job: PrintJob, is_failed: bool) -> production.PlateCount:
        (part,) = job.parts.all()
        scrap = part.planned if is_failed else 1 if self.random.random() < SCRAPPED else 0
        return production.PlateCount(
            part.production_order_id,
            part.planned - scrap,
            scrap,
            NOTE if scrap else "",
            self.random.choice(self.defects) if scrap and self.defects else None,
        )

    def _with(self, materials: Iterable[int]) -> list[Printer]:
        wanted = set(materials)
        found = [row for row in self.printers if wanted <= {slot.material_id for slot in row.slots.all()}]
        assert found, f"no printer holds {wanted}"
        return found

    def _shift(self, moment: datetime.datetime) -> datetime.datetime:
        """Move a start from the night to the next morning; never into the future."""
        local = timezone.localtime(moment)
        if local.hour < 7:
            local = local.replace(hour=7, minute=self.random.randint(0, 50))
        elif local.hour >= 21:
            local = (local + datetime.timedelta(days=1)).replace(hour=7, minute=self.random.randint(0, 50))
        return local
