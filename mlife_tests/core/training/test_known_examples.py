"""Invariant 4 by step: no step learns an outcome before it is complete for that step, and each learns all that is."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlife_assets.core.entity_rows import EntityColumn, find_entities
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.model import Model, RowSource, Step
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.scoring.artifact import ModelArtifact, ModelStage
from mlife_assets.core.scoring.feature_spec import FeatureSpec, examples_matrix
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.core.training import known_examples, step_rows
from mlife_assets.core.training.boosting import boost, model_text
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.formulations import tuning_spec
from mlife_assets.core.training.known_examples import as_known, in_order, joined_marts, mart_windows, with_step_times
from mlife_assets.core.training.recipes import recipe_of
from mlife_assets.core.training.step_rows import AllRows, known_outcome, thinned, thinned_weights
from mlife_assets.core.training.training_set import TrainingSet, build_training_set

TODAY = date(2026, 6, 1)
OPENED_DAYS, BOUGHT_DAYS = 2, 7
ROLES = ExampleSpec(
    "who", "day", "bought", "bought_known", ("size", "is_new_page"), funnel=("opened",), funnel_times=("opened_known",)
)
MODEL = Model(
    name="buyers",
    title="Who buys",
    outcome="somebody buys",
    source="a test",
    roles=ROLES,
    steps=(Step("opening", "opened", "openings", OPENED_DAYS), Step("purchase", "bought", "purchases", BOUGHT_DAYS)),
    row_id="example",
    rows=RowSource(("people",), find_entities, EntityColumn("who")),
    training=TrainingPolicy(
        formulations=("funnel",), trees_maximum=40, learning_rate=0.3, minimum_child_examples=20,
        feature_fraction=1.0, validation_days=5, minimum_examples=500,
    ),
)  # fmt: skip
DAYS, PER_DAY = 40, 200
LAW_CHANGED_ON = TODAY - timedelta(days=5)
USUAL, CHANGED = 0.2, 0.8
TUNED = TrainingPolicy(minimum_child_examples=10, negatives_per_kept=3, negatives_minimum=500, learning_rate=0.1)
SPEC = FeatureSpec(("pay", "km", "city"), (("city", ("a", "b", "c")),))
COUNT = 6_000
FIT = np.arange(COUNT) < 4_000
EVERY = np.ones(COUNT, dtype=bool)
THINNED = TrainingPolicy(negatives_per_kept=3, negatives_minimum=1_000)
LABEL = "is_applied"


def exposures(*, seed: int = 1, changed: float = CHANGED) -> pa.Table:
    """Return what truly came of every exposure, also where that is not known yet.

    A new page is shown to half of the people all along and does nothing, until, 5 days ago, it makes them open, and
    whoever opens it buy.
    """
    rng = np.random.default_rng(seed)
    rows = DAYS * PER_DAY
    day = np.datetime64(TODAY, "D") - 1 - np.repeat(np.arange(DAYS)[::-1], PER_DAY)
    is_new_page = rng.random(rows) < 0.5
    is_changed = is_new_page & (day >= np.datetime64(LAW_CHANGED_ON, "D"))
    opened = rng.random(rows) < np.where(is_changed, changed, USUAL)
    bought = opened & (rng.random(rows) < np.where(is_changed, 0.95, 0.5))
    return pa.table(
        {
            "example": [f"x{row:06d}" for row in range(rows)], "who": [f"w{row % 997}" for row in range(rows)],
            "day": pa.array(day), "opened": pa.array(opened), "bought": pa.array(bought),
            "opened_known": pa.array(day + OPENED_DAYS + 1), "bought_known": pa.array(day + BOUGHT_DAYS + 1),
            "size": rng.normal(size=rows), "is_new_page": is_new_page.astype(np.float64),
        }
    )  # fmt: skip


def trained(rows: pa.Table, *, known_on: date = TODAY) -> TrainingSet:
    seen = as_known(rows, ROLES, TODAY)
    return build_training_set(seen, MODEL, as_of=TODAY, gate_start=known_on, quarantined=())


def stage_probability(artifact: ModelArtifact, stage: ModelStage, *, is_new_page: float) -> float:
    """Return what the trees of one step say of a row, before calibration."""
    alone = ModelArtifact((stage,), artifact.feature_spec, "data", {})
    row = pa.table({"size": [0.0], "is_new_page": [is_new_page]})
    raw = LightGBMScorer(alone, threads=1).score(examples_matrix(row, artifact.feature_spec)).raw
    return float(1 / (1 + np.exp(-raw[0])))


def test_a_law_that_changed_between_the_two_dates_is_seen_by_the_early_step_alone() -> None:
    """The known answer: of the days with known openings 3 are of the new law, of those with a label none is."""
    training = trained(exposures())
    assert training.trained_to == {"opened": TODAY - timedelta(days=3), "bought": TODAY - timedelta(days=8)}
    assert training.trained_to["bought"] < LAW_CHANGED_ON < training.trained_to["opened"]
    coarse = replace(MODEL.training, minimum_child_examples=2_500, learning_rate=0.5, recipes=("plain",))
    changed, calm = (fit_model(trained(exposures(changed=share)), coarse) for share in (CHANGED, USUAL))
    opened, bought = changed.stages
    known_days = DAYS - OPENED_DAYS
    new_days = (training.trained_to["opened"] - LAW_CHANGED_ON).days + 1
    assert new_days == 3
    share = (USUAL * (known_days - new_days) + CHANGED * new_days) / known_days
    assert stage_probability(changed, opened, is_new_page=1.0) == pytest.approx(share, abs=0.02)
    assert stage_probability(changed, opened, is_new_page=0.0) == pytest.approx(USUAL, abs=0.02)
    assert stage_probability(changed, bought, is_new_page=1.0) == pytest.approx(0.5, abs=0.06)
    assert bought.model_text == calm.stages[1].model_text, "its rows are all of the old world"
    assert opened.model_text != calm.stages[0].model_text


def test_no_step_learns_what_is_not_complete_for_it() -> None:
    """Outcomes that were not mature may be anything: not a byte of rows or model depends on them."""
    truth, gate = exposures(), TODAY - timedelta(days=10)
    expected = build_training_set(truth, MODEL, as_of=date(2026, 7, 1), gate_start=gate, quarantined=())
    for step, time in ROLES.step_times.items():
        late = np.array([one > gate for one in truth[time].to_pylist()])
        values = truth[step].to_numpy(zero_copy_only=False)
        place = truth.column_names.index(step)
        for others, is_same in ((late, True), (~late, False)):
            flipped = truth.set_column(
                place, step, pa.array(np.where(others, ~values.astype(bool), values).astype(bool))
            )
            found = build_training_set(flipped, MODEL, as_of=date(2026, 7, 1), gate_start=gate, quarantined=())
            assert (found.data_hash == expected.data_hash) is is_same, (step, is_same)
            assert found.examples.equals(expected.examples) is is_same


def test_an_outcome_that_is_not_known_cannot_be_had() -> None:
    training = trained(exposures())
    newest = training.examples["day"].to_numpy() > np.datetime64(training.trained_to["bought"], "D")
    assert newest.sum() == PER_DAY * (BOUGHT_DAYS - OPENED_DAYS)
    assert training.examples["bought"].filter(pa.array(newest)).null_count == newest.sum()
    for asked in (None, newest, newest | training.known("bought")):
        with pytest.raises(InvalidInputError, match="bought is not known of 1000 of"):
            training.outcome("bought", asked)
    assert len(training.outcome("opened")) == training.examples.num_rows
    assert training.positives == training.outcome("bought", training.known("bought")).sum()


@given(st.integers(1, DAYS - 1), st.integers(1, 9), st.integers(0, 9))
def test_rows_are_known_by_the_age_of_the_exposure_whatever_came_of_it(back: int, first: int, more: int) -> None:
    known_on = TODAY - timedelta(days=back)
    day = np.datetime64(TODAY, "D") - np.arange(DAYS)
    columns = {
        "day": day, "opened": np.arange(DAYS) % 2 == 0, "bought": np.arange(DAYS) % 4 == 0,
        "opened_known": day + first, "bought_known": day + first + more,
    }  # fmt: skip
    rows = pa.table({name: pa.array(values) for name, values in columns.items()})
    found = as_known(rows, ROLES, known_on)
    ages = np.array([(known_on - one).days for one in found["day"].to_pylist()])
    assert len(ages) == sum((known_on - one).days >= first for one in rows["day"].to_pylist())
    assert np.array_equal(found["opened"].is_valid().to_numpy(), ages >= first)
    assert np.array_equal(found["bought"].is_valid().to_numpy(), ages >= first + more)
    known_examples.require_mature(found, ROLES, known_on)
    known_examples.require_known(found, ROLES, known_on)


def test_an_outcome_before_its_time_is_refused_by_step() -> None:
    rows = exposures()
    seen = as_known(rows, ROLES, TODAY)
    leaked = seen.set_column(seen.column_names.index("bought"), "bought", rows["bought"].slice(0, seen.num_rows))
    late = PER_DAY * (BOUGHT_DAYS - OPENED_DAYS)
    with pytest.raises(InvalidInputError, match=f"bought of {late} examples is not mature as of 2026-06-01, the first"):
        build_training_set(leaked, MODEL, as_of=TODAY, gate_start=TODAY, quarantined=())
    earlier = date(2026, 5, 20)
    with pytest.raises(InvalidInputError, match="opened of 2400 examples is not mature as of 2026-05-20, the first in"):
        build_training_set(seen, MODEL, as_of=earlier, gate_start=earlier, quarantined=())


def marts(known_on: date) -> list[tuple[Step, pa.Table]]:
    """Return what a platform reads: each mart calls its own time the label's, and none knows a later step."""
    rows, found = exposures(), []
    for window in mart_windows(MODEL, known_on):
        after = pa.scalar(window.after or date(2000, 1, 1))
        inside = rows.filter((pc.field("day") <= pa.scalar(window.last)) & (pc.field("day") > after))
        if window.step.name == "opening":
            own = inside.drop_columns(["bought", "bought_known"]).rename_columns({"opened_known": "bought_known"})
        else:
            own = inside.drop_columns(["opened_known"])
        found.append((window.step, own))
    return found


