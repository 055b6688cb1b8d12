"""A home of 0.1.0 in the hands of today's code: it opens, verifies, traces, rolls back and lives one more day.

One story, told once: the second champion is rolled back, the warehouse is built from the log, day 3 is lived.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import orjson
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from mlife_assets.cli import app
from mlife_assets.components.features.dbt import build
from mlife_assets.components.predictions.scores import SCORES_TABLE
from mlife_assets.components.running.demo_summary import DayResult, Demo
from mlife_assets.components.running.driver import LifecycleDriver
from mlife_assets.components.running.instance import open_instance
from mlife_assets.core.windows import add_days, mature_day
from mlife_assets.market.world import LINEAR_TERMS
from mlife_assets.recruiting.messaging.audience import CHOSEN, application_candidates
from mlife_assets.settings import DBT_PROJECT_FOLDER

FIRST, SECOND = "mdl_2f2b5fb17fd0503eb68c", "mdl_3503af5f5b77b09dded7"


def mlife(*arguments: object) -> Result:
    return CliRunner().invoke(app, [*map(str, arguments)], catch_exceptions=False)


def answer(*arguments: object) -> dict[str, Any]:
    result = mlife(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return orjson.loads(result.stdout)


def files(home: Path, *folders: str) -> dict[str, bytes]:
    found = [path for name in folders for path in (home / "lake" / name).rglob("*") if path.is_file()]
    return {path.relative_to(home).as_posix(): path.read_bytes() for path in found}


@dataclass(frozen=True)
class Story:
    """What each step gave."""

    home: Any
    stored: dict[str, bytes]
    verified: dict[str, Any]
    traced: dict[str, Any]
    rolled_back: dict[str, Any]
    lived: DayResult

    @property
    def folder(self) -> Path:
        return self.home.settings.home


@pytest.fixture(scope="module")
def story(small_home: Any, unpacked_0_1_0: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    folder = Path(shutil.copytree(unpacked_0_1_0, tmp_path_factory.mktemp("golden") / "home"))
    stored = files(folder, "events", "manifests", "models")
    home = small_home.open_home(folder)
    texts = home.platform.event_log.read("message_planned", start=home.day(2), end=home.day(2))
    verified = answer("log", "verify", "--home", folder)
    traced = answer("trace", texts["message_id"][0].as_py(), "--home", folder)
    rolled_back = answer("models", "rollback", "--reason", "fewer applies", "--home", folder)
    home.settings.exports.to_dbt()
    list(build(DBT_PROJECT_FOLDER, ["tag:features"], {}, folder / "dbt"))
    with open_instance(folder) as instance:
        lived = Demo(home.definitions, instance, home.platform).run_day(3, home.day(3))
    return Story(home, stored, verified, traced, rolled_back, lived)


def test_it_verifies(story) -> None:
    assert story.verified["is_intact"]
    assert story.verified["rows"] > 30_000


def test_a_text_is_traced_back_to_raw_events_and_recomputed(story) -> None:
    stages = [hop["event_type"] for hop in story.traced["hops"]]
    assert {"job_posted", "user_snapshot", "model_promoted", "prediction", "message_planned", "message_status"} <= {
        *stages
    }
    assert next(hop for hop in story.traced["hops"] if hop["event_type"] == "prediction")["details"][
        "model_version"
    ] in (FIRST, SECOND)


def test_its_predictions_are_of_the_application_that_there_was(story) -> None:
    hop = next(hop for hop in story.traced["hops"] if hop["event_type"] == "prediction")
    assert hop["details"]["application"] == "job_of_the_day"


def test_scores_that_it_stored_with_their_draws_are_chosen_from_anew(story) -> None:
    """A plan of its last day would be made of the same candidates, with the draws of today's policy."""
    platform, day = story.home.platform, story.home.day(2)
    stored = platform.tables.read(SCORES_TABLE, day)
    assert {"is_exploration", "slice", "propensity"} < set(stored.column_names)
    users, jobs = (platform.warehouse.read(name, as_of=day) for name in ("user_features", "job_features"))
    found = application_candidates(stored, users, jobs, policy=platform.policies.messaging, as_of=day)
    assert found["prediction_id"].equals(stored["prediction_id"])
    assert found.num_rows > 100
    assert set(CHOSEN) < set(found.column_names)
    assert len(set(found.column_names)) == found.num_columns
    chances = found.group_by("user_id").aggregate([("propensity", "sum")])["propensity_sum"].to_numpy()
    assert chances == pytest.approx(1.0)


