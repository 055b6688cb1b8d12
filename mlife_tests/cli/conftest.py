"""A small home, written through the real adapters: two models, two decided days, one text that led to an application"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
import requests
from typer.testing import CliRunner, Result

from mlife_assets.adapters.send_ledger import Transition
from mlife_assets.cli import app
from mlife_assets.components.shown.present import sample_message
from mlife_assets.core.ids import event_id
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport
from mlife_assets.core.scoring.feature_spec import feature_hashes
from mlife_assets.core.scoring.reasons import first_step_probabilities, strongest_reasons
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.core.windows import add_days, day_start, run_time
from mlife_assets.deployments.board_ports import BoardPorts, board_ports
from mlife_assets.deployments.ports import ModelPorts
from mlife_assets.deployments.project_ports import ProjectHome
from mlife_assets.deployments.sealing import seal
from mlife_assets.home_settings import ProjectSettings
from mlife_assets.recruiting.events import EVENT_TYPES, JOB_APPLICATIONS
from mlife_assets.recruiting.features import PAIR_WORDS
from mlife_assets.recruiting.ids import message_id, prediction_id
from mlife_assets.recruiting.messaging_policy import ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.ports import LedgerRow
from mlife_assets.settings import Settings

CONTACT = ContactPolicy()
DAY = date(2026, 6, 10)
FLOWN = date(2013, 2, 10)
"""The day that was decided in the home of somebody else's project."""
CAMPAIGN = "job_of_the_day"
MESSAGE = message_id("u1", CAMPAIGN, DAY)


@dataclass(frozen=True)
class Home:
    """A folder that was lived in. `champions` are the model versions in the order in which they served."""

    path: Path
    champions: tuple[str, ...]
    newest_day: date = DAY
    message_id: str = MESSAGE

    @property
    def platform(self) -> BoardPorts:
        """The ports of this home, opened anew."""
        settings = Settings(home=self.path)
        return board_ports(settings)

    @property
    def sample(self) -> str | None:
        """The text that the demo's summary names."""
        return sample_message(self.platform, self.platform.settings.days.first_lived_date)

    def events(self, event_type: str) -> list[dict[str, Any]]:
        return list(self.platform.event_log.read(event_type).to_pylist())

    def add(self, event_type: str, row: Mapping[str, Any], at: datetime, occurred: datetime | None = None) -> str:
        return add_event(self.platform, event_type, row, at, occurred)


def add_event(
    platform: BoardPorts | ModelPorts,
    event_type: str,
    row: Mapping[str, Any],
    at: datetime,
    occurred: datetime | None = None,
) -> str:
    key = event_id(event_type, *row.values(), at.isoformat())
    full = {"event_id": key, "occurred_at": occurred or at, "observed_at": at, "model_name": JOB_APPLICATIONS, **row}
    table = pa.Table.from_pylist([full], schema=EVENT_TYPES[event_type].schema)
    platform.event_log.append(event_type, table, writer="test")
    return key


def _reigns(view: ModelPorts, trained_on: Iterable[date], artifacts: Iterable[Any]) -> tuple[str, ...]:
    """Register and promote a version a day; return them."""
    versions: list[str] = []
    for number, (trained, artifact) in enumerate(zip(trained_on, artifacts, strict=True), 1):
        at = run_time(trained) + timedelta(hours=1)
        version = view.registry.register(artifact, as_of=trained, now=at)
        verdict = {
            "model_version": version, "champion_version": versions[-1] if versions else None, "as_of_date": trained,
            "outcome": "promoted", "delta_map": 0.1, "delta_map_lower": 0.05, "delta_map_upper": 0.15,
            "users_with_positives": 1200, "sentences": [f"Promoted: model {number} meets all conditions."],
            "policy_version": "pol", "model_name": view.model_name,
        }  # fmt: skip
        add_event(view, "promotion_decided", verdict, at)
        view.registry.promote(version, actor="gate", reason=f"model {number} won", now=at)
        versions.append(version)
    return tuple(versions)


