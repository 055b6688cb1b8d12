"""The policies of a replay: who serves on which day, and why.

Belongs here: what all contestants share, and the three that are held against the governed one. Does not belong here:
`governed`, learning, judging and watching (`learning`, `judging`, `watching`), the order of days (`replay`).

Concept: all four begin with the same first champion, which nothing was held against, and see the same rows and labels.
`frozen` never learns again. `naive` fits on every tick of the calendar and installs what it gets.
`every_alarm` does so whenever drift alarmed often enough, without a gate and without a pause.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import date

from mlife_assets.core.backtest.gate_window import holdout_window
from mlife_assets.core.backtest.history import History
from mlife_assets.core.backtest.judging import Judge, Judged
from mlife_assets.core.backtest.learning import Fit, Learner
from mlife_assets.core.backtest.watching import Reports, Watcher
from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.monitoring.reference import MonitoringReference

GOVERNED, FROZEN, NAIVE, EVERY_ALARM = "governed", "frozen", "naive", "every_alarm"
NAMES = (GOVERNED, FROZEN, NAIVE, EVERY_ALARM)
FIRST = "first_champion_ungated"


@dataclass(frozen=True)
class Decision:
    """What a policy did on one morning.

    Attributes:
        day: the morning.
        action: installed, promoted, refused, failed, wait or block.
        codes: machine-readable reasons.
        sentences: reasons in words.
        model_version: of the model that serves after it.
        challenger_version: of the model that was trained; None without one.
    """

    day: date
    action: str
    codes: tuple[str, ...]
    sentences: tuple[str, ...]
    model_version: str
    challenger_version: str | None = None


@dataclass(frozen=True)
class Reign:
    """A model that served from a day on."""

    fit: Fit
    since: date


@dataclass(frozen=True)
class Start:
    """The first champion of all policies and what was known of it.

    Attributes:
        day: first morning that it serves.
        serving: the model.
        twin: the same recipe without the holdout, and the holdout, which it scores.
    """

    day: date
    serving: Fit
    twin: Judged


@dataclass
class Contestant(ABC):
    """One policy and its record.

    Attributes:
        reigns: who served since when, oldest first.
        decisions: one per morning on which something was decided.
        training_days: mornings on which a challenger was trained.
        fits: every fit that the policy is charged, each once, the first champion's included.
    """

    history: History
    learner: Learner
    judge: Judge
    watcher: Watcher
    reigns: list[Reign] = field(default_factory=list)
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
        return self.reigns[-1].fit

    def _charge(self, *fits: Fit) -> None:
        """Count fits that the policy had not asked for before."""
        charged = {fit.as_of for fit in self.fits}
        self.fits += [fit for fit in fits if fit.as_of not in charged]

    def _install(self, fit: Fit, day: date) -> None:
        self.reigns.append(Reign(fit, day))

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


class Naive(Contestant):
    """A new model on every tick of the calendar, installed as it is."""

    def on_morning(self, day: date) -> None:
        """Retrain when the last training is old enough and something has matured since."""
        every = self.history.model.backtest.naive_retrain_days
        last = self.training_days[-1]
        if (day - last).days < every:
            return
        if len(self.history.known(day)) == len(self.history.known(last)):
            return
        try:
            fit = self.learner.fit(day)
        except NotEnoughEvidenceError as error:
            self._record(day, "failed", ("training_impossible",), (str(error),))
            return
        self.training_days.append(day)
        self._charge(fit)
        self._install(fit, day)
        sentence = f"{every} days have passed; retrained and installed."
        self._record(day, "installed", ("calendar",), (sentence,), fit.artifact.model_version)


class Watching(Contestant):
    """A policy that monitors its champion."""

    reference: MonitoringReference

    def begin(self, start: Start) -> None:
        """Install the first champion and learn what is normal to it."""
        super().begin(start)
        self._charge(start.twin.newest)
        self.reference = self.watcher.reference(start.serving, start.twin, start.day)

    def on_morning(self, day: date) -> None:
        """Look at the window that closed, where one did."""
        number = self.history.window_closing(day)
        if number is None:
            self.on_no_reports(day)
        else:
            self.on_reports(day, self.watcher.reports(self.champion, self.reference, self.history.windows[number]))

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
        window = holdout_window(self.history, day, None)
        if window.first_day is None:
            self._record(day, "failed", ("gate_lacks_evidence",), (window.sentence,))
            return
        try:
            twin = Judged.by_one(self.learner.fit(window.first_day), window.first_day)
            serving = self.learner.fit(day) if policy.gate_is_prequential else twin.newest
        except NotEnoughEvidenceError as error:
            self._record(day, "failed", ("training_impossible",), (str(error),))
            return
        self.training_days.append(day)
        self._charge(twin.newest, serving)
        self._install(serving, day)
        self.reference = self.watcher.reference(serving, twin, day)
        self.alarms = []
        sentences = (sentence, "Retrained and installed without a gate.")
        self._record(day, "installed", ("alarms",), sentences, serving.artifact.model_version)

    def on_no_reports(self, day: date) -> None:
        """Do nothing: there is no alarm to count."""
