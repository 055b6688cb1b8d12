"""What a challenger of a day may learn from.

Belongs here: reading the marts of the steps within the training window of a day. Does not belong here: the rules of the
window (`core.training.training_set`), what of a mart was known when (`core.training.known_examples`).
"""

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.components.monitoring.quality_gate import quarantined_days
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.training.known_examples import joined_marts, mart_windows
from mlife_assets.core.training.training_set import TrainingSet, build_training_set, first_gate_day
from mlife_assets.core.windows import add_days


def known_rows(platform: Platform, known_on: date) -> pa.Table:
    """Return all exposures of which a step was complete as of a day; of the newest the label is null."""
    start = platform.settings.start_date
    marts = [
        (
            window.step,
            platform.warehouse.read(
                window.step.examples,
                start=start if window.after is None else max(start, add_days(window.after, 1)),
                end=window.last,
            ),
        )
        for window in mart_windows(platform.model, known_on)
    ]
    return joined_marts(marts, platform.model)


def day_training_set(platform: Platform, day: date) -> TrainingSet:
    """Return the training set of partition `day`. Raises NotEnoughEvidenceError when it is too small."""
    model = platform.model
    gate_start = first_gate_day(day, model)
    rows = known_rows(platform, gate_start)
    return build_training_set(
        rows,
        model,
        as_of=day,
        gate_start=gate_start,
        quarantined=quarantined_days(platform, pc.unique(rows[model.roles.time]).to_pylist()),
    )
