"""Several alerts are one message for people."""

from __future__ import annotations

from mlife_assets.core.alerts import SPELT_OUT, Alert, message_of


def test_one_message_spells_out_the_newest_and_counts_the_others() -> None:
    alerts = [Alert(f"name-{number}", f"sentence {number}", {}) for number in range(SPELT_OUT + 2)]
    lines = message_of(alerts).splitlines()
    assert lines[:2] == ["mlife: 7 alerts", "... and 2 more, see alerts/ in the lake"]
    assert lines[2:] == [f"sentence {number}" for number in range(2, 7)]
    assert message_of(alerts[:1]) == "mlife: 1 alert\nsentence 0"
