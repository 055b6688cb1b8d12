"""The exporter: by contract, known at 23:30, the same bytes for the same day, true to the record, late but not lost."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from mlife_assets.core.windows import add_days, day_start
from mlife_assets.market.exporter import World, event_table, honest_tables, landing_key
from mlife_assets.market.injections import Injection
from mlife_assets.market.outcomes import APPLY, CLICK, HIRE
from mlife_assets.market.parquet_bytes import parquet_bytes
from mlife_assets.market.population import epoch_us
from mlife_assets.market.records import DayRecord
from mlife_assets.market.simulation import Market
from mlife_assets.market.texts import asks_for_mails
from mlife_assets.market.vacancies import CLOSE_REASONS, job_ids
from mlife_assets.market.world import tiny_config
from mlife_assets.recruiting.events import EVENT_TYPES, MARKET_EVENT_TYPES, OCCUPATION_GROUPS, SHIFTS

DAYS = 12
CONFIG = tiny_config(users=900, jobs=150)
TEXTING = ("message_planned", "message_submitted", "message_status")


def world_of(market: Market) -> World:
    return World(market.config, market.catalogue, market.people, market.people.shown_taste)


def lived(config, days: int) -> tuple[World, list[DayRecord]]:
    market = Market(config, lambda user: False)
    records = [market.advance(add_days(config.start_date, offset)) for offset in range(days)]
    return world_of(market), records


@pytest.fixture(scope="module")
def world_and_records() -> tuple[World, list[DayRecord]]:
    return lived(CONFIG, DAYS)


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


def test_every_market_type_is_exported_with_the_schema_of_its_contract(exports) -> None:
    for tables in exports:
        assert set(tables) == set(MARKET_EVENT_TYPES)
        for name, table in tables.items():
            assert table.schema == EVENT_TYPES[name].delivered(table.column_names).schema
            table.validate(full=True)
            for field in EVENT_TYPES[name].delivered(table.column_names).schema:
                assert field.nullable or table[field.name].null_count == 0, f"{name}.{field.name}"
    assert all(sum(one[name].num_rows for one in exports) for name in MARKET_EVENT_TYPES)


def test_every_row_is_known_from_the_export_of_its_day_on(exports, records) -> None:
    for record, tables in zip(records, exports, strict=True):
        for name, table in tables.items():
            if table.num_rows:
                assert table["observed_at"].unique().to_pylist() == [export_time(record.day)], name
                assert max(table["occurred_at"].to_pylist()) <= export_time(record.day), name


def test_ids_name_events_once_and_for_all(exports) -> None:
    ids = [one for name in MARKET_EVENT_TYPES for one in column(exports, name, "event_id")]
    assert len(set(ids)) == len(ids)


def test_an_empty_day_gives_empty_tables_of_the_same_schema(world, records) -> None:
    none = np.zeros(0, dtype=np.int64)
    record = records[0]
    quiet = replace(
        record,
        posted=none,
        members=none,
        impression_ids=none.astype(str),
        **{
            name: type(part)(*(getattr(part, one)[:0] for one in part.__dataclass_fields__))
            for name in ("closings", "consents", "impressions", "texts", "outcomes")
            for part in (getattr(record, name),)
        },
    )
    tables = honest_tables(world, quiet)
    assert {name: (table.num_rows, table.schema) for name, table in tables.items()} == {
        name: (0, EVENT_TYPES[name].delivered(tables[name].column_names).schema) for name in MARKET_EVENT_TYPES
    }


def test_landing_keys_are_one_per_type_and_day() -> None:
    assert landing_key("click", date(2026, 6, 2)) == "click/dt=2026-06-02/export.parquet"
    days = [date(2026, 6, 2), date(2026, 6, 3)]
    assert len({landing_key(name, day) for name in MARKET_EVENT_TYPES for day in days}) == 2 * len(MARKET_EVENT_TYPES)


def test_the_same_world_lived_again_gives_the_same_bytes(exports) -> None:
    again = [honest_tables(*pair) for world, records in [lived(CONFIG, 4)] for pair in ((world, r) for r in records)]
    for first, second in zip(exports, again, strict=False):
        assert {name: parquet_bytes(table) for name, table in first.items()} == {
            name: parquet_bytes(table) for name, table in second.items()
        }


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
    assert row == payload_row(payload) | {
        "event_id": "e",
        "occurred_at": datetime(2026, 6, 1, 0, 0, 0, 1, tzinfo=UTC),
        "observed_at": datetime(2026, 6, 2, 23, 30, tzinfo=UTC),
    }
    with pytest.raises(KeyError, match="source"):
        event_table("click", day, ["e"], occurred, {k: v for k, v in payload.items() if k != "source"})


def payload_row(payload: dict[str, list[str]]) -> dict[str, str]:
    return {name: values[0] for name, values in payload.items()}


def test_postings_are_exported_once_as_they_are(world, exports, records) -> None:
    jobs = records[-1].vacancies
    rows = np.concatenate([record.posted for record in records])
    assert column(exports, "job_posted", "job_id") == job_ids(np.arange(len(jobs))).tolist()
    codes = [metro.metro_code for metro in world.catalogue.metros]
    expected = {
        "metro_code": [codes[one] for one in jobs.metro[rows]],
        "occupation_group": [OCCUPATION_GROUPS[one] for one in jobs.group[rows]],
        "occupation_code": [world.catalogue.occupation_codes[one] for one in jobs.occupation[rows]],
        "shift": [SHIFTS[one] for one in jobs.shift[rows]],
        "seniority": jobs.seniority[rows].tolist(),
        "latitude": jobs.latitude[rows].tolist(),
        "longitude": jobs.longitude[rows].tolist(),
        "pay_usd_per_hour": jobs.pay[rows].tolist(),
        "bid_usd_per_apply": jobs.bid[rows].tolist(),
        "openings": jobs.openings[rows].tolist(),
        "occurred_at": moments(jobs.posted_us[rows]),
        "expires_at": moments(jobs.expires_us[rows]),
        "text_embedding": np.round(jobs.text[rows], 6).tolist(),
    }
    for name, values in expected.items():
        assert column(exports, "job_posted", name) == values, name


def test_titles_tell_the_seniority(world, exports, records) -> None:
    jobs = records[-1].vacancies
    plain = [world.catalogue.titles[one] for one in jobs.occupation]
    prefixes = {0: "Trainee ", 1: "", 2: "Senior ", 3: "Lead "}
    wanted = [prefixes[level] + title for level, title in zip(jobs.seniority.tolist(), plain, strict=True)]
    assert column(exports, "job_posted", "title") == wanted
    employers = dict(
        zip(column(exports, "job_posted", "employer_id"), column(exports, "job_posted", "employer_name"), strict=True)
    )
    assert set(employers) == {f"emp_{one:05d}" for one in jobs.employer.tolist()}
    pairs = set(
        zip(column(exports, "job_posted", "employer_id"), column(exports, "job_posted", "employer_name"), strict=True)
    )
    assert len(pairs) == len(employers)


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
    applications = {
        row["event_id"]: (row["user_id"], row["job_id"], row["exposure_id"], row["source"])
        for tables in exports
        for row in tables["apply"].to_pylist()
    }
    hires = [row for tables in exports for row in tables["hire"].to_pylist()]
    assert hires
    for row in hires:
        pair = (row["user_id"], row["job_id"], row["exposure_id"], row["source"])
        assert applications[row["apply_event_id"]] == pair


def test_late_rows_come_in_later_files_with_the_time_they_happened(exports, records) -> None:
    exposed = {
        one: record.day for record in records for one in [*record.impression_ids.tolist(), *record.texts.message_ids]
    }
    late = 0
    for record, tables in zip(records, exports, strict=True):
        for row in tables["apply"].to_pylist():
            assert exposed[row["exposure_id"]] <= record.day
            assert row["occurred_at"] > export_time(add_days(record.day, -1))
            late += exposed[row["exposure_id"]] < record.day
    assert late > 10
    before_midnight = [
        row
        for record, tables in zip(records, exports, strict=True)
        for name in ("click", "apply")
        for row in tables[name].to_pylist()
        if row["occurred_at"] < day_start(record.day)
    ]
    assert before_midnight
    assert all(row["observed_at"].date() == add_days(row["occurred_at"].date(), 1) for row in before_midnight)


def test_held_back_labels_are_exported_days_later_with_all_else_unchanged(exports) -> None:
    config = replace(CONFIG, injections=(Injection("labels_late", add_days(CONFIG.start_date, 2), 0, 3, 1),))
    world, records = lived(config, 6)
    tables = [honest_tables(world, record) for record in records]
    held = exports[2]["click"].to_pylist()
    assert held
    assert tables[2]["click"].num_rows == 0
    found = {row["event_id"]: row for row in tables[5]["click"].to_pylist()}
    for row in held:
        assert found[row["event_id"]] == row | {"observed_at": export_time(records[5].day)}


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
        assert row["body"].startswith(f"{CONFIG.brand}: ")
        assert f"${pays[row['job_id']]:.2f}/hr" in row["body"]
        assert len(row["body"]) <= 160
