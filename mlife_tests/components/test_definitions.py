from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import dagster as dg
import pytest

from mlife_assets import components
from mlife_assets.components import conversion_model, model_parts
from mlife_assets.components.graph import keys
from mlife_assets.components.messages import texts
from mlife_assets.components.metrics import marts_on_athena
from mlife_assets.components.model import hyperparameters, promotion
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import PromotionPolicy
from mlife_assets.definitions import MODULES, build_definitions
from mlife_assets.deployments.board_ports import board_ports
from mlife_assets.recruiting.application import Application, Audience
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.instances import job_of_the_day
from mlife_assets.recruiting.messaging_policy import MessagingPolicy
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings

JOBS_OF_SENDING = ("daily_lifecycle_job", "inbound_texts_job")
GROUPS = {"events", "features", "model", "monitoring", "predictions", "messages", "metrics", "churn_risk"} | {
    "email_digest",
    "recruiter_call_list",
}
GUARDS = {
    dg.AssetCheckKey(keys.CANDIDATE_PAIRS, "candidate_pairs_come_from_a_sound_day"),
    dg.AssetCheckKey(keys.TRAINING_SET, "training_set_comes_from_a_sound_day"),
    dg.AssetCheckKey(dg.AssetKey(["churn_risk", "training_set"]), "training_set_comes_from_a_sound_day"),
    dg.AssetCheckKey(keys.MESSAGE_PLAN, "holdout_is_not_planned"),
    dg.AssetCheckKey(dg.AssetKey(["email_digest", "message_plan"]), "holdout_is_not_planned"),
    dg.AssetCheckKey(dg.AssetKey(["recruiter_call_list", "call_list"]), "holdout_is_not_called"),
}
REPORTING = {"no_quality_fault", "no_column_drifted", "no_joint_drift", "outcomes_are_as_expected"}
NO_NETWORK = """
import socket, sys
def refuse(*args, **kwargs):
    raise OSError(f"the network was used: {args}")
socket.socket.connect = socket.socket.connect_ex = refuse
socket.create_connection = socket.getaddrinfo = refuse
"""


@pytest.fixture(scope="module")
def shape(loaded_module) -> ModuleType:
    return loaded_module("graph_snapshot", "components/graph_snapshot.py")


def test_the_graph_is_the_one_that_was_reviewed(definitions, shape) -> None:
    found, known = shape.encoded(shape.snapshot(definitions)), shape.FILE.read_text(encoding="utf-8")
    changes = "\n".join(difflib.unified_diff(known.splitlines(), found.splitlines(), "graph.json", "now", n=2))
    assert found == known, f"intended? then run `python mlife_tests/components/graph_snapshot.py`\n{changes}"


def test_every_asset_says_whose_it_is_and_what_it_is_for(definitions) -> None:
    graph = definitions.get_repository_def().asset_graph
    groups = set()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.owners, key
        assert all(owner.startswith("team:") for owner in node.owners), key
        assert len(node.description or "") > 20, key
        assert node.kinds, key
        assert "layer" in node.tags, key
        assert key.path[0] == node.group_name, f"{key.to_user_string()} is in group {node.group_name}"
        groups.add(node.group_name)
    assert groups == GROUPS


def test_a_range_of_partitions_is_one_run(definitions) -> None:
    """One partitioned asset without the policy would turn a whole job into one run per partition."""
    graph = definitions.get_repository_def().asset_graph
    partitioned = [key for key in graph.get_all_asset_keys() if graph.get(key).partitions_def is not None]
    assert len(partitioned) > 20
    for key in partitioned:
        assert graph.get(key).backfill_policy == dg.BackfillPolicy.single_run(), key


def test_checks_block_exactly_where_they_guard(definitions) -> None:
    graph = definitions.get_repository_def().asset_graph
    blocking = {key for key in graph.asset_check_keys if graph.get(key).blocking}
    assert blocking >= GUARDS
    ours = {key for key in blocking if key.asset_key.path[0] not in {"features", "metrics"}}
    assert ours == GUARDS
    assert not {key.name for key in blocking} & REPORTING, "a report is written on bad days too, so it never blocks"
    for key in graph.asset_check_keys - blocking:
        assert graph.get(key).description, key


