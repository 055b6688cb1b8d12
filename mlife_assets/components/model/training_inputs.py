"""What a model of a day may learn from.

Belongs here: reading the mart as it was known on a day. Does not belong here: which rows that is
(`core.training.training_set`), whose word counts on which day (`components.model.whose_word`).
"""

from datetime import date

import pyarrow.compute as pc

from mlife_assets.components.monitoring.quality_gate import quarantined_days
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.model import Model
from mlife_assets.core.training.training_set import TrainingSet, build_training_set, first_gate_day, last_training_day


def is_by_folds(model: Model) -> bool:
    """Return whether the gate judges by folds and holds nothing back."""
    return model.promotion.judged_by == "folds"


def known_by(model: Model, day: date) -> date:
    """Return the day whose knowledge a challenger of `day` learns from: itself, or the first of its holdout."""
    return day if is_by_folds(model) else first_gate_day(day, model)


def day_training_set(platform: Platform, day: date) -> TrainingSet:
    """Return the training set of partition `day`. Raises NotEnoughEvidenceError when it is too small."""
    return training_set_of(platform, known_by(platform.model, day))


def training_set_of(platform: Platform, known: date) -> TrainingSet:
    """Return everything whose label was complete on the morning of a day, as it may be learned from.

    Raises:
        NotEnoughEvidenceError: it is too small.
    """
    model = platform.model
    examples = platform.warehouse.read(
        model.label_step.examples,
        start=platform.settings.start_date,
        end=last_training_day(known, model.maturity_days),
    )
    return build_training_set(
        examples,
        model,
        as_of=known,
        gate_start=known,
        quarantined=quarantined_days(platform, pc.unique(examples[model.roles.time]).to_pylist()),
    )
