"""The printers' own record: what truly became of every job that a machine accepted."""

from __future__ import annotations

import datetime
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: What the ERP should call each ending of a machine.
STATUS_OF = {"finished": "finished", "failed": "failed", "rejected": "failed", "aborted": "failed",
             "cancelled": "cancelled"}  # fmt: skip


@dataclass(frozen=True)
class Ended:
    """One acceptance of a job by a machine, and its end; ``told`` is the percentage that it last could report."""

    serial: str
    submission_id: str
    code: str
    ending: str
    percent: int
    told: int
    grams: float
    printed: bool
    began_at: datetime.datetime
    ended_at: datetime.datetime

    @property
    def status(self) -> str:
        """What the job must be in the books."""
        return STATUS_OF[self.ending]


@dataclass(frozen=True)
class Refused:
    """A start that reached a busy machine."""

    serial: str
    code: str
    busy_with: str
    at: datetime.datetime


def job_code(name: str) -> str:
    """Return the code of the job in the name that it was sent under."""
    return name.partition("_")[0]


class Truth:
    """Reads the records below ``folder`` as they grow."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[Path, int] = {}
        self.by_code: dict[str, list[Ended]] = defaultdict(list)
        self.refused: list[Refused] = []

    def refresh(self) -> None:
        """Take in what was written since the last call."""
        for row in self._new_rows("outcomes.jsonl"):
            ended = Ended(
                serial=row["serial"],
                submission_id=row["submission_id"],
                code=job_code(row["name"]),
                ending=row["ending"],
                percent=row["percent"],
                told=row["told_percent"],
                grams=sum(row["grams"].values()),
                printed=row["printed"],
                began_at=datetime.datetime.fromisoformat(row["began_at"]),
                ended_at=datetime.datetime.fromisoformat(row["ended_at"]),
            )
            self.by_code[ended.code].append(ended)
        for row in self._new_rows("refusals.jsonl"):
            at = datetime.datetime.fromisoformat(row["at"])
            self.refused.append(Refused(row["serial"], job_code(row["name"]), row["busy_with"], at))

    def _new_rows(self, name: str) -> Iterator[dict[str, Any]]:
        for path in sorted(self._folder.glob(f"*/{name}")):
            with path.open("rb") as file:
                file.seek(self._read.get(path, 0))
                for line in file:
                    if not line.endswith(b"\n"):
                        break  # still being written
                    self._read[path] = self._read.get(path, 0) + len(line)
                    yield json.loads(line)
