"""Uploads stream in with a limit, are looked at by name and content, and never lie in memory as a whole."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile, TemporaryUploadedFile
from django.test import Client, RequestFactory
from django.urls import reverse
from rest_framework.test import APIClient

from blb3d.core.uploads import OversizedFile
from quotes import services as quotes
from quotes.models import FileUploadLog, Quote
from quotes.tests.factories import bracket, member

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]


@pytest.fixture
def temporary(settings, tmp_path) -> Path:
    """A folder for the web framework's temporary files; everything is put there."""
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 0
    settings.FILE_UPLOAD_TEMP_DIR = tmp_path / "incoming"
    settings.FILE_UPLOAD_TEMP_DIR.mkdir()
    return settings.FILE_UPLOAD_TEMP_DIR


@pytest.fixture
def sent():
    """Return files as the web framework receives them."""
    requests = []

    def send(*files):
        uploads = [SimpleUploadedFile(name, content) for name, content in files]
        requests.append(RequestFactory().post("/", {"files": uploads}))
        return requests[-1].FILES.getlist("files")

    yield send
    for request in requests:
        request.close()


def test_a_file_on_the_disk_is_read_and_stored_from_there(temporary, uploads, sent):
    files = sent(("bracket.3mf", bracket().content))
    assert isinstance(files[0], TemporaryUploadedFile)
    (upload,) = quotes.Upload.of(files)
    assert (upload.digest, upload.byte_count) == (bracket().digest, len(bracket().content))
    assert isinstance(upload.source, Path)
    buyer = member()
    wanted = quotes.QuoteRequest(files=[upload], material_type="PLA", quantity=1, user=buyer.user,
                                 customer=buyer.customer)  # fmt: skip
    quote = quotes.create_quote(wanted, actor=buyer.user)
    assert (uploads / quote.files.get().file.name).read_bytes() == bracket().content


def test_what_goes_over_the_limit_is_hashed_and_kept_nowhere(settings, temporary, sent):
    settings.MAX_UPLOAD_SIZE_MB = 1
    content = b"x" * 3_000_000
    files = sent(("big.stl", content), ("bracket.3mf", bracket().content))
    assert isinstance(files[0], OversizedFile)
    assert sum(path.stat().st_size for path in temporary.iterdir()) <= 1024 * 1024 + len(bracket().content)
    big, small = quotes.Upload.of(files)
    assert (big.byte_count, big.digest) == (3_000_000, hashlib.sha256(content).hexdigest())
    assert (big.is_kept, small.is_kept, small.digest) == (False, True, bracket().digest)


def test_files_that_are_too_large_together_are_not_kept(settings, temporary, sent):
    settings.MAX_UPLOAD_SIZE_MB = 1
    files = sent(("a.stl", b"a" * 600_000), ("b.stl", b"b" * 600_000), ("c.stl", b"c" * 300_000))
    assert [upload.is_kept for upload in quotes.Upload.of(files)] == [True, False, True]


@pytest.mark.parametrize("in_memory", [0, 10_000_000])
def test_a_file_over_the_limit_is_refused_in_the_portal_and_logged(settings, in_memory):
    settings.MAX_UPLOAD_SIZE_MB = 1
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = in_memory
    buyer = member()
    client = Client()
    client.force_login(buyer.user)
    files = SimpleUploadedFile("big.stl", b"y" * 2_000_000)
    answer = client.post(reverse("portal:quote-new"), {"files": files})
    assert answer.status_code == 422
    assert "larger than 1 MB" in answer.content.decode()
    row = FileUploadLog.objects.get()
    assert (row.file_size_bytes, row.accepted) == (2_000_000, False)
    assert row.file_hash == hashlib.sha256(b"y" * 2_000_000).hexdigest()
    assert Quote.objects.count() == 0


def test_a_file_over_the_limit_is_refused_by_the_api_and_logged(settings):
    settings.MAX_UPLOAD_SIZE_MB = 1
    client = APIClient()
    client.force_authenticate(member().user)
    files = SimpleUploadedFile("big.stl", b"y" * 2_000_000)
    answer = client.post(
        "/api/v1/quotes", {"files": files, "material_type": "PLA", "quantity": "1"}, format="multipart"
    )
    assert (answer.status_code, answer.json()["error_code"]) == (400, "QUOTE_001")
    assert answer.json()["details"]["files"][0]["kind"] == "FILE_TOO_LARGE"
    assert FileUploadLog.objects.get().file_size_bytes == 2_000_000


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("part.stl", b"MZ\x90\x00" + b"\x00" * 200),
        ("part.stl", b"\x7fELF" + b"\x00" * 200),
        ("part.step", b"%PDF-1.7"),
        ("part.stl", b"PK\x03\x04" + b"\x00" * 200),
        ("part.3mf", b"MZ\x90\x00"),
        ("part.3mf", b"solid cube"),
    ],
)
def test_a_renamed_file_is_refused_by_its_first_bytes_even_when_it_is_read_later(settings, name, content, uploads):
    settings.QUOTE_SYNC_MAX_MB = 0
    buyer = member()
    wanted = quotes.QuoteRequest(files=[quotes.Upload(name, content)], material_type="PLA", quantity=1,
                                 user=buyer.user, customer=buyer.customer)  # fmt: skip
    with pytest.raises(Exception, match="content is not") as caught:
        quotes.create_quote(wanted, actor=buyer.user)
    assert caught.value.details["files"][0]["kind"] == "FILE_FORMAT"
    assert not list(uploads.rglob("*.*"))
