"""The dashboard of QuickSight: what it shows is defined elsewhere, and only those see it who are meant to."""

from __future__ import annotations

from collections.abc import Iterator

from infra.gate.bi_sheets import REFRESHED_AT, TABLES, data_sets
from infra.gate.bi_template import OWNS_ANALYSIS, READS_DASHBOARD, READS_DATA_SET, TYPES, definition
from infra.gate.environments import Environment, Resource
from infra.gate.findings import holds
from infra.gate.intrinsics import Scope
from infra.gate.policies import many, own_policies, statements

_BI, _SETS, _SCHEDULES = "70-bi", "AWS::QuickSight::DataSet", "AWS::QuickSight::RefreshSchedule"
_SHOWN = ("AWS::QuickSight::Analysis", "AWS::QuickSight::Dashboard")
RESULTS = "athena/dashboard/"


def _one(environment: Environment, kind: str) -> Resource:
    (found,) = environment.stack(_BI).of(kind)
    return found


@holds
def figures_come_by_our_workgroup_and_role(environment: Environment) -> Iterator[str]:
    """QuickSight asks Athena in a workgroup of its own, with a role of ours, and nobody may ask it otherwise. Results
    lie where no other query writes.
    """
    source = _one(environment, "AWS::QuickSight::DataSource").properties
    workgroup = _one(environment, "AWS::Athena::WorkGroup").properties
    wanted = {
        "WorkGroup": workgroup["Name"],
        "RoleArn": f"arn:aws:iam::{environment.accounts['environment']}:role/mlife/mlife-bi",
    }
    if source["Type"] != "ATHENA" or source["DataSourceParameters"] != {"AthenaParameters": wanted}:
        yield f"the data source is {source['Type']} {source.get('DataSourceParameters')}"
    if "Permissions" in source or "AlternateDataSourceParameters" in source:
        yield "somebody may use the data source for questions of their own"
    results = workgroup["WorkGroupConfiguration"]["ResultConfiguration"]["OutputLocation"]
    if not results.endswith(f"/{RESULTS}"):
        yield f"results lie in {results}"


@holds
def dashboards_read_no_person(environment: Environment) -> Iterator[str]:
    """The role of the dashboard reads the tables that data sets name, none of which has a row about one person,
    and results of its own questions, not of others'.
    """
    role = next(one for one in environment.stack(_BI).of("AWS::IAM::Role") if one.properties["RoleName"] == "mlife-bi")
    glue, stored = set[str](), set[str]()
    for statement in (one for _, document in own_policies(role) for one in statements(document)):
        for resource in many(statement.get("Resource")):
            _, _, service, _, _, rest = resource.split(":", 5) if resource != "*" else [""] * 6
            if service == "glue" and rest.startswith("table/"):
                glue.add(rest.removeprefix("table/"))
            elif service == "s3" and "/" in rest:
                stored.add(rest.partition("/")[2])
    if glue != {f"{schema}/{name}" for schema, names in TABLES.items() for name in names}:
        yield f"the catalogue's: {', '.join(sorted(glue))}"
    wanted = {f"athena/tables/marts/{name}/*" for name in TABLES["marts"]}
    wanted |= {f"tables/{name}/*" for name in TABLES["lake"]} | {f"{RESULTS}*"}
    if stored != wanted:
        yield f"files: {', '.join(sorted(stored ^ wanted))}"


@holds
def dashboards_are_seen_by_our_groups(environment: Environment) -> Iterator[str]:
    """Readers may look at the dashboard, authors at its data sets and at the analysis, which is theirs to try things;
    nobody else may, and no link opens to whoever has it.
    """
    stack = environment.stack(_BI)
    group = f"arn:aws:quicksight:{stack.region}:{stack.account}:group/default/mlife-"
    allowed = {
        "AWS::QuickSight::Dashboard": (f"{group}readers", READS_DASHBOARD),
        "AWS::QuickSight::Analysis": (f"{group}authors", OWNS_ANALYSIS),
        _SETS: (f"{group}authors", READS_DATA_SET),
    }
    for resource in stack.of(*allowed):
        who, actions = allowed[resource.kind]
        wanted = [{"Principal": who, "Actions": [f"quicksight:{one}" for one in actions]}]
        if resource.properties.get("Permissions") != wanted:
            yield f"{resource.name} is open to {resource.properties.get('Permissions')}"
        for key in {"LinkSharingConfiguration", "FolderArns"} & resource.properties.keys():
            yield f"{resource.name} is shared by {key}"


@holds
def dashboards_define_no_figure(environment: Environment) -> Iterator[str]:
    """Each data set is a question of the library or columns of a mart, with their types; analysis and dashboard both
    show them as `infra/gate/bi_sheets.py` says, and calculate nothing.
    """
    stack = environment.stack(_BI)
    found = {
        one.properties["PhysicalTableMap"]["answer"]["CustomSql"]["Name"]: one.properties for one in stack.of(_SETS)
    }
    wanted = {one.name: one for one in data_sets()}
    for name in sorted(found.keys() ^ wanted.keys()):
        yield f"{name} is {'asked by nobody' if name in found else 'in no template'}"
    for name in sorted(found.keys() & wanted.keys()):
        given = found[name]["PhysicalTableMap"]["answer"]["CustomSql"]
        columns = [{"Name": column, **TYPES[kind]} for column, kind in wanted[name].columns.items()]
        if (given["SqlQuery"], given["Columns"]) != (wanted[name].text, columns) or "LogicalTableMap" in found[name]:
            yield f"{name} is another question: run python -m infra.gate.bi_template"
    pseudo = {"AWS::AccountId": stack.account, "AWS::Region": stack.region, "AWS::Partition": "aws"}
    shown = Scope({}, pseudo, stack.source).resolve(definition())
    for kind in _SHOWN:
        if _one(environment, kind).properties["Definition"] != shown:
            yield f"{kind} shows something else: run python -m infra.gate.bi_template"


@holds
def dashboards_are_refreshed_every_day(environment: Environment) -> Iterator[str]:
    """SPICE keeps each data set, so that looking costs no query, and reads it again after each day's run; a failed
    refresh is an alarm. No stack waits for it, since the first has no tables yet.
    """
    stack = environment.stack(_BI)
    frequency = {"Interval": "DAILY", "TimeOfTheDay": REFRESHED_AT, "TimeZone": "UTC"}
    refreshed = {
        one.properties["DataSetId"]
        for one in stack.of(_SCHEDULES)
        if one.properties["Schedule"]["RefreshType"] == "FULL_REFRESH"
        and one.properties["Schedule"]["ScheduleFrequency"] == frequency
    }
    alarms = (one.properties for _, one in environment.of("AWS::CloudWatch::Alarm"))
    if not any(one["MetricName"] == "IngestionErrorCount" and not one.get("Dimensions") for one in alarms):
        yield "nobody hears of a refresh that failed"
    for one in stack.of(_SETS):
        if one.properties.get("ImportMode") != "SPICE":
            yield f"{one.name} asks whenever somebody looks"
        if one.properties["DataSetId"] not in refreshed:
            yield f"{one.name} is not read again each day"
        if one.properties.get("IngestionWaitPolicy") != {"WaitForSpiceIngestion": False}:
            yield f"{one.name} waits for tables that no run has made"
