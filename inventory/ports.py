"""What stock asks of the layers above it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from blb3d.core.effects import Effect

#: Returns whom it concerns when a lot (``inventory.MaterialLot``) cannot be used any more.
_LotSource = Callable[[Any], Iterable[Effect]]
_lot_sources: list[_LotSource] = []


def lots_are_used_by(source: _LotSource) -> None:
    """Name who knows which jobs and orders use a lot; called once when the apps are loaded."""
    if source not in _lot_sources:
        _lot_sources.append(source)


def lot_effects(lot: Any) -> list[Effect]:
    """Return whom it concerns when a lot cannot be used any more; nothing is changed to find out."""
    return [effect for source in _lot_sources for effect in source(lot)]
