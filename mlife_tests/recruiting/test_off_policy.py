"""Off-policy estimates: right on average, exact where they must be, refused when the log cannot say it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.scoring.feature_spec import FeatureSpec, examples_matrix
from mlife_assets.recruiting.messaging.audience import explore
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.off_policy.estimates import (
    Estimate,
    LoggedDecisions,
    WeightedDecisions,
    estimate_difference,
    estimate_value,
    explored_candidates,
    greedy_decisions,
    greedy_probabilities,
    logged_decisions,
    logged_features,
)

POLICY = PromotionPolicy()
DAY = date(2026, 6, 2)
PLAN_DAY = date(2026, 6, 1)
SPEC = FeatureSpec(("distance_km", "shift"), (("shift", ("day", "night")),))


@dataclass(frozen=True, eq=False)
class Toy:
    """u users, each with the same k candidates on each of some days; everything about them is known."""

    logged: np.ndarray
    target: np.ndarray
    truth: np.ndarray
    predicted: np.ndarray
    users: int = 2_000
    days: int = 2

    @property
    def value(self) -> float:
        return float(self.target @ self.truth)

    def rows(self, seed: int) -> dict[str, np.ndarray]:
        """Return candidate rows of drawn texts, shuffled."""
        rng, k, n = np.random.default_rng(seed), len(self.logged), self.users * self.days
        sent = rng.choice(k, n, p=self.logged)
        rows = {
            "user_ids": np.repeat(np.arange(n) % self.users, k), "job_ids": np.tile(np.arange(k), n),
            "as_of_dates": np.datetime64(DAY) + np.repeat(np.arange(n) // self.users, k),
            "exploration_propensity": np.tile(self.logged, n), "target_probability": np.tile(self.target, n),
            "is_sent": (np.arange(k) == sent[:, None]).ravel(), "reward": rng.random(n * k) < np.tile(self.truth, n),
            "predicted_reward": np.tile(self.predicted, n),
        }  # fmt: skip
        order = rng.permutation(n * k)
        return {name: column[order] for name, column in rows.items()}

    def decisions(self, seed: int = 1) -> LoggedDecisions:
        return logged_decisions(**self.rows(seed))


TOY = Toy(
    logged=np.array([0.5, 0.25, 0.125, 0.125]),
    target=np.array([0.1, 0.6, 0.3, 0.0]),
    truth=np.array([0.02, 0.10, 0.06, 0.5]),
    predicted=np.array([0.05, 0.05, 0.02, 0.9]),
)


GREEDY = replace(TOY, target=np.array([0.0, 1.0, 0.0, 0.0]))


FLOORED = replace(TOY, logged=np.array([0.5, 0.25, 0.25, 0.0]), target=np.array([0.3, 0.3, 0.3, 0.1]))


def one_decision(toy: Toy, sent: int, reward: float) -> WeightedDecisions:
    k = len(toy.logged)
    decisions = logged_decisions(
        user_ids=np.zeros(k, np.int64), job_ids=np.arange(k), as_of_dates=np.full(k, np.datetime64(DAY)),
        exploration_propensity=toy.logged, target_probability=toy.target, is_sent=np.arange(k) == sent,
        reward=np.full(k, reward), predicted_reward=toy.predicted,
    )  # fmt: skip
    return WeightedDecisions.of(decisions, decisions.supported)


@settings(max_examples=60)
@given(st.integers(2, 6), st.integers(0, 10_000))
def test_ips_and_dr_are_unbiased_by_enumeration(k: int, seed: int) -> None:
    """Over all that the draw and the user may do, both average the true value of the target, whatever is predicted."""
    rng = np.random.default_rng(seed)
    toy = Toy(rng.dirichlet(np.ones(k)), rng.dirichlet(np.ones(k)), rng.random(k), rng.random(k))
    outcomes = [(a, r, toy.logged[a] * (p if r else 1 - p)) for a, p in enumerate(toy.truth) for r in (0.0, 1.0)]
    weighted = [(one_decision(toy, action, reward), chance) for action, reward, chance in outcomes]
    assert sum(one.ips().value * chance for one, chance in weighted) == pytest.approx(toy.value, abs=1e-9)
    assert sum(one.mean_weight().value * chance for one, chance in weighted) == pytest.approx(1.0, abs=1e-9)
    robust = [(one.doubly_robust(), chance) for one, chance in weighted]
    assert sum(one.value * chance for one, chance in robust if one) == pytest.approx(toy.value, abs=1e-9)


@pytest.mark.parametrize("toy", [TOY, GREEDY], ids=["mixed", "greedy"])
def test_intervals_hold_the_known_value(toy: Toy) -> None:
    runs = [estimate_value(toy.decisions(seed), POLICY) for seed in range(40)]
    for name in ("ips", "snips", "doubly_robust"):
        intervals = [getattr(run, name) for run in runs]
        estimates = np.array([one.estimate for one in intervals])
        assert abs(estimates.mean() - toy.value) < 4 * estimates.std(ddof=1) / np.sqrt(len(runs)), name
        assert sum(one.lower <= toy.value <= one.upper for one in intervals) >= 34, name
        spread = np.mean([one.upper - one.lower for one in intervals]) / (2 * 1.96)
        assert spread == pytest.approx(estimates.std(ddof=1), rel=0.35), name
    assert all(run.is_log_consistent for run in runs)
    assert runs[0].users == runs[0].ips.n == toy.users
    assert runs[0].decisions == toy.users * toy.days
    assert runs[0].value is runs[0].doubly_robust


def test_dr_is_exact_with_an_exact_model_and_narrower_with_a_good_one() -> None:
    decisions = TOY.decisions()
    expected = np.full(len(decisions), TOY.value)
    certain = replace(decisions, reward=decisions.logged_probability, predicted_reward=decisions.logged_probability)
    found = estimate_value(replace(certain, predicted_value=expected), POLICY)
    assert found.doubly_robust is not None
    assert found.doubly_robust.estimate == pytest.approx(TOY.value, abs=1e-12)
    assert found.doubly_robust.upper - found.doubly_robust.lower < 1e-9
    rich = replace(TOY, truth=np.array([0.9, 0.1, 0.8, 0.2]))
    good = estimate_value(replace(rich, predicted=rich.truth).decisions(), POLICY)
    assert good.doubly_robust is not None
    assert good.doubly_robust.upper - good.doubly_robust.lower < 0.8 * (good.ips.upper - good.ips.lower)


def test_snips_follows_a_shift_of_rewards_and_ips_does_not() -> None:
    decisions = replace(TOY.decisions(), predicted_reward=None, predicted_value=None)
    plain = estimate_value(decisions, POLICY)
    moved = estimate_value(replace(decisions, reward=0.5 * decisions.reward + 0.25), POLICY)
    for bound in ("estimate", "lower", "upper"):
        assert getattr(moved.snips, bound) == pytest.approx(0.5 * getattr(plain.snips, bound) + 0.25, abs=1e-12)
    assert abs(moved.ips.estimate - (0.5 * plain.ips.estimate + 0.25)) > 1e-4
    flipped = estimate_value(replace(decisions, reward=1 - decisions.reward), POLICY).snips
    assert (flipped.lower, flipped.upper) == pytest.approx((1 - plain.snips.upper, 1 - plain.snips.lower), abs=1e-12)
    assert plain.doubly_robust is None
    assert plain.value is plain.snips
    assert "self-normalised" in plain.sentences[0]


@pytest.mark.parametrize("toy", [TOY, FLOORED], ids=["supported", "floored"])
def test_influences_are_errors_about_zero(toy: Toy) -> None:
    decisions = toy.decisions()
    weighted = WeightedDecisions.of(decisions, decisions.supported)
    for estimate in (weighted.ips(), weighted.snips(), weighted.doubly_robust(), weighted.mean_weight()):
        assert estimate is not None
        assert estimate.influences.sum() == pytest.approx(0.0, abs=1e-12)
        assert len(estimate.influences) == toy.users


def test_a_users_decisions_count_together() -> None:
    """The same decisions written ten times over are no more evidence."""
    once = TOY.decisions()
    many = once.take(np.tile(np.arange(len(once)), 10))
    first, tenfold = estimate_value(once, POLICY), estimate_value(many, POLICY)
    assert tenfold.effective_sample_size == pytest.approx(first.effective_sample_size)
    for name in ("ips", "snips", "doubly_robust"):
        assert getattr(tenfold, name).upper == pytest.approx(getattr(first, name).upper)


def test_the_order_of_rows_changes_no_bit() -> None:
    toy = replace(TOY, users=500, days=8)
    rows = toy.rows(3)
    order = np.random.default_rng(5).permutation(len(rows["reward"]))
    first = estimate_value(logged_decisions(**rows), POLICY)
    assert estimate_value(logged_decisions(**{name: column[order] for name, column in rows.items()}), POLICY) == first
    decisions = toy.decisions(3)
    assert estimate_value(decisions.take(np.random.default_rng(6).permutation(len(decisions))), POLICY) == first


def test_the_interval_of_a_count_is_the_score_interval() -> None:
    """25 rewards of 10,000 in equal parts: (25 - x)^2 <= z^2 x, as of a Poisson count."""
    influences = np.zeros(10_000)
    influences[:25] = 1.0
    found = Estimate(25.0, influences).interval(0.95)
    z2 = 1.959963984540054**2
    roots = np.sort(np.roots([1.0, -(50 + z2), 625.0]))
    assert (found.lower, found.upper) == pytest.approx(tuple(roots), rel=1e-4)
    assert found.upper - 25 > 25 - found.lower
    with pytest.raises(InvalidInputError, match="level is 95"):
        Estimate(25.0, influences).interval(95)


def test_few_effective_users_are_refused() -> None:
    thin = replace(GREEDY, users=700, days=1, truth=np.full(4, 0.5))
    with pytest.raises(NotEnoughEvidenceError, match=r"effective sample 1\d\d from 700 explored decisions, 200 needed"):
        estimate_value(thin.decisions(), POLICY)
    found = estimate_value(thin.decisions(), PromotionPolicy(off_policy_minimum_effective_sample=150))
    assert 150 < found.effective_sample_size < 200
    assert found.effective_sample_size == pytest.approx(np.sum(thin.decisions().target_probability > 0))


def equal_weights(users: int, rewarded: int) -> LoggedDecisions:
    """Return one decision each of users, all of weight 1: the effective sample is their number."""
    ones = np.ones(users)
    return LoggedDecisions(np.arange(users), ones, ones, (np.arange(users) < rewarded).astype(float))


def test_the_smallest_evidence_that_suffices_is_what_the_policy_says() -> None:
    assert estimate_value(equal_weights(200, 10), POLICY).effective_sample_size == 200
    with pytest.raises(NotEnoughEvidenceError, match="effective sample 199 from 199 explored decisions, 200 needed"):
        estimate_value(equal_weights(199, 10), POLICY)
    with pytest.raises(NotEnoughEvidenceError, match="9 users with a reward among the 200 explored decisions"):
        estimate_value(equal_weights(200, 9), POLICY)


def test_the_variance_of_few_users_is_that_of_a_sample() -> None:
    """Two influences of 1 and -1: the sum of squares is 2, times 2 / (2 - 1) is 4, and nothing is skewed."""
    found = Estimate(0.0, np.array([1.0, -1.0])).interval(0.95)
    assert (found.lower, found.upper) == pytest.approx((-2 * 1.959963984540054, 2 * 1.959963984540054))


def test_what_was_never_on_offer_is_left_out_and_said() -> None:
    truth = float(FLOORED.target[:3] @ FLOORED.truth[:3]) / 0.9
    runs = [estimate_value(FLOORED.decisions(seed), POLICY) for seed in range(30)]
    for name in ("ips", "snips", "doubly_robust"):
        estimates = np.array([getattr(run, name).estimate for run in runs])
        assert abs(estimates.mean() - truth) < 4 * estimates.std(ddof=1) / np.sqrt(len(runs)), name
    assert runs[0].unsupported_share == pytest.approx(0.1)
    assert "10.0% of the choices are left out, because the draw never offers them" in runs[0].sentences[1]
    assert all(run.is_log_consistent for run in runs)
    with pytest.raises(NotEnoughEvidenceError, match="never offers 30% of what the target would choose, at most 20%"):
        estimate_value(replace(FLOORED, target=np.array([0.7, 0.0, 0.0, 0.3])).decisions(), POLICY)
    with pytest.raises(NotEnoughEvidenceError, match="0 of 4,000 decisions offer"):
        estimate_value(replace(FLOORED, target=np.array([0.0, 0.0, 0.0, 1.0])).decisions(), POLICY)


def test_no_weight_is_cut_and_the_largest_is_reported() -> None:
    found = estimate_value(TOY.decisions(), POLICY)
    assert found.largest_weight == pytest.approx(2.4)
    assert found.sentences[-1] == "No weight was cut; the largest is 2.4."


def test_a_log_that_lies_is_noticed() -> None:
    """A third of the texts that the target likes never went out: the weights no longer average 1."""
    decisions = GREEDY.decisions()
    kept = (decisions.target_probability == 0) | (np.random.default_rng(2).random(len(decisions)) < 0.67)
    found = estimate_value(decisions.take(kept), POLICY)
    assert not found.is_log_consistent
    assert "does not follow the logged probabilities" in found.sentences[-1]


def test_a_difference_is_paired() -> None:
    better, worse = replace(TOY, target=np.array([0.0, 1.0, 0.0, 0.0])), replace(TOY, target=np.eye(4)[0])
    found = estimate_difference(better.decisions(4), worse.decisions(4), POLICY)
    assert found.difference.lower < better.value - worse.value < found.difference.upper
    assert found.difference.lower > 0
    assert found.difference.estimate == pytest.approx(found.first.value.estimate - found.second.value.estimate)
    assert found.sentences[0].startswith("The first policy earns +0.0")
    same = estimate_difference(better.decisions(4), better.decisions(4), POLICY).difference
    assert (same.estimate, same.lower, same.upper) == (0.0, 0.0, 0.0)
    with pytest.raises(InvalidInputError, match="reward of the two targets differ"):
        estimate_difference(better.decisions(4), replace(worse.decisions(4), reward=np.zeros(4000)), POLICY)


def test_a_difference_warns_of_either_side() -> None:
    """Half of what the second target likes went missing, and as large a share of the first's that it keeps its half."""
    sides = [replace(TOY, target=np.eye(4)[job]).decisions() for job in (0, 1)]
    kept = np.random.default_rng(2).random(len(sides[0])) < np.select(
        [sides[0].target_probability > 0, sides[1].target_probability > 0], [0.75, 0.5], 1.0
    )
    found = estimate_difference(*(side.take(kept) for side in sides), POLICY)
    assert (found.first.is_log_consistent, found.second.is_log_consistent) == (True, False)
    (warning,) = [sentence for sentence in found.sentences if "does not follow the logged" in sentence]
    assert warning.startswith("Second policy: The weights average 0.")


