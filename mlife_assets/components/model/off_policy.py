"""The off-policy estimate: earnings per text of champion and challenger, from randomly chosen texts.

Concept: the gate ranks shown items; this uses texts, of which only explored ones favour no model. Each decision is
scored by the model or fold of its day, so none has trained on it; the champion's probabilities are the reward model of
both. The explored slice is small: until it suffices, the asset reports the missing evidence. It informs people; the
gate does not read it. Texts of earlier days come from the event log, so the graph has no edge from `message_plan`.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.components.graph import keys
from mlife_assets.components.graph.keys import OWNERS
from mlife_assets.components.graph.partitions import DAILY, RANGE_IN_ONE_RUN, only_day
from mlife_assets.components.model.challengers import challenger_version
from mlife_assets.components.model.out_of_sample import folds_of
from mlife_assets.components.shown.figures import value_figures
from mlife_assets.components.shown.metadata import sentences, wide_table
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.scoring.feature_spec import Array, examples_matrix
from mlife_assets.core.training.folds import Fold, rows_by_fold
from mlife_assets.core.windows import last_mature_exposure_day, run_time
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.recruiting.off_policy.estimates import (
    estimate_difference,
    estimate_value,
    explored_candidates,
    greedy_decisions,
    logged_features,
)

GROUP = "model"
REPORT = "off_policy_estimate"
ESTIMATES = ("ips", "snips", "doubly_robust")


def read_candidates(platform: BoardPorts, first: date, last: date) -> pa.Table:
    """Return `explored_candidates` of the texts of [first, last] with mature labels."""
    planned = ["message_id", "prediction_id", "campaign"]
    return explored_candidates(
        platform.warehouse.read("labelled_examples", start=first, end=last),
        platform.event_log.read("message_planned", start=first, end=last, columns=planned),
        platform.event_log.read("prediction", start=first, end=last),
    )


def probabilities_by(platform: BoardPorts, folds: Sequence[Fold], candidates: pa.Table) -> Array:
    """Return the probabilities of logged candidates by the model of their day, not the logged ones."""
    probability = np.empty(candidates.num_rows)
    logged = np.array(candidates["model_version"].to_pylist(), dtype=object)
    for fold, own in rows_by_fold(folds, candidates["as_of_date"].to_numpy().astype("datetime64[D]")):
        scorer = platform.of_model().scorers.of(fold.model_version)
        for one in sorted(set(logged[own])):
            places = own[logged[own] == one]
            known = logged_features(candidates.take(pa.array(places)), platform.of_model().scorers.of(one).feature_spec)
            probability[places] = scorer.score(examples_matrix(known, scorer.feature_spec)).probability
    return probability


def unseen_days(platform: BoardPorts, day: date, sides: Sequence[Sequence[Fold]]) -> tuple[date, date]:
    """Return the first and last day with texts that are mature as of `day` and have a scorer per side.

    The first day may lie after the last: then there is none.
    """
    first = max(platform.settings.days.first_lived_date, *(folds[0].first_day for folds in sides))
    return first, last_mature_exposure_day(day, platform.policies.label.apply_window_days)


def off_policy_report(platform: BoardPorts, day: date) -> dict[str, Any]:
    """Return the earnings of a day's champion and challenger; without enough evidence, the reason."""
    ports = platform.of_model()
    challenger, champion = challenger_version(ports, day), ports.registry.champion_at(run_time(day))
    report: dict[str, Any] = {"model_version": challenger, "champion_version": champion, "values": [], "decisions": 0}
    if champion is None:
        return report | {"sentences": ["No model serves yet, so no text was explored by one."]}
    asked = {"champion": folds_of(ports, champion), "challenger": folds_of(ports, challenger)}
    first, last = unseen_days(platform, day, list(asked.values()))
    if first > last:
        return report | {
            "sentences": [
                f"Nothing to estimate from yet: texts since {first.isoformat()} trained neither model, and labels are "
                f"mature until {last.isoformat()}."
            ]
        }
    candidates = read_candidates(platform, first, last)
    decisions = int(pc.sum(candidates["is_sent"]).as_py() or 0)
    report |= {"decisions": decisions, "first_day": first.isoformat(), "last_day": last.isoformat()}
    if decisions == 0:
        return report | {"sentences": [f"No text was explored from {first.isoformat()} to {last.isoformat()}."]}
    reward_model = probabilities_by(platform, asked["champion"], candidates)
    sides = {
        "champion": greedy_decisions(candidates, reward_model, reward_model),
        "challenger": greedy_decisions(
            candidates, probabilities_by(platform, asked["challenger"], candidates), reward_model
        ),
    }
    sentences: list[str] = []
    values = []
    for name, logged in sides.items():
        try:
            value = estimate_value(logged, ports.model.promotion)
        except NotEnoughEvidenceError as error:
            sentences.append(f"The {name} cannot be estimated: {error}.")
            continue
        values.append({"policy": name, **asdict(value)})
        sentences += [f"The {name}: {sentence}" for sentence in value.sentences]
    if challenger != champion:
        try:
            sentences += estimate_difference(sides["challenger"], sides["champion"], ports.model.promotion).sentences
        except NotEnoughEvidenceError as error:
            sentences.append(f"The difference cannot be estimated: {error}.")
    return report | {"values": values, "sentences": sentences}


@dg.asset(
    key=keys.OFF_POLICY_ESTIMATE,
    deps=[keys.CANDIDATE_MODEL, keys.FOLD_MODELS, keys.LABELLED_EXAMPLES],
    group_name=GROUP,
    partitions_def=DAILY,
    backfill_policy=RANGE_IN_ONE_RUN,
    owners=OWNERS[GROUP],
    kinds={"numpy"},
    tags={"layer": "model"},
    description="Applications per text of champion and challenger, estimated from explored texts (IPS, SNIPS, DR).",
)
@says_why
def off_policy_estimate(
    context: dg.AssetExecutionContext, platform: dg.ResourceParam[BoardPorts]
) -> dg.MaterializeResult:
    """Estimate the value per text of this day's challenger."""
    platform = platform.in_run(context.run.run_id)
    day = only_day(context, platform.of_model())
    report = off_policy_report(platform, day)
    platform.tables.write_report(REPORT, day, report)
    rows = [
        {
            "policy": value["policy"],
            **{f"{name}_{part}": value[name][part] for name in ESTIMATES for part in ("estimate", "lower", "upper")},
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
            **value_figures(report["values"]),
            "values": wide_table(rows),
        }
    )


ASSETS = [off_policy_estimate]
