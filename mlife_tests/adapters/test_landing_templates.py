"""Templates: descriptions come from dbt, files are those of the contract, text is what the example holds."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import orjson
import pyarrow as pa
import pytest
import yaml

from mlife_assets.adapters.landing_templates import EXAMPLE_DAY, Kind, meanings, naming, write_templates
from mlife_assets.adapters.parquet_bytes import decode_table
from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.landed_names import hidden_reason, name_fault
from mlife_assets.core.policies import LandingPolicy
from mlife_assets.core.validation import json_as_table, validate
from mlife_assets.core.windows import day_start
from mlife_assets.recruiting.events import EVENT_TYPES, MARKET_EVENT_TYPES
from mlife_assets.settings import DBT_PROJECT_FOLDER


def written(folder: Path, *names: str, kinds: tuple[Kind, ...] = tuple(Kind)) -> dict[str, bytes]:
    files = write_templates(folder, names, kinds, dbt_project=DBT_PROJECT_FOLDER)
    return {one.path.relative_to(folder).as_posix(): one.path.read_bytes() for one in files}


@pytest.mark.parametrize("name", MARKET_EVENT_TYPES)
def test_every_column_is_described_as_dbt_describes_it(tmp_path: Path, name: str) -> None:
    schema = orjson.loads(written(tmp_path, name)[f"{name}.schema.json"])
    path = DBT_PROJECT_FOLDER / "models" / "staging" / f"stg_events__{name}.yml"
    (model,) = yaml.safe_load(path.read_text(encoding="utf-8"))["models"]
    of_dbt = {one["name"]: one["description"] for one in model["columns"]}
    assert schema["title"] == model["description"]
    assert {column: said["description"] for column, said in schema["properties"].items()} == {
        column: of_dbt[column] for column in EVENT_TYPES[name].landed.schema.names
    }


@pytest.mark.parametrize("name", MARKET_EVENT_TYPES)
def test_the_text_is_the_example_and_would_be_accepted_as_parquet(tmp_path: Path, name: str) -> None:
    files = written(tmp_path, name)
    example = decode_table(files[f"example/{name}/dt={EXAMPLE_DAY}/example.parquet"])
    kind = EVENT_TYPES[name].landed
    rows = json_as_table(files[f"{name}.example.jsonl"].decode().splitlines())
    found = validate(kind, rows, now=day_start(EXAMPLE_DAY) + timedelta(days=1))
    assert found.accepted.equals(example)


def test_the_same_files_have_the_same_bytes(tmp_path: Path) -> None:
    assert written(tmp_path / "a", *MARKET_EVENT_TYPES) == written(tmp_path / "b", *MARKET_EVENT_TYPES)


def test_a_plain_type_has_no_nested_columns_and_an_older_contract_where_the_newest_has(tmp_path: Path) -> None:
    for name in MARKET_EVENT_TYPES:
        schema = decode_table(written(tmp_path, name)[f"{name}.template.parquet"]).schema
        assert not [one for one in schema if pa.types.is_list(one.type) and pa.types.is_nested(one.type.value_type)]
        assert (
            not EVENT_TYPES[name].missing(schema.names) or EVENT_TYPES[name].landed.version < EVENT_TYPES[name].version
        )
    assert EVENT_TYPES["message_planned"].landed.version == 2


def test_no_file_is_written_when_one_is_there(tmp_path: Path) -> None:
    (tmp_path / "hire.schema.json").write_text("kept")
    with pytest.raises(InvalidInputError, match="is not overwritten"):
        written(tmp_path, "click", "hire")
    assert [path.name for path in tmp_path.iterdir()] == ["hire.schema.json"]
    assert (tmp_path / "hire.schema.json").read_text() == "kept"


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidInputError, match="cannot be written"):
        written(tmp_path / "file" / "below", "click")


@pytest.mark.parametrize("content", [None, "", "models: [", "models: [{columns: []}]", "models: [1]", "[]"])
def test_descriptions_that_are_not_there_are_an_error_that_says_where(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "models" / "staging" / "stg_events__click.yml"
    path.parent.mkdir(parents=True)
    if content is not None:
        path.write_text(content)
    with pytest.raises(NotFoundError, match="stg_events__click"):
        meanings("click", tmp_path)
    out = tmp_path / "out"
    with pytest.raises(NotFoundError):
        write_templates(out, ["click"], list(Kind), dbt_project=tmp_path)
    assert not out.exists()


def test_a_column_that_dbt_does_not_describe_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "models" / "staging" / "stg_events__click.yml"
    path.parent.mkdir(parents=True)
    path.write_text("models: [{description: A click., columns: [{name: event_id, description: An id.}]}]")
    with pytest.raises(NotFoundError, match="occurred_at"):
        write_templates(tmp_path / "out", ["click"], [Kind.SCHEMA], dbt_project=tmp_path)


def test_what_is_said_of_names_is_what_landing_does() -> None:
    said = naming(LandingPolicy())
    assert "134,217,728 bytes" in said
    assert "at most 200 characters" in said
    assert name_fault("x" * 200) is None
    assert name_fault("x" * 201) is not None
    assert all(hidden_reason(name) is not None for name in ("_a", ".a", "a#1"))
    assert hidden_reason("a#b") is None
