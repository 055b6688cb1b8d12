"""What works while Dagster is down: kill switch and model rollback."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.gate.environments import Environment, Resource
from infra.gate.findings import holds

_LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (1, 7), (1970, 2199))
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_NEVER_IN_THE_SWITCH = ("ecs:runTask", "lambda", "rds", "dynamodb", "activity:")
_SCHEDULED = ("AWS::Events::Rule", "AWS::Scheduler::Schedule")


def cron_faults(expression: str) -> list[str]:
    """Return what is wrong with a `cron(...)` of EventBridge: six fields in range, one of the two days a question mark.

    >>> cron_faults("cron(0 9 ? * MON *)"), cron_faults("cron(0 24 * * ? *)")
    ([], ['24 is not within 0 to 23'])
    """
    match = re.fullmatch(r"cron\((.+)\)", expression)
    fields = match[1].split() if match else []
    if len(fields) != len(_LIMITS):
        return [f"{expression} has {len(fields)} fields"]
    faults = []
    for position, (written, (low, high)) in enumerate(zip(fields, _LIMITS, strict=True)):
        names = {3: _MONTHS, 4: _DAYS}.get(position, [])
        if not re.fullmatch(r"[0-9A-Z*?/,#L W-]+", written):
            faults.append(f"{written} is no field")
        for word in re.findall(r"[A-Z]{3}", written):
            if word not in names:
                faults.append(f"{word} is no name")
        for number in re.findall(r"(?<![/#])\b\d+", written):
            if not low <= int(number) <= high:
                faults.append(f"{number} is not within {low} to {high}")
    if (fields[2] == "?") == (fields[4] == "?"):
        faults.append("one of day of month and day of week is ?, not both and not neither")
    return faults


def _expressions(environment: Environment) -> Iterator[tuple[str, str]]:
    for stack, resource in environment.of(*_SCHEDULED):
        if expression := resource.properties.get("ScheduleExpression"):
            yield f"{stack.template} {resource.name}", expression
    for stack, plan in environment.of("AWS::Backup::BackupPlan"):
        for rule in plan.properties["BackupPlan"]["BackupPlanRule"]:
            yield f"{stack.template} {plan.name}", rule["ScheduleExpression"]


@holds
def every_schedule_has_a_time(environment: Environment) -> Iterator[str]:
    """Each cron expression is one that EventBridge takes, and there are some."""
    expressions = list(_expressions(environment))
    if len(expressions) < 2:
        yield f"only {len(expressions)} schedules are left"
    for where, expression in expressions:
        for fault in cron_faults(expression):
            yield f"{where}: {fault}"


def _machines(environment: Environment) -> dict[str, Resource]:
    return {one.properties["StateMachineName"]: one for _, one in environment.of("AWS::StepFunctions::StateMachine")}


def _states(definition: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """Return name and state, with the machine that it is in, those of maps among them."""
    for name, state in definition["States"].items():
        yield name, state, definition
        if "ItemProcessor" in state:
            yield from _states(state["ItemProcessor"])


@holds
def state_machines_end(environment: Environment) -> Iterator[str]:
    """Each state machine starts at a state that is there, each state leads to one that is there or ends, none is
    lost.
    """
    for name, machine in _machines(environment).items():
        definition = machine.properties["Definition"]
        reached: dict[int, set[str]] = {}
        for label, state, inside in _states(definition):
            leads = [state.get("Next"), state.get("Default")]
            leads += [choice["Next"] for choice in state.get("Choices", ())]
            leads += [caught["Next"] for caught in state.get("Catch", ())]
            named = {lead for lead in leads if lead}
            reached.setdefault(id(inside), {inside["StartAt"]}).update(named)
            if missing := named - inside["States"].keys():
                yield f"{name}: {label} leads to {sorted(missing)}"
            if not named and not state.get("End") and state["Type"] not in {"Succeed", "Fail"}:
                yield f"{name}: {label} leads nowhere"
        for _, _, inside in _states(definition):
            if lost := inside["States"].keys() - reached[id(inside)]:
                yield f"{name}: nothing leads to {sorted(lost)}"
        if not definition.get("TimeoutSeconds"):
            yield f"{name} may run for ever"


@holds
def the_kill_switch_needs_nothing_of_ours(environment: Environment) -> Iterator[str]:
    """The kill switch calls AWS directly: no image, no database, no function of ours, and it says stop before all
    else.
    """
    definition = _machines(environment)["mlife-kill-switch"].properties["Definition"]
    states = definition["States"]
    for name, state, _ in _states(definition):
        if any(word in state.get("Resource", "") for word in _NEVER_IN_THE_SWITCH):
            yield f"{name} needs {state['Resource']}"
    start = states[definition["StartAt"]]
    first = states[start["Default"]]
    stops = first.get("Parameters", {})
    if not first.get("Resource", "").endswith(":ssm:putParameter") or stops.get("Value") != "true":
        yield f"it begins with {start['Default']}"
    if stops.get("Name") != "/mlife/sending/stopped" or stops.get("Overwrite") is not True:
        yield f"it writes {stops.get('Name')}"
    if not any(retry["MaxAttempts"] >= 3 for retry in first.get("Retry", ())):
        yield "it gives up at the first error"


def _started_tasks(environment: Environment) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, state, _ in _states(_machines(environment)["mlife-model-rollback"].properties["Definition"]):
        if state["Type"] == "Task":
            yield name, state


@holds
def each_model_can_be_rolled_back(environment: Environment) -> Iterator[str]:
    """The model rollback is of the model that its input names."""
    for name, state in _started_tasks(environment):
        for container in state["Parameters"]["Overrides"]["ContainerOverrides"]:
            if "'--model',$.model," not in container["Command.$"]:
                yield f"{name} rolls back one model alone: {container['Command.$']}"


@holds
def a_person_starts_each_machine_by_a_job(environment: Environment) -> Iterator[str]:
    """Each state machine can be started by the workflow `operate`, which waits for how it ends."""
    steps = environment.workflows["operate"]["jobs"]["operate"]["steps"]
    started = re.findall(r"infra/start_machine\.sh ([\w-]+) ", "\n".join(step.get("run", "") for step in steps))
    for name in _machines(environment):
        if name.removeprefix("mlife-") not in started:
            yield f"nobody starts {name}"


@holds
def no_update_turns_sending_on(environment: Environment) -> Iterator[str]:
    """Whether sending is stopped is in no template, since an update would put it back; the kill switch makes it."""
    for stack, parameter in environment.of("AWS::SSM::Parameter"):
        if parameter.properties["Name"].startswith("/mlife/sending"):
            yield f"{stack.template} {parameter.name} is {parameter.properties['Value']} after each update"


@holds
def the_kill_switch_is_rehearsed(environment: Environment) -> Iterator[str]:
    """A schedule rehearses the kill switch, a rehearsal changes nothing, and only what says so is a rehearsal."""
    definition = _machines(environment)["mlife-kill-switch"].properties["Definition"]
    start, states = definition["States"][definition["StartAt"]], definition["States"]
    (choice,) = start["Choices"]
    if (choice.get("Variable"), choice.get("BooleanEquals")) != ("$.rehearsal", True):
        yield f"a rehearsal is {choice}"
    label: str | None = choice["Next"]
    while label:
        state = states[label]
        if not re.search(r":(get|describe)[A-Z]\w+$", state.get("Resource", ":getNothing")):
            yield f"a rehearsal calls {state['Resource']}"
        if state.get("Resource", "").endswith(":getParameter"):
            yield f"{label} fails where the switch was never pulled"
        label = state.get("Next") or next((one["Next"] for one in state.get("Choices", ())), None)
    rehearsals = [
        schedule
        for _, schedule in environment.of("AWS::Scheduler::Schedule")
        if schedule.properties["Target"]["Arn"].endswith(":mlife-kill-switch")
        and json.loads(schedule.properties["Target"]["Input"]) == {"rehearsal": True}
        and schedule.properties.get("State", "ENABLED") == "ENABLED"
    ]
    if len(rehearsals) != 1:
        yield f"there are {len(rehearsals)} rehearsals"


@holds
def alarms_pull_the_kill_switch(environment: Environment) -> Iterator[str]:
    """An alarm whose name begins with `mlife-stop-` pulls the switch in earnest, and there are such alarms."""
    alarms = [
        alarm.properties["AlarmName"]
        for _, alarm in environment.of("AWS::CloudWatch::Alarm")
        if alarm.properties["AlarmName"].startswith("mlife-stop-")
    ]
    if len(alarms) < 2:
        yield f"only {alarms} stop sending"
    for _, rule in environment.of("AWS::Events::Rule"):
        pattern, (target,) = rule.properties["EventPattern"], rule.properties["Targets"]
        if rule.properties.get("State") != "ENABLED":
            yield f"{rule.name} is off"
        (named,) = pattern["resources"]
        if not named["prefix"].endswith(":alarm:mlife-stop-") or pattern["detail"]["state"]["value"] != ["ALARM"]:
            yield f"{rule.name} listens to {named}"
        if json.loads(target["Input"]) != {"rehearsal": False} or not target["Arn"].endswith(":mlife-kill-switch"):
            yield f"{rule.name} does {target['Input']}"
