"""Landing files: by contract, identical on every way to them, without truth; faults change files and nothing else."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mlife_assets.core.errors import ContentConflictError, InvalidInputError, UpstreamMismatchError
from mlife_assets.core.windows import add_days, day_start
from mlife_assets.market.injections import FAULTS, Injection
from mlife_assets.market.simulation import STATE_FILE
from mlife_assets.market.texts import DELIVERED_SCHEMA
from mlife_assets.market.world import RELEASED_CALIBRATION, tiny_config
from mlife_assets.recruiting.events import EVENT_TYPES

CONFIG = tiny_config(history_days=4)
LAST = add_days(CONFIG.start_date, 6)

OFFSET, DURATION, DAYS = 4, 2, 12
DAY = add_days(tiny_config().start_date, OFFSET)
FELT = range(OFFSET, OFFSET + DURATION)
SIZES = {"labels_late": 3.0, "duplicate_events": 0.2, "clock_skew": 5.0, "bots": 0.5, "mis_keyed_join": 0.4}
CHANGED = {
    "labels_late": {"click", "apply", "hire"},
    "duplicate_events": {"impression", "click", "apply"},
    "clock_skew": {"impression", "click"},
    "bots": {"impression", "click"},
}


def contents(folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def one_text(day) -> pa.Table:
    row = {"message_id": f"msg_{day}", "user_id": "usr_0000003", "job_id": "job_0000001"}
    return pa.Table.from_pylist([row | {"sent_at": day_start(day).replace(hour=18)}], schema=DELIVERED_SCHEMA)


@pytest.fixture(scope="module")
def straight(toolbox, tmp_path_factory):
    home = tmp_path_factory.mktemp("straight")
    toolbox.event_source(CONFIG, home, one_text).deliver(LAST)
    return home


def test_stopping_every_day_gives_the_same_files(straight, toolbox, tmp_path) -> None:
    for offset in range(7):
        toolbox.event_source(CONFIG, tmp_path, one_text).deliver(add_days(CONFIG.start_date, offset))
    for name in ("landing", "truth"):
        assert contents(tmp_path / name) == contents(straight / name)


def test_a_crash_before_the_state_was_saved_repeats_the_day_in_place(straight, toolbox, tmp_path) -> None:
    source = toolbox.event_source(CONFIG, tmp_path, one_text)
    source.deliver(add_days(LAST, -1))
    before = (tmp_path / "private" / STATE_FILE).read_bytes()
    source.deliver(LAST)
    (tmp_path / "private" / STATE_FILE).write_bytes(before)
    toolbox.event_source(CONFIG, tmp_path, one_text).deliver(LAST)
    assert contents(tmp_path / "landing") == contents(straight / "landing")


class FailingStore:
    """A landing store that breaks after a few puts."""

    def __init__(self, inner, puts: int) -> None:
        self.inner, self.puts = inner, puts

    def put_if_absent(self, key: str, data: bytes) -> bool:
        self.puts -= 1
        if self.puts < 0:
            raise OSError("disk full")
        return self.inner.put_if_absent(key, data)


def test_a_crash_between_two_files_leaves_no_gap(straight, toolbox, tmp_path) -> None:
    source = toolbox.event_source(CONFIG, tmp_path, one_text)
    working = source.landing
    for puts in (3, 40):
        source.landing = FailingStore(working, puts)
        with pytest.raises(OSError, match="full"):
            source.deliver(LAST)
    source.landing = working
    source.deliver(LAST)
    assert contents(tmp_path / "landing") == contents(straight / "landing")


def test_a_day_is_lived_once(straight, toolbox) -> None:
    def must_not_ask(day):
        raise AssertionError(day)

    source = toolbox.event_source(CONFIG, straight, must_not_ask)
    keys = source.deliver(LAST)
    assert keys == sorted(keys)
    assert f"user_snapshot/dt={LAST}/export.parquet" in keys
    assert source.deliver(CONFIG.start_date)


def test_changed_landing_files_are_an_alarm(toolbox, tmp_path) -> None:
    source = toolbox.event_source(CONFIG, tmp_path)
    key = f"user_snapshot/dt={CONFIG.start_date}/export.parquet"
    source.landing.put_if_absent(key, b"other")
    with pytest.raises(ContentConflictError):
        source.deliver(CONFIG.start_date)


def test_state_of_another_world_is_refused(toolbox, tmp_path) -> None:
    toolbox.event_source(CONFIG, tmp_path).deliver(CONFIG.start_date)
    with pytest.raises(UpstreamMismatchError, match="another home"):
        toolbox.event_source(tiny_config(seed=2), tmp_path).deliver(CONFIG.start_date)


def test_a_world_begun_by_release_0_1_0_goes_on_in_it(toolbox, tmp_path) -> None:
    released = replace(CONFIG, calibration=RELEASED_CALIBRATION)
    toolbox.event_source(released, tmp_path / "straight", one_text).deliver(LAST)
    toolbox.event_source(released, tmp_path / "home", one_text).deliver(add_days(LAST, -2))
    toolbox.event_source(CONFIG, tmp_path / "home", one_text).deliver(LAST)
    for name in ("landing", "truth"):
        assert contents(tmp_path / "home" / name) == contents(tmp_path / "straight" / name)
    toolbox.event_source(CONFIG, tmp_path / "new", one_text).deliver(LAST)
    assert contents(tmp_path / "new" / "landing") != contents(tmp_path / "straight" / "landing")


def test_days_before_the_market_are_refused(toolbox, tmp_path) -> None:
    with pytest.raises(InvalidInputError, match="starts on"):
        toolbox.event_source(CONFIG, tmp_path).deliver(add_days(CONFIG.start_date, -1))


def test_another_seed_is_another_world(clean_exports, toolbox) -> None:
    other = toolbox.exports(tiny_config(seed=2), 1)[0]
    assert not other["impression"].equals(clean_exports[0]["impression"])


def test_landing_follows_the_event_contract(straight) -> None:
    seen = set()
    for path in (straight / "landing").rglob("*.parquet"):
        name, partition, file = path.relative_to(straight / "landing").parts
        assert file == "export.parquet"
        table = pq.read_table(io.BytesIO(path.read_bytes()))
        # A recruiters' tool of an older release writes the version that it knows.
        contract = EVENT_TYPES[name].delivered(table.schema.names)
        assert table.schema.names == contract.schema.names
        assert table.schema.types == contract.schema.types
        day = day_start(CONFIG.start_date.fromisoformat(partition.removeprefix("dt=")))
        assert set(table["observed_at"].to_pylist()) == {day.replace(hour=23, minute=30)}
        assert all(moment <= day.replace(hour=23, minute=30) for moment in table["occurred_at"].to_pylist())
        ids = table["event_id"].to_pylist()
        assert len(set(ids)) == len(ids) > 0
        for column in contract.columns:
            values = table[column.name].to_pylist()
            assert column.nullable or None not in values
            if column.allowed:
                assert set(values) <= set(column.allowed)
            if column.minimum is not None and column.maximum is not None:
                assert all(column.minimum <= value <= column.maximum for value in values)
            if column.list_size:
                assert {len(value) for value in values} == {column.list_size}
        seen.add(name)
    assert {"job_posted", "job_closed", "user_snapshot", "consent", "impression", "click", "message_planned"} <= seen


def test_the_recruiters_tool_stops_when_the_platform_starts(straight) -> None:
    for name in ("message_planned", "message_submitted", "message_status"):
        days = sorted(path.parent.name for path in (straight / "landing" / name).rglob("*.parquet"))
        assert days[-1] < f"dt={CONFIG.first_lived_date}"
        assert len(days) == 3


def test_truth_and_phone_numbers_are_not_in_the_landing_files(straight) -> None:
    hidden = re.compile(r"activity|appeal|quality|view_rate|weight|probability|phone|injection|elasticity")
    for path in (straight / "landing").rglob("*.parquet"):
        assert not [name for name in pq.read_schema(path).names if hidden.search(name)]
    assert (straight / "truth" / "people").is_dir()


def test_every_outcome_names_an_exposure_that_was_exported(toolbox) -> None:
    days = toolbox.exports(tiny_config(), 14)
    exposures = set()
    for tables in days:
        exposures |= set(tables["impression"]["event_id"].to_pylist())
        exposures |= set(tables["message_planned"]["message_id"].to_pylist())
        for name in ("click", "apply", "hire"):
            assert set(tables[name]["exposure_id"].to_pylist()) <= exposures
    applies = {one for tables in days for one in tables["apply"]["event_id"].to_pylist()}
    assert {one for tables in days for one in tables["hire"]["apply_event_id"].to_pylist()} <= applies


@pytest.fixture(scope="module")
def faulty(toolbox) -> dict[str, list[dict[str, pa.Table]]]:
    def run(name: str) -> list[dict[str, pa.Table]]:
        fault = Injection(name, DAY, size=SIZES.get(name, 1.0), duration_days=DURATION)
        return toolbox.exports(tiny_config(injections=(fault,)), DAYS)

    return {name: run(name) for name in FAULTS}


def differing(first: Iterable[dict[str, pa.Table]], second: Iterable[dict[str, pa.Table]]) -> set[tuple[int, str]]:
    pairs = enumerate(zip(first, second, strict=True))
    return {(day, name) for day, (one, other) in pairs for name in one if not one[name].equals(other[name])}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_changes_only_its_exports_on_its_days(name: str, faulty, clean_exports) -> None:
    found = differing(clean_exports, faulty[name])
    assert {table for _, table in found} <= CHANGED.get(name, {"user_snapshot"})
    last = FELT[-1] + (3 if name == "labels_late" else 0)
    assert {day for day, _ in found} <= set(range(OFFSET, last + 1))
    assert {day for day, _ in found} >= set(FELT)


def snapshots(name: str, faulty, clean_exports) -> tuple[pa.Table, pa.Table]:
    return clean_exports[OFFSET]["user_snapshot"], faulty[name][OFFSET]["user_snapshot"]


def changed_columns(clean: pa.Table, changed: pa.Table) -> set[str]:
    return {name for name in clean.column_names if not clean[name].equals(changed[name])}


def test_embedding_reversed(faulty, clean_exports) -> None:
    clean, changed = snapshots("embedding_reversed", faulty, clean_exports)
    assert changed_columns(clean, changed) == {"taste_embedding"}
    assert changed["taste_embedding"][0].as_py() == clean["taste_embedding"][0].as_py()[::-1]


def test_pay_in_cents(faulty, clean_exports) -> None:
    clean, changed = snapshots("pay_in_cents", faulty, clean_exports)
    assert changed_columns(clean, changed) == {"reservation_pay_usd_per_hour"}
    pay = "reservation_pay_usd_per_hour"
    assert np.allclose(changed[pay].to_numpy(), 100 * clean[pay].to_numpy())
    assert changed[pay].to_numpy().max() <= 10_000


def test_mis_keyed_join_gives_rows_the_attributes_of_the_next_user(faulty, clean_exports) -> None:
    clean, changed = snapshots("mis_keyed_join", faulty, clean_exports)
    assert "user_id" not in changed_columns(clean, changed)
    latitude, moved = clean["latitude"].to_numpy(), changed["latitude"].to_numpy()
    wrong = latitude != moved
    assert 0.3 < wrong.mean() < 0.5
    assert np.array_equal(moved[wrong], np.roll(latitude, -1)[wrong])
    embedding = changed["taste_embedding"].to_pylist()
    expected = clean["taste_embedding"].to_pylist()
    assert all(embedding[row] == expected[(row + 1) % len(expected)] for row in np.flatnonzero(wrong))


def test_distance_zero_puts_three_in_ten_jobs_at_home(faulty, clean_exports) -> None:
    clean, changed = snapshots("distance_zero", faulty, clean_exports)
    assert changed_columns(clean, changed) == {"latitude", "longitude"}
    jobs = pa.concat_tables([tables["job_posted"] for tables in clean_exports])
    metro = jobs["metro_code"].to_numpy(zero_copy_only=False)
    for table, low, high in ((changed, 0.2, 0.42), (clean, 0.0, 0.001)):
        home = dict(zip(table["metro_code"].to_pylist(), table["latitude"].to_pylist(), strict=True))
        at_home = jobs["latitude"].to_numpy() == np.array([home[one] for one in metro])
        assert low <= at_home.mean() <= high


def test_labels_late_hold_labels_back_and_lose_none(faulty, clean_exports) -> None:
    late = faulty["labels_late"]
    for name in ("click", "apply", "hire"):
        assert all(late[day][name].num_rows == 0 for day in FELT)
        ids = [
            {one for tables in days for one in tables[name]["event_id"].to_pylist()} for days in (clean_exports, late)
        ]
        assert ids[0] == ids[1]
    row = clean_exports[OFFSET]["click"]["event_id"][0].as_py()
    assert row in late[OFFSET + 3]["click"]["event_id"].to_pylist()


def test_duplicate_events_repeat_whole_rows(faulty, clean_exports) -> None:
    clean, changed = clean_exports[OFFSET]["impression"], faulty["duplicate_events"][OFFSET]["impression"]
    extra = changed.num_rows / clean.num_rows - 1
    assert 0.1 < extra < 0.3
    assert set(changed["event_id"].to_pylist()) == set(clean["event_id"].to_pylist())


def test_clock_skew_shifts_the_web_tier(faulty, clean_exports) -> None:
    clean, changed = clean_exports[OFFSET]["click"], faulty["clock_skew"][OFFSET]["click"]
    shift = np.unique(changed["occurred_at"].to_numpy() - clean["occurred_at"].to_numpy())
    assert shift == np.timedelta64(5, "h")
    impressions = faulty["clock_skew"][OFFSET]["impression"]
    assert (impressions["occurred_at"].to_numpy() > impressions["observed_at"].to_numpy()).any()


def test_bots_click_nearly_everything_from_few_accounts(faulty, clean_exports) -> None:
    clean, changed = clean_exports[OFFSET], faulty["bots"][OFFSET]
    views = changed["impression"].num_rows - clean["impression"].num_rows
    clicks = changed["click"].num_rows - clean["click"].num_rows
    assert views == round(0.5 * clean["impression"].num_rows)
    assert clicks > 0.85 * views
    known = set(clean["impression"]["event_id"].to_pylist())
    rows = changed["impression"].to_pylist()
    assert len({row["user_id"] for row in rows if row["event_id"] not in known}) == 1
    assert {row["exposure_id"] for row in changed["click"].to_pylist()} - known <= {row["event_id"] for row in rows} | {
        row["exposure_id"] for row in clean["click"].to_pylist()
    }


def test_faults_add_up(toolbox, clean_exports) -> None:
    found = tuple(Injection(name, DAY, duration_days=1) for name in ("pay_in_cents", "embedding_reversed"))
    changed = toolbox.exports(tiny_config(injections=found), OFFSET + 1)[OFFSET]["user_snapshot"]
    columns = changed_columns(clean_exports[OFFSET]["user_snapshot"], changed)
    assert columns == {"reservation_pay_usd_per_hour", "taste_embedding"}
