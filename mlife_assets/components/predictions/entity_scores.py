"""Scores of a model without an item: how likely the outcome is for each entity today.

Belongs here: scoring the day's rows of such a model. Does not belong here: the rows (`monitoring.inputs`), pairs and
what is texted about them (`scores`).

Concept: scoring is a pure function of the day's rows and the champion of that moment, so a day can be scored again.
Where no model serves, or the day is not sound, nobody is scored, which is said and is no failure: the day of other
models goes on.
"""

from datetime import date

import dagster as dg
import pyarrow as pa

from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.graph.ownership import OWNERS
from mlife_assets.components.graph.partitions import DAILY, RANGE_IN_ONE_RUN, only_day
from mlife_assets.components.monitoring.inputs import rows_to_score, scoring_matrix
from mlife_assets.components.monitoring.quality_gate import require_sound_day
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.shown.metadata import table
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.errors import GateClosedError
from mlife_assets.core.scoring.feature_spec import feature_hashes

GROUP = "predictions"
SCORES_TABLE = "scores"
SHOWN = 10


def score_day(platform: Platform, model_version: str, rows: pa.Table) -> pa.Table:
    """Return one row per entity with its score by a version of the model, the most likely first."""
    scorer, entity = platform.scorer(model_version), platform.model.roles.entity
    matrix = scoring_matrix(platform, rows, scorer.feature_spec)
    scores = scorer.score(matrix)
    scored = pa.table(
        {
            entity: rows[entity],
            "model_version": pa.array([model_version] * rows.num_rows, pa.string()),
            "raw_score": scores.raw,
            "probability": scores.probability,
            "feature_hash": pa.array(feature_hashes(matrix), pa.string()),
        }
    )
    return scored.sort_by([("raw_score", "descending"), (entity, "ascending")])


def why_not(platform: Platform, day: date) -> str:
    """Return why nobody may be scored on a day; empty where all may."""
    if platform.registry.champion_at(platform.run_time(day)) is None:
        return "No model serves yet."
    try:
        require_sound_day(platform, day)
    except GateClosedError as error:
        return str(error)
    return ""


def nobody(platform: Platform, rows: pa.Table) -> pa.Table:
    """Return scores of nobody."""
    entity = platform.model.roles.entity
    number, text = pa.float64(), pa.string()
    fields = [("model_version", text), ("raw_score", number), ("probability", number), ("feature_hash", text)]
    return pa.schema([(entity, rows.schema.field(entity).type), *fields]).empty_table()


def build_assets(graph: ModelGraph) -> list[dg.AssetsDefinition]:
    """Return what the module makes of one model."""

    @dg.asset(
        key=graph.key(GROUP, "scores"),
        deps=[*graph.tables, graph.key("monitoring", "data_quality_report"), graph.key("model", "champion_model")],
        group_name=graph.group(GROUP),
        partitions_def=DAILY,
        backfill_policy=RANGE_IN_ONE_RUN,
        owners=OWNERS[GROUP],
        kinds=graph.kinds,
        tags={"layer": "scores"},
        description="How likely the outcome is for each entity today, by the champion of that moment.",
    )
    @says_why
    def scores(context: dg.AssetExecutionContext, platform: dg.ResourceParam[Platform]) -> dg.MaterializeResult:
        """Score the day's rows with the champion of that moment."""
        platform = graph.view(platform)
        day = only_day(context, platform)
        version = platform.registry.champion_at(platform.run_time(day))
        rows, why = platform.model.derive(rows_to_score(platform, day).rows(slice(None))), why_not(platform, day)
        scored = nobody(platform, rows) if version is None or why else score_day(platform, version, rows)
        platform.model_tables.write(SCORES_TABLE, day, scored)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": scored.num_rows,
                "model_version": version or "none",
                **({"why": why} if why else {}),
                "most_likely": table(scored.slice(0, SHOWN).to_pylist()),
            }
        )

    return [scores]
