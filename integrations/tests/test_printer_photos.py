"""Pictures of plates: from a camera that answers, from a program, and from neither."""

from __future__ import annotations

import io
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from PIL import Image

from integrations.models import PrinterConnection
from integrations.printers import photos
from production.models import JobPhoto, PrinterEvent, PrintJob
from production.tests.factories import PrinterFactory, black_pla, printable, printing, queued, stock

pytestmark = pytest.mark.django_db


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (64, 48), "orange").save(out, "JPEG")
    return out.getvalue()


class Camera:
    """A camera on the network: answers what it is told to."""

    def __init__(self) -> None:
        self.status, self.kind, self.body = 200, "image/jpeg", picture()
        camera = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(camera.status)
                self.send_header("Content-Type", camera.kind)
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
                self.end_headers()
                self.wfile.write(camera.body)

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://viewer:secret@127.0.0.1:{self.server.server_address[1]}/snapshot.jpg"


@pytest.fixture
def camera() -> Iterator[Camera]:
    made = Camera()
    threading.Thread(target=made.server.serve_forever, args=(0.05,), daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def job() -> PrintJob:
    stock(black_pla())
    _, [row] = queued(printable())
    return printing(row, PrinterFactory(loaded=[black_pla()]))


def link(job: PrintJob, **values: Any) -> PrinterConnection:
    return PrinterConnection.objects.create(printer=job.printer, host="192.0.2.7", **values)


@pytest.mark.parametrize("is_failure", [False, True])
def test_a_picture_is_kept_with_the_job(job: PrintJob, camera: Camera, is_failure: bool) -> None:
    photo = photos.take(link(job, snapshot_url=camera.url), job.pk, is_failure=is_failure)
    assert photo is not None
    assert (photo.job, photo.kind, "failed" in photo.note) == (job, "camera", is_failure)
    with photo.image.open() as kept, Image.open(kept) as opened:
        assert opened.size == (64, 48)
    assert not PrinterEvent.objects.exists()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"status": 404}, "answers 404"),
        ({"status": 302}, "answers 302"),
        ({"kind": "text/html"}, "no picture"),
        ({"body": b"rubbish"}, "no picture that can be read"),
        ({"body": b"x" * (photos.MAX_BYTES + 1)}, "too large"),
    ],
)
def test_what_is_no_picture_is_one_event_and_never_tells_the_address(
    job: PrintJob, camera: Camera, values: dict[str, Any], told: str
) -> None:
    for name, value in values.items():
        setattr(camera, name, value)
    assert photos.take(link(job, snapshot_url=camera.url), job.pk, is_failure=False) is None
    event = PrinterEvent.objects.get()
    assert (event.kind, event.job) == ("photo_failed", job)
    assert told in event.text
    assert "secret" not in event.text
    assert JobPhoto.objects.count() == 0


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://127.0.0.1:9/", "http://[bad"])
def test_an_address_that_is_no_camera_is_one_event(job: PrintJob, url: str) -> None:
    assert photos.take(link(job, snapshot_url=url), job.pk, is_failure=False) is None
    assert PrinterEvent.objects.get().kind == "photo_failed"


def test_a_program_may_take_the_picture_and_is_told_which_printer(job: PrintJob, settings: Any, tmp_path: Any) -> None:
    (tmp_path / "192.0.2.7.jpg").write_bytes(picture())
    script = tmp_path / "camera.py"
    script.write_text("import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read())")
    assert not photos.is_wanted(link(job))
    settings.PRINTER_SNAPSHOT_COMMAND = f'"{sys.executable}" "{script}" "{tmp_path}/{{host}}.jpg"'
    row = PrinterConnection.objects.get()
    assert photos.is_wanted(row)
    assert photos.take(row, job.pk, is_failure=False) is not None


@pytest.mark.parametrize(
    ("program", "told"),
    [("import sys; sys.exit(3)", "ended with 3"), ("import time; time.sleep(60)", "too slow"), (None, "cannot be run")],
)
def test_a_program_that_fails_is_one_event(
    job: PrintJob, settings: Any, tmp_path: Any, program: str | None, told: str
) -> None:
    settings.PRINTER_SNAPSHOT_SECONDS = 1
    script = tmp_path / "camera.py"
    script.write_text(program or "")
    settings.PRINTER_SNAPSHOT_COMMAND = f'"{sys.executable}" "{script}"' if program else "/no/such/program"
    assert photos.take(link(job), job.pk, is_failure=False) is None
    assert told in PrinterEvent.objects.get().text
