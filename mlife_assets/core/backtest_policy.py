"""How a history is replayed: the choices of the backtest, fixed before anything is compared.

Belongs here: `BacktestPolicy`. Does not belong here: the policies that a replay runs under (`policies`).
"""

from __future__ import annotations

from dataclasses import dataclass

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policy_bounds import require_bounded


@dataclass(frozen=True)
class BacktestPolicy:
    """How a history is replayed, and what counts as worse.

    `margin_average_precision` and `margin_log_loss` (nats per row) are how much worse than the best a policy may be and
    still be as good, by the lower bound of the interval of the difference. A refused challenger confirms the champion
    where it gains no more than the first, by the upper bound, and is not shown to gain more than the second.

    `warmup_days` pass before the first champion, more where it could not be trained or watched yet. The naive rival
    retrains every `naive_retrain_days`; the other when drift alarmed in `alarms_needed` of the last `alarms_window`
    windows. A window of monitoring lasts at least `window_days_minimum` days and until it holds the rows that
    monitoring samples.

    With `gate_is_prequential` the gate judges the recipe: the rows of each fold of `gate_fold_days` days, counted from
    the history's first, by a model of what was mature when the fold began. A refit that the gate promotes serves,
    fitted on all that is mature. A model is too old once its age exceeds `model_age_share_maximum` of the days that it
    has learned from since the newest drift that a promotion answered. A fold's days are always allowed, but for
    `RetrainPolicy.maximum_model_age_days`, which holds whatever the share is. Folds of twice `naive_retrain_days` cost
    half of the naive rival's fits. Without it the gate judges one model on a holdout, and that model serves. A holdout
    takes at most `gate_rows_share_maximum` of the mature rows.

    Days are resampled in blocks of `bootstrap_block_days`, so that neighbouring days stay together.
    """

    margin_average_precision: float = 0.01
    margin_log_loss: float = 0.01
    warmup_days: int = 60
    naive_retrain_days: int = 7
    alarms_needed: int = 2
    alarms_window: int = 5
    window_days_minimum: int = 1
    gate_rows_share_maximum: float = 0.5
    gate_is_prequential: bool = True
    gate_fold_days: int = 14
    model_age_share_maximum: float = 0.5
    bootstrap_block_days: int = 7
    bootstrap_resamples: int = 1_000
    one_sided_alpha: float = 0.025
    seed: int = 17

    def __post_init__(self) -> None:
        require_bounded(self, margin_average_precision=(0, 0.5), margin_log_loss=(0, 1))
        require_bounded(self, warmup_days=(10, 3650), naive_retrain_days=(1, 366))
        require_bounded(self, alarms_needed=(1, 60), alarms_window=(1, 60), window_days_minimum=(1, 366))
        require_bounded(self, gate_fold_days=(1, 366), model_age_share_maximum=(0.01, 100))
        require_bounded(
            self, gate_rows_share_maximum=(0.05, 0.8), bootstrap_block_days=(1, 60), one_sided_alpha=(1e-4, 0.2)
        )
        require_bounded(self, bootstrap_resamples=(200, 1e6), seed=(0, 2**31 - 1))
        if self.alarms_needed > self.alarms_window:
            raise InvalidInputError("BacktestPolicy.alarms_needed exceeds alarms_window; lower it")
