"""Tasks inside a deployed environment: commands of runs, and smoke tests of the environment.

Concept: a check is named by the statement that holds when it is green, and leaves nothing behind: a second put has the
same bytes, and deletion is tried on a key that never existed, so that a bucket that wrongly permits either loses
nothing. A denial must be an explicit one of the bucket: a role without the right is denied as well. In an environment
too young for a finished day, checks of a day's output are skipped and reported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from http.client import HTTPSConnection
from typing import Any

from mlife_assets.adapters.aws_clients import code_of
from mlife_assets.adapters.delivery.stacks import Clients, refused_with, require_account, waited
from mlife_assets.adapters.owners_table import OwnersAuditTable, OwnersContacts
from mlife_assets.core.delivery.stacks import InfraFiles, account_of
from mlife_assets.core.errors import IntegrityError, MlifeError, NotFoundError, TransientError
from mlife_assets.core.storage_places import Bucket

TASK_SECONDS = 1800.0
AT_ONCE = 3
"""Simultaneous tasks. Each takes up to 4 of the account's Fargate vCPU in a region, which Dagster's runs and services
share: with three of them, four runs and services being replaced it is 33, about half of the quota that
`infra/README.md` requests."""
LOG_GROUP = "/mlife/tasks"
CONTAINER = "run"
NEVER_WRITTEN = "manifests/smoke/never-written"
STOPPED = "/mlife/sending/stopped"
DENIED_BY_A_STATEMENT = "explicit deny"
"""S3's words for a denial by a policy statement, as opposed to a missing right."""
PEOPLE: dict[str, tuple[type[OwnersContacts | OwnersAuditTable], str]] = {
    "contacts/contacts.parquet": (OwnersContacts, "nobody is sent anything"),
    "audit/audit.parquet": (OwnersAuditTable, "no model is promoted"),
}
"""Objects that the task of runs names in the bucket for people: their reader, and the effect of their absence."""
PLANS = "reports/message_plan/"
"""Folder of plans in the lake, one per finished day."""
NOT_YET = 4
"""Exit code of a check of a day's output if no day had to end yet."""
FIRST_DAY = timedelta(days=7)
"""Time that a new environment may be without a day: alerts are confirmed and history is delivered meanwhile."""
FIRST_METRICS = timedelta(hours=26)
"""Time within which metrics follow the first day."""
HEAD_DAYS = 2
QUERY_SECONDS = 120.0
CLICKS = "select count(user_id) from events.click where dt >= current_date - interval '7' day"
FIGURES = "select max(kpi_date) from marts.kpi_daily"
HTTP_SECONDS = 20.0


class NotYetError(NotFoundError):
    """A day's output is missing, and no day has to have ended yet."""


@dataclass(frozen=True)
class Inside:
    """Inputs of a check."""

    at: SmokePlaces
    of: Clients
    now: datetime
    sleep: Callable[[float], None]
    launch: Callable[[], str]
    """Launches a Dagster run through the daemon, waits for it and returns its id."""
    launch_large: Callable[[], str]
    """The same, with the tags by which a run that fits models requests a larger task."""


def ui_asks_who_you_are(inside: Inside) -> str:
    """The name of the UI leads to the balancer, its certificate is valid, and nobody gets past without logging in."""
    connection = HTTPSConnection(inside.at.ui, timeout=HTTP_SECONDS)
    try:
        connection.request("GET", "/")
        answer = connection.getresponse()
    finally:
        connection.close()
    return log_in_of(answer.status, answer.getheader("Location") or "", inside.at.log_in)


def log_in_of(status: int, location: str, log_in: str) -> str:
    """Return a balancer's answer in words. Raises IntegrityError unless it redirects to the login."""
    if status != 302 or not location.startswith(log_in):
        raise IntegrityError(f"the UI answers {status} and sends to {location or 'nowhere'}, not to {log_in}")
    return f"sent to {log_in}"


def log_refuses_a_put_that_could_replace(inside: Inside) -> str:
    """A put into the log without `If-None-Match` is refused."""
    s3, again = inside.of("s3"), _written(inside)
    return _refused("a put", "AccessDenied", lambda: s3.put_object(**again))


def log_is_put_once(inside: Inside) -> str:
    """A key that the log holds is not written again: 412."""
    s3, again = inside.of("s3"), _written(inside)
    return _refused(f"a second {again['Key']}", "PreconditionFailed", lambda: s3.put_object(**again, IfNoneMatch="*"))


