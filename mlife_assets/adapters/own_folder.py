"""The folder of mlife in somebody else's project, kept out of their repository.

Concept: it holds keys. A `.gitignore` in it that ignores everything, itself included, is written before anything else,
as tools that make a virtual environment or a cache do it; who wants part of it in their repository changes that file.
A mark says what the folder is, so that commands do not take it for a job board's.
"""

from __future__ import annotations

from pathlib import Path

from mlife_assets.core.disk_faults import disk_errors_explained

IGNORED = "# mlife keeps keys here: nothing of this folder belongs into a repository.\n*\n"
MARK = "project_home.json"
MARKED = '{"holds": "models of a Dagster project"}\n'


def made_and_ignored(home: Path) -> Path:
    """Return `home`, made and marked when it is not; in a folder that is new or empty git ignores everything."""
    with disk_errors_explained(home):
        home.mkdir(parents=True, exist_ok=True)
        if not any(home.iterdir()):
            (home / ".gitignore").write_text(IGNORED, encoding="utf-8")
        if not is_project_home(home):
            (home / MARK).write_text(MARKED, encoding="utf-8")
    return home


def is_project_home(home: Path) -> bool:
    """Return whether mlife of somebody else's project keeps its models here."""
    return (home / MARK).is_file()
