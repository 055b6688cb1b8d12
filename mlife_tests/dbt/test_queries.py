"""The query library on a home that dbt built, each figure against plain Python over the raw rows, on both engines."""

from __future__ import annotations

import shutil
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pytest

from mlife_assets.adapters.event_log import ParquetEventLog
from mlife_assets.adapters.event_log.manifests import parse_data_key
from mlife_assets.adapters.object_store import ObstoreObjectStore
from mlife_assets.adapters.sql_session import SqlSession, query_names, read_query
from mlife_assets.adapters.tables import TableStore
from mlife_assets.components.events.event_history import late_labels
from mlife_assets.core.windows import run_time
from mlife_assets.recruiting.events import EVENT_TYPES
from mlife_assets.recruiting.policies import LabelPolicy
from mlife_assets.recruiting.sql_tables import LAKE_TABLES, MAP_OF_SHOWN

Rows = list[dict[str, Any]]
Ask = Callable[[str], Rows]
STRENGTH = ("throttled", "ambiguous", "accepted", "unknown", "rejected", "undelivered", "delivered")
MEASURED = [("one", 40, 0.30, None), ("one", 40, 0.36, None), ("one", 1, 0.90, None), ("two", 30, 0.42, 0.40)]
"""Model, users with positives, MAP and that of the simple rule of four days in a row; the first model has no rule."""
KNOWN, LAST = 9, 18
"""Days of the simulated log: on which late rows became known, and as of which all labels of then are mature."""
LATE = {
    "impression": "marts.exposures where exposure_id",
    "click": "staging.stg_events__click where event_id",
    "apply": "staging.stg_events__apply where event_id",
}
"""Where the SQL of the labels reads the types of which some rows are late."""
FAULTS = {
    "select a from t qualify row_number() over (partition by a order by b) = 1": "not readable",
    "select * exclude (a) from t": "a star without some columns",
    "select t.a from t asof join s on t.a = s.a and t.b >= s.b": "a join of another engine",
    "select t.a from t anti join s on t.a = s.a": "a join of another engine",
    "select list_position(a, 1) as b from t": "an unknown function",
    "select md5(a) as b, median(a) as c from t": "a function that is not on the list",
    "select cast(a as hugeint) as b from t": "a type of another engine",
    "select count(*) / count(a) as share from t": "whole numbers may be divided",
    "select clicks / nullif(impressions, 0) as rate from t": "whole numbers may be divided",
    "select as_of_date + 1 as next_date from t": "days are counted by a sign",
    "select max(kpi_date) - min(kpi_date) as days from t": "days are counted by a sign",
    "select date '2026-01-01' - 28 as first_date": "days are counted by a sign",
    "select a::bigint as b from t": "not Trino: ::",
    "with t as materialized (select 1 as a) select a from t": "not Trino: materialized",
    "select a, count(*) as n from t group by all": "not Trino: group by all",
}


@pytest.fixture(scope="module")
def session(full, world, tmp_path_factory: pytest.TempPathFactory) -> SqlSession:
    place = Path(shutil.copytree(world.lake, tmp_path_factory.mktemp("ranked") / "lake"))
    lake = ObstoreObjectStore.local(place)
    for number, (version, users, value, simple) in enumerate(MEASURED):
        row = {"model_version": version, "users_with_positives": users, "champion_map": value, "human_map": 0.25}
        row["simple_rule_map"] = simple
        table = pa.Table.from_pylist([row], schema=LAKE_TABLES[MAP_OF_SHOWN])
        TableStore(lake).write(MAP_OF_SHOWN, date(2026, 6, 1 + number), table)
    return SqlSession(full.warehouse, lake, {"MLIFE_LAKE_ROOT": str(place)})


@pytest.fixture(scope="module")
def ask(session: SqlSession) -> Ask:
    return lambda name: session.ask(read_query(name).text).table.to_pylist()


