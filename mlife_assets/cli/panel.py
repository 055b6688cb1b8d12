"""`mlife panel`: recruiters as the human baseline.

Concept: a panel is made in the evening of the ranked day, when its features exist and its outcomes are not exported. No
file is overwritten, because a filled template is hours of work.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlife_assets.cli.homes import open_board, seal
from mlife_assets.cli.options import A_DAY, OPERATOR, Actor, AsJson, Home
from mlife_assets.cli.output import answer_console, moment, print_json, say
from mlife_assets.core.errors import InvalidInputError, NotEnoughEvidenceError, NotFoundError

if TYPE_CHECKING:
    import pyarrow as pa

    from mlife_assets.adapters.panel_store import RecordedPanel
    from mlife_assets.deployments.board_ports import BoardPorts
    from mlife_assets.recruiting.panel.ballots import Panel

panel_app = typer.Typer(no_args_is_help=True, help="Let recruiters rank candidates: the human baseline of the gate.")

Day = Annotated[date, typer.Option("--date", **A_DAY, help="Day whose candidates are ranked.")]


@panel_app.command()
def template(
    day: Day,
    users: Annotated[int, typer.Option("--users", min=1, metavar="N", help="How many users, drawn by hash.")],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.csv", help="File to write; an existing one is kept.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Write the pairs to rank, with the facts that recruiters may see; they fill in the columns recruiter and rank.

    Exit codes: 0 written, 1 failed.
    """
    from mlife_assets.recruiting.panel.ballots import panel_template, template_bytes

    platform = open_board(home)
    user_features, job_features = _features(platform, day)
    pairs = panel_template(user_features, job_features, day, users=users, policy=platform.policies.candidates)
    try:
        with out.open("xb") as file:
            file.write(template_bytes(pairs))
    except OSError as error:
        raise InvalidInputError(f"{out} cannot be written ({error.strerror}); name a new file with --out") from error
    found = len(set(pairs["user_id"].to_pylist()))
    if as_json:
        print_json({"as_of_date": day, "file": str(out), "users": found, "pairs": pairs.num_rows})
        return
    say(f"{out}: {pairs.num_rows:,} pairs of {found:,} users of {day}.")
    if found < users:
        say(f"  Only {found:,} users have two candidates or more.")
    say("  Each recruiter fills in a copy: a code in recruiter, and per user ranks from 1 (the best) without gaps.")


@panel_app.command()
def record(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True, help="The filled file.")],
    day: Day,
    actor: Actor = OPERATOR,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Check, store and hash the rankings of a day, before its outcomes exist; recorded as `panel_recorded`.

    Exit codes: 0 recorded, 1 refused.
    """
    from mlife_assets.components.shown.present import operator_time

    platform = open_board(home)

    def candidates(user_ids: tuple[str, ...]) -> pa.Table:
        import pyarrow as pa
        import pyarrow.compute as pc

        from mlife_assets.recruiting.candidates import candidate_pairs

        users, jobs = _features(platform, day)
        asked = users.filter(pc.is_in(users["user_id"], value_set=pa.array(user_ids, pa.string())))
        return candidate_pairs(asked, jobs, day, platform.policies.candidates)

    made = platform.panels.record(
        file.read_bytes(), as_of=day, candidates=candidates, actor=actor, now=operator_time(platform.of_model())
    )
    seal(platform.of_model())
    if as_json:
        print_json(_row(made))
        return
    say(f"{made.panel_id} is the panel of {made.as_of_date}.", style="bold")
    say(f"  {_size(made)}", f"  sha256 {made.sha256}, recorded by {made.actor} at {moment(made.recorded_at)}")


@panel_app.command("list")
def list_panels(home: Home = None, as_json: AsJson = False) -> None:
    """List all recorded panels, oldest first; if a day has several, the newest counts.

    Exit codes: 0 done, 1 failed.
    """
    recorded = open_board(home).panels.recorded()
    counts = {one.as_of_date: one.panel_id for one in recorded}
    if as_json:
        rows = [_row(one) | {"is_counted": counts[one.as_of_date] == one.panel_id} for one in recorded]
        print_json({"panels": rows})
        return
    console = answer_console()
    if not recorded:
        say("No panel was recorded yet; `mlife panel template` begins one.")
        return
    from rich.table import Table

    table = Table("", "panel_id", "as of", "recorded at", "recruiters", "users", "pairs", "by", box=None)
    for one in recorded:
        mark = "*" if counts[one.as_of_date] == one.panel_id else ""
        sizes = (str(one.recruiters), f"{one.users:,}", f"{one.pairs:,}")
        table.add_row(mark, one.panel_id, str(one.as_of_date), moment(one.recorded_at), *sizes, one.actor)
    console.print(table)
    say("* counts for its day")


@panel_app.command()
def show(
    panel_id: Annotated[str, typer.Argument(help="Its id, or the first digits of it.")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Verify a panel's hash and show how far its recruiters agree.

    Exit codes: 0 done, 1 failed or the file was changed.
    """
    platform = open_board(home)
    recorded = platform.panels.resolve(panel_id)
    panel = platform.panels.load(recorded)
    agreement, sentence = _agreement(panel, platform)
    if as_json:
        print_json(_row(recorded) | {"recruiter_codes": panel.recruiters, "agreement": agreement, "sentence": sentence})
        return
    say(f"{recorded.panel_id}, panel of {recorded.as_of_date}", style="bold")
    say(f"  {_size(recorded)}: {', '.join(panel.recruiters)}", f"  {sentence}")
    say(
        f"  sha256 {recorded.sha256}, recorded by {recorded.actor} at {moment(recorded.recorded_at)}; "
        "the file still has this hash"
    )


def _features(platform: BoardPorts, day: date) -> tuple[pa.Table, pa.Table]:
    """Return users and jobs as the gate will see them. Raises NotFoundError when the day did not run."""
    users = platform.warehouse.read("user_features", as_of=day)
    jobs = platform.warehouse.read("job_features", as_of=day)
    if not users.num_rows or not jobs.num_rows:
        raise NotFoundError(f"there are no candidates of {day}; run the day with `mlife day`, or name another day")
    return users, jobs


def _agreement(panel: Panel, platform: BoardPorts) -> tuple[dict[str, Any] | None, str]:
    """Return the agreement as plain values and in words, None when there is nothing to compare."""
    from mlife_assets.recruiting.panel.baseline import panel_agreement

    try:
        agreement = panel_agreement([panel], platform.of_model().model.promotion)
    except NotEnoughEvidenceError as error:
        return None, f"No agreement: {error}."
    return asdict(agreement), agreement.sentence


def _row(recorded: RecordedPanel) -> dict[str, Any]:
    return asdict(recorded)


def _size(recorded: RecordedPanel) -> str:
    return f"{recorded.pairs:,} pairs of {recorded.users:,} users ranked by {recorded.recruiters:,} recruiters"
