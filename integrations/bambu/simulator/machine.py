"""The simulated machine itself, without network or clock (Bambu LAN protocol, sections 5, 6 and 7)."""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from integrations.bambu.protocol import BUSY, EXTERNAL_TRAY, NO_TRAY, as_text, error_code_text
from integrations.bambu.simulator.faults import FaultPlan, FaultRates, Unsigned
from integrations.bambu.simulator.frames import (
    Family,
    Ids,
    Reel,
    base_fields,
    function_bits,
    hot_end_fields,
    spool_fields,
)
from integrations.bambu.simulator.storage import StoredJob, UnusableJob
from integrations.bambu.state import GcodeState

CANCELLED = 0x0300400C
FILAMENT_UNIT_RAN_OUT = 0x07008011
UNREADABLE_FILE = 0x05004003
TRAY_IS_EMPTY = 0x07008012
VERIFY_FAILED = 0x05024007
VERIFY_FAILED_HEALTH = {"attr": 0x05000500, "code": 0x00010007}
PAUSED_BY_PERSON = 16
PAUSED_WITHOUT_FILAMENT = 6


class Ending(StrEnum):
    """How a job truly ended, whatever was seen of it."""

    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    ABORTED = "aborted"


@dataclass(frozen=True)
class Outcome:
    """The truth about one job that the machine accepted. ``grams`` is what really left each tray.

    ``printed`` tells whether it ever ran, ``told_percent`` how far it was when the printer last could say so.
    """

    serial: str
    submission_id: str
    name: str
    ending: Ending
    percent: int
    error: str
    grams: dict[int, float]
    began_at: datetime
    ended_at: datetime
    printed: bool = True
    told_percent: int = 0


@dataclass(frozen=True)
class Refusal:
    """A ``project_file`` that came while the machine had a job, and which job that was."""

    serial: str
    submission_id: str
    name: str
    busy_with: str
    at: datetime


@dataclass(frozen=True)
class Pace:
    """How fast the machine lives. ``time_scale`` simulated seconds pass in one real second.

    A job takes its predicted time divided by that, but within ``shortest`` and ``longest``; the other values are real
    seconds too: how long the old state outlives an acceptance, preparing, and the flash of an error. ``spread`` is how
    far a job may stray from its prediction either way, as a part of it.
    """

    time_scale: float = 60.0
    shortest: float = 5.0
    longest: float = 120.0
    linger: float = 1.0
    prepare: float = 2.0
    flash: float = 2.0
    spread: float = 0.0

    def job_seconds(self, predicted: float) -> float:
        """Return the real seconds that a job takes whose prediction is ``predicted`` seconds."""
        return min(self.longest, max(self.shortest, predicted / self.time_scale))


class Happening(StrEnum):
    """What the machine does to its own network connection."""

    DROP = "drop"
    FALL_SILENT = "fall_silent"
    GARBAGE = "garbage"


@dataclass
class RunningJob:
    """The job in hand: how far it is, in real seconds since it was accepted."""

    submission_id: str
    name: str
    file_name: str
    plate: int
    trays: tuple[int, ...]
    plan: FaultPlan
    stored: StoredJob | None
    began_at: datetime
    length: float
    waited: float = 0.0
    printed: float = 0.0
    resumes_in: float | None = None
    dying: float | None = None
    percent: int = 0
    ran: bool = False
    told_percent: int = 0
    #: What left each tray before the present ones took over, and at which percentage they did.
    used: dict[int, float] = field(default_factory=dict)
    trays_since: int = 0

    def left_trays(self) -> dict[int, float]:
        """Return the grams that left each tray so far."""
        used = dict(self.used)
        share = (self.percent - self.trays_since) / 100
        for tray, grams in zip(self.trays, self.stored.grams if self.stored else (), strict=False):
            number = tray if tray >= 0 else EXTERNAL_TRAY
            used[number] = used.get(number, 0.0) + grams * share
        return used


