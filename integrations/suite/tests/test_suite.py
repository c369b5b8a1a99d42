"""Talking to the print suite: health, quotes as an estimate, and what happens when it is away."""

from __future__ import annotations

import socket
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from blb3d.core.errors import PartnerRefused, PartnerUnavailable
from integrations.errors import PartnerNotSetUp, UnreadableAnswer
from integrations.suite.client import SuiteClient
from integrations.suite.estimator import SuiteEstimator
from integrations.suite.tests.suite import KEY, QUOTE, Suite
from quotes.estimators import estimate
from quotes.estimators.errors import CannotEstimate
from quotes.modelfiles import ModelAnalysis, read_model
from quotes.modelfiles.analysis import FilamentSlot
from quotes.modelfiles.make import BRACKET
from quotes.ports import EstimateSettings, ModelSource

SOURCE = ModelSource(lambda: ("bracket.3mf", BRACKET.read_bytes()))
SETTINGS = EstimateSettings(material_type="PETG", color_hex="00AE42", quantity=1)


@pytest.fixture(scope="module")
def bracket() -> ModelAnalysis:
    return read_model(BRACKET, file_name="bracket.3mf", thumbnail=False)


def ask_health() -> None:
    with SuiteClient() as client:
        client.check_health()


def test_a_suite_that_is_there_is_healthy_and_knows_our_key(suite: Suite) -> None:
    ask_health()
    assert suite.asked == [{"call": "GET", "path": "/health", "key": KEY}]


def test_a_wrong_key_is_refused_and_not_tried_again(suite: Suite, settings: Any) -> None:
    settings.BAMBU_SUITE_API_KEY = "another"
    with pytest.raises(PartnerRefused) as refusal:
        ask_health()
    assert refusal.value.details["status"] == 401
    assert len(suite.asked) == 1


def test_a_hiccup_is_asked_again_once(suite: Suite) -> None:
    suite.troubles = [503]
    ask_health()
    assert len(suite.asked) == 2
    suite.troubles = ["drop", 500]
    with pytest.raises(PartnerUnavailable):
        ask_health()
    assert len(suite.asked) == 4


def test_a_suite_that_is_away_is_said_to_be_away(settings: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        settings.BAMBU_SUITE_API_URL = f"http://127.0.0.1:{free.getsockname()[1]}"
    settings.BAMBU_SUITE_API_KEY = KEY
    with pytest.raises(PartnerUnavailable, match="Bambu Print Suite did not answer"):
        ask_health()


def test_without_a_key_nobody_is_asked(suite: Suite, settings: Any) -> None:
    settings.BAMBU_SUITE_API_KEY = ""
    with pytest.raises(PartnerNotSetUp):
        ask_health()
    assert suite.asked == []


def test_its_quote_becomes_an_estimate_of_plates(suite: Suite, bracket: ModelAnalysis) -> None:
    answer = SuiteEstimator().estimate(bracket, replace(SETTINGS, quantity=10), SOURCE)
    asked = suite.asked[0]
    assert (asked["material"], asked["quantity"], asked["finish"], asked["rush_level"]) == (
        *("PETG", "1"),
        *("standard", "standard"),
    )
    assert (asked["file"], asked["content"]) == ("bracket.3mf", BRACKET.read_bytes())
    [plate] = answer.plates
    assert plate.runs * plate.sets_per_plate >= 10
    assert plate.minutes == Decimal("135.0") * plate.sets_per_plate
    assert plate.grams == Decimal("42.50") * plate.sets_per_plate
    assert (answer.method, answer.interval_percent) == ("suite", Decimal(20))
    assert answer.grams == (plate.grams * plate.runs / 10).quantize(Decimal("0.01"))
    assert (answer.filaments[0].material_type, answer.filaments[0].color_hex) == ("PETG", "00AE42")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"material_type": "PA-CF"}, "knows no PA-CF"),
        ({"quality": "fine"}, "usual quality and infill"),
        ({"infill_percent": 60}, "usual quality and infill"),
    ],
)
def test_what_its_interface_does_not_know_is_left_to_others(
    suite: Suite, bracket: ModelAnalysis, change: dict[str, Any], words: str
) -> None:
    with pytest.raises(CannotEstimate, match=words):
        SuiteEstimator().estimate(bracket, replace(SETTINGS, **change), SOURCE)
    assert suite.asked == []


def test_several_filaments_and_a_model_that_is_not_at_hand_are_left_to_others(
    suite: Suite, bracket: ModelAnalysis
) -> None:
    slots = (FilamentSlot(0, "PLA", "FF0000"), FilamentSlot(1, "PLA", "FFFFFF"))
    with pytest.raises(CannotEstimate, match="one filament only"):
        SuiteEstimator().estimate(replace(bracket, filaments=slots), SETTINGS, SOURCE)
    with pytest.raises(CannotEstimate, match="needs the model itself"):
        SuiteEstimator().estimate(bracket, SETTINGS)
    assert suite.asked == []


def test_an_answer_about_another_size_is_not_believed(suite: Suite, bracket: ModelAnalysis) -> None:
    suite.quote = {**QUOTE, "dimensions": {"x": 60 * 25.4, "y": 40 * 25.4, "z": 60 * 25.4}}
    with pytest.raises(CannotEstimate, match="another size"):
        SuiteEstimator().estimate(bracket, SETTINGS, SOURCE)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>",
        [],
        {},
        {**QUOTE, "material_grams": "many"},
        {**QUOTE, "print_time_hours": -1},
        {**QUOTE, "material_grams": "NaN"},
    ],
)
def test_an_answer_that_says_nothing_is_refused(suite: Suite, body: Any) -> None:
    suite.quote = body
    with SuiteClient() as client, pytest.raises(UnreadableAnswer):
        client.quote(b"model", file_name="x.stl", material="PLA")


def test_an_outage_falls_back_to_the_next_method_and_says_so(suite: Suite, bracket: ModelAnalysis) -> None:
    suite.troubles = [500, 500]
    chain = ("integrations.suite.estimator.SuiteEstimator", "quotes.estimators.geometric.GeometricEstimator")
    answer = estimate(bracket, SETTINGS, estimators=chain, source=SOURCE)
    assert answer.method == "geometric"
    assert "The print suite was of no help: Bambu Print Suite cannot answer now (500)." in answer.fallback_reason


def test_a_slow_suite_is_not_asked_again(suite: Suite) -> None:
    suite.troubles = ["hang"]
    with SuiteClient(read_seconds=0.3) as client, pytest.raises(PartnerUnavailable):
        client.check_health()
    assert len(suite.asked) == 1
