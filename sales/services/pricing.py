"""Versions of the price rules: drafted, looked at, activated; what once ruled is kept as it was."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Max
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.errors import InvalidValue, ReasonRequired
from blb3d.core.lifecycle import allow
from blb3d.core.outbox import emit
from blb3d.core.verbs import verb
from sales.models import MachineRate, PriceRules, QuantityBreak
from sales.pricing import PricingRules
from sales.selectors import active_rules, rules_of


@verb
def draft_rules(rules: PriceRules, *, actor: User) -> PriceRules:
    """Save new price rules as a draft under the next number.

    Raises:
        InvalidValue: a rate is not possible.
    """
    allow(actor, "sales.add_pricerules")
    lock_documents(PriceRules.objects.all())
    rules.number = (PriceRules.all_objects.aggregate(Max("number"))["number__max"] or 0) + 1
    rules.is_active, rules.activated_at, rules.activated_by = False, None, None
    try:
        rules.clean_fields(exclude=["created_by", "updated_by"])
    except ValidationError as error:
        raise InvalidValue(details={"fields": error.message_dict}) from None
    rules.save()
    return rules


@verb
def copy_rules(rules: PriceRules, *, actor: User) -> PriceRules:
    """Make a new draft that starts from these price rules."""
    return _draft_from(rules_of(rules), note=f"Copy of {rules.number}: {rules.note}", actor=actor)


@verb
def copy_present_rules(*, actor: User) -> PriceRules:
    """Make a new draft that starts from what rules now, be that the installation's settings."""
    present = active_rules()
    return _draft_from(present, note=f"Copy of {present.name}", actor=actor)


def rates_of(rules: PricingRules) -> dict[str, Any]:
    """Return the columns of a version with these rates; its breaks and machine rates are rows of their own."""
    return {
        "material_basis": rules.material_basis,
        "machine_hourly_rate": rules.machine_hourly_rate,
        "markup_percent": rules.markup_percent,
        "setup_per_job": rules.setup_per_job,
        "setup_per_plate": rules.setup_per_plate,
        "minimum": rules.minimum,
        "labour_hourly_rate": rules.labour_hourly_rate,
        "smooth_factor": rules.finish_factors["smooth"],
        "smooth_minutes": rules.finish_minutes.get("smooth", Decimal(0)),
        "painted_factor": rules.finish_factors["painted"],
        "painted_minutes": rules.finish_minutes.get("painted", Decimal(0)),
        "rush_factor": rules.rush_factors["rush"],
        "super_rush_factor": rules.rush_factors["super_rush"],
        "urgent_factor": rules.rush_factors["urgent"],
        "tax_percent": None if rules.tax_rate is None else rules.tax_rate * 100,
    }


def _draft_from(rules: PricingRules, *, note: str, actor: User) -> PriceRules:
    drafted = draft_rules(PriceRules(note=note[:200], **rates_of(rules)), actor=actor)
    MachineRate.objects.bulk_create(
        MachineRate(rules=drafted, printer_model=model, hourly_rate=rate) for model, rate in rules.machine_rates.items()
    )
    QuantityBreak.objects.bulk_create(
        QuantityBreak(rules=drafted, from_quantity=least, discount_percent=share * 100)
        for least, share in rules.quantity_breaks
    )
    return drafted


@verb
def activate_rules(rules: PriceRules, *, reason: str, actor: User) -> PriceRules:
    """Let a draft rule from now on; prices that were given stand.

    Raises:
        RulesAreFixed: it rules already, or did; copy it to rule again.
        ReasonRequired: no reason was given.
    """
    allow(actor, "sales.activate_pricerules")
    if not reason.strip():
        raise ReasonRequired(details={"step": "activate"})
    # All of them: two activations at once take turns.
    locked = {row.pk: row for row in lock_documents(PriceRules.objects.all())}
    rules.refresh_from_db()
    rules.require_draft()
    before = next((row for row in locked.values() if row.is_active), None)
    if before is not None:
        before.is_active = False
        before.save()
    rules.is_active, rules.activated_at, rules.activated_by = True, timezone.now(), actor
    rules.save()
    emit("sales.price_rules_activated", f"sales.pricerules:{rules.pk}", id=rules.pk, number=rules.number)
    return rules
