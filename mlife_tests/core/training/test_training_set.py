"""Invariant 4: no immature label trains; the split is ordered in time; the hash names the content."""

from __future__ import annotations

from datetime import date, timedelta
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.policies import LabelPolicy, PromotionPolicy, TrainingPolicy
from mlife_assets.core.training.training_set import TrainingSet, build_training_set, gate_days, last_training_day

GATE = date(2026, 5, 15)
POLICY = TrainingPolicy()


@pytest.fixture(scope="module")
def examples(job_pairs: ModuleType) -> pa.Table:
    return job_pairs.labelled_examples(6_000)


def build(
    examples: pa.Table, *, as_of: date = date(2026, 6, 2), quarantined: tuple[date, ...] = (), gate: date = GATE
) -> TrainingSet:
    return build_training_set(
        examples, as_of=as_of, gate_start=gate, quarantined=quarantined, label=LabelPolicy(), policy=POLICY
    )


def days_of(training: TrainingSet, mask: np.ndarray) -> list[date]:
    return sorted(set(training.examples["exposure_date"].filter(pa.array(mask)).to_pylist()))


def test_an_immature_label_is_refused(examples: pa.Table) -> None:
    newest = pc.max(examples["label_mature_date"]).as_py()
    assert build(examples, as_of=newest).examples.num_rows > 0
    with pytest.raises(InvalidInputError, match=f"not mature as of {newest - timedelta(days=1)}"):
        build(examples, as_of=newest - timedelta(days=1))


def test_an_unknown_maturity_is_refused(examples: pa.Table) -> None:
    place = examples.column_names.index("label_mature_date")
    values = examples["label_mature_date"].to_pylist()
    with pytest.raises(InvalidInputError, match="label_mature_date"):
        build(examples.set_column(place, "label_mature_date", pa.array([None, *values[1:]], pa.date32())))


def test_everything_ends_before_the_gate_and_validation_after_a_gap(examples: pa.Table) -> None:
    training = build(examples)
    fit, validation = days_of(training, training.is_fit), days_of(training, training.is_validation)
    window = timedelta(days=LabelPolicy().apply_window_days)
    assert training.last_day == validation[-1] == last_training_day(GATE, LabelPolicy())
    assert validation[-1] + window < GATE
    assert (validation[-1] - validation[0]).days + 1 == POLICY.validation_days
    assert fit[-1] + window < validation[0]
    assert not (training.is_fit & training.is_validation).any()
    assert training.first_day == fit[0]


def test_quarantined_days_are_left_out(examples: pa.Table) -> None:
    day = date(2026, 4, 10)
    rows = pc.sum(pc.equal(examples["exposure_date"], day)).as_py()
    training = build(examples, quarantined=(day,))
    assert rows > 0
    assert training.quarantined_rows == rows
    assert day not in training.examples["exposure_date"].to_pylist()
    assert training.data_hash != build(examples).data_hash


def test_the_hash_does_not_depend_on_order_chunks_or_later_rows(examples: pa.Table) -> None:
    expected = build(examples)
    order = np.random.default_rng(1).permutation(examples.num_rows)
    shuffled = examples.take(pa.array(order))
    parts = pa.concat_tables([shuffled.slice(0, 1000), shuffled.slice(1000)])
    for other in (shuffled, parts):
        found = build(other)
        assert found.data_hash == expected.data_hash
        assert found.examples.equals(expected.examples)
    earlier = examples.filter(pc.field("exposure_date") <= expected.last_day)
    assert build(earlier).data_hash == expected.data_hash


@pytest.mark.parametrize("name", ["is_applied", "distance", "title", "days_since_last_click"])
def test_the_hash_follows_every_value(examples: pa.Table, name: str) -> None:
    name = {"distance": "latitude"}.get(name, name)
    values = examples[name].to_pylist()
    row = next(
        i
        for i, day in enumerate(examples["exposure_date"].to_pylist())
        if day < date(2026, 4, 20) and values[i] is not None
    )
    other = {"is_applied": lambda v: not v, "latitude": lambda v: np.nextafter(v, 99), "title": lambda v: v + "s"}.get(
        name, lambda _: None
    )
    values[row] = other(values[row])
    changed = examples.set_column(
        examples.column_names.index(name), name, pa.array(values, examples.schema.field(name).type)
    )
    assert build(changed).data_hash != build(examples).data_hash


def test_an_exposure_that_is_there_twice_is_refused(examples: pa.Table) -> None:
    early = examples.filter(pc.field("exposure_date") == date(2026, 4, 10)).slice(0, 1)
    with pytest.raises(InvalidInputError, match="twice"):
        build(pa.concat_tables([examples, early]))


def test_too_little_is_not_enough_evidence(examples: pa.Table) -> None:
    with pytest.raises(NotEnoughEvidenceError, match="2000 needed"):
        build(examples.slice(0, 1000))
    nothing = pa.array([False] * examples.num_rows)
    place = examples.column_names.index("is_applied")
    with pytest.raises(NotEnoughEvidenceError, match="0 mature positives"):
        build(examples.set_column(place, "is_applied", nothing))


def test_gate_days_are_mature_and_weeks_apart() -> None:
    days = gate_days(date(2026, 6, 2), LabelPolicy(), PromotionPolicy(gate_weeks=3))
    assert days == [date(2026, 5, 11), date(2026, 5, 18), date(2026, 5, 25)]
