"""The evaluation of a model without an item: all examples of the gate's weeks, judged as one pool.

Concept: one run judges one challenger; a refusal is a result, not a failure. The rows are those that no decision of the
model selected, of days that were sound and whose labels are complete.
"""

from dataclasses import asdict
from datetime import date

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.graph.partitions import only_day
from mlife_assets.components.model.cards import write_model_card
from mlife_assets.components.model.challengers import PROMOTION_REPORT, challenger_version
from mlife_assets.components.model.judging import gate_window, judge_challenger
from mlife_assets.components.monitoring.inputs import mature_exposures
from mlife_assets.components.shown.figures import verdict_figures, verdict_glance
from mlife_assets.components.shown.metadata import sentences, table, wide_table, worded_link
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.errors import NotEnoughEvidenceError
from mlife_assets.core.training.judgement import GateRows, Human
from mlife_assets.core.windows import last_mature_exposure_day
from mlife_assets.deployments.ports import ModelPorts, Models

GROUP = "model"


def gate_rows(platform: ModelPorts, day: date, first: date) -> pa.Table:
    """Return the examples that the gate of a day judges, from a day on.

    Raises:
        NotEnoughEvidenceError: all of its days were faulty, or the mart has no row of them.
    """
    last = last_mature_exposure_day(day, platform.model.maturity_days)
    rows = mature_exposures(platform, first, last)
    if rows.num_rows == 0:
        raise NotEnoughEvidenceError(
            f"the gate of {day} has no sound row from {first} to {last}; wait for a sound week"
        )
    return rows


def build_assets(graph: ModelGraph) -> list[dg.AssetsDefinition]:
    """Return what the module makes of one model."""

    @dg.asset(
        key=graph.key(GROUP, "evaluation"),
        deps=[
            graph.key(GROUP, "candidate_model"),
            graph.key(GROUP, "fold_models"),
            graph.key(GROUP, "explanation"),
            graph.label_examples,
        ],
        kinds={"numpy"},
        description="Challenger against champion and the rule in use on the same mature examples: average precision.",
        **graph.daily(GROUP, "model"),
    )
    @says_why
    def evaluation(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Models]) -> dg.MaterializeResult:
        """Run the gate once for the challenger of this day."""
        ports = graph.view(platform).in_run(context.run.run_id)
        day = only_day(context, ports)
        version = challenger_version(ports, day)
        window, model = gate_window(ports, day), ports.model
        rows = gate_rows(ports, day, window.first_day)
        human = None if model.baseline is None else Human(model.baseline.name, model.baseline.score(rows))
        judged = judge_challenger(ports, day, window, GateRows.of_examples(rows, model.roles), human)
        decision = judged.decision
        ports.model_tables.write_report(PROMOTION_REPORT, day, asdict(decision) | window.facts)
        days = sorted(pc.unique(rows[model.roles.time]).to_pylist())
        card = write_model_card(ports, day, version, decision, judged.calibration, window, days)
        return dg.MaterializeResult(
            metadata={
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
            },
        )

    return [evaluation]
