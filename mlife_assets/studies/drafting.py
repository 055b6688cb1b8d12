"""Draft a spec from a table: which column is what, by type, name and values, each guess with its reason.

Concept: a draft is a beginning. What decides whether a model can be believed, above all the day on which a label is
known for good, no table says; so each guess says whether it is sure, and the draft is for somebody to correct.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.quoting import quoted
from mlife_assets.studies.answers import Answer
from mlife_assets.studies.frames import Table, source_of

ROWS = 20_000
VALUES_OF_CATEGORY = 200
IDENTIFIER_SHARE = 0.5
"""Distinct values per row from which on a text column tells rows apart and says nothing of others."""
YES = ({"yes", "no"}, {"y", "n"}, {"true", "false"}, {"t", "f"})
OF_LABEL = re.compile(r"^(y|label|target|outcome|is_.*|has_.*|was_.*|.*(convert|churn|click|bought|order|sold).*)$")
OF_LABEL_TIME = re.compile(r"known|expir|matur|due|end|clos|resol|label|final|until|arriv")
OF_ENTITY = re.compile(r"(^|_)(id|key|no|number|uuid|who)$|customer|user|account|client|person|member|entity|patient")


@dataclass(frozen=True)
class Guess:
    """One guess: a role of the spec, its column, why, and whether that leaves little doubt."""

    role: str
    column: str
    reason: str
    is_sure: bool = True


@dataclass
class _Draft:
    """A spec that grows: columns without a role, guesses, derived columns and roles."""

    rows: pa.Table
    free: list[str]
    guesses: list[Guess] = field(default_factory=list)
    derive: dict[str, str] = field(default_factory=dict)
    roles: dict[str, Any] = field(default_factory=dict)

    def give(self, role: str, column: str, reason: str, *, is_sure: bool = True, sql: str | None = None) -> None:
        """Give a column, or one that SQL derives, a role."""
        self.roles[role] = column
        self.guesses.append(Guess(role, column, reason, is_sure))
        if sql is not None:
            self.derive[column] = sql
        self.free = [name for name in self.free if name != column]

    def derived(self, wanted: str) -> str:
        """Return a name that no column has."""
        while wanted in self.rows.column_names:
            wanted += "_"
        return wanted


def draft_spec(table: Table) -> Answer:
    """Return the draft of a spec for a table: its record has `spec` and `guesses`, its lines are the guesses.

    Raises:
        NotFoundError: there is no such file.
        InvalidInputError: the file cannot be read.
    """
    from mlife_assets.adapters.example_files import read_sample

    rows = read_sample(source_of(table), ROWS)
    draft = _Draft(rows, [name for name in rows.column_names if rows[name].null_count < rows.num_rows])
    _label(draft)
    _times(draft)
    _entity(draft)
    _features(draft)
    spec: dict[str, Any] = {"title": "A conversion model", "outcome": "the outcome happens"}
    spec |= {"derive": draft.derive} if draft.derive else {}
    spec["roles"] = {name: draft.roles[name] for name in ROLES if name in draft.roles}
    lines = [f"{'' if one.is_sure else 'unsure: '}{one.role}: {one.column}: {one.reason}" for one in draft.guesses]
    return Answer(
        tuple(lines),
        {"spec": spec, "guesses": [asdict(one) for one in draft.guesses]},
        is_well=all(one.is_sure for one in draft.guesses),
    )


ROLES = ("entity", "time", "label", "label_time", "features", "categoricals")


def _label(draft: _Draft) -> None:
    binary = [name for name in draft.free if _is_binary(draft.rows[name])]
    named = [name for name in binary if OF_LABEL.search(name.lower())]
    if not binary:
        draft.give("label", draft.derived("label"), "no column has two values; say by SQL what happened", is_sure=False,
                   sql="false")  # fmt: skip
        return
    name = (named or binary)[-1]
    others = [one for one in (named or binary) if one != name]
    reason = f"it has two values{', and its name is that of an outcome' if named else ''}"
    if others:
        reason += f"; so has {', '.join(others)}"
    values = draft.rows[name]
    if pa.types.is_string(values.type):
        yes = next(value for value in pc.unique(values).to_pylist() if value and value.lower()[0] in "yt")
        draft.free.remove(name)
        literal = yes.replace("'", "''")
        draft.give("label", draft.derived(f"is_{name}"), f"{name} is {quoted(yes)}; {reason}", is_sure=not others,
                   sql=f"\"{name}\" = '{literal}'")  # fmt: skip
    else:
        draft.give("label", name, reason, is_sure=not others)


def _times(draft: _Draft) -> None:
    types, kinds = pa.types, {name: draft.rows[name].type for name in draft.free}
    days = {
        name: _days(draft.rows[name]) for name, one in kinds.items() if types.is_date(one) or types.is_timestamp(one)
    }
    ends = [name for name in days if OF_LABEL_TIME.search(name.lower())]
    begins = [name for name in days if name not in ends] or list(days)
    lower = {name.lower(): name for name in draft.free}
    if begins:
        others = begins[1:]
        reason = f"the first column of days{'; others are ' + ', '.join(others) if others else ''}"
        draft.give("time", begins[0], reason, is_sure=not others)
    elif {"year", "month", "day"} <= lower.keys():
        parts = ", ".join(f'"{lower[name]}"' for name in ("year", "month", "day"))
        draft.give("time", draft.derived("date"), "of year, month and day", sql=f"make_date({parts})")
        draft.free = [name for name in draft.free if name.lower() not in ("year", "month", "day")]
    else:
        draft.give("time", draft.derived("date"), "no column holds days; write which day a row is of", is_sure=False,
                   sql="date '2026-01-01'")  # fmt: skip
    time = draft.roles["time"]
    after = [name for name in (*ends, *begins) if name != time and time in days and _is_after(days[name], days[time])]
    if after:
        draft.give("label_time", after[0], f"it is always after {time}; is the label known by then, whatever it is?",
                   is_sure=len(after) == 1 and after[0] in ends)  # fmt: skip
    else:
        draft.give("label_time", draft.derived("known_on"), "no column says when a label is known for good; after how "
                   "many days is it, whatever it is?", is_sure=False,
                   sql=f'cast("{time}" as date) + 1')  # fmt: skip
    draft.free = [name for name in draft.free if name not in days]
    draft.guesses += [Guess("left out", name, "a day; derive a number of days from it") for name in days
                      if name not in draft.roles.values()]  # fmt: skip


def _entity(draft: _Draft) -> None:
    kinds = (pa.types.is_integer, pa.types.is_string, pa.types.is_large_string)
    able = [name for name in draft.free if any(is_kind(draft.rows[name].type) for is_kind in kinds)]
    named = [name for name in able if OF_ENTITY.search(name.lower()) and _distinct(draft.rows, [name]) > 2]
    time = draft.roles["time"]
    beside = [time] if time in draft.rows.column_names else []
    once = [name for name in named if _distinct(draft.rows, [name, *beside]) == draft.rows.num_rows]
    if named:
        name = (once or named)[0]
        when = "day" if beside else "row"
        reason = f"its name, and {'it occurs once a ' + when if once else 'it occurs several times a ' + when}"
        draft.give("entity", name, reason, is_sure=bool(once) and len(named) == 1)
        return
    draft.give("entity", draft.derived("row_number"), "no column looks like somebody; each row is its own",
               is_sure=False, sql="row_number() over ()")  # fmt: skip


def _features(draft: _Draft) -> None:
    found: dict[str, list[str]] = {"features": [], "categoricals": []}
    for name in draft.free:
        values = draft.rows[name]
        count = _distinct(draft.rows, [name])
        if count < 2:
            draft.guesses.append(Guess("left out", name, "it has one value"))
        elif _is_number(values.type):
            found["features"].append(name)
            if OF_ENTITY.search(name.lower()):
                draft.guesses.append(Guess("features", name, "a number, but its name is that of an id", is_sure=False))
        elif count > max(VALUES_OF_CATEGORY, IDENTIFIER_SHARE * draft.rows.num_rows):
            draft.guesses.append(Guess("left out", name, f"text with {count:,} values"))
        else:
            found["categoricals"].append(name)
    for role, names in found.items():
        if names:
            draft.roles[role] = names
            what = "numbers" if role == "features" else "text"
            draft.guesses.append(
                Guess(role, ", ".join(names), f"{what}; are all known on the morning of the day?", is_sure=False)
            )


def _is_binary(values: pa.ChunkedArray) -> bool:
    if pa.types.is_boolean(values.type):
        return True
    found = {value for value in pc.unique(values).to_pylist() if value is not None} if _is_short(values) else set()
    return found == {0, 1} or ({str(value).lower() for value in found} in YES and len(found) == 2)


def _is_short(values: pa.ChunkedArray) -> bool:
    return bool(pc.count_distinct(values).as_py() == 2) and not pa.types.is_temporal(values.type)


def _is_number(kind: pa.DataType) -> bool:
    types = pa.types
    return any(one(kind) for one in (types.is_integer, types.is_floating, types.is_boolean, types.is_decimal))


def _days(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return values.cast(pa.timestamp("us"), safe=False).cast(pa.date32(), safe=False)


def _is_after(known: pa.ChunkedArray, days: pa.ChunkedArray) -> bool:
    return bool(pc.all(pc.greater(known, days)).as_py())


def _distinct(rows: pa.Table, names: list[str]) -> int:
    return int(rows.select(names).group_by(names).aggregate([]).num_rows)
