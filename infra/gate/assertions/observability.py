"""What wakes somebody, what is on record, what may be spent, what can be had back."""

from __future__ import annotations

from collections.abc import Iterator

from infra.gate.environments import Environment
from infra.gate.findings import holds

HEARTBEATS = (
    "mlife-daemon-down",
    "mlife-database-full",
    "mlife-kill-switch-not-rehearsed",
    "mlife-no-backup",
    "mlife-no-day-ended",
    "mlife-ui-down",
)
"""Alarms for which silence is the fault."""
LEAST_TRAIL_DAYS = {"dev": 1, "staging": 90, "prod": 2_555}
LONGEST_LOOK, LONGEST_LOOK_BY_MINUTES, HOUR = 604_800, 86_400, 3_600
"""Seconds that an alarm may look back, and those of one with periods shorter than an hour."""
ENDS = {"ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"}
"""How an execution can end that did not succeed."""
DAY, LONGEST_WITHOUT_BACKUP = 86_400, 129_600
"""Seconds between two backups, and those after which somebody has to hear that none was completed."""
MOST_USD = {"dev": 500, "staging": 1_000, "prod": 10_000}


@holds
def every_alarm_reaches_somebody(environment: Environment) -> Iterator[str]:
    """Each alarm acts on the alerts' topic, which somebody hears, and is encrypted."""
    stack = environment.stack("80-observability")
    topic = f"arn:aws:sns:{stack.region}:{stack.account}:mlife-alerts"
    for alarm in stack.of("AWS::CloudWatch::Alarm"):
        if alarm.properties.get("AlarmActions") != [topic] or alarm.properties.get("ActionsEnabled") is False:
            yield f"{alarm.name} acts on {alarm.properties.get('AlarmActions')}"
    if not any(
        one.properties["TopicArn"] == topic and one.properties["Endpoint"] for one in stack.of("AWS::SNS::Subscription")
    ):
        yield "nobody hears alerts"
    for one in stack.of("AWS::SNS::Topic"):
        if not str(one.properties.get("KmsMasterKeyId")).endswith("/RecordsKey"):
            yield f"{one.name} is not encrypted by our key"


@holds
def silence_is_an_alarm(environment: Environment) -> Iterator[str]:
    """What should report and does not is an alarm: the day's end, the daemon, the database, its backups, the UI and the
    rehearsal of the kill switch.
    """
    found = {alarm.properties["AlarmName"]: alarm.properties for _, alarm in environment.of("AWS::CloudWatch::Alarm")}
    for name in HEARTBEATS:
        if found.get(name, {}).get("TreatMissingData") != "breaching":
            yield name


@holds
def no_alarm_looks_back_too_far(environment: Environment) -> Iterator[str]:
    """Periods of each alarm are no more than CloudWatch takes: seven days, or a day if shorter than an hour each."""
    for _, alarm in environment.of("AWS::CloudWatch::Alarm"):
        period, count = alarm.properties["Period"], alarm.properties["EvaluationPeriods"]
        if period * count > (LONGEST_LOOK if period >= HOUR else LONGEST_LOOK_BY_MINUTES):
            yield f"{alarm.name} looks back {period * count} seconds"


@holds
def a_kill_switch_that_ends_badly_is_an_alarm(environment: Environment) -> Iterator[str]:
    """The kill switch that fails, takes too long or is ended by somebody is an alarm, and so is one that did not
    succeed once in a week.
    """
    switch = environment.stack("80-observability").parameters["KillSwitchArn"]
    found = {
        alarm.properties["MetricName"]: alarm.properties
        for _, alarm in environment.of("AWS::CloudWatch::Alarm")
        if alarm.properties.get("Dimensions") == [{"Name": "StateMachineArn", "Value": switch}]
    }
    for name in sorted(ENDS - {key for key, one in found.items() if one["Threshold"] == 0}):
        yield f"{name} is no alarm"
    week = found.get("ExecutionsSucceeded", {})
    if week.get("Period", 0) * week.get("EvaluationPeriods", 0) != LONGEST_LOOK or week["Threshold"] != 1:
        yield "a week without a rehearsal is no alarm"


@holds
def the_trail_records_everything(environment: Environment) -> Iterator[str]:
    """One trail records each call in each region and each read and write of the log, of bundles of models and of
    who people are, in files that prove themselves.
    """
    stack = environment.stack("80-observability")
    (trail,) = stack.of("AWS::CloudTrail::Trail")
    for wanted in ("IsLogging", "IsMultiRegionTrail", "IncludeGlobalServiceEvents", "EnableLogFileValidation"):
        if trail.properties.get(wanted) is not True:
            yield f"{wanted} is {trail.properties.get(wanted)}"
    if not trail.properties.get("KMSKeyId"):
        yield "it is not encrypted by our key"
    objects = {
        value
        for selector in trail.properties["EventSelectors"]
        if selector["ReadWriteType"] == "All" and selector.get("IncludeManagementEvents") is True
        for data in selector.get("DataResources", ())
        for value in data["Values"]
    }
    for template in ("06-bundles", "20-event-log", "26-people"):
        (bucket,) = environment.stack(template).of("AWS::S3::Bucket")
        if f"arn:aws:s3:::{bucket.properties['BucketName']}/" not in objects:
            yield f"it does not see the objects of {template}"


