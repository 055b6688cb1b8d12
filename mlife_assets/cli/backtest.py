"""`mlife backtest`: what retraining would have been worth, on one's own history.

Belongs here: reading the spec and the examples, writing what came out. Does not belong here: the replay
(`core.backtest`).

Concept: one folder holds the result, the page and the checkpoints, so the same command continues where it was
stopped. Timings are in a file of their own, because the result is the same for the same inputs.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlife_assets.cli.options import AsJson
from mlife_assets.cli.output import answer_console, counted_progress, print_json
from mlife_assets.core.errors import NotFoundError
from mlife_assets.recruiting.released_names import POLICY_FIELDS

if TYPE_CHECKING:
    from mlife_assets.core.backtest import BacktestResult

RESULT_FILE, PAGE_FILE, TIMINGS_FILE, CHECKPOINTS_FOLDER = "result.json", "backtest.html", "timings.json", "checkpoints"


def backtest(
    examples: Annotated[Path, typer.Option("--examples", metavar="FILE", help=".parquet, .csv, .csv.gz or .csv.zip.")],
    spec: Annotated[Path, typer.Option("--spec", metavar="FILE", help="JSON: roles of the columns; see examples/.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where result, page and checkpoints go.")],
    policy: Annotated[
        Path | None,
        typer.Option("--policy", metavar="FILE", help="JSON: changes of the spec's policies, by name and field."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replay a history under five retraining policies and recommend one.

    Governed, frozen, naive, retraining on every alarm, and one probability for everybody see the same rows and the same
    mature labels. What the spec leaves open (windows, positives needed, warm-up) follows the size of the history. If it
    was stopped, the same command continues.

    Exit codes: 0 done, whatever is recommended; 1 failed.
    """
    from time import perf_counter

    from mlife_assets.adapters.backtest_detectors import ReplayDetectors
    from mlife_assets.adapters.clock import SystemClock
    from mlife_assets.adapters.example_files import read_examples
    from mlife_assets.adapters.object_store import ObstoreObjectStore
    from mlife_assets.core.backtest import prepare_history, replay
    from mlife_assets.core.backtest.page import render_backtest
    from mlife_assets.core.study import Study

    study = Study.from_json(_text(spec, "name the spec of the examples"), POLICY_FIELDS)
    if policy is not None:
        study = study.with_policies(_text(policy, "name a file of policy changes"), POLICY_FIELDS)
    history = prepare_history(
        read_examples(examples, study),
        study.model,
        today=SystemClock().now().date(),
        validation_share=study.validation_share,
        stated=study.stated,
    )
    store = ObstoreObjectStore.local(out / CHECKPOINTS_FOLDER)
    with counted_progress("Replaying, days") as days:
        replayed = replay(history, ReplayDetectors(), store, stopwatch=perf_counter, progress=days)
    result = replayed.result
    record = result.to_record()
    (out / RESULT_FILE).write_bytes(_json(record))
    (out / TIMINGS_FILE).write_bytes(_json({"fit_seconds": replayed.cost.fit_seconds}))
    (out / PAGE_FILE).write_text(render_backtest(result, replayed.cost), encoding="utf-8")
    if as_json:
        print_json(record)
        return
    console = answer_console()
    console.print(f"{result.title}: {result.rows:,} rows of {result.start_day} to {result.last_day}", soft_wrap=True)
    for line in (*result.notes, *_table(result), *result.recommendation.sentences):
        console.print(f"  {line}", soft_wrap=True)
    console.print(f"  Page: {out / PAGE_FILE}", soft_wrap=True)


def _table(result: BacktestResult) -> list[str]:
    lines = []
    for one in result.policies:
        found = one.score.average_precision
        lines.append(
            f"{one.name:<12} average precision {found.estimate:.4f} ({found.lower:.4f} to {found.upper:.4f}), within "
            f"periods {one.score.within_periods.estimate:.4f}, log loss {one.score.log_loss:.4f}; trainings "
            f"{one.trainings}, fits {one.fits}, refused {one.refusals}, promoted {one.installations}, "
            f"rows fitted {one.fitted_rows:,}"
        )
    return lines


def _text(path: Path, remedy: str) -> str:
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}; {remedy}")
    return path.read_text(encoding="utf-8")


def _json(record: dict[str, Any]) -> bytes:
    import orjson

    return orjson.dumps(record, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE)
