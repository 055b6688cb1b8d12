"""The explanation of the challenger's scores.

Concept: SHAP values are the largest cost here, so they are computed once; the pictures are kept for the card.
"""

from collections.abc import Mapping
from datetime import date

import dagster as dg
import numpy as np

from mlife_assets.components.graph.model_graph import DayRun, Metadata, model_asset
from mlife_assets.components.model.challengers import challenger_version
from mlife_assets.components.monitoring.inputs import sampled_pairs, scoring_matrix
from mlife_assets.components.shown.metadata import plot
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.glances import Bar, bars
from mlife_assets.core.scoring.reasons import global_importance, words_of
from mlife_assets.core.training.explain import for_pages, plot_beeswarm, plot_dependences, plot_importance
from mlife_assets.deployments.ports import ModelPorts

GROUP = "model"
REPORT = "explanation"
EXPLAINED_ROWS = 2_000
DEPENDENCE_PLOTS = 4


def stored_pictures(platform: ModelPorts, day: date, model_version: str) -> Mapping[str, str]:
    """Return the pictures of a day's challenger as data URIs by title; empty if it was not explained."""
    try:
        report = platform.model_tables.read_report(REPORT, day)
    except NotFoundError:
        return {}
    if report["model_version"] != model_version:
        return {}
    return {picture["title"]: picture["source"] for picture in report["pictures"]}


@model_asset(
    GROUP,
    deps=lambda graph: [graph.key("model", "candidate_model"), *graph.tables],
    kinds={"shap"},
    description="Why the challenger scores as it does: SHAP values over a sample of candidate pairs.",
)
def explanation(run: DayRun) -> Metadata:
    """Plot the contributions of the challenger on today's candidate pairs."""
    ports, day = run.kept, run.day
    scorer = ports.scorers.of(challenger_version(ports, day))
    pairs = sampled_pairs(ports, day).pairs.slice(0, EXPLAINED_ROWS)
    matrix = scoring_matrix(ports, pairs, scorer.feature_spec)
    contributions = scorer.contributions(matrix)
    gap = float(np.abs(contributions.sum(axis=1) - scorer.score(matrix).raw).max())
    importance = global_importance(contributions, scorer.model_names)
    seen = scorer.feature_spec.expanded(matrix)
    words = ports.model.words
    beeswarm = plot_beeswarm(contributions, seen, scorer.feature_spec, words)
    dependences = plot_dependences(contributions, seen, scorer.feature_spec, words, DEPENDENCE_PLOTS)
    kept = [{"title": title, "source": source} for title, source in for_pages(beeswarm, dependences, words).items()]
    ports.model_tables.write_report(REPORT, day, {"model_version": scorer.model_version, "pictures": kept})
    strongest = [Bar(words_of(name, words), value, False) for name, value in importance.items()]
    return {
        "dagster/row_count": pairs.num_rows,
        "mean_absolute_shap": dg.MetadataValue.md(bars(strongest, "mean |SHAP| in the unit of the score")),
        "model_version": scorer.model_version,
        "largest_gap_to_raw_score": gap,
        "importance": plot(plot_importance(importance, words), "mean |SHAP|"),
        "beeswarm": plot(beeswarm, "SHAP values"),
        **{f"dependence_on_{name}": plot(png, f"SHAP value by {name}") for name, png in dependences.items()},
    }
