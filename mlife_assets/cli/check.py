"""`mlife check`: the faults of a table and its spec, and the power of its gate, before a training.

Concept: everything is said at once, each with its remedy; `mlife train` says the same first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlife_assets.cli.options import AsJson
from mlife_assets.cli.output import answer_console, counted, print_json
from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.recruiting.released_names import POLICY_FIELDS

if TYPE_CHECKING:
    from mlife_assets.core.study import Study
    from mlife_assets.core.table_check import TableReport

Examples = Annotated[Path, typer.Option("--examples", metavar="FILE", help=".parquet, .csv, .csv.gz or .csv.zip.")]
Spec = Annotated[Path, typer.Option("--spec", metavar="FILE", help="JSON: roles of the columns; see examples/.")]


def check(examples: Examples, spec: Spec, as_json: AsJson = False) -> None:
    """Check a file of examples and its spec: all faults at once, and the difference that its last days can show.

    Exit codes: 0 a training would begin; 1 it would be refused.
    """
    from mlife_assets.adapters.clock import SystemClock
    from mlife_assets.adapters.example_files import examine_examples
    from mlife_assets.core.table_check import check_table

    study = read_study(spec)
    report = check_table(examine_examples(examples, study), study, SystemClock().now().date())
    if as_json:
        print_json(asdict(report))
    else:
        console = answer_console()
        for line in report_lines(report):
            console.print(line, soft_wrap=True)
    if report.faults:
        raise typer.Exit(1)


def read_study(spec: Path) -> Study:
    """Return the study of a spec file.

    Raises:
        NotFoundError: there is no such file.
        InvalidInputError: as of `Study.from_json`.
    """
    from mlife_assets.core.study import Study

    if not spec.is_file():
        raise NotFoundError(f"there is no file {spec}; name the spec of the examples")
    return Study.from_json(spec.read_text(encoding="utf-8"), POLICY_FIELDS)


def report_lines(report: TableReport) -> Iterator[str]:
    """Yield the lines of a report, faults first."""
    kinds: list[str] = [one.severity for one in report.findings]
    found = [counted(kinds.count(kind), kind) for kind in ("fault", "warning") if kind in kinds]
    yield f"{report.rows:,} rows, {report.positives:,} positive: {' and '.join(found) or 'nothing is wrong'}."
    for one in report.findings:
        yield f"  {one.severity.capitalize()}: {one.sentence}"


def require_sound(report: TableReport) -> None:
    """Refuse a table with faults. Raises InvalidInputError with all of them."""
    if report.faults:
        raise InvalidInputError("\n".join(report.faults))
