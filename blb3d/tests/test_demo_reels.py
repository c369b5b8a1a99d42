"""The demo farm's reels: labelled, some in the drybox, and the same after loading twice."""

import pytest

from blb3d.demo.catalogue import FILAMENTS, ON_REELS
from blb3d.demo.seed import add_filament, add_places, add_spools
from inventory.models import Inventory, InventoryTransaction, Spool
from inventory.selectors import spools_to_dry, verify_ledger
from inventory.tests.factories import system_actor

pytestmark = pytest.mark.django_db


def test_reels_are_made_once_and_the_wet_ones_lie_in_the_drybox():
    seeder = system_actor()
    for _ in range(2):
        add_places(seeder)
        for filament in FILAMENTS:
            if filament.sku in ON_REELS:
                add_filament(filament, seeder)
        add_spools(seeder)
    kinds = dict(Spool.objects.values_list("label", "lot__product__material_type"))
    assert sorted(kinds.values()) == ["PETG", "PETG", "PLA", "PLA", "PLA", "PLA", "TPU"]
    assert len(kinds) == Spool.objects.count()
    in_drybox = Inventory.objects.filter(location__code="DRY-1", on_hand_quantity__gt=0)
    assert {row.product.material_type: row.on_hand_quantity for row in in_drybox} == {"PETG": 2, "TPU": 1}
    assert {row.spool.lot.product.material_type for row in spools_to_dry()} == {"PETG", "TPU"}
    assert InventoryTransaction.objects.filter(transaction_type="transfer").count() == 6
    assert verify_ledger().is_clean
