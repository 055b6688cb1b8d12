from __future__ import annotations

import math

import pytest

from mlife_assets.recruiting.features import MODEL_FEATURES
from mlife_assets.recruiting.reason_words import SAID, absence_words, miles_words, reason_words

FACTS = {
    "same_occupation_group": 1.0, "same_shift": 1.0, "distance_km": 5.0, "log_pay_ratio": math.log(1.12),
    "seniority_gap": 0.0, "taste_match": 0.4, "job_age_days": 2.0, "openings": 6.0,
}  # fmt: skip


def test_the_order_is_the_models_and_what_lowers_is_unsaid():
    effects = {"distance_km": 0.1, "log_pay_ratio": 0.9, "same_shift": -0.5, "openings": 0.2, "job_age_days": 0.05}
    assert reason_words(effects, FACTS) == ("pays 12% more than you look for", "6 open places", "close to you")
    assert reason_words(effects, FACTS, limit=9)[3:] == ("new this week",)
    assert reason_words(effects, FACTS, to_the_person=False)[0] == "pays 12% more than they look for"


def test_what_somebody_is_or_does_is_never_said():
    facts = {"user_click_rate": 0.5, "sex": "x", "user_age": 50.0, "user_clicks_7d": 3.0}
    assert reason_words(dict.fromkeys(facts, 1.0), facts) == ()
    assert set(SAID) < set(MODEL_FEATURES)
    assert not {name for name in SAID if name.startswith("user_") or "click" in name}


def test_without_a_reason_of_the_model_facts_speak():
    assert reason_words({}, FACTS)[:2] == ("the kind of work you do", "the shift you work")
    assert reason_words({"user_click_rate": 3.0}, {}) == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("same_shift", 0.0), ("same_shift", None), ("same_shift", math.nan), ("same_shift", "yes"),
        ("distance_km", 200.0), ("distance_km", -1.0), ("log_pay_ratio", 0.01), ("log_pay_ratio", -0.3),
        ("seniority_gap", 1.0), ("taste_match", -0.1), ("job_age_days", 30.0), ("openings", 1.0),
    ],
)  # fmt: skip
def test_a_fact_that_does_not_speak_for_the_job_is_unsaid(name, value):
    assert reason_words({name: 1.0}, {name: value}) == ()


def test_pay_far_above_is_said_without_a_number():
    assert reason_words({"log_pay_ratio": 1.0}, {"log_pay_ratio": 900.0}) == ("pays much more than you look for",)


@pytest.mark.parametrize(
    ("distance", "words"),
    [
        (None, ""), (math.nan, ""), (-3.0, ""), (0.0, "within a mile"), (2.3, "within a mile"),
        (5.0, "about 3 miles away"), (2_000.0, "about 1,243 miles away"),
    ],
)  # fmt: skip
def test_distances_are_whole_miles(distance, words):
    assert miles_words(distance) == words


@pytest.mark.parametrize(
    ("days", "words"),
    [(None, ""), (math.nan, ""), (-1.0, ""), (1.0, ""), (2.0, "last seen 2 days ago"), (27.0, "last seen 27 days ago")],
)
def test_absence_is_said_in_days(days, words):
    assert absence_words(days) == words
