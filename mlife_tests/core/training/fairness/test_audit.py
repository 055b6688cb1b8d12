"""The audit: Local Law 144's form, judged by interval, closed when nothing is known.

Intervals of ratios: against statsmodels, in the corners, and their error where it matters. Measures of each user:
hand-worked cases, ties, and independence of the order of rows.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import NormalDist

import numpy as np
import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.statistics import resampled_means
from mlife_assets.core.training.fairness import results
from mlife_assets.core.training.fairness.audit import (
    CONDITION,
    MEASURES,
    UserOutcomes,
    audit_fairness,
    fairness_condition,
    mean_ratio_interval,
    share_ratio_interval,
    user_outcomes,
)
from mlife_assets.core.training.fairness.results import ETHNICITIES, SEXES, UNKNOWN, FairnessAudit, ImpactRow

PNG = b"\x89PNG\r\n\x1a\n"
POLICY = PromotionPolicy(bootstrap_resamples=300)
# Applicants and selected by category, in the form of the example of 6 RCNY 5-301.
EXAMPLE = {
    "Hispanic or Latino": (408, 204), "White": (797, 412), "Black or African American": (390, 170),
    "Native Hawaiian or Pacific Islander": (119, 52), "Asian": (616, 302),
    "Native American or Alaska Native": (41, 18), "Two or More Races": (213, 96),
}  # fmt: skip
USERS = np.array(["ann", "ann", "ann", "ann", "bob", "bob", "cat"], dtype=object)
ITEMS = np.array(["a", "b", "c", "d", "a", "b", "a"], dtype=object)
SCORES = np.array([0.4, 0.9, 0.1, 0.3, 0.6, 0.2, 0.5])
WORTH = np.array([20.0, 30.0, 40.0, 10.0, 15.0, 15.0, 50.0])


def labels(values: list[str]) -> np.ndarray:
    return np.array(values, dtype=object)


def outcomes(is_selected: np.ndarray, exposure: np.ndarray | None = None) -> UserOutcomes:
    users = len(is_selected)
    share = np.full(users, 0.5) if exposure is None else exposure
    return UserOutcomes(np.arange(users), is_selected, is_selected, share)


def world(
    female_rate: float = 0.4, male_rate: float = 0.4, users: int = 6_000, seed: int = 1, female_exposure: float = 0.5
) -> tuple[UserOutcomes, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    sex = labels(rng.choice(SEXES, users).tolist())
    ethnicity = labels(rng.choice(ETHNICITIES[:3], users).tolist())
    selected = rng.random(users) < np.where(sex == "Female", female_rate, male_rate)
    exposure = np.clip(rng.normal(np.where(sex == "Female", female_exposure, 0.5), 0.15), 0, 1)
    sex[:60], ethnicity[30:150] = UNKNOWN, UNKNOWN
    return outcomes(selected, exposure), sex, ethnicity


def table_of(audit: FairnessAudit, measure: str, attribute: str) -> results.ImpactTable:
    return next(one for one in audit.tables if (one.measure, one.attribute) == (measure, attribute))


def row_of(audit: FairnessAudit, measure: str, attribute: str, category: str) -> ImpactRow:
    return next(row for row in table_of(audit, measure, attribute).rows if row.category == category)


def test_the_form_of_the_law() -> None:
    ethnicity = labels([name for name, (users, _) in EXAMPLE.items() for _ in range(users)])
    selected = np.concatenate([np.arange(users) < chosen for users, chosen in EXAMPLE.values()])
    audit = audit_fairness("m", outcomes(selected), labels(["Female"] * len(selected)), ethnicity, POLICY)
    found = {row.category: row for row in table_of(audit, "selection", "race_ethnicity").rows}
    ratios = {name: row.ratio for name, row in found.items()}
    assert ratios["White"] == 1.0
    assert found["White"].standing == "reference"
    assert ratios["Hispanic or Latino"] == pytest.approx(0.967, abs=5e-4)
    assert ratios["Black or African American"] == pytest.approx(0.843, abs=5e-4)
    assert ratios["Native Hawaiian or Pacific Islander"] == pytest.approx(0.845, abs=5e-4)
    assert ratios["Asian"] == pytest.approx(0.948, abs=5e-4)
    assert ratios["Two or More Races"] == pytest.approx(0.872, abs=5e-4)
    small = found["Native American or Alaska Native"]
    assert (small.users, small.selected, small.ratio, small.standing) == (41, 18, None, "too_small"), "under 2 %"
    assert small.rate == pytest.approx(18 / 41)


def test_every_measure_is_compared_by_every_attribute_and_answers_are_never_guessed() -> None:
    audit = audit_fairness("m", *world(), POLICY)
    assert [(one.measure, one.attribute) for one in audit.tables] == [
        (m, a) for m in MEASURES for a in results.ATTRIBUTES
    ]
    assert [len(one.rows) for one in audit.tables] == [2, 3, 6] * 3
    assert len(audit.compared) == 3 * (1 + 2 + 5)
    counts = {one.attribute: one.unknown_users for one in audit.tables if one.measure == "selection"}
    assert counts == {"sex": 60, "race_ethnicity": 120, "sex_and_race_ethnicity": 150}
    for one in audit.tables:
        assert sum(row.users or 0 for row in one.rows) + one.unknown_users + one.left_out_users == 6_000
        assert UNKNOWN not in [row.category for row in one.rows]
    shown = [record for record in audit.records() if record["category"] == UNKNOWN]
    assert len(shown) == 9
    assert all(record["rate"] is None and not record["is_judged"] for record in shown)
    spent = sum(one.alpha * len(one.rows) * (len(one.rows) - 1) for one in audit.tables)
    assert spent == pytest.approx(POLICY.fairness_one_sided_alpha)
    assert any("at most 0.025" in note and "Bonferroni" in note for note in audit.notes)


def test_users_without_a_choice_are_left_out_of_exposure_only() -> None:
    found, sex, ethnicity = world()
    exposure = found.valued_exposure.copy()
    exposure[100:600] = np.nan
    audit = audit_fairness("m", replace(found, valued_exposure=exposure), sex, ethnicity, POLICY)
    assert {one.left_out_users for one in audit.tables if one.measure == "exposure"} == {500}
    assert {one.left_out_users for one in audit.tables if one.measure != "exposure"} == {0}


@pytest.mark.parametrize("alpha", [0.0031, 0.0002])
def test_a_tighter_gate_never_loosens_fairness(alpha: float) -> None:
    """A ratio of .72 for 3,500 women was refused at .025 and passed at .0031, when one alpha served for both."""
    sex, ethnicity = labels(["Female", "Male"] * 3_500), labels(["White"] * 7_000)
    rank = np.arange(7_000) // 2
    found = outcomes(rank < np.where(sex == "Female", 0.3024, 0.42) * 3_500)
    tighter = replace(
        POLICY, one_sided_alpha=alpha, win_alpha_per_year=POLICY.win_alpha_per_year / 50, gates_per_year=366,
        minimum_delta_map=0.05,
    )  # fmt: skip
    audits = [audit_fairness("m", found, sex, ethnicity, policy) for policy in (POLICY, tighter)]
    assert audits[0] == audits[1]
    assert [fairness_condition(audit, "m").is_met for audit in audits] == [False, False]
    shared = replace(POLICY, fairness_one_sided_alpha=alpha)
    assert fairness_condition(audit_fairness("m", found, sex, ethnicity, shared), "m").is_met, "it would have passed"


def test_notes_name_attributes_in_words_and_keep_categories_apart() -> None:
    found, sex, ethnicity = world()
    ethnicity[200:215], ethnicity[300:315] = "Asian", "Two or More Races"
    notes = " ".join(audit_fairness("m", found, sex, ethnicity, POLICY).notes)
    assert "60 by sex, 120 by race or ethnicity, 150 by sex and race or ethnicity." in notes
    assert "; Female, Asian; Female, Two or More Races; " in notes


def test_equal_treatment_is_accepted_and_unequal_treatment_refused() -> None:
    fair = fairness_condition(audit_fairness("m", *world(), POLICY), "m")
    assert fair.is_met
    assert fair.name == CONDITION
    unfair = fairness_condition(audit_fairness("m", *world(0.25, 0.4), POLICY), "m")
    assert not unfair.is_met
    assert "proven below 0.8: " in unfair.sentence
    assert "Female" in unfair.sentence
    exposed = fairness_condition(audit_fairness("m", *world(female_exposure=0.3), POLICY), "m")
    assert not exposed.is_met
    assert "exposure of Female" in exposed.sentence


@pytest.mark.parametrize(("women", "ratio"), [(60, 0.75), (76, 0.95)])
def test_a_ratio_whose_interval_straddles_the_minimum_is_not_settled(women: int, ratio: float) -> None:
    """The point estimate alone refuses nothing and proves nothing, and is not passed over in silence."""
    sex = labels(["Female"] * 200 + ["Male"] * 200)
    selected = np.isin(np.arange(400), [*range(women), *range(200, 280)])
    audit = audit_fairness("m", outcomes(selected), sex, labels([UNKNOWN] * 400), POLICY)
    row = row_of(audit, "selection", "sex", "Female")
    assert row.ratio == pytest.approx(ratio)
    assert row.lower < 0.8 < row.upper  # type: ignore[operator]
    assert row.standing == "not_settled"
    condition = fairness_condition(audit, "m")
    assert condition.is_met
    assert "undecided" in condition.sentence
    assert f"{row.ratio:.2f} [{row.lower:.2f}, {row.upper:.2f}]" in condition.sentence


def test_groups_are_resampled_independently() -> None:
    """Two groups of the same exposures: the same draws for both would make their ratio certain."""
    exposure = np.tile(np.random.default_rng(4).random(300), 2)
    sex = labels(["Female"] * 300 + ["Male"] * 300)
    found = outcomes(np.arange(600) % 2 == 0, exposure)
    table = table_of(audit_fairness("m", found, sex, labels([UNKNOWN] * 600), POLICY), "exposure", "sex")
    (row,) = [one for one in table.rows if one.is_compared]
    assert row.ratio == pytest.approx(1.0)
    assert row.lower is not None
    error = np.sqrt(2 / 300) * exposure.std() / exposure.mean()
    assert (1 - row.lower) / NormalDist().inv_cdf(1 - table.alpha) == pytest.approx(error, rel=0.15)


def test_enough_people_settle_it_by_the_minimum_of_the_policy() -> None:
    audit = audit_fairness("m", *world(users=40_000), POLICY)
    condition = fairness_condition(audit, "m")
    assert condition.is_met
    assert condition.sentence == "All 24 impact ratios are proven to be at least 0.8."
    strict = replace(POLICY, impact_ratio_minimum=0.99)
    found = world(0.3, 0.36, users=20_000)
    assert fairness_condition(audit_fairness("m", *found, POLICY), "m").is_met
    assert not fairness_condition(audit_fairness("m", *found, strict), "m").is_met


def test_the_worst_case_is_refused() -> None:
    """Nobody of a group is selected: the log interval would have no upper bound and never refuse it."""
    condition = fairness_condition(audit_fairness("m", *world(0.0, 0.4, users=600), POLICY), "m")
    assert not condition.is_met
    assert "selection of Female 0.00" in condition.sentence


def test_small_groups_are_neither_judged_nor_shown() -> None:
    found, sex, ethnicity = world()
    ethnicity[200:209], ethnicity[300:329] = "Asian", "Two or More Races"
    audit = audit_fairness("m", found, sex, ethnicity, POLICY)
    tiny, small = (row_of(audit, "selection", "race_ethnicity", name) for name in ("Asian", "Two or More Races"))
    assert tiny == ImpactRow("Asian", None, None, None, None, None, None, "suppressed")
    assert (small.users, small.ratio, small.standing) == (29, None, "too_small")
    assert any("Too few people" in note and "Asian" in note for note in audit.notes)


@pytest.mark.parametrize(("people", "standing"), [(29, "too_small"), (30, "reference")])
def test_nobody_is_judged_with_fewer_than_thirty_people_however_small_the_sample(people: int, standing: str) -> None:
    sex = labels(["Female"] * people + ["Male"] * (200 - people))
    audit = audit_fairness("m", outcomes(np.arange(200) < 60), sex, labels([UNKNOWN] * 200), POLICY)
    assert row_of(audit, "selection", "sex", "Female").standing == standing


def test_a_small_group_may_not_be_the_reference() -> None:
    found, sex, ethnicity = world()
    ethnicity[200:229] = "Asian"
    selected = found.is_selected.copy()
    selected[200:229] = True
    audit = audit_fairness("m", replace(found, is_selected=selected), sex, ethnicity, POLICY)
    assert row_of(audit, "selection", "race_ethnicity", "Asian").standing == "too_small"
    assert fairness_condition(audit, "m").is_met


def test_nobody_selected_is_no_ratio_and_other_measures_still_count() -> None:
    found, sex, ethnicity = world()
    audit = audit_fairness("m", replace(found, is_selected=np.zeros(6_000, dtype=bool)), sex, ethnicity, POLICY)
    assert {row.standing for row in table_of(audit, "selection", "sex").rows} == {"no_ratio"}
    assert {table.measure for table, _ in audit.compared} == {"scoring", "exposure"}


def test_exposure_that_is_almost_zero_for_all_is_no_ratio() -> None:
    found, sex, ethnicity = world(users=200)
    exposure = np.zeros(200)
    exposure[170] = 1.0
    audit = audit_fairness("m", replace(found, valued_exposure=exposure), sex, ethnicity, POLICY)
    assert {row.standing for row in table_of(audit, "exposure", "sex").rows} == {"no_ratio"}


def test_no_audit_another_models_audit_and_an_audit_of_nothing_refuse() -> None:
    found, sex, ethnicity = world()
    audit = audit_fairness("m", found, sex, ethnicity, POLICY)
    nobody = labels([UNKNOWN] * 6_000)
    empty = audit_fairness("m", found, nobody, nobody, POLICY)
    for condition, told in (
        (fairness_condition(None, "m"), "no fairness audit"),
        (fairness_condition(audit, "other"), "is of m, not of other"),
        (fairness_condition(empty, "m"), "No impact ratio can be judged"),
    ):
        assert not condition.is_met
        assert told in condition.sentence


def test_the_order_of_users_changes_nothing() -> None:
    found, sex, ethnicity = world()
    order = np.random.default_rng(9).permutation(6_000)
    moved = UserOutcomes(
        found.user_ids[order], found.is_selected[order], found.is_above_median[order], found.valued_exposure[order]
    )
    assert audit_fairness("m", found, sex, ethnicity, POLICY) == audit_fairness(
        "m", moved, sex[order], ethnicity[order], POLICY
    )


def test_a_report_holds_no_user_and_reads_back() -> None:
    audit = audit_fairness("m", *world(), POLICY)
    stored = orjson.loads(orjson.dumps(audit.to_report()))
    assert FairnessAudit.from_report(stored) == audit
    assert "user_ids" not in str(stored)
    with pytest.raises(InvalidInputError, match="no fairness audit"):
        FairnessAudit.from_report({"model_version": "m"})


def test_missing_or_misshapen_answers_are_refused() -> None:
    found, sex, ethnicity = world()
    with pytest.raises(InvalidInputError, match=r"sex has shape \(5999,\)"):
        audit_fairness("m", found, sex[1:], ethnicity, POLICY)
    ethnicity[7] = None
    with pytest.raises(InvalidInputError, match="race_ethnicity is missing in row 7"):
        audit_fairness("m", found, sex, ethnicity, POLICY)


def test_random_groups_are_refused_no_more_often_than_stated() -> None:
    """Groups drawn at random: at most 2.5 % of audits may refuse; a rule on point estimates refuses many."""
    refused = point = 0
    for seed in range(60):
        audit = audit_fairness("m", *world(users=1_500, seed=seed), replace(POLICY, bootstrap_resamples=200))
        refused += not fairness_condition(audit, "m").is_met
        point += any((row.ratio or 1.0) < 0.8 for _, row in audit.compared)
    assert refused == 0
    assert point > 10


@pytest.mark.parametrize("alpha", [0.025, 1e-3, 3e-5])
@pytest.mark.parametrize(
    "counts", [(30, 100, 50, 120), (0, 500, 100, 400), (5, 40, 20, 60), (90, 100, 95, 100), (300, 3470, 1227, 3586)]
)
def test_shares_agree_with_statsmodels(counts: tuple[int, int, int, int], alpha: float) -> None:
    from statsmodels.stats.proportion import confint_proportions_2indep

    expected = confint_proportions_2indep(*counts, method="score", compare="ratio", alpha=2 * alpha, correction=False)
    found = share_ratio_interval(*counts, alpha)
    assert (found.lower, found.upper) == pytest.approx(expected, abs=1e-9)
    assert found.ratio == pytest.approx(counts[0] * counts[3] / counts[1] / counts[2])


def test_all_selected_in_both_groups_is_a_ratio_of_one() -> None:
    found = share_ratio_interval(50, 50, 80, 80, 0.01)
    assert found.ratio == 1.0
    assert 0.85 < found.lower < 1.0 < found.upper < 1.1


@given(st.integers(1, 400), st.integers(1, 400), st.floats(0, 1), st.floats(0, 1), st.sampled_from([0.025, 1e-3, 1e-5]))
def test_bounds_enclose_the_ratio_and_turn_with_the_groups(
    n: int, m: int, share: float, other: float, alpha: float
) -> None:
    x, y = round(share * n), round(other * m)
    assume(x > 0 and y > 0)
    one, back = share_ratio_interval(x, n, y, m, alpha), share_ratio_interval(y, m, x, n, alpha)
    assert one.lower <= one.ratio * (1 + 1e-9)
    assert one.ratio <= one.upper * (1 + 1e-9)
    assert one.lower == pytest.approx(1 / back.upper, rel=1e-6)
    assert one.upper == pytest.approx(1 / back.lower, rel=1e-6)


def test_the_upper_bound_errs_as_often_as_it_says() -> None:
    """A true ratio of exactly 0.8, the hardest case of the four-fifths rule, over 2,000 worlds."""
    rng, alpha, worlds = np.random.default_rng(3), 0.025, 2_000
    own, best = rng.binomial(150, 0.8 * 0.35, worlds), rng.binomial(1_200, 0.35, worlds)
    low = sum(
        share_ratio_interval(int(x), 150, int(y), 1_200, alpha).upper < 0.8 for x, y in zip(own, best, strict=True)
    )
    assert abs(low / worlds - alpha) < 4 * np.sqrt(alpha / worlds)


@pytest.mark.parametrize(
    ("counts", "error", "told"),
    [
        ((1, 0, 1, 2), NotEnoughEvidenceError, "0 users in the group"),
        ((1, 2, 0, 2), NotEnoughEvidenceError, "0 successes in the reference"),
        ((3, 2, 1, 2), InvalidInputError, "group has 3 successes of 2"),
        ((1, 2, -1, 2), InvalidInputError, "reference has -1 successes"),
    ],
)
def test_impossible_counts_are_refused(counts: tuple[int, int, int, int], error: type, told: str) -> None:
    with pytest.raises(error, match=told):
        share_ratio_interval(*counts, 0.025)


@pytest.mark.parametrize("alpha", [0.0, 0.5, -1.0, float("nan")])
def test_an_impossible_error_is_refused(alpha: float) -> None:
    with pytest.raises(InvalidInputError, match="alpha"):
        share_ratio_interval(1, 2, 1, 2, alpha)


def test_the_interval_of_means_agrees_with_the_delta_method() -> None:
    rng = np.random.default_rng(2)
    one, best = rng.beta(2, 3, 400), rng.beta(3, 3, 900)
    means = resampled_means(one, 8_000, 1), resampled_means(best, 8_000, 2)
    found = mean_ratio_interval(one.mean(), means[0], best.mean(), means[1], 0.025)
    ratio = one.mean() / best.mean()
    error = ratio * np.hypot(one.std() / 20 / one.mean(), best.std() / 30 / best.mean())
    assert found.ratio == pytest.approx(ratio)
    assert (found.lower, found.upper) == pytest.approx((ratio - 1.96 * error, ratio + 1.96 * error), abs=0.004)


def test_means_without_a_ratio_are_refused() -> None:
    with pytest.raises(NotEnoughEvidenceError, match="above zero"):
        mean_ratio_interval(0.1, np.array([0.1, 0.2]), 0.1, np.array([0.0, 0.2]), 0.025)


def measured(budget: int = 1, depth: int = 3, **changed: np.ndarray) -> UserOutcomes:
    columns = {"user_ids": USERS, "item_ids": ITEMS, "scores": SCORES, "worth": WORTH} | changed
    return user_outcomes(**columns, budget=budget, depth=depth, seed=1)


def test_the_best_candidate_decides_who_is_selected() -> None:
    assert measured().user_ids.tolist() == ["ann", "bob", "cat"]
    assert measured(0).is_selected.tolist() == [False, False, False]
    assert measured(1).is_selected.tolist() == [True, False, False]
    assert measured(2).is_selected.tolist() == [True, True, False]
    assert measured(9).is_selected.tolist() == [True, True, True]


def test_scoring_is_above_the_median_of_users_not_of_rows() -> None:
    assert measured().is_above_median.tolist() == [True, False, False]


def test_exposure_is_discounted_by_rank_and_relative_to_the_users_own_candidates() -> None:
    """Ann ranks b (30), a (20), d (10): of her median 25, b alone is worth more. Bob and Cat have no choice."""
    discount = 1 / np.log2([2.0, 3.0, 4.0])
    found = measured().valued_exposure
    assert found[0] == pytest.approx(discount[0] / discount.sum())
    assert np.isnan(found[1:]).all()
    assert measured(depth=1).valued_exposure[0] == 1.0
    found = user_outcomes(
        ["u"] * 3, ["a", "b", "c"], np.arange(3.0), np.array([9.0, 12.0, 15.0]), budget=1, depth=3, seed=1
    )
    assert found.valued_exposure[0] == pytest.approx((discount[0] + discount[1]) / discount.sum())


def test_a_constant_score_selects_at_random_and_shows_no_preference() -> None:
    users = np.repeat(np.arange(400), 10)
    items = np.tile(np.arange(10), 400)
    worth = items.astype(float)
    found = user_outcomes(users, items, np.zeros(4_000), worth, budget=200, depth=3, seed=7)
    assert found.is_selected.sum() == 200
    assert abs(found.is_selected[:200].sum() - 100) < 40, "ties go by hash, not by id"
    assert not found.is_above_median.any()
    assert found.valued_exposure.mean() == pytest.approx(0.5, abs=0.05)


@given(st.permutations(range(len(USERS))), st.integers(0, 4), st.integers(1, 5))
def test_the_order_of_rows_changes_nothing(order: list[int], budget: int, depth: int) -> None:
    place = np.array(order)
    one = measured(budget, depth)
    columns = {"user_ids": USERS, "item_ids": ITEMS, "scores": SCORES, "worth": WORTH}
    other = measured(budget, depth, **{name: column[place] for name, column in columns.items()})
    for name in ("user_ids", "is_selected", "is_above_median"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert np.array_equal(one.valued_exposure, other.valued_exposure, equal_nan=True)


def test_no_rows_are_no_users() -> None:
    empty = user_outcomes([], [], np.zeros(0), np.zeros(0), budget=1, depth=1, seed=1)
    assert len(empty.user_ids) == len(empty.valued_exposure) == len(empty.is_selected) == 0


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"scores": np.append(SCORES[:-1], np.nan)}, "score is nan in row 6"),
        ({"worth": np.append(np.inf, WORTH[1:])}, "worth is inf in row 0"),
        ({"worth": WORTH[1:]}, "6 values of worth for 7 rows"),
        ({"item_ids": ITEMS[1:]}, "6 values of item_ids"),
    ],
)
def test_columns_that_do_not_fit_are_refused(changed: dict[str, np.ndarray], told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        measured(**changed)


@pytest.mark.parametrize(("budget", "depth"), [(-1, 1), (1, 0)])
def test_limits_that_make_no_sense_are_refused(budget: int, depth: int) -> None:
    with pytest.raises(InvalidInputError, match="budget is"):
        measured(budget, depth)


def test_a_picture_is_small_and_the_same_bytes() -> None:
    pictures = [results.plot_impact_ratios(audit_fairness("m", *world(rate), POLICY)) for rate in (0.2, 0.2, 0.4)]
    assert pictures[0].startswith(PNG)
    assert len(pictures[0]) < 40_000
    assert pictures[0] == pictures[1] != pictures[2]
    nobody, found = labels([UNKNOWN] * 50), outcomes(np.ones(50, dtype=bool), np.full(50, np.nan))
    assert results.plot_impact_ratios(audit_fairness("m", found, nobody, nobody, POLICY)).startswith(PNG)
