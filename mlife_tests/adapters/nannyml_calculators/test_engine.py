"""Who computes is found out, and said; learned limits and daily statistics are the same under both."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from mlife_assets.adapters import nannyml_calculators as calculators
from mlife_assets.adapters.nannyml_calculators import engine
from mlife_assets.adapters.own_calculators import OwnEngine
from mlife_assets.core.monitoring.reference import build_reference
from mlife_assets.recruiting.job_applications import PAIR_COLUMNS


@pytest.fixture
def without_nannyml(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    calculators.forget_fitted()
    monkeypatch.setattr(engine, "find_spec", lambda _: None)
    yield
    calculators.forget_fitted()


def test_reports_say_who_computed() -> None:
    assert engine.computed_by() == "NannyML 0.13.1"
    with engine.calculating() as one:
        assert isinstance(one, engine.NannyMLEngine)


def test_without_nannyml_our_own_compute_and_it_is_said(without_nannyml) -> None:
    assert "NannyML is not installed (pip install 'mlife[nannyml]'" in engine.computed_by()
    with engine.calculating() as one:
        assert isinstance(one, OwnEngine)


def test_without_nannyml_nothing_of_it_is_imported(repository) -> None:
    code = """
import sys
sys.modules["nannyml"] = None
from mlife_assets.adapters.nannyml_calculators import engine
engine.find_spec = lambda _: None
with engine.calculating() as one:
    print(type(one).__name__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=repository)
    assert done.stdout.strip() == "OwnEngine"


def test_limits_learned_and_days_judged_are_the_same_numbers(request, pairs_world, world, policy, explained) -> None:
    plain = build_reference(
        columns=PAIR_COLUMNS,
        ids=("user_id", "job_id"),
        model_version="mdl_both",
        as_of=pairs_world.START + pairs_world.timedelta(days=30),
        sample=pairs_world.pa.concat_tables([explained(world.day(offset), 400) for offset in range(8)]),
        pair_rows=pairs_world.pair_rows(days=8),
        examples=pairs_world.scored_examples(1, first=pairs_world.START, days=14, per_day=300),
    )
    day, found = explained(world.day(25)), []
    for name in ("", "without_nannyml"):
        if name:
            request.getfixturevalue(name)
        known = calculators.with_learned_thresholds(plain, policy)
        statistics = [
            *calculators.drift_statistics(known, day),
            *calculators.latent_statistics(known, day, policy),
            *calculators.performance_statistics(known, known.examples),
        ]
        limits = {(one.method, one.column): one.upper for one in known.thresholds}
        found.append((limits, {(one.method, one.column): one.value for one in statistics}))
    nannyml, own = found
    assert own == nannyml
    assert {method for method, _ in own[1]} >= {"kolmogorov_smirnov", "jensen_shannon", "estimated", "realised"}
