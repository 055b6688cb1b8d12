"""Options that commands share, and their values.

Concept: the environment is read through `Settings` alone; `--home` overrides one field of it. Opening a home that holds
nothing creates nothing, so that asking for the status leaves no trace.
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlife_assets.cli.output import faults_named
from mlife_assets.cli.project_home import open_project_model, project_settings, require_no_project
from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.quoting import quoted

if TYPE_CHECKING:
    from mlife_assets.deployments.board_ports import BoardPorts
    from mlife_assets.deployments.ports import ModelPorts
    from mlife_assets.home_settings import HomeSettings
    from mlife_assets.settings import Settings

OPERATOR = "operator"

Home = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="PATH",
        help="Folder that holds everything mlife wrote.",
        show_default="var/demo; in a Dagster project its var/mlife",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, keys sorted, nothing else.")]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="NAME",
        help="Which model.",
        show_default="job_applications; in a Dagster project its only one",
    ),
]
ApplicationName = Annotated[
    str,
    typer.Option("--application", metavar="NAME", help="Which application.", show_default="job_of_the_day"),
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the event log for ever.")]
Actor = Annotated[str, typer.Option("--actor", metavar="NAME", help="Who; kept in the event log for ever.")]


def parse_day(text: str) -> date:
    """Return the day that an option names. Raises typer.BadParameter on anything but YYYY-MM-DD."""
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{quoted(text)} is not a day; write YYYY-MM-DD") from error


def settings_of(home: Path | None, *, approves_sends: bool = False, is_new_world: bool = False) -> Settings:
    """Return the settings of the deployment in `home`.

    Args:
        home: overrides the folder that the environment or the default names.
        approves_sends: turns on automatic approval within limits, which only the console gateway is allowed.
        is_new_world: the home is replaced, so its stored market settings do not count.

    Raises:
        InvalidInputError: an environment variable has a wrong value; the message does not repeat the value. Or the home
            is that of a project's models.
    """
    from mlife_assets.settings import NewWorldSettings, Settings

    require_no_project(home)
    changed: dict[str, object] = {}
    if home is not None:
        changed["home"] = home.absolute()
    if approves_sends:
        changed["approve_console_sends"] = True
    with faults_named():
        return (NewWorldSettings if is_new_world else Settings)(**changed)  # type: ignore[arg-type]


def require_event_log(settings: Settings) -> None:
    """Raise NotFoundError when the home holds no event log. One that was signed and is gone has its own message."""
    if not has_event_log(settings):
        if (settings.private_folder / "heads").exists():
            raise NotFoundError(
                f"the event log of {settings.home} was signed and is gone; restore {settings.places.lake_name} from a "
                "copy, `mlife log verify` lists the missing files"
            )
        raise NotFoundError(f"nothing has run in {settings.home} yet; {first_steps(settings)}")


def first_steps(settings: Settings) -> str:
    """Return what to do where no day has run yet."""
    real = "`mlife doctor` lists missing parts; turn due_days_sensor on in `mlife dev`, or where the daemon runs"
    return f"{'run `mlife demo` first' if settings.is_simulated else real}, or name another folder with --home"


def has_event_log(settings: HomeSettings) -> bool:
    """Return whether the home holds an event log."""
    from mlife_assets.adapters.object_store import has_folder

    return has_folder(settings.places.log, "events")


def open_platform(settings: Settings, *, despite_restore: bool = False) -> BoardPorts:
    """Return the platform of a home in which days ran.

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


def open_model(home: Path | None, model: str | None) -> ModelPorts:
    """Return the platform of a home as a model sees it, by default the model of applications, or a project's only one.

    Raises:
        NotFoundError: no day ran in the home, or it has no such model, declared or ever trained; names those.
    """
    from mlife_assets.adapters.model_registry import model_names

    if (project := project_settings(home)) is not None:
        return open_project_model(project, model)
    platform = open_platform(settings_of(home))
    first = platform.of_model()
    if model is None or model == first.model_name:
        return first
    known = dict.fromkeys([first.model_name, *platform.home.model_names, *model_names(platform.event_log)])
    if model not in known:
        raise NotFoundError(f"there is no model {quoted(model)} here; use one of {', '.join(known)}")
    return platform.of_model(model)


def open_application(settings: Settings, application: str) -> BoardPorts:
    """Return the platform of a home as an application sees it, the first one by default.

    Raises:
        NotFoundError: no day ran in the home.
        InvalidInputError: no such application; names the known ones.
    """
    view = open_platform(settings).of_application(application)
    _ = view.application
    return view


def seal(platform: ModelPorts) -> None:
    """Sign the rows that a command appended to the event log."""
    from mlife_assets.deployments.sealing import seal as sign

    sign(platform.home, platform.days)
