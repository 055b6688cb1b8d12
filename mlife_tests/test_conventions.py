"""The conventions of this repository as tests: layout, size, names, purity. CONTRIBUTING.md says why."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "mlife_assets"
MODULES = sorted([*PACKAGE.rglob("*.py"), *(ROOT / "mlife").rglob("*.py")])
TESTS = sorted((ROOT / "mlife_tests").rglob("*.py"))
BESIDE = sorted([*(ROOT / "infra").rglob("*.py"), *(ROOT / "tools").rglob("*.py")])
"""The gate on the templates and the tools: no part of the package, and read by the same people."""
MAXIMUM_LINES = 600
LAYERS = (
    "core",
    "lifecycle",
    "recruiting",
    "adapters",
    "market",
    "serving",
    "deployments",
    "studies",
    "components",
    "cli",
)
HEAVY = {"lightgbm", "matplotlib", "nannyml", "optuna", "ortools", "plotly", "scipy", "shap", "sklearn", "statsmodels"}
UNTESTED = {
    "core/errors.py": "a list of names; each is tested where it is raised",
    "core/ports.py": "protocols; each is tested by its adapters",
    "lifecycle/facts.py": "protocols; tested by those who keep them",
    "recruiting/ports.py": "protocols; each is tested by its adapters",
}
ENVIRONMENT_READERS = {
    "home_settings.py": "the reader",
    "settings.py": "the reader",
    "__init__.py": "keeps linear algebra on one thread, which must be said before it is loaded",
    "adapters/dbt_bucket.py": "a part of dbt, which gets the key by the environment alone and prints all else",
    "adapters/nannyml_calculators": "turns NannyML's telemetry off before importing it",
    "components/features/dbt.py": "hands the environment on to the dbt process",
    "components/running/instance.py": "Dagster is asked for batches of events by the environment alone",
}
CLOCKS = {"datetime.now", "datetime.utcnow", "date.today", "time.time", "datetime.datetime.now"}
LOCKS = {"constraints.txt", "constraints-aws.txt"}
AVOIDED = re.compile(r"(?<![a-z])told(?![a-z])|(?<![a-z_])_tell(?![a-z])|\blived\b|\beve\b", re.IGNORECASE)
"""docs/naming.md says what we write instead."""
PEOPLES_WORDS = {f"recruiting/messaging/opt_outs/{name}.py" for name in ("english", "spanish")}
"""Modules that read what people reply, in the people's words."""
SKIPPED_FOLDERS = {
    ".git", ".venv", ".venv-aws", ".venv-infra", ".venv-emulator", "var", "target", "logs", "__pycache__",
    ".hypothesis", "build", "dist",
}  # fmt: skip


def name_of(path: Path) -> str:
    return path.relative_to(PACKAGE if path.is_relative_to(PACKAGE) else ROOT).as_posix()


@pytest.fixture(scope="module")
def trees() -> dict[Path, ast.Module]:
    """Return what is parsed of each module, for as long as the tests of this file run."""
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in [*MODULES, *BESIDE]}


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []


def text_files() -> list[Path]:
    """Return the files a commit would hold, but for the locked sets of packages."""
    suffixes = {".py", ".md", ".toml", ".yaml", ".yml", ".sql", ".txt", ".cfg", ".sh", ""}
    found = []
    for folder, subfolders, names in os.walk(ROOT):
        subfolders[:] = [n for n in subfolders if n not in SKIPPED_FOLDERS and not n.endswith(("_cache", ".egg-info"))]
        found += [Path(folder) / n for n in names if n not in LOCKS | {".coverage", ".git"}]
    return sorted(path for path in found if path.suffix in suffixes)


def test_modules_are_small_enough_to_read() -> None:
    lines = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in [*MODULES, *BESIDE]}
    assert {name: n for name, n in lines.items() if n > MAXIMUM_LINES} == {}, "make each a package"


def test_modules_say_what_they_are_and_layers_what_belongs_there(trees: dict[Path, ast.Module]) -> None:
    words = {path: " ".join((ast.get_docstring(trees[path]) or "").split()) for path in [*MODULES, *BESIDE]}
    assert [name_of(path) for path, said in words.items() if not said] == [], "a module says what it is"
    layers = [PACKAGE / name / "__init__.py" for name in LAYERS]
    borders = ("Belongs here:", "Does not belong here:")
    assert [name_of(path) for path in layers if not all(one in words[path] for one in borders)] == []


