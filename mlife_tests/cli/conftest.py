"""A small home, written through the real adapters: two models, two decided days, one text that led to an application.

Belongs here: the home and how commands are run. Does not belong here: a lived lifecycle (`e2e`).
"""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from typer.testing import CliRunner, Result

from mlife_assets.cli import app
from mlife_assets.components.platform.resources import Platform
from mlife_assets.components.platform.sealing import seal
from mlife_assets.components.shown.sample_message import sample_message
from mlife_assets.core.ids import event_id
from mlife_assets.core.monitoring.reports import Finding, MonitoringReport
from mlife_assets.core.scoring.feature_spec import feature_hashes
from mlife_assets.core.scoring.prediction_details import first_step_probabilities, strongest_reasons
from mlife_assets.core.scoring.scorer import LightGBMScorer
from mlife_assets.core.windows import add_days, day_start, run_time
from mlife_assets.recruiting.events import EVENT_TYPES, JOB_APPLICATIONS
from mlife_assets.recruiting.features import PAIR_WORDS
from mlife_assets.recruiting.ids import message_id, prediction_id
from mlife_assets.recruiting.messaging_policy import ContactPolicy, MessagingPolicy
from mlife_assets.recruiting.ports import LedgerRow
from mlife_assets.settings import Settings

CONTACT = ContactPolicy()
DAY = date(2026, 6, 10)
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
    def platform(self) -> Platform:
        """The ports of this home, opened anew."""
        settings = Settings(home=self.path)
        return Platform(settings=settings, policies=settings.policies())

    @property
    def sample(self) -> str | None:
        """The text that the demo's summary names."""
        return sample_message(self.platform, self.platform.settings.first_lived_date)

    def events(self, event_type: str) -> list[dict[str, Any]]:
        return list(self.platform.event_log.read(event_type).to_pylist())

    def add(self, event_type: str, row: Mapping[str, Any], at: datetime, occurred: datetime | None = None) -> str:
        return add_event(self.platform, event_type, row, at, occurred)


def add_event(
    platform: Platform, event_type: str, row: Mapping[str, Any], at: datetime, occurred: datetime | None = None
) -> str:
    key = event_id(event_type, *row.values(), at.isoformat())
    full = {"event_id": key, "occurred_at": occurred or at, "observed_at": at, "model_name": JOB_APPLICATIONS, **row}
    table = pa.Table.from_pylist([full], schema=EVENT_TYPES[event_type].schema)
    platform.event_log.append(event_type, table, writer="test")
    return key


def _train(platform: Platform) -> tuple[str, ...]:
    path = Path(__file__).resolve().parent.parent / "tiny_models.py"
    spec = importlib.util.spec_from_file_location("mlife_tiny_models", path)
    models = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(models)
    versions = []
    for number, trained in enumerate((add_days(DAY, -9), add_days(DAY, -3)), 1):
        at = run_time(trained) + timedelta(hours=1)
        version = platform.registry.register(models.tiny_artifact(number, is_funnel=True), as_of=trained, now=at)
        verdict = {
            "model_version": version,
            "champion_version": versions[-1] if versions else None,
            "as_of_date": trained,
            "outcome": "promoted",
            "delta_map": 0.1,
            "delta_map_lower": 0.05,
            "delta_map_upper": 0.15,
            "users_with_positives": 1200,
            "sentences": [f"Promoted: model {number} meets all conditions."],
            "policy_version": "pol",
        }
        add_event(platform, "promotion_decided", verdict, at)
        platform.registry.promote(version, actor="gate", reason=f"model {number} won", now=at)
        versions.append(version)
    matrix = models.random_matrix(4, 7)
    _predict(platform, LightGBMScorer(platform.registry.load(versions[-1]), threads=1), matrix)
    return tuple(versions)


