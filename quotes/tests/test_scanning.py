"""An infected file is refused and kept nowhere; a file that the scanner could not judge waits and is never read."""

from __future__ import annotations

import logging

import pytest

from blb3d.core import outbox
from blb3d.core.outbox import OutboxEvent
from integrations.scanners.tests.daemons import VIRUS, clamd, nowhere
from inventory.tests.concurrency import together
from quotes import services as quotes
from quotes.downloads import file_response
from quotes.errors import FileHeld
from quotes.modelfiles import UnusableFile
from quotes.modelfiles.make import box, write_3mf
from quotes.models import FileUploadLog, Quote, QuoteFile
from quotes.services.intake import HELD
from quotes.tasks import rescan_held_files
from quotes.tests.factories import bracket, cube, member, quoted, request, system_actor

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """A real clamd that knows one signature."""
    with clamd(tmp_path_factory.mktemp("clamd")) as url:
        yield url


@pytest.fixture
def scanned(settings, daemon):
    """Uploads are scanned by the real daemon."""
    settings.SCANNER_BACKEND = "integrations.scanners.clamd.ClamdScanner"
    settings.CLAMD_URL = daemon
    settings.SCANNER_TIMEOUT_SECONDS = 10
    return settings


@pytest.fixture
def away(scanned):
    """The scanner is configured and down."""
    scanned.CLAMD_URL = nowhere()
    return scanned


def infected(name: str = "sick.stl") -> quotes.Upload:
    """A sound ASCII STL with the signature in its name line."""
    facets = "facet normal 0 0 1\nouter loop\nvertex 0 0 0\nvertex 9 0 0\nvertex 0 9 0\nendloop\nendfacet\n"
    return quotes.Upload(name, VIRUS + facets.encode() + b"endsolid\n")


def test_without_a_scanner_a_file_is_not_scanned_and_not_called_clean():
    row = quoted().files.get()
    assert (row.scan_result, row.scanned_at) == ("not_scanned", None)
    assert FileUploadLog.objects.get().virus_scan_result == "not_scanned"


def test_a_clean_file_is_quoted_and_says_so(scanned):
    quote = quoted()
    row = quote.files.get()
    assert (quote.status, row.scan_result) == ("approved", "clean")
    assert row.scanned_at is not None
    assert FileUploadLog.objects.get().virus_scan_result == "clean"


def test_an_infected_file_is_refused_logged_audited_and_kept_nowhere(scanned, uploads, caplog):
    caplog.set_level(logging.WARNING, logger="audit")
    logging.getLogger("audit").addHandler(caplog.handler)
    buyer = member()
    try:
        with pytest.raises(UnusableFile) as caught:
            quotes.create_quote(request(buyer, files=[bracket(), infected()], ip_address="192.0.2.7"), actor=buyer.user)
    finally:
        logging.getLogger("audit").removeHandler(caplog.handler)
    assert [(row["file"], row["kind"]) for row in caught.value.details["files"]] == [("sick.stl", "FILE_INFECTED")]
    assert Quote.objects.count() == 0
    assert not [path for path in uploads.rglob("*") if path.is_file()]
    row = FileUploadLog.objects.get(filename="sick.stl")
    assert (row.accepted, row.virus_scan_result, row.file_hash) == (False, "infected", infected().digest)
    (entry,) = [record for record in caplog.records if record.message == "quotes.infected_upload"]
    assert (entry.subject, entry.result, entry.ip_address) == ("sick.stl", "Test.Signature.UNOFFICIAL", "192.0.2.7")


def test_a_file_is_held_while_the_scanner_is_down_and_never_read(away, uploads):
    quote = quoted(files=[bracket(), cube()])
    outbox.drain()
    quote.refresh_from_db()
    assert (quote.status, quote.unit_price, quote.processing_note) == ("draft", None, HELD)
    for row in quote.files.all():
        assert (row.scan_result, row.geometry, row.file.name.split("/")[0]) == ("held", {}, "quarantine")
        assert "gave no answer" in row.scan_detail
        assert (uploads / row.file.name).is_file()
    assert set(FileUploadLog.objects.values_list("virus_scan_result", "accepted")) == {("held", True)}


def test_a_held_file_is_given_to_nobody(away):
    row = quoted().files.get()
    with pytest.raises(FileHeld) as caught:
        file_response(row, actor=system_actor())
    assert (caught.value.code, caught.value.details) == ("FILE_004", {"scan_result": "held"})


def test_while_the_scanner_stays_down_everything_waits(away):
    quote = quoted()
    before = quote.files.get()
    assert rescan_held_files() == 0
    after = quote.files.get()
    assert (after.scan_result, after.file.name, after.version) == ("held", before.file.name, before.version)