def test_public_functions_say_what_they_do(trees: dict[Path, ast.Module]) -> None:
    """A body of two lines says it itself; a port or a base class says it for the methods that it names."""
    classes = [one for tree in trees.values() for one in ast.walk(tree) if isinstance(one, ast.ClassDef)]
    documented = {
        f.name for one in classes for f in one.body if isinstance(f, ast.FunctionDef) and ast.get_docstring(f)
    }
    silent = []
    for path in MODULES:
        inside = [
            ("", trees[path]),
            *((one.name, one) for one in ast.walk(trees[path]) if isinstance(one, ast.ClassDef)),
        ]
        for owner, where in inside if not name_of(path).startswith("testing/") else ():
            for one in where.body:
                if isinstance(one, ast.FunctionDef) and not owner.startswith("_") and not one.name.startswith("_"):
                    is_said = ast.get_docstring(one) or (owner and one.name in documented)
                    if not is_said and one.end_lineno - one.body[0].lineno > 1:
                        silent.append(f"{name_of(path)}:{one.lineno}: {one.name}")
    assert silent == []


def test_modules_that_a_docstring_points_to_exist(trees: dict[Path, ast.Module]) -> None:
    known = [f".{name_of(one).removesuffix('.py').removesuffix('/__init__').replace('/', '.')}" for one in MODULES]
    missing = []
    for path in MODULES:
        belongs = re.search(r"Belongs here:.*?(?=\n\n|\Z)", ast.get_docstring(trees[path]) or "", re.S)
        pointers = re.findall(r"\(`([a-z_][a-z0-9_.]*)`", belongs[0]) if belongs else []
        gone = [one for one in pointers if not any(name.endswith(f".{one}") for name in known)]
        missing += [f"{name_of(path)}: {one}" for one in gone]
    assert missing == [], "no module has this name"


def test_words_that_we_avoid_are_not_used() -> None:
    modules = [path for path in MODULES if name_of(path) not in PEOPLES_WORDS]
    folders = (
        PACKAGE / "core" / "pages",
        ROOT / "dbt_project" / "models",
        ROOT / "docs" / "runbooks",
        ROOT / "docs" / "adr",
    )
    prose = [
        path for folder in folders for path in folder.rglob("*.*") if path.suffix in {".html", ".sql", ".yml", ".md"}
    ]
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in [*modules, *prose, *ROOT.glob("*.md")]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if AVOIDED.search(line)
    ]
    assert not found, "docs/naming.md says what to write instead:\n" + "\n".join(found)


def names_in(path: Path) -> set[str]:
    """Return the modules and names of ours that a file imports, also inside functions, or names in a string."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    found = {one for node in nodes for one in imported(node)}
    found |= {f"{n.module}.{alias.name}" for n in nodes if isinstance(n, ast.ImportFrom) for alias in n.names}
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return found | {one for text in texts for one in re.findall(r"\bmlife_assets(?:\.\w+)+", text)}


def behind_a_facade(package: Path, names: set[str]) -> set[str]:
    """Return what a package's `__init__` imports under a name that is among these, and what that imports of it."""
    dotted = ".".join(package.relative_to(ROOT).parts)
    tree = ast.parse((package / "__init__.py").read_text(encoding="utf-8"))
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    found: set[str] = set()
    new = {str(n.module) for n in froms if any(f"{dotted}.{a.name}" in names for a in n.names)}
    while new:
        found |= new
        files = [ROOT / f"{one.replace('.', '/')}.py" for one in new]
        inner = {one for path in files if path.exists() and path.parent == package for one in names_in(path)}
        new = {one for one in inner if one.startswith(f"{dotted}.")} - found
    return found