def test_marts_of_steps_hold_what_was_known_on_the_day() -> None:
    windows = mart_windows(MODEL, TODAY)
    assert [(one.step.name, one.after, one.last) for one in windows] == [
        ("purchase", None, TODAY - timedelta(days=8)),
        ("opening", TODAY - timedelta(days=8), TODAY - timedelta(days=3)),
    ]
    joined = joined_marts(marts(TODAY), MODEL)
    found = build_training_set(joined, MODEL, as_of=TODAY, gate_start=TODAY, quarantined=())
    expected = trained(exposures())
    assert found.data_hash == expected.data_hash
    assert found.trained_to == expected.trained_to


def test_a_model_whose_steps_are_known_together_reads_the_mart_of_its_label() -> None:
    together = replace(MODEL, roles=replace(ROLES, funnel_times=()))
    assert [one.step.name for one in mart_windows(together, TODAY)] == ["purchase"]
    no_sooner = replace(MODEL, steps=(replace(MODEL.steps[0], maturity_days=BOUGHT_DAYS), MODEL.steps[1]))
    assert [one.step.name for one in mart_windows(no_sooner, TODAY)] == ["purchase"]


def test_an_early_label_is_known_when_the_step_before_the_label_is() -> None:
    roles = replace(ROLES, early_label="bought_soon")
    rows = exposures()
    rows = rows.append_column("bought_soon", rows["bought"])
    known_on = TODAY - timedelta(days=10)
    rows = rows.append_column("seen", pa.array([True] * rows.num_rows)).append_column("seen_known", rows["day"])
    longer = replace(roles, funnel=("seen", "opened"), funnel_times=("seen_known", "opened_known"))
    for funnel in (roles, longer):
        seen = as_known(rows, funnel, known_on)
        is_complete = pc.less_equal(seen["opened_known"], pa.scalar(known_on, pa.date32()))
        assert seen["bought_soon"].is_valid().equals(is_complete)
        assert pc.sum(is_complete).as_py() > pc.sum(seen["bought"].is_valid()).as_py()
    assert pc.sum(is_complete).as_py() < seen.num_rows, "of the newest only the first step is known"
    later = as_known(rows, replace(roles, funnel_times=("bought_known",)), known_on)
    assert later["bought_soon"].is_valid().equals(later["bought"].is_valid())
    with pytest.raises(InvalidInputError, match="bought_soon of 400 examples is not mature as of 2026-06-01"):
        known_examples.require_mature(_with_nulls(rows), roles, TODAY)