class Machine:
    """One machine: takes commands, lets time pass, reports its whole state."""

    def __init__(
        self,
        serial: str,
        family: Family,
        *,
        reels: dict[int, Reel],
        open_job: Callable[[str, int], StoredJob],
        pace: Pace | None = None,
        rates: FaultRates | None = None,
        seed: int | str | None = None,
        ids: Ids = Ids.ECHOED,
    ) -> None:
        self.ids = ids
        self.refusals: list[Refusal] = []
        self.serial, self.family, self.reels, self.pace = serial, family, reels, pace or Pace()
        self.outcomes: list[Outcome] = []
        self.state = GcodeState.IDLE
        self.job: RunningJob | None = None
        self._open_job = open_job
        self._rates = rates or FaultRates()
        self._generator = random.Random(seed if seed is not None else serial)  # noqa: S311 - faults, not secrets
        self._plans: deque[FaultPlan] = deque()
        self._shown: dict[str, Any] = dict.fromkeys(("subtask_id", "task_id", "subtask_name", "gcode_file"), "")
        self._shown["total_layer_num"] = 0
        self._percent = self._layer = self._remaining = 0
        self._stage = family.idle_stage
        self._error = self._reason = 0
        self._error_left: float | None = None
        self._health: list[dict[str, int]] = []
        self._refused = False

    # --- what people do at the machine -----------------------------------------------------------------------------

    def plan(self, plan: FaultPlan) -> None:
        """Let ``plan`` happen to the next job that has none."""
        self._plans.append(plan)
        self._refused = self._refused and plan.unsigned is Unsigned.REFUSED

    def press_cancel(self) -> None:
        """Cancel the job as a person would, or as ``stop`` does: the error flashes, then the job has failed."""
        if self.job and self.job.dying is None:
            self._show_error(CANCELLED, self.pace.flash)
            self.job.dying = self.pace.flash

    def press_pause(self, code: int = 0, *, seconds: float | None = None) -> None:
        """Pause the running job, with an error code or by a person's hand, for ``seconds`` or until a resume."""
        if self.state is GcodeState.RUNNING and self.job:
            self.state, self.job.resumes_in = GcodeState.PAUSE, seconds
            self._stage = 0 if code else PAUSED_BY_PERSON
            self._show_error(code, None)

    def press_resume(self) -> None:
        """Go on, if what stopped the job is gone."""
        if self.state is GcodeState.PAUSE and self.job:
            self.state, self._stage = GcodeState.RUNNING, 0
            self._show_error(0, None)
            self._look_at_trays(self.job)

    def load(self, tray: int, reel: Reel) -> None:
        """Put a reel into a tray, as a person would; a job that waits for it goes on when it is resumed."""
        self.reels[tray] = reel

    def power_cycle(self) -> None:
        """Switch off and on: the job is lost and nothing is remembered but the trays."""
        if self.job:
            self._end(self.job, Ending.ABORTED, 0)
        self.state, self._shown = GcodeState.IDLE, dict.fromkeys(self._shown, "") | {"total_layer_num": 0}
        self._percent = self._layer = self._remaining = self._reason = 0
        self._show_error(0, None)

    # --- commands --------------------------------------------------------------------------------------------------

    def obey(self, command: str, fields: dict[str, Any]) -> dict[str, Any] | None:
        """Carry out a ``print`` command and return what the answer adds to it; None is no answer at all."""
        unsigned = self._plans[0].unsigned if self._plans else Unsigned.OBEYED
        if unsigned is Unsigned.IGNORED:
            if command == "project_file":
                self._shown["subtask_id"] = self._shown["task_id"] = as_text(fields.get("subtask_id"))
            return None
        if unsigned is Unsigned.REFUSED:
            self._refused = True
            return {"result": "failed", "reason": "mqtt message verify failed", "err_code": VERIFY_FAILED}
        if command == "project_file":
            return self._accept(fields)
        acts = {"pause": self.press_pause, "resume": self.press_resume, "stop": self.press_cancel}
        if command not in acts:
            return {"result": "failed", "reason": "unknown command"}
        acts[command]()
        return {"result": "success", "reason": "success"}

    def _accept(self, fields: dict[str, Any]) -> dict[str, Any] | None:
        if not self.state.takes_a_job or self.job:
            submission_id, name = (as_text(fields.get(key)) for key in ("subtask_id", "subtask_name"))
            busy_with = self.job.submission_id if self.job else ""
            self.refusals.append(Refusal(self.serial, submission_id, name, busy_with, datetime.now(UTC)))
            return {"result": "failed", "reason": "device is busy", "err_code": BUSY}
        name = as_text(fields.get("url")).rsplit("/", 1)[-1]
        plate = _plate_number(fields.get("param"))
        plan = self._plans.popleft() if self._plans else self._rates.draw(self._generator)
        if plan.deaf:
            return None
        try:
            stored: StoredJob | None = self._open_job(name, plate)
        except UnusableJob:
            stored = None
        mapping = fields.get("ams_mapping")
        self.job = RunningJob(
            submission_id=as_text(fields.get("subtask_id")),
            name=as_text(fields.get("subtask_name")),
            file_name=name,
            plate=plate,
            trays=tuple(tray for tray in mapping if isinstance(tray, int)) if isinstance(mapping, list) else (),
            plan=plan,
            stored=stored,
            began_at=datetime.now(UTC),
            length=self._length(stored),
        )
        echoed = self.ids is Ids.ECHOED
        self._shown |= {
            "subtask_id": self.job.submission_id if echoed else "",
            "task_id": self.job.submission_id if echoed else self._own_task_id(),
            "subtask_name": self.job.name,
            "gcode_file": name if self.family.sends_deltas else f"/data/Metadata/plate_{plate}.gcode",
        }
        return {"result": "success", "reason": "success", "subtask_id": self.job.submission_id}

    def _length(self, stored: StoredJob | None) -> float:
        seconds = self.pace.job_seconds(stored.predicted_seconds if stored else 0)
        if self.pace.spread:
            seconds *= self._generator.uniform(1 - self.pace.spread, 1 + self.pace.spread)
        return seconds

    def _own_task_id(self) -> str:
        """Return what a firmware that echoes no ids shows in their place."""
        return "0" if self.ids is Ids.ABSENT else str(self._generator.randint(1000, 9999))

    # --- time ------------------------------------------------------------------------------------------------------

    def advance(self, seconds: float) -> list[Happening]:
        """Let real ``seconds`` pass and return what the machine does to its connection meanwhile."""
        if self._error_left is not None:
            self._error_left -= seconds
            if self._error_left <= 0:
                self._show_error(0, None)
        job = self.job
        if job is None:
            return []
        if job.dying is not None:
            job.dying -= seconds
            if job.dying <= 0:
                self._end(job, Ending.CANCELLED, CANCELLED)
            return []
        if self.state is GcodeState.PAUSE:
            if job.resumes_in is not None:
                job.resumes_in -= seconds
                if job.resumes_in <= 0:
                    self.press_resume()
            return []
        if self.state is GcodeState.RUNNING:
            return self._print(job, seconds)
        job.waited += seconds
        if job.waited >= self.pace.linger + self.pace.prepare:
            self._start_printing(job)
        elif job.waited >= self.pace.linger and self.state is not GcodeState.PREPARE:
            self.state, self._percent, self._layer, self._reason = GcodeState.PREPARE, 0, 0, 0
            self._show_error(0, None)
        return []

    def _start_printing(self, job: RunningJob) -> None:
        if job.stored is None or job.plan.reject:
            self._end(job, Ending.REJECTED, UNREADABLE_FILE)
            return
        self.state, self._stage = GcodeState.RUNNING, 0
        job.ran = True
        self._percent = self._layer = 0
        self._remaining = math.ceil(job.stored.predicted_seconds / 60)
        self._shown["total_layer_num"] = job.stored.layers
        self._health = [{"attr": attr, "code": code} for attr, code in job.plan.health]
        self._look_at_trays(job)

    def _look_at_trays(self, job: RunningJob) -> None:
        """Pause before a tray that the job needs and that holds nothing."""
        if any(tray >= 0 and tray not in self.reels for tray in job.trays):
            self.press_pause(TRAY_IS_EMPTY)

    def _print(self, job: RunningJob, seconds: float) -> list[Happening]:
        job.printed = min(job.length, job.printed + seconds)
        # Not 100 * printed / length alone: rounding would leave some lengths at 99.
        before, job.percent = job.percent, 100 if job.printed >= job.length else int(100 * job.printed / job.length)
        self._percent = job.percent
        if job.stored:
            self._layer = max(1, job.stored.layers * job.percent // 100)
            self._remaining = math.ceil(job.stored.predicted_seconds * (1 - job.printed / job.length) / 60)
        plan = job.plan

        def passes(percent: int | None) -> bool:
            return percent is not None and before < percent <= job.percent

        if passes(plan.fail_at):
            self._end(job, Ending.FAILED, plan.fail_code)
        elif passes(plan.power_cut_at):
            self.power_cycle()
        elif passes(plan.cancel_at):
            self.press_cancel()
        elif passes(plan.pause_at):
            self.press_pause(plan.pause_code, seconds=plan.pause_seconds)
        elif job.percent >= 100:
            self._end(job, Ending.FINISHED, 0)
        else:
            self._watch_the_reels(job)
        planned = (
            (plan.drop_at, Happening.DROP),
            (plan.silent_at, Happening.FALL_SILENT),
            (plan.garbage_at, Happening.GARBAGE),
        )
        return [happening for percent, happening in planned if passes(percent)]

    def _watch_the_reels(self, job: RunningJob) -> None:
        """Switch to another tray with the same filament when a reel ran out, pause where there is none."""
        used = job.left_trays()
        empty = {tray for tray, grams in used.items() if tray in self.reels and self.reels[tray].ends_after(grams)}
        for tray in empty & set(job.trays):
            before, job.used, job.trays_since = self.reels.pop(tray), used, job.percent
            backup = next((number for number, reel in sorted(self.reels.items()) if reel.replaces(before)), None)
            if backup is None:
                self.press_pause(FILAMENT_UNIT_RAN_OUT)
                self._stage = PAUSED_WITHOUT_FILAMENT
                return
            job.trays = tuple(backup if number == tray else number for number in job.trays)

    def _end(self, job: RunningJob, ending: Ending, error: int) -> None:
        """End the job: show what the printer shows, record the truth, and take the filament off the reels."""
        self.job = None
        self.state = GcodeState.FINISH if ending is Ending.FINISHED else GcodeState.FAILED
        self._stage, self._reason, self._health = self.family.idle_stage, error, []
        self._show_error(error if ending in (Ending.FAILED, Ending.REJECTED) else 0, None)
        if ending is Ending.FINISHED:
            self._remaining = 0
            if job.stored:
                self._layer = job.stored.layers
        elif ending is Ending.CANCELLED:
            self._percent = 0
        if self.family.forgets_total_layers:
            self._shown |= {"total_layer_num": 0, "gcode_file": ""}
        grams = self._use_filament(job)
        code = error_code_text(error) if error else ""
        self.outcomes.append(
            Outcome(
                self.serial,
                job.submission_id,
                job.name,
                ending,
                job.percent,
                code,
                grams,
                job.began_at,
                datetime.now(UTC),
                job.ran,
                job.told_percent,
            )
        )

    def _use_filament(self, job: RunningJob) -> dict[int, float]:
        used = job.left_trays()
        for number, grams in used.items():
            if reel := self.reels.get(number):
                reel.remain = max(0.0, reel.remain - 100 * grams / reel.weight_grams)
                if reel.grams_left is not None:
                    reel.grams_left = max(0.0, reel.grams_left - grams)
        return used

    def _show_error(self, code: int, seconds: float | None) -> None:
        self._error, self._error_left = code, seconds

    # --- what it reports -------------------------------------------------------------------------------------------

    @property
    def duplicates_frames(self) -> bool:
        """Tell whether every frame of this job is sent twice."""
        return bool(self.job and self.job.plan.duplicate_frames)

    @property
    def swaps_frames(self) -> bool:
        """Tell whether this job's frames of one change come in the wrong order."""
        return bool(self.job and self.job.plan.swap_frames)

    def note_told(self) -> None:
        """Note that the present percentage was reported."""
        if self.job and self.job.ran:
            self.job.told_percent = self.job.percent

    def report(self) -> dict[str, Any]:
        """Return the whole state as a status push of this family says it."""
        preparing = self.state is GcodeState.PREPARE
        prepared = min(99, round(100 * (self.job.waited - self.pace.linger) / self.pace.prepare)) if self.job else 100
        active = next((tray for tray in self.job.trays if tray >= 0), EXTERNAL_TRAY) if self.job else NO_TRAY
        fields = base_fields(self.family) | {
            "gcode_state": self.state.value,
            "mc_percent": self._percent,
            "mc_remaining_time": self._remaining,
            "layer_num": self._layer,
            "stg_cur": self._stage,
            "print_error": self._error,
            "print_type": "local" if self.state.is_active else "idle",
            "gcode_file_prepare_percent": str(prepared if preparing else 100 if self.state.is_active else 0),
            "hms": self._health + ([VERIFY_FAILED_HEALTH] if self._refused else []),
            **self._shown,
            "task_id": self._shown["task_id"] or "0",
            "project_id": self._shown["subtask_id"] or "0",
            **spool_fields(self.reels, active),
        }
        if self.family is Family.H2:
            fields |= hot_end_fields(self.job.trays if self.job else (), active)
            if active < EXTERNAL_TRAY:
                fields["ams"] = fields["ams"] | {"tray_now": str(active % 4)}
        if self.family.tells_reason:
            signed_only = bool(self._plans) and self._plans[0].unsigned is not Unsigned.OBEYED
            fields |= {"fail_reason": str(self._reason), "fun": function_bits(signed_only=signed_only)}
        return fields


def _plate_number(param: object) -> int:
    """Return N from ``Metadata/plate_N.gcode``, 0 for anything else."""
    text = as_text(param)
    number = text.removeprefix("Metadata/plate_").removesuffix(".gcode")
    return int(number) if number.isdecimal() and len(number) < 4 and text == f"Metadata/plate_{number}.gcode" else 0
