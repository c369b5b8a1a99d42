"""What finished prints say about estimates, in the console: the prints, and the corrections with their why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.loader import render_to_string
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from blb3d.core.admin import AdminVerb, DocumentAdmin, LedgerAdmin
from blb3d.core.errors import BLB3DError
from blb3d.core.templatetags.blb3d_ui import NARROW_GAP, chip, duration, grams, plain_number
from quotes import services as quotes
from quotes.models import EstimateCorrection, EstimateObservation, Quote

_LEARN = "quotes.recompute_estimatecorrection"


def learn_now(correction: EstimateCorrection, *, actor: Any) -> EstimateCorrection | None:
    """Learn from all prints; return the newest version of ``correction``'s kind where there is one."""
    quotes.recompute_corrections(actor=actor)
    return EstimateCorrection.objects.filter(
        method=correction.method,
        material_type=correction.material_type,
        printer_model=correction.printer_model,
        is_current=True,
    ).first()


def corrections_of(quote: Quote) -> SafeString | str:
    """Return by what a quote's estimate was corrected, each with a link to the prints behind it. One query."""
    applied = quote.estimate_detail.get("corrections", [])
    if not applied:
        return "–"
    kinds = ("method", "material_type", "printer_model", "number")
    known = {
        tuple(getattr(row, name) for name in kinds): row.pk
        for row in EstimateCorrection.objects.filter(
            method__in={row["method"] for row in applied}, number__in={row["number"] for row in applied}
        )
    }
    lines = []
    for row in applied:
        words = (
            f"{row['material_type']}, {row['method']}: time {_change(Decimal(row['minutes_factor']))}, "
            f"grams {_change(Decimal(row['grams_factor']))}, from {row['sample_size']} finished prints"
        )
        pk = known.get(tuple(row[name] for name in kinds))
        url = reverse("admin:quotes_estimatecorrection_change", args=[pk]) if pk else ""
        lines.append(format_html('<a class="underline" href="{}">{}</a>', url, words) if url else words)
    return format_html_join(SafeString("<br>"), "{}", ((line,) for line in lines))


def _change(factor: Decimal) -> str:
    """Return a factor as the percentage that it adds or takes away."""
    percent = (factor - 1) * 100
    return ("+" if percent > 0 else "−" if percent < 0 else "") + _percent(abs(percent))


def _percent(value: Decimal) -> str:
    """Return a percentage to the tenth."""
    return f"{plain_number(value.quantize(Decimal('0.1')))}{NARROW_GAP}%"


