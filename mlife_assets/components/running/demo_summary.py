"""The demo's summary: what its days came to, in numbers that a program can read.

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
from mlife_assets.components.metrics.dashboard import applications, other_models
from mlife_assets.components.metrics.map_history import PromotionGain, gains_of_promotions, map_by_day
from mlife_assets.components.model.contenders import (
    cohort_days,
    ranking_scores,
    simple_rule_scores,
)
from mlife_assets.components.model.retrain_decision import decision_rows
from mlife_assets.components.monitoring.quality_gate import quarantined_days
from mlife_assets.components.predictions.entity_scores import SCORES_TABLE
from mlife_assets.components.shown.present import sample_message
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring.drift import REPORT as DRIFT_REPORT
from mlife_assets.core.ranking.metrics import rank_rows
from mlife_assets.core.ranking.rows import prepare_ranking_rows
from mlife_assets.core.row_keys import encode_days
from mlife_assets.core.statistics import paired_bootstrap_interval
from mlife_assets.core.windows import add_days, is_mature, last_mature_exposure_day
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.deployments.landed_days import INGEST_REPORT
from mlife_assets.deployments.sealing import audit_log
from mlife_assets.market.truth import ORACLE, expected_maps, pair_probabilities, read_truth
from mlife_assets.recruiting.application import Channel
from mlife_assets.recruiting.candidates import candidate_pairs
from mlife_assets.recruiting.cohort import gate_examples
from mlife_assets.recruiting.dashboard.data import Lift
from mlife_assets.recruiting.dashboard.figures import lift_words
from mlife_assets.recruiting.features import pair_features
from mlife_assets.recruiting.messaging.cohorts import is_holdout
from mlife_assets.recruiting.messaging.keywords import OTHER
from mlife_assets.recruiting.ports import TextsRecord
from mlife_assets.recruiting.recruiter_rule import recruiter_scores

SUMMARY_FILE = "summary.json"
TRUE_USERS = 1_000
"""People whose candidates are ranked against the truth, evenly spread."""


def map_comparison(platform: BoardPorts, last_day: date) -> dict[str, Any] | None:
    """Return MAP@k of random, human, simple rule and champion on the same users of the mature weeks of the demo.

    Each ranking is made by who was champion on its day, with the simple rule beside it. The cohort is every user who
    applied to a candidate that the site or an explored text showed them. None while no week is mature.
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

    The truth of a day needs no label and is there a day later, so every sound week before the last day counts; None
    without one. `share` is how far the champion goes from the human rule to the oracle, which is the ceiling here.
    """
    days = _sound_weeks(platform, add_days(last_day, -1))
    store = ObstoreObjectStore.local(platform.settings.truth_folder)
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
    """Return the first day of each week of the demo until a day, without faulty ones."""
    first = platform.settings.first_lived_date
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
    """Return what became of texts; mails are in `applications`."""
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
    """Return what the rules on wording, employers and replies kept back: jobs by reason, and paused replies."""
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
    """Return how many messages went to people of the global holdout, by the records of the providers."""
    contact, users = platform.policies.contact, record.request_counts()["user_id"].to_pylist()
    users += [row.user_id for row in platform.ledger.rows() if row.channel != Channel.SMS and row.attempts]
    people = platform.ledger.people_of(users)
    return sum(is_holdout(people[user], salt=contact.assignment_salt, share=contact.holdout_share) for user in users)


def models_beside(platform: BoardPorts, day: date) -> dict[str, dict[str, Any]]:
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


def _applications(platform: BoardPorts, day: date) -> dict[str, dict[str, Any]]:
    """Return what each application came to until `day`, by name."""
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
    """Return the claim about applies over the holdout, its relative lift with bounds, and both in words."""
    found = lift and lift.newest.lift
    return {
        "claim": lift and lift.newest.claim,
        "lift": found and found.estimate,
        "interval": found and [found.lower, found.upper],
        "lift_in_words": lift and lift_words(lift),
    }


def summarise(platform: BoardPorts, last_day: date, seconds: dict[str, float]) -> dict[str, Any]:
    """Return the summary of a demo that ran until `last_day`. Raises InvalidInputError where texts leave no record."""
    first, record = platform.settings.first_lived_date, platform.home.messengers.texts_record
    if record is None:
        raise InvalidInputError("the summary counts what the provider of texts has on record; unset MLIFE_DEPLOYMENT")
    verification = audit_log(platform.home).verification
    ingests = [platform.tables.read_report(INGEST_REPORT, day) for day in platform.tables.report_days(INGEST_REPORT)]
    promotions, gains = platform.of_model().registry.events("promotion_decided"), _gains(platform, last_day)
    return {
        "seed": platform.settings.seed,
        "days": (last_day - first).days + 1,
        "users": platform.settings.market_users,
        "jobs": platform.settings.market_jobs,
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
    """Write the summary beside the lake, keys sorted."""
    data = orjson.dumps(summary, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
    (platform.settings.home / SUMMARY_FILE).write_bytes(data)
