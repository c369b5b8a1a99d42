"""What an act will do, said before it is done: sentences by what they are about, for a page or the API to show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: What effects are about, in the order in which they are told.
LABELS = {
    "promise": "Who waits for it",
    "parts": "Parts",
    "jobs": "Print jobs",
    "stock": "Stock",
    "orders": "Production orders",
    "shipments": "Shipments",
    "money": "Money",
}


@dataclass(frozen=True)
class Effect:
    """One thing that an act will do: ``about`` is a key of :data:`LABELS`, ``text`` one sentence for a person.

    ``is_warning`` marks what somebody may regret: a promise that will not be kept, material that is short.
    """

    about: str
    text: str
    is_warning: bool = False


def grouped(effects: Iterable[Effect]) -> list[tuple[str, list[Effect]]]:
    """Return effects under the words for what they are about, in their order."""
    rows = list(effects)
    found = [(label, [row for row in rows if row.about == about]) for about, label in LABELS.items()]
    return [(label, rows) for label, rows in found if rows]
