"""Appending and reading: order and batching do not matter, crashes heal, other shapes are refused whole."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlife_assets.adapters.event_log import ParquetEventLog, verify
from mlife_assets.adapters.event_log.layout import manifest_key
from mlife_assets.core.errors import IntegrityError, InvalidInputError
from mlife_assets.recruiting.events import EVENT_TYPES

DAY = date(2026, 6, 1)
START = datetime(2026, 6, 1, tzinfo=UTC)
SCHEMA = EVENT_TYPES["click"].schema


def test_rows_lie_in_the_hour_in_which_they_were_observed(toolbox) -> None:
    store = toolbox.store()
    result = ParquetEventLog(store).append(
        "click", toolbox.clicks([("b", 0.5), ("a", 0.5), ("c", 25), ("d", 1)]), writer="w1"
    )
    assert result.rows == 4
    assert [key.rpartition("-")[0] for key in result.keys] == [
        "events/event_type=click/dt=2026-06-01/hour=00/w1-000002",
        "events/event_type=click/dt=2026-06-01/hour=01/w1-000001",
        "events/event_type=click/dt=2026-06-02/hour=01/w1-000001",
    ]
    assert tuple(store.list("events")) == result.keys
    assert store.list("manifests") == ["manifests/chain/000000000/000000000000.json"]


def test_the_same_rows_again_change_nothing(toolbox) -> None:
    store = toolbox.store()
    log = ParquetEventLog(store)
    table = toolbox.clicks([("a", 0), ("b", 1), ("c", 1)])
    first = log.append("click", table, writer="w")
    before = {key: store.get(key) for key in store.list("")}
    assert log.append("click", table.take([2, 0, 1]), writer="w") == first
    assert {key: store.get(key) for key in store.list("")} == before
    assert log.append("click", table.slice(0, 0), writer="w").keys == ()


def test_read_selects_days_and_columns_and_is_ordered(toolbox) -> None:
    log = ParquetEventLog(toolbox.store())
    log.append("click", toolbox.clicks([("c", 30), ("b", 2), ("a", 2), ("e", 60)]), writer="w")
    log.append("click", toolbox.clicks([("d", 1), ("f", 2)]), writer="w")
    assert log.read("click").column("event_id").to_pylist() == ["d", "a", "b", "f", "c", "e"]
    assert log.read("click").schema == SCHEMA
    part = log.read("click", start=DAY, end=DAY + timedelta(days=1), columns=["user_id"])
    assert part.column_names == ["user_id"]
    assert part.column(0).to_pylist() == ["u-d", "u-a", "u-b", "u-f", "u-c"]
    assert log.read("click", start=DAY + timedelta(days=2)).column("event_id").to_pylist() == ["e"]
    assert log.read("click", end=DAY).num_rows == 4
    empty = log.read("hire", columns=["user_id", "observed_at"])
    assert (empty.num_rows, empty.column_names) == (0, ["user_id", "observed_at"])
    with pytest.raises(InvalidInputError, match="no column wages"):
        log.read("click", columns=["wages"])


def test_of_one_event_the_first_observed_counts(toolbox) -> None:
    log = ParquetEventLog(toolbox.store())
    log.append("click", toolbox.clicks([("a", 5), ("b", 6)]), writer="w")
    log.append("click", toolbox.clicks([("a", 2), ("b", 30)]), writer="w")
    rows = log.read("click")
    assert rows.column("event_id").to_pylist() == ["a", "b"]
    observed = [START + timedelta(hours=2), START + timedelta(hours=6)]
    assert rows.column("observed_at").to_pylist() == observed


@settings(max_examples=40)
@given(
    rows=st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 50)), min_size=1, max_size=20),
    cuts=st.lists(st.integers(0, 20), max_size=4),
    order=st.randoms(use_true_random=False),
)
def test_read_depends_on_neither_order_nor_batches(
    toolbox, rows: list[tuple[str, float]], cuts: list[int], order: object
) -> None:
    whole, parts = ParquetEventLog(toolbox.store()), ParquetEventLog(store := toolbox.store())
    whole.append("click", toolbox.clicks(rows), writer="w")
    shuffled = list(rows)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    edges = sorted({0, len(rows), *(min(cut, len(rows)) for cut in cuts)})
    for low, high in pairwise(edges):
        parts.append("click", toolbox.clicks(shuffled[low:high]), writer="v")
    assert parts.read("click").equals(whole.read("click"))
    assert verify(store).is_intact


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["job_id"]), "job_id"),
        (lambda t: t.append_column("x", pa.array([1, 2])), "x"),
        (lambda t: t.set_column(1, "occurred_at", pa.array([START.replace(tzinfo=None)] * 2)), "naive"),
        (lambda t: t.set_column(3, "user_id", pa.array(["u", None])), "user_id is null in row 1"),
        (lambda t: t.set_column(2, "observed_at", pa.array(["soon", "later"])), "without loss"),
        (lambda t: t.set_column(2, "observed_at", pa.array([-1, 5], pa.int64()).cast(t.schema.field(2).type)), "1970"),
    ],
)
def test_rows_of_another_shape_are_refused_whole(toolbox, change: object, message: str) -> None:
    store = toolbox.store()
    with pytest.raises(InvalidInputError, match=message):
        ParquetEventLog(store).append("click", change(toolbox.clicks([("a", 0), ("b", 1)])), writer="w")  # type: ignore[operator]
    assert store.list("") == []


def test_text_that_is_not_utf8_is_refused(toolbox) -> None:
    broken = pa.Array.from_buffers(pa.string(), 1, pa.array([b"\xff"], pa.binary()).buffers())
    with pytest.raises(InvalidInputError, match="without loss"):
        ParquetEventLog(toolbox.store()).append(
            "click", toolbox.clicks([("a", 0)]).set_column(3, "user_id", broken), writer="w"
        )


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("dies_at", range(1, 5))
def test_a_crash_at_any_write_is_healed_by_appending_again(toolbox, dies_at: int, after: bool) -> None:
    table = toolbox.clicks([("a", 0), ("b", 1), ("c", 26)])
    reference, store = toolbox.store(), toolbox.store()
    ParquetEventLog(reference).append("click", table, writer="w")
    with pytest.raises(toolbox.CrashError):
        ParquetEventLog(toolbox.CrashingStore(store, dies_at, after=after)).append("click", table, writer="w")
    orphans = [finding.key for finding in verify(store).findings if finding.kind == "unlisted_file"]
    written = dies_at if after else dies_at - 1
    assert len(orphans) == len(verify(store).findings) == (written if written < 4 else 0)
    ParquetEventLog(store).append("click", table, writer="w")
    assert verify(store).is_intact
    assert {k: store.get(k) for k in store.list("")} == {k: reference.get(k) for k in reference.list("")}


def test_an_orphan_is_healed_by_relisting_it(toolbox) -> None:
    store = toolbox.store()
    with pytest.raises(toolbox.CrashError):
        ParquetEventLog(toolbox.CrashingStore(store, 2)).append("click", toolbox.clicks([("a", 0)]), writer="w")
    log = ParquetEventLog(store)
    log.relist(log.files("click"))
    log.relist(log.files("click"))
    assert verify(store).is_intact
    assert len(store.list("manifests")) == 1


def test_damage_stops_reading_and_appending(toolbox, whole_log: dict[str, bytes]) -> None:
    file = next(key for key in whole_log if "event_type=click" in key)
    log = ParquetEventLog(toolbox.stored({**whole_log, file: whole_log[file][:-1]}))
    with pytest.raises(IntegrityError, match="click"):
        log.read("click")
    newest, before = (manifest_key(number) for number in (3, 2))
    log = ParquetEventLog(toolbox.stored({**whole_log, newest: b"", before: whole_log[before][:-1]}))
    with pytest.raises(IntegrityError, match=before):
        log.append("click", toolbox.clicks([("new", 0)]), writer="w")


def test_files_are_selected_by_day_over_short_and_long_ranges(toolbox) -> None:
    log = ParquetEventLog(toolbox.store())
    log.append("click", toolbox.clicks([("a", 1), ("b", 30), ("c", 50), ("d", 24 * 80)]), writer="w")
    places = [(file.day, file.hour) for file in log.files("click")]
    days = [DAY + timedelta(days=offset) for offset in (0, 1, 2, 80)]
    assert places == list(zip(days, (1, 6, 2, 0), strict=True))
    for last in (DAY + timedelta(days=2), DAY + timedelta(days=79)):
        chosen = log.files("click", start=days[1], end=last)
        assert [file.day for file in chosen] == days[1:3]
    assert log.files("click", start=days[1], end=DAY) == ()


def test_days_are_those_of_folders_that_are_not_looked_into(toolbox) -> None:
    store = toolbox.store()
    log = ParquetEventLog(store)
    assert log.days("click") == ()
    log.append("click", toolbox.clicks([("b", 30), ("a", 1), ("d", 24 * 80)]), writer="w")
    store.put_if_absent("events/event_type=click/dt=yesterday/x", b"")
    assert log.days("click") == tuple(DAY + timedelta(days=offset) for offset in (0, 1, 80))


def test_what_a_batch_came_from_can_be_named(toolbox) -> None:
    log = ParquetEventLog(toolbox.store())
    log.append("click", toolbox.clicks([("a", 1)]), writer="ingest", batch="b07")
    (file,) = log.files("click")
    assert (file.writer, file.batch, file.hour) == ("ingest", "b07", 1)
    assert log.read_file(file, ("job_id",)).to_pydict() == {"job_id": ["j1"]}


def test_unknown_types_are_refused_everywhere(toolbox) -> None:
    log = ParquetEventLog(toolbox.store())
    for refused in (
        lambda: log.append("clack", toolbox.clicks([("a", 0)]), writer="w"),
        lambda: log.read("clack"),
        lambda: log.files("clack"),
    ):
        with pytest.raises(InvalidInputError, match=r"'clack' is unknown; use one of .*click"):
            refused()


@pytest.mark.parametrize("damage", [b"", b"PAR1 and no more"])
def test_a_file_that_a_power_cut_took_is_written_again_by_appending_again(toolbox, damage: bytes) -> None:
    table = toolbox.clicks([("a", 0), ("b", 1)])
    reference, store = toolbox.store(), toolbox.store()
    for one in (reference, store):
        ParquetEventLog(one).append("click", table, writer="w")
    key = store.list("events")[0]
    store.replace(key, damage)
    assert [finding.kind for finding in verify(store).findings] == ["altered_file"]
    ParquetEventLog(store).append("click", table, writer="w")
    assert {k: store.get(k) for k in store.list("")} == {k: reference.get(k) for k in reference.list("")}


def test_a_file_is_never_written_over_by_other_rows(toolbox) -> None:
    store = toolbox.store()
    log = ParquetEventLog(store)
    log.append("click", toolbox.clicks([("a", 0)]), writer="w")
    (key,) = store.list("events")
    good = store.get(key)
    log.append("click", toolbox.clicks([("b", 0)]), writer="w")
    assert store.get(key) == good


def test_rows_of_many_hours_are_listed_by_one_manifest(toolbox) -> None:
    store = toolbox.store()
    log = ParquetEventLog(store)
    log.append("click", toolbox.clicks([(str(n), n) for n in range(20)]), writer="w")
    assert (len(store.list("events")), len(store.list("manifests"))) == (20, 1)
    assert verify(store).is_intact
