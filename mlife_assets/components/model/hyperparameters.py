"""The search for hyper-parameters: a run of its own, whose result later challengers use.

Belongs here: the asset `hyperparameters`, and which of its results counts on a day. Does not belong here: the search
(`core.training.search`).

Concept: a search costs many fits and its result ages slowly, so it is no part of a retraining. It is launched by hand
or on a schedule of its own, with as many trials as its run says; without one, the policy's own values count. An
interrupted run goes on where it stopped.
"""

from dataclasses import replace
from datetime import date

import dagster as dg
from pydantic import Field

from mlife_assets.adapters.private_files import private_file
from mlife_assets.adapters.search_storage import open_search_storage
from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.graph.ownership import OWNERS
from mlife_assets.components.graph.partitions import DAILY, RANGE_IN_ONE_RUN, only_day
from mlife_assets.components.model.training_inputs import day_training_set
from mlife_assets.components.monitoring.quality_gate import require_sound_day
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.shown.metadata import plot, table
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.policies import TrainingPolicy
from mlife_assets.core.training.search import plot_search, search, with_parameters

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


def searched_policy(platform: Platform, day: date) -> TrainingPolicy:
    """Return the training policy of a day: with the parameters of the newest search until then, if there is one."""
    policy = platform.model.training
    if platform.model.estimator is not None:
        return policy
    days = [one for one in platform.model_tables.report_days(REPORT) if one <= day]
    if not days:
        return policy
    return with_parameters(policy, platform.model_tables.read_report(REPORT, max(days))["parameters"])


def build_assets(graph: ModelGraph) -> list[dg.AssetsDefinition]:
    """Return what the module makes of one model."""

    @dg.asset(
        key=graph.key("model", "hyperparameters"),
        deps=[graph.key("model", "training_set")],
        group_name=graph.group(GROUP),
        partitions_def=DAILY,
        backfill_policy=RANGE_IN_ONE_RUN,
        owners=OWNERS[GROUP],
        kinds=graph.kinds,
        tags={"layer": "model"},
        description="Leaves, sizes and penalties that did best on the validation window; used by later challengers.",
    )
    @says_why
    def hyperparameters(
        context: dg.AssetExecutionContext, config: SearchConfig, platform: dg.ResourceParam[Platform]
    ) -> dg.MaterializeResult:
        """Search on the training set of this day; the gate window is not looked at."""
        platform = graph.view(platform)
        day = only_day(context, platform)
        require_sound_day(platform, day)
        if platform.model.estimator is not None:
            return dg.MaterializeResult(metadata={"dagster/row_count": 0, "why": NOT_SEARCHED})
        policy = replace(platform.model.training, search_trials=config.trials)
        found = search(
            day_training_set(platform, day),
            policy,
            open_search_storage(private_file(platform.private_folder / graph.named(JOURNAL))),
            lambda done, trials: context.log.info("%d of %d trials", done, trials),
        )
        platform.model_tables.write_report(
            REPORT, day, {"parameters": found.best.parameters, "log_loss": found.best.log_loss}
        )
        rows = [{"trial": trial.number, "log_loss": trial.log_loss, **trial.parameters} for trial in found.trials]
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": len(found.trials),
                "best_trial": found.best.number,
                "log_loss": found.best.log_loss,
                "improvement": found.trials[0].log_loss - found.best.log_loss,
                **found.best.parameters,
                "trials": table(rows),
                "history": plot(plot_search(found), "log loss by trial"),
            }
        )

    return [hyperparameters]
