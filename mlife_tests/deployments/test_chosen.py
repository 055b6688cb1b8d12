"""Which deployment a home is of, and what somebody reads who names one that there is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlife_assets.cli.exits import faults_named
from mlife_assets.components.platform.resources import Platform
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.deployments.chosen import DEPLOYMENTS
from mlife_assets.settings import Settings


def test_every_name_that_the_settings_take_is_a_deployment() -> None:
    named = Settings.model_fields["deployment"].annotation
    assert set(named.__args__) == set(DEPLOYMENTS)


def test_a_home_is_of_the_embedded_deployment_unless_it_is_said(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home")
    platform = Platform(settings=settings, policies=settings.policies())
    assert platform.deployment.name == "embedded"
    assert platform.is_simulated
    assert not (tmp_path / "home").exists(), "asking makes nothing"


def test_an_unknown_deployment_is_refused_with_the_field_and_those_there_are(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MLIFE_DEPLOYMENT", "sandbox")
    with (
        pytest.raises(InvalidInputError, match=r"MLIFE_DEPLOYMENT: Input should be 'embedded'.*; correct"),
        faults_named(),
    ):
        Settings(home=tmp_path)
