"""What came: uploads are looked at from outside, scanned for viruses, and logged in any case, refused ones too."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from django.conf import settings
from django.core.files.uploadedfile import TemporaryUploadedFile, UploadedFile
from django.db import transaction
from django.utils.module_loading import import_string

from blb3d.accounts.models import PortalSession, User
from blb3d.core.uploads import OversizedFile
from quotes.modelfiles import UnusableFile
from quotes.modelfiles.errors import FileTooLarge, UnknownFormat
from quotes.modelfiles.limits import MEBIBYTE
from quotes.models import FileUploadLog
from quotes.ports import Scan, Scanner

log = logging.getLogger(__name__)
audit = logging.getLogger("audit")

MAX_FILES = 20
MIME_TYPES = {
    "3mf": "model/3mf",
    "stl": "model/stl",
    "step": "model/step",
    "stp": "model/step",
    "gcode": "text/x.gcode",
}
#: What a file begins with that only pretends to be a model: programs, documents, pictures, other archives.
_FOREIGN = (
    b"MZ",
    b"\x7fELF",
    b"%PDF",
    b"\x89PNG",
    b"\xff\xd8\xff",
    b"GIF8",
    b"#!",
    b"Rar!",
    b"7z\xbc\xaf",
    b"\x1f\x8b",
)
_ZIP = b"PK\x03\x04"
_HEAD = 1024


class FilesRefused(UnusableFile):
    """At least one of the files cannot be used; ``details["files"]`` says which and why."""

    kind = "FILES_REFUSED"


class DuplicateFile(UnusableFile):
    """The same file was sent twice in one request."""

    kind = "FILE_DUPLICATE"


class InfectedFile(UnusableFile):
    """The virus scanner found something in the file, which is not kept."""

    kind = "FILE_INFECTED"


@dataclass(frozen=True)
class Upload:
    """A file as it came: in memory, or as the web framework put it down on the disk.

    ``size`` and ``sha256`` tell what came even where ``content`` was not kept, because there was too much.
    """

    name: str
    content: bytes | UploadedFile = field(default=b"", repr=False)
    content_type: str = ""
    size: int = -1
    sha256: str = ""

    @classmethod
    def of(cls, files: Sequence[UploadedFile]) -> list[Upload]:
        """Take uploads of the web framework, reading them in chunks; too much, alone or together, is not kept."""
        uploads, room = [], max_bytes()
        for file in files:
            name, kind = file.name or "", file.content_type or ""
            if isinstance(file, OversizedFile):
                uploads.append(cls(name, b"", kind, file.size or 0, file.sha256))
                continue
            digest, size = hashlib.sha256(), 0
            for chunk in file.chunks():
                digest.update(chunk)
                size += len(chunk)
            is_kept = size <= room
            room -= size if is_kept else 0
            uploads.append(cls(name, file if is_kept else b"", kind, size, digest.hexdigest()))
        return uploads

    @property
    def byte_count(self) -> int:
        """Bytes that came."""
        return len(self.content) if self.size < 0 else self.size

    @property
    def digest(self) -> str:
        """SHA-256 of what came."""
        if not self.sha256 and isinstance(self.content, bytes):
            return hashlib.sha256(self.content).hexdigest()
        return self.sha256

    @property
    def is_kept(self) -> bool:
        """False when there was too much of it."""
        return not isinstance(self.content, bytes) or len(self.content) == self.byte_count

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """Give what came as a stream, from its beginning."""
        if isinstance(self.content, bytes):
            yield io.BytesIO(self.content)
        else:
            self.content.seek(0)
            yield self.content  # type: ignore[misc]

    @property
    def source(self) -> bytes | Path:
        """What a reader takes: the file's path where it lies on the disk, else its bytes."""
        if isinstance(self.content, TemporaryUploadedFile):
            return Path(self.content.temporary_file_path())
        with self.opened() as stream:
            return stream.read()

    @property
    def plain_name(self) -> str:
        """The name without any folder or sign that cannot be shown."""
        name = PurePosixPath(self.name.replace("\\", "/")).name
        return "".join(sign for sign in name if sign.isprintable()).strip()[:255] or "model"

    @property
    def extension(self) -> str:
        """The name's ending, lower case: ``.3mf``."""
        return PurePosixPath(self.plain_name.lower()).suffix


