"""Finding a reel by what a scanner or a person gives: its label, the address on its label, its RFID."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from django.db.models import Q

from inventory.models import Spool


def spool_text(scanned: str) -> str:
    """Return the label in what was scanned: the end of a label's address, or the text itself."""
    text = scanned.strip()[:500]
    if "://" in text:
        try:
            path = urlsplit(text).path.rstrip("/")
        except ValueError:  # a code that was misread
            return text
        head, mark, label = path.partition("/spools/")
        text = unquote(label if mark else head.rpartition("/")[2])
    return text


def find_spool(scanned: str) -> Spool | None:
    """Return the reel with this label, label address, RFID or reel id; capitals do not matter. None: there is none."""
    text = spool_text(scanned)
    if not text or len(text) > 60 or "\0" in text:
        return None
    found = Spool.objects.filter(Q(label__iexact=text) | Q(tag_uid__iexact=text) | Q(tray_uuid__iexact=text))
    rows = list(found.select_related("lot__product", "location").order_by("id")[:3])
    exact = [row for row in rows if row.label.lower() == text.lower()]
    return (exact or rows or [None])[0]
