"""`mlife check`: the faults of a table and its spec, and the power of its gate, before a training.

Concept: everything is said at once, each with its remedy; `mlife train` says the same first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlife_assets.cli.options import AsJson
from mlife_assets.cli.output import print_answer

Examples = Annotated[Path, typer.Option("--examples", metavar="FILE", help=".parquet, .csv, .csv.gz or .csv.zip.")]
Spec = Annotated[Path, typer.Option("--spec", metavar="FILE", help="JSON: roles of the columns; see examples/.")]


def check(examples: Examples, spec: Spec, as_json: AsJson = False) -> None:
    """Check a file of examples and its spec: all faults at once, and the difference that its last days can show.

    Exit codes: 0 a training would begin; 1 it would be refused.
    """
    from mlife_assets.studies.training import check

    answer = check(examples, spec)
    print_answer(answer, as_json=as_json)
    if not answer.is_well:
        raise typer.Exit(1)
