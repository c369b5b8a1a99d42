"""A worker reads file by file and says how far it is; the next one goes on where it died, and nothing is doubled."""

from __future__ import annotations

import pytest
from django.db import connection

from blb3d.core import outbox
from quotes import services as quotes
from quotes.errors import NotPriced
from quotes.estimators import GeometricEstimator
from quotes.modelfiles.isolated import close_pools
from quotes.models import Quote, QuoteFile, QuotePart
from quotes.services.cached import code_version
from quotes.services.intake import READING
from quotes.services.processing import write_analysis
from quotes.services.reading import read_file
from quotes.tests.factories import bracket, cube, member, quoted, system_actor
from quotes.tests.factories import request as request_for

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]


@pytest.fixture
def later(settings):
    """All files are read by the worker."""
    settings.QUOTE_SYNC_MAX_MB = 0
    return settings


@pytest.fixture
def isolated(settings):
    """Files are read in a process of their own."""
    settings.QUOTE_PARSE_ISOLATED = True
    settings.QUOTE_PARSE_PROCESSES = 1
    yield settings
    close_pools()


class Statements:
    """Collects what is told of a quote while it is read."""

    def __init__(self) -> None:
        self.told: list[tuple[int, str]] = []

    def __call__(self, execute, sql, params, many, context):
        answer = execute(sql, params, many, context)
        if sql.startswith("UPDATE") and "progress_percent" in sql and "version" not in sql:
            texts = [value for value in params if isinstance(value, str)]
            numbers = [value for value in params if isinstance(value, int)]
            self.told.append((numbers[0], texts[0]))
        return answer


def test_progress_is_told_file_by_file_and_gone_at_the_end(later):
    quote = quoted(files=[bracket(), cube(20, "a.3mf"), cube(30, "b.3mf")])
    assert (quote.progress_percent, quote.processing_note) == (0, READING)
    statements = Statements()
    with connection.execute_wrapper(statements):
        outbox.drain()
    assert [note for _, note in statements.told] == [
        "Reading bracket.3mf, 1 of 3",
        "Reading a.3mf, 2 of 3",
        "Reading b.3mf, 3 of 3",
        "Working out the price",
    ]
    percents = [percent for percent, _ in statements.told]
    assert percents[0] == 0
    assert percents == sorted(percents)
    assert percents[-1] == 90
    quote.refresh_from_db()
    assert (quote.status, quote.progress_percent, quote.processing_note) == ("approved", None, "")


def test_what_a_dead_worker_had_read_is_not_read_again_and_nothing_is_doubled(later, uploads):
    quote = quoted(files=[bracket(), cube()])
    first, second = quote.files.order_by("pk")
    write_analysis(
        first,
        read_file(uploads / first.file.name, file_name="bracket.3mf", sha256=first.sha256),
        actor=system_actor(),
    )
    # Were it read again, it would be missed.
    first.refresh_from_db()
    (uploads / first.file.name).unlink()
    outbox.drain()
    quote.refresh_from_db()
    assert (quote.status, quote.processing_note) == ("approved", "")
    assert list(quote.parts.values_list("file_id", flat=True)) == [first.pk, second.pk]
    again = (quote.version, quote.unit_price)
    quotes.read_uploaded_quote(quote.pk, actor=system_actor())
    quote.refresh_from_db()
    assert (quote.version, quote.unit_price) == again
    assert QuotePart.objects.count() == 2


def test_a_file_that_is_gone_leaves_a_draft_that_says_so(later, uploads):
    quote = quoted(files=[bracket(), cube()])
    (uploads / quote.files.earliest("pk").file.name).unlink()
    outbox.drain()
    quote.refresh_from_db()
    assert (quote.status, quote.unit_price, quote.progress_percent) == ("draft", None, None)
    assert quote.processing_note.startswith("bracket.3mf: A file of this quote cannot be found.")


def test_wishes_may_change_while_the_files_are_read_but_nothing_is_submitted(later):
    buyer = member()
    quote = quoted(buyer)
    quotes.update_quote(quote, quantity=7, actor=buyer.user)
    assert (quote.processing_note, quote.progress_percent, quote.estimate_detail) == (READING, 0, {})
    with pytest.raises(NotPriced):
        quotes.submit_quote(quote, actor=buyer.user)
    outbox.drain()
    quote.refresh_from_db()
    assert (quote.status, quote.quantity) == ("approved", 7)
    assert quote.subtotal == quote.unit_price * 7


