"""A home opened in Python, to look at: what `mlife status` says, champions, scores.

Concept: everything is read as the commands read it, from the home alone: no code of a project is loaded, and nothing
that is there changes. As `mlife status` does, `status` opens the databases of sends, and makes missing ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlife_assets.cli.homes import (
    board_settings,
    models_of,
    open_board,
    open_home,
    open_model,
    opened_project,
    project_root,
    project_settings,
    require_event_log,
)
from mlife_assets.cli.output import faults_named
from mlife_assets.core.errors import NotFoundError

if TYPE_CHECKING:
    import pyarrow as pa

SCORES = ("scores", "user_job_scores")
"""Tables of a day's scores: of any model, and of the first one of the job board."""


@dataclass(frozen=True, repr=False)
class OpenedHome:
    """A home, to look at. Without a name, a method is about its only model, or the first of the job board."""

    path: Path

    @property
    def models(self) -> list[str]:
        """Names of its models."""
        return models_of(open_home(self.path))

    def status(self) -> dict[str, Any]:
        """Return what `mlife status --json` prints."""
        import orjson

        from mlife_assets.cli.project_status import standings, standings_document
        from mlife_assets.cli.status import standing_of

        found: Mapping[str, Any]
        if (project := project_settings(self.path)) is not None:
            found = standings_document(project.home, standings(opened_project(project)))
        else:
            platform = open_board(self.path)
            try:
                standing = standing_of(platform)
            finally:
                platform.ledger.close()
            found = asdict(standing) | {"home": str(standing.home), "is_lived": True}
        document: dict[str, Any] = orjson.loads(orjson.dumps(found))
        return document

    def champion(self, model: str | None = None) -> str | None:
        """Return the version that serves; None before the first promotion. Raises NotFoundError for no such model."""
        return open_model(self.path, model).registry.champion()

    def scores(self, day: date | None = None, model: str | None = None) -> pa.Table:
        """Return the scores of a day, by default the newest. Raises NotFoundError when there are none."""
        tables = open_model(self.path, model).model_tables
        days = {name: found for name in SCORES if (found := tables.days(name))}
        if not days:
            raise NotFoundError(f"nothing was scored in {self.path} yet; run a day")
        name = next(iter(days))
        return tables.read(name, day or max(days[name]))

    def __repr__(self) -> str:
        return f"{self.path}: {', '.join(f'{name} {self.champion(name)}' for name in self.models)}"


def open(path: Path | str) -> OpenedHome:  # noqa: A001 - the name is promised
    """Open a home, or the home of a Dagster project's models, to look at. Takes the path of either.

    Raises NotFoundError when nothing has run there.
    """
    from mlife_assets.adapters.private_files import is_project_home
    from mlife_assets.home_settings import ProjectSettings

    folder = Path(path).absolute()
    root = project_root(folder)
    if root is not None and not is_project_home(folder):
        with faults_named():
            folder = ProjectSettings.below(root, None).home
    if (project := project_settings(folder)) is not None:
        opened_project(project)
    else:
        require_event_log(board_settings(folder))
    return OpenedHome(folder)
