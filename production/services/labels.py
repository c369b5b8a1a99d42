"""Labels of printers, whose QR code opens the machine page; those of reels, lots and places are made in inventory."""

from __future__ import annotations

from collections.abc import Sequence

from django.urls import reverse

from inventory.models import Spool
from inventory.services.labels import Label, labels_pdf, spool_label
from production.models import Printer


def printer_label(printer: Printer) -> Label:
    """Return a printer's label."""
    return Label(printer.name, [printer.model, printer.serial], reverse("floor:printer", args=[printer.serial]))


def printer_labels(printers: Sequence[Printer], *, single: bool = False) -> bytes:
    """Return labels of printers as PDF: a sheet, or with ``single`` one of 62 x 29 mm per page."""
    return labels_pdf("Printers", [printer_label(printer) for printer in printers], single=single)


def spool_labels(spools: Sequence[Spool], *, single: bool = True) -> bytes:
    """Return labels of spools as PDF; each spool brings its lot and the lot's product."""
    return labels_pdf("Spools", [spool_label(spool) for spool in spools], single=single)
