"""A day's decision about retraining, as it is recorded.

Belongs here: the record, its codes, the kinds of drift. Does not belong here: how it is made (`governor`), what follows
from decisions of many days (`opening`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from mlife_assets.core.errors import InvalidInputError

Verdict = Literal["retrain", "wait", "block"]
VERDICTS: tuple[Verdict, ...] = ("retrain", "wait", "block")
KINDS = ("data", "latent", "concept")

QUALITY_FAULT = "quality_fault"
QUALITY_UNKNOWN = "quality_unknown"
NO_CHAMPION = "no_champion"
NEW_LABELS = "new_labels"
MODEL_TOO_OLD = "model_too_old"
ALARM_NOT_CONFIRMED = "alarm_not_confirmed"
NO_DRIFT = "no_drift"
DRIFT_UNIMPORTANT = "drift_unimportant"
IN_FLIGHT = "retraining_in_flight"
COOLDOWN = "cooldown"
BUDGET_SPENT = "budget_spent"
FIT_TOO_SOON = "fit_too_soon"
FITS_SPENT = "fits_spent"
LABELS_IMMATURE = "labels_immature"
ALARM_SUFFIX = "_alarm"
CONFIRMED_SUFFIX = "_drift_confirmed"
UNIMPORTANT_SUFFIX = "_alarm_unimportant"


@dataclass(frozen=True)
class RetrainDecision:
    """The verdict of one day, in the fields of the `retrain_decided` event, so that history is a fold over events."""

    as_of_date: date
    verdict: Verdict
    codes: tuple[str, ...]
    sentences: tuple[str, ...]
    model_version: str | None

    def __post_init__(self) -> None:
        if self.verdict not in VERDICTS:
            raise InvalidInputError(f"RetrainDecision.verdict is {self.verdict!r}; use one of {', '.join(VERDICTS)}")

    @property
    def alarms(self) -> tuple[str, ...]:
        """The kinds of drift that alarmed that day and mattered, in fixed order, whether or not the day counts."""
        return tuple(kind for kind in KINDS if kind + ALARM_SUFFIX in self.codes)

    @property
    def unimportant_alarms(self) -> tuple[str, ...]:
        """The kinds of drift that alarmed that day by columns that the champion hardly uses, in fixed order."""
        return tuple(kind for kind in KINDS if kind + UNIMPORTANT_SUFFIX in self.codes)
