"""What open quotes would become by other price rules: seen, not done."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from blb3d.accounts.models import User
from inventory.models import Inventory
from quotes import services as quotes
from quotes.models import Quote
from quotes.services.whatif import totals, what_if
from quotes.tests.factories import cube, member, priced_at, quoted, system_actor
from sales import services as sales
from sales.models import PriceLevel
from sales.selectors import active_rules, rules_of
from sales.tests.factories import CustomerFactory, staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]

D = Decimal


def draft(**changes):
    rules = sales.copy_present_rules(actor=system_actor())
    for name, value in changes.items():
        setattr(rules, name, value)
    rules.save()
    return rules


def test_the_rules_that_rule_change_nothing():
    quoted(quantity=30)
    quoted(files=[cube(60)], rush="urgent")
    assert [row.difference for row in what_if(active_rules())] == [0, 0]


def test_each_open_quote_is_priced_by_the_other_rules_the_largest_change_first():
    small, large = quoted(), quoted(quantity=40)
    rules = rules_of(draft(markup_percent=D(80)))
    rows = what_if(rules)
    assert [row.number for row in rows] == [large.quote_number, small.quote_number]
    for row, quote in zip(rows, (large, small), strict=True):
        assert (row.now, row.rules) == (quote.subtotal, "settings")
        assert row.then > row.now or row.now == D("15.00")
    one = totals(rows)[0]
    assert (one.quotes, one.now) == (2, small.subtotal + large.subtotal)
    assert one.difference == sum(row.difference for row in rows)
    sales.activate_rules(draft(markup_percent=D(80)), reason="Dearer", actor=system_actor())
    quotes.price_quote(submitted_for_review(large), actor=system_actor())
    large.refresh_from_db()
    assert large.subtotal == rows[0].then


def submitted_for_review(quote: Quote) -> Quote:
    return quotes.ask_for_changes(quote, text="Less", actor=system_actor())


def test_nothing_is_written_and_it_costs_the_same_however_many_there_are(django_assert_num_queries):
    rules = rules_of(draft(markup_percent=D(80), material_basis="stock"))
    quote = quoted(color="Black", quantity=30)
    with django_assert_num_queries(4):
        (row,) = what_if(rules)
    assert row.then != row.now
    for _ in range(4):
        quoted(color="White")
    with django_assert_num_queries(4):
        assert len(what_if(rules)) == 5
    fresh = Quote.objects.get(pk=quote.pk)
    assert (fresh.version, fresh.subtotal, fresh.price_breakdown) == (
        quote.version, quote.subtotal, quote.price_breakdown
    )  # fmt: skip


def test_ended_unpriced_and_old_quotes_are_left_out():
    buyer = member()
    quotes.reject_quote(quoted(buyer), reason="No", actor=buyer.user)
    priced_at(100)
    old = quoted()
    Quote.objects.filter(pk=old.pk).update(expires_at=timezone.now() - timedelta(minutes=1))
    assert what_if(active_rules()) == []


def test_material_at_the_cost_of_what_is_in_stock(materials):
    Inventory.objects.filter(product=materials["black"]).update(cost_per_unit=D(40))
    quote = quoted(color="Black", quantity=100)
    dearer = rules_of(draft(material_basis="stock"))
    (row,) = what_if(dearer)
    kg = quote.material_grams * 100 / 1000
    assert row.cost - quotes_cost(quote) == pytest.approx(kg * (40 - materials["black"].price_per_kg), abs=D("0.02"))


def quotes_cost(quote: Quote) -> Decimal:
    return D(quote.price_breakdown["cost"])


def test_a_customers_level_stands_on_its_quote_and_in_what_if():
    level = PriceLevel.objects.create(name="Schools", discount_percent=D(10))
    quote = quoted(member(customer=CustomerFactory(price_level=level)), quantity=50)
    plain = quoted(quantity=50)
    line = next(line for line in quote.price_lines if line["key"] == "level")
    assert (line["label"], D(line["amount"]) < 0) == ("Your price level 10%", True)
    assert quote.subtotal < plain.subtotal
    found = {row.number: row.difference for row in what_if(active_rules())}
    assert found == {quote.quote_number: 0, plain.quote_number: 0}


def entering(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_the_page_and_its_csv_say_the_same():
    quote = quoted(member(customer=CustomerFactory(company_name="=cmd()")), quantity=40)
    Quote.objects.filter(pk=quote.pk).update(currency="USD")
    rules = draft(markup_percent=D(80))
    client = entering(User.objects.create_superuser("boss@example.com"))
    assert "What if?" in client.get(reverse("admin:sales_pricerules_change", args=[rules.pk])).content.decode()
    url = reverse("admin:quotes_quote_whatif", args=[rules.pk])
    html = client.get(url).content.decode()
    (row,) = what_if(rules_of(rules))
    for text in (quote.quote_number, f"${row.now}", f"${row.then}", f"{row.margin_percent} %", "settings rule"):
        assert text in html
    answer = client.get(url, {"format": "csv"})
    assert answer["Content-Disposition"] == f'attachment; filename="what-if-rules-{rules.number}.csv"'
    (line,) = csv.DictReader(io.StringIO(answer.content.decode()))
    assert (line["quote"], line["net now"], line["net then"]) == (quote.quote_number, str(row.now), str(row.then))
    assert (line["margin percent"], line["difference"]) == (str(row.margin_percent), str(row.difference))
    assert not line["customer"].startswith("=")


def test_only_who_may_see_quotes_and_rules():
    url = reverse("admin:quotes_quote_whatif", args=[draft().pk])
    assert Client().get(url).status_code == 302
    for names, code in ((("quotes.view_quote",), 403), (("quotes.view_quote", "sales.view_pricerules"), 200)):
        assert entering(staff(*names)).get(url).status_code == code
    boss = entering(User.objects.create_superuser("boss@example.com"))
    assert boss.get(reverse("admin:quotes_quote_whatif", args=[999])).status_code == 404