def test_every_job_runs_in_one_process(definitions) -> None:
    for job in definitions.get_repository_def().get_all_jobs():
        if not job.name.startswith("__"):
            assert job.executor_def == dg.in_process_executor, job.name
            assert job.description, job.name


def test_what_no_job_of_the_day_runs_has_a_job_of_its_own(definitions) -> None:
    repository = definitions.get_repository_def()
    covered = set()
    for job in repository.get_all_jobs():
        if not job.name.startswith("__"):
            covered |= set(job.asset_layer.executable_asset_keys)
    assert covered == set(repository.asset_graph.get_all_asset_keys())


def test_a_retraining_makes_of_another_model_what_it_makes_of_the_first(definitions) -> None:
    """But for what only job applications have: people of protected groups, and texts."""
    repository = definitions.get_repository_def()
    first, other = (
        {key.path[-1] for key in repository.get_job(name).asset_layer.executable_asset_keys}
        for name in ("retraining_job", "churn_risk_retraining_job")
    )
    assert first - other == {"fairness_audit", "off_policy_estimate"}
    assert other < first


def test_schedules_run_by_themselves_in_production_only(tmp_path) -> None:
    for environment, status in (("dev", "STOPPED"), ("staging", "STOPPED"), ("prod", "RUNNING")):
        schedules = build_definitions(Settings(home=tmp_path, environment=environment)).schedules
        found = {schedule.name: schedule.default_status.value for schedule in schedules}
        for name in ("weekly_backtest_schedule", "weekly_pruning_schedule"):
            assert found.pop(name) == "STOPPED", "a person turns it on"
        assert set(found.values()) == {status}, environment


def test_a_relative_home_is_one_folder_for_every_process() -> None:
    assert Settings(home=Path("var/elsewhere")).home == Path.cwd() / "var" / "elsewhere"


def test_policies_can_be_given_and_default_to_closed(tmp_path) -> None:
    closed = build_definitions(Settings(home=tmp_path)).resources["platform"].policies
    assert closed.messaging.auto_approve_within_limits is False
    policies = Policies(messaging=MessagingPolicy(brand="Other"))
    assert build_definitions(Settings(home=tmp_path), policies=policies).resources["platform"].policies == policies


def test_every_module_of_assets_is_loaded(definitions) -> None:
    folder = Path(components.__file__).parent
    made = re.compile(r"^(ASSETS = \[|def build_assets\()", re.MULTILINE)
    texts_of = {path: path.read_text(encoding="utf-8") for path in folder.rglob("*.py")}
    with_assets = {path for path, text in texts_of.items() if made.search(text)}
    loaded = [
        *MODULES,
        *model_parts.OF_JOB_APPLICATIONS,
        hyperparameters,
        promotion,
        texts,
        marts_on_athena,  # on AWS alone
    ]
    of_other_projects = [conversion_model]
    assert with_assets == {Path(module.__file__) for module in (*loaded, *of_other_projects)}
    of_a_model = re.compile(r"^@model_asset\((?:.*\n)+?def (\w+)\(run", re.MULTILINE)
    names = {name for text in texts_of.values() for name in of_a_model.findall(text)}
    assert len(names) > 10
    assert names <= {key.path[-1] for key in definitions.get_repository_def().asset_graph.get_all_asset_keys()}


def with_other(home: Path, **changes: object) -> dg.Definitions:
    """Return the graph of a home with another application beside the first."""

    def other(policies: Policies) -> Application:
        return replace(job_of_the_day(policies), **{"name": "other", **changes})

    settings, declared = Settings(home=home), (job_of_the_day, other)
    platform = board_ports(settings=settings, policies=settings.policies(), declared_applications=declared)
    return build_definitions(settings, platform=platform)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"model_name": "growth"}, "application other uses model growth; known are churn_risk, job_applications"),
        ({"audience": Audience("growth")}, "application other uses model growth"),
        ({"name": "churn_risk"}, "an application and a model are called churn_risk"),
    ],
)
def test_an_application_of_no_model_or_with_the_name_of_one_is_refused(tmp_path, changes, says) -> None:
    with pytest.raises(InvalidInputError, match=says):
        with_other(tmp_path, **changes)


