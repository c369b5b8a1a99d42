"""What a page shows of a quote's files: the model to look at, its size, and what we saw in it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.http import FileResponse, HttpRequest
from django.urls import reverse
from django.views.decorators.http import require_GET

from blb3d.core.errors import NotFound
from blb3d.core.templatetags.blb3d_ui import plain_number
from quotes.models import Quote, QuoteFile, QuotePart
from quotes.portal.visits import quote_of
from sales.portal.base import page

_SHOWN = 6
#: Less than this share of the surface hanging over is what every round edge has.
_NOTEWORTHY = Decimal("0.02")


def file_rows(quote: Quote) -> list[dict[str, Any]]:
    """Return the files for a page: where to save, see and turn each, its size, and its unit where that is open."""
    sizes: dict[int, list[QuotePart]] = {}
    for part in quote.parts.order_by("pk"):
        sizes.setdefault(part.file_id, []).append(part)
    rows = []
    for row in quote.files.order_by("pk"):
        parts = sizes.get(row.pk, [])
        size = size_of(parts[0]) if len(parts) == 1 else ""
        rows.append(
            {
                "pk": row.pk,
                "original_filename": row.original_filename,
                "size_bytes": row.size_bytes,
                "size_mm": size,
                "url": reverse("portal:quote-file", args=[quote.pk, row.pk]),
                "thumbnail_url": reverse("portal:quote-file-preview", args=[quote.pk, row.pk]) if row.thumbnail else "",
                "mesh_url": _mesh_url(quote, row) if row.viewer_mesh else "",
                "label": f"3D view of {row.original_filename}{f', {size}' if size else ''}",
                "unit": row.geometry.get("unit", "") if row.format == "stl" else "",
            }
        )
    return rows


def _mesh_url(quote: Quote, row: QuoteFile) -> str:
    """Return where the mesh is; another address when the file was read anew, so that browsers keep no old one."""
    return f"{reverse('portal:quote-file-mesh', args=[quote.pk, row.pk])}?v={row.version}"


def size_of(part: QuotePart) -> str:
    """Return a part's size: "60 × 40 × 60 mm"."""
    sides = (part.size_x_mm, part.size_y_mm, part.size_z_mm)
    return f"{' × '.join(plain_number(round(side, 1)) for side in sides)} mm"


def saw(quote: Quote) -> tuple[list[str], list[str]]:
    """Return what we saw in the files: facts, and what needs attention."""
    facts = []
    parts = [part for part in quote.parts.order_by("pk") if part.quantity]
    for part in parts[:_SHOWN]:
        facts.append(f"{part.quantity} × {part.name}, {size_of(part)}")
    if len(parts) > _SHOWN:
        facts.append(f"and {len(parts) - _SHOWN} more parts")
    if parts and all(part.is_watertight for part in parts):
        facts.append("Closed and ready to print" if len(parts) == 1 else "All closed and ready to print")
    share = _overhang(quote)
    if share > _NOTEWORTHY:
        facts.append(f"{share * 100:.0f} % overhang: supports are added, and removed by us")
    if quote.parts_per_plate > 1:
        facts.append(f"Up to {quote.parts_per_plate} sets printed at once")
    if quote.learned_from:
        facts.append(f"Time and material corrected from {quote.learned_from} finished prints")
    warnings = list(quote.estimate_detail.get("warnings", []))
    if quote.estimate_detail.get("needs_person"):
        warnings.insert(0, quote.estimate_detail["needs_person"])
    return facts, warnings


def file_filaments(quote: Quote) -> list[dict[str, Any]]:
    """Return the filaments that the files themselves are coloured in, where these are several."""
    if not settings.ENABLE_MULTI_COLOR:  # type: ignore[misc]
        return []
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for geometry in quote.files.values_list("geometry", flat=True):
        used = {number for part in geometry.get("parts", ()) for number, _ in part.get("filament_shares", ())}
        for slot in geometry.get("filaments", ()):
            if slot["number"] in used:
                found.setdefault((slot["material_type"], slot["color_hex"]), slot)
    return list(found.values()) if len(found) > 1 else []


def _overhang(quote: Quote) -> Decimal:
    """Return the share of all surfaces that prints into the air."""
    over = total = Decimal(0)
    for geometry in quote.files.values_list("geometry", flat=True):
        for part in geometry.get("parts", ()):
            over += Decimal(part["overhang_mm2"]) * part["count"]
            total += Decimal(part["area_mm2"]) * part["count"]
    return over / total if total else Decimal(0)


@require_GET
@page
def mesh(request: HttpRequest, pk: int, file_id: int) -> FileResponse:
    """The mesh as the browser turns it, binary glTF; for whoever may see the quote."""
    row = quote_of(request, pk).files.filter(pk=file_id).first()
    if row is None or not row.viewer_mesh:
        raise NotFound
    try:
        response = FileResponse(row.viewer_mesh.open("rb"), content_type="model/gltf-binary")
    except FileNotFoundError:
        raise NotFound from None
    response["Cache-Control"] = "private, max-age=86400"
    response["X-Content-Type-Options"] = "nosniff"
    return response
