"""Any examples: a model that is judged in time, and planted faults that are each refused with the right sentence."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.core.study import Study
from mlife_assets.core.training import example_training
from mlife_assets.core.training.example_training import TrainedModel, gate_start, validated_by_share
from mlife_assets.core.training.gate.comparing import average_precision
from mlife_assets.core.training.reliability import calibration

FIRST, TODAY = date(2026, 1, 1), date(2026, 6, 1)
DAYS, ROWS_A_DAY = 90, 120
FEATURES = ("strength", "mood", "noise")
TRAINING = {
    "formulations": ["binary"],
    "recipes": ["plain"],  # a base would find what trees of so few leaves leave over
    "trees_maximum": 40,
    "minimum_child_examples": 40,
    "leaves": 4,
}


def study(features: tuple[str, ...] = FEATURES, **parts: object) -> Study:
    roles = {
        "entity": "who", "time": "day", "label": "won", "label_time": "known", "features": list(features),
        "categoricals": ["kind"],
    }  # fmt: skip
    promotion = {"minimum_users_with_positives": 100, "bootstrap_resamples": 400}
    return Study.from_json(json.dumps({"roles": roles, "training": TRAINING, "promotion": promotion, **parts}))


def examples(seed: int = 1, days: int = DAYS) -> pa.Table:
    rng = np.random.default_rng(seed)
    rows = days * ROWS_A_DAY
    strength, mood = rng.normal(size=rows), rng.normal(size=rows)
    kind = rng.integers(0, 3, rows)
    won = rng.random(rows) < 1 / (1 + np.exp(-(-1.5 + 1.2 * strength + 0.4 * (kind == 1))))
    day = np.repeat(np.datetime64(FIRST) + np.arange(days), ROWS_A_DAY)
    return pa.table(
        {
            "who": [f"w{i:06d}" for i in range(rows)], "day": pa.array(day), "won": pa.array(won),
            "known": pa.array(day + 3), "strength": strength, "mood": mood, "noise": rng.normal(size=rows),
            "kind": np.array(["a", "b", "c"])[kind].tolist(), "human_score": strength + rng.normal(0, 2.0, rows),
        }
    )  # fmt: skip


def train_on_examples(table: pa.Table, told: Study, today: date = TODAY, **options: Any) -> TrainedModel:
    shares = {"gate_share": told.gate_share, "validation_share": told.validation_share}
    return example_training.train_on_examples(table, told.model, today=today, **shares, **options)


def without_human(table: pa.Table) -> pa.Table:
    return table.drop_columns(["human_score"])


@pytest.fixture(scope="module")
def trained() -> TrainedModel:
    return train_on_examples(without_human(examples()), study())


def first_sentence(model: TrainedModel) -> str:
    return model.decision.sentences[0]


def test_a_model_that_is_better_than_chance_is_promoted_and_no_human_is_said(trained: TrainedModel) -> None:
    assert trained.decision.outcome == "promoted", trained.decision.sentences
    assert trained.decision.objective == "average precision"
    assert any("human" in sentence and "not given" in sentence for sentence in trained.decision.sentences)


def test_what_trains_was_complete_when_the_gate_begins(trained: TrainedModel) -> None:
    start = pc.min(trained.gate["day"]).as_py()
    assert pc.max(trained.training.examples["known"]).as_py() == start
    assert trained.training.last_day == start - timedelta(days=3)
    assert (pc.max(trained.gate["day"]).as_py() - start).days + 1 == round(0.2 * DAYS)


def test_the_gate_ranks_by_the_probability_that_serves_which_loses_nothing_of_the_raw_score() -> None:
    found = train_on_examples(without_human(examples()), study(training={**TRAINING, "isotonic_minimum_positives": 10}))
    assert found.artifact.manifest["calibrator"] == "centred_isotonic"
    won = found.gate["won"].to_numpy(zero_copy_only=False)
    scores = LightGBMScorer(found.artifact, threads=1).score(examples_matrix(found.gate, found.artifact.feature_spec))
    assert np.array_equal(found.judged.ranking, scores.probability)
    assert average_precision(scores.probability, won) == average_precision(scores.raw, won)
    expected = pytest.approx(average_precision(scores.probability, won), abs=1e-12)
    assert found.decision.against("random").challenger_map == expected


def test_a_conversion_day_as_label_time_is_refused() -> None:
    table = without_human(examples())
    won, day = table["won"].to_numpy(zero_copy_only=False), table["day"].to_numpy().astype("datetime64[D]")
    known = pa.array(day + np.where(won, np.random.default_rng(5).integers(1, 8, len(won)), 8))
    found = train_on_examples(table.set_column(table.column_names.index("known"), "known", known), study())
    assert found.decision.outcome == "refused"
    assert any("How long known comes after day predicts won alone" in one for one in found.decision.sentences)


def test_the_order_of_the_file_changes_nothing(trained: TrainedModel) -> None:
    table = without_human(examples())
    order = np.random.default_rng(3).permutation(table.num_rows)
    again = train_on_examples(table.take(pa.array(order)), study())
    assert again.artifact.model_version == trained.artifact.model_version
    assert again.decision == trained.decision


def test_a_human_rule_is_held_against_the_model() -> None:
    human = {"name": "a rule", "score": "human_score"}
    found = train_on_examples(examples(), study(human=human))
    assert found.decision.against("human").is_won
    perfect = examples()
    odds = pc.add(perfect["strength"], pc.multiply(pc.equal(perfect["kind"], "b").cast(pa.float64()), 1 / 3))
    place = perfect.column_names.index("human_score")
    refused = train_on_examples(perfect.set_column(place, "human_score", odds), study(human=human))
    assert refused.decision.outcome == "refused"
    assert "does not beat the human" in first_sentence(refused)


def test_a_feature_that_equals_the_label_later_is_refused_by_name() -> None:
    table = without_human(examples()).append_column("refund", examples()["won"].cast(pa.float64()))
    found = train_on_examples(table, study(features=(*FEATURES, "refund")))
    assert found.decision.outcome == "refused"
    assert any("The feature refund predicts the outcome by itself" in one for one in found.decision.sentences)


def test_rows_of_the_gate_that_were_copied_into_training_are_refused() -> None:
    table = without_human(examples())
    start = gate_start(table, study().model.roles, 0.2)
    gate = table.filter(pc.field("day") >= pa.scalar(start)).slice(0, 400)
    rng = np.random.default_rng(5)
    earlier = np.datetime64(FIRST) + rng.integers(0, 40, gate.num_rows)
    copies = gate.set_column(1, "day", pa.array(earlier)).set_column(3, "known", pa.array(earlier + 3))
    found = train_on_examples(pa.concat_tables([table, copies.select(table.column_names)]), study())
    assert found.decision.outcome == "refused"
    assert any("400 of 2,160 gate rows" in one and "remove the copies" in one for one in found.decision.sentences)


def test_an_equally_good_champion_stays(trained: TrainedModel) -> None:
    other = study(training={**TRAINING, "seed": 99, "feature_fraction": 0.7})
    found = train_on_examples(without_human(examples()), other, champion=trained.artifact)
    assert found.artifact.model_version != trained.artifact.model_version
    assert found.decision.outcome == "refused"
    assert "does not beat the champion" in first_sentence(found)


def test_features_that_say_nothing_are_refused() -> None:
    table = without_human(examples())
    shuffled = table.set_column(2, "won", table["won"].take(pa.array(np.random.default_rng(9).permutation(len(table)))))
    found = train_on_examples(shuffled, study())
    assert found.decision.outcome == "refused"


def test_a_model_that_scores_everybody_alike_is_refused() -> None:
    constant = study(training={**TRAINING, "minimum_child_examples": 1_000_000})
    found = train_on_examples(without_human(examples()), constant)
    assert found.decision.outcome == "refused"
    assert "do not vary" in first_sentence(found)


def test_too_few_outcomes_are_no_evidence() -> None:
    few = study(promotion={"minimum_users_with_positives": 100_000, "bootstrap_resamples": 400})
    found = train_on_examples(without_human(examples()), few)
    assert found.decision.outcome == "not_enough_evidence"
    assert "100,000 needed" in first_sentence(found)


def test_too_few_days_and_labels_are_said() -> None:
    with pytest.raises(NotEnoughEvidenceError, match="span 5 days"):
        train_on_examples(without_human(examples(days=5)), study())
    late = without_human(examples())
    place = late.column_names.index("known")
    late = late.set_column(place, "known", pa.array([date(2027, 1, 1)] * late.num_rows))
    with pytest.raises(NotEnoughEvidenceError, match="no label is complete"):
        train_on_examples(late, study(), today=date(2027, 1, 1))


def test_the_search_is_run_when_it_is_on() -> None:
    seen: list[tuple[int, int]] = []
    on = study(training={**TRAINING, "search_trials": 2, "leaves": 2})  # below the bounds: any trial has more
    found = train_on_examples(
        without_human(examples()), on, search_progress=lambda done, trials: seen.append((done, trials))
    )
    assert seen == [(1, 2), (2, 2)]
    assert found.search is not None
    used = {name: found.artifact.manifest["policy"][name] for name in found.search.best.parameters}
    assert used == found.search.best.parameters


def test_a_label_that_is_complete_after_today_is_refused_with_its_row() -> None:
    table = without_human(examples())
    newest = pc.max(table["known"]).as_py()
    assert train_on_examples(table, study(), today=newest).as_of == newest
    rows = pc.sum(pc.equal(table["known"], newest)).as_py()
    first, yesterday = table.num_rows - rows, newest - timedelta(days=1)
    words = f"known of {rows} rows is after today, {yesterday}; the first is row {first}"
    with pytest.raises(InvalidInputError, match=words):
        train_on_examples(table, study(), today=yesterday)


def shared_days() -> pa.Table:
    """Return examples in which what happens on a day happens to all, and everybody comes on many days."""
    table, rng = without_human(examples()), np.random.default_rng(6)
    strength = table["strength"].to_numpy()
    weather = np.repeat(rng.normal(0, 1.5, DAYS), ROWS_A_DAY)
    won = rng.random(table.num_rows) < 1 / (1 + np.exp(1.5 - 1.2 * strength - weather))
    place = np.arange(table.num_rows) % ROWS_A_DAY
    shared = table.set_column(2, "won", pa.array(won)).set_column(0, "who", pa.array([f"w{one}" for one in place]))
    return shared.append_column("item", pa.array([f"i{one}" for one in place]))


def test_validation_takes_a_share_of_the_days_or_as_many_as_the_policy_says() -> None:
    policy = TrainingPolicy(validation_days=3)
    assert [validated_by_share(policy, 0.25, days).validation_days for days in (100, 10, 10_000)] == [25, 7, 366]
    assert validated_by_share(policy, None, 100) == policy


def test_without_items_the_calibration_allows_for_days_and_with_items_for_entities() -> None:
    table = shared_days()
    for item, cluster in ((None, "day"), ("item", "who")):
        told = study()
        model = replace(told.model, roles=replace(told.model.roles, item=item))
        found = train_on_examples(table, replace(told, model=model))
        expected = calibration(
            found.judged.probability,
            found.gate["won"].to_numpy(zero_copy_only=False),
            cluster_ids=found.gate[cluster].cast(pa.string()),
        )
        assert found.calibration == expected
        other = calibration(found.judged.probability, found.gate["won"].to_numpy(zero_copy_only=False))
        wider = (expected.intercept_upper - expected.intercept_lower) / (other.intercept_upper - other.intercept_lower)
        assert (wider > 2) == (cluster == "day")


def test_a_champion_of_other_features_is_refused_by_name(trained: TrainedModel) -> None:
    with pytest.raises(InvalidInputError, match=f"the champion {trained.artifact.model_version} needs mood"):
        train_on_examples(without_human(examples()), study(features=("strength",)), champion=trained.artifact)


def test_equal_rows_with_other_human_scores_have_an_order_too() -> None:
    table = examples().slice(0, 4).take(pa.array([0, 0, 0, 0]))
    place = table.column_names.index("human_score")
    scores = [[3.0, 1.0, 2.0, 0.0], [0.0, 1.0, 2.0, 3.0]]
    one, two = (
        example_training.canonical(table.set_column(place, "human_score", pa.array(given)), study().model.roles)
        for given in scores
    )
    assert one.equals(two)


def test_nothing_that_is_fitted_sees_what_happens_after_the_gate_begins(trained: TrainedModel) -> None:
    """Neither trees, vocabularies, priors nor calibrators may move with a row of the gate or of the gap before it."""
    table = without_human(examples())
    start = gate_start(table, study().model.roles, 0.2)
    is_seen = np.array([known <= start for known in table["known"].to_pylist()])
    names = {"won": ~table["won"].to_numpy(zero_copy_only=False), "kind": np.full(table.num_rows, "z")}
    for name, values in names.items():
        changed = np.where(is_seen, table[name].to_numpy(zero_copy_only=False), values)
        table = table.set_column(table.column_names.index(name), name, pa.array(changed.tolist()))
    again = train_on_examples(table, study())
    assert again.artifact.model_version == trained.artifact.model_version
    assert again.decision.outcome == "refused"


def test_a_step_that_is_known_sooner_learns_up_to_its_own_day() -> None:
    table = without_human(examples())
    day, won = table["day"].to_numpy(), table["won"].to_numpy(zero_copy_only=False)
    seen = won | (table["mood"].to_numpy() > 0)
    timed = table.append_column("seen", pa.array(seen)).append_column("seen_known", pa.array(day + 1))
    roles = {**json.loads(study().model.roles.to_json()), "funnel": ["seen"], "funnel_times": ["seen_known"]}
    told = study(roles=roles, training={**TRAINING, "formulations": ["funnel", "binary"]})
    found = train_on_examples(timed, told)
    start = pc.min(found.gate["day"]).as_py()
    assert found.training.trained_to == {"seen": start - timedelta(days=1), "won": start - timedelta(days=3)}
    assert found.judged.trained_to == start - timedelta(days=1)
    assert "challenger_trained_before_gate" not in [one.name for one in found.decision.unmet]
    training = {**TRAINING, "formulations": ["funnel", "binary"]}
    early = study(roles={**roles, "early_label": "won_soon"}, training=training)
    taught = train_on_examples(timed.append_column("won_soon", table["won"]), early)
    facts = taught.artifact.manifest["early_label"]
    assert facts["share_of_positives"] == 1.0
    assert facts["last_day"] == (start - timedelta(days=1)).isoformat()
    assert taught.judged.trained_to == found.judged.trained_to
    together = train_on_examples(timed, study(roles={**roles, "funnel_times": []}))
    assert together.training.last_day == start - timedelta(days=3)
    assert together.training.validation_start == found.training.validation_start
