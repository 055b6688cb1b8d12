"""Training on any examples and on early labels: judged in time, and planted faults are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.scoring.scorer import LightGBMScorer, scorer_of
from mlife_assets.core.study import Study
from mlife_assets.core.training import example_training
from mlife_assets.core.training.early_label import early_label
from mlife_assets.core.training.example_training import TrainedModel, gate_start, validated_by_share
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.fold_scores import first_unlearned_day
from mlife_assets.core.training.gate.comparing import average_precision
from mlife_assets.core.training.known_examples import as_known
from mlife_assets.core.training.reliability import calibration
from mlife_assets.core.training.search import search
from mlife_assets.core.training.simple_rule import SIMPLE_RULE
from mlife_assets.core.training.training_set import TrainingSet, split_examples

FIRST, TODAY = date(2026, 1, 1), date(2026, 6, 1)
DAYS, ROWS_A_DAY = 90, 120
FEATURES = ("strength", "mood", "noise")
TRAINING = {  # a base would find what trees of so few leaves leave over
    "formulations": ["binary"], "recipes": ["plain"], "trees_maximum": 40, "minimum_child_examples": 40, "leaves": 4,
}  # fmt: skip
EARLY_LABEL = "mlife_assets.core.training.early_label"
EARLY_TODAY, EARLY_DAYS, PER_DAY = date(2026, 6, 1), 40, 200
OPENED_DAYS, BOUGHT_DAYS = 2, 7
LAW_CHANGED_ON = EARLY_TODAY - timedelta(days=7)
ROLES = ExampleSpec(
    "who", "day", "bought", "bought_known", ("is_new_page",), funnel=("opened",), funnel_times=("opened_known",),
    early_label="bought_early",
)  # fmt: skip
POLICY = TrainingPolicy(
    formulations=("funnel",), trees_maximum=40, learning_rate=0.3, minimum_child_examples=20, feature_fraction=1.0,
    validation_days=5, minimum_examples=500,
)  # fmt: skip


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
    beyond = 1.2 * (np.abs(mood) > 1)  # than what a weighted sum says, or no model would be needed
    won = rng.random(rows) < 1 / (1 + np.exp(-(-1.9 + 1.2 * strength + 0.4 * (kind == 1) + beyond)))
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


def test_a_model_that_is_better_than_chance_is_promoted_and_learned_what_was_complete(trained: TrainedModel) -> None:
    assert trained.decision.outcome == "promoted", trained.decision.sentences
    assert trained.decision.objective == "average precision"
    assert "No ranking in use was given; nothing is said about beating it." in trained.decision.sentences
    assert any(sentence.startswith("One gate is held") for sentence in trained.decision.sentences)
    start = pc.min(trained.gate["day"]).as_py()
    assert pc.max(trained.training.examples["known"]).as_py() == start
    assert trained.training.last_day == start - timedelta(days=3)
    assert (pc.max(trained.gate["day"]).as_py() - start).days + 1 == round(0.2 * DAYS)


def test_a_stated_number_of_gates_counts() -> None:
    stated = study(promotion={"minimum_users_with_positives": 100, "bootstrap_resamples": 400, "gates_per_year": 20})
    found = train_on_examples(without_human(examples()), stated)
    assert any("so that in a year of 20 a " in sentence for sentence in found.decision.sentences)


def test_the_gate_ranks_by_the_probability_that_serves_which_loses_nothing_of_the_raw_score() -> None:
    found = train_on_examples(without_human(examples()), study(training={**TRAINING, "isotonic_minimum_positives": 10}))
    assert found.artifact.manifest["calibrator"] == "centred_isotonic"
    won = found.gate["won"].to_numpy(zero_copy_only=False)
    scores = LightGBMScorer(found.artifact, threads=1).score(examples_matrix(found.gate, found.artifact.feature_spec))
    assert np.array_equal(found.judged.ranking, scores.probability)
    assert average_precision(scores.probability, won) == average_precision(scores.raw, won)
    expected = pytest.approx(average_precision(scores.probability, won), abs=1e-12)
    assert found.decision.against("random").challenger_map == expected


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


def test_rows_of_the_gate_that_were_copied_into_training_are_refused() -> None:
    table = without_human(examples())
    start = gate_start(table, study().model, 0.2)
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


def test_a_small_table_gets_a_model_and_neither_noise_nor_a_reversed_world_does() -> None:
    """Short for `benchmarks/first_use.py`: every policy by default, 900 rows."""
    told = study(training={}, promotion={})
    rng = np.random.default_rng(3)
    table = without_human(examples()).take(pa.array(np.sort(rng.choice(DAYS * ROWS_A_DAY, 900, replace=False))))
    found = train_on_examples(table, told)
    assert found.decision.outcome == "promoted", found.decision.sentences
    assert any(one.startswith("Provisional: ") for one in found.decision.sentences)
    place, won = table.column_names.index("won"), table["won"].to_numpy(zero_copy_only=False)
    is_gate = table["day"].to_numpy() >= np.datetime64(gate_start(table, told.model, told.gate_share))
    for outcome in (rng.permutation(won), rng.permutation(won), won ^ is_gate):
        refused = train_on_examples(table.set_column(place, "won", pa.array(outcome)), told)
        assert refused.decision.outcome == "refused", refused.decision.sentences


def test_the_gate_has_the_days_that_an_interval_needs() -> None:
    table, model = without_human(examples()), study().model
    last = pc.max(table["day"]).as_py()
    assert (last - gate_start(table, model, 0.02)).days + 1 == 14
    few = table.filter(pc.field("day") > pa.scalar(last - timedelta(days=20)))
    assert (last - gate_start(few, model, 0.02)).days + 1 == 10, "at most half of all"


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
    watched = partial(search, progress=lambda done, trials: seen.append((done, trials)))
    found = train_on_examples(without_human(examples()), on, searched=watched)
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
    start = gate_start(table, study().model, 0.2)
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


def exposures(*, early: float = 0.95, seed: int = 1) -> pa.Table:
    """Since a week ago all who open the new page buy, before, half did; a share `early` while opens are counted."""
    rng = np.random.default_rng(seed)
    rows = EARLY_DAYS * PER_DAY
    day = np.datetime64(EARLY_TODAY, "D") - 1 - np.repeat(np.arange(EARLY_DAYS)[::-1], PER_DAY)
    is_new_page = rng.random(rows) < 0.5
    opened = rng.random(rows) < 0.5
    is_changed = is_new_page & (day >= np.datetime64(LAW_CHANGED_ON, "D"))
    bought = opened & (rng.random(rows) < np.where(is_changed, 1.0, 0.5))
    return pa.table(
        {
            "who": [f"w{row % 997}" for row in range(rows)], "day": pa.array(day), "opened": opened, "bought": bought,
            "bought_early": bought & (rng.random(rows) < early), "opened_known": pa.array(day + OPENED_DAYS + 1),
            "bought_known": pa.array(day + BOUGHT_DAYS + 1), "is_new_page": is_new_page.astype(np.float64),
        }
    )  # fmt: skip


def training_set(rows: pa.Table, roles: ExampleSpec = ROLES, policy: TrainingPolicy = POLICY) -> TrainingSet:
    return split_examples(as_known(rows, roles, EARLY_TODAY), roles, known_on=EARLY_TODAY, policy=policy, data_hash="d")


def known(rows: pa.Table, name: str) -> np.ndarray:
    return np.asarray(rows[name].fill_null(False))


def with_early(rows: pa.Table, early: np.ndarray, hidden: np.ndarray | None = None) -> pa.Table:
    return rows.set_column(rows.column_names.index("bought_early"), "bought_early", pa.array(early, mask=hidden))


def since(rows: pa.Table, day: date) -> np.ndarray:
    return np.asarray(rows["day"]) >= np.datetime64(day, "D")


def bought_of_opened(artifact: ModelArtifact) -> float:
    alone = ModelArtifact(artifact.stages[-1:], artifact.feature_spec, "data", {})
    row = examples_matrix(pa.table({"is_new_page": [1.0]}), artifact.feature_spec)
    return float(1 / (1 + np.exp(-scorer_of(alone, threads=1).score(row).raw[0])))


def test_rows_too_young_for_the_label_are_taught_by_what_came_early() -> None:
    rows = exposures()
    training = training_set(rows)
    found = early_label(training)
    days = training.examples["day"].to_numpy().astype("datetime64[D]")
    young = days > np.datetime64(EARLY_TODAY - timedelta(days=8), "D")
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
    found = early_label(training)
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
    complete, young = EARLY_DAYS - BOUGHT_DAYS, 5
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
        fit_model(
            training_set(rows, roles, policy),
            policy,
            estimator=lambda: make_pipeline(SimpleImputer(keep_empty_features=True), LogisticRegression()),
        )
        for roles in (ROLES, replace(ROLES, early_label=None))
    ]
    assert bought_of_opened(models[0]) > bought_of_opened(models[1]) + 0.03


def test_a_model_of_the_label_alone_is_not_asked_about_what_taught_it_early() -> None:
    policy = replace(POLICY, formulations=("binary",))
    artifact = fit_model(training_set(exposures(), policy=policy), policy)
    assert artifact.manifest["trained_to"] == {"bought": "2026-05-24"}
    assert first_unlearned_day(artifact) == date(2026, 5, 30)


def test_an_early_positive_stands_for_those_that_come_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half buy: .5 of .65, as the late ones still count as negatives; without weights it would be .35 of .65."""
    monkeypatch.setattr(f"{EARLY_LABEL}.SHARE_MINIMUM", 0.6)
    policy = replace(POLICY, half_life_days=2.0, recipes=("recent",))
    rows = exposures(early=0.7)
    unchanged = rows.set_column(rows.column_names.index("is_new_page"), "is_new_page", pa.array(np.ones(rows.num_rows)))
    bought = known(rows, "opened") & (np.random.default_rng(3).random(rows.num_rows) < 0.5)
    unchanged = unchanged.set_column(unchanged.column_names.index("bought"), "bought", pa.array(bought))
    early = bought & (np.random.default_rng(4).random(rows.num_rows) < 0.7)
    artifact = fit_model(training_set(with_early(unchanged, early), policy=policy), policy)
    assert artifact.manifest["early_label"]["rows"] > 0
    assert bought_of_opened(artifact) == pytest.approx(0.5 / (0.5 + 1 - 0.35), abs=0.04)


