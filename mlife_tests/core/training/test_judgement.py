"""Folds, scores by folds, and the driver of the gate: who is compared on which rows, whoever asks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise
from types import ModuleType, SimpleNamespace
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
from mlife_assets.core.training import fold_scores
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.fold_scores import first_unlearned_day, side_alone, side_of_folds, simple_of_folds
from mlife_assets.core.training.folds import (
    FOLD_DAYS,
    Fold,
    fold_starts,
    in_common,
    in_order,
    in_succession,
    rows_by_fold,
    since,
    speaking,
    until,
)
from mlife_assets.core.training.gate import CHALLENGER, Condition, Terms
from mlife_assets.core.training.judgement import GateRows, Human, Judgement, Side, judge, judge_model
from mlife_assets.core.training.reliability import calibration, log_loss_gain
from mlife_assets.core.training.simple_rule import SIMPLE_RULE
from mlife_assets.core.training.training_set import TrainingSet
from mlife_assets.core.windows import add_days, last_mature_exposure_day, mature_day
from mlife_assets.recruiting.features import JOB_EXAMPLES, pair_features
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import Policies

DAY = date(2026, 6, 2)
FIRST = date(2026, 5, 4)
WINDOW = 7
MODEL = job_applications(Policies())
WEEKS = (add_days(DAY, -21), add_days(DAY, -14), DAY)
ROWS = 2_000
TAUGHT_EARLY = {
    "trained_to": {"is_applied": "2026-05-25"}, "early_label": {"last_day": "2026-05-30"}, "label": "is_applied",
}  # fmt: skip


def fold(number: int, name: str = "") -> Fold:
    """Return the fold of a week, whose model learned from days up to a week before it."""
    first = FIRST + timedelta(days=7 * number)
    return Fold(first, name or f"m{number}", first - timedelta(days=8))


def days(*after: int) -> np.ndarray:
    return np.array([FIRST + timedelta(days=one) for one in after], dtype="datetime64[D]")


@pytest.mark.parametrize("weeks", [1, 4])
def test_the_weeks_begin_on_mondays_and_hold_the_newest_mature_days(weeks: int) -> None:
    for after in range(2 * FOLD_DAYS):
        day = DAY + timedelta(days=after)
        last = last_mature_exposure_day(day, 7)
        starts = fold_starts(day, 7, weeks)
        assert {one.weekday() for one in starts} == {0}
        assert {(right - left).days for left, right in pairwise(starts)} <= {FOLD_DAYS}
        assert starts[-1] <= last < starts[-1] + timedelta(days=FOLD_DAYS)
        wanted = last - timedelta(days=FOLD_DAYS * weeks - 1)
        assert starts[0] <= wanted < starts[0] + timedelta(days=FOLD_DAYS)
        assert len(starts) == (weeks if last.weekday() == 6 else weeks + 1)


def test_a_fold_begins_where_what_served_was_fitted_within_the_weeks() -> None:
    mondays = fold_starts(DAY, 7, 2)
    last = last_mature_exposure_day(DAY, 7)
    within = [mondays[0] + timedelta(days=3), last]
    without = [mondays[0] - timedelta(days=1), last + timedelta(days=1), DAY]
    assert fold_starts(DAY, 7, 2, [*without, *within, mondays[1], within[0]]) == sorted({*mondays, *within})


def test_a_day_and_a_row_belong_to_the_newest_fold_that_has_begun() -> None:
    asked = speaking([fold(1), fold(0)], FIRST - timedelta(days=1), FIRST + timedelta(days=7))
    assert asked == [None, *["m0"] * 7, "m1"]
    found = rows_by_fold([fold(1), fold(0)], days(6, 7, 0, 30))
    assert [(one.model_version, places.tolist()) for one, places in found] == [("m0", [0, 2]), ("m1", [1, 3])]
    assert [one.model_version for one, _ in rows_by_fold([fold(0), fold(1)], days(8))] == ["m1"]
    with pytest.raises(InvalidInputError, match=r"1 rows are older than every fold, the first is row 1 of 2026-05-03"):
        rows_by_fold([fold(0)], days(0, -1))


def test_no_model_is_asked_about_a_day_that_it_learned_from() -> None:
    seen = Fold(FIRST, "m0", FIRST + timedelta(days=2))
    with pytest.raises(InvalidInputError, match=r"row 1 is of 2026-05-06 and m0 learned from days up to 2026-05-06"):
        rows_by_fold([seen], days(3, 2))
    assert rows_by_fold([seen], days(3))[0][1].tolist() == [0]


def test_folds_are_put_in_order_and_cut_at_a_day() -> None:
    assert [one.model_version for one in in_order([fold(1), fold(0), fold(1, "again")])] == ["m0", "again"]
    middle = FIRST + timedelta(days=10)
    kept = since([fold(0), fold(1), fold(2)], middle)
    assert [(one.first_day, one.model_version) for one in kept] == [(middle, "m1"), (fold(2).first_day, "m2")]
    assert since([fold(1)], FIRST) == (fold(1),), "nobody was asked before"
    assert until([fold(0), fold(1)], fold(1).first_day) == (fold(0),)


def test_who_serves_speaks_until_the_next_one_does() -> None:
    second = [fold(-1, "own"), fold(2, "new"), fold(4, "newer")]
    begins = FIRST + timedelta(days=16)
    found = in_succession([fold(0), fold(1), fold(3)], [(begins, second)])
    told = [(one.first_day, one.model_version) for one in found]
    assert told == [(FIRST, "m0"), (fold(1).first_day, "m1"), (begins, "new"), (fold(4).first_day, "newer")]
    assert in_succession([fold(0)], []) == (fold(0),)


def test_a_gate_looks_at_the_days_that_both_sides_speak_about() -> None:
    last = FIRST + timedelta(days=27)
    ours, theirs = in_common([fold(number) for number in range(4)], [fold(1, "old"), fold(4, "later")], last)
    assert [one.model_version for one in ours] == ["m1", "m2", "m3"]
    assert [(one.first_day, one.model_version) for one in theirs] == [(fold(1).first_day, "old")]
    ours, theirs = in_common([fold(2)], [fold(0, "old"), fold(3, "new")], last)
    assert [one.first_day for one in ours] == [fold(2).first_day]
    told = [(one.first_day, one.model_version) for one in theirs]
    assert told == [(fold(2).first_day, "old"), (fold(3).first_day, "new")]
    assert in_common([fold(1), fold(0)], [], last) == ((fold(0), fold(1)), ())


@pytest.fixture(scope="module")
def artifacts(tiny_models: ModuleType) -> dict[date, ModelArtifact]:
    """Return a model per first day of a fold; what it learned from was complete on that morning."""
    return {
        first: tiny_models.tiny_artifact(
            seed, trees=3, training_end_date=last_mature_exposure_day(first, WINDOW).isoformat()
        )
        for seed, first in enumerate(WEEKS, 1)
    }


@pytest.fixture(scope="module")
def folds(artifacts: dict[date, ModelArtifact]) -> list[Fold]:
    return [
        Fold(first, artifact.model_version, last_mature_exposure_day(first, WINDOW))
        for first, artifact in artifacts.items()
    ]


@pytest.fixture(scope="module")
def scorers(artifacts: dict[date, ModelArtifact]) -> Callable[[str], LightGBMScorer]:
    held = {artifact.model_version: LightGBMScorer(artifact, threads=1) for artifact in artifacts.values()}
    return held.__getitem__


def gate_rows(days: list[date], models: Any) -> GateRows:
    """Return rows with the columns of the tiny models, one user and one item each."""
    rng = np.random.default_rng(3)
    count = len(days)
    vocabularies = dict(models.SPEC.vocabularies)
    columns: dict[str, Any] = {
        name: rng.choice(vocabularies[name], count) if name in vocabularies else rng.normal(size=count)
        for name in models.SPEC.names
    }
    roles = MODEL.roles
    columns |= {
        roles.entity: [f"u{row}" for row in range(count)],
        roles.item: [f"i{row}" for row in range(count)],
        roles.time: pa.array(days, pa.date32()),
        roles.label_time: pa.array([mature_day(day, WINDOW) for day in days], pa.date32()),
        roles.label: pa.array([row % 2 == 0 for row in range(count)]),
    }
    return GateRows.of_examples(pa.table(columns), roles)


def test_a_model_is_asked_itself_once_all_that_it_learned_was_complete(artifacts: dict[date, ModelArtifact]) -> None:
    found = fold_scores.itself(artifacts[DAY], MODEL)
    assert found == Fold(DAY, artifacts[DAY].model_version, last_mature_exposure_day(DAY, WINDOW))


@pytest.mark.parametrize(
    ("is_funnel", "manifest", "first"),
    [
        (True, {"trained_to": {"is_clicked": "2026-05-30", "is_applied": "2026-05-25"}}, date(2026, 5, 31)),
        (False, {"trained_to": {"is_applied": "2026-05-25"}}, date(2026, 5, 26)),
        (False, TAUGHT_EARLY, date(2026, 5, 31)),
        (True, {}, date(2026, 5, 31)),
    ],
    ids=["funnel", "the label alone, beside rows without one", "taught early", "of 0.1.0"],
)
def test_a_day_is_unlearned_once_no_step_learned_from_it(
    tiny_models: ModuleType, is_funnel: bool, manifest: dict[str, object], first: date
) -> None:
    """`training_end_date` counts rows of steps, too, that a model of the label alone does not have."""
    artifact = tiny_models.tiny_artifact(1, trees=1, is_funnel=is_funnel, training_end_date="2026-05-30", **manifest)
    assert first_unlearned_day(artifact) == first


def test_each_row_is_scored_by_the_model_of_its_day_to_the_bit(tiny_models, folds, scorers, monkeypatch) -> None:
    monkeypatch.setattr("mlife_assets.core.scoring.scorer.ROWS_AT_ONCE", 1)
    days = [WEEKS[1], WEEKS[0], DAY, add_days(WEEKS[0], 6)]
    gate = gate_rows(days, tiny_models)
    side = side_of_folds("mdl_x", folds, gate, MODEL.roles, scorers)
    assert (side.model_version, side.trained_to) == ("mdl_x", folds[0].trained_to)
    matrix = gate.matrix(tiny_models.SPEC)
    for row, fold in enumerate((folds[1], folds[0], folds[2], folds[0])):
        assert side.probability[row] == scorers(fold.model_version).score(matrix[row : row + 1]).probability[0]
    assert side.ranking is side.probability


def test_a_model_is_not_asked_again_about_a_row(tiny_models: ModuleType, folds: list[Fold], scorers: Any) -> None:
    gate = gate_rows([WEEKS[0], WEEKS[1], add_days(WEEKS[1], 1), DAY], tiny_models)
    days = gate.exposures[MODEL.roles.time].to_numpy().astype("datetime64[D]")
    expected = side_of_folds("mdl_x", folds, gate, MODEL.roles, scorers).probability
    known = list(fold_scores.scored_parts(folds[:2], gate.exposures.slice(0, 2), days[:2], {}, scorers))
    asked = list[int]()

    def scorer(version: str) -> Any:
        def score(matrix: np.ndarray) -> Any:
            asked.append(len(matrix))
            return scorers(version).score(matrix)

        return SimpleNamespace(feature_spec=scorers(version).feature_spec, score=score)

    ranked = replace(gate, exposures=gate.exposures.slice(0))
    found = side_of_folds("mdl_x", folds, ranked, MODEL.roles, scorer, known).probability
    assert found.tobytes() == expected.tobytes()
    assert asked[:2] == [1, 1], "the second row of the second fold, and that of the third"


def test_what_is_ranked_and_what_was_shown_are_scored_apart(tiny_models, folds, scorers) -> None:
    shown, ranked = (gate_rows(days, tiny_models) for days in ([WEEKS[0], DAY], [DAY]))
    gate = replace(shown, examples=ranked.examples, ranked=ranked.ranked)
    side = side_of_folds("mdl_x", folds, gate, MODEL.roles, scorers)
    assert (len(side.ranking), len(side.probability)) == (1, 2)
    assert side.ranking[0] == side_of_folds("mdl_x", folds, ranked, MODEL.roles, scorers).probability[0]


def test_the_champion_alone_says_nothing_of_days_before_its_folds(tiny_models, folds, scorers) -> None:
    gate = gate_rows([WEEKS[0], WEEKS[1], DAY], tiny_models)
    side = side_alone("mdl_x", folds[1:], gate, scorers)
    assert side.trained_to == add_days(WEEKS[1], -1)
    own = side_of_folds("mdl_x", folds, gate, MODEL.roles, scorers)
    assert side.ranking.tolist() == [0.0, *own.probability[1:]]


def test_simple_rules_speak_where_every_fold_has_one(tiny_models, folds, artifacts) -> None:
    gate = gate_rows([WEEKS[0], WEEKS[1], DAY], tiny_models)
    numeric = next(one for one in tiny_models.SPEC.names if one not in dict(tiny_models.SPEC.vocabularies))
    ruled = {}
    for weight, (first, artifact) in enumerate(artifacts.items(), 1):
        rule = {"columns": [numeric], "missing": [0.0], "weights": [float(weight)], "intercept": 0.0}
        named = next(fold.model_version for fold in folds if fold.first_day == first)
        ruled[named] = replace(artifact, manifest={**artifact.manifest, SIMPLE_RULE: rule})
    found = simple_of_folds(folds, gate, ruled.__getitem__)
    assert found is not None
    assert found.tolist() == pytest.approx((gate.ranked[numeric].to_numpy() * [1, 2, 3]).tolist())
    bare = {artifact.model_version: artifact for artifact in artifacts.values()}
    assert simple_of_folds(folds, gate, {**ruled, folds[1].model_version: bare[folds[1].model_version]}.get) is None


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
        terms = Terms(self.as_of, changes.pop("also_required", ()))
        champion = changes.pop("champion", self.champion)
        places = ("challenger", "training", "gate", "human", "model")
        arguments = [changes.get(name, getattr(self, name)) for name in places]
        return judge_model(*arguments, terms, champion=champion, threads=1)


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
        training_set, artifact, fit_model(training_set, replace(job_pairs.POLICY, seed=99, trees_maximum=3)),
        GateRows.of_examples(later, JOB_EXAMPLES), Human("a rule", np.random.default_rng(3).random(ROWS)), model,
        first + timedelta(days=40),
    )  # fmt: skip


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
    assert found.decision.conditions[-5] is audit, "before what is required of every model"


def test_a_gate_without_exposures_is_closed(case: Case) -> None:
    empty = replace(case.gate, exposures=case.gate.exposures.slice(0, 0))
    found = case.judged(gate=empty)
    assert found.calibration is None
    assert not found.decision.is_promoted
    assert {"beats_champion", "gate_rows_are_not_training_rows"} <= {one.name for one in found.decision.unmet}


def test_rows_and_scores_have_to_fit(case: Case) -> None:
    with pytest.raises(InvalidInputError, match="100 ranked rows, 2000 examples; pass the same rows"):
        GateRows(case.gate.examples, case.gate.ranked.slice(0, 100), case.gate.exposures)
    side = Side("a model", case.training.last_day, np.random.default_rng(1).random(ROWS), np.full(7, 0.5))
    with pytest.raises(InvalidInputError, match="the challenger has 7 probabilities, the gate 2000 exposures"):
        judge(case.gate, {CHALLENGER: side}, case.human, case.model, Terms(case.as_of))


def test_each_side_reads_the_rows_by_its_own_spec(case: Case) -> None:
    """Invariant 5: a champion whose columns stand in another order is scored with those."""
    spec = case.champion.feature_spec
    turned = replace(spec, names=spec.names[::-1])
    champion = replace(case.champion, feature_spec=turned)
    scorer = LightGBMScorer(champion, threads=1)
    expected = scorer.score(case.gate.matrix(turned)).probability
    assert not np.array_equal(expected, scorer.score(case.gate.matrix(spec)).probability)
    assert np.array_equal(case.judged(champion=champion).contenders["champion"].scores, expected)
