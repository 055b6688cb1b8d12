"""The prequential gate: folds whose models know only what came before, and what refuses them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.model import Model
from mlife_assets.core.ports import Scores
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.core.study import Study
from mlife_assets.core.training import prequential, required
from mlife_assets.core.training.example_training import canonical
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.gate import Condition, PromotionDecision
from mlife_assets.core.training.gate.average_precision import average_precision
from mlife_assets.core.training.prequential import (
    JudgedFold,
    Served,
    fold_conditions,
    judge_refit,
    over_folds,
    recipe_version,
    serving_conditions,
)
from mlife_assets.core.training.training_set import TrainingSet, hash_examples, split_examples
from mlife_assets.core.windows import add_days

FIRST, FOLD_DAYS, ROWS_A_DAY = date(2026, 1, 1), 14, 100
STARTS = (date(2026, 2, 12), date(2026, 2, 26))
AS_OF = date(2026, 3, 13)
MODEL = Study.from_json(
    """{"roles": {"entity": "who", "time": "day", "label": "won", "label_time": "known",
    "features": ["strength", "noise"]}, "training": {"formulations": ["binary"], "trees_maximum": 30,
    "learning_rate": 0.2, "minimum_child_examples": 40, "minimum_examples": 500, "validation_days": 7},
    "promotion": {"minimum_users_with_positives": 100, "bootstrap_resamples": 400,
    "calibration_slope_minimum": 0.4, "calibration_slope_maximum": 2.5}}"""
).model


def rows(seed: int = 5, **columns: Any) -> pa.Table:
    rng = np.random.default_rng(seed)
    count = ((AS_OF - FIRST).days - 1) * ROWS_A_DAY
    day = np.datetime64(FIRST) + np.arange(count) // ROWS_A_DAY
    strength = rng.normal(size=count)
    made = {
        "who": [f"w{row:05d}" for row in range(count)],
        "day": pa.array(day),
        "won": pa.array(rng.random(count) < 1 / (1 + np.exp(1.0 - 1.5 * strength))),
        "known": pa.array(day + 1),
        "strength": strength,
        "noise": rng.normal(size=count),
    }
    return canonical(pa.table(made | columns), MODEL.roles)


def known_on(table: pa.Table, day: date, since: date = FIRST) -> pa.Table:
    field = pc.field
    return table.filter((field("known") <= pa.scalar(day)) & (field("day") >= pa.scalar(since)))


def training_set(table: pa.Table, day: date, model: Model = MODEL) -> TrainingSet:
    seen = known_on(table, day)
    return split_examples(seen, model.roles, known_on=day, policy=model.training, data_hash=hash_examples(seen))


def probability(artifact: ModelArtifact, table: pa.Table) -> np.ndarray:
    return LightGBMScorer(artifact, threads=1).score(examples_matrix(table, artifact.feature_spec)).probability


@dataclass(frozen=True, eq=False)
class Prepared:
    """Folds of one recipe, the champion, and the rows."""

    table: pa.Table
    gate: pa.Table
    folds: tuple[JudgedFold, ...]
    artifacts: tuple[ModelArtifact, ...]
    champion: Served

    def judged(self, **changes: Any) -> PromotionDecision:
        told = {
            "as_of": AS_OF,
            "served": self.champion,
            "to_be_learned": training_set(self.table, AS_OF),
            "spec": self.artifacts[-1].feature_spec,
        }
        folds = changes.pop("folds", self.folds)
        return judge_refit(folds, self.gate, MODEL, **(told | changes))


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    table = rows()
    gate = known_on(table, AS_OF, STARTS[0])
    folds, artifacts = [], []
    for start in STARTS:
        training = training_set(table, start)
        artifact = fit_model(training, MODEL.training)
        own = gate.filter(
            (pc.field("day") >= pa.scalar(start)) & (pc.field("day") < pa.scalar(add_days(start, FOLD_DAYS)))
        )
        conditions = fold_conditions(artifact, training, own, MODEL)
        last = training.last_day
        folds.append(JudgedFold(artifact.model_version, last, start, probability(artifact, own), conditions))
        artifacts.append(artifact)
    old = training_set(table, date(2026, 2, 5))
    champion = fit_model(old, MODEL.training)
    served = Served(champion.model_version, old.last_day, probability(champion, gate))
    gate = known_on(table, AS_OF, STARTS[0])
    gate = gate.filter(pc.field("day") < pa.scalar(add_days(STARTS[1], FOLD_DAYS)))
    served = replace(served, probability=served.probability[: gate.num_rows])
    return Prepared(table, gate, tuple(folds), tuple(artifacts), served)


def test_a_recipe_that_does_no_harm_may_be_refitted(prepared: Prepared) -> None:
    decision = prepared.judged()
    assert decision.outcome == "promoted", decision.sentences
    versions = [artifact.model_version for artifact in prepared.artifacts]
    assert decision.model_version == recipe_version(versions)
    assert decision.model_version not in versions
    assert decision.champion_version == prepared.champion.model_version
    found = decision.against("champion")
    assert found is not None
    won = prepared.gate["won"].to_numpy(zero_copy_only=False)
    both = np.concatenate([fold.probability for fold in prepared.folds])
    assert found.challenger_map == pytest.approx(average_precision(both, won), abs=1e-12)
    assert found.other_map == pytest.approx(average_precision(prepared.champion.probability, won), abs=1e-12)
    assert any(
        sentence.startswith("Not required of a refit: against a random ranking") for sentence in decision.sentences
    )


def test_a_recipe_that_does_harm_is_refused(prepared: Prepared) -> None:
    """One fold turned around: its model learned what was not so."""
    turned = replace(prepared.folds[1], probability=1 - prepared.folds[1].probability)
    decision = prepared.judged(folds=(prepared.folds[0], turned))
    assert decision.outcome == "refused"
    assert "refit_does_no_harm_to_ranking" in [one.name for one in decision.unmet]


def test_every_fold_has_to_meet_its_own_conditions(prepared: Prepared) -> None:
    names = [one.name for one in prepared.folds[0].conditions]
    assert names == ["fold_trained_before_its_rows", "gate_rows_are_not_training_rows", "scoring_parity"]
    decision = prepared.judged()
    assert [one.name for one in decision.conditions if one.name in names] == names
    for name in names:
        spoilt = tuple(replace(one, is_met=one.name != name) for one in prepared.folds[1].conditions)
        folds = (prepared.folds[0], replace(prepared.folds[1], conditions=spoilt))
        found = prepared.judged(folds=folds)
        assert [one.name for one in found.unmet] == [name]
        assert found.sentences[0].startswith("Refused: In the fold of 2026-02-26: ")


def test_a_fold_that_learned_from_its_own_days_is_reported(prepared: Prepared) -> None:
    training = training_set(prepared.table, STARTS[1])
    before, copied, _ = fold_conditions(prepared.artifacts[1], training, prepared.gate, MODEL)
    assert not before.is_met
    assert "learned from rows up to 2026-02-25" in before.sentence
    same_day = prepared.gate.filter(pc.field("day") >= pa.scalar(date(2026, 2, 25)))
    assert not fold_conditions(prepared.artifacts[1], training, same_day, MODEL)[0].is_met
    assert not copied.is_met, "its rows are those that it learned from"


def test_a_model_that_works_may_serve(prepared: Prepared) -> None:
    found = serving_conditions(prepared.artifacts[1], prepared.gate, MODEL)
    names = ["serving_probabilities_are_finite", "serving_probabilities_vary", "scoring_parity"]
    assert [(one.name, one.is_met) for one in found] == [(name, True) for name in names]
    assert found[2].sentence.startswith(f"{prepared.gate.num_rows:,} rows score the same bits")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("serving_probabilities_are_finite", "1 of 2,800 probabilities of "),
        ("serving_probabilities_vary", "All 2,800 probabilities of "),
        ("scoring_parity", "after a reload"),
    ],
)
def test_a_model_that_does_not_work_may_not_serve(prepared: Prepared, monkeypatch, name: str, words: str) -> None:
    calls = iter(range(10))

    class Broken(LightGBMScorer):
        def __init__(self, artifact: ModelArtifact, *, threads: int) -> None:
            super().__init__(artifact, threads=threads)
            self.call = next(calls)

        def score(self, features: np.ndarray) -> Scores:
            scores = super().score(features)
            if name == "serving_probabilities_are_finite":
                worst = features[:, 0] == prepared.gate["strength"].to_numpy().max()
                return replace(scores, probability=np.where(worst, np.nan, scores.probability))
            if name == "serving_probabilities_vary":
                return replace(scores, probability=np.full(len(features), 0.5))
            return replace(scores, probability=scores.probability + 1e-12 * (self.call == 2))

    for module in (prequential, required):
        monkeypatch.setattr(module, "scorer_of", Broken)
    found = serving_conditions(prepared.artifacts[1], prepared.gate, MODEL)
    (unmet,) = [one for one in found if not one.is_met]
    assert unmet.name == name
    assert words in unmet.sentence


def test_columns_and_label_times_are_examined_on_what_would_be_learned(prepared: Prepared) -> None:
    told = rows()
    leaked = told["won"].to_numpy(zero_copy_only=False).astype(float)
    table = rows(noise=rows_in_order(leaked, told))
    decision = prepared.judged(to_be_learned=training_set(table, AS_OF))
    assert [one.name for one in decision.unmet] == ["no_feature_tells_the_outcome"]


def rows_in_order(values: np.ndarray, table: pa.Table) -> pa.Array:
    """Return values by their row's name, in the order in which `rows` makes them."""
    order = np.argsort(np.array(table["who"].to_pylist()))
    return pa.array(values[order])