def test_where_many_positives_come_late_young_rows_teach_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    training = training_set(exposures(early=0.8))
    found = early_label(training)
    assert not found.rows.any()
    assert not found.outcome.any()
    share = found.facts["share_of_positives"]
    assert 0.72 < share < 0.88
    assert found.facts["refused"] == f"{share:.1%} of the newest 200 positives came early, 90.0% needed"
    for minimum, is_taught in ((share, True), (share + 1e-6, False)):
        monkeypatch.setattr(f"{EARLY_LABEL}.SHARE_MINIMUM", minimum)
        assert early_label(training).rows.any() == is_taught


def test_the_share_is_that_of_the_newest_positives(monkeypatch: pytest.MonkeyPatch) -> None:
    """People begin to be slow: of months of history nearly all came early, of the last week half."""
    rows, rng = exposures(), np.random.default_rng(2)
    slow = since(rows, EARLY_TODAY - timedelta(days=14)) & (rng.random(rows.num_rows) < 0.5)
    slower = training_set(with_early(rows, known(rows, "bought_early") & ~slow))
    assert "refused" in early_label(slower).facts
    monkeypatch.setattr(f"{EARLY_LABEL}.POSITIVES", 1_500)
    assert early_label(slower).facts["share_of_positives"] > 0.8


