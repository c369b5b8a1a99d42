"""Labels with QR codes: on printers, whose code opens the machine page, and on spools."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.urls import reverse

from blb3d.core.letters import address_of, letter_pdf, qr_svg
from inventory.models import Spool
from production.models import Printer

_TEMPLATE = Path(__file__).resolve().parent.parent / "documents" / "labels.typ"


def printer_labels(printers: Sequence[Printer], *, single: bool = False) -> bytes:
    """Return labels of printers as PDF: a sheet, or with ``single`` one of 62 x 29 mm per page."""
    rows = [
        {
            "title": printer.name,
            "lines": [printer.model, printer.serial],
            "url": address_of(reverse("floor:printer", args=[printer.serial])),
        }
        for printer in printers
    ]
    return _labels("Printers", rows, single=single)


def spool_labels(spools: Sequence[Spool], *, single: bool = True) -> bytes:
    """Return labels of spools as PDF; each spool brings its lot and the lot's product."""
    rows = [
        {
            "title": spool.label,
            "lines": [
                " ".join(filter(None, (spool.lot.product.material_type, spool.lot.product.color_name))),
                f"lot {spool.lot.lot_number}",
                f"empty reel {spool.tare_grams.normalize():f} g" if spool.tare_grams else "",
            ],
            "url": address_of(reverse("floor:spool", args=[spool.label])),
        }
        for spool in spools
    ]
    return _labels("Spools", rows, single=single)


def _labels(title: str, rows: Sequence[dict[str, Any]], *, single: bool) -> bytes:
    labels = [
        {"title": row["title"], "lines": [line for line in row["lines"] if line], "qr": qr_svg(row["url"])}
        for row in rows
    ]
    data = {"title": title, "labels": labels, "single": single}
    return letter_pdf(_TEMPLATE, data, url=address_of(reverse("floor:board")))
