"""Log lines as JSON, for collectors.

Concept: lines have the fields of Dagster's own services (`--log-format json`): `timestamp`, `level`, `logger`, `event`.
Lines of a run also name run, job, step and partition, so that one line leads to the rest in the UI.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

_OF_RUNS = {"run_id": "run_id", "job_name": "job", "step_key": "step"}
_OF_TAGS = {
    "dagster/partition": "partition",
    "dagster/asset_partition_range_start": "partition_first",
    "dagster/asset_partition_range_end": "partition_last",
}


def json_formatter() -> logging.Formatter:
    """Return a formatter that writes a record as one line of JSON."""
    import structlog

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_logger_name,
            structlog.stdlib.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _of_run,
        ],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
    )


class JsonHandler(logging.StreamHandler[Any]):
    """Writes records to stderr, one line of JSON each: stdout holds a command's answer."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(json_formatter())


def logs_json() -> bool:
    return any(isinstance(handler, JsonHandler) for handler in logging.getLogger().handlers)


def log_as_json() -> None:
    """Log as JSON from now on, warnings and worse; repeated calls change nothing."""
    if not logs_json():
        handler = JsonHandler()
        handler.addFilter(_is_written_by_nobody_else)
        logging.getLogger().addHandler(handler)


def _is_written_by_nobody_else(record: logging.LogRecord) -> bool:
    """Return whether a record is neither a run's nor a library's with its own output."""
    if hasattr(record, "dagster_meta"):
        return False
    logger = logging.getLogger(record.name)
    while logger.parent is not None:  # the root has no parent
        if not all(isinstance(handler, logging.NullHandler) for handler in logger.handlers):
            return False
        logger = logger.parent
    return True


def _of_run(_: logging.Logger, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add Dagster's fields of the record's run, which its message then need not repeat."""
    facts = getattr(line["_record"], "dagster_meta", None)
    if facts is None:
        return line
    line.update({ours: facts[theirs] for theirs, ours in _OF_RUNS.items() if facts[theirs]})
    line.update({ours: facts["job_tags"][theirs] for theirs, ours in _OF_TAGS.items() if theirs in facts["job_tags"]})
    line["event"] = facts["orig_message"]
    if (event := facts["dagster_event"]) is not None:
        line["dagster_event"] = event.event_type_value
        if (error := getattr(event.event_specific_data, "error", None)) is not None:
            line["exception"] = error.to_string()
    return line
