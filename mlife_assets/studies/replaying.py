"""Replay the history of a table under five retraining policies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import orjson

from mlife_assets.core.errors import NotFoundError
from mlife_assets.core.study import Study
from mlife_assets.recruiting.released_names import POLICY_FIELDS
from mlife_assets.studies.answers import framed
from mlife_assets.studies.frames import Table, source_of
from mlife_assets.studies.model import JSON, Spec, spec_text

if TYPE_CHECKING:
    from mlife_assets.core.training.boosting import Progress
    from mlife_assets.lifecycle.backtest import BacktestResult, Replayed

REPLAY_FILE, PAGE_FILE, TIMINGS_FILE, CHECKPOINTS_FOLDER = "result.json", "backtest.html", "timings.json", "checkpoints"


@dataclass(frozen=True, eq=False, repr=False)
class Backtest:
    """A replay: what each policy would have been worth, and the page about it."""

    replayed: Replayed
    page: str

    def as_dict(self) -> dict[str, Any]:
        """Return what `mlife backtest --json` prints."""
        found: dict[str, Any] = orjson.loads(orjson.dumps(self.replayed.result.to_record()))
        return found

    @property
    def lines(self) -> tuple[str, ...]:
        """The result in words: policies, then the recommendation."""
        result = self.replayed.result
        return (
            f"{result.title}: {result.rows:,} rows of {result.start_day} to {result.last_day}",
            *(f"  {line}" for line in (*result.notes, *_policies_table(result), *result.recommendation.sentences)),
        )

    def save(self, folder: Path | str) -> None:
        """Write result, timings and page, as `mlife backtest --out` does."""
        out = Path(folder)
        out.mkdir(parents=True, exist_ok=True)
        (out / REPLAY_FILE).write_bytes(orjson.dumps(self.replayed.result.to_record(), option=JSON))
        (out / TIMINGS_FILE).write_bytes(orjson.dumps({"fit_seconds": self.replayed.cost.fit_seconds}, option=JSON))
        (out / PAGE_FILE).write_text(self.page, encoding="utf-8")

    def __repr__(self) -> str:
        return "\n".join(self.lines)

    def _repr_html_(self) -> str:
        return framed(self.page)


def backtest(
    table: Table,
    spec: Spec,
    *,
    policy: Path | str | None = None,
    out: Path | str | None = None,
    progress: Progress | None = None,
) -> Backtest:
    """Replay a history under five retraining policies and recommend one. It fits about a hundred models.

    Args:
        table: rows, or a file.
        spec: roles of its columns, or a spec: a file or its content.
        policy: file with changes of the spec's policies.
        out: folder that keeps checkpoints, from which it continues if it was stopped.
        progress: called with (days, of how many).

    Raises:
        NotFoundError: there is no such file.
        InvalidInputError: the table has a fault, or the spec; names the first.
    """
    from time import perf_counter

    from mlife_assets.adapters.backtest_detectors import ReplayDetectors
    from mlife_assets.adapters.clock import SystemClock
    from mlife_assets.adapters.example_files import read_examples
    from mlife_assets.adapters.object_store import ObstoreObjectStore
    from mlife_assets.lifecycle.backtest import prepare_history, replay
    from mlife_assets.lifecycle.backtest.page import render_backtest

    study = Study.from_json(spec_text(spec), POLICY_FIELDS)
    if policy is not None:
        study = study.with_policies(_policy_text(Path(policy)), POLICY_FIELDS)
    history = prepare_history(
        read_examples(source_of(table), study),
        study.model,
        today=SystemClock().now().date(),
        validation_share=study.validation_share,
        stated=study.stated,
    )
    with TemporaryDirectory() as passing:
        store = ObstoreObjectStore.local(Path(passing if out is None else out) / CHECKPOINTS_FOLDER)
        replayed = replay(history, ReplayDetectors(), store, stopwatch=perf_counter, progress=progress)
    return Backtest(replayed, render_backtest(replayed.result, replayed.cost))


def _policy_text(path: Path) -> str:
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}; name a file of policy changes")
    return path.read_text(encoding="utf-8")


def _policies_table(result: BacktestResult) -> list[str]:
    lines = []
    for one in result.policies:
        found = one.score.average_precision
        lines.append(
            f"{one.name:<12} average precision {found.estimate:.4f} ({found.lower:.4f} to {found.upper:.4f}), within "
            f"periods {one.score.within_periods.estimate:.4f}, log loss {one.score.log_loss:.4f}; trainings "
            f"{one.trainings}, fits {one.fits}, refused {one.refusals}, installed {one.installations}, "
            f"rows fitted {one.fitted_rows:,}"
        )
    return lines
