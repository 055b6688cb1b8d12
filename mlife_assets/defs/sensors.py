"""Sensors: what runs because something happened.

Belongs here: looking, and translating what a pure function decides into run requests. Does not belong here: decisions,
and effects: a sensor is evaluated at least once, so it never sends.

Concept: stateless and keyed. A tick looks at what is recorded and at the runs that exist; `run_key` makes asking twice
harmless, and an attempt is part of the key because a key is used up even by a run that failed.
"""

from collections import defaultdict
from datetime import date

import dagster as dg

from mlife_assets.core.ids import digest
from mlife_assets.core.messaging.states import SendState
from mlife_assets.core.monitoring.trigger import ATTEMPTS_MAXIMUM, DecisionFacts, RunState, outstanding_retrainings
from mlife_assets.core.windows import add_days
from mlife_assets.defs import keys
from mlife_assets.defs.jobs import inbound_texts_job, ingest_job, retraining_job
from mlife_assets.defs.resources import INGEST_REPORT, Platform
from mlife_assets.defs.retrain_decision import is_retraining

DECISION_TAG = "mlife/decision_id"
CAUSE_TAG = "mlife/cause"
DECISIONS_SEEN = 60
INTERVAL_SECONDS = 30
_FAILED = {dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED}


def _decisions(instance: dg.DagsterInstance) -> list[DecisionFacts]:
    records = instance.fetch_materializations(keys.RETRAIN_DECISION, limit=DECISIONS_SEEN).records
    found: dict[str, DecisionFacts] = {}
    for record in records:
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


def _run_states(instance: dg.DagsterInstance, tag: str, values: list[str]) -> dict[str, list[RunState]]:
    """Return the states of the runs that carry each value of a tag, oldest first."""
    states: dict[str, list[RunState]] = defaultdict(list)
    for value in values:
        for run in reversed(instance.get_runs(filters=dg.RunsFilter(tags={tag: value}))):
            if run.status in _FAILED:
                states[value].append("failed")
            else:
                states[value].append("succeeded" if run.status == dg.DagsterRunStatus.SUCCESS else "active")
    return states


def _next_request(instance: dg.DagsterInstance, cause: str, day: date) -> dg.RunRequest | None:
    """Return the request of the next attempt for `cause`; None when a run settles it or it failed too often."""
    states = _run_states(instance, CAUSE_TAG, [cause])[cause]
    if len(states) >= ATTEMPTS_MAXIMUM or any(state != "failed" for state in states):
        return None
    key = f"{cause}-attempt-{len(states) + 1}"
    return dg.RunRequest(run_key=key, partition_key=day.isoformat(), tags={CAUSE_TAG: cause})


@dg.sensor(
    job=retraining_job,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches exactly one retraining run for each decision of the governor to retrain.",
)
def retrain_on_drift_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Ask for the oldest retraining run that a decision still needs, one at a time."""
    decisions = _decisions(context.instance)
    wanted = [decision.decision_id for decision in decisions if decision.verdict == "retrain"]
    outlook = outstanding_retrainings(decisions, _run_states(context.instance, DECISION_TAG, wanted))
    if outlook.exhausted:
        context.log.error(outlook.sentence)
    if not outlook.requests:
        return dg.SkipReason(outlook.sentence)
    if is_retraining(context.instance):
        return dg.SkipReason(f"A retraining is running; the next starts after it. {outlook.sentence}")
    request = outlook.requests[0]
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                run_key=request.run_key,
                partition_key=request.as_of_date.isoformat(),
                tags={DECISION_TAG: request.decision_id, "mlife/attempt": str(request.attempt)},
            )
        ]
    )


@dg.sensor(
    job=ingest_job,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Lands files that arrived after the daily run of their day.",
)
def landed_files_sensor(
    context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]
) -> dg.SensorResult | dg.SkipReason:
    """Ask for an ingest of every landed day whose files are not those that were ingested."""
    files: dict[str, list[str]] = defaultdict(list)
    for key in platform.landing.list(""):
        parts = key.split("/")
        if len(parts) == 3 and not parts[2].startswith(("_", ".")):
            files[parts[1]].append(key)
    requests: list[dg.RunRequest] = []
    for day in platform.tables.report_days(INGEST_REPORT):
        landed = files[f"dt={add_days(day, -1).isoformat()}"]
        known = sum(entry["files"] for entry in platform.tables.read_report(INGEST_REPORT, day)["types"])
        if len(landed) > known:
            cause = f"ingest-{day.isoformat()}-{digest(landed, 12)}"
            request = _next_request(context.instance, cause, day)
            if request is not None:
                requests.append(request)
    return (
        dg.SensorResult(run_requests=requests)
        if requests
        else dg.SkipReason("every landed file was ingested, or its ingest runs")
    )


@dg.sensor(
    job=inbound_texts_job,
    minimum_interval_seconds=INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reads replies and delivery receipts as soon as the provider has some.",
)
def inbound_texts_sensor(
    context: dg.SensorEvaluationContext, platform: dg.ResourceParam[Platform]
) -> dg.SensorResult | dg.SkipReason:
    """Ask for a reading when replies are unread, or receipts of unsettled sends are there, as of the newest day."""
    lived = platform.tables.report_days(INGEST_REPORT)
    if not lived:
        return dg.SkipReason("no day was lived yet")
    day, until = lived[-1], platform.outcomes_time(lived[-1])
    sent = platform.ledger.rows(state=SendState.ACCEPTED) + platform.ledger.rows(state=SendState.AMBIGUOUS)
    awaited = {row.message_id for row in sent}
    receipts = [
        receipt.message_id for receipt in platform.gateway.receipts(until=until) if receipt.message_id in awaited
    ]
    unread = sorted(
        {inbound.inbound_id for inbound in platform.gateway.inbound(until=until)} - platform.ledger.known_inbound()
    )
    if not receipts and not unread:
        return dg.SkipReason(f"{len(awaited)} sends await a receipt, none arrived; no reply is unread")
    cause = f"inbound-{day.isoformat()}-{digest((*sorted(receipts), *unread), 12)}"
    request = _next_request(context.instance, cause, day)
    if request is None:
        return dg.SkipReason(f"{cause} is being read, or its reading failed {ATTEMPTS_MAXIMUM} times; see the runs")
    return dg.SensorResult(run_requests=[request])


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes down every failed run for people: which job, which partition, what failed first.",
)
def run_failure_alert_sensor(context: dg.RunFailureSensorContext, platform: dg.ResourceParam[Platform]) -> None:
    """Keep one alert per failed run below `alerts/`."""
    import orjson

    run = context.dagster_run
    alert = {
        "run_id": run.run_id,
        "job": run.job_name,
        "partition": run.tags.get("dagster/partition"),
        "message": context.failure_event.message,
        "runbook": "docs/runbooks",
    }
    platform.lake.replace(f"alerts/{run.run_id}.json", orjson.dumps(alert, option=orjson.OPT_SORT_KEYS))
    context.log.error("%s failed for %s: %s", run.job_name, alert["partition"], alert["message"])


SENSORS = [retrain_on_drift_sensor, landed_files_sensor, inbound_texts_sensor, run_failure_alert_sensor]
