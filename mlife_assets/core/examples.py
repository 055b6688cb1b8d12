"""Examples: the roles of their columns (entity, item, time, label, features).

Concept: later steps use roles, not column names, so a new use of the lifecycle names its columns once. An example
without a label time cannot be shown to be mature, so the role is not optional. A step that is complete before the label
may have a time of its own, and is then learned sooner; so may an early label, where nearly all labels are known by
then. The item is optional: without one examples are judged by average precision over all rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.quoting import quoted

HUMAN_COLUMN = "human_score"
"""Score of the human ranking, in tables of examples."""
OPTIONAL_ROLES = ("features", "categoricals", "early_label")
"""Roles whose values may be missing."""


@dataclass(frozen=True)
class RateRole:
    """A rate that is smoothed by a prior fitted with the model: `name` = `successes` / `trials`, both features."""

    name: str
    successes: str
    trials: str


@dataclass(frozen=True)
class ExampleSpec:
    """Roles of the columns of an examples table.

    Attributes:
        entity: subject of an example; each has its own ranking.
        time: day of the exposure, which is the day of the features (date).
        label: whether the outcome happened (boolean).
        label_time: first day as of which the label is complete (date).
        features: numeric inputs of a model.
        item: ranked object; None without a ranking.
        categoricals: text inputs of a model.
        funnel: boolean columns of the steps before the label, in order; a model may learn each step.
        funnel_times: per step, the first day as of which it is complete (date), if earlier than the label's; empty for
            the label's time. Columns may repeat, also the label's.
        early_label: whether the label had happened when the last step of the funnel was complete (boolean, null where
            that is not known). It is the target of rows too young for the label and judges no model. None without one.
        rates: ratios of two features, smoothed towards the prior, so that new users and items have one.
        vocabularies: all values of a categorical, where they are known beforehand; else those of the training rows.
        prediction: probability of the label by a model that serves already; no input of a model. None without one.
    """

    entity: str
    time: str
    label: str
    label_time: str
    features: tuple[str, ...]
    item: str | None = None
    categoricals: tuple[str, ...] = ()
    funnel: tuple[str, ...] = ()
    funnel_times: tuple[str, ...] = ()
    early_label: str | None = None
    rates: tuple[RateRole, ...] = ()
    vocabularies: tuple[tuple[str, tuple[str, ...]], ...] = ()
    prediction: str | None = None

    def __post_init__(self) -> None:
        """Refuse a column with two roles, an empty name, no features, a rate of unknown features, missing times."""
        seen: dict[str, str] = {}
        for role, name in (*self._roles(), *(("rates", rate.name) for rate in self.rates)):
            if not name:
                raise InvalidInputError(f"the role {role} is empty; name a column")
            if name in seen:
                raise InvalidInputError(
                    f"the role {role} names {name}, which is its {seen[name]} already; give each column one role"
                )
            seen[name] = role
        if not self.features and not self.categoricals:
            raise InvalidInputError("the role features is empty; name at least one feature")
        if self.funnel_times and len(self.funnel_times) != len(self.funnel):
            raise InvalidInputError(
                f"the role funnel_times names {len(self.funnel_times)} columns for the {len(self.funnel)} of the "
                "funnel; name one for each, or none"
            )
        if self.early_label is not None and not self.funnel_times:
            raise InvalidInputError(
                f"the role early_label names {self.early_label}, but funnel_times says of no step when it is "
                "complete; name the times of the funnel, or no early label"
            )
        for rate in self.rates:
            for name in (rate.successes, rate.trials):
                if name not in self.features:
                    raise InvalidInputError(f"the role rates: {rate.name} uses {name}; list it under features")
        for name, _ in self.vocabularies:
            if name not in self.categoricals:
                raise InvalidInputError(f"the role vocabularies names {name}; list it under categoricals")

    @property
    def fitted(self) -> tuple[str, ...]:
        """Columns whose vocabulary or prior is fitted, each once."""
        counts = [name for rate in self.rates for name in (rate.successes, rate.trials)]
        return tuple(dict.fromkeys((*self.categoricals, *counts)))

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, each once."""
        return tuple(name for _, name in self._roles())

    @property
    def ids(self) -> tuple[str, ...]:
        """Columns that identify a row: the entity's, and the item's if there is one."""
        return (self.entity,) if self.item is None else (self.entity, self.item)

    @property
    def steps(self) -> tuple[str, ...]:
        """The funnel with the label as its last step."""
        return (*self.funnel, self.label)

    @property
    def step_times(self) -> dict[str, str]:
        """Steps in order, each with the column of the first day as of which it is complete."""
        times = self.funnel_times or (self.label_time,) * len(self.funnel)
        return dict(zip(self.steps, (*times, self.label_time), strict=True))

    @property
    def early_time(self) -> str:
        """Column of the first day as of which the early label is complete: that of the last step before the label."""
        return self.funnel_times[-1] if self.funnel_times else self.label_time

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> ExampleSpec:
        """Return the spec of a JSON object whose keys are the attributes.

        Raises:
            InvalidInputError: a key is unknown or missing, or a value has the wrong form; names the key.
        """
        known = {field.name for field in fields(cls)}
        for name in record:
            if name not in known:
                raise InvalidInputError(
                    f"the spec has an unknown key {quoted(name)}; known are {', '.join(sorted(known))}"
                )
        for name in ("entity", "time", "label", "label_time", "features"):
            if name not in record:
                raise InvalidInputError(f"the spec lacks {name}; name the column that is its {name}")
        values: dict[str, Any] = {}
        for name, value in record.items():
            if name in LISTS:
                values[name] = LISTS[name](name, value)
            elif value is not None and not isinstance(value, str):
                raise InvalidInputError(f"the spec's {name} is {quoted(value)}; write the name of a column")
            else:
                values[name] = value
        return cls(**values)

    @classmethod
    def from_json(cls, text: str) -> ExampleSpec:
        """Return the spec of a JSON object. Raises InvalidInputError if it is not one or does not fit."""
        try:
            record = json.loads(text)
        except json.JSONDecodeError as error:
            raise InvalidInputError(f"the spec is not JSON: {error}; write one object of column roles") from error
        if not isinstance(record, dict):
            raise InvalidInputError("the spec is not a JSON object; write one object of column roles")
        return cls.from_record(record)

    def to_record(self) -> dict[str, Any]:
        """Return the attributes; no prediction is left out, so that hashes of roles are those of before it was one."""
        return {name: value for name, value in asdict(self).items() if name != "prediction" or value is not None}

    def to_json(self) -> str:
        """Return canonical JSON for `from_json`: attributes sorted by name, all else in its own order."""
        record = self.to_record() | {"vocabularies": dict(self.vocabularies)}
        return json.dumps({name: record[name] for name in sorted(record)}, indent=1)

    def faults(self, examples: pa.Table) -> Iterator[str]:
        """Yield each fault with column, row, remedy: a missing column, type or value, or an outcome that is complete
        before its exposure ended, or a step after the label.
        """
        sound = set()
        for role, name in self._roles():
            if name not in examples.column_names:
                yield f"examples lack column {name}, the {role}; add it or change the role {role}"
            elif fault := _type_fault(role, name, examples.schema.field(name).type):
                yield fault
            elif role not in OPTIONAL_ROLES and examples[name].null_count:
                row = _first(examples[name].is_null())
                yield f"{name} is null in row {row}; every example needs its {role}"
            else:
                sound.add(name)
        ordered = [
            (self.time, known, pc.less_equal, f"is not after {self.time}; a label is complete after its window")
            for known in dict.fromkeys((self.label_time, *self.funnel_times))
        ]
        ordered += [
            (
                self.label_time,
                known,
                pc.greater,
                f"is after {self.label_time}; a step is complete when the label is, or sooner",
            )
            for known in dict.fromkeys(self.funnel_times)
        ]
        for other, known, is_wrong, words in ordered:
            if {other, known} <= sound and (row := _first(is_wrong(examples[known], examples[other]))) is not None:
                yield f"{known} in row {row} {words}"
        early = (
            () if self.early_label is None else ((self.label, self.early_label, "what happened early has happened"),)
        )
        steps = ((*pair, "a step needs the one before") for pair in zip(self.steps, self.steps[1:], strict=False))
        for before, after, words in (*early, *steps):
            wrong = None
            if {before, after} <= sound:
                wrong = _first(pc.and_(examples[after], pc.invert(examples[before])))
            if wrong is not None:
                yield f"{after} is true in row {wrong} without {before}; {words}"

    def _roles(self) -> Iterator[tuple[str, str]]:
        for role in ("entity", "item", "time", "label", "label_time", "early_label", "prediction"):
            name = getattr(self, role)
            if name is not None or role not in ("item", "early_label", "prediction"):
                yield role, name
        for name in dict.fromkeys(self.funnel_times):
            if name != self.label_time:
                yield "funnel_times", name
        for role in ("funnel", "features", "categoricals"):
            for name in getattr(self, role):
                yield role, name


