"""The demo's summary: machine-readable results of its days.

Concept: everything but `seconds` follows from the seed. Only this module computes the oracle; no asset reads truth.
"""

import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.adapters.object_store import ObstoreObjectStore, has_folder
from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.graph.retrain_sensor import SENSOR
from mlife_assets.components.graph.run_requests import RETRAINING_JOB
from mlife_assets.components.messages.sending import PLAN_REPORT
from mlife_assets.components.metrics.dashboard import applications, other_models
from mlife_assets.components.metrics.map_history import PromotionGain, gains_of_promotions, map_by_day
from mlife_assets.components.model.contenders import cohort_days, ranking_scores, simple_rule_scores
from mlife_assets.components.model.retrain_decision import decision_rows
from mlife_assets.components.monitoring.quality_gate import quarantined_days
from mlife_assets.components.predictions.entity_scores import SCORES_TABLE
from mlife_assets.components.running.driver import LifecycleDriver, SensorRun
from mlife_assets.components.shown.present import sample_message
from mlife_assets.core.errors import InvalidInputError, PermanentError
from mlife_assets.core.monitoring.drift import REPORT as DRIFT_REPORT
from mlife_assets.core.ports import EventLog
from mlife_assets.core.ranking.metrics import rank_rows
from mlife_assets.core.ranking.rows import prepare_ranking_rows
from mlife_assets.core.row_keys import encode_days
from mlife_assets.core.statistics import paired_bootstrap_interval
from mlife_assets.core.storage_places import Bucket
from mlife_assets.core.windows import add_days, days_between, is_mature, last_mature_exposure_day
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.deployments.landed_days import INGEST_REPORT
from mlife_assets.deployments.sealing import audit_log
from mlife_assets.market.truth import ORACLE, expected_maps, pair_probabilities, read_truth
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.candidates import candidate_pairs
from mlife_assets.recruiting.cohort import gate_examples, recruiter_scores
from mlife_assets.recruiting.dashboard.data import Lift, lift_words
from mlife_assets.recruiting.features import pair_features
from mlife_assets.recruiting.messaging.eligibility import is_holdout
from mlife_assets.recruiting.messaging.replies import OTHER
from mlife_assets.recruiting.ports import TextsRecord

MARKER = ".mlife-demo"
FIRST_SENSOR, LAST_SENSOR = "inbound_texts_sensor", "landed_files_sensor"
METRICS_EVERY_DAYS = 7
LOOKED_BACK_DAYS = 28
BLOCKING_CHECK = "candidate_pairs_come_from_a_sound_day"
SUMMARY_FILE = "summary.json"
TRUE_USERS = 1_000
"""People whose candidates are ranked against the truth, evenly spaced."""


def map_comparison(platform: BoardPorts, last_day: date) -> dict[str, Any] | None:
    """Return MAP@k of random, human, simple rule and champion on the same users of the mature weeks of the demo.

    Each day is ranked by its champion, with the simple rule beside it. The cohort is every user who applied to a
    candidate shown by the site or an explored text. None while no week is mature.
    """
    mature = last_mature_exposure_day(last_day, platform.policies.label.apply_window_days)
    days = _sound_weeks(platform, mature)
    if not days:
        return None
    cohorts = cohort_days(platform, days)
    champion, simple = [], []
    for cohort in cohorts:
        _, pairs = gate_examples([cohort])
        version = platform.of_model().scorers.champion_version(cohort.as_of_date)
        champion.append(ranking_scores(platform, version, pairs))
        simple.append(simple_rule_scores(platform, version, pairs))
    examples, pairs = gate_examples(cohorts)
    policy = platform.of_model().model.promotion
    windows = encode_days(examples.as_of_dates, "as_of_dates")
    rows = prepare_ranking_rows(examples.user_ids, examples.item_ids, examples.is_relevant, policy.seed, windows)
    scores = {"human": recruiter_scores(pairs), "champion": np.concatenate(champion)}
    known_rules = [one for one in simple if one is not None]
    if len(known_rules) == len(cohorts):
        scores["simple"] = np.concatenate(known_rules)
    ranked = {name: rank_rows(rows, values, policy.ranking_depth) for name, values in scores.items()}
    difference = ranked["champion"].average_precision - ranked["human"].average_precision
    interval = paired_bootstrap_interval(difference, policy.bootstrap_resamples, policy.one_sided_alpha, policy.seed)
    return {
        "random": ranked["human"].random_mean,
        **{name: result.mean for name, result in ranked.items()},
        "cohort": f"candidates shown within {platform.policies.label.apply_window_days} days of "
        + ", ".join(day.isoformat() for day in days)
        + ", of users who applied to one of them in that time",
        "cohort_users": len(ranked["human"].users),
        "champion_minus_human": {"delta": interval.estimate, "lower": interval.lower, "upper": interval.upper},
    }


