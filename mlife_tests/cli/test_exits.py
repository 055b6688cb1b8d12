from __future__ import annotations

import pytest

from mlife_assets.cli.exits import faults_named
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.home_settings import ProjectSettings


def test_the_variable_is_named_and_its_value_is_not_repeated(monkeypatch) -> None:
    monkeypatch.setenv("MLIFE_ENDPOINT_TOKEN", "s3cret")
    with pytest.raises(InvalidInputError) as caught, faults_named():
        ProjectSettings()
    assert str(caught.value).startswith("MLIFE_ENDPOINT_TOKEN: ")
    assert str(caught.value).endswith("; correct the environment variable")
    assert "s3cret" not in str(caught.value)
