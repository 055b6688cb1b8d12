"""Rollback insurance of a model over its days: the gain of refits in each label week, and the model that serves.

Concept: refits are compared with an anchor, whether they serve or not, by the folds of the day's challenger: a calendar
week is scored by the fold that begins on its Monday. The anchor is the model that last won or that a person chose. A
week is recorded once, by the first valid decision after all its labels are mature, and carried to the next decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np

from mlife_assets.core.errors import IntegrityError, NotFoundError
from mlife_assets.core.model_events import Reign
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.ranking.metrics import rank_rows
from mlife_assets.core.ranking.rows import prepare_ranking_rows
from mlife_assets.core.row_keys import encode_days, encode_ids
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.scoring.feature_spec import Array
from mlife_assets.core.training.configuration import changed_configuration
from mlife_assets.core.training.fold_scores import itself, side_alone
from mlife_assets.core.training.gate import Condition, GateExamples
from mlife_assets.core.training.gate.comparing import day_counts, weighted_average_precision
from mlife_assets.core.training.insurance import Standing, Week, standing, week_of, weeks_to_find
from mlife_assets.core.training.judgement import GateRows, Side
from mlife_assets.core.windows import add_days, last_mature_exposure_day
from mlife_assets.lifecycle.facts import Facts

NAME = "refits_are_not_rolled_back"
REPORT = "insurance"
GATE = "gate"
"""Actor of verdicts; any other actor is a person."""
SHOWN_LOSS, WEEKS_SHOWN = 2.0, 8
"""Detectable loss in standard deviations of weekly differences, and the weeks from which on a sentence reports it."""


@dataclass(frozen=True)
class Insured:
    """State of the insurance since a model won or a person chose one.

    Attributes:
        anchor: that model.
        weeks: Monday of each label week judged since -> gain of refits in it, oldest first.
        judged_to: newest judged Monday, also against an earlier anchor: no week counts twice.
        remark: reason of a restart that nobody decided.
    """

    anchor: str
    weeks: Mapping[date, Week]
    judged_to: date | None = None
    remark: str = ""

    def after(self, monday: date, week: Week | None) -> Insured:
        """Return the state after a week; None, a week that cannot be judged, changes nothing."""
        return self if week is None else replace(self, weeks={**self.weeks, monday: week}, judged_to=monday)

    def anew(self, anchor: str, remark: str = "") -> Insured:
        """Return the state at the start with another anchor."""
        return Insured(anchor, {}, self.judged_to, remark)

    @property
    def standing(self) -> Standing:
        """Result of the weeks."""
        return standing(list(self.weeks.values()))

    @property
    def condition(self) -> Condition:
        """The gate condition that refits are not rolled back, with the detectable loss."""
        gains = np.array([week.gain for week in self.weeks.values()])
        said = self.standing
        if said.is_rolled_back:
            since = list(self.weeks)[said.rolled_back[-1]]
            text = (
                f"Refits are rolled back: until the week of {since} they ranked worse than {self.anchor}, which they "
                "are held against and which serves. They serve again once they rank as well over four weeks."
            )
            return Condition(NAME, False, text)
        text = f"Refits serve: {len(gains)} label weeks were held against {self.anchor}"
        if len(gains) >= WEEKS_SHOWN and (scatter := float(gains.std(ddof=1))) > 0:
            text += (
                f"; they rank {gains.mean():+.4f} on average, with a scatter of {scatter:.4f} a week. A lasting loss "
                f"of about {SHOWN_LOSS * scatter:.4f} would be rolled back within about "
                f"{weeks_to_find(SHOWN_LOSS, 1.0):.0f} weeks in 4 of 5 cases, if weeks are independent, plus the days "
                "until labels are mature"
            )
        return Condition(NAME, True, f"{text}.{self.remark}")

    @property
    def facts(self) -> dict[str, Any]:
        """The record for a report."""
        weeks = [{"monday": str(day), "gain": one.gain, "error": one.error} for day, one in self.weeks.items()]
        return {REPORT: {"anchor": self.anchor, "weeks": weeks, "judged_to": self.judged_to and str(self.judged_to)}}

    @classmethod
    def of_report(cls, report: Mapping[str, Any], newest: Reign, load: Callable[[str], ModelArtifact]) -> Insured:
        """Return the state left by a decision, if any; a new one if the newest champion is no refit of the anchor.

        A person's choice becomes the anchor. For the gate's champions, configurations decide, not verdicts: a step may
        have failed after one, and a day may have been judged again.
        """
        kept, champion = report.get(REPORT), newest.model_version
        if kept is None:
            return cls(champion, {})
        weeks = {date.fromisoformat(one["monday"]): Week(one["gain"], one["error"]) for one in kept["weeks"]}
        last = kept.get("judged_to")
        found = cls(kept["anchor"], weeks, date.fromisoformat(last) if last else max(weeks, default=None))
        if champion == found.anchor:
            return found
        try:
            is_refit = newest.actor == GATE and not changed_configuration(load(champion), load(found.anchor))
        except (NotFoundError, IntegrityError) as error:
            return found.anew(champion, f" They were held against {found.anchor}, which cannot be loaded: {error}.")
        return found if is_refit else found.anew(champion)


def insured(before: Insured, challenger: Side, champion: str, gate: GateRows, first: date, facts: Facts) -> Insured:
    """Return the state after judging the label weeks that are new to the gate.

    The champion becomes the anchor if refits are shown to be better.

    Args:
        before: the state before.
        challenger: scores of the gate's rows by the challenger's folds.
        champion: the serving model.
        gate: rows of the window.
        first: day of the window.
        facts: of the day.
    """
    models = facts.models
    own = itself(models.load(before.anchor), models.model)
    theirs = side_alone(before.anchor, (own,), gate, models.scorer).ranking
    days = np.asarray(gate.examples.as_of_dates, dtype="datetime64[D]")
    last = last_mature_exposure_day(facts.day, models.model.label_step.maturity_days)
    found = before
    for monday in new_mondays(before, max(first, add_days(own.first_day, 1)), last):
        inside = (days >= np.datetime64(monday, "D")) & (days < np.datetime64(add_days(monday, 7), "D"))
        examples, policy = gate.examples.chosen(inside), models.model.promotion
        found = found.after(monday, gain_of_week(examples, challenger.ranking[inside], theirs[inside], policy))
    return found.anew(champion) if found.standing.won else found


def new_mondays(known: Insured, first: date, last: date) -> list[date]:
    """Return the Mondays of the whole weeks within [first, last] that are newer than the judged ones.

    If the anchor was fitted on a Monday, its own week is not included: `first` is a later day.
    """
    start = first if known.judged_to is None else max(first, add_days(known.judged_to, 7))
    monday = add_days(start, -start.weekday() % 7)
    return [add_days(monday, 7 * number) for number in range(max(0, ((last - monday).days + 1) // 7))]


def gain_of_week(examples: GateExamples, ours: Array, theirs: Array, policy: PromotionPolicy) -> Week | None:
    """Return the gain of ranking n rows of a label week by our scores instead of theirs, (n,) each.

    It is the difference of average precision, with a jackknife by day, or of MAP, by user; None without a positive, or
    with fewer than three days or users.
    """
    positive = np.asarray(examples.is_relevant, dtype=np.bool_)
    if not positive.any():
        return None
    days = encode_days(examples.as_of_dates, "as_of_dates")
    if examples.item_ids is None:
        coded = encode_ids(days)
        count = len(coded.ids)
        weights = np.concatenate([np.ones((1, count)), 1 - np.eye(count)])
        first, second = (
            weighted_average_precision(day_counts(score, positive, coded.codes, count), weights)
            for score in (ours, theirs)
        )
        gains = first - second
        return week_of(float(gains[0]), gains[1:])
    rows = prepare_ranking_rows(examples.user_ids, examples.items, examples.is_relevant, policy.seed, days)
    first, second = (rank_rows(rows, score, policy.ranking_depth).average_precision for score in (ours, theirs))
    gains = first - second
    return week_of(float(gains.mean()), (gains.sum() - gains) / max(len(gains) - 1, 1))
