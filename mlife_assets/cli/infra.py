"""`mlife infra`: from the templates of a checkout to accounts of AWS, and back.

Concept: showing and applying are two commands with a file between them, so that only approved changes are
applied. The templates lie in a checkout and not in this package.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlife_assets.cli.options import AsJson
from mlife_assets.cli.output import Commands, print_json, progress, say

if TYPE_CHECKING:
    from mlife_assets.adapters.delivery.smoke import RunTasks
    from mlife_assets.adapters.delivery.stacks import Stacks
    from mlife_assets.core.delivery.stacks import InfraFiles, Plan


class AwsGroup(Commands):
    """A group of commands in which what AWS refuses is an error on purpose."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command; raises PermanentError or TransientError where AWS refuses a call."""
        from mlife_assets.adapters.delivery.stacks import refusals_named

        with refusals_named():
            return super().invoke(ctx)


infra_app = typer.Typer(
    cls=AwsGroup, no_args_is_help=True, help="Show, apply and prove the stacks of an environment on AWS."
)
RUN_SECONDS = 1200.0

Environment = Annotated[str, typer.Argument(metavar="ENVIRONMENT", help="dev, staging or prod.")]
Folder = Annotated[Path, typer.Option("--infra", metavar="DIR", help="The folder `infra` of a checkout.")]
Owner = Annotated[str, typer.Option("--account", metavar="NAME", help="environment, delivery or witness.")]
Image = Annotated[
    str | None, typer.Option("--image", metavar="NAME@sha256:...", help="The image by its digest.", show_default=False)
]
INFRA = Path("infra")


@infra_app.command()
def plan(
    environment: Environment,
    owner: Owner = "environment",
    image: Image = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where the plan goes, for `apply`.")] = None,
    infra: Folder = INFRA,
    as_json: AsJson = False,
) -> None:
    """Make a change set for each stack, in the order of stacks.yaml, and show what each would do. Applies nothing.

    Without --image the stacks are planned with the one that runs. Without --out no change set is kept.

    Exit codes: 0 done, 1 failed.
    """
    from mlife_assets.core.delivery.stacks import Plan, lines_of, plan_as_text, stack_inputs

    stacks = _stacks(files := _files(infra), environment, owner)
    before = stacks.image() if owner == "environment" else None
    image = image or before
    wanted = stack_inputs(files, environment, owner, {"Image": image} if image else {})
    with progress("making change sets", len(wanted)) as step:
        planned = []
        for one in wanted:
            planned.append(stacks.plan(one, _label()))
            step()
    made = Plan(environment, owner, stacks.account, stacks.region, image, before, tuple(planned))
    if out is not None:
        out.write_text(plan_as_text(made), encoding="utf-8")
    else:
        for seen in planned:
            stacks.forget(seen)
    _print(made, list(lines_of(made)), as_json=as_json)


@infra_app.command()
def apply(
    shown: Annotated[Path, typer.Argument(metavar="FILE", help="What `mlife infra plan --out` wrote.")],
    infra: Folder = INFRA,
    as_json: AsJson = False,
) -> None:
    """Execute exactly the change sets of a plan, in order. One that something has overtaken is refused.

    A stack that could not be made is gone; one that is made is protected from deletion. A new stack that had to wait
    for another is made now, from the files that were shown.

    Exit codes: 0 done, 1 failed.
    """
    from mlife_assets.core.delivery.stacks import plan_from_text, stack_inputs

    plan = plan_from_text(shown.read_text(encoding="utf-8"))
    stacks = _stacks(files := _files(infra), plan.environment, plan.owner)
    given = {"Image": plan.image} if plan.image else {}
    wanted = {one.name: one for one in stack_inputs(files, plan.environment, plan.owner, given)}
    became = {}
    for one in plan.stacks:
        with progress(f"applying {one.name}"):
            became[one.name] = stacks.apply(one, wanted.get(one.name), _label())
        if not as_json:
            say(f"{one.name}: {became[one.name]}")
    if as_json:
        print_json({"stacks": became})


