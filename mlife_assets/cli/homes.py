"""Homes as commands open them: a job board's, or that of the models of somebody else's Dagster project.

Concept: commands read the home and load no code of the project, so they work without its warehouse and its
secrets. Called in the folder of a project, or below it, they use the default home of its models;
`--home` names another. The environment is read through settings alone. Opening a home that holds
nothing creates nothing, so that asking for the status leaves no trace.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from mlife_assets.cli.output import faults_named
from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.quoting import quoted

if TYPE_CHECKING:
    from mlife_assets.deployments.board_ports import BoardPorts
    from mlife_assets.deployments.ports import HomePorts, ModelPorts
    from mlife_assets.deployments.project_ports import ProjectHome
    from mlife_assets.home_settings import HomeSettings, ProjectSettings
    from mlife_assets.settings import Settings

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


def board_settings(home: Path | None, *, approves_sends: bool = False, is_new_world: bool = False) -> Settings:
    """Return the settings of the job board in `home`.

    Args:
        home: overrides the folder that the environment or the default names.
        approves_sends: turns on automatic approval within limits, which only the console gateway is allowed.
        is_new_world: the home is replaced, so its stored market settings do not count.

    Raises:
        InvalidInputError: an environment variable has a wrong value; the message does not repeat the value. Or the home
            is that of a project's models.
    """
    from mlife_assets.settings import NewWorldSettings, Settings

    if (project := project_settings(home)) is not None:
        raise InvalidInputError(
            f"{project.home} is for the models of a Dagster project, and this command is the job board's; there work "
            f"{COMMANDS}; days run in Dagster"
        )
    changed: dict[str, object] = {}
    if home is not None:
        changed["home"] = home.absolute()
    if approves_sends:
        changed["approve_console_sends"] = True
    with faults_named():
        return (NewWorldSettings if is_new_world else Settings)(**changed)  # type: ignore[arg-type]


def any_settings(home: Path | None) -> ProjectSettings | Settings:
    """Return the settings of a home, a project's or a job board's."""
    return project_settings(home) or board_settings(home)


def has_event_log(settings: HomeSettings) -> bool:
    """Return whether the home holds an event log."""
    from mlife_assets.adapters.object_store import has_folder

    return has_folder(settings.places.log, "events")


def first_steps(settings: Settings) -> str:
    """Return what to do where no day has run yet."""
    real = "`mlife doctor` lists missing parts; turn due_days_sensor on in `mlife dev`, or where the daemon runs"
    return f"{'run `mlife demo` first' if settings.is_simulated else real}, or name another folder with --home"


def require_event_log(settings: Settings) -> None:
    """Raise NotFoundError when the home holds no event log. One that was signed and is gone has its own message."""
    if not has_event_log(settings):
        if (settings.private_folder / "heads").exists():
            raise NotFoundError(
                f"the event log of {settings.home} was signed and is gone; restore {settings.places.lake_name} from a "
                "copy, `mlife log verify` lists the missing files"
            )
        raise NotFoundError(f"nothing has run in {settings.home} yet; {first_steps(settings)}")


def opened_board(settings: Settings, *, despite_restore: bool = False) -> BoardPorts:
    """Return the ports of a job board in which days ran.

    Raises:
        GateClosedError: a restore has not ended.
        NotFoundError: no day ran.
    """
    from mlife_assets.adapters.home_files import require_restored

    if not despite_restore:
        require_restored(settings.private_folder)
    require_event_log(settings)
    from mlife_assets.deployments.board_ports import board_ports

    return board_ports(settings)


def open_board(home: Path | None) -> BoardPorts:
    return opened_board(board_settings(home))


def opened_project(settings: ProjectSettings) -> ProjectHome:
    """Return the ports of a home as it is found, without its declarations. Raises NotFoundError when it is empty."""
    from mlife_assets.adapters.object_store import has_folder

    if not has_folder(settings.places.lake, "events"):
        raise NotFoundError(
            f"nothing was decided in {settings.home} yet; launch the daily job of a model, or name the `home` that the "
            "declaration states with --home"
        )
    from mlife_assets.deployments.project_ports import ProjectHome

    return ProjectHome(settings=settings)


def open_home(home: Path | None) -> HomePorts:
    """Return the ports of a home, a project's or a job board's. Raises as of `opened_project` and `opened_board`."""
    if (project := project_settings(home)) is not None:
        return opened_project(project)
    return open_board(home).home


def models_of(ports: HomePorts) -> list[str]:
    """Return the models of a home: a project's that were decided, a board's that are declared or were ever trained."""
    from mlife_assets.adapters.model_registry import model_names
    from mlife_assets.core.model_events import MODEL_NAME
    from mlife_assets.home_settings import ProjectSettings

    if isinstance(ports.settings, ProjectSettings):
        decided = ports.event_log.read("retrain_decided", columns=[MODEL_NAME])[MODEL_NAME]
        return sorted(set(decided.to_pylist()))
    return list(dict.fromkeys([*ports.model_names, *model_names(ports.event_log)]))


def open_model(home: Path | None, model: str | None) -> ModelPorts:
    """Return the ports of a model, by default of the model of applications, or of a project's only one.

    Raises:
        NotFoundError: no day ran in the home, it has no such model, or several and none is named; names those.
    """
    ports = open_home(home)
    known = models_of(ports)
    if model is None and (ports.model_names or len(known) == 1):
        model = known[0]
    if model not in known:
        which = "--model names none" if model is None else f"there is no model {quoted(model)} here"
        raise NotFoundError(f"{which}; use one of {', '.join(known)}")
    return ports.of_model(model)


def seal(ports: ModelPorts) -> None:
    """Sign the rows that a command appended to the event log."""
    from mlife_assets.deployments.sealing import seal as sign

    sign(ports.home, ports.days)
