"""Which policy is recommended, and what is said with it."""

from __future__ import annotations

from mlife_assets.core.backtest.measure import Measured, Score
from mlife_assets.core.backtest.recommendation import recommend
from mlife_assets.core.backtest_policy import BacktestPolicy
from mlife_assets.core.statistics import Interval

TRAININGS = {"governed": 5, "frozen": 1, "naive": 40, "every_alarm": 12}
POLICY = BacktestPolicy()
WITHIN = dict.fromkeys(TRAININGS, 0.4)


def interval(estimate: float, half: float = 0.004) -> Interval:
    return Interval(estimate, estimate - half, estimate + half, 0.95, 40)


def measured(half: float = 0.004, **values: float) -> Measured:
    best = max(values, key=lambda name: values[name])
    return Measured(
        scores={name: Score(interval(value), 0.5) for name, value in values.items()},
        differences={n: interval(values["governed"] - v, half) for n, v in values.items() if n != "governed"},
        against_best={n: interval(v - values[best], half) for n, v in values.items() if n != best},
        best=best,
    )


def test_governed_is_recommended_when_it_is_as_good_as_the_best():
    found = recommend(measured(governed=0.400, frozen=0.350, naive=0.403, every_alarm=0.39), TRAININGS, POLICY, WITHIN)
    assert (found.policy, found.is_settled) == ("governed", True)
    assert found.sentences[0].startswith("Recommended: governed retraining (average precision 0.400")
    told = " ".join(found.sentences)
    assert "is better than the frozen model: difference +0.0500 (+0.0460 to +0.0540), 5 trainings against 1." in told
    assert "is not worse by more than 0.01 than naive retraining: difference -0.0030" in told
    assert "The frozen model did as well" not in told


def test_where_nothing_had_to_be_learned_it_says_so():
    found = recommend(measured(governed=0.4, frozen=0.401, naive=0.4, every_alarm=0.4), TRAININGS, POLICY, WITHIN)
    assert found.policy == "governed"
    assert "The frozen model did as well" in found.sentences[-1]
    assert "cost 4 more trainings" in found.sentences[-1]


def test_governed_is_not_recommended_when_it_is_worse():
    found = recommend(measured(governed=0.36, frozen=0.35, naive=0.4, every_alarm=0.399), TRAININGS, POLICY, WITHIN)
    assert found.policy == "every_alarm", "as good as naive with fewer trainings"
    told = " ".join(found.sentences)
    assert "Governed retraining is worse by more than 0.01 than naive retraining: difference -0.0400" in told
    assert "so it is not recommended" in told


def test_a_lone_best_is_recommended_whatever_it_costs():
    found = recommend(measured(governed=0.36, frozen=0.35, naive=0.4, every_alarm=0.35), TRAININGS, POLICY, WITHIN)
    assert (found.policy, found.is_settled) == ("naive", True)


def test_a_wide_interval_settles_nothing():
    wide = measured(0.05, governed=0.4, frozen=0.38, naive=0.395, every_alarm=0.39)
    found = recommend(wide, TRAININGS, POLICY, WITHIN)
    assert (found.policy, found.is_settled) == ("governed", False)
    assert "may be worse by more than 0.01 than naive retraining" in " ".join(found.sentences)
    assert "too wide" in found.sentences[-1]


def test_the_margin_decides():
    close = measured(governed=0.390, frozen=0.39, naive=0.397, every_alarm=0.39)
    assert recommend(close, TRAININGS, POLICY, WITHIN).policy != "governed"
    assert recommend(close, TRAININGS, BacktestPolicy(margin_average_precision=0.02), WITHIN).policy == "governed"


def test_what_single_periods_say_is_reported_where_it_contradicts():
    good = measured(governed=0.400, frozen=0.350, naive=0.380, every_alarm=0.39)
    found = recommend(good, TRAININGS, POLICY, {**WITHIN, "naive": 0.43})
    assert found.policy == "governed", "what was fixed before decides"
    told = "Within single periods naive retraining orders rows better: average precision 0.430 against 0.400"
    assert told in " ".join(found.sentences)
    same = recommend(good, TRAININGS, POLICY, {**WITHIN, "naive": 0.409})
    assert "Within single periods" not in " ".join(same.sentences)
