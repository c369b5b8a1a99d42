"""A nonconformance on its way through 8D: contained, explained, corrected, verified, closed."""

from __future__ import annotations

from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.errors import InvalidValue
from blb3d.core.verbs import verb
from production.lifecycles import NONCONFORMANCE
from production.models import Nonconformance


def _take(report: Nonconformance, step: str, *, actor: User, reason: str = "", **texts: str) -> Nonconformance:
    empty = sorted(name for name, text in texts.items() if name != "preventive_action" and not text.strip())
    if empty:
        raise InvalidValue("Please say what was done.", details={"fields": empty})
    with NONCONFORMANCE.step(report, step, actor=actor, reason=reason):
        for name, text in texts.items():
            setattr(report, name, text[:2000])
        if step == "close":
            report.closed_date = timezone.now()
    return report


@verb
def contain_nonconformance(report: Nonconformance, *, containment_action: str, actor: User) -> Nonconformance:
    """Say what keeps the fault from spreading."""
    return _take(report, "contain", actor=actor, containment_action=containment_action)


@verb
def explain_nonconformance(report: Nonconformance, *, root_cause: str, actor: User) -> Nonconformance:
    """Say why it happened."""
    return _take(report, "explain", actor=actor, root_cause=root_cause)


@verb
def correct_nonconformance(
    report: Nonconformance, *, corrective_action: str, preventive_action: str = "", actor: User
) -> Nonconformance:
    """Say what was done about the cause, and so that it does not come back."""
    return _take(
        report, "correct", actor=actor, corrective_action=corrective_action, preventive_action=preventive_action
    )


@verb
def verify_nonconformance(report: Nonconformance, *, actor: User, reason: str) -> Nonconformance:
    """Say how it was seen that the correction holds."""
    return _take(report, "verify", actor=actor, reason=reason)


@verb
def close_nonconformance(report: Nonconformance, *, actor: User, reason: str = "") -> Nonconformance:
    """Close the report."""
    return _take(report, "close", actor=actor, reason=reason)
