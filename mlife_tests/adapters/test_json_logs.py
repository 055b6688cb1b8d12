"""Log lines as JSON."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from mlife_assets.adapters.json_logs import JsonHandler, json_formatter, log_as_json, logs_json
from mlife_assets.components.graph.partitions import RANGE_END_TAG, RANGE_START_TAG


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


def _facts(message: str, **more: object) -> dict[str, object]:
    facts = {"run_id": "r1", "job_name": "day", "step_key": None, "job_tags": {}, "dagster_event": None}
    return facts | {"orig_message": message} | more


def test_a_line_of_a_run_says_of_which_and_does_not_repeat_it() -> None:
    event = SimpleNamespace(event_type_value="STEP_SUCCESS", event_specific_data=None)
    facts = _facts("it ran", dagster_event=event, job_tags={"dagster/partition": "2026-06-01", "other": "x"})
    assert _line(msg="day - r1 - STEP_SUCCESS - it ran", dagster_meta=facts) == {
        "dagster_event": "STEP_SUCCESS", "event": "it ran", "job": "day", "level": "warning", "logger": "a.b",
        "partition": "2026-06-01", "run_id": "r1",
    }  # fmt: skip


@pytest.mark.parametrize("message", ["", "day", "r"])
def test_a_message_that_is_empty_or_in_the_name_of_its_run_is_a_line_too(message: str) -> None:
    line = _line(msg=f"day - r1 - {message}", dagster_meta=_facts(message))
    assert line == {"event": message, "job": "day", "level": "warning", "logger": "a.b", "run_id": "r1"}


def test_a_line_of_a_range_says_from_when_to_when() -> None:
    tags = {RANGE_START_TAG: "2026-06-01", RANGE_END_TAG: "2026-06-30"}
    line = _line(msg="day - r1 - it ran", dagster_meta=_facts("it ran", job_tags=tags))
    assert (line["partition_first"], line["partition_last"]) == ("2026-06-01", "2026-06-30")


def test_a_failure_brings_what_dagster_caught() -> None:
    caught = SimpleNamespace(error=SimpleNamespace(to_string=lambda: "StepError: why\nStack Trace: where"))
    event = SimpleNamespace(event_type_value="STEP_FAILURE", event_specific_data=caught)
    line = _line(msg="day - r1 - failed\n\nStepError", dagster_meta=_facts("failed", dagster_event=event))
    assert (line["event"], line["exception"]) == ("failed", "StepError: why\nStack Trace: where")


def test_a_process_logs_json_once_asked_and_only_warnings(root: logging.Logger, capsys) -> None:
    assert not logs_json()
    for _ in range(2):
        log_as_json()
    assert logs_json()
    assert sum(isinstance(handler, JsonHandler) for handler in root.handlers) == 1
    logging.getLogger("mlife_assets.some").info("not said")
    logging.getLogger("mlife_assets.some").warning("said")
    logging.getLogger().warning("said by nobody in particular")
    logging.getLogger("of_a_run").warning("said by a run", extra={"dagster_meta": _facts("said by a run")})
    own = logging.getLogger("a_library")
    own.addHandler(logging.NullHandler())
    logging.getLogger("a_library.part").warning("said by one without a handler that writes")
    own.addHandler(logging.StreamHandler(io.StringIO()))
    logging.getLogger("a_library.part").warning("said by one with a handler")
    own.handlers.clear()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    said = [("said", "mlife_assets.some"), ("said by nobody in particular", "root")]
    said += [("said by one without a handler that writes", "a_library.part")]
    assert [(line["event"], line["logger"]) for line in lines] == said
