"""`mlife train`: a model of any examples, judged on their last days. `mlife backtest`: what retraining it would have
been worth.

Concept: one folder holds everything about the model: the artifact, the verdict as JSON, the card, plots, and the trials
of the search, so the same command continues where it was stopped. So does the folder of a replay, whose timings are in
a file of their own: the result is the same for the same inputs.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from mlife_assets.cli.check import Examples, Spec
from mlife_assets.cli.options import AsJson
from mlife_assets.cli.output import ExitCode, counted_progress, print_answer, print_json, say


class Required(StrEnum):
    """Verdicts that a training may have to end with."""

    PROMOTED = "promoted"


def train(
    examples: Examples,
    spec: Spec,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the model, its card and plots go.")],
    champion: Annotated[
        Path | None, typer.Option("--champion", metavar="DIR", help="Output of an earlier training, to be beaten.")
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials", min=0, max=1000, help="Settings that the search tries; 0 is off.", show_default="the spec's"
        ),
    ] = None,
    require: Annotated[
        Required | None, typer.Option("--require", help="Exit with 4 unless this is the verdict.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Check a file of examples, train a model on it and judge it on the last days.

    Exit codes: 0 done, whatever the gate said; 1 failed; 4 done, and another verdict than --require.
    """
    from mlife_assets.studies.model import CARD_FILE
    from mlife_assets.studies.training import Watching, train

    with counted_progress("Fitting, trees") as trees, counted_progress("Searching, trials") as trials_done:
        report = None if as_json else print_answer
        watching = Watching(report, trees, trials_done)
        model = train(examples, spec, champion=champion, trials=trials, journal=out, watching=watching)
    model.save(out)
    if as_json:
        print_json(model.as_dict())
    else:
        say(f"{model.model_version}  {model.title}")
        say(*(f"  {line}" for line in (*model.lines, f"Card: {out / CARD_FILE}")))
    if require is not None and model.outcome != require:
        raise typer.Exit(ExitCode.REFUSED)


def backtest(
    examples: Examples,
    spec: Spec,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where result, page and checkpoints go.")],
    policy: Annotated[
        Path | None,
        typer.Option("--policy", metavar="FILE", help="JSON: changes of the spec's policies, by name and field."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replay a history under five retraining policies and recommend one.

    Governed, frozen, naive, retraining on every alarm, and one probability for everybody see the same rows and the same
    mature labels. Sizes that the spec omits (windows, positives needed, warm-up) follow the history. If it
    was stopped, the same command continues.

    Exit codes: 0 done, whatever is recommended; 1 failed.
    """
    from mlife_assets.studies.replaying import PAGE_FILE, backtest

    with counted_progress("Replaying, days") as days:
        replayed = backtest(examples, spec, policy=policy, out=out, progress=days)
    replayed.save(out)
    print_answer(replayed, as_json=as_json)
    if not as_json:
        say(f"  Page: {out / PAGE_FILE}")