def _with_nulls(rows: pa.Table) -> pa.Table:
    """Hide openings and labels that are not complete, and leave the early label."""
    seen = as_known(rows, ROLES, TODAY)
    days = rows["day"]
    young = rows.filter(pc.greater(days, pa.scalar(TODAY - timedelta(days=3), pa.date32())))
    hidden = young.select(seen.column_names)
    for name in ("opened", "bought"):
        place = hidden.column_names.index(name)
        hidden = hidden.set_column(place, name, pa.nulls(hidden.num_rows, pa.bool_()))
    both = pa.concat_tables([seen, hidden])
    early = pa.concat_arrays(
        [pa.nulls(seen.num_rows, pa.bool_()), young["bought_soon"].combine_chunks().cast(pa.bool_())]
    )
    return both.set_column(both.column_names.index("bought_soon"), "bought_soon", early)


def test_a_mart_that_has_no_early_label_knows_none() -> None:
    (label, rows), (step, young) = marts(TODAY)
    model = replace(MODEL, roles=replace(ROLES, early_label="bought_soon"))
    joined = joined_marts([(label, rows), (step, young)], model)
    assert joined["bought_soon"].null_count == rows.num_rows + young.num_rows
    assert known_examples.with_early_label(rows, ROLES) is rows
    assert known_examples.with_early_label(rows, model.roles)["bought_soon"].null_count == rows.num_rows
    soon = young.append_column("bought_soon", pa.array([True] * young.num_rows))
    joined = joined_marts([(label, rows), (step, soon)], model)
    assert joined["bought_soon"].null_count == rows.num_rows
    assert joined["bought_soon"].to_pylist()[-1] is True