@holds
def the_trail_cannot_be_changed(environment: Environment) -> Iterator[str]:
    """Files of the trail are write-once, COMPLIANCE in prod, for as long as the log is kept."""
    (bucket,) = environment.stack("80-observability").of("AWS::S3::Bucket")
    retention = bucket.properties["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    wanted = "COMPLIANCE" if environment.name == "prod" else "GOVERNANCE"
    if bucket.properties.get("ObjectLockEnabled") is not True or retention["Mode"] != wanted:
        yield f"{bucket.name} has {retention}"
    if retention["Days"] < LEAST_TRAIL_DAYS[environment.name]:
        yield f"{bucket.name} keeps for {retention['Days']} days"


@holds
def spending_is_watched(environment: Environment) -> Iterator[str]:
    """Each account has a monthly budget within reason that alerts before it is spent and when it is going to be."""
    budgets = list(environment.of("AWS::Budgets::Budget"))
    if len(budgets) != 1:
        yield f"there are {len(budgets)} budgets"
    for _, budget in budgets:
        amount = float(budget.properties["Budget"]["BudgetLimit"]["Amount"])
        if amount > MOST_USD[environment.name]:
            yield f"the budget is {amount:.0f} dollars, more than {MOST_USD[environment.name]:,}"
        kinds = {
            one["Notification"]["NotificationType"]
            for one in budget.properties.get("NotificationsWithSubscribers", ())
            if one["Subscribers"] and one["Notification"]["Threshold"] <= 100
        }
        if kinds != {"ACTUAL", "FORECASTED"}:
            yield f"it alerts on {sorted(kinds)}"


@holds
def the_database_is_backed_up_where_it_cannot_be_deleted(environment: Environment) -> Iterator[str]:
    """A daily backup of the database lies in a vault whose lock keeps each for a week at least; prod's lock is final
    after three days, others can be cleaned up.
    """
    stack = environment.stack("80-observability")
    database = stack.parameters["DatabaseArn"]
    vaults = {
        vault.properties["BackupVaultName"]: vault.properties.get("LockConfiguration", {})
        for vault in stack.of("AWS::Backup::BackupVault")
    }
    final = 3 if environment.name == "prod" else None
    for name, lock in vaults.items():
        if lock.get("ChangeableForDays") != final:
            yield f"the lock of {name} is final after {lock.get('ChangeableForDays')} days"
    chosen = [
        one
        for selection in stack.of("AWS::Backup::BackupSelection")
        for one in selection.properties["BackupSelection"]["Resources"]
    ]
    if database not in chosen:
        yield f"{chosen} is backed up"
    for plan in stack.of("AWS::Backup::BackupPlan"):
        for rule in plan.properties["BackupPlan"]["BackupPlanRule"]:
            lock = vaults.get(rule["TargetBackupVault"], {})
            kept = rule["Lifecycle"]["DeleteAfterDays"]
            if lock.get("MinRetentionDays", 0) < 7 or not lock["MinRetentionDays"] <= kept <= lock["MaxRetentionDays"]:
                yield f"{rule['RuleName']} keeps for {kept} days in a vault with {lock}"


@holds
def a_backup_that_fails_or_is_missing_is_an_alarm(environment: Environment) -> Iterator[str]:
    """A job that fails to copy into a vault is an alarm within the hour, and so is a vault into which no copy was
    completed for a day and a half.
    """
    stack = environment.stack("80-observability")
    vaults = [vault.properties["BackupVaultName"] for vault in stack.of("AWS::Backup::BackupVault")]
    found = {
        (alarm.properties["MetricName"], one["Value"]): alarm.properties
        for alarm in stack.of("AWS::CloudWatch::Alarm")
        if alarm.properties["Namespace"] == "AWS/Backup" and alarm.properties["Statistic"] == "Sum"
        for one in alarm.properties.get("Dimensions", ())
        if one["Name"] == "BackupVaultName"
    }
    for vault in vaults:
        failed = found.get(("NumberOfBackupJobsFailed", vault), {})
        looks, limit = failed.get("Period", 0) * failed.get("EvaluationPeriods", 0), failed.get("Threshold")
        if (failed.get("ComparisonOperator"), limit) != ("GreaterThanThreshold", 0) or not 0 < looks <= HOUR:
            yield f"a job that fails to copy into {vault} is no alarm"
        missing = found.get(("NumberOfBackupJobsCompleted", vault), {})
        looks, limit = missing.get("Period", 0) * missing.get("EvaluationPeriods", 0), missing.get("Threshold")
        is_heard = missing.get("TreatMissingData") == "breaching" and DAY < looks <= LONGEST_WITHOUT_BACKUP
        if (missing.get("ComparisonOperator"), limit) != ("LessThanThreshold", 1) or not is_heard:
            yield f"a day without a copy into {vault} is no alarm"
