"""Both engines compute the same limits and statistics, quietly; drift on a synthetic world is in `test_drift.py`."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from mlife_assets.adapters import nannyml_calculators as calculators
from mlife_assets.adapters import own_calculators
from mlife_assets.adapters.nannyml_calculators import calculators as calculations
from mlife_assets.adapters.nannyml_calculators import engine
from mlife_assets.adapters.nannyml_calculators.calculators import CLASSIFIER_SETTINGS, most_moved
from mlife_assets.adapters.own_calculators import OwnEngine, _expected
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.monitoring import latent
from mlife_assets.core.monitoring.columns import LABEL
from mlife_assets.core.monitoring.outcomes import LEVEL, RESIDUAL, SHORTFALL, SLOPE
from mlife_assets.core.monitoring.reference import build_reference
from mlife_assets.core.monitoring.thresholds import sizes_of
from mlife_assets.recruiting.job_applications import PAIR_COLUMNS

PACKAGE = Path(engine.__file__).parent
OFFLINE = """
import os, socket, sys
class Refusing(socket.socket):
    def connect(self, *args):
        os.write(2, b"a connection was opened")
        os._exit(3)
    connect_ex = sendto = connect
def refuse(*args, **kwargs):
    Refusing().connect()
socket.socket, socket.create_connection, socket.getaddrinfo = Refusing, refuse, refuse
"""
EVERY_CALCULATOR = """
import importlib.util, json
import mlife_assets.adapters.nannyml_calculators as calculators
from mlife_assets.adapters.nannyml_calculators.engine import quiet_nannyml
from mlife_assets.recruiting.job_applications import PAIR_COLUMNS
from mlife_assets.core.monitoring.reference import build_reference
from mlife_assets.core.policies import MonitoringPolicy
assert "nannyml" not in sys.modules, "imported before it was used"
spec = importlib.util.spec_from_file_location("pairs_world", sys.argv[1])
pairs_world = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pairs_world)
called = set()
def recorded(name, method, original):
    def call(self, *args, **kwargs):
        called.add((name, method))
        return original(self, *args, **kwargs)
    return call
with quiet_nannyml() as nml:
    for name in sys.argv[2].split(","):
        calculator = getattr(nml, name)
        for method in ("fit", "estimate" if hasattr(calculator, "estimate") else "calculate"):
            setattr(calculator, method, recorded(name, method, getattr(calculator, method)))
