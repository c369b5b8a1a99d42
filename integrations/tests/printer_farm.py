"""One printer for the tests of the listener: a simulated machine on a real broker, our rows of it, and a listener."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from blb3d.core import outbox
from integrations.bambu.simulator import Family, Pace, Reel, SimulatedPrinter
from integrations.bambu.tests.files import sliced
from integrations.models import PrinterConnection
from integrations.printers.listener import Listener
from inventory.models import Product
from inventory.tests.factories import release_file
from production import services as production
from production.models import Printer, PrintJob, ProductionOrder
from production.tests.factories import PrinterFactory, black_pla, printable, queued, stock, system_actor

#: Real seconds: everything happens fast, but each thing long enough to be seen.
PACE = Pace(time_scale=900, shortest=0.7, longest=30.0, linger=0.1, prepare=0.3, flash=0.3)
CODE = "87654321"


def wait_for(what: Callable[[], Any], *, seconds: float = 20.0) -> Any:
    """Return what the function returns once it is true; fail after a generous while."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return found


class OnePrinterFarm:
    """A simulated printer with its row, its connection, and a product whose file takes ``seconds`` at the machine."""

    def __init__(
        self,
        folder: Path,
        broker: tuple[str, int],
        *,
        family: Family = Family.P1,
        reels: dict[int, Reel] | None = None,
    ) -> None:
        self.material = black_pla()
        stock(self.material)
        self.machine = SimulatedPrinter(
            "01P00TEST",
            folder,
            family=family,
            reels=reels or {0: Reel(self.material.material_type, self.material.color_hex)},
            broker_host=broker[0],
            broker_port=broker[1],
            access_code=CODE,
            pace=PACE,
            seed=1,
            frame_seconds=0.1,
        )
        self.printer: Printer = PrinterFactory(
            serial=self.machine.serial, state="", connection=Printer.Connection.OFFLINE, write_access="unknown"
        )
        link = PrinterConnection(printer=self.printer, host=broker[0], mqtt_port=broker[1], use_tls=False)
        link.ftps_port = self.machine.card.port
        link.set_access_code(CODE)
        link.save()

    def order(self, quantity: int = 1, *, seconds: int = 600, simulated: bool = True) -> tuple[ProductionOrder, Any]:
        """Return an order and its jobs; a job takes seconds / 900 of the real clock."""
        content = sliced(seconds=seconds, grams=(100.0,), simulated=simulated)
        product: Product = printable(material=self.material, file=False)
        release_file(product.plates.get(), content=content)
        return queued(product, quantity)

    def job(self, **file: Any) -> PrintJob:
        """Return the one job of a new order."""
        _, [job] = self.order(**file)
        return job

    def ready(self) -> Printer:
        """Wait until the listener has seen the printer ready."""

        def seen() -> bool:
            self.printer.refresh_from_db()
            return self.printer.is_ready

        wait_for(seen)
        return self.printer

    def send(self, job: PrintJob) -> PrintJob:
        """Dispatch a job to the printer and deliver the fact."""
        production.dispatch_job(job, self.ready(), actor=system_actor())
        outbox.drain()
        return job


def until(job: PrintJob, *statuses: str, seconds: float = 20.0) -> PrintJob:
    """Wait until a job has one of these statuses."""

    def reached() -> bool:
        job.refresh_from_db()
        return job.status in statuses

    wait_for(reached, seconds=seconds)
    return job


@contextmanager
def listening() -> Iterator[Listener]:
    """Run a listener in a thread until the block ends."""
    listener = Listener()
    thread = threading.Thread(target=listener.run, daemon=True)
    thread.start()
    try:
        yield listener
    finally:
        listener.stop()
        thread.join(20)
        assert not thread.is_alive()