def _written(inside: Inside) -> dict[str, Any]:
    """Return key and bytes of an object of the log: a second put of them changes nothing even if it succeeds."""
    s3, bucket = inside.of("s3"), inside.at.event_log
    listed = s3.list_objects_v2(Bucket=bucket, Prefix="manifests/", MaxKeys=1).get("Contents")
    if not listed:
        raise _missing(inside, "the log holds nothing yet: run a day, then smoke again")
    key = listed[0]["Key"]
    return {"Bucket": bucket, "Key": key, "Body": s3.get_object(Bucket=bucket, Key=key)["Body"].read()}


def log_refuses_deletion(inside: Inside) -> str:
    """Deleting, bypassing retention and setting another retention are refused."""
    s3, at = inside.of("s3"), {"Bucket": inside.at.event_log, "Key": NEVER_WRITTEN}
    until = {"Mode": "GOVERNANCE", "RetainUntilDate": inside.now + timedelta(days=1)}
    said = [
        _refused(what, "AccessDenied", call)
        for what, call in (
            ("deleting", lambda: s3.delete_object(**at)),
            ("deleting past retention", lambda: s3.delete_object(**at, BypassGovernanceRetention=True)),
            ("another retention", lambda: s3.put_object_retention(**at, Retention=until)),
        )
    ]
    return "; ".join(said)


def heads_lie_with_the_witness(inside: Inside) -> str:
    """The witness's bucket holds a signed head: of the last two days, where days run by themselves."""
    pages = inside.of("s3").get_paginator("list_objects_v2").paginate(Bucket=inside.at.log_heads, Prefix="heads/")
    written = {one["Key"]: one["LastModified"] for page in pages for one in page.get("Contents", ())}
    if not written:
        raise _missing(inside, "the witness holds no head: run a day, then smoke again")
    newest = max(written, key=lambda key: written[key])
    if inside.at.runs_days and inside.now - written[newest] > timedelta(days=HEAD_DAYS):
        said = f"the newest head, {newest}, is of {written[newest]:%Y-%m-%d}: no day ended since; due_days_sensor says "
        raise _missing(inside, f"{said}which files it waits for", IntegrityError)
    return str(newest)


def people_can_be_read(inside: Inside) -> str:
    """A run reads contact book and audit table as the tables that they are, encrypted by the key that opens them to
    runs alone. A table that was never uploaded is mentioned and not red: its bucket is part of the environment.
    """
    return "; ".join(_table_of_people(inside, key, table, without) for key, (table, without) in PEOPLE.items())


def _table_of_people(inside: Inside, key: str, table: type[OwnersContacts | OwnersAuditTable], without: str) -> str:
    s3, at = inside.of("s3"), inside.at
    found: list[dict[str, Any]] = []
    code = refused_with(lambda: found.append(s3.get_object(Bucket=at.people, Key=key)))
    if code == "NoSuchKey":
        return f"{key} is not uploaded yet, so {without}"
    if code:
        raise IntegrityError(f"s3://{at.people}/{key} cannot be read: {code}")
    by = [found[0].get("ServerSideEncryption"), found[0].get("SSEKMSKeyId")]
    if by != ["aws:kms", at.people_key]:
        raise IntegrityError(f"s3://{at.people}/{key} is encrypted by {by} and not by {at.people_key}; upload it anew")
    return f"{key} has {table(Bucket(at.people, key, None, region=at.region)).count()} people"


def athena_answers(inside: Inside) -> str:
    """Athena finds rows of the log by the catalogue, in the workgroup with the cut-off."""
    clicks = int(_answered(inside, CLICKS) or 0)
    if not clicks and not inside.at.runs_days:
        return "no click of seven days, in which no day had to run"
    if not clicks:  # wrongly projected partitions are empty, without an error of Athena
        raise _missing(inside, "Athena finds no click of the last seven days: run a day, then smoke again")
    return f"{clicks} clicks of seven days"


def athena_has_the_marts(inside: Inside) -> str:
    """Athena reads the marts that a run published."""
    missing = _missing(inside, "marts.kpi_daily holds no day: run a day and metrics_job, then smoke again")
    newest = None if isinstance(missing, NotYetError) else _answered(inside, FIGURES)  # there is no table before
    if newest is None:
        raise missing
    return f"figures until {newest}"


def dagster_launches_a_run_as_a_task(inside: Inside) -> str:
    """A run that is handed to Dagster's queue is launched as a task of its own and succeeds."""
    return f"run {inside.launch()}"


def training_gets_a_larger_task(inside: Inside) -> str:
    """ECS accepts the task size in the tags of training runs, and such a run succeeds. The size it got is not read."""
    return f"run {inside.launch_large()}"


