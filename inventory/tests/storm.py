"""A storm over the same few lots: processes that issue, receive, reserve, use and release as fast as they can.

Each process writes down what was acknowledged to it. Afterwards the ledger is played back and compared with that.
"""

from __future__ import annotations

import datetime
import json
import logging
import multiprocessing
import random
import time
import traceback
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any

from django.db import connections
from django.utils import timezone

from blb3d.accounts.models import User
from inventory import services as inventory
from inventory.errors import InsufficientStock
from inventory.models import InventoryTransaction
from inventory.services import Movement, Need, Use
from inventory.services.ledger import Kind
from inventory.tests.factories import LocationFactory, MaterialFactory, receive, system_actor

D = Decimal
PRODUCTS, LOTS_EACH = 4, 5
#: Acts of one process have numbers of its own: its own number times this, and on.
_NUMBERS = 10_000_000
#: A lot that was empty is not in the queue of who began to wait before it came back. So long it does not count.
_SETTLED = datetime.timedelta(seconds=3)


@dataclass
class Stock:
    """The lots that everybody wants, by product in the order in which they are to be used."""

    lots: dict[int, list[int]]
    place_id: int

    @property
    def products(self) -> list[int]:
        """Return the products."""
        return list(self.lots)


def fill() -> Stock:
    """Receive twenty lots of four materials; two of them expire, in another order than they came."""
    place, now, lots = LocationFactory(), timezone.now(), {}
    for number in range(PRODUCTS):
        product = MaterialFactory()
        expires = number % 2 == 1
        made = [
            receive(
                product,
                "1.5",
                received_at=now - datetime.timedelta(days=6 - turn),
                expires_at=now + datetime.timedelta(days=90 - turn) if expires else None,
            ).pk
            for turn in range(LOTS_EACH)
        ]
        lots[product.pk] = made[::-1] if expires else made
    return Stock(lots, place.pk)


class Process:
    """One of those who act; ``acknowledged`` holds kind and number of every act that was, and since when it waited."""

    def __init__(self, number: int, stock: Stock, seed: int) -> None:
        self.stock, self.chance = stock, random.Random(seed + number)
        self.next = (number + 1) * _NUMBERS
        self.acknowledged: list[tuple[str, int, float]] = []
        self.refused = 0
        self.holding: list[tuple[int, int]] = []
        self.actor = User.objects.system("tests")

    def run(self, seconds: float) -> None:
        """Act until the time is over."""
        acts = [self.issue, self.issue, self.take_in, self.take_in, self.reserve, self.use, self.release]
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            self.next += 1
            act, began = self.chance.choice(acts), time.time()
            try:
                is_done = act(self.next)
            except InsufficientStock:
                self.refused += 1
            else:
                if is_done:
                    self.acknowledged.append((act.__name__, self.next, began))

    def quantity(self) -> Decimal:
        """Return thousandths and tenths of them: what a float cannot hold."""
        return D(self.chance.randint(1, 20_000)) / 10_000

    def issue(self, number: int) -> bool:
        """Ship two products, both or nothing."""
        wanted = self.chance.sample(self.stock.products, 2)
        inventory.issue([Use(product, self.quantity(), "shipment", number) for product in wanted], actor=self.actor)
        return True

    def take_in(self, number: int) -> bool:
        """Receive more of two lots."""
        inventory.post_transactions(
            [
                Movement(
                    Kind.RECEIPT,
                    product,
                    self.stock.place_id,
                    self.chance.choice(self.stock.lots[product]),
                    self.quantity(),
                    unit_cost=D(self.chance.randint(90_000, 130_000)) / 10_000,
                    reference_type="purchase_order",
                    reference_id=number,
                )
                for product in self.chance.sample(self.stock.products, 2)
            ],
            actor=self.actor,
        )
        return True

    def reserve(self, number: int) -> bool:
        """Keep what there is of a product; nothing may be there."""
        product = self.chance.choice(self.stock.products)
        wanted = self.quantity()
        short = inventory.reserve([Need(product, wanted, "production_order", number)], actor=self.actor)
        got = short[0].reserved if short else wanted
        if got:
            self.holding.append((number, product))
        return bool(got)

    def use(self, number: int) -> bool:
        """Print with what an order of this process has reserved."""
        if not self.holding:
            return False
        order, product = self.chance.choice(self.holding)
        use = Use(product, self.quantity() / 4, "print_job", number, holder=("production_order", order))
        return bool(inventory.consume([use], actor=self.actor))

    def release(self, number: int) -> bool:
        """Give free what an order of this process still holds."""
        if not self.holding:
            return False
        order, _ = self.holding.pop(self.chance.randrange(len(self.holding)))
        inventory.release_reservations("production_order", [order], actor=self.actor)
        return False  # told under the number of the order that was reserved for


