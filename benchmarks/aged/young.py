"""The young home: about a month of one job board, made by the product itself.

Concept: history lands in one run, a first model is trained and promoted (by hand where the gate refuses so small a
market), then each day is the daily job and the sensors, with plans approved by policy and texts sent.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from aged.world import FIRST_DAY, Size, open_definitions, open_platform

if TYPE_CHECKING:
    import dagster as dg

    from mlife_assets.deployments.board_ports import BoardPorts

STATE_FILE = "young.json"


def live(home: Path, size: Size, say: Callable[[str], None] = lambda line: print(line, file=sys.stderr)) -> None:
    """Live the young home in `home`, from where an earlier call was stopped."""
    done = _done(home)
    if done >= size.run_days:
        return
    from mlife_assets.components.running.demo_summary import Demo, prepare_home
    from mlife_assets.components.running.instance import open_instance
    from mlife_assets.core.errors import PermanentError

    if done < 0:
        if home.exists():
            shutil.rmtree(home)
        prepare_home(home)
    platform = open_platform(home, size)
    platform.settings.memory.keep_world()
    definitions = open_definitions(platform)
    first = FIRST_DAY + timedelta(days=size.history_days)
    with open_instance(home) as instance:
        story = Demo(definitions, instance, platform)
        if done < 0:
            story.run_history()
            say(f"{size.history_days} days of history landed")
            try:
                story.train_first_champion()
            except PermanentError as error:
                say(f"promoted by hand: {error}")
                _promote_by_hand(platform, definitions, instance, first - timedelta(days=1))
            _note(home, 0)
        for number in range(max(done, 0) + 1, size.run_days + 1):
            result = story.run_day(number, first + timedelta(days=number - 1))
            say(f"{result.day}: {result.verdict}, {result.planned} planned, {result.submitted} submitted")
            if number == size.run_days:
                story.driver.run_unpartitioned("metrics_job").require_success()
            _note(home, number)
    platform.ledger.close()


def _promote_by_hand(
    platform: BoardPorts, definitions: dg.Definitions, instance: dg.DagsterInstance, day: date
) -> None:
    """Promote the challenger of a day that the gate refused, and make its reference of monitoring."""
    import dagster as dg

    from mlife_assets.components.graph.model_graph import ModelGraph
    from mlife_assets.components.model.challengers import challenger_version
    from mlife_assets.components.running.driver import QUIET
    from mlife_assets.deployments.sealing import seal

    version = challenger_version(platform.of_model(), day)
    platform.of_model().registry.promote(
        version, actor="benchmark", reason="so small a market", now=platform.of_model().retraining_time(day)
    )
    seal(platform.home)
    reference = ModelGraph(platform.of_model().model).key("model", "monitoring_reference")
    alone = dg.Definitions(
        assets=definitions.assets,
        asset_checks=definitions.asset_checks,
        jobs=[dg.define_asset_job("reference_alone", dg.AssetSelection.assets(reference))],
        resources=definitions.resources,
    )
    job = alone.resolve_job_def("reference_alone")
    job.execute_in_process(instance=instance, partition_key=day.isoformat(), run_config=QUIET)


def _done(home: Path) -> int:
    """Return how many days were run; -1 before the first model."""
    state = home / STATE_FILE
    return int(json.loads(state.read_text())["run_days"]) if state.is_file() else -1


def _note(home: Path, run_days: int) -> None:
    (home / STATE_FILE).write_text(json.dumps({"run_days": run_days}))
