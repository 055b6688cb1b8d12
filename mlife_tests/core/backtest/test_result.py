"""Which policy is recommended, and what is said with it."""

from __future__ import annotations

import numpy as np
import pytest

from mlife_assets.core.backtest.measure import Criterion, Measured
from mlife_assets.core.backtest.result import Work, recommend, short_of_best

WORK = {
    "governed": Work(8, 5),
    "frozen": Work(1, 0),
    "naive": Work(40, 39),
    "every_alarm": Work(12, 11),
    "constant": Work(0, 0),
}
RESAMPLES = 400


def criterion(
    values: dict[str, float], half: float, *, is_lower_better: bool = False, margin: float = 0.01
) -> Criterion:
    """Return a criterion in which each policy scatters by itself; intervals of differences are about `half` wide."""
    rng = np.random.default_rng(3)
    # The quantile of a difference of two, widened for forty blocks.
    scatter = {name: rng.normal(size=RESAMPLES) * half / 2.03 / np.sqrt(2) for name in values}
    resampled = {name: value + scatter[name] - scatter[name].mean() for name, value in values.items()}
    return Criterion(values, resampled, margin, is_lower_better, 40, 0.025)


def measured(
    half: float = 0.003,
    *,
    within: dict[str, float] | None = None,
    losses: dict[str, float] | None = None,
    constant: float = 0.2,
    **values: float,
) -> Measured:
    values = {**values, "constant": constant}
    names = list(values)
    loss = {**dict.fromkeys(names, 0.5), "constant": 0.6, **(losses or {})}
    return Measured(
        criterion(values, half),
        criterion({**values, **(within or {})}, half),
        criterion(loss, 0.002, is_lower_better=True),
    )


def said(found) -> str:
    return " ".join(found.sentences)


def test_of_policies_that_are_as_good_the_one_that_installs_fewest_models_is_recommended():
    found = recommend(measured(governed=0.400, frozen=0.350, naive=0.403, every_alarm=0.402), WORK)
    assert (found.policy, found.is_settled) == ("governed", True)
    assert found.sentences[0].startswith("Recommended: governed retraining (average precision 0.400")
    assert found.sentences[0].endswith("8 trainings, 5 promotions).")
    assert "By average precision it is as good as naive retraining, the best: gain -0.0030" in said(found)
    assert "is better than the frozen model: difference +0.0500" in said(found)
    assert "5 promotions against 39." in said(found)
    assert "nothing had to be learned again" not in said(found)


def test_a_tie_goes_to_the_frozen_model_and_not_to_governed():
    found = recommend(measured(governed=0.401, frozen=0.400, naive=0.4, every_alarm=0.4), WORK)
    assert (found.policy, found.is_settled) == ("frozen", True)
    assert "Governed retraining is as good and installed 5 more models." in said(found)
    assert "nothing had to be learned again; governed retraining is what notices when that ends" in said(found)


def test_with_as_many_installations_the_one_that_trains_less_is_recommended():
    work = {**WORK, "governed": Work(8, 5), "every_alarm": Work(6, 5)}
    assert recommend(measured(governed=0.4, frozen=0.3, naive=0.4, every_alarm=0.4), work).policy == "every_alarm"


def test_installations_count_before_trainings():
    work = {**WORK, "governed": Work(20, 3), "every_alarm": Work(6, 5)}
    assert recommend(measured(governed=0.4, frozen=0.3, naive=0.4, every_alarm=0.4), work).policy == "governed"


def test_governed_is_not_recommended_when_it_is_worse():
    found = recommend(measured(governed=0.36, frozen=0.35, naive=0.4, every_alarm=0.399), WORK)
    assert found.policy == "every_alarm", "as good as naive with fewer promotions"
    assert "Governed retraining is worse by more than 0.01 than naive retraining: difference -0.0400" in said(found)
    assert (
        "Governed retraining is worse than the best by more than the margin by average precision and average precision "
        "within periods" in said(found)
    )


def test_a_lone_best_is_recommended_whatever_it_costs():
    found = recommend(measured(governed=0.36, frozen=0.35, naive=0.4, every_alarm=0.35), WORK)
    assert (found.policy, found.is_settled) == ("naive", True)
    assert "By average precision (0.4000) it is the best." in said(found)


@pytest.mark.parametrize("by", ["within", "losses"])
def test_each_criterion_counts(by):
    """The frozen model is level in one ranking of all rows; it orders the rows of a period worse, or errs in level."""
    worse = {"within": {"frozen": 0.35}, "losses": {"frozen": 0.55}}[by]
    found = measured(governed=0.4, frozen=0.4, naive=0.4, every_alarm=0.4, **{by: worse})
    what = {"within": "average precision within periods", "losses": "log loss"}[by]
    assert short_of_best(found, "frozen") == [what]
    assert recommend(found, WORK).policy == "governed"


