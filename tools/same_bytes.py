"""Whether two revisions make the same homes, byte by byte: a refactor's net.

Concept: the old side is the revision REV, the new side is this checkout as it is, with what is not committed. Each
lives three lives in homes of its own, on the same inputs, with the same keys, on one core: a short demo, a standalone
home whose files others deliver, and a model that somebody else's project declares over its own tables. Compared are
event log, heads, models, tables, marts, reports, pages, ledger, requests to the provider and summary: equal byte by
byte, or the first difference of each file is named, the earliest first.

A change that is meant, a sentence or a stored name, stands in `permitted_changes.toml` and is applied to the old side;
hashes that follow from it may change with it and no others. Fields that no two runs have alike are `LEFT_OUT` of
`homes.reading`.

What a side made is kept below --work by what decides it: the code that runs, the locked packages, the life and its
inputs. So the old side is lived once, and a checkout that did not change not at all.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import resource
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from filelock import FileLock

from tools.homes import lives
from tools.homes.differences import compare
from tools.homes.gathering import gather
from tools.homes.reading import read_changes

ROOT = Path(__file__).resolve().parent.parent
WORK, PERMITTED = ROOT / "var" / "same_bytes", ROOT / "permitted_changes.toml"
LIVES = Path(lives.__file__)
DECIDES = ("mlife_assets", "dbt_project", "docs/runbooks", "constraints.txt")
"""What of a revision decides what it makes."""
GIT, TAR, MAKE = (shutil.which(name) or name for name in ("git", "tar", "make"))
NAMED_MAXIMUM = 10


@dataclass(frozen=True)
class Side:
    """A revision: its tree of files, and what of it decides what it makes."""

    name: str
    tree: str
    key: str


def git(*words: str, **environment: str) -> str:
    """Return what git answers in this checkout."""
    done = subprocess.run(
        [GIT, *words], cwd=ROOT, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout.strip()


def side_of(name: str, tree: str) -> Side:
    """Return a side by its tree."""
    return Side(name, tree, _digest(git("ls-tree", tree, *DECIDES).encode()))


def this_checkout() -> str:
    """Return the tree of the checkout as it is, new files too, but for what git ignores."""
    with tempfile.TemporaryDirectory() as folder:
        index = str(Path(folder) / "index")
        git("read-tree", "HEAD", GIT_INDEX_FILE=index)
        git("add", "--all", GIT_INDEX_FILE=index)
        return git("write-tree", GIT_INDEX_FILE=index)


def interpreter_of(side: Side, work: Path) -> Path:
    """Return a Python that sees the code of a side and the packages that it locks, and no code of this checkout."""
    code = work / "code" / side.key
    made = code / ".done"
    if not made.exists():
        shutil.rmtree(code, ignore_errors=True)
        code.mkdir(parents=True)
        with subprocess.Popen([GIT, "archive", side.tree], cwd=ROOT, stdout=subprocess.PIPE) as archive:
            subprocess.run([TAR, "-x"], cwd=code, stdin=archive.stdout, check=True)
        if (code / "constraints.txt").read_bytes() == (ROOT / "constraints.txt").read_bytes():
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", code / ".venv"], check=True)
            for tool in Path(sys.executable).parent.glob("dbt*"):
                shutil.copy(tool, code / ".venv" / "bin")
            (packages,) = (code / ".venv").glob("lib/*/site-packages")
            (packages / "side.pth").write_text(f"{code}\n{sysconfig.get_path('purelib')}\n")
        else:
            subprocess.run([MAKE, "--silent", "setup"], cwd=code, stdout=sys.stderr, check=True)
        made.touch()
    return code / ".venv" / "bin" / "python"


def of_tests(name: str) -> ModuleType:
    """Return a module of the tests, which are no package."""
    spec = importlib.util.spec_from_file_location(f"mlife_{Path(name).name}", ROOT / "mlife_tests" / f"{name}.py")
    if spec is None or spec.loader is None:
        raise ImportError(f"{name} is no module of the tests")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def inputs_of_standalone(folder: Path) -> None:
    """Record the files of a market, by this checkout: both sides are delivered the same."""
    of_tests("standalone_world").record(
        folder,
        first=lives.STANDALONE_FIRST,
        history_days=lives.STANDALONE_HISTORY_DAYS,
        days=lives.STANDALONE_DAYS,
    )


def inputs_of_project(folder: Path) -> None:
    """Write the project of the tests: two daily assets, and a model that is declared over them."""
    import yaml

    airport = of_tests("components/own_tables/conftest")
    declared = folder / "airport" / "defs" / airport.ATTRIBUTES["name"]
    declared.mkdir(parents=True)
    for package in (folder / "airport", folder / "airport" / "defs"):
        (package / "__init__.py").touch()
    (folder / "pyproject.toml").write_text(
        '[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "airport"\n', encoding="utf-8"
    )
    (folder / "airport" / "defs" / "flights.py").write_text(airport.FLIGHTS, encoding="utf-8")
    attributes = yaml.safe_dump({"type": airport.TYPE, "attributes": airport.ATTRIBUTES})
    (declared / "defs.yaml").write_text(attributes, encoding="utf-8")
    (keys := folder / "var" / "mlife" / "private" / "keys").mkdir(parents=True)
    for number, name in enumerate(lives.KEYS, start=1):
        (keys / f"{name}.key").write_text(f"{number:02x}" * 32 + "\n", encoding="ascii")


INPUTS: dict[str, Callable[[Path], None]] = {
    "demo": lambda folder: folder.mkdir(),
    "standalone": inputs_of_standalone,
    "project": inputs_of_project,
}


def made_by(side: Side, life: str, inputs: Path, work: Path) -> tuple[Path, float]:
    """Return what is compared of a life of a side, and what it took in CPU seconds; 0 where it was kept.

    Raises:
        SystemExit: the life failed; its folder is left to be looked at.
    """
    recipe = [LIVES.read_bytes(), (LIVES.with_name("gathering.py")).read_bytes(), _digest_of(inputs).encode()]
    kept = work / "kept" / f"{life}-{_digest(side.key.encode(), *recipe)}"
    kept.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(kept.with_suffix(".lock")):  # checkouts may share --work
        return kept, 0.0 if kept.is_dir() else _made(side, life, inputs, work, kept)


def _made(side: Side, life: str, inputs: Path, work: Path, kept: Path) -> float:
    folder = work / "lives" / kept.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.copytree(inputs, folder / "inputs")
    with FileLock(kept.parent / f"{side.key}.lock"):
        python = interpreter_of(side, work)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MLIFE_", "PYTHON"))}
    environment |= {"PATH": f"{python.parent}{os.pathsep}{environment['PATH']}", "DO_NOT_TRACK": "1"}
    before = _cpu_seconds()
    with (folder / "log").open("w") as log:
        command = [str(python), str(LIVES), life, str(folder)]
        done = subprocess.run(command, cwd=folder, env=environment, stdout=log, stderr=log, check=False)
    if done.returncode:
        raise SystemExit(f"{life} failed on the {side.name} side; look at {folder}/log:\n{_tail(folder / 'log')}")
    gather(folder / "home", kept.with_suffix(".part"))
    kept.with_suffix(".part").rename(kept)
    shutil.rmtree(folder)
    return _cpu_seconds() - before


def main() -> int:
    """Live what is missing and compare; returns 1 where anything differs that is not permitted."""
    parser = argparse.ArgumentParser(prog="make same-bytes", description="Compare the homes that two revisions make.")
    parser.add_argument("revision", help="the old side")
    parser.add_argument("--only", nargs="*", choices=INPUTS, default=[], help="lives to compare, by default all")
    parser.add_argument("--work", type=Path, default=WORK, help="where results are kept")
    parser.add_argument("--permitted", type=Path, default=PERMITTED, help="changes that are meant")
    asked = parser.parse_args()
    work, changes, differs = asked.work.absolute(), read_changes(asked.permitted), False
    sides = (side_of("old", git("rev-parse", f"{asked.revision}^{{tree}}")), side_of("new", this_checkout()))
    unused = set(changes)
    for life in asked.only or INPUTS:
        with tempfile.TemporaryDirectory() as folder:
            inputs = Path(folder) / "inputs"
            INPUTS[life](inputs)
            (old, before), (new, after) = (made_by(side, life, inputs, work) for side in sides)
        found = compare(old, new, changes)
        unused &= set(found.unused)
        took = f"CPU seconds: old {before:.0f}, new {after:.0f}"
        took += "; both sides run the same code" if old == new else ""
        if found.differences:
            differs = True
            print(f"{life}: DIFFERENT in {len(found.differences)} places ({took})")
            for one in found.differences[:NAMED_MAXIMUM]:
                print(f"  {one}")
        else:
            permitted = f", {found.changed} of them but for what is left out or permitted" if found.changed else ""
            print(f"{life}: the same, {found.files} files{permitted} ({took})")
    if not asked.only:
        for change in unused:
            print(f"permitted and nowhere found, so take it out: {change}")
    return int(differs)


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _digest_of(folder: Path) -> str:
    """Return the hash of all files of a folder."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return _digest(*(part for path in files for part in (str(path.relative_to(folder)).encode(), path.read_bytes())))


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _tail(path: Path, most: int = 3_000) -> str:
    return path.read_text(errors="replace")[-most:]


if __name__ == "__main__":
    sys.exit(main())
