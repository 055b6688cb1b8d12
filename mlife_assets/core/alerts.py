"""Alerts: what a person has to look at, and the words in which a person learns of it.

Belongs here: the record, its sentence. Does not belong here: when there is one, keeping and sending them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SPELT_OUT = 5
"""Alerts that one message spells out; a chat shows a screen of them, the rest is counted."""
MESSAGE_CHARACTERS = 300
"""Of an error: its first line says what is wrong, the run says the rest."""


@dataclass(frozen=True)
class Alert:
    """One alert.

    Attributes:
        name: identifies it for ever.
        facts: what is known of it: `job`, `partition`, `message`, `runbook` where they are known, `raised_at`, others.
    """

    name: str
    facts: Mapping[str, str | None]


def sentence(alert: Alert) -> str:
    """Return an alert as one line for people."""
    job, partition = alert.facts.get("job"), alert.facts.get("partition")
    what = f"{job} failed" if job else alert.name
    when = f" for {partition}" if partition else ""
    lines = str(alert.facts.get("message") or "").strip().splitlines()
    why = f": {lines[0][:MESSAGE_CHARACTERS]}" if lines else ""
    runbook = alert.facts.get("runbook")
    return f"{what}{when}{why}" + (f" ({runbook})" if runbook else "")


def message_of(alerts: Sequence[Alert]) -> str:
    """Return alerts as the text of one message: the newest last, and how many are not spelt out."""
    shown = [sentence(alert) for alert in alerts[-SPELT_OUT:]]
    hidden = len(alerts) - len(shown)
    head = f"mlife: {len(alerts)} alert{'s' if len(alerts) > 1 else ''}"
    more = [f"... and {hidden} more, see alerts/ in the lake"] if hidden else []
    return "\n".join([head, *more, *shown])
