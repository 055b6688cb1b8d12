from __future__ import annotations

import pytest

from mlife_assets.components.acts.rollback import roll_back
from mlife_assets.core.errors import GateClosedError

WHO = {"actor": "ann", "reason": "read all of it"}


def test_a_rollback_says_who_served_and_who_does(home) -> None:
    done = roll_back(home.platform, **WHO)
    assert (done.model_version, done.previous_version) == home.champions
    assert home.platform.registry.champion() == home.champions[0]
    assert [(row["actor"], row["reason"]) for row in home.events("model_rolled_back")] == [("ann", "read all of it")]


def test_who_saw_another_model_serve_changes_nothing(home) -> None:
    with pytest.raises(GateClosedError, match="look at it again"):
        roll_back(home.platform, serving="mdl_other", **WHO)
    assert home.events("model_rolled_back") == []
