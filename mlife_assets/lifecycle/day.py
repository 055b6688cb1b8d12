"""The steps of a day: scoring models by day, training, the gate.

Concept: a model scores a day only if its training data ends before that day; its out-of-fold models score earlier days.
Serving is represented by the models that served, and by the first champion's folds before that. So a champion promoted
yesterday has scores for weeks of its own training data, and no row is scored by a model that has seen it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import TypeVar

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.model_events import Reign
from mlife_assets.core.training.configuration import changed_configuration
from mlife_assets.core.training.fold_scores import (
    at_places,
    itself,
    scored_parts,
    side_alone,
    side_of_folds,
    simple_of_folds,
)
from mlife_assets.core.training.folds import Fold, GateWindow, in_common, in_succession, speaking, until
from mlife_assets.core.training.gate import ALONE, CHALLENGER, Condition, Terms
from mlife_assets.core.training.judgement import GateRows, Human, Judgement, judge
from mlife_assets.core.training.prequential import JudgedFold, newest_week, recipe_conditions
from mlife_assets.core.windows import add_days, last_mature_exposure_day, mature_day, run_time
from mlife_assets.lifecycle.facts import Facts, Models
from mlife_assets.lifecycle.rollback import NAME, Insured, insured

T = TypeVar("T")


def begins_to_serve(reign: Reign) -> date:
    """Return the day of the first run after a change of the champion."""
    recorded = reign.since.date()
    return recorded if reign.since <= run_time(recorded) else add_days(recorded, 1)


def asked_for(models: Models, version: str) -> tuple[Fold, ...]:
    """Return the scorers of a model: the folds of its training, then itself."""
    own = itself(models.load(version), models.model)
    return (*until(models.trained_folds(version), own.first_day), own)


def served(facts: Facts, first: date = date.min) -> tuple[Fold, ...]:
    """Return the served models as of the day, for all days with a scorer; empty without a champion.

    A champion serves from the first run after its promotion on. Models replaced by `first` are not loaded.
    """
    reigns = [(begins_to_serve(one), one.model_version) for one in facts.champions()]
    left = sum(begins <= first for begins, _ in reigns[1:])
    asked = [(begins, asked_for(facts.models, version)) for begins, version in reigns[left:]]
    return in_succession(asked[0][1], asked) if asked else ()


def folds_fitted(starts: Sequence[date], fit: Callable[[date], T]) -> tuple[list[T], str]:
    """Return the fits of folds, oldest first, and the reason if some are missing.

    Folds have no gaps: those before a fold that cannot be trained do not count.

    Raises:
        NotEnoughEvidenceError: the newest fold cannot be trained.
    """
    found: list[T] = []
    for first in reversed(starts):
        try:
            found.append(fit(first))
        except NotEnoughEvidenceError as error:
            if not found:
                raise NotEnoughEvidenceError(f"the newest fold of the gate, from {first}: {error}") from error
            return found[::-1], f"{len(found)} of {len(starts)} folds can be judged; for the one from {first}: {error}."
    return found[::-1], ""


def window_of_folds(facts: Facts, version: str) -> GateWindow:
    """Return the gate's window: the days of the challenger's folds on which a model served.

    Raises:
        NotEnoughEvidenceError: the served models have learned from every day of the window.
    """
    folds = facts.challenger_folds(version)
    within = served(facts, folds[0].first_day)
    last = last_mature_exposure_day(facts.day, facts.models.model.label_step.maturity_days)
    against = "against what was served on its days" if within else "before anything was served"
    kept, held = in_common(folds, within, last)
    first = kept[0].first_day
    if first > last:
        ready = mature_day(first, facts.models.model.label_step.maturity_days)
        raise NotEnoughEvidenceError(
            f"the gate of {facts.day} judges days until {last}, and {within[0].model_version}, which was served, may "
            f"be asked from {first} on, since it has learned from earlier ones; wait until {ready}"
        )
    sentence = (
        f"Judged by {len(kept)} folds from {first} to {last}: each by the recipe fitted on what was known when it "
        f"began, {against}. What would serve is its fit on everything mature."
    )
    both = zip(speaking(kept, first, last), speaking(held, first, last), strict=True)
    if alike := sum(left == right for left, right in both):
        sentence += f" On {alike} of {(last - first).days + 1} days both sides are one model, so they cannot differ."
    if first > folds[0].first_day:
        sentence += f" Before {first} nobody may be asked what was served."
    return GateWindow(first, last, sentence, kept, held)


def held_against(facts: Facts, version: str) -> tuple[str | None, tuple[str, ...]]:
    """Return the champion, and the changes of a challenger's configuration against it: empty for a refit."""
    history, load = facts.champions(), facts.models.load
    if not history:
        return None, ()
    champion = history[-1].model_version
    return champion, changed_configuration(load(version), load(champion))


def judged_by_folds(
    facts: Facts,
    version: str,
    window: GateWindow,
    gate: GateRows,
    human: Human | None,
    also_required: Sequence[Condition] = (),
) -> Judgement:
    """Return the gate's verdict of a challenger on rows of its window, each scored by a model that has not seen it.

    Raises:
        InvalidInputError: a row lies outside of the window.
        NotEnoughEvidenceError: only one class in the training data.
    """
    models, model, exposures = facts.models, facts.models.model, gate.exposures
    champion, changes = held_against(facts, version)
    is_refit = champion is not None and not changes
    days = exposures[model.roles.time].to_numpy().astype("datetime64[D]")
    parts = list(scored_parts(window.folds, exposures, days, {}, models.scorer))
    fitted_on = {fold.model_version: fold.first_day for fold in facts.challenger_folds(version)}
    folds = []
    for part in parts:
        fold = part.fold
        met = facts.conditions(part, fitted_on[fold.model_version], at_places(exposures, part.places))
        folds.append(JudgedFold(fold.model_version, fold.first_day, met))
    newest, week = models.load(folds[-1].model_version), newest_week(exposures, model.roles)
    serving, training = models.load(version), facts.training_set()
    recipe = recipe_conditions(serving, training, folds, newest, week, exposures, model, is_refit)
    required = (*also_required, *recipe)
    sides = {CHALLENGER: side_of_folds(version, window.folds, gate, model.roles, models.scorer, parts)}
    known: Insured | None = None
    newer: Insured | None = None
    if champion is not None:
        sides["champion"] = side_of_folds(champion, window.served, gate, model.roles, models.scorer, parts)
        known = Insured.of_report(facts.last_decision(), facts.champions()[-1], models.load)
        if is_refit and all(one.is_met for one in required):  # a faulty table's weeks mean nothing for refits
            newer = insured(known, sides[CHALLENGER], champion, gate, window.first_day, facts)
            required = (*required, newer.condition)
        if not is_refit:
            sides[ALONE] = side_alone(champion, asked_for(models, champion), gate, models.scorer)
    terms = Terms(facts.day, required, is_refit, changes)
    judged = judge(gate, sides, human, model, terms, simple=simple_of_folds(window.folds, gate, models.load))
    if newer is not None and any(one.name == NAME for one in judged.decision.conditions):
        known = newer  # the gate needs it only if its own conditions of validity are met
    return judged if known is None else replace(judged, facts=known.facts)
