"""The audit: impact ratios of every measure by every attribute, and what follows for the gate.

Belongs here: which groups are judged, at which level, and the sentence about it. Does not belong here: measures
(`measures`), intervals (`ratios`), where attributes come from.

Concept: the form is that of Local Law 144 (6 RCNY 5-301): a group's rate over that of the group with the highest rate.
A ratio is judged by its interval, so neither a small group's chance nor a point estimate refuses a model. The
reference is picked from the data, therefore the error is divided among all ordered pairs of judged groups, which covers
whichever pair is picked: the chance that any group with a true ratio at or above the minimum is called low is at most
`fairness_one_sided_alpha` in the whole audit. No other error of the gate enters: a smaller one would call fewer groups
low, and a gate that is tightened would loosen fairness.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.core.statistics import resampled_means
from mlife_assets.core.training.fairness.categories import ATTRIBUTES, UNKNOWN, intersection
from mlife_assets.core.training.fairness.measures import Array, UserOutcomes
from mlife_assets.core.training.fairness.ratios import (
    RatioInterval,
    mean_ratio_interval,
    share_ratio_interval,
)
from mlife_assets.core.training.fairness.results import (
    HIGH_ENOUGH,
    NO_RATIO,
    NOT_SETTLED,
    PROVEN_LOW,
    REFERENCE,
    SUPPRESSED,
    TOO_SMALL,
    FairnessAudit,
    ImpactRow,
    ImpactTable,
)
from mlife_assets.core.training.gate_examples import Condition

MEASURES = ("selection", "scoring", "exposure")
FAMILIES = len(MEASURES) * len(ATTRIBUTES)
SMALLEST_JUDGED_GROUP = 30
"""Users below which no group is judged, however small the sample: a bootstrap of fewer says little."""
SMALLEST_SHOWN_GROUP = 10
"""Users below which not even the count of a group is shown, because it might point at a person (see `results`)."""
CONDITION = "impact_ratios_not_proven_low"
NAMED_MAXIMUM = 3


def audit_fairness(
    model_version: str,
    outcomes: UserOutcomes,
    sex: np.ndarray,
    race_ethnicity: np.ndarray,
    policy: PromotionPolicy,
) -> FairnessAudit:
    """Return the audit of a model.

    Args:
        model_version: who is audited.
        outcomes: what it does to n users.
        sex: one of `categories.SEXES` or `unknown` for each user, shape (n,).
        race_ethnicity: one of `categories.ETHNICITIES` or `unknown` for each user, shape (n,).
        policy: minimum ratio, minimum share of a judged group, error, resamples and seed.

    Raises:
        InvalidInputError: a column has another length, or a value is missing (names the row).
    """
    users = len(outcomes.user_ids)
    columns = [_labels(values, users, name) for name, values in (("sex", sex), ("race_ethnicity", race_ethnicity))]
    labels = dict(zip(ATTRIBUTES, [*columns, intersection(*columns)], strict=True))
    values = {
        "selection": outcomes.is_selected.astype(np.float64),
        "scoring": outcomes.is_above_median.astype(np.float64),
        "exposure": outcomes.valued_exposure,
    }
    tables = tuple(
        _table(measure, attribute, values[measure], labels[attribute], policy)
        for measure in MEASURES
        for attribute in ATTRIBUTES
    )
    return FairnessAudit(model_version, users, policy.impact_ratio_minimum, policy.fairness_one_sided_alpha, tables)


def _labels(values: np.ndarray, users: int, name: str) -> np.ndarray:
    column = np.asarray(values, dtype=object)
    if column.shape != (users,):
        raise InvalidInputError(f"{name} has shape {column.shape} for {users} users; pass one value per user")
    missing = [row for row, value in enumerate(column.tolist()) if not isinstance(value, str) or not value]
    if missing:
        raise InvalidInputError(f"{name} is missing in row {missing[0]}; write {UNKNOWN!r} where it is not known")
    return column


def _table(measure: str, attribute: str, values: Array, labels: np.ndarray, policy: PromotionPolicy) -> ImpactTable:
    has_value = ~np.isnan(values)
    is_known = labels != UNKNOWN
    smallest = max(SMALLEST_JUDGED_GROUP, policy.minimum_group_share * int(has_value.sum()))
    names = sorted(set(labels[is_known & has_value].tolist()))
    groups = {name: np.sort(values[has_value & (labels == name)]) for name in names}
    judged = {name: own for name, own in groups.items() if len(own) >= smallest}
    pairs = len(judged) * (len(judged) - 1)
    alpha = policy.fairness_one_sided_alpha / FAMILIES / max(1, pairs)
    means = {name: _mean(own) for name, own in judged.items()}
    reference = max(means, key=lambda name: (means[name], len(judged[name])), default="")
    ratios = _ratios(measure, judged, reference, alpha, policy) if pairs and means[reference] > 0 else {}
    rows = []
    for name, own in groups.items():
        counts = (len(own), None if measure == "exposure" else int(own.sum()), _mean(own))
        if len(own) < SMALLEST_SHOWN_GROUP:
            rows.append(ImpactRow(name, None, None, None, None, None, None, SUPPRESSED))
        elif name not in judged:
            rows.append(ImpactRow(name, *counts, None, None, None, TOO_SMALL))
        elif not ratios:
            rows.append(ImpactRow(name, *counts, None, None, None, NO_RATIO))
        elif name == reference:
            rows.append(ImpactRow(name, *counts, 1.0, None, None, REFERENCE))
        else:
            one = ratios[name]
            standing = _standing(one, policy.impact_ratio_minimum)
            rows.append(ImpactRow(name, *counts, one.ratio, one.lower, one.upper, standing))
    return ImpactTable(
        measure,
        attribute,
        tuple(rows),
        unknown_users=int((~is_known & has_value).sum()),
        left_out_users=int((~has_value).sum()),
        alpha=alpha,
    )


def _ratios(
    measure: str, judged: Mapping[str, Array], reference: str, alpha: float, policy: PromotionPolicy
) -> dict[str, RatioInterval]:
    """Return the ratio of every judged group but the reference; nothing when resamples leave the reference at zero."""
    best, others = judged[reference], [name for name in judged if name != reference]
    if measure != "exposure":
        counts = {name: (int(own.sum()), len(own)) for name, own in judged.items()}
        return {name: share_ratio_interval(*counts[name], *counts[reference], alpha) for name in others}
    draws = {
        name: resampled_means(own, policy.bootstrap_resamples, _seed(policy.seed, place))
        for place, (name, own) in enumerate(judged.items())
    }
    if draws[reference].min() <= 0:
        return {}
    return {
        name: mean_ratio_interval(_mean(judged[name]), draws[name], _mean(best), draws[reference], alpha)
        for name in others
    }


def _seed(seed: int, place: int) -> int:
    return int(np.random.SeedSequence([seed, place]).generate_state(1)[0])


def _mean(values: Array) -> float:
    return float(np.sum(values) / len(values))


def _standing(one: RatioInterval, minimum: float) -> str:
    if one.upper < minimum:
        return PROVEN_LOW
    return HIGH_ENOUGH if one.lower >= minimum else NOT_SETTLED


def fairness_condition(audit: FairnessAudit | None, model_version: str) -> Condition:
    """Return the gate's condition: refused where an interval proves a ratio below the minimum, or nothing was judged.

    Args:
        audit: None when there is none, which refuses.
        model_version: of the challenger; an audit of another model refuses.
    """
    if audit is None:
        return Condition(CONDITION, False, "There is no fairness audit of the challenger; materialize fairness_audit.")
    if audit.model_version != model_version:
        text = (
            f"The fairness audit is of {audit.model_version}, not of {model_version}; materialize fairness_audit again."
        )
        return Condition(CONDITION, False, text)
    compared, low, open_ = audit.compared, audit.with_standing(PROVEN_LOW), audit.with_standing(NOT_SETTLED)
    if not compared:
        text = f"No impact ratio can be judged: no two known groups are large enough among {audit.users:,} users."
        return Condition(CONDITION, False, text)
    of_all = f"of {len(compared)} impact ratios"
    if low:
        return Condition(CONDITION, False, f"{len(low)} {of_all} proven below {audit.minimum:g}: {_named(low)}.")
    if open_:
        text = f"No impact ratio is proven below {audit.minimum:g}; {len(open_)} {of_all} undecided: {_named(open_)}."
        return Condition(CONDITION, True, text)
    return Condition(CONDITION, True, f"All {len(compared)} impact ratios are proven to be at least {audit.minimum:g}.")


def _named(found: list[tuple[ImpactTable, ImpactRow]]) -> str:
    parts = [
        f"{table.measure} of {row.category} {row.ratio:.2f} [{row.lower:.2f}, {row.upper:.2f}]"
        for table, row in found[:NAMED_MAXIMUM]
    ]
    rest = len(found) - len(parts)
    return "; ".join(parts) + (f" and {rest} more" if rest > 0 else "")