def stop_flag_is_read(inside: Inside) -> str:
    """A run may read whether sending is stopped, which every send asks first."""
    ssm = inside.of("ssm")
    found: list[str] = []
    code = refused_with(lambda: found.append(ssm.get_parameter(Name=STOPPED)["Parameter"]["Value"]))
    if code == "ParameterNotFound":
        return "nothing was ever stopped"
    if code or found[0] not in {"true", "false"}:
        raise IntegrityError(f"{STOPPED} cannot be read: {code or found[0]}")
    return f"it says {found[0]}"


def alerts_are_taken(inside: Inside) -> str:
    """The topic takes a message of a run, by its own rights; alarms come by the topic's and the key's, untried here."""
    sent = inside.of("sns").publish(
        TopicArn=inside.at.alerts,
        Subject=f"mlife {inside.at.environment}: smoke test",
        Message="A smoke test after a deployment. Nothing is wrong; alarms reach the readers of this message.",
    )
    return f"message {sent['MessageId']}"


def somebody_hears_alerts(inside: Inside) -> str:
    """Somebody has confirmed to hear alerts: until then SNS sends the topic's messages to nobody."""
    said = inside.of("sns").get_topic_attributes(TopicArn=inside.at.alerts)["Attributes"]
    confirmed, pending = (int(said[name]) for name in ("SubscriptionsConfirmed", "SubscriptionsPending"))
    if not confirmed:
        raise _missing(
            inside,
            f"nobody hears {inside.at.alerts}, and {pending} did not confirm yet: `aws sns confirm-subscription` "
            "with the token from the mail that SNS sent, as infra/README.md says, then smoke again",
        )
    return f"{confirmed} subscribed" + (f", {pending} did not confirm yet" if pending else "")


CHECKS: dict[str, Callable[[Inside], str]] = {
    check.__name__: check
    for check in (
        ui_asks_who_you_are,
        log_refuses_a_put_that_could_replace,
        log_is_put_once,
        log_refuses_deletion,
        heads_lie_with_the_witness,
        people_can_be_read,
        dagster_launches_a_run_as_a_task,  # beside the next: without a daemon, both wait at the same time
        training_gets_a_larger_task,
        athena_answers,
        athena_has_the_marts,
        stop_flag_is_read,
        alerts_are_taken,
        somebody_hears_alerts,
    )
}


def _missing(inside: Inside, said: str, error: type[MlifeError] = NotFoundError) -> MlifeError:
    """Return the error for something missing; NotYetError until a day after the first day ended, or should have."""
    plans = inside.of("s3").list_objects_v2(Bucket=inside.at.lake, Prefix=PLANS, MaxKeys=1).get("Contents")
    made = datetime.fromisoformat(inside.at.made)
    due = plans[0]["LastModified"] + FIRST_METRICS if plans else made + FIRST_DAY
    if inside.now < due:
        return NotYetError(f"this is red from {due:%Y-%m-%d %H:%M} UTC on: {said}")
    return error(said if plans else f"no day ended since {made:%Y-%m-%d}, when the log was made: {said}")


def _answered(inside: Inside, query: str) -> str | None:
    """Return the one value of an Athena query. Raises IntegrityError if it fails."""
    athena = inside.of("athena")
    started = athena.start_query_execution(QueryString=query, WorkGroup=inside.at.workgroup)["QueryExecutionId"]
    seen: Any = waited(
        lambda: athena.get_query_execution(QueryExecutionId=started)["QueryExecution"]["Status"],
        lambda status: status["State"] not in {"QUEUED", "RUNNING"},
        "a query of Athena",
        seconds=QUERY_SECONDS,
        sleep=inside.sleep,
    )
    if seen["State"] != "SUCCEEDED":
        raise IntegrityError(f"Athena ended with {seen['State']}: {seen.get('StateChangeReason')}")
    _, row = athena.get_query_results(QueryExecutionId=started)["ResultSet"]["Rows"]
    value: str | None = row["Data"][0].get("VarCharValue")
    return value


def _refused(what: str, wanted: str, call: Callable[[], object]) -> str:
    code = said = ""
    try:
        call()
    except Exception as error:
        if not (code := code_of(error)):
            raise
        said = str(error)
    if code != wanted or (code == "AccessDenied" and DENIED_BY_A_STATEMENT not in said):
        raise IntegrityError(f"{what} is answered with {said or 'success'} and not with {wanted} by a statement")
    return f"{what} is refused"


@dataclass(frozen=True)
class SmokePlaces:
    """Names and places of one environment; `log_in` is the UI's redirect, `made` the time when the log was made."""

    environment: str
    region: str
    ui: str
    log_in: str
    made: str
    lake: str
    event_log: str
    log_heads: str
    people: str
    people_key: str
    workgroup: str
    alerts: str
    runs_days: bool


