"""What a person says about a printer that the printer cannot say itself, or says wrongly."""

from __future__ import annotations

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.errors import InvalidValue
from blb3d.core.verbs import verb
from inventory.models import Product, Spool
from production.errors import PrinterNotReady
from production.models import Printer, PrinterSlot


@verb
def load_slot(
    printer: Printer, *, tray: int, actor: User, material: Product | None = None, spool: Spool | None = None
) -> PrinterSlot:
    """Say what a slot holds: a spool, or a material without one; neither empties it.

    Raises:
        InvalidValue: the material is not a filament, or the spool holds another one.
    """
    if spool is not None:
        held = spool.lot.product
        if material is not None and material.pk != held.pk:
            raise InvalidValue(f"Spool {spool.label} holds {held.sku}.", details={"spool": spool.label})
        material = held
    if material is not None and not material.is_material:
        raise InvalidValue(f"{material.sku} cannot be printed with.", details={"sku": material.sku})
    lock_documents(Printer.objects.filter(pk=printer.pk))
    if spool is not None:
        PrinterSlot.objects.filter(spool=spool).update(spool=None)
    slot, _ = PrinterSlot.objects.update_or_create(
        printer=printer,
        tray=tray,
        defaults={
            "material": material,
            "spool": spool,
            "material_type": material.material_type if material else "",
            "color_hex": material.color_hex if material else "",
            "remain_percent": None,
        },
    )
    return slot


@verb
def clear_foreign_print(printer: Printer, *, actor: User) -> Printer:
    """Note that a person took a print that was not sent from here off the plate: the printer takes jobs again.

    Raises:
        PrinterNotReady: it is still printing.
    """
    [row] = lock_documents(Printer.objects.filter(pk=printer.pk))
    if row.state in ("PREPARE", "SLICING", "RUNNING", "PAUSE"):
        raise PrinterNotReady(f"{row.name} is still printing.", details={"state": row.state})
    if row.foreign_job:
        row.foreign_job = ""
        row.save()
    return row


@verb
def allow_commands(printer: Printer, *, actor: User) -> Printer:
    """Note that a person made a read-only printer obey again; whether it does is seen with the next job."""
    [row] = lock_documents(Printer.objects.filter(pk=printer.pk))
    if row.write_access == Printer.WriteAccess.NO:
        row.write_access = Printer.WriteAccess.UNKNOWN
        row.save()
    return row