def test_a_difference_without_predictions_is_self_normalised() -> None:
    sides = [replace(toy.decisions(4), predicted_reward=None, predicted_value=None) for toy in (GREEDY, TOY)]
    found = estimate_difference(*sides, POLICY)
    assert found.difference.estimate == pytest.approx(found.first.snips.estimate - found.second.snips.estimate)
    assert "self-normalised" in found.sentences[0]


def test_a_difference_counts_only_what_both_could_have_sent() -> None:
    rows = FLOORED.rows(1)
    half = np.where(rows["user_ids"] % 8 == 0, rows["job_ids"] == 3, rows["job_ids"] == 1).astype(float)
    first = logged_decisions(**{**rows, "target_probability": half})
    second = logged_decisions(**{**rows, "target_probability": (rows["job_ids"] == 0).astype(float)})
    for found in (estimate_difference(first, second, POLICY), estimate_difference(second, first, POLICY)):
        assert found.first.decisions == found.second.decisions == 3_500
        assert found.first.unsupported_share == found.second.unsupported_share == pytest.approx(0.125)
        assert "12.5% of the choices are left out" in " ".join(found.sentences)


def test_a_difference_leaves_out_decisions_that_a_target_would_partly_leave() -> None:
    """Nine tenths of what the first target would send was on offer: its value there says nothing about the rest."""
    sure = replace(FLOORED, target=np.eye(4)[0])
    for sides in ((FLOORED, sure), (sure, FLOORED)):
        with pytest.raises(NotEnoughEvidenceError, match="0 of 4,000 decisions offer what the target would choose"):
            estimate_difference(*(side.decisions(1) for side in sides), POLICY)


