"""The calls of the Bambu Print Suite that we make, as its integration guide names them.

Every call carries ``X-API-Key``. A read waits 5 s, a write 10 s, a quote 30 s; a read that failed before that is made
once more.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from django.conf import settings

from blb3d.core.errors import PartnerRefused, PartnerUnavailable
from integrations.errors import PartnerNotSetUp, UnreadableAnswer
from integrations.http import PartnerClient

R = TypeVar("R")

READ_SECONDS, WRITE_SECONDS, QUOTE_SECONDS = 5.0, 10.0, 30.0
JOBS = "/api/integration/print-jobs"
_PAUSE_SECONDS = 0.5
#: No print takes a month, no plate a hundred kilograms.
_MOST = Decimal(100_000)


@dataclass(frozen=True)
class SuiteQuote:
    """What the suite thinks one piece takes: grams, hours, and the size that it read from the file (x, y, z in mm)."""

    material_grams: Decimal
    print_time_hours: Decimal
    dimensions_mm: tuple[Decimal, Decimal, Decimal]


@dataclass(frozen=True)
class SuiteJob:
    """A job as the suite has it; figures that it did not give, or that are no figures, are None."""

    id: str
    status: str
    printer_id: str = ""
    progress: Decimal | None = None
    layer: int | None = None
    remaining_minutes: int | None = None


@dataclass(frozen=True)
class SuitePrinter:
    """A printer as the suite has it; ``job_id`` is what it prints, empty when nothing."""

    id: str
    name: str
    status: str
    job_id: str = ""


class SuiteClient(PartnerClient):
    """The suite at ``BAMBU_SUITE_API_URL``; a context manager, never used inside a transaction."""

    def __init__(
        self,
        *,
        read_seconds: float = READ_SECONDS,
        write_seconds: float = WRITE_SECONDS,
        quote_seconds: float = QUOTE_SECONDS,
    ) -> None:
        """Talk to the suite that the settings name; raises ``PartnerNotSetUp`` without address or key."""
        self._read_seconds, self._write_seconds, self._quote_seconds = read_seconds, write_seconds, quote_seconds
        url, key = settings.BAMBU_SUITE_API_URL, settings.BAMBU_SUITE_API_KEY
        if not url or not key:
            raise PartnerNotSetUp(
                "The print suite is not set up: BAMBU_SUITE_API_URL and BAMBU_SUITE_API_KEY.",
                details={"partner": "Bambu Print Suite"},
            )
        super().__init__("Bambu Print Suite", url, headers={"X-API-Key": key})

    def check_health(self) -> None:
        """Return when the suite answers that it is there; raises as :meth:`call`."""
        _twice(lambda: self.call("GET", "/health", timeout=self._read_seconds))

    def quote(self, content: bytes, *, file_name: str, material: str, quantity: int = 1) -> SuiteQuote:
        """Let the suite look at a model; only what it takes is read, prices are ours.

        Raises:
            PartnerUnavailable: no answer in 30 s, or a 5xx.
            PartnerRefused: the file, the material or the key is refused.
            UnreadableAnswer: the answer lacks a number, or holds an absurd one.
        """
        form = {"material": material, "quantity": str(quantity), "finish": "standard", "rush_level": "standard"}
        file = {"file": (file_name, content, "application/octet-stream")}
        answer = _twice(
            lambda: self.call("POST", "/api/quotes/generate", data=form, files=file, timeout=self._quote_seconds)
        )
        try:
            body = answer.json()
            size = body["dimensions"]
            return SuiteQuote(
                _number(body["material_grams"]),
                _number(body["print_time_hours"]),
                (_number(size["x"]), _number(size["y"]), _number(size["z"])),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise UnreadableAnswer(
                "The print suite's quote cannot be read.", details={"answer": answer.text[:300]}
            ) from error

    def job(self, key: str) -> SuiteJob | None:
        """Return a job by the suite's id, or by the code it was made with; None where the suite knows none."""
        try:
            return _job(_twice(lambda: self.get_json(f"{JOBS}/{quote(key, safe='')}", timeout=self._read_seconds)))
        except PartnerRefused as refusal:
            if refusal.details.get("status") == httpx.codes.NOT_FOUND:
                return None
            raise

    def make_job(self, body: dict[str, Any]) -> SuiteJob:
        """Make a job, once; after ``PartnerUnavailable`` it may be there all the same: look it up by its code."""
        return _job(self._write("POST", JOBS, body))

    def change_job(self, job_id: str, *, status: str) -> SuiteJob:
        """Set a job's status: paused, printing or cancelled."""
        return _job(self._write("PATCH", f"{JOBS}/{quote(job_id, safe='')}", {"status": status}))

    def printers(self) -> list[SuitePrinter]:
        """Return the suite's printers; rows that name none are left out."""
        answer = _twice(lambda: self.call("GET", "/api/integration/printers/status", timeout=self._read_seconds))
        try:
            rows = answer.json()
            return [
                SuitePrinter(
                    str(row["id"]),
                    str(row.get("name") or ""),
                    str(row.get("status") or "").strip().lower(),
                    str(row.get("current_job_id") or ""),
                )
                for row in rows
                if row["id"] is not None
            ]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnreadableAnswer(
                "The print suite's list of printers cannot be read.", details={"answer": answer.text[:300]}
            ) from error

    def _write(self, method: str, path: str, body: dict[str, Any]) -> Any:
        answer = self.call(method, path, json=body, timeout=self._write_seconds)
        try:
            return answer.json()
        except ValueError as error:
            raise UnreadableAnswer("The print suite did not answer JSON.", details={"path": path}) from error


def _job(body: Any) -> SuiteJob:
    try:
        key, status = body["id"], body["status"]
    except (KeyError, TypeError) as error:
        raise UnreadableAnswer("The print suite's job cannot be read.", details={"answer": str(body)[:300]}) from error
    if key in (None, "") or isinstance(key, dict | list):
        raise UnreadableAnswer("The print suite's job has no id.", details={"answer": str(body)[:300]})
    return SuiteJob(
        str(key),
        str(status or ""),
        str(body.get("printer_id") or ""),
        _figure(body.get("progress"), 100),
        _count(body.get("current_layer")),
        _count(body.get("remaining_time")),
    )


def _figure(value: Any, most: int) -> Decimal | None:
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and 0 <= number <= most else None


def _count(value: Any) -> int | None:
    number = _figure(value, 10_000_000)
    return None if number is None else round(number)


def _twice(call: Callable[[], R]) -> R:
    try:
        return call()
    except PartnerUnavailable as error:
        # Who waited in vain for so long is not made to wait again.
        if isinstance(error.__cause__, httpx.TimeoutException):
            raise
    time.sleep(_PAUSE_SECONDS)
    return call()


def _number(value: Any) -> Decimal:
    try:
        number = Decimal(str(value))
    except InvalidOperation as error:
        raise ValueError(value) from error
    if not number.is_finite() or not 0 < number < _MOST:
        raise ValueError(value)
    return number
