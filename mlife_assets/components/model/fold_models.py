"""The folds of a challenger: its recipe as it would have been fitted at the start of each week of the gate, and on each
day on which a served model was fitted.

Concept: the serving model learns from all mature rows, so none is left to judge it. Its recipe is judged instead: each
of the newest weeks by the recipe's model of the knowledge at the start of the week. In a drift models are fitted more
often than weekly. A fold begins on each of these days, too, so that the recipe is compared with models of equal
knowledge. Models of folds are stored by content beside the registered ones, since later days use their scores of days
before this challenger served.
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from typing import Any

import dagster as dg

from mlife_assets.components.graph.model_graph import DayRun, Metadata, ModelGraph, model_asset
from mlife_assets.components.model.challengers import challenger_version
from mlife_assets.components.model.fitting import fit_policy, fitted_artifact, origin
from mlife_assets.components.model.out_of_sample import FOLD_REPORT, all_folds, fit_days_of_served, fold_report
from mlife_assets.components.model.training_inputs import is_by_folds, training_marts
from mlife_assets.components.monitoring.quality_gate import require_sound_day
from mlife_assets.components.shown.metadata import table
from mlife_assets.core.errors import GateClosedError, IntegrityError, NotFoundError
from mlife_assets.core.policies import TrainingPolicy, policy_version
from mlife_assets.core.scoring.artifact import ModelArtifact
from mlife_assets.core.training.folds import fold_starts
from mlife_assets.core.training.manifest_facts import trained_to_words
from mlife_assets.core.training.training_set import TrainingSet
from mlife_assets.core.windows import add_days, last_mature_exposure_day
from mlife_assets.deployments.ports import ModelPorts
from mlife_assets.lifecycle.day import folds_fitted

GROUP = "model"
HELD_OUT = "The policy judges by a holdout, which the challenger has not learned from: no fold is needed."


def require_same_settings(platform: ModelPorts, day: date, version: str) -> None:
    """Refuse to judge a challenger by folds of other settings, as after a search between the two fits.

    Raises:
        GateClosedError: the settings of the day are not the challenger's.
    """
    fitted, now = platform.registry.load(version).manifest["policy_version"], fit_policy(platform, day, day)
    if fitted != policy_version(now):
        raise GateClosedError(
            f"{version} was fitted under {fitted}, and its folds would be under {policy_version(now)}; materialize "
            f"candidate_model of {day} again, then this"
        )


def fit_folds(context: dg.AssetExecutionContext, platform: ModelPorts, day: date) -> tuple[list[dict[str, Any]], str]:
    """Fit and keep the model of each fold (`folds_fitted`); the newest covers the last mature days."""
    model = platform.model
    served = fit_days_of_served(platform, day)
    starts = fold_starts(day, model.label_step.maturity_days, model.promotion.gate_weeks, served)
    last = last_mature_exposure_day(day, model.label_step.maturity_days)
    ends = dict(zip(starts, [*starts[1:], add_days(last, 1)], strict=True))
    marts = training_marts(platform)

    def fit(first: date) -> dict[str, Any]:
        context.log.info("the fold from %s, by rows known on that day", first)
        training, policy = marts.training_set(first), fit_policy(platform, day, first)
        artifact = _fitted_before(platform, day, first, training, policy)
        artifact = artifact or fitted_artifact(context, platform, training, policy)
        return {
            "first_day": first.isoformat(),
            "last_day": add_days(ends[first], -1).isoformat(),
            "model_version": platform.registry.keep_fold(artifact),
            "trained_to": training.last_day.isoformat(),
            "trained_to_by_step": trained_to_words(training.trained_to),
            "examples": artifact.manifest["examples"],
            "positives": training.positives,
            "formulation": artifact.manifest["formulation"],
            "recipe": artifact.manifest["recipe"],
            "validation_log_loss": artifact.manifest["validation_log_loss"],
        }

    return folds_fitted(starts, fit)


def _fitted_before(
    platform: ModelPorts, day: date, first: date, training: TrainingSet, policy: TrainingPolicy
) -> ModelArtifact | None:
    """Return an earlier model that a fit of this fold would reproduce; None if there is none.

    It is the challenger of the fold's first day, or a fold of an earlier day. Fits are the main cost of a retraining.
    """
    same = {"policy_version": policy_version(policy), **origin(platform.model)}
    for version in _versions_of_fold(platform, day, first):
        try:
            artifact = platform.registry.load(version)
        except (IntegrityError, NotFoundError):
            continue  # it is fitted and stored again
        is_same = all(artifact.manifest.get(name) == value for name, value in same.items())
        if is_same and artifact.training_data_hash == training.data_hash:
            return artifact
    return None


def _versions_of_fold(platform: ModelPorts, day: date, first: date) -> Iterator[str]:
    with suppress(NotFoundError):
        yield challenger_version(platform, first)
    for earlier in sorted(one for one in platform.model_tables.report_days(FOLD_REPORT) if one < day)[::-1]:
        yield from (fold.model_version for fold in all_folds(platform, earlier) if fold.first_day == first)


@model_asset(
    GROUP,
    deps=lambda graph: [
        graph.key(GROUP, "candidate_model"),
        graph.key(GROUP, "hyperparameters"),
        *graph.learned_examples,
    ],
    kinds=ModelGraph.kinds,
    description="The challenger's recipe as of the start of each fold: out-of-fold models.",
)
def fold_models(run: DayRun) -> Metadata:
    """Fit the recipe on the rows known at the start of each fold, and list the model that scores each fold."""
    ports, day = run.kept, run.day
    require_sound_day(ports, day)
    version = challenger_version(ports, day)
    rows, missing = list[dict[str, Any]](), HELD_OUT
    if is_by_folds(ports.model):
        require_same_settings(ports, day, version)
        rows, missing = fit_folds(run.context, ports, day)
    report = fold_report(ports, day, version, rows)
    report |= {"judged_by": ports.model.promotion.judged_by, "sentence": missing}
    ports.model_tables.write_report(FOLD_REPORT, day, report)
    return {
        "dagster/row_count": len(rows),
        "model_version": version,
        "folds": table(rows),
        **({"not_judged": missing} if missing else {}),
    }
