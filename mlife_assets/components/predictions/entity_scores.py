"""Scores of a model without an item: the probability of the outcome for each entity today.

Concept: scoring is a pure function of the day's rows and the champion of that moment, so a repeated scoring gives the
same events. If no model serves, or the day is not sound, no entity is scored; this is reported and no failure: the day
of other models goes on.
"""

from datetime import date

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.components.graph.model_graph import DayRun, Metadata, ModelGraph, model_asset
from mlife_assets.components.graph.partitions import checked_days
from mlife_assets.components.monitoring.inputs import rows_to_score, scoring_matrix, unseen_by
from mlife_assets.components.monitoring.quality_gate import require_sound_day
from mlife_assets.components.shown.metadata import sentences, table
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.errors import GateClosedError
from mlife_assets.core.ids import digests
from mlife_assets.core.model_events import MODEL_NAME
from mlife_assets.core.scoring.feature_spec import feature_hashes
from mlife_assets.core.windows import run_time
from mlife_assets.deployments.ports import ModelPorts, Models
from mlife_assets.deployments.sealing import seal
from mlife_assets.recruiting.events import EVENT_TYPES

GROUP = "predictions"
SCORES_TABLE = "scores"
ENTITY_SCORED, WRITER = "entity_scored", "scorer"
SHOWN = 10


def score_day(platform: ModelPorts, day: date, model_version: str, rows: pa.Table) -> pa.Table:
    """Return one row per entity with its score by a model version, the most likely first."""
    scorer, entity = platform.scorers.of(model_version), platform.model.roles.entity
    matrix = scoring_matrix(platform, rows, scorer.feature_spec)
    scores, hashes = scorer.score(matrix), pa.chunked_array([feature_hashes(matrix)], pa.string())
    scored = pa.table(
        {
            entity: rows[entity],
            "model_version": pa.array([model_version] * rows.num_rows, pa.string()),
            "raw_score": scores.raw,
            "probability": scores.probability,
            "prediction_id": prediction_ids(platform, day, model_version, rows, hashes),
            "feature_hash": hashes,
        }
    )
    return scored.sort_by([("probability", "descending"), (entity, "ascending")])


def prediction_ids(
    platform: ModelPorts, day: date, model_version: str, rows: pa.Table, hashes: pa.ChunkedArray
) -> pa.Array:
    """Return the id of each row's score by a version: a hash of the entity, the day, and the features."""
    entities = rows[platform.model.roles.entity].cast(pa.string())
    found = digests(ENTITY_SCORED, platform.model_name, entities, day.isoformat(), model_version, hashes)
    return pa.array([f"prd_{one}" for one in found], pa.string())


def log_scores(platform: ModelPorts, day: date, scored: pa.Table) -> None:
    """Append one `entity_scored` event per row of `scored`; repeated rows add nothing, other rows are added."""
    if scored.num_rows == 0:
        return
    schema, now = EVENT_TYPES[ENTITY_SCORED].schema, run_time(day)
    same = {"occurred_at": now, "observed_at": now, "as_of_date": day, MODEL_NAME: platform.model_name}
    rows = {
        "event_id": pa.array(digests("event", ENTITY_SCORED, scored["prediction_id"]), pa.string()),
        "entity_id": scored[platform.model.roles.entity].cast(pa.string()),
        **{name: pa.array([value] * scored.num_rows, schema.field(name).type) for name, value in same.items()},
    }
    columns = [rows[name] if name in rows else scored[name] for name in schema.names]
    platform.event_log.append(ENTITY_SCORED, pa.table(columns, schema=schema), writer=WRITER)
    seal(platform.home, platform.days)


def why_unsound(platform: ModelPorts, day: date) -> str:
    """Return why a day may not be acted on; empty if it may."""
    try:
        require_sound_day(platform, day)
    except GateClosedError as error:
        return str(error)
    return ""


def why_unscored(platform: ModelPorts, day: date) -> str:
    """Return why rows of a day lack a score of the serving model; empty if none does, or no model serves."""
    version = platform.registry.champion_at(run_time(day))
    if version is None:
        return ""
    rows = platform.model.derive(rows_to_score(platform, day).rows(slice(None)))
    matrix = scoring_matrix(platform, rows, platform.scorers.of(version).feature_spec)
    hashes = pa.chunked_array([feature_hashes(matrix)], pa.string())
    wanted = prediction_ids(platform, day, version, rows, hashes)
    stored = platform.model_tables.read(SCORES_TABLE, day)["prediction_id"].combine_chunks()
    scored = pc.sum(pc.is_in(wanted, value_set=stored)).as_py() or 0
    if scored == rows.num_rows > 0:
        return ""
    why = why_unsound(platform, day) or f"Materialize the scores of {day} again."
    return f"{version} serves and scored {scored:,} of {rows.num_rows:,} rows of {day}. {why}"


def nobody(platform: ModelPorts, rows: pa.Table) -> pa.Table:
    """Return an empty table of scores."""
    entity = platform.model.roles.entity
    number, text = pa.float64(), pa.string()
    fields = [("model_version", text), ("raw_score", number), ("probability", number)]
    fields += [("prediction_id", text), ("feature_hash", text)]
    return pa.schema([(entity, rows.schema.field(entity).type), *fields]).empty_table()


@model_asset(
    GROUP,
    deps=lambda graph: [
        *graph.tables,
        graph.key("monitoring", "data_quality_report"),
        graph.key("model", "champion_model"),
    ],
    kinds=ModelGraph.kinds,
    description="How likely the outcome is for each entity today, by the champion of that moment.",
    layer="scores",
)
def scores(run: DayRun) -> Metadata:
    """Score the day's rows with the champion of that moment."""
    ports, day = run.ports, run.day
    version = ports.registry.champion_at(run_time(day))
    rows = ports.model.derive(rows_to_score(ports, day).rows(slice(None)))
    why = "No model serves yet." if version is None else why_unsound(ports, day)
    scored = nobody(ports, rows) if version is None or why else score_day(ports, day, version, rows)
    unseen = [] if version is None else unseen_by(ports, ports.scorers.of(version).feature_spec)
    log_scores(ports, day, scored)
    ports.model_tables.write(SCORES_TABLE, day, scored)
    return {
        "dagster/row_count": scored.num_rows,
        "model_version": version or "none",
        **({"why": why} if why else {}),
        **({"scored_as_missing": sentences(unseen)} if unseen else {}),
        "most_likely": table(scored.slice(0, SHOWN).to_pylist()),
    }


def build_checks(graph: ModelGraph) -> list[dg.AssetChecksDefinition]:
    """Return the checks of one model."""

    @dg.asset_check(
        asset=graph.key(GROUP, "scores"),
        description="Green when the model that serves scored every row of the day, or when none serves yet.",
    )
    @says_why
    def champion_scored_the_day(
        context: dg.AssetCheckExecutionContext, platform: dg.ResourceParam[Models]
    ) -> dg.AssetCheckResult:
        """Compare the scores as they are stored with the day's rows."""
        ports = graph.view(platform)
        days = checked_days(context)
        found = [why for day in days if (why := why_unscored(ports, day))]
        return dg.AssetCheckResult(
            passed=not found,
            severity=dg.AssetCheckSeverity.WARN,
            description=" ".join(found) or None,
            metadata={
                "day": days[-1].isoformat(),
                "scored_rows": ports.model_tables.read(SCORES_TABLE, days[-1]).num_rows,
            },
        )

    return [champion_scored_the_day]
