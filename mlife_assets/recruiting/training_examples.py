"""What a model of applications learns from.

Belongs here: the mart's rows as a training set. Does not belong here: the rules of the window
(`core.training.training_set`), what a pair looks like (`features`).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

import pyarrow as pa

from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.training.training_set import TrainingSet, build_training_set
from mlife_assets.recruiting.features import JOB_EXAMPLES, pair_features
from mlife_assets.recruiting.policies import LabelPolicy


def job_training_set(
    labelled_examples: pa.Table,
    *,
    as_of: date,
    gate_start: date,
    quarantined: Collection[date],
    label: LabelPolicy,
    policy: TrainingPolicy,
) -> TrainingSet:
    """Return the training set of rows of the mart; see `build_training_set`."""
    return build_training_set(
        labelled_examples,
        JOB_EXAMPLES,
        row_id="exposure_id",
        derive=pair_features,
        as_of=as_of,
        gate_start=gate_start,
        quarantined=quarantined,
        maturity_days=label.apply_window_days,
        policy=policy,
    )
