"""Putting customers' files away: what is written to the storage goes again when its transaction fails."""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path, PurePosixPath

from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage
from django.db import transaction
from django.db.models import Q
from django.db.models.fields.files import FieldFile
from django.utils import timezone
from django.utils.text import get_valid_filename

from blb3d.core.outbox import emit
from quotes.modelfiles import ModelAnalysis
from quotes.models import Quote, QuoteFile, QuotePart
from quotes.ports import Scan
from quotes.services.uploads import MIME_TYPES, Upload

log = logging.getLogger(__name__)

#: Names that Windows keeps for itself are made harmless by what is put in front of every stored name.
_STORED_NAME = 80
_CM3, _MM = Decimal("0.0001"), Decimal("0.01")
Stored = list[tuple[Storage, str]]


@contextmanager
def stored() -> Iterator[Stored]:
    """Give a list for what is written to the storage; delete that again when the block fails."""
    names: Stored = []
    try:
        yield names
    except BaseException:
        for storage, name in names:
            remove(storage, name)
        raise


def remove(storage: Storage, name: str) -> None:
    """Delete a file that nothing names any more; one that stays is told in the log."""
    try:
        storage.delete(name)
    except Exception:
        log.exception("%s stays in the storage without a quote", name)


def remove_at_commit(field: FieldFile) -> None:
    """Delete a stored file when the transaction holds that takes its name away; requotes share their files."""
    transaction.on_commit(partial(_remove_unnamed, field.storage, field.name or ""))


def _remove_unnamed(storage: Storage, name: str) -> None:
    if not QuoteFile.all_objects.filter(Q(file=name) | Q(thumbnail=name) | Q(viewer_mesh=name)).exists():
        remove(storage, name)


def safe_name(name: str) -> str:
    """Return a file name that every file system takes, its ending kept."""
    path = PurePosixPath(name)
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", get_valid_filename(f"x{path.stem}")[1:]).strip("_")
    return f"{stem[:_STORED_NAME] or 'model'}{path.suffix.lower()}"


def store_file(
    quote: Quote, upload: Upload, result: Scan, analysis: ModelAnalysis | None, names: Stored, *, unit: str = ""
) -> QuoteFile:
    """Write an upload with what was seen in it as a file of the quote. Emits ``quotes.file_stored``.

    A file that waits for the scanner is kept apart from all others.
    """
    row = QuoteFile(
        quote=quote,
        original_filename=upload.plain_name,
        sha256=upload.digest,
        size_bytes=upload.byte_count,
        mime_type=MIME_TYPES.get(upload.extension.lstrip("."), "application/octet-stream"),
        unit_choice=unit,
    )
    set_scan(row, result)
    with upload.opened() as stream:
        _save(row.file, stored_name(row), File(stream), names)
    if analysis is not None:
        set_analysis(row, analysis, names)
    row.save()
    if analysis is not None:
        write_parts(row, analysis)
    if row.scan_result != QuoteFile.ScanResult.HELD:
        tell_stored(row)
    return row


def set_scan(row: QuoteFile, result: Scan) -> None:
    """Write the scanner's word onto a file's row, which is not saved."""
    row.scan_result, row.scan_detail = result.result, result.detail[:200]
    row.scanned_at = timezone.now() if result.result != "not_scanned" else None


def stored_name(row: QuoteFile) -> str:
    """Return the name below the quote's folder; what stands in front keeps apart what a file system takes for one."""
    return f"{row.sha256[:8]}-{safe_name(row.original_filename)}"


def store_again(row: QuoteFile, names: Stored) -> None:
    """Move a stored file to where its row now belongs; the row is not saved, and the old place is emptied at commit."""
    remove_at_commit(row.file)
    with row.file.storage.open(row.file.name or "", "rb") as content:
        _save(row.file, stored_name(row), content, names)


def tell_stored(row: QuoteFile) -> None:
    """Emit that a file that may be used lies in the storage."""
    emit("quotes.file_stored", f"quotes.quotefile:{row.pk}", id=row.pk)


def set_analysis(row: QuoteFile, analysis: ModelAnalysis, names: Stored) -> None:
    """Write what was seen onto a file's row, which is not saved; pictures of an earlier reading go at commit."""
    row.format = analysis.format
    row.geometry = analysis.as_dict()
    pictures = (
        (row.thumbnail, "preview.png", analysis.thumbnail_png),
        (row.viewer_mesh, "mesh.glb", analysis.viewer_mesh),
    )
    for field, ending, content in pictures:
        if field:
            remove_at_commit(field)
        field.name = ""
        if content:
            _save(field, f"{row.sha256[:8]}-{ending}", ContentFile(content), names)


def _save(field: FieldFile, name: str, content: File[bytes], names: Stored) -> None:
    field.save(name, content, save=False)
    names.append((field.storage, field.name or ""))


def write_parts(row: QuoteFile, analysis: ModelAnalysis) -> None:
    """Replace the parts of a file by those that were found; quantities of the same parts are kept."""
    kept = list(QuotePart.objects.filter(file=row).order_by("position", "pk").values_list("name", "quantity"))
    QuotePart.objects.filter(file=row).delete()
    names = [part.name[:200] for part in analysis.parts]
    counts = [part.count for part in analysis.parts]
    if [name for name, _ in kept] == names:
        counts = [quantity for _, quantity in kept]
    QuotePart.objects.bulk_create(
        QuotePart(
            quote_id=row.quote_id,
            file=row,
            position=position,
            name=part.name[:200],
            quantity=count,
            volume_cm3=(part.volume_mm3 / 1000).quantize(_CM3),
            size_x_mm=part.bbox_mm[0].quantize(_MM),
            size_y_mm=part.bbox_mm[1].quantize(_MM),
            size_z_mm=part.bbox_mm[2].quantize(_MM),
            is_watertight=part.watertight,
        )
        for position, (part, count) in enumerate(zip(analysis.parts, counts, strict=True))
    )


@contextmanager
def on_disk(file: FieldFile) -> Iterator[Path]:
    """Give a stored file as a path: its own on this machine's disk, else that of a copy for as long as the block runs.

    Raises:
        FileNotFoundError: the storage does not have it.
    """
    try:
        path = Path(file.path)
    except NotImplementedError:
        with tempfile.TemporaryDirectory(prefix="blb3d-file-") as folder:
            copy = Path(folder) / PurePosixPath(file.name or "").name
            with file.open("rb") as source, copy.open("wb") as target:
                shutil.copyfileobj(source, target)
            yield copy
    else:
        yield path