def test_greedy_targets_follow_scores_and_the_ties_of_the_draw() -> None:
    rng = np.random.default_rng(9)
    users, jobs = np.repeat([f"u{i}" for i in range(300)], 6), np.tile([f"j{k}" for k in range(6)], 300)
    scores = rng.integers(0, 3, len(users)).astype(float)
    chosen, days = [], []
    for offset in (0, 1):
        day = date(2026, 6, 2 + offset)
        ids = (pa.chunked_array([pa.array(column.tolist())]) for column in (users, jobs))
        found = explore(*ids, scores / 4, np.zeros(len(users)), policy=MessagingPolicy(), as_of=day)
        chosen.append(found.rank == 1)
        days.append(np.full(len(users), np.datetime64(day)))
    rows = (np.tile(users, 2), np.tile(jobs, 2), np.concatenate(days), np.tile(scores, 2))
    found = greedy_probabilities(*rows)
    assert np.array_equal(found == 1, np.concatenate(chosen))
    assert found.sum() == 600
    assert (chosen[0] != chosen[1]).any(), "ties fall differently on another day"
    order = rng.permutation(len(found))
    assert np.array_equal(greedy_probabilities(*(column[order] for column in rows)), found[order])
    with pytest.raises(InvalidInputError, match="scores row 2 is NaN"):
        greedy_probabilities(*(column[:3] for column in rows[:3]), np.array([1.0, 2.0, np.nan]))
    with pytest.raises(InvalidInputError, match="differ in length"):
        greedy_probabilities(*rows[:3], scores)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda rows: rows | {"job_ids": np.zeros_like(rows["job_ids"])}, "user 0 on 2026-06-02 has a job twice"),
        (lambda rows: rows | {"is_sent": np.zeros(len(rows["is_sent"]), bool)}, "not exactly one sent candidate"),
        (lambda rows: rows | {"is_sent": np.ones(len(rows["is_sent"]), bool)}, r"4000 such decisions"),
        (
            lambda rows: rows | {"exploration_propensity": rows["exploration_propensity"] * 0.99},
            "exploration propensities that do not sum to 1; pass the whole candidate set",
        ),
        (lambda rows: rows | {"target_probability": np.zeros(len(rows["reward"]))}, "target probabilities that do not"),
        (lambda rows: rows | {"reward": rows["reward"][1:]}, "differ in length"),
    ],
)
def test_incomplete_decisions_are_refused(change: Any, sentence: str) -> None:
    with pytest.raises(InvalidInputError, match=sentence):
        logged_decisions(**change(TOY.rows(1)))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"logged_probability": np.zeros(3)}, r"logged_probability is 0.0 in row 0; pass finite numbers in \(0, 1\]"),
        ({"target_probability": np.full(3, 1.1)}, r"target_probability is 1.1 in row 0; .* \[0, 1\]"),
        ({"reward": np.array([0, 1, np.nan])}, "reward is nan in row 2"),
        ({"reward": np.zeros(2)}, "reward has 2 rows, user_ids 3"),
        ({"predicted_reward": np.zeros(3)}, "together or not at all"),
        ({"predicted_reward": np.zeros(3), "predicted_value": np.full(3, np.inf)}, "predicted_value is inf in row 0"),
    ],
)
def test_values_out_of_range_are_refused(change: dict[str, np.ndarray], sentence: str) -> None:
    sound = {
        "user_ids": np.arange(3),
        "logged_probability": np.ones(3),
        "target_probability": np.ones(3),
        "reward": np.ones(3),
    }
    with pytest.raises(InvalidInputError, match=sentence):
        LoggedDecisions(**(sound | change))


