"""The policies of a replay: the serving model of each day, and why.

Concept: policies with models begin with the same first champion, which was not gated; all see the same rows and labels.
`frozen` never retrains. `naive` fits at fixed intervals and installs every model. `every_alarm` does so whenever drift
alarmed often enough, without a gate or a pause. `constant` has no model, but one probability for everybody; a policy
that does not beat it is not worth running.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import numpy.typing as npt

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.monitoring.reference import MonitoringReference
from mlife_assets.lifecycle.backtest.history import History
from mlife_assets.lifecycle.backtest.judging import Judge, Judged, served_window
from mlife_assets.lifecycle.backtest.learning import Fit, Learner
from mlife_assets.lifecycle.backtest.watching import Reports, Watcher

GOVERNED, FROZEN, NAIVE, EVERY_ALARM, CONSTANT = "governed", "frozen", "naive", "every_alarm", "constant"
NAMES = (GOVERNED, FROZEN, NAIVE, EVERY_ALARM, CONSTANT)
FIRST, ONE_FOR_ALL, IMPOSSIBLE = "first_champion_ungated", "one_probability_for_all", "training_impossible"


@dataclass(frozen=True)
class Decision:
    """A policy's decision on one morning.

    Attributes:
        day: the morning.
        action: installed, promoted, refused, failed, wait or block.
        codes: machine-readable reasons.
        sentences: reasons in words.
        model_version: of the model that serves after it.
        challenger_version: of the trained model; None without one.
    """

    day: date
    action: str
    codes: tuple[str, ...]
    sentences: tuple[str, ...]
    model_version: str
    challenger_version: str | None = None


@dataclass(frozen=True)
class Start:
    """The first champion of all policies.

    Attributes:
        day: first morning that it serves.
        serving: the model.
        twin: the same recipe fitted without the holdout, which it scores.
    """

    day: date
    serving: Fit
    twin: Judged


@dataclass
class Contestant(ABC):
    """One policy and its record.

    Attributes:
        champions: first serving day -> model, oldest first.
        decisions: one per morning with a decision.
        training_days: mornings on which a challenger was trained.
        fits: every fit charged to the policy, each once, including the first champion's.
    """

    history: History
    learner: Learner
    judge: Judge
    watcher: Watcher
    champions: dict[date, Fit] = field(default_factory=dict)
    decisions: list[Decision] = field(default_factory=list)
    training_days: list[date] = field(default_factory=list)
    fits: list[Fit] = field(default_factory=list)

    def begin(self, start: Start) -> None:
        """Install the first champion, which was not gated."""
        self._install(start.serving, start.day)
        self.training_days.append(start.day)
        self._charge(start.serving)
        version = start.serving.artifact.model_version
        sentence = (
            f"{version} is the first champion of the replay. It was installed without a gate: there was nothing to "
            "hold it against."
        )
        self.decisions.append(Decision(start.day, "installed", (FIRST,), (sentence,), version, version))

    @abstractmethod
    def on_morning(self, day: date) -> None:
        """Decide what to do on a day before its rows are served."""

    @property
    def champion(self) -> Fit:
        """The model that serves."""
        return self.served.newest

    @property
    def served(self) -> Judged:
        """Serving models by first day."""
        return Judged(dict(self.champions))

    def served_probability(self) -> npt.NDArray[np.float64]:
        """Return the served probability of each row since the first champion, float64 (n,)."""
        places = np.arange(self.history.place(self.served.first_day), len(self.history.days))
        return self.served.probability(self.history, places)

    def _fitted(self, day: date) -> Fit | None:
        """Return and charge the fit of a day; record the reason if there is none."""
        try:
            fit = self.learner.fit(day)
        except NotEnoughEvidenceError as error:
            self._record(day, "failed", (IMPOSSIBLE,), (str(error),))
            return None
        self.training_days.append(day)
        self._charge(fit)
        return fit

    def _charge(self, *fits: Fit) -> None:
        charged = {fit.step for fit in self.fits}
        self.fits += [fit for fit in fits if fit.step not in charged]

    def _install(self, fit: Fit, day: date) -> None:
        self.champions[day] = fit

    def _record(
        self,
        day: date,
        action: str,
        codes: tuple[str, ...],
        sentences: tuple[str, ...],
        version: str | None = None,
    ) -> None:
        self.decisions.append(Decision(day, action, codes, sentences, self.champion.artifact.model_version, version))


class Frozen(Contestant):
    """The first champion for ever."""

    def on_morning(self, day: date) -> None:
        """Do nothing."""


class Constant(Contestant):
    """One probability for everybody: the share of positives among mature rows at the start.

    Attributes:
        share: the probability.
        since: first day that it is served.
    """

    share: float
    since: date

    def begin(self, start: Start) -> None:
        """Learn the share."""
        known = self.history.known(start.day)
        self.share, self.since = float(np.mean(self.history.outcome[known])), start.day
        sentence = (
            f"{self.share:.4f} for everybody from {start.day} on: the share of positives among {len(known):,} mature "
            "rows. There is no model."
        )
        self.decisions.append(Decision(start.day, "installed", (ONE_FOR_ALL,), (sentence,), CONSTANT))

    def on_morning(self, day: date) -> None:
        """Do nothing."""

    def served_probability(self) -> npt.NDArray[np.float64]:
        """Return the share for each row since the start."""
        return np.full(len(self.history.days) - self.history.place(self.since), self.share)


class Naive(Contestant):
    """A new model at fixed intervals, installed without a gate."""

    def on_morning(self, day: date) -> None:
        """Retrain if the last training is old enough and labels have matured since."""
        every = self.history.model.backtest.naive_retrain_days
        last = self.training_days[-1]
        if (day - last).days < every:
            return
        if len(self.history.known(day)) == len(self.history.known(last)):
            return
        fit = self._fitted(day)
        if fit is None:
            return
        self._install(fit, day)
        sentence = f"{every} days have passed; retrained and installed."
        self._record(day, "installed", ("calendar",), (sentence,), fit.artifact.model_version)


class Watching(Contestant):
    """A policy that monitors its champion.

    Attributes:
        reference: the champion's monitoring reference.
        windows: number of closed windows.
        windows_without_outcomes: closed windows with too few mature positives to judge outcomes.
        twin: models for the rows before the first champion served.
    """

    reference: MonitoringReference
    twin: Judged
    windows: int
    windows_without_outcomes: int

    def begin(self, start: Start) -> None:
        """Install the first champion and build its reference."""
        super().begin(start)
        self.windows = self.windows_without_outcomes = 0
        self._charge(start.twin.newest)
        self.twin = start.twin
        self.reference = self.watcher.reference(start.serving, start.twin, start.day)

    def install_watched(self, fit: Fit, day: date) -> None:
        """Let a fit serve, and build its reference from earlier served scores."""
        self.reference = self.watcher.reference(fit, self._unseen(day), day)
        self._install(fit, day)

    def _unseen(self, day: date) -> Judged:
        """Return the scorers of the newest weeks of mature rows out of sample: the twin, then the champions."""
        asked = {**self.twin.fits, **self.champions}
        window = served_window(self.history, day, self.twin.first_day)
        first = self.twin.first_day if isinstance(window, str) else window.first_day
        days = sorted(asked)
        oldest = max(one for one in days if one <= first)
        return Judged({max(one, first): asked[one] for one in days if one >= oldest})

    def on_morning(self, day: date) -> None:
        """Look at the window that closed, if any."""
        number = self.history.window_closing(day)
        if number is None:
            self.on_no_reports(day)
        else:
            reports = self.watcher.reports(self.champion, self.reference, self.history.windows[number])
            self.windows += 1
            self.windows_without_outcomes += reports.concept.status == "not_enough_evidence"
            self.on_reports(day, reports)

    @abstractmethod
    def on_reports(self, day: date, reports: Reports) -> None:
        """Decide on the reports of the window that closed on `day`."""

    @abstractmethod
    def on_no_reports(self, day: date) -> None:
        """Decide on a day on which no window closed."""


class EveryAlarm(Watching):
    """Retrains and installs whenever drift alarmed in n of the last m windows."""

    alarms: list[bool]

    def begin(self, start: Start) -> None:
        """Begin without alarms."""
        super().begin(start)
        self.alarms = []

    def on_reports(self, day: date, reports: Reports) -> None:
        """Count alarms of any kind since the champion serves; enough of them install a new one at once."""
        policy = self.history.model.backtest
        self.alarms.append(reports.has_drift)
        alarmed = sum(self.alarms[-policy.alarms_window :])
        sentence = (
            f"Drift alarmed in {alarmed} of the last {policy.alarms_window} windows ({policy.alarms_needed} needed)."
        )
        if alarmed < policy.alarms_needed:
            self._record(day, "wait", ("too_few_alarms",), (sentence,))
            return
        fit = self._fitted(day)
        if fit is None:
            return
        self.install_watched(fit, day)
        self.alarms = []
        sentences = (sentence, "Retrained and installed without a gate.")
        self._record(day, "installed", ("alarms",), sentences, fit.artifact.model_version)

    def on_no_reports(self, day: date) -> None:
        """Do nothing: there is no alarm to count."""
