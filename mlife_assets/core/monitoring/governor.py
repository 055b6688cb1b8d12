"""The retrain governor: one verdict a day, with its reasons.

Concept: a weekly refit is the default, as in cron; a drift alarm only makes it come sooner. A fit is due a week after
the last one, if labels have matured since, and a few days after it if a kind of drift alarms that was quiet then. A fit
is cheap, so a false alarm costs little. A day's data or latent drift counts only if the moved columns carry a share of
the champion's importance, since drift of a hardly used input is harmless; concept drift is about outcomes and always
counts. Drift is confirmed when the same kind alarmed in n of the last m looks that do not overlap, the newest among
them, so its error is one of days; each confirmation needs a new alarm. A confirmation requests no further fit: it
raises the weight of young rows and shortens the reference (`open_drift`). A quality fault blocks, always. Unknown means
no: a missing or undecided quality report blocks as a failed one does, and an alarm of unknown importance counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from mlife_assets.core.errors import InvalidInputError, UpstreamMismatchError
from mlife_assets.core.monitoring.reports import MonitoringReport
from mlife_assets.core.monitoring.retrain_decisions import (
    ALARM_SUFFIX,
    CONFIRMED_SUFFIX,
    DRIFT_BREACHED,
    DRIFT_UNIMPORTANT,
    FIT_TOO_SOON,
    IN_FLIGHT,
    KINDS,
    LABELS_IMMATURE,
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

LOOK_DAYS = {"data": 1, "latent": 1, "concept": 7}
"""Days between two looks that share no rows: inputs span a day, outcomes a week (`concept.WINDOW_DAYS`)."""
NO_REFIT = "No refit is due either"

WEIGHED_KINDS = ("data", "latent")
COLUMNS_NAMED = 4


@dataclass(frozen=True)
class ChampionFacts:
    """State of the serving model on a day.

    Attributes:
        model_version: of the champion; None without one.
        trained_as_of: day of its training.
        new_mature_positives: those that the last fit has not learned from.
        fit_dates: days on which a challenger was fitted or requested, whatever the gate's verdict.
        is_retraining_in_flight: whether a fit is running.
        lacking: data that a first model still lacks for training or judgement; None if nothing, or if a model serves.
        days_between_looks: maximum distance of looks at inputs.
    """

    model_version: str | None
    trained_as_of: date | None
    new_mature_positives: int
    fit_dates: tuple[date, ...] = ()
    is_retraining_in_flight: bool = False
    lacking: str | None = None
    days_between_looks: int = 1

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
    objections = list(_objections(as_of, alarmed, history, champion, policy))
    if not reasons and not objections:
        matured = f"{champion.new_mature_positives:,} positives have matured since the last fit."
        reasons.append((NEW_LABELS, matured))
    if not reasons:
        code, sentence = _quiet(dismissed)
        undecided = [r.sentence for r in reports.values() if r is not None and r.status == "not_enough_evidence"]
        why = f"{NO_REFIT}: {objections[0][1]}"
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
    once = []
    for kind in alarmed:
        looks = 1 + sum(kind in past.alarms for past in _earlier_looks(kind, as_of, history, champion, policy))
        if looks < policy.alarm_days_needed:
            once.append(kind)
            continue
        every = "" if LOOK_DAYS[kind] == 1 else f", {LOOK_DAYS[kind]} days apart"
        yield (
            kind + CONFIRMED_SUFFIX,
            f"{kind.capitalize()} drift alarmed in {looks} of the last {policy.alarm_days_window} looks{every} "
            f"({policy.alarm_days_needed} needed to confirm it).",
        )
    if once:
        verb = "is" if len(once) == 1 else "are"
        yield DRIFT_BREACHED, f"{' and '.join(once).capitalize()} drift alarmed and {verb} not confirmed yet."


def _earlier_looks(
    kind: str, as_of: date, history: Sequence[RetrainDecision], champion: ChampionFacts, policy: RetrainPolicy
) -> list[RetrainDecision]:
    """Return the earlier looks at a kind of drift that share no rows with today's or with each other, newest first.

    Inputs are compared with the champion's reference, so only its own looks at them count. Looks at outcomes span a
    week, as long as a weekly champion serves, so those under any champion count.
    """
    days, window = LOOK_DAYS[kind], policy.alarm_days_window
    newest, oldest = as_of, add_days(as_of, 1 - window * max(days, champion.days_between_looks))
    found: list[RetrainDecision] = []
    for past in sorted(history, key=lambda one: one.as_of_date, reverse=True):
        is_one = past.verdict != "block" and (days > 1 or past.model_version == champion.model_version)
        if is_one and oldest <= past.as_of_date <= add_days(newest, -days) and len(found) + 1 < window:
            found.append(past)
            newest = past.as_of_date
    return found


def _objections(
    as_of: date,
    alarmed: Sequence[str],
    history: Sequence[RetrainDecision],
    champion: ChampionFacts,
    policy: RetrainPolicy,
) -> Iterator[tuple[str, str]]:
    if champion.is_retraining_in_flight:
        yield IN_FLIGHT, "A retraining is already running."
    last = max((day for day in champion.fit_dates if day <= as_of), default=None)
    if last is not None and (as_of - last).days < (needed := _days_between(last, alarmed, history, policy)):
        age = (as_of - last).days
        yield FIT_TOO_SOON, f"The last fit is {age} {'day' if age == 1 else 'days'} old ({needed} needed)."
    if champion.lacking is not None:
        yield LABELS_IMMATURE, f"A first model has not enough to learn from or to be judged by: {champion.lacking}."
    if champion.model_version is not None and champion.new_mature_positives < policy.minimum_new_mature_positives:
        yield (
            LABELS_IMMATURE,
            f"Only {champion.new_mature_positives:,} new mature positives, "
            f"{policy.minimum_new_mature_positives:,} needed to learn anything new.",
        )


def _days_between(last: date, alarmed: Sequence[str], history: Sequence[RetrainDecision], policy: RetrainPolicy) -> int:
    """Return the minimum days between fits: fewer if a kind alarms that was quiet at the last fit."""
    quiet_since = add_days(last, 1 - policy.days_between_fits)
    known = {kind for past in history if quiet_since <= past.as_of_date <= last for kind in past.alarms}
    return policy.days_between_fits if known.issuperset(alarmed) else policy.days_between_fits_in_drift


def _quiet(dismissed: Collection[str]) -> tuple[str, str]:
    if dismissed:
        return DRIFT_UNIMPORTANT, "Something moved, but nothing that the model looks at; the model stays."
    return NO_DRIFT, "Nothing moved beyond what drift-free days show."


def importance_of(report: MonitoringReport) -> float | None:
    """Return the share of the champion's importance that a report's alarms carry; None if one is unknown.

    Data drift alarms per column, so shares add up; latent drift alarms per block, and blocks overlap, so the largest
    share counts.
    """
    shares = [finding.importance_share for finding in report.alarms]
    known = [share for share in shares if share is not None]
    if not known or len(known) < len(shares):
        return None
    if any(finding.moved_columns for finding in report.alarms):
        return max(known)
    return min(1.0, sum({f.column: f.importance_share or 0.0 for f in report.alarms}.values()))


def dismissed_alarms(alarming: Mapping[str, MonitoringReport], minimum_share: float) -> Iterator[tuple[str, str]]:
    """Yield each kind whose alarm does not count, with a sentence of the reason.

    Args:
        alarming: kind -> report that alarms.
        minimum_share: minimum importance of the moved columns, as a share of the champion's.
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
