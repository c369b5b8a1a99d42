"""Pictures of prints and problems: whatever a phone sends is read, turned upright and drawn anew before it is kept."""

from __future__ import annotations

import io
import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from django.core.files.base import ContentFile
from django.db import models
from PIL import Image

from blb3d.accounts.models import User
from blb3d.core.errors import InvalidValue
from blb3d.core.outbox import emit
from blb3d.core.uploads import OversizedFile
from blb3d.core.verbs import verb
from production.errors import UnusablePhoto
from production.models import JobPhoto, PrintJob

#: What phones and cameras send.
FORMATS = ("JPEG", "PNG", "WEBP")
MAX_BYTES = 20 * 1024 * 1024
MAX_PIXELS = 60_000_000
#: The longer side of what is kept, in pixels.
_SIDE = 2000
_QUALITY = 82
#: How a picture is turned upright, by what its file says of the camera (EXIF's orientation).
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@verb
def add_job_photo(
    job: PrintJob, image: IO[bytes], *, actor: User, kind: str = JobPhoto.Kind.FINISH, note: str = ""
) -> JobPhoto:
    """Keep a picture of a print; what the file said about place and device is not kept.

    Emits ``production.photo_added``.

    Raises:
        UnusablePhoto: it is no JPEG, PNG or WebP that can be read, or is too large.
        InvalidValue: there is no such kind of picture.
    """
    if kind not in JobPhoto.Kind.values:
        raise InvalidValue(f"A photo is one of {', '.join(JobPhoto.Kind.values)}.", details={"field": "kind"})
    photo = JobPhoto(job=job, kind=kind, note=note[:200], taken_by=actor)
    with stored(photo.image, clean_photo(image)):
        photo.save()
    topic = f"production.printjob:{job.pk}"
    emit("production.photo_added", topic, id=photo.pk, job_id=job.pk, number=job.code, kind=kind)
    return photo


def clean_photo(image: IO[bytes]) -> ContentFile[bytes]:
    """Return a picture as a JPEG of at most 2000 pixels a side that holds nothing but the picture.

    Raises:
        UnusablePhoto: it cannot be read, or is too large.
    """
    size = image.size if isinstance(image, OversizedFile) else _size_of(image)
    if size is not None and size > MAX_BYTES:
        raise UnusablePhoto(f"The photo is larger than {MAX_BYTES // 1024 // 1024} MB.", details={"size": size})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(image, formats=FORMATS) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise UnusablePhoto(details={"width": opened.width, "height": opened.height})
                # A phone's picture is decoded at the size that is kept.
                opened.draft("RGB", (_SIDE, _SIDE))
                turn = _turn_of(opened)
                picture = opened.convert("RGB")
    except UnusablePhoto:
        raise
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnusablePhoto("This file is no picture that can be read: JPEG, PNG or WebP.") from error
    picture.thumbnail((_SIDE, _SIDE))
    if turn is not None:
        picture = picture.transpose(turn)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY, optimize=True)
    return ContentFile(out.getvalue(), name=f"{secrets.token_hex(12)}.jpg")


def _turn_of(opened: Image.Image) -> Image.Transpose | None:
    """Return how a picture is turned upright. Only this is read of what the file says: the rest may be garbage."""
    try:
        orientation = opened.getexif().get(_ORIENTATION)
    except Exception:  # whatever a file says of its camera, its picture can be looked at
        return None
    return _TURNS.get(orientation) if isinstance(orientation, int) else None


def _size_of(image: IO[bytes]) -> int | None:
    size = getattr(image, "size", None)
    return size if isinstance(size, int) else None


@contextmanager
def stored(field: models.fields.files.FieldFile, content: ContentFile[bytes]) -> Iterator[None]:
    """Put a file into the storage for the block, which saves its row; without the row the file goes again."""
    field.save(content.name or "photo.jpg", content, save=False)
    try:
        yield
    except BaseException:
        field.storage.delete(field.name or "")
        raise
