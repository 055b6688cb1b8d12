"""The governed policy: the real governor decides, the real gate judges.

Concept: the governor asks for a fit, the gate for a win; where drift is confirmed or the model too old, for one that is
not inferior. Labels are new to the governor only from the day on which the drift at hand began: a refit that could not
learn from what changed would change nothing. A challenger that answers drift or age and is shown, on rows since that
day, to gain no more than the margin, and whose probabilities are not shown to be better either, confirms the champion:
its age counts from that day, and what is normal to it is learned anew. One that is refused for want of proof confirms
nothing. New labels alone ask for no fit here: a gate of folds costs several.

The governor is asked every morning, as a deployment's is. What the newest window said stands until the next one closes:
what was due and had to wait is not forgotten meanwhile, and a model becomes too old on any day. What a refit gains lies
in how much there is to learn from beside what the champion has seen of the present world, so a model is too old at half
of the days that it has learned from since the newest drift that a promotion answered.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np

from mlife_assets.core.backtest.contestants import Start, Watching
from mlife_assets.core.backtest.judging import Judged, Verdict
from mlife_assets.core.backtest.learning import Fit
from mlife_assets.core.backtest.watching import Reports
from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.monitoring.governor import NO_FIT_FOR_LABELS, ChampionFacts, decide
from mlife_assets.core.monitoring.opening import opening
from mlife_assets.core.monitoring.retrain_decisions import CONFIRMED_SUFFIX, LABELS_IMMATURE, RetrainDecision
from mlife_assets.core.policies import RetrainPolicy
from mlife_assets.core.training.folds import GateWindow
from mlife_assets.core.training.gate import COMPARED_PREFIXES, WIN
from mlife_assets.core.training.recipes import half_life_in_drift
from mlife_assets.core.windows import add_days

CONFIRMED = "champion_confirmed"
IMPOSSIBLE, UNFIT = "training_impossible", "serving_model_unfit"
ALARM_DAYS_MAXIMUM = 366
"""The bound of `RetrainPolicy.alarm_days_window`."""


class Governed(Watching):
    """The real governor and the real gate.

    Attributes:
        looked: what the governor said of each window as it closed, before new labels were counted, oldest first.
        confirmed_on: day of the champion, or of the newest challenger that it withstood.
        newest: reports of the newest window.
        changed_on: first day of the history, or of what was news when a promotion last answered drift.
        anchor: the model that won last, or the first.
    """

    looked: list[RetrainDecision]
    confirmed_on: date
    newest: Reports
    changed_on: date
    anchor: Fit

    def begin(self, start: Start) -> None:
        """Begin with the first champion, which is new on its first day."""
        super().begin(start)
        self.looked, self.confirmed_on, self.changed_on = [], start.day, self.history.first_day
        self.anchor = start.serving
        self.newest = self.watcher.reports(self.champion, self.reference, self.history.closed_windows(start.day)[-1])

    def on_reports(self, day: date, reports: Reports) -> None:
        """Ask the governor; where it says retrain, train a challenger and ask the gate."""
        self.newest = reports
        self.looked.append(self._ask(day, 0))
        self._follow(day, self.looked[-1])

    def on_no_reports(self, day: date) -> None:
        """Ask the governor again on what the newest window said."""
        self._follow(day, self._ask(day, 0))

    def _follow(self, day: date, verdict: RetrainDecision) -> None:
        """Do what the governor says, who is asked again with new labels where there is a reason to retrain."""
        has_reason = verdict.verdict == "retrain" or LABELS_IMMATURE in verdict.codes
        if not has_reason:
            if day == self.newest.closed_on:
                self._record(day, verdict.verdict, verdict.codes, verdict.sentences)
            return
        since, gate = self._news_since(), self.judge.window(day, self.served)
        verdict = self._ask(day, self._new_positives(day, since, gate))
        if verdict.verdict == "retrain":
            self._challenge(day, since, gate, verdict)
            return
        sentences = verdict.sentences
        if LABELS_IMMATURE in verdict.codes:
            until = "" if self._is_prequential else " until the gate's window"
            window = gate if isinstance(gate, str) else gate.sentence
            sentences = (*sentences, f"Counted are mature rows from {since}{until}. {window}")
        self._record(day, verdict.verdict, verdict.codes, sentences)

    def _ask(self, day: date, new_mature_positives: int) -> RetrainDecision:
        """Return the governor's verdict on the newest window.

        What drifted in a window that closed before the champion was confirmed is nothing to it; only the quality of
        those rows stands. A window in the middle of which a champion began counts, its older rows included.
        """
        closed_on, version = self.newest.closed_on, self.champion.artifact.model_version
        newest = self.newest.standing(day)
        is_of_champion = closed_on > self.confirmed_on
        said = decide(
            as_of=day,
            quality=replace(newest.quality, model_version=version),
            data=newest.data if is_of_champion else None,
            latent=newest.latent if is_of_champion else None,
            concept=newest.concept if is_of_champion else None,
            history=[past for past in self.looked if self.confirmed_on < past.as_of_date < closed_on],
            champion=ChampionFacts(
                model_version=version,
                trained_as_of=self.confirmed_on,
                new_mature_positives=new_mature_positives,
                promotion_dates=tuple(self.champions)[1:],
                fit_dates=tuple(self.training_days[1:]),
            ),
            policy=replace(
                self.history.model.retrain,
                alarm_days_window=self._alarm_days(day),
                maximum_model_age_days=self._age_maximum(),
            ),
        )
        sentences = tuple(one for one in said.sentences if not one.startswith(NO_FIT_FOR_LABELS))
        if day != closed_on:
            sentences = (*sentences, f"The newest window of monitoring closed on {closed_on}.")
        return replace(said, sentences=sentences)

    def _challenge(self, day: date, since: date, gate: GateWindow | str, verdict: RetrainDecision) -> None:
        if isinstance(gate, str):
            self._record(day, "failed", (*verdict.codes, "gate_lacks_evidence"), (*verdict.sentences, gate))
            return
        try:
            fitted_on = [fit.as_of for fit in self.champions.values()]
            judged = self.judge.challenger(
                day, gate.first_day, lambda known_on: self._half_life(known_on, verdict), fitted_on
            )
        except NotEnoughEvidenceError as error:
            self._record(day, "failed", (*verdict.codes, IMPOSSIBLE), (*verdict.sentences, str(error)))
            return
        self.training_days.append(day)
        self._charge(*judged.fits.values())
        try:
            said = self.judge.verdict(judged, day, self.served, self._opened_by(day, verdict), self.anchor)
            serving = None
            if said.is_promoted:
                serving = judged.newest
                if self._is_prequential:
                    serving = self.learner.fit(day, self._half_life(day, verdict))
        except NotEnoughEvidenceError as error:
            reasons = (*verdict.sentences, gate.sentence, str(error))
            self._record(day, "failed", (*verdict.codes, IMPOSSIBLE), reasons, judged.version)
            return
        codes, sentences = (*verdict.codes, *said.unmet), (*verdict.sentences, gate.sentence, *said.sentences)
        if serving is None:
            if judged.first_day >= since and self._is_confirmed_by(said):
                self.confirmed_on = day
                # Of the window's first days an early step of the champion may have learned, though not the label.
                unseen = max(judged.first_day, add_days(self.champion.last_day, 1))
                self.reference = self.watcher.reference(self.champion, Judged({unseen: self.champion}), day)
                margin = self.history.model.backtest.margin_average_precision
                sentence = f"The champion is confirmed: the challenger is better by {margin:g} at most."
                codes, sentences = (*codes, CONFIRMED), (*sentences, sentence)
            self._record(day, "refused", codes, sentences, said.challenger_version)
            return
        self._charge(serving)
        unfit, version = self.judge.unfit(serving, day, judged.first_day), serving.artifact.model_version
        if unfit:
            codes = (*codes, UNFIT, *(one.name for one in unfit))
            sentence = f"{version} was not installed: {' '.join(one.sentence for one in unfit)}"
            self._record(day, "failed", codes, (*sentences, sentence), version)
            return
        self._install(serving, day)
        if said.kind == WIN:
            self.anchor = serving
        self.confirmed_on = day
        if any(code.endswith(CONFIRMED_SUFFIX) for code in verdict.codes):
            self.changed_on = since
        self.reference = self.watcher.reference(serving, judged, day)
        if self._is_prequential:
            sentence = f"Judged by {len(judged.fits)} folds as {said.challenger_version}"
            sentences = (*sentences, f"{sentence}, then fitted on everything mature and installed.")
        self._record(day, "promoted", codes, sentences, version)

    @property
    def _is_prequential(self) -> bool:
        return self.history.model.backtest.gate_is_prequential

    def _is_confirmed_by(self, said: Verdict) -> bool:
        """Return whether a refused challenger is shown to gain nothing, in ranking or in probabilities.

        A comparison that may not be believed (leakage, copied rows, thin evidence) shows nothing of the champion.
        """
        if not all(name.startswith(COMPARED_PREFIXES) for name in said.unmet):
            return False
        policy, gain = self.history.model.backtest, said.log_loss_gain_at_least
        is_more_probable = gain is not None and gain > policy.margin_log_loss
        is_better_at_most = said.gain_at_most is not None and said.gain_at_most <= policy.margin_average_precision
        return is_better_at_most and not is_more_probable

    def _opened_by(self, day: date, verdict: RetrainDecision) -> str | None:
        found = opening((*self.looked, verdict), day, self._openings(day))
        return None if found is None else found.clause

    def _half_life(self, known_on: date, verdict: RetrainDecision) -> float | None:
        """Return the half-life in days of a model of a day, where a drift that was open then asks for one."""
        if not self.history.closed_windows(known_on):
            return None
        decisions, openings = (*self.looked, verdict), self._openings(known_on)
        return half_life_in_drift(self.history.model.training, decisions, known_on, openings)

    def _openings(self, day: date) -> RetrainPolicy:
        """Return what opened the gate on a day; a drift is open for as long as a window may last, at least."""
        policy = self.history.model.retrain
        alarm_days = max(self._alarm_days(day), policy.alarm_days_needed)
        return replace(policy, drift_open_days=max(policy.drift_open_days, alarm_days), alarm_days_window=alarm_days)

    def _news_since(self) -> date:
        """Return the day from which rows are news: when the drift at hand began, else when the champion's rows end.

        Drift lasts while alarms come closer together than the governor's window of them.
        """
        apart = self.history.model.retrain.alarm_days_window
        began, quiet = None, 0
        for past in reversed(self.looked):
            if past.as_of_date <= self.confirmed_on or quiet >= apart:
                break
            began, quiet = (past.as_of_date, 0) if past.alarms else (began, quiet + 1)
        after = add_days(self.champion.label_last_day, 1)
        if began is None:
            return after
        number = self.history.window_closing(began)
        return after if number is None else max(after, self.history.windows[number].first_day)

    def _new_positives(self, day: date, since: date, gate: GateWindow | str) -> int:
        """Return mature positives from a day on that a challenger would learn from; none while it cannot be judged.

        A holdout is kept from it.
        """
        if isinstance(gate, str):
            return 0
        learned_on = day if self._is_prequential else gate.first_day
        places = self.history.known(learned_on, since=min(since, learned_on))
        return int(np.count_nonzero(self.history.outcome[places]))

    def _age_maximum(self) -> int:
        """Return how many days old the champion may become: the less it has seen since the newest change, the fewer.

        Not fewer than a fold has, whose model is fitted anyway.
        """
        most, policy = self.history.model.retrain.maximum_model_age_days, self.history.model.backtest
        if not self._is_prequential:
            return most
        learned = (self.champion.last_day - self.changed_on).days + 1
        return min(most, max(policy.gate_fold_days, int(policy.model_age_share_maximum * learned)))

    def _alarm_days(self, day: date) -> int:
        """Return how many days the governor's window of alarms has, so that it holds its number of windows."""
        first = self.history.closed_windows(day)[-self.history.model.retrain.alarm_days_window :][0].closed_on
        return min(ALARM_DAYS_MAXIMUM, (day - first).days + 1)

    def _record(
        self,
        day: date,
        action: str,
        codes: tuple[str, ...],
        sentences: tuple[str, ...],
        version: str | None = None,
    ) -> None:
        """Record a decision; where nothing was trained, what lasts until the next window is recorded once."""
        newest = [(past.action, past.codes) for past in self.decisions[-1:]]
        is_repeated = version is None and newest == [(action, codes)]
        if not is_repeated or self.history.window_closing(day) is not None:
            super()._record(day, action, codes, sentences, version)
