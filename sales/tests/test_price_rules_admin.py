"""Price rules in the console: a draft starts from what rules, is typed field by field, and is fixed once it ruled."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from blb3d.accounts.models import User
from sales import selectors
from sales import services as sales
from sales.models import PriceLevel, PriceRules
from sales.tests.factories import CustomerFactory, staff, system_actor

pytestmark = pytest.mark.django_db

D = Decimal
ADD = "admin:sales_pricerules_add"
FIELDS = {
    "note": "Power is dearer",
    "material_basis": "list",
    "machine_hourly_rate": "2.00",
    "markup_percent": "45",
    "setup_per_job": "5.00",
    "setup_per_plate": "0.50",
    "minimum": "15.00",
    "labour_hourly_rate": "30.00",
    "smooth_factor": "1.3",
    "smooth_minutes": "10",
    "painted_factor": "1.5",
    "painted_minutes": "20",
    "rush_factor": "1.25",
    "super_rush_factor": "1.5",
    "urgent_factor": "1.75",
    "tax_percent": "",
}


def rows(prefix: str, values: list[dict[str, str]], initial: int = 0) -> dict[str, str]:
    """Return the fields of an inline's rows as a browser posts them."""
    body = {f"{prefix}-TOTAL_FORMS": str(len(values)), f"{prefix}-INITIAL_FORMS": str(initial)}
    for number, row in enumerate(values):
        body |= {f"{prefix}-{number}-{name}": value for name, value in row.items()}
    return body


def body(breaks: list[dict[str, str]] | None = None, rates: list[dict[str, str]] | None = None, **changes: str):
    return {**FIELDS, **changes, **rows("quantity_breaks", breaks or []), **rows("machine_rates", rates or [])}


def entering(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def boss() -> Client:
    return entering(User.objects.create_superuser("boss@example.com"))


def page(rules: PriceRules) -> str:
    return reverse("admin:sales_pricerules_change", args=[rules.pk])


def press(client: Client, rules: PriceRules, name: str, **answers: str):
    rules.refresh_from_db()
    door = reverse("admin:sales_pricerules_verb", args=[rules.pk, name])
    response = client.post(door, {"_version": rules.version, **answers}, follow=True)
    rules.refresh_from_db()
    return response


def test_new_rules_start_from_those_that_rule(boss, settings):
    settings.MACHINE_HOURLY_RATE = D("1.75")
    html = boss.get(reverse(ADD)).content.decode()
    assert 'name="machine_hourly_rate" value="1.75"' in html
    for number, (least, share) in enumerate([("10", "5.00"), ("50", "10.00"), ("100", "15.00")]):
        assert f'name="quantity_breaks-{number}-from_quantity" value="{least}"' in html
        assert f'name="quantity_breaks-{number}-discount_percent" value="{share}"' in html


def test_a_draft_is_typed_and_saved_with_its_rows(boss):
    breaks = [{"from_quantity": "20", "discount_percent": "7.5"}]
    rates = [{"printer_model": "X1C", "hourly_rate": "2.50"}]
    response = boss.post(reverse(ADD), body(breaks, rates), follow=True)
    rules = PriceRules.objects.get()
    assert response.redirect_chain[-1][0] == page(rules)
    assert (rules.number, rules.is_draft, rules.markup_percent) == (1, True, D(45))
    assert rules.created_by.email == "boss@example.com"
    priced = selectors.rules_of(rules)
    assert priced.quantity_breaks == ((20, D("0.075")),)
    assert priced.machine_rates == {"X1C": D("2.50")}
    assert priced.finish_minutes == {"smooth": D(10), "painted": D(20)}
    assert selectors.active_rules().name == "settings"


@pytest.mark.parametrize(
    ("wrong", "breaks"),
    [
        ({"markup_percent": "-1"}, []),
        ({"machine_hourly_rate": "NaN"}, []),
        ({"smooth_factor": "0"}, []),
        ({"note": ""}, []),
        ({"tax_percent": "100"}, []),
        ({}, [{"from_quantity": "1", "discount_percent": "5"}]),
        ({}, [{"from_quantity": "10", "discount_percent": "100"}]),
        ({}, [{"from_quantity": "10", "discount_percent": "5"}, {"from_quantity": "10", "discount_percent": "6"}]),
    ],
)
def test_what_cannot_be_is_refused_beside_its_field(boss, wrong, breaks):
    response = boss.post(reverse(ADD), body(breaks, **wrong))
    assert response.status_code == 200
    assert "errorlist" in response.content.decode() or "text-red" in response.content.decode()
    assert not PriceRules.objects.exists()


def test_a_draft_is_changed_and_activated_with_a_reason(boss):
    rules = sales.copy_present_rules(actor=system_actor())
    kept = [
        {"id": str(row.pk), "rules": str(rules.pk), "from_quantity": str(row.from_quantity), "discount_percent": "9"}
        for row in rules.quantity_breaks.all()
    ]
    changed = {
        **FIELDS,
        **rows("quantity_breaks", kept, 3),
        **rows("machine_rates", []),
        "_version": str(rules.version),
    }
    boss.post(page(rules), changed)
    rules.refresh_from_db()
    assert (rules.note, set(rules.quantity_breaks.values_list("discount_percent", flat=True))) == (
        FIELDS["note"],
        {D(9)},
    )
    assert "reason" in press(boss, rules, "activate").content.decode()
    assert rules.is_draft
    press(boss, rules, "activate", _answered="1", reason="Since the new tariff")
    assert (rules.is_active, rules.activated_by.email) == (True, "boss@example.com")
    assert selectors.active_rules().machine_hourly_rate == D("2.00")


def test_what_ruled_is_only_shown_and_copied(boss):
    rules = sales.copy_present_rules(actor=system_actor())
    sales.activate_rules(rules, reason="Start", actor=system_actor())
    html = boss.get(page(rules)).content.decode()
    assert 'name="markup_percent"' not in html
    for text in ("Rules now", "$1.50", "$15.00", "$5.00"):
        assert text in html
    assert boss.post(page(rules), body()).status_code == 403
    press(boss, rules, "copy")
    copy = PriceRules.objects.get(number=2)
    assert (copy.is_draft, copy.markup_percent, copy.quantity_breaks.count()) == (True, D(40), 3)
    assert (rules.markup_percent, rules.quantity_breaks.count()) == (D(40), 3)


def test_who_may_write_drafts_may_not_activate_them():
    rules = sales.copy_present_rules(actor=system_actor())
    clerk = entering(staff("sales.view_pricerules", "sales.change_pricerules", "sales.add_pricerules"))
    assert clerk.get(page(rules)).status_code == 200
    assert press(clerk, rules, "activate", _answered="1", reason="Mine").status_code == 403
    assert rules.is_draft


def test_a_customer_gets_a_level_and_an_exemption(boss):
    level = PriceLevel.objects.create(name="Schools", discount_percent=D(10))
    html = boss.get(
        reverse("admin:sales_customer_change", args=[CustomerFactory(price_level=level).pk])
    ).content.decode()
    assert "Schools" in html
    assert 'name="tax_exemption_number"' in html