class _Retries(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.count += 1


def _live(number: int, stock: Stock, seconds: float, seed: int, told: Path) -> None:
    retries = _Retries()
    logging.getLogger("blb3d.core.verbs").addHandler(retries)
    process, error = Process(number, stock, seed), ""
    try:
        process.run(seconds)
    except BaseException:
        error = traceback.format_exc()
    told.write_text(
        json.dumps(
            {
                "acknowledged": process.acknowledged,
                "refused": process.refused,
                "retries": retries.count,
                "error": error,
            }
        )
    )
    connections.close_all()


@dataclass
class Told:
    """What the processes say of the storm."""

    acknowledged: dict[int, tuple[str, float]] = field(default_factory=dict)
    refused: int = 0
    retries: int = 0
    errors: list[str] = field(default_factory=list)

    @property
    def kinds(self) -> Counter[str]:
        """Return how many acts of each kind were acknowledged."""
        return Counter(kind for kind, _ in self.acknowledged.values())


def rage(stock: Stock, folder: Path, *, processes: int, seconds: float, seed: int) -> Told:
    """Let processes of their own loose on the stock; return what they tell."""
    # A connection must not be shared by two processes: each opens its own.
    connections.close_all()
    system_actor()
    connections.close_all()
    fork = multiprocessing.get_context("fork")
    papers = [folder / f"{number}.json" for number in range(processes)]
    running = [
        fork.Process(target=_live, args=(number, stock, seconds, seed, paper)) for number, paper in enumerate(papers)
    ]
    for one in running:
        one.start()
    for one in running:
        one.join(seconds + 120)
    told = Told()
    for one, paper in zip(running, papers, strict=True):
        if one.exitcode != 0 or not paper.exists():
            told.errors.append(f"a process ended with {one.exitcode}")
            continue
        said = json.loads(paper.read_text())
        told.acknowledged |= {number: (kind, began) for kind, number, began in said["acknowledged"]}
        told.refused += said["refused"]
        told.retries += said["retries"]
        told.errors += [said["error"]] if said["error"] else []
    return told


class Playback:
    """The ledger played again row by row: what lies where, who took what while what was free."""

    def __init__(self, stock: Stock, told: Told) -> None:
        self.stock, self.told = stock, told
        self.on_hand: dict[int, Decimal] = defaultdict(Decimal)
        self.allocated: dict[int, Decimal] = defaultdict(Decimal)
        self.there_since: dict[int, datetime.datetime] = {}
        self.wrong: list[str] = []
        self.booked: set[int] = set()
        self.rows = 0

    def run(self) -> Playback:
        """Play everything; ``wrong`` lists what should not have been."""
        rows: Iterator[Any] = InventoryTransaction.objects.order_by("id").iterator()
        for (kind, number, product_id), act in groupby(
            rows, lambda row: (row.transaction_type, row.reference_id, row.product_id)
        ):
            self._act(kind, number, product_id, list(act))
        missing = self.told.acknowledged.keys() - self.booked
        strange = self.booked - self.told.acknowledged.keys()
        self.wrong += [f"acknowledged and not booked: {sorted(missing)[:5]}"] if missing else []
        self.wrong += [f"booked and not acknowledged: {sorted(strange)[:5]}"] if strange else []
        return self

    def _act(self, kind: str, number: int, product_id: int, rows: Sequence[InventoryTransaction]) -> None:
        self.rows += len(rows)
        if number >= _NUMBERS:
            self.booked.add(number)
        order = self.stock.lots[product_id]
        for row in rows:
            assert row.lot_id is not None
            takes_free = (kind in (Kind.SHIPMENT, Kind.CONSUMPTION) and not row.allocated_change) or (
                kind == Kind.RESERVATION
            )
            if takes_free and number in self.told.acknowledged:
                self._look_for_older(row, order[: order.index(row.lot_id)], self.told.acknowledged[number][1])
            before = self.on_hand[row.lot_id]
            self.on_hand[row.lot_id] += row.on_hand_change
            self.allocated[row.lot_id] += row.allocated_change
            if before <= 0 < self.on_hand[row.lot_id]:
                self.there_since[row.lot_id] = row.created_at
            if not 0 <= self.allocated[row.lot_id] <= self.on_hand[row.lot_id]:
                self.wrong.append(f"row {row.pk} leaves {self.on_hand[row.lot_id]} in lot {row.lot_id}")

    def _look_for_older(self, row: InventoryTransaction, older: Sequence[int], began: float) -> None:
        start = datetime.datetime.fromtimestamp(began, datetime.UTC) - _SETTLED
        for lot in older:
            free = self.on_hand[lot] - self.allocated[lot]
            if free > 0 and self.there_since[lot] < start:
                self.wrong.append(f"row {row.pk} took of lot {row.lot_id} while {free} of lot {lot} were free")
