"""Marts published to Athena, for deployments on AWS.

Concept: these are the tables of the QuickSight dashboard and of the query library on outcomes. Features and examples,
five sixths of all bytes, stay in the warehouse, where models read them (ADR 45).
"""

import dagster as dg

from mlife_assets.components.graph import keys
from mlife_assets.components.graph.keys import OWNERS
from mlife_assets.components.shown.metadata import table
from mlife_assets.components.shown.says_why import says_why
from mlife_assets.deployments.board_ports import BoardPorts

GROUP = "metrics"
PUBLISHED = (
    keys.APPLICATION_DAILY,
    keys.EXPERIMENT_READOUT,
    keys.EXPOSURES,
    dg.AssetKey([GROUP, "fct_conversions"]),
    dg.AssetKey([GROUP, "fct_messages"]),
    keys.KPI_DAILY,
    dg.AssetKey([GROUP, "model_performance_daily"]),
)


@dg.asset(
    key=dg.AssetKey([GROUP, "marts_on_athena"]),
    deps=PUBLISHED,
    group_name=GROUP,
    owners=OWNERS[GROUP],
    kinds={"athena"},
    pool="warehouse",
    description="Marts of the warehouse as tables of Athena, for questions in SQL and the dashboard of QuickSight.",
)
@says_why
def marts_on_athena(platform: dg.ResourceParam[BoardPorts]) -> dg.MaterializeResult:
    """Publish the marts as last built."""
    marts = platform.home.services.marts
    found = [] if marts is None else marts().publish(platform.home.warehouse, [key.path[-1] for key in PUBLISHED])
    rows = [{"mart": one.mart, "rows": one.rows, "bytes": one.bytes} for one in found]
    return dg.MaterializeResult(metadata={"bytes": sum(one.bytes for one in found), "marts": table(rows)})


ASSETS = [marts_on_athena]
