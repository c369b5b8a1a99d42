"""Measuring: a subject and its floor, interleaved in one run, so that a noisy machine moves both alike.

Only ratios, counts of statements and growth are judged; absolute figures are printed for the record.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import connection

#: Bookkeeping of transactions, not work of ours.
_NOT_COUNTED = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SET ")

ROUNDS = 15


@dataclass
class Timing:
    """Wall and CPU seconds of each round, and the statements of one."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    statements: int = 0

    @property
    def median(self) -> float:
        """Return the median wall time in seconds."""
        return statistics.median(self.wall)

    @property
    def median_cpu(self) -> float:
        """Return the median CPU time in seconds."""
        return statistics.median(self.cpu)


@dataclass
class Judgement:
    """One figure against its target: at most or at least."""

    what: str
    value: float
    target: float
    at_least: bool = False

    @property
    def holds(self) -> bool:
        """Tell whether the target is met."""
        return self.value >= self.target if self.at_least else self.value <= self.target

    def __str__(self) -> str:
        sign = ">=" if self.at_least else "<="
        verdict = "ok" if self.holds else "MISSED"
        return f"{verdict:6} {self.what}: {self.value:.3g} (target {sign} {self.target:g})"


@dataclass
class Report:
    """What a bench found: lines to read, figures to keep, judgements that pass or fail."""

    name: str
    lines: list[str] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    judgements: list[Judgement] = field(default_factory=list)

    def tell(self, line: str) -> None:
        """Add a line."""
        self.lines.append(line)

    def timing(self, label: str, timing: Timing) -> None:
        """Add a timing's figures."""
        self.figures[label] = {
            "wall_ms": round(timing.median * 1000, 3),
            "cpu_ms": round(timing.median_cpu * 1000, 3),
            "statements": timing.statements,
        }
        self.tell(
            f"{label}: {timing.median * 1000:.2f} ms wall, {timing.median_cpu * 1000:.2f} ms CPU, "
            f"{timing.statements} statements"
        )

    def judge(self, what: str, value: float, target: float, *, at_least: bool = False) -> None:
        """Add a figure with its target."""
        self.judgements.append(Judgement(what, float(value), float(target), at_least))

    @property
    def holds(self) -> bool:
        """Tell whether every target is met."""
        return all(judgement.holds for judgement in self.judgements)


def _called_from(folders: tuple[str, ...]) -> bool:
    """Tell whether code of one of these folders of the project is on the call stack."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.startswith(folders):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


class StatementCounter:
    """Counts the statements that do work; ``seen`` keeps their beginnings for a report."""

    def __init__(self, *apps: str) -> None:
        """Start at zero; with ``apps``, ``within`` counts what code of these apps issued."""
        self.seen: list[str] = []
        self.within = 0
        self.folders = tuple(f"{settings.BASE_DIR / app}{os.sep}" for app in apps)

    def __call__(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        """Count one statement and run it."""
        if not sql.lstrip().upper().startswith(_NOT_COUNTED):
            self.seen.append(sql[:160])
            self.within += bool(self.folders) and _called_from(self.folders)
        return execute(sql, params, many, context)

    @property
    def count(self) -> int:
        """Return how many were seen."""
        return len(self.seen)


@contextmanager
def counting(*apps: str) -> Iterator[StatementCounter]:
    """Count the statements of the block, and those of them that code of ``apps`` issued."""
    counter = StatementCounter(*apps)
    with connection.execute_wrapper(counter):
        yield counter


def once(work: Callable[[], Any], timing: Timing) -> Any:
    """Run ``work`` once and add its times; return what it returned."""
    wall, cpu = time.perf_counter(), time.process_time()
    answer = work()
    timing.wall.append(time.perf_counter() - wall)
    timing.cpu.append(time.process_time() - cpu)
    return answer


def interleaved(subject: Callable[[], Any], floor: Callable[[], Any], *, rounds: int = ROUNDS) -> tuple[Timing, Timing]:
    """Run subject and floor in turn after one round that is not counted; return their timings."""
    with counting() as counter:
        subject()
    subject_timing = Timing(statements=counter.count)
    with counting() as counter:
        floor()
    floor_timing = Timing(statements=counter.count)
    for _ in range(rounds):
        once(subject, subject_timing)
        once(floor, floor_timing)
    return subject_timing, floor_timing
