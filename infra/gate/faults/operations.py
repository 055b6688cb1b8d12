"""Mistakes that show on the worst day: the kill switch, alarms, the trail, backups.

Belongs here: faults of `65-triggers` and `80-observability`. Does not belong here: their roles (`identity`).
"""

from __future__ import annotations

from infra.gate.faults.fault import Tree, fault, properties

TRIGGERS, WATCH = "65-triggers", "80-observability"


@fault(TRIGGERS, "every_schedule_has_a_time", is_of_the_reference=True)
def a_schedule_has_no_time(template: Tree) -> None:
    """Both days are stars: AWS refuses it when the stack is made."""
    template["Parameters"]["RehearsalCron"]["Default"] = "cron(0 9 * * * *)"


@fault(TRIGGERS, "a_model_is_rolled_back_by_the_image_that_runs")
def the_model_rollback_names_a_revision(template: Tree) -> None:
    """The first deployment after it deregisters the task that it would start."""
    template["Parameters"]["RunTaskArn"] = {
        "Type": "AWS::SSM::Parameter::Value<String>",
        "Default": "/mlife/dagster/run-task-arn",
    }
    states = properties(template, "ModelRollback")["Definition"]["States"]
    states["RollBack"]["Parameters"]["TaskDefinition"] = {"Ref": "RunTaskArn"}


@fault(TRIGGERS, "each_model_can_be_rolled_back")
def the_first_model_alone_is_rolled_back(template: Tree) -> None:
    """Whichever model scores wrongly, the first one returns to an earlier version."""
    states = properties(template, "ModelRollback")["Definition"]["States"]
    (run,) = states["RollBack"]["Parameters"]["Overrides"]["ContainerOverrides"]
    run["Command.$"] = run["Command.$"].replace("'--model',$.model,", "")


@fault(WATCH, "every_schedule_has_a_time", is_of_the_reference=True)
def an_hour_does_not_exist(template: Tree) -> None:
    """There is no hour 25."""
    (rule,) = properties(template, "Plan")["BackupPlan"]["BackupPlanRule"]
    rule["ScheduleExpression"] = "cron(30 25 * * ? *)"


@fault(TRIGGERS, "state_machines_end")
def a_state_leads_nowhere(template: Tree) -> None:
    """A state was renamed where it stands and not where it is named."""
    states = properties(template, "KillSwitch")["Definition"]["States"]
    states["StopEveryRun"] = states.pop("StopRuns")


@fault(TRIGGERS, "the_kill_switch_needs_nothing_of_ours")
def the_kill_switch_needs_our_image(template: Tree) -> None:
    """Stopping starts a task first, of the image that may be what is broken."""
    say = properties(template, "KillSwitch")["Definition"]["States"]["SayStop"]
    say["Resource"] = "arn:aws:states:::ecs:runTask.sync"


@fault(TRIGGERS, "the_kill_switch_is_rehearsed")
def a_rehearsal_stops_sending(template: Tree) -> None:
    """On Mondays and Thursdays nothing is sent."""
    (choice,) = properties(template, "KillSwitch")["Definition"]["States"]["IsRehearsal"]["Choices"]
    choice["Next"] = "SayStop"


@fault(TRIGGERS, "no_update_turns_sending_on")
def an_update_turns_sending_on(template: Tree) -> None:
    """The flag is a resource with the value `false`, so the next change of it by a template ends the stop."""
    flag = {"Name": "/mlife/sending/stopped", "Type": "String", "Value": "false"}
    template["Resources"]["SendingStopped"] = {"Type": "AWS::SSM::Parameter", "Properties": flag}


@fault(TRIGGERS, "the_kill_switch_is_rehearsed")
def a_rehearsal_needs_an_earlier_stop(template: Tree) -> None:
    """The rehearsal reads what is only there once the switch was pulled, and fails until it was pulled."""
    states = properties(template, "KillSwitch")["Definition"]["States"]
    states["ReadStop"]["Resource"] = "arn:aws:states:::aws-sdk:ssm:getParameter"


@fault(TRIGGERS, "templates_hold_no_null")
def a_result_goes_to_null(template: Tree) -> None:
    """Step Functions knows a null as the path of a result; CloudFormation refuses it in a template."""
    properties(template, "KillSwitch")["Definition"]["States"]["SayStop"]["ResultPath"] = None


@fault(TRIGGERS, "the_kill_switch_is_rehearsed")
def nobody_rehearses(template: Tree) -> None:
    """The rehearsal was turned off and stayed so."""
    properties(template, "Rehearsal")["State"] = "DISABLED"


@fault(TRIGGERS, "alarms_pull_the_kill_switch")
def an_alarm_only_rehearses(template: Tree) -> None:
    """The input of the rehearsal was copied into the rule."""
    properties(template, "PullOnAlarm")["Targets"][0]["Input"] = '{"rehearsal": true}'


