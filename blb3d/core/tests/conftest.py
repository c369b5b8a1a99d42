"""People and documents that the core's tests use."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from blb3d.accounts.models import User
from inventory.models import MaterialLot, Product


@pytest.fixture
def clerk(db: Any) -> User:
    return User.objects.create_user("clerk@example.com", first_name="Clerk", is_staff=True)


@pytest.fixture
def lot(clerk: User) -> MaterialLot:
    product = Product.objects.create(sku="M-1", name="PLA black", category="material", unit_of_measure="kg")
    return MaterialLot.objects.create(
        lot_number="L-1", product=product, quantity_received=Decimal(1), quantity_remaining=Decimal(1)
    )
