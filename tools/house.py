"""Figures of the house, which may only fall: `make house`.

Concept: `house.toml` has a budget for each figure. A figure above its budget is a fault. One below it is none, so that
people who land side by side do not disturb each other; `make house ARGS=--lower` lowers the budgets to the figures
before an issue is closed. A budget rises only by what the file allows an issue: earlier revisions in git show it.

- *Lines* are those of Python files.
- *Import circles* are groups of modules that import each other. Imports inside functions and of types count.
- *Arrows up*: an arrow is an import between two parts of a folder, which are modules or folders. Those that go up are
  the fewest without which the parts stand in floors, each importing from lower ones only.
- *Public names* of a class are its methods and fields, inherited ones too. *Parameters* are counted without `self`.
- *Rooms* and *climbs* of a walk: see `walks`.
"""

from __future__ import annotations

import argparse
import ast
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.source import FunctionNode, Source, parameters, parse
from tools.walks import walk

LINES_OF = {
    "product": "mlife mlife_assets",
    "tests": "mlife_tests",
    "benchmarks": "benchmarks",
    "infra": "infra",
    "tools": "tools",
}
EARLIER_REVISIONS = 50
ONE_ARROW = 1_000_000
"""More than a folder has imports: an arrow counts before the imports that it stands for."""
MOST_PARTS = 14
"""Of parts of a folder that import each other: the time doubles with each."""


@dataclass(frozen=True)
class Figure:
    """A number, with what it consists of where that can be named."""

    value: int
    parts: Sequence[str] = ()


def measure(root: Path, walks: Mapping[str, Sequence[str]]) -> dict[str, Figure]:
    """Count everything that has a budget."""
    modules = parse(root, "mlife", "mlife_assets", "infra", "tools")
    imports = {name: _imports(name, tree, modules) for name, tree in modules.items()}
    product = {name: tree for name, tree in modules.items() if name.startswith("mlife")}
    source = Source(product)
    circles = [" <-> ".join(sorted(one)) for one in _circles(imports)]
    longest, function = max(_functions(product))
    names, largest = max((len(one.public_names), f"{one.module}.{one.node.name}") for one in source.classes)
    arrows = [f"{folder}: {a} -> {b}" for folder, parts in _folders(imports).items() for a, b in arrows_up(parts)]
    figures = {f"lines of {name}": Figure(_lines(root, folders)) for name, folders in LINES_OF.items()}
    figures |= {
        "import circles": Figure(len(circles), circles),
        "arrows up": Figure(len(arrows), arrows),
        "public names of the largest class": Figure(names, [largest]),
        "parameters of the longest function": Figure(longest, [function]),
    }
    for name, starts in walks.items():
        found = walk(source, starts, _layers(root))
        figures[f"walk of {name}: rooms"] = Figure(len(found.rooms), sorted(found.rooms))
        climbs = [" -> ".join(one) for one in sorted(found.climbs)]
        figures[f"walk of {name}: climbs"] = Figure(len(climbs), climbs)
    return figures


def _lines(root: Path, folders: str) -> int:
    return sum(len(path.read_bytes().splitlines()) for one in folders.split() for path in (root / one).rglob("*.py"))


def _layers(root: Path) -> list[list[str]]:
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(one["layers"] for one in contracts if one["type"] == "layers")
    return [[name.strip() for name in layer.split("|")] for layer in layers]


def _functions(modules: Mapping[str, ast.Module]) -> Iterator[tuple[int, str]]:
    for module, tree in modules.items():
        for node in ast.walk(tree):
            if isinstance(node, FunctionNode):
                yield sum(one.arg not in {"self", "cls"} for one in parameters(node)), f"{module}.{node.name}"


def _imports(module: str, tree: ast.Module, known: Iterable[str]) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            paths = {f"{node.module}.{one.name}" for one in node.names}
            found |= {path if path in known else str(node.module) for path in paths}
    return (found & set(known)) - {module}


def _circles(arrows: Mapping[str, Iterable[str]]) -> list[set[str]]:
    """Return the groups in which each reaches each other one."""
    rest = {one: set(others) for one, others in arrows.items()}
    while ends := [one for one, others in rest.items() if not others & rest.keys()]:
        for one in ends:
            del rest[one]
    reached: dict[str, set[str]] = {}
    for one in rest:
        waiting, seen = [one], set[str]()
        while waiting:
            new = (rest[waiting.pop()] & rest.keys()) - seen
            seen |= new
            waiting += new
        reached[one] = seen
    circles = {frozenset(other for other in seen if one in reached[other]) for one, seen in reached.items()}
    return [set(one) for one in sorted(circles, key=sorted) if one]


def _folders(imports: Mapping[str, Iterable[str]]) -> dict[str, dict[str, Counter[str]]]:
    """Return by folder how often each part imports each other one; the folder's own module is the part `__init__`."""
    packages = {name.rpartition(".")[0] for name in imports}
    found: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for module, others in imports.items():
        for other in others:
            one, two = ([*name.split("."), *(["__init__"] if name in packages else [])] for name in (module, other))
            depth = next(place for place, (a, b) in enumerate(zip(one, two, strict=False)) if a != b)
            if depth:
                found[".".join(one[:depth])][one[depth]][two[depth]] += 1
    return found


