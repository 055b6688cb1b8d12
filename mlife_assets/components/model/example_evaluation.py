"""The evaluation of a model without an item: all examples of the gate's weeks, judged as one pool.

Concept: one run judges one challenger; a refusal is a result, not a failure. The rows are those that the model's
decisions did not select, on sound days with complete labels.
"""

from dataclasses import asdict, replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.components.graph.model_graph import DayRun, Metadata, model_asset
from mlife_assets.components.model.cards import write_model_card
from mlife_assets.components.model.challengers import PROMOTION_REPORT, challenger_version
from mlife_assets.components.model.judging import gate_window, judge_challenger
from mlife_assets.components.monitoring.inputs import mature_exposures
from mlife_assets.components.predictions.entity_scores import ENTITY_SCORED
from mlife_assets.components.shown.figures import verdict_figures, verdict_glance
from mlife_assets.components.shown.metadata import sentences, table, wide_table, worded_link
from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.model_events import MODEL_NAME
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.training.gate import Condition
from mlife_assets.core.training.judgement import GateRows, Human
from mlife_assets.core.training.parity_in_time import parity_in_time
from mlife_assets.core.training.required import ROWS_EXAMINED
from mlife_assets.core.windows import last_mature_exposure_day
from mlife_assets.deployments.ports import ModelPorts

GROUP = "model"


def gate_rows(platform: ModelPorts, day: date, first: date) -> pa.Table:
    """Return the gate's examples of a day, from a first day on.

    Raises:
        NotEnoughEvidenceError: all of its days were faulty or have no row in the mart.
    """
    last = last_mature_exposure_day(day, platform.model.label_step.maturity_days)
    rows = mature_exposures(platform, first, last)
    if rows.num_rows == 0:
        raise NotEnoughEvidenceError(
            f"the gate of {day} has no sound row from {first} to {last}; wait for a sound week"
        )
    return rows


def recorded_scores_condition(platform: ModelPorts, rows: pa.Table) -> Condition:
    """Return the condition that rows of the mart still have their served scores.

    A row to score and an example match by entity and day; several examples of an entity and a day are ambiguous, so
    they are not compared. Of many rows evenly spaced ones are compared.
    """
    model, most = platform.model, platform.model.promotion.rewritten_share_maximum
    days = pc.min_max(rows[model.roles.time]).as_py()
    columns = ["entity_id", "as_of_date", "model_version", "probability", MODEL_NAME]
    served = platform.event_log.read(ENTITY_SCORED, start=days["min"], end=days["max"], columns=columns)
    served = served.filter(pc.equal(served[MODEL_NAME], platform.model_name))
    asked = pa.table(
        {
            "entity_id": rows[model.roles.entity].cast(pa.string()),
            "as_of_date": rows[model.roles.time].cast(pa.date32()),
            "place": pa.array(np.arange(rows.num_rows)),
        }
    )
    named = asked.group_by(columns[:2]).aggregate([("place", "count"), ("place", "min")])
    places = np.sort(named.filter(pc.equal(named["place_count"], 1))["place_min"].to_numpy())
    both = asked.take(pa.array(places[:: max(1, -(-len(places) // ROWS_EXAMINED))]))
    both = both.join(served, columns[:2], join_type="inner")
    recomputed = np.empty(both.num_rows)
    for version in pc.unique(both["model_version"]).to_pylist():
        own = np.flatnonzero(pc.equal(both["model_version"], version).to_numpy())
        scorer = platform.scorers.of(version)
        matrix = examples_matrix(rows.take(both["place"].take(pa.array(own))), scorer.feature_spec)
        recomputed[own] = scorer.score(matrix).probability
    keys = zip(both["as_of_date"].to_pylist(), both["entity_id"].to_pylist(), strict=True)
    said = [f"{day}, {model.roles.entity} {entity}" for day, entity in keys]
    positive = rows[model.roles.label].to_numpy(zero_copy_only=False).astype(np.bool_)[both["place"].to_numpy()]
    found = parity_in_time(said, both["probability"].to_numpy(), recomputed, positive, most)
    alike = rows.num_rows - len(places)
    twins = f" {alike:,} rows share {model.roles.entity} and day with another and are not compared." if alike else ""
    return replace(found, sentence=f"{found.sentence}{twins}")


@model_asset(
    GROUP,
    deps=lambda graph: [*graph.keys(GROUP, "candidate_model", "fold_models", "explanation"), graph.label_examples],
    kinds={"numpy"},
    description="Challenger against champion and the rule in use on the same mature examples: average precision.",
)
def evaluation(run: DayRun) -> Metadata:
    """Run the gate once for the challenger of this day."""
    ports, day = run.kept, run.day
    version = challenger_version(ports, day)
    window, model = gate_window(ports, day), ports.model
    rows = gate_rows(ports, day, window.first_day)
    human = None if model.baseline is None else Human(model.baseline.name, model.baseline.score(rows))
    served = [recorded_scores_condition(ports, rows)]
    gate = GateRows.of_examples(rows, model.roles)
    judged = judge_challenger(ports, day, window, gate, human, also_required=served)
    decision = judged.decision
    ports.model_tables.write_report(PROMOTION_REPORT, day, asdict(decision) | window.facts | dict(judged.facts))
    days = sorted(pc.unique(rows[model.roles.time]).to_pylist())
    card = write_model_card(ports, day, version, decision, judged.calibration, window, days)
    return {
        "dagster/row_count": rows.num_rows,
        "outcome": decision.outcome,
        **verdict_glance(decision.comparisons, decision.objective),
        "sentences": sentences(decision.sentences),
        "card": worded_link(ports.home, card, "the card of this challenger"),
        "model_version": version,
        "champion_version": decision.champion_version or "none",
        "folds": table(window.facts["folds"]),
        "served": table(window.facts["served"]),
        **verdict_figures(decision.comparisons, decision.depth, judged.calibration, None),
        "conditions": wide_table([asdict(one) for one in sorted(decision.conditions, key=lambda c: c.is_met)]),
    }
