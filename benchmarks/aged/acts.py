"""The acts whose cost is measured, each on a home of its own copy.

Concept: what a running deployment does again and again is measured in a process that did it once already; a whole day
is measured with its process, as the command `mlife day` is. Seconds are CPU seconds, user and system, of the process
and of the children that it waited for.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aged.world import FIRST_DAY, Size, open_definitions, open_platform

if TYPE_CHECKING:
    import dagster as dg

    from mlife_assets.core.ports import ObjectStore
    from mlife_assets.deployments.board_ports import BoardPorts

LOOKS, REQUESTS = 20, 50
"""Calls that are timed together: one alone is shorter than the clock is exact."""
Seconds = Mapping[str, Sequence[float]]


def cpu_seconds() -> float:
    """Return what this process used so far, and its children that have ended."""
    spent = os.times()
    return time.process_time() + spent.children_user + spent.children_system


def timed(call: Callable[[], Any], calls: int = 1) -> float:
    """Return the CPU seconds of one call of several."""
    began = cpu_seconds()
    for _ in range(calls):
        call()
    return (cpu_seconds() - began) / calls


@dataclass
class Bench:
    """A home at hand."""

    home: Path
    size: Size
    repeats: int

    @cached_property
    def platform(self) -> BoardPorts:
        """The platform of the home."""
        return open_platform(self.home, self.size)

    @cached_property
    def definitions(self) -> dg.Definitions:
        """The graph of the home."""
        return open_definitions(self.platform)

    @property
    def newest(self) -> date:
        """The last day that ran."""
        days = (self.home / "lake/reports/message_plan").iterdir()
        return max(date.fromisoformat(one.name.partition("=")[2]) for one in days)

    @property
    def following(self) -> date:
        """The day that runs next."""
        return self.newest + timedelta(days=1)


def tick(bench: Bench) -> Seconds:
    """Every sensor of the code location is evaluated, with the cursor that its first tick left."""
    import dagster as dg

    from mlife_assets.components.running.instance import open_instance

    repository, cursors = bench.definitions.get_repository_def(), dict[str, str | None]()
    resources = dict(bench.definitions.resources or {})

    def evaluate(instance: dg.DagsterInstance, name: str) -> None:
        sensor = repository.get_sensor_def(name)
        with dg.build_sensor_context(
            instance=instance,
            cursor=cursors.get(name),
            repository_def=repository,
            sensor_name=name,
            resources={key: resources[key] for key in sorted(sensor.required_resource_keys)},
        ) as context:
            cursors[name] = sensor.evaluate_tick(context).cursor

    names = sorted(sensor.name for sensor in repository.sensor_defs)
    with open_instance(bench.home) as instance:
        first = {name: timed(partial(evaluate, instance, name)) for name in names}
        rounds = [{name: timed(partial(evaluate, instance, name)) for name in names} for _ in range(bench.repeats)]
    by_sensor = {f"tick of {name}": [one[name] for one in rounds] for name in names}
    return {"tick": [sum(one.values()) for one in rounds], "first tick": [sum(first.values())], **by_sensor}


def champion(bench: Bench) -> Seconds:
    """Who is champion, asked of the registry, and of what the endpoint asks."""
    from mlife_assets.adapters.model_registry import ChampionWatch

    registry = bench.platform.of_model().registry
    watch = ChampionWatch(registry, bench.platform.event_log)
    first = [timed(registry.champion)]
    assert watch.champion() == registry.champion() is not None
    return {
        "champion look-up": [timed(registry.champion, LOOKS) for _ in range(bench.repeats)],
        "first champion look-up": first,
        "look of the endpoint": [timed(watch.champion, LOOKS * 10) for _ in range(bench.repeats)],
    }


def request(bench: Bench) -> Seconds:
    """One row is scored by the endpoint's application, in process."""
    from mlife_assets.cli.serve import champion_providers
    from mlife_assets.serving.app import create_app

    providers = champion_providers(bench.platform.home)
    app = create_app(providers)
    spec = next(iter(providers.values()))().feature_spec
    body = json.dumps({"rows": [dict.fromkeys(spec.names)]}).encode()

    async def ask() -> int:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": "/v1/score",
            "raw_path": b"/v1/score",
            "query_string": b"",
            "headers": [
                (b"host", b"127.0.0.1"),
                (b"content-type", b"application/json"),
                (b"content-length", str(len(body)).encode()),
            ],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 8_000),
        }
        await app(scope, receive, send)  # type: ignore[arg-type]
        return int(sent[0]["status"])

    async def measured() -> list[float]:
        status = await ask()
        if status != 200:
            raise SystemExit(f"the endpoint answers {status}")
        found = []
        for _ in range(bench.repeats):
            began = time.process_time()
            for _ in range(REQUESTS):
                await ask()
            found.append((time.process_time() - began) / REQUESTS)
        return found

    return {"request": asyncio.run(measured())}


