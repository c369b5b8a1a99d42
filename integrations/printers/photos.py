"""A picture of the plate when a job ends: from the camera's address, or from a program that writes one.

A picture is worth a try and nothing more: whatever keeps it from being taken is one event at the printer.
"""

from __future__ import annotations

import io
import logging
import shlex
import subprocess
import time

import httpx
from django.conf import settings
from django.utils import timezone

from blb3d.core.errors import BLB3DError
from integrations.models import PrinterConnection
from integrations.printers.books import listener
from production import services as production
from production.models import JobPhoto, PrinterEvent, PrintJob

log = logging.getLogger(__name__)

MAX_BYTES = 20_000_000
_CHUNK = 64 * 1024


class NoPicture(Exception):
    """Why there is none, in words for people; never holds the address, which may contain a password."""


def is_wanted(link: PrinterConnection) -> bool:
    """Tell whether pictures of this printer can be taken."""
    return bool(link.snapshot_url or settings.PRINTER_SNAPSHOT_COMMAND)


def take(link: PrinterConnection, job_id: int, *, is_failure: bool) -> JobPhoto | None:
    """Take a picture and keep it with the job; None, and an event, where that failed. Runs in a worker thread."""
    try:
        content = _from_address(link.snapshot_url) if link.snapshot_url else _from_program(link)
        job = PrintJob.objects.get(pk=job_id)
        note = "When the job failed" if is_failure else "When the job was finished"
        image = io.BytesIO(content)
        return production.add_job_photo(job, image, kind=JobPhoto.Kind.CAMERA, note=note, actor=listener())
    except (NoPicture, BLB3DError) as problem:
        why = problem.message if isinstance(problem, BLB3DError) else str(problem)
    except Exception:
        log.exception("printer %s: a picture could not be kept", link.printer.serial)
        why = "It could not be kept"
    log.warning("printer %s: no picture: %s", link.printer.serial, why)
    PrinterEvent.objects.create(
        printer=link.printer,
        job_id=job_id,
        at=timezone.now(),
        kind="photo_failed",
        text=f"No picture: {why}"[:300],
        key=f"photo {job_id} {time.time_ns()}",
    )
    return None


def _from_address(url: str) -> bytes:
    """Return what the camera answers, as far as it is a picture of a sensible size that comes in time."""
    if not url.startswith(("http://", "https://")):
        raise NoPicture("its address is neither http nor https")
    deadline = time.monotonic() + settings.PRINTER_SNAPSHOT_SECONDS
    content = bytearray()
    try:
        with httpx.stream("GET", url, timeout=settings.PRINTER_SNAPSHOT_SECONDS, follow_redirects=False) as answer:
            if answer.status_code != 200:
                raise NoPicture(f"the camera answers {answer.status_code}")
            if not answer.headers.get("content-type", "").lower().startswith("image/"):
                raise NoPicture("the camera answers something that is no picture")
            for chunk in answer.iter_bytes(_CHUNK):
                content += chunk
                if len(content) > MAX_BYTES:
                    raise NoPicture("the picture is too large")
                if time.monotonic() > deadline:
                    raise NoPicture("the camera is too slow")
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        raise NoPicture(f"the camera does not answer ({type(problem).__name__})") from problem
    return bytes(content)


def _from_program(link: PrinterConnection) -> bytes:
    """Return what the configured program writes; no shell reads its words."""
    words = shlex.split(settings.PRINTER_SNAPSHOT_COMMAND)
    command = [word.replace("{serial}", link.printer.serial).replace("{host}", link.host) for word in words]
    try:
        done = subprocess.run(  # noqa: S603 - the program of the settings, without a shell
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=settings.PRINTER_SNAPSHOT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as problem:
        raise NoPicture("the program is too slow") from problem
    except OSError as problem:
        raise NoPicture(f"the program cannot be run ({problem.strerror})") from problem
    if done.returncode:
        raise NoPicture(f"the program ended with {done.returncode}")
    if len(done.stdout) > MAX_BYTES:
        raise NoPicture("the picture is too large")
    return done.stdout
