"""Lots: certificates of analysis, release, expiry, and what is refused."""

from __future__ import annotations

import datetime
import io
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.utils import timezone

from blb3d.core.errors import InvalidTransition, ReasonRequired
from blb3d.core.outbox import OutboxEvent
from inventory import services as inventory
from inventory.errors import CertificateMissing, UnusableCertificate, UnusableDate
from inventory.models import MaterialLot
from inventory.selectors import available
from inventory.tests.factories import MaterialFactory, receive, system_actor

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.7\n1 0 obj\n"


@pytest.fixture(autouse=True)
def storage(settings: Any, tmp_path: Path) -> None:
    """Keep files of this module apart."""
    settings.MEDIA_ROOT = str(tmp_path)


def attach(lot: MaterialLot, content: bytes = PDF, name: str = "C:\\coa\\lot 7.pdf") -> MaterialLot:
    """Upload a certificate."""
    return inventory.attach_certificate(lot, content=io.BytesIO(content), file_name=name, actor=system_actor())


def test_a_certificate_is_kept_with_who_and_when() -> None:
    lot = attach(receive(MaterialFactory(), "1"))
    assert (lot.coa_file_name, lot.coa_uploaded_by) == ("lot 7.pdf", system_actor())
    assert lot.coa_uploaded_at is not None
    with lot.coa_document_path.open("rb") as kept:
        assert kept.read() == PDF
    assert OutboxEvent.objects.filter(topic="inventory.certificate_attached").count() == 1


def test_a_second_certificate_leaves_the_first_in_storage_and_history() -> None:
    lot = attach(receive(MaterialFactory(), "1"))
    first = lot.coa_document_path.name
    attach(lot, PDF + b"corrected")
    assert lot.coa_document_path.name != first
    assert default_storage.exists(first)
    assert first in {str(row.coa_document_path) for row in lot.history.all()}
    rows = lot.history.count()
    attach(lot, PDF + b"corrected")
    assert lot.history.count() == rows


@pytest.mark.parametrize(
    "content", [b"", b"MZ\x90", b"<html>", b"GIF89a", PDF.ljust(20 * 1024 * 1024 + 1, b" ")], ids=range(5)
)
def test_what_is_no_certificate_is_refused_and_nothing_kept(content: bytes) -> None:
    lot = receive(MaterialFactory(), "1")
    with pytest.raises(UnusableCertificate):
        attach(lot, content)
    lot.refresh_from_db()
    assert not lot.coa_document_path


def test_a_lot_that_needs_a_certificate_waits_for_it_in_quarantine() -> None:
    product = MaterialFactory(requires_certificate=True)
    lot = receive(product, "1")
    assert lot.status == MaterialLot.Status.QUARANTINE
    with pytest.raises(CertificateMissing):
        inventory.release_lot(lot, actor=system_actor())
    assert available([product.pk])[product.pk] == 0
    assert MaterialLot.objects.get().status == MaterialLot.Status.QUARANTINE
    inventory.release_lot(attach(lot), actor=system_actor())
    assert available([product.pk])[product.pk] == Decimal(1)


def test_until_when_a_lot_is_good_changes_for_a_reason() -> None:
    lot = receive(MaterialFactory(), "1")
    day = timezone.now() + datetime.timedelta(days=30)
    with pytest.raises(ReasonRequired):
        inventory.change_expiry(lot, expires_at=day, reason=" ", actor=system_actor())
    inventory.change_expiry(lot, expires_at=day, reason="Vendor's letter", actor=system_actor())
    assert lot.expiration_date == day
    assert lot.history.first().history_change_reason == "Vendor's letter"
    with pytest.raises(UnusableDate):
        inventory.change_expiry(
            lot, expires_at=timezone.now() - datetime.timedelta(days=1), reason="x", actor=system_actor()
        )
    inventory.change_expiry(lot, expires_at=None, reason="Good for ever", actor=system_actor())
    assert lot.expiration_date is None
    inventory.expire_lot(lot, actor=system_actor())
    with pytest.raises(InvalidTransition):
        inventory.change_expiry(lot, expires_at=day, reason="x", actor=system_actor())