def stop(bench: Bench) -> Seconds:
    """A STOP arrives; the job that the sensor of replies asks for reads it, and the person is suppressed."""
    from mlife_assets.components.graph.jobs import INBOUND_JOB
    from mlife_assets.components.running.driver import LifecycleDriver
    from mlife_assets.components.running.instance import open_instance

    found = []
    with open_instance(bench.home) as instance:
        driver = LifecycleDriver(bench.definitions, instance)
        for _ in range(bench.repeats + 1):
            user = _stop_arrives(bench)
            found.append(timed(lambda: driver.run_day(INBOUND_JOB, bench.newest).require_success()))
            if not _is_suppressed(bench, user):
                raise SystemExit(f"{user} said STOP and is not suppressed")
    return {"STOP": found[1:]}


def settled(bench: Bench) -> Seconds:
    """Features of the newest day and metrics once more: what the code under test keeps of a past is there then."""
    from mlife_assets.components.running.driver import LifecycleDriver
    from mlife_assets.components.running.instance import open_instance

    with open_instance(bench.home) as instance:
        driver = LifecycleDriver(_feature_jobs(bench), instance)
        spent = timed(lambda: driver.run_day("features_alone", bench.newest).require_success())
        metrics = LifecycleDriver(bench.definitions, instance)
        spent += timed(lambda: metrics.run_unpartitioned("metrics_job").require_success())
    return {"settled": [spent]}


def _feature_jobs(bench: Bench) -> dg.Definitions:
    import dagster as dg

    return dg.Definitions(
        assets=bench.definitions.assets,
        asset_checks=bench.definitions.asset_checks,
        jobs=[
            dg.define_asset_job("features_alone", dg.AssetSelection.groups("features")),
            dg.define_asset_job("landing_alone", dg.AssetSelection.assets(["events", "market_events"])),
        ],
        resources=bench.definitions.resources,
    )


def features(bench: Bench) -> Seconds:
    """The tables of features of the next day, whose events have landed."""
    from mlife_assets.components.running.driver import LifecycleDriver
    from mlife_assets.components.running.instance import open_instance

    with open_instance(bench.home) as instance:
        driver = LifecycleDriver(_feature_jobs(bench), instance)
        landing = timed(lambda: driver.run_day("landing_alone", bench.following).require_success())
        runs = [
            timed(lambda: driver.run_day("features_alone", bench.following).require_success())
            for _ in range(bench.repeats + 1)
        ]
    return {"features of a day": runs[1:], "landing of a day": [landing]}


def day(bench: Bench) -> Seconds:
    """The next day with its sensors, metrics and dashboard, and the process itself, as `mlife day` is one."""
    from mlife_assets.components.running.demo_summary import Demo
    from mlife_assets.components.running.instance import open_instance

    definitions, chosen = bench.definitions, bench.following
    opened = cpu_seconds()
    with open_instance(bench.home) as instance:
        story = Demo(definitions, instance, bench.platform)
        result = story.run_day((chosen - FIRST_DAY).days - bench.size.history_days + 1, chosen)
        ran = cpu_seconds()
        story.driver.run_unpartitioned("metrics_job").require_success()
        steps = _step_seconds(instance)
    if result.planned != result.submitted:
        raise SystemExit(f"{result.planned} texts were planned, {result.submitted} submitted")
    bench.platform.ledger.close()
    ended = cpu_seconds()
    parts = {"day: job and sensors": [ran - opened], "day: metrics": [ended - ran], **steps}
    return {"whole day": [ended], **parts}


