"""Invariant 4: no immature label trains; label times that depend on outcomes are named; the hash names the content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from types import ModuleType, SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.policies import PromotionPolicy, TrainingPolicy
from mlife_assets.core.training import label_times as label_times_module
from mlife_assets.core.training import training_set
from mlife_assets.core.training.folds import fold_starts
from mlife_assets.core.training.label_times import LabelTimes, label_times
from mlife_assets.core.training.training_set import TrainingSet, build_training_set, first_gate_day, hash_examples
from mlife_assets.core.windows import last_mature_exposure_day
from mlife_assets.recruiting.features import DERIVED_FEATURES, JOB_EXAMPLES
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import LabelPolicy, Policies

GATE = date(2026, 5, 15)
EARLY = date(2026, 5, 10)
LABEL = LabelPolicy()
POLICY = TrainingPolicy(validation_minimum_per_class=1)
LOANS = ExampleSpec("client", "day", "repaid", "known_on", ("amount",), funnel=("accepted",))
LOAN_POLICY = TrainingPolicy(
    minimum_examples=100, minimum_positives=10, validation_days=10, validation_minimum_per_class=1
)
LAST = date(2026, 3, 1)
ALL_KNOWN = LAST + timedelta(days=30)
FIRST = np.datetime64("2025-01-01")
DAYS, WINDOW = 180, 30
Delays = Callable[[np.random.Generator, np.ndarray, np.ndarray], np.ndarray]
"""(generator, day, outcome) -> days until the label is known, each shape (n,)."""


@pytest.fixture(scope="module")
def examples(job_pairs: ModuleType) -> pa.Table:
    return job_pairs.labelled_examples(6_000)


def build(
    examples: pa.Table,
    *,
    as_of: date = date(2026, 6, 2),
    quarantined: tuple[date, ...] = (),
    gate: date = GATE,
    label: LabelPolicy = LABEL,
) -> TrainingSet:
    model = job_applications(Policies(label=label, training=POLICY))
    return build_training_set(examples, model, as_of=as_of, gate_start=gate, quarantined=quarantined)


def days_of(training: TrainingSet, mask: np.ndarray) -> list[date]:
    return sorted(set(training.examples["exposure_date"].filter(pa.array(mask)).to_pylist()))


def test_an_immature_label_is_refused(examples: pa.Table) -> None:
    newest = pc.max(examples["label_mature_date"]).as_py()
    assert build(examples, as_of=newest).examples.num_rows > 0
    with pytest.raises(InvalidInputError, match=f"not mature as of {newest - timedelta(days=1)}"):
        build(examples, as_of=newest - timedelta(days=1))


def test_what_is_derived_otherwise_is_other_data(examples: pa.Table) -> None:
    """A model of a week is fitted once while its data are the same: an edited `derive` makes them others."""
    model = job_applications(Policies(label=LABEL, training=POLICY))

    def in_miles(rows: pa.Table) -> pa.Table:
        found = model.derive(rows)
        place = found.column_names.index("distance_km")
        return found.set_column(place, "distance_km", pc.multiply(found["distance_km"], 0.62))

    other = replace(model, derive=in_miles)
    hashes = {
        build_training_set(examples, one, as_of=date(2026, 6, 2), gate_start=GATE, quarantined=()).data_hash
        for one in (model, model, other)
    }
    assert len(hashes) == 2


def test_examples_are_derived_and_an_apply_counts_within_its_own_window(examples: pa.Table) -> None:
    training = build(examples)
    assert training.roles == JOB_EXAMPLES
    assert set(DERIVED_FEATURES) <= set(training.examples.column_names)
    longer = build(examples, label=LabelPolicy(apply_window_days=9))
    days, fewer = training.trained_to, longer.trained_to
    assert (days["is_applied"] - fewer["is_applied"]).days == 2
    assert days["is_clicked"] == fewer["is_clicked"]


def test_what_cannot_be_learned_from_is_refused(examples: pa.Table) -> None:
    model = job_applications(Policies())
    of_a_file = replace(model, steps=(), row_id=None, rows=None)
    with pytest.raises(InvalidInputError, match="job_applications has no row_id"):
        build_training_set(examples, of_a_file, as_of=GATE, gate_start=GATE, quarantined=())
    place = examples.column_names.index("label_mature_date")
    values = examples["label_mature_date"].to_pylist()
    with pytest.raises(InvalidInputError, match="label_mature_date"):
        build(examples.set_column(place, "label_mature_date", pa.array([None, *values[1:]], pa.date32())))
    early = examples.filter(pc.field("exposure_date") == date(2026, 4, 10)).slice(0, 1)
    with pytest.raises(InvalidInputError, match="twice"):
        build(pa.concat_tables([examples, early]))


@pytest.mark.parametrize(
    ("step", "window_days"), [("is_applied", LABEL.apply_window_days), ("is_clicked", LABEL.click_window_days)]
)
def test_each_step_ends_before_the_gate_and_validates_after_a_gap(examples, step: str, window_days: int) -> None:
    training = build(examples)
    fit, validation = days_of(training, training.fitting(step)), days_of(training, training.validating(step))
    window = timedelta(days=window_days)
    assert training.trained_to[step] == validation[-1] == training_set.last_training_day(GATE, window_days)
    assert validation[-1] + window + timedelta(days=1) == GATE
    assert fit[-1] + window + timedelta(days=1) == validation[0] == training.validation_start
    assert not (training.fitting(step) & training.validating(step)).any()
    assert training.first_day == fit[0]
    days = training.examples["exposure_date"].to_numpy()
    assert not (training.known(step) & (days + np.timedelta64(window_days, "D") >= np.datetime64(GATE))).any()


def test_the_label_validates_on_the_days_of_the_policy_and_decides_when_validation_starts(examples: pa.Table) -> None:
    training = build(examples)
    validation = days_of(training, training.is_validation)
    assert (validation[-1] - validation[0]).days + 1 == POLICY.validation_days
    assert training.last_day == training.trained_to["is_clicked"] > validation[-1]
    same = replace(JOB_EXAMPLES, funnel_times=(), early_label=None)
    both = replace(job_applications(Policies(training=POLICY)), roles=same)
    alike = build_training_set(examples, both, as_of=date(2026, 6, 2), gate_start=GATE, quarantined=())
    assert alike.validation_start == training.validation_start
    assert np.array_equal(alike.outcome("is_applied"), training.outcome("is_applied", training.known("is_applied")))
    assert alike.trained_to == dict.fromkeys(("is_clicked", "is_applied"), validation[-1])


def test_quarantined_days_are_left_out(examples: pa.Table) -> None:
    day = date(2026, 4, 10)
    rows = pc.sum(pc.equal(examples["exposure_date"], day)).as_py()
    training = build(examples, quarantined=(day,))
    assert rows > 0
    assert training.quarantined_rows == rows
    assert day not in training.examples["exposure_date"].to_pylist()
    assert training.data_hash != build(examples).data_hash


def test_the_hash_does_not_depend_on_order_chunks_or_later_rows(examples: pa.Table) -> None:
    expected = build(examples, gate=EARLY)
    order = np.random.default_rng(1).permutation(examples.num_rows)
    shuffled = examples.take(pa.array(order))
    parts = pa.concat_tables([shuffled.slice(0, 1000), shuffled.slice(1000)])
    for other in (shuffled, parts):
        found = build(other, gate=EARLY)
        assert found.data_hash == expected.data_hash
        assert found.examples.equals(expected.examples)
    earlier = examples.filter(pc.field("exposure_date") <= expected.last_day)
    assert earlier.num_rows < examples.num_rows
    assert build(earlier, gate=EARLY).data_hash == expected.data_hash


@pytest.mark.parametrize("name", ["is_applied", "latitude", "title", "days_since_last_click"])
def test_the_hash_follows_every_value(examples: pa.Table, name: str) -> None:
    values, days = examples[name].to_pylist(), examples["exposure_date"].to_pylist()
    row = next(i for i, day in enumerate(days) if day < date(2026, 4, 20) and values[i] is not None)
    other = {"is_applied": lambda v: not v, "latitude": lambda v: np.nextafter(v, 99), "title": lambda v: v + "s"}
    values[row] = other.get(name, lambda _: None)(values[row])
    column = pa.array(values, examples.schema.field(name).type)
    changed = examples.set_column(examples.column_names.index(name), name, column)
    assert build(changed).data_hash != build(examples).data_hash


def test_gate_days_are_mature_and_weeks_apart() -> None:
    days = training_set.gate_days(date(2026, 6, 2), LabelPolicy().apply_window_days, PromotionPolicy(gate_weeks=3))
    assert days == [date(2026, 5, 11), date(2026, 5, 18), date(2026, 5, 25)]


def loans(rows: int = 1_200, *, seed: int = 1, days: int = 60) -> pa.Table:
    """Return examples without an item whose outcomes take 1 to 30 days to be known, each its own."""
    rng = np.random.default_rng(seed)
    day = np.datetime64(LAST, "D") - rng.integers(0, days, rows)
    repaid = rng.random(rows) < 0.3
    return pa.table(
        {
            "client": pa.array([f"c{place}" for place in range(rows)]), "day": pa.array(day),
            "accepted": pa.array(repaid | (rng.random(rows) < 0.5)), "repaid": pa.array(repaid),
            "known_on": pa.array(day + rng.integers(1, 31, rows)), "amount": rng.normal(size=rows),
        }
    )  # fmt: skip


def split(examples: pa.Table, *, known_on: date = ALL_KNOWN, policy: TrainingPolicy = LOAN_POLICY) -> TrainingSet:
    return training_set.split_examples(
        examples, LOANS, known_on=known_on, policy=policy, data_hash="d", quarantined_rows=4
    )


def test_the_gap_is_the_attribution_window_of_each_row() -> None:
    """A row trains exactly when its label was complete when validation starts, whatever its day."""
    training = split(loans())
    start = date(2026, 2, 20)
    days, known = (training.examples[name].to_pylist() for name in ("day", "known_on"))
    assert training.is_validation.tolist() == [day >= start for day in days]
    assert training.is_fit.tolist() == [day <= start for day in known]
    assert not (training.is_fit & training.is_validation).any()
    just_before = [fit for day, fit in zip(days, training.is_fit, strict=True) if day == start - timedelta(days=5)]
    assert {bool(fit) for fit in just_before} == {True, False}
    assert start in [day for day, fit in zip(known, training.is_fit, strict=True) if fit]


def test_a_split_takes_no_outcome_that_was_not_known_and_misses_none_that_was() -> None:
    examples, day = loans(), date(2026, 2, 27)
    late = sum(known > day for known in examples["known_on"].to_pylist())
    with pytest.raises(
        InvalidInputError, match=f"accepted of {late} examples is not mature as of 2026-02-27, the first"
    ):
        split(examples, known_on=day)
    nobody_knows = pa.array([None, *examples["repaid"].to_pylist()[1:]])
    with pytest.raises(InvalidInputError, match="repaid is null in row 0 although it is complete as of"):
        split(with_outcome(examples, nobody_knows))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"minimum_examples": 1_201}, "1200 mature examples until 2026-03-01, 1201 needed"),
        ({"minimum_positives": 1_000}, "mature positives until 2026-03-01, 1000 needed"),
    ],
)
def test_a_split_of_too_little_is_refused(change: dict[str, int], words: str) -> None:
    with pytest.raises(NotEnoughEvidenceError, match=words):
        split(loans(), policy=replace(LOAN_POLICY, **change))
    assert split(loans(), policy=replace(LOAN_POLICY, minimum_examples=1_200)).examples.num_rows == 1_200


def with_outcome(examples: pa.Table, repaid: np.ndarray | pa.Array) -> pa.Table:
    return examples.set_column(examples.column_names.index("repaid"), "repaid", pa.array(repaid))


@pytest.mark.parametrize("value", [False, True])
def test_fitting_days_of_one_class_are_refused(value: bool) -> None:
    """The other class begins on the last day, so no day leaves any of it to fit on."""
    examples = loans()
    newest = examples["day"].to_numpy() == np.datetime64(LAST, "D")
    changed = with_outcome(examples, np.where(newest, not value, value))
    policy = replace(LOAN_POLICY, minimum_positives=1)
    with pytest.raises(NotEnoughEvidenceError, match="the fitting days until 2026-03-01 hold"):
        split(changed, policy=policy)


@pytest.mark.parametrize("value", [False, True])
def test_validation_days_of_one_class_are_refused(value: bool) -> None:
    """The only row of the other class is the oldest, and one class would lose more than half to reach it."""
    examples = loans()
    repaid = np.full(examples.num_rows, value)
    repaid[pc.sort_indices(examples["day"])[0].as_py()] = not value
    with pytest.raises(NotEnoughEvidenceError, match="the validation days until 2026-03-01 hold"):
        split(with_outcome(examples, repaid), policy=replace(LOAN_POLICY, minimum_positives=1))


@pytest.mark.parametrize("rarer", [False, True])
def test_validation_reaches_back_until_it_holds_enough_of_both_classes(rarer: bool) -> None:
    examples = loans()
    repaid = np.random.default_rng(2).random(examples.num_rows) < (0.2 if rarer else 0.8)
    few = replace(LOAN_POLICY, validation_days=3, validation_minimum_per_class=30)
    training = split(with_outcome(examples, repaid), policy=few)
    days = training.examples["day"].to_numpy()
    start = np.datetime64(training.validation_start, "D")
    assert np.array_equal(training.is_validation, days >= start)
    assert start < np.datetime64("2026-02-27"), "more than the three days"
    of_rarer = repaid == rarer
    assert np.count_nonzero(of_rarer & (days >= start)) >= 30 > np.count_nonzero(of_rarer & (days > start))
    assert not (training.is_fit & training.is_validation).any()


@pytest.mark.parametrize("rarer", [False, True])
def test_never_more_of_a_class_is_validated_than_fitted(rarer: bool) -> None:
    """Even where one class is never enough: the other is needed for fitting."""
    examples = loans()
    repaid = np.random.default_rng(2).random(examples.num_rows) < (0.2 if rarer else 0.8)
    given = replace(LOAN_POLICY, validation_days=1, validation_minimum_per_class=100_000)
    training = split(with_outcome(examples, repaid), policy=given)
    days, mature = examples["day"].to_numpy(), examples["known_on"].to_numpy()

    def is_fair(start: date) -> bool:
        first = np.datetime64(start, "D")
        return all(
            np.count_nonzero((mature <= first) & (repaid == value))
            >= np.count_nonzero((days >= first) & (repaid == value))
            for value in (False, True)
        )

    assert is_fair(training.validation_start)
    assert not is_fair(training.validation_start - timedelta(days=1))


def test_days_of_the_policy_that_hold_nearly_all_positives_do_not_all_validate() -> None:
    examples = loans(days=90)
    days = examples["day"].to_numpy()
    repaid = (days > np.datetime64(LAST - timedelta(days=40), "D")) & (np.arange(len(days)) % 5 == 0)
    policy = replace(LOAN_POLICY, validation_days=35, minimum_positives=20)
    training = split(with_outcome(examples, repaid), policy=policy)
    validated = np.count_nonzero(training.is_validation & repaid)
    assert 0 < validated <= np.count_nonzero(training.is_fit & repaid)


@pytest.mark.parametrize(("days", "delay", "validated"), [(28, 15, 7), (56, 30, 13)])
def test_where_labels_take_over_half_of_the_span_what_is_left_is_shared(days: int, delay: int, validated: int) -> None:
    examples = loans(days=days)
    known = pa.array(examples["day"].to_numpy() + delay)
    examples = examples.set_column(examples.column_names.index("known_on"), "known_on", known)
    training = split(examples, policy=replace(LOAN_POLICY, validation_days=7, validation_minimum_per_class=100_000))
    assert (LAST - training.validation_start).days + 1 == validated


def test_two_folds_share_the_positives_and_the_second_learns_what_was_complete_when_it_began() -> None:
    training = split(loans(), policy=replace(LOAN_POLICY, validation_days=20))
    first, second = training.fold_starts
    assert first == training.validation_start < second
    days = training.examples["day"].to_numpy()
    happened = training.outcome("repaid") & training.is_validation
    parts = [
        np.count_nonzero(happened & part) for part in (days < np.datetime64(second), days >= np.datetime64(second))
    ]
    per_day = np.count_nonzero(happened & (days == np.datetime64(second)))
    assert parts[0] <= parts[1] <= parts[0] + 2 * per_day + 1
    later = training.fitting("repaid", second)
    assert (later & ~training.is_fit).any()
    assert not (training.is_fit & ~later).any()
    assert training.examples["known_on"].to_numpy()[later].max() <= np.datetime64(second)


def test_a_fold_of_one_class_is_none() -> None:
    examples = loans()
    days = examples["day"].to_numpy()
    training = split(examples, policy=replace(LOAN_POLICY, validation_days=10))
    start = np.datetime64(training.validation_start, "D")
    alone = np.where(days > start, False, training.outcome("repaid"))
    alone |= (days == start) & (np.arange(len(days)) % 2 == 0)
    policy = replace(LOAN_POLICY, validation_days=10, validation_minimum_per_class=1)
    assert split(with_outcome(examples, alone), policy=policy).fold_starts == (training.validation_start,)


@pytest.mark.parametrize("values", [[1.5, 2.5], ["a", "bc"], [True, False], [date(2026, 1, 1), date(2026, 1, 2)]])
def test_the_hash_tells_where_a_value_is_missing_and_what_a_value_is(values: list[object]) -> None:
    one, two = values
    columns = [[one, two, None], [one, None, two], [None, one, two], [two, one, None], [one, two, two], [one, two]]
    hashes = [hash_examples(pa.table({"x": pa.array(column)})) for column in columns]
    assert len(set(hashes)) == len(columns)
    assert hash_examples(pa.table({"y": pa.array(columns[0])})) not in hashes


def test_rows_are_given_back_while_they_are_hashed() -> None:
    rests = list[int]()
    hash_examples(pa.table({f"c{place}": [place] for place in range(25)}), lambda: rests.append(1))
    assert len(rests) == 4


def test_the_hash_tells_texts_from_their_joins_and_empty_ones_from_missing() -> None:
    columns = [["ab", "c"], ["a", "bc"], ["abc", ""], ["abc", None]]
    assert len({hash_examples(pa.table({"x": pa.array(column)})) for column in columns}) == len(columns)


def test_the_gate_of_a_model_without_an_item_is_whole_weeks_of_days() -> None:
    model = job_applications(Policies(promotion=PromotionPolicy(gate_weeks=2)))
    last = date(2026, 5, 25)
    assert last_mature_exposure_day(date(2026, 6, 2), model.label_step.maturity_days) == last
    assert first_gate_day(date(2026, 6, 2), model) == last - timedelta(days=7)
    without = replace(model, roles=replace(model.roles, item=None))
    assert first_gate_day(date(2026, 6, 2), without) == last - timedelta(days=13)


@pytest.mark.parametrize(
    ("gate_weeks", "validation_days", "apply_window_days", "least"),
    [(4, 7, 7, 53), (2, 7, 7, 39), (4, 14, 7, 60), (4, 7, 30, 122), (1, 1, 1, 8)],
)
def test_the_least_history_leaves_one_day_to_fit_on(
    gate_weeks: int, validation_days: int, apply_window_days: int, least: int
) -> None:
    """With default policies a market of 53 days gave 9,701 rows to fit on; one of 52 gave none."""
    label = LabelPolicy(apply_window_days=apply_window_days)
    promotion = PromotionPolicy(gate_weeks=gate_weeks, judged_by="holdout")
    policy = replace(POLICY, validation_days=validation_days)
    model = job_applications(Policies(label=label, promotion=promotion, training=policy))
    assert training_set.least_history_days(model) == least
    first_features = date(2026, 1, 2)
    eve = first_features + timedelta(days=least - 2)
    last = training_set.last_training_day(
        training_set.gate_days(eve, label.apply_window_days, promotion)[0], label.apply_window_days
    )
    window = timedelta(days=apply_window_days + 1)
    assert first_features + window == last - timedelta(days=validation_days - 1)


@pytest.mark.parametrize(
    ("validation_days", "apply_window_days", "least"), [(7, 7, 38), (14, 7, 45), (7, 30, 107), (1, 1, 14)]
)
def test_by_folds_the_newest_week_is_enough(validation_days: int, apply_window_days: int, least: int) -> None:
    """However many weeks the gate would look at."""
    policy = replace(POLICY, validation_days=validation_days)
    label = LabelPolicy(apply_window_days=apply_window_days)
    for weeks in (1, 4):
        promotion = PromotionPolicy(gate_weeks=weeks)
        model = job_applications(Policies(label=label, promotion=promotion, training=policy))
        assert training_set.least_history_days(model) == least
    window, to_fit_on = timedelta(days=apply_window_days + 1), []
    for first_features in (date(2026, 1, 2) + timedelta(days=after) for after in range(7)):
        eve = first_features + timedelta(days=least - 2)
        known = fold_starts(eve, apply_window_days, 1)[-1]
        last_fitted = known - window - timedelta(days=validation_days - 1)
        to_fit_on.append((last_fitted - (first_features + window)).days + 1)
    assert sorted(to_fit_on) == [1, 2, 3, 4, 5, 6, 7], "one day at least, whichever weekday it is"


def test_a_step_that_is_known_of_no_row_was_trained_to_no_day() -> None:
    """Once an error in the words of a fold's condition: a history may hold a step of which nothing is known."""
    rows = pa.table({"day": [date(2026, 1, 1)], "a": pa.array([None], pa.bool_()), "b": [True]})
    roles = SimpleNamespace(time="day", steps=("a", "b"))
    assert TrainingSet(rows, roles, date(2026, 1, 1), "hash").trained_to == {"b": date(2026, 1, 1)}


