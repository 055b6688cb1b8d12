"""A model with an estimator of its own on the platform: churn by a logistic regression, from marts to the endpoint."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from types import ModuleType
from typing import Any

import dagster as dg
import numpy as np
import pytest

from mlife_assets.components.model.challengers import challenger_version
from mlife_assets.components.model.hyperparameters import NOT_SEARCHED, REPORT, searched_policy
from mlife_assets.components.predictions.entity_scores import SCORES_TABLE
from mlife_assets.core.model import Model
from mlife_assets.core.scoring.feature_spec import examples_matrix
from mlife_assets.core.scoring.reasons import reasons
from mlife_assets.core.scoring.scorer import SklearnScorer, scorer_of
from mlife_assets.core.training.ready_estimators import logistic_regression
from mlife_assets.definitions import build_definitions
from mlife_assets.deployments.board_ports import board_ports
from mlife_assets.recruiting.churn_risk import CHURN_RISK, churn_risk
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import Policies

pytestmark = pytest.mark.proof

ASKED = 40


def churn_by_logistic(policies: Policies) -> Model:
    """Return the model of churn with the policies of a small world and a logistic regression."""
    training = replace(policies.training, formulations=("binary",), rising=(), falling=(), validation_days=3)
    monitoring = replace(policies.monitoring, minimum_mature_positives=20)
    return replace(churn_risk(policies), estimator=logistic_regression, training=training, monitoring=monitoring)


@pytest.fixture(scope="module")
def home(lived: Any, lived_world: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A home in which the model was trained on the newest day, and served the day after."""
    folder = tmp_path_factory.mktemp("own_estimator") / "home"
    shutil.copytree(lived.home.folder, folder)
    settings = lived_world.open_home(folder).settings
    declared = (job_applications, churn_by_logistic)
    platform = board_ports(settings, policies=lived_world.POLICIES, declared=declared, story=lived_world.STORY)
    home = lived_world.Home(settings, build_definitions(settings, platform=platform), platform)
    with home.driver() as driver:
        driver.run_day(f"{CHURN_RISK}_retraining_job", home.day(lived_world.DAYS)).require_success()
        driver.run_day("daily_lifecycle_job", home.day(lived_world.DAYS + 1)).require_success()
    return home


def test_it_is_trained_judged_registered_promoted_and_described(home: Any, lived_world: ModuleType) -> None:
    view, day = home.platform.of_model(CHURN_RISK), home.day(lived_world.DAYS)
    report = view.model_tables.read_report("promotion", day)
    assert report["outcome"] == "promoted", report["sentences"]
    assert all(one["is_met"] for one in report["conditions"] if one["name"] in ("scoring_parity", "is_calibrated"))
    version = view.registry.champion()
    assert version == challenger_version(view, day)
    artifact = view.registry.load(version)
    assert isinstance(scorer_of(artifact, threads=1), SklearnScorer)
    declaration = artifact.manifest["declaration"]["estimator"]
    assert declaration["make"].endswith("ready_estimators.logistic_regression")
    assert declaration["steps"]["LogisticRegression"]["C"] == 1.0
    assert artifact.manifest["declaration_hash"] == view.model.content_hash
    page = (home.settings.places.lake / "models" / version / "card.html").read_text(encoding="utf-8")
    card = re.sub("<[^>]+>", "", page)
    assert "Who will not come back" in card
    assert "LogisticRegression.C" in card
    assert view.model_tables.report_days("monitoring_reference") == [day]


def test_the_day_after_is_decided_and_scored_with_the_bits_of_the_scorer(home: Any, lived_world: ModuleType) -> None:
    view, day = home.platform.of_model(CHURN_RISK), home.day(lived_world.DAYS + 1)
    scored = view.model_tables.read(SCORES_TABLE, day)
    assert set(scored["model_version"].to_pylist()) == {view.registry.champion()}
    scorer = view.scorers.of(view.registry.champion())
    rows = home.platform.warehouse.read("churn_features", as_of=day)
    matrix = examples_matrix(rows, scorer.feature_spec)
    batch = scorer.score(matrix)
    by_person = dict(zip(rows["user_id"].to_pylist(), batch.raw.tolist(), strict=True))
    assert len(set(by_person.values())) > 100
    (decision,) = view.registry.events("retrain_decided")
    assert decision["as_of_date"] == day
    assert [by_person[person] for person in scored["user_id"].to_pylist()] == scored["raw_score"].to_pylist()
    parts = scorer.contributions(matrix[:ASKED])
    assert np.sum(parts, axis=1) == pytest.approx(batch.raw[:ASKED], abs=1e-9)
    seen = scorer.feature_spec.expanded(matrix[:ASKED])
    assert all(reasons(*row, scorer.feature_spec, view.model.words) for row in zip(parts, seen, strict=True))


def test_no_search_is_made_and_one_of_before_does_not_count(home: Any, lived_world: ModuleType) -> None:
    view, day = home.platform.of_model(CHURN_RISK), home.day(lived_world.DAYS)
    result = home.run_assets(day, dg.AssetKey([CHURN_RISK, "hyperparameters"]))
    (made,) = result.asset_materializations_for_node(f"{CHURN_RISK}__hyperparameters")
    assert made.metadata["why"].value == NOT_SEARCHED
    assert not view.model_tables.report_days(REPORT)
    found = {"leaves": 5, "minimum_child_examples": 33, "feature_fraction": 0.75, "l2_penalty": 3.5}
    view.model_tables.write_report(REPORT, day, {"parameters": found, "log_loss": 0.1})
    assert searched_policy(view, day) == view.model.training
