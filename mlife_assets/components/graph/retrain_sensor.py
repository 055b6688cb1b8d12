"""The sensor that retrains a model when its governor decided so.

Concept: a run belongs to one decision of one model, so that models retrain side by side. A failed attempt waits before
the next, and after the last one a person is alerted once. Once every decision has a successful or abandoned run,
nothing can change before the next decision: the cursor holds the newest decision, and a tick only checks that. Without
a cursor everything is checked.
"""

import json
from collections.abc import Sequence
from datetime import date, datetime

import dagster as dg
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from mlife_assets.components.graph.alerts import INTERVAL_SECONDS, PARTITION_TAG, alert, is_alerted
from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.graph.run_requests import DECISION_TAG, RETRAINING_JOB, is_retraining, run_facts
from mlife_assets.components.shown.says_why import RETRAINING_FAILED
from mlife_assets.core.monitoring.retrain_decisions import DecisionFacts, RunFacts, outstanding_retrainings
from mlife_assets.deployments.ports import ModelPorts, Models

SENSOR = "retrain_on_drift_sensor"
DECISIONS_SEEN = 60


def build_retrain_sensor(graph: ModelGraph, job: UnresolvedAssetJobDefinition) -> dg.SensorDefinition:
    """Return the sensor of one model, which launches its retraining job."""
    job_name = job.name

    @dg.sensor(
        name=graph.named(SENSOR),
        job=job,
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Launches exactly one retraining run for each day on which the governor decides to retrain.",
    )
    def retrain_on_drift_sensor(
        context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Models]
    ) -> dg.SensorResult | dg.SkipReason:
        """Ask for the oldest retraining run that a decided day still needs, one at a time."""
        ports = graph.view(platform)
        policy, now = ports.model.retrain, ports.home.clock.now()
        newest = _newest_decision(context.instance, graph)
        if (sentence := _closed_sentence(context.cursor, newest)) is not None:
            return dg.SkipReason(sentence)
        decisions = _decisions(context.instance, graph)
        wanted = [decision.as_of_date for decision in decisions if decision.verdict == "retrain"]
        runs = {day: _retrainings(context.instance, job_name, day, now) for day in wanted}
        outlook = outstanding_retrainings(decisions, runs, now=now, retry_wait_minutes=policy.retry_wait_minutes)
        _alert_exhausted(context, ports, graph, outlook.exhausted, len(policy.retry_wait_minutes) + 1)
        given_up = {decision.as_of_date for decision in outlook.exhausted}
        if all(day in given_up or any(run.state == "succeeded" for run in found) for day, found in runs.items()):
            context.update_cursor(json.dumps({"newest": newest, "sentence": outlook.sentence}))
        if not outlook.requests:
            return dg.SkipReason(outlook.sentence)
        if is_retraining(context.instance, job_name=job_name):
            return dg.SkipReason(f"A retraining is running; the next starts after it. {outlook.sentence}")
        request = outlook.requests[0]
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(
                    run_key=graph.named(request.run_key),
                    partition_key=request.as_of_date.isoformat(),
                    tags={DECISION_TAG: request.decision_id, "mlife/attempt": str(request.attempt)},
                )
            ]
        )

    return retrain_on_drift_sensor


def _newest_decision(instance: dg.DagsterInstance, graph: ModelGraph) -> int | None:
    records = instance.fetch_materializations(graph.key("monitoring", "retrain_decision"), limit=1).records
    return records[0].storage_id if records else None


def _closed_sentence(cursor: str | None, newest: int | None) -> str | None:
    """Return the last sentence without an open decision, if no decision came since; None if unknown."""
    try:
        record = json.loads(cursor or "{}")
        return str(record["sentence"]) if record["newest"] == newest else None
    except (ValueError, KeyError, TypeError):
        return None


def _decisions(instance: dg.DagsterInstance, graph: ModelGraph) -> list[DecisionFacts]:
    key = graph.key("monitoring", "retrain_decision")
    found: dict[str, DecisionFacts] = {}
    for record in instance.fetch_materializations(key, limit=DECISIONS_SEEN).records:
        materialization = record.asset_materialization
        if materialization is None or materialization.partition is None:
            continue
        metadata = {name: value.value for name, value in materialization.metadata.items()}
        if not {"decision_id", "verdict"} <= set(metadata):  # reported by hand in the UI: no decision
            continue
        facts = DecisionFacts(
            str(metadata["decision_id"]), date.fromisoformat(materialization.partition), str(metadata["verdict"])
        )
        found.setdefault(facts.as_of_date.isoformat(), facts)
    return sorted(found.values(), key=lambda facts: facts.as_of_date)


def _retrainings(instance: dg.DagsterInstance, job_name: str, day: date, now: datetime) -> list[RunFacts]:
    """Return the model's retraining runs for any decision of a day, oldest first."""
    launched = dg.RunsFilter(job_name=job_name, tags={PARTITION_TAG: day.isoformat()})
    records = instance.get_run_records(filters=launched, ascending=True)
    return [run_facts(record, now) for record in records if DECISION_TAG in record.dagster_run.tags]


def _alert_exhausted(
    context: dg.SensorEvaluationContext,
    platform: ModelPorts,
    graph: ModelGraph,
    exhausted: Sequence[DecisionFacts],
    attempts: int,
) -> None:
    """Alert once about each day without further attempts: the alert file records that it was sent."""
    for decision in exhausted:
        day = decision.as_of_date.isoformat()
        name = graph.named(f"retraining-{day}")
        if is_alerted(platform, name):
            continue
        message = f"Retraining failed {attempts} times for {day}; nothing tries it again."
        facts = {
            "job": graph.named(RETRAINING_JOB),
            "partition": day,
            "decision_id": decision.decision_id,
            "message": message,
            "runbook": RETRAINING_FAILED,
        }
        alert(platform, name, facts)
        context.log.error("%s See %s.", message, RETRAINING_FAILED)
