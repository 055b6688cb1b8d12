"""Fitting while a drift is open: young rows count more, the more so the younger the drift.

Belongs here: the training policy of a day on which a concept drift is open. Does not belong here: when one is
confirmed and when it began (`monitoring.opening`), what a weight does (`recipes`).

Concept: days after the first alarm, the rows of the new world are a few days among months. At the usual half-life they
weigh little, and the model that is to answer the drift hardly knows it. Half of a drift's age lets what came after it
weigh three times what came before. As it ages, the usual half-life returns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from mlife_assets.core.monitoring.opening import start_of_open_drift
from mlife_assets.core.monitoring.retrain_decisions import RetrainDecision
from mlife_assets.core.policies import RetrainPolicy, TrainingPolicy
from mlife_assets.core.training.recipes import recipe_of


def policy_as_of(
    policy: TrainingPolicy, decisions: Sequence[RetrainDecision], known_on: date, retrain: RetrainPolicy
) -> TrainingPolicy:
    """Return how a model of a day is fitted: as usual, or with a shorter half-life where a concept drift is open.

    Args:
        policy: as declared.
        decisions: of the governor, one per day, in any order; those later than `known_on` do not count.
        known_on: the day whose knowledge the model holds.
        retrain: what opens the gate, and for how long.
    """
    half_life = half_life_in_drift(policy, decisions, known_on, retrain)
    return policy if half_life is None else with_half_life(policy, half_life)


def half_life_in_drift(
    policy: TrainingPolicy, decisions: Sequence[RetrainDecision], known_on: date, retrain: RetrainPolicy
) -> float | None:
    """Return the half-life in days that an open concept drift asks for; None where a fit is as usual.

    It is as usual where no recipe of the policy weighs rows by age. Arguments as of `policy_as_of`.
    """
    began = start_of_open_drift(decisions, known_on, retrain)
    if began is None or not _aged(policy):
        return None
    half_life = max(policy.half_life_days_in_drift, (known_on - began).days / 2)
    return half_life if half_life < policy.half_life_days else None


def with_half_life(policy: TrainingPolicy, half_life_days: float) -> TrainingPolicy:
    """Return a policy whose rows weigh by age, and by a half-life of its own.

    Only recipes that weigh rows by age compete: days of validation are older than the drift and would choose the
    recipe that knows the old world best.
    """
    return replace(policy, recipes=_aged(policy), half_life_days=half_life_days)


def _aged(policy: TrainingPolicy) -> tuple[str, ...]:
    return tuple(name for name in policy.recipes if recipe_of(name).is_aged)