def arrows_up(parts: Mapping[str, Counter[str]]) -> list[tuple[str, str]]:
    """Return the fewest arrows without which parts stand in floors; of equally few those with the fewest imports.

    Floors are filled from the ground up: the best order of some parts follows from the best orders of one part less, so
    none is left out.
    """
    found = []
    for circle in map(sorted, _circles(parts)):
        if len(circle) > MOST_PARTS:
            raise ValueError(f"{len(circle)} parts of a folder import each other: {', '.join(circle)}; part them first")
        cost = {(a, b): ONE_ARROW + parts[a][b] for a in circle if a in parts for b in circle if b in parts[a]}
        best: dict[frozenset[str], tuple[int, tuple[str, ...]]] = {frozenset(): (0, ())}
        for _ in circle:
            filled: dict[frozenset[str], tuple[int, tuple[str, ...]]] = {}
            for below, (paid, order) in best.items():
                for top in (one for one in circle if one not in below):
                    filling = (paid + sum(cost.get((low, top), 0) for low in order), (*order, top))
                    filled[below | {top}] = min(filled.get(below | {top}, filling), filling)
            best = filled
        order = best[frozenset(circle)][1]
        found += [(a, b) for a, b in cost if order.index(a) < order.index(b)]
    return sorted(found)


def above_budget(figures: Mapping[str, Figure], budget: Mapping[str, int]) -> list[str]:
    """Say which figures are above their budget, by how much, and what to do."""
    names = figures.keys() ^ budget.keys()
    faults = [f"{name}: in house.toml or in what is measured, and not in both" for name in sorted(names)]
    for name, limit in budget.items():
        if name in figures and (more := figures[name].value - limit) > 0:
            faults.append(
                f"{name}: {figures[name].value:,}, {more:,} above the budget of {limit:,}; take as much away, here or "
                "elsewhere. An issue that may add says so under [[allowed]] in house.toml"
            )
    return faults


def raised(now: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]]) -> list[str]:
    """Say which budgets are above those of an earlier revision by more than issues were allowed since."""
    faults = []
    for then in earlier:
        new = [one for one in now.get("allowed", []) if one not in then.get("allowed", [])]
        for name, limit in then["budget"].items():
            allowed = sum(one["by"] for one in new if one["figure"] == name)
            if name not in now["budget"] and not allowed:
                faults.append(f"{name}: had a budget of {limit:,} and has none now")
            elif (more := now["budget"].get(name, 0) - limit - allowed) > 0:
                faults.append(f"{name}: the budget rose from {limit:,} by {more:,} more than [[allowed]] says")
    return sorted(set(faults))


def earlier_revisions(file: Path) -> list[dict[str, Any]]:
    """Return what the file said in its newest revisions, as far as git has them here."""

    def git(*words: str) -> str:
        return subprocess.run([str(tool), *words], cwd=file.parent, capture_output=True, text=True, check=True).stdout

    tool = shutil.which("git")
    if not tool or subprocess.run([tool, "rev-parse"], cwd=file.parent, capture_output=True, check=False).returncode:
        print("budgets are compared with no earlier ones: git finds no repository here")
        return []
    commits = git("log", f"-{EARLIER_REVISIONS}", "--diff-filter=AM", "--format=%H", "--", file.name).split()
    texts = (git("show", f"{commit}:./{file.name}") for commit in commits)
    return [tomllib.loads(text) for text in texts if "<<<<<<< " not in text]  # else: a merge left its marks


def lowered(text: str, figures: Mapping[str, Figure]) -> str:
    """Return the file with each budget lowered to its figure."""

    def line(found: re.Match[str]) -> str:
        name, limit = found[1], int(found[2].replace("_", ""))
        return f'"{name}" = {min(limit, figures[name].value) if name in figures else limit}'

    return re.sub(r'^"([^"]+)" = ([\d_]+)$', line, text, flags=re.MULTILINE)


def main(root: Path, words: Sequence[str]) -> int:
    """Print figures and budgets; 1 when a figure is above its budget or a budget rose."""
    parser = argparse.ArgumentParser(prog="make house", description="Figures of the house and their budgets.")
    parser.add_argument("--lower", action="store_true", help="lower each budget to its figure")
    parser.add_argument("--walks", action="store_true", help="name the rooms and climbs of walks")
    given = parser.parse_args(words)
    file = root / "house.toml"
    stated = tomllib.loads(file.read_text())
    figures = measure(root, stated["walks"])
    if given.lower:
        file.write_text(lowered(file.read_text(), figures))
        stated = tomllib.loads(file.read_text())
    for name, figure in figures.items():
        print(f"{name:<40}{figure.value:>8,}  of {stated['budget'].get(name, 0):>8,}")
        for part in figure.parts if given.walks or not name.startswith("walk ") else ():
            print(f"    {part}")
    faults = above_budget(figures, stated["budget"]) + raised(stated, earlier_revisions(file))
    for fault in faults:
        print(f"fault: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(Path.cwd(), sys.argv[1:]))
