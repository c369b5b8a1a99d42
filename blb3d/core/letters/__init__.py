"""Documents on paper: PDFs with one head, one table and one foot, and a QR code that leads back to the document.

A document is a Typst file that begins with ``#import "/blb3d/core/letters/letter.typ": *`` and shows what it is given
as JSON. Everything that a customer may have written travels as data, so that none of it is read as markup.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import segno
import typst
from django.conf import settings


def letter_pdf(template: Path, data: Mapping[str, Any], *, url: str) -> bytes:
    """Return a document as PDF: a template of this system, filled with JSON; ``url`` is where its QR code leads.

    The template gets ``data`` and with it ``seller`` and ``qr``. The same data gives the same text for ever.
    """
    given = json.dumps({"seller": _seller(), "qr": qr_svg(url), **data})
    return bytes(
        typst.compile(str(template), root=str(settings.BASE_DIR), format="pdf", sys_inputs={"data": given}),
    )


def address_of(path: str) -> str:
    """Return the public address of a path of this system."""
    base: str = settings.BASE_URL  # type: ignore[misc]
    return f"{base.rstrip('/')}{path}"


def _seller() -> dict[str, Any]:
    address: str = settings.COMPANY_ADDRESS  # type: ignore[misc]
    return {
        "name": settings.COMPANY_NAME,  # type: ignore[misc]
        "address": [part.strip() for part in address.split("|") if part.strip()],
    }


def qr_svg(url: str) -> str:
    """Return a QR code that leads to an address, as SVG."""
    qr = io.BytesIO()
    segno.make(url, error="m").save(qr, kind="svg", border=0, xmldecl=False, svgns=True)
    return qr.getvalue().decode()