def test_another_application_has_assets_a_check_and_a_place_in_the_day(tmp_path) -> None:
    graph = with_other(tmp_path, channel="email")
    names = {"other/message_plan", "other/message_deliveries", "other/inbound_messages"}
    keys_of = {job: graph.resolve_job_def(job).asset_layer.selected_asset_keys for job in JOBS_OF_SENDING}
    found = {job: {key.to_user_string() for key in selected} & names for job, selected in keys_of.items()}
    assert found["daily_lifecycle_job"] == names - {"other/inbound_messages"}
    assert found["inbound_texts_job"] == {"other/inbound_messages"}
    checks = {key.to_user_string() for key in graph.get_repository_def().asset_graph.asset_check_keys}
    assert "other/message_plan:holdout_is_not_planned" in checks


def test_a_platform_that_is_given_is_the_one_that_assets_get(tmp_path) -> None:
    settings = Settings(home=tmp_path)
    platform = board_ports(settings)
    assert build_definitions(settings, platform=platform).resources["platform"] is platform


def test_loading_writes_nothing_into_the_home(tmp_path) -> None:
    build_definitions(Settings(home=tmp_path / "home")).get_repository_def()
    assert not (tmp_path / "home").exists()


@pytest.fixture
def clone(repository: Path, tmp_path: Path) -> Path:
    """A checkout as cloned: sources only, nothing that an earlier run left."""
    folder = tmp_path / "a clone"
    ignored = shutil.ignore_patterns("target", "logs", "__pycache__", ".user.yml", "dbt_packages")
    for name in ("mlife_assets", "dbt_project"):
        shutil.copytree(repository / name, folder / name, ignore=ignored)
    shutil.copy(repository / "pyproject.toml", folder)
    shutil.copy(repository / "workspace.yaml", folder)
    return folder


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLIFE_", "DAGSTER_", "DBT_"))}
    return {**kept, "HOME": str(home), "MLIFE_HOME": str(home / "mlife")}


@pytest.mark.proof
def test_definitions_load_offline_in_a_fresh_clone_and_validate(clone: Path, tmp_path: Path) -> None:
    """Without network, an earlier dbt run or a home: first plainly, then as `dagster definitions validate` does."""
    home = tmp_path / "empty_home"
    home.mkdir()
    code = NO_NETWORK + (
        "from mlife_assets import definitions\n"
        "repository = definitions.defs().get_repository_def()\n"
        "print(definitions.__file__, len(repository.asset_graph.get_all_asset_keys()))\n"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=clone, env=environment(home), capture_output=True, text=True, check=False
    )
    assert loaded.returncode == 0, loaded.stdout + loaded.stderr
    place, _, count = loaded.stdout.strip().rpartition(" ")
    assert Path(place).is_relative_to(clone), "another checkout was loaded"
    assert int(count) > 40
    dagster = [sys.executable, "-m", "dagster", "definitions", "validate"]
    validated = subprocess.run(dagster, cwd=clone, env=environment(home), capture_output=True, text=True, check=False)
    assert validated.returncode == 0, validated.stdout + validated.stderr
    assert "Validation successful for code location mlife" in validated.stdout + validated.stderr
    assert not (home / "mlife").exists()


def test_event_types_named_by_the_graph_exist() -> None:
    from mlife_assets.components.features.dbt import WRITTEN_HERE

    assert set(WRITTEN_HERE) <= set(EVENT_TYPES)


@pytest.mark.parametrize(("judged_by", "days", "least"), [("holdout", 52, 53), ("folds", 30, 38), ("folds", 37, 38)])
def test_a_history_too_short_for_the_first_model_is_refused_before_anything_runs(
    tmp_path, judged_by: str, days: int, least: int
) -> None:
    """It failed after minutes: 0 positives in 0 examples."""
    policies = Policies(promotion=PromotionPolicy(judged_by=judged_by))
    with pytest.raises(InvalidInputError, match=rf"MLIFE_HISTORY_DAYS is {days}, .* needs {least}"):
        build_definitions(Settings(home=tmp_path / "home", history_days=days), policies=policies)
    assert not (tmp_path / "home").exists()


def test_policies_that_ask_for_less_take_a_shorter_history(tmp_path) -> None:
    policies = Policies(promotion=PromotionPolicy(gate_weeks=2, judged_by="holdout"))
    build_definitions(Settings(home=tmp_path, history_days=39), policies=policies)
    build_definitions(Settings(home=tmp_path, history_days=38))
    with pytest.raises(InvalidInputError, match="needs 39"):
        build_definitions(Settings(home=tmp_path, history_days=38), policies=policies)