def _predict(platform: Platform, scorer: LightGBMScorer, matrix: np.ndarray) -> None:
    scores, hashes = scorer.score(matrix), feature_hashes(matrix)
    clicks, told = first_step_probabilities(scores), strongest_reasons(scorer, matrix, PAIR_WORDS)
    for place in range(len(matrix)):
        row = {
            "prediction_id": prediction_id("u1", f"j{place}", DAY, scorer.model_version, hashes[place]),
            "user_id": "u1",
            "job_id": f"j{place}",
            "as_of_date": DAY,
            "model_version": scorer.model_version,
            "feature_hash": hashes[place],
            "features": [None if np.isnan(value) else float(value) for value in matrix[place]],
            "raw_score": float(scores.raw[place]),
            "probability": float(scores.probability[place]),
            "click_probability": float(clicks[place]),
            "reasons": told[place],
            "rank": place + 1,
            "propensity": 0.9,
            "exploration_propensity": 0.25,
            "exploration_salt": "salt",
            "candidate_set_hash": "set",
            "policy_version": "pol",
            "application": CAMPAIGN,
        }
        add_event(platform, "prediction", row, run_time(DAY))


def _decide(platform: Platform) -> None:
    for day, verdict, why in ((add_days(DAY, -1), "retrain", "Data drift."), (DAY, "wait", "Retrained [lately].")):
        row = {
            "decision_id": f"dec_{day}",
            "as_of_date": day,
            "verdict": verdict,
            "codes": [verdict],
            "sentences": [why],
            "model_version": None,
            "policy_version": "pol",
        }
        add_event(platform, "retrain_decided", row, run_time(day))
    finding = Finding("univariate", "distance_km", "jensen_shannon", 0.5, 0.1, True, "distance_km moved.")
    report = MonitoringReport("data_drift_report", DAY, None, 2000, "alarm", (finding,), "1 of 24 columns moved.")
    platform.write_monitoring_report("data_drift_report", DAY, report)
    platform.tables.write_report("message_plan", DAY, {"plan_id": "pln_1"})


def _send(platform: Platform) -> None:
    now, eve = run_time(DAY) + timedelta(minutes=5), day_start(DAY) - timedelta(minutes=30)
    consent = {"user_id": "u1", "channel": "sms", "is_granted": True, "source": "signup"}
    add_event(platform, "consent", consent, eve)
    chosen = platform.event_log.read("prediction").to_pylist()[0]
    chosen = next(r for r in platform.event_log.read("prediction").to_pylist() if r["job_id"] == "j1") or chosen
    base = {"campaign": CAMPAIGN, "as_of_date": DAY}
    planned = {
        "message_id": MESSAGE,
        "user_id": "u1",
        "job_id": "j1",
        **base,
        "prediction_id": chosen["prediction_id"],
        "slice": "exploit",
        "propensity": 0.9,
        "plan_id": "pln_1",
        "cohort": "active",
        "body": "Northstar [Jobs]: Cook. Reply STOP to opt out",
        "segments": 1,
        "policy_version": "pol",
        "channel": "sms",
        "items": [{"position": 1, "job_id": "j1", "prediction_id": chosen["prediction_id"]}],
    }
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
    ledger.transition(MESSAGE, "accepted", now=now, provider_message_id="con_1")
    ledger.transition(MESSAGE, "delivered", now=run_time(DAY) + timedelta(hours=3))
    platform.outbox.publish()
    cause = {"user_id": "u1", "job_id": "j1", "source": "message", "exposure_id": MESSAGE}
    export = day_start(DAY) + timedelta(hours=23, minutes=30)
    add_event(platform, "click", cause, export, now + timedelta(minutes=20))
    add_event(platform, "apply", cause, export, now + timedelta(minutes=40))


@pytest.fixture(scope="session")
def lived_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Return the home, which no test may change."""
    path = tmp_path_factory.mktemp("cli") / "home"
    settings = Settings(home=path)
    platform = Platform(settings=settings, policies=settings.policies())
    champions = _train(platform)
    _decide(platform)
    _send(platform)
    seal(platform)
    platform.ledger.close()
    return Home(path, champions)


@pytest.fixture
def home(lived_home: Home, tmp_path: Path) -> Home:
    """Return a copy of the home for one test."""
    shutil.copytree(lived_home.path, tmp_path / "home")
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
