"""`mlife score`: rows of a file with their probabilities, by a model that `mlife train` wrote."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mlife_assets.cli.options import AsJson
from mlife_assets.cli.output import counted, print_json, progress, say_aside

TrainedModel = Annotated[Path, typer.Option("--model", metavar="DIR", help="Output of a training.")]


def score(
    model: TrainedModel,
    rows: Annotated[Path, typer.Option("--rows", metavar="FILE", help=".parquet, .csv, .csv.gz or .csv.zip.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help=".parquet or .csv.", show_default="CSV on stdout")
    ] = None,
    reasons: Annotated[bool, typer.Option("--reasons", help="Also say why, the strongest reasons first.")] = False,
    holds_history: Annotated[
        bool,
        typer.Option("--holds-history", help="The earlier rows that derived columns look back at are in the file."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Score the rows of a file: all their columns, and `probability`. They need the columns that the training had.

    Exit codes: 0 every row is scored; 1 none is: a column or value is missing or cannot be read.
    """
    from mlife_assets.adapters.example_files import write_csv, write_table
    from mlife_assets.studies.model import load_folder
    from mlife_assets.studies.scoring import PROBABILITY, REASONS, score

    known = load_folder(model)
    with progress("Scoring"):
        scored = score(known, rows, reasons=reasons, holds_history=holds_history)
    said: dict[str, Any] = {"model_version": known.model_version, "rows": scored.num_rows}
    if out is not None:
        write_table(scored, out)
        if as_json:
            print_json({**said, "out": str(out)})
        else:
            words = f"{counted(scored.num_rows, 'row')} scored by {known.model_version}: {out}"
            say_aside(words)
    elif as_json:
        columns = [name for name in (PROBABILITY, REASONS) if name in scored.column_names]
        print_json({**said, "scores": scored.select(columns).to_pylist()})
    else:
        write_csv(scored, sys.stdout)
