"""Attacks by a spec or an archive of somebody else: SQL that reaches out or never ends, files that fill a disk."""

from __future__ import annotations

import gzip
import json
import zipfile
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlife_assets.adapters.example_files import read_examples
from mlife_assets.core.errors import InvalidInputError
from mlife_assets.core.policies import ExampleFilePolicy
from mlife_assets.core.study import Study

ROWS = pa.table(
    {
        "who": [1, 2],
        "day": pa.array([date(2026, 1, 1), date(2026, 1, 2)]),
        "amount": pa.array([5.0, 7.0]),
        "won": [False, True],
    }
)
SECRET = "the password of another system"


def study(stolen: str, **parts: object) -> Study:
    roles = {"entity": "who", "time": "day", "label": "won", "label_time": "known", "features": ["amount"]}
    derive = {"known": "day + 2", "stolen": stolen}
    return Study.from_json(json.dumps({"roles": {**roles, "categoricals": ["stolen"]}, "derive": derive, **parts}))


@pytest.fixture
def examples(tmp_path: Path) -> Path:
    (tmp_path / "secret.txt").write_text(SECRET)
    (tmp_path / "other.csv").write_text("a\n1\n")
    pq.write_table(ROWS, tmp_path / "it's rows.parquet")
    return tmp_path / "it's rows.parquet"


def outward(folder: Path) -> list[str]:
    return [
        f"(select content from read_text('{folder}/secret.txt'))",
        f"(select content::varchar from read_blob('{folder}/secret.txt'))",
        f"(select max(a) from read_csv('{folder}/other.csv'))",
        f"(select max(a) from '{folder}/other.csv')",
        f"(select max(file) from glob('{folder}/*'))",
        "(select max(content) from read_text('/proc/self/environ'))",
        "(select max(content) from read_text('https://evil.example/x'))",
        "(select max(secret_string) from duckdb_secrets())",
        "getenv('HOME')",
        "(select max(a) from SECRET_FRAME)",
        f"1); copy (select 1) to '{folder}/written.csv'; select (1",
        f"1); attach '{folder}/written.db'; select (1",
        "1); install httpfs; select (1",
        "1); set lock_configuration = false; select (1",
    ]


@pytest.mark.parametrize("place", range(14))
def test_no_sql_of_a_spec_reaches_beyond_the_examples(examples: Path, place: int) -> None:
    SECRET_FRAME = pa.table({"a": [SECRET]})  # noqa: N806, F841  a variable that SQL could find by its name
    before = sorted(examples.parent.iterdir())
    for where in ("derive", "where", "human"):
        sql = outward(examples.parent)[place]
        parts: dict[str, object] = {
            "derive": {},
            "where": {"where": f"({sql}) is not null"},
            "human": {"human": {"name": "rule", "score": f"length({sql})"}},
        }[where]
        spec = study(sql if where == "derive" else "'x'", **parts)
        with pytest.raises(InvalidInputError) as refused:
            read_examples(examples, spec)
        assert SECRET not in str(refused.value)
    assert sorted(examples.parent.iterdir()) == before


def test_the_examples_themselves_are_read_whatever_they_are_called(examples: Path) -> None:
    assert read_examples(examples, study("'x'")).num_rows == 2


def test_sql_that_never_ends_is_ended(examples: Path) -> None:
    endless = "(select count(*)::varchar from range(10000000) a, range(10000000) b where a.range * b.range = 7)"
    with pytest.raises(InvalidInputError, match="more than 1 seconds"):
        read_examples(examples, study(endless), ExampleFilePolicy(seconds=1))


def test_sql_that_takes_all_memory_is_refused(examples: Path) -> None:
    greedy = "(select length(list(range))::varchar from range(200000000))"
    with pytest.raises(InvalidInputError, match="Out of Memory"):
        read_examples(examples, study(greedy), ExampleFilePolicy(memory_bytes=2**26))


def test_examples_that_grow_by_sql_are_refused(examples: Path) -> None:
    with pytest.raises(InvalidInputError, match="do not fit into memory"):
        read_examples(examples, study("repeat('x', 1000000)"), ExampleFilePolicy(maximum_bytes=100_000))


def bomb(path: Path, *, megabytes: int) -> Path:
    line = b"1,2026-01-01,5,true\n" * 50_000
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("rows.csv", "w") as file:
        file.write(b"who,day,amount,won\n")
        for _ in range(megabytes):
            file.write(line)
    return path


def test_an_archive_that_unpacks_to_no_end_is_refused_by_its_ratio(tmp_path: Path) -> None:
    path = bomb(tmp_path / "rows.csv.zip", megabytes=80)
    with pytest.raises(InvalidInputError, match="unpacks to more"):
        read_examples(path, study("'x'"))


def test_an_archive_that_lies_about_its_size_is_measured(tmp_path: Path) -> None:
    path = bomb(tmp_path / "rows.csv.zip", megabytes=2)
    size = (19 + 2 * 50_000 * 20).to_bytes(4, "little")
    data = path.read_bytes()
    assert size in data
    path.write_bytes(data.replace(size, (100).to_bytes(4, "little")))
    with pytest.raises(InvalidInputError):
        read_examples(path, study("'x'"), ExampleFilePolicy(maximum_bytes=1_000_000))


def test_an_archive_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    path = bomb(tmp_path / "rows.csv.zip", megabytes=2)
    with pytest.raises(InvalidInputError, match="unpacks to more"):
        read_examples(path, study("'x'"), ExampleFilePolicy(maximum_bytes=1_000_000))
    assert read_examples(path, study("'x'")).num_rows == 100_000


def test_packed_text_that_expands_is_bounded_as_well(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(b"who,day,amount,won\n" + b"1,2026-01-01,5,true\n" * 200_000))
    with pytest.raises(InvalidInputError, match="do not fit into memory"):
        read_examples(path, study("'x'"), ExampleFilePolicy(maximum_bytes=1_000_000))


def test_an_archive_with_a_password_is_reported(tmp_path: Path) -> None:
    path = bomb(tmp_path / "rows.csv.zip", megabytes=1)
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    with pytest.raises(InvalidInputError, match="cannot be unpacked"):
        read_examples(path, study("'x'"))
