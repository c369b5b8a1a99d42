"""The main job played in one process: every player looks at the database and does what is still missing.

That is what customers, shops, staff, workers and machines do after a restart, so that a play that was interrupted is
simply played on. A player's own memory (the customer's password, the shop's books) is not the system's and survives.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar

from django.core import mail
from django.core.cache import cache
from django.db import transaction
from django.test import Client

from blb3d.accounts.models import User
from blb3d.core import inbox, outbox
from blb3d.core.work import WorkStatus
from blb3d.demo.report import collect
from blb3d.tests.crash import empty_database
from integrations import slicing
from integrations.models import MarketplaceProductMapping, OfflineCharge, PrinterCommand
from integrations.printers.books import listener
from integrations.slicers.simulated import SimulatedSlicer
from integrations.squarespace.sandbox import Shop
from inventory import services as inventory
from inventory.models import PrintFile, Product
from inventory.tests.factories import (
    ComponentFactory,
    MaterialFactory,
    make_bom,
    make_plate,
    put_on_shelf,
    receive,
    release_file,
)
from production import services as production
from production.models import PrintJob, ProductionOrder, QualityInspection
from production.ports import SliceRequest, SliceResult
from production.tests.factories import PrinterFactory
from quotes.modelfiles.make import BRACKET
from quotes.models import Quote
from sales import services as sales
from sales.models import Invoice, SalesOrder, Shipment

EMAIL, PASSWORD = "buyer@example.com", "a-long-test-password"
SHIPPING = {
    "shipping_name": "Goods in",
    "shipping_address_line1": "123 Main St",
    "shipping_city": "Fort Wayne",
    "shipping_zip": "46802",
}
#: Made to order with a bought insert; with serial numbers, its first print fails; kept on the shelf, one is there.
SHOP_LINES = [("FG-CLIP", 2), ("FG-SENSOR", 1), ("FG-HOOK", 3)]
MOST_ROUNDS = 60


def make_farm() -> None:
    """Put three printers of two models, filament, and what the shop sells into an empty database."""
    petg = MaterialFactory(sku="M-PETG-BLACK", material_type="PETG", density_g_cm3=Decimal("1.27"))
    pla = MaterialFactory(sku="M-PLA-BLACK")
    insert = ComponentFactory(sku="C-INSERT")
    for material in (petg, pla):
        receive(material, 1, lot_number=f"{material.sku}-1")
        receive(material, 4, lot_number=f"{material.sku}-2")
    receive(insert, 100, lot_number="C-INSERT-1")
    for name, model in (("Left", "P1S"), ("Middle", "P1S"), ("Right", "X1C")):
        PrinterFactory(name=name, serial=f"SERIAL-{name}", model=model, loaded=[petg, pla])
    kept = Product.Replenishment.MAKE_TO_STOCK
    _sell("FG-CLIP", pla, (insert, 2))
    _sell("FG-SENSOR", petg, is_serialized=True)
    _sell("FG-HOOK", pla, replenishment=kept)
    put_on_shelf(Product.objects.get(sku="FG-HOOK"), 1)


def _sell(sku: str, filament: Product, *components: tuple[Product, int], **fields: Any) -> None:
    product = inventory.create_product(
        sku=sku, name=sku, category=Product.Category.FINISHED_GOOD, list_price=Decimal(19), actor=_staff(), **fields
    )
    make_bom(product, (filament, "0.0300"), *components)
    plate = make_plate(product, parts=2, minutes=90, grams={filament: "60"})
    for model in ("P1S", "X1C"):
        release_file(plate, printer_model=model)
    MarketplaceProductMapping.objects.create(
        marketplace="squarespace", marketplace_product_id=sku, marketplace_sku=sku, erp_product=product
    )


def _staff() -> User:
    return User.objects.system("staff")


def start_over(shop: Shop) -> None:
    """Make everything as it is before the first customer comes: database, cache, shop and mail server."""
    empty_database()
    cache.clear()
    mail.outbox.clear()
    for memory in (shop.orders, shop.emails, shop.notifications, shop.calls):
        memory.clear()
    make_farm()


class ThriftySlicer(SimulatedSlicer):
    """Slices what it has not sliced before, in any life of the system: the same request gives the same file."""

    known: ClassVar[dict[SliceRequest, SliceResult]] = {}

    def slice(self, request: SliceRequest) -> SliceResult:
        """Slice one plate."""
        if request not in self.known:
            self.known[request] = super().slice(request)
        return self.known[request]


class Play:
    """One life of the system and the people around it, until there is nothing left to do."""

    def __init__(self, shop: Shop) -> None:
        """Play with this shop, which remembers what it did in an earlier life of ours."""
        self.shop = shop
        self.browser = Client(headers={"Accept": "application/json"})

    def run(self) -> None:
        """Let everybody act in turn until all is done."""
        players: list[Callable[[], None]] = [
            self.customer,
            self.shop_owner,
            self.worker,
            self.release_print_files,
            self.machines,
            self.clear_plates,
            self.inspect,
            self.ship,
        ]
        for _ in range(MOST_ROUNDS):
            for player in players:
                player()
            if self.is_over():
                return
        raise AssertionError(f"it does not come to an end: {state(self.shop)}")

    # --- the customer and the shop -----------------------------------------------------------------------------------

    def customer(self) -> None:
        """Register, ask for a price, accept and pay; every call is repeated with its key until it is answered."""
        order = SalesOrder.objects.filter(source="portal").first()
        if order is not None and order.is_paid:
            return
        if not User.objects.filter(email=EMAIL).exists():
            self._call("post", "auth/register", email=EMAIL, password=PASSWORD, first_name="Test", last_name="Buyer")
        tokens = self._call("post", "auth/login", email=EMAIL, password=PASSWORD)
        self.browser.defaults["HTTP_AUTHORIZATION"] = f"Bearer {tokens['access_token']}"
        with BRACKET.open("rb") as file:
            answer = self.browser.post(
                "/api/v1/quotes",
                {"files": file, "material_type": "PETG", "color": "Black", "quantity": "5"},
                headers={"Idempotency-Key": "the-price"},
            )
        assert answer.status_code == 201, answer.content
        quote = self._call("get", f"quotes/{answer.json()['id']}")
        assert quote["status"] in ("approved", "accepted", "converted"), quote
        payment = {"method": "card", "token": "tok_ok"}
        self._call("patch", f"quotes/{quote['id']}/accept", key="the-order", payment=payment, **SHIPPING)

    def _call(self, method: str, path: str, *, key: str = "", **body: Any) -> Any:
        headers = {"Idempotency-Key": key} if key else {}
        send = getattr(self.browser, method)
        answer = send(f"/api/v1/{path}", body or None, content_type="application/json", headers=headers)
        assert answer.status_code in (200, 201), answer.content
        return answer.json()

    def shop_owner(self) -> None:
        """A buyer orders; the shop tells us what is new until we take it, and the first news once more."""
        if not self.shop.orders:
            lines = [{"sku": sku, "quantity": number, "variantId": sku} for sku, number in SHOP_LINES]
            self.shop.create_order(lines)
        first = self.shop.notifications[0]
        repeated = [first] if first.delivered and first.tries < 2 else []
        for news in [*repeated, *(row for row in self.shop.notifications if not row.delivered)]:
            body, headers = self.shop.signed(news)
            answer = Client().post(news.path, body, content_type="application/json", headers=headers)
            assert answer.status_code == 200, answer.content
            news.delivered = True
            news.tries += 1

    # --- the system's own processes ----------------------------------------------------------------------------------

    def worker(self) -> None:
        """Do what the beat asks of the worker."""
        inbox.drain()
        outbox.drain()
        slicing.drain()
        sales.settle_intended_payments(actor=User.objects.system("sales"))
        production.dispatch_next(actor=User.objects.system("dispatcher"))
        outbox.drain()

    def machines(self) -> None:
        """Start what was asked for, print, and report; the first sensor housing comes off the plate at 40 %."""
        for start in PrinterCommand.objects.filter(kind="start", status=WorkStatus.PENDING).order_by("pk"):
            with transaction.atomic():
                production.begin_job(start.job, actor=listener(), printer=start.printer)
                start.finish()
        for job in PrintJob.objects.filter(status=PrintJob.Status.PRINTING).order_by("pk"):
            production.record_progress(job, percent=40, actor=listener())
            if job.plate.product.sku == "FG-SENSOR" and job.retry_of_id is None:
                production.record_failed(job, actor=listener(), code="0300_8003", text="Spaghetti", progress_percent=40)
            else:
                production.record_finished(job, actor=listener())

    # --- staff -------------------------------------------------------------------------------------------------------

    def release_print_files(self) -> None:
        """Look at what the slicer made and let it be printed."""
        for file in PrintFile.objects.filter(released_at__isnull=True).order_by("pk"):
            inventory.release_print_file(file, actor=_staff())

    def clear_plates(self) -> None:
        """Count plates that wait; one bracket of the first plate is scrap."""
        for job in PrintJob.objects.filter(
            status__in=["finished", "failed"], started_at__isnull=False, cleared_at__isnull=True
        ).order_by("pk"):
            is_custom = job.plate.product.category == Product.Category.CUSTOM
            first = PrintJob.objects.filter(plate=job.plate).order_by("pk").first()
            counts = []
            for part in job.parts.order_by("pk"):
                scrap = part.planned if job.status == "failed" else int(is_custom and job == first)
                counts.append(production.PlateCount(part.production_order_id, part.planned - scrap, scrap, "strings"))
            production.clear_plate(job, counts, actor=_staff())

    def inspect(self) -> None:
        """Pass what is made and was not inspected."""
        done = QualityInspection.objects.filter(inspection_type="FINAL").values("production_order")
        made = ProductionOrder.objects.filter(status=ProductionOrder.Status.COMPLETED).exclude(pk__in=done)
        for order in made.order_by("pk"):
            production.pass_inspection(order, actor=_staff())

    def ship(self) -> None:
        """Pack orders that are ready, and hand their parcels over."""
        for order in SalesOrder.objects.filter(status=SalesOrder.Status.QUALITY_CHECK).order_by("pk"):
            if not order.shipments.exists():
                sales.pack_shipment(order, actor=_staff())
        for shipment in Shipment.objects.filter(status=Shipment.Status.PACKED).order_by("pk"):
            tracking = f"9400{shipment.pk:018d}"
            sales.ship_shipment(shipment, carrier="USPS", service="Ground", tracking_number=tracking, actor=_staff())

    def is_over(self) -> bool:
        """Tell whether nobody has anything left to do."""
        report = collect()
        return bool(
            SalesOrder.objects.filter(status=SalesOrder.Status.SHIPPED).count() == 2
            and Invoice.objects.count() == 2
            and all(row.delivered for row in self.shop.notifications)
            and self.shop.notifications[0].tries > 1
            and not report["outbox"]["pending"]
            and not report["inbox"]["pending"]
        )


def state(shop: Shop) -> dict[str, Any]:
    """Return what must be the same however often the system was killed on the way.

    The provider charges once and the shop tells its buyer once. Mails of ours are sent at least once: one whose mark
    was lost is sent again, under the same Message-ID.
    """
    report = collect()
    letters = [letter.extra_headers["Message-ID"] for letter in mail.outbox]
    return {
        "documents": report["documents"],
        "quotes": Quote.objects.count(),
        "differences": report["ledger"]["differences"],
        "dead": [report["outbox"]["dead"], report["inbox"]["dead"]],
        "charges": OfflineCharge.objects.count(),
        "mails from the shop": list(shop.emails.values()),
        "letters": sorted(letter.partition("@")[0].split("-", 2)[2] for letter in set(letters)),
    }


def repetitions() -> tuple[int, int]:
    """Return how many deliveries and messages were tried again, and how many mails were sent again."""
    letters = [letter.extra_headers["Message-ID"] for letter in mail.outbox]
    retried = [
        row.attempts - 1
        for model in (outbox.EventDelivery, inbox.InboundMessage)
        for row in model.objects.filter(attempts__gt=1)
    ]
    return sum(retried), len(letters) - len(set(letters))