def prediction(user: str, job: str, *, model: str = "mdl_a", chance: float = 0.5, **changed: Any) -> dict[str, Any]:
    row = {
        "prediction_id": f"prd_{user}_{job}_{model}", "user_id": user, "job_id": job, "as_of_date": PLAN_DAY,
        "model_version": model, "candidate_set_hash": f"set_{user}", "application": "texts", "slice": "explore",
        "features": [1.5, 0.0], "exploration_propensity": chance,
    }  # fmt: skip
    return row | changed


def example(
    message: str, *, slice_: str = "explore", kind: str = "message", is_applied: bool = False
) -> dict[str, Any]:
    return {"exposure_id": message, "slice": slice_, "exposure_kind": kind, "is_applied": is_applied}


def plans(campaign: str = "texts", **prediction_by_message: str | None) -> pa.Table:
    names, count = ("message_id", "prediction_id", "campaign"), len(prediction_by_message)
    columns = (list(prediction_by_message), list(prediction_by_message.values()), [campaign] * count)
    return pa.table([pa.array(values, pa.string()) for values in columns], list(names))


def test_an_explored_text_brings_its_whole_candidate_set_and_no_other() -> None:
    predictions = [
        prediction("u1", "j1"), prediction("u1", "j2"), prediction("u2", "j1"), prediction("u1", "j1", model="mdl_b"),
        prediction("u1", "j3", candidate_set_hash="another"),
    ]  # fmt: skip
    found = explored_candidates(
        pa.Table.from_pylist([example("m1", is_applied=True)]),
        plans(m1="prd_u1_j2_mdl_a", m2="prd_u2_j1_mdl_a"),
        pa.Table.from_pylist(predictions),
    )
    rows = {row["prediction_id"]: (row["is_sent"], row["is_applied"]) for row in found.to_pylist()}
    assert rows == {"prd_u1_j1_mdl_a": (False, False), "prd_u1_j2_mdl_a": (True, True)}


