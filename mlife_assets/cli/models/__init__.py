"""`mlife models`: versions, who served when and why, what differs, and changing who serves."""

from __future__ import annotations

import typer

from mlife_assets.cli.models.inspection import diff, show
from mlife_assets.cli.models.overview import history, list_models
from mlife_assets.cli.models.service import promote, rollback

models_app = typer.Typer(no_args_is_help=True, help="List, show and compare models; promote one or roll back.")
models_app.command("list")(list_models)
for command in (history, show, diff, promote, rollback):
    models_app.command()(command)
