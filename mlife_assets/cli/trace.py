"""`mlife trace`: one text, from raw event to conversion.

Concept: every line names the event that proves it and both of its times. Score and reasons are computed again from the
logged feature row and the stored model; a trace that cannot do so to the bit fails.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from mlife_assets.cli.options import AsJson, Home, open_platform, settings_of
from mlife_assets.cli.output import answer_console, moment, print_json, progress

if TYPE_CHECKING:
    from rich.tree import Tree

    from mlife_assets.recruiting.message_trace import Hop, MessageTrace

ALTERNATIVES = 5


def trace(
    message_id: Annotated[
        str,
        typer.Argument(metavar="MESSAGE_ID", help="The id of a text; `mlife status` shows one.", show_default=False),
    ],
    alternatives: Annotated[
        int, typer.Option("--alternatives", min=0, help="How many of the person's best-ranked jobs to show.")
    ] = ALTERNATIVES,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Follow one text through every hop, with ids and both times, and compute its score and reasons again.

    Exit codes: 0 every hop was found, score and reasons are as logged; 1 no such text, or one does not match.
    """
    from mlife_assets.adapters.message_trace import trace_message

    platform = open_platform(settings_of(home))
    with progress("following the event log"):
        found = trace_message(platform.event_log, message_id, platform.of_model().scorers.of)
    is_recomputed = any(hop.event_type == "prediction" for hop in found.hops)
    if as_json:
        document = asdict(found)
        document["alternatives"] = [dict(row) for row in found.alternatives[:alternatives]]
        print_json(document | {"is_recomputed": is_recomputed})
        return
    answer_console().print(_tree(found, alternatives, is_recomputed), soft_wrap=True)


def _tree(found: MessageTrace, alternatives: int, is_recomputed: bool) -> Tree:
    from rich.text import Text
    from rich.tree import Tree

    root = Tree(Text(found.message_id, style="bold"), guide_style="dim")
    branches: dict[str, Tree] = {}
    predictions = [hop.details["prediction_id"] for hop in found.hops if hop.event_type == "prediction"]
    first = predictions[0] if predictions else None
    for hop in found.hops:
        if hop.stage not in branches:
            branches[hop.stage] = root.add(Text(hop.stage, style="bold cyan"))
        _add_hop(branches[hop.stage], hop)
        if hop.event_type == "prediction" and hop.details["prediction_id"] == first:
            _add_prediction(branches[hop.stage], found, str(hop.details["prediction_id"]), alternatives)
    if not is_recomputed:
        root.add(Text("no model chose this text, so there is no score to compute again", style="dim"))
    return root


def _add_hop(branch: Tree, hop: Hop) -> None:
    from rich.text import Text

    title = Text(hop.event_type, style="bold").append(f"  event {hop.event_id}", style="dim")
    node = branch.add(title)
    node.add(Text(f"occurred {moment(hop.occurred_at)}, observed {moment(hop.observed_at)}", style="dim"))
    for name, value in hop.details.items():
        if isinstance(value, list):
            below = node.add(Text(f"{name}:"))
            for one in value:
                below.add(Text(str(one)))
        elif value is not None:
            node.add(Text(f"{name}: {value}"))


def _add_prediction(branch: Tree, found: MessageTrace, prediction_id: str, alternatives: int) -> None:
    """Add what belongs to the score: its features, that it holds, what else was ranked for the person."""
    from rich.text import Text

    features = branch.add(Text("features, as logged", style="bold"))
    features.add(Text(", ".join(f"{name} {value:.4g}" for name, value in found.features.items())))
    branch.add(
        Text("scores computed again from the logged features and the stored model: the same to the bit", style="green")
    )
    branch.add(Text("reasons computed again: the same words", style="green"))
    shown = found.alternatives[:alternatives]
    if shown:
        ranked = branch.add(Text(f"best-ranked jobs for this person, {len(shown)} of {len(found.alternatives)}"))
        for row in shown:
            mark = "  <- this text" if row["prediction_id"] == prediction_id else ""
            click = "" if row["click_probability"] is None else f", of a click {row['click_probability']:.4f}"
            ranked.add(Text(f"{row['rank']}. {row['job_id']}  probability {row['probability']:.4f}{click}{mark}"))
