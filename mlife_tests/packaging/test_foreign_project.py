"""A month in a project that `create-dagster` made and in which mlife is a wheel: a few minutes for each Python.

Its models are retrained by its sensor, in its daemon. Nothing of this checkout can be seen from there.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

FIRST = date(2013, 1, 3)
TYPE = "mlife_assets.components.ConversionModel"
JOB_BOARDS = ("mlife_assets.market", "mlife_assets.definitions", "mlife_assets.components.messages", "dbt", "ortools")
DAYS = 31
PROVIDED = {
    "3.11": ("[nannyml]", "NannyML 0.13.1"),
    "3.13": ("", "mlife's own calculators: NannyML is not installed"),
}
"""Extra, what the reports say computed them."""


def interpreter(version: str) -> str:
    """Return a Python of a version; where there is none, the test is skipped and says so."""
    if sys.version.startswith(f"{version}."):
        return sys.executable
    for place in (shutil.which(f"python{version}"), f"/usr/bin/python{version}"):
        if place and subprocess.run([place, "-c", ""], check=False, capture_output=True).returncode == 0:
            return place
    pytest.skip(f"there is no Python {version} on this machine")


@contextmanager
def daemon(place: Any) -> Iterator[None]:
    """Run the daemon of the project."""
    command = place.command("dagster-daemon", "run", "-m", "airport.definitions", "-d", place.project)
    log = (place.project / "daemon.log").open("a")
    with (
        log,
        subprocess.Popen(
            command, cwd=place.project, env=place.variables, stdout=log, stderr=log, start_new_session=True
        ) as process,
    ):
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=60)


def pages(place: Any, paths: list[str]) -> list[str]:
    """Return pages as `mlife open` serves them."""
    command = place.command("mlife", "open", "--port", "0", "--json")
    with subprocess.Popen(
        command, cwd=place.project, env=place.variables, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            lines: list[str] = []
            while not lines or lines[-1] not in ("", "}\n"):
                lines.append(process.stdout.readline())
            url = json.loads("".join(lines))["url"]
            ask = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
            return [ask(url + path, timeout=60).read().decode() for path in paths]
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


@pytest.mark.proof
@pytest.mark.parametrize("version", PROVIDED)
def test_a_month_of_somebody_elses_project(version: str, wheel: Path, make_place, locked, uv) -> None:
    extra, computed_by = PROVIDED[version]
    place = make_place(interpreter(version))
    made = uv(
        *("tool", "run", "--python", place.python, "--from", f"create-dagster=={locked['dagster']}"),
        *("create-dagster", "project", "airport", "--no-uv-sync"),
        cwd=place.project.parent,
    )
    assert made.returncode == 0, made.stderr
    place.install(f"{wheel}{extra}", "dagster-dg-cli", "dagster-webserver", *(["xgboost-cpu<3"] if extra else []))
    place.install("--editable", place.project)

    assert TYPE in place.run("dg", "list", "components", "--json")
    place.run("dg", "scaffold", "defs", TYPE, "late_flights")
    place.settle()
    listed = json.loads(place.run("dg", "list", "defs", "--json"))
    assert len([one for one in listed["assets"] if one["group_name"] == "late_flights"]) == 16
    assert "All definitions loaded successfully." in place.run("dg", "check", "defs")

    lived, day, last, retrained = {}, FIRST, FIRST + timedelta(days=DAYS - 1), []
    while day <= last:
        answer = place.answer("days.py", day, last)
        lived |= answer["days"]
        day = max(map(date.fromisoformat, lived))
        if lived[day.isoformat()]["verdict"] == "retrain":
            with daemon(place):
                ended = place.answer("retraining.py", day)
            assert ended == [{"status": "SUCCESS", "sensor": "late_flights_retrain_on_drift_sensor"}]
            retrained.append(day)
        day += timedelta(days=1)

    assert len(lived) == DAYS
    assert retrained, "the governor never asked for a model"
    assert {one.split("/")[0] for one in answer["assets"]} == {"departed_flights", "flight_outcomes", "late_flights"}
    assert {one.removeprefix("late_flights_") for one in answer["jobs"]} >= {"daily_job", "retraining_job"}
    assert not [name for name in answer["modules"] if name.startswith(JOB_BOARDS)]
    assert ("nannyml" in answer["modules"]) is bool(extra)
    assert answer["files"][0].startswith(str(place.environment))
    assert not [one for one in answer["path"] if Path(one).resolve() == Path(__file__).resolve().parents[2]]

    served = [found for one, found in lived.items() if date.fromisoformat(one) > retrained[0]]
    assert all(found["scored"] > 0 for found in served if found["verdict"] != "block")
    assert {found["computed_by"].startswith(computed_by) for found in lived.values()} == {True}
    judged = {name: {found[name] for found in served} for name in ("drift", "latent", "concept")}
    assert all(statuses & {"ok", "alarm"} for statuses in judged.values()), judged

    (standing,) = json.loads(place.run("mlife", "status", "--json"))["models"]
    assert (standing["newest_day"], standing["model_name"]) == (last.isoformat(), "late_flights")
    champion = standing["champion"]
    models = json.loads(place.run("mlife", "models", "list", "--json"))
    assert (models["champion"], len(models["models"])) == (champion, len(retrained))
    assert champion in {row["model_version"] for row in models["models"] if row["gate"] == "promoted"}
    assert None not in {row["gate"] for row in models["models"]}, "the gate judged each"
    assert json.loads(place.run("mlife", "log", "verify", "--json"))["is_intact"]
    overview, card = pages(place, ["/", f"/models/{champion}/card.html"])
    assert f"{champion} serves." in overview
    assert "Which flights arrive late" in card