def max_bytes() -> int:
    """Return how many bytes the files of one request may have, alone or together."""
    return int(settings.MAX_UPLOAD_SIZE_MB) * MEBIBYTE  # type: ignore[misc]


def look_from_outside(uploads: Sequence[Upload]) -> list[UnusableFile | None]:
    """Return for each upload why it is refused by its name, size or first bytes, or None."""
    refusals: list[UnusableFile | None] = []
    seen: set[str] = set()
    for upload in uploads:
        try:
            _look(upload, seen)
        except UnusableFile as error:
            refusals.append(error)
        else:
            refusals.append(None)
    return refusals


def _look(upload: Upload, seen: set[str]) -> None:
    if upload.extension not in settings.ALLOWED_FILE_EXTENSIONS:  # type: ignore[misc]
        known = ", ".join(ending.lstrip(".").upper() for ending in settings.ALLOWED_FILE_EXTENSIONS)  # type: ignore[misc]
        raise UnknownFormat(f"Only {known} files can be quoted.")
    if upload.byte_count > max_bytes():
        raise FileTooLarge(f"It is larger than {settings.MAX_UPLOAD_SIZE_MB} MB.")  # type: ignore[misc]
    if not upload.is_kept:
        raise FileTooLarge(f"The files are together larger than {settings.MAX_UPLOAD_SIZE_MB} MB.")  # type: ignore[misc]
    if upload.digest in seen:
        raise DuplicateFile("It was sent twice. Ask for a higher quantity instead.")
    seen.add(upload.digest)
    with upload.opened() as stream:
        head = stream.read(_HEAD)
    said = upload.extension.lstrip(".").upper()
    if head.startswith(_FOREIGN) or head.startswith(_ZIP) != (upload.extension == ".3mf"):
        raise UnknownFormat(f"Its name says {said}, but its content is not {said}.")


def scan(stream: IO[bytes]) -> Scan:
    """Ask the virus scanner of this installation; one that breaks off holds the file back."""
    scanner: Scanner = import_string(settings.SCANNER_BACKEND)()  # type: ignore[misc]
    try:
        return scanner.scan(stream)
    except Exception as error:
        log.exception("the virus scanner broke off")
        return Scan("held", f"{type(error).__name__}: {error}"[:200], is_away=True)


def tell_infection(file_name: str, sha256: str, result: Scan, *, actor: User | None, ip_address: str = "") -> None:
    """Write a found virus into the audit log."""
    audit.warning(
        "quotes.infected_upload",
        extra={
            "event": "quotes.infected_upload",
            "actor_id": actor.pk if actor is not None else None,
            "actor": actor.email if actor is not None else "",
            "subject": file_name,
            "result": result.detail,
            "reason": sha256,
            "ip_address": ip_address,
        },
    )


def log_uploads(
    uploads: Sequence[Upload],
    refusals: Sequence[str],
    scans: Sequence[Scan],
    *,
    user: User | None,
    visit: PortalSession | None,
    ip_address: str,
) -> list[int]:
    """Write one row per upload, by itself, so that it stays whatever becomes of the request; return the rows' keys."""
    with transaction.atomic(durable=True):
        rows = [
            FileUploadLog(
                session_id=visit.session_id if visit is not None else "",
                user=user,
                ip_address=ip_address[:50],
                filename=upload.plain_name,
                file_hash=upload.digest,
                file_size_bytes=upload.byte_count,
                mime_type=upload.content_type[:100],
                virus_scan_result=result.result,
                accepted=not refusal,
                refusal=refusal[:300],
            )
            for upload, refusal, result in zip(uploads, refusals, scans, strict=True)
        ]
        for row in rows:
            row.save()
    return [row.pk for row in rows]
