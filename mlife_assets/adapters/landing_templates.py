"""Files for who delivers data: schema, empty Parquet and examples of each landed event type.

Concept: the meaning of a column stands in one place, the `.yml` of the dbt staging model of its event type. No
file is overwritten: all names are checked before the first is written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.landed_names import NAME_LENGTH_MAXIMUM
from mlife_assets.core.policies import LandingPolicy
from mlife_assets.core.windows import FIRST_EVENT_DAY
from mlife_assets.recruiting.events import EVENT_TYPES

EXAMPLES_FOLDER = "example"
EXAMPLE_DAY = FIRST_EVENT_DAY


class Kind(StrEnum):
    """Kind of file that is written for an event type."""

    SCHEMA = "schema"
    PARQUET = "parquet"
    JSONL = "jsonl"


@dataclass(frozen=True)
class WrittenFile:
    """A file that was written for an event type."""

    event_type: str
    kind: Kind
    path: Path


def naming(policy: LandingPolicy) -> str:
    """Return a sentence on the name, size and place of landing files."""
    return (
        f"A file is Parquet of at most {policy.maximum_file_bytes:,} bytes under any printable name of at most "
        f"{NAME_LENGTH_MAXIMUM} characters that does not begin with _ or . nor end in # and digits."
    )


PLACING = (
    "It lies directly in <event type>/dt=YYYY-MM-DD of landing, as a plain file and no link; the day is that "
    "of the export in UTC, no row is observed after it, and it is landed when the next day runs."
)


def write_templates(
    folder: Path, event_types: Sequence[str], kinds: Collection[Kind], *, dbt_project: Path
) -> list[WrittenFile]:
    """Write files of `kinds` below `folder`. Raises InvalidInputError if one exists, and then writes none."""
    contents = {written: data for name in event_types for written, data in _files(folder, name, kinds, dbt_project)}
    present = [written.path for written in contents if written.path.exists() or written.path.is_symlink()]
    if present:
        raise InvalidInputError(f"{present[0]} exists and is not overwritten; name a new folder, or remove it")
    for written, data in contents.items():
        try:
            written.path.parent.mkdir(parents=True, exist_ok=True)
            with written.path.open("xb") as file:
                file.write(data)
        except OSError as error:
            raise InvalidInputError(
                f"{written.path} cannot be written ({error.strerror}); name a folder that can be written"
            ) from error
    return list(contents)


def meanings(event_type: str, dbt_project: Path) -> tuple[str, dict[str, str]]:
    """Return the meanings of an event type and its columns. Raises NotFoundError if its staging model lacks them."""
    import yaml

    path = dbt_project / "models" / "staging" / f"stg_events__{event_type}.yml"
    try:
        (model,) = yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
        columns: Sequence[Mapping[str, Any]] = model["columns"]
        said = {str(one["name"]): str(one["description"]) for one in columns}
        return str(model["description"]), {name: said[name] for name in EVENT_TYPES[event_type].landed.schema.names}
    except FileNotFoundError as error:
        raise NotFoundError(
            f"{path} describes the columns of {event_type} and is not there; run mlife from its checkout"
        ) from error
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        what = str(error.args[0]) if isinstance(error, KeyError) else "each column"
        raise NotFoundError(f"{path} does not say what {what} of {event_type} means; describe it there") from error


def _files(
    folder: Path, event_type: str, kinds: Collection[Kind], dbt_project: Path
) -> Iterator[tuple[WrittenFile, bytes]]:
    """Yield the files of an event type with their content."""
    import orjson

    from mlife_assets.adapters.parquet_bytes import encode_table
    from mlife_assets.recruiting.landed_examples import example_rows, landed_schema

    kind = EVENT_TYPES[event_type].landed
    rows = example_rows(kind, EXAMPLE_DAY)
    if Kind.SCHEMA in kinds:
        schema = landed_schema(kind, *meanings(event_type, dbt_project))
        data = orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
        yield WrittenFile(event_type, Kind.SCHEMA, folder / f"{event_type}.schema.json"), data
    if Kind.PARQUET in kinds:
        empty = encode_table(kind.schema.empty_table())
        yield WrittenFile(event_type, Kind.PARQUET, folder / f"{event_type}.template.parquet"), empty
        example = folder / EXAMPLES_FOLDER / f"{event_type}/dt={EXAMPLE_DAY}/example.parquet"
        yield WrittenFile(event_type, Kind.PARQUET, example), encode_table(rows)
    if Kind.JSONL in kinds:
        lines = (orjson.dumps(row, option=orjson.OPT_UTC_Z | orjson.OPT_APPEND_NEWLINE) for row in rows.to_pylist())
        yield WrittenFile(event_type, Kind.JSONL, folder / f"{event_type}.example.jsonl"), b"".join(lines)