world = pairs_world.PairsWorld(3, users=400, jobs=80, days=20)
policy = MonitoringPolicy(domain_classifier_sample_rows=200)
plain = build_reference(
    columns=PAIR_COLUMNS,
    ids=("user_id", "job_id"),
    model_version="mdl_test",
    as_of=pairs_world.START + pairs_world.timedelta(days=30),
    sample=world.sample(days=8, rows=200),
    pair_rows=pairs_world.pair_rows(days=8),
    examples=pairs_world.scored_examples(1, first=pairs_world.START, days=14, per_day=200),
)
reference = calculators.with_learned_thresholds(plain, policy)
day = world.day(12, 200)
calculators.drift_statistics(reference, day)
calculators.latent_statistics(reference, day, policy)
calculators.performance_statistics(reference, reference.examples)
found = sorted({name for name, method in called if (name, "fit") in called and method != "fit"})
print(json.dumps(found), flush=True)
import time, warnings
warnings.simplefilter("ignore")
os.environ.pop("NML_DISABLE_USAGE_LOGGING")
import nannyml
import pandas as pd
nannyml.MissingValuesCalculator(column_names=["x"], chunk_number=1).fit(pd.DataFrame({"x": [1.0, 2.0] * 50}))
time.sleep(30)
"""
UNIVARIATE = ("kolmogorov_smirnov", "jensen_shannon")
ROWS = 1_200


@pytest.fixture
def without_nannyml(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    calculators.forget_fitted()
    monkeypatch.setattr(engine, "find_spec", lambda _: None)
    monkeypatch.setitem(sys.modules, "nannyml", None)  # an import of it fails
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


def test_no_calculator_sends_anything_and_the_import_waits_for_use(repository: Path) -> None:
    """Import, fit and calculation of every calculator that the adapter names, with every way out shut.

    In the end telemetry is turned on, which would be noticed: one fit opens a connection.
    """
    source = "".join(path.read_text(encoding="utf-8") for path in sorted(PACKAGE.glob("*.py")))
    used = sorted(set(re.findall(r"\bnml\.([A-Z]\w+)\(", source)))
    assert len(used) >= 5
    world = Path(__file__).parents[2] / "core" / "monitoring" / "pairs_world.py"
    # Binding to ::1 is allowed: urllib3 probes IPv6 so when it is imported, and nothing leaves the machine.
    command = [sys.executable, "-W", "error", "-c", OFFLINE + EVERY_CALCULATOR, str(world), ",".join(used)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, cwd=repository)
    assert (result.returncode, result.stderr) == (3, "a connection was opened")
    assert json.loads(result.stdout) == used, "a calculator was not fitted and asked, so nothing is known of it"


def test_noise_is_silenced_locally_and_restored(caplog) -> None:
    logger = logging.getLogger("nannyml")
    before = logger.level
    with engine.quiet_nannyml():
        logging.getLogger("nannyml.thresholds").warning("inside")
    assert logger.level == before
    logging.getLogger("nannyml.thresholds").warning("outside")
    assert [record.message for record in caplog.records] == ["outside"]


def test_fitted_calculators_are_kept_by_content_and_bounded(reference, world) -> None:
    engine.forget_fitted()
    calls: list[str] = []

    def fit() -> str:
        calls.append("fit")
        return "fitted"

    assert engine.cached(reference, "a", fit) == engine.cached(reference, "a", fit) == "fitted"
    assert len(calls) == 1
    engine.cached(reference, "b", fit)
    assert len(calls) == 2
    for kind in range(engine.CACHED_FITS):
        engine.cached(reference, kind, fit)
    engine.cached(reference, "a", fit)
    assert len(calls) == 3 + engine.CACHED_FITS
    engine.forget_fitted()


def test_text_has_no_missing_values_in_a_frame(reference, world, pairs_world) -> None:
    day = world.day(25)
    metro = [None, *day["metro_code"].to_pylist()[1:]]
    result = engine.frame(reference, pairs_world.replaced(day, metro_code=metro), ["metro_code", "openings"])
    assert result["metro_code"].iloc[0] == "missing"
    assert str(result["openings"].dtype) == "float64"


def test_every_statistic_has_a_limit_above_its_usual_value(reference) -> None:
    methods = {threshold.method for threshold in reference.thresholds}
    assert methods == {
        "kolmogorov_smirnov", "jensen_shannon", latent.DOMAIN_CLASSIFIER, latent.RECONSTRUCTION,
        SHORTFALL, LEVEL, SLOPE, RESIDUAL,
    }  # fmt: skip
    by_column = {t.column for t in reference.thresholds if t.method in ("kolmogorov_smirnov", "jensen_shannon")}
    assert by_column == set(reference.columns.watched)
    for threshold in reference.thresholds:
        if threshold.method in ("kolmogorov_smirnov", "jensen_shannon", *calculations.JOINT_METHODS):
            assert threshold.upper > threshold.mean
            assert threshold.days == 14


def test_limits_know_their_rows_and_that_pairs_of_one_job_are_alike(reference, policy) -> None:
    assert reference.sizes == sizes_of(policy)
    limits = {t.column: t.upper for t in reference.thresholds if t.method == "kolmogorov_smirnov"}
    assert limits["pay_usd_per_hour"] > 1.5 * limits["distance_km"]


def test_learning_again_gives_the_same_numbers(pairs_world, world, reference, policy) -> None:
    small = build_reference(
        columns=PAIR_COLUMNS, ids=("user_id", "job_id"), model_version="mdl_small", as_of=reference.as_of_date,
        sample=world.sample(days=8, rows=300), pair_rows=pairs_world.pair_rows(days=8), examples=reference.examples,
    )  # fmt: skip
    learned = calculations.learn_thresholds(small, policy)
    engine.forget_fitted()
    assert calculations.learn_thresholds(small, policy) == learned


def test_a_family_of_joint_detectors_counts_the_space_of_shap_values(explained_reference, reference, policy) -> None:
    def joint(known) -> list:
        return [t for t in known.thresholds if t.method in calculations.JOINT_METHODS]

    assert {t.column for t in joint(explained_reference)} == {"features", "taste_embeddings", "text_embeddings", "shap"}
    assert {t.column for t in joint(reference)} == {"features", "taste_embeddings", "text_embeddings"}
    for known in (explained_reference, reference):
        assert sum(t.error_rate for t in joint(known)) == pytest.approx(policy.false_alarm_rate_per_day)
        alarming = [t for t in known.thresholds if t.column in known.columns.alarming and t.method in UNIVARIATE]
        assert len(alarming) == len(known.columns.alarming)
        assert sum(t.error_rate for t in alarming) == pytest.approx(policy.false_alarm_rate_per_day)


@pytest.fixture
def window(pairs_world):
    def make(**change: float):
        return pairs_world.scored_examples(
            5, first=pairs_world.START + timedelta(days=20), days=7, per_day=1_000, **change
        )

    return make


def test_realised_is_exact_and_alone_shows_a_concept_shift(reference, window) -> None:
    examples = window()
    values = {(s.method, s.column): s.value for s in calculators.performance_statistics(reference, examples)}
    outcome, probability = examples["is_positive"].to_numpy(), examples["probability"].to_numpy()
    assert values["realised", "roc_auc"] == pytest.approx(roc_auc_score(outcome, probability))
    assert values["realised", "average_precision"] == pytest.approx(average_precision_score(outcome, probability))
    assert values["estimated", "roc_auc"] == pytest.approx(values["realised", "roc_auc"], abs=0.03)
    before = {(s.method, s.column): s.value for s in calculators.performance_statistics(reference, window())}
    after = {(s.method, s.column): s.value for s in calculators.performance_statistics(reference, window(slope=0.2))}
    assert after["estimated", "roc_auc"] == pytest.approx(before["estimated", "roc_auc"], abs=1e-9)
    assert after["realised", "roc_auc"] < before["realised", "roc_auc"] - 0.08


def test_one_class_is_refused(reference, window, pairs_world) -> None:
    examples = window()
    nothing = pairs_world.replaced(examples, is_positive=np.zeros(examples.num_rows, dtype=bool))
    with pytest.raises(InvalidInputError, match="the analysed examples have 0 positives in 7000 rows"):
        calculators.performance_statistics(reference, nothing)


@pytest.mark.parametrize("sure", [0.0, 1.0])
def test_nothing_is_estimated_where_one_class_is_expected_for_sure(sure: float) -> None:
    assert np.isnan(_expected(np.full(3, sure), np.array([0.1, 0.3, 0.2]))).all()


@pytest.mark.parametrize("sure", [1, 2])
def test_a_half_of_which_nothing_is_estimated_leaves_the_usual_gap_to_the_other(
    reference, monkeypatch: pytest.MonkeyPatch, sure: int
) -> None:
    answers = [(np.nan, np.nan)] * sure + [(0.9, 0.5)] * (2 - sure)
    monkeypatch.setattr(own_calculators, "_expected", lambda *_: answers.pop())
    found = calculations.usual_shortfalls(reference, LABEL)
    assert sorted(found) == (["average_precision", "roc_auc"] if sure == 1 else [])
    assert np.isfinite(list(found.values())).all()


def test_clicks_are_estimated_by_what_was_learned_of_clicks(reference, window, pairs_world) -> None:
    clicks = pairs_world.scored_examples(9, first=pairs_world.START, days=14, per_day=1_000, shift=1.0)
    funnel = replace(reference, steps={"click": clicks})
    applies = calculators.performance_statistics(funnel, window())
    assert applies == calculators.performance_statistics(reference, window())
    of_clicks = calculators.performance_statistics(funnel, window(), outcome="click")
    assert [s.value for s in of_clicks if s.method == "realised"] == [
        s.value for s in applies if s.method == "realised"
    ]
    precision = {s.column: s.value for s in of_clicks if s.method == "estimated"}["average_precision"]
    # Clicks of the reference are more frequent than their scores say, which is what CBPE then expects.
    assert precision > 0.05 + {s.column: s.value for s in applies if s.method == "estimated"}["average_precision"]
    with pytest.raises(InvalidInputError, match="no scored examples of click"):
        calculators.performance_statistics(reference, window(), outcome="click")


def test_the_usual_shortfall_is_measured_on_days_that_the_estimator_does_not_know(reference, pairs_world) -> None:
    usual = calculations.usual_shortfalls(reference, LABEL)
    assert set(usual) == {"roc_auc", "average_precision"}
    assert abs(usual["roc_auc"]) < 0.02
    first = pairs_world.scored_examples(1, first=pairs_world.START, days=7, per_day=1_000)
    later = pairs_world.scored_examples(
        2, first=pairs_world.START + timedelta(days=7), days=7, per_day=1_000, slope=0.2
    )
    torn = replace(reference, examples=pa.concat_tables([first, later]))
    gaps = {}
    for known, asked in ((first, later), (later, first)):
        values = calculators.performance_statistics(replace(reference, examples=known), asked)
        for metric in usual:
            found = {s.method: s.value for s in values if s.column == metric}
            gaps.setdefault(metric, []).append(found["estimated"] - found["realised"])
    halves = calculations.usual_shortfalls(torn, LABEL)
    assert halves == {metric: pytest.approx(np.mean(values)) for metric, values in gaps.items()}


def test_no_usual_shortfall_is_reported_of_a_half_with_one_class(reference, pairs_world) -> None:
    days = reference.examples["exposure_date"].to_numpy().astype("datetime64[D]").astype(int)
    late_only = reference.examples["is_positive"].to_numpy(zero_copy_only=False) & (days > np.median(days))
    torn = replace(reference, examples=pairs_world.replaced(reference.examples, is_positive=late_only))
    assert calculations.usual_shortfalls(torn, LABEL) == {}


def frame(seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    pay = rng.standard_normal(ROWS)
    return pd.DataFrame(
        {
            "pay": pay,
            "bid": 0.8 * pay + 0.6 * rng.standard_normal(ROWS),
            "metro": rng.choice(np.array(["a", "b", "c"], dtype=object), ROWS),
            "openings": rng.poisson(1.0, ROWS).astype(float),
            **{f"noise_{k}": rng.standard_normal(ROWS) for k in range(6)},
        }
    )


def moved(today: pd.DataFrame) -> tuple[str, ...]:
    return most_moved(frame(1), today, CLASSIFIER_SETTINGS, seed=7)


def test_the_column_that_moved_is_named_whatever_its_values() -> None:
    assert moved(frame(2).assign(openings=lambda rows: rows["openings"] + 2)) == ("openings",)
    assert moved(frame(2).assign(metro="d")) == ("metro",)
    assert moved(frame(2).assign(pay=np.nan))[0] == "pay"


def test_a_broken_link_names_both_ends_before_any_noise_and_equal_rows_none() -> None:
    shuffled = frame(2)["bid"].to_numpy()[np.random.default_rng(5).permutation(ROWS)]
    assert set(moved(frame(2).assign(bid=shuffled))[:2]) == {"pay", "bid"}
    today = frame(2).assign(pay=lambda rows: rows["pay"] + 0.3)
    assert moved(today) == moved(today)
    constant = pd.DataFrame({"x": np.zeros(ROWS)})
    assert most_moved(constant, constant, CLASSIFIER_SETTINGS, seed=7) == ()


@pytest.mark.parametrize(("shift", "most"), [(0.4, 12), (1.0, 1)])
def test_noise_is_taken_off(shift: float, most: int) -> None:
    """Sixty columns of noise have gain in sum: without what chance gives, 29 and 15 of them would be named."""
    rng = np.random.default_rng(3)
    names = [f"noise_{k}" for k in range(60)]
    usual, today = (pd.DataFrame(rng.standard_normal((ROWS, 60)), columns=names) for _ in range(2))
    found = most_moved(usual, today.assign(noise_7=lambda rows: rows["noise_7"] + shift), CLASSIFIER_SETTINGS, seed=7)
    assert found[0] == "noise_7"
    assert len(found) <= most
