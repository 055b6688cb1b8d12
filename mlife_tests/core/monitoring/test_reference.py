from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError
from mlife_assets.core.monitoring.columns import LABEL
from mlife_assets.core.monitoring.contributions import with_contributions
from mlife_assets.core.monitoring.reference import (
    STORED_FORM,
    MonitoringReference,
    build_reference,
    check_examples,
    is_readable,
    most_frequent,
    plain_values,
    profile,
    tidy,
)
from mlife_assets.core.monitoring.thresholds import COLUMN_SIZES, JOINT_SIZES, Threshold, sizes_of
from mlife_assets.core.policies import MonitoringPolicy
from mlife_assets.recruiting.job_applications import PAIR_COLUMNS

DAYS = np.array(["2026-05-01"] * 4 + ["2026-05-02"] * 2, dtype="datetime64[D]")


def test_storage_gives_back_the_same_reference(reference) -> None:
    stored = reference.with_thresholds(
        [Threshold("ks", "pay", 0.1, 1 / 3, 0.2, 14, 0.01)], sizes_of(MonitoringPolicy())
    )
    tables, facts = stored.to_tables()
    again = MonitoringReference.from_tables(tables, json.loads(json.dumps(facts, sort_keys=True)))
    assert again == stored
    assert again.content_hash == reference.content_hash


def test_content_hash_sees_which_columns_are_watched(reference) -> None:
    """Calculators are fitted on them: another choice on the same sample must not find those of this one."""
    silent = replace(reference.columns, unalarmed=(*reference.columns.unalarmed, "distance_km"))
    assert replace(reference, columns=silent).content_hash != reference.content_hash


def test_content_hash_sees_every_value(reference) -> None:
    pay = reference.sample["pay_usd_per_hour"].to_numpy().copy()
    pay[17] += 1e-9
    index = reference.sample.schema.get_field_index("pay_usd_per_hour")
    other = replace(reference, sample=reference.sample.set_column(index, "pay_usd_per_hour", pa.array(pay)))
    assert other.content_hash != reference.content_hash


def test_only_present_columns_are_watched(reference) -> None:
    assert "job_click_rate" not in reference.columns.watched
    assert "metro_code" in reference.columns.categorical
    assert "metro_code" not in reference.columns.closed
    assert "tenure_days" in reference.columns.watched
    assert "tenure_days" not in reference.columns.alarming
    assert reference.profile("metro_code").values == ("12060", "16980", "19100", "33100", "35620")
    assert reference.columns.residual == ("log_pay_ratio", "distance_km")
    assert "user_id" in reference.examples.column_names, "limits ask which rows are alike"
    assert "tenure_days" not in reference.examples.column_names
    assert 0 < reference.profile("days_since_last_click").missing_share < 1
    with pytest.raises(InvalidInputError, match="no column nothing"):
        reference.profile("nothing")


def test_a_day_is_its_own_rows(reference, world) -> None:
    day = reference.days[4]
    expected = tidy(world.day(4, 600), reference.columns, ["pay_usd_per_hour"])["pay_usd_per_hour"].to_numpy()
    assert np.array_equal(reference.day(day)["pay_usd_per_hour"].to_numpy(), expected)


def test_bad_references_are_refused(pairs_world, world, reference) -> None:
    sample = world.sample(days=8, rows=50)
    counts, examples = pairs_world.pair_rows(days=8), reference.examples
    settings = {
        "model_version": "m",
        "as_of": reference.as_of_date,
        "examples": examples,
        "columns": PAIR_COLUMNS,
        "ids": ("user_id", "job_id"),
    }
    build_reference(sample=sample, pair_rows=counts, **settings)
    with pytest.raises(NotEnoughEvidenceError, match="7 days, 8 needed"):
        build_reference(sample=world.sample(days=7, rows=50), pair_rows=counts, **settings)
    with pytest.raises(InvalidInputError, match="pair_rows lacks 2026-04-08"):
        build_reference(sample=sample, pair_rows=pairs_world.pair_rows(days=7), **settings)
    with pytest.raises(InvalidInputError, match="lack column job_id"):
        build_reference(sample=sample.drop_columns(["job_id"]), pair_rows=counts, **settings)
    with pytest.raises(InvalidInputError, match="not a stored reference"):
        MonitoringReference.from_tables({}, {"form": STORED_FORM, "columns": {}})


def test_an_immature_or_unscored_example_is_refused(pairs_world) -> None:
    examples = pairs_world.scored_examples(1, first=pairs_world.START, days=3, per_day=10)
    last_mature = pairs_world.START + timedelta(days=2 + 8)
    check_examples(examples, last_mature)
    with pytest.raises(InvalidInputError, match="label_mature_date of example 20"):
        check_examples(examples, last_mature - timedelta(days=1))
    with pytest.raises(InvalidInputError, match="probability of example 0"):
        check_examples(pairs_world.replaced(examples, probability=np.full(30, 1.5)), last_mature)
    with pytest.raises(InvalidInputError, match="lack column is_positive"):
        check_examples(examples.drop_columns(["is_positive"]), last_mature)
    labels = pa.array([None, *[True] * 29])
    with pytest.raises(InvalidInputError, match="is_positive of example 0 is null"):
        check_examples(examples.drop_columns(["is_positive"]).append_column("is_positive", labels), last_mature)