def found(
    delays: Delays, *, seed: int, rows_per_day: int = 20, rate=0.2, is_cut: bool = True, days: int = DAYS
) -> LabelTimes:
    """Return what is said of a history; `is_cut` leaves out what was not known on its last day, as a file does."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), rows_per_day)
    outcome = rng.random(len(day)) < (rate(day) if callable(rate) else rate)
    exposed = FIRST + day
    known = exposed + np.asarray(delays(rng, day, outcome), dtype=np.int64)
    as_of = FIRST + days if is_cut else known.max()
    kept = known <= as_of
    return judged(exposed[kept], known[kept], outcome[kept], as_of.item())


def judged(exposed, known, outcome, as_of: date, lead=None, *, is_shuffled: bool = True) -> LabelTimes:
    """Return what is said of rows; without a lead nothing but noise is seen of them."""
    rng = np.random.default_rng(7)
    seen = rng.normal(size=len(exposed)) if lead is None else lead.astype(np.float64)
    who = np.arange(len(exposed))
    columns = {"who": who, "day": exposed, "known": known, "outcome": outcome, "lead": seen}
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    roles = ExampleSpec("who", "day", "outcome", "known", ("lead",))
    return label_times(table.take(pa.array(rng.permutation(who))) if is_shuffled else table, roles, as_of)


def fixed(rng, day, outcome):
    return np.full(len(day), WINDOW)


def independent(rng, day, outcome):
    return np.minimum(rng.geometric(0.1, len(day)), 60)


def later_on_weekends(rng, day, outcome):
    return independent(rng, day, outcome) + np.where(day % 7 < 2, 3, 0)


def ever_slower(rng, day, outcome):
    return np.ceil(independent(rng, day, outcome) * (1 + day / DAYS))


def cancelled_early_stayed_late(rng, day, outcome):
    return np.where(outcome, rng.integers(1, 20, len(day)), WINDOW)


def rising(day):
    return 0.05 + 0.4 * day / DAYS


def on_weekends(day):
    return np.where(day % 7 < 2, 0.4, 0.1)


@pytest.mark.parametrize("is_cut", [True, False])
@pytest.mark.parametrize(
    ("delays", "rate"),
    [
        (fixed, rising), (independent, 0.2), (independent, rising), (later_on_weekends, on_weekends),
        (ever_slower, rising),
    ],
)  # fmt: skip
def test_an_honest_history_is_not_named(delays: Delays, rate, is_cut: bool) -> None:
    named = [found(delays, seed=seed, rate=rate, is_cut=is_cut).depends_on_outcome for seed in range(2)]
    assert sum(named) == 0, "one of a thousand may be; benchmarks/label_times.py counts"


@pytest.mark.parametrize(("rows_per_day", "rate"), [(20, 0.2), (20, rising), (3, 0.2)])
def test_an_early_cancellation_is_named_with_both_shares(rows_per_day: int, rate) -> None:
    one = found(cancelled_early_stayed_late, seed=1, rows_per_day=rows_per_day, rate=rate)
    assert one.depends_on_outcome
    assert one.known_share == 1.0
    assert 0.1 < one.complete_share < 0.6
    assert 0 < one.difference_lower < one.known_share - one.complete_share < one.difference_upper
    assert one.days < WINDOW
    assert one.sentence.startswith(
        f"Label times depend on outcomes: of the rows whose label was known within {one.days}"
    )
    assert "100.0% are positive" in one.sentence
    assert "What is positive is known earlier" in one.sentence
    assert "end of the window for every row, whatever happened" in one.sentence


@pytest.mark.parametrize("weeks", [8, 9, 12])
def test_few_weeks_are_enough_to_name_what_is_plain(weeks: int) -> None:
    """What lasts is no scatter: around 0 instead of around what weeks have in common, B weeks reach sqrt(B) at most."""
    one = found(cancelled_early_stayed_late, seed=4, rows_per_day=50, days=7 * weeks + WINDOW)
    assert one.depends_on_outcome, one.sentence
    honest = [found(independent, seed=seed, days=7 * weeks + 60).depends_on_outcome for seed in range(6)]
    assert sum(honest) == 0


def test_what_is_negative_may_be_known_earlier_too() -> None:
    one = found(lambda rng, day, outcome: np.where(outcome, WINDOW, rng.integers(1, 20, len(day))), seed=2)
    assert one.depends_on_outcome
    assert one.known_share == 0.0
    assert "What is negative is known earlier" in one.sentence


def test_a_difference_that_is_too_small_to_matter_is_not_named() -> None:
    """Positives a twentieth sooner each day: with enough rows that is certain, and no reason to change the file."""

    def sooner(rng, day, outcome):
        return np.minimum(rng.geometric(np.where(outcome, 0.106, 0.1)), 60)

    one = found(sooner, seed=3, rows_per_day=2_000)
    assert one.difference_lower > 0
    assert not one.depends_on_outcome


def test_days_that_share_a_fate_widen_the_interval() -> None:
    """In some weeks positives are known earlier, in others later: rows alone would call that certain."""

    def by_week(rng, day, outcome):
        luck = rng.normal(size=DAYS // 7 + 1)[day // 7]
        return np.where(rng.random(len(day)) < 1 / (1 + np.exp(-luck * np.where(outcome, 1, -1))), 5, WINDOW)

    named = [found(by_week, seed=seed, rows_per_day=100).depends_on_outcome for seed in range(10)]
    assert sum(named) <= 1


@pytest.mark.parametrize(
    ("days", "rows_per_day", "words"),
    [
        (40, 10, "weeks of rows are old enough to be complete, 8 needed"),
        (120, 1, "was not judged: days of rows with labels of both outcomes"),
    ],
)
def test_too_few_complete_weeks_and_days_of_one_row_are_not_judged(days: int, rows_per_day: int, words: str) -> None:
    day, outcome = FIRST + np.repeat(np.arange(days), rows_per_day), np.arange(days * rows_per_day) % 2 == 0
    one = judged(day, day + np.where(outcome, 3, 10), outcome, (FIRST + days).item())
    assert not one.depends_on_outcome
    assert words in one.sentence


def bookings(seed: int = 6):
    """Return day, lead and cancellation of bookings: who books early cancels more often."""
    rng = np.random.default_rng(seed)
    day = FIRST + np.repeat(np.arange(200), 25)
    lead = 1 + np.minimum(rng.exponential(20, len(day)), 59).astype(np.int64)
    cancelled = rng.random(len(day)) < 1 / (1 + np.exp(3.5 - np.log(lead)))
    return rng, day, lead, cancelled


def test_windows_that_differ_in_length_by_a_column_are_explained_and_not_accused() -> None:
    """The documents' own example, the day of arrival: once "label times depend on outcomes", at z = -6.5."""
    _, day, lead, cancelled = bookings()
    one = judged(day, day + lead, cancelled, date(2025, 7, 20), lead)
    assert (one.depends_on_outcome, one.is_explained) == (False, True)
    assert abs(one.z) < 3
    assert one == judged(day, day + lead, cancelled, date(2025, 7, 20), lead, is_shuffled=False), "in any order"
    assert one.remark == one.sentence
    assert one.sentence.startswith("Windows differ in length, and the columns explain it: of the rows whose label was")
    unseen = judged(day, day + lead, cancelled, date(2025, 7, 20))
    assert unseen.depends_on_outcome
    assert "let a feature say how long they are" in unseen.sentence


