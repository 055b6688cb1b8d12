"""Rollback insurance against worse refits: when an earlier model (the anchor) serves again.

Concept: refits serve without a win, so losses, of one or of all together, are tested for afterwards. Each label week
gives one number: the objective of the refits minus that of an anchor, the model that last won or that a person chose,
on the rows of that week. No week counts twice. Two e-detectors read the numbers: one finds that the refits are worse,
which rolls them back, the other that they are better: the newest refit becomes the anchor. After a rollback refits go
on without serving, and return once four weeks in a row are on average not below the anchor.

Only the objective is compared: differences of log loss are correlated from week to week (level, slope), which would
cause false alarms.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

THRESHOLD = 2080.0
"""40 years of weeks: the minimum average time until equally good refits are rolled back by mistake."""
WEEKS_TO_RETURN = 4
LAMBDAS = np.array([0.5, 1.0, 2.0, 3.0])
"""Losses to detect, in standard deviations."""
WIDENED = 1.2
"""Factor on the learned scale, which is known to a fifth after a few weeks."""
MEMORY = 0.97
FIRST_WEIGHT = 4.0
"""Weight of the first standard error, in weeks."""
SMALLEST_ERROR = 1e-4
BOUNDS = (-8.0, 2.5)
"""Bounds of a week in standard deviations: one week alone never rolls back."""


@dataclass(frozen=True)
class Week:
    """A label week.

    Attributes:
        gain: objective of the refits less the anchor's.
        error: its standard error, by leaving out one day or user at a time.
    """

    gain: float
    error: float


@dataclass(frozen=True)
class Standing:
    """State after all weeks so far; a week is its index.

    Attributes:
        rolled_back: weeks after which the anchor served, ascending.
        returned: weeks after which the refits served again, ascending.
        won: weeks after which the newest refit became the anchor, ascending.
    """

    rolled_back: tuple[int, ...] = ()
    returned: tuple[int, ...] = ()
    won: tuple[int, ...] = ()

    @property
    def is_rolled_back(self) -> bool:
        """Whether the anchor serves."""
        return len(self.rolled_back) > len(self.returned)


class Detector:
    """A mixture of Shiryaev-Roberts e-detectors that weekly numbers are negative on average.

    Shin, Ramdas and Rinaldo, E-detectors: a nonparametric framework for sequential change detection (New England
    Journal of Statistics in Data Science 2024). A number is divided by `WIDENED` times the larger of a scale known
    before it and its own standard error; exp(l x - l^2 / 2) is an e-value while x is sub-Gaussian with a mean of at
    most 0 given the past. That is an assumption, which correlated weeks violate.

    Attributes:
        sums: one per `LAMBDAS`.
    """

    def __init__(self) -> None:
        self.sums = np.zeros(len(LAMBDAS))
        self._squares: float | None = None
        self._weight, self._before = FIRST_WEIGHT, 0.0

    def add(self, gain: float, error: float) -> bool:
        """Add a week; returns whether the loss is detected."""
        if self._squares is None:
            self._squares, self._before = self._weight * max(error, SMALLEST_ERROR) ** 2, np.nan
        scale = max(float(np.sqrt(self._squares / self._weight)), error)
        x = float(np.clip(-gain / (WIDENED * scale), *BOUNDS))
        self.sums = (1 + self.sums) * np.exp(LAMBDAS * x - LAMBDAS**2 / 2)
        if not np.isnan(self._before):
            # From successive differences, which a lasting loss does not widen.
            step = min((gain - self._before) ** 2 / 2, 9 * scale**2)
            self._squares, self._weight = MEMORY * self._squares + step, MEMORY * self._weight + 1
        self._before = gain
        return bool(self.sums.mean() >= THRESHOLD)


def standing(weeks: Sequence[Week]) -> Standing:
    """Return the state after label weeks, oldest first, each against the anchor of its time."""
    worse, better = Detector(), Detector()
    rolled_back: list[int] = []
    returned: list[int] = []
    won: list[int] = []
    unseen: list[float] = []
    for place, week in enumerate(weeks):
        if len(rolled_back) > len(returned):
            unseen.append(week.gain)
            if len(unseen) >= WEEKS_TO_RETURN and np.mean(unseen[-WEEKS_TO_RETURN:]) >= 0:
                returned.append(place)
            continue
        is_worse, is_better = worse.add(week.gain, week.error), better.add(-week.gain, week.error)
        if is_worse or is_better:
            (rolled_back if is_worse else won).append(place)
            worse.sums, better.sums, unseen = np.zeros(len(LAMBDAS)), np.zeros(len(LAMBDAS)), []
    return Standing(tuple(rolled_back), tuple(returned), tuple(won))


def week_of(gain: float, without_one: Array) -> Week | None:
    """Return a label week from its gain and the gains without one of its u days or users each (u,).

    None for fewer than three: their standard error is meaningless.
    """
    if len(without_one) < 3:
        return None
    return Week(gain, float(np.sqrt((len(without_one) - 1) * without_one.var())))


def weeks_to_find(loss: float, scatter: float) -> float:
    """Return the weeks within which a lasting loss is detected in 4 of 5 cases, measured (`benchmarks/rollback.py`).

    Args:
        loss: of the objective, above 0.
        scatter: standard deviation of the weekly differences.
    """
    return 24 * (scatter / loss) ** 2 + 3
