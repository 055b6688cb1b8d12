"""The demo's summary: what three weeks came to, in numbers that a program can read.

Belongs here: counting from the event log, the gateway's own request log and, for the oracle alone, the truth tables.
Does not belong here: running the days (`demo`), printing (`cli`).

Concept: everything but `seconds` follows from the seed. The oracle is computed here and nowhere else; no asset reads
truth.
"""

from collections import Counter
from datetime import date
from typing import Any

import numpy as np
import orjson
import pyarrow.compute as pc

from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.components.messages.sending import PLAN_REPORT
from mlife_assets.components.metrics.dashboard import experiment_total
from mlife_assets.components.metrics.other_models import other_models
from mlife_assets.components.model.contenders import cohort_days, gate_examples, ranking_scores
from mlife_assets.components.monitoring.quality_gate import quarantined_days
from mlife_assets.components.monitoring.retrain_decision import decision_rows
from mlife_assets.components.platform.resources import INGEST_REPORT, Platform
from mlife_assets.components.platform.sealing import audit_log
from mlife_assets.components.predictions.entity_scores import SCORES_TABLE
from mlife_assets.core.ranking import prepare_ranking_rows, rank_rows
from mlife_assets.core.row_keys import encode_days
from mlife_assets.core.statistics import paired_bootstrap_interval
from mlife_assets.core.windows import add_days, last_mature_exposure_day
from mlife_assets.market.truth import oracle_apply_probability, read_truth
from mlife_assets.recruiting.messaging.cohorts import is_holdout
from mlife_assets.recruiting.messaging.keywords import OTHER
from mlife_assets.recruiting.recruiter_rule import recruiter_scores

SUMMARY_FILE = "summary.json"


def map_comparison(platform: Platform, last_day: date) -> dict[str, Any] | None:
    """Return MAP@k of random, human, champion and oracle on the same users of the mature weeks of the demo.

    Each ranking is made by who was champion on its day. The cohort is every user with an unprompted apply to a
    candidate. None while no week is mature.
    """
    first = platform.settings.first_lived_date
    mature = last_mature_exposure_day(last_day, platform.policies.label.apply_window_days)
    days = [add_days(first, 7 * week) for week in range(52) if add_days(first, 7 * week) <= mature]
    faulty = quarantined_days(platform, days)
    days = [day for day in days if day not in faulty]
    if not days:
        return None
    cohorts = cohort_days(platform, days)
    truth = ObstoreObjectStore.local(platform.settings.truth_folder)
    champion, oracle = [], []
    for cohort in cohorts:
        _, pairs = gate_examples([cohort])
        version = platform.champion_version(cohort.as_of_date)
        champion.append(ranking_scores(platform, version, pairs))
        known = read_truth(truth, cohort.as_of_date)
        oracle.append(oracle_apply_probability(known, pairs["user_id"].to_pylist(), pairs["job_id"].to_pylist()))
    examples, pairs = gate_examples(cohorts)
    policy = platform.policies.promotion
    windows = encode_days(examples.as_of_dates, "as_of_dates")
    rows = prepare_ranking_rows(examples.user_ids, examples.item_ids, examples.is_relevant, policy.seed, windows)
    ranked = {
        name: rank_rows(rows, scores, policy.ranking_depth)
        for name, scores in (
            ("human", recruiter_scores(pairs)),
            ("champion", np.concatenate(champion)),
            ("oracle", np.concatenate(oracle)),
        )
    }
    difference = ranked["champion"].average_precision - ranked["human"].average_precision
    interval = paired_bootstrap_interval(difference, policy.bootstrap_resamples, policy.one_sided_alpha, policy.seed)
    return {
        "random": ranked["human"].random_mean,
        **{name: result.mean for name, result in ranked.items()},
        "cohort": f"unprompted applies within {platform.policies.label.apply_window_days} days to candidates of "
        + ", ".join(day.isoformat() for day in days),
        "cohort_users": len(ranked["human"].users),
        "champion_minus_human": {"delta": interval.estimate, "lower": interval.lower, "upper": interval.upper},
    }


def _counts(platform: Platform, event_type: str, column: str, first: date) -> dict[str, int]:
    rows = platform.event_log.read(event_type, start=first, columns=[column])
    counted = rows.group_by(column).aggregate([([], "count_all")]).sort_by(column)
    return dict(zip(counted[column].to_pylist(), counted["count_all"].to_pylist(), strict=True))


