"""An estimator in LightGBM's place: the same path from rows to gate, card, reasons and monitoring."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlife_assets.core.boosting_fields import BOOSTING_FIELDS
from mlife_assets.core.errors import IntegrityError, InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.model import Model
from mlife_assets.core.monitoring.contributions import with_contributions
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.scoring.artifact import MANIFEST_FILE, ModelArtifact, file_names
from mlife_assets.core.scoring.estimators import last_step, parameters
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.scoring.reasons import reasons, score_parts
from mlife_assets.core.scoring.scorer import SklearnScorer, scorer_of
from mlife_assets.core.training.boosting import Rows
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.judgement import GateRows, judge_model
from mlife_assets.core.training.manifest_facts import fitted_words
from mlife_assets.core.training.model_card.describe import CardSubject, describe_model
from mlife_assets.core.training.model_card.page import render_model_card
from mlife_assets.core.training.own_estimator import fit_estimator, made
from mlife_assets.core.training.training_set import TrainingSet
from mlife_assets.recruiting.features import JOB_EXAMPLES, pair_features

ROWS = 2_000


def linear() -> Any:
    return make_pipeline(SimpleImputer(keep_empty_features=True), StandardScaler(), LogisticRegression())


def boosting() -> Any:
    return HistGradientBoostingClassifier(max_iter=20)


@pytest.fixture(scope="module", params=[linear, boosting])
def make(request: pytest.FixtureRequest) -> Callable[[], Any]:
    return request.param


@pytest.fixture(scope="module")
def own(training_set: TrainingSet, job_pairs: ModuleType, make: Callable[[], Any]) -> ModelArtifact:
    return fit_model(training_set, job_pairs.POLICY, estimator=make)


@pytest.fixture(scope="module")
def later(job_pairs: ModuleType, training_set: TrainingSet) -> pa.Table:
    rows = pair_features(job_pairs.labelled_examples(ROWS, seed=50))
    days = np.full(ROWS, np.datetime64(training_set.last_day + timedelta(days=30)))
    columns = {
        "job_id": pa.array([f"j{row:05d}" for row in range(ROWS)]),
        "exposure_date": pa.array(days),
        "label_mature_date": pa.array(days + 8),
    }
    for name, values in columns.items():
        rows = rows.set_column(rows.column_names.index(name), name, values)
    return rows


def test_the_same_rows_and_seed_give_the_same_artifact_on_any_cores(
    training_set: TrainingSet, job_pairs: ModuleType, make: Callable[[], Any], own: ModelArtifact
) -> None:
    again = fit_model(training_set, job_pairs.POLICY, cores=2, estimator=make)
    assert again.files() == own.files()
    names = [name for name in own.files() if name.endswith(".skops")]
    assert names == [f"stage_{place + 1}.estimator.skops" for place in range(len(own.stages))]
    assert set(file_names(own.files()[MANIFEST_FILE])) == set(own.files())


def test_recent_rows_count_more_in_it_and_without_weights_it_is_what_it_was(
    training_set: TrainingSet, job_pairs: ModuleType, make: Callable[[], Any], own: ModelArtifact
) -> None:
    policy = replace(job_pairs.POLICY, recipes=("recent",), half_life_days=2.0)
    recent = fit_model(training_set, policy, estimator=make)
    assert recent.manifest["recipe"] == "recent"
    assert recent.stages[-1].content != own.stages[-1].content
    rows = Rows(np.arange(8.0)[:, None] % 3, np.arange(8) % 2 == 0, np.arange(8))
    tiny = {"min_samples_leaf": 1} if make is boosting else {}
    plain, ones = (
        fit_estimator(lambda: make().set_params(**tiny), one, seed=1)
        for one in (rows, replace(rows, weight=np.ones(8)))
    )
    assert plain.raw(rows.matrix) == pytest.approx(ones.raw(rows.matrix))


def test_it_is_read_back_and_one_changed_byte_is_noticed(own: ModelArtifact) -> None:
    files = own.files()
    assert ModelArtifact.from_files(own.model_version, files) == own
    name = "stage_1.estimator.skops"
    changed = bytearray(files[name])
    changed[len(changed) // 2] ^= 1
    with pytest.raises(IntegrityError, match="a file was changed"):
        ModelArtifact.from_files(own.model_version, {**files, name: bytes(changed)})


def test_the_gate_judges_it_like_any_other_and_it_may_be_promoted(
    training_set: TrainingSet,
    job_pairs: ModuleType,
    make: Callable[[], Any],
    own: ModelArtifact,
    artifact: ModelArtifact,
    later: pa.Table,
) -> None:
    promotion = PromotionPolicy(
        minimum_users_with_positives=30,
        bootstrap_resamples=200,
        calibration_slope_minimum=0.4,
        calibration_slope_maximum=2.5,
        calibration_level_minimum=0.4,
        calibration_level_maximum=2.5,
    )
    model = Model("a", "A model", "it happens", "a test", JOB_EXAMPLES, training=job_pairs.POLICY, promotion=promotion)
    gate = GateRows.of_examples(later, JOB_EXAMPLES)
    as_of = training_set.last_day + timedelta(days=80)

    def judged(champion: ModelArtifact | None) -> Any:
        return judge_model(own, training_set, gate, None, model, as_of=as_of, champion=champion, threads=1)

    first = judged(None)
    assert first.calibration is not None
    parity = next(one for one in first.decision.conditions if one.name == "scoring_parity")
    assert parity.is_met, parity.sentence
    assert first.decision.is_promoted, first.decision.sentences
    assert judged(artifact).decision.log_loss_gain is not None
    subject = CardSubject("A title", ("It ranks.",), "it happens")
    card = describe_model(
        own,
        subject,
        as_of=as_of,
        decision=first.decision,
        calibration=first.calibration,
        fairness=None,
        pictures=(),
        windows=(),
        policies={"promotion": promotion},
    )
    page = re.sub("<[^>]+>", "", render_model_card(card))
    assert own.model_version in page
    final = last_step(made(make, seed=job_pairs.POLICY.seed))
    for words in (type(final).__name__, *(f"{type(final).__name__}.{name}" for name in final.get_params())):
        assert words in page


def test_scores_are_taken_apart_into_reasons_and_what_monitoring_watches(own: ModelArtifact, later: pa.Table) -> None:
    scorer = scorer_of(own, threads=2)
    assert isinstance(scorer, SklearnScorer)
    matrix = examples_matrix(later, own.feature_spec)[:300]
    scores, parts = scorer.score(matrix), scorer.contributions(matrix)
    assert np.sum(parts, axis=1) == pytest.approx(scores.raw, abs=1e-9)
    alone = np.concatenate([scorer.contributions(matrix[row : row + 1]) for row in range(50)])
    assert alone.tobytes() == parts[:50].tobytes()
    seen = own.feature_spec.expanded(matrix)
    assert len(reasons(parts[0], seen[0], own.feature_spec, {})) > 0
    taken = score_parts(parts[0], seen[0], own.feature_spec)
    assert taken.expected + sum(taken.contributions.values()) == pytest.approx(scores.raw[0], abs=1e-9)
    watched = with_contributions(later, parts, scorer.model_names)
    assert watched.num_columns > later.num_columns
    assert sum(own.manifest["importance"].values()) > 0
    empty = matrix[:0]
    assert scorer.score(empty).raw.shape == (0,)
    assert scorer.contributions(empty).shape == (0, len(scorer.model_names) + 1)


def test_what_is_left_to_chance_gets_the_seed_of_the_policy() -> None:
    assert made(boosting, seed=7).random_state == 7
    assert made(linear, seed=7).get_params()["logisticregression__random_state"] == 7
    assert made(lambda: HistGradientBoostingClassifier(random_state=3), seed=7).random_state == 3


def test_the_manifest_says_what_was_fitted_and_nothing_that_did_not_count(
    job_pairs: ModuleType, make: Callable[[], Any], own: ModelArtifact, artifact: ModelArtifact
) -> None:
    steps = own.manifest["estimator"]
    assert steps == parameters(made(make, seed=job_pairs.POLICY.seed))
    assert fitted_words(own.manifest) == ", ".join(steps)
    assert fitted_words(artifact.manifest).startswith(f"{artifact.manifest['trees']} trees")
    assert set(artifact.manifest["policy"]) - set(own.manifest["policy"]) == set(BOOSTING_FIELDS)
    assert "trees" not in own.manifest


def test_an_order_alone_is_nothing_that_it_can_learn(training_set: TrainingSet, job_pairs: ModuleType) -> None:
    policy = replace(job_pairs.POLICY, formulations=("lambdarank",))
    with pytest.raises(NotEnoughEvidenceError, match="learns probabilities, no order"):
        fit_model(training_set, policy, estimator=boosting)


def test_an_estimator_is_refused_before_anything_is_fitted(training_set: TrainingSet, job_pairs: ModuleType) -> None:
    with pytest.raises(InvalidInputError, match="takes no missing value"):
        fit_model(training_set, job_pairs.POLICY, estimator=LogisticRegression)
    with pytest.raises(InvalidInputError, match="HistGradientBoostingClassifier cannot be fitted"):
        fit_model(training_set, job_pairs.POLICY, estimator=lambda: HistGradientBoostingClassifier(max_iter=-1))
    with pytest.raises(InvalidInputError, match="falling is distance_km, which LightGBM alone keeps"):
        fit_model(training_set, replace(job_pairs.POLICY, falling=("distance_km",)), estimator=boosting)
