"""What a model of a day may learn from.

Belongs here: reading the marts of the steps as they were known on a day. Does not belong here: the rules of the window
(`core.training.training_set`), what of a mart was known when (`core.training.known_examples`), which model may be asked
about which day (`out_of_sample`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.components.monitoring.quality_gate import quarantined_days
from mlife_assets.components.platform.model_platform import ModelPlatform
from mlife_assets.core.model import Model
from mlife_assets.core.training.known_examples import MartWindow, joined_marts, mart_windows
from mlife_assets.core.training.training_set import TrainingSet, build_training_set, first_gate_day
from mlife_assets.core.windows import add_days


def is_by_folds(model: Model) -> bool:
    """Return whether the gate judges by folds and holds nothing back."""
    return model.promotion.judged_by == "folds"


def known_by(model: Model, day: date) -> date:
    """Return the day whose knowledge a challenger of `day` learns from: itself, or the first of its holdout."""
    return day if is_by_folds(model) else first_gate_day(day, model)


@dataclass(frozen=True, eq=False)
class TrainingMarts:
    """The marts of a model's steps, read once: what was known on any of some days.

    Attributes:
        platform: of the model.
        rows: by mart, in order of their days.
    """

    platform: ModelPlatform
    rows: Mapping[str, pa.Table]

    def known_rows(self, known_on: date) -> pa.Table:
        """Return all exposures of which a step was complete as of a day; of the newest the label is null."""
        model = self.platform.model
        marts = []
        for window in mart_windows(model, known_on):
            rows = self.rows[window.step.examples]
            days = rows[model.roles.time].to_numpy().astype("datetime64[D]")
            begins = (
                0 if window.after is None else int(np.searchsorted(days, np.datetime64(window.after, "D"), "right"))
            )
            ends = int(np.searchsorted(days, np.datetime64(window.last, "D"), "right"))
            marts.append((window.step, rows.slice(begins, max(0, ends - begins))))
        return joined_marts(marts, model)

    def training_set(self, known_on: date) -> TrainingSet:
        """Return everything that was complete on the morning of a day, as it may be learned from.

        Raises:
            NotEnoughEvidenceError: it is too small.
        """
        model, rows = self.platform.model, self.known_rows(known_on)
        return build_training_set(
            rows,
            model,
            as_of=known_on,
            gate_start=known_on,
            quarantined=quarantined_days(self.platform, pc.unique(rows[model.roles.time]).to_pylist()),
        )


def training_marts(platform: ModelPlatform, days: Collection[date]) -> TrainingMarts:
    """Return the marts as far as they are needed for what was known on each of some days."""
    start, rows = platform.start_date, {}
    by_mart: dict[str, list[MartWindow]] = {}
    for day in days:
        for window in mart_windows(platform.model, day):
            by_mart.setdefault(window.step.examples, []).append(window)
    for mart, windows in by_mart.items():
        first = min(start if one.after is None else max(start, add_days(one.after, 1)) for one in windows)
        rows[mart] = platform.warehouse.read(mart, start=first, end=max(one.last for one in windows))
    return TrainingMarts(platform, rows)


def day_training_set(platform: ModelPlatform, day: date) -> TrainingSet:
    """Return the training set of partition `day`. Raises NotEnoughEvidenceError when it is too small."""
    return training_set_of(platform, known_by(platform.model, day))


def training_set_of(platform: ModelPlatform, known_on: date) -> TrainingSet:
    """Return what was known on a day, as it may be learned from. Raises NotEnoughEvidenceError when it is too small."""
    return training_marts(platform, [known_on]).training_set(known_on)