def test_of_a_pair_that_two_applications_logged_that_of_the_sender_counts() -> None:
    """Both explored for the same person on the same day, among the same candidates, by draws of their own."""
    texts = [prediction("u1", "j1", chance=0.5), prediction("u1", "j2", chance=0.5)]
    mails = [
        prediction("u1", "j1", chance=0.9, application="mails"),
        prediction("u1", "j2", chance=0.1, application="mails"),
    ]
    planned = pa.concat_tables([plans(m1="prd_u1_j2_mdl_a"), plans("mails", m2="prd_u1_j2_mdl_a")])
    logged = pa.Table.from_pylist([mails[0], texts[0], texts[1], mails[1]])
    for message, application, chances in (("m1", "texts", [0.5, 0.5]), ("m2", "mails", [0.9, 0.1])):
        found = explored_candidates(pa.Table.from_pylist([example(message, is_applied=True)]), planned, logged)
        assert found["exploration_propensity"].to_pylist() == chances
        assert set(found["application"].to_pylist()) == {application}
        assert found["is_sent"].to_pylist() == found["is_applied"].to_pylist() == [False, True]


def test_rows_that_name_no_application_are_of_whoever_planned_on_them() -> None:
    """Rows of version 1 have no slice, and stand under the name of the first application."""
    logged = [prediction("u1", job, application="job_of_the_day", slice=None) for job in ("j1", "j2")]
    logged += [prediction("u2", job, application="mails") for job in ("j1", "j2")]
    planned = pa.concat_tables([plans("autumn", m1="prd_u1_j2_mdl_a"), plans("mails", m2="prd_u2_j1_mdl_a")])
    examples = pa.Table.from_pylist([example("m1", is_applied=True), example("m2")])
    found = explored_candidates(examples, planned, pa.Table.from_pylist(logged))
    assert [(row["user_id"], row["job_id"], row["is_sent"]) for row in found.to_pylist()] == [
        ("u1", "j1", False), ("u1", "j2", True), ("u2", "j1", True), ("u2", "j2", False),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("examples", "planned"),
    [
        ([example("m1", slice_="exploit")], {"m1": "prd_u1_j1_mdl_a"}),
        ([example("m1", kind="impression")], {"m1": "prd_u1_j1_mdl_a"}),
        ([example("m1")], {"m1": None}),
        ([example("m1")], {"m2": "prd_u1_j1_mdl_a"}),
        ([example("m1")], {"m1": "prd_that_was_not_logged"}),
    ],
    ids=["not explored", "no text", "no model chose it", "not planned", "not logged"],
)
def test_what_is_no_explored_text_of_a_model_brings_nothing(examples: list, planned: dict) -> None:
    found = explored_candidates(
        pa.Table.from_pylist(examples), plans(**planned), pa.Table.from_pylist([prediction("u1", "j1")])
    )
    assert found.num_rows == 0
    assert found.column_names[-2:] == ["is_sent", "is_applied"]


