"""Sizes that follow the history: how long the warm-up, how large a window, how many positives a statement needs.

Belongs here: what is derived where the spec states nothing, and its words. Does not belong here: the policies and their
bounds (`core.policies`), windows themselves (`history`).

Concept: defaults are those of a deployment with thousands of rows a day. A history of 18,000 rows would be half over
before eight of its windows have closed. So what nobody stated follows from how long the history is, how many rows a day
has and how often it happens before the replay begins; no label of the replay decides how it is replayed. Nothing grows
beyond its default, and each has a floor; what error small ones have is in docs/adr/0031.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mlife_assets.core.model import Model

WARMUP_SHARE = 0.25
"""Of the days of the history, at most; the default of the policy bounds it from above."""
WARMUP_DAYS_MINIMUM = 28
"""Half of it are the days with positives that the gate needs (`MINIMUM_DAY_BLOCKS`), the other half trains."""
WINDOW_ROWS_MINIMUM = 200
MATURE_POSITIVES_MINIMUM = 50
GATE_POSITIVES_MINIMUM = 200
NEW_POSITIVES_MINIMUM = 30
MATURE_POSITIVES_DAYS, WEEK_DAYS = 14, 7
WINDOWS_MINIMUM = 8
"""Windows that a monitoring reference needs."""
DERIVED = (
    "backtest.warmup_days",
    "monitoring.sample_rows_per_day",
    "monitoring.minimum_mature_positives",
    "promotion.minimum_users_with_positives",
    "retrain.minimum_new_mature_positives",
)
"""Fields of policies that follow the history unless they are stated."""


@dataclass(frozen=True)
class Sizes:
    """How large a history is, and what was derived from that.

    Attributes:
        rows_per_day: rows over days, those without a row included.
        positives_per_day: rows per day times the share of positives known before the replay; None where none was known.
        derived: field of a policy -> its value, of those that nobody stated and that differ from the default.
    """

    rows_per_day: float
    positives_per_day: float | None
    derived: dict[str, int]

    @property
    def sentence(self) -> str | None:
        """What was derived, in words; None where nothing was."""
        if not self.derived:
            return None
        listed = ", ".join(f"{name} {value:,}" for name, value in self.derived.items())
        positives = "" if self.positives_per_day is None else f" and about {self.positives_per_day:,.1f} positives"
        return (
            f"Sizes follow the history, which has {self.rows_per_day:,.1f} rows{positives} a day: {listed}. What the "
            "spec states stays."
        )

    def days_for(self, positives: float) -> float | None:
        """Return how many days so many positives take; None where that is not known."""
        return positives / self.positives_per_day if self.positives_per_day else None


def sized(
    model: Model,
    days: npt.NDArray[np.datetime64],
    mature: npt.NDArray[np.datetime64],
    outcome: npt.NDArray[np.bool_],
    stated: Collection[str],
) -> tuple[Model, Sizes]:
    """Return the model with sizes that fit a history, and which they are.

    A window takes half of the interval of the naive rival, so that two alarms fit into it. Outcomes are judged on the
    positives of two weeks, a refit is due after those of one, and the gate asks for those of its weeks, or of as many
    days as it may take of the warm-up, whose end would have to wait for them otherwise.

    Args:
        model: with the policies as declared.
        days: exposure day of each row, datetime64[D] (n,), ascending.
        mature: first day as of which each label is complete, datetime64[D] (n,).
        outcome: labels, bool (n,); read as far as they are complete when the warm-up ends.
        stated: fields that somebody stated, as `policy.field`; they stay.
    """
    span = int((days[-1] - days[0]).astype(np.int64)) + 1
    rows_per_day = len(days) / span
    warmup = model.backtest.warmup_days
    if "backtest.warmup_days" not in stated:
        warmup = min(warmup, max(WARMUP_DAYS_MINIMUM, int(WARMUP_SHARE * span)))
    window_days = min(model.backtest.naive_retrain_days / model.retrain.alarm_days_needed, warmup / WINDOWS_MINIMUM)
    wanted = {
        "backtest.warmup_days": warmup,
        "monitoring.sample_rows_per_day": max(WINDOW_ROWS_MINIMUM, round(rows_per_day * window_days)),
    }
    is_known = (days < days[0] + warmup) & (mature <= days[0] + warmup)
    positives = float(np.count_nonzero(outcome[is_known]))
    per_day = rows_per_day * positives / int(np.count_nonzero(is_known)) if positives else None
    gate_days = min(WEEK_DAYS * model.promotion.gate_weeks, model.backtest.gate_rows_share_maximum * warmup)
    if per_day is not None:
        wanted |= {
            "monitoring.minimum_mature_positives": max(
                MATURE_POSITIVES_MINIMUM, round(MATURE_POSITIVES_DAYS * per_day)
            ),
            "promotion.minimum_users_with_positives": max(GATE_POSITIVES_MINIMUM, round(gate_days * per_day)),
            "retrain.minimum_new_mature_positives": max(NEW_POSITIVES_MINIMUM, round(WEEK_DAYS * per_day)),
        }
    derived = {}
    for name, value in wanted.items():
        policy, _, field = name.partition(".")
        declared = getattr(model, policy)
        if name not in stated and value < getattr(declared, field):
            derived[name] = value
            model = replace(model, **{policy: replace(declared, **{field: value})})
    return model, Sizes(rows_per_day, per_day, derived)
