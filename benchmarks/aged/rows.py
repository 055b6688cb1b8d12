"""Moving what a day left to an earlier day: rows of events, names, texts with dates in them.

Concept: people, employers and models stay who they are; whatever happens once (an event, a job, a text, a plan) gets a
name of its own in each repetition, the same wherever it is named, so that a click still leads to its impression.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.compute as pc

JOB_IDS = frozenset({"job_id"})
OWN_IDS = frozenset(
    {
        "event_id",
        "message_id",
        "exposure_id",
        "prediction_id",
        "plan_id",
        "plan_digest",
        "inbound_id",
        "apply_event_id",
        "decision_id",
        "provider_message_id",
    }
)
_DATE = re.compile(r"(?<!\d)(20\d\d)-(\d\d)-(\d\d)(?!\d)")


@dataclass(frozen=True)
class Move:
    """From a day of the young home to an older one.

    Attributes:
        block: which repetition, 1 being the one before the young home's own days.
        days: how many days back.
        detour: days between the day that is repeated and its own place in the block; 0 where it lies there.
    """

    block: int
    days: int
    detour: int = 0

    @property
    def job_mark(self) -> str:
        """What ids of jobs end in: one job has one id in a repetition."""
        return f"_p{self.block}"

    @property
    def mark(self) -> str:
        """What other ids end in."""
        return self.job_mark if self.detour == 0 else f"{self.job_mark}d{self.detour}"

    def moved_id(self, text: str) -> str:
        """Return an id that is no job's."""
        return text + self.mark

    def moved_day(self, day: date) -> date:
        """Return a day."""
        return day - timedelta(days=self.days)

    def moved_text(self, text: str) -> str:
        """Return a text in which every ISO date was moved, times of day kept."""
        return _DATE.sub(self._moved_match, text)

    def _moved_match(self, match: re.Match[str]) -> str:
        try:
            found = date(int(match[1]), int(match[2]), int(match[3]))
        except ValueError:
            return match[0]
        return self.moved_day(found).isoformat()


def moved_rows(rows: pa.Table, move: Move) -> pa.Table:
    """Return events as they happened that many days earlier, under ids of their own."""
    arrays = [_moved(field, rows[field.name].combine_chunks(), move) for field in rows.schema]
    return pa.table(arrays, schema=rows.schema)


def _moved(field: pa.Field, column: pa.Array, move: Move) -> pa.Array:
    if pa.types.is_timestamp(field.type):
        back = pa.scalar(timedelta(days=move.days), pa.duration(field.type.unit))
        return pc.subtract(column, back).cast(field.type)
    if pa.types.is_date32(field.type):
        return pc.subtract(column.cast(pa.int32()), pa.scalar(move.days, pa.int32())).cast(field.type)
    if pa.types.is_string(field.type) and field.name in JOB_IDS | OWN_IDS:
        return _marked(column, move.job_mark if field.name in JOB_IDS else move.mark)
    if pa.types.is_list(field.type) and pa.types.is_struct(field.type.value_type):
        values = column.flatten()
        parts = [_moved(one, values.field(place), move) for place, one in enumerate(field.type.value_type)]
        inner = pa.StructArray.from_arrays(parts, fields=list(field.type.value_type))
        lengths = pc.list_value_length(column).fill_null(0).to_numpy(zero_copy_only=False)
        offsets = pa.array([0, *lengths.cumsum().tolist()], pa.int32())
        return pa.ListArray.from_arrays(offsets, inner).cast(field.type)
    return column


def _marked(column: pa.Array, mark: str) -> pa.Array:
    return pc.binary_join_element_wise(column, pa.scalar(mark), "")


def with_value(rows: pa.Table, name: str, value: str) -> pa.Table:
    """Return rows of which all have one value in a column of text."""
    place = rows.schema.get_field_index(name)
    return rows.set_column(
        place, rows.schema.field(place), pa.array([value] * rows.num_rows, rows.schema.field(place).type)
    )
