"""What rows that came late changed: the labels that clicks and applies moved, the exposures that impressions added.

Concept: a label is what `dbt_project/macros/labelled_exposures.sql` makes it. An outcome counts when it names the
exposure, happened within its window and was known before the label became final, as the longest window had closed. So a
late row moves a label that is open and has no such outcome yet. A label that was final stays as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.recruiting.policies import LabelPolicy

EXPOSURE = "impression"
WINDOWS = {"click": "click_window_days", "apply": "apply_window_days"}
"""Event types that labels are made of, with the window of each in `LabelPolicy`. No label is made of hires."""


@dataclass(frozen=True)
class LateRows:
    """The effect of late rows of an event type.

    Attributes:
        event_type: their type.
        rows: how many came late.
        first_day: the first day on which one happened.
        last_day: the last one.
        moved: labels that have this outcome only because of the late rows; for impressions, exposures that
            were added and get a label.
        first_exposure_day: the first day of the exposures of these labels, None without any.
        last_exposure_day: the last one.
        too_late: rows that moved none because the label was final.
    """

    event_type: str
    rows: int
    first_day: date
    last_day: date
    moved: int
    first_exposure_day: date | None
    last_exposure_day: date | None
    too_late: int


def exposures_of(impressions: pa.Table, planned: pa.Table, statuses: pa.Table) -> pa.Table:
    """Return exposures: `exposure_id`, `occurred_at`, `observed_at`.

    Args:
        impressions: one row per event, with its id and both times.
        planned: messages (`message_id`, `channel`), by time of observation.
        statuses: what became of messages (`message_id`, `status`), by time of observation.
    """
    names = ["exposure_id", "occurred_at", "observed_at"]
    delivered = _first_of_each(statuses.filter(pc.equal(statuses["status"], "delivered")), "message_id")
    texts = _first_of_each(planned, "message_id").select(["message_id", "channel", "observed_at"])
    shown = delivered.join(texts, "message_id", join_type="inner", right_suffix="_planned")
    shown = shown.filter(pc.equal(shown["channel"], "sms"))
    known_at = _later(shown["observed_at"], shown["observed_at_planned"])
    messages = pa.table([shown["message_id"], shown["occurred_at"], known_at], names=names)
    organic = pa.table([impressions[name] for name in ("event_id", *names[1:])], names=names)
    return pa.concat_tables([organic, messages])


def label_windows(policy: LabelPolicy) -> dict[str, int]:
    """Return within how many days an event of a type is the outcome of an exposure, of the types labels are made of."""
    return {name: int(getattr(policy, window)) for name, window in WINDOWS.items()}


def late_rows(
    event_type: str, late: pa.Table, known: pa.Table, exposures: pa.Table, windows: Mapping[str, int]
) -> LateRows:
    """Return what late rows changed; what became known after them changes nothing of that.

    Args:
        event_type: their type.
        late: the late rows, one per event: `event_id`, `exposure_id` and both times. An impression is its own exposure.
        known: the same of all events of the type about these exposures, the late ones included, each as it was first
            observed.
        exposures: these exposures, as `exposures_of`.
        windows: those of all labels, as `label_windows`.
    """
    marked = late.select(["event_id", "observed_at"]).append_column("is_late", pa.array([True] * late.num_rows))
    shown = exposures.rename_columns(["exposure_id", "shown_at", "shown_known_at"])
    rows = known.join(marked, ["event_id", "observed_at"]).join(shown, "exposure_id", join_type="inner")
    closes_at = pc.add(rows["shown_at"], timedelta(days=windows.get(event_type, 0)))
    rows = rows.filter(pc.less_equal(rows["occurred_at"], closes_at))
    last_days = _day_numbers(rows["shown_at"]) + max(windows.values())
    known_at = _later(rows["observed_at"], rows["shown_known_at"])
    is_open = pa.array(_day_numbers(known_at) <= last_days)
    is_late = pc.and_(pc.is_valid(rows["is_late"]), pc.less_equal(rows["shown_known_at"], rows["observed_at"]))
    rows = rows.set_column(rows.column_names.index("is_late"), "is_late", is_late)
    order = [(name, "ascending") for name in ("observed_at", "occurred_at", "event_id")]
    decisive = _first_of_each(rows.filter(is_open).sort_by(order), "exposure_id")
    moved = decisive.filter(decisive["is_late"])
    too_late = rows.filter(pc.and_(rows["is_late"], pc.invert(is_open)))
    first_day, last_day = _bounds(late["occurred_at"])
    return LateRows(
        event_type, late.num_rows, first_day, last_day, moved.num_rows, *_bounds(moved["shown_at"]), too_late.num_rows
    )


def _first_of_each(rows: pa.Table, key: str) -> pa.Table:
    _, places = np.unique(np.asarray(rows[key].to_pylist(), dtype=str), return_index=True)
    return rows.take(pa.array(np.sort(places), pa.int64()))


def _later(first: pa.ChunkedArray, second: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.less(first, second), second, first)


def _day_numbers(times: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    return np.asarray(times.cast(pa.date32()).cast(pa.int32()).to_numpy(), dtype=np.int64)


def _bounds(times: pa.ChunkedArray) -> tuple[Any, Any]:
    bounds = pc.min_max(times.cast(pa.date32())).as_py()
    return bounds["min"], bounds["max"]
