"""What a model of a day may learn from.

Belongs here: reading the marts of the steps as they were known on a day. Does not belong here: the rules of the window
(`core.training.training_set`), what of a mart was known when (`core.training.known_examples`), which model may be asked
about which day (`out_of_sample`).
"""

from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.components.monitoring.quality_gate import quarantined_days
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.model import Model
from mlife_assets.core.training.known_examples import joined_marts, mart_windows
from mlife_assets.core.training.training_set import TrainingSet, build_training_set, first_gate_day
from mlife_assets.core.windows import add_days


def is_by_folds(model: Model) -> bool:
    """Return whether the gate judges by folds and holds nothing back."""
    return model.promotion.judged_by == "folds"


def known_by(model: Model, day: date) -> date:
    """Return the day whose knowledge a challenger of `day` learns from: itself, or the first of its holdout."""
    return day if is_by_folds(model) else first_gate_day(day, model)


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
    return training_set_of(platform, known_by(platform.model, day))


def training_set_of(platform: Platform, known_on: date) -> TrainingSet:
    """Return everything that was complete on the morning of a day, as it may be learned from.

    Raises:
        NotEnoughEvidenceError: it is too small.
    """
    rows = known_rows(platform, known_on)
    return build_training_set(
        rows,
        platform.model,
        as_of=known_on,
        gate_start=known_on,
        quarantined=quarantined_days(platform, pc.unique(rows[platform.model.roles.time]).to_pylist()),
    )