def test_the_first_fold_bounds_what_nobody_may_have_seen(prepared: Prepared) -> None:
    late = replace(prepared.champion, trained_to=STARTS[0])
    assert "champion_trained_before_gate" in [one.name for one in prepared.judged(served=late).unmet]
    folds = (replace(prepared.folds[0], trained_to=STARTS[0]), prepared.folds[1])
    assert "challenger_trained_before_gate" in [one.name for one in prepared.judged(folds=folds).unmet]


def test_folds_that_score_other_rows_are_an_error(prepared: Prepared) -> None:
    with pytest.raises(InvalidInputError, match=r"the folds score 1400 rows, the gate has 2800"):
        prepared.judged(folds=prepared.folds[:1])


def test_conditions_are_reported_once_over_all_folds() -> None:
    def fold(day: int, *conditions: Condition) -> JudgedFold:
        return JudgedFold("m", FIRST, date(2026, 3, day), np.zeros(0), conditions)

    met, unmet = Condition("a", True, "Fine."), Condition("a", False, "Not fine.")
    assert over_folds([fold(1, met), fold(2, met)]) == (Condition("a", True, "In each of 2 folds: Fine."),)
    assert over_folds([fold(1, met), fold(2, unmet), fold(3, unmet)]) == (
        Condition("a", False, "In the fold of 2026-03-02: Not fine."),
    )


