"""Tables and reports: replaced whole, same rows same bytes, missing ones say how to make them."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.adapters import tables as module
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.parquet_bytes import decode_table as decode
from mlife_assets.adapters.tables import TableStore
from mlife_assets.core.errors import IntegrityError, InvalidInputError, NotFoundError

DAY = date(2026, 6, 2)


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
    monkeypatch.setattr(module, "decode_table", lambda data, *named: decoded.append(len(data)) or decode(data, *named))
    tables = TableStore(store)
    tables.write("t", DAY, pa.table({"a": [1, 2], "b": ["x", "y"]}))
    first = tables.read("t", DAY, ["b", "none"])
    assert first.to_pydict() == {"b": ["x", "y"]}
    assert TableStore(store).read("t", DAY, ["b", "none"]) is first
    assert len(decoded) == 1
    assert tables.read("t", DAY, ["a"]).to_pydict() == {"a": [1, 2]}
    tables.write("t", DAY, pa.table({"a": [3], "b": ["z"]}))
    assert tables.read("t", DAY, ["a"]).to_pydict() == {"a": [3]}


def test_same_rows_give_same_bytes_whatever_their_chunks_and_metadata(store: ObstoreObjectStore) -> None:
    tables = TableStore(store)
    table = pa.table({"a": list(range(1000)), "b": [f"x{i % 7}" for i in range(1000)]})
    key = tables.write("t", DAY, table)
    first = store.get(key)
    chunked = pa.concat_tables([table.slice(0, 10), table.slice(10, 500), table.slice(510)])
    tables.write("t", DAY, chunked.replace_schema_metadata({"made": "elsewhere"}))
    assert store.get(key) == first


def test_days_are_those_that_exist_in_order(store: ObstoreObjectStore) -> None:
    tables = TableStore(store)
    for day in (DAY, DAY - timedelta(days=2)):
        tables.write("t", day, pa.table({"a": [1]}))
    tables.write("t2", DAY + timedelta(days=1), pa.table({"a": [1]}))
    assert tables.days("t") == [DAY - timedelta(days=2), DAY]
    assert tables.days("nothing") == tables.report_days("t") == []


def test_what_is_missing_says_how_to_make_it(store: ObstoreObjectStore) -> None:
    tables = TableStore(store)
    with pytest.raises(NotFoundError, match="materialize the asset candidate_pairs for partition 2026-06-02"):
        tables.read("candidate_pairs", DAY)
    with pytest.raises(NotFoundError, match=r"promotion of 2026-06-02 .* materialize the asset evaluation for"):
        tables.read_report("promotion", DAY)
    with pytest.raises(NotFoundError, match="materialize the asset data_quality_report"):
        tables.read_report("data_quality_report", DAY)


def test_reports_are_sorted_json(store: ObstoreObjectStore) -> None:
    tables = TableStore(store)
    key = tables.write_report("r", DAY, {"b": np.float64(0.5), "a": DAY, "c": float("nan")})
    same = tables.write_report("r", DAY, {"c": float("nan"), "a": DAY, "b": 0.5})
    assert key == same == "reports/r/as_of_date=2026-06-02/report.json"
    assert store.get(key) == b'{\n  "a": "2026-06-02",\n  "b": 0.5,\n  "c": null\n}\n'
    assert tables.read_report("r", DAY) == {"a": "2026-06-02", "b": 0.5, "c": None}
    assert tables.report_days("r") == [DAY]
    with pytest.raises(InvalidInputError, match="not JSON"):
        tables.write_report("r", DAY, {"x": object()})


def test_damage_and_bad_names_are_errors(store: ObstoreObjectStore) -> None:
    tables = TableStore(store)
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
