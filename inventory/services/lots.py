"""What belongs to a lot besides its stock: its certificate of analysis, and until when it is good."""

from __future__ import annotations

import datetime
import hashlib
from pathlib import PurePath
from typing import IO

from django.core.files.base import ContentFile
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.errors import InvalidTransition, ReasonRequired
from blb3d.core.outbox import emit
from blb3d.core.uploads import MEBIBYTE, OversizedFile
from blb3d.core.verbs import verb
from inventory.errors import CertificateMissing, UnusableCertificate, UnusableDate
from inventory.models import MaterialLot

#: What a certificate is, by the bytes that it begins with.
KINDS = {".pdf": b"%PDF-", ".png": b"\x89PNG\r\n\x1a\n", ".jpg": b"\xff\xd8\xff"}
CONTENT_TYPES = {".pdf": "application/pdf", ".png": "image/png", ".jpg": "image/jpeg"}
MAX_CERTIFICATE_MB = 20


@verb
def attach_certificate(
    lot: MaterialLot, *, content: IO[bytes], file_name: str, actor: User, reason: str = ""
) -> MaterialLot:
    """Keep a lot's certificate of analysis; one that was there before stays in the storage and in the history.

    Emits ``inventory.certificate_attached``.

    Raises:
        UnusableCertificate: it is empty, too large, or no PDF, PNG or JPEG.
    """
    data = b"" if isinstance(content, OversizedFile) else content.read(MAX_CERTIFICATE_MB * MEBIBYTE + 1)
    if isinstance(content, OversizedFile) or len(data) > MAX_CERTIFICATE_MB * MEBIBYTE:
        raise UnusableCertificate(f"The file is larger than {MAX_CERTIFICATE_MB} MB.", details={"field": "content"})
    ending = next((ending for ending, start in KINDS.items() if data.startswith(start)), None)
    if ending is None:
        raise UnusableCertificate("A certificate is a PDF, a PNG or a JPEG.", details={"field": "content"})
    [row] = lock_documents(MaterialLot.objects.filter(pk=lot.pk))
    digest = hashlib.sha256(data).hexdigest()
    if digest != row.coa_sha256:
        row.coa_document_path.save(f"{row.pk}-{digest[:16]}{ending}", ContentFile(data), save=False)
        row.coa_sha256 = digest
        row.coa_file_name = PurePath(file_name.replace("\\", "/")).name.strip()[:200] or f"certificate{ending}"
        row.coa_uploaded_at, row.coa_uploaded_by = timezone.now(), actor
        try:
            row.save()
        except BaseException:
            row.coa_document_path.storage.delete(row.coa_document_path.name or "")
            raise
        emit(
            "inventory.certificate_attached",
            f"inventory.materiallot:{row.pk}",
            id=row.pk,
            number=row.lot_number,
            sha256=digest,
        )
    lot.refresh_from_db()
    return lot


@verb
def change_expiry(lot: MaterialLot, *, expires_at: datetime.datetime | None, reason: str, actor: User) -> MaterialLot:
    """Say until when a lot is good, for a reason; none: for ever. Emits ``inventory.lot_expiry_changed``.

    Raises:
        ReasonRequired: no reason is given.
        UnusableDate: it has passed already, or is before the receipt; expire the lot instead.
        InvalidTransition: the lot has expired.
    """
    if not reason.strip():
        raise ReasonRequired(details={"step": "change_expiry"})
    [row] = lock_documents(MaterialLot.objects.filter(pk=lot.pk))
    if row.status == MaterialLot.Status.EXPIRED:
        raise InvalidTransition(f"Lot {row.lot_number} has expired.", details={"status": row.status})
    if expires_at is not None and (expires_at <= timezone.now() or expires_at <= row.received_date):
        raise UnusableDate("This day has passed: expire the lot instead.", details={"field": "expires_at"})
    before = row.expiration_date
    if before != expires_at:
        row.expiration_date = expires_at
        row.save()
        emit(
            "inventory.lot_expiry_changed",
            f"inventory.materiallot:{row.pk}",
            id=row.pk,
            number=row.lot_number,
            before=before.isoformat() if before else None,
            after=expires_at.isoformat() if expires_at else None,
        )
    lot.refresh_from_db()
    return lot


def require_certificate(lot: MaterialLot) -> None:
    """Refuse to release a lot that needs a certificate and has none.

    Raises:
        CertificateMissing: it has none.
    """
    if lot.product.requires_certificate and not lot.coa_document_path:
        raise CertificateMissing(
            f"{lot.product.sku} is released with a certificate of analysis; lot {lot.lot_number} has none yet.",
            details={"lot_number": lot.lot_number},
        )