def test_it_rolls_back(story) -> None:
    assert (story.rolled_back["model_version"], story.rolled_back["previous_version"]) == (FIRST, SECOND)
    reigns = [(reign.model_version, reign.kind) for reign in story.home.platform.of_model().registry.history()]
    assert reigns == [(FIRST, "promoted"), (SECOND, "promoted"), (FIRST, "rolled_back")]


def test_it_lives_one_more_day_with_the_model_it_returned_to(story) -> None:
    day, log = story.home.day(3), story.home.platform.event_log
    with story.home.platform.ledger.engine.connect() as ledger:
        recorded = set(ledger.exec_driver_sql("SELECT DISTINCT origin FROM log_files").scalars())
    assert recorded == {"taken_over", "written"}, "of consents and reviews"
    assert (story.lived.verdict, story.lived.day) == ("wait", day)
    scored = log.read("prediction", start=day, end=day)
    assert pc.unique(scored["model_version"]).to_pylist() == [FIRST]
    planned = log.read("message_planned", start=day, end=day)
    submitted = log.read("message_submitted", start=day, end=day)
    assert story.lived.delivered > 0
    assert set(submitted["message_id"].to_pylist()) <= set(planned["message_id"].to_pylist())
    texts = dict(zip(submitted["message_id"].to_pylist(), submitted["user_id"].to_pylist(), strict=True))
    assert len(set(texts.values())) == len(texts) == story.lived.submitted
    text = planned["message_id"][0].as_py()
    assert answer("trace", text, "--home", story.folder)["message_id"] == text


def test_its_market_goes_on_in_the_linear_world_that_0_1_0_began(story) -> None:
    """The people of a snapshot that 0.1.0 wrote and of the one that today's code wrote for the day before day 3."""
    folder, lasting = story.folder / "landing" / "user_snapshot", ("user_id", "taste_embedding", "latitude")
    old, new = (
        pq.read_table(folder / f"dt={day}" / "export.parquet", partitioning=None).select(lasting)
        for day in (add_days(story.home.day(1), -1), story.home.day(2))
    )
    assert new.equals(old)
    written = story.folder / "truth" / "parameters" / f"dt={story.home.day(2)}" / "parameters.json"
    recorded = orjson.loads(written.read_bytes())["calibration"]
    assert recorded["taste_noise"] == 0.35
    assert set(LINEAR_TERMS).isdisjoint(recorded)


@pytest.mark.proof
def test_it_retrains_by_folds_against_what_its_champion_of_a_holdout_says(story, small_home, tmp_path) -> None:
    """It has no report of folds: the champion is asked from the first day of its own holdout on."""
    home = small_home.open_home(Path(shutil.copytree(story.folder, tmp_path / "home")))
    day, tables = home.day(3), home.platform.tables
    with open_instance(home.settings.home) as instance:
        LifecycleDriver(home.definitions, instance).run_day("retraining_job", day).require_success()
    report = tables.read_report("promotion", day)
    assert report["judged_by"] == "folds"
    assert report["champion_version"] == FIRST
    assert {one["model_version"] for one in report["served"]} == {FIRST}
    manifest = home.platform.of_model().registry.load(FIRST).manifest
    asked_from = mature_day(date.fromisoformat(manifest["training_end_date"]), 7)
    assert report["served"][0]["first_day"] == report["first_gate_day"]
    assert date.fromisoformat(report["first_gate_day"]) >= asked_from
    assert "champion" in {one["against"] for one in report["comparisons"]}
    challenger = home.platform.of_model().registry.load(report["model_version"]).manifest
    assert challenger["training_end_date"] > manifest["training_end_date"]


def test_nothing_that_it_held_was_changed(story) -> None:
    now = files(story.folder, "events", "manifests", "models")
    assert {key: now.get(key) == data for key, data in story.stored.items()} == dict.fromkeys(story.stored, True)
    assert answer("log", "verify", "--home", story.folder)["is_intact"]
