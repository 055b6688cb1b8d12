"""Makes the golden home of the version that runs it: `python -m mlife_tests.golden.make_home ARCHIVE` in a checkout.

History, a first champion, one day; a second champion, one day more, metrics. Then it is cut small: what is kept is the
whole log with its manifests, models, tables, reports, the ledger and everything else in `private`, the market's state,
which runs Dagster knows of, and the landing files of the last days. Left out is what the log can give again (the
warehouse, pages, pairs), what the platform never reads (truth tables), older landing files and the output of runs.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import date
from pathlib import Path

import dagster as dg

from mlife_assets.components.graph import keys
from mlife_assets.components.running.demo_summary import Demo, prepare_home
from mlife_assets.components.running.driver import LifecycleDriver
from mlife_assets.components.running.instance import open_instance
from mlife_assets.core.windows import add_days
from mlife_tests.golden.small_home import LIVED_DAYS, SmallHome, open_home, pack

KEPT = ("lake", "private", "market", "dagster", "landing")
KEPT_LANDING_DAYS = 3
ACTOR = "operator"


def live(folder: Path) -> SmallHome:
    """Live the story in `folder`."""
    prepare_home(folder)
    home = open_home(folder)
    with open_instance(folder) as instance:
        story = Demo(home.definitions, instance, home.platform)
        story.run_history()
        for number in range(LIVED_DAYS):
            _change_champion(home, story, instance, number)
            print(story.run_day(number + 1, home.day(number + 1)))
        story.driver.run_unpartitioned("metrics_job").require_success()
    return home


def _change_champion(home: SmallHome, story: Demo, instance: dg.DagsterInstance, number: int) -> None:
    """Train on what is known after day `number`; whoever the gate does not let serve is promoted by hand."""
    registry, day = home.platform.of_model().registry, home.day(number)
    earlier = {row["model_version"] for row in registry.versions()}
    story.driver.run_day("retraining_job", day).require_success()
    (challenger,) = {row["model_version"] for row in registry.versions()} - earlier
    if registry.champion() != challenger:
        at = home.platform.of_model().retraining_time(day)
        registry.promote(challenger, actor=ACTOR, reason="against the gate: a golden home has two", now=at)
        definitions = dg.Definitions(
            assets=home.definitions.assets,
            jobs=[dg.define_asset_job("reference_job", dg.AssetSelection.assets(keys.MONITORING_REFERENCE))],
            resources=home.definitions.resources,
        )
        LifecycleDriver(definitions, instance).run_day("reference_job", day).require_success()


def kept_files(folder: Path, last: date) -> list[Path]:
    """Return the files of a home that a later version needs, `last` being its last lived day."""
    first = add_days(last, 1 - KEPT_LANDING_DAYS).isoformat()
    files = [path for name in KEPT for path in (folder / name).rglob("*") if path.is_file()]

    def is_kept(path: Path) -> bool:
        match path.relative_to(folder).parts:
            case ("landing", _, day, *_):
                return day.removeprefix("dt=") >= first
            case ("dagster", "history", "runs", name):
                return name == "index.db"
            case ("dagster", "storage", *_) | ("lake", "dashboard", *_) | ("lake", "tables", "candidate_pairs", *_):
                return False
        return True

    return [path for path in files if is_kept(path)]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="home-") as temporary:
        made = live(Path(temporary) / "home")
        kept = kept_files(made.settings.home, made.day(LIVED_DAYS))
        Path(sys.argv[1]).write_bytes(pack(made.settings.home, kept))