def test_a_quote_that_was_cancelled_meanwhile_is_left_alone(later):
    buyer = member()
    quote = quoted(buyer)
    quotes.cancel_quote(quote, actor=buyer.user)
    outbox.drain()
    quote.refresh_from_db()
    assert (quote.status, quote.unit_price) == ("cancelled", None)
    assert not quote.files.get().is_read


def test_the_mesh_for_the_browser_and_the_picture_are_kept_with_the_file(uploads):
    row = quoted().files.get()
    assert (uploads / row.viewer_mesh.name).read_bytes()[:4] == b"glTF"
    assert (uploads / row.thumbnail.name).read_bytes()[:4] == b"\x89PNG"


def test_the_same_file_again_is_not_read_again(uploads):
    one = quoted()
    row = one.files.get()
    # The second reading has nothing to read: what it answers comes from the memory of the first.
    gone = uploads / "gone.3mf"
    answer = read_file(gone, file_name="other-name.3mf", sha256=row.sha256)
    assert answer.as_dict() == row.geometry
    assert answer.thumbnail_png == (uploads / row.thumbnail.name).read_bytes()
    with pytest.raises(FileNotFoundError):
        read_file(gone, file_name="other-name.3mf", sha256=row.sha256, unit="inch")
    with pytest.raises(FileNotFoundError):
        read_file(gone, file_name="other-name.3mf", sha256="0" * 64)
    assert len(code_version()) == 64


def test_a_quote_is_read_in_a_process_of_its_own(isolated):
    here = quoted(files=[cube()])
    assert here.unit_price > 0
    assert here.files.get().thumbnail


def test_a_file_that_is_too_hard_to_read_is_refused_and_the_next_one_quoted(isolated):
    isolated.QUOTE_PARSE_MAX_SECONDS = 0.001
    buyer = member()
    with pytest.raises(Exception, match="longer than") as caught:
        quotes.create_quote(request_for(buyer, files=[cube()]), actor=buyer.user)
    assert caught.value.details["files"][0]["kind"] == "FILE_TOO_HARD"
    assert (Quote.objects.count(), QuoteFile.objects.count()) == (0, 0)
    asked = quoted(buyer, files=[cube()], is_for_engineer=True)
    assert (asked.status, asked.unit_price, asked.files.get().is_read) == ("pending", None, False)
    isolated.QUOTE_PARSE_MAX_SECONDS = 60
    assert quoted(buyer, files=[cube()]).unit_price > 0


class SlowEstimator(GeometricEstimator):
    """The built-in estimate, with its calls counted and whether a transaction was open; nobody waits for it."""

    is_slow = True
    calls: list[bool] = []

    def estimate(self, analysis, settings, source=None):
        self.calls.append(connection.in_atomic_block)
        return super().estimate(analysis, settings, source)


@pytest.mark.django_db(transaction=True)
def test_a_slow_estimator_is_asked_by_the_worker_once_and_outside_of_any_transaction(settings):
    settings.ESTIMATORS = ["quotes.tests.test_processing.SlowEstimator"]
    SlowEstimator.calls.clear()
    quote = quoted(files=[cube()])
    assert (quote.status, quote.processing_note, SlowEstimator.calls) == ("draft", READING, [])
    outbox.drain()
    quote.refresh_from_db()
    assert (quote.status, SlowEstimator.calls) == ("approved", [False])


@pytest.mark.django_db(transaction=True)
def test_a_slow_estimator_is_asked_outside_of_any_transaction_when_wishes_change(settings):
    settings.ESTIMATORS = ["quotes.tests.test_processing.SlowEstimator"]
    buyer = member()
    quote = quotes.create_quote(request_for(buyer, files=[cube()], submit=False), actor=buyer.user)
    outbox.drain()
    SlowEstimator.calls.clear()
    quote.refresh_from_db()
    changed = quotes.update_quote(quote, quantity=7, actor=buyer.user)
    assert (changed.quantity, changed.is_priced, SlowEstimator.calls) == (7, True, [False])


def test_a_request_waits_for_its_files_together_no_longer_than_for_one(isolated):
    isolated.QUOTE_PARSE_MAX_SECONDS = 0
    buyer = member()
    quote = quotes.create_quote(request_for(buyer, files=[bracket(), cube()]), actor=buyer.user)
    assert (quote.status, quote.processing_note, quote.unit_price) == ("draft", READING, None)
    isolated.QUOTE_PARSE_MAX_SECONDS = 60
    outbox.drain()
    quote.refresh_from_db()
    assert (quote.status, quote.parts.count()) == ("approved", 2)
