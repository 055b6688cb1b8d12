"""A day of monitoring in memory: the real detectors, quality rules, reports and governor.

Concept: what the assets of the group `monitoring` do, in the same order and with the same functions and policies,
without Dagster. Bypassed besides: row recompute (no mart is built here that could differ from its source) and refused
or repeated rows (no file lands).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.adapters.nannyml_calculators import drift_statistics, latent_statistics, performance_statistics
from mlife_assets.core.monitoring import concept, drift, latent, quality
from mlife_assets.core.monitoring.columns import LABEL
from mlife_assets.core.monitoring.governor import ChampionFacts, decide
from mlife_assets.core.monitoring.lateness import late_days, late_within
from mlife_assets.core.monitoring.outcomes import has_enough_positives
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport
from mlife_assets.core.monitoring.retrain_decisions import NEW_LABELS, RetrainDecision
from mlife_assets.core.training.training_set import gate_days, last_training_day
from mlife_assets.core.windows import add_days, last_mature_exposure_day
from mlife_assets.recruiting.events import LABEL_EVENT_TYPES, OWN_EVENT_TYPES
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.overnight import SNAPSHOT_COLUMNS, overnight_findings
from monitored_market.champion import Watch, explained, sample, scored_examples
from monitored_market.marts import WINDOW_DAYS, MonitoredMarket

LANDED_HISTORY_DAYS = 14
USUAL_NIGHTS, LAST_SOUND_DAYS = 7, 14
REPORTS = ("quality", "data", "latent", "concept")


@dataclass(frozen=True)
class Day:
    """The reports of a day by kind, what the governor made of them, and the outcomes that concept drift could judge."""

    as_of: date
    reports: dict[str, MonitoringReport]
    decision: RetrainDecision
    positives: dict[str, int]

    @property
    def alarms(self) -> tuple[str, ...]:
        """Names of the reports that alarm."""
        return tuple(name for name in REPORTS if self.reports[name].status == "alarm")


@dataclass(frozen=True)
class Look:
    """The reports of a morning, and the positives of its windows by outcome."""

    reports: dict[str, MonitoringReport]
    positives: dict[str, int]


def monitored_day(watch: Watch, market: MonitoredMarket) -> Day:
    """Return this morning's reports and verdict, and remember the verdict; call it before the day is lived."""
    return decided(watch, market, looked(watch, market))


def looked(watch: Watch, market: MonitoredMarket) -> Look:
    """Return the four reports of this morning by kind."""
    champion, day = watch.champion, market.day
    drawn = sample(watch, market)
    pairs = explained(champion.scorer, drawn.pairs, watch.policies.monitoring, champion.reference.columns)
    windows = concept_windows(watch, market)
    reports = {
        "quality": quality_report(watch, market),
        "data": drift.data_drift_report(
            as_of=day,
            reference=champion.reference,
            pairs=drawn.pairs,
            statistics=drift_statistics(champion.reference, drawn.pairs),
            importance=champion.importance,
        ),
        "latent": latent.latent_drift_report(
            as_of=day,
            reference=champion.reference,
            sample_rows=pairs.num_rows,
            statistics=latent_statistics(champion.reference, pairs, watch.policies.monitoring),
            importance=champion.importance,
            pairs=pairs,
        ),
        "concept": concept_report(watch, market, windows),
    }
    return Look(reports, {outcome or "apply": _positives(rows) for outcome, rows in windows.items()})


def decided(watch: Watch, market: MonitoredMarket, look: Look, champion: ChampionFacts | None = None) -> Day:
    """Return the governor's verdict on the reports of this morning, and remember it.

    Without facts of the champion, it serves what was trained (`champion_facts`).
    """
    decision = decide(
        as_of=market.day,
        history=watch.history,
        champion=champion or champion_facts(watch, market),
        policy=watch.policies.retrain,
        **look.reports,
    )
    watch.history.append(decision)
    if decision.verdict == "block":
        watch.faulty.add(market.day)
    return Day(market.day, look.reports, decision, look.positives)


def quality_report(watch: Watch, market: MonitoredMarket) -> MonitoringReport:
    """Return the quality report of this morning, overnight rules included."""
    eve = add_days(market.day, -1)
    landed_days = [add_days(eve, -back) for back in range(1, LANDED_HISTORY_DAYS + 1)]
    names = sorted({name for one in landed_days for name in market.landed[one]})
    return quality.data_quality_report(
        as_of=market.day,
        reference=watch.champion.reference,
        sample=sample(watch, market),
        policy=watch.policies.monitoring,
        landed=quality.Landed(
            market.landed[eve],
            {name: [market.landed[one].get(name, 0) for one in landed_days] for name in names},
            own_types=OWN_EVENT_TYPES,
            label_types=LABEL_EVENT_TYPES,
        ),
        further=overnight(watch, market),
    )


