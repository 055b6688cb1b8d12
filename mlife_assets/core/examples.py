"""What an example is: which columns say who, what, when, what happened and what was known.

Belongs here: the roles of columns and the check that a table fits them. Does not belong here: which rows may train
(`training.training_set`), how features are derived (`inference.features`).

Concept: everything downstream asks for roles, not for column names, so another application of the same lifecycle names
its own columns once. An example without a label time cannot be shown to be mature, so the role is not optional.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from mlife_assets.core.errors import InvalidInputError


@dataclass(frozen=True)
class ExampleSpec:
    """Roles of the columns of an examples table.

    Attributes:
        entity: whom a ranking is for.
        item: what is ranked.
        time: day of the exposure, which is the day of the features (date).
        label: whether it happened (boolean).
        label_time: first day as of which the label is complete (date).
        features: numeric columns that a model may see.
        categoricals: text columns that a model may see.
    """

    entity: str
    item: str
    time: str
    label: str
    label_time: str
    features: tuple[str, ...]
    categoricals: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a column with two roles, an empty name and a spec without features."""
        seen: dict[str, str] = {}
        for role, name in self._roles():
            if not name:
                raise InvalidInputError(f"ExampleSpec.{role} is empty; name a column")
            if name in seen:
                raise InvalidInputError(
                    f"ExampleSpec.{role} names {name}, which is its {seen[name]} already; give each column one role"
                )
            seen[name] = role
        if not self.features and not self.categoricals:
            raise InvalidInputError("ExampleSpec.features is empty; name at least one feature")

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, each once."""
        return tuple(name for _, name in self._roles())

    def validated(self, examples: pa.Table) -> pa.Table:
        """Return `examples` if its columns fit their roles.

        Raises:
            InvalidInputError: a column is missing, of a type that cannot play its role, or null where it must not be,
                or a label is complete before its exposure ended; names the column, the row and the remedy.
        """
        for role, name in self._roles():
            if name not in examples.column_names:
                raise InvalidInputError(f"examples lack column {name}, the {role}; add it or change ExampleSpec.{role}")
            _check_type(role, name, examples.schema.field(name).type)
            if role not in ("features", "categoricals") and examples[name].null_count:
                row = _first(examples[name].is_null())
                raise InvalidInputError(f"{name} is null in row {row}; every example needs its {role}")
        early = _first(pc.less_equal(examples[self.label_time], examples[self.time]))
        if early is not None:
            raise InvalidInputError(
                f"{self.label_time} in row {early} is not after {self.time}; a label is complete after its window"
            )
        return examples

    def _roles(self) -> Iterator[tuple[str, str]]:
        for role in ("entity", "item", "time", "label", "label_time"):
            yield role, getattr(self, role)
        for role in ("features", "categoricals"):
            for name in getattr(self, role):
                yield role, name


def _check_type(role: str, name: str, found: pa.DataType) -> None:
    types = pa.types
    is_text = types.is_string(found) or types.is_large_string(found) or types.is_dictionary(found)
    is_number = types.is_integer(found) or types.is_floating(found)
    fits = {
        "entity": is_text or types.is_integer(found),
        "item": is_text or types.is_integer(found),
        "time": types.is_date(found),
        "label": types.is_boolean(found),
        "label_time": types.is_date(found),
        "features": is_number or types.is_boolean(found),
        "categoricals": is_text,
    }
    if not fits[role]:
        raise InvalidInputError(f"{name} holds {found}, which cannot be the {role}; cast it or choose another column")


def _first(mask: pa.ChunkedArray) -> int | None:
    """Return the first true row of `mask`, None without one."""
    row = pc.index(mask, True).as_py()
    return None if row < 0 else int(row)
