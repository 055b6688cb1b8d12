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

from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.scoring.scorer import scorer_of
from mlife_assets.core.training.early_label import MINIMUM_POSITIVES, early_label
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.fold_scores import first_unlearned_day
from mlife_assets.core.training.known_examples import as_known
from mlife_assets.core.training.training_set import TrainingSet, split_examples

TODAY, DAYS, PER_DAY = date(2026, 6, 1), 40, 200
OPENED_DAYS, BOUGHT_DAYS = 2, 7
LAW_CHANGED_ON = TODAY - timedelta(days=7)
ROLES = ExampleSpec(
    "who",
    "day",
    "bought",
    "bought_known",
    ("is_new_page",),
    funnel=("opened",),
    funnel_times=("opened_known",),
    early_label="bought_early",
)
POLICY = TrainingPolicy(
    formulations=("funnel",),
    trees_maximum=40,
    learning_rate=0.3,
    minimum_child_examples=20,
    feature_fraction=1.0,
    validation_days=5,
    minimum_examples=500,
)


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
    both = rows.slice(0, int((~young).sum()))
    share = (
        both["bought_early"].to_numpy(zero_copy_only=False).sum() / both["bought"].to_numpy(zero_copy_only=False).sum()
    )
    assert found.facts == {
        "share_of_positives": pytest.approx(share),
        "rows": 5 * PER_DAY,
        "positives": int(found.outcome.sum()),
        "first_day": "2026-05-25",
        "last_day": "2026-05-29",
    }


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
    assert taught.manifest["early_label"]["rows"] == 5 * PER_DAY
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


def test_where_many_positives_come_late_young_rows_teach_nothing() -> None:
    found = early_label(training_set(exposures(early=0.8)), POLICY)
    assert not found.rows.any()
    assert not found.outcome.any()
    assert 0.75 < found.facts["share_of_positives"] < 0.85
    assert "positives came early, 90.0% needed" in found.facts["refused"]
    assert early_label(training_set(exposures(early=0.8)), replace(POLICY, early_label_share_minimum=0.7)).rows.any()


def test_without_rows_that_have_both_nobody_knows_the_share() -> None:
    rows = exposures()
    is_old = np.asarray(rows["bought_known"]) <= np.datetime64(TODAY, "D")
    early = pa.array(np.asarray(rows["bought_early"]), mask=is_old)
    rows = rows.set_column(rows.column_names.index("bought_early"), "bought_early", early)
    found = early_label(training_set(rows), POLICY)
    assert not found.rows.any()
    assert found.facts == {
        "refused": f"0 positives of the label are known to have come early or late, {MINIMUM_POSITIVES} needed"
    }


def test_rows_of_a_release_without_an_early_label_are_as_before() -> None:
    rows = exposures().drop_columns(["bought_early"])
    found = early_label(training_set(rows), POLICY)
    assert not found.rows.any()
    assert found.facts == {}
