"""The slicers' strings of painted triangles."""

from __future__ import annotations

import pytest

from quotes.modelfiles.paint import decode


@pytest.mark.parametrize(
    ("text", "state"),
    [("", 0), ("0", 0), ("4", 1), ("8", 2), ("0C", 3), ("1C", 4), ("DC", 16), ("EC", 17), ("0FC", 18), ("1FFC", 34)],
)
def test_a_leaf_is_one_filament(text: str, state: int):
    assert decode(text.encode()) == ((state, 1.0),)


def test_one_split_side_halves_a_triangle():
    assert decode(b"481") == ((2, 0.5), (1, 0.5))


def test_two_split_sides_leave_half_of_it_as_the_last_child_which_comes_first():
    assert dict(decode(b"0482")) == {2: 0.5, 1: 0.25, 0: 0.25}


def test_three_split_sides_quarter_it():
    assert dict(decode(b"00483")) == {2: 0.25, 1: 0.25, 0: 0.5}


def test_splits_nest():
    # From its end: in four, the first of them in three (filaments 2, 1 and 2), then filaments 3, 1 and 2.
    assert dict(decode(b"840C84823")) == {2: 0.4375, 1: 0.3125, 3: 0.25}


@pytest.mark.parametrize("text", ["G", "0x1", "\xff"])
def test_what_is_not_hex_is_not_painted(text: str):
    assert decode(text.encode("latin-1")) == ((0, 1.0),)


def test_a_string_that_ends_too_early_is_unpainted_where_it_ends():
    assert decode(b"3") == ((0, 1.0),)
    assert dict(decode(b"83")) == {2: 0.25, 0: 0.75}
