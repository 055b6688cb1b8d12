"""Tiny real models (loaded by path: tests are no package)."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import requests

from mlife_assets.core.scoring.scorer import LightGBMScorer


@pytest.fixture(scope="session")
def models() -> ModuleType:
    path = Path(__file__).resolve().parent.parent / "tiny_models.py"
    spec = importlib.util.spec_from_file_location("mlife_tiny_models", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def scorer(models: ModuleType) -> LightGBMScorer:
    return LightGBMScorer(models.tiny_artifact(1), threads=1)


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as opened:
        opened.trust_env = False
        yield opened
