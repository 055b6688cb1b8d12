"""The driver of the gate: who is compared on which rows, whoever asks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.model import Baseline, Model
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.core.training import judgement
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.gate import Condition, decide_promotion
from mlife_assets.core.training.judgement import GateRows, Human, Judgement, Side, judge, judge_model
from mlife_assets.core.training.reliability import calibration, level_gain, log_loss_gain
from mlife_assets.core.training.training_set import TrainingSet
from mlife_assets.recruiting.features import JOB_EXAMPLES, pair_features

ROWS = 2_000


def nobody(rows: pa.Table) -> np.ndarray:
    return np.zeros(rows.num_rows)


@dataclass(frozen=True)
class Case:
    training: TrainingSet
    challenger: ModelArtifact
    champion: ModelArtifact
    gate: GateRows
    human: Human
    model: Model
    as_of: date

    def judged(self, **changes: Any) -> Judgement:
        options: dict[str, Any] = {"as_of": self.as_of, "champion": self.champion, "threads": 1} | changes
        places = ("challenger", "training", "gate", "human", "model")
        arguments = [options.pop(name, getattr(self, name)) for name in places]
        return judge_model(*arguments, **options)


@pytest.fixture(scope="module")
def case(job_pairs: ModuleType, training_set: TrainingSet, artifact: ModelArtifact) -> Case:
    later = pair_features(job_pairs.labelled_examples(ROWS, seed=50))
    ids = pa.array([f"j{row:05d}" for row in range(ROWS)])
    later = later.set_column(later.column_names.index("job_id"), "job_id", ids)
    first = training_set.last_day + timedelta(days=30)
    days = pa.array(np.datetime64(first) + np.arange(ROWS) % 20)
    later = later.set_column(later.column_names.index("exposure_date"), "exposure_date", days)
    mature = pa.array(np.datetime64(first) + np.arange(ROWS) % 20 + 8)
    later = later.set_column(later.column_names.index("label_mature_date"), "label_mature_date", mature)
    model = Model(
        "a_model", "A model", "it happens", "a test", JOB_EXAMPLES, baseline=Baseline("a rule", nobody),
        training=job_pairs.POLICY,
        promotion=PromotionPolicy(minimum_users_with_positives=30, bootstrap_resamples=200),
    )  # fmt: skip
    return Case(
        training_set,
        artifact,
        fit_model(training_set, replace(job_pairs.POLICY, seed=99, trees_maximum=3)),
        GateRows.of_examples(later, JOB_EXAMPLES),
        Human("a rule", np.random.default_rng(3).random(ROWS)),
        model,
        first + timedelta(days=40),
    )


def test_rankings_and_probabilities_are_measured_each_on_its_own_rows(case: Case) -> None:
    exposures = case.gate.exposures.slice(0, 1_500)
    constants = {"exposure_kind": "message"}
    found = case.judged(gate=GateRows(case.gate.examples, case.gate.ranked, exposures, constants))
    scorers = [LightGBMScorer(one, threads=1) for one in (case.challenger, case.champion)]
    spec = case.challenger.feature_spec
    ranked = scorers[0].score(examples_matrix(case.gate.ranked, spec, constants))
    assert np.array_equal(found.contenders["challenger"].scores, ranked.probability)
    as_shown = scorers[0].score(examples_matrix(case.gate.ranked, spec))
    assert not np.array_equal(ranked.probability, as_shown.probability)
    ours, theirs = (scorer.score(examples_matrix(exposures, spec)).probability for scorer in scorers)
    outcome = exposures["is_applied"].to_numpy(zero_copy_only=False)
    users = exposures["user_id"].cast(pa.string())
    assert found.calibration == calibration(ours, outcome, cluster_ids=users)
    assert found.decision.log_loss_gain == log_loss_gain(ours, theirs, outcome, cluster_ids=users)


def test_the_gate_hears_of_each_gain_over_the_champion(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    def decide(*arguments: Any, **options: Any) -> Any:
        asked.append(options)
        return decide_promotion(*arguments, **options)

    monkeypatch.setattr(judgement, "decide_promotion", decide)
    case.judged()
    exposures = case.gate.exposures
    ours, theirs = (
        LightGBMScorer(one, threads=1).score(examples_matrix(exposures, one.feature_spec)).probability
        for one in (case.challenger, case.champion)
    )
    outcome = exposures["is_applied"].to_numpy(zero_copy_only=False)
    users = exposures["user_id"].cast(pa.string())
    for name, measure in (("log_loss_gain", log_loss_gain), ("level_gain", level_gain)):
        assert asked[0][name] == measure(ours, theirs, outcome, cluster_ids=users)


def test_without_an_item_rows_of_a_day_depend_on_each_other(case: Case) -> None:
    roles = replace(case.model.roles, item=None)
    rows = case.gate.ranked
    pairs = pa.array([f"u{row // 40:03d}-{row % 40}" for row in range(ROWS)])
    gate = GateRows.of_examples(rows.set_column(rows.column_names.index("user_id"), "user_id", pairs), roles)
    found = case.judged(gate=gate, model=replace(case.model, roles=roles))
    ours, theirs = (
        LightGBMScorer(one, threads=1).score(gate.matrix(one.feature_spec)).probability
        for one in (case.challenger, case.champion)
    )
    outcome, days = (
        gate.exposures["is_applied"].to_numpy(zero_copy_only=False),
        gate.exposures["exposure_date"].cast(pa.string()),
    )
    assert found.calibration == calibration(ours, outcome, cluster_ids=days)
    assert found.calibration != calibration(ours, outcome, cluster_ids=gate.exposures["user_id"])
    assert found.decision.log_loss_gain == log_loss_gain(ours, theirs, outcome, cluster_ids=days)


def test_contenders_are_who_they_say_they_are(case: Case) -> None:
    found = case.judged()
    assert list(found.contenders) == ["challenger", "champion", "human", "simple"]
    versions = [one.model_version for one in found.contenders.values()]
    assert versions == [case.challenger.model_version, case.champion.model_version, "a rule", "simple_rule"]
    assert found.decision.champion_version == case.champion.model_version
    assert found.contenders["champion"].training_end_date == case.training.last_day
    alone = case.judged(champion=None)
    assert list(alone.contenders) == ["challenger", "human", "simple"]
    assert alone.decision.log_loss_gain is None


def test_no_row_of_the_gate_may_have_been_learned_by_any_step(case: Case) -> None:
    """The latest day counts, whichever step it is of; a model of 0.1.0 has one day for all."""
    first = case.gate.examples.first_day
    known = {name: case.challenger.manifest[name] for name in ("trained_to", "training_end_date")}
    until = {"is_clicked": (first - timedelta(days=1)).isoformat(), "is_applied": known["training_end_date"]}
    for days, end, is_before in (
        (until, known["training_end_date"], True),
        (until | {"is_clicked": first.isoformat()}, known["training_end_date"], False),
        (until, first.isoformat(), False),
        (None, known["training_end_date"], True),
        (None, first.isoformat(), False),
    ):
        manifest = {**case.challenger.manifest, "trained_to": days, "training_end_date": end}
        if days is None:
            del manifest["trained_to"]
        found = case.judged(challenger=replace(case.challenger, manifest=manifest)).decision
        unmet = [one.name for one in found.unmet if one.name == "challenger_trained_before_gate"]
        assert (not unmet) is is_before, (days, end)


def test_a_baseline_that_is_declared_may_not_be_left_out(case: Case) -> None:
    unmet = [one.name for one in case.judged(human=None).decision.unmet]
    assert "human_baseline_given" in unmet
    without = case.judged(human=None, model=replace(case.model, baseline=None))
    assert "human_baseline_given" not in [one.name for one in without.decision.unmet]
    with pytest.raises(InvalidInputError, match="has_no_human is true but human is a rule"):
        case.judged(model=replace(case.model, baseline=None))


def test_what_one_model_alone_requires_refuses_like_any_other_condition(case: Case) -> None:
    audit = Condition("an_audit", False, "The audit found something.")
    found = case.judged(also_required=(audit,))
    assert audit in found.decision.unmet
    names = [one.name for one in found.decision.conditions]
    assert names[names.index("an_audit") :][1:] == [
        "no_feature_tells_the_outcome",
        "label_time_does_not_tell_the_outcome",
        "gate_rows_are_not_training_rows",
        "scoring_parity",
    ]


def test_copies_of_what_was_learned_from_are_refused(case: Case) -> None:
    copies = GateRows(case.gate.examples, case.gate.ranked, case.training.examples.slice(0, 1_500))
    assert "gate_rows_are_not_training_rows" in [one.name for one in case.judged(gate=copies).decision.unmet]


def test_a_gate_without_exposures_is_closed(case: Case) -> None:
    empty = replace(case.gate, exposures=case.gate.exposures.slice(0, 0))
    found = case.judged(gate=empty)
    assert found.calibration is None
    assert not found.decision.is_promoted
    assert {"is_calibrated", "gate_rows_are_not_training_rows"} <= {one.name for one in found.decision.unmet}


def test_rows_and_scores_have_to_fit(case: Case) -> None:
    with pytest.raises(InvalidInputError, match="100 ranked rows, 2000 examples; pass the same rows"):
        GateRows(case.gate.examples, case.gate.ranked.slice(0, 100), case.gate.exposures)
    side = Side("a model", case.training.last_day, np.random.default_rng(1).random(ROWS), np.full(7, 0.5))
    with pytest.raises(InvalidInputError, match="the challenger has 7 probabilities, the gate 2000 exposures"):
        judge(case.gate, side, None, case.human, case.model, as_of=case.as_of, required=())


def test_each_side_reads_the_rows_by_its_own_spec(case: Case) -> None:
    """Invariant 5: a champion whose columns stand in another order is scored with those."""
    spec = case.champion.feature_spec
    turned = replace(spec, names=spec.names[::-1])
    champion = replace(case.champion, feature_spec=turned)
    scorer = LightGBMScorer(champion, threads=1)
    expected = scorer.score(case.gate.matrix(turned)).probability
    assert not np.array_equal(expected, scorer.score(case.gate.matrix(spec)).probability)
    assert np.array_equal(case.judged(champion=champion).contenders["champion"].scores, expected)
