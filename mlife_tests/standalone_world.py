"""A standalone deployment of a recorded month: the files of a small market, which another process delivers.

Concept: the market is simulated once, into a folder that the deployment does not know. From there files reach its
landing folder by copying, as an exporter of somebody's own would write them. Run as a program it delivers.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dagster as dg

    from mlife_assets.deployments.board_ports import BoardPorts
    from mlife_assets.recruiting.policies import Policies
    from mlife_assets.settings import Settings

FIRST = date(2025, 9, 5)
"""A first day of its own, of the same weekday as the product's."""
HISTORY_DAYS, DAYS, USERS, JOBS = 21, 3, 1_000, 125
CONTACTS, AUDIT = "contacts.parquet", "audit_attributes.parquet"


def policies() -> Policies:
    """Return policies by which so small a home trains and promotes; a person approves what is sent."""
    from mlife_assets.core.policies import MonitoringPolicy, PromotionPolicy, RetrainPolicy, TrainingPolicy
    from mlife_assets.recruiting.messaging_policy import MessagingPolicy
    from mlife_assets.recruiting.policies import LabelPolicy, Policies

    return Policies(
        label=LabelPolicy(click_window_days=2, apply_window_days=3, hire_window_days=7),
        promotion=PromotionPolicy(minimum_users_with_positives=30, gate_weeks=1, bootstrap_resamples=200),
        monitoring=MonitoringPolicy(
            sample_rows_per_day=500, reference_days=8, reference_examples=5_000, domain_classifier_sample_rows=500,
            explained_rows_per_day=400, minimum_mature_positives=30,
        ),
        retrain=RetrainPolicy(
            alarm_days_needed=30, alarm_days_window=30, days_between_fits=366
        ),
        training=TrainingPolicy(
            recipes=("recent_linear",), trees_maximum=60, learning_rate=0.1, validation_days=2,
            validation_minimum_per_class=10, minimum_child_examples=20, minimum_examples=200, minimum_positives=5,
        ),
        messaging=replace(MessagingPolicy(), maximum_messages_per_day=40),
    )  # fmt: skip


def record(
    folder: Path,
    *,
    first: date = FIRST,
    users: int = USERS,
    jobs: int = JOBS,
    history_days: int = HISTORY_DAYS,
    days: int = DAYS,
) -> None:
    """Write the landing files of a market to `folder`/landing, contact book and audit table to `folder`/private."""
    import pyarrow as pa

    from mlife_assets.adapters.object_store import ObstoreObjectStore
    from mlife_assets.core.windows import add_days
    from mlife_assets.deployments.embedded_world import EmbeddedWorld, Story
    from mlife_assets.market.texts import DELIVERED_SCHEMA

    world = EmbeddedWorld(
        seed=7, users=users, jobs=jobs, start_date=first, history_days=history_days, story=Story(lambda _: (), {}),
        home=folder, private_folder=folder / "private",
    )  # fmt: skip
    _ = world.contact_book(), world.audit_attributes()
    landing = ObstoreObjectStore.local(folder / "landing")
    source = world.event_source(landing, lambda _: pa.table(DELIVERED_SCHEMA.empty_table()), lambda _: False)
    for number in range(history_days + days):
        source.deliver(add_days(first, number))


def files_of(recorded: Path, day: date) -> list[Path]:
    """Return the recorded files of a day, relative to the landing folder."""
    root = recorded / "landing"
    return sorted(path.relative_to(root) for path in root.glob(f"*/dt={day}/*") if path.is_file())


def deliver(recorded: Path, landing: Path, files: Sequence[str]) -> None:
    """Copy files to landing.

    `file>name` copies it under another name, or to another place of landing where that has a folder, and `file!`
    copies the first half of it.
    """
    for asked in files:
        name, _, other = asked.rstrip("!").partition(">")
        target = landing / name
        if other:
            target = landing / other if "/" in other else target.with_name(other)
        target.parent.mkdir(parents=True, exist_ok=True)
        data = (recorded / "landing" / name).read_bytes()
        unfinished = target.with_name(f"{target.name}.part")
        unfinished.write_bytes(data[: len(data) // 2] if asked.endswith("!") else data)
        unfinished.rename(target)


def begin(recorded: Path, home: Path) -> None:
    """Begin a home as `mlife init` does and fill in the owner's files."""
    import pyarrow.parquet as pq

    from mlife_assets.deployments.new_home import AUDIT_FILE, CONTACTS_FILE, begin_home

    begin_home(home, first_day=FIRST, history_days=HISTORY_DAYS, policies=policies())
    for name, filled in ((CONTACTS, CONTACTS_FILE), (AUDIT, AUDIT_FILE)):
        path = home / "private" / filled
        with path.open("r+", encoding="utf-8", newline="") as file:
            columns = file.readline().strip().split(",")
            rows = csv.DictWriter(file, columns, restval="", extrasaction="ignore")
            rows.writerows(pq.read_table(recorded / "private" / name).to_pylist())


def environment(home: Path) -> dict[str, str]:
    """Return the variables by which any process works in the home: the folder says the rest."""
    return {"MLIFE_HOME": str(home), "MLIFE_CLOCK_FILE": str(home.parent / "present")}


def set_clock(home: Path, now: datetime) -> None:
    """Move the clock of a home, for all processes."""
    (home.parent / "present").write_text(now.isoformat(), encoding="utf-8")


def open_platform(settings: Settings) -> BoardPorts:
    """Return the platform of the home, with one model and one application."""
    from mlife_assets.deployments.board_ports import board_ports
    from mlife_assets.recruiting.instances import job_of_the_day
    from mlife_assets.recruiting.job_applications import job_applications

    return board_ports(
        settings=settings, policies=policies(), declared=(job_applications,), declared_applications=(job_of_the_day,)
    )


def promote_by_hand(day: date) -> None:
    """Promote the challenger of a day that the gate refused in so small a market, and make what it is watched by."""
    import dagster as dg

    from mlife_assets.components.graph.model_graph import ModelGraph
    from mlife_assets.components.model.challengers import challenger_version
    from mlife_assets.components.running.driver import QUIET
    from mlife_assets.components.running.instance import open_instance
    from mlife_assets.deployments.sealing import seal

    definitions = open_location()
    platform = definitions.resources["platform"]
    version = challenger_version(platform.of_model(), day)
    platform.of_model().registry.promote(
        version, actor="test", reason="so small a market", now=platform.of_model().retraining_time(day)
    )
    seal(platform.home)
    reference = ModelGraph(platform.of_model().model).key("model", "monitoring_reference")
    job = dg.define_asset_job("reference_alone", dg.AssetSelection.assets(reference))
    chosen = dg.Definitions(
        assets=definitions.assets, asset_checks=definitions.asset_checks, jobs=[job], resources=definitions.resources
    )
    with open_instance(platform.settings.home) as instance:
        made = chosen.resolve_job_def("reference_alone")
        made.execute_in_process(instance=instance, partition_key=day.isoformat(), run_config=QUIET)


def open_location(**changed: Any) -> dg.Definitions:
    """Return what the environment's home loads."""
    from mlife_assets.definitions import build_location
    from mlife_assets.settings import Settings

    settings = Settings(**changed)
    return build_location(settings, platform=open_platform(settings))


if __name__ == "__main__":
    deliver(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