class Roles(ExampleSpec):
    """The same under the name that `mlife` promises: values may have the form that they have in a spec file."""

    def __post_init__(self) -> None:
        for name, read in LISTS.items():
            if not isinstance(value := getattr(self, name), tuple):
                object.__setattr__(self, name, read(name, value))
        super().__post_init__()


def _type_fault(role: str, name: str, found: pa.DataType) -> str | None:
    types = pa.types
    is_text = types.is_string(found) or types.is_large_string(found) or types.is_dictionary(found)
    is_number = types.is_integer(found) or types.is_floating(found)
    fits = {
        "entity": is_text or types.is_integer(found),
        "item": is_text or types.is_integer(found),
        "time": types.is_date(found),
        "label": types.is_boolean(found),
        "early_label": types.is_boolean(found),
        "funnel": types.is_boolean(found),
        "label_time": types.is_date(found),
        "funnel_times": types.is_date(found),
        "features": is_number or types.is_boolean(found),
        "prediction": is_number,
        "categoricals": is_text,
    }
    if fits[role]:
        return None
    return f"{name} holds {found}, which cannot be the {role}; cast it or choose another column"


def _items(name: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind):
        raise InvalidInputError(f"the spec's {name} is no {'object' if kind is dict else 'list'}; see examples/")
    return value


def _strings(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise InvalidInputError(f"the spec's {name} is no list of strings; write the names of columns")
    return tuple(value)


def _rates(name: str, value: Any) -> tuple[RateRole, ...]:
    return tuple(_rate(entry) for entry in _items(name, value, list))


def _vocabularies(name: str, value: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    known = _items(name, value, dict)
    return tuple((key, _strings(f"{name}.{key}", known[key])) for key in known)


LISTS: Mapping[str, Callable[[str, Any], tuple[Any, ...]]] = {
    **dict.fromkeys(("features", "categoricals", "funnel", "funnel_times"), _strings),
    "rates": _rates,
    "vocabularies": _vocabularies,
}
"""Roles of several columns: what reads the value of a spec file."""


def _rate(entry: Any) -> RateRole:
    keys = {"name", "successes", "trials"}
    if not isinstance(entry, dict) or set(entry) != keys or not all(isinstance(v, str) for v in entry.values()):
        raise InvalidInputError("an entry of the spec's rates needs name, successes and trials, all strings")
    return RateRole(**entry)


def _first(mask: pa.ChunkedArray) -> int | None:
    row = pc.index(mask, True).as_py()
    return None if row < 0 else int(row)