def test_a_recipe_is_named_by_its_models_in_order() -> None:
    assert recipe_version(["a", "b"]) == recipe_version(["a", "b"]) != recipe_version(["b", "a"])
    assert recipe_version(["a"]).startswith("recipe_")


ITEM_MODEL = replace(MODEL, roles=replace(MODEL.roles, item="what"))
ITEMS_A_DAY = 10


def item_rows() -> pa.Table:
    """Return the rows as ten users a day who are shown ten items each, every user on one day only."""
    table = rows()
    place = np.arange(table.num_rows)
    named = table.set_column(table.column_names.index("who"), "who", [[f"u{one:05d}" for one in place // ITEMS_A_DAY]])
    return canonical(named.append_column("what", [[f"i{one % ITEMS_A_DAY}" for one in place]]), ITEM_MODEL.roles)


def average_precision_of_user(scores: np.ndarray, won: np.ndarray) -> float:
    ordered = won[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    return float(np.sum(precision * ordered) / np.sum(ordered))


@pytest.mark.parametrize("is_turned", [False, True])
def test_a_refit_with_items_is_judged_by_how_it_ranks_them_for_each_user(is_turned: bool) -> None:
    table = item_rows()
    gate, both, folds = known_on(table, AS_OF, STARTS[0]), [], []
    for start, end in pairwise((*STARTS, AS_OF)):
        training = training_set(table, start, ITEM_MODEL)
        artifact = fit_model(training, ITEM_MODEL.training)
        own = gate.filter((pc.field("day") >= pa.scalar(start)) & (pc.field("day") < pa.scalar(end)))
        found = probability(artifact, own)
        both.append(1 - found if is_turned else found)
        conditions = fold_conditions(artifact, training, own, ITEM_MODEL)
        folds.append(JudgedFold(artifact.model_version, training.last_day, start, both[-1], conditions))
    old = training_set(table, date(2026, 2, 5), ITEM_MODEL)
    champion = fit_model(old, ITEM_MODEL.training)
    served = Served(champion.model_version, old.last_day, probability(champion, gate))
    decision = judge_refit(
        folds,
        gate,
        ITEM_MODEL,
        as_of=AS_OF,
        served=served,
        to_be_learned=training_set(table, AS_OF, ITEM_MODEL),
        spec=artifact.feature_spec,
    )
    users, won = np.array(gate["who"].to_pylist()), gate["won"].to_numpy(zero_copy_only=False)
    of_users = [users == user for user in np.unique(users[won])]
    compared = decision.against("champion")
    assert compared is not None
    assert (decision.objective, compared.delta.n) == ("MAP@10", len(of_users))
    for scores, value in ((np.concatenate(both), compared.challenger_map), (served.probability, compared.other_map)):
        expected = [average_precision_of_user(scores[own], won[own]) for own in of_users]
        assert value == pytest.approx(np.mean(expected), abs=1e-3), "but for ties"
    assert decision.outcome == ("refused" if is_turned else "promoted"), decision.sentences
    harm = [f"refit_does_no_harm_to_{what}" for what in ("ranking", "probabilities")]
    assert [one.name for one in decision.unmet] == (harm if is_turned else [])
