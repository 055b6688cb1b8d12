"""NannyML says nothing to anyone: no connection, no warning, no log, and it is imported only where used."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mlife_assets.adapters.nannyml_calculators import session

PACKAGE = Path(session.__file__).parent
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
from mlife_assets.adapters.nannyml_calculators.session import quiet_nannyml
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
print(json.dumps(sorted({name for name, method in called if (name, "fit") in called and method != "fit"})))
"""
TELEMETRY_ON = """
import time, warnings
warnings.simplefilter("ignore")
os.environ.pop("NML_DISABLE_USAGE_LOGGING", None)
import nannyml
import pandas as pd
nannyml.MissingValuesCalculator(column_names=["x"], chunk_number=1).fit(pd.DataFrame({"x": [1.0, 2.0] * 50}))
time.sleep(30)
"""


def offline(repository: Path, *arguments: str, warnings: str = "error") -> subprocess.CompletedProcess[str]:
    # Binding to ::1 is allowed: urllib3 probes IPv6 so when it is imported, and nothing leaves the machine.
    command = [sys.executable, "-W", warnings, "-c", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, cwd=repository)


def test_no_calculator_sends_anything_and_the_import_waits_for_use(repository: Path) -> None:
    """Import, fit and calculation of every calculator that the adapter names, with every way out shut."""
    source = "".join(path.read_text(encoding="utf-8") for path in sorted(PACKAGE.glob("*.py")))
    used = sorted(set(re.findall(r"\bnml\.([A-Z]\w+)\(", source)))
    assert len(used) >= 5
    world = Path(__file__).parents[2] / "core" / "monitoring" / "pairs_world.py"
    result = offline(repository, OFFLINE + EVERY_CALCULATOR, str(world), ",".join(used))
    assert (result.returncode, result.stderr) == (0, "")
    assert json.loads(result.stdout) == used, "a calculator was not fitted and asked, so nothing is known of it"


def test_a_connection_would_be_noticed(repository: Path) -> None:
    """The proof that the test above can fail: with telemetry on, one fit opens a connection."""
    result = offline(repository, OFFLINE + TELEMETRY_ON, warnings="ignore")
    assert (result.returncode, "a connection was opened" in result.stderr) == (3, True), result.stderr


@pytest.mark.parametrize("module", ["mlife_assets.definitions", "mlife_assets.cli", "mlife_assets.serving.app"])
def test_nannyml_is_not_imported_by_what_loads_the_project(repository: Path, module: str) -> None:
    """Importing it takes five seconds and writes to the environment; only a report that is computed pays for that."""
    build = "; module.defs().get_repository_def()" if module.endswith("definitions") else ""
    code = (
        f"import importlib, sys; module = importlib.import_module({module!r}){build}; print('nannyml' in sys.modules)"
    )
    result = offline(repository, code, warnings="ignore")
    assert (result.returncode, result.stdout.strip()) == (0, "False"), result.stderr


def test_noise_is_silenced_locally_and_restored(caplog) -> None:
    logger = logging.getLogger("nannyml")
    before = logger.level
    with session.quiet_nannyml():
        logging.getLogger("nannyml.thresholds").warning("inside")
    assert logger.level == before
    logging.getLogger("nannyml.thresholds").warning("outside")
    assert [record.message for record in caplog.records] == ["outside"]


def test_fitted_calculators_are_kept_by_content_and_bounded(reference, world) -> None:
    session.forget_fitted()
    calls: list[str] = []

    def fit() -> str:
        calls.append("fit")
        return "fitted"

    assert session.cached(reference, "a", fit) == session.cached(reference, "a", fit) == "fitted"
    assert len(calls) == 1
    session.cached(reference, "b", fit)
    assert len(calls) == 2
    for kind in range(session.CACHED_FITS):
        session.cached(reference, kind, fit)
    session.cached(reference, "a", fit)
    assert len(calls) == 3 + session.CACHED_FITS
    session.forget_fitted()


def test_text_has_no_missing_values_in_a_frame(reference, world, pairs_world) -> None:
    day = world.day(25)
    metro = [None, *day["metro_code"].to_pylist()[1:]]
    result = session.frame(reference, pairs_world.replaced(day, metro_code=metro), ["metro_code", "openings"])
    assert result["metro_code"].iloc[0] == "missing"
    assert str(result["openings"].dtype) == "float64"
