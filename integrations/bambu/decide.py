"""What became of a job: decisions drawn from a printer's states, with no clock, network or database of its own.

Rules from the Bambu LAN protocol, sections 8 and 9: frames come in any order and flicker, the first frame after a
connection is history and not news, FINISH may outlive the acceptance of the next job, and anybody may start a job.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum, StrEnum

from integrations.bambu.protocol import CANCELLED_BY_PERSON, CommandAnswer, error_code_text
from integrations.bambu.state import GcodeState, PrinterState, Severity

#: Below this low half a print error tells a phase, not a fault (section 3).
FIRST_REAL_ERROR = 0x4000
#: What ``stg_cur`` says about a pause (section 9).
RAN_OUT = "filament ran out"
PAUSE_STAGES = {6: RAN_OUT, 16: "paused by a person", 17: "front cover is off", 35: "nozzle is clogged"}
FILE_SUFFIXES = (".gcode.3mf", ".3mf", ".gcode")


class Kind(StrEnum):
    """What a decision says; the first eleven are about the expected job, the last two about jobs nobody here sent."""

    STARTED = "started"
    PROGRESS = "progress"
    PAUSED = "paused"
    RESUMED = "resumed"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ABORTED = "aborted"
    REJECTED = "rejected"
    NOT_STARTED = "not_started"
    UNSEEN_END = "unseen_end"
    FOREIGN_STARTED = "foreign_started"
    FOREIGN_ENDED = "foreign_ended"


#: After one of these nothing is expected of the printer any more.
ENDINGS = frozenset({Kind.FINISHED, Kind.FAILED, Kind.CANCELLED, Kind.ABORTED, Kind.REJECTED, Kind.NOT_STARTED,
                     Kind.UNSEEN_END})  # fmt: skip


@dataclass(frozen=True)
class Cause:
    """Why something happened: a code such as ``0300_400C`` or words, and the field it was read from."""

    code: str
    source: str


@dataclass(frozen=True)
class Timing:
    """How long a state must last to be believed, and how long a printer may take to begin a job it was sent."""

    debounce: timedelta = timedelta(seconds=2)
    hold: timedelta = timedelta(seconds=90)


@dataclass(frozen=True)
class ExpectedJob:
    """What is known about the job a printer should be working on; stored between runs, so that a restart loses nothing.

    ``submission_id`` is the number sent with the job, "" when a person presses Print and the name is all there is.
    ``state_before`` and ``previous_id`` are what the printer showed when the job was sent.
    """

    submission_id: str
    subtask_name: str
    sent_at: datetime
    state_before: GcodeState | None = None
    previous_id: str = ""
    started: bool = False
    running_since: datetime | None = None
    paused: bool = False
    max_percent: int = 0
    max_layer: int = 0
    cancel_requested: bool = False
    printer_job_id: str = ""


@dataclass(frozen=True)
class Decision:
    """One conclusion. ``inferred`` means it was drawn after a gap, not watched; ``by_us`` that we asked for it."""

    kind: Kind
    at: datetime
    state: PrinterState | None
    submission_id: str = ""
    cause: Cause | None = None
    inferred: bool = False
    by_us: bool = False
    running_since: datetime | None = None


class Match(Enum):
    """Whose job a state shows."""

    MINE = "mine"
    FOREIGN = "foreign"
    UNCLEAR = "unclear"


class PrinterWatch:
    """Follows one printer: feed it merged states, the passing of time and lost links; it returns decisions.

    Every call takes the time from the caller. ``job`` is the expectation with all that has been learnt, to be stored.
    """

    def __init__(self, job: ExpectedJob | None = None, *, timing: Timing = Timing()) -> None:
        self.job = job
        self._timing = timing
        self._last: PrinterState | None = None
        self._candidate: tuple[str, ...] | None = None
        self._candidate_since: datetime | None = None
        self._settled: tuple[str, ...] | None = None
        self._is_first = True
        self._linked_at: datetime | None = None
        self._errors: list[tuple[str, int]] = []
        self._foreign: tuple[str, str] | None = None
        #: Whose job the printer showed when ours was sent.
        self._before: tuple[str, ...] | None = None

    # --- what the caller tells -------------------------------------------------------------------------------------

    def expect(self, job: ExpectedJob) -> None:
        """Await ``job`` from now on; best called before the job is sent, but a job that already runs is found too."""
        self.job = job
        self._before = _identity(self._last) if self._last and not job.started else None
        self._errors = []
        self._settled = None
        if self._last and self._match(self._last) is Match.MINE:
            self._foreign = None

    def forget(self) -> None:
        """Expect nothing any more."""
        self.job = None

    def cancel_requested(self) -> None:
        """Note that we told the printer to stop: whatever it reports, the job ends as cancelled by us (section 9)."""
        if self.job:
            self.job = replace(self.job, cancel_requested=True)

    def link_lost(self) -> None:
        """Note that frames were missed: the next one is history again, and an end seen then is inferred."""
        self._is_first, self._linked_at = True, None
        self._candidate = self._settled = None

    @property
    def awaits_frame(self) -> bool:
        """Tell whether the next frame is news even if it changes nothing.

        The first one of a connection is, and those that come until what was seen is believed: progress counts then.
        """
        return self._candidate is None or self._candidate != self._settled

    @property
    def believed(self) -> GcodeState | None:
        """The state that has lasted long enough to be believed, None before there is one."""
        return GcodeState(self._settled[0]) if self._settled else None

    def shift(self, by: timedelta) -> None:
        """Note that the clock was set: what has passed since anything was seen stays what it was."""
        self._candidate_since = self._candidate_since and self._candidate_since + by
        self._linked_at = self._linked_at and self._linked_at + by
        if self.job:
            running = self.job.running_since and self.job.running_since + by
            self.job = replace(self.job, sent_at=self.job.sent_at + by, running_since=running)

    def answer(self, answer: CommandAnswer, at: datetime) -> tuple[Decision, ...]:
        """Take in the answer to a command: a refused ``project_file`` ends a job that has not begun."""
        refused = answer.command == "project_file" and answer.succeeded is False
        if not refused or not self.job or self.job.started:
            return ()
        echoed = str(answer.fields.get("subtask_id") or "")
        if echoed not in ("", "0", self.job.submission_id):
            return ()
        code = error_code_text(answer.error) if answer.error else answer.reason
        return (self._end(Kind.REJECTED, self._last, at, cause=Cause(code or "no reason given", "answer")),)

    def observe(self, state: PrinterState, at: datetime) -> tuple[Decision, ...]:
        """Take in the merged state after a frame; a change of state or job is believed once it has lasted."""
        decisions = list(self._settle(at))
        self._linked_at = self._linked_at or at
        self._note_errors(state)
        self._last = state
        key = (state.gcode_state, state.subtask_id, state.task_id, state.project_id, state.subtask_name)
        if key != self._candidate:
            self._candidate, self._candidate_since = key, at
        self._glimpse(state)
        decisions += self._settle(at)
        if key == self._settled and self.job and self.job.started and state.gcode_state is GcodeState.RUNNING:
            decisions += self._progress(state, at)
        return (*decisions, *self._check_hold(at))

    def tick(self, at: datetime) -> tuple[Decision, ...]:
        """Let time pass without a frame: settle what has lasted, give up on a job that never began."""
        return (*self._settle(at), *self._check_hold(at))

    # --- settling --------------------------------------------------------------------------------------------------

    def _settle(self, at: datetime) -> Iterator[Decision]:
        state, since = self._last, self._candidate_since
        if state is None or since is None or self._candidate in (None, self._settled):
            return
        if at - since < self._timing.debounce:
            return
        first, self._is_first, self._settled = self._is_first, False, self._candidate
        yield from self._decide(state, at, first)

    @property
    def _had_gap(self) -> bool:
        """Tell whether frames may have been missed since the job was sent."""
        return self._linked_at is None or self.job is None or self._linked_at > self.job.sent_at

    def _glimpse(self, state: PrinterState) -> None:
        """Remember that our job ran, even if too briefly for the state to be believed: a job may be very short.

        Progress between the ends is the proof; a flicker of the state alone shows 0, or the 100 of the job before.
        """
        job = self.job
        if job is None or job.running_since or state.gcode_state is not GcodeState.RUNNING:
            return
        if 0 < state.percent < 100 and self._match(state) is Match.MINE:
            self.job = replace(job, running_since=self._candidate_since)

    def _note_errors(self, state: PrinterState) -> None:
        """Keep every error that appears while a job is expected: some last two seconds only (section 9)."""
        before = self._last
        if before is None and (self.job is None or self._match(state) is not Match.MINE):
            return
        for source in ("print_error", "fail_reason"):
            code = getattr(state, source) & 0xFFFFFFFF
            if code & 0xFFFF >= FIRST_REAL_ERROR and (before is None or code != getattr(before, source) & 0xFFFFFFFF):
                self._errors.append((source, code))

    # --- deciding --------------------------------------------------------------------------------------------------

    def _decide(self, state: PrinterState, at: datetime, first: bool) -> Iterator[Decision]:
        job = self.job
        if job is None:
            yield from self._watch_foreign(state, at, first)
            return
        match = self._match(state)
        if match is Match.FOREIGN:
            yield from self._decide_foreign(job, state, at, first)
        elif state.gcode_state.is_active:
            if match is Match.MINE or job.started or not first:
                yield from self._decide_active(state, at, first)
        elif state.gcode_state.takes_a_job:
            yield from self._decide_inactive(job, state, at, first, match)

    def _decide_foreign(self, job: ExpectedJob, state: PrinterState, at: datetime, first: bool) -> Iterator[Decision]:
        """Another job is on the printer: ours, if it ever began, ended unseen; a person must say how."""
        taken = state.gcode_state.is_active
        if taken and not job.started and not first and self._shows_the_job_before(job, state):
            return  # The state came ahead of whose it is (section 8); where nothing follows the hold decides.
        if job.started or (taken and first):
            yield self._end(Kind.UNSEEN_END, state, at, inferred=True)
        elif taken:
            yield self._end(Kind.NOT_STARTED, state, at, cause=Cause("another job took the printer", "subtask_id"))
        yield from self._watch_foreign(state, at, first)

    def _shows_the_job_before(self, job: ExpectedJob, state: PrinterState) -> bool:
        """Tell whether the printer still shows the identity that it showed when our job was sent."""
        return state.subtask_id == job.previous_id != "" or _identity(state) == self._before

    def _decide_active(self, state: PrinterState, at: datetime, first: bool) -> Iterator[Decision]:
        yield from self._begin(state, at, inferred=first)
        if state.gcode_state.is_preparing or self.job is None:
            return
        if self.job.running_since is None:
            self.job = replace(self.job, running_since=self._candidate_since)
        is_paused = state.gcode_state is GcodeState.PAUSE
        if is_paused != self.job.paused:
            self.job = replace(self.job, paused=is_paused)
            cause = self._pause_cause(state) if is_paused else None
            yield self._say(Kind.PAUSED if is_paused else Kind.RESUMED, state, at, cause=cause, inferred=first)
        if is_paused:
            # How far it was is often told in the very frame in which it stops.
            yield from self._progress(state, at)

    def _decide_inactive(
        self, job: ExpectedJob, state: PrinterState, at: datetime, first: bool, match: Match
    ) -> Iterator[Decision]:
        """The printer is free: did our job end, and how, or has it not begun yet?"""
        after_a_gap = first
        if not job.started:
            if job.running_since is None and not self._must_have_run(job, state, match):
                return  # the past lingers: the hold decides
            first = first or job.running_since is None
            yield from self._begin(state, at, inferred=first)
            job = self.job or job
        if first and match is Match.UNCLEAR:
            yield self._end(Kind.UNSEEN_END, state, at, inferred=True)
        elif state.gcode_state is GcodeState.FINISH:
            sure = max(job.max_percent, state.percent) > 90 if first else job.running_since is not None
            yield self._end(Kind.FINISHED if sure else Kind.UNSEEN_END, state, at, inferred=first or not sure)
        elif self._was_cancelled():
            yield self._end(Kind.CANCELLED, state, at, cause=self._failure_cause(state), inferred=first)
        elif state.gcode_state is GcodeState.IDLE:
            yield self._end(Kind.ABORTED, state, at, inferred=first)
        else:
            kind, cause = Kind.FAILED if job.running_since else Kind.REJECTED, self._failure_cause(state)
            if after_a_gap and cause is None:
                # Without its code a person's cancel looks the same, and the code was shown while nobody listened.
                kind = Kind.UNSEEN_END
            yield self._end(kind, state, at, cause=cause, inferred=first)

    def _must_have_run(self, job: ExpectedJob, state: PrinterState, match: Match) -> bool:
        """Tell whether an end with our identity is news although we never saw the job begin."""
        if match is not Match.MINE or job.state_before is None or state.gcode_state is GcodeState.IDLE:
            return False
        if state.gcode_state is not job.state_before:
            return True
        return state.gcode_state is GcodeState.FAILED and bool(self._errors)

    def _check_hold(self, at: datetime) -> Iterator[Decision]:
        """Give up on a job that did not begin in time; where frames were missed a person must look (section 6)."""
        job, state = self.job, self._last
        if job is None or state is None or job.started or not job.submission_id:
            return
        if self._is_first or self._candidate != self._settled or at - job.sent_at < self._timing.hold:
            return
        if state.gcode_state.is_active:
            yield self._end(Kind.UNSEEN_END, state, at, inferred=True)
        elif state.gcode_state.takes_a_job:
            untouched = not self._had_gap or (job.previous_id and state.subtask_id == job.previous_id)
            kind = Kind.NOT_STARTED if untouched else Kind.UNSEEN_END
            yield self._end(kind, state, at, cause=self._failure_cause(state), inferred=not untouched)

    def _watch_foreign(self, state: PrinterState, at: datetime, first: bool) -> Iterator[Decision]:
        """Report jobs that nobody here sent, so that machine time and material can be reconciled (section 8)."""
        shown = (state.subtask_id or state.task_id, state.subtask_name) if state.gcode_state.is_active else None
        if shown == self._foreign or not (shown or state.gcode_state.takes_a_job):
            return
        if self._foreign:
            yield Decision(Kind.FOREIGN_ENDED, at, state, inferred=first or shown is not None)
        if shown:
            yield Decision(Kind.FOREIGN_STARTED, at, state, inferred=first)
        self._foreign = shown

    # --- whose job -------------------------------------------------------------------------------------------------

    def _match(self, state: PrinterState) -> Match:
        """Compare what the printer shows with the expected job: by id, and by name where the printer has no ids."""
        job = self.job
        if job is None:
            return Match.FOREIGN
        ours = {job.submission_id, job.printer_job_id} - {""}
        if ours & {state.subtask_id, state.task_id, state.project_id}:
            return Match.MINE
        same_name = bool(job.subtask_name) and _bare(state.subtask_name) == _bare(job.subtask_name)
        if state.subtask_id:
            # A printer that gave our fresh submission a number of its own, or a person who pressed Print.
            adoptable = not job.started and not (job.submission_id and self._had_gap)
            is_new = state.subtask_id != job.previous_id
            return Match.MINE if same_name and adoptable and is_new else Match.FOREIGN
        if same_name:
            return Match.MINE
        return Match.FOREIGN if state.subtask_name else Match.UNCLEAR

    # --- why -------------------------------------------------------------------------------------------------------

    def _was_cancelled(self) -> bool:
        return any(code in CANCELLED_BY_PERSON for _, code in self._errors)

    def _failure_cause(self, state: PrinterState) -> Cause | None:
        """Return the reason the printer gave, else its present error, its newest serious message, or its last error."""
        reasons = [code for source, code in self._errors if source == "fail_reason"]
        if reasons:
            return Cause(error_code_text(reasons[-1]), "fail_reason")
        if self._errors and state.print_error & 0xFFFF >= FIRST_REAL_ERROR:
            return Cause(error_code_text(state.print_error), "print_error")
        serious = [message for message in state.health if message.severity <= Severity.SERIOUS]
        if serious:
            return Cause(serious[-1].code, "health")
        return Cause(error_code_text(self._errors[-1][1]), "print_error") if self._errors else None

    def _pause_cause(self, state: PrinterState) -> Cause | None:
        if state.print_error & 0xFFFF >= FIRST_REAL_ERROR:
            return Cause(error_code_text(state.print_error), "print_error")
        if state.stage in PAUSE_STAGES:
            return Cause(PAUSE_STAGES[state.stage], "stage")
        return None

    # --- saying it -------------------------------------------------------------------------------------------------

    def _begin(self, state: PrinterState, at: datetime, *, inferred: bool) -> Iterator[Decision]:
        job = self.job
        if job is None or job.started:
            return
        own_id = state.subtask_id if state.subtask_id != job.submission_id else ""
        self.job = replace(job, started=True, printer_job_id=own_id or job.printer_job_id)
        yield self._say(Kind.STARTED, state, at, inferred=inferred)

    def _progress(self, state: PrinterState, at: datetime) -> Iterator[Decision]:
        """Report progress that grew; a large drop means that the count of the job before was still showing."""
        job = self.job
        if job is None:
            return
        restarted = state.percent < job.max_percent - 5
        percent = state.percent if restarted else max(job.max_percent, state.percent)
        layer = state.layer if restarted else max(job.max_layer, state.layer)
        if (percent, layer) != (job.max_percent, job.max_layer):
            self.job = replace(job, max_percent=percent, max_layer=layer)
            yield self._say(Kind.PROGRESS, state, at)

    def _say(
        self,
        kind: Kind,
        state: PrinterState | None,
        at: datetime,
        *,
        cause: Cause | None = None,
        inferred: bool = False,
    ) -> Decision:
        decision = Decision(kind, at, state, cause=cause, inferred=inferred)
        if self.job is None:
            return decision
        return replace(decision, submission_id=self.job.submission_id, running_since=self.job.running_since)

    def _end(
        self,
        kind: Kind,
        state: PrinterState | None,
        at: datetime,
        *,
        cause: Cause | None = None,
        inferred: bool = False,
    ) -> Decision:
        by_us = bool(self.job and self.job.cancel_requested)
        kind = Kind.CANCELLED if by_us else kind
        decision = replace(self._say(kind, state, at, cause=cause, inferred=inferred), by_us=by_us)
        self.job = None
        return decision


def _identity(state: PrinterState) -> tuple[str, ...]:
    return (state.subtask_id, state.task_id, state.project_id, state.subtask_name)


def _bare(name: str) -> str:
    """Return a job's name without the file suffix that some firmware shows and other does not."""
    for suffix in FILE_SUFFIXES:
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return name
