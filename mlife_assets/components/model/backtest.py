"""The lifecycle backtest of the team's own history, as an asset.

Concept: it is no part of a day. It shows on this deployment's history whether its retraining policy pays, and runs now
and then. Costly steps are stored in the private folder, so that a stopped run resumes.
"""

from dataclasses import replace
from datetime import date
from time import perf_counter

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.adapters.backtest_detectors import ReplayDetectors
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.private_files import made_private
from mlife_assets.components.graph import keys
from mlife_assets.components.graph.keys import OWNERS
from mlife_assets.components.monitoring.quality_gate import quarantined_days
from mlife_assets.components.shown.metadata import page_link, plot, sentences, table
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.model import Model
from mlife_assets.core.pages.document import BACKTEST, nav
from mlife_assets.core.training.known_examples import with_early_label, with_step_times
from mlife_assets.deployments.board_ports import BoardPorts
from mlife_assets.deployments.landed_days import INGEST_REPORT
from mlife_assets.lifecycle.backtest import Replayed, prepare_history, replay
from mlife_assets.lifecycle.backtest.page import plot_replay, render_backtest

GROUP = "model"
CHECKPOINTS_FOLDER = "backtest"


def replayed_model(platform: BoardPorts) -> Model:
    """Return the model without its baseline: the rule in use ranks all candidates, a history has shown ones only."""
    return replace(platform.of_model().model, baseline=None)


def team_history(platform: BoardPorts, today: date) -> pa.Table:
    """Return mature examples that the model's decisions did not select, with its features.

    A pair shown more than once on a day counts once, with that day's outcome.
    """
    model, roles = platform.of_model().model, platform.of_model().model.roles
    mart = platform.warehouse.read(model.label_step.examples, start=platform.settings.days.start_date, end=today)
    faulty = pa.array(quarantined_days(platform.of_model(), pc.unique(mart[roles.time]).to_pylist()), pa.date32())
    kept = model.unbiased(mart).filter(
        ~pc.field(roles.time).isin(faulty) & (pc.field(roles.label_time) <= pa.scalar(today))
    )
    best_first = [(name, "descending") for name in reversed(roles.steps)]
    ordered = kept.sort_by(best_first + [(name, "ascending") for name in (model.row_id, roles.time, roles.label_time)])
    places = pa.array(range(ordered.num_rows), pa.int64())
    ids = [name for name in (roles.entity, roles.item, roles.time) if name is not None]
    grouped = ordered.append_column("place", places).group_by(ids)
    rows = ordered.take(grouped.aggregate([("place", "min")])["place_min"])
    return with_step_times(with_early_label(model.derive(rows), roles), model)


def newest_day(platform: BoardPorts) -> date:
    """Return the newest landed day. Raises NotFoundError before the first."""
    days = platform.tables.report_days(INGEST_REPORT)
    if not days:
        raise NotFoundError("no day has run yet; run daily_lifecycle_job (or `mlife day`) before the backtest")
    return max(days)


@dg.asset(
    key=keys.LIFECYCLE_BACKTEST,
    deps=[keys.LABELLED_EXAMPLES],
    group_name=GROUP,
    owners=OWNERS[GROUP],
    kinds={"lightgbm"},
    tags={"layer": "model"},
    description="Would governed retraining have paid? The team's history under five policies, with a recommendation.",
)
@says_why
def lifecycle_backtest(
    context: dg.AssetExecutionContext, platform: dg.ResourceParam[BoardPorts]
) -> dg.MaterializeResult:
    """Replay all history so far; fails with the days that are needed while the history is too short."""
    today = newest_day(platform)
    history = prepare_history(team_history(platform, today), replayed_model(platform), today=today)
    checkpoints = platform.home.private.private_folder / CHECKPOINTS_FOLDER

    def show_progress(done: int, total: int) -> None:
        if done == total or done % 20 == 0:
            context.log.info("replayed %s of %s mornings", done, total)

    with made_private():
        store = ObstoreObjectStore.local(checkpoints)
        replayed = replay(history, ReplayDetectors(), store, stopwatch=perf_counter, progress=show_progress)
    platform.lake.replace(BACKTEST, render_backtest(replayed.result, replayed.cost, nav(BACKTEST)).encode())
    return _shown(replayed, page_link(platform.home, BACKTEST))


def _shown(replayed: Replayed, page: dg.UrlMetadataValue) -> dg.MaterializeResult:
    result = replayed.result
    rows = [
        {
            "policy": one.name,
            "average precision": one.score.average_precision.estimate,
            "lower": one.score.average_precision.lower,
            "upper": one.score.average_precision.upper,
            "within periods": one.score.within_periods.estimate,
            "log loss": one.score.log_loss,
            "trainings": one.trainings,
            "fits": one.fits,
            "refused": one.refusals,
            "promotions": one.installations,
            "rows fitted": one.fitted_rows,
            "fitting seconds": replayed.cost.fit_seconds[one.name],
        }
        for one in result.policies
    ]
    versus = [
        {"by": what, "than": name, "governed is better by": one.estimate, "lower": one.lower, "upper": one.upper}
        for what, gains in result.gains.items()
        for name, one in gains.items()
    ]
    acted = [
        {
            "day": decision.day.isoformat(),
            "action": decision.action,
            "codes": ", ".join(decision.codes),
            "why": " ".join(decision.sentences),
        }
        for decision in result.policy("governed").decisions
        if decision.action != "wait"
    ]
    return dg.MaterializeResult(
        metadata={
            "dagster/row_count": result.rows,
            "recommended": result.recommendation.policy,
            **({"notes": sentences(result.notes)} if result.notes else {}),
            "why": sentences(result.recommendation.sentences),
            "policies": table(rows),
            "differences": table(versus),
            "over_time": plot(plot_replay(result), "lifecycle_backtest"),
            "governed_decided": table(acted),
            "page": page,
            "replayed": f"{result.start_day} to {result.last_day}",
            "steps_of_an_earlier_run": replayed.resumed_steps,
        }
    )


ASSETS = [lifecycle_backtest]
