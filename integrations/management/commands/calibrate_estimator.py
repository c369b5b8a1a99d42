"""``manage.py calibrate_estimator``: fit the built-in estimator to PrusaSlicer, and say how far off it is."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from django.core.management.base import BaseCommand
from django.utils import timezone

from integrations.slicers.prusaslicer.cache import SliceCache
from integrations.slicers.prusaslicer.reference import Reference
from integrations.slicers.prusaslicer.runner import PrusaSlicerCommand
from quotes.estimators.calibration import CALIBRATED, calibrated
from quotes.estimators.corpus import FITTED, HELD_OUT
from quotes.estimators.fitting import Error, errors, fit, intervals

#: Seeds of the models that are fitted on, and of those that judge.
FIT_SEEDS, JUDGE_SEEDS = range(6), range(4)


class Command(BaseCommand):
    """Slice the corpus (what was sliced before is remembered), fit, and report the error on models not fitted on."""

    help = "Fit the built-in estimator's coefficients against PrusaSlicer and report the error on held-out models."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take a folder of other models to judge by, and whether to keep the result."""
        parser.add_argument("--folder", type=Path, help="also judge by the models in this folder")
        parser.add_argument("--write", action="store_true", help=f"replace {CALIBRATED.name}")

    def handle(self, *args: Any, **options: Any) -> None:
        """Fit and report."""
        command = PrusaSlicerCommand()
        slicer = command.version()
        reference = Reference(SliceCache(command))
        fitted_on = reference.of_families(FITTED, FIT_SEEDS)
        judged_by = reference.of_families(HELD_OUT, JUDGE_SEEDS)
        before = calibrated()
        self.stdout.write(f"{slicer}: {len(fitted_on)} slices to fit, {len(judged_by)} to judge")
        self._tell(f"calibration {before.version or 'none'}", errors(judged_by, before.coefficients))

        found = fit(fitted_on)
        widths = intervals(fitted_on)
        seen, unseen = errors(fitted_on, found), errors(judged_by, found)
        figures = {"fitted": self._tell("fitted on", seen), "held_out": self._tell("held out", unseen)}
        within = [error.worst * 100 <= widths[error.situation] for error in unseen]
        self.stdout.write(f"intervals (half width, percent) {widths}; they hold for {np.mean(within):.0%} held out")
        if options["folder"]:
            strangers = list(reference.of_folder(options["folder"]))
            self._tell(f"{options['folder']}", errors(strangers, found)) if strangers else None
        if options["write"]:
            today = timezone.localdate().isoformat()
            content = {
                "version": f"{today}.{len(fitted_on)}",
                "date": today,
                "slicer": slicer,
                "coefficients": asdict(found),
                "intervals": widths,
                "error_percent": figures,
            }
            CALIBRATED.write_text(json.dumps(content, indent=2) + "\n", "utf-8")
            self.stdout.write(f"written: {CALIBRATED}")

    def _tell(self, title: str, found: Sequence[Error]) -> dict[str, float]:
        figures = {}
        for kind in ("mass", "time"):
            size = np.abs([getattr(error, kind) for error in found]) * 100
            figures[f"{kind}_median"] = round(float(np.median(size)), 2)
            figures[f"{kind}_p90"] = round(float(np.quantile(size, 0.9)), 2)
        self.stdout.write(f"{title}: {figures}")
        return figures