@admin.register(EstimateCorrection)
class EstimateCorrectionAdmin(DocumentAdmin):
    """Corrections, those in use first; the page shows the prints behind one."""

    list_display = ("kind", "use", "time", "error", "weight", "weight_error", "learned_from", "created_at")
    list_filter = ("is_current", "is_enabled", "method", "material_type", "printer_model")
    search_fields = ("material_type", "printer_model", "method")
    ordering = ("-is_current", "method", "material_type", "printer_model", "-number")
    list_before_template = "admin/learning/learn.html"
    header_fields = ("use", "time", "error", "weight", "weight_error", "sample", "within", "created_at")
    fields = ("prints",)
    readonly_fields = ("prints",)
    extra_verbs = (
        AdminVerb(
            name="switch_off",
            call=quotes.switch_off_correction,
            permission="quotes.switch_estimatecorrection",
            reason_required=True,
            confirm="New estimates of this kind are left as the method makes them, later versions included.",
            visible=lambda row: row.is_current and row.is_enabled,
        ),
        AdminVerb(
            name="switch_on",
            call=quotes.switch_on_correction,
            permission="quotes.switch_estimatecorrection",
            reason_required=True,
            style="primary",
            visible=lambda row: row.is_current and not row.is_enabled,
        ),
        AdminVerb(name="learn", label="Learn now", call=learn_now, permission=_LEARN),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: prints make corrections."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: a correction is switched, not written."""
        return False

    def get_urls(self) -> list[Any]:
        """Add the door behind the list's button."""
        return [
            path("learn/", self.admin_site.admin_view(self.learn), name="quotes_estimatecorrection_learn"),
            *super().get_urls(),
        ]

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponseBase:
        """Show the list below what learning is and its button."""
        context = {
            "may_learn": request.user.has_perm(_LEARN),  # type: ignore[union-attr]
            "is_applied": settings.ESTIMATE_LEARNING,  # type: ignore[misc]
            "least": settings.ESTIMATE_LEARNING_MIN_SAMPLE,  # type: ignore[misc]
            "bound": settings.ESTIMATE_LEARNING_BOUND * 100,  # type: ignore[misc]
        }
        return super().changelist_view(request, {**context, **(extra_context or {})})

    def learn(self, request: HttpRequest) -> HttpResponseBase:
        """Learn from the latest prints now."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not request.user.has_perm(_LEARN):  # type: ignore[union-attr]
            raise PermissionDenied
        try:
            new = quotes.recompute_corrections(actor=request.user)  # type: ignore[arg-type]
        except BLB3DError as error:
            messages.error(request, f"{error.message} [{error.code}]")
        else:
            text = "; ".join(map(str, new)) if new else "the corrections in use stand"
            messages.success(request, f"Learned from the latest prints: {text}.")
        return redirect("admin:quotes_estimatecorrection_changelist")

    @display(description="of", ordering="method")
    def kind(self, row: EstimateCorrection) -> str:
        """Name what is corrected, and the version."""
        return f"{row.material_type}, {row.method}, {row.printer_model or 'all printers'} #{row.number}"

    def heading(self, obj: EstimateCorrection) -> str:
        """Name what is corrected, and the version."""
        return self.kind(obj)  # type: ignore[no-any-return]

    @display(description="time", ordering="minutes_factor")
    def time(self, row: EstimateCorrection) -> str:
        """Show what is added to the estimated time."""
        return _change(row.minutes_factor)

    @display(description="grams", ordering="grams_factor")
    def weight(self, row: EstimateCorrection) -> str:
        """Show what is added to the estimated grams."""
        return _change(row.grams_factor) if row.grams_interval is not None else "–"

    @display(description="time off by")
    def error(self, row: EstimateCorrection) -> str:
        """Show the mean error before and after."""
        return _before_after(row.minutes_error_before, row.minutes_error_after)

    @display(description="grams off by")
    def weight_error(self, row: EstimateCorrection) -> str:
        """Show the mean error before and after."""
        return _before_after(row.grams_error_before, row.grams_error_after)

    @display(description="prints", ordering="sample_size")
    def learned_from(self, row: EstimateCorrection) -> int:
        """Show how many prints it was learned from."""
        return row.sample_size

    @display(description="prints")
    def sample(self, row: EstimateCorrection) -> str:
        """Show how many prints it was learned from."""
        return f"{row.sample_size}, grams known of {row.grams_sample_size}"

    @display(description="nine of ten prints within")
    def within(self, row: EstimateCorrection) -> str:
        """Show how far prints scatter about the corrected estimate."""
        of_grams = f", grams {_percent(row.grams_interval)}" if row.grams_interval is not None else ""
        return f"time {_percent(row.minutes_interval)}{of_grams}"

    @display(description="use", ordering="-is_current")
    def use(self, row: EstimateCorrection) -> SafeString:
        """Show whether new estimates are corrected by it."""
        if not row.is_current:
            return chip("replaced", label="Replaced")
        if not row.is_enabled:
            return chip("on_hold", label="Switched off")
        if max(abs(row.minutes_factor - 1), abs(row.grams_factor - 1)) >= settings.ESTIMATE_LEARNING_BOUND:  # type: ignore[misc]
            return chip("on_hold", label="In use, at its bound")
        return chip("active", label="In use")

    @display(description="why")
    def prints(self, row: EstimateCorrection) -> SafeString:
        """Draw estimate against print, with the line that the correction makes of it, and list the prints."""
        behind = quotes.prints_behind(row)
        context = {"correction": row, "plot": _plot(row, behind), "rows": [_Line.of(*one) for one in behind]}
        return SafeString(render_to_string("admin/learning/prints.html", context))


def _before_after(before: Decimal | None, after: Decimal | None) -> str:
    if before is None or after is None:
        return "–"
    return f"{_percent(before)} → {_percent(after)}"


@dataclass(frozen=True)
class _Line:
    """A print in the table behind a correction."""

    observation: EstimateObservation
    is_outlier: bool
    time: str
    weight: str

    @classmethod
    def of(cls, row: EstimateObservation, is_outlier: bool) -> _Line:
        weight = _change(row.actual_grams / row.estimated_grams) if row.actual_grams and row.estimated_grams else "–"
        return cls(row, is_outlier, _change(row.actual_minutes / row.estimated_minutes), weight)


#: The drawing in its own units, with room for the numbers on the axes.
WIDTH, HEIGHT, LEFT, BELOW, EDGE = 560, 320, 64, 40, 12
#: Minutes between the marks on an axis.
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 240, 480, 720, 1440, 2880)


@dataclass(frozen=True)
class _Plot:
    """Estimated against printed minutes: points (x, y, is outlier, words), lines to the frame, marks on the axes."""

    points: Sequence[tuple[float, float, bool, str]]
    as_estimated: tuple[float, float]
    as_corrected: tuple[float, float]
    across: Sequence[tuple[float, str]]
    up: Sequence[tuple[float, str]]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - EDGE
    top: int = EDGE
    bottom: int = HEIGHT - BELOW


def _plot(correction: EstimateCorrection, behind: Sequence[tuple[EstimateObservation, bool]]) -> _Plot | None:
    """Place the prints; both axes begin at nothing. Outliers beyond the frame are drawn at its edge."""
    if not behind:
        return None
    factor = float(correction.minutes_factor)
    widest = 1.08 * max(float(row.estimated_minutes) for row, _ in behind)
    highest = 1.08 * max([widest / 1.08, *(float(row.actual_minutes) for row, is_outlier in behind if not is_outlier)])

    def x(minutes: float) -> float:
        return round(LEFT + minutes / widest * (WIDTH - EDGE - LEFT), 1)

    def y(minutes: float) -> float:
        return round(HEIGHT - BELOW - min(minutes / highest, 1) * (HEIGHT - BELOW - EDGE), 1)

    def end(slope: float) -> tuple[float, float]:
        reach = min(widest, highest / slope)
        return x(reach), y(reach * slope)

    points = [
        (
            x(float(row.estimated_minutes)),
            y(float(row.actual_minutes)),
            is_outlier,
            f"{row.product.name}: {duration(row.estimated_minutes)} estimated, {duration(row.actual_minutes)} printed",
        )
        for row, is_outlier in behind
    ]
    return _Plot(
        points=points,
        as_estimated=end(1.0),
        as_corrected=end(factor),
        across=[(x(minutes), duration(minutes)) for minutes in _marks(widest)],
        up=[(y(minutes), duration(minutes)) for minutes in _marks(highest)],
    )


def _marks(longest: float) -> range:
    """Return round minutes for an axis, five at most."""
    step = next((step for step in _STEPS if longest / step < 6), int(longest / 5))
    return range(step, int(longest) + 1, step)


@admin.register(EstimateObservation)
class EstimateObservationAdmin(LedgerAdmin):
    """Finished prints beside their estimates; a person may say which of them count."""

    list_display = ("print_job", "what", "kind", "time", "off", "weight_off", "counts", "recorded_at")
    list_related = ("product",)
    list_filter = ("is_excluded", "method", "material_type", "printer_model", ("recorded_at", RangeDateTimeFilter))
    search_fields = ("print_job__code", "product__name", "product__sku", "quote__quote_number")
    ordering = ("-id",)
    header_fields = ("counts", "print_job", "quote", "product", "kind", "time", "off", "weight", "decided_by")
    fields = ("applied", "recorded_at")
    readonly_fields = ("applied",)
    extra_verbs = (
        AdminVerb(
            name="exclude",
            label="Do not learn from it",
            call=quotes.exclude_observation,
            permission="quotes.judge_estimateobservation",
            reason_required=True,
            visible=lambda row: not row.is_excluded,
        ),
        AdminVerb(
            name="include",
            label="Learn from it",
            call=quotes.include_observation,
            permission="quotes.judge_estimateobservation",
            reason_required=True,
            visible=lambda row: row.is_excluded,
        ),
    )

    @display(description="product", ordering="product__name")
    def what(self, row: EstimateObservation) -> str:
        """Name what was printed."""
        return row.product.name

    @display(description="of", ordering="method")
    def kind(self, row: EstimateObservation) -> str:
        """Name what is learned from it."""
        return f"{row.material_type}, {row.method}, {row.printer_model}"

    @display(description="estimated → printed", ordering="estimated_minutes")
    def time(self, row: EstimateObservation) -> str:
        """Show the time that the method said and the time that it took."""
        return " → ".join(
            duration(time).replace(" ", NARROW_GAP) for time in (row.estimated_minutes, row.actual_minutes)
        )

    @display(description="time off by")
    def off(self, row: EstimateObservation) -> str:
        """Show by how much the time was off."""
        return _change(row.actual_minutes / row.estimated_minutes) if row.estimated_minutes else "–"

    @display(description="grams off by")
    def weight_off(self, row: EstimateObservation) -> str:
        """Show by how much the grams were off, where they are known."""
        if not row.actual_grams or not row.estimated_grams:
            return "–"
        return _change(row.actual_grams / row.estimated_grams)

    @display(description="grams")
    def weight(self, row: EstimateObservation) -> str:
        """Show estimated and real grams."""
        real = grams(row.actual_grams) if row.actual_grams is not None else "nobody knows what it took"
        return f"{grams(row.estimated_grams)} estimated, {real}"

    @display(description="counts", ordering="is_excluded")
    def counts(self, row: EstimateObservation) -> SafeString:
        """Show whether it is learned from, and why not."""
        if row.is_excluded:
            return format_html("{} {}", chip("void", label="Left out"), row.exclusion_reason)
        return chip("active", label="Counts")

    @display(description="corrected by then")
    def applied(self, row: EstimateObservation) -> str:
        """Show the correction that the estimate had, which the comparison leaves aside."""
        return f"time {_change(row.minutes_factor)}, grams {_change(row.grams_factor)}"
