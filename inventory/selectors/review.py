"""A sliced file beside what was estimated for its plate: what a person looks at before releasing it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from inventory.models import PlateFilament, PrintFile, SliceFilament
from inventory.selectors.filaments import filaments_of, match_filaments

#: A slice that is further off its estimate than this has something to tell.
FAR_OFF_PERCENT = Decimal(15)


@dataclass(frozen=True)
class Compared:
    """One number, estimated and sliced; ``unit`` is min or g. What only one of the two knows is None in the other."""

    name: str
    color_hex: str
    estimated: Decimal | None
    sliced: Decimal | None
    unit: str

    @property
    def percent(self) -> Decimal | None:
        """By how much the slice is more than the estimate, to one place."""
        if not self.estimated or self.sliced is None:
            return None
        return ((self.sliced / self.estimated - 1) * 100).quantize(Decimal("0.1"), ROUND_HALF_UP)

    @property
    def difference(self) -> str:
        """The same in words."""
        if self.percent is None:
            return "only estimated" if self.sliced is None else "not estimated"
        return f"{self.percent:+} %" if self.percent else "0 %"

    @property
    def is_far_off(self) -> bool:
        """True when they differ by more than can be expected."""
        return self.percent is None or abs(self.percent) > FAR_OFF_PERCENT


def compare_with_estimate(file: PrintFile) -> list[Compared]:
    """Return minutes and grams of a file beside those of its plate, each filament for itself. One query."""
    planned = list(PlateFilament.objects.filter(plate=file.plate_id).select_related("material").order_by("position"))
    rows = [Compared("Time", "", file.plate.estimated_minutes, file.minutes, "min")]
    estimated = sum((row.grams for row in planned), Decimal(0)) or None
    rows.append(Compared("Filament", "", estimated, file.grams, "g"))
    sliced = filaments_of(file)
    wanted = [SliceFilament(row.position, row.material.material_type, row.material.color_hex) for row in planned]
    matched = match_filaments(sliced, wanted) or {}
    for row in planned:
        mine = [filament for filament in sliced if matched.get(filament.position) == row.position]
        taken = sum((filament.grams for filament in mine), Decimal(0)) if mine else None
        rows.append(Compared(row.material.name, row.material.color_hex, row.grams, taken, "g"))
    rows += [
        Compared(f"{filament.material_type}, filament {filament.position + 1} of the file", filament.color_hex, None,
                 filament.grams, "g")
        for filament in sliced
        if filament.position not in matched
    ]  # fmt: skip
    # One filament is all there is: its row says nothing that the total does not, but which it is.
    if len(rows) == 3 and rows[1].sliced is not None and rows[2].sliced in (None, rows[1].sliced):
        rows[1:] = [Compared(rows[2].name, rows[2].color_hex, rows[2].estimated, rows[1].sliced, "g")]
    return rows


def doubts_about(file: PrintFile) -> list[str]:
    """Return what a person should look into before releasing the file, each as a sentence."""
    doubts = []
    sliced = filaments_of(file)
    planned = [row.material.material_type.upper() for row in file.plate.filaments.select_related("material")]
    strange = sorted({row.material_type for row in sliced if row.material_type.upper() not in planned})
    if planned and strange:
        doubts.append(f"It was sliced for {', '.join(strange)}; the plate is {', '.join(dict.fromkeys(planned))}.")
    if planned and sliced and len(sliced) != len(planned):
        doubts.append(f"It uses {len(sliced)} filaments; the plate has {len(planned)}.")
    far = [row.name.lower() for row in compare_with_estimate(file)[:2] if row.is_far_off]
    if far:
        doubts.append(f"More than {FAR_OFF_PERCENT} % off the estimate: {' and '.join(far)}.")
    return doubts
