"""What each entry point may not import: seconds for whoever waits, hundreds of megabytes for whoever pays.

A process of its own runs each; what it imported is looked at when it ends.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from mlife_assets.cli.serve import champion_providers, serving_versions

LEARNS = ("lightgbm", "matplotlib", "nannyml", "numba", "ortools", "scipy", "shap", "sklearn", "statsmodels")
BUILDS = ("agate", "dagster_dbt", "dbt", "duckdb", "mashumaro", "networkx", "sqlglot")
READS = ("numpy", "pandas", "pyarrow", "sqlalchemy", "alembic")
SHOWS = ("cryptography", "jinja2", "phonenumbers", "pydantic", "pydantic_settings", "rich", "yaml")
ALL = (*LEARNS, *BUILDS, *READS, *SHOWS, "dagster", "starlette", "mlife_assets.market", "mlife_assets.adapters")

LOOK = "import atexit, sys; atexit.register(lambda: print('\\n' + ' '.join(sys.modules), file=sys.stderr))\n"
COMMAND = LOOK + "from mlife_assets.cli import main; main()"
LOCATION = LOOK + "from mlife_assets.definitions import defs; found = defs().get_repository_def()\n"
SERVED = "from dagster._core.remote_representation.external_data import RepositorySnap; RepositorySnap.from_def(found)"
STEP = """
import dagster as dg
job = found.get_implicit_global_asset_job_def().get_subset(asset_selection={dg.AssetKey(["events", "event_catalog"])})
assert job.execute_in_process(instance=dg.DagsterInstance.ephemeral()).success
"""


def imported(said: str) -> set[str]:
    """Return the modules that a process named when it ended."""
    return set(said.rstrip().rpartition("\n")[2].split())


@pytest.mark.parametrize(
    ("program", "arguments", "banned"),
    [
        pytest.param(COMMAND, ["--help"], ALL, id="mlife --help"),
        pytest.param(
            COMMAND,
            ["status"],
            (*LEARNS, *BUILDS, "pandas", "alembic", "jinja2", "phonenumbers", "dagster", "starlette"),
            id="mlife status",
        ),
        pytest.param(
            LOCATION + SERVED,
            [],
            (*LEARNS, *BUILDS, "pandas", "sqlalchemy", "alembic", "jinja2", "phonenumbers", "starlette"),
            id="a code location",
        ),
        pytest.param(LOCATION + STEP, [], (*LEARNS, *BUILDS, "starlette"), id="a run of one step"),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_used(
    lived_home, monkeypatch: pytest.MonkeyPatch, program: str, arguments: list[str], banned: tuple[str, ...]
) -> None:
    monkeypatch.setenv("MLIFE_HOME", str(lived_home.path))
    ran = subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2_000:]
    assert "mlife_assets" in imported(ran.stderr)
    assert set(banned) & imported(ran.stderr) == set()


def test_the_endpoint_scores_with_lightgbms_library_alone(home) -> None:
    command = [sys.executable, "-c", COMMAND, "serve", "--port", "0", "--json", "--home", str(home.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            url = json.loads("".join(iter(process.stdout.readline, "}\n")) + "}")["url"]
            with urllib.request.urlopen(f"{url}/v1/model", timeout=30) as answer:
                features = json.loads(answer.read())["features"]
            row = {one["name"]: one["values"][0] if one["type"] == "category" else 1.0 for one in features}
            asked = urllib.request.Request(f"{url}/v1/score", json.dumps({"rows": [row]}).encode())
            asked.add_header("Content-Type", "application/json")
            with urllib.request.urlopen(asked, timeout=30) as answer:
                assert 0 < json.loads(answer.read())["scores"][0]["probability"] < 1
        finally:
            process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert {*LEARNS, *BUILDS, "pandas", "alembic", "dagster"} & imported(said) == set()


def test_models_are_parsed_before_the_endpoint_says_that_it_is_ready(home) -> None:
    provider = champion_providers(home.platform)["job_applications"]
    serving_versions({"job_applications": provider})
    assert "_trees" in vars(provider())


def test_pyarrow_finds_pandas_when_it_is_asked_for_it(tmp_path: Path) -> None:
    program = (
        "import sys\nfrom mlife_assets.cli.app import _keep_arrow_from_pandas\n_keep_arrow_from_pandas()\n"
        "import pyarrow as pa\ntable = pa.table({'a': [1, None]})\nassert 'pandas' not in sys.modules\n"
        "frame = table.to_pandas()\nassert pa.Table.from_pandas(frame).to_pydict() == {'a': [1.0, None]}\n"
        "assert pa.array(frame['a']).null_count == 1\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
