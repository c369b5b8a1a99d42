from __future__ import annotations

from decimal import Decimal

import pytest

from quotes.estimators.packing import lay_out
from quotes.estimators.tests.parts import block

BED = (Decimal(256), Decimal(256), Decimal(256))


@pytest.mark.parametrize(
    ("size", "fits"),
    [
        ((256, 256), 1),
        ((125, 125), 4),  # 125 + 5 + 125 = 255
        ((126, 126), 1),  # 257 would be too wide
        ((256, 125), 2),
        ((100, 30), 14),  # lying: 2 columns x 7 rows; standing would be the same count turned
        ((82, 20), 30),  # 3 x 10
    ],
)
def test_boxes_lie_in_rows_with_a_gap(size: tuple[float, float], fits: int):
    layout = lay_out(block(*size, 5).parts, quantity=1000, bed=BED, gap=Decimal(5))
    assert layout.fits == fits


@pytest.mark.parametrize(
    ("quantity", "sets", "runs"), [(1, 1, 1), (4, 4, 1), (5, 3, 2), (8, 4, 2), (9, 3, 3), (10, 4, 3)]
)
def test_runs_are_as_few_as_possible_and_evenly_filled(quantity: int, sets: int, runs: int):
    layout = lay_out(block(125, 125, 5).parts, quantity=quantity, bed=BED, gap=Decimal(5))
    assert layout.sets == sets
    assert -(-quantity // layout.sets) == runs
    assert layout.plates == (((0, sets),),)