def _predict(platform: BoardPorts, scorer: LightGBMScorer, matrix: np.ndarray) -> None:
    scores, hashes = scorer.score(matrix), feature_hashes(matrix)
    clicks, told = first_step_probabilities(scores), strongest_reasons(scorer, matrix, PAIR_WORDS)
    for place in range(len(matrix)):
        row = {
            "prediction_id": prediction_id("u1", f"j{place}", DAY, scorer.model_version, hashes[place]),
            "user_id": "u1", "job_id": f"j{place}", "as_of_date": DAY, "model_version": scorer.model_version,
            "feature_hash": hashes[place],
            "features": [None if np.isnan(value) else float(value) for value in matrix[place]],
            "raw_score": float(scores.raw[place]), "probability": float(scores.probability[place]),
            "click_probability": float(clicks[place]), "reasons": told[place], "rank": place + 1, "propensity": 0.9,
            "exploration_propensity": 0.25, "exploration_salt": "salt", "candidate_set_hash": "set",
            "policy_version": "pol", "application": CAMPAIGN,
        }  # fmt: skip
        add_event(platform, "prediction", row, run_time(DAY))


def _decide(platform: BoardPorts) -> None:
    for day, verdict, why in ((add_days(DAY, -1), "retrain", "Data drift."), (DAY, "wait", "Retrained [lately].")):
        row = {
            "decision_id": f"dec_{day}", "as_of_date": day, "verdict": verdict, "codes": [verdict],
            "sentences": [why], "model_version": None, "policy_version": "pol",
        }  # fmt: skip
        add_event(platform, "retrain_decided", row, run_time(day))
    finding = Finding("univariate", "distance_km", "jensen_shannon", 0.5, 0.1, True, "distance_km moved.")
    report = MonitoringReport("data_drift_report", DAY, None, 2000, "alarm", (finding,), "1 of 24 columns moved.")
    platform.of_model().reports.write("data_drift_report", DAY, report)
    platform.tables.write_report("message_plan", DAY, {"plan_id": "pln_1"})


def _send(platform: BoardPorts) -> None:
    now, eve = run_time(DAY) + timedelta(minutes=5), day_start(DAY) - timedelta(minutes=30)
    consent = {"user_id": "u1", "channel": "sms", "is_granted": True, "source": "signup"}
    add_event(platform, "consent", consent, eve)
    chosen = next(r for r in platform.event_log.read("prediction").to_pylist() if r["job_id"] == "j1")
    base = {"campaign": CAMPAIGN, "as_of_date": DAY}
    planned = {
        "message_id": MESSAGE, "user_id": "u1", "job_id": "j1", **base, "prediction_id": chosen["prediction_id"],
        "slice": "exploit", "propensity": 0.9, "plan_id": "pln_1", "cohort": "active",
        "body": "Northstar [Jobs]: Cook. Reply STOP to opt out", "segments": 1, "policy_version": "pol",
        "channel": "sms", "items": [{"position": 1, "job_id": "j1", "prediction_id": chosen["prediction_id"]}],
    }  # fmt: skip
    add_event(platform, "message_planned", planned, now)
    approved = {"plan_id": "pln_1", **base, "planned_count": 1, "approved_by": "me", "policy_version": "pol"}
    add_event(platform, "plan_approved", approved, now)
    held = {"message_id": message_id("u2", CAMPAIGN, DAY), "user_id": "u2", **base, "reason": "holdout"}
    add_event(platform, "message_suppressed", {**held, "stage": "plan"}, now)
    ledger = platform.ledger
    ledger.plan([LedgerRow(MESSAGE, "u1", "j1", CAMPAIGN, DAY, planned["body"], "planned", 0, None, now)], now=now)
    ledger.approve(CAMPAIGN, DAY, now=now)
    ledger.lease(CAMPAIGN, DAY, worker="w", limit=9, now=now, until=now + timedelta(minutes=5))
    assert ledger.begin_submit(MESSAGE, worker="w", now=now, policy=MessagingPolicy(), contact=CONTACT, day=DAY) is None
    ledger.transition_many([Transition(MESSAGE, "accepted", provider_message_id="con_1")], now=now)
    ledger.transition_many([Transition(MESSAGE, "delivered")], now=run_time(DAY) + timedelta(hours=3))
    platform.home.messengers.outbox.publish()
    cause = {"user_id": "u1", "job_id": "j1", "source": "message", "exposure_id": MESSAGE}
    export = day_start(DAY) + timedelta(hours=23, minutes=30)
    add_event(platform, "click", cause, export, now + timedelta(minutes=20))
    add_event(platform, "apply", cause, export, now + timedelta(minutes=40))


