"""The policies of a replay: who serves on which day, and why.

Belongs here: what all contestants share, and the three that are held against the governed one. Does not belong here:
`governed`, learning, judging and watching (`learning`, `watching`), the order of days (`replay`).

Concept: all four begin with the same first champion, which nothing was held against, and see the same rows and labels.
`frozen` never learns again. `naive` fits on every tick of the calendar and installs what it gets.
`every_alarm` does so whenever drift alarmed often enough, without a gate and without a pause.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import date

from mlife_assets.core.backtest.history import History
from mlife_assets.core.backtest.learning import Fit, GateWindow, Learner
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
        twin: the same recipe without the holdout.
        holdout_start: first day of the holdout.
    """

    day: date
    serving: Fit
    twin: Fit
    holdout_start: date


@dataclass
class Contestant(ABC):
    """One policy and its record.

    Attributes:
        reigns: who served since when, oldest first.
        decisions: one per morning on which something was decided.
        training_days: mornings on which a challenger was trained.
        fits: every fit that the policy paid for, the first champion's included.
    """

    history: History
    learner: Learner
    watcher: Watcher
    reigns: list[Reign] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    training_days: list[date] = field(default_factory=list)
    fits: list[Fit] = field(default_factory=list)

    def begin(self, start: Start) -> None:
        """Install the first champion, which was not gated."""
        self._install(start.serving, start.day)
        self.training_days.append(start.day)
        self.fits.append(start.serving)
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

    def _install(self, fit: Fit, day: date) -> None:
        self.reigns.append(Reign(fit, day))

    def _record(
        self, day: date, action: str, codes: tuple[str, ...], sentences: tuple[str, ...], challenger: Fit | None = None
    ) -> None:
        version = None if challenger is None else challenger.artifact.model_version
        self.decisions.append(Decision(day, action, codes, sentences, self.champion.artifact.model_version, version))


class Frozen(Contestant):
    """The first champion for ever."""

    def on_morning(self, day: date) -> None:
        """Do nothing."""


class Naive(Contestant):
    """A new model on every tick of the calendar, installed as it is."""

    def on_morning(self, day: date) -> None:
        """Retrain when the last training is old enough and something has matured since."""
        every = self.history.study.backtest.naive_retrain_days
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
        self.fits.append(fit)
        self._install(fit, day)
        self._record(day, "installed", ("calendar",), (f"{every} days have passed; retrained and installed.",), fit)


class Watching(Contestant):
    """A policy that monitors its champion."""

    reference: MonitoringReference

    def begin(self, start: Start) -> None:
        """Install the first champion and learn what is normal to it."""
        super().begin(start)
        self.fits.append(start.twin)
        self.reference = self.watcher.reference(start.serving, start.twin, start.holdout_start, start.day)

    def on_morning(self, day: date) -> None:
        """Look at the window that closed, where one did."""
        number = self.history.window_closing(day)
        if number is not None:
            reports = self.watcher.reports(self.champion, self.reference, self.history.windows[number])
            self.on_reports(day, reports)

    @abstractmethod
    def on_reports(self, day: date, reports: Reports) -> None:
        """Decide on the reports of the window that closed on `day`."""

    def _learned(self, day: date, gate: GateWindow) -> tuple[Fit, Fit] | None:
        """Return (what may serve, what is judged) as of a day; None where it could not be trained, which is told."""
        if gate.first_day is None:
            self._record(day, "failed", ("gate_lacks_evidence",), (gate.sentence,))
            return None
        try:
            judged = self.learner.fit(gate.first_day)
            serving = self.learner.fit(day) if self.history.study.backtest.refits_after_gate else judged
        except NotEnoughEvidenceError as error:
            self._record(day, "failed", ("training_impossible",), (str(error),))
            return None
        return serving, judged


class EveryAlarm(Watching):
    """Retrains and installs whenever drift alarmed in n of the last m windows."""

    alarms: list[bool]

    def begin(self, start: Start) -> None:
        """Begin without alarms."""
        super().begin(start)
        self.alarms = []

    def on_reports(self, day: date, reports: Reports) -> None:
        """Count alarms of any kind since the champion serves; enough of them install a new one at once."""
        policy = self.history.study.backtest
        self.alarms.append(reports.has_drift)
        alarmed = sum(self.alarms[-policy.alarms_window :])
        told = f"Drift alarmed in {alarmed} of the last {policy.alarms_window} windows ({policy.alarms_needed} needed)."
        if alarmed < policy.alarms_needed:
            self._record(day, "wait", ("too_few_alarms",), (told,))
            return
        learned = self._learned(day, self.learner.gate_window(day, None))
        if learned is None:
            return
        serving, judged = learned
        self.training_days.append(day)
        self.fits += [judged] if serving is judged else [judged, serving]
        self._install(serving, day)
        self.reference = self.watcher.reference(serving, judged, judged.as_of, day)
        self.alarms = []
        self._record(day, "installed", ("alarms",), (told, "Retrained and installed without a gate."), serving)