def test_where_none_is_shown_to_be_as_good_the_estimates_speak_and_nothing_is_settled():
    """Naive is the best by one criterion and governed by another, each within the margin of the other by estimate."""
    values = {"governed": 0.395, "frozen": 0.3, "naive": 0.4, "every_alarm": 0.3}
    found = recommend(measured(0.02, within={"naive": 0.395, "governed": 0.4}, **values), WORK)
    assert (found.policy, found.is_settled) == ("governed", False)
    assert "By the estimates alone it would be governed retraining" in found.sentences[0]
    cheaper = recommend(
        measured(0.02, within={"naive": 0.395, "governed": 0.4}, **values), {**WORK, "naive": Work(4, 3)}
    )
    assert cheaper.policy == "naive", "of those the one that installs less"


def test_where_none_is_within_the_margin_by_every_criterion_the_smallest_shortfall_is_named():
    found = recommend(
        measured(
            governed=0.38, frozen=0.3, naive=0.4, every_alarm=0.3,
            within={"naive": 0.35, "governed": 0.38, "every_alarm": 0.4},
        ),
        WORK,
    )  # fmt: skip
    assert (found.policy, found.is_settled) == ("governed", False)
    assert found.sentences[0].startswith("The history does not settle it: no policy is shown to be as good")
    assert "not shown to be as good as naive retraining, the best" in said(found)


def test_of_equal_shortfalls_the_one_with_least_work_is_named_and_not_governed():
    """Whoever was never promoted serves what the frozen model does, to the bit."""
    even = dict.fromkeys(("governed", "frozen", "naive", "every_alarm"), 0.4)
    found = recommend(measured(**even, losses={**dict.fromkeys(even, 0.7), "constant": 0.6}), WORK)
    assert (found.policy, found.is_settled) == ("frozen", False)
    assert found.sentences[0].startswith("The history does not settle it")


def test_nobody_is_told_to_rank_by_what_is_not_shown_to_rank():
    losses = {"governed": 0.7, "frozen": 0.7, "constant": 0.6}
    found = said(recommend(measured(governed=0.4, frozen=0.2, naive=0.2, every_alarm=0.2, losses=losses), WORK))
    assert "is better than governed retraining (-0.1000" in found
    assert found.count("rank by these models") == 1
    _, _, after = found.partition("rank by these models")
    assert "is better than the frozen model (-0.1000" in after
    assert "these models are not shown to rank better either." in after


def test_nothing_is_shown_as_minus_nothing():
    even = criterion(dict.fromkeys(WORK, 0.5), 0.0, is_lower_better=True)
    found = said(recommend(Measured(even, even, even), WORK))
    assert "gain +0.0000 (+0.0000 to +0.0000)" in found
    assert "-0.0000" not in found


def test_a_wide_interval_settles_nothing_and_says_what_a_longer_history_might_show():
    wide = measured(0.05, governed=0.4, frozen=0.39, naive=0.395, every_alarm=0.39)
    found = recommend(wide, WORK)
    assert (found.policy, found.is_settled) == ("governed", False)
    assert "may be worse by more than 0.01 than naive retraining" in said(found)
    assert "too wide to rule out that another policy is better by more than the margin" in said(found)
    assert found.sentences[-1].startswith("Less work may do as well")
    assert "the frozen model" in found.sentences[-1]
    assert "everybody" not in found.sentences[-1], "which is known to be worse"


def test_a_constant_that_nothing_beats_is_recommended_and_said():
    level = dict.fromkeys(("governed", "frozen", "naive", "every_alarm"), 0.2)
    found = recommend(measured(constant=0.2, losses={"constant": 0.5}, **level), WORK)
    assert (found.policy, found.is_settled) == ("constant", True)
    assert "Nothing is shown to beat one probability for everybody" in said(found)
    one_does = recommend(measured(constant=0.2, losses={"constant": 0.5}, **(level | {"naive": 0.22})), WORK)
    assert one_does.policy == "naive"
    assert "Nothing is shown to beat" not in said(one_does)


def test_models_that_rank_and_say_worse_probabilities_than_a_constant_are_named():
    found = recommend(
        measured(
            governed=0.4, frozen=0.3, naive=0.4, every_alarm=0.4, losses={"frozen": 0.7, "constant": 0.6}
        ),
        WORK,
    )  # fmt: skip
    assert "By log loss one probability for everybody is better than the frozen model (-0.1000" in said(found)
    assert "Nothing is shown to beat" not in said(found)


def test_with_a_margin_of_zero_policies_that_serve_the_same_are_as_good_as_each_other():
    names = ("governed", "frozen", "naive", "every_alarm", "constant")
    same = Criterion(dict.fromkeys(names, 0.4), dict.fromkeys(names, np.full(RESAMPLES, 0.4)), 0.0, False, 40, 0.025)
    found = recommend(Measured(same, same, same), WORK)
    assert (found.policy, found.is_settled) == ("constant", True)
