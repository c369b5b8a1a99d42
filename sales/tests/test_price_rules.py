"""Versions of the price rules: drafted, activated once, kept as they were."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from blb3d.core.errors import InvalidValue, NotAllowed, ReasonRequired
from blb3d.core.outbox import OutboxEvent
from inventory.tests.concurrency import shared_database, together  # noqa: F401
from production.models import Printer
from sales import selectors
from sales import services as sales
from sales.errors import RulesAreFixed
from sales.models import MachineRate, PriceLevel, PriceRules
from sales.pricing import PriceInput, PricingRules, price
from sales.tests.factories import CustomerFactory, bought_product, manager, placed, staff, system_actor

pytestmark = pytest.mark.django_db

D = Decimal


def drafted(**fields):
    return sales.draft_rules(PriceRules(**{"note": "Dearer machines", **fields}), actor=system_actor())


def test_without_versions_the_settings_rule():
    assert selectors.active_rules() == PricingRules.from_settings()


def test_a_copy_of_what_rules_prices_the_same():
    copy = sales.copy_present_rules(actor=system_actor())
    sales.activate_rules(copy, reason="Now kept here", actor=system_actor())
    given = {"material_grams": D("125.5"), "print_minutes": D(360), "quantity": 10, "price_per_kg": D(20)}
    ours, theirs = (
        price(PriceInput(rules=rules, **given)) for rules in (selectors.active_rules(), PricingRules.from_settings())
    )
    assert (ours.lines, ours.total, ours.cost) == (theirs.lines, theirs.total, theirs.cost)
    assert (ours.rules_name, theirs.rules_name) == ("1", "settings")


def test_numbers_rise_and_a_draft_rules_nothing():
    first, second = drafted(), drafted()
    assert (first.number, second.number, first.is_draft) == (1, 2, True)
    assert selectors.active_rules().name == "settings"


def test_one_rules_and_the_next_takes_its_place():
    first, second, boss = drafted(), drafted(markup_percent=D(60)), manager()
    sales.activate_rules(first, reason="Start", actor=boss)
    sales.activate_rules(second, reason="Power is dearer", actor=boss)
    first.refresh_from_db()
    assert (first.is_active, second.is_active, second.activated_by) == (False, True, boss)
    assert (selectors.active_rules().name, selectors.active_rules().markup_percent) == ("2", D(60))
    assert second.history.first().history_change_reason == "Power is dearer"
    assert OutboxEvent.objects.filter(topic="sales.price_rules_activated").count() == 2
    with pytest.raises(RulesAreFixed):
        sales.activate_rules(first, reason="Back", actor=boss)
    assert selectors.active_rules().name == "2"


def test_activating_needs_a_reason_and_the_permission():
    rules = drafted()
    with pytest.raises(ReasonRequired):
        sales.activate_rules(rules, reason=" ", actor=system_actor())
    with pytest.raises(NotAllowed):
        sales.activate_rules(rules, reason="Mine", actor=staff("sales.change_pricerules"))
    rules.refresh_from_db()
    assert rules.is_draft


def test_the_database_holds_one_active_version():
    sales.activate_rules(drafted(), reason="Start", actor=system_actor())
    other = drafted()
    with pytest.raises(IntegrityError), transaction.atomic():
        PriceRules.objects.filter(pk=other.pk).update(is_active=True)


@pytest.mark.django_db(transaction=True)
def test_two_activations_at_once_leave_one(shared_database):  # noqa: F811
    rows, actor = [drafted(), drafted()], system_actor()
    together(*[lambda row=row: sales.activate_rules(row, reason="Now", actor=actor) for row in rows])
    assert PriceRules.objects.filter(is_active=True).count() == 1
    assert PriceRules.objects.filter(activated_at__isnull=False).count() == 2


def test_a_copy_takes_the_rows_with_it():
    rules = sales.copy_present_rules(actor=system_actor())
    MachineRate.objects.create(rules=rules, printer_model="X1C", hourly_rate=D("2.50"))
    copy = sales.copy_rules(rules, actor=system_actor())
    assert list(copy.machine_rates.values_list("printer_model", "hourly_rate")) == [("X1C", D("2.50"))]
    breaks = [(10, D("5.00")), (50, D("10.00")), (100, D("15.00"))]
    assert list(copy.quantity_breaks.values_list("from_quantity", "discount_percent")) == breaks
    assert copy.note.startswith("Copy of 1")


@pytest.mark.parametrize("fields", [{"markup_percent": D(-1)}, {"smooth_factor": D(0)}, {"tax_percent": D(100)}])
def test_an_impossible_rate_is_refused(fields):
    with pytest.raises(InvalidValue):
        drafted(**fields)
    assert not PriceRules.objects.exists()


def test_the_farms_rate_is_the_mean_over_printers_in_service():
    rules = PricingRules(machine_hourly_rate=D(1), markup_percent=D(0), machine_rates={"X1C": D(4)})
    assert selectors.farm_machine_rate(rules) == 1
    for number, (model, active) in enumerate([("X1C", True), ("A1", True), ("X1C", False)]):
        Printer.objects.create(name=f"P{number}", serial=f"S{number}", model=model, is_active=active)
    assert selectors.farm_machine_rate(rules) == D("2.5")


def test_orders_by_hand_pay_the_tax_that_rules():
    product = bought_product()
    assert placed((product, 10)).tax_total == D("2.10")
    sales.activate_rules(drafted(tax_percent=D(10)), reason="New tax", actor=system_actor())
    assert placed((product, 10)).tax_total == D("3.00")
    exempt = CustomerFactory(tax_exempt=True, tax_exemption_number="EX-1")
    assert placed((product, 10), customer=exempt).tax_total == 0


def test_a_level_that_customers_have_is_not_deleted_under_them():
    level = PriceLevel.objects.create(name="Schools", discount_percent=D(10))
    customer = CustomerFactory(price_level=level)
    assert customer.price_level.discount_percent == 10