def test_a_mart_without_a_step_that_it_should_know_is_refused() -> None:
    (label, rows), early = marts(TODAY)
    with pytest.raises(InvalidInputError, match="the mart purchases lacks column opened; add it there"):
        joined_marts([(label, rows.drop_columns(["opened"])), early], MODEL)


def test_a_step_is_complete_when_mart_and_record_say_so() -> None:
    rows = exposures().slice(0, 3)
    assert with_step_times(rows, MODEL).equals(rows)
    assert with_step_times(rows.drop_columns(["opened_known"]), MODEL).select(rows.column_names).equals(rows)
    longer = replace(MODEL, steps=(MODEL.steps[0], replace(MODEL.steps[1], maturity_days=20)))
    known = with_step_times(rows, longer)["bought_known"].to_pylist()
    assert known == [day + timedelta(days=21) for day in rows["day"].to_pylist()]
    sooner = replace(MODEL, steps=(replace(MODEL.steps[0], maturity_days=1), MODEL.steps[1]))
    assert with_step_times(rows, sooner).equals(rows), "the mart is not known before it says so"


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc")), max_size=12, unique=True))
def test_rows_come_in_order_of_day_and_id(pairs: list[tuple[int, str]]) -> None:
    days = pa.array([day for day, _ in pairs], pa.int32()).cast(pa.date32())
    rows = pa.table({"day": days, "id": pa.array([name for _, name in pairs], pa.string())})
    ordered = in_order(rows, "day", "id")
    assert ordered.equals(rows.sort_by([("day", "ascending"), ("id", "ascending")]))
    assert in_order(ordered, "day", "id") is ordered
    if pairs:
        again = pa.concat_tables([rows, ordered.slice(0, 1)])
        with pytest.raises(InvalidInputError, match=f"id {min(pairs)[1]} is there twice"):
            in_order(again, "day", "id")


