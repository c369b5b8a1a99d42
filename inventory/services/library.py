"""The files of a product: added as revisions, released by somebody who answers for them, withdrawn."""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath
from typing import IO, Any

from django.conf import settings
from django.core.files.base import File
from django.db.models import Max
from django.utils import timezone
from django.utils.text import get_valid_filename

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.errors import InvalidTransition, InvalidValue, NotFound, ReasonRequired
from blb3d.core.outbox import emit
from blb3d.core.uploads import MEBIBYTE, OversizedFile
from blb3d.core.verbs import verb
from inventory.errors import UnusableProductFile
from inventory.models import Product, ProductFile

Kind = ProductFile.Kind

#: What each kind of file may end in.
SUFFIXES: dict[str, tuple[str, ...]] = {
    Kind.MODEL: (".3mf", ".stl", ".step", ".stp", ".obj"),
    Kind.PROFILE: (".json", ".ini", ".3mf", ".bbscfg", ".orca_printer", ".orca_filament"),
    Kind.GCODE: (".gcode.3mf", ".gcode", ".bgcode"),
    Kind.DRAWING: (".pdf", ".dxf", ".svg", ".png", ".jpg", ".jpeg"),
    Kind.INSTRUCTION: (".pdf", ".md", ".txt", ".png", ".jpg", ".jpeg"),
}
#: How files of an ending begin; the others have no sign of their own.
_SIGNS: dict[str, tuple[bytes, ...]] = {
    ".3mf": (b"PK\x03\x04",),
    ".pdf": (b"%PDF-",),
    ".png": (b"\x89PNG\r\n\x1a\n",),
    ".jpg": (b"\xff\xd8\xff",),
    ".jpeg": (b"\xff\xd8\xff",),
    ".bgcode": (b"GCDE",),
    ".step": (b"ISO-10303-21",),
    ".stp": (b"ISO-10303-21",),
}
#: Programs never stand in the library, whatever they are called.
_PROGRAMS = (b"MZ", b"\x7fELF", b"#!", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
_CHUNK = 1024 * 1024


@verb
def add_product_file(
    product: Product,
    upload: IO[bytes],
    *,
    kind: str,
    file_name: str,
    printer_model: str = "",
    note: str = "",
    actor: User,
) -> ProductFile:
    """Keep a file as the next revision of its kind and printer model; the same content again is the row that is there.

    It is not current before it is released. What a failure leaves in the storage is removed again.
    Emits ``inventory.product_file_added``.

    Raises:
        InvalidValue: there is no such kind, or G-code does not say for which printer model it is.
        UnusableProductFile: it is empty, too large, of an ending that this kind does not have, or not what it says.
    """
    if kind not in Kind.values:
        raise InvalidValue(f"A file is one of {', '.join(Kind.values)}.", details={"field": "kind"})
    printer_model = printer_model.strip()
    if kind == Kind.GCODE and not printer_model:
        raise InvalidValue("G-code is for one printer model: please name it.", details={"field": "printer_model"})
    name = PurePosixPath(file_name.replace("\\", "/")).name.strip()[:200]
    size, sha256 = _checked(upload, kind, name)
    (locked,) = lock_documents(Product.objects.filter(pk=product.pk))
    there = ProductFile.objects.filter(product=locked, kind=kind, printer_model=printer_model)
    same = there.filter(sha256=sha256, withdrawn_at__isnull=True).order_by("-revision").first()
    if same is not None:
        return same
    last = ProductFile.all_objects.filter(product=locked, kind=kind, printer_model=printer_model)
    row = ProductFile(
        product=locked,
        kind=kind,
        printer_model=printer_model,
        revision=(last.aggregate(last=Max("revision"))["last"] or 0) + 1,
        name=name,
        sha256=sha256,
        size_bytes=size,
        note=note.strip()[:500],
    )
    upload.seek(0)
    row.file.save(get_valid_filename(f"x{name}")[1:] or "file", File(upload), save=False)
    try:
        row.save()
        _tell("added", row)
    except BaseException:
        row.file.delete(save=False)
        raise
    return row


@verb
def release_product_file(file: ProductFile, *, actor: User, reason: str = "") -> ProductFile:
    """Make a revision the current one of its kind and printer model; the one before is superseded.

    A second time changes nothing. Emits ``inventory.product_file_released``.

    Raises:
        InvalidTransition: it was withdrawn, or a newer revision took its place.
    """
    row, family = _locked(file)
    if row.withdrawn_at is not None or row.superseded_at is not None:
        raise InvalidTransition(f"{row} is {row.state}: please add it as a new revision.", details={"id": row.pk})
    if row.is_current:
        return row
    newer = [other for other in family if other.revision > row.revision and other.released_at is not None]
    if newer:
        raise InvalidTransition(
            f"Revision {max(other.revision for other in newer)} was released already.", details={"id": row.pk}
        )
    for other in family:
        if other.is_current:
            other.is_current, other.superseded_at = False, timezone.now()
            other.save()
    row.is_current, row.released_at, row.released_by = True, timezone.now(), actor
    row.save()
    _tell("released", row)
    return row


@verb
def withdraw_product_file(file: ProductFile, *, actor: User, reason: str) -> ProductFile:
    """Take a revision out of use; the one before does not come back by itself. A second time changes nothing.

    Emits ``inventory.product_file_withdrawn``.

    Raises:
        ReasonRequired: no reason is given.
    """
    if not reason.strip():
        raise ReasonRequired(details={"step": "withdraw"})
    row, _ = _locked(file)
    if row.withdrawn_at is None:
        row.is_current, row.withdrawn_at = False, timezone.now()
        row.save()
        _tell("withdrawn", row)
    return row


def _checked(upload: Any, kind: str, name: str) -> tuple[int, str]:
    """Return size and SHA-256 of what is uploaded, or refuse it."""
    limit = int(settings.MAX_UPLOAD_SIZE_MB) * MEBIBYTE  # type: ignore[misc]
    if isinstance(upload, OversizedFile):
        raise UnusableProductFile(f"It is larger than {limit // MEBIBYTE} MB.", details={"size": upload.size})
    suffix = next((end for end in SUFFIXES[kind] if name.lower().endswith(end)), None)
    if suffix is None:
        raise UnusableProductFile(
            f"A {Kind(kind).label.partition(' (')[0]} ends in {', '.join(SUFFIXES[kind])}.", details={"name": name}
        )
    upload.seek(0)
    size, digest, head = 0, hashlib.sha256(), b""
    while chunk := upload.read(_CHUNK):
        head = head or chunk[:16]
        size += len(chunk)
        digest.update(chunk)
        if size > limit:
            raise UnusableProductFile(f"It is larger than {limit // MEBIBYTE} MB.", details={"size": size})
    if not size:
        raise UnusableProductFile("It is empty.", details={"name": name})
    signs = _SIGNS.get(".3mf" if suffix.endswith(".3mf") else suffix)
    if head.startswith(_PROGRAMS) or (signs and not head.startswith(signs)):
        raise UnusableProductFile(f"What is in it is no {suffix} file.", details={"name": name})
    return size, digest.hexdigest()


def _locked(file: ProductFile) -> tuple[ProductFile, list[ProductFile]]:
    """Lock a file with all revisions of its kind and printer model; return it and them."""
    rows = lock_documents(
        ProductFile.objects.filter(product=file.product_id, kind=file.kind, printer_model=file.printer_model)
    )
    found = next((row for row in rows if row.pk == file.pk), None)
    if found is None:
        raise NotFound(details={"id": file.pk})
    return found, rows


def _tell(what: str, row: ProductFile) -> None:
    emit(
        f"inventory.product_file_{what}",
        f"inventory.productfile:{row.pk}",
        id=row.pk,
        product_id=row.product_id,
        kind=row.kind,
        printer_model=row.printer_model,
        revision=row.revision,
        sha256=row.sha256,
    )
