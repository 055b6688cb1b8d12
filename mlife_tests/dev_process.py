"""A real `dagster dev`: the UI's server and the daemon as processes of their own, asked by GraphQL."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import requests

PARTITION_TAG = "dagster/partition"
REPOSITORIES = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }"
TURN_ON = "mutation($selector: SensorSelector!) { startSensor(sensorSelector: $selector) { __typename } }"
RUNS = (
    "query($filter: RunsFilter!) { runsOrError(filter: $filter)"
    " { ... on Runs { results { runId status tags { key value } } } } }"
)
LAUNCH = (
    "mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params)"
    " { __typename ... on LaunchRunSuccess { run { runId } } } }"
)
LOG_CHARACTERS = 4_000


def free_port() -> int:
    """Return a port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class DevProcess:
    """One that runs; it is ended by `stop`."""

    def __init__(self, command: Sequence[str], port: int, variables: Mapping[str, str], log: Path) -> None:
        """Start `command`, whose UI listens on `port`, with further variables; what it prints goes to `log`."""
        self.ignored: set[str] = set()
        self.log, self.url = log, f"http://127.0.0.1:{port}/graphql"
        with log.open("w") as output:
            self.process = subprocess.Popen(
                command, stdout=output, stderr=subprocess.STDOUT, env={**os.environ, **variables},
                start_new_session=True,
            )  # fmt: skip
        self.session = requests.Session()
        self.session.trust_env = False

    def stop(self) -> None:
        """End it and everything that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.session.close()

    def ask(self, query: str, **variables: Any) -> Any:
        """Return the answer to a query. Raises AssertionError when it has errors."""
        answer = self.session.post(self.url, json={"query": query, "variables": variables}, timeout=60).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def until(self, what: Callable[[], Any], seconds: float = 150) -> Any:
        """Wait until something is there and return it. Raises AssertionError with the end of the log otherwise."""
        deadline = time.monotonic() + seconds
        while True:
            assert self.process.poll() is None, self.printed()
            with suppress(requests.ConnectionError):
                if found := what():
                    return found
            assert time.monotonic() < deadline, self.printed()
            time.sleep(1)

    def printed(self) -> str:
        """Return the end of what it printed."""
        return self.log.read_text()[-LOG_CHARACTERS:]

    def turn_on(self, *sensors: str) -> None:
        """Turn sensors on, as their switch does."""
        for sensor in sensors:
            answer = self.ask(TURN_ON, selector={**self._location(), "sensorName": sensor})
            assert answer["startSensor"]["__typename"] == "Sensor", answer

    def launch(self, job: str, day: str) -> str:
        """Launch a job for a partition, as a person does, and return the id of the run."""
        params = {
            "mode": "default",
            "selector": {**self._location(), "pipelineName": job},
            "executionMetadata": {"tags": [{"key": PARTITION_TAG, "value": day}]},
        }
        answer = self.ask(LAUNCH, params=params)["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def states(self, job: str) -> dict[str, tuple[str, str | None]]:
        """Return run id -> state and partition of the runs of a job."""
        runs = self.ask(RUNS, filter={"pipelineName": job})["runsOrError"]["results"]
        tags = {run["runId"]: {tag["key"]: tag["value"] for tag in run["tags"]} for run in runs}
        return {run["runId"]: (run["status"], tags[run["runId"]].get(PARTITION_TAG)) for run in runs}

    def runs_of(self, job: str, day: str) -> dict[str, str]:
        """Return run id -> state of the runs of a job for a day, but for those that are `ignored`."""
        found = {run: state for run, (state, of_day) in self.states(job).items() if of_day == day}
        return {run: state for run, state in found.items() if run not in self.ignored}

    def ended(self, job: str, day: str) -> bool:
        """Return whether a run of a job for a day ended, and none goes on."""
        states = set(self.runs_of(job, day).values())
        return bool(states) and states <= {"SUCCESS", "FAILURE", "CANCELED"}

    def has_run(self, job: str, day: str) -> bool:
        """Return whether a job succeeded for a day. Raises AssertionError where one failed."""
        states = set(self.runs_of(job, day).values())
        assert not states & {"FAILURE", "CANCELED"}, self.printed()
        return "SUCCESS" in states

    def _location(self) -> dict[str, str]:
        """Return where jobs and sensors are, once they were loaded."""
        found = self.until(lambda: self.ask(REPOSITORIES)["repositoriesOrError"].get("nodes"))[0]
        return {"repositoryName": found["name"], "repositoryLocationName": found["location"]["name"]}
