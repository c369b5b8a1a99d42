"""Customers' files in the cloud: kept, read, given out by signed links, and copied as a backup."""

from __future__ import annotations

import datetime
from urllib.parse import parse_qs, unquote, urlsplit

import httpx
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from blb3d.core import outbox
from blb3d.core.links import signed_link
from blb3d.core.outbox import EventDelivery
from blb3d.file_storages import GOOGLE, S3, backup_config, storage_config
from quotes import services as quotes
from quotes.models import QuoteFile
from quotes.tests import clouds
from quotes.tests.factories import bracket, cube, member, quoted

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials")]


@pytest.fixture(scope="module")
def emulator(tmp_path_factory):
    """Google's storage on this machine."""
    with clouds.google(tmp_path_factory.mktemp("gcs")) as address:
        yield address


@pytest.fixture(scope="module")
def moto():
    """Amazon's storage on this machine."""
    with clouds.amazon() as address:
        yield address


@pytest.fixture
def google(settings, emulator, monkeypatch):
    """Files are kept in Google's cloud."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "test")
    settings.STORAGES = {
        **settings.STORAGES,
        "default": storage_config({**clouds.VALUES, "STORAGE_BACKEND": GOOGLE}),
    }
    return settings


@pytest.fixture
def amazon(settings, moto):
    """Files are kept in Amazon's cloud."""
    values = {**clouds.VALUES, "STORAGE_BACKEND": S3, "AWS_S3_ENDPOINT_URL": moto}
    settings.STORAGES = {**settings.STORAGES, "default": storage_config(values)}
    return settings


@pytest.fixture
def backup(settings, uploads, emulator, monkeypatch):
    """Files lie on the disk and are copied into a bucket."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator)
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "test")
    settings.GCS_ENABLED = True
    settings.STORAGES = {**settings.STORAGES, "backup": backup_config(clouds.VALUES)}
    bucket = clouds.google_client(emulator).bucket(clouds.BUCKET)
    for blob in list(bucket.list_blobs()):
        blob.delete()
    return bucket


def download(quote):
    """Return the answer to the customer who saves the quote's file."""
    client = Client()
    client.force_login(quote.user)
    return client.get(reverse("portal:quote-file", args=[quote.pk, quote.files.get().pk]))


@pytest.mark.parametrize("cloud", ["google", "amazon"])
def test_a_quote_is_made_from_files_in_the_cloud(cloud, request):
    request.getfixturevalue(cloud)
    row = quoted().files.get()
    with row.file.open("rb") as content:
        assert content.read() == bracket().content
    with row.thumbnail.open("rb") as picture:
        assert picture.read(4) == b"\x89PNG"


@pytest.mark.parametrize("cloud", ["google", "amazon"])
def test_an_upload_goes_from_the_disk_to_the_cloud(cloud, request, settings):
    request.getfixturevalue(cloud)
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 0
    buyer, client = member(), Client()
    client.force_login(buyer.user)
    file = SimpleUploadedFile("bracket.3mf", bracket().content)
    assert client.post(reverse("portal:quote-new"), {"files": file}).status_code == 302
    with QuoteFile.objects.get().file.open("rb") as content:
        assert content.read() == bracket().content


@pytest.mark.parametrize("cloud", ["google", "amazon"])
def test_a_worker_reads_a_large_file_from_the_cloud(cloud, request, settings):
    request.getfixturevalue(cloud)
    settings.QUOTE_SYNC_MAX_MB = 0
    quote = quoted()
    outbox.drain()
    quote.refresh_from_db()
    assert (quote.status, quote.processing_note) == ("approved", "")


def test_a_download_from_amazons_cloud_leads_to_a_link_that_lives_a_minute(amazon):
    answer = download(quoted())
    assert (answer.status_code, answer["Cache-Control"]) == (302, "private, no-store")
    link = answer["Location"]
    assert parse_qs(urlsplit(link).query)["X-Amz-Expires"] == ["60"]
    file = httpx.get(link)
    assert file.content == bracket().content
    assert file.headers["content-disposition"] == "attachment; filename*=UTF-8''bracket.3mf"
    assert file.headers["content-type"] == "application/octet-stream"


