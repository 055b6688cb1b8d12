"""The off-policy estimate: what champion and challenger would earn per text, from texts that a random draw chose.

Belongs here: gathering explored texts with their whole candidate sets from the event log, and showing the estimate.
Does not belong here: the estimators (`core.training.off_policy`).

Concept: the gate ranks what people did unprompted; this looks at texts, where only the explored ones favour nobody.
Decisions that either model has trained on are left out, and the champion's probabilities are the reward model of both.
An explored slice is small: until it suffices, the asset says what is missing. It informs people; the gate does not
read it.
"""

from dataclasses import asdict
from datetime import date
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.inference.feature_spec import FeatureSpec, examples_matrix
from mlife_assets.core.ports import Scores
from mlife_assets.core.training.off_policy import (
    LoggedDecisions,
    estimate_difference,
    estimate_value,
    greedy_probabilities,
    logged_decisions,
)
from mlife_assets.core.windows import add_days, last_mature_exposure_day
from mlife_assets.defs import keys
from mlife_assets.defs.contenders import challenger_version
from mlife_assets.defs.metadata import sentences, table
from mlife_assets.defs.ownership import OWNERS
from mlife_assets.defs.partitions import DAILY, RANGE_IN_ONE_RUN, only_day
from mlife_assets.defs.resources import Platform

GROUP = "model"
REPORT = "off_policy_estimate"
CANDIDATE_SET = ("user_id", "as_of_date", "model_version", "candidate_set_hash")


def explored_candidates(platform: Platform, first: date, last: date) -> pa.Table:
    """Return all candidates of users whose text was explored in [first, last], one row per candidate.

    Columns: those of `prediction` events, `is_sent`, and `is_applied` where the candidate was sent. Texts of days whose
    labels are not mature as of the mart are left out.
    """
    outcomes = platform.warehouse.read("labelled_examples", start=first, end=last)
    explored = outcomes.filter((pc.field("slice") == "explore") & (pc.field("exposure_kind") == "message"))
    plans = platform.event_log.read("message_planned", start=first, end=last).select(["message_id", "prediction_id"])
    sent = explored.select(["exposure_id", "is_applied"]).join(
        plans.filter(pc.field("prediction_id").is_valid()), "exposure_id", "message_id", join_type="inner"
    )
    predictions = platform.event_log.read("prediction", start=first, end=last)
    is_sent = pc.is_in(predictions["prediction_id"], value_set=pc.unique(sent["prediction_id"]))
    chosen = predictions.filter(is_sent)
    keys_of = [_set_keys(one) for one in (predictions, chosen)]
    candidates = predictions.filter(pc.is_in(keys_of[0], value_set=pc.unique(keys_of[1])))
    places = pc.index_in(candidates["prediction_id"], value_set=sent["prediction_id"].combine_chunks())
    return candidates.append_column("is_sent", pc.is_valid(places)).append_column(
        "is_applied", pc.fill_null(sent["is_applied"].take(places), False)
    )


def _set_keys(predictions: pa.Table) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(*(predictions[name].cast(pa.string()) for name in CANDIDATE_SET), "\x1f")


def scores_by(platform: Platform, version: str, candidates: pa.Table) -> Scores:
    """Return the scores of logged candidates by a model, whichever model was logged with them, in their order."""
    scorer = platform.scorer(version)
    raw, probability = np.empty(candidates.num_rows), np.empty(candidates.num_rows)
    logged = np.array(candidates["model_version"].to_pylist(), dtype=object)
    for one in sorted(set(logged)):
        places = np.flatnonzero(logged == one)
        part = candidates.take(pa.array(places))
        known = _feature_table(part, platform.scorer(one).feature_spec)
        found = scorer.score(examples_matrix(known, scorer.feature_spec))
        raw[places], probability[places] = found.raw, found.probability
    return Scores(raw, probability)


def _feature_table(predictions: pa.Table, spec: FeatureSpec) -> pa.Table:
    """Return the features that were logged, by name; a category is its text again."""
    width = len(spec.names)
    matrix = pc.list_flatten(pc.fill_null(predictions["features"], [])).to_numpy(zero_copy_only=False)
    matrix = matrix.astype(np.float64).reshape(-1, width)
    vocabularies = dict(spec.vocabularies)
    columns: dict[str, Any] = {}
    for place, name in enumerate(spec.names):
        values = matrix[:, place]
        if name in vocabularies:
            known = pa.array(vocabularies[name], pa.string())
            codes = pa.array(values, from_pandas=True).cast(pa.int64())
            columns[name] = known.take(codes)
        else:
            columns[name] = pa.array(values)
    return pa.table(columns)


