"""Effects: told in their order, and no reason to leave an act out of lists."""

from __future__ import annotations

from blb3d.core.admin import AdminVerb
from blb3d.core.effects import LABELS, Effect, grouped


def _act(document: object, *, actor: object) -> None:
    """Do nothing."""


def test_effects_stand_under_what_they_are_about_in_one_order() -> None:
    told = [Effect("stock", "Frees 3."), Effect("promise", "Late.", True), Effect("stock", "Reserves 1.")]
    assert [(label, [row.text for row in rows]) for label, rows in grouped(told)] == [
        (LABELS["promise"], ["Late."]),
        (LABELS["stock"], ["Frees 3.", "Reserves 1."]),
    ]
    assert grouped([]) == []


def test_an_act_with_effects_is_told_first_but_needs_no_answer() -> None:
    plain = AdminVerb(call=_act, name="pack")
    telling = AdminVerb(call=_act, name="pack", effects=lambda document: [])
    asking = AdminVerb(call=_act, name="pack", reason_required=True)
    assert [(verb.asks, verb.needs_answer) for verb in (plain, telling, asking)] == [
        (False, False),
        (True, False),
        (True, True),
    ]
