"""Learning within a replay: models from what was mature, the gate's window, the gate's verdict.

Belongs here: fits by day, shared between policies; how far the gate reaches back. Does not belong here: who asks for
them (`contestants`), fitting and judging themselves (`training`).

Concept: a challenger is fitted on what was mature when the gate's window began and judged on that window. The window
is as short as its evidence allows, because all that it holds the challenger must not have seen. What then serves is the
same recipe fitted again on everything mature, the window included: judged on the holdout, refitted on all.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow.compute as pc

from mlife_assets.core.backtest.checkpoints import Checkpoints, Timings
from mlife_assets.core.backtest.history import History, as_date
from mlife_assets.core.ports import Scores
from mlife_assets.core.training.artifact import ModelArtifact
from mlife_assets.core.training.example_training import gate_calibration, judge_on_gate
from mlife_assets.core.training.fit import fit_model
from mlife_assets.core.training.gate import MINIMUM_DAY_BLOCKS
from mlife_assets.core.training.training_set import TrainingSet, hash_examples, split_examples
from mlife_assets.core.windows import add_days


@dataclass(frozen=True, eq=False)
class Fit:
    """One fitted model.

    Attributes:
        artifact: the model.
        as_of: labels that were mature on this day were learned from.
        rows: that it was fitted on.
        last_day: last exposure day among them.
    """

    artifact: ModelArtifact
    as_of: date
    rows: int
    last_day: date

    @property
    def step(self) -> str:
        """Name of the costly step."""
        return f"fit|{self.as_of}"


SLOPE_WIDTH_SHARE = 0.75
"""Of the policy's bounds of the calibration slope: an interval no wider than this leaves a calibrated challenger an
even chance to lie within them (the slack of an eighth on each side is .65 standard errors). A shorter window would
refuse every challenger for want of days."""
LONGER_BY_DAYS = 7


@dataclass(frozen=True)
class GateWindow:
    """Where the gate's window would begin, or why there is none.

    Attributes:
        first_day: None without enough evidence.
        positives: that it would hold, or that there are at most.
        sentence: the same in words.
    """

    first_day: date | None
    positives: int
    sentence: str


@dataclass(frozen=True)
class Verdict:
    """What the gate said of one challenger.

    Attributes:
        outcome: promoted, refused or not_enough_evidence.
        challenger_version: of the model that was judged.
        unmet: names of the conditions that were not met.
        sentences: the gate's own.
        gain_at_most: upper bound of challenger minus champion; None where they were not compared.
        log_loss_gain_at_least: lower bound of how much lower its log loss is; None where that was not measured.
    """

    outcome: str
    challenger_version: str
    unmet: tuple[str, ...]
    sentences: tuple[str, ...]
    gain_at_most: float | None
    log_loss_gain_at_least: float | None

    @property
    def is_promoted(self) -> bool:
        """Whether the challenger may serve."""
        return self.outcome == "promoted"


class Learner:
    """Fits models of a history and has them judged, each at most once per replay."""

    def __init__(self, history: History, checkpoints: Checkpoints, timings: Timings) -> None:
        """Keep the history and where results are remembered."""
        self._history = history
        self._checkpoints = checkpoints
        self._timings = timings
        self._fits: dict[date, Fit] = {}

    def fit(self, as_of: date) -> Fit:
        """Return the model of everything mature on the morning of `as_of`.

        Raises:
            NotEnoughEvidenceError: too few examples or positives, or a part has one class only.
        """
        if as_of not in self._fits:
            step = f"fit|{as_of}"
            record = self._checkpoints.remember(step, lambda: self._timings.measure(step, lambda: self._fitted(as_of)))
            files = {name: text.encode() for name, text in record["files"].items()}
            artifact = ModelArtifact.from_files(record["model_version"], files)
            self._fits[as_of] = Fit(artifact, as_of, record["rows"], date.fromisoformat(record["last_day"]))
        return self._fits[as_of]

    def seconds(self, fit: Fit) -> float:
        """Return how long a fit took when it was computed."""
        return self._timings.seconds(fit.step)

    def gate_window(self, as_of: date, after: date | None) -> GateWindow:
        """Return the shortest window of the newest mature rows, after day `after`, that holds what the gate asks for.

        Positives (entities with one, where items are ranked) are counted from the newest day back, and so are the days
        with positives that a bootstrap by day needs. The window takes at most a share of all mature rows.
        """
        history, roles = self._history, self._history.study.roles
        places = history.known(as_of)
        needed = history.study.promotion.minimum_users_with_positives
        most = int(history.study.backtest.gate_rows_share_maximum * len(places))
        inside = places if after is None else places[history.days[places] > np.datetime64(after, "D")]
        bounded = inside[-most:] if most else inside[:0]
        positive = bounded[history.outcome[bounded]][::-1]
        if roles.item is None:
            counts = np.arange(1, len(positive) + 1)
            blocks = MINIMUM_DAY_BLOCKS * history.study.promotion.gate_block_days
        else:
            entities = history.rows[roles.entity].take(positive).combine_chunks().dictionary_encode().indices
            counts = _distinct_so_far(np.asarray(entities))
            blocks = 1
        days = history.days[positive]
        day_counts = _distinct_so_far(days.astype(np.int64))
        enough = np.flatnonzero((counts >= needed) & (day_counts >= blocks))
        found = int(counts[-1]) if len(counts) else 0
        since = "" if after is None else f" after {after}, the champion's last training day,"
        what = "positives" if roles.item is None else "entities with positives"
        if len(enough):
            first = days[enough[0]]
            # Whole days: a day that the share cuts through is not the gate's.
            if first > history.days[bounded[0]] or len(bounded) == len(inside):
                count = int(counts[np.flatnonzero(days >= first)[-1]])
                return GateWindow(as_date(first), count, f"The gate's window begins on {first} with {count:,} {what}.")
        total = int(day_counts[-1]) if len(day_counts) else 0
        return GateWindow(
            None,
            found,
            f"The gate needs {needed:,} {what} on {blocks} days; the mature rows{since} hold {found:,} on {total}"
            f"{'' if len(bounded) == len(inside) else f', of which it may take {most:,} rows'}.",
        )

    def gate_window_for(self, as_of: date, champion: Fit) -> GateWindow:
        """Return the window on which a challenger of `champion` is to be judged.

        It is that of `gate_window`, made longer by whole weeks until it can tell whether a challenger is calibrated:
        how wide the interval of a slope will be is read from the champion, whose scores on those rows are known before
        there is a challenger.
        """
        found = self.gate_window(as_of, champion.last_day)
        if found.first_day is None:
            return found
        history, promotion = self._history, self._history.study.promotion
        places = history.known(as_of)
        most = int(history.study.backtest.gate_rows_share_maximum * len(places))
        wanted = SLOPE_WIDTH_SHARE * (promotion.calibration_slope_maximum - promotion.calibration_slope_minimum)
        first, width = found.first_day, None
        while first > champion.last_day:
            inside = history.known(as_of, since=first)
            if len(inside) > most:
                break
            width = self._slope_width(champion, first, as_of)
            if width is not None and width <= wanted:
                positives = int(np.count_nonzero(history.outcome[inside]))
                return GateWindow(
                    first,
                    positives,
                    f"The gate's window begins on {first}: {len(inside):,} mature rows with {positives:,} positives, "
                    f"which tell a calibration slope to within {width / 2:.2f}.",
                )
            first = add_days(first, -LONGER_BY_DAYS)
        told = "cannot be measured" if width is None else f"is {width:.2f} wide"
        return GateWindow(
            None,
            found.positives,
            f"The gate could not tell yet whether a challenger is calibrated: over the rows that it may take, the "
            f"interval of a slope {told}, at most {wanted:.2f} needed.",
        )

    def _slope_width(self, champion: Fit, first: date, as_of: date) -> float | None:
        """Return the width of the interval of the champion's calibration slope; None where there is none."""
        history = self._history
        places = history.known(as_of, since=first)
        step = f"slope|{champion.artifact.model_version}|{first}|{as_of}"

        def width() -> float | None:
            scores = score(history, champion.artifact, places)
            found = gate_calibration(scores, history.take(places), history.study.roles)
            return None if found is None else found.slope_upper - found.slope_lower

        found: float | None = self._checkpoints.remember(step, width)
        return found

    def judge(self, challenger: Fit, first_day: date, as_of: date, champion: Fit | None) -> Verdict:
        """Return the gate's verdict of a challenger on the mature rows from `first_day` on."""
        against = "none" if champion is None else champion.artifact.model_version
        step = f"gate|{challenger.artifact.model_version}|{first_day}|{as_of}|{against}"
        record = self._checkpoints.remember(step, lambda: self._judged(challenger, first_day, as_of, champion))
        return Verdict(
            record["outcome"],
            record["challenger_version"],
            tuple(record["unmet"]),
            tuple(record["sentences"]),
            record["gain_at_most"],
            record["log_loss_gain_at_least"],
        )

    def _training_set(self, as_of: date) -> TrainingSet:
        history, roles = self._history, self._history.study.roles
        rows = history.take(history.known(as_of))
        last = pc.max(rows[roles.time]).as_py() if rows.num_rows else history.first_day
        policy = history.study.training_policy((last - history.first_day).days + 1)
        data_hash = hash_examples(rows.select(roles.columns))
        return split_examples(rows, roles, last_day=last, policy=policy, data_hash=data_hash)

    def _fitted(self, as_of: date) -> dict[str, Any]:
        training = self._training_set(as_of)
        policy = self._history.study.training_policy((training.last_day - self._history.first_day).days + 1)
        artifact = fit_model(training, policy)
        return {
            "files": {name: data.decode() for name, data in artifact.files().items()},
            "model_version": artifact.model_version,
            "rows": training.examples.num_rows,
            "last_day": training.last_day.isoformat(),
        }

    def _judged(self, challenger: Fit, first_day: date, as_of: date, champion: Fit | None) -> dict[str, Any]:
        history = self._history
        gate = history.take(history.known(as_of, since=first_day))
        _, _, decision = judge_on_gate(
            challenger.artifact,
            self._training_set(challenger.as_of),
            gate,
            history.study,
            as_of=as_of,
            champion=None if champion is None else champion.artifact,
        )
        compared, gain = decision.against("champion"), decision.log_loss_gain
        return {
            "log_loss_gain_at_least": None if gain is None else gain.lower,
            "gain_at_most": None if compared is None else compared.delta.upper,
            "outcome": decision.outcome,
            "challenger_version": decision.model_version,
            "unmet": [condition.name for condition in decision.unmet],
            "sentences": list(decision.sentences),
        }


def score(history: History, artifact: ModelArtifact, places: np.ndarray) -> Scores:
    """Return the scores of rows by place; labels are not looked at."""
    from mlife_assets.core.inference.feature_spec import examples_matrix
    from mlife_assets.core.inference.scoring import LightGBMScorer

    scorer = LightGBMScorer(artifact, threads=history.study.training.threads)
    return scorer.score(examples_matrix(history.take(places), artifact.feature_spec))


def _distinct_so_far(values: np.ndarray) -> np.ndarray:
    """Return how many distinct values there are up to each place, int64 (n,)."""
    if not len(values):
        return np.zeros(0, dtype=np.int64)
    is_first = np.zeros(len(values), dtype=np.int64)
    is_first[np.unique(values, return_index=True)[1]] = 1
    return np.cumsum(is_first)
