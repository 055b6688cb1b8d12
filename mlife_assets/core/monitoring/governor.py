"""The retrain governor: one verdict a day, with its reasons.

Concept: to retrain is to fit and to ask the gate. A fit is cheap, so it is due whenever enough new labels have matured
to matter; drift, or age, makes it due sooner. An alarm is a question, not an order: a day's data or latent drift counts
when what moved carries a share of the champion's importance, since input drift of a column that the model hardly uses
is no reason to replace it; concept drift is about outcomes and matters whatever changed. Drift counts when the same
kind did so on n of the last m days and the champion is the one it was measured against. What is dear is a promotion:
while cooldown or budget allow none, none is prepared. After a promotion in a young drift the next fit follows sooner.
Single flight, the budget of fits and evidence have a say, too. A quality fault blocks, always. Unknown means no: a
missing or undecided quality report blocks as a failed one does, and an alarm whose importance is not known is not
dismissed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from mlife_assets.core.errors import InvalidInputError, UpstreamMismatchError
from mlife_assets.core.monitoring.opening import start_of_open_drift
from mlife_assets.core.monitoring.reports import MonitoringReport
from mlife_assets.core.monitoring.retrain_decisions import (
    ALARM_NOT_CONFIRMED,
    ALARM_SUFFIX,
    BUDGET_SPENT,
    CONFIRMED_SUFFIX,
    COOLDOWN,
    DRIFT_UNIMPORTANT,
    FIT_TOO_SOON,
    FITS_SPENT,
    IN_FLIGHT,
    KINDS,
    LABELS_IMMATURE,
    MODEL_TOO_OLD,
    NEW_LABELS,
    NO_CHAMPION,
    NO_DRIFT,
    QUALITY_FAULT,
    QUALITY_UNKNOWN,
    UNIMPORTANT_SUFFIX,
    RetrainDecision,
    Verdict,
)
from mlife_assets.core.policies import RetrainPolicy
from mlife_assets.core.windows import add_days

BUDGET_DAYS, YEAR_DAYS = 30, 365
NO_FIT_FOR_LABELS = "No fit is due for new labels either"

WEIGHED_KINDS = ("data", "latent")
COLUMNS_NAMED = 4


@dataclass(frozen=True)
class ChampionFacts:
    """What is known of the serving model on the day.

    Attributes:
        model_version: of the champion; None without one.
        trained_as_of: day of its training.
        new_mature_positives: those that the last fit has not learned from.
        promotion_dates: days on which a model was promoted in place of another.
        fit_dates: days on which a challenger was fitted or asked for, whatever the gate said.
        is_retraining_in_flight: whether a fit is running.
        lacking: what a first model would lack to learn from or to be judged by; None where it lacks nothing, or one
            serves.
    """

    model_version: str | None
    trained_as_of: date | None
    new_mature_positives: int
    promotion_dates: tuple[date, ...] = ()
    fit_dates: tuple[date, ...] = ()
    is_retraining_in_flight: bool = False
    lacking: str | None = None

    def __post_init__(self) -> None:
        if (self.model_version is None) != (self.trained_as_of is None):
            raise InvalidInputError(
                "ChampionFacts has model_version without trained_as_of or the reverse; give both or none"
            )
        if self.new_mature_positives < 0:
            raise InvalidInputError(
                f"ChampionFacts.new_mature_positives is {self.new_mature_positives}; count from zero"
            )


def decide(
    *,
    as_of: date,
    quality: MonitoringReport | None,
    data: MonitoringReport | None,
    latent: MonitoringReport | None,
    concept: MonitoringReport | None,
    history: Sequence[RetrainDecision],
    champion: ChampionFacts,
    policy: RetrainPolicy,
) -> RetrainDecision:
    """Return the verdict of day `as_of`.

    A report may be None where it does not exist; without a quality report the verdict is `block`. `history` holds
    earlier decisions in any order. Raises InvalidInputError on a report of another day or a history that is not earlier
    or has two decisions of one day, and UpstreamMismatchError on a report against another model than the champion.
    """
    reports = dict(zip(KINDS, (data, latent, concept), strict=True))
    for report in (quality, *reports.values()):
        _check(report, as_of, champion)
    days = [decision.as_of_date for decision in history]
    if len(set(days)) != len(days) or any(day >= as_of for day in days):
        raise InvalidInputError(
            f"history of {as_of} repeats a day or is not earlier; pass one decision per earlier day"
        )
    alarming = {kind: report for kind, report in reports.items() if report is not None and report.status == "alarm"}
    dismissed = dict(dismissed_alarms(alarming, policy.minimum_importance_share))
    alarmed = [kind for kind in alarming if kind not in dismissed]
    codes = [kind + (UNIMPORTANT_SUFFIX if kind in dismissed else ALARM_SUFFIX) for kind in alarming]
    if quality is None or quality.status != "ok":
        is_fault = quality is not None and quality.status == "alarm"
        reason = quality.sentence if quality is not None else "No data quality report exists for today."
        return RetrainDecision(
            as_of,
            "block",
            (QUALITY_FAULT if is_fault else QUALITY_UNKNOWN, *codes),
            (f"Blocked: {reason}", "Faulty data must be repaired, not learned; nothing is trained or sent on it."),
            champion.model_version,
        )
    sentences = [*dismissed.values(), *(report.sentence for report in alarming.values())]
    reasons = list(_reasons(as_of, alarmed, history, champion, policy))
    called_by = [code for code, _ in reasons]
    may_be_soon = bool(reasons) and not _is_answered(called_by, history, champion, policy)
    is_drift = any(code.endswith(CONFIRMED_SUFFIX) for code in called_by)
    objections = list(_objections(as_of, history, champion, policy, may_be_soon=may_be_soon, is_drift=is_drift))
    if not reasons and not objections:
        matured = f"{champion.new_mature_positives:,} positives have matured since the last fit, enough to matter."
        reasons.append((NEW_LABELS, matured))
    if not reasons:
        code, sentence = _quiet(alarmed, dismissed, policy)
        undecided = [r.sentence for r in reports.values() if r is not None and r.status == "not_enough_evidence"]
        why = f"{NO_FIT_FOR_LABELS}: {objections[0][1]}"
        return RetrainDecision(
            as_of, "wait", (code, *codes), (sentence, *sentences, *undecided, why), champion.model_version
        )
    verdict: Verdict = "wait" if objections else "retrain"
    parts = [*objections, *reasons]
    opening = "Retraining would be due, but has to wait." if objections else "Retraining is due."
    return RetrainDecision(
        as_of,
        verdict,
        (*(code for code, _ in parts), *codes),
        (opening, *(sentence for _, sentence in parts), *sentences),
        champion.model_version,
    )


def _check(report: MonitoringReport | None, as_of: date, champion: ChampionFacts) -> None:
    if report is None:
        return
    if report.as_of_date != as_of:
        raise InvalidInputError(f"{report.name} is of {report.as_of_date}, not {as_of}; materialize that day's report")
    if report.model_version is not None and report.model_version != champion.model_version:
        raise UpstreamMismatchError(
            f"{report.name} of {as_of} was made against model {report.model_version}, the champion is "
            f"{champion.model_version}; materialize the reports again"
        )


def _reasons(
    as_of: date,
    alarmed: Sequence[str],
    history: Sequence[RetrainDecision],
    champion: ChampionFacts,
    policy: RetrainPolicy,
) -> Iterator[tuple[str, str]]:
    if champion.model_version is None or champion.trained_as_of is None:
        yield NO_CHAMPION, "There is no champion yet."
        return
    start = add_days(as_of, 1 - policy.alarm_days_window)
    counted = [
        past
        for past in history
        if past.as_of_date >= start and past.verdict != "block" and past.model_version == champion.model_version
    ]
    for kind in alarmed:
        days = 1 + sum(kind in past.alarms for past in counted)
        if days >= policy.alarm_days_needed:
            yield (
                kind + CONFIRMED_SUFFIX,
                f"{kind.capitalize()} drift alarmed on {days} of the last {policy.alarm_days_window} days "
                f"({policy.alarm_days_needed} needed).",
            )
    age = (as_of - champion.trained_as_of).days
    if age > policy.maximum_model_age_days:
        yield MODEL_TOO_OLD, f"The model is {age} days old ({policy.maximum_model_age_days} allowed)."


def _is_answered(
    reasons: Sequence[str], history: Sequence[RetrainDecision], champion: ChampionFacts, policy: RetrainPolicy
) -> bool:
    """Return whether each drift among the reasons had been confirmed when the last fit was made, and not long before.

    One that had not is news, for which a fit need not wait. Nothing else is.
    """
    drifts = {code for code in reasons if code.endswith(CONFIRMED_SUFFIX)}
    last = max(champion.fit_dates, default=None)
    if last is None:
        return False
    start = add_days(last, 1 - policy.drift_open_days)
    return drifts <= {code for past in history if start <= past.as_of_date <= last for code in past.codes}


def _days_between(last: date, usual: int, history: Sequence[RetrainDecision], policy: RetrainPolicy) -> int:
    """Return how many days after a promotion of the day `last` the next fit or promotion may follow.

    In an open drift as many as the drift was old then: each model has seen twice as much of the new world as the last.
    """
    began = start_of_open_drift(history, last, policy)
    return usual if began is None else min(usual, max(policy.days_between_fits_in_drift, (last - began).days))


def _objections(
    as_of: date,
    history: Sequence[RetrainDecision],
    champion: ChampionFacts,
    policy: RetrainPolicy,
    *,
    may_be_soon: bool,
    is_drift: bool,
) -> Iterator[tuple[str, str]]:
    if champion.is_retraining_in_flight:
        yield IN_FLIGHT, "A retraining is already running."
    promoted = sorted(day for day in champion.promotion_dates if day <= as_of)
    needed = _days_between(promoted[-1], policy.cooldown_days, history, policy) if promoted else 0
    if promoted and (as_of - promoted[-1]).days < needed:
        yield COOLDOWN, f"The last promotion is {(as_of - promoted[-1]).days} days old ({needed} needed)."
    spent = sum((as_of - day).days < BUDGET_DAYS for day in promoted)
    if spent >= policy.budget_per_30_days:
        yield (
            BUDGET_SPENT,
            f"{spent} promotions in {BUDGET_DAYS} days spend the budget of {policy.budget_per_30_days}.",
        )
    fitted = sorted(day for day in champion.fit_dates if day <= as_of)
    needed = policy.days_between_fits
    if fitted and fitted[-1] in promoted:  # what was refused is tried again at the usual pace
        needed = _days_between(fitted[-1], needed, history, policy)
    if fitted and not may_be_soon and (as_of - fitted[-1]).days < needed:
        yield FIT_TOO_SOON, f"The last fit is {(as_of - fitted[-1]).days} days old ({needed} needed)."
    fits = sum((as_of - day).days < YEAR_DAYS for day in fitted)
    most = policy.fits_per_year + (policy.fits_for_drift if is_drift else 0)
    if fits >= most:
        more = policy.fits_for_drift if not is_drift else 0
        kept = f" ({more} more are kept for confirmed drift)" if more else ""
        yield FITS_SPENT, f"{fits} fits in {YEAR_DAYS} days spend the budget of {most}{kept}."
    if champion.lacking is not None:
        yield LABELS_IMMATURE, f"A first model has not enough to learn from or to be judged by: {champion.lacking}."
    if champion.model_version is not None and champion.new_mature_positives < policy.minimum_new_mature_positives:
        yield (
            LABELS_IMMATURE,
            f"Only {champion.new_mature_positives:,} new mature positives, "
            f"{policy.minimum_new_mature_positives:,} needed to learn anything new.",
        )


def _quiet(alarmed: Sequence[str], dismissed: Collection[str], policy: RetrainPolicy) -> tuple[str, str]:
    if not alarmed and dismissed:
        return DRIFT_UNIMPORTANT, "Something moved, but nothing that the model looks at; the model stays."
    if not alarmed:
        return NO_DRIFT, "Nothing moved beyond what drift-free days show; the model stays."
    return (
        ALARM_NOT_CONFIRMED,
        f"{' and '.join(alarmed).capitalize()} drift alarmed today; "
        f"it counts once it alarms on {policy.alarm_days_needed} of {policy.alarm_days_window} days.",
    )


def importance_of(report: MonitoringReport) -> float | None:
    """Return the share of the champion's importance that the alarms of a report carry; None when one is not known.

    Alarms of data drift are columns, whose shares add up; those of latent drift are blocks of columns that overlap, of
    which the largest counts.
    """
    shares = [finding.importance_share for finding in report.alarms]
    known = [share for share in shares if share is not None]
    if not known or len(known) < len(shares):
        return None
    if any(finding.moved_columns for finding in report.alarms):
        return max(known)
    return min(1.0, sum({f.column: f.importance_share or 0.0 for f in report.alarms}.values()))


def dismissed_alarms(alarming: Mapping[str, MonitoringReport], minimum_share: float) -> Iterator[tuple[str, str]]:
    """Yield the kinds whose alarm does not count, each with the sentence that says why.

    Args:
        alarming: kind -> report that alarms.
        minimum_share: of the champion's importance that what moved has to carry.
    """
    for kind in WEIGHED_KINDS:
        report = alarming.get(kind)
        share = None if report is None else importance_of(report)
        if report is None or share is None or share >= minimum_share:
            continue
        names = report.moved_columns
        more = f" and {len(names) - COLUMNS_NAMED} more" if len(names) > COLUMNS_NAMED else ""
        yield (
            kind,
            f"{kind.capitalize()} drift of {', '.join(names[:COLUMNS_NAMED])}{more} does not count: what moved carries "
            f"{share:.1%} of the model's importance ({minimum_share:.1%} needed).",
        )