@infra_app.command()
def drift(
    environment: Environment, owner: Owner = "environment", infra: Folder = INFRA, as_json: AsJson = False
) -> None:
    """List resources of the account that differ from their stacks.

    Exit codes: 0 nothing has drifted, 1 something has, or failed.
    """
    from mlife_assets.core.delivery.stacks import stack_names

    stacks = _stacks(files := _files(infra), environment, owner)
    found = {name: stacks.drifted(name) for name in stack_names(files, environment, owner)}
    if as_json:
        print_json({"stacks": {name: [asdict(change) for change in changes] for name, changes in found.items()}})
    else:
        for name, changes in found.items():
            say(f"{name}: {'as it was made' if not changes else 'drifted'}")
            for change in changes:
                say(f"  {change.what}: {change.name} ({change.kind})")
                say(*(f"    {one.path}: {one.before} -> {one.after}" for one in change.properties))
    if any(found.values()):
        raise typer.Exit(1)


@infra_app.command()
def rollback(
    environment: Environment,
    image: Image = None,
    infra: Folder = INFRA,
    as_json: AsJson = False,
) -> None:
    """Run an earlier image again, by default the one before; the deployed template stays as it is.

    To return to earlier templates, plan and apply the checkout of an earlier commit.

    Exit codes: 0 done, 1 failed.
    """
    from mlife_assets.core.delivery.stacks import Plan, lines_of

    stacks = _stacks(_files(infra), environment, "environment")
    image = image or stacks.previous_image()
    back = stacks.rolled_back(image, _label())
    plan = Plan(environment, "environment", stacks.account, stacks.region, image, stacks.image(), (back,))
    with progress("going back"):
        became = stacks.apply(back, None, _label())
    _print(plan, [*lines_of(plan), f"{back.name}: {became}"], as_json=as_json)


@infra_app.command()
def teardown(environment: Environment, infra: Folder = INFRA, as_json: AsJson = False) -> None:
    """Say in which order an environment's stacks are deleted, and what stays, locked until when. Deletes nothing.

    Exit codes: 0 done, 1 failed.
    """
    from mlife_assets.adapters.clock import SystemClock
    from mlife_assets.core.delivery.stacks import teardown as gone

    found = gone(_files(infra), environment, SystemClock().now().date())
    if as_json:
        print_json({"stacks": [asdict(one) for one in found]})
        return
    for one in found:
        lines = [*(f"first: {command}" for command in one.first), *(f"stays, and costs: {what}" for what in one.stays)]
        head = f"{one.stack} in {one.account}, by {one.by or 'a role of your own'}"
        say("\n  ".join([head, *lines]))


@infra_app.command()
def migrate(environment: Environment, infra: Folder = INFRA, as_json: AsJson = False) -> None:
    """Migrate the database to the schema of the deployed image, as a task inside the environment.

    Exit codes: 0 done, 1 failed.
    """
    run(environment, ["dagster", "instance", "migrate"], infra, as_json)


@infra_app.command()
def run(
    environment: Environment,
    command: Annotated[list[str], typer.Argument(metavar="-- COMMAND...", help="Such as `mlife models promote ...`.")],
    infra: Folder = INFRA,
    as_json: AsJson = False,
) -> None:
    """Run a command as a task inside the environment, with the rights of a run. Its output is in the log of tasks.

    Exit codes: 0 done, 1 failed, or the command did.
    """
    ended = _tasks(_files(infra), environment).run({"run": command})["run"]
    if as_json:
        print_json(asdict(ended))
    else:
        say(f"{'ok' if ended.is_well else 'FAILED'}: {ended.log_stream} {ended.reason}")
    if not ended.is_well:
        raise typer.Exit(1)


