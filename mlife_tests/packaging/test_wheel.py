"""What is in the wheel and what it asks for; and that a project without our sources lives on it."""

from __future__ import annotations

import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = {"aws", "dbt", "dev", "market", "messages", "nannyml", "server"}
CHAIN = (
    *("examples", "rows", "training_set", "candidate_model", "fold_models", "explanation", "evaluation"),
    *("champion_model", "monitoring_reference", "hyperparameters", "data_quality_report", "data_drift_report"),
    *("latent_drift_report", "concept_drift_report", "retrain_decision", "scores"),
)
JOB_BOARDS = (
    *("mlife_assets.market", "mlife_assets.definitions", "mlife_assets.components.messages", "dbt", "dagster_dbt"),
    *("mlife_assets.deployments.board_ports", "mlife_assets.adapters.send_ledger", "ortools", "psutil"),
    *("mlife_assets.recruiting.messaging.plan", "mlife_assets.adapters.ledger_outbox"),
)


def is_of(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def test_every_file_of_the_package_is_in_it_and_no_test(wheel: Path) -> None:
    source = {
        path.relative_to(ROOT).as_posix()
        for package in ("mlife", "mlife_assets")
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".md"
    }
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == source


def test_it_asks_for_ranges_and_says_where_the_component_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (folder,) = {name.split("/")[0] for name in archive.namelist() if ".dist-info/" in name}
        metadata = Parser().parsestr(archive.read(f"{folder}/METADATA").decode())
        entries = archive.read(f"{folder}/entry_points.txt").decode()
    asked = metadata.get_all("Requires-Dist")
    assert set(metadata.get_all("Provides-Extra")) == EXTRAS
    assert metadata["Requires-Python"] == ">=3.11"
    assert "dagster<1.14,>=1.13" in asked
    assert not [line for line in asked if "==" in line.split(";")[0] and "extra" not in line], "a library has no pins"
    assert "[dagster_dg_cli.registry_modules]\nmlife_assets = mlife_assets.components\n" in entries


@pytest.mark.proof
def test_twine_takes_wheel_and_source(wheel: Path, uv) -> None:
    done = uv("tool", "run", "twine@7.0.0", "check", "--strict", *wheel.parent.glob("mlife-*"))
    assert (done.returncode, done.stdout.count("PASSED")) == (0, 2), done.stdout + done.stderr


@pytest.mark.proof
def test_a_project_that_cannot_see_our_sources_lives_two_days(wheel: Path, make_place, locked) -> None:
    """The library alone, in the versions of `make setup`: no extra, so none of NannyML, dbt, messages, market."""
    place = make_place(sys.executable)
    place.install_locked(wheel, locked)
    (place.project / "src" / "airport" / "defs").mkdir(parents=True)
    (place.project / "pyproject.toml").write_text(
        '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "airport"\n'
    )
    for name in ("__init__.py", "defs/__init__.py"):
        (place.project / "src" / "airport" / name).touch()
    (place.project / "src" / "airport" / "definitions.py").write_text(
        "from pathlib import Path\nimport dagster as dg\n@dg.definitions\ndef defs():\n"
        "    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)\n"
    )
    (packages,) = place.environment.glob("lib/python*/site-packages")
    (packages / "airport.pth").write_text(f"{place.project / 'src'}\n")
    place.settle()
    lived = place.answer("days.py", "2013-01-03", "2013-01-04")
    assert lived["assets"] == sorted(["departed_flights", "flight_outcomes", *(f"late_flights/{one}" for one in CHAIN)])
    assert lived["sensors"] == ["late_flights_retrain_on_drift_sensor"]
    assert [day["verdict"] for day in lived["days"].values()] == ["wait", "wait"]
    assert [module for module in lived["modules"] if is_of(module, JOB_BOARDS)] == []
    assert "NannyML is not installed" in lived["days"]["2013-01-04"]["computed_by"]
    assert lived["files"][0].startswith(str(place.environment))
    assert not [path for path in lived["path"] if Path(path).resolve() == ROOT]
    assert "late_flights" in place.run("mlife", "status")
    flights = ("--examples", "tables/flights.csv.zip", "--spec", ROOT / "examples" / "nycflights13.json")
    assert "nothing is wrong" in place.run("mlife", "check", *flights), "a CSV file is read without dbt"
    assert "check" in place.run("python", "-c", "import mlife; print(mlife.check)")
    assert place.fails("mlife", "demo", "--home", "demo") == (
        "mlife: psutil is not installed; run: pip install 'mlife[market]'\n"
    )


@pytest.mark.parametrize("name", ["py.typed", "core/pages/style.css", "components/running/dagster.yaml"])
def test_data_of_the_package_are_in_it(wheel: Path, name: str) -> None:
    assert f"mlife_assets/{name}" in zipfile.ZipFile(wheel).namelist()
