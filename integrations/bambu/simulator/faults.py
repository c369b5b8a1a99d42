"""What shall go wrong: planned for one job, or drawn at given rates from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

#: A nozzle that fell off in the middle: any fault of the machine will do.
MACHINE_FAULT = 0x03008003
FILAMENT_RAN_OUT = 0x03008004


class Unsigned(StrEnum):
    """What the printer does with commands that are not signed (Bambu LAN protocol, section 7)."""

    OBEYED = "obeyed"
    REFUSED = "refused"
    IGNORED = "ignored"


@dataclass(frozen=True)
class FaultPlan:
    """What shall happen to one job, each at a percentage of it; the default is an untroubled job.

    ``unsigned`` other than obeyed holds until another plan is made, since such a job is never accepted. ``deaf``
    swallows the command that the plan was made for; ``fail_code`` 0 is a firmware that does not say why.
    ``drop_seconds`` and ``pause_seconds`` are seconds of the real clock; a pause of None waits for a resume.
    """

    deaf: bool = False
    reject: bool = False
    fail_at: int | None = None
    fail_code: int = MACHINE_FAULT
    cancel_at: int | None = None
    power_cut_at: int | None = None
    pause_at: int | None = None
    pause_seconds: float | None = None
    pause_code: int = FILAMENT_RAN_OUT
    drop_at: int | None = None
    drop_seconds: float = 2.0
    silent_at: int | None = None
    garbage_at: int | None = None
    duplicate_frames: bool = False
    swap_frames: bool = False
    health: tuple[tuple[int, int], ...] = ()
    unsigned: Unsigned = Unsigned.OBEYED

    @classmethod
    def read(cls, values: dict[str, Any]) -> FaultPlan:
        """Return the plan from its JSON form; raises ValueError for a field or a word that does not exist."""
        unknown = set(values) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(f"no such fault: {', '.join(sorted(unknown))}")
        values = dict(values)
        values["health"] = tuple((int(attr), int(code)) for attr, code in values.get("health", ()))
        values["unsigned"] = Unsigned(values.get("unsigned", Unsigned.OBEYED))
        return cls(**values)


@dataclass(frozen=True)
class FaultRates:
    """The chance, 0 to 1, that a job meets each fault."""

    reject: float = 0.0
    fail: float = 0.0
    cancel: float = 0.0
    power_cut: float = 0.0
    pause: float = 0.0
    drop: float = 0.0
    silent: float = 0.0
    garbage: float = 0.0
    duplicate_frames: float = 0.0
    swap_frames: float = 0.0
    deaf: float = 0.0
    #: Of the failures: without a code, so that only the state tells.
    wordless: float = 0.0
    #: How long a dropped connection stays away, in seconds: at least, at most.
    away: tuple[float, float] = (2.0, 2.0)

    def draw(self, generator: random.Random) -> FaultPlan:
        """Draw the faults of one job; the same generator state draws the same plan."""

        def at(rate: float) -> int | None:
            percent, hit = generator.randint(3, 95), generator.random() < rate
            return percent if hit else None

        return FaultPlan(
            deaf=generator.random() < self.deaf,
            reject=generator.random() < self.reject,
            fail_at=at(self.fail),
            fail_code=0 if generator.random() < self.wordless else MACHINE_FAULT,
            cancel_at=at(self.cancel),
            power_cut_at=at(self.power_cut),
            pause_at=at(self.pause),
            pause_seconds=generator.uniform(1, 4),
            drop_at=at(self.drop),
            drop_seconds=generator.uniform(*self.away),
            silent_at=at(self.silent),
            garbage_at=at(self.garbage),
            duplicate_frames=generator.random() < self.duplicate_frames,
            swap_frames=generator.random() < self.swap_frames,
        )
