"""Tiny real models (loaded by path: tests are no package)."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest
import requests

from mlife_assets.core.scoring.scorer import LightGBMScorer


@pytest.fixture(scope="session")
def scorer(models: ModuleType) -> LightGBMScorer:
    warm = LightGBMScorer(models.tiny_artifact(1), threads=1)
    warm.warm()
    return warm


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        opened.trust_env = False
        yield opened
