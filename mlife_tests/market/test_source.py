"""Landing files: by contract, identical on every way to them, without truth; faults change files and nothing else."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from operator import itemgetter

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from mlife_assets.core.errors import ContentConflictError, InvalidInputError, UpstreamMismatchError
from mlife_assets.core.windows import add_days, day_start
from mlife_assets.market.behaviour import APPLY, CLICK, HIRE
from mlife_assets.market.parquet_bytes import parquet_bytes
from mlife_assets.market.population import epoch_us
from mlife_assets.market.simulation import STATE_FILE, DayRecord, Market
from mlife_assets.market.source import World, event_table, honest_tables
from mlife_assets.market.texts import DELIVERED_SCHEMA, asks_for_mails
from mlife_assets.market.vacancies import CLOSE_REASONS, job_ids
from mlife_assets.market.world import FAULTS, RELEASED_CALIBRATION, Injection, tiny_config
from mlife_assets.recruiting.events import EVENT_TYPES, MARKET_EVENT_TYPES, OCCUPATION_GROUPS, SHIFTS

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
EXPORTED_DAYS = 12
EXPORTED = tiny_config(users=900, jobs=150)
TEXTING = ("message_planned", "message_submitted", "message_status")


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
    assert set(MARKET_EVENT_TYPES) <= seen


def test_the_recruiters_tool_stops_when_the_platform_starts_and_no_file_holds_truth_or_phone_numbers(straight) -> None:
    for name in TEXTING:
        days = sorted(path.parent.name for path in (straight / "landing" / name).rglob("*.parquet"))
        assert days[-1] < f"dt={CONFIG.first_lived_date}"
        assert len(days) == 3
    hidden = re.compile(r"activity|appeal|quality|view_rate|weight|probability|phone|injection|elasticity")
    for path in (straight / "landing").rglob("*.parquet"):
        assert not [name for name in pq.read_schema(path).names if hidden.search(name)]
    assert (straight / "truth" / "people").is_dir()


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
        assert set(column(clean_exports, name, "event_id")) == set(column(late, name, "event_id"))
    found = {row["event_id"]: row for row in late[OFFSET + 3]["click"].to_pylist()}
    for row in clean_exports[OFFSET]["click"].to_pylist():
        assert found[row["event_id"]] == row | {"observed_at": export_time(add_days(DAY, 3))}


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
    seen = {row["event_id"] for row in rows} | {row["exposure_id"] for row in clean["click"].to_pylist()}
    assert {row["exposure_id"] for row in changed["click"].to_pylist()} - known <= seen


def test_faults_add_up(toolbox, clean_exports) -> None:
    found = tuple(Injection(name, DAY, duration_days=1) for name in ("pay_in_cents", "embedding_reversed"))
    changed = toolbox.exports(tiny_config(injections=found), OFFSET + 1)[OFFSET]["user_snapshot"]
    columns = changed_columns(clean_exports[OFFSET]["user_snapshot"], changed)
    assert columns == {"reservation_pay_usd_per_hour", "taste_embedding"}


@pytest.fixture(scope="module")
def world_and_records() -> tuple[World, list[DayRecord]]:
    market = Market(EXPORTED, lambda user: False)
    records = [market.advance(add_days(EXPORTED.start_date, offset)) for offset in range(EXPORTED_DAYS)]
    return World(market.config, market.catalogue, market.people, market.people.shown_taste), records


@pytest.fixture(scope="module")
def world(world_and_records) -> World:
    return world_and_records[0]


@pytest.fixture(scope="module")
def records(world_and_records) -> list[DayRecord]:
    return world_and_records[1]


@pytest.fixture(scope="module")
def exports(world, records) -> list[dict[str, pa.Table]]:
    return [honest_tables(world, record) for record in records]


def moments(values: np.ndarray) -> list[datetime]:
    return [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=one) for one in values.tolist()]


def export_time(day: date) -> datetime:
    return day_start(day).replace(hour=23, minute=30)


def column(tables: list[dict[str, pa.Table]], event_type: str, name: str) -> list:
    return [value for one in tables for value in one[event_type][name].to_pylist()]


def test_ids_name_events_once_and_for_all(exports) -> None:
    ids = [one for name in MARKET_EVENT_TYPES for one in column(exports, name, "event_id")]
    assert len(set(ids)) == len(ids)


def test_an_empty_day_gives_empty_tables_of_the_same_schema(world, records) -> None:
    none = np.zeros(0, dtype=np.int64)
    record = records[0]
    parts = {name: getattr(record, name) for name in ("closings", "consents", "impressions", "texts", "outcomes")}
    for name, part in parts.items():
        parts[name] = type(part)(*(getattr(part, one)[:0] for one in part.__dataclass_fields__))
    quiet = replace(record, posted=none, members=none, impression_ids=none.astype(str), **parts)
    tables = honest_tables(world, quiet)
    assert set(tables) == set(MARKET_EVENT_TYPES)
    for name, table in tables.items():
        assert (table.num_rows, table.schema) == (0, EVENT_TYPES[name].delivered(table.column_names).schema)


def test_bytes_depend_on_rows_and_neither_on_chunks_nor_on_metadata(exports) -> None:
    table = exports[3]["impression"]
    half = table.num_rows // 2
    pieces = pa.concat_tables([table.slice(0, half), table.slice(half)]).replace_schema_metadata({"made": "today"})
    assert pieces["job_id"].num_chunks == 2
    assert parquet_bytes(pieces) == parquet_bytes(table)
    assert parquet_bytes(table.slice(1)) != parquet_bytes(table)
    read = pq.read_table(io.BytesIO(parquet_bytes(table)))
    assert read.equals(table)
    assert read.schema.metadata is None


def test_event_table_casts_and_refuses_missing_columns() -> None:
    day, occurred = date(2026, 6, 2), np.array([epoch_us(date(2026, 6, 1)) + 1])
    payload = {"user_id": ["u"], "job_id": ["j"], "source": ["organic"], "exposure_id": ["x"]}
    (row,) = event_table("click", day, ["e"], occurred, payload).to_pylist()
    times = {"occurred_at": datetime(2026, 6, 1, 0, 0, 0, 1, tzinfo=UTC), "observed_at": export_time(day)}
    assert row == {name: value for name, (value,) in payload.items()} | {"event_id": "e"} | times
    with pytest.raises(KeyError, match="source"):
        event_table("click", day, ["e"], occurred, {k: v for k, v in payload.items() if k != "source"})


def test_postings_are_exported_once_as_they_are(world, exports, records) -> None:
    jobs = records[-1].vacancies
    rows = np.concatenate([record.posted for record in records])
    assert column(exports, "job_posted", "job_id") == job_ids(np.arange(len(jobs))).tolist()
    codes = [metro.metro_code for metro in world.catalogue.metros]
    expected = {
        "metro_code": [codes[one] for one in jobs.metro[rows]],
        "occupation_group": [OCCUPATION_GROUPS[one] for one in jobs.group[rows]],
        "occupation_code": [world.catalogue.occupation_codes[one] for one in jobs.occupation[rows]],
        "shift": [SHIFTS[one] for one in jobs.shift[rows]], "seniority": jobs.seniority[rows].tolist(),
        "latitude": jobs.latitude[rows].tolist(), "longitude": jobs.longitude[rows].tolist(),
        "pay_usd_per_hour": jobs.pay[rows].tolist(), "bid_usd_per_apply": jobs.bid[rows].tolist(),
        "openings": jobs.openings[rows].tolist(), "occurred_at": moments(jobs.posted_us[rows]),
        "expires_at": moments(jobs.expires_us[rows]), "text_embedding": np.round(jobs.text[rows], 6).tolist(),
    }  # fmt: skip
    for name, values in expected.items():
        assert column(exports, "job_posted", name) == values, name


def test_titles_tell_the_seniority(world, exports, records) -> None:
    jobs = records[-1].vacancies
    plain = [world.catalogue.titles[one] for one in jobs.occupation]
    prefixes = {0: "Trainee ", 1: "", 2: "Senior ", 3: "Lead "}
    wanted = [prefixes[level] + title for level, title in zip(jobs.seniority.tolist(), plain, strict=True)]
    assert column(exports, "job_posted", "title") == wanted
    names = [column(exports, "job_posted", name) for name in ("employer_id", "employer_name")]
    assert set(names[0]) == {f"emp_{one:05d}" for one in jobs.employer.tolist()}
    assert len(set(zip(*names, strict=True))) == len(set(names[0]))


def test_closings_are_in_order_of_time_with_their_reason(exports, records) -> None:
    seen = set()
    for record, tables in zip(records, exports, strict=True):
        table, closings = tables["job_closed"], record.closings
        rows = zip(table["occurred_at"].to_pylist(), table["job_id"].to_pylist(), strict=True)
        assert list(rows) == sorted(zip(moments(closings.moment_us), job_ids(closings.job).tolist(), strict=True))
        reasons = dict(zip(table["job_id"].to_pylist(), table["reason"].to_pylist(), strict=True))
        names = [CLOSE_REASONS[one] for one in closings.reason.tolist()]
        assert reasons == dict(zip(job_ids(closings.job).tolist(), names, strict=True))
        seen |= set(names)
    assert {"expired", "withdrawn"} <= seen


def test_snapshots_show_members_with_the_shown_taste(world, records) -> None:
    record = replace(records[2], members=np.array([5, 7, 400]))
    shown = np.arange(len(world.people) * 8).reshape(-1, 8) / 7.0
    table = honest_tables(replace(world, shown_taste=shown), record)["user_snapshot"]
    people, chosen = world.people, record.members
    assert table["user_id"].to_pylist() == ["usr_0000005", "usr_0000007", "usr_0000400"]
    assert table["taste_embedding"].to_pylist() == np.round(shown[chosen], 6).tolist()
    assert table["reservation_pay_usd_per_hour"].to_pylist() == people.reservation_pay[chosen].tolist()
    assert table["signed_up_at"].to_pylist() == moments(people.signed_up_us[chosen])
    assert table["time_zone"].to_pylist() == people.time_zones[chosen].tolist()
    assert table["state_code"].to_pylist() == people.state_codes[chosen].tolist()
    assert table["occupation_group"].to_pylist() == [OCCUPATION_GROUPS[one] for one in people.group[chosen]]
    assert table["shift"].to_pylist() == [SHIFTS[one] for one in people.shift[chosen]]
    assert table["latitude"].to_pylist() == people.latitude[chosen].tolist()
    assert table["longitude"].to_pylist() == people.longitude[chosen].tolist()
    metros = [world.catalogue.metros[one].metro_code for one in people.metro[chosen]]
    assert table["metro_code"].to_pylist() == metros
    assert set(table["occurred_at"].to_pylist()) == {day_start(record.day).replace(hour=23)}


def test_consent_is_given_at_sign_up_and_taken_back_later(world, exports, records) -> None:
    first = exports[0]["consent"]
    mails = first.filter(pc.equal(first["channel"], "email"))
    first = first.filter(pc.equal(first["channel"], "sms"))
    members = records[0].members
    granted = dict(zip(first["user_id"].to_pylist(), first["is_granted"].to_pylist(), strict=True))
    assert set(granted) == set(world.people.user_ids[members].tolist())
    assert set(first["source"].to_pylist()) == {"signup"}
    consented = world.people.is_consented_at_signup[members].tolist()
    assert granted == dict(zip(world.people.user_ids[members].tolist(), consented, strict=True))
    asked = [user for user in world.people.user_ids[members].tolist() if asks_for_mails(world.config, user)]
    assert sorted(mails["user_id"].to_pylist()) == sorted(asked)
    assert 0.4 < len(asked) / len(members) < 0.65
    assert set(mails["is_granted"].to_pylist()) == {True}
    assert len(set(mails["event_id"].to_pylist()) | set(first["event_id"].to_pylist())) == mails.num_rows + len(members)
    changes = replace(records[0].consents, is_signup=np.zeros(len(members), dtype=bool))
    later = honest_tables(world, replace(records[0], consents=changes))["consent"]
    assert set(later["source"].to_pylist()) == {"preference_page"}
    assert set(later["channel"].to_pylist()) == {"sms"}, "who takes consent to texts back asks for no mails"
    assert later["occurred_at"].to_pylist() == moments(changes.moment_us)


def test_impressions_are_those_of_the_record(world, exports, records) -> None:
    table, record = exports[3]["impression"], records[3]
    views = record.impressions
    assert table["event_id"].to_pylist() == record.impression_ids.tolist()
    assert table["user_id"].to_pylist() == world.people.user_ids[views.person].tolist()
    assert table["job_id"].to_pylist() == job_ids(views.job).tolist()
    assert table["position"].to_pylist() == views.position.tolist()
    assert table["surface"].to_pylist() == ["feed" if one else "search" for one in views.is_feed]
    assert table["occurred_at"].to_pylist() == moments(views.moment_us)


@pytest.mark.parametrize(("name", "kind"), [("click", CLICK), ("apply", APPLY), ("hire", HIRE)])
def test_responses_name_the_exposure_that_caused_them(name: str, kind: int, world, exports, records) -> None:
    count = 0
    for record, tables in zip(records, exports, strict=True):
        table, rows = tables[name], record.outcomes.take(record.outcomes.kind == kind)
        assert table["exposure_id"].to_pylist() == rows.exposure_id.tolist()
        assert table["source"].to_pylist() == ["message" if one else "organic" for one in rows.is_text]
        assert table["user_id"].to_pylist() == world.people.user_ids[rows.person].tolist()
        assert table["job_id"].to_pylist() == job_ids(rows.job).tolist()
        assert table["occurred_at"].to_pylist() == moments(rows.moment_us)
        count += len(rows)
    assert count > 0


def test_a_hire_names_its_application(exports) -> None:
    said = itemgetter("user_id", "job_id", "exposure_id", "source")
    applications = {row["event_id"]: said(row) for tables in exports for row in tables["apply"].to_pylist()}
    hires = [row for tables in exports for row in tables["hire"].to_pylist()]
    assert hires
    assert all(applications[row["apply_event_id"]] == said(row) for row in hires)


def test_late_rows_come_in_later_files_with_the_time_they_happened(exports, records) -> None:
    shown = [(record.day, [*record.impression_ids.tolist(), *record.texts.message_ids]) for record in records]
    exposed = {one: day for day, ids in shown for one in ids}
    pairs, late = list(zip(records, exports, strict=True)), 0
    for record, tables in pairs:
        assert all(exposed[one] <= record.day for one in tables["click"]["exposure_id"].to_pylist())
        for row in tables["apply"].to_pylist():
            assert exposed[row["exposure_id"]] <= record.day
            assert row["occurred_at"] > export_time(add_days(record.day, -1))
            late += exposed[row["exposure_id"]] < record.day
    assert late > 10
    answers = [
        (one.day, row) for one, tables in pairs for name in ("click", "apply") for row in tables[name].to_pylist()
    ]
    before_midnight = [row for day, row in answers if row["occurred_at"] < day_start(day)]
    assert before_midnight
    assert all(row["observed_at"].date() == add_days(row["occurred_at"].date(), 1) for row in before_midnight)


def test_a_text_is_planned_submitted_and_answered_for(world, exports, records) -> None:
    texted = [pair for pair in zip(records, exports, strict=True) if len(pair[0].texts)]
    assert len(texted) > 5
    for record, tables in texted:
        texts = record.texts
        planned, submitted, status = (tables[name] for name in TEXTING)
        for table in (planned, submitted, status):
            assert table["message_id"].to_pylist() == texts.message_ids.tolist()
            assert table["user_id"].to_pylist() == world.people.user_ids[texts.person].tolist()
        assert planned["job_id"].to_pylist() == job_ids(texts.job).tolist()
        assert planned["slice"].to_pylist() == ["explore" if one else "recruiter_rule" for one in texts.is_explore]
        assert planned["propensity"].to_pylist() == texts.propensity.tolist()
        assert set(planned["as_of_date"].to_pylist()) == {record.day}
        assert len(set(planned["plan_id"].to_pylist())) == 1
        states = ["delivered" if one else "undelivered" for one in texts.is_delivered]
        assert status["status"].to_pylist() == states
        assert [one is None for one in status["detail"].to_pylist()] == texts.is_delivered.tolist()
        assert submitted["occurred_at"].to_pylist() == moments(texts.sent_us)
        waits = zip(status["occurred_at"].to_pylist(), submitted["occurred_at"].to_pylist(), strict=True)
        assert {(after - before).total_seconds() for after, before in waits} == {4.0}
        assert set(planned["occurred_at"].to_pylist()) == {day_start(record.day).replace(hour=12)}
    assert len(set(column(exports, "message_status", "provider_message_id"))) == sum(len(one.texts) for one in records)
    assert "undelivered" in column(exports, "message_status", "status")
    assert "explore" in column(exports, "message_planned", "slice")


def test_bodies_name_brand_and_job_and_fit_one_segment(exports, records) -> None:
    jobs = records[-1].vacancies
    pays = dict(zip(job_ids(np.arange(len(jobs))).tolist(), jobs.pay.tolist(), strict=True))
    for row in exports[0]["message_planned"].to_pylist():
        assert row["body"].startswith(f"{EXPORTED.brand}: ")
        assert f"${pays[row['job_id']]:.2f}/hr" in row["body"]
        assert len(row["body"]) <= 160