def verify(bench: Bench) -> Seconds:
    """`mlife log verify`: every byte of the log against its chain, heads, ledger, registry and reports."""
    from mlife_assets.cli.log import _CountingStore
    from mlife_assets.deployments.sealing import audit_log

    reads = [0]

    def count() -> None:
        reads[0] += 1

    began, at = cpu_seconds(), time.perf_counter()
    found = audit_log(bench.platform.home, lake=_CountingStore(bench.platform.lake, count))
    spent, wall = cpu_seconds() - began, time.perf_counter() - at
    if not found.verification.is_intact:
        raise SystemExit(f"the log is not intact: {found.verification.findings[0]}")
    distant = open_platform(bench.home, bench.size)
    far = vars(distant.home)["lake"] = FarStore(distant.lake)
    audit_log(distant.home)
    return {
        "verify": [spent],
        "verify, wall": [wall],
        "verify, reads": [float(reads[0])],
        "verify, sequential reads": [far.sequential],
    }


class FarStore:
    """A lake whose every request takes the same time, as one that is far away.

    `sequential` is how many requests one after the other would have been waited for as long: the time in which at least
    one was on its way, by the time of one.
    """

    SECONDS, root = 0.02, None

    def __init__(self, lake: ObjectStore) -> None:
        self._lake, self._lock = lake, threading.Lock()
        self._on_the_way, self._since, self._waited = 0, 0.0, 0.0

    @property
    def sequential(self) -> float:
        return round(self._waited / self.SECONDS)

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._lake, name)
        return self._delayed(asked) if callable(asked) else asked

    def _delayed(self, asked: Callable[..., Any]) -> Callable[..., Any]:
        def ask(*arguments: Any) -> Any:
            with self._lock:
                if self._on_the_way == 0:
                    self._since = time.perf_counter()
                self._on_the_way += 1
            try:
                time.sleep(self.SECONDS)
            finally:
                with self._lock:
                    self._on_the_way -= 1
                    if self._on_the_way == 0:
                        self._waited += time.perf_counter() - self._since
            return asked(*arguments)

        return ask


ACTS: Mapping[str, Callable[[Bench], Seconds]] = {
    "champion": champion,
    "request": request,
    "tick": tick,
    "stop": stop,
    "settled": settled,
    "features": features,
    "day": day,
    "verify": verify,
}


def _stop_arrives(bench: Bench) -> str:
    """Let a person who got one of the newest texts answer STOP; returns the account."""
    with closing(sqlite3.connect(bench.home / "private/gateway.sqlite", timeout=60)) as connection:
        row = connection.execute(
            "SELECT request, user_id FROM requests WHERE is_delivered = 1 AND inbound_at IS NULL AND user_id NOT IN "
            "(SELECT user_id FROM requests WHERE inbound_at IS NOT NULL) ORDER BY sent_at DESC, request DESC LIMIT 1"
        ).fetchone()
        connection.execute(
            "UPDATE requests SET inbound_body = 'STOP', inbound_at = receipt_at + 1000000 WHERE request = ?", row[:1]
        )
        connection.commit()
    return str(row[1])


def _is_suppressed(bench: Bench, user: str) -> bool:
    with closing(sqlite3.connect(bench.home / "private/ledger.sqlite", timeout=60)) as connection:
        found = connection.execute(
            "SELECT count(*) FROM suppressions WHERE person_id IN "
            "(SELECT same.user_id FROM accounts AS one JOIN accounts AS same USING (person_id) WHERE one.user_id = ?)",
            (user,),
        ).fetchone()
    return bool(found[0])


def _step_seconds(instance: dg.DagsterInstance) -> Seconds:
    """Return the wall seconds of the steps of the newest daily run, by step."""
    import dagster as dg

    runs = instance.get_runs(filters=dg.RunsFilter(job_name="daily_lifecycle_job"), limit=1)
    return {
        f"day, wall: {step.step_key}": [step.end_time - step.start_time]
        for run in runs
        for step in instance.get_run_step_stats(run.run_id)
        if step.start_time is not None and step.end_time is not None
    }
