"""What a challenger of a day may learn from.

Belongs here: reading the mart within the training window of a day. Does not belong here: the rules of the window
(`core.training.training_set`).
"""

from datetime import date

import pyarrow.compute as pc

from mlife_assets.components.monitoring.quality_gate import quarantined_days
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.training.training_set import TrainingSet, build_training_set, first_gate_day, last_training_day


def day_training_set(platform: Platform, day: date) -> TrainingSet:
    """Return the training set of partition `day`. Raises NotEnoughEvidenceError when it is too small."""
    model = platform.model
    gate_start = first_gate_day(day, model)
    examples = platform.warehouse.read(
        model.label_step.examples,
        start=platform.settings.start_date,
        end=last_training_day(gate_start, model.maturity_days),
    )
    return build_training_set(
        examples,
        model,
        as_of=day,
        gate_start=gate_start,
        quarantined=quarantined_days(platform, pc.unique(examples[model.roles.time]).to_pylist()),
    )
