"""Log lines as JSON."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from mlife_assets.adapters.json_logs import JsonHandler, json_formatter, log_as_json, logs_json


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger, which is left as it was."""
    logger = logging.getLogger()
    before = list(logger.handlers)
    yield logger
    logger.handlers = before


def _line(**changed: object) -> dict[str, object]:
    record = logging.makeLogRecord({"name": "a.b", "levelname": "WARNING", "levelno": logging.WARNING, **changed})
    text = json_formatter().format(record)
    assert "\n" not in text
    found: dict[str, object] = json.loads(text)
    assert str(found.pop("timestamp")).endswith("Z")
    return found


def test_a_line_says_who_logged_what() -> None:
    line = _line(msg="sent %d of %s\nand more", args=(3, "x"))
    assert line == {"event": "sent 3 of x\nand more", "level": "warning", "logger": "a.b"}


def test_an_error_brings_its_traceback() -> None:
    try:
        raise ValueError("broken")
    except ValueError as error:
        line = _line(msg="failed", exc_info=(type(error), error, error.__traceback__))
    assert line["event"] == "failed"
    assert "ValueError: broken" in str(line["exception"])


@pytest.mark.parametrize("error", ["", "\n\ndagster.StepError: why\nStack Trace: where"])
def test_a_line_of_a_run_says_of_which_and_does_not_repeat_it(error: str) -> None:
    facts = {
        "run_id": "r1",
        "job_name": "day",
        "step_key": None,
        "job_tags": {"dagster/partition": "2026-06-01", "other": "x"},
        "orig_message": "it ran",
        "dagster_event": SimpleNamespace(event_type_value="STEP_SUCCESS"),
    }
    line = _line(msg=f"day - r1 - STEP_SUCCESS - it ran{error}", dagster_meta=facts)
    assert line.pop("exception", "") == error.strip()
    assert line == {
        "dagster_event": "STEP_SUCCESS",
        "event": "it ran",
        "job": "day",
        "level": "warning",
        "logger": "a.b",
        "partition": "2026-06-01",
        "run_id": "r1",
    }


def test_a_process_logs_json_once_asked_and_only_warnings(root: logging.Logger, capsys) -> None:
    assert not logs_json()
    for _ in range(2):
        log_as_json()
    assert logs_json()
    assert sum(isinstance(handler, JsonHandler) for handler in root.handlers) == 1
    logging.getLogger("mlife_assets.some").info("not said")
    logging.getLogger("mlife_assets.some").warning("said")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["logger"]) for line in lines] == [("said", "mlife_assets.some")]
