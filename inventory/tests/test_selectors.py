"""What can be asked of stock."""

from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db.models import Model

from blb3d.core.errors import InvalidValue
from inventory import services as inventory
from inventory.errors import MaterialNotFound
from inventory.models import Inventory, MaterialLot, Reservation
from inventory.selectors import available, check_material, choose_material, materials_in_stock, verify_ledger
from inventory.services import Need
from inventory.tests.factories import ComponentFactory, MaterialFactory, put_on_shelf, receive, system_actor

pytestmark = pytest.mark.django_db
D = Decimal


def test_available_leaves_out_what_is_reserved_or_unusable(django_assert_num_queries):
    pla, bolt, nothing = MaterialFactory(), ComponentFactory(), ComponentFactory()
    receive(pla, "0.3")
    receive(pla, "0.1")
    receive(pla, "5", quarantine=True)
    put_on_shelf(bolt, 7)
    inventory.reserve([Need(pla.pk, D("0.2"), "production_order", 1)], actor=system_actor())
    with django_assert_num_queries(1):
        found = available([pla.pk, bolt.pk, nothing.pk])
    assert found == {pla.pk: D("0.2"), bolt.pk: D(7), nothing.pk: D(0)}


def test_a_named_colour_is_met_exactly_or_not_at_all():
    black = MaterialFactory(price_per_kg=D(10))
    orange = MaterialFactory(color_hex="FF6A13", price_per_kg=D(30))
    receive(black, "1")
    assert choose_material("pla", "#ff6a13") == orange
    assert choose_material("PLA", "FF6A13FF") == orange
    with pytest.raises(MaterialNotFound):
        choose_material("PLA", "FF6A14")
    with pytest.raises(InvalidValue):
        choose_material("PLA", "orange")


def test_without_a_colour_it_is_the_cheapest_in_stock_then_the_default():
    default = MaterialFactory(price_per_kg=D(25), is_type_default=True)
    cheap = MaterialFactory(price_per_kg=D(10))
    dear = MaterialFactory(price_per_kg=D(40))
    assert choose_material("PLA") == default
    receive(dear, "1")
    assert choose_material("PLA") == dear
    receive(default, "1")
    assert choose_material("PLA") == default
    receive(cheap, "1", quarantine=True)
    assert choose_material("PLA") == default
    receive(cheap, "1")
    assert choose_material("PLA") == cheap


def test_without_a_default_the_cheapest_is_taken():
    MaterialFactory(price_per_kg=D(25))
    cheap = MaterialFactory(price_per_kg=None, unit_cost=D(9))
    assert choose_material("PLA") == cheap


def test_inactive_and_unknown_materials_are_not_found():
    MaterialFactory(is_active=False)
    ComponentFactory(material_type="PLA")
    for ask in (lambda: choose_material("PLA"), lambda: check_material("PLA", D(1))):
        with pytest.raises(MaterialNotFound) as refusal:
            ask()
        assert refusal.value.code == "MATERIAL_001"


def test_the_check_adds_up_colours_and_brands():
    MaterialFactory()
    receive(MaterialFactory(), "0.1")
    receive(MaterialFactory(color_hex="FFFFFF"), "0.2")
    receive(MaterialFactory(material_type="PETG"), "9")
    assert check_material("PLA", D("0.3")).available is True
    assert check_material("PLA", D("0.3001")).available is False
    assert check_material("PLA", D("0.3")).on_hand == D("0.3")


def test_materials_in_stock_are_those_of_which_something_is_free():
    pla, gone = MaterialFactory(), MaterialFactory()
    MaterialFactory()
    receive(pla, "1")
    receive(gone, "1")
    receive(MaterialFactory(), "1", quarantine=True)
    inventory.reserve([Need(gone.pk, D(1), "production_order", 1)], actor=system_actor())
    assert materials_in_stock() == [pla]


def test_the_proof_takes_the_same_few_queries_whatever_the_size(django_assert_num_queries):
    for _ in range(5):
        receive(MaterialFactory(), "1")
    with django_assert_num_queries(6):
        assert verify_ledger().is_clean


@pytest.mark.parametrize(
    ("rows", "change", "names"),
    [
        (Inventory.objects, {"on_hand_quantity": D("1.5")}, {"on hand", "lot remainder", "value"}),
        (Inventory.objects, {"allocated_quantity": D("0.1")}, {"allocated", "reservations"}),
        (Inventory.objects, {"cost_per_unit": D("13")}, {"value"}),
        (MaterialLot.objects, {"quantity_remaining": D("0.9")}, {"lot remainder"}),
        (Reservation.objects, {"quantity": D("0.3")}, {"reservations"}),
    ],
)
def test_the_proof_finds_every_book_that_was_changed_by_hand(rows, change: dict, names: set):
    pla = MaterialFactory()
    receive(pla, "1")
    inventory.reserve([Need(pla.pk, D("0.2"), "production_order", 1)], actor=system_actor())
    assert isinstance(rows.get(), Model)
    rows.update(**change)
    assert {difference.what for difference in verify_ledger().differences} == names
    out = StringIO()
    with pytest.raises(CommandError, match=f"{len(names)} differences"):
        call_command("check_ledger", stdout=out)
    assert all(name in out.getvalue() for name in names)


def test_the_command_is_content_with_clean_books():
    receive(MaterialFactory(), "1")
    out = StringIO()
    call_command("check_ledger", stdout=out)
    assert "1 movements, 1 balances, 1 lots, worth 12.0000: all agree." in out.getvalue()