@pytest.mark.parametrize("first", [0, 7_000])
@pytest.mark.parametrize("run", [1, 3, 5_000, 40_000])
def test_rows_of_a_mask_are_the_same_in_few_runs_and_in_many(run: int, first: int) -> None:
    mask = np.random.default_rng(run).random(20_000 // run + 1).repeat(run)[:20_000] < 0.5
    mask[:first] = True
    rows = pa.table({"x": np.arange(20_000)})
    found = known_examples.where(rows, pa.chunked_array([pa.array(mask)]))
    assert found.equals(rows.filter(pa.array(mask)))
    if first:
        one = next(chunk for chunk in found["x"].chunks if len(chunk))
        assert one.buffers()[1].address == rows["x"].chunk(0).buffers()[1].address, "whole days are not copied"


def test_an_outcome_that_is_not_known_counts_as_none(training_set: TrainingSet) -> None:
    for step in training_set.roles.steps:
        known = training_set.known(step)
        found = known_outcome(training_set, step)
        assert not found[~known].any()
        assert np.array_equal(found[known], training_set.outcome(step, known))


def test_all_rows_have_the_first_thing_that_may_happen_and_their_day(training_set: TrainingSet) -> None:
    spec = tuning_spec(training_set)
    matrix = spec.expanded(examples_matrix(training_set.examples, spec))
    found = step_rows.every_row(training_set, spec)
    first = training_set.roles.steps[0]
    assert np.array_equal(found.outcome, known_outcome(training_set, first) | ~training_set.known(first))
    assert np.array_equal(
        found.day, training_set.examples["exposure_date"].to_numpy().astype("datetime64[D]").astype(int)
    )
    mask = training_set.known(LABEL) & (np.arange(len(matrix)) % 3 == 0)
    some = step_rows.rows_of(training_set, spec, known_outcome(training_set, LABEL), mask)
    assert some.matrix.tobytes() == found.seen(mask).tobytes() == matrix[mask].tobytes()
    assert np.array_equal(some.day, found.day[mask])
    assert np.array_equal(some.outcome, training_set.outcome(LABEL, mask))


def test_each_fold_learns_from_what_was_complete_when_it_began_and_holds_out_what_followed(training_set) -> None:
    spec, steps = tuning_spec(training_set), training_set.roles.steps
    rests = list[int]()
    folds = step_rows.rows_to_tune_on(replace(training_set, rest=lambda: rests.append(1)), spec, TrainingPolicy())
    assert len(rests) == 2 * len(folds) == 4, "rows that were read are given back before bins are cut and trees grow"
    assert [fold.start for fold in folds] == list(training_set.fold_starts)
    held_out = np.sum([fold.of_all for fold in folds], axis=0)
    assert np.array_equal(held_out == 1, step_rows.from_validation_on(training_set))
    assert held_out.max() == 1
    days = training_set.examples["exposure_date"].to_numpy()
    reached = step_rows.reached_before("funnel", training_set, LABEL)
    for fold in folds:
        assert np.array_equal(fold.held_out, step_rows.every_row(training_set, spec).seen(fold.of_all), True)
        assert days[fold.of_all].min() >= np.datetime64(fold.start)
        fitting = np.logical_or.reduce([training_set.fitting(step, fold.start) for step in steps])
        assert np.array_equal(fold.fit.of_all, fitting)
        assert not (fold.fit.of_all & fold.of_all).any()
        inside = reached & training_set.fitting(LABEL, fold.start)
        part = fold.fit.about(known_outcome(training_set, LABEL), inside)
        assert len(part.outcome) == inside.sum()
        assert part.outcome.sum() == training_set.outcome(LABEL, inside).sum()


def outcomes(rows: int, rate: float = 0.1, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).random(rows) < rate


def test_positives_stay_as_they_are_and_negatives_keep_their_number() -> None:
    outcome = outcomes(20_001)
    weights = thinned_weights(outcome, THINNED)
    assert np.array_equal(weights[outcome], np.ones(outcome.sum()))
    kept = weights[~outcome & (weights > 0)]
    assert weights.sum() == len(outcome)
    assert len(kept) == -(-int((~outcome).sum()) // 3)
    assert set(np.unique(kept)) <= {1.0, 2.0, 3.0}


def test_of_each_run_of_negatives_one_is_drawn_so_every_stretch_keeps_its_share() -> None:
    weights = thinned_weights(np.zeros(9_000, dtype=bool), THINNED)
    assert np.array_equal((weights.reshape(-1, 3) > 0).sum(axis=1), np.ones(3_000))
    drawn = np.argmax(weights.reshape(-1, 3), axis=1)
    assert np.abs(np.bincount(drawn, minlength=3) - 1_000).max() < 120, "each place of a run is drawn as often"


@pytest.mark.parametrize(("negatives", "run"), [(1_999, 1), (2_000, 2), (2_999, 2), (3_000, 3), (60_000, 3)])
def test_at_least_the_minimum_of_negatives_stays(negatives: int, run: int) -> None:
    weights = thinned_weights(np.zeros(negatives, dtype=bool), THINNED)
    assert (weights > 0).sum() == -(-negatives // run) >= min(negatives, 1_000)
    assert weights.max() == run


def test_the_draw_follows_seed_and_rows_alone() -> None:
    outcome = outcomes(20_000)
    first, again, other = (thinned_weights(outcome, replace(THINNED, seed=seed)) for seed in (7, 7, 8))
    assert first.tobytes() == again.tobytes()
    assert (first != other).any()


@pytest.fixture(scope="module")
def rows() -> AllRows:
    rng = np.random.default_rng(1)
    pay, km, city = rng.normal(size=COUNT), rng.uniform(0, 50, COUNT), rng.integers(0, 3, COUNT)
    log_odds = -2 + pay - 0.03 * km + (city == 1)
    outcome = rng.random(COUNT) < 1 / (1 + np.exp(-log_odds))
    matrix = np.column_stack([pay, km, city])
    return AllRows(outcome, matrix.__getitem__, np.arange(COUNT) // 100)


def test_a_part_is_thinned_and_stands_for_all_of_its_rows(rows: AllRows) -> None:
    part = thinned(rows, FIT, SPEC, TUNED)
    assert not (part.of_all & ~FIT).any()
    assert part.of_all.sum() == len(part.rows.outcome) < FIT.sum()
    assert part.rows.weight.sum() == FIT.sum()
    assert part.rows.outcome.sum() == rows.outcome[FIT].sum()
    assert np.array_equal(part.rows.day, rows.day[part.of_all])
    assert np.array_equal(part.rows.inputs, rows.seen(part.of_all))
    few = thinned(rows, FIT, SPEC, replace(TUNED, negatives_minimum=50_000))
    assert np.array_equal(few.of_all, FIT), "few rows are all kept, without weights"
    assert few.rows.weight is None


def test_a_step_is_about_those_who_reached_it_with_its_outcome(rows: AllRows) -> None:
    part, other = thinned(rows, FIT, SPEC, TUNED), rows.outcome & (np.arange(COUNT) % 2 == 0)
    found, inside = part.about(other, rows.outcome), part.of_all & rows.outcome
    assert np.array_equal(found.inputs, rows.seen(inside))
    assert found.matrix is part.rows.matrix, "its rows are copied when they are asked for"
    assert part.rows.bins.data is None, "LightGBM holds bins, and no matrix beside them"
    assert np.array_equal(found.outcome, other[inside])
    assert (found.weight == 1).all()
    assert np.array_equal(part.about(other, EVERY).outcome, other[part.of_all])


def test_shared_bins_give_the_trees_that_own_bins_give(rows: AllRows) -> None:
    """Where the rows are those that were cut, sharing changes nothing, whatever trees are asked for."""
    part = thinned(rows, FIT, SPEC, TUNED).rows
    for policy in (TUNED, recipe_of("default").of(TUNED)):
        shared, own = (boost(replace(part, bins=bins), SPEC, policy, trees=20) for bins in (part.bins, None))
        assert model_text(shared) == model_text(own)


def test_a_part_of_shared_bins_learns_from_that_part_alone(rows: AllRows) -> None:
    part = thinned(rows, FIT, SPEC, TUNED)
    half = np.arange(COUNT) % 2 == 0
    changed = replace(rows, outcome=np.where(half, rows.outcome, ~rows.outcome))
    texts = [model_text(boost(part.about(one.outcome, half), SPEC, TUNED, trees=5)) for one in (rows, changed)]
    assert texts[0] == texts[1]
    assert texts[0] != model_text(boost(part.about(rows.outcome, ~half), SPEC, TUNED, trees=5))