def true_map_comparison(platform: BoardPorts, last_day: date) -> dict[str, Any] | None:
    """Return expected MAP@k on the true probabilities of all candidates of some people, once a week of the demo.

    The truth of a day needs no label and is available a day later, so every sound week before the last day counts; None
    without one. `share` is the champion's position between the human rule (0) and the oracle (1), the ceiling here.
    """
    days = _sound_weeks(platform, add_days(last_day, -1))
    store = ObstoreObjectStore.local(platform.settings.places.truth)
    found, ranked_users = [], 0
    for day in days:
        users = platform.warehouse.read("user_features", as_of=day)
        asked = users.take(np.linspace(0, users.num_rows - 1, min(TRUE_USERS, users.num_rows)).astype(np.int64))
        ranked_users = max(ranked_users, asked.num_rows)
        jobs = platform.warehouse.read("job_features", as_of=day)
        pairs = pair_features(candidate_pairs(asked, jobs, day, platform.policies.candidates))
        version = platform.of_model().scorers.champion_version(day)
        scores = {"human": recruiter_scores(pairs), "champion": ranking_scores(platform, version, pairs)}
        simple = simple_rule_scores(platform, version, pairs)
        if simple is not None:
            scores["simple"] = simple
        probability = pair_probabilities(read_truth(store, day), pairs)
        policy = platform.of_model().model.promotion
        found.append(expected_maps(pairs, probability, scores, depth=policy.ranking_depth, seed=policy.seed))
    if not found:
        return None
    mean = {
        name: float(np.mean([one[name] for one in found])) for name in found[0] if all(name in one for one in found)
    }
    way = mean[ORACLE] - mean["human"]
    return {
        **mean,
        "share": (mean["champion"] - mean["human"]) / way if way > 0 else None,
        "days": [day.isoformat() for day in days],
        "users": ranked_users,
    }


def _sound_weeks(platform: BoardPorts, until: date) -> list[date]:
    """Return the first day of each week of the demo until a day, without faulty days."""
    first = platform.settings.days.first_lived_date
    days = [add_days(first, 7 * week) for week in range(52) if add_days(first, 7 * week) <= until]
    faulty = quarantined_days(platform.of_model(), days)
    return [day for day in days if day not in faulty]


def _gains(platform: BoardPorts, last_day: date) -> dict[str, PromotionGain]:
    window = platform.policies.label.apply_window_days
    days = [day for day in platform.tables.report_days(DRIFT_REPORT) if is_mature(day, last_day, window)]
    return gains_of_promotions(platform, map_by_day(platform, days))


def _suppressed(platform: BoardPorts, first: date) -> dict[str, int]:
    rows = platform.event_log.read("message_suppressed", start=first, columns=["reason", "campaign"])
    own = rows.filter(pc.equal(rows["campaign"], platform.application.name))["reason"]
    return dict(sorted(Counter(own.to_pylist()).items()))


