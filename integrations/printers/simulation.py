"""A simulated farm after the printers of the database: for demos, rehearsals and tests."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from integrations.bambu.simulator import Family, FaultRates, Pace, Reel, SimulatedFarm, SimulatedPrinter
from integrations.models import PrinterConnection

#: From this scale on nobody watches: a long job ends within ``RUSHED_SECONDS`` as well.
RUSH = 600
RUSHED_SECONDS = 40.0
DAY_SECONDS = 86_400.0
#: What ``--faults`` lets happen, now and then.
RATES = FaultRates(
    reject=0.02, fail=0.06, cancel=0.03, power_cut=0.02, pause=0.08, drop=0.08, silent=0.04, garbage=0.1,
    duplicate_frames=0.2,
)  # fmt: skip


def pace(time_scale: float) -> Pace:
    """Return how fast a farm lives in which ``time_scale`` seconds pass in one; every event lasts long enough."""
    if time_scale < RUSH:
        return Pace(time_scale=time_scale, shortest=3.0, longest=DAY_SECONDS)
    return Pace(time_scale=time_scale, shortest=3.0, longest=RUSHED_SECONDS, linger=0.5, prepare=1.0, flash=1.0)


def simulated_farm(
    folder: Path, *, time_scale: float, first_port: int | None = None, faults: str | None = None
) -> SimulatedFarm:
    """Return a peer for every active printer, not yet started: serial, model, access code and reels are its own.

    Memory cards listen at the stored FTPS ports, or at ``first_port`` and those after it; ``faults`` is a seed.
    """
    links = PrinterConnection.objects.filter(printer__is_active=True, printer__deleted_at__isnull=True)
    links = links.select_related("printer").prefetch_related("printer__slots").order_by("ftps_port", "pk")
    return SimulatedFarm(
        SimulatedPrinter(
            link.printer.serial,
            folder / link.printer.serial,
            family=family(link.printer.model),
            reels={slot.tray: Reel(slot.material_type, slot.color_hex) for slot in link.printer.slots.all()
                   if slot.material_type},
            broker_host=settings.MQTT_HOST or "127.0.0.1",
            broker_port=settings.MQTT_PORT,
            card_port=link.ftps_port if first_port is None else first_port + number,
            access_code=link.access_code(),
            pace=pace(time_scale),
            rates=RATES if faults is not None else None,
            seed=f"{faults}-{link.printer.serial}",
        )
        for number, link in enumerate(links)
    )  # fmt: skip


def family(model: str) -> Family:
    """Return the family of a printer model's name; models nobody knows behave like a P1."""
    name = model.upper().removeprefix("BAMBU LAB").strip()
    return next((family for family in Family if name.startswith(family.value)), Family.P1)
