"""Training inputs of a model of a day."""

from dataclasses import dataclass, field
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.adapters.marts import KeptMarts
from mlife_assets.components.monitoring.quality_gate import quarantined_days
from mlife_assets.core.model import Model
from mlife_assets.core.training.known_examples import joined_marts, mart_windows
from mlife_assets.core.training.training_set import TrainingSet, build_training_set, first_gate_day
from mlife_assets.core.windows import add_days
from mlife_assets.deployments.ports import ModelPorts


def is_by_folds(model: Model) -> bool:
    """Return whether the gate judges by folds, without a holdout."""
    return model.promotion.judged_by == "folds"


def known_by(model: Model, day: date) -> date:
    """Return the day whose knowledge a challenger of `day` learns from: itself, or the first of its holdout."""
    return day if is_by_folds(model) else first_gate_day(day, model)


@dataclass(frozen=True, eq=False)
class TrainingMarts:
    """The marts of a model's steps, as known on any day.

    Attributes:
        platform: of the model.
        sets: training sets by day.
    """

    platform: ModelPorts
    sets: dict[date, TrainingSet] = field(default_factory=dict)

    def known_rows(self, known_on: date) -> pa.Table:
        """Return all exposures with a complete step as of a day; the newest have a null label."""
        model, start = self.platform.model, self.platform.days.start
        marts = []
        for window in mart_windows(model, known_on):
            first = start if window.after is None else max(start, add_days(window.after, 1))
            marts.append((window.step, derived_examples(self.platform, window.step.examples, first, window.last)))
        return joined_marts(marts, model)

    def training_set(self, known_on: date) -> TrainingSet:
        """Return the training set of everything complete on the morning of a day.

        Raises:
            NotEnoughEvidenceError: it is too small.
        """
        if known_on not in self.sets:
            model, rows, rest = self.platform.model, self.known_rows(known_on), self.platform.rest
            faulty = quarantined_days(self.platform, pc.unique(rows[model.roles.time]).to_pylist())
            self.sets[known_on] = build_training_set(
                rows, model, as_of=known_on, gate_start=known_on, quarantined=faulty, is_derived=True, rest=rest
            )
        return self.sets[known_on]


def derived_examples(platform: ModelPorts, mart: str, first: date, last: date) -> pa.Table:
    """Return the rows of a mart of examples of [first, last] with derived features: in a run, read and derived once."""
    marts, derive = platform.warehouse, platform.model.derive
    if isinstance(marts, KeptMarts):
        return marts.read(mart, start=first, end=last, derive=derive)
    return derive(marts.read(mart, start=first, end=last))


def training_marts(platform: ModelPorts) -> TrainingMarts:
    """Return the marts of a platform, shared by the steps of a run."""
    marts = platform.warehouse
    if isinstance(marts, KeptMarts):
        return marts.once(TrainingMarts, lambda: TrainingMarts(platform))
    return TrainingMarts(platform)


def day_training_set(platform: ModelPorts, day: date) -> TrainingSet:
    """Return the training set of partition `day`. Raises NotEnoughEvidenceError when it is too small."""
    return training_set_of(platform, known_by(platform.model, day))


def training_set_of(platform: ModelPorts, known_on: date) -> TrainingSet:
    """Return the training set as known on a day. Raises NotEnoughEvidenceError when it is too small."""
    return training_marts(platform).training_set(known_on)