def _messages(platform: BoardPorts, first: date) -> dict[str, Any]:
    """Return the outcomes of texts; mails are in `applications`."""
    columns = ["message_id", "as_of_date", "channel"]
    planned = platform.event_log.read("message_planned", start=first, columns=columns)
    planned = planned.filter(pc.equal(planned["channel"], Channel.SMS))
    texts = planned["message_id"].combine_chunks()
    statuses = platform.event_log.read("message_status", start=first, columns=["message_id", "status"])
    statuses = statuses.filter(pc.is_in(statuses["message_id"], value_set=texts))
    delivered = statuses.filter(pc.equal(statuses["status"], "delivered"))["message_id"]
    settled = statuses.filter(pc.field("status").isin(["accepted", "delivered", "undelivered"]))["message_id"]
    lost = statuses.filter(pc.equal(statuses["status"], "ambiguous"))["message_id"]
    ambiguous = lost.filter(pc.invert(pc.is_in(lost, value_set=settled.combine_chunks())))
    submitted = platform.event_log.read("message_submitted", start=first, columns=["message_id"])["message_id"]
    return {
        "planned": planned.filter(pc.field("as_of_date") >= first).num_rows,
        "submitted": len(pc.unique(submitted.filter(pc.is_in(submitted, value_set=texts)))),
        "delivered": len(pc.unique(delivered)),
        "ambiguous": len(pc.unique(ambiguous)),
        "suppressed": _suppressed(platform, first),
    }


def _withheld(platform: BoardPorts, first: date) -> dict[str, Any]:
    """Return jobs withheld by the rules on wording and employers, by reason, and replies withheld or paused."""
    jobs: Counter[str] = Counter()
    labelled: Counter[str] = Counter()
    for day in platform.tables.report_days(PLAN_REPORT):
        if day >= first:
            report = platform.tables.read_report(PLAN_REPORT, day)
            jobs.update(report.get("refused_jobs", {}))
            labelled.update(report.get("labelled_jobs", {}))
    replies = platform.event_log.read("inbound_message", start=first, columns=["keyword"])["keyword"]
    return {
        "job_days": dict(sorted(jobs.items())),
        "labelled_job_days": dict(sorted(labelled.items())),
        "unclear_replies": int(pc.sum(pc.equal(replies, OTHER)).as_py() or 0),
    }


def _kpi(platform: BoardPorts, first: date) -> dict[str, Any]:
    kpis = platform.warehouse.read("kpi_daily").filter(pc.field("kpi_date") >= first)
    return {"revenue": float(pc.sum(kpis["revenue_usd"]).as_py() or 0.0)}


def _holdout_sends(platform: BoardPorts, record: TextsRecord) -> int:
    """Return the number of messages to people of the global holdout, by the providers' records."""
    contact, users = platform.policies.contact, record.request_counts()["user_id"].to_pylist()
    users += [row.user_id for row in platform.ledger.sends.rows() if row.channel != Channel.SMS and row.attempts]
    people = platform.ledger.people.people_of(users)
    return sum(is_holdout(people[user], salt=contact.assignment_salt, share=contact.holdout_share) for user in users)


def models_beside(platform: BoardPorts, day: date) -> dict[str, dict[str, Any]]:
    """Return the state on `day` of each model beside the first, by name."""
    found = {}
    for one in other_models(platform):
        tables, gain = platform.of_model(one.name).model_tables, one.gain
        found[one.name] = {
            "title": one.title,
            "champion_version": one.model_version,
            "champion_since": one.since,
            "outcome": one.outcome,
            "objective": gain and gain.objective,
            "rule": gain and gain.rule,
            "delta": gain and gain.delta.value,
            "interval": gain and [gain.delta.lower, gain.delta.upper],
            "verdict": one.decision and one.decision.verdict,
            "scored": tables.read(SCORES_TABLE, day).num_rows if day in tables.days(SCORES_TABLE) else 0,
        }
    return found


def _applications(platform: BoardPorts, day: date) -> dict[str, dict[str, Any]]:
    """Return the results of each application until `day`, by name."""
    names = [one.name for one in platform.home.applications]
    return {
        name: {
            "title": one.title,
            "channel": one.channel,
            "reached": one.reached,
            "clicked": one.clicked,
            "applied": one.applied,
            "earned_usd": one.earned_usd,
            **_lift(one.lift),
        }
        for name, one in zip(names, applications(platform, day), strict=True)
    }