def _messages(platform: Platform, first: date) -> dict[str, Any]:
    statuses = platform.event_log.read("message_status", start=first, columns=["message_id", "status"])
    delivered = statuses.filter(pc.equal(statuses["status"], "delivered"))["message_id"]
    settled = statuses.filter(pc.field("status").isin(["accepted", "delivered", "undelivered"]))["message_id"]
    lost = statuses.filter(pc.equal(statuses["status"], "ambiguous"))["message_id"]
    ambiguous = lost.filter(pc.invert(pc.is_in(lost, value_set=settled.combine_chunks())))
    planned = platform.event_log.read("message_planned", start=first, columns=["message_id", "as_of_date"])
    submitted = platform.event_log.read("message_submitted", start=first, columns=["message_id"])["message_id"]
    return {
        "planned": planned.filter(pc.field("as_of_date") >= first).num_rows,
        "submitted": len(pc.unique(submitted)),
        "delivered": len(pc.unique(delivered)),
        "ambiguous": len(pc.unique(ambiguous)),
        "suppressed": _counts(platform, "message_suppressed", "reason", first),
    }


def _withheld(platform: Platform, first: date) -> dict[str, Any]:
    """Return what the rules on wording, employers and replies kept back: jobs by reason, and paused replies."""
    jobs: Counter[str] = Counter()
    for day in platform.tables.report_days(PLAN_REPORT):
        if day >= first:
            jobs.update(platform.tables.read_report(PLAN_REPORT, day).get("refused_jobs", {}))
    replies = platform.event_log.read("inbound_message", start=first, columns=["keyword"])["keyword"]
    return {
        "job_days": dict(sorted(jobs.items())),
        "unclear_replies": int(pc.sum(pc.equal(replies, OTHER)).as_py() or 0),
    }


def _kpi(platform: Platform, first: date) -> dict[str, Any]:
    total = experiment_total(platform.warehouse.read("experiment_readout").to_pylist()) or {}
    kpis = platform.warehouse.read("kpi_daily").filter(pc.field("kpi_date") >= first)
    names = ("treated_apply_rate", "holdout_apply_rate", "lift", "interval", "treated_users", "holdout_users")
    return {name: total.get(name) for name in names} | {"revenue": float(pc.sum(kpis["revenue_usd"]).as_py() or 0.0)}


def _holdout_sends(platform: Platform) -> int:
    policy = platform.policies.messaging
    users = platform.gateway.request_counts()["user_id"].to_pylist()
    return sum(is_holdout(user, salt=policy.assignment_salt, share=policy.holdout_share) for user in users)


def sample_message(platform: Platform, first: date) -> str | None:
    """Return a text worth tracing: the first that led to an apply, else to a click, else any; None without texts."""
    planned = platform.event_log.read("message_planned", start=first, columns=["message_id", "prediction_id"])
    own = planned.filter(pc.is_valid(planned["prediction_id"]))["message_id"].combine_chunks()
    for event_type in ("apply", "click"):
        caused = platform.event_log.read(event_type, start=first, columns=["exposure_id"])["exposure_id"]
        hits = sorted(pc.unique(caused.filter(pc.is_in(caused, value_set=own))).to_pylist())
        if hits:
            return str(hits[0])
    return str(min(own.to_pylist())) if len(own) else None


def models_beside(platform: Platform, day: date) -> dict[str, dict[str, Any]]:
    """Return how each model beside the first stands on `day`, by name."""
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


def summarise(platform: Platform, last_day: date, seconds: dict[str, float]) -> dict[str, Any]:
    """Return the summary of a demo that ran until `last_day`."""
    first = platform.settings.first_lived_date
    verification = audit_log(platform).verification
    ingests = [platform.tables.read_report(INGEST_REPORT, day) for day in platform.tables.report_days(INGEST_REPORT)]
    promotions = platform.model_events("promotion_decided")
    return {
        "seed": platform.settings.seed,
        "days": (last_day - first).days + 1,
        "users": platform.settings.market_users,
        "jobs": platform.settings.market_jobs,
        "events": verification.rows,
        "rejected_rows": sum(sum(entry["rejected"].values()) for report in ingests for entry in report["types"]),
        "map_at_10": map_comparison(platform, last_day),
        "decisions": [
            {"date": row["as_of_date"], "verdict": row["verdict"], "reasons": row["sentences"], "codes": row["codes"]}
            for row in decision_rows(platform)
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
            }
            for row in promotions
        ],
        "models": models_beside(platform, last_day),
        "messages": _messages(platform, first),
        "withheld": _withheld(platform, first),
        "kpi": _kpi(platform, first),
        "duplicate_sends": platform.gateway.duplicate_sends(),
        "numbers_texted_twice": platform.gateway.numbers_texted_twice(),
        "holdout_sends": _holdout_sends(platform),
        "sample_message_id": sample_message(platform, first),
        "seconds": {stage: round(value, 2) for stage, value in seconds.items()},
    }


def write_summary(platform: Platform, summary: dict[str, Any]) -> None:
    """Write the summary beside the lake, keys sorted."""
    data = orjson.dumps(summary, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
    (platform.settings.home / SUMMARY_FILE).write_bytes(data)