def test_the_day_of_a_cancellation_is_accused_though_windows_differ() -> None:
    rng, day, lead, cancelled = bookings()
    on_the_day = np.where(cancelled, np.ceil(lead * rng.random(len(lead))).astype(np.int64).clip(1), lead)
    one = judged(day, day + on_the_day, cancelled, date(2025, 7, 20), lead)
    assert (one.depends_on_outcome, one.is_explained) == (True, False)
    assert one.z > 6
    assert "where their days and columns say" in one.sentence
    assert "What is positive is known earlier" in one.sentence


def test_a_lie_about_few_rows_is_none_that_is_too_small_to_matter() -> None:
    """Most labels are known early since windows are short. Of the others all that are known early are positive."""
    rng, day, lead, cancelled = bookings(seed=8)
    some = cancelled & (lead > 25) & (rng.random(len(lead)) < 0.05)
    one = judged(day, day + np.where(some, 12, lead), cancelled, date(2025, 7, 20), lead)
    assert one.depends_on_outcome
    odds = [share / (1 - share) for share in (one.known_share, one.complete_share)]
    assert odds[0] / odds[1] < 1.1, "among all that were known by then"


def test_a_guess_of_the_outcome_that_falls_short_accuses_nobody(monkeypatch) -> None:
    """What the columns say is taken off the delay, too: an error of one guess alone moves nothing."""
    guessed = label_times_module._out_of_fold

    def poor(matrix, targets, *rest):
        said, *early = guessed(matrix, targets, *rest)
        return [np.full_like(said, said.mean()), *early]

    monkeypatch.setattr(label_times_module, "_out_of_fold", poor)
    _, day, lead, cancelled = bookings()
    assert not judged(day, day + lead, cancelled, date(2025, 7, 20), lead).depends_on_outcome
