"""Names of a model in the graph: those of the first are what they were, those of another begin with its own."""

from __future__ import annotations

from dataclasses import replace

from mlife_assets.components.graph.model_graph import ModelGraph
from mlife_assets.components.platform.resources import Platform
from mlife_assets.recruiting.applications import job_of_the_day
from mlife_assets.recruiting.job_applications import job_applications
from mlife_assets.recruiting.policies import Policies
from mlife_assets.settings import Settings

FIRST = ModelGraph(job_applications(Policies()))
OTHER = ModelGraph(replace(FIRST.model, name="loan_risk"))


def test_names_of_the_first_model_are_what_they_were() -> None:
    assert FIRST.key("model", "evaluation").path == ["model", "evaluation"]
    assert FIRST.group("monitoring") == "monitoring"
    assert FIRST.named("retraining_job") == "retraining_job"


def test_names_of_another_begin_with_its_own() -> None:
    assert OTHER.key("model", "evaluation").path == ["loan_risk", "evaluation"]
    assert OTHER.group("monitoring") == "loan_risk"
    assert OTHER.named("retraining_job") == "loan_risk_retraining_job"
    assert not {*OTHER.retrained} & {*FIRST.retrained}


def test_marts_follow_from_steps_and_rows() -> None:
    assert FIRST.label_examples.path == ["features", "labelled_examples"]
    assert [key.path[-1] for key in FIRST.examples] == ["click_examples", "labelled_examples"]
    assert [key.path[-1] for key in FIRST.tables] == ["user_features", "job_features"]


def test_a_model_sees_its_own_record(tmp_path) -> None:
    def loan_risk(policies: Policies):
        return replace(job_applications(policies), name="loan_risk")

    platform = Platform(
        settings=Settings(home=tmp_path),
        policies=Policies(),
        declared=(job_applications, loan_risk),
        declared_applications=(job_of_the_day,),
    )
    assert FIRST.view(platform) is platform
    assert OTHER.view(platform).model.name == "loan_risk"
    assert OTHER.view(platform) is OTHER.view(platform)
    assert OTHER.view(platform).event_log is platform.event_log, "there is one log"
    assert FIRST.view(OTHER.view(platform)) is platform
