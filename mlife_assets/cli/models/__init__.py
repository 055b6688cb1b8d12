"""`mlife models`: versions, who served when and why, what differs, changing who serves, taking one elsewhere."""

from __future__ import annotations

import typer

from mlife_assets.cli.models.commands import (
    diff,
    export_version,
    history,
    import_version,
    list_models,
    promote,
    rollback,
    show,
)

models_app = typer.Typer(no_args_is_help=True, help="List, show, compare and move models; promote one or roll back.")
models_app.command("list")(list_models)
for command in (history, show, diff, promote, rollback):
    models_app.command()(command)
models_app.command("export")(export_version)
models_app.command("import")(import_version)
