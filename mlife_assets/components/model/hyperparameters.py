"""The search for hyper-parameters: a run of its own, whose result later challengers use.

Concept: a search costs many fits and its result ages slowly, so it is no part of a retraining. It is launched by hand
or on its own schedule, with the run's number of trials; without a search, the policy's own values count. An interrupted
run resumes.
"""

from dataclasses import replace
from datetime import date

import dagster as dg
from pydantic import Field

from mlife_assets.adapters.private_files import private_file
from mlife_assets.adapters.search_storage import open_search_storage
from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.graph.partitions import only_day
from mlife_assets.components.model.training_inputs import is_by_folds, training_set_of
from mlife_assets.components.monitoring.quality_gate import require_sound_day
from mlife_assets.components.shown.metadata import plot, table
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.model import Model
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.training.folds import fold_starts
from mlife_assets.core.training.search import plot_search, search, with_parameters
from mlife_assets.core.training.training_set import first_gate_day
from mlife_assets.deployments.ports import ModelPorts, Models

GROUP = "model"
REPORT = "hyperparameters"
JOURNAL = "search.journal"
NOT_SEARCHED = (
    "Nothing was searched: the parameters are LightGBM's, and the model has an estimator of its own. Set those of the "
    "estimator where it is made."
)


class SearchConfig(dg.Config):
    """How far one search goes."""

    trials: int = Field(default=20, ge=1, le=500, description="Settings to try; trial 0 is the policy as it is.")


def searched_policy(platform: ModelPorts, day: date) -> TrainingPolicy:
    """Return the training policy of a day, with the parameters of the newest valid search, if any.

    A search is valid if it saw no outcome of the gate's window: parameters found on the judged rows would be overrated.
    """
    policy, tables = platform.model.training, platform.model_tables
    if platform.model.estimator is not None:
        return policy
    for one in sorted((one for one in tables.report_days(REPORT) if one <= day), reverse=True):
        report = tables.read_report(REPORT, one)
        knew = date.fromisoformat(report["known_by"]) if "known_by" in report else first_gate_day(one, platform.model)
        if knew <= searched_by(platform.model, day):
            return with_parameters(policy, report["parameters"])
    return policy


def searched_by(model: Model, day: date) -> date:
    """Return the day whose knowledge a search of `day` may use: the first of its gate."""
    if is_by_folds(model):
        return fold_starts(day, model.label_step.maturity_days, model.promotion.gate_weeks)[0]
    return first_gate_day(day, model)


def build_assets(graph: ModelGraph) -> list[dg.AssetsDefinition]:
    """Return the assets of one model."""

    @dg.asset(
        key=graph.key("model", "hyperparameters"),
        deps=graph.learned_examples,
        kinds=graph.kinds(),
        description="Leaves, sizes and penalties that did best on the validation window; used by later challengers.",
        **graph.daily(GROUP, "model"),
    )
    @says_why
    def hyperparameters(
        context: dg.AssetExecutionContext, config: SearchConfig, platform: dg.ResourceParam[Models]
    ) -> dg.MaterializeResult:
        """Search on the rows known when the gate's window began; its own rows stay unseen."""
        ports = graph.view(platform)
        day = only_day(context, ports)
        require_sound_day(ports, day)
        if ports.model.estimator is not None:
            return dg.MaterializeResult(metadata={"dagster/row_count": 0, "why": NOT_SEARCHED})
        policy = replace(ports.model.training, search_trials=config.trials)
        known = searched_by(ports.model, day)
        found = search(
            training_set_of(ports, known),
            policy,
            open_search_storage(private_file(ports.home.private.private_folder / graph.named(JOURNAL))),
            lambda done, trials: context.log.info("%d of %d trials", done, trials),
        )
        report = {"parameters": found.best.parameters, "log_loss": found.best.log_loss, "known_by": known.isoformat()}
        ports.model_tables.write_report(REPORT, day, report)
        rows = [{"trial": trial.number, "log_loss": trial.log_loss, **trial.parameters} for trial in found.trials]
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(found.trials),
                "best_trial": found.best.number,
                "known_by": known.isoformat(),
                "log_loss": found.best.log_loss,
                "improvement": found.trials[0].log_loss - found.best.log_loss,
                **found.best.parameters,
                "trials": table(rows),
                "history": plot(plot_search(found), "log loss by trial"),
            }
        )

    return [hyperparameters]
