"""A simulated farm after the printers of the database: for demos, rehearsals and tests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from django.conf import settings

from integrations.bambu.simulator import Family, FaultRates, Ids, Pace, Reel, SimulatedFarm, SimulatedPrinter
from integrations.bambu.simulator.storage import CardLoop
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
#: How a farm lives that is soaked: jobs of seconds, each long enough to be seen.
SOAK_PACE = Pace(time_scale=900, shortest=4.0, longest=30.0, linger=0.5, prepare=1.0, flash=1.0, spread=0.15)
#: Of every ten printers of these families in a soak, one has a firmware that shows no ids, or its own.
OLD_FIRMWARE = {Family.P1: Ids.ABSENT, Family.A1: Ids.ABSENT, Family.H2: Ids.OWN_TASK_ID}


def soak_rates(failures: float) -> FaultRates:
    """Return everything that may go wrong at a machine, with ``failures`` as the share of jobs that fail."""
    return FaultRates(
        reject=0.01, fail=failures, wordless=0.1, cancel=0.02, power_cut=0.01, pause=0.05, drop=0.05, away=(0.5, 8.0),
        silent=0.02, garbage=0.1, duplicate_frames=0.2, swap_frames=0.2, deaf=0.005,
    )  # fmt: skip


def pace(time_scale: float) -> Pace:
    """Return how fast a farm lives in which ``time_scale`` seconds pass in one; every event lasts long enough."""
    if time_scale < RUSH:
        return Pace(time_scale=time_scale, shortest=3.0, longest=DAY_SECONDS)
    return Pace(time_scale=time_scale, shortest=3.0, longest=RUSHED_SECONDS, linger=0.5, prepare=1.0, flash=1.0)


def simulated_farm(
    folder: Path,
    *,
    time_scale: float,
    first_port: int | None = None,
    faults: str | None = None,
    soak: float | None = None,
    longest: float = SOAK_PACE.longest,
) -> SimulatedFarm:
    """Return a peer for every printer, not yet started: serial, model, access code and reels are its own.

    One out of service has its peer too: the machine stands where it stood, and no other takes its port. Memory cards
    listen at the stored FTPS ports, or at ``first_port`` and those after it, in the order in which the connections
    were entered; ``faults`` is a seed.
    ``soak`` is a share of jobs that fail: pace, faults and firmware are then those of a soak, no job takes more than
    about ``longest`` seconds.
    """
    cards = CardLoop("cards")
    rates = soak_rates(soak) if soak is not None else RATES
    links = PrinterConnection.objects.select_related("printer").prefetch_related("printer__slots").order_by("pk")
    printers = [
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
            pace=pace(time_scale) if soak is None else replace(SOAK_PACE, longest=longest),
            rates=rates if faults is not None else None,
            seed=f"{faults}-{link.printer.serial}",
            ids=_ids(link.printer.model, number) if soak is not None else Ids.ECHOED,
            card_loop=cards,
        )
        for number, link in enumerate(links)
        if link.printer.deleted_at is None
    ]  # fmt: skip
    return SimulatedFarm(printers, card_loop=cards)


def _ids(model: str, number: int) -> Ids:
    return OLD_FIRMWARE.get(family(model), Ids.ECHOED) if number // len(Family) % 10 == 1 else Ids.ECHOED


def family(model: str) -> Family:
    """Return the family of a printer model's name; models nobody knows behave like a P1."""
    name = model.upper().removeprefix("BAMBU LAB").strip()
    return next((family for family in Family if name.startswith(family.value)), Family.P1)