def test_logged_features_read_back_to_the_same_matrix() -> None:
    matrix = [[1.5, 1.0], [float("nan"), 0.0], [-2.0, float("nan")]]
    rows = pa.Table.from_pylist([prediction("u1", f"j{place}", features=row) for place, row in enumerate(matrix)])
    features = logged_features(rows, SPEC)
    assert features["shift"].to_pylist() == ["night", "day", None]
    np.testing.assert_array_equal(examples_matrix(features, SPEC), np.array(matrix))
    other = FeatureSpec(("shift", "distance_km"), (("shift", ("evening", "night")),))
    np.testing.assert_array_equal(examples_matrix(features, other)[:, 0], [1.0, np.nan, np.nan])


def test_features_of_another_width_are_refused() -> None:
    """Six numbers in two rows would make three rows of two."""
    rows = pa.Table.from_pylist([prediction("u1", "j1", features=[1.0, 2.0, 3.0])] * 2)
    with pytest.raises(InvalidInputError, match="3 to 3 features, the spec of their model 2"):
        logged_features(rows, SPEC)
    assert logged_features(rows.slice(0, 0), SPEC).num_rows == 0


def test_greedy_decisions_take_the_likeliest_by_the_targets_own_model() -> None:
    candidates = explored_candidates(
        pa.Table.from_pylist([example("m1", is_applied=True)]),
        plans(m1="prd_u1_j2_mdl_a"),
        pa.Table.from_pylist([prediction("u1", "j1", chance=0.25), prediction("u1", "j2", chance=0.75)]),
    )
    expected = np.array([0.1, 0.3])
    wins, loses = (greedy_decisions(candidates, np.array(one), expected) for one in ([0.1, 0.2], [0.2, 0.1]))
    assert (wins.target_probability, wins.logged_probability, wins.reward) == ([1.0], [0.75], [1.0])
    assert (wins.predicted_reward, wins.predicted_value) == ([0.3], [0.3])
    assert (loses.target_probability, loses.predicted_reward, loses.predicted_value) == ([0.0], [0.3], [0.1])
