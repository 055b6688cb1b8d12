"""Calling dbt inside this process.

Concept: a dbt process costs seconds before it runs a line of SQL (imports, parsing anew because the dates are
variables), as much as the day's SQL itself. Here dbt is imported once and handed the parsed project. Two rules make
that safe, both measured: a manifest serves one invocation only, and the DuckDB connection and the log must be closed
after it, since dbt keeps them.
"""

import hashlib
import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
from filelock import FileLock

from mlife_assets.components.features.dbt_specs import asset_key
from mlife_assets.core.errors import PermanentError

DBT_EXECUTABLE = str(Path(sys.executable).parent / "dbt")
GRAPH_FOLDER = "graph"
"""Below `target/`: what `ensure_manifest` writes and no other dbt command touches."""
_MISSING = re.compile(r"Table with name (\S+) does not exist")


STAGING = "models/staging"


def staging_digest(project: Path) -> str:
    """Return a hash over everything that staging follows from."""
    return _digest(project, [*(project / STAGING).rglob("*"), *(project / "macros").rglob("*")])


def staging_of(manifest: Path, models: Sequence[str]) -> list[str]:
    """Return the staging models that `models` read, directly or not, in order."""
    graph = json.loads(manifest.read_text())
    nodes, parents = graph["nodes"], graph["parent_map"]
    waiting = [name for name, node in nodes.items() if node["resource_type"] == "model" and node["name"] in models]
    seen = set(waiting)
    while waiting:
        for parent in parents[waiting.pop()]:
            if parent in nodes and parent not in seen:
                seen.add(parent)
                waiting.append(parent)
    return sorted(nodes[name]["name"] for name in seen if nodes[name]["original_file_path"].startswith(f"{STAGING}/"))


def project_digest(project: Path) -> str:
    """Return a hash over everything that parsing reads."""
    return _digest(project, project.rglob("*"))


def _digest(project: Path, paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in sorted(paths):
        relative = path.relative_to(project)
        if path.is_file() and relative.parts[0] not in {"target", "logs", "dbt_packages"}:
            digest.update(str(relative).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def ensure_manifest(project: Path) -> Path:
    """Return the path of an up-to-date dbt manifest, parsing the project only when its sources changed.

    Safe when several processes start at once. Needs no network and no warehouse.

    Raises:
        PermanentError: dbt could not parse the project; carries dbt's own message.
    """
    target = project / "target" / GRAPH_FOLDER
    manifest, stamp = target / "manifest.json", target / "manifest.digest"
    digest = project_digest(project)

    def is_up_to_date() -> bool:
        return manifest.exists() and stamp.exists() and stamp.read_text() == digest

    if is_up_to_date():  # first without the lock, which a file system that is read-only has no place for
        return manifest
    target.mkdir(parents=True, exist_ok=True)
    with FileLock(str(target / "manifest.lock")):
        if is_up_to_date():
            return manifest
        folders = ["--project-dir", str(project), "--profiles-dir", str(project), "--target-path", str(target)]
        parsed = subprocess.run(
            [DBT_EXECUTABLE, "--quiet", "parse", "--no-partial-parse", *folders],
            capture_output=True,
            text=True,
            check=False,
        )
        if parsed.returncode != 0:
            raise PermanentError(f"dbt could not parse {project}:\n{parsed.stdout}{parsed.stderr}")
        stamp.write_text(digest)
    return manifest


def build(
    project: Path, selection: Sequence[str], variables: Mapping[str, Any], work_folder: Path
) -> Iterator[dict[str, Any]]:
    """Build `selection` and yield dbt's events as dictionaries, in order, when it is done.

    Args:
        project: the dbt project, parsed by `ensure_manifest`.
        selection: dbt selectors.
        variables: dbt variables.
        work_folder: where dbt writes its logs and compiled SQL.

    Raises:
        PermanentError: a model could not be built or a test failed; the events come first.
    """
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner
    from dbt.contracts.graph.manifest import Manifest
    from dbt.parser.manifest import extended_mashumuro_decoder
    from dbt_common.events.event_manager_client import get_event_manager
    from dbt_common.events.functions import msg_to_dict

    parsed = ensure_manifest(project).parent / "partial_parse.msgpack"
    manifest = Manifest.from_msgpack(parsed.read_bytes(), decoder=extended_mashumuro_decoder)
    manifest.build_flat_graph()  # `graph` in macros; dbt fills it only where it parses itself
    messages: list[Any] = []
    arguments = ["--quiet", "--no-use-colors", "--log-path", str(work_folder / "logs"), "build", "--no-write-json"]
    arguments += ["--project-dir", str(project), "--profiles-dir", str(project), "--target-path", str(work_folder)]
    arguments += ["--exclude-resource-type", "unit_test", "--vars", json.dumps(dict(variables)), "--select", *selection]
    try:
        result = dbtRunner(manifest=manifest, callbacks=[messages.append]).invoke(arguments)
    finally:
        DuckDBConnectionManager.close_all_connections()
        for logger in get_event_manager().loggers:
            for handler in logging.getLogger(logger.name).handlers:
                handler.close()
    yield from (msg_to_dict(message) for message in messages)
    if not result.success:
        raise PermanentError(f"dbt build failed: {_failures(result)}")


def recorded(events: Iterable[dict[str, Any]], manifest: Path, context: dg.AssetExecutionContext) -> Iterator[Any]:
    """Yield what Dagster records of dbt's events. What dagster_dbt names by a translator has the keys of the graph."""
    from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings
    from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage

    class Translator(DagsterDbtTranslator):
        def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
            return asset_key(dbt_resource_props)

    keys = Translator(settings=DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True))
    for event in events:
        message = DbtCoreCliEventMessage(raw_event=event, event_history_metadata={})
        yield from message.to_default_asset_events(manifest, keys, context)


def _failures(result: Any) -> str:
    """Return what failed first, for people."""
    if result.exception is not None:
        return str(result.exception)
    nodes = getattr(result.result, "results", None) or ()
    failed = [_failure(node.node.name, node.message or "") for node in nodes if str(node.status) in {"error", "fail"}]
    return "; ".join(failed[:5]) or "see the dbt log"


def _failure(name: str, message: str) -> str:
    """Return what is wrong with one model or test: the remedy where a table is missing that it reads."""
    missing = _MISSING.search(message)
    if missing is None:
        return f"{name}: {message}"
    return f"{name} reads {missing[1]}, which was not built yet; materialize what it depends on first"
