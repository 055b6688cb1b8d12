"""Sizes that limits were learned with: which are kept, which have changed."""

from __future__ import annotations

from dataclasses import replace

from mlife_assets.core.monitoring.sizes import COLUMN_SIZES, JOINT_SIZES, changed_sizes, sizes_of
from mlife_assets.core.policies import MonitoringPolicy

POLICY = MonitoringPolicy()


def test_kept_are_the_sizes_of_samples_by_their_names_in_the_policy() -> None:
    assert sizes_of(POLICY) == {
        "sample_rows_per_day": 2_000,
        "explained_rows_per_day": 1_000,
        "domain_classifier_sample_rows": 2_000,
        "domain_classifier_entity_reference_rows": 8_000,
    }


def test_every_size_that_changed_is_named_and_others_are_not() -> None:
    other = replace(POLICY, explained_rows_per_day=500, domain_classifier_entity_reference_rows=2_000, seed=1)
    assert changed_sizes(sizes_of(POLICY), other, JOINT_SIZES) == (
        "since limits were learned the policy has changed in explained_rows_per_day (1,000 then, 500 now), "
        "domain_classifier_entity_reference_rows (8,000 then, 2,000 now)"
    )
    assert changed_sizes(sizes_of(POLICY), other, COLUMN_SIZES) is None
    assert changed_sizes(sizes_of(other), other, JOINT_SIZES) is None


def test_what_was_not_kept_is_not_taken_for_unchanged() -> None:
    assert changed_sizes({}, POLICY, COLUMN_SIZES) == "it was not kept with how many rows limits were learned"
