"""Commands of dbt in this process: a process of its own imports dbt for seconds.

Belongs here: calling dbt and letting go of what it opened. Does not belong here: a project, or what is expected of it.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest


def call_dbt(project: Path, target: Path, lake: Path, *command: str) -> tuple[bool, str]:
    """Run a command of dbt on a project; return whether it succeeded, and what people would read of it."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner
    from dbt_common.events.event_manager_client import get_event_manager

    target.mkdir(parents=True, exist_ok=True)
    messages: list[Any] = []
    places = ["--project-dir", str(project), "--profiles-dir", str(project), "--target-path", str(target / "target")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLIFE_WAREHOUSE_PATH", str(target / "warehouse.duckdb"))
        patch.setenv("MLIFE_LAKE_ROOT", str(lake))
        flags = ["--quiet", "--no-use-colors", "--log-path", str(target / "logs")]
        try:
            result = dbtRunner(callbacks=[messages.append]).invoke([*flags, *command, *places])
        finally:
            DuckDBConnectionManager.close_all_connections()
            for logger in get_event_manager().loggers:
                for handler in logging.getLogger(logger.name).handlers:
                    handler.close()
    told = [message.info.msg for message in messages if message.info.level != "debug"]
    return result.success, "\n".join([*told, str(result.exception or "")])