def _decisions(candidates: pa.Table, scores: Scores, reward_model: Scores) -> LoggedDecisions:
    users, jobs = candidates["user_id"], candidates["job_id"]
    days = candidates["as_of_date"].to_numpy().astype("datetime64[D]")
    return logged_decisions(
        user_ids=users,
        job_ids=jobs,
        as_of_dates=days,
        exploration_propensity=candidates["exploration_propensity"].to_numpy(),
        target_probability=greedy_probabilities(users, jobs, days, scores.raw),
        is_sent=candidates["is_sent"].to_numpy(zero_copy_only=False).astype(bool),
        reward=candidates["is_applied"].to_numpy(zero_copy_only=False).astype(np.float64),
        predicted_reward=reward_model.probability,
    )


def off_policy_report(platform: Platform, day: date) -> dict[str, Any]:
    """Return what champion and challenger of a day would earn; without enough evidence, why there is no value."""
    challenger, champion = challenger_version(platform, day), platform.registry.champion_at(platform.run_time(day))
    report: dict[str, Any] = {"model_version": challenger, "champion_version": champion, "values": [], "decisions": 0}
    last = last_mature_exposure_day(day, platform.policies.label.apply_window_days)
    ends = [
        date.fromisoformat(platform.registry.load(version).manifest["training_end_date"])
        for version in (challenger, champion)
        if version is not None
    ]
    first = max(add_days(max(ends), 1), platform.settings.first_lived_date)
    if champion is None or first > last:
        return report | {"sentences": [f"No explored text of the platform is mature as of {day.isoformat()} yet."]}
    candidates = explored_candidates(platform, first, last)
    decisions = int(pc.sum(candidates["is_sent"]).as_py() or 0)
    if decisions == 0:
        return report | {"sentences": [f"No text was explored from {first.isoformat()} to {last.isoformat()}."]}
    reward_model = scores_by(platform, champion, candidates)
    sides = {
        "champion": _decisions(candidates, reward_model, reward_model),
        "challenger": _decisions(candidates, scores_by(platform, challenger, candidates), reward_model),
    }
    told: list[str] = []
    values = []
    for name, logged in sides.items():
        try:
            value = estimate_value(logged, platform.policies.promotion)
        except NotEnoughEvidenceError as error:
            told.append(f"The {name} cannot be estimated: {error}.")
            continue
        values.append({"policy": name, **asdict(value)})
        told += [f"The {name}: {sentence}" for sentence in value.sentences]
    if challenger != champion:
        try:
            told += estimate_difference(sides["challenger"], sides["champion"], platform.policies.promotion).sentences
        except NotEnoughEvidenceError as error:
            told.append(f"The difference cannot be estimated: {error}.")
    return report | {"values": values, "decisions": decisions, "sentences": told}


@dg.asset(
    key=keys.OFF_POLICY_ESTIMATE,
    deps=[keys.CANDIDATE_MODEL, keys.LABELLED_EXAMPLES],
    group_name=GROUP,
    partitions_def=DAILY,
    backfill_policy=RANGE_IN_ONE_RUN,
    owners=OWNERS[GROUP],
    kinds={"numpy"},
    tags={"layer": "model"},
    description="Applications per text of champion and challenger, estimated from explored texts (IPS, SNIPS, DR).",
)
def off_policy_estimate(
    context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]
) -> dg.MaterializeResult:
    """Estimate what the challenger of this day would earn per text."""
    day = only_day(context)
    report = off_policy_report(platform, day)
    platform.tables.write_report(REPORT, day, report)
    rows = [
        {
            "policy": value["policy"],
            **{
                f"{name}_{part}": value[name][part]
                for name in ("ips", "snips", "doubly_robust")
                if value[name] is not None
                for part in ("estimate", "lower", "upper")
            },
            "effective_sample_size": value["effective_sample_size"],
        }
        for value in report["values"]
    ]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": report["decisions"],
            "model_version": report["model_version"],
            "champion_version": report["champion_version"] or "none",
            "sentences": sentences(report["sentences"]),
            "values": table(rows),
        }
    )


ASSETS = [off_policy_estimate]
