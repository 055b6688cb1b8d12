"""The governed policy: the real governor decides, and its refits serve unless a condition fails.

Concept: the governor decides every morning, as in a deployment. Reports of the newest window stay in force until the
next one closes, so a waiting refit is not lost, and one may be due on any day.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.monitoring.governor import ChampionFacts, decide
from mlife_assets.core.monitoring.retrain_decisions import RetrainDecision
from mlife_assets.core.training.gate import Condition
from mlife_assets.core.training.judgement import GateRows
from mlife_assets.core.training.recipes import half_life_in_drift
from mlife_assets.core.windows import add_days
from mlife_assets.lifecycle.backtest.contestants import IMPOSSIBLE, Start, Watching
from mlife_assets.lifecycle.backtest.judging import Judged
from mlife_assets.lifecycle.backtest.learning import Fit, score
from mlife_assets.lifecycle.backtest.watching import Reports
from mlife_assets.lifecycle.rollback import Insured, gain_of_week, new_mondays


class Governed(Watching):
    """The real governor, the real vetoes and the real rollback insurance.

    Attributes:
        looked: the governor's decision at each closing of a window, oldest first.
        newest: reports of the newest window.
        anchor: the model that refits are compared with.
        refits: first day -> first champion or later fit, also while refits are rolled back.
        insured: results of refits against the anchor.
    """

    looked: list[RetrainDecision]
    newest: Reports
    anchor: Fit
    refits: dict[date, Fit]
    insured: Insured

    def begin(self, start: Start) -> None:
        """Begin with the first champion, new on its first day."""
        super().begin(start)
        self.looked = []
        self.anchor, self.refits = start.serving, {start.day: start.serving}
        self.insured = Insured(start.serving.artifact.model_version, {})
        self.newest = self.watcher.reports(self.champion, self.reference, self.history.closed_windows(start.day)[-1])

    def on_reports(self, day: date, reports: Reports) -> None:
        """Ask the governor; if its verdict is retrain, fit again."""
        self.newest = reports
        verdict = self._ask(day)
        self.looked.append(verdict)
        self._follow(day, verdict)

    def on_no_reports(self, day: date) -> None:
        """Ask the governor again on the newest window's reports."""
        verdict = self._ask(day)
        if verdict.verdict == "retrain":
            self._follow(day, verdict)

    def _ask(self, day: date) -> RetrainDecision:
        """Return the governor's verdict on the newest window.

        Of a window that closed before the champion served, only the quality report counts, not drift. A window during
        which the champion began counts with all its rows.
        """
        closed_on, version = self.newest.closed_on, self.champion.artifact.model_version
        installed_on, newest = max(self.champions), self.newest.standing(day)
        is_of_champion = closed_on > installed_on
        said = decide(
            as_of=day,
            quality=replace(newest.quality, model_version=version),
            data=newest.data if is_of_champion else None,
            latent=newest.latent if is_of_champion else None,
            concept=newest.concept if is_of_champion else None,
            history=[past for past in self.looked if past.as_of_date < closed_on],
            champion=ChampionFacts(
                model_version=version,
                trained_as_of=self.champion.as_of,
                new_mature_positives=self._new_positives(day),
                fit_dates=tuple(self.training_days),
                days_between_looks=self._days_between_looks(day),
            ),
            policy=self.history.model.retrain,
        )
        if day == closed_on:
            return said
        return replace(said, sentences=(*said.sentences, f"The newest window of monitoring closed on {closed_on}."))

    def _follow(self, day: date, verdict: RetrainDecision) -> None:
        """Carry out the governor's verdict."""
        if verdict.verdict != "retrain":
            self._record(day, verdict.verdict, verdict.codes, verdict.sentences)
            return
        self.training_days.append(day)
        try:
            fit = self.learner.fit(day, self._half_life(day, verdict))
            faults = self.judge.faults(fit, day)
        except NotEnoughEvidenceError as error:
            self._record(day, "failed", (*verdict.codes, IMPOSSIBLE), (*verdict.sentences, str(error)))
            return
        self._charge(fit)
        version = fit.artifact.model_version
        if faults:
            codes = (*verdict.codes, *(one.name for one in faults))
            sentence = f"{version} was not installed: {' '.join(one.sentence for one in faults)}"
            self._record(day, "refused", codes, (*verdict.sentences, sentence), version)
            return
        self.refits[day] = fit
        insurance = self._insurance(day)
        if not insurance.is_met:
            if self.champion is not self.anchor:
                self.install_watched(self.anchor, day)
            codes, sentences = (*verdict.codes, insurance.name), (*verdict.sentences, insurance.sentence)
            self._record(day, "refused", codes, sentences, version)
            return
        self.install_watched(fit, day)
        self._record(day, "installed", verdict.codes, (*verdict.sentences, f"{version} was installed."), version)

    def _insurance(self, day: date) -> Condition:
        """Compare refits with the anchor in newly mature label weeks; return whether they may serve."""
        history, model = self.history, self.history.model
        for monday in new_mondays(self.insured, add_days(self.anchor.as_of, 1), add_days(day, -1)):
            places = np.arange(history.place(monday), history.place(add_days(monday, 7)))
            if len(places) and history.mature[places].max() > np.datetime64(day, "D"):
                break
            examples = GateRows.of_examples(history.take(places), model.roles).examples
            ours = Judged(self.refits).probability(history, places)
            theirs = score(history, self.anchor.artifact, places).probability
            self.insured = self.insured.after(monday, gain_of_week(examples, ours, theirs, model.promotion))
        if self.insured.standing.won:
            self.anchor = self.champion
            self.insured = self.insured.anew(self.anchor.artifact.model_version)
        return self.insured.condition

    def _half_life(self, day: date, verdict: RetrainDecision) -> float | None:
        """Return the half-life in days for a day's model during an open drift, else None."""
        model = self.history.model
        looks = min(366, model.retrain.alarm_days_window * self._days_between_looks(day))
        apart = replace(
            model.retrain, drift_open_days=max(model.retrain.drift_open_days, looks), alarm_days_window=looks
        )
        return half_life_in_drift(model.training, (*self.looked, verdict), day, apart)

    def _new_positives(self, day: date) -> int:
        """Return the positives that have matured since the last fit."""
        outcome, known = self.history.outcome, self.history.known
        now, then = (int(np.count_nonzero(outcome[known(one)])) for one in (day, self.training_days[-1]))
        return now - then

    def _days_between_looks(self, day: date) -> int:
        """Return the number of days of the newest windows, so that the governor's looks at inputs are whole windows."""
        count = self.history.model.retrain.alarm_days_window
        newest = self.history.closed_windows(day)[-count:]
        return max(1, -(-((add_days(day, 1) - newest[0].closed_on).days) // count))