def places_of(files: InfraFiles, environment: str, of: Clients) -> SmokePlaces:
    """Return the places, from the files and from the stacks' values in Parameter Store."""
    ssm, given = of("ssm"), files.parameters[environment]
    region, account = files.accounts["region"], account_of(files, environment, "environment")
    log = ssm.get_parameter(Name="/mlife/event-log/bucket")["Parameter"]
    return SmokePlaces(
        environment=environment,
        region=region,
        ui=given["DomainName"],
        log_in=given["OidcAuthorizationEndpoint"],
        made=log["LastModifiedDate"].isoformat(),
        lake=ssm.get_parameter(Name="/mlife/lake/bucket")["Parameter"]["Value"],
        event_log=log["Value"],
        log_heads=f"mlife-log-heads-{environment}-{account_of(files, environment, 'witness')}",
        people=ssm.get_parameter(Name="/mlife/people/bucket")["Parameter"]["Value"],
        people_key=ssm.get_parameter(Name="/mlife/people/key-arn")["Parameter"]["Value"],
        workgroup=ssm.get_parameter(Name="/mlife/catalog/workgroup")["Parameter"]["Value"],
        alerts=f"arn:aws:sns:{region}:{account}:mlife-alerts",
        runs_days=str(given["DaysRunByThemselves"]).lower() == "true",
    )


def handed_over(places: Mapping[str, Any]) -> SmokePlaces:
    """Return places from another process's record; a newer release may name more than an older image knows."""
    known = {field.name for field in fields(SmokePlaces)}
    return SmokePlaces(**{name: value for name, value in places.items() if name in known})


@dataclass(frozen=True)
class Ended:
    """End of a task; no exit code if its container never ran."""

    exit_code: int | None
    reason: str
    log_stream: str

    @property
    def is_well(self) -> bool:
        return self.exit_code == 0


@dataclass(frozen=True)
class RunTasks:
    """Tasks of one environment, started by an authorised role."""

    of: Clients
    account: str
    sleep: Callable[[float], None]

    def run(self, commands: Mapping[str, Sequence[str]]) -> dict[str, Ended]:
        """Run commands, a few at once, and return the end of each. Raises TransientError if one does not end."""
        require_account(self.of, self.account)
        ssm = self.of("ssm")
        names = {
            "cluster": "/mlife/dagster/cluster-arn",
            "task": "/mlife/dagster/run-task-arn",
            "subnets": "/mlife/network/task-subnet-ids",
            "group": "/mlife/network/task-security-group-id",
        }
        at = {key: ssm.get_parameter(Name=path)["Parameter"]["Value"] for key, path in names.items()}
        ended: dict[str, Ended] = {}
        names_in_order = list(commands)
        for first in range(0, len(names_in_order), AT_ONCE):
            some = names_in_order[first : first + AT_ONCE]
            started = {name: self._start(at, commands[name]) for name in some}
            ended |= {name: self._ended(at["cluster"], task) for name, task in started.items()}
        return ended

    def _start(self, at: Mapping[str, str], command: Sequence[str]) -> str:
        network = {"subnets": at["subnets"].split(","), "securityGroups": [at["group"]], "assignPublicIp": "DISABLED"}
        answer = self.of("ecs").run_task(
            cluster=at["cluster"],
            taskDefinition=at["task"],
            launchType="FARGATE",
            networkConfiguration={"awsvpcConfiguration": network},
            overrides={"containerOverrides": [{"name": CONTAINER, "command": list(command)}]},
        )
        if answer["failures"] or not answer["tasks"]:
            raise TransientError(f"ECS started no task for {' '.join(command)}: {answer['failures']}; try again")
        return str(answer["tasks"][0]["taskArn"])

    def _ended(self, cluster: str, task: str) -> Ended:
        def look() -> Mapping[str, Any]:
            found = self.of("ecs").describe_tasks(cluster=cluster, tasks=[task])["tasks"]
            return found[0] if found else {}  # ECS may not know a task for a moment after its start

        seen = waited(
            look, lambda one: one.get("lastStatus") == "STOPPED", f"task {task}", seconds=TASK_SECONDS, sleep=self.sleep
        )
        container = next(one for one in seen["containers"] if one["name"] == CONTAINER)
        reason = container.get("reason") or seen.get("stoppedReason") or ""
        return Ended(container.get("exitCode"), reason, f"{LOG_GROUP} mlife/{CONTAINER}/{task.rpartition('/')[2]}")
