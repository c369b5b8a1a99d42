"""A customer says how many of each part, and in which unit an STL was drawn; the price follows."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from blb3d.core.errors import InvalidValue, NotAllowed, StaleVersion
from quotes import services as quotes
from quotes.errors import NotADraft, NotPriced
from quotes.modelfiles.make import box, write_3mf
from quotes.services.reading import CHANGED_COUNTS, analyses_of, files_to_slice, printed_files
from quotes.tests.factories import bracket, cube, member, quoted, stranger

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]


@pytest.fixture
def buyer():
    return member()


@pytest.fixture
def draft(buyer):
    """A draft with a bracket, and a file of a small and a large cube."""
    two = write_3mf([("Small", *box(10, 10, 10)), ("Large", *box(30, 30, 30))])
    return quoted(buyer, files=[bracket(), quotes.Upload("two.3mf", two)], submit=False)


def stl(side: float) -> quotes.Upload:
    """A cube as binary STL, which names no unit."""
    vertices, faces = box(side, side, side)
    corners = np.asarray(vertices, dtype="<f4")[np.asarray(faces)]
    rows = np.zeros(len(corners), dtype=[("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("rest", "<u2")])
    rows["corners"] = corners
    return quotes.Upload("cube.stl", b"\x00" * 80 + np.uint32(len(rows)).tobytes() + rows.tobytes())


def parts_of(quote):
    return {part.name: part for part in quote.parts.all()}


def test_more_pieces_cost_more_and_the_estimate_uses_the_counts(draft, buyer):
    before = draft.material_grams
    large = parts_of(draft)["Large"]
    quote = quotes.set_part_quantities(draft, {large.pk: 3}, actor=buyer.user)
    assert parts_of(quote)["Large"].quantity == 3
    assert quote.material_grams > before
    _, two = analyses_of(quote)
    assert [(part.name, part.count) for part in two.parts] == [("Small", 1), ("Large", 3)]
    assert CHANGED_COUNTS in two.warnings


def test_a_part_of_zero_is_left_out(draft, buyer):
    before = draft.material_grams
    large = parts_of(draft)["Large"]
    quote = quotes.set_part_quantities(draft, {large.pk: 0}, actor=buyer.user)
    assert quote.material_grams < before
    _, two = analyses_of(quote)
    assert [part.name for part in two.parts] == ["Small"]


def test_a_file_without_any_part_left_is_left_out_as_a_whole(draft, buyer):
    parts = parts_of(draft)
    only = quoted(buyer, files=[bracket()], submit=False)
    quote = quotes.set_part_quantities(draft, {parts["Small"].pk: 0, parts["Large"].pk: 0}, actor=buyer.user)
    assert [file.original_filename for file in printed_files(quote)] == ["bracket.3mf"]
    assert (quote.material_grams, quote.unit_price) == (only.material_grams, only.unit_price)


def test_counts_of_the_file_itself_change_nothing(draft, buyer):
    before = (draft.material_grams, draft.unit_price)
    counts = {part.pk: part.quantity for part in draft.parts.all()}
    quote = quotes.set_part_quantities(draft, counts, actor=buyer.user)
    assert (quote.material_grams, quote.unit_price) == before
    assert all(CHANGED_COUNTS not in analysis.warnings for analysis in analyses_of(quote))


@pytest.mark.parametrize("count", [-1, 10_001, 10**9, True, 1.5, "2", None])
def test_an_impossible_quantity_is_refused_and_changes_nothing(draft, buyer, count):
    part = parts_of(draft)["Large"]
    with pytest.raises(InvalidValue):
        quotes.set_part_quantities(draft, {part.pk: count}, actor=buyer.user)
    part.refresh_from_db()
    assert part.quantity == 1


def test_at_least_one_part_must_be_left(draft, buyer):
    with pytest.raises(InvalidValue, match="At least one part"):
        quotes.set_part_quantities(draft, dict.fromkeys(draft.parts.values_list("pk", flat=True), 0), actor=buyer.user)
    assert set(draft.parts.values_list("quantity", flat=True)) == {1}


def test_another_quotes_part_is_refused(draft, buyer):
    other = quoted(buyer, submit=False).parts.get()
    with pytest.raises(InvalidValue, match="no part of the quote"):
        quotes.set_part_quantities(draft, {other.pk: 2}, actor=buyer.user)


def test_only_a_draft_and_only_the_present_version_and_only_ones_own(draft, buyer):
    part = parts_of(draft)["Large"]
    with pytest.raises(NotAllowed):
        quotes.set_part_quantities(draft, {part.pk: 2}, actor=stranger())
    with pytest.raises(StaleVersion):
        quotes.set_part_quantities(draft, {part.pk: 2}, actor=buyer.user, version=draft.version - 1)
    quotes.submit_quote(draft, actor=buyer.user)
    with pytest.raises(NotADraft):
        quotes.set_part_quantities(draft, {part.pk: 2}, actor=buyer.user)


def test_an_stl_is_read_again_in_the_unit_that_the_customer_names(buyer, uploads, django_capture_on_commit_callbacks):
    quote = quoted(buyer, files=[stl(20)], submit=False)
    row = quote.files.get()
    before, picture = quote.material_grams, uploads / row.thumbnail.name
    with django_capture_on_commit_callbacks(execute=True):
        quotes.set_file_unit(row, "inch", actor=buyer.user)
    quote.refresh_from_db()
    row.refresh_from_db()
    assert (row.unit_choice, row.geometry["unit"]) == ("inch", "inch")
    assert quote.parts.get().size_x_mm == Decimal("508.00")
    assert quote.material_grams > before * 1000
    assert not picture.exists()
    assert (uploads / row.thumbnail.name).exists()
    quotes.set_file_unit(row, "mm", actor=buyer.user)
    quote.refresh_from_db()
    assert quote.parts.get().size_x_mm == Decimal("20.00")
    assert quote.material_grams == before


def test_a_new_unit_keeps_the_quantities(buyer):
    quote = quoted(buyer, files=[stl(20)], submit=False)
    part = quote.parts.get()
    quotes.set_part_quantities(quote, {part.pk: 4}, actor=buyer.user)
    quotes.set_file_unit(quote.files.get(), "inch", actor=buyer.user)
    assert quote.parts.get().quantity == 4


def test_a_file_that_names_its_unit_keeps_it(buyer):
    row = quoted(buyer, files=[cube()], submit=False).files.get()
    with pytest.raises(InvalidValue, match="says itself"):
        quotes.set_file_unit(row, "inch", actor=buyer.user)


def test_a_unit_that_is_none_a_stranger_and_a_closed_quote_are_refused(buyer):
    quote = quoted(buyer, files=[stl(20)], submit=False)
    row = quote.files.get()
    with pytest.raises(InvalidValue, match="no such unit"):
        quotes.set_file_unit(row, "parsec", actor=buyer.user)
    with pytest.raises(NotAllowed):
        quotes.set_file_unit(row, "inch", actor=stranger())
    quotes.submit_quote(quote, actor=buyer.user)
    with pytest.raises(NotADraft):
        quotes.set_file_unit(quote.files.get(), "inch", actor=buyer.user)


def test_a_file_that_is_not_read_yet_waits(settings, buyer):
    settings.QUOTE_SYNC_MAX_MB = 0
    row = quoted(buyer, files=[stl(20)], submit=False).files.get()
    with pytest.raises(NotPriced):
        quotes.set_file_unit(row, "inch", actor=buyer.user)


def test_the_unit_that_was_chosen_is_the_one_a_worker_reads_in(settings, buyer):
    settings.QUOTE_SYNC_MAX_MB = 0
    quote = quoted(buyer, files=[stl(20)], submit=False)
    quote.files.update(unit_choice="inch")
    quotes.read_uploaded_quote(quote.pk, actor=buyer.user)
    assert quote.parts.get().size_x_mm == Decimal("508.00")


def test_a_part_that_is_too_small_in_millimetres_is_taken_in_inches(buyer):
    assert "choose the unit" in quoted(buyer, files=[stl(0.8)]).estimate_detail["needs_person"]
    quote = quoted(buyer, files=[stl(0.8), cube()], unit="inch", submit=False)
    assert [row.unit_choice for row in quote.files.order_by("pk")] == ["inch", ""]
    assert list(quote.parts.order_by("pk").values_list("size_x_mm", flat=True)) == [Decimal("20.32"), Decimal("20.00")]


def test_a_unit_that_is_none_is_refused_at_once(buyer):
    with pytest.raises(InvalidValue, match="no such unit"):
        quoted(buyer, unit="parsec")


def test_no_slicer_gets_a_file_that_is_not_what_is_printed(draft, buyer):
    one, two = draft.files.order_by("pk")
    assert files_to_slice(draft) == [one.file.name, two.file.name]
    quotes.set_part_quantities(draft, {parts_of(draft)["Large"].pk: 2}, actor=buyer.user)
    assert files_to_slice(draft) == [one.file.name, ""]
    inches, millimetres = quoted(buyer, files=[stl(2)], unit="inch"), quoted(buyer, files=[stl(20)])
    assert files_to_slice(inches) == [""]
    assert files_to_slice(millimetres) == [millimetres.files.get().file.name]


def test_an_ordered_part_of_changed_quantity_waits_for_a_print_file_by_hand(draft, buyer):
    quotes.set_part_quantities(draft, {parts_of(draft)["Large"].pk: 2}, actor=buyer.user)
    quote = quotes.take_acceptance(quotes.submit_quote(draft, actor=buyer.user), actor=buyer.user)
    files = set(quote.product.plates.values_list("model_file", flat=True))
    assert files == {quote.files.earliest("pk").file.name, ""}
