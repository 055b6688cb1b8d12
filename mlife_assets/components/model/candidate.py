"""The challenger: its training set and its model.

Concept: a challenger is a function of the marts, the policy and the newest search until its day, so a repeated fit
gives the same version.
"""

import dagster as dg

from mlife_assets.components.graph.model_graph import DayRun, Metadata, ModelGraph, model_asset
from mlife_assets.components.model.challengers import CHALLENGER_REPORT
from mlife_assets.components.model.fitting import fit_policy, fitted_artifact
from mlife_assets.components.model.training_inputs import day_training_set, known_by
from mlife_assets.components.monitoring.quality_gate import quality_check, require_sound_day
from mlife_assets.components.shown.metadata import plot, table
from mlife_assets.core.training.explain import plot_importance
from mlife_assets.core.training.manifest_facts import early_label_words, fitted_words, trained_to_words
from mlife_assets.deployments.sealing import seal

GROUP = "model"


@model_asset(
    GROUP,
    deps=lambda graph: graph.learned_examples,
    kinds={"duckdb"},
    description="Mature examples that a challenger of this day may learn from, split in time, without faulty days.",
)
def training_set(run: DayRun) -> Metadata:
    """Select and describe the training set; the rows stay in the mart, their hash is kept."""
    ports = run.kept
    training = day_training_set(ports, run.day)
    time, steps = training.roles.time, training.roles.steps
    days = training.examples.group_by(time).aggregate([*((step, "sum") for step in steps), ([], "count_all")])
    rows = [
        {time: str(row[time]), "examples": row["count_all"], **{step: row[f"{step}_sum"] for step in steps}}
        for row in days.sort_by(time).to_pylist()
    ]
    return {
        "dagster/row_count": training.examples.num_rows,
        "positives": training.positives,
        "fit_rows": int(training.is_fit.sum()),
        "validation_rows": int(training.is_validation.sum()),
        "quarantined_rows": training.quarantined_rows,
        "first_exposure_date": str(training.first_day),
        "last_exposure_date": trained_to_words(training.trained_to),
        "training_data_hash": training.data_hash,
        "by_day": table(rows),
    }


@model_asset(
    GROUP,
    deps=lambda graph: graph.keys(GROUP, "training_set", "hyperparameters"),
    kinds=ModelGraph.kinds,
    description="A challenger: models with their calibrators and feature spec, registered by content.",
)
def candidate_model(run: DayRun) -> Metadata:
    """Fit and register the challenger of this day."""
    ports, day = run.kept, run.day
    require_sound_day(ports, day)
    policy = fit_policy(ports, day, known_by(ports.model, day))
    artifact = fitted_artifact(run.context, ports, day_training_set(ports, day), policy)
    version = ports.registry.register(artifact, as_of=day, now=ports.retraining_time(day))
    seal(ports.home, ports.days)
    ports.model_tables.write_report(CHALLENGER_REPORT, day, {"model_version": version})
    facts = {name: value for name, value in artifact.manifest.items() if isinstance(value, int | float | str)}
    return {
        "model_version": version,
        **facts,
        "fitted": fitted_words(artifact.manifest),
        **({"early_label": words} if (words := early_label_words(artifact.manifest)) else {}),
        "formulations": table(
            [{"formulation": n, "log_loss": v} for n, v in artifact.manifest["formulations"].items()]
        ),
        "recipes": table([{"recipe": n, "log_loss": v} for n, v in artifact.manifest["recipes"].items()]),
        "importance": plot(plot_importance(artifact.manifest["importance"], ports.model.words), "mean |SHAP|"),
    }


def build_checks(graph: ModelGraph) -> list[dg.AssetChecksDefinition]:
    """Return the checks of one model."""
    return [
        quality_check(
            graph.key(GROUP, "training_set"),
            "training_set_comes_from_a_sound_day",
            "Green when the data quality of the day passed. Red stops the retraining.",
            graph,
        )
    ]
