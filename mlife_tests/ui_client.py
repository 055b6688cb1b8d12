"""What the Dagster UI sends when somebody clicks: GraphQL, answered in this process.

Concept: the UI is a client of one GraphQL schema, so whatever its buttons do can be asked for without a browser or a
server. A run that was launched is executed in this process when the answer is there, by Dagster's own launcher for
tests, and its events are written as a driver writes them (`instance`); all else is the instance of the home as
`dagster dev` opens it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, ClassVar

import dagster as dg
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster._core.launcher import LaunchRunContext
from dagster._core.launcher.sync_in_memory_run_launcher import SyncInMemoryRunLauncher
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster_graphql.test.utils import execute_dagster_graphql

from mlife_assets.components.running.instance import history_settings, open_instance

LOCATION = Path(__file__).with_name("ui_location.py")
IN_THIS_PROCESS = {
    "run_coordinator": {"module": "dagster._core.run_coordinator", "class": "DefaultRunCoordinator"},
    "run_launcher": {"module": __name__, "class": "AfterTheAnswer"},
}
LAUNCH = """
mutation($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message stack }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on InvalidSubsetError { message }
    ... on PipelineNotFoundError { message }
  }
}
"""
OFFERS = """
{
  assetNodes {
    assetKey { path }
    isExecutable
    dependencyKeys { path }
    jobNames
    partitionKeys
    assetChecksOrError { ... on AssetChecks { checks { name canExecuteIndividually jobNames } } }
  }
}
"""


class AfterTheAnswer(SyncInMemoryRunLauncher):
    """Keeps a launched run until the query is answered: a run has event loops of its own."""

    launched: ClassVar[list[LaunchRunContext]] = []

    def launch_run(self, context: LaunchRunContext) -> None:
        """Keep it."""
        self.launched.append(context)

    def execute(self) -> None:
        """Execute what was launched."""
        super().launch_run(self.launched.pop())


@dataclass(frozen=True)
class Offer:
    """An asset of the graph and what its page offers."""

    key: tuple[str, ...]
    partitions: tuple[str, ...]
    checks: tuple[dict[str, Any], ...]

    @property
    def latest(self) -> str | None:
        """What the button "Latest" chooses."""
        return self.partitions[-1] if self.partitions else None


@dataclass(frozen=True)
class Clicked:
    """How the run of a click went; `failure` is what the UI shows first of what failed first."""

    run_id: str
    is_success: bool
    failure: str
    checks: tuple[tuple[str, bool], ...]


class Ui:
    """The UI of one home."""

    def __init__(self, instance: dg.DagsterInstance, process: WorkspaceProcessContext) -> None:
        """Keep the connection to the instance and what was loaded."""
        self.instance, self._process = instance, process

    def ask(self, query: str, **variables: Any) -> Any:
        """Return the answer to a query."""
        with self._process.create_request_context() as context:
            return execute_dagster_graphql(context, query, variables).data

    def reload(self) -> None:
        """Load the code location again, as the sensor asks for when a day has run."""
        self._process.refresh_workspace()

    def offers(self) -> list[Offer]:
        """Return every asset that can be materialized, parents first."""
        nodes = {tuple(node["assetKey"]["path"]): node for node in self.ask(OFFERS)["assetNodes"]}
        parents = {key: [tuple(parent["path"]) for parent in node["dependencyKeys"]] for key, node in nodes.items()}
        ordered = [key for key in TopologicalSorter(parents).static_order() if nodes[key]["isExecutable"]]
        return [
            Offer(key, tuple(nodes[key]["partitionKeys"]), tuple(nodes[key]["assetChecksOrError"].get("checks", ())))
            for key in ordered
        ]

    def launch(
        self,
        job: str = "__ASSET_JOB",
        *,
        assets: Sequence[Sequence[str]] | None = None,
        checks: Sequence[tuple[Sequence[str], str]] = (),
        tags: Mapping[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
    ) -> Clicked:
        """Launch a job or a part of it and return how it went.

        Raises:
            AssertionError: the UI would not even launch it.
        """
        selector: dict[str, Any] = {
            "repositoryLocationName": "mlife",
            "repositoryName": "__repository__",
            "pipelineName": job,
        }
        if assets is not None or checks:
            selector["assetSelection"] = [{"path": list(path)} for path in assets or ()]
        if checks:
            selector["assetCheckSelection"] = [
                {"assetKey": {"path": list(path)}, "name": name} for path, name in checks
            ]
        params = {
            "mode": "default",
            "selector": selector,
            "runConfigData": yaml.dump(dict(config or {})),
            "executionMetadata": {"tags": [{"key": key, "value": value} for key, value in (tags or {}).items()]},
        }
        answer = self.ask(LAUNCH, params=params)["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        self.instance.run_launcher.execute()
        return self.clicked(answer["run"]["runId"])

    def clicked(self, run_id: str) -> Clicked:
        """Return how a run went."""
        run = self.instance.get_run_by_id(run_id)
        events = [entry.dagster_event for entry in self.instance.all_logs(run_id) if entry.dagster_event]
        failures = [event.step_failure_data.error.message for event in events if event.is_step_failure]
        if not run.is_success and not failures:
            failures = [event.message or "" for event in events if event.is_failure]
        checked = dg.DagsterEventType.ASSET_CHECK_EVALUATION
        evaluations = [event.asset_check_evaluation_data for event in events if event.event_type == checked]
        return Clicked(
            run_id,
            run.is_success,
            failures[0].strip() if failures else "",
            tuple((one.check_name, one.passed) for one in evaluations),
        )


@contextmanager
def opened(home: Path) -> Iterator[Ui]:
    """Open the UI of a home, which the environment names, too."""
    open_instance(home).dispose()
    with ExitStack() as stack:
        overrides = {**IN_THIS_PROCESS, **history_settings(home / "dagster")}
        ref = InstanceRef.from_dir(str(home / "dagster"), overrides=overrides)
        instance = stack.enter_context(dg.DagsterInstance.from_ref(ref))
        target = LoadableTargetOrigin(python_file=str(LOCATION), attribute="location")
        origin = InProcessCodeLocationOrigin(target, location_name="mlife")
        process = stack.enter_context(WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget(origin)))
        with process.create_request_context() as context:
            assert not context.code_location_errors(), context.code_location_errors()
        yield Ui(instance, process)
