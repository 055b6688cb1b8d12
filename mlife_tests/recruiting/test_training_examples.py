"""Rows of the mart as a training set."""

from __future__ import annotations

from dataclasses import replace

from mlife_assets.recruiting.features import DERIVED_FEATURES, JOB_EXAMPLES
from mlife_assets.recruiting.policies import LabelPolicy
from mlife_assets.recruiting.training_examples import job_training_set


def test_examples_are_derived_and_an_apply_counts_within_its_own_window(job_pairs, training_set) -> None:
    assert training_set.roles == JOB_EXAMPLES
    assert set(DERIVED_FEATURES) <= set(training_set.examples.column_names)
    settings = {
        "as_of": job_pairs.DAY,
        "gate_start": job_pairs.date(2026, 5, 15),
        "quarantined": [],
        "policy": job_pairs.POLICY,
    }
    longer = job_training_set(
        job_pairs.labelled_examples(12_000), label=replace(LabelPolicy(), apply_window_days=9), **settings
    )
    assert (training_set.last_day - longer.last_day).days == 2