def test_steps_and_contributions_are_kept_hashed_and_restored(pairs_world, world) -> None:
    sample = world.sample(days=8, rows=50)
    values = np.random.default_rng(1).standard_normal((sample.num_rows, 4))
    explained = with_contributions(sample, values, ("distance_km", "tenure_days", "user_click_rate"))
    settings = {
        "model_version": "m",
        "columns": PAIR_COLUMNS,
        "ids": ("user_id", "job_id"),
        "as_of": pairs_world.START + timedelta(days=30),
        "sample": explained,
        "pair_rows": pairs_world.pair_rows(days=8),
        "examples": pairs_world.scored_examples(1, first=pairs_world.START, days=14, per_day=10),
    }
    clicks = pairs_world.scored_examples(2, first=pairs_world.START, days=14, per_day=10)
    who = {LABEL: {"fold_1": 100, "fold_2": 40}, "click": {"fold_2": 140}}
    known = build_reference(**settings, steps={"click": clicks}, scored_by=who)
    assert known.columns.contribution == ("shap_distance_km",)
    assert [profile.column for profile in known.profiles if profile.column.startswith("shap_")] == []
    assert known.columns.restricted_to(["openings"]).contribution == ()
    tables, facts = known.to_tables()
    assert set(tables) == {"sample", "examples", "clicks"} == set(facts["tables"])
    again = MonitoringReference.from_tables(tables, json.loads(json.dumps(facts)))
    assert again == known
    assert again.scored_by == who
    released = {name: fact for name, fact in facts.items() if name != "scored_by"}
    assert MonitoringReference.from_tables(tables, released).scored_by == {}
    assert again.scored("click").column_names == again.scored(LABEL).column_names
    without = build_reference(**settings)
    assert (without.outcomes, known.outcomes) == ((LABEL,), (LABEL, "click"))
    with pytest.raises(InvalidInputError, match="no scored examples of click"):
        without.scored("click")
    assert without.content_hash != known.content_hash
    late = pairs_world.scored_examples(2, first=pairs_world.START + timedelta(days=25), days=1, per_day=10)
    with pytest.raises(InvalidInputError, match="label_mature_date of example 0"):
        build_reference(**settings, steps={"click": late})


def test_a_reference_of_another_form_is_not_read(reference) -> None:
    """Its limits of outcomes were learned along standardised values and would be held against ranks."""
    tables, facts = reference.to_tables()
    bare = {name: value for name, value in facts.items() if name != "form"}
    for form, told in (({"form": 1}, 1), ({}, 1), ({"form": STORED_FORM + 1}, STORED_FORM + 1)):
        assert not is_readable(bare | form)
        with pytest.raises(InvalidInputError, match=f"in form {told}, this version reads form {STORED_FORM}; build it"):
            MonitoringReference.from_tables(tables, bare | form)


def test_a_day_that_cannot_be_compared_says_why(reference, world) -> None:
    day, policy = reference.day(reference.days[0]), MonitoringPolicy()
    known = reference.with_thresholds((), sizes_of(policy))

    def why(pairs: pa.Table) -> str | None:
        return known.why_incomparable(pairs, policy, JOINT_SIZES)

    assert why(day) is None
    assert why(day.slice(0, 300)) is None
    assert "299 pairs were sampled, 600 on" in why(day.slice(0, 299))
    assert "0 pairs were sampled" in why(day.slice(0, 0))
    assert "lack distance_km" in why(day.drop_columns("distance_km"))


@pytest.mark.parametrize("name", JOINT_SIZES)
def test_a_size_that_changed_since_limits_were_learned_is_reported_where_it_matters(reference, name: str) -> None:
    day, policy = reference.day(reference.days[0]), MonitoringPolicy()
    known = reference.with_thresholds((), sizes_of(policy))
    other = replace(policy, **{name: 1_500})
    words = (
        f"Not judged: since limits were learned the policy has changed in {name} ({getattr(policy, name):,} then, "
        f"1,500 now); materialize monitoring_reference for {reference.as_of_date} again."
    )
    assert known.why_incomparable(day, other, JOINT_SIZES) == words
    is_of_columns = name == "sample_rows_per_day"
    assert known.why_incomparable(day, other, COLUMN_SIZES) == (words if is_of_columns else None)
    learned_anew = known.with_thresholds((), sizes_of(other))
    assert learned_anew.why_incomparable(day, other, JOINT_SIZES) is None


def test_limits_of_unknown_sizes_are_not_applied(reference) -> None:
    why = reference.with_thresholds(()).why_incomparable(
        reference.day(reference.days[0]), MonitoringPolicy(), COLUMN_SIZES
    )
    assert why.startswith("Not judged: it was not kept with how many rows limits were learned; materialize")


def test_numbers_by_hand() -> None:
    found = profile("pay", pa.chunked_array([[1.0, 2.0, 2.0, np.nan], [0.0, 5.0]]), DAYS)
    assert (found.minimum, found.maximum, found.median, found.mean) == (0.0, 5.0, 2.0, 2.0)
    assert found.standard_deviation == pytest.approx(np.sqrt(14 / 5))
    assert found.values == ()


def test_shares_are_those_of_the_worst_day() -> None:
    found = profile("pay", pa.chunked_array([[1.0, 2.0, 2.0, np.nan], [0.0, 5.0]]), DAYS)
    assert found.missing_share == 0.25
    assert found.zero_share == 0.5
    assert found.most_frequent_share == 0.5
    text = profile("city", pa.chunked_array([["a", "a", "a", "b"], [None, "b"]]), DAYS)
    assert text.missing_share == 0.5
    assert text.most_frequent_share == 0.75
    assert text.values == ("a", "b")
    assert (text.median, text.mean, text.standard_deviation) == (None, None, None)


def test_missing_values_are_never_the_most_frequent_but_count_as_rows() -> None:
    assert most_frequent(plain_values(pa.chunked_array([[None, None, "b"]]))) == ("b", pytest.approx(1 / 3))
    assert most_frequent(np.array([np.nan, np.nan, 0.5])) == ("0.5", pytest.approx(1 / 3))
    assert most_frequent(np.array([np.nan])) == ("none", 0.0)