@pytest.fixture(scope="session")
def lived_home(tmp_path_factory: pytest.TempPathFactory, tiny_models: Any) -> Home:
    """Return the home, which no test may change."""
    path = tmp_path_factory.mktemp("cli") / "home"
    settings = Settings(home=path)
    platform = board_ports(settings)
    artifacts = (tiny_models.tiny_artifact(number, is_funnel=True) for number in (1, 2))
    champions = _reigns(platform.of_model(), (add_days(DAY, -9), add_days(DAY, -3)), artifacts)
    scorer = LightGBMScorer(platform.of_model().registry.load(champions[-1]), threads=1)
    _predict(platform, scorer, tiny_models.random_matrix(4, 7))
    _decide(platform)
    _send(platform)
    seal(platform.home)
    platform.ledger.close()
    return Home(path, champions)


@pytest.fixture
def home(lived_home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Return a copy of the home for one test, which commands find by the environment."""
    shutil.copytree(lived_home.path, tmp_path / "home")
    monkeypatch.setenv("MLIFE_HOME", str(tmp_path / "home"))
    return Home(tmp_path / "home", lived_home.champions)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """Return a folder that does not exist."""
    return tmp_path / "nothing"


@pytest.fixture
def run() -> Callable[..., Result]:
    """Return what runs `mlife` with arguments in this process; exceptions other than exits are raised."""

    def call(*arguments: object, env: Mapping[str, str] | None = None) -> Result:
        return CliRunner().invoke(app, [str(one) for one in arguments], env=env, catch_exceptions=False)

    return call


@pytest.fixture
def refusal_of(run: Callable[..., Result]) -> Callable[..., str]:
    """Return what runs `mlife` with arguments that end it with 1 and no answer; it returns what was said instead."""

    def call(*arguments: object, env: Mapping[str, str] | None = None) -> str:
        result = run(*arguments, env=env)
        assert (result.exit_code, result.stdout) == (1, ""), result.output
        return result.stderr

    return call


@pytest.fixture
def answer_of(run: Callable[..., Result]) -> Callable[..., str]:
    """Return what runs `mlife` with arguments that it can answer, and returns the answer."""

    def call(*arguments: object, env: Mapping[str, str] | None = None) -> str:
        result = run(*arguments, env=env)
        assert result.exit_code == 0, result.output
        return result.stdout

    return call


@pytest.fixture
def run_json(run: Callable[..., Result]) -> Callable[..., Any]:
    """Return what runs `mlife ... --json`, expects an exit code and returns the document."""

    def call(*arguments: object, code: int = 0) -> Any:
        result = run(*arguments, "--json")
        assert result.exit_code == code, result.output
        document = orjson.loads(result.stdout)
        assert result.stdout.encode() == orjson.dumps(
            document, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
        )
        return document

    return call


def _lives(view: ModelPorts, numbers: tuple[int, ...], models: Any) -> None:
    """Register and promote some versions of a model, decide a day and score it."""
    ours = {"model_name": view.model_name, "policy_version": "pol"}
    days = [add_days(FLOWN, place - 5) for place in range(len(numbers))]
    versions = _reigns(view, days, map(models.tiny_artifact, numbers))
    for version in versions:
        view.registry.put_card(version, f"<!doctype html><html><body>card of {version}</body></html>")
    decided = {
        "decision_id": f"dec_{view.model_name}", "as_of_date": FLOWN, "verdict": "wait", "codes": ["wait"],
        "sentences": ["Nothing is due."], "model_version": versions[-1] if versions else None,
    }  # fmt: skip
    add_event(view, "retrain_decided", ours | decided, run_time(FLOWN))
    view.model_tables.write_report("ingest_examples", FLOWN, {"types": []})
    view.model_tables.write("scores", FLOWN, pa.table({"leg": ["a", "b"], "probability": [0.1, 0.7]}))
    finding = Finding("univariate", "wind", "kolmogorov_smirnov", 0.5, 0.1, True, "wind moved.")
    report = MonitoringReport("data_drift_report", FLOWN, None, 100, "alarm", (finding,), "1 of 3 columns moved.")
    view.reports.write("data_drift_report", FLOWN, report)


@pytest.fixture(scope="session")
def lived_project(tmp_path_factory: pytest.TempPathFactory, tiny_models: Any) -> Path:
    """Return a project's folder whose models were decided on; no test may change it."""
    root = tmp_path_factory.mktemp("airport")
    (root / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "airport"\n', encoding="utf-8")
    platform = ProjectHome(settings=ProjectSettings.below(root, None))
    _lives(platform.of_model("late_flights"), (1, 2), tiny_models)
    seal(platform)
    return root


@pytest.fixture
def project(lived_project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the project, in which commands are run."""
    root = tmp_path / "airport"
    shutil.copytree(lived_project, root)
    monkeypatch.delenv("MLIFE_HOME", raising=False)
    (root / "src").mkdir()
    monkeypatch.chdir(root / "src")
    return root


@pytest.fixture
def add_model(tiny_models: Any) -> Callable[[Path, str], None]:
    """Return what adds a model to a project that never got a version."""

    def add(root: Path, name: str) -> None:
        _lives(ProjectHome(settings=ProjectSettings.below(root, None)).of_model(name), (), tiny_models)

    return add


@pytest.fixture
def add_imported(tiny_models: Any) -> Callable[[Path, str], None]:
    """Return what registers a version in a project that another environment's gate promoted."""

    def add(root: Path, name: str) -> None:
        view = ProjectHome(settings=ProjectSettings.below(root, None)).of_model(name)
        at = run_time(FLOWN) + timedelta(hours=2)
        version = view.registry.register(tiny_models.tiny_artifact(len(name)), as_of=FLOWN, now=at)
        row = {
            "model_version": version, "bundle_id": "bdl_1", "environment": "dev", "signed_by": "ab" * 32,
            "outcome": "promoted", "judged_at": at, "sentences": ["Promoted."], "actor": "ann", "reason": "r",
            "model_name": view.model_name,
        }  # fmt: skip
        add_event(view, "model_imported", row, at)

    return add


@pytest.fixture
def listening() -> Callable[..., AbstractContextManager[tuple[dict[str, Any], requests.Session]]]:
    """Return what runs a command that serves; it ends with 0 and without a word when it is interrupted."""

    @contextmanager
    def listens(*command: object) -> Iterator[tuple[dict[str, Any], requests.Session]]:
        program = [sys.executable, "-c", "from mlife_assets.cli import main; main()", *map(str, command), "--json"]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        with subprocess.Popen(program, text=True, **pipes) as process, requests.Session() as session:
            session.trust_env = False
            try:
                yield orjson.loads("".join(iter(process.stdout.readline, "}\n")) + "}"), session
            finally:
                process.send_signal(signal.SIGINT)
                rest, errors = process.communicate(timeout=30)
        assert (process.returncode, rest, errors) == (0, "", "")

    return listens