@fault(WATCH, "alarms_pull_the_kill_switch")
def no_alarm_has_the_switchs_name(template: Tree) -> None:
    """An alarm was renamed and pulls nothing any more."""
    properties(template, "ManyOptOuts")["AlarmName"] = "mlife-many-opt-outs"


@fault(WATCH, "every_alarm_reaches_somebody")
def an_alarm_reaches_nobody(template: Tree) -> None:
    """The alarm changes its colour in a console."""
    del properties(template, "NoDayEnded")["AlarmActions"]


@fault(WATCH, "silence_is_an_alarm")
def silence_is_fine(template: Tree) -> None:
    """A daemon that reports nothing is taken to be well."""
    properties(template, "DaemonIsDown")["TreatMissingData"] = "notBreaching"


@fault(WATCH, "the_trail_records_everything")
def the_trail_does_not_see_the_log(template: Tree) -> None:
    """Reads and writes of the log are on no record."""
    (selector,) = properties(template, "Trail")["EventSelectors"]
    selector["DataResources"][0]["Values"].pop(0)


@fault(WATCH, "the_trail_records_everything")
def the_trail_is_of_one_region(template: Tree) -> None:
    """What happens in another region is on no record."""
    properties(template, "Trail")["IsMultiRegionTrail"] = False


@fault(WATCH, "the_trail_cannot_be_changed")
def the_trail_can_be_deleted(template: Tree) -> None:
    """Whoever did it can remove the record of it."""
    del properties(template, "TrailBucket")["ObjectLockEnabled"]


@fault("parameters/dev", "spending_is_watched")
def dev_may_spend_what_prod_does(parameters: Tree) -> None:
    """Prod's budget was copied."""
    parameters["MonthlyBudgetUsd"] = 4_000


@fault(WATCH, "the_database_is_backed_up_where_it_cannot_be_deleted")
def backups_can_be_deleted(template: Tree) -> None:
    """The vault has no lock."""
    del properties(template, "Vault")["LockConfiguration"]


@fault(WATCH, "the_database_is_backed_up_where_it_cannot_be_deleted")
def prods_lock_can_be_taken_off(template: Tree) -> None:
    """The lock has no date, so whoever may change the vault takes it off and deletes what lies there."""
    del properties(template, "Vault")["LockConfiguration"]["ChangeableForDays"]


@fault(WATCH, "the_database_is_backed_up_where_it_cannot_be_deleted")
def devs_lock_is_final(template: Tree) -> None:
    """An account for trying things out keeps its vault for ever."""
    properties(template, "Vault")["LockConfiguration"]["ChangeableForDays"] = 3


@fault(WATCH, "a_kill_switch_that_ends_badly_is_an_alarm")
def a_hanging_kill_switch_is_no_alarm(template: Tree) -> None:
    """The switch hangs at a call, times out, and nobody hears that nothing was stopped."""
    del template["Resources"]["KillSwitchTimedOut"]


@fault(WATCH, "no_alarm_looks_back_too_far")
def an_alarm_waits_for_eight_days(template: Tree) -> None:
    """A day is added to the week, and CloudWatch refuses the alarm when the stack is made."""
    properties(template, "KillSwitchNotRehearsed")["EvaluationPeriods"] = 8


@fault(WATCH, "the_database_is_backed_up_where_it_cannot_be_deleted")
def another_thing_is_backed_up(template: Tree) -> None:
    """The selection goes by a tag that nothing has."""
    properties(template, "Selection")["BackupSelection"]["Resources"] = ["arn:aws:rds:*:*:db:old-*"]


@fault(WATCH, "a_backup_that_fails_or_is_missing_is_an_alarm")
def a_failed_backup_is_no_alarm(template: Tree) -> None:
    """The role lost a right, each night's job fails, and somebody hears of it on the day of the restore."""
    del template["Resources"]["BackupFailed"]


@fault(WATCH, "a_backup_that_fails_or_is_missing_is_an_alarm")
def backups_of_another_vault_are_watched(template: Tree) -> None:
    """The vault was renamed and the alarm was not: nothing fails there."""
    properties(template, "BackupFailed")["Dimensions"] = [{"Name": "BackupVaultName", "Value": "Default"}]


@fault(WATCH, "a_backup_that_fails_or_is_missing_is_an_alarm")
def a_missing_backup_is_no_alarm(template: Tree) -> None:
    """The plan selects nothing any more: no job runs, so none fails."""
    properties(template, "NoBackup")["Dimensions"] = [{"Name": "ResourceType", "Value": "RDS"}]


@fault(WATCH, "silence_is_an_alarm")
def no_backup_is_fine(template: Tree) -> None:
    """A metric that nobody writes is taken for a backup."""
    properties(template, "NoBackup")["TreatMissingData"] = "notBreaching"
