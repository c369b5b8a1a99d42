"""The same question is answered from memory; a different one never is."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from quotes.estimators import CannotEstimate, estimate
from quotes.modelfiles import read_model
from quotes.modelfiles.make import BRACKET
from quotes.ports import EstimateSettings
from quotes.services import cached
from quotes.services.cached import cached_estimate, key_of


class Counted:
    """Computes, and tells how often it had to."""

    def __init__(self, answer: object) -> None:
        self.answer, self.calls = answer, 0

    def __call__(self) -> object:
        self.calls += 1
        return self.answer


def test_the_same_analysis_and_settings_are_estimated_once():
    analysis, wanted = read_model(BRACKET, file_name="bracket.3mf"), EstimateSettings()
    work = Counted(estimate(analysis, wanted))
    first = cached_estimate((analysis, wanted, ["chain"]), work)
    again = cached_estimate((read_model(BRACKET, file_name="bracket.3mf"), EstimateSettings(), ["chain"]), work)
    assert (first, work.calls) == (again, 1)


@pytest.mark.parametrize(
    "change",
    [{"quantity": 2}, {"infill_percent": 21}, {"quality": "fine"}, {"density_g_cm3": Decimal("1.25")}],
)
def test_a_changed_setting_is_estimated_anew(change):
    work = Counted("answer")
    cached_estimate((EstimateSettings(), "chain"), work)
    cached_estimate((replace(EstimateSettings(), **change), "chain"), work)
    assert work.calls == 2


def test_a_changed_count_is_another_question():
    analysis = read_model(BRACKET, file_name="bracket.3mf")
    two = replace(analysis, parts=tuple(replace(part, count=2) for part in analysis.parts))
    assert key_of("estimate", (analysis,)) != key_of("estimate", (two,))


def test_a_changed_coefficient_or_source_changes_every_key(tmp_path):
    for name in ("one", "two"):
        folder = tmp_path / name / "estimators"
        folder.mkdir(parents=True)
        (folder / "chain.py").write_text("FACTOR = 1")
        (folder / "calibrated.json").write_text("{}")
    versions = [cached.code_version(tmp_path / "one"), cached.code_version(tmp_path / "two")]
    assert versions[0] == versions[1]
    cached.code_version.cache_clear()
    (tmp_path / "two" / "estimators" / "calibrated.json").write_text('{"walls": 2}')
    assert cached.code_version(tmp_path / "two") != versions[0]


def test_a_refusal_is_not_kept():
    def refuse() -> str:
        raise CannotEstimate("not today")

    with pytest.raises(CannotEstimate):
        cached_estimate("part", refuse)
    assert cached_estimate("part", lambda: "answer") == "answer"


def test_none_is_an_answer():
    work = Counted(None)
    assert [cached_estimate("nothing", work), cached_estimate("nothing", work), work.calls] == [None, None, 1]


def test_a_cache_that_is_away_costs_time_only(settings):
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1",
        }
    }
    assert cached_estimate("part", lambda: 7) == 7


def test_what_cannot_be_told_apart_is_refused():
    with pytest.raises(TypeError, match="object"):
        cached_estimate(object(), lambda: 1)
