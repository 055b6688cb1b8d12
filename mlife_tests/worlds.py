"""Worlds that tests look at are made once: by whichever process of a run needs one first, and for later runs, too.

Concept: a world is kept under the hash of everything that can change it: the product, the dbt project, the locked
packages, the module of the recipe, the modules that tests share, and the environment that settings read. Same hash,
same world. It is read only; a test that changes something takes a copy. The session fails if a world was changed.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import pickle
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

KEPT = 2
"""Versions of one world that are kept: the newest, so that a branch and its base have theirs."""
SOURCES = ("constraints.txt", "pyproject.toml", "dbt_project", "mlife_assets")
MADE_FROM_SOURCES = ("__pycache__", "target", "logs", "dbt_packages", ".user.yml")
Listing = dict[str, tuple[int, int]]


class World(NamedTuple):
    """The folder of a world, which is read only, and what its recipe returned."""

    folder: Path
    result: Any


def cpu_seconds() -> float:
    """Return the CPU time of this process and of its children that have ended."""
    return sum(os.times()[:4])


def source_files(root: Path) -> Iterator[Path]:
    """Return the files of a checkout that a world may depend on, besides the module of its recipe."""
    for name in SOURCES:
        place = root / name
        for path in sorted(place.rglob("*")) if place.is_dir() else [place]:
            if path.is_file() and not set(path.relative_to(root).parts) & set(MADE_FROM_SOURCES):
                yield path
    for path in sorted((root / "mlife_tests").rglob("*.py")):
        if not path.name.startswith("test_") and path.name != "conftest.py":
            yield path


def hash_of(paths: Iterable[Path], root: Path) -> str:
    """Return the hash of files by name and content, of the interpreter, and of the environment that settings read."""
    digest = hashlib.sha256(sys.version.encode())
    for name, value in sorted(os.environ.items()):
        if name.startswith("MLIFE_") or name == "PYTHONPATH":
            digest.update(f"\0{name}={value}".encode())
    for path in paths:
        content = path.read_bytes()
        digest.update(f"\0{path.relative_to(root)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def listing(folder: Path) -> Listing:
    """Return size and time of change of every file below a folder."""
    found: Listing = {}
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place, name)
            state = path.lstat()
            found[str(path.relative_to(folder))] = (state.st_size, state.st_mtime_ns)
    return found


class Worlds:
    """The worlds of a checkout, below `kept`; `made` says what those cost that this process made."""

    def __init__(self, root: Path, kept: Path) -> None:
        self.root = root
        self.kept = kept
        self.made: dict[str, float] = {}
        self._sources: str | None = None
        self._used: dict[str, Path] = {}

    def once(self, name: str, recipe: Callable[[Path], Any]) -> World:
        """Return the world of a name; `recipe` makes it in an empty folder unless it is there.

        The first process to ask makes it, others wait. What the recipe returns is pickled.
        """
        place = self.kept / name / self._key(name, recipe)
        place.parent.mkdir(parents=True, exist_ok=True)
        folder, made = place / "world", place / "made.pickle"
        with FileLock(place.with_suffix(".lock"), poll_interval=0.2):
            if not made.is_file():
                shutil.rmtree(place, ignore_errors=True)
                folder.mkdir(parents=True)
                self._make(name, recipe, folder, made)
                self._prune(place)
            os.utime(made)
        self._used[name] = place
        _, result = pickle.loads(made.read_bytes())
        return World(folder, result)

    def changed(self) -> list[str]:
        """Return the files of worlds that this process used which are not as they were made."""
        found = []
        for name, place in self._used.items():
            before, _ = pickle.loads((place / "made.pickle").read_bytes())
            after = listing(place / "world")
            differing = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
            found += [f"{name}: {path}" for path in differing]
            if differing:
                (place / "made.pickle").unlink()  # the next run makes it again
        return found

    def _key(self, name: str, recipe: Callable[[Path], Any]) -> str:
        if self._sources is None:
            self._sources = hash_of(source_files(self.root), self.root)
        own = Path(inspect.getsourcefile(inspect.unwrap(recipe)) or "").read_bytes()
        return hashlib.sha256(f"{self._sources}\0{name}\0".encode() + own).hexdigest()[:20]

    def _make(self, name: str, recipe: Callable[[Path], Any], folder: Path, made: Path) -> None:
        before, others = cpu_seconds(), sum(self.made.values())
        result = recipe(folder)
        still_open = sorted(path.name for path in folder.rglob("*-wal"))
        assert not still_open, f"the recipe of {name!r} leaves databases open: {still_open}"
        inner = sum(self.made.values()) - others
        self.made[name] = self.made.get(name, 0.0) + cpu_seconds() - before - inner
        unfinished = made.with_suffix(".part")
        unfinished.write_bytes(pickle.dumps((listing(folder), result)))
        unfinished.rename(made)

    def _prune(self, newest: Path) -> None:
        times = {made.parent: made.stat().st_mtime for made in newest.parent.glob("*/made.pickle")}
        for place in sorted(times, key=times.__getitem__, reverse=True)[KEPT:]:
            if place != newest:
                (place / "made.pickle").unlink()
                shutil.rmtree(place, ignore_errors=True)
