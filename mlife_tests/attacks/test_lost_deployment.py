"""A home that was lost after it texted people, and is put back from the backup of the day before, texts nobody twice.

Ledger and log of that day are gone with it: only the provider knows.
"""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from typing import Any

import pytest

from mlife_assets.adapters.restoring import end_restore
from mlife_assets.components.platform.deployment_backup import back_up, bring_forward, put_back, require_intact_log
from mlife_assets.core.errors import GateClosedError

DAY = date(2026, 6, 2)
NEXT = DAY + timedelta(days=1)


@pytest.fixture
def put_back_home(home: Any, tmp_path: Any) -> Any:
    """Return a home that was backed up after a day, texted people on the next, was lost and put back."""
    home.live()
    backup = back_up(home.platform, tmp_path / "backup", now=home.platform.outcomes_time(DAY))
    home.live(NEXT)
    home.platform.ledger.close()
    shutil.rmtree(home.folder / "lake")
    for folder in ("keys", "heads"):
        shutil.rmtree(home.private / folder)
    for path in home.ledger_files:
        path.unlink()
    home.reopen()
    assert put_back(home.platform, backup).filled > 0
    home.reopen()
    require_intact_log(home.platform)
    bring_forward(home.platform, now=home.platform.outcomes_time(DAY))
    end_restore(home.private)
    return home


def test_a_day_that_the_lost_home_sent_is_sent_to_nobody_again(put_back_home):
    home, before = put_back_home, put_back_home.requests()
    assert not home.platform.event_log.read("message_submitted", start=NEXT, end=NEXT).num_rows
    home.live(NEXT)
    assert home.requests() == before
    assert max(before.values()) == 1
    assert home.platform.gateway.duplicate_sends() == 0
    sent = {row.message_id for row in home.platform.ledger.rows(as_of_date=NEXT) if row.attempts}
    assert sent <= set(before)
    assert len(sent) > 20, "what the provider had taken counts"
    home.live(NEXT + timedelta(days=1))
    assert len(home.requests()) > len(before)
    assert home.platform.gateway.duplicate_sends() == 0


def test_a_provider_that_cannot_be_asked_then_closes_the_gate(put_back_home, monkeypatch):
    home, before = put_back_home, put_back_home.requests()

    def unreachable(message_id: str) -> None:
        raise TimeoutError(message_id)

    home.prepare(NEXT)
    home.plan(NEXT)
    monkeypatch.setattr(home.platform.gateway, "find", unreachable)
    with pytest.raises(GateClosedError, match="TimeoutError"):
        home.send(NEXT)
    assert home.requests() == before