def overnight(watch: Watch, market: MonitoredMarket) -> list[Finding]:
    """Return how this morning's users differ from those of the last sound day; on the first morning nothing."""
    day = market.day
    if day not in watch.people:
        watch.people[day] = market.user_features().select(list(SNAPSHOT_COLUMNS))
    recent = [add_days(day, -back) for back in range(1, LAST_SOUND_DAYS + 1)]
    sound = next((one for one in recent if one in watch.people and one not in watch.faulty), None)
    if sound is None:
        return []
    usual: dict[str, list[float]] = defaultdict(list)
    for back in range(USUAL_NIGHTS):
        for name, share in watch.nights.get(add_days(sound, -back), {}).items():
            usual[name].append(share)
    findings = overnight_findings(watch.people[sound], watch.people[day], usual, watch.policies.monitoring)
    watch.nights[day] = {one.column: one.statistic for one in findings if one.method == "changed_share"}
    return findings


def concept_windows(watch: Watch, market: MonitoredMarket) -> dict[str, pa.Table]:
    """Return the scored outcomes that concept drift is judged on this morning, by outcome; no step has learned them."""
    reference = watch.champion.reference
    late = late_days(market.arrivals, market.arrivals)
    windows = {}
    for outcome in reference.outcomes:
        last = last_mature_exposure_day(market.day, WINDOW_DAYS[outcome])
        asked = watch.champion.scored_by[outcome]
        since = max(add_days(_newest(reference.scored(outcome)), 1), *(one.unlearned_from for one in asked))
        first = max(add_days(last, 1 - concept.WINDOW_DAYS), since)
        market.label_what_matures()
        known = [day for day in market.examples[outcome] if first <= day <= last and day not in watch.faulty]
        if not known or late_within(late, first, market.day):
            windows[outcome] = reference.scored(outcome).slice(0, 0)
            continue
        scored = scored_examples(watch, lambda _, asked=asked: asked, market, first, last, outcome)
        windows[outcome] = concept.concept_window(scored, reference=reference, as_of=market.day, outcome=outcome)
    return windows


def concept_report(watch: Watch, market: MonitoredMarket, windows: dict[str, pa.Table]) -> MonitoringReport:
    """Return the concept drift report on scored outcomes."""
    reference, policy = watch.champion.reference, watch.policies.monitoring
    statistics = {
        outcome: performance_statistics(reference, rows, outcome=outcome)
        for outcome, rows in windows.items()
        if has_enough_positives(rows, policy)
    }
    return concept.concept_drift_report(
        as_of=market.day,
        reference=reference,
        examples=windows,
        statistics=statistics,
        policy=policy,
        words=job_applications(watch.policies).wording,
    )


def is_called(decision: RetrainDecision) -> bool:
    """Return whether drift asks for a retraining; a fit that is due anyway is no alarm."""
    return decision.verdict == "retrain" and NEW_LABELS not in decision.codes


def verdict_letter(decision: RetrainDecision) -> str:
    """Return r(etrain) where drift asks for it, b(lock), or w(ait)."""
    if decision.verdict == "block":
        return "b"
    return "r" if is_called(decision) else "w"


def champion_facts(watch: Watch, market: MonitoredMarket) -> ChampionFacts:
    """Return what the governor knows of the champion this morning."""
    champion, maturity_days = watch.champion, watch.policies.label.apply_window_days
    usable = last_training_day(gate_days(market.day, maturity_days, watch.policies.promotion)[0], maturity_days)
    new = [rows for day, rows in market.examples[LABEL].items() if champion.trained_until < day <= usable]
    return ChampionFacts(
        model_version=champion.scorer.model_version,
        trained_as_of=champion.trained_as_of,
        new_mature_positives=sum(int(np.sum(rows["is_applied"].to_numpy(zero_copy_only=False))) for rows in new),
        fit_dates=tuple(past.as_of_date for past in watch.history if is_called(past)),
    )


def _newest(scored: pa.Table) -> date:
    newest: date = pc.max(scored["exposure_date"]).as_py()
    return newest


def _positives(rows: pa.Table) -> int:
    return int(np.sum(rows["is_positive"].to_numpy(zero_copy_only=False)))