def test_too_few_positives_say_no_share(monkeypatch: pytest.MonkeyPatch) -> None:
    training = training_set(exposures())
    both = int((training.known("bought") & known(training.examples, "bought")).sum())
    monkeypatch.setattr(f"{EARLY_LABEL}.POSITIVES", both)
    assert early_label(training).rows.any()
    monkeypatch.setattr(f"{EARLY_LABEL}.POSITIVES", both + 1)
    found = early_label(training)
    assert not found.rows.any()
    words = f"of {both} positives it is known whether they came early, {both + 1} needed"
    assert found.facts == {"refused": words}


def test_a_day_whose_outcomes_did_not_arrive_teaches_nothing() -> None:
    rows, lost = exposures(), date(2026, 5, 27)
    is_lost = np.asarray(rows["day"]) == np.datetime64(lost, "D")
    found = early_label(training_set(with_early(rows, known(rows, "bought_early") & ~is_lost)))
    assert found.facts["silent_days"] == "2026-05-27"
    training = training_set(rows)
    days = np.asarray(training.examples["day"])
    assert np.array_equal(found.rows, early_label(training).rows & (days != np.datetime64(lost, "D")))


def test_days_that_are_silent_together_teach_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """So few open here that no day alone is shown to be silent: five days without one application are."""
    rows = exposures()
    rare = np.arange(rows.num_rows) % 12 == 0
    for name in ("opened", "bought", "bought_early"):
        rows = rows.set_column(rows.column_names.index(name), name, pa.array(known(rows, name) & rare))
    monkeypatch.setattr(f"{EARLY_LABEL}.POSITIVES", 60)
    assert early_label(training_set(rows)).rows.any()
    silent = with_early(rows, known(rows, "bought_early") & ~since(rows, EARLY_TODAY - timedelta(days=7)))
    found = early_label(training_set(silent))
    assert found.facts["silent_days"].count("2026-05-2") == 5
    assert not found.rows.any()
    first = with_early(rows, known(rows, "bought_early") & ~(since(rows, date(2026, 5, 29))))
    assert "silent_days" not in early_label(training_set(first)).facts


