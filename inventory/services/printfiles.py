"""Print files: stored, released by somebody who answers for them, withdrawn."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from decimal import Decimal

from django.core.files.base import ContentFile
from django.db import IntegrityError, transaction
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.errors import InvalidTransition, InvalidValue, NotFound, ReasonRequired
from blb3d.core.outbox import emit
from blb3d.core.units import positive_quantity
from blb3d.core.verbs import verb
from inventory.models import PrintFile, ProductPlate, SliceFilament


@verb
def attach_print_file(
    plate: ProductPlate,
    *,
    printer_model: str,
    content: bytes,
    file_name: str,
    minutes: Decimal,
    grams: Decimal,
    sliced_by: str,
    filaments: Sequence[SliceFilament] = (),
    layers: int = 0,
    warnings: Sequence[str] = (),
    actor: User,
) -> PrintFile:
    """Keep a sliced file of a plate for one printer model; the same content again returns the row that is there.

    ``minutes``, ``grams`` and ``filaments`` are for the full plate. The file is stored before the row; what a failure
    leaves in the storage is removed again. Nothing is printed from it before it is released.
    """
    printer_model = printer_model.strip()
    if not printer_model or not content:
        raise InvalidValue("A print file needs content and a printer model.", details={"field": "printer_model"})
    sha256 = hashlib.sha256(content).hexdigest()
    same = PrintFile.all_objects.filter(plate=plate, printer_model=printer_model, sha256=sha256)
    existing = same.first()
    if existing is not None:
        return existing
    row = PrintFile(
        plate=plate,
        printer_model=printer_model,
        sha256=sha256,
        size_bytes=len(content),
        minutes=positive_quantity(minutes, what="minutes"),
        grams=positive_quantity(grams, what="grams"),
        filaments=[filament.as_dict() for filament in filaments],
        layers=layers,
        sliced_by=sliced_by,
        warnings=list(warnings),
    )
    row.file.save(file_name, ContentFile(content), save=False)
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        row.file.delete(save=False)
        existing = same.first()
        if existing is None:
            raise
        return existing
    except BaseException:
        row.file.delete(save=False)
        raise
    return row


@verb
def ask_for_print_file(plate: ProductPlate, *, actor: User, printer_model: str = "", reason: str = "") -> ProductPlate:
    """Ask for the plate to be sliced, for one printer model or, without, for every model of the farm that it fits.

    Fact ``inventory.print_file_asked``; whoever slices listens.

    Raises:
        InvalidTransition: the plate is not printed any more.
    """
    if not plate.is_active:
        raise InvalidTransition("This plate was replaced by a newer revision.", details={"id": plate.pk})
    emit(
        "inventory.print_file_asked",
        f"inventory.productplate:{plate.pk}",
        plate_id=plate.pk,
        product_id=plate.product_id,
        printer_model=printer_model,
        reason=reason,
        asked_by_id=actor.pk,
    )
    return plate


def slice_again(print_file: PrintFile, *, actor: User, reason: str = "") -> ProductPlate:
    """Ask for another file of the same plate and printer model; raises as :func:`ask_for_print_file`."""
    return ask_for_print_file(print_file.plate, printer_model=print_file.printer_model, actor=actor, reason=reason)


@verb
def release_print_file(print_file: PrintFile, *, actor: User, reason: str = "") -> PrintFile:
    """Let a file be printed; a second time changes nothing. Fact ``inventory.print_file_released``.

    Raises:
        InvalidTransition: the file was withdrawn.
    """
    row = _locked(print_file)
    if row.withdrawn_at is not None:
        raise InvalidTransition("A withdrawn print file cannot be released.", details={"id": row.pk})
    if row.released_at is None:
        row.released_at = timezone.now()
        row.released_by = actor
        row.save()
        emit(
            "inventory.print_file_released",
            f"inventory.printfile:{row.pk}",
            id=row.pk,
            plate_id=row.plate_id,
            product_id=row.plate.product_id,
        )
    return row


@verb
def withdraw_print_file(print_file: PrintFile, *, actor: User, reason: str) -> PrintFile:
    """Keep a file from being printed again; a second time changes nothing. Fact ``inventory.print_file_withdrawn``.

    Raises:
        ReasonRequired: no reason is given.
    """
    if not reason.strip():
        raise ReasonRequired(details={"step": "withdraw"})
    row = _locked(print_file)
    if row.withdrawn_at is None:
        row.withdrawn_at = timezone.now()
        row.save()
        emit(
            "inventory.print_file_withdrawn",
            f"inventory.printfile:{row.pk}",
            id=row.pk,
            plate_id=row.plate_id,
            product_id=row.plate.product_id,
        )
    return row


def _locked(print_file: PrintFile) -> PrintFile:
    rows = lock_documents(PrintFile.objects.filter(pk=print_file.pk).select_related("plate"))
    if not rows:
        raise NotFound(details={"id": print_file.pk})
    return rows[0]
