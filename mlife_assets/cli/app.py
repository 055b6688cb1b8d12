"""The command tree.

Concept: commands import modules when they run, so that help is there at once.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from typing import Annotated

import typer

from mlife_assets import __version__
from mlife_assets.cli.backup import backup_app
from mlife_assets.cli.check import check, spec
from mlife_assets.cli.day import day, demo
from mlife_assets.cli.days import days
from mlife_assets.cli.home import doctor, init, keys_app
from mlife_assets.cli.infra import infra_app
from mlife_assets.cli.landing import landing_app, replay
from mlife_assets.cli.log import log_app
from mlife_assets.cli.messages import employers, inbox, messages_app, plan_app, review, trace, vet
from mlife_assets.cli.models import models_app
from mlife_assets.cli.open import dev, open_pages
from mlife_assets.cli.output import EXIT_CODES, HELP_WIDTH, Commands, MlifeGroup
from mlife_assets.cli.panel import panel_app
from mlife_assets.cli.score import score
from mlife_assets.cli.serve import one_click, serve
from mlife_assets.cli.sql import sql, tables_app
from mlife_assets.cli.status import status
from mlife_assets.cli.train import backtest, train
from mlife_assets.garbage import rare_collections

app = typer.Typer(
    cls=MlifeGroup,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": HELP_WIDTH},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Train, judge and run a model of a yes-or-no outcome: on a file, in your Dagster project, or on a job board, "
    "the full example. Begin with `mlife spec FILE` for a table of your own, or with `mlife demo`.",
    epilog=EXIT_CODES,
)
ON_A_TABLE, OF_A_HOME = "On any table", "Of a deployment: in your Dagster project, too"
OF_THE_BOARD, ON_AWS = "Of the job board, the full example", "On AWS"
for judging in (spec, check, train, score, backtest, serve):
    app.command(rich_help_panel=ON_A_TABLE)(judging)
for looking in (status, doctor, days):
    app.command(rich_help_panel=OF_A_HOME)(looking)
app.command("open", rich_help_panel=OF_A_HOME)(open_pages)
for command in (demo, init, day, trace, sql, dev):
    app.command(rich_help_panel=OF_THE_BOARD)(command)
landing_app.command()(replay)
for look in (inbox, review, employers, vet):
    messages_app.command()(look)
messages_app.command("one-click")(one_click)
for group, name, panel in (
    (landing_app, "landing", OF_THE_BOARD),
    (log_app, "log", OF_A_HOME),
    (tables_app, "tables", OF_A_HOME),
    (models_app, "models", OF_A_HOME),
    (messages_app, "messages", OF_THE_BOARD),
    (plan_app, "plan", OF_THE_BOARD),
    (panel_app, "panel", OF_THE_BOARD),
    (keys_app, "keys", OF_THE_BOARD),
    (backup_app, "backup", OF_THE_BOARD),
):
    app.add_typer(group, name=name, cls=Commands, rich_help_panel=panel)
app.add_typer(infra_app, name="infra", rich_help_panel=ON_AWS)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"mlife {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Take options that need no command; their callbacks act."""


def main() -> None:
    """Run the `mlife` command; never returns."""
    if sys.argv[1:2] in (["serve"], ["status"]):
        _keep_arrow_from_pandas()
    with rare_collections():
        app(prog_name="mlife")


def _keep_arrow_from_pandas() -> None:
    """Let pyarrow find no pandas when it first looks; for commands that have no use for it, in a process of their own.

    Pyarrow imports pandas at its first conversion, to know pandas' objects, which takes longer than all else that they
    import. A later `to_pandas` looks again.
    """
    import pyarrow as pa

    refusal = _NoPandas()
    sys.meta_path.insert(0, refusal)
    try:
        pa.array([None])
    finally:
        sys.meta_path.remove(refusal)


class _NoPandas(MetaPathFinder):
    def find_spec(self, fullname: str, path: object = None, target: object = None) -> None:  # noqa: ARG002
        if fullname == "pandas":
            raise ModuleNotFoundError(name=fullname)
