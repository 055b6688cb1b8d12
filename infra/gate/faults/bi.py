"""Mistakes in the dashboard: who sees it, and what it shows.

Belongs here: faults of `70-bi`. Does not belong here: what it reads from (`data`).
"""

from __future__ import annotations

from infra.gate.faults.fault import Tree, fault, properties, right

BI = "70-bi"
COME_BY = "figures_come_by_our_workgroup_and_role"
SEEN_BY = "dashboards_are_seen_by_our_groups"
DEFINE_NONE = "dashboards_define_no_figure"
EVERY_DAY = "dashboards_are_refreshed_every_day"
NO_PERSON = "dashboards_read_no_person"
ARN = "arn:${AWS::Partition}:quicksight:${AWS::Region}:${AWS::AccountId}:"


def _question(template: Tree, data_set: str) -> Tree:
    found: Tree = properties(template, data_set)["PhysicalTableMap"]["answer"]["CustomSql"]
    return found


@fault(BI, COME_BY)
def the_source_has_no_workgroup(template: Tree) -> None:
    """Athena's own workgroup is taken: no cut-off, and results wherever."""
    del properties(template, "Source")["DataSourceParameters"]["AthenaParameters"]["WorkGroup"]


@fault(BI, COME_BY)
def the_source_takes_the_accounts_role(template: Tree) -> None:
    """QuickSight asks with the role that somebody made by hand for all of its sources."""
    del properties(template, "Source")["DataSourceParameters"]["AthenaParameters"]["RoleArn"]


@fault(BI, COME_BY)
def authors_ask_whatever_they_like(template: Tree) -> None:
    """Authors may use the source for SQL of their own, with its role."""
    use = {"Principal": {"Fn::GetAtt": ["Authors", "Arn"]}, "Actions": ["quicksight:PassDataSource"]}
    properties(template, "Source")["Permissions"] = [use]


@fault(BI, NO_PERSON)
def the_dashboard_reads_the_results_of_runs(template: Tree) -> None:
    """What runs asked lies there as files, and they ask about people."""
    paths = right(template, "SourceRole", "WritesResults")
    paths["Resource"] = {"Fn::Sub": "arn:${AWS::Partition}:s3:::${LakeBucketName}/athena/results/*"}


@fault(BI, COME_BY)
def the_dashboard_asks_where_runs_ask(template: Tree) -> None:
    """Its results lie among those of all other queries."""
    results = properties(template, "Workgroup")["WorkGroupConfiguration"]["ResultConfiguration"]
    results["OutputLocation"] = {"Fn::Sub": "s3://${LakeBucketName}/athena/results/"}


@fault(BI, NO_PERSON)
def the_dashboard_reads_every_mart(template: Tree) -> None:
    """Files of all marts: what each person was sent, and did."""
    paths = right(template, "SourceRole", "ReadsTables")["Resource"]
    paths.append({"Fn::Sub": "arn:${AWS::Partition}:s3:::${LakeBucketName}/athena/tables/marts/*"})


@fault(BI, "roles_do_their_work_and_not_their_neighbours")
def the_dashboard_knows_the_messages(template: Tree) -> None:
    """A right to one table more, which has a row for each message."""
    tables = right(template, "SourceRole", "ReadsTheCatalogue")["Resource"]
    tables.append({"Fn::Sub": "arn:${AWS::Partition}:glue:${AWS::Region}:${AWS::AccountId}:table/marts/fct_messages"})


@fault(BI, SEEN_BY)
def everybody_sees_the_dashboard(template: Tree) -> None:
    """A namespace is everybody who has a log-in to QuickSight."""
    (given,) = properties(template, "Dashboard")["Permissions"]
    given["Principal"] = {"Fn::Sub": f"{ARN}namespace/default"}


