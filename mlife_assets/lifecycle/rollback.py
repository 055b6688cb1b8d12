"""Rollback insurance of a model over its days: what refits gained in each label week, and who serves for it.

Concept: refits are held against the model that last won, whether they serve or not, by the folds of the day's
challenger: each calendar week is scored by the fit of its Monday. A week is recorded once, when all its labels are
mature, and carried from one decision to the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np

from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.ranking.metrics import rank_rows
from mlife_assets.core.ranking.rows import prepare_ranking_rows
from mlife_assets.core.row_keys import encode_days, encode_ids
from mlife_assets.core.scoring.feature_spec import Array
from mlife_assets.core.training.fold_scores import itself, side_alone
from mlife_assets.core.training.gate import Condition, GateExamples
from mlife_assets.core.training.gate.comparing import day_counts, weighted_average_precision
from mlife_assets.core.training.insurance import Standing, Week, standing, week_of, weeks_to_find
from mlife_assets.core.training.judgement import GateRows, Side
from mlife_assets.core.windows import add_days, last_mature_exposure_day
from mlife_assets.lifecycle.facts import Facts

NAME = "refits_are_not_rolled_back"
REPORT = "insurance"
SHOWN_LOSS = 2.0
"""Standard deviations of weekly differences, of which the sentence says how soon it is found."""


@dataclass(frozen=True)
class Insured:
    """What is known of refits since a model won.

    Attributes:
        anchor: the model that last won.
        weeks: Monday of each label week that was judged since -> what refits gained in it, oldest first.
    """

    anchor: str
    weeks: Mapping[date, Week]

    @property
    def standing(self) -> Standing:
        """What the weeks say."""
        return standing(list(self.weeks.values()))

    @property
    def condition(self) -> Condition:
        """The condition that refits serve, with what the scatter of the weeks can find."""
        gains = np.array([week.gain for week in self.weeks.values()])
        said = self.standing
        if said.is_rolled_back:
            since = list(self.weeks)[said.rolled_back[-1]]
            text = (
                f"Refits are rolled back: until the week of {since} they ranked worse than {self.anchor}, the model "
                "that last won, which serves. They serve again once they rank as well over four weeks."
            )
            return Condition(NAME, False, text)
        text = f"Refits serve: {len(gains)} label weeks were held against {self.anchor}, the model that last won"
        if len(gains) > 1 and (scatter := float(gains.std(ddof=1))) > 0:
            text += (
                f"; they rank {gains.mean():+.4f} on average, with a scatter of {scatter:.4f} a week. A lasting loss "
                f"of {SHOWN_LOSS * scatter:.4f} would be rolled back within {weeks_to_find(SHOWN_LOSS, 1.0):.0f} weeks "
                "in 4 of 5 cases"
            )
        return Condition(NAME, True, f"{text}.")

    @property
    def facts(self) -> dict[str, Any]:
        """The record as a report keeps it."""
        weeks = [{"monday": str(day), "gain": one.gain, "error": one.error} for day, one in self.weeks.items()]
        said = {"is_rolled_back": self.standing.is_rolled_back, "sentence": self.condition.sentence}
        return {REPORT: {"anchor": self.anchor, "weeks": weeks, **said}}

    @classmethod
    def of_report(cls, report: Mapping[str, Any], champion: str) -> Insured:
        """Return what the last decision before a day left; anew where the champion is not one of its line.

        Args:
            report: of the last decision; may be empty.
            champion: who serves now.
        """
        kept = report.get(REPORT)
        if kept is None:
            return cls(champion, {})
        expected = {report["champion_version"], kept["anchor"]}
        if report["outcome"] == "promoted":
            expected = {report["model_version"]} if report["kind"] == "refit" else set()
        if champion not in expected:
            return cls(champion, {})
        weeks = {date.fromisoformat(one["monday"]): Week(one["gain"], one["error"]) for one in kept["weeks"]}
        return cls(kept["anchor"], weeks)


def insured(before: Insured, challenger: Side, champion: str, gate: GateRows, first: date, facts: Facts) -> Insured:
    """Return what is known of refits once the label weeks that are new to the gate were judged.

    The champion becomes the anchor where they are shown to be better.

    Args:
        before: what was known before.
        challenger: what the folds of the day's challenger say of the gate's rows.
        champion: who serves.
        gate: rows of the window.
        first: day of the window.
        facts: of the day.
    """
    models = facts.models
    own = itself(models.load(before.anchor), models.model)
    theirs = side_alone(before.anchor, (own,), gate, models.scorer).ranking
    days = np.asarray(gate.examples.as_of_dates, dtype="datetime64[D]")
    last = last_mature_exposure_day(facts.day, models.model.maturity_days)
    weeks = dict(before.weeks)
    for monday in new_mondays(before, max(first, add_days(own.first_day, 1)), last):
        inside = (days >= np.datetime64(monday, "D")) & (days < np.datetime64(add_days(monday, 7), "D"))
        examples, policy = gate.examples.chosen(inside), models.model.promotion
        week = gain_of_week(examples, challenger.ranking[inside], theirs[inside], policy)
        if week is not None:
            weeks[monday] = week
    found = replace(before, weeks=weeks)
    return Insured(champion, {}) if found.standing.won else found


def new_mondays(known: Insured, first: date, last: date) -> list[date]:
    """Return the Mondays of the whole weeks within [first, last] that are younger than those known.

    Where the anchor was fitted on a Monday, its own week is not one of them: `first` is a later day.
    """
    start = max([first, *(add_days(monday, 7) for monday in known.weeks)])
    monday = add_days(start, -start.weekday() % 7)
    return [add_days(monday, 7 * number) for number in range(max(0, ((last - monday).days + 1) // 7))]


def gain_of_week(examples: GateExamples, ours: Array, theirs: Array, policy: PromotionPolicy) -> Week | None:
    """Return how much better n rows of a label week are ranked by our scores than by theirs, (n,) each.

    It is the difference of average precision with days left out one at a time, or of MAP with users; None where nothing
    is positive.
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
