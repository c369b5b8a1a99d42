"""How quotes are shown: plain dictionaries from one read of each table, because lists are asked often."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import serializers

from blb3d.accounts.models import User
from quotes.lifecycles import QUOTE
from quotes.models import Quote, QuoteApproval, QuoteComment, QuoteFile, QuoteMaterial, QuotePart
from quotes.services.requotes import ENDED
from sales.pricing import margin_percent

_DECIMALS = (
    "material_grams",
    "print_time_minutes",
    "unit_price",
    "subtotal",
    "tax",
    "total_price",
    "offered_unit_price",
    "target_unit_price",
    "estimate_confidence",
)
_COLUMNS = (
    "id",
    "quote_number",
    "status",
    "customer_id",
    "product_name",
    "material_type",
    "color_name",
    "color_hex",
    "quality",
    "infill_percent",
    "finish",
    "rush",
    "quantity",
    "special_instructions",
    "customer_po_number",
    "is_under_nda",
    "material_grams",
    "print_time_minutes",
    "parts_per_plate",
    "estimate_method",
    "estimate_confidence",
    "fallback_reason",
    "unit_price",
    "subtotal",
    "tax",
    "total_price",
    "currency",
    "price_breakdown",
    "offered_unit_price",
    "offer_reason",
    "target_unit_price",
    "ready_by",
    "processing_note",
    "progress_percent",
    "review_message",
    "requoted_from_id",
    "sales_order_id",
    "product_id",
    "created_at",
    "submitted_at",
    "accepted_at",
    "expires_at",
    "version",
)
_FILE_COLUMNS = ("id", "original_filename", "size_bytes", "sha256", "mime_type", "format", "scan_result")
_PART_COLUMNS = ("id", "name", "quantity", "volume_cm3", "size_x_mm", "size_y_mm", "size_z_mm", "is_watertight")


class PartShown(serializers.ModelSerializer[QuotePart]):
    """A part found in a file; sizes in mm, volume in cm3."""

    class Meta:
        model = QuotePart
        fields = _PART_COLUMNS


class FileShown(serializers.ModelSerializer[QuoteFile]):
    """A file of a quote and the parts in it."""

    file_name = serializers.CharField(source="original_filename")
    parts = PartShown(many=True)
    warnings = serializers.ListField(child=serializers.CharField(), help_text="What the customer should know of it.")

    class Meta:
        model = QuoteFile
        fields = ("id", "file_name", "size_bytes", "sha256", "mime_type", "format", "scan_result", "warnings", "parts")


class MaterialShown(serializers.ModelSerializer[QuoteMaterial]):
    """A filament, grams per set; ``sku`` once it is chosen."""

    sku = serializers.CharField(source="material.sku", default=None, allow_null=True)

    class Meta:
        model = QuoteMaterial
        fields = ("position", "material_type", "color_hex", "grams", "sku")


class ApprovalShown(serializers.ModelSerializer[QuoteApproval]):
    """A rule that the quote hit; for staff."""

    level = serializers.IntegerField(source="approval_level")
    rule = serializers.CharField(source="required_when")
    approver = serializers.CharField(source="approver.email", default=None, allow_null=True)

    class Meta:
        model = QuoteApproval
        fields = ("level", "rule", "status", "approver", "approved_date", "comments")


class CommentShown(serializers.ModelSerializer[QuoteComment]):
    """What was said about a quote; internal comments are shown to staff only."""

    by = serializers.CharField(help_text="The author's name; of staff, customers see the company's.")
    is_staff = serializers.BooleanField(help_text="Whether we said it.")

    class Meta:
        model = QuoteComment
        fields = ("id", "by", "is_staff", "text", "is_internal", "created_at")


class PriceLineShown(serializers.Serializer[Any]):
    """A line of the price."""

    key = serializers.CharField()
    label = serializers.CharField()
    amount = serializers.CharField()


class EstimateShown(serializers.Serializer[Any]):
    """Who estimated it, the half width of the interval in percent, and why better methods did not answer."""

    method = serializers.CharField(source="estimate_method")
    confidence = serializers.DecimalField(source="estimate_confidence", max_digits=6, decimal_places=2)
    fallback_reason = serializers.CharField()
    sets_per_plate = serializers.IntegerField(source="parts_per_plate")


class QuoteShown(serializers.ModelSerializer[Quote]):
    """A quote; ``material_grams`` and ``print_time_minutes`` are per set. ``cost``, ``margin_percent`` and
    ``approvals`` are for staff.
    """

    customer_id = serializers.IntegerField(allow_null=True)
    sales_order_id = serializers.IntegerField(allow_null=True)
    product_id = serializers.IntegerField(allow_null=True)
    requoted_from_id = serializers.IntegerField(allow_null=True)
    color = serializers.CharField(source="color_name")
    files = FileShown(many=True)
    materials = MaterialShown(many=True)
    price_breakdown = PriceLineShown(source="price_lines", many=True)
    estimate = EstimateShown(source="*")
    cost = serializers.DecimalField(max_digits=12, decimal_places=2, allow_null=True)
    margin_percent = serializers.DecimalField(max_digits=7, decimal_places=1, allow_null=True)
    approvals = ApprovalShown(many=True)
    available_actions = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = Quote
        fields = (
            "id",
            "quote_number",
            "status",
            "customer_id",
            "product_name",
            "material_type",
            "color",
            "color_hex",
            "quality",
            "infill_percent",
            "finish",
            "rush",
            "quantity",
            "special_instructions",
            "customer_po_number",
            "is_under_nda",
            "material_grams",
            "print_time_minutes",
            "unit_price",
            "subtotal",
            "tax",
            "total_price",
            "currency",
            "price_breakdown",
            "offered_unit_price",
            "offer_reason",
            "target_unit_price",
            "cost",
            "margin_percent",
            "ready_by",
            "estimate",
            "files",
            "materials",
            "processing_note",
            "progress_percent",
            "review_message",
            "approvals",
            "requoted_from_id",
            "sales_order_id",
            "product_id",
            "created_at",
            "submitted_at",
            "accepted_at",
            "expires_at",
            "version",
            "available_actions",
        )


def quote_rows(quotes: QuerySet[Quote]) -> QuerySet[Quote, dict[str, Any]]:
    """Return what ``quotes_shown`` needs of each quote."""
    return quotes.values(*_COLUMNS)


def quotes_shown(quotes: QuerySet[Quote] | Sequence[dict[str, Any]], user: User) -> list[dict[str, Any]]:
    """Return quotes as this user sees them, with files, parts and filaments, in at most five queries."""
    rows = list(quote_rows(quotes) if isinstance(quotes, QuerySet) else quotes)
    keys = [row["id"] for row in rows]
    files, materials = _files(keys), _materials(keys)
    approvals = _approvals(keys) if user.is_staff else {}
    actions = _Actions(user)
    answer = []
    for row in rows:
        kept = row["price_breakdown"]
        subtotal, cost = row["subtotal"], kept.get("cost") if user.is_staff else None
        for name in _DECIMALS:
            if row[name] is not None:
                row[name] = str(row[name])
        shown = {
            **row,
            "color": row["color_name"],
            "price_breakdown": kept.get("lines", []),
            "cost": cost,
            "margin_percent": str(margin_percent(subtotal, Decimal(cost))) if cost and subtotal else None,
            "estimate": {
                "method": row["estimate_method"],
                "confidence": row["estimate_confidence"],
                "fallback_reason": row["fallback_reason"],
                "sets_per_plate": row["parts_per_plate"],
            },
            "files": files.get(row["id"], []),
            "materials": materials.get(row["id"], []),
            "approvals": approvals.get(row["id"], []),
            "available_actions": actions.of(row),
        }
        answer.append({name: shown[name] for name in QuoteShown.Meta.fields})
    return answer


def quote_shown(quote: Quote, user: User) -> dict[str, Any]:
    """Return one quote as it is now."""
    return quotes_shown(Quote.all_objects.filter(pk=quote.pk), user)[0]


def comments_shown(quote: Quote, user: User) -> list[dict[str, Any]]:
    """Return what was said about a quote, the oldest first; to a customer without what is internal. One query."""
    rows = quote.comments.select_related("author").order_by("pk")
    return [comment_shown(row, user) for row in (rows if user.is_staff else rows.filter(is_internal=False))]


def comment_shown(comment: QuoteComment, user: User) -> dict[str, Any]:
    """Return a comment; a customer reads that we said it, not who of us."""
    author = comment.author
    is_ours = author.is_staff or author.kind == User.Kind.SYSTEM
    name = author.get_full_name() or author.email
    return {
        "id": comment.pk,
        "by": "" if is_ours and not user.is_staff else name,
        "is_staff": is_ours,
        "text": comment.text,
        "is_internal": comment.is_internal,
        "created_at": comment.created_at,
    }


def _files(keys: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    parts: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for part in QuotePart.objects.filter(quote__in=keys).order_by("id").values("file_id", *_PART_COLUMNS):
        for name in ("volume_cm3", "size_x_mm", "size_y_mm", "size_z_mm"):
            part[name] = str(part[name])
        parts[part.pop("file_id")].append(part)
    files: dict[int, list[dict[str, Any]]] = defaultdict(list)
    # Only the warnings: the rest of an analysis is long.
    rows = QuoteFile.objects.filter(quote__in=keys).order_by("id")
    for file in rows.values("quote_id", *_FILE_COLUMNS, "geometry__warnings"):
        file["file_name"] = file.pop("original_filename")
        file["warnings"] = file.pop("geometry__warnings") or []
        file["parts"] = parts[file["id"]]
        files[file.pop("quote_id")].append({name: file[name] for name in FileShown.Meta.fields})
    return files


def _materials(keys: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    rows = QuoteMaterial.objects.filter(quote__in=keys).order_by("quote_id", "position")
    for row in rows.values("quote_id", "position", "material_type", "color_hex", "grams", "material__sku"):
        row["grams"], row["sku"] = str(row["grams"]), row.pop("material__sku")
        found[row.pop("quote_id")].append(row)
    return found


def _approvals(keys: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    rows = QuoteApproval.objects.filter(quote__in=keys).order_by("id")
    for row in rows.values_list(
        "quote_id", "approval_level", "required_when", "status", "approver__email", "approved_date", "comments"
    ):
        found[row[0]].append(dict(zip(ApprovalShown.Meta.fields, row[1:], strict=True)))
    return found


class _Actions:
    """What a user can do with quotes, found once for every status."""

    def __init__(self, user: User) -> None:
        self.user, self.now = user, timezone.now()
        self.by_status: dict[str, list[str]] = {}

    def of(self, row: dict[str, Any]) -> list[str]:
        """Return what this user can do with a quote now: steps of its lifecycle, and what is no step."""
        status = row["status"]
        if status not in self.by_status:
            self.by_status[status] = self._possible(status)
        over = row["expires_at"] is not None and row["expires_at"] <= self.now and status in Quote.OPEN
        if not over:
            return self.by_status[status]
        ended = ("accept", "submit", "ask_changes", "offer")
        return [name for name in self.by_status[status] if name not in ended] + self._if_may("requote")

    def _possible(self, status: str) -> list[str]:
        steps = QUOTE.legal(status)
        if not self.user.is_staff:
            names = [step.name for step in steps if step.by_customer]
        else:
            names = [step.name for step in steps if step.permission and self.user.has_perm(step.permission)]
            if status in (Quote.Status.DRAFT, Quote.Status.PENDING):
                names += self._if_may("reprice")
        names += self._if_may("requote") if status in ENDED else []
        return names + self._if_may("comment")

    def _if_may(self, act: str) -> list[str]:
        return [act] if not self.user.is_staff or self.user.has_perm(f"quotes.{act}_quote") else []