@fault(BI, SEEN_BY)
def a_link_opens_the_dashboard(template: Tree) -> None:
    """Whoever has the address may look."""
    read = {"Principal": {"Fn::Sub": f"{ARN}namespace/default"}, "Actions": ["quicksight:QueryDashboard"]}
    properties(template, "Dashboard")["LinkSharingConfiguration"] = {"Permissions": [read]}


@fault(BI, SEEN_BY)
def readers_change_the_dashboard(template: Tree) -> None:
    """What people see can be changed in a browser."""
    (given,) = properties(template, "Dashboard")["Permissions"]
    given["Actions"] += ["quicksight:UpdateDashboard", "quicksight:UpdateDashboardPermissions"]


@fault(BI, SEEN_BY)
def nobody_sees_the_dashboard(template: Tree) -> None:
    """A dashboard without permissions is there, and in nobody's list."""
    del properties(template, "Dashboard")["Permissions"]


@fault(BI, DEFINE_NONE)
def a_question_is_asked_otherwise(template: Tree) -> None:
    """A figure is corrected in the dashboard and not in the library, and is called the same in both."""
    question = _question(template, "MapOverTimeData")
    question["SqlQuery"] = question["SqlQuery"].replace("rows between 6 preceding", "rows between 7 preceding")


@fault(BI, DEFINE_NONE)
def a_column_has_another_type(template: Tree) -> None:
    """Without a subtype SPICE keeps four digits of a share."""
    for column in _question(template, "FillRateData")["Columns"]:
        column.pop("SubType", None)


@fault(BI, DEFINE_NONE)
def a_visual_draws_a_column_that_is_not_there(template: Tree) -> None:
    """A question renamed a column, and the dashboard did not."""
    (value, _) = properties(template, "Dashboard")["Definition"]["Sheets"][0]["Visuals"][2]["LineChartVisual"][
        "ChartConfiguration"
    ]["FieldWells"]["LineChartAggregatedFieldWells"]["Values"]
    value["NumericalMeasureField"]["Column"]["ColumnName"] = "gain_over_recruiters"


@fault(BI, DEFINE_NONE)
def a_field_well_is_misspelled(template: Tree) -> None:
    """QuickSight does not know the word."""
    chart = properties(template, "Analysis")["Definition"]["Sheets"][0]["Visuals"][0]["LineChartVisual"]
    wells = chart["ChartConfiguration"]["FieldWells"]["LineChartAggregatedFieldWells"]
    wells["Colours"] = wells.pop("Values")


@fault(BI, DEFINE_NONE)
def days_are_drawn_before_they_are_known(template: Tree) -> None:
    """Yesterday's figures are drawn as if no more would come: the line falls every morning."""
    properties(template, "Dashboard")["Definition"]["FilterGroups"] = []


@fault(BI, EVERY_DAY)
def a_data_set_is_asked_for_each_look(template: Tree) -> None:
    """Each visual of each person starts a query of its own."""
    properties(template, "RevenueData")["ImportMode"] = "DIRECT_QUERY"


@fault(BI, EVERY_DAY)
def a_data_set_is_never_refreshed(template: Tree) -> None:
    """One schedule is missing: a figure stays as it was on the day of the deployment."""
    del template["Resources"]["LiftRefresh"]


@fault("80-observability", EVERY_DAY)
def nobody_hears_of_a_refresh_that_failed(template: Tree) -> None:
    """Data sets have no owner to whom QuickSight would write: figures stay as they were, and look like today's."""
    del template["Resources"]["DashboardIsOld"]


@fault(BI, EVERY_DAY)
def figures_are_refreshed_before_the_day_ends(template: Tree) -> None:
    """At noon there is nothing new: the dashboard is always a day late."""
    schedule = properties(template, "KpiDailyRefresh")["Schedule"]
    schedule["ScheduleFrequency"]["TimeOfTheDay"] = "12:00"


@fault(BI, EVERY_DAY)
def the_first_stack_waits_for_tables(template: Tree) -> None:
    """No run has made the tables, so the stack waits until it fails."""
    del properties(template, "KpiDailyData")["IngestionWaitPolicy"]
