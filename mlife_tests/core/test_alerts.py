"""An alert in words: which job, which day, why, and where to read on."""

from __future__ import annotations

from mlife_assets.core.alerts import MESSAGE_CHARACTERS, SPELT_OUT, Alert, message_of, sentence

FAILED = Alert(
    "run-1",
    {
        "job": "daily_lifecycle_job",
        "partition": "2026-06-02",
        "message": "no row landed\nTraceback ...",
        "runbook": "docs/runbooks/failed_run.md",
    },
)


def test_a_failed_run_says_which_day_why_and_what_to_do() -> None:
    assert sentence(FAILED) == (
        "daily_lifecycle_job failed for 2026-06-02: no row landed (docs/runbooks/failed_run.md)"
    )


def test_what_is_not_known_is_left_out() -> None:
    assert sentence(Alert("retraining-2026-06-02", {})) == "retraining-2026-06-02"
    assert sentence(Alert("x", {"job": "metrics_job", "partition": None, "message": ""})) == "metrics_job failed"


def test_a_long_message_is_cut() -> None:
    assert len(sentence(Alert("x", {"job": "j", "message": "m" * 5_000}))) == len("j failed: ") + MESSAGE_CHARACTERS


def test_one_message_spells_out_the_newest_and_counts_the_others() -> None:
    alerts = [Alert(f"alert-{number}", {}) for number in range(SPELT_OUT + 2)]
    lines = message_of(alerts).splitlines()
    assert lines[:2] == ["mlife: 7 alerts", "... and 2 more, see alerts/ in the lake"]
    assert lines[2:] == [f"alert-{number}" for number in range(2, 7)]
    assert message_of(alerts[:1]) == "mlife: 1 alert\nalert-0"