@pytest.fixture(scope="module")
def raw(world) -> dict[str, Rows]:
    """Each event once, as it was first observed."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for name, rows in world.rows.items():
        kept = found.setdefault(name, {})
        for row in sorted(rows, key=lambda row: row["observed_at"]):
            kept.setdefault(row["event_id"], row)
    return {name: list(kept.values()) for name, kept in found.items()}


@pytest.fixture(scope="module")
def status(raw) -> dict[str, str]:
    best: dict[str, str] = {}
    for row in raw["message_status"]:
        best[row["message_id"]] = max(best.get(row["message_id"], row["status"]), row["status"], key=STRENGTH.index)
    return best


@pytest.mark.parametrize("name", query_names())
def test_a_query_answers_with_the_columns_that_its_head_explains(session, name: str) -> None:
    query = read_query(name)
    answer = session.ask(query.text).table
    assert answer.column_names == list(query.columns)
    assert answer.num_rows > 0
    assert query.question.endswith("?")
    assert not [field for field in answer.schema if pa.types.is_decimal(field.type)], (
        "Athena's whole numbers are bigint"
    )


def test_both_engines_give_each_answer(session, trino_reading, capsys) -> None:
    compared = {}
    for name in query_names():
        text = read_query(name).text
        assert trino_reading.refusals(text) == [], name
        as_it_is, translated = (session.ask(one).table for one in (text, trino_reading.in_duckdb(text)))
        assert translated.to_pylist() == as_it_is.to_pylist(), name
        compared[name] = as_it_is.num_rows
    with capsys.disabled():
        print(f"\nparity of sql/: {len(compared)} of {len(query_names())} queries equal to the row, {compared}")


def test_engagement_follows_each_exposure(ask, raw, status) -> None:
    kinds = {row["event_id"]: ("impression", row["occurred_at"].date()) for row in raw["impression"]}
    texts = {row["message_id"] for row in raw["message_planned"] if row["channel"] == "sms"}
    for row in sorted(raw["message_status"], key=lambda row: row["observed_at"]):
        if row["status"] == "delivered" and row["message_id"] in texts:
            kinds.setdefault(row["message_id"], ("message", row["occurred_at"].date()))
    caused = {kind: {row["exposure_id"] for row in raw[kind]} for kind in ("click", "apply")}
    counted: defaultdict[Any, Counter[str]] = defaultdict(Counter)
    for exposure, key in kinds.items():
        counted[key].update(exposures=1, clicked=exposure in caused["click"], applied=exposure in caused["apply"])
    rows = ask("engagement")
    assert {(row["exposure_kind"], row["exposure_date"]) for row in rows} == set(counted)
    for row in rows:
        own = counted[row["exposure_kind"], row["exposure_date"]]
        assert {name: row[name] for name in own} == dict(own)
        assert row["click_rate"] == pytest.approx(own["clicked"] / own["exposures"])
        assert row["apply_rate"] == pytest.approx(own["applied"] / own["exposures"])


def test_conversion_counts_delivered_messages(ask, raw, status) -> None:
    caused = {k: {r["exposure_id"] for r in raw[k] if r["source"] == "message"} for k in ("click", "apply")}
    hired = {r["exposure_id"]: r["occurred_at"] for r in raw["hire"]}
    counted: defaultdict[Any, Counter[str]] = defaultdict(Counter)
    for row in raw["message_planned"]:
        key = row["message_id"]
        if status.get(key) == "delivered":
            own = counted[row["campaign"], row["slice"], row["cohort"]]
            own.update(delivered=1, clicked=key in caused["click"], applied=key in caused["apply"])
            own.update(hired=key in hired and hired[key] <= row["occurred_at"] + timedelta(days=30))
    rows = ask("conversion")
    assert len(rows) == len(counted) >= 3
    for row in rows:
        own = counted[row["application"], row["slice"], row["cohort"]]
        assert {name: row[name] for name in own} == dict(own)
        assert row["apply_rate"] == pytest.approx(own["applied"] / own["delivered"])
        assert row["click_rate"] == pytest.approx(own["clicked"] / own["delivered"])


def test_lift_is_treated_minus_holdout(ask, full) -> None:
    arms = {
        (row["period_kind"], row["period_start_date"], row["arm"]): row
        for row in full.warehouse.read("experiment_readout").to_pylist()
    }
    rows = ask("lift")
    assert 2 * len(rows) == len(arms)
    for row in rows:
        treated, holdout = (arms[row["period_kind"], row["period_start_date"], arm] for arm in ("treated", "holdout"))
        assert (row["treated_users"], row["holdout_users"]) == (treated["eligible_users"], holdout["eligible_users"])
        assert row["lift"] == pytest.approx(treated["apply_rate"] - holdout["apply_rate"])
        assert row["is_closed"] is (treated["is_closed"] and holdout["is_closed"])


def test_fill_rate_counts_hires_over_openings_of_four_weeks(ask, full) -> None:
    days = {row["kpi_date"]: row for row in full.warehouse.read("kpi_daily").to_pylist()}
    rows = ask("fill_rate")
    assert [row["kpi_date"] for row in rows] == sorted(days)
    for row in rows:
        window = [own for day, own in days.items() if 0 <= (row["kpi_date"] - day).days < 28]
        posted, filled = (sum(own[f"openings_{name}"] for own in window) for name in ("posted", "filled"))
        assert row["fill_rate_28d"] == pytest.approx(filled / posted)
        assert row["fill_rate"] == days[row["kpi_date"]]["fill_rate"]


def test_revenue_is_summed_to_date_by_application(ask, full) -> None:
    days = {(row["application"], row["kpi_date"]): row for row in full.warehouse.read("application_daily").to_pylist()}
    to_date: defaultdict[str, float] = defaultdict(float)
    for row in ask("revenue"):
        own = days.pop((row["application"], row["kpi_date"]))
        to_date[row["application"]] += own["revenue_usd"]
        assert {name: row[name] for name in row.keys() & own} == {name: own[name] for name in row.keys() & own}
        assert row["revenue_usd_to_date"] == pytest.approx(to_date[row["application"]])
        if own["messages_delivered"]:
            assert row["revenue_usd_per_delivered"] == pytest.approx(own["revenue_usd"] / own["messages_delivered"])
    assert days == {}
    assert sum(to_date.values()) > 0


def test_map_is_that_of_measured_days_with_enough_people(ask) -> None:
    rows = ask("map_over_time")
    assert [(row["as_of_date"].day, row["model_version"]) for row in rows] == [(1, "one"), (2, "one"), (4, "two")]
    assert [row["champion_map_7d"] for row in rows] == pytest.approx([0.30, 0.33, 0.42])
    assert [row["gain_over_human"] for row in rows] == pytest.approx([0.05, 0.11, 0.17])
    assert [row["simple_rule_map"] for row in rows] == [None, None, 0.40]
    assert [row["gain_over_simple_rule"] for row in rows] == [None, None, pytest.approx(0.02)]


def test_messages_are_counted_by_the_strongest_fact(ask, raw, status) -> None:
    submitted = {row["message_id"] for row in raw["message_submitted"]}
    suppressed = {row["message_id"]: row["reason"] for row in raw["message_suppressed"]}
    counted: Counter[Any] = Counter()
    for row in raw["message_planned"]:
        key = row["message_id"]
        reason = suppressed.get(key)
        fact = status.get(key) or ("submitted" if key in submitted else "suppressed" if reason else "planned")
        counted[row["as_of_date"], row["campaign"], row["channel"], fact, reason] += 1
    assert {tuple(row.values())[:5]: row["messages"] for row in ask("messages")} == dict(counted)
    assert len({key[3] for key in counted}) >= 4


def test_opt_outs_are_counted_per_thousand_texts(ask, full) -> None:
    weeks: defaultdict[date, Counter[str]] = defaultdict(Counter)
    for row in full.warehouse.read("kpi_daily").to_pylist():
        monday = row["kpi_date"] - timedelta(days=row["kpi_date"].weekday())
        weeks[monday].update(texts_delivered=row["messages_delivered"], opt_outs=row["opt_outs"])
    rows = ask("opt_outs")
    assert [row["week_start_date"] for row in rows] == sorted(weeks)
    for row in rows:
        own = weeks[row["week_start_date"]]
        assert (row["texts_delivered"], row["opt_outs"]) == (own["texts_delivered"], own["opt_outs"])
        texts = own["texts_delivered"]
        assert row["opt_outs_per_thousand"] == (pytest.approx(1000 * own["opt_outs"] / texts) if texts else None)


def test_freshness_names_every_mart_and_how_far_it_is_behind(ask, full, project: Path) -> None:
    rows = {row["table_name"]: row for row in ask("freshness")}
    assert set(rows) == {path.stem for path in (project / "models" / "marts").rglob("*.sql")}
    newest = max(row["newest_date"] for row in rows.values() if row["newest_date"])
    for name in ("kpi_daily", "exposures"):
        mart = full.warehouse.read(name)
        day = max(mart.column("kpi_date" if name == "kpi_daily" else "exposure_date").to_pylist())
        found = rows[name]
        assert (found["table_rows"], found["newest_date"]) == (mart.num_rows, day)
        assert found["days_behind"] == (newest - day).days


def _parted(rows: dict[str, Rows], known: date) -> tuple[dict[str, Rows], dict[str, Rows]]:
    """Return what was known before a day, and, of some types, three tenths of that as known since the day ran."""
    rng = np.random.default_rng(3)
    in_time = {name: [row for row in group if row["observed_at"].date() < known] for name, group in rows.items()}
    late: dict[str, Rows] = {}
    for name in LATE:
        events = {row["event_id"]: {**row, "observed_at": run_time(known)} for row in in_time[name]}
        late[name] = [event for event in events.values() if rng.random() < 0.3]
        chosen = {event["event_id"] for event in late[name]}
        in_time[name] = [row for row in in_time[name] if row["event_id"] not in chosen]
    return in_time, late


def test_late_rows_move_the_labels_that_their_sql_makes_otherwise_without_them(
    rows: dict[str, Rows], tmp_path: Path, day_of: Callable[[int], date], dbt_built: Any, dbt_run: Callable[..., str]
) -> None:
    log = ParquetEventLog(ObstoreObjectStore.local(tmp_path / "lake"))

    def append(name: str, group: Rows) -> tuple[str, ...]:
        return log.append(name, pa.Table.from_pylist(group, EVENT_TYPES[name].schema), writer="landing").keys

    in_time, late = _parted(rows, day_of(KNOWN))
    for name, group in in_time.items():
        append(name, group)
    files = [parse_data_key(key) for name, group in late.items() for key in append(name, group)]
    reported = late_labels(log, [file for file in files if file is not None], LabelPolicy())

    target, days = tmp_path / "target", {"first": day_of(1), "last": day_of(LAST)}
    dbt_built(target, tmp_path / "lake", "+int_exposures_labelled", **days)
    dbt_run(target, tmp_path / "lake", "compile", "--select", "int_exposures_labelled", **days)
    (compiled,) = (target / "target").rglob("compiled/**/int_exposures_labelled.sql")
    labels = f"select exposure_id, exposure_date, true, is_clicked, is_applied from ({compiled.read_text()})"
    with duckdb.connect(str(target / "warehouse.duckdb")) as warehouse:
        warehouse.execute("set TimeZone = 'UTC'")
        after = {label[0]: label[1:] for label in warehouse.sql(labels).fetchall()}
        for place, (name, table) in enumerate(LATE.items(), start=1):
            warehouse.begin()
            ids = [row["event_id"] for row in late[name]]
            warehouse.execute(f"delete from {table} in (select unnest(?))", [ids])
            had = {label[0] for label in warehouse.sql(labels).fetchall() if label[place + 1]}
            warehouse.rollback()
            moved = [label[0] for exposure, label in after.items() if label[place] and exposure not in had]
            one = next(one for one in reported if one.event_type == name)
            assert (one.rows, one.moved) == (len(ids), len(moved))
            assert (one.first_exposure_day, one.last_exposure_day) == (min(moved), max(moved))
            assert one.too_late, "labels that are final stay as they are in both"
            assert 20 < len(moved) < len(ids)


@pytest.mark.parametrize("text", FAULTS)
def test_what_trino_refuses_or_means_otherwise_is_named(trino_reading, text: str) -> None:
    assert any(found.startswith(FAULTS[text]) for found in trino_reading.refusals(text)), trino_reading.refusals(text)


def test_what_both_engines_say_is_left_alone(trino_reading) -> None:
    text = """
        -- a::comment, group by all
        select
            cast(count(*) filter (where is_applied) as double) / nullif(count(*), 0) as rate,
            max_by(arm, row(occurred_at, event_id)) as arm,
            date_diff('day', min(as_of_date), cast(date_add('day', 7, max(as_of_date)) as date)) as days,
            'a :: text, materialized' as words
        from marts.fct_messages
        group by campaign
    """
    assert trino_reading.refusals(text) == []
