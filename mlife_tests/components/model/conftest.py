"""A deployment of one small model: real registry, log, reports and fits; the mart is a table in memory."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.model_registry import ModelRegistry
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.tables import TableStore
from mlife_assets.components.model.challengers import CHALLENGER_REPORT
from mlife_assets.components.model.fitting import fit_policy, fitted_artifact
from mlife_assets.components.model.fold_models import fit_folds
from mlife_assets.components.model.judging import gate_window, judge_challenger
from mlife_assets.components.model.out_of_sample import FOLD_REPORT, fold_report
from mlife_assets.components.model.training_inputs import day_training_set, is_by_folds, known_by
from mlife_assets.core.entity_rows import EntityColumn, find_entities
from mlife_assets.core.examples import ExampleSpec
from mlife_assets.core.model import Model, RowSource, Step
from mlife_assets.core.policies import PromotionPolicy, TrainingPolicy
from mlife_assets.core.training.folds import GateWindow
from mlife_assets.core.training.judgement import GateRows, Judgement
from mlife_assets.core.windows import add_days, last_mature_exposure_day, run_time
from mlife_assets.deployments.ports import Scorers

START, DAYS, ROWS_A_DAY, WINDOW = date(2026, 1, 2), 90, 120, 7
MODEL = Model(
    name="returns",
    title="Who comes back",
    outcome="somebody comes back",
    source="a table",
    roles=ExampleSpec(
        entity="who", time="day", label="won", label_time="known", features=("strength", "noise"), categoricals=()
    ),
    steps=(Step("return", "won", "examples", WINDOW),),
    row_id="row",
    rows=RowSource(("rows",), find_entities, EntityColumn("who")),
    training=TrainingPolicy(
        formulations=("binary",), recipes=("plain",), trees_maximum=30, learning_rate=0.2, minimum_child_examples=40,
        minimum_examples=500, validation_minimum_per_class=30,
    ),
    promotion=PromotionPolicy(
        minimum_users_with_positives=100, bootstrap_resamples=200, calibration_slope_minimum=0.3,
        calibration_slope_maximum=3.0, calibration_level_minimum=0.3, calibration_level_maximum=3.0,
    ),
)  # fmt: skip


@cache
def examples(seed: int = 5, *, noise_decides_from: date | None = None) -> pa.Table:
    """Return rows of which strength decides; from a day on noise does, which nothing before could teach."""
    rng = np.random.default_rng(seed)
    count = DAYS * ROWS_A_DAY
    day = np.datetime64(START) + np.arange(count) // ROWS_A_DAY
    strength, noise = rng.normal(size=count), rng.normal(size=count)
    # Beyond what a weighted sum says, or no model would be needed.
    won = rng.random(count) < 1 / (1 + np.exp(1.5 - 1.5 * strength - 4.0 * (strength < -1)))
    if noise_decides_from is not None:
        is_new = day >= np.datetime64(noise_decides_from)
        won = np.where(is_new, noise > 0.5, won)
    names = [f"w{row:06d}" for row in range(count)]
    columns = {"who": names, "row": names, "day": pa.array(day), "won": pa.array(won)}
    columns |= {"known": pa.array(day + WINDOW + 1), "strength": strength, "noise": noise}
    return pa.table(columns)


@dataclass
class Marts:
    """The warehouse: one mart."""

    rows: pa.Table

    def read(self, mart: str, *, start: date, end: date) -> pa.Table:
        assert mart == "examples"
        field = pc.field("day")
        return self.rows.filter((field >= pa.scalar(start)) & (field <= pa.scalar(end)))


@dataclass
class Clock:
    """The settings that are asked for."""

    cores: int = 1


class Deployment:
    """What a platform is to the parts of a retraining."""

    def __init__(self, folder: Any, rows: pa.Table, model: Model = MODEL) -> None:
        self.store = ObstoreObjectStore.local(folder)
        self.event_log = ParquetEventLog(self.store)
        self.registry = ModelRegistry(self.store, self.event_log, model.name)
        self.model_tables = TableStore(self.store)
        self.warehouse, self.model, self.settings = Marts(rows), model, Clock()
        self.scorers = Scorers(self.registry, 1, "train one")

    version = ""
    days = SimpleNamespace(start=START, retrained_on=lambda day: day)
    rest = staticmethod(lambda: None)

    def judged_by(self, policy: str) -> None:
        self.model = replace(self.model, promotion=replace(self.model.promotion, judged_by=policy))

    def train(self, day: date) -> str:
        """Fit, register and fold the challenger of a day, as the assets do."""
        context = dg.build_asset_context()
        policy = fit_policy(self, day, known_by(self.model, day))
        artifact = fitted_artifact(context, self, day_training_set(self, day), policy)
        version = self.registry.register(artifact, as_of=day, now=run_time(day) + timedelta(hours=1))
        self.challenge(version, day)
        return version

    def challenge(self, version: str, day: date) -> None:
        """Name a version the challenger of a day, and fit the folds of the day's recipe."""
        folds, sentence = fit_folds(dg.build_asset_context(), self, day) if is_by_folds(self.model) else ([], "")
        self.model_tables.write_report(CHALLENGER_REPORT, day, {"model_version": version})
        report = fold_report(self, day, version, folds) | {"sentence": sentence}
        self.model_tables.write_report(FOLD_REPORT, day, report)

    def promote(self, version: str, day: date) -> None:
        self.registry.promote(version, actor="gate", reason="a test", now=run_time(day) + timedelta(hours=1))

    def rows(self, first: date, last: date) -> pa.Table:
        return self.warehouse.read("examples", start=first, end=last)

    def judge(self, day: date, **options: Any) -> tuple[GateWindow, Judgement]:
        """Judge the challenger of a day, as the asset does."""
        window = gate_window(self, day)
        rows = self.rows(window.first_day, last_mature_exposure_day(day, WINDOW))
        return window, judge_challenger(
            self, day, window, GateRows.of_examples(rows, self.model.roles), None, **options
        )


@pytest.fixture
def returns(tmp_path) -> Deployment:
    """Return a deployment whose history says the same all the time."""
    return Deployment(tmp_path, examples())


@pytest.fixture(scope="session")
def once_trained(tmp_path_factory: pytest.TempPathFactory, last_day: date) -> tuple[Path, str]:
    """Return the folder of such a deployment that has trained on its last day, to be copied, and the challenger."""
    folder = tmp_path_factory.mktemp("returns")
    return folder, Deployment(folder, examples()).train(last_day)


@pytest.fixture
def trained(once_trained: tuple[Path, str], tmp_path: Path) -> Deployment:
    """Return a copy of it, whose challenger is `version`."""
    folder, version = once_trained
    deployment = Deployment(shutil.copytree(folder, tmp_path / "trained"), examples())
    deployment.version = version
    return deployment


@pytest.fixture(scope="session")
def changed() -> Any:
    """Return what makes a deployment in a folder whose outcomes follow noise from a day on, if one is named."""
    return lambda folder, day: Deployment(folder, examples(noise_decides_from=day))


@pytest.fixture(scope="session")
def last_day() -> date:
    """Return the day after the newest row."""
    return add_days(START, DAYS)
