"""Jobs of people: what the launchpad asks for, and what a run leaves. The acts themselves: `test_acts`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import dagster as dg
import pytest

from mlife_assets.components.acts.acts import plan_standing, switch_sending
from mlife_assets.components.acts.jobs import ACT_JOBS, APPROVE_JOB, APPROVE_OP
from mlife_assets.components.graph import keys

WHO = {"actor": "ann", "reason": "read all of it"}


def run(instance: dg.DagsterInstance, platform: Any, job: str, op: str, **config: str) -> dg.ExecuteInProcessResult:
    definitions = dg.Definitions(jobs=ACT_JOBS, resources={"platform": platform})
    return definitions.resolve_job_def(job).execute_in_process(
        instance=instance, run_config={"ops": {op: {"config": {**WHO, **config}}}}, raise_on_error=False
    )


@pytest.mark.parametrize("job", ACT_JOBS, ids=lambda job: job.name)
def test_no_job_runs_without_somebody_s_name_and_reason(job) -> None:
    for missing in ("actor", "reason"):
        config = {"plan_digest": "d" * 64} if "plan" in job.name else {}
        config |= {"serving": "mdl_1234"} if job.name == "rollback_job" else {}
        config |= {name: value for name, value in WHO.items() if name != missing}
        (op,) = job.graph.node_names()
        with pytest.raises(dg.DagsterInvalidConfigError, match=missing):
            dg.validate_run_config(job, {"ops": {op: {"config": config}}})


@pytest.fixture
def waiting(open_home, sending_home):
    """A home whose plan waits for somebody."""
    found = open_home("waiting", policy=replace(sending_home.POLICY, auto_approve_within_limits=False))
    found.prepare(sending_home.DAY)
    found.plan()
    return found


def test_approving_records_the_deliveries_of_the_day_as_the_asset_does(instance, waiting, sending_home) -> None:
    digest = plan_standing(waiting.platform).digest
    refused = run(instance, waiting.platform, APPROVE_JOB, APPROVE_OP, plan_digest="0" * 64)
    assert not refused.success
    assert instance.get_latest_materialization_event(keys.MESSAGE_DELIVERIES) is None
    assert run(instance, waiting.platform, APPROVE_JOB, APPROVE_OP, plan_digest=digest).success
    made = instance.get_latest_materialization_event(keys.MESSAGE_DELIVERIES).asset_materialization
    assert made.partition == sending_home.DAY.isoformat()
    shown = {name: value.value for name, value in made.metadata.items()}
    assert (shown["approved"], shown["approved_by"], shown["reason"]) == (True, *WHO.values())
    assert shown["dagster/row_count"] == len(waiting.requests()) > 10


def test_each_of_the_other_jobs_acts(instance, waiting, home) -> None:
    digest = plan_standing(waiting.platform).digest
    assert run(instance, waiting.platform, "reject_plan_job", "reject_plan", plan_digest=digest).success
    assert plan_standing(waiting.platform).state == "rejected"
    platform = home.platform
    assert run(instance, platform, "pause_sending_job", "pause_sending").success
    assert platform.ledger.is_paused()
    assert run(instance, platform, "resume_sending_job", "resume_sending").success
    assert not platform.ledger.is_paused()
    serving = {"serving": home.champions[1][:8]}
    assert run(instance, platform, "rollback_job", "roll_back_model", **serving).success
    assert platform.registry.champion() == home.champions[0]
    again = run(instance, platform, "rollback_job", "roll_back_model", **serving)
    assert not again.success, "launched again, it would go one further back"
    assert platform.registry.champion() == home.champions[0]


def test_an_approval_whose_texts_are_all_held_back_is_a_failed_run(instance, waiting) -> None:
    switch_sending(waiting.platform, pauses=True, actor="bob", reason="storm")
    digest = plan_standing(waiting.platform).digest
    failed = run(instance, waiting.platform, APPROVE_JOB, APPROVE_OP, plan_digest=digest)
    (failure,) = [event for event in failed.all_events if event.is_step_failure]
    assert "none of its texts was sent: paused" in failure.step_failure_data.error.message
    assert plan_standing(waiting.platform).state == "approved"
    assert not waiting.requests()
    made = instance.get_latest_materialization_event(keys.MESSAGE_DELIVERIES).asset_materialization
    assert made.metadata["stopped_by"].value == "paused"
