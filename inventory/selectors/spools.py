"""Finding reels and places by what a scanner or a person gives: a label, the address on it, an RFID."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from django.db.models import Q

from inventory.models import InventoryLocation, Spool


def spool_text(scanned: str) -> str:
    """Return the label in what was scanned: the end of a label's address, or the text itself."""
    return label_text(scanned, "spools")


def label_text(scanned: str, folder: str) -> str:
    """Return the name in what was scanned: what follows ``/folder/`` in a label's address, or the text itself."""
    text = scanned.strip()[:500]
    if "://" in text:
        try:
            path = urlsplit(text).path.rstrip("/")
        except ValueError:  # a code that was misread
            return text
        head, mark, label = path.partition(f"/{folder}/")
        text = unquote(label if mark else head.rpartition("/")[2])
    return text


def find_location(scanned: str) -> InventoryLocation | None:
    """Return the place with this code or label address; capitals do not matter. None: there is none."""
    text = label_text(scanned, "places")
    if not text or len(text) > 40 or "\0" in text:
        return None
    rows = list(InventoryLocation.objects.filter(code__iexact=text).order_by("id")[:2])
    return next((row for row in rows if row.code == text), rows[0] if rows else None)


def find_spool(scanned: str) -> Spool | None:
    """Return the reel with this label, label address, RFID or reel id; capitals do not matter. None: there is none."""
    text = spool_text(scanned)
    if not text or len(text) > 60 or "\0" in text:
        return None
    found = Spool.objects.filter(Q(label__iexact=text) | Q(tag_uid__iexact=text) | Q(tray_uuid__iexact=text))
    rows = list(found.select_related("lot__product", "location").order_by("id")[:3])
    exact = [row for row in rows if row.label.lower() == text.lower()]
    return (exact or rows or [None])[0]
