"""The early label teaches young rows the last step, where nearly all positives come early, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.scoring.scorer import scorer_of
from mlife_assets.core.training.early_label import early_label
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.fold_scores import first_unlearned_day
from mlife_assets.core.training.known_examples import as_known
from mlife_assets.core.training.simple_rule import SIMPLE_RULE
from mlife_assets.core.training.training_set import TrainingSet, split_examples
from mlife_assets.recruiting.features import JOB_EXAMPLES

TODAY, DAYS, PER_DAY = date(2026, 6, 1), 40, 200
OPENED_DAYS, BOUGHT_DAYS = 2, 7
LAW_CHANGED_ON = TODAY - timedelta(days=7)
ROLES = ExampleSpec(
    "who", "day", "bought", "bought_known", ("is_new_page",), funnel=("opened",), funnel_times=("opened_known",),
    early_label="bought_early",
)  # fmt: skip
POLICY = TrainingPolicy(
    formulations=("funnel",), trees_maximum=40, learning_rate=0.3, minimum_child_examples=20, feature_fraction=1.0,
    validation_days=5, minimum_examples=500,
)  # fmt: skip


def exposures(*, early: float = 0.95, seed: int = 1) -> pa.Table:
    """Return what came of exposures: since a week ago, those who open the new page all buy; before, half of them did.

    A share `early` of what is bought is bought while it is counted who opens.
    """
    rng = np.random.default_rng(seed)
    rows = DAYS * PER_DAY
    day = np.datetime64(TODAY, "D") - 1 - np.repeat(np.arange(DAYS)[::-1], PER_DAY)
    is_new_page = rng.random(rows) < 0.5
    opened = rng.random(rows) < 0.5
    is_changed = is_new_page & (day >= np.datetime64(LAW_CHANGED_ON, "D"))
    bought = opened & (rng.random(rows) < np.where(is_changed, 1.0, 0.5))
    return pa.table(
        {
            "who": [f"w{row % 997}" for row in range(rows)],
            "day": pa.array(day),
            "opened": opened,
            "bought": bought,
            "bought_early": bought & (rng.random(rows) < early),
            "opened_known": pa.array(day + OPENED_DAYS + 1),
            "bought_known": pa.array(day + BOUGHT_DAYS + 1),
            "is_new_page": is_new_page.astype(np.float64),
        }
    )


def training_set(rows: pa.Table, roles: ExampleSpec = ROLES, policy: TrainingPolicy = POLICY) -> TrainingSet:
    return split_examples(as_known(rows, roles, TODAY), roles, known_on=TODAY, policy=policy, data_hash="d")


def known(rows: pa.Table, name: str) -> np.ndarray:
    return np.asarray(rows[name].fill_null(False))


def with_early(rows: pa.Table, early: np.ndarray, hidden: np.ndarray | None = None) -> pa.Table:
    return rows.set_column(rows.column_names.index("bought_early"), "bought_early", pa.array(early, mask=hidden))


def since(rows: pa.Table, day: date) -> np.ndarray:
    return np.asarray(rows["day"]) >= np.datetime64(day, "D")


def bought_of_opened(artifact: ModelArtifact) -> float:
    """Return what the last step says of somebody who opened the new page, before calibration."""
    alone = ModelArtifact(artifact.stages[-1:], artifact.feature_spec, "data", {})
    row = examples_matrix(pa.table({"is_new_page": [1.0]}), artifact.feature_spec)
    return float(1 / (1 + np.exp(-scorer_of(alone, threads=1).score(row).raw[0])))


def test_rows_too_young_for_the_label_are_taught_by_what_came_early() -> None:
    rows = exposures()
    training = training_set(rows)
    found = early_label(training, POLICY)
    days = training.examples["day"].to_numpy().astype("datetime64[D]")
    young = days > np.datetime64(TODAY - timedelta(days=8), "D")
    assert np.array_equal(found.rows, young)
    assert np.array_equal(found.outcome, young & np.asarray(training.examples["bought_early"].fill_null(False)))
    positives = np.flatnonzero(known(training.examples, "bought"))[-200:]
    share = known(training.examples, "bought_early")[positives].mean()
    taught = {"positives": int(found.outcome.sum()), "first_day": "2026-05-25", "last_day": "2026-05-29"}
    for name, rows_taught in (("funnel", young & known(training.examples, "opened")), ("binary", young)):
        expected = {"share_of_positives": pytest.approx(share), "rows": int(rows_taught.sum()), **taught}
        assert found.facts_of(name, training) == expected
    assert set(found.weight[found.outcome]) == {1 / found.facts["share_of_positives"]}
    assert set(found.weight[~found.outcome]) == {1.0}


def test_a_step_is_taught_by_those_who_reached_the_one_before() -> None:
    training = training_set(exposures())
    found = early_label(training, POLICY)
    opened = training.outcome("opened")
    outcome, rows = found.taught("funnel", training, "bought")
    assert np.array_equal(rows, opened & (training.known("bought") | found.rows))
    assert outcome[found.rows & opened].sum() == found.outcome.sum()
    assert found.taught("binary", training, "bought")[1].all()
    clicks = found.taught("funnel", training, "opened")
    assert np.array_equal(clicks[0], opened)
    assert clicks[1].all()


def test_the_last_step_knows_a_law_that_is_younger_than_its_label() -> None:
    """The known answer: of the days of the new law none has a label, and five say what came early."""
    rows = exposures()
    taught = fit_model(training_set(rows), POLICY)
    untaught = fit_model(training_set(rows, replace(ROLES, early_label=None)), POLICY)
    assert bought_of_opened(untaught) == pytest.approx(0.5, abs=0.04)
    complete, young = DAYS - BOUGHT_DAYS, 5
    expected = (0.5 * complete + 0.95 * young) / (complete + young)
    assert bought_of_opened(taught) == pytest.approx(expected, abs=0.04)
    assert bought_of_opened(taught) > bought_of_opened(untaught) + 0.03
    assert taught.manifest["trees_by_step"] == untaught.manifest["trees_by_step"], "validation is by complete labels"
    assert taught.manifest["trained_to"] == untaught.manifest["trained_to"]
    assert taught.stages[0].model_text == untaught.stages[0].model_text
    assert taught.manifest["early_label"]["last_day"] == "2026-05-29"
    assert "early_label" not in untaught.manifest


def test_an_estimator_of_ones_own_is_taught_too() -> None:
    rows, policy = exposures(), TrainingPolicy(formulations=("funnel",), validation_days=5, minimum_examples=500)
    models = [
        fit_model(training_set(rows, roles, policy), policy, estimator=linear)
        for roles in (ROLES, replace(ROLES, early_label=None))
    ]
    assert bought_of_opened(models[0]) > bought_of_opened(models[1]) + 0.03


def linear() -> object:
    return make_pipeline(SimpleImputer(keep_empty_features=True), LogisticRegression())


def test_a_model_of_the_label_alone_is_not_asked_about_what_taught_it_early() -> None:
    policy = replace(POLICY, formulations=("binary",))
    artifact = fit_model(training_set(exposures(), policy=policy), policy)
    assert artifact.manifest["trained_to"] == {"bought": "2026-05-24"}
    assert first_unlearned_day(artifact) == date(2026, 5, 30)


def test_an_early_positive_stands_for_those_that_come_late() -> None:
    """The known answer of an unchanged world, half of whom buy: .5 to .65, as the late ones still count as negatives.

    Without weights it would be .35 to .65.
    """
    policy = replace(POLICY, early_label_share_minimum=0.6, half_life_days=2.0, recipes=("recent",))
    rows = exposures(early=0.7)
    unchanged = rows.set_column(rows.column_names.index("is_new_page"), "is_new_page", pa.array(np.ones(rows.num_rows)))
    bought = known(rows, "opened") & (np.random.default_rng(3).random(rows.num_rows) < 0.5)
    unchanged = unchanged.set_column(unchanged.column_names.index("bought"), "bought", pa.array(bought))
    early = bought & (np.random.default_rng(4).random(rows.num_rows) < 0.7)
    artifact = fit_model(training_set(with_early(unchanged, early), policy=policy), policy)
    assert artifact.manifest["early_label"]["rows"] > 0
    assert bought_of_opened(artifact) == pytest.approx(0.5 / (0.5 + 1 - 0.35), abs=0.04)


def test_where_many_positives_come_late_young_rows_teach_nothing() -> None:
    training = training_set(exposures(early=0.8))
    found = early_label(training, POLICY)
    assert not found.rows.any()
    assert not found.outcome.any()
    share = found.facts["share_of_positives"]
    assert 0.72 < share < 0.88
    assert found.facts["refused"] == f"{share:.1%} of the newest 200 positives came early, 90.0% needed"
    assert early_label(training, replace(POLICY, early_label_share_minimum=share)).rows.any()
    assert not early_label(training, replace(POLICY, early_label_share_minimum=share + 1e-6)).rows.any()


def test_the_share_is_that_of_the_newest_positives() -> None:
    """People begin to be slow: of months of history nearly all came early, of the last week half."""
    rows, rng = exposures(), np.random.default_rng(2)
    slow = since(rows, TODAY - timedelta(days=14)) & (rng.random(rows.num_rows) < 0.5)
    slower = training_set(with_early(rows, known(rows, "bought_early") & ~slow))
    assert "refused" in early_label(slower, POLICY).facts
    assert early_label(slower, replace(POLICY, early_label_positives=1_500)).facts["share_of_positives"] > 0.8


def test_too_few_positives_say_no_share() -> None:
    training = training_set(exposures())
    both = int((training.known("bought") & known(training.examples, "bought")).sum())
    assert early_label(training, replace(POLICY, early_label_positives=both)).rows.any()
    found = early_label(training, replace(POLICY, early_label_positives=both + 1))
    assert not found.rows.any()
    words = f"of {both} positives it is known whether they came early, {both + 1} needed"
    assert found.facts == {"refused": words}


def test_a_day_whose_outcomes_did_not_arrive_teaches_nothing() -> None:
    rows, lost = exposures(), date(2026, 5, 27)
    is_lost = np.asarray(rows["day"]) == np.datetime64(lost, "D")
    found = early_label(training_set(with_early(rows, known(rows, "bought_early") & ~is_lost)), POLICY)
    assert found.facts["silent_days"] == "2026-05-27"
    training = training_set(rows)
    days = np.asarray(training.examples["day"])
    assert np.array_equal(found.rows, early_label(training, POLICY).rows & (days != np.datetime64(lost, "D")))


def test_days_that_are_silent_together_teach_nothing() -> None:
    """So few open here that no day alone is shown to be silent: five days without one application are."""
    rows = exposures()
    rare = np.arange(rows.num_rows) % 12 == 0
    for name in ("opened", "bought", "bought_early"):
        rows = rows.set_column(rows.column_names.index(name), name, pa.array(known(rows, name) & rare))
    policy = replace(POLICY, early_label_positives=60)
    assert early_label(training_set(rows), policy).rows.any()
    silent = with_early(rows, known(rows, "bought_early") & ~since(rows, TODAY - timedelta(days=7)))
    found = early_label(training_set(silent), policy)
    assert found.facts["silent_days"].count("2026-05-2") == 5
    assert not found.rows.any()
    first = with_early(rows, known(rows, "bought_early") & ~(since(rows, date(2026, 5, 29))))
    assert "silent_days" not in early_label(training_set(first), policy).facts


def test_a_day_on_which_fewer_want_it_is_no_silent_one() -> None:
    """A third less than usual is a drift, and is learned from: of those who open three in ten, not half."""
    rows, rng = exposures(), np.random.default_rng(5)
    fewer = since(rows, LAW_CHANGED_ON) & (rng.random(rows.num_rows) < 0.6)
    training = training_set(with_early(rows, known(rows, "bought_early") & ~fewer))
    opened, young = known(training.examples, "opened"), since(training.examples, LAW_CHANGED_ON)
    came = [known(training.examples, "bought_early")[opened & days].mean() for days in (young, ~young)]
    assert came == pytest.approx([0.31, 0.47], abs=0.02)
    assert "silent_days" not in early_label(training, replace(POLICY, early_label_silence_alpha=0.01)).facts


def test_who_has_an_early_label_may_not_depend_on_what_happened() -> None:
    rows = exposures()
    early = known(rows, "bought_early")
    with pytest.raises(
        InvalidInputError, match=r"bought_early is null in \d+ of 200 examples of 2026-04-22, whose opened"
    ):
        early_label(training_set(with_early(rows, early, hidden=~early)), POLICY)


def test_a_young_day_without_early_labels_teaches_nothing() -> None:
    rows = exposures()
    hidden = np.asarray(rows["day"]) == np.datetime64("2026-05-27", "D")
    found = early_label(training_set(with_early(rows, known(rows, "bought_early"), hidden=hidden)), POLICY)
    whole = early_label(training_set(rows), POLICY)
    days = np.asarray(training_set(rows).examples["day"])
    assert np.array_equal(found.rows, whole.rows & (days != np.datetime64("2026-05-27", "D")))


def test_without_rows_that_have_both_nobody_knows_the_share() -> None:
    rows = exposures()
    is_old = np.asarray(rows["bought_known"]) <= np.datetime64(TODAY, "D")
    found = early_label(training_set(with_early(rows, known(rows, "bought_early"), hidden=is_old)), POLICY)
    assert not found.rows.any()
    assert found.facts == {"refused": "of 0 positives it is known whether they came early, 200 needed"}


def test_the_simple_rule_beside_the_model_is_taught_as_it_is() -> None:
    rows = exposures()
    rules = [
        fit_model(training_set(rows, roles), POLICY).manifest[SIMPLE_RULE]["weights"]
        for roles in (ROLES, replace(ROLES, early_label=None))
    ]
    assert rules[0][0] > rules[1][0] + 0.02


def test_where_nobody_reached_the_step_before_no_day_is_silent() -> None:
    """Clicks were lost, applications are there: nothing is known of what usually follows a click."""
    rows = exposures()
    lost = rows.set_column(rows.column_names.index("opened"), "opened", pa.array(np.zeros(rows.num_rows, dtype=bool)))
    found = early_label(training_set(lost), POLICY)
    assert found.rows.any()
    assert "silent_days" not in found.facts
    assert (
        found.facts_of("funnel", training_set(lost))["rows"],
        found.facts_of("funnel", training_set(lost))["positives"],
    ) == (0, 0)


def test_applications_are_taught_early() -> None:
    assert (JOB_EXAMPLES.early_label, JOB_EXAMPLES.early_time) == ("is_applied_early", "click_mature_date")


def test_rows_of_a_release_without_an_early_label_are_as_before() -> None:
    rows = exposures().drop_columns(["bought_early"])
    found = early_label(training_set(rows), POLICY)
    assert not found.rows.any()
    assert found.facts == {}
