"""What a challenger of a day may learn from.

Belongs here: reading the mart within the training window of a day. Does not belong here: the rules of the window
(`core.training.training_set`).
"""

from datetime import date

import pyarrow.compute as pc

from mlife_assets.components.monitoring.quality_gate import quarantined_days
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.training.training_set import TrainingSet, gate_days, last_training_day
from mlife_assets.recruiting.training_examples import job_training_set


def day_training_set(platform: Platform, day: date) -> TrainingSet:
    """Return the training set of partition `day`. Raises NotEnoughEvidenceError when it is too small."""
    policies = platform.policies
    maturity_days = policies.label.apply_window_days
    gate_start = gate_days(day, maturity_days, policies.promotion)[0]
    examples = platform.warehouse.read(
        "labelled_examples",
        start=platform.settings.start_date,
        end=last_training_day(gate_start, maturity_days),
    )
    return job_training_set(
        examples,
        as_of=day,
        gate_start=gate_start,
        quarantined=quarantined_days(platform, pc.unique(examples["exposure_date"]).to_pylist()),
        label=policies.label,
        policy=policies.training,
    )