def test_every_module_with_logic_is_imported_by_a_test_of_its_package(trees: dict[Path, ast.Module]) -> None:
    """They are in its mirrored folder or in one file of the folder above; they may import what its facade hands on."""
    missing = []
    layers = tuple(f"{layer}/" for layer in ("core", "lifecycle", "recruiting", "adapters", "serving", "market"))
    by_package: dict[Path, set[str]] = {}
    for path in [path for path in MODULES if name_of(path).startswith(layers)]:
        name = name_of(path)
        has_logic = any(isinstance(node, ast.FunctionDef) for node in ast.walk(trees[path]))
        if path.name == "__init__.py" or name in UNTESTED or not has_logic:
            continue
        folder = ROOT / "mlife_tests" / Path(name).parent
        if path.parent not in by_package:
            beside = [*folder.glob("test_*.py"), *folder.parent.glob(f"test_{folder.name}.py")]
            names = {one for test in beside for one in names_in(test)}
            by_package[path.parent] = names | behind_a_facade(path.parent, names)
        if "mlife_assets." + name.removesuffix(".py").replace("/", ".") not in by_package[path.parent]:
            missing.append(f"{name}: no test of {folder.relative_to(ROOT)} imports it")
    assert missing == []


def test_exceptions_to_rules_still_exist() -> None:
    for name in [*UNTESTED, *ENVIRONMENT_READERS]:
        assert (PACKAGE / name).exists() or (PACKAGE / f"{name}.py").exists(), f"{name} is gone; drop its exception"


def test_names_say_what_is_inside() -> None:
    vague = re.compile(r"^(utils?|helpers?|managers?|misc|common|stuff|base)$")
    vague_class = re.compile(r"^ *class (\w*(?:Manager|Helper|Utils?))\b", re.M)
    found = []
    for path in [*MODULES, *BESIDE, *TESTS]:
        parts = path.relative_to(ROOT).with_suffix("").parts
        found += [f"{name_of(path)}: {one}" for one in parts if vague.match(one.removeprefix("test_"))]
        classes = vague_class.findall(path.read_text(encoding="utf-8"))
        found += [f"{name_of(path)}: class {one}" for one in classes]
    assert found == []


def test_tests_are_no_package() -> None:
    assert not list((ROOT / "mlife_tests").rglob("__init__.py")), "importmode=importlib: no __init__.py in mlife_tests"


def test_modules_keep_the_bans(trees: dict[Path, ast.Module]) -> None:
    """No pickle, no assert, no environment, no wall clock or global randomness where they are banned."""
    found = []
    for path in MODULES:
        name = name_of(path)
        for node in ast.walk(trees[path]):
            where = f"{name}:{getattr(node, 'lineno', 0)}"
            for module in imported(node):
                if module.split(".")[0] in {"pickle", "cloudpickle", "dill", "joblib", "shelve"}:
                    found.append(f"{where}: imports {module}")
            if isinstance(node, ast.Assert) and not where.startswith("testing/"):  # what is shipped there are tests
                found.append(f"{where}: assert (raise an error of core.errors)")
            if isinstance(node, ast.Attribute):
                dotted = ast.unparse(node)
                of_environment = dotted in {"os.environ", "os.getenv", "os.putenv"}
                if of_environment and not name.startswith(tuple(ENVIRONMENT_READERS)):
                    found.append(f"{where}: {dotted} (only settings reads the environment)")
                if dotted in {"uuid.uuid4", "uuid.uuid1"}:
                    found.append(f"{where}: {dotted} (ids are derived: core.ids)")
                if dotted in CLOCKS and name.startswith(("core/", "lifecycle/", "recruiting/", "market/")):
                    found.append(f"{where}: {dotted} (time is an argument)")
    assert found == []


def test_heavy_libraries_are_imported_inside_functions(trees: dict[Path, ast.Module]) -> None:
    """An import at the top of a module costs every process seconds; types may be imported under TYPE_CHECKING."""
    found = [
        f"{name_of(path)}:{node.lineno}: {module}"
        for path in MODULES
        for node in trees[path].body
        for module in imported(node)
        if module.split(".")[0] in HEAVY
    ]
    assert found == []


def test_nothing_names_the_machine_it_was_written_on() -> None:
    places = re.compile(
        "|".join(["(?<![\\w.-])/" + "work/", "/tmp/" + "mlife", "/" + "root/", "(?<![\\w./-])shared" + "/"])
    )
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path in text_files()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if places.search(line)
    ]
    assert found == []


def test_nothing_is_left_to_do() -> None:
    marks = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX|HA" + r"CK)\b")
    found = [
        str(path.relative_to(ROOT))
        for path in text_files()
        if path.name not in {"LICENSE", "pyproject.toml"} and marks.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []
