"""Labels with QR codes for reels, lots and places: as PDF, and as ZPL for label printers; 62 x 29 mm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import segno
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.letters import address_of, letter_pdf, qr_svg
from blb3d.core.verbs import verb
from inventory.models import InventoryLocation, MaterialLot, Spool

#: On one PDF or in one file for a label printer.
MAX_LABELS = 300

_TEMPLATE = Path(__file__).resolve().parent.parent / "documents" / "labels.typ"

#: A label printer of 203 dpi has 8 dots to the millimetre.
_DOTS = 8
_WIDTH, _HEIGHT = 62 * _DOTS, 29 * _DOTS
_MARGIN = 2 * _DOTS
_QR = 25 * _DOTS
_TEXT_LEFT = _MARGIN + _QR + _MARGIN
_TEXT_WIDTH = _WIDTH - _TEXT_LEFT - _MARGIN
_TITLE, _LINE = 44, 24
#: A letter of the printer's own font is about so wide, in its height.
_LETTER = 0.55
_SMALLEST = 14
#: What ZPL would read as its own, besides what is no plain letter.
_ZPL_OWN = {"^", "~", "\\", "_"}


@dataclass(frozen=True)
class Label:
    """What stands on a label: a title, lines below it, and where its QR code leads."""

    title: str
    lines: Sequence[str]
    path: str

    @property
    def url(self) -> str:
        """Return the address in the QR code."""
        return address_of(self.path)


def spool_label(spool: Spool) -> Label:
    """Return a reel's label; the reel brings its lot and the lot's product."""
    product = spool.lot.product
    return Label(
        spool.label,
        [
            " ".join(filter(None, (product.material_type, product.color_name))),
            f"lot {spool.lot.lot_number}",
            f"empty reel {spool.tare_grams.normalize():f} g" if spool.tare_grams else "",
        ],
        reverse("floor:spool", args=[spool.label]),
    )


def lot_label(lot: MaterialLot) -> Label:
    """Return a lot's label; the lot brings its product."""
    return Label(
        lot.lot_number,
        [
            lot.product.name,
            f"vendor's lot {lot.vendor_lot_number}" if lot.vendor_lot_number else "",
            f"received {timezone.localtime(lot.received_date):%Y-%m-%d}",
            f"good until {timezone.localtime(lot.expiration_date):%Y-%m-%d}" if lot.expiration_date else "",
        ],
        reverse("floor:lot", args=[lot.lot_number]),
    )


def location_label(location: InventoryLocation) -> Label:
    """Return a place's label."""
    return Label(location.code, [location.name], reverse("floor:place", args=[location.code]))


def labels_pdf(title: str, labels: Sequence[Label], *, single: bool = True) -> bytes:
    """Return labels as PDF: one of 62 x 29 mm per page, or else on sheets."""
    rows = [
        {"title": row.title, "lines": [line for line in row.lines if line], "qr": qr_svg(row.url)} for row in labels
    ]
    data = {"title": title, "labels": rows, "single": single}
    return letter_pdf(_TEMPLATE, data, url=address_of(reverse("floor:board")))


def labels_zpl(labels: Sequence[Label]) -> str:
    """Return labels as ZPL II for a printer of 203 dpi, one after the other; plain ASCII."""
    return "".join(_zpl(row) for row in labels)


def _zpl(label: Label) -> str:
    lines = [line for line in label.lines if line]
    fields = [
        "^XA",
        "^CI28",
        f"^PW{_WIDTH}^LL{_HEIGHT}^LH0,0",
        # Error correction M, any characters; the printer chooses the smallest code that holds them.
        f"^FO{_MARGIN},{_MARGIN}^BQN,2,{_magnification(label.url)}^FH_^FDMA,{zpl_text(label.url)}^FS",
    ]
    top = _MARGIN
    for index, text in enumerate([label.title, *lines]):
        height = _fitting(text, _LINE if index else _TITLE)
        fields.append(f"^FO{_TEXT_LEFT},{top}^A0N,{height},{height}^FB{_TEXT_WIDTH},1,0,L,0^FH_^FD{zpl_text(text)}^FS")
        top += (_LINE if index else _TITLE) + 8
    return "\n".join([*fields, "^XZ", ""])


def zpl_text(text: str) -> str:
    """Return text for a field with ``^FH_``: whatever is not a plain letter as the hex of its UTF-8 bytes."""
    plain = " ".join(text.split())
    return "".join(
        letter
        if letter.isascii() and letter.isprintable() and letter not in _ZPL_OWN
        else "".join(f"_{byte:02X}" for byte in letter.encode())
        for letter in plain
    )


def _magnification(url: str) -> int:
    modules = int(segno.make(url, error="m", boost_error=False, micro=False).symbol_size(border=0)[0])
    return max(1, min(10, _QR // modules))


def _fitting(text: str, height: int) -> int:
    """Return the height at which a text fits into one line."""
    return max(_SMALLEST, min(height, int(_TEXT_WIDTH / (_LETTER * max(len(text), 1)))))


@verb
def note_labelled(rows: QuerySet[Spool] | QuerySet[MaterialLot], *, actor: User) -> int:
    """Note that labels of reels or lots were printed now; return how many. A mark, which no history needs."""
    return rows.update(labelled_at=timezone.now())
