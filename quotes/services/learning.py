"""Learning corrections of estimates from finished prints.

Per method and material one correction is learned from all printers together, and one per printer model where several
models printed. What a person enters and what stands in the catalogue is compared with the prints, but not corrected.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Count, QuerySet

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.errors import NotFound, ReasonRequired
from blb3d.core.lifecycle import allow
from blb3d.core.verbs import verb
from quotes.models import EstimateCorrection, EstimateObservation
from quotes.services.estimates import BY_HAND
from quotes.services.fitting import Fit, fit, outliers_of
from quotes.services.observing import CATALOGUE

#: So many of the latest prints count: printers, profiles and materials change.
WINDOW = 200
#: A new version is written when a factor moves by more than this.
LEAST_CHANGE = Decimal("0.005")
#: How far methods are usually off for a material, and printer models from their mean (standard deviation of the log).
METHOD_SPREAD, MODEL_SPREAD = 0.25, 0.10


@dataclass(frozen=True)
class _Learned:
    """What the prints behind one correction say; ``grams`` is None while those of too few are known."""

    prints: Sequence[EstimateObservation]
    with_grams: int
    minutes: Fit
    grams: Fit | None


@verb
def recompute_corrections(*, actor: User) -> list[EstimateCorrection]:
    """Learn from the latest prints; return the corrections that changed. They apply to estimates from now on.

    A new version takes over whether its predecessor was switched on. A correction whose prints no longer reach
    ``ESTIMATE_LEARNING_MIN_SAMPLE`` ends. Run twice at once, one run's versions stand.
    """
    allow(actor, "quotes.recompute_estimatecorrection")
    lock_documents(EstimateCorrection.objects.filter(is_current=True))
    current = {
        (row.method, row.material_type, row.printer_model): row
        for row in EstimateCorrection.objects.filter(is_current=True)
    }
    new = []
    for (method, material_type), count in _sampled():
        if count < settings.ESTIMATE_LEARNING_MIN_SAMPLE:  # type: ignore[misc]
            continue
        for printer_model, learned in _learned(method, material_type):
            key = (method, material_type, printer_model)
            before = current.pop(key, None)
            if before is None or _has_moved(before, learned):
                written = _write(key, learned, before)
                new += [written] if written is not None else []
    for ended in current.values():
        ended.is_current = False
        ended.save()
    return new


@verb
def switch_on_correction(row: EstimateCorrection, *, reason: str, actor: User) -> EstimateCorrection:
    """Apply a correction to new estimates; see :func:`switch_off_correction`."""
    return _switch(row, is_enabled=True, reason=reason, actor=actor)


@verb
def switch_off_correction(row: EstimateCorrection, *, reason: str, actor: User) -> EstimateCorrection:
    """Leave new estimates of its kind as the method makes them; its later versions are off too.

    Raises:
        NotFound: it was replaced by a newer version, which is the one to switch.
        ReasonRequired: there is no reason.
    """
    return _switch(row, is_enabled=False, reason=reason, actor=actor)


def prints_behind(correction: EstimateCorrection) -> list[tuple[EstimateObservation, bool]]:
    """Return the prints that a correction was learned from, newest first, and whether one's time was an outlier.

    One query.
    """
    found = EstimateObservation.objects.select_related("print_job", "product").in_bulk(correction.observation_ids)
    rows = [found[pk] for pk in correction.observation_ids if pk in found]
    outliers = outliers_of(_time_ratios(rows)) if rows else frozenset()
    return [(row, number in outliers) for number, row in enumerate(rows)]


def _switch(row: EstimateCorrection, *, is_enabled: bool, reason: str, actor: User) -> EstimateCorrection:
    allow(actor, "quotes.switch_estimatecorrection")
    if not reason.strip():
        raise ReasonRequired(details={"correction": str(row)})
    lock_documents(EstimateCorrection.objects.filter(pk=row.pk))
    row.refresh_from_db()
    if not row.is_current:
        raise NotFound("A newer version of this correction is in use.", details={"correction": str(row)})
    row.is_enabled = is_enabled
    row.save()
    return row


def _usable() -> QuerySet[EstimateObservation]:
    rows = EstimateObservation.objects.filter(is_excluded=False, estimated_minutes__gt=0, actual_minutes__gt=0)
    return rows.exclude(method__in=(BY_HAND, CATALOGUE))


def _sampled() -> list[tuple[tuple[str, str], int]]:
    rows = _usable().order_by("method", "material_type").values_list("method", "material_type")
    return [((method, material_type), count) for method, material_type, count in rows.annotate(count=Count("pk"))]


def _learned(method: str, material_type: str) -> Iterator[tuple[str, _Learned]]:
    """Yield what was learned of all printers ("") and of each model that printed enough, where there are several."""
    rows = _usable().filter(method=method, material_type=material_type).order_by("-pk")
    pooled = _fit(list(rows[:WINDOW]))
    yield "", pooled
    models = sorted(rows.order_by().values_list("printer_model", flat=True).distinct())
    for model in models if len(models) > 1 else ():
        prints = list(rows.filter(printer_model=model)[:WINDOW])
        if len(prints) >= settings.ESTIMATE_LEARNING_MIN_SAMPLE:  # type: ignore[misc]
            yield model, _fit(prints, prior=pooled)


def _fit(prints: Sequence[EstimateObservation], *, prior: _Learned | None = None) -> _Learned:
    """Fit a correction to the prints, drawn towards that of all printers together, or towards none."""
    bound = float(settings.ESTIMATE_LEARNING_BOUND)  # type: ignore[misc]
    spread = METHOD_SPREAD if prior is None else MODEL_SPREAD
    minutes = fit(
        _time_ratios(prints),
        [row.product_id for row in prints],
        prior=float(prior.minutes.factor) if prior else 1.0,
        prior_spread=spread,
        bound=bound,
    )
    known = [(row, row.actual_grams) for row in prints if row.actual_grams and row.estimated_grams]
    grams = None
    if len(known) >= settings.ESTIMATE_LEARNING_MIN_SAMPLE:  # type: ignore[misc]
        grams = fit(
            [float(grams / row.estimated_grams) for row, grams in known],
            [row.product_id for row, _ in known],
            prior=float(prior.grams.factor) if prior and prior.grams else 1.0,
            prior_spread=spread,
            bound=bound,
        )
    return _Learned(prints, len(known), minutes, grams)


def _time_ratios(prints: Sequence[EstimateObservation]) -> list[float]:
    return [float(row.actual_minutes / row.estimated_minutes) for row in prints]


def _has_moved(before: EstimateCorrection, learned: _Learned) -> bool:
    grams = learned.grams.factor if learned.grams else Decimal(1)
    pairs = ((before.minutes_factor, learned.minutes.factor), (before.grams_factor, grams))
    return any(abs(now / then - 1) > LEAST_CHANGE for then, now in pairs)


def _write(
    key: tuple[str, str, str], learned: _Learned, before: EstimateCorrection | None
) -> EstimateCorrection | None:
    """Write the next version; None when another run has just written it."""
    method, material_type, printer_model = key
    same = EstimateCorrection.all_objects.filter(
        method=method, material_type=material_type, printer_model=printer_model
    ).order_by("-number")
    last = same.first()
    minutes, grams = learned.minutes, learned.grams
    row = EstimateCorrection(
        method=method,
        material_type=material_type,
        printer_model=printer_model,
        number=last.number + 1 if last else 1,
        minutes_factor=minutes.factor,
        minutes_error_before=minutes.error_before,
        minutes_error_after=minutes.error_after,
        minutes_interval=minutes.interval,
        grams_factor=grams.factor if grams else Decimal(1),
        grams_error_before=grams.error_before if grams else None,
        grams_error_after=grams.error_after if grams else None,
        grams_interval=grams.interval if grams else None,
        sample_size=len(learned.prints),
        grams_sample_size=learned.with_grams,
        observation_ids=[observation.pk for observation in learned.prints],
        is_enabled=last.is_enabled if last else True,
    )
    try:
        with transaction.atomic():
            if before is not None:
                before.is_current = False
                before.save()
            row.save()
    except IntegrityError:
        return None
    return row