def _lift(lift: Lift | None) -> dict[str, Any]:
    """Return the claim about applies against the holdout, its relative lift with bounds, and both in words."""
    found = lift and lift.newest.lift
    return {
        "claim": lift and lift.newest.claim,
        "lift": found and found.estimate,
        "interval": found and [found.lower, found.upper],
        "lift_in_words": lift and lift_words(lift),
    }


def summarise(platform: BoardPorts, last_day: date, seconds: dict[str, float]) -> dict[str, Any]:
    """Return the summary of a demo that ran until `last_day`. Raises InvalidInputError if texts leave no record."""
    first, record = platform.settings.days.first_lived_date, platform.home.messengers.texts_record
    if record is None:
        raise InvalidInputError("the summary needs the simulated provider's records of texts; unset MLIFE_DEPLOYMENT")
    verification = audit_log(platform.home).verification
    ingests = [platform.tables.read_report(INGEST_REPORT, day) for day in platform.tables.report_days(INGEST_REPORT)]
    promotions, gains = platform.of_model().registry.events("promotion_decided"), _gains(platform, last_day)
    return {
        "seed": platform.settings.market.seed,
        "days": (last_day - first).days + 1,
        "users": platform.settings.market.market_users,
        "jobs": platform.settings.market.market_jobs,
        "events": verification.rows,
        "rejected_rows": sum(sum(entry["rejected"].values()) for report in ingests for entry in report["types"]),
        "map_at_10": map_comparison(platform, last_day),
        "true_map_at_10": true_map_comparison(platform, last_day),
        "decisions": [
            {"date": row["as_of_date"], "verdict": row["verdict"], "reasons": row["sentences"], "codes": row["codes"]}
            for row in decision_rows(platform.of_model())
        ],
        "promotions": [
            {
                "date": row["as_of_date"],
                "model_version": row["model_version"],
                "promoted": row["outcome"] == "promoted",
                "outcome": row["outcome"],
                "delta_map": row["delta_map"],
                "interval": [row["delta_map_lower"], row["delta_map_upper"]],
                "sentences": row["sentences"],
                "won_since": gains[row["model_version"]].sentence if row["model_version"] in gains else None,
            }
            for row in promotions
        ],
        "models": models_beside(platform, last_day),
        "applications": _applications(platform, last_day),
        "messages": _messages(platform, first),
        "withheld": _withheld(platform, first),
        "kpi": _kpi(platform, first),
        "duplicate_sends": record.duplicate_sends(),
        "numbers_texted_twice": record.numbers_texted_twice(),
        "holdout_sends": _holdout_sends(platform, record),
        "sample_message_id": sample_message(platform, first),
        "seconds": {stage: round(value, 2) for stage, value in seconds.items()},
    }


