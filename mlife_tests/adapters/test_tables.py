"""Tables, reports and marts of a home: replaced whole, same rows same bytes, pruned, kept for a run."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlife_assets.adapters import tables as module
from mlife_assets.adapters.marts import DailyMart, KeptMarts, TableMarts, delivered_table, with_terms
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.parquet_bytes import decode_table, encode_table
from mlife_assets.adapters.tables import TableStore, old_tables, prune
from mlife_assets.components.monitoring.reports import SAMPLE_TABLE
from mlife_assets.components.predictions import entity_scores, scores
from mlife_assets.core.errors import IntegrityError, InvalidInputError, NotFoundError, TransientError
from mlife_assets.core.windows import add_days
from mlife_assets.recruiting.retention_policy import PRUNED, RetentionPolicy

DAY = date(2026, 6, 2)
TABLE = pa.table({"who": ["a", "b"], "visits": [1, 2]})
NEWEST, TODAY = date(2026, 6, 30), date(2026, 9, 1)
POLICY = RetentionPolicy(table_days=90)
BEFORE, FIRST, GONE = (NEWEST - timedelta(days=days) for days in (91, 90, 400))
SCHEMA = pa.schema([("id", pa.string()), ("day", pa.date32()), ("is_late", pa.bool_()), ("wind", pa.float64())])
EXAMPLES = DailyMart(SCHEMA, ("day", "id"), "day", (1, 3), "flights/examples")
ROWS = DailyMart(pa.schema([("id", pa.string()), ("day", pa.date32())]), ("day", "id"), "day", (0, 0), "flights/rows")
KEPT_FROM, DAYS = date(2026, 3, 1), 60


@pytest.fixture
def store(tmp_path: Path) -> ObstoreObjectStore:
    return ObstoreObjectStore.local(tmp_path / "lake")


def test_a_table_comes_back_as_it_was_written(store: ObstoreObjectStore) -> None:
    tables = TableStore(store)
    table = pa.table({"a": [1, None, 3], "b": [[1.5], [], None], "c": pa.array([DAY] * 3)})
    key = tables.write("user_job_scores", DAY, table)
    assert key == "tables/user_job_scores/as_of_date=2026-06-02/part.parquet"
    assert tables.read("user_job_scores", DAY).equals(table)
    tables.write("user_job_scores", DAY, table.slice(0, 1))
    assert tables.read("user_job_scores", DAY).num_rows == 1


def test_named_columns_are_decoded_once_and_again_when_the_bytes_change(
    store: ObstoreObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = list[int]()
    monkeypatch.setattr(
        module, "decode_table", lambda data, *more: decoded.append(len(data)) or decode_table(data, *more)
    )
    tables = TableStore(store)
    tables.write("t", DAY, pa.table({"a": [1, 2], "b": ["x", "y"]}))
    first = tables.read("t", DAY, ["b", "none"])
    assert first.to_pydict() == {"b": ["x", "y"]}
    assert TableStore(store).read("t", DAY, ["b", "none"]) is first
    assert len(decoded) == 1
    assert tables.read("t", DAY, ["a"]).to_pydict() == {"a": [1, 2]}
    tables.write("t", DAY, pa.table({"a": [3], "b": ["z"]}))
    assert tables.read("t", DAY, ["a"]).to_pydict() == {"a": [3]}


def test_days_are_those_that_exist_in_order_and_what_is_missing_says_how_to_make_it(store: ObstoreObjectStore) -> None:
    tables = TableStore(store)
    for day in (DAY, DAY - timedelta(days=2)):
        tables.write("t", day, pa.table({"a": [1]}))
    tables.write("t2", DAY + timedelta(days=1), pa.table({"a": [1]}))
    assert tables.days("t") == [DAY - timedelta(days=2), DAY]
    assert tables.days("nothing") == tables.report_days("t") == []
    with pytest.raises(NotFoundError, match="materialize the asset candidate_pairs for partition 2026-06-02"):
        tables.read("candidate_pairs", DAY)
    with pytest.raises(NotFoundError, match=r"promotion of 2026-06-02 .* materialize the asset evaluation for"):
        tables.read_report("promotion", DAY)
    with pytest.raises(NotFoundError, match="materialize the asset data_quality_report"):
        tables.read_report("data_quality_report", DAY)


def test_reports_are_sorted_json_and_damage_and_bad_names_are_errors(store: ObstoreObjectStore) -> None:
    tables = TableStore(store)
    key = tables.write_report("r", DAY, {"b": np.float64(0.5), "a": DAY, "c": float("nan")})
    same = tables.write_report("r", DAY, {"c": float("nan"), "a": DAY, "b": 0.5})
    assert key == same == "reports/r/as_of_date=2026-06-02/report.json"
    assert store.get(key) == b'{\n  "a": "2026-06-02",\n  "b": 0.5,\n  "c": null\n}\n'
    assert tables.read_report("r", DAY) == {"a": "2026-06-02", "b": 0.5, "c": None}
    assert tables.report_days("r") == [DAY]
    with pytest.raises(InvalidInputError, match="not JSON"):
        tables.write_report("r", DAY, {"x": object()})
    store.replace(tables.write("t", DAY, pa.table({"a": [1]})), b"PAR1")
    store.replace(tables.write_report("r", DAY, {}), b"{")
    with pytest.raises(IntegrityError, match="materialize the asset t"):
        tables.read("t", DAY)
    with pytest.raises(IntegrityError, match="materialize the asset r"):
        tables.read_report("r", DAY)
    with pytest.raises(InvalidInputError, match="name"):
        tables.write("../x", DAY, pa.table({"a": [1]}))


def test_folders_keep_tables_and_reports_of_one_name_apart(tmp_path: Path) -> None:
    store = ObstoreObjectStore.local(tmp_path)
    whole, own = TableStore(store), TableStore(store, "of_models/loan_risk/")
    day = date(2026, 6, 2)
    whole.write_report("drift", day, {"of": "all"})
    own.write_report("drift", day, {"of": "one"})
    own.write("scores", day, pa.table({"x": [1]}))
    assert (whole.read_report("drift", day), own.read_report("drift", day)) == ({"of": "all"}, {"of": "one"})
    assert (whole.days("scores"), own.days("scores"), own.report_days("drift")) == ([], [day], [day])


def test_the_newest_days_with_a_report_are_found_without_listing_what_is_in_the_others(
    store: ObstoreObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables, days = TableStore(store, "of/"), [DAY + timedelta(days=number) for number in range(40)]
    for day in days:
        tables.write_report("r", day, {})
    (store.root / "of/reports/r/as_of_date=2027-01-01").mkdir()
    asked, exists = list[str](), store.exists
    monkeypatch.setattr(store, "list", lambda _: pytest.fail("all are listed"))
    monkeypatch.setattr(store, "exists", lambda key: (asked.append(key), exists(key))[1])
    assert tables.newest_report_days("r", 3) == days[-3:]
    assert len(asked) == 4, "a folder without a report, which a crash left, is no day"
    assert tables.newest_report_days("r", 100) == days
    assert tables.newest_report_days("other", 1) == []
    assert tables.has_report("r", DAY)
    assert not tables.has_report("r", DAY - timedelta(days=1))
    (store.root / "of/reports/r/as_of_date=never").mkdir()
    with pytest.raises(IntegrityError, match="as_of_date=never is in no partition of a day"):
        tables.newest_report_days("r", 1)


def _table(rows: int) -> pa.Table:
    rng = np.random.default_rng(5)
    text = pa.array([f"user_{n}" for n in rng.integers(0, rows, rows)])
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(rng.normal(size=rows * 3)), 3).cast(pa.list_(pa.float64()))
    return pa.table({"id": text, "x": rng.normal(size=rows), "vector": vectors})


@pytest.mark.parametrize("rows", [0, 1, 200_000])
def test_chunks_slices_and_metadata_do_not_change_the_bytes(rows: int) -> None:
    table = _table(rows)
    cut = rows // 3
    again = pa.concat_tables([table.slice(0, cut), table.slice(cut)]).replace_schema_metadata({"from": "elsewhere"})
    assert encode_table(again) == encode_table(table)
    assert decode_table(encode_table(table)).equals(table)


def test_other_rows_give_other_bytes_and_damage_is_an_error() -> None:
    data = encode_table(_table(100))
    assert encode_table(_table(100).slice(1)) != data
    with pytest.raises((pa.ArrowException, OSError)):
        decode_table(data[:-1])


def test_reading_starts_no_thread() -> None:
    """A thread that holds bytes of Python when a process ends aborts it: apache/arrow#34314."""
    script = (
        "import os; import pyarrow as pa;"
        "from mlife_assets.adapters.parquet_bytes import decode_table, encode_table, open_table;"
        "data = encode_table(pa.table({'x': range(300_000), 'y': [str(n) for n in range(300_000)]}));"
        "before = os.listdir('/proc/self/task');"
        "assert decode_table(data).num_rows == open_table(data).metadata.num_rows == 300_000;"
        "assert os.listdir('/proc/self/task') == before, 'decoding starts threads'"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


class Stream:
    """A frame of a library that is not installed, which speaks Arrow's C stream."""

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return TABLE.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize(
    "value", [TABLE, TABLE.to_batches()[0], TABLE.to_pandas().set_index(pd.Index([7, 9])), Stream()]
)
def test_frames_of_any_library_become_a_table_without_their_index(value: Any) -> None:
    assert delivered_table(value, "quotes").to_pylist() == TABLE.to_pylist()


def test_columns_of_pandas_keep_their_types_and_missing_values() -> None:
    frame = pd.DataFrame(
        {
            "day": pd.to_datetime(["2026-04-03", None]), "on": [date(2026, 4, 3), None], "share": [0.5, float("nan")],
            "shop": pd.Categorical(["north", None]), "count": pd.array([1, None], dtype="Int64"),
        }
    )  # fmt: skip
    table = delivered_table(frame, "quotes")
    assert [table.schema.field(name).type for name in ("on", "share", "count")] == [
        pa.date32(),
        pa.float64(),
        pa.int64(),
    ]
    assert [table[name].null_count for name in table.column_names] == [1] * 5


def test_a_column_of_several_types_becomes_text_so_that_each_value_is_judged() -> None:
    frame = pd.DataFrame({"price": [1.5, "two", None]}, dtype=object)
    assert delivered_table(frame, "quotes")["price"].to_pylist() == ["1.5", "two", None]


@pytest.mark.parametrize(
    ("value", "what"),
    [(None, "nothing"), ([1], "a list"), ({"2026-04-03": TABLE}, "a dict with the keys '2026-04-03'")],
)
def test_what_is_no_table_is_refused_with_the_asset_and_the_remedy(value: Any, what: str) -> None:
    with pytest.raises(InvalidInputError, match=f"quotes gave {what}.*which is no table; let it return a frame"):
        delivered_table(value, "quotes")


@pytest.fixture(params=["folder", "bucket"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> ObstoreObjectStore:
    """A lake with a table of the first model, one of another whose newest day is older, a plan and what is recorded."""
    place = tmp_path / "lake" if request.param == "folder" else request.getfixturevalue("s3_place")
    store = ObstoreObjectStore.at(place)
    rows = pa.table({"user_id": ["u1"]})
    for day in (GONE, BEFORE, FIRST, NEWEST):
        for name in ("user_job_scores", "message_plan"):
            TableStore(store).write(name, day, rows)
    for day in (GONE, BEFORE):
        TableStore(store, "of_models/churn_risk/").write("scores", day, rows)
    TableStore(store, "of_applications/email_digest/").write("scores", GONE, rows)
    TableStore(store).write_report("scores", GONE, {"day": GONE})
    store.put_if_absent("events/event_type=click/dt=2020-01-01/hour=00/x.parquet", b"1")
    return store


def test_what_is_older_than_the_policy_says_is_removed_and_nothing_else(lake: ObstoreObjectStore) -> None:
    before = lake.list("")
    old = [f"tables/user_job_scores/as_of_date={day}/part.parquet" for day in (GONE, BEFORE)]
    other = f"of_models/churn_risk/tables/scores/as_of_date={GONE}/part.parquet"
    found = {"user_job_scores": old, "of_models/churn_risk/scores": [other]}
    assert old_tables(lake, POLICY, TODAY) == found
    assert lake.list("") == before
    assert prune(lake, POLICY, TODAY) == found
    assert set(before) - set(lake.list("")) == {*old, other}
    assert prune(lake, POLICY, TODAY) == {}
    assert TableStore(lake).days("user_job_scores") == [FIRST, NEWEST]
    if lake.root is not None:  # this server of buckets still names a folder for a while that holds nothing
        assert f"as_of_date={GONE}" not in lake.folders("tables/user_job_scores")


def test_a_day_that_a_wrong_clock_left_takes_nothing_away(lake: ObstoreObjectStore) -> None:
    found = old_tables(lake, POLICY, TODAY)
    TableStore(lake).write("user_job_scores", NEWEST + timedelta(days=700), pa.table({"user_id": ["u1"]}))
    assert old_tables(lake, POLICY, NEWEST) == found


def test_a_lake_without_tables_has_none_that_are_old(tmp_path: Path) -> None:
    assert prune(ObstoreObjectStore.local(tmp_path), POLICY, TODAY) == {}


def test_the_names_are_those_of_the_assets() -> None:
    assert set(PRUNED) == {scores.CANDIDATES_TABLE, scores.SCORES_TABLE, entity_scores.SCORES_TABLE, SAMPLE_TABLE}


def april(day: int) -> date:
    return date(2026, 4, day)


@pytest.fixture
def tables(tmp_path: Path) -> TableStore:
    return TableStore(ObstoreObjectStore.local(tmp_path))


@pytest.fixture
def marts(tables: TableStore) -> TableMarts:
    """Examples of the 3rd lie in the partitions of the 4th to the 6th."""

    def kept(partition: int, *rows: tuple[str, int, bool]) -> None:
        listed = [{"id": one, "day": april(day), "is_late": late, "wind": None} for one, day, late in rows]
        tables.write("examples", april(partition), pa.Table.from_pylist(listed, schema=SCHEMA))

    kept(6, ("c", 3, True), ("a", 3, False), ("a", 5, True))
    kept(4, ("b", 3, True), ("a", 3, True), ("z", 2, True))
    tables.write("rows", april(5), pa.table({"id": ["b", "a"], "day": [april(5)] * 2}))
    return TableMarts(tables, {"examples": EXAMPLES, "rows": ROWS})


def test_rows_of_days_are_found_in_the_partitions_that_can_hold_them_in_order_of_the_grain(marts: TableMarts) -> None:
    found = marts.read("examples", start=april(3), end=april(3), columns=["id", "is_late"])
    assert found.column_names == ["id", "is_late"]
    assert found["id"].to_pylist() == ["a", "b", "c"]
    assert marts.read("examples")["id"].to_pylist() == ["z", "a", "b", "c", "a"]
    assert marts.read("examples", start=april(4))["id"].to_pylist() == ["a"]
    assert marts.read("examples", end=april(2))["id"].to_pylist() == ["z"]
    assert marts.read("rows", as_of=april(5))["id"].to_pylist() == ["a", "b"]


def test_of_an_example_in_two_partitions_the_first_counts_and_days_without_rows_are_empty(marts: TableMarts) -> None:
    assert marts.read("examples", as_of=april(3))["is_late"].to_pylist() == [True, True, True]
    found = marts.read("examples", start=april(20), end=april(21))
    assert (found.num_rows, found.schema) == (0, SCHEMA)


def test_what_was_never_made_is_no_empty_answer_and_names_the_asset(marts: TableMarts, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="flights/rows has no partition of 2026-04-06; materialize it"):
        marts.read("rows", as_of=april(6))
    empty = TableStore(ObstoreObjectStore.local(tmp_path / "empty"))
    with pytest.raises(NotFoundError, match="flights/rows was never materialized"):
        TableMarts(empty, {"rows": ROWS}).read("rows", start=april(1))


def test_what_cannot_be_read_is_named(marts: TableMarts, tables: TableStore) -> None:
    with pytest.raises(InvalidInputError, match="'clicks' is not a mart; read one of examples, rows"):
        marts.read("clicks")
    with pytest.raises(InvalidInputError, match="has no column fuel"):
        marts.read("rows", columns=["fuel"])
    with pytest.raises(InvalidInputError, match="leave out start and end"):
        marts.read("rows", as_of=april(5), end=april(5))
    tables.write("examples", april(7), pa.table({"id": ["d"], "day": [april(5)], "is_late": [True]}))
    with pytest.raises(
        InvalidInputError, match="examples of 2026-04-07 lacks the column wind, which was declared later"
    ):
        marts.read("examples", as_of=april(5))


def test_rows_that_were_kept_under_other_terms_or_types_are_not_read(tables: TableStore) -> None:
    rows = pa.table({"id": ["a"], "day": [april(5)]})
    tables.write("rows", april(5), with_terms(rows, {"maturity_days": "3"}))
    tables.write("rows", april(6), with_terms(rows.slice(0, 0), {"maturity_days": "3"}))

    def read(mart: DailyMart) -> list[str]:
        found: list[str] = TableMarts(tables, {"rows": mart}).read("rows")["id"].to_pylist()
        return found

    assert read(replace(ROWS, terms={"maturity_days": "3"})) == ["a"]
    with pytest.raises(InvalidInputError, match="2026-04-05 was kept when maturity_days was 3, and it is 7 now; mat"):
        read(replace(ROWS, terms={"maturity_days": "7"}))
    other = pa.schema([("id", pa.int64()), ("day", pa.date32())])
    with pytest.raises(InvalidInputError, match="was kept when id was string, and it is int64 now; materialize"):
        read(replace(ROWS, schema=other))


def test_the_same_rows_in_any_order_of_writing_give_the_same_bytes(marts: TableMarts, tables: TableStore) -> None:
    before = marts.read("examples")
    for day in (april(4), april(6)):
        kept = tables.read("examples", day)
        tables.write("examples", day, kept.take(list(range(kept.num_rows))[::-1]))
    assert marts.read("examples").equals(before)


class Marts:
    """A mart of three rows a day that writes down which days were read."""

    def __init__(self) -> None:
        days = [add_days(KEPT_FROM, place // 3) for place in range(3 * DAYS)]
        rows = range(3 * DAYS)
        columns = {"day": days, "id": [f"r{row:03d}" for row in rows], "size": [float(row) for row in rows]}
        self.rows = pa.table(columns | {"wind": [None if row % 5 else float(row) for row in rows]})
        self.asked: list[tuple[date | None, date | None]] = []

    def read(self, mart: str, *, start: Any = None, end: Any = None, as_of: Any = None, columns: Any = None) -> Any:
        first, last = (start, end) if as_of is None else (as_of, as_of)
        self.asked.append((first, last))
        day = pc.field("day")
        kept = (day >= pa.scalar(first or KEPT_FROM)) & (day <= pa.scalar(last or add_days(KEPT_FROM, DAYS)))
        return self.rows.filter(kept).select(list(columns or self.rows.column_names))

    def leading_day(self, mart: str) -> str | None:
        return None if mart == "of_experiments" else "day"

    def spread_days(self, mart: str) -> int:
        return 30 if mart == "slow" else 0


@pytest.fixture
def counted() -> Marts:
    return Marts()


@pytest.fixture
def kept(counted: Marts, tmp_path: Path) -> KeptMarts:
    return KeptMarts(counted, tmp_path)


def day(number: int) -> date:
    return add_days(KEPT_FROM, number)


def doubled(rows: pa.Table) -> pa.Table:
    twice = pc.multiply(rows["size"], 2.0)
    return rows.set_column(2, "size", twice).append_column("double", twice)


def test_rows_that_spread_over_many_partitions_are_read_in_longer_parts(counted: Marts, kept: KeptMarts) -> None:
    for mart, parts in (("slow", 2), ("sizes", 5)):
        counted.asked.clear()
        kept.read(mart, start=day(0), end=day(59))
        assert len(counted.asked) == parts


def test_ranges_are_those_of_the_marts_and_no_day_is_read_twice(counted: Marts, kept: KeptMarts) -> None:
    for first, last in ((20, 25), (10, 40), (0, 3), (2, 59), (50, 70), (12, 12), (5, 4)):
        expected = Marts().read("examples", start=day(first), end=day(last))
        assert kept.read("examples", start=day(first), end=day(last)).equals(expected), (first, last)
    read = [(end - start).days + 1 for start, end in counted.asked if start and end and start <= end]
    assert sum(read) == 71
    assert max(read) == 14


def test_a_day_and_chosen_columns_are_kept_apart_from_ranges(counted: Marts, kept: KeptMarts) -> None:
    kept.read("examples", start=day(0), end=day(9))
    for _ in range(2):
        assert kept.read("examples", as_of=day(4))["id"].to_pylist() == ["r012", "r013", "r014"]
        assert kept.read("examples", start=day(4), end=day(5), columns=["id", "day"]).column_names == ["id", "day"]
    assert counted.asked == [(day(0), day(9)), (day(4), day(4)), (day(4), day(5))]


def test_what_cannot_be_told_by_its_days_is_read_each_time(counted: Marts, kept: KeptMarts) -> None:
    for _ in range(2):
        assert kept.read("examples", start=day(3)).num_rows == 3 * (DAYS - 3)
        assert kept.read("examples", start=day(3), end=day(3), columns=["id"])["id"].to_pylist()[0] == "r009"
        assert kept.read("of_experiments", start=day(3), end=day(3), derive=doubled)["double"].to_pylist()[0] == 18.0
    assert len(counted.asked) == 6


def test_columns_are_derived_once_beside_the_rows_as_they_were(kept: KeptMarts) -> None:
    calls = []

    def derive(rows: pa.Table) -> pa.Table:
        calls.append(rows.num_rows)
        return doubled(rows)

    found = [kept.read("examples", start=day(2), end=day(last), derive=derive) for last in (5, 9)]
    expected = Marts().read("examples", start=day(2), end=day(9))
    assert found[1].equals(doubled(expected))
    assert found[0].equals(doubled(expected).slice(0, 12))
    assert calls == [12, 12]
    assert kept.read("examples", start=day(2), end=day(9)).equals(expected)


def test_no_file_is_left_and_tables_outlive_what_was_kept(kept: KeptMarts, tmp_path: Path) -> None:
    found = kept.read("examples", start=day(0), end=day(59))
    sets = kept.once("sets", dict[str, int])
    assert kept.once("sets", dict[str, int]) is sets
    assert list(tmp_path.iterdir()) == []
    kept.forget()
    assert found.equals(Marts().rows)
    assert kept.once("sets", dict[str, int]) is not sets


@pytest.mark.parametrize(("number", "kind"), [(28, TransientError), (22, OSError)])
def test_a_full_disk_is_named_and_another_fault_stays_what_it_is(kept: KeptMarts, number: int, kind: Any) -> None:
    fault = OSError(number, "as the system says")
    with patch("mlife_assets.adapters.marts.TemporaryFile", side_effect=fault), pytest.raises(kind):
        kept.read("examples", start=day(0), end=day(1))


def test_a_table_can_be_read_on_after_its_pages_were_given_back(kept: KeptMarts) -> None:
    found = kept.read("examples", start=day(0), end=day(59))
    kept.rest()
    assert found.equals(Marts().rows)
    kept.forget()
    kept.rest()
    assert found.equals(Marts().rows)
