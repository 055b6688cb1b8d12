"""`mlife spec`: the draft of a spec for a table. `mlife check`: the faults of both, and the power of the gate.

Concept: everything is said at once, each with its remedy; `mlife train` says the same first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlife_assets.cli.options import AsJson
from mlife_assets.cli.output import one_line, print_answer, print_json, progress, say_aside

Examples = Annotated[Path, typer.Option("--examples", metavar="FILE", help=".parquet, .csv, .csv.gz or .csv.zip.")]
Spec = Annotated[Path, typer.Option("--spec", metavar="FILE", help="JSON or .yaml: roles of the columns.")]


def spec(
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help=".parquet, .csv, .csv.gz or .csv.zip.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of a spec instead.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draft a spec for a file of examples: JSON on stdout, and on stderr what was guessed, why, and what is unsure.

    Exit codes: 0 drafted, however unsure; 1 the file cannot be read.
    """
    import orjson

    from mlife_assets.core.study import study_schema
    from mlife_assets.studies.drafting import draft_spec

    if schema:
        print_json(study_schema())
        return
    if file is None:
        raise typer.BadParameter("name a file of examples, or say --schema")
    answer = draft_spec(file)
    if as_json:
        print_json(answer.as_dict())
        return
    for line in answer.lines:
        say_aside(one_line(line))
    typer.echo(orjson.dumps(answer.record["spec"], option=orjson.OPT_INDENT_2).decode())


def check(examples: Examples, spec: Spec, as_json: AsJson = False) -> None:
    """Check a file of examples and its spec: all faults at once, and the difference that its last days can show.

    Exit codes: 0 a training would begin; 1 it would be refused.
    """
    from mlife_assets.studies.training import check

    with progress("Checking"):
        answer = check(examples, spec)
    print_answer(answer, as_json=as_json)
    if not answer.is_well:
        raise typer.Exit(1)