def test_a_day_on_which_fewer_want_it_is_no_silent_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third less than usual is a drift, and is learned from: of those who open three in ten, not half."""
    rows, rng = exposures(), np.random.default_rng(5)
    fewer = since(rows, LAW_CHANGED_ON) & (rng.random(rows.num_rows) < 0.6)
    training = training_set(with_early(rows, known(rows, "bought_early") & ~fewer))
    opened, young = known(training.examples, "opened"), since(training.examples, LAW_CHANGED_ON)
    came = [known(training.examples, "bought_early")[opened & days].mean() for days in (young, ~young)]
    assert came == pytest.approx([0.31, 0.47], abs=0.02)
    monkeypatch.setattr(f"{EARLY_LABEL}.SILENCE_ALPHA", 0.01)
    assert "silent_days" not in early_label(training).facts


def test_who_has_an_early_label_may_not_depend_on_what_happened() -> None:
    rows = exposures()
    early = known(rows, "bought_early")
    with pytest.raises(
        InvalidInputError, match=r"bought_early is null in \d+ of 200 examples of 2026-04-22, whose opened"
    ):
        early_label(training_set(with_early(rows, early, hidden=~early)))


def test_a_young_day_without_early_labels_teaches_nothing() -> None:
    rows = exposures()
    hidden = np.asarray(rows["day"]) == np.datetime64("2026-05-27", "D")
    found = early_label(training_set(with_early(rows, known(rows, "bought_early"), hidden=hidden)))
    whole = early_label(training_set(rows))
    days = np.asarray(training_set(rows).examples["day"])
    assert np.array_equal(found.rows, whole.rows & (days != np.datetime64("2026-05-27", "D")))


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
    found = early_label(training_set(lost))
    assert found.rows.any()
    assert "silent_days" not in found.facts
    facts = found.facts_of("funnel", training_set(lost))
    assert (facts["rows"], facts["positives"]) == (0, 0)


def test_rows_of_a_release_without_an_early_label_are_as_before() -> None:
    rows = exposures().drop_columns(["bought_early"])
    found = early_label(training_set(rows))
    assert not found.rows.any()
    assert found.facts == {}
