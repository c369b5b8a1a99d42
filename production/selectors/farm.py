"""What the farm can print on: the models in service and how large a part they take."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal

from production.models import Printer
from production.printer_models import printer_model_id

Volume = tuple[Decimal, Decimal, Decimal]


@dataclass(frozen=True)
class Farm:
    """The printers in service: model names by alphabet, build volumes in mm with the one that most printers have first.

    ``beds`` are the models with their build volumes. All are empty as long as no printer was entered.
    """

    models: tuple[str, ...]
    volumes: tuple[Volume, ...]
    beds: tuple[tuple[str, Volume], ...] = ()

    @property
    def model_ids(self) -> tuple[str, ...]:
        """The models as slicers write them; one that is not known here stands under its own name."""
        return tuple(printer_model_id(model) or model for model in self.models)


def farm_in_service() -> Farm:
    """Return the farm as it is now. One query."""
    rows = Printer.objects.filter(is_active=True).values_list("model", "build_x_mm", "build_y_mm", "build_z_mm")
    models, volumes, beds = set(), Counter[Volume](), set()
    for model, x, y, z in rows.order_by():
        models.add(model)
        volumes[Decimal(x), Decimal(y), Decimal(z)] += 1
        beds.add((model, (Decimal(x), Decimal(y), Decimal(z))))
    common = sorted(volumes, key=lambda volume: (-volumes[volume], -volume[0] * volume[1] * volume[2]))
    return Farm(tuple(sorted(models)), tuple(common), tuple(sorted(beds)))