def test_a_download_from_googles_cloud_leads_to_a_signed_link_where_the_account_can_sign(google):
    quote = quoted()
    options = {**google.STORAGES["default"]["OPTIONS"], "credentials": clouds.signing_credentials()}
    google.STORAGES = {**google.STORAGES, "default": {"BACKEND": GOOGLE, "OPTIONS": options}}
    answer = download(quote)
    assert answer.status_code == 302
    asked = parse_qs(urlsplit(answer["Location"]).query)
    assert 1 <= int(asked["X-Goog-Expires"][0]) <= 60
    assert asked["X-Goog-Signature"]
    assert asked["response-content-disposition"] == ["attachment; filename*=UTF-8''bracket.3mf"]
    assert asked["response-content-type"] == ["application/octet-stream"]
    assert quote.files.get().file.name in unquote(urlsplit(answer["Location"]).path)


def test_without_a_key_to_sign_the_file_comes_through_here(google):
    answer = download(quoted())
    assert (answer.status_code, answer["Content-Type"]) == (200, "application/octet-stream")
    assert answer["Content-Disposition"] == 'attachment; filename="bracket.3mf"'
    assert b"".join(answer.streaming_content) == bracket().content


def test_a_disk_needs_no_link(uploads):
    quote = quoted()
    row = quote.files.get()
    assert signed_link(row.file.storage, row.file.name, file_name="a.3mf") == ""
    answer = download(quote)
    assert (answer.status_code, answer["Content-Disposition"]) == (200, 'attachment; filename="bracket.3mf"')
    answer.close()


def test_a_strangers_download_leads_nowhere(amazon):
    quote = quoted()
    client = Client()
    client.force_login(member().user)
    assert client.get(reverse("portal:quote-file", args=[quote.pk, quote.files.get().pk])).status_code == 404


def test_a_stored_file_is_copied_into_the_bucket_once(backup):
    row = quoted().files.get()
    outbox.drain()
    blob = backup.get_blob(row.file.name)
    copied_at = blob.updated
    assert blob.download_as_bytes() == bracket().content
    quotes.back_up(row.pk)
    assert backup.get_blob(row.file.name).updated == copied_at
    assert [found.name for found in backup.list_blobs(prefix=row.file.name)] == [row.file.name]


def test_a_copy_that_broke_off_is_made_again(backup):
    row = quoted().files.get()
    backup.blob(row.file.name).upload_from_string(b"half")
    outbox.drain()
    assert backup.get_blob(row.file.name).download_as_bytes() == bracket().content


def test_a_bucket_that_is_not_there_is_tried_again_and_no_quote_waits_for_it(backup, settings):
    options = {**settings.STORAGES["backup"]["OPTIONS"], "bucket_name": "not-made-yet"}
    settings.STORAGES = {**settings.STORAGES, "backup": {"BACKEND": GOOGLE, "OPTIONS": options}}
    quote = quoted()
    outbox.drain()
    assert quote.status == "approved"
    delivery = EventDelivery.objects.get(handler="quotes.handlers.copy_to_bucket")
    assert (delivery.status, delivery.attempts) == ("pending", 1)
    assert "not-made-yet" in delivery.last_error or "NotFound" in delivery.last_error
    backup.client.create_bucket("not-made-yet")
    EventDelivery.objects.update(next_attempt_at=timezone.now() - datetime.timedelta(seconds=1))
    outbox.drain()
    delivery.refresh_from_db()
    assert delivery.status == "done"
    assert storages["backup"].size(quote.files.get().file.name) == len(bracket().content)


def test_a_file_that_is_gone_before_its_copy_lies_before_a_person(backup, uploads):
    row = quoted(files=[cube()]).files.get()
    (uploads / row.file.name).unlink()
    outbox.drain()
    delivery = EventDelivery.objects.get(handler="quotes.handlers.copy_to_bucket")
    assert delivery.status == "dead"
    assert "FILE_001" in delivery.last_error


def test_a_held_file_is_copied_when_it_is_released_and_not_before(backup, settings, uploads):
    settings.SCANNER_BACKEND = "quotes.tests.test_scanning.BrokenScanner"
    row = quoted().files.get()
    outbox.drain()
    assert not list(backup.list_blobs(prefix="quarantine"))
    settings.SCANNER_BACKEND = "quotes.scanners.NoScanner"
    quotes.rescan_held_files(actor=row.quote.user)
    outbox.drain()
    row.refresh_from_db()
    assert row.scan_result == "not_scanned"
    assert backup.get_blob(row.file.name) is not None


def test_without_the_switch_nothing_is_copied(backup, settings):
    settings.GCS_ENABLED = False
    row = quoted().files.get()
    outbox.drain()
    assert backup.get_blob(row.file.name) is None
    assert QuoteFile.objects.count() == 1


def test_files_of_the_same_name_never_overwrite_each_other(google):
    storage = storages["default"]
    names = [storage.save("same.txt", ContentFile(content)) for content in (b"one", b"two")]
    assert len(set(names)) == 2