def write_summary(platform: BoardPorts, summary: dict[str, Any]) -> None:
    data = orjson.dumps(summary, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
    (platform.settings.home / SUMMARY_FILE).write_bytes(data)


@dataclass(frozen=True)
class DayResult:
    """Results of one day.

    Attributes:
        number: 1 for the first day of the demo.
        day: the partition.
        event: event of the simulated world, if any, unknown to the platform.
        verdict: of the governor.
        reasons: of the verdict, for people.
        promotion: sentence of the gate if a challenger was trained today.
        is_promoted: whether that challenger serves from tomorrow.
        planned, submitted, delivered: texts.
        earned_usd: bids of applications after texts that became known today, which are the previous day's.
        retrained_by: the sensor that launched the retraining, if any.
    """

    number: int
    day: date
    event: str
    verdict: str
    reasons: tuple[str, ...]
    promotion: str
    is_promoted: bool
    planned: int
    submitted: int
    delivered: int
    earned_usd: float
    retrained_by: str


@dataclass
class Stopwatch:
    """Seconds by stage; the only part of a summary that differs between runs."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the time spent inside to `stage`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start


def require_empty_lake(home: Path, lake: Path | Bucket) -> None:
    """Raise InvalidInputError if a lake outside a demo's home holds anything, since it may be a real record."""
    is_elsewhere = isinstance(lake, Bucket) or not lake.resolve().is_relative_to(home.resolve())
    if is_elsewhere and has_folder(lake):
        raise InvalidInputError("MLIFE_LAKE: the lake already holds something; name an empty place for a demo")


def prepare_home(home: Path) -> None:
    """Make an empty home for a demo, replacing an earlier demo's.

    Raises:
        InvalidInputError: the folder holds something else.
    """
    if home.exists() and any(home.iterdir()):
        if not (home / MARKER).exists():
            raise InvalidInputError(f"{home} is not empty and no earlier demo; choose another folder with --home")
        shutil.rmtree(home)
    home.mkdir(parents=True, exist_ok=True)
    (home / MARKER).write_text("an mlife demo; `mlife demo` replaces this folder\n")


class Demo:
    """Runs the demo on one platform."""

    def __init__(self, definitions: dg.Definitions, instance: dg.DagsterInstance, platform: BoardPorts) -> None:
        self.driver = LifecycleDriver(definitions, instance)
        self.platform = platform
        self.graphs = [ModelGraph(model) for model in platform.home.models]
        self.stopwatch = Stopwatch()

    def run_history(self) -> None:
        self.simulate_history()
        self.land_history()

    def simulate_history(self) -> None:
        """Simulate the history of the market."""
        settings = self.platform.settings
        with self.stopwatch.measure("market"):
            for day in days_between(settings.days.start_date, add_days(settings.days.first_lived_date, -2)):
                self.platform.home.intake.deliver(day)

    def land_history(self) -> None:
        """Land the history and build its features, in one run."""
        settings = self.platform.settings
        last = add_days(settings.days.first_lived_date, -1)
        with self.stopwatch.measure("history"):
            self.driver.run_range("history_job", settings.days.first_partition, last).require_success()

    def train_first_champion(self) -> dict[str, Any]:
        """Train the first challenger on history and let the gate decide; returns the verdict's event.

        Other models are trained when their governors decide so, on the first day with enough data.

        Raises:
            PermanentError: the gate refused, so there is no model to serve.
        """
        day = add_days(self.platform.settings.days.first_lived_date, -1)
        with self.stopwatch.measure("first_champion"):
            self.driver.run_day(RETRAINING_JOB, day).require_success()
        verdict = self._promotion(day)
        if verdict is None or verdict["outcome"] != "promoted":
            reasons = " ".join(verdict["sentences"]) if verdict else "no verdict was recorded"
            raise PermanentError(f"the first challenger may not serve: {reasons}")
        return verdict

    def run_days(self) -> Iterator[DayResult]:
        """Run each day in order; metrics are rebuilt weekly and after the last day."""
        settings = self.platform.settings
        for number in range(1, settings.market.demo_days + 1):
            day = add_days(settings.days.first_lived_date, number - 1)
            yield self.run_day(number, day)
            if number % METRICS_EVERY_DAYS == 0 or number == settings.market.demo_days:
                with self.stopwatch.measure("metrics"):
                    self.driver.run_unpartitioned("metrics_job").require_success()

    def run_day(self, number: int, day: date) -> DayResult:
        """Run the daily job and the runs that sensors then request.

        Raises:
            PermanentError: a run failed for another reason than a quality fault.
        """
        with self.stopwatch.measure("days"):
            run = self.driver.run_day("daily_lifecycle_job", day)
            decision = next((row for row in decision_rows(self.platform.of_model()) if row["as_of_date"] == day), None)
            is_blocked = decision is not None and decision["verdict"] == "block"
            if not is_blocked or not all(step.endswith(BLOCKING_CHECK) for step in run.failed_steps):
                run.require_success()
        with self.stopwatch.measure("sensors_and_retraining"):
            retraining = [graph.named(SENSOR) for graph in self.graphs]
            sensed = self.driver.tick_sensors([FIRST_SENSOR, *retraining, LAST_SENSOR])
            for last in {one.sensor_name: one for one in sensed}.values():
                last.run.require_success()
        if decision is None:
            raise PermanentError(f"no decision was recorded for {day}, although the daily run succeeded")
        return self._day_result(number, day, decision, sensed)

    def _day_result(self, number: int, day: date, decision: dict[str, Any], sensed: list[SensorRun]) -> DayResult:
        log = self.platform.event_log
        promotion = self._promotion(day)
        planned = log.read("message_planned", start=day, end=day, columns=["message_id", "channel"])
        texts = planned.filter(pc.equal(planned["channel"], Channel.SMS))["message_id"].combine_chunks()
        submitted, statuses = (log.read(name, start=day, end=day) for name in ("message_submitted", "message_status"))
        delivered = statuses.filter(pc.equal(statuses["status"], "delivered"))
        return DayResult(
            number=number,
            day=day,
            event=self.platform.home.intake.event_of_day(number),
            verdict=decision["verdict"],
            reasons=tuple(decision["sentences"]),
            promotion=promotion["sentences"][0] if promotion else "",
            is_promoted=bool(promotion and promotion["outcome"] == "promoted"),
            planned=len(texts),
            submitted=_distinct(submitted["message_id"], texts),
            delivered=_distinct(delivered["message_id"], texts),
            earned_usd=earned_usd(
                self.platform.event_log,
                add_days(day, -1),
                start_date=self.platform.settings.days.start_date,
                first_lived_date=self.platform.settings.days.first_lived_date,
            ),
            retrained_by=next((one.sensor_name for one in sensed if one.run.job_name == "retraining_job"), ""),
        )

    def _promotion(self, day: date) -> dict[str, Any] | None:
        return _of_day(self.platform, "promotion_decided", day)


def earned_usd(log: EventLog, exported: date, *, start_date: date, first_lived_date: date) -> float:
    """Return the bids of applications after our own texts in the export of `exported`, in US dollars.

    Postings go back to `start_date`. Texts before `first_lived_date` are the recruiters'.
    """
    applies = log.read("apply", start=exported, end=exported, columns=["job_id", "exposure_id", "source"])
    applies = applies.filter(pc.equal(applies["source"], "message")).to_pylist()
    planned = {row["exposure_id"] for row in applies}
    channels = _newest(log, "message_planned", ("message_id", "channel"), planned, first_lived_date, exported)
    jobs = [row["job_id"] for row in applies if channels.get(row["exposure_id"]) == Channel.SMS]
    bids = _newest(log, "job_posted", ("job_id", "bid_usd_per_apply"), set(jobs), start_date, exported)
    return float(sum(bids.get(job, 0.0) for job in jobs))


def _newest(
    log: EventLog, event_type: str, columns: tuple[str, str], ids: set[str], first: date, last: date
) -> dict[str, Any]:
    """Return id -> values of its newest event in [first, last], reading back only until all ids are found."""
    found = dict[str, Any]()
    while ids - found.keys() and last >= first:
        start = max(first, add_days(last, 1 - LOOKED_BACK_DAYS))
        rows = log.read(event_type, start=start, end=last, columns=columns)
        rows = rows.filter(pc.is_in(rows[columns[0]], value_set=pa.array(ids, pa.string())))
        found = dict(zip(*(rows[name].to_pylist() for name in columns), strict=True)) | found
        last = add_days(start, -1)
    return found


def _distinct(found: pa.ChunkedArray, wanted: pa.Array) -> int:
    return len(pc.unique(found.filter(pc.is_in(found, value_set=wanted))))


def _of_day(platform: BoardPorts, event_type: str, day: date) -> dict[str, Any] | None:
    rows = platform.of_model().registry.events(event_type, start=day, end=day)
    return next((row for row in reversed(rows) if row["as_of_date"] == day), None)
