"""Alerts: what a person has to look at, as one message for several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SPELT_OUT = 5
"""Alerts that one message spells out; a chat shows a screen of them, the rest is counted."""


@dataclass(frozen=True)
class Alert:
    """One alert.

    Attributes:
        name: identifies it for ever.
        sentence: what it says, in a line.
        facts: what is known of it.
    """

    name: str
    sentence: str
    facts: Mapping[str, str | None]


def message_of(alerts: Sequence[Alert]) -> str:
    """Return alerts as the text of one message: the newest last, and how many are not spelt out.

    A stranger's words stay a line of plain characters: Slack reads `<!channel>` and `<link|words>` anywhere.
    """
    shown = ["".join(one if one.isprintable() else "?" for one in alert.sentence) for alert in alerts[-SPELT_OUT:]]
    hidden = len(alerts) - len(shown)
    head = f"mlife: {len(alerts)} alert{'s' if len(alerts) > 1 else ''}"
    more = [f"... and {hidden} more, see alerts/ in the lake"] if hidden else []
    return "\n".join([head, *more, *shown]).translate(str.maketrans("<>", "()"))