@infra_app.command()
def smoke(
    environment: Environment,
    inside: Annotated[
        str | None,
        typer.Option("--inside", metavar="CHECK", help="Run one check here; for tasks inside the environment."),
    ] = None,
    places: Annotated[
        str | None, typer.Option("--places", metavar="JSON", help="With --inside: where things are.")
    ] = None,
    infra: Folder = INFRA,
    as_json: AsJson = False,
) -> None:
    """Prove a deployed environment: each check is a task inside it, and one line here.

    All checks run, even after a failure. Results of the first day may be missing (`not yet`) for a week after the log
    was made, and for 26 hours after the first plan. Later a missing one is red.

    Exit codes: 0 all checks are green or wait for the first day, 1 one is not, or failed.
    """
    from mlife_assets.adapters.delivery.smoke import CHECKS, NOT_YET, NotYetError, places_of

    if inside is not None:
        try:
            said = _checked(inside, json.loads(places or "{}"))
        except NotYetError as error:
            typer.echo(f"not yet: {inside}: {error}")
            raise typer.Exit(NOT_YET) from error
        print_json({inside: said}) if as_json else say(f"ok: {inside}: {said}")
        return
    files = _files(infra)
    tasks = _tasks(files, environment)
    found = json.dumps(asdict(places_of(files, environment, tasks.of)))
    command = ["mlife", "infra", "smoke", environment, "--places", found, "--inside"]
    with progress("proving the environment"):
        ended = tasks.run({name: [*command, name] for name in CHECKS})
    if as_json:
        print_json({"checks": {name: asdict(one) for name, one in ended.items()}})
    else:
        for name, one in ended.items():
            word = "ok" if one.is_well else "not yet" if one.exit_code == NOT_YET else "FAILED"
            said = f"  exit code {one.exit_code} {one.reason}; {one.log_stream}" if word == "FAILED" else ""
            say(f"{word:<8}{name}{said}")
    if not all(one.is_well or one.exit_code == NOT_YET for one in ended.values()):
        raise typer.Exit(1)


def _checked(name: str, places: dict[str, Any]) -> str:
    from mlife_assets.adapters.clock import SystemClock
    from mlife_assets.adapters.delivery.smoke import CHECKS, Inside, handed_over
    from mlife_assets.adapters.delivery.stacks import clients
    from mlife_assets.components.graph.model_graph import LARGE_TASK
    from mlife_assets.core.errors import InvalidInputError

    if name not in CHECKS:
        raise InvalidInputError(f"no check is named {name}; there are {', '.join(CHECKS)}")
    at, launches = handed_over(places), (partial(_launched, {}), partial(_launched, LARGE_TASK))
    return CHECKS[name](Inside(at, clients(at.region), SystemClock().now(), time.sleep, *launches))


def _launched(tags: Mapping[str, str]) -> str:
    from mlife_assets.components.running.launched_job import launched_as_a_task

    return launched_as_a_task(seconds=RUN_SECONDS, sleep=time.sleep, tags=tags)


def _label() -> str:
    """Return a name for a change set that no earlier one of its stack has."""
    from mlife_assets.adapters.clock import SystemClock

    return f"mlife-{SystemClock().now():%Y%m%d-%H%M%S-%f}"


def _files(folder: Path) -> InfraFiles:
    from mlife_assets.adapters.delivery.stacks import read_infra

    return read_infra(folder)


def _stacks(files: InfraFiles, environment: str, owner: str) -> Stacks:
    from mlife_assets.adapters.delivery.stacks import Stacks, clients
    from mlife_assets.core.delivery.stacks import account_of

    region = files.accounts["region"]
    return Stacks(clients(region), account_of(files, environment, owner), region, time.sleep)


def _tasks(files: InfraFiles, environment: str) -> RunTasks:
    from mlife_assets.adapters.delivery.smoke import RunTasks

    stacks = _stacks(files, environment, "environment")
    return RunTasks(stacks.of, stacks.account, time.sleep)


def _print(plan: Plan, lines: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(plan))
        return
    say(*lines)
