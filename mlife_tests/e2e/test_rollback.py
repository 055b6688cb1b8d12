"""A rollback from the command line, seen from outside: the running endpoint answers with the earlier model's bits.

Two real models are promoted in turn while one application runs, then the second is rolled back. Nothing is restarted.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import orjson
import pytest
import requests
import uvicorn
from typer.testing import CliRunner

from mlife_assets.cli import app as command_line
from mlife_assets.cli.serve import champion_providers
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.core.windows import add_days, run_time
from mlife_assets.serving.app import create_app
from mlife_assets.settings import Settings
from mlife_tests.tiny_models import row_record

DAY = Settings().first_lived_date
START_SECONDS = 20.0
ROWS = 64


@pytest.fixture(params=[False, True], ids=["one step", "funnel"])
def artifacts(models: ModuleType, request: pytest.FixtureRequest) -> list[Any]:
    return [models.tiny_artifact(seed, is_funnel=request.param) for seed in (1, 5)]


def open_platform(home: Path) -> Platform:
    settings = Settings(home=home)
    return Platform(settings=settings, policies=settings.policies())


@pytest.fixture
def home(artifacts: list[Any], tmp_path: Path) -> Path:
    """Return a home in which two models are registered and the first was promoted by the gate."""
    platform = open_platform(tmp_path / "home")
    at = run_time(add_days(DAY, -5)) + timedelta(hours=1)
    for artifact in artifacts:
        platform.registry.register(artifact, as_of=DAY, now=at)
    platform.registry.promote(artifacts[0].model_version, actor="gate", reason="the first one", now=at)
    return tmp_path / "home"


@contextmanager
def serving(home: Path) -> Iterator[Callable[[list[dict[str, Any]]], dict[str, Any]]]:
    """Serve the home as `mlife serve` does, once; yields what asks for scores and for the model."""
    with socket.socket() as listener, requests.Session() as session:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        session.trust_env = False
        application = create_app(champion_providers(open_platform(home)))
        server = uvicorn.Server(uvicorn.Config(application, log_level="critical", lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"

        def ask(rows: list[dict[str, Any]]) -> dict[str, Any]:
            answer = session.post(f"{url}/v1/score", data=orjson.dumps({"rows": rows}), timeout=20)
            assert answer.status_code == 200, answer.text
            named = session.get(f"{url}/v1/model", timeout=20).json()["model_version"]
            assert named == answer.json()["model_version"]
            return {"bytes": answer.content, **answer.json()}

        try:
            deadline = time.monotonic() + START_SECONDS
            while not server.started and time.monotonic() < deadline:
                time.sleep(0.01)
            assert server.started, "uvicorn did not start"
            yield ask
        finally:
            server.should_exit = True
            thread.join()


def mlife(*arguments: object) -> dict[str, Any]:
    result = CliRunner().invoke(command_line, [*map(str, arguments), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return orjson.loads(result.stdout)


def raw_scores(answer: dict[str, Any]) -> np.ndarray:
    return np.array([score["raw"] for score in answer["scores"]])


def test_a_rollback_changes_the_next_answer_back_to_the_bit(home, artifacts, models) -> None:
    first, second = (artifact.model_version for artifact in artifacts)
    matrix = models.random_matrix(9, ROWS)
    rows = [row_record(models.SPEC, row) for row in matrix]
    with serving(home) as ask:
        before = ask(rows)
        mlife("models", "promote", second, "--against-the-gate", "--reason", "try it", "--home", home)
        promoted = ask(rows)
        done = mlife("models", "rollback", "--reason", "fewer applies", "--actor", "ann", "--home", home)
        after = ask(rows)
        assert ask(rows)["bytes"] == after["bytes"]
    assert [answer["model_version"] for answer in (before, promoted, after)] == [first, second, first]
    assert after["bytes"] == before["bytes"]
    assert (raw_scores(promoted) != raw_scores(before)).mean() > 0.9
    for answer, artifact in ((after, artifacts[0]), (promoted, artifacts[1])):
        expected = LightGBMScorer(artifact, threads=1).score(matrix)
        assert raw_scores(answer).tobytes() == expected.raw.tobytes()
        assert [score["probability"] for score in answer["scores"]] == expected.probability.tolist()
    assert (done["model_version"], done["previous_version"]) == (first, second)


def test_history_shows_both_changes_with_who_and_why(home, artifacts) -> None:
    first, second = (artifact.model_version for artifact in artifacts)
    mlife("models", "promote", second, "--against-the-gate", "--reason", "try it", "--actor", "bob", "--home", home)
    mlife("models", "rollback", "--reason", "fewer applies", "--actor", "ann", "--home", home)
    told = mlife("models", "history", "--home", home)
    assert told["champion"] == first
    changes = [(one["kind"], one["model_version"], one["previous_version"], one["actor"]) for one in told["changes"]]
    assert changes == [
        ("promoted", first, None, "gate"),
        ("promoted", second, first, "bob"),
        ("rolled_back", first, second, "ann"),
    ]
    assert [one["reason"] for one in told["changes"]] == [
        "the first one",
        "against the gate (not judged): try it",
        "fewer applies",
    ]
    since = [one["since"] for one in told["changes"]]
    assert since == sorted(set(since))
    text = CliRunner().invoke(command_line, ["models", "history", "--home", str(home)]).stdout
    assert text.index(f"promoted  {second}") < text.index(f"rolled back  {first}  (before: {second})")
    assert "by ann: fewer applies" in text


def test_the_next_day_is_scored_by_the_earlier_model_to_the_bit(home, artifacts, models) -> None:
    first, second = (artifact.model_version for artifact in artifacts)
    matrix = models.random_matrix(9, ROWS)
    expected = [LightGBMScorer(artifact, threads=1).score(matrix).raw.tobytes() for artifact in artifacts]
    platform = open_platform(home)
    promoted = mlife("models", "promote", second, "--against-the-gate", "--reason", "r", "--home", home)
    next_day = date.fromisoformat(promoted["first_day"])
    assert platform.champion_scorer(next_day).score(matrix).raw.tobytes() == expected[1]
    mlife("models", "rollback", "--reason", "r", "--home", home)
    assert platform.champion_version(next_day) == first
    assert platform.champion_scorer(next_day).score(matrix).raw.tobytes() == expected[0]
    assert platform.champion_version(add_days(next_day, -1)) == first


def test_a_rollback_to_an_artifact_that_was_tampered_with_changes_nothing(home, artifacts, models) -> None:
    first, second = (artifact.model_version for artifact in artifacts)
    mlife("models", "promote", second, "--against-the-gate", "--reason", "r", "--home", home)
    path = next((home / "lake" / "models" / first).glob("*calibrator.json"))
    path.write_bytes(path.read_bytes() + b" ")
    rows = [row_record(models.SPEC, row) for row in models.random_matrix(9, 3)]
    with serving(home) as ask:
        result = CliRunner().invoke(command_line, ["models", "rollback", "--reason", "r", "--home", str(home)])
        assert result.exit_code == 1
        assert "was changed" in result.stderr
        assert ask(rows)["model_version"] == second
