"""What was learned, as an estimate uses it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings

from quotes.models import EstimateCorrection

_ONE = Decimal(1)


@dataclass(frozen=True)
class Correction:
    """By how much estimates of a method in a material are off: factors, from how many prints, and the half width of
    the interval around the corrected estimate in percent (None where nothing was learned of grams).
    """

    method: str
    material_type: str
    printer_model: str
    number: int
    minutes_factor: Decimal
    grams_factor: Decimal
    sample_size: int
    minutes_interval: Decimal
    grams_interval: Decimal | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON, as it is kept with a quote."""
        return {
            "method": self.method,
            "material_type": self.material_type,
            "printer_model": self.printer_model,
            "number": self.number,
            "minutes_factor": str(self.minutes_factor),
            "grams_factor": str(self.grams_factor),
            "sample_size": self.sample_size,
            "minutes_interval": str(self.minutes_interval),
            "grams_interval": None if self.grams_interval is None else str(self.grams_interval),
        }

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> Correction:
        """Return the inverse of ``as_dict``."""
        exact = {name: Decimal(row[name]) for name in ("minutes_factor", "grams_factor", "minutes_interval")}
        grams = row["grams_interval"]
        return cls(**(row | exact | {"grams_interval": None if grams is None else Decimal(grams)}))


class Corrections:
    """Corrections by method and material; what has none is left as it is."""

    def __init__(self, rows: Iterable[Correction] = ()) -> None:
        """Keep one correction per method and material."""
        self._rows = {(row.method, row.material_type): row for row in rows}

    def of(self, method: str, material_type: str) -> Correction | None:
        """Return the correction, if there is one."""
        return self._rows.get((method, material_type))

    def minutes_factor(self, method: str, material_type: str) -> Decimal:
        """Return what minutes are multiplied with."""
        row = self.of(method, material_type)
        return row.minutes_factor if row else _ONE

    def grams_factor(self, method: str, material_type: str) -> Decimal:
        """Return what grams are multiplied with."""
        row = self.of(method, material_type)
        return row.grams_factor if row else _ONE


def current_corrections(methods: Iterable[str], printer_model: str = "") -> Corrections:
    """Return what is applied to new estimates of these methods; one query.

    Where nothing was learned of ``printer_model`` alone, what was learned of all models together counts. A correction
    that is switched off switches its pooled one off for that model too: a person said that this one is not corrected.
    """
    if not settings.ESTIMATE_LEARNING:  # type: ignore[misc]
        return Corrections()
    rows = EstimateCorrection.objects.filter(
        is_current=True, method__in=list(methods), printer_model__in={"", printer_model}
    ).order_by("printer_model")
    found: dict[tuple[str, str], EstimateCorrection] = {}
    for row in rows:  # the empty model comes first, so that the printer's own replaces it
        found[row.method, row.material_type] = row
    return Corrections(
        Correction(
            method=row.method,
            material_type=row.material_type,
            printer_model=row.printer_model,
            number=row.number,
            minutes_factor=row.minutes_factor,
            grams_factor=row.grams_factor,
            sample_size=row.sample_size,
            minutes_interval=row.minutes_interval,
            grams_interval=row.grams_interval,
        )
        for row in found.values()
        if row.is_enabled
    )
