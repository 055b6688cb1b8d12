"""Concept drift: does the same input still lead to the same outcome?

Concept: P(y|x) moves, which no detector on inputs can see. On mature labels only, realised performance is compared with
CBPE's estimate without labels, and residuals with the reference. Earlier steps of a funnel are judged too, each as soon
as it is mature: there are more of them and they are known days earlier. With fewer positives than the policy demands,
the answer is "not enough evidence".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import UpstreamMismatchError
from mlife_assets.core.monitoring.columns import (
    LABEL,
    PLAIN_WORDS,
    Wording,
    capitalised,
    prefix_of,
)
from mlife_assets.core.monitoring.lateness import LateFeedback
from mlife_assets.core.monitoring.outcomes import (
    EXPECTED_POSITIVES_MINIMUM,
    LEVEL,
    METRICS,
    SHORTFALL,
    SLOPE,
    has_enough_positives,
    keys_of,
    limit_for,
    positives_of,
    rests_on_enough,
    scored_outcomes,
)
from mlife_assets.core.monitoring.reference import MonitoringReference, check_examples
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport, conclude
from mlife_assets.core.monitoring.thresholds import Statistic, Threshold, by_key
from mlife_assets.core.policies import MonitoringPolicy

REPORT = "concept_drift_report"
KIND = "concept"
WINDOW_DAYS = 7
"""Whole weeks, so that weekdays cancel."""


def concept_window(
    examples: pa.Table,
    *,
    reference: MonitoringReference,
    as_of: date,
    days: int = WINDOW_DAYS,
    outcome: str = LABEL,
) -> pa.Table:
    """Return the examples of the latest `days` mature exposure days that lie after the reference's own examples.

    Immature rows are dropped here by date; `concept_drift_report` refuses them.
    """
    last = pc.max(reference.scored(outcome)["exposure_date"])
    mature = examples.filter(
        pc.and_(
            pc.less_equal(examples["label_mature_date"], pa.scalar(as_of, pa.date32())),
            pc.greater(examples["exposure_date"], last),
        )
    )
    recent = sorted(pc.unique(mature["exposure_date"]).to_pylist())[-days:]
    return mature.filter(pc.is_in(mature["exposure_date"], value_set=pa.array(recent, pa.date32())))


def concept_drift_report(
    *,
    as_of: date,
    reference: MonitoringReference,
    examples: Mapping[str, pa.Table],
    statistics: Mapping[str, Sequence[Statistic]],
    policy: MonitoringPolicy,
    late: Mapping[str, LateFeedback] | None = None,
    words: Mapping[str, Wording] = PLAIN_WORDS,
) -> MonitoringReport:
    """Return the concept drift report of day `as_of`. Arguments by outcome may lack some of the reference's.

    Args:
        as_of: the day.
        reference: defines the outcomes to judge.
        examples: windows (`concept_window`), scored by the reference's model.
        statistics: their estimated and realised performance (`performance_statistics`), where a window
            `has_enough_positives`; other outcomes are noted, not judged.
        policy: minimum evidence and the rate of false alarms.
        late: outcomes whose window is empty because feedback was late, to be named in the report.
        words: names of outcomes in the report.

    Raises:
        InvalidInputError: a label is immature.
        UpstreamMismatchError: performance is missing although there is enough evidence.
    """
    limits = by_key(reference.thresholds)
    family = sum(key in limits for one in reference.outcomes for key in keys_of(reference.columns.residual, one))
    windows = [
        _Window(outcome, examples[outcome], statistics.get(outcome, ()), words[outcome])
        for outcome in reference.outcomes
        if outcome in examples
    ]
    judged, left_out, findings = list[str](), list[str](), list[Finding]()
    for window in windows:
        check_examples(window.examples, as_of)
        keys = [key for key in keys_of(reference.columns.residual, window.outcome) if key in limits]
        if keys and has_enough_positives(window.examples, policy):
            found, thin = _judged(window, reference, limits, family, policy)
            findings += found
            judged.append(window.basis())
            left_out += [window.thin_words(where, columns) for where, columns in thin.items() if columns]
        elif window.outcome not in (late or {}):
            left_out.append(window.shortfall_words(bool(keys), policy))
    if late:
        left_out.append(_lateness_words(late, [*reference.steps, LABEL], words))
    rows = max(window.examples.num_rows for window in windows)
    if not judged:
        return MonitoringReport(
            REPORT, as_of, reference.model_version, rows, "not_enough_evidence", (), " ".join(left_out)
        )
    basis = f"Basis: {'; '.join(judged)}."
    return conclude(
        REPORT,
        as_of=as_of,
        model_version=reference.model_version,
        sample_rows=rows,
        findings=findings,
        ok=" ".join(["Outcomes follow the model's expectation.", basis, *left_out]),
        alarm=" ".join([*(f.sentence for f in findings if f.is_alarm), basis, *left_out]),
    )


def _lateness_words(late: Mapping[str, LateFeedback], order: Sequence[str], words: Mapping[str, Wording]) -> str:
    days = frozenset[date]().union(*(one.days for one in late.values()))
    span = f"{len(days)} days from {min(days)} to {max(days)}" if len(days) > 1 else f"{min(days)}"
    first, *others = (outcome for outcome in order if outcome in late)
    again = [f"{words[first].plural} are judged again from {late[first].judged_again_on}"]
    again += [f"{words[outcome].plural} from {late[outcome].judged_again_on}" for outcome in others]
    feedback = capitalised(late[first].feedback)
    return f"{feedback} came late on {span}: {' and '.join(again)} if no other day is late."


@dataclass(frozen=True)
class _Window:
    """The data of one outcome to judge."""

    outcome: str
    examples: pa.Table
    statistics: Sequence[Statistic]
    words: Wording

    @property
    def noun(self) -> str:
        return "positives" if self.outcome == LABEL else self.words.plural

    @property
    def subject(self) -> str:
        return "Outcomes" if self.outcome == LABEL else capitalised(self.words.plural)

    @property
    def of(self) -> str:
        return "" if self.outcome == LABEL else f" of {self.words.plural}"

    def basis(self) -> str:
        first, last = (read(self.examples["exposure_date"]).as_py() for read in (pc.min, pc.max))
        return (
            f"{positives_of(self.examples):,} {self.noun} in {self.examples.num_rows:,} exposures of "
            f"{first} to {last}, all mature"
        )

    def shortfall_words(self, is_known: bool, policy: MonitoringPolicy) -> str:
        whose = "the window has"
        if not is_known:
            whose = f"the reference has too few mature {self.noun} to learn limits; {whose}"
        return (
            f"Not enough mature labels: {whose} {positives_of(self.examples):,} {self.noun} in "
            f"{self.examples.num_rows:,} exposures, {policy.minimum_mature_positives:,} needed."
        )

    def thin_words(self, where: str, columns: Sequence[str]) -> str:
        return (
            f"{self.subject} are not judged along {', '.join(columns)}: hardly anything varies in the {where} (fewer "
            f"than {EXPECTED_POSITIVES_MINIMUM} expected positives would decide)."
        )


def _judged(
    window: _Window,
    reference: MonitoringReference,
    limits: Mapping[tuple[str, str], Threshold],
    family: int,
    policy: MonitoringPolicy,
) -> tuple[list[Finding], dict[str, list[str]]]:
    """Return the findings of a window, and the columns along which it or the reference has too few positives."""
    outcomes = scored_outcomes(reference, window.examples, window.outcome)
    evidence = outcomes.evidence()
    positives, reference_positives = positives_of(window.examples), positives_of(reference.scored(window.outcome))
    performance = {(statistic.method, statistic.column): statistic.value for statistic in window.statistics}
    findings, thin = list[Finding](), {"reference": list[str](), "window": list[str]()}
    rows = zip(
        keys_of(outcomes.names, window.outcome),
        outcomes.statistics(),
        evidence.least_deviation,
        rests_on_enough(evidence),
        strict=True,
    )
    for key, value, least, is_judged in rows:
        if key not in limits:
            thin["reference"].append(key[1] or "the score")
            continue
        is_shortfall = key[0].endswith(SHORTFALL)
        is_none = is_shortfall and np.isnan(performance.get(("estimated", key[1]), 0.0))  # sure of one class
        if is_none or not is_judged:
            thin["window"].append(METRICS[key[1]] if is_none else key[1] or "the score")
            continue
        mean, deviation = limits[key].mean, limits[key].standard_deviation
        limit, _ = limit_for(
            key[0],
            deviation,
            family,
            policy,
            positives=positives,
            reference_positives=reference_positives,
            least_deviation=float(least),
        )
        if is_shortfall:
            findings.append(_shortfall(window, key[1], performance, mean + limit))
        else:
            findings.append(_residual(window, key, float(value), mean, limit))
    return findings, thin


def _shortfall(window: _Window, metric: str, performance: dict[tuple[str, str], float], limit: float) -> Finding:
    try:
        estimated, realised = performance["estimated", metric], performance["realised", metric]
    except KeyError as error:
        raise UpstreamMismatchError(f"no {error} performance; compute performance_statistics on the window") from error
    is_alarm = estimated - realised > limit
    verb = "falls short of" if is_alarm else "agrees with"
    return Finding(
        KIND, metric, prefix_of(window.outcome) + SHORTFALL, estimated - realised, limit, is_alarm,
        f"Realised {METRICS[metric]}{window.of} {realised:.3f} {verb} the estimate {estimated:.3f} "
        f"(may be {limit:.3f} less).",
    )  # fmt: skip


def _residual(window: _Window, key: tuple[str, str], value: float, mean: float, limit: float) -> Finding:
    method, column = key
    plain = method.removeprefix(prefix_of(window.outcome))
    change = value - mean
    is_alarm = abs(change) > limit
    suffix = f"(change {change:+.3f}, limit {limit:.3f})"
    more = "more" if change > 0 else "less"
    if plain == LEVEL:
        text = f"{window.subject} are {np.exp(change):.2f} times as frequent as the model expects {suffix}."
    elif plain == SLOPE:
        text = f"{window.subject} separate {more} along the score than in the reference {suffix}."
    else:
        text = f"Higher {column} {window.words.verb} {more} often than the model expects {suffix}."
    if not is_alarm:
        what = {LEVEL: "Level", SLOPE: "Slope"}.get(plain, column)
        text = f"{what}{window.of} as in the reference {suffix}."
    return Finding(KIND, column, method, abs(change), limit, is_alarm, text)
