"""The home of models that somebody else's Dagster project declares, from its folder.

Concept: commands read the home and load no code of the project, so they work without its warehouse and its
secrets. Called in the folder of a project, or below it, they use the default home of its models;
`--home` names another.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from mlife_assets.cli.output import faults_named
from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.quoting import quoted

if TYPE_CHECKING:
    from mlife_assets.deployments.ports import ModelPorts
    from mlife_assets.deployments.project_ports import ProjectHome
    from mlife_assets.home_settings import ProjectSettings

COMMANDS = "`mlife status`, `mlife models`, `mlife log`, `mlife tables`, `mlife open` and `mlife serve`"
OURS = "mlife_assets"


def project_settings(home: Path | None) -> ProjectSettings | None:
    """Return the settings of a project's home; None where it is, or by default would be, a job board's.

    `home` is what `--home` says.
    """
    from mlife_assets.adapters.json_logs import log_as_json
    from mlife_assets.adapters.private_files import is_project_home
    from mlife_assets.home_settings import ProjectSettings

    root = project_root(Path.cwd())
    with faults_named():
        settings = ProjectSettings.below(root or Path.cwd(), None if home is None else str(home.absolute()))
    if settings.log_format == "json":
        log_as_json()
    if is_project_home(settings.home):
        return settings
    is_asked_for = home is not None or "home" in ProjectSettings().model_fields_set
    return None if root is None or is_asked_for else settings


def project_root(folder: Path) -> Path | None:
    """Return the folder of the Dagster project that `folder` lies in; None outside one, and in mlife's own."""
    for root in (folder, *folder.parents):
        for name in ("dg.toml", "pyproject.toml"):
            if (found := _project(root / name)) is not None:
                return None if found.get("root_module") == OURS else root
    return None


def _project(path: Path) -> dict[str, object] | None:
    """Return the section about a dg project in a file; None without one."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if path.name == "pyproject.toml":
        document = document.get("tool", {}).get("dg", {})
    project = document.get("project")
    return project if isinstance(project, dict) else None


def require_no_project(home: Path | None) -> None:
    """Raise InvalidInputError when a home is that of a project's models: a job board's commands know nothing of it."""
    if (project := project_settings(home)) is not None:
        raise InvalidInputError(
            f"{project.home} is for the models of a Dagster project, and this command is the job board's; there work "
            f"{COMMANDS}; days run in Dagster"
        )


def open_project(settings: ProjectSettings) -> ProjectHome:
    """Return the platform of a home as it is found, without its declarations. Raises NotFoundError when it is empty."""
    from mlife_assets.adapters.object_store import has_folder

    if not has_folder(settings.places.lake, "events"):
        raise NotFoundError(
            f"nothing was decided in {settings.home} yet; launch the daily job of a model, or name the `home` that the "
            "declaration states with --home"
        )
    from mlife_assets.deployments.project_ports import ProjectHome

    return ProjectHome(settings=settings)


def project_models(platform: ProjectHome) -> list[str]:
    """Return the models on which something was decided in a home, by name."""
    from mlife_assets.core.model_events import MODEL_NAME

    decided = platform.event_log.read("retrain_decided", columns=[MODEL_NAME])[MODEL_NAME]
    return sorted(set(decided.to_pylist()))


def open_project_model(settings: ProjectSettings, model: str | None) -> ModelPorts:
    """Return the platform of a home as a model sees it; its only one needs no name.

    Raises:
        NotFoundError: there is no such model, or several and none is named; names those that there are.
    """
    platform = open_project(settings)
    known = project_models(platform)
    if model is None and len(known) == 1:
        return platform.of_model(known[0])
    if model not in known:
        which = "--model names none" if model is None else f"there is no model {quoted(model)} here"
        raise NotFoundError(f"{which}; use one of {', '.join(known)}")
    return platform.of_model(model)