def test_when_the_scanner_is_back_held_files_are_scanned_read_and_priced(
    away, daemon, uploads, django_capture_on_commit_callbacks
):
    quote = quoted(files=[bracket(), cube()])
    held = [uploads / row.file.name for row in quote.files.all()]
    away.CLAMD_URL = daemon
    with django_capture_on_commit_callbacks(execute=True):
        assert rescan_held_files() == 2
    outbox.drain()
    quote.refresh_from_db()
    assert (quote.status, quote.processing_note, quote.progress_percent) == ("approved", "", None)
    assert quote.unit_price > 0
    for row in quote.files.all():
        assert (row.scan_result, row.is_read, row.file.name.split("/")[0]) == ("clean", True, "quotes")
        assert (uploads / row.file.name).is_file()
    assert not [path for path in held if path.exists()]
    assert set(FileUploadLog.objects.values_list("virus_scan_result", flat=True)) == {"clean"}
    assert rescan_held_files() == 0


def test_a_held_file_that_turns_out_infected_is_removed_and_the_customer_told(
    away, daemon, uploads, django_capture_on_commit_callbacks
):
    quote = quoted(files=[bracket(), infected()])
    away.CLAMD_URL = daemon
    with django_capture_on_commit_callbacks(execute=True):
        assert rescan_held_files() == 2
    outbox.drain()
    quote.refresh_from_db()
    assert (quote.status, quote.unit_price) == ("draft", None)
    assert "sick.stl" in quote.processing_note
    assert "virus scanner found something" in quote.processing_note
    row = quote.files.get(original_filename="sick.stl")
    assert (row.scan_result, row.file.name, row.is_read) == ("infected", "", False)
    assert not [path for path in uploads.rglob("*sick*") if path.is_file()]
    assert FileUploadLog.objects.get(filename="sick.stl").accepted is False
    with pytest.raises(FileHeld, match="was removed"):
        file_response(row, actor=system_actor())


def test_a_file_that_the_scanner_cannot_judge_does_not_hold_up_those_behind_it(scanned, daemon):
    large = quotes.Upload("large.3mf", write_3mf([("Cube", *box(20, 20, 20))]) + b"\x00" * 1_500_000)
    first = quoted(files=[large])
    assert first.files.get().scan_result == "held"
    scanned.CLAMD_URL = nowhere()
    second = quoted()
    scanned.CLAMD_URL = daemon
    assert rescan_held_files() == 1
    assert QuoteFile.objects.get(quote=second).scan_result == "clean"
    assert "Limits.Exceeded" in QuoteFile.objects.get(quote=first).scan_detail


def test_a_draft_that_was_not_to_be_submitted_stays_one_after_the_wait(away, daemon):
    quote = quoted(submit=False)
    away.CLAMD_URL = daemon
    rescan_held_files()
    outbox.drain()
    quote.refresh_from_db()
    assert quote.status == "draft"
    assert quote.unit_price > 0


class BrokenScanner:
    """A scanner of somebody else's that keeps to nothing."""

    def scan(self, stream):
        raise RuntimeError("no license")


def test_a_scanner_that_breaks_off_holds_the_file(settings):
    settings.SCANNER_BACKEND = "quotes.tests.test_scanning.BrokenScanner"
    row = quoted().files.get()
    assert (row.scan_result, row.scan_detail) == ("held", "RuntimeError: no license")


@pytest.mark.django_db(transaction=True)
def test_two_scans_at_once_judge_a_file_once(away, daemon, shared_database, uploads):
    quote = quoted(files=[bracket(), cube()])
    away.CLAMD_URL = daemon
    answers = together(*[rescan_held_files] * 4)
    assert all(isinstance(answer, int) for answer in answers), answers
    assert OutboxEvent.objects.filter(topic="quotes.quote_uploaded").count() == 1
    assert OutboxEvent.objects.filter(topic="quotes.file_stored").count() == 2
    names = {(uploads / row.file.name).resolve() for row in quote.files.all()}
    assert {path.resolve() for path in uploads.rglob("*.3mf")} == names
    outbox.drain()
    quote.refresh_from_db()
    assert quote.status == "approved"


@pytest.mark.django_db(transaction=True)
def test_a_quote_read_by_two_workers_at_once_has_each_part_once(settings, shared_database, uploads):
    settings.QUOTE_SYNC_MAX_MB = 0
    quote = quoted(files=[bracket(), cube()])
    answers = together(*[lambda: quotes.read_uploaded_quote(quote.pk, actor=system_actor())] * 3)
    assert answers == [None] * 3
    quote.refresh_from_db()
    assert (quote.status, quote.parts.count(), quote.materials.count()) == ("approved", 2, 1)
    kept = {getattr(row, name).name for row in quote.files.all() for name in ("file", "thumbnail", "viewer_mesh")}
    assert {path.relative_to(uploads).as_posix() for path in uploads.rglob("*.*")} == kept
