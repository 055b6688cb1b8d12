"""The marts against oracles that share no code with dbt: plain Python over the raw rows."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from hashlib import md5
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2] / "dbt_project"
DayOf = Callable[[int], date]
Rows = list[dict[str, Any]]


def ipc_bytes(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return sink.getvalue()


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(0), tzinfo=UTC)


def first_observed(rows: Rows) -> Rows:
    kept: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["event_id"] not in kept or row["observed_at"] < kept[row["event_id"]]["observed_at"]:
            kept[row["event_id"]] = row
    return list(kept.values())


def known(rows: Rows, as_of: date, days: int | None = None) -> Rows:
    """Rows observed before `as_of`, in the last `days` days when given."""
    end = midnight(as_of)
    start = end - timedelta(days=days) if days else datetime.min.replace(tzinfo=UTC)
    return [row for row in first_observed(rows) if start <= row["observed_at"] < end]


def exposures(raw: dict[str, Rows]) -> Rows:
    found = [
        {**row, "exposure_id": row["event_id"], "kind": "impression", "slice": "organic"}
        for row in first_observed(raw["impression"])
    ]
    planned = {row["message_id"]: row for row in first_observed(raw["message_planned"])}
    for status in first_observed(raw["message_status"]):
        if status["status"] == "delivered" and planned[status["message_id"]]["channel"] == "sms":
            plan = planned[status["message_id"]]
            both = max(plan["observed_at"], status["observed_at"])
            found.append(
                {
                    **plan, "exposure_id": plan["message_id"], "kind": "message",
                    "occurred_at": status["occurred_at"], "observed_at": both, "position": 1,
                }
            )  # fmt: skip
    return found


def seen(rows: Rows, as_of: date, days: int, kind: str) -> Rows:
    end = midnight(as_of)
    return [row for row in rows if row["kind"] == kind and end - timedelta(days=days) <= row["observed_at"] < end]


def count(rows: Rows, key: str, value: str) -> int:
    return sum(row[key] == value for row in rows)


@pytest.mark.parametrize("offset", [1, 6, 11, 16])
def test_user_features_equal_a_brute_force_over_the_raw_rows(full, world, day_of: DayOf, offset: int) -> None:
    as_of, raw = day_of(offset), world.rows
    snapshots: dict[str, dict[str, Any]] = {}
    for row in sorted(known(raw["user_snapshot"], as_of), key=lambda row: (row["observed_at"], row["event_id"])):
        snapshots[row["user_id"]] = row
    consent: dict[tuple[str, str], bool] = {}
    for row in sorted(known(raw["consent"], as_of), key=lambda row: (row["occurred_at"], not row["is_granted"])):
        consent[row["channel"], row["user_id"]] = row["is_granted"]
    shown = exposures(raw)
    expected = []
    for user, snapshot in sorted(snapshots.items()):
        clicks = [row for row in known(raw["click"], as_of) if row["user_id"] == user]
        last = max((row["observed_at"].date() for row in clicks), default=None)
        expected.append(
            {
                "as_of_date": as_of, "user_id": user, "metro_code": snapshot["metro_code"],
                "state_code": snapshot["state_code"], "user_occupation_group": snapshot["occupation_group"],
                "reservation_pay_usd_per_hour": snapshot["reservation_pay_usd_per_hour"],
                "taste_1": snapshot["taste_embedding"][0], "taste_8": snapshot["taste_embedding"][7],
                "user_impressions_7d": count(seen(shown, as_of, 7, "impression"), "user_id", user),
                "user_clicks_7d": count(known(raw["click"], as_of, 7), "user_id", user),
                "user_clicks_28d": count(known(raw["click"], as_of, 28), "user_id", user),
                "user_applies_28d": count(known(raw["apply"], as_of, 28), "user_id", user),
                "user_messages_28d": count(seen(shown, as_of, 28, "message"), "user_id", user),
                "days_since_last_click": (as_of - last).days if last else None,
                "tenure_days": (as_of - snapshot["signed_up_at"].date()).days,
                "is_consented": consent.get(("sms", user), False),
                "is_consented_email": consent.get(("email", user), False),
            }
        )  # fmt: skip
    actual = full.warehouse.read("user_features", as_of=as_of, columns=list(expected[0]))
    assert actual.to_pylist() == expected


@pytest.mark.parametrize("offset", [2, 9, 16])
def test_job_features_equal_a_brute_force_over_the_raw_rows(full, world, day_of: DayOf, offset: int) -> None:
    as_of, raw = day_of(offset), world.rows
    closed = {row["job_id"] for row in known(raw["job_closed"], as_of)}
    shown = exposures(raw)
    expected = []
    for job in sorted(known(raw["job_posted"], as_of), key=lambda row: row["job_id"]):
        name = job["job_id"]
        if name in closed or job["expires_at"] <= midnight(as_of):
            continue
        expected.append(
            {
                "as_of_date": as_of, "job_id": name, "job_metro_code": job["metro_code"],
                "pay_usd_per_hour": job["pay_usd_per_hour"],
                "openings": max(job["openings"] - count(known(raw["hire"], as_of), "job_id", name), 1),
                "text_8": job["text_embedding"][7], "posted_at": job["occurred_at"], "expires_at": job["expires_at"],
                "job_age_days": (as_of - job["occurred_at"].date()).days,
                "job_impressions_7d": count(seen(shown, as_of, 7, "impression"), "job_id", name),
                "job_clicks_7d": count(known(raw["click"], as_of, 7), "job_id", name),
                "job_applies_7d": count(known(raw["apply"], as_of, 7), "job_id", name),
                "job_messages_7d": count(seen(shown, as_of, 7, "message"), "job_id", name),
            }
        )  # fmt: skip
    assert expected
    assert full.warehouse.read("job_features", as_of=as_of, columns=list(expected[0])).to_pylist() == expected


def test_labels_equal_a_brute_force_over_the_raw_rows(full, world, day_of: DayOf) -> None:
    raw = world.rows
    last_date = max(row["observed_at"].date() for row in first_observed(raw["user_snapshot"])) + timedelta(days=1)
    users = {(r["as_of_date"], r["user_id"]) for r in _keys(full, "user_features", "user_id")}
    jobs = {(r["as_of_date"], r["job_id"]) for r in _keys(full, "job_features", "job_id")}
    expected = {}
    for exposure in exposures(raw):
        shown = exposure["occurred_at"].date()
        mature = shown + timedelta(days=8)
        if mature > last_date or exposure["observed_at"] >= midnight(mature):
            continue
        if (shown, exposure["user_id"]) not in users or (shown, exposure["job_id"]) not in jobs:
            continue
        name = exposure["exposure_id"]
        clicks_close = exposure["occurred_at"] + timedelta(days=2)
        clicks = [
            row
            for row in known(raw["click"], mature)
            if row["exposure_id"] == name and row["occurred_at"] <= clicks_close
        ]
        applies = [row for row in known(raw["apply"], mature) if row["exposure_id"] == name]
        closes = exposure["occurred_at"] + timedelta(days=7)
        outcome = any(row["occurred_at"] <= closes for row in applies)
        expected[name] = (
            shown, mature, exposure["kind"], exposure["slice"], exposure["position"], bool(clicks), outcome,
        )  # fmt: skip
    columns = ["exposure_id", "exposure_date", "label_mature_date", "exposure_kind", "slice", "impression_position"]
    table = full.warehouse.read("labelled_examples", columns=[*columns, "is_clicked", "is_applied"])
    actual = {row.pop("exposure_id"): tuple(row.values()) for row in table.to_pylist()}
    assert actual == expected
    assert {value[2] for value in expected.values()} == {"impression", "message"}
    assert {value[6] for value in expected.values()} == {True, False}


def _keys(full, mart: str, key: str) -> Rows:
    return full.warehouse.read(mart, columns=["as_of_date", key]).to_pylist()


def test_click_examples_are_the_same_exposures_with_clicks_known_sooner(full, world) -> None:
    columns = ["exposure_id", "exposure_date", "label_mature_date", "is_clicked"]
    examples = {row["exposure_id"]: row for row in full.warehouse.read("click_examples", columns=columns).to_pylist()}
    later = full.warehouse.read("labelled_examples", columns=["exposure_id", "exposure_date"]).to_pylist()
    assert len(examples) > len(later) > 0
    known_late = [row["exposure_id"] for row in later if row["exposure_id"] not in examples]
    assert len(known_late) < 0.1 * len(later)
    clicks = first_observed(world.rows["click"])
    for name, row in examples.items():
        mature = row["exposure_date"] + timedelta(days=3)
        assert row["label_mature_date"] == mature
        told = [click for click in clicks if click["exposure_id"] == name and click["observed_at"] < midnight(mature)]
        assert row["is_clicked"] == bool(told)
    assert {row["is_clicked"] for row in examples.values()} == {True, False}


@pytest.mark.parametrize("examples", ["labelled_examples", "click_examples"])
def test_an_application_is_early_if_it_came_and_was_known_in_the_window_of_clicks(full, world, examples: str) -> None:
    columns, window = ["exposure_id", "exposure_date", "is_applied_early"], timedelta(days=2)
    found = full.warehouse.read(examples, columns=columns).to_pylist()
    shown = {row["event_id"]: row["occurred_at"] for row in first_observed(world.rows["impression"])}
    applies = first_observed(world.rows["apply"])
    impressions = [row for row in found if row["exposure_id"] in shown]
    assert len(impressions) > 0.5 * len(found)
    for row in impressions:
        known_by = midnight(row["exposure_date"] + window + timedelta(days=1))
        told = [
            apply
            for apply in applies
            if apply["exposure_id"] == row["exposure_id"]
            and apply["observed_at"] < known_by
            and apply["occurred_at"] <= shown[row["exposure_id"]] + window
        ]
        assert row["is_applied_early"] == bool(told)
    assert {row["is_applied_early"] for row in impressions} == {True, False}


def test_marts_of_a_release_without_early_labels_have_them_from_the_next_day_on(
    rows, tmp_path, day_of, dbt_built, lake_of
) -> None:
    marts, target, lake = ("click_examples", "labelled_examples"), tmp_path / "target", tmp_path / "lake"
    lake_of(lake, rows, until=day_of(13))
    dbt_built(target, lake, "tag:features", first=day_of(1), last=day_of(11))
    with duckdb.connect(str(target / "warehouse.duckdb")) as connection:
        for mart in marts:
            connection.execute(f"alter table marts.{mart} drop column is_applied_early")
    dbt_built(target, lake, "tag:features", first=day_of(12), last=day_of(13))
    with duckdb.connect(str(target / "warehouse.duckdb"), read_only=True) as connection:
        for mart in marts:
            (_, old, old_known, old_clicks), (_, new, new_known, new_clicks) = connection.execute(
                "select label_mature_date > ?, count(*), count(is_applied_early), count_if(is_clicked) "
                f"from marts.{mart} group by 1 order by 1",
                [day_of(11)],
            ).fetchall()
            assert (old_known, new_known) == (0, new)
            assert min(old, old_clicks, new, new_clicks) > 0


@pytest.mark.parametrize("examples", ["labelled_examples", "click_examples"])
def test_examples_carry_the_features_of_their_exposure_date(full, examples: str) -> None:
    examples, others = full.warehouse.read(examples), ("as_of_date", "is_consented_email")
    for mart, key in (("user_features", "user_id"), ("job_features", "job_id")):
        features = {(row["as_of_date"], row[key]): row for row in full.warehouse.read(mart).to_pylist()}
        for example in examples.to_pylist():
            row = features[example["exposure_date"], example[key]]
            assert {n: example[n] for n in row if n not in (*others, key)} == {
                n: row[n] for n in row if n not in (*others, key)
            }


def visits(raw: dict[str, Rows]) -> Rows:
    """Impressions, clicks and applies, each with the day it happened and the day it was observed."""
    return [
        {
            "user_id": row["user_id"],
            "kind": kind,
            "happened": row["occurred_at"].date(),
            "observed": row["observed_at"].date(),
        }
        for kind in ("impression", "click", "apply")
        for row in first_observed(raw[kind])
    ]


@pytest.mark.parametrize("offset", [1, 6, 11, 16])
def test_churn_features_equal_a_brute_force_over_the_raw_rows(full, world, day_of: DayOf, offset: int) -> None:
    as_of, found = day_of(offset), visits(world.rows)
    users = {row["user_id"]: row for row in full.warehouse.read("user_features", as_of=as_of).to_pylist()}
    jobs = full.warehouse.read("job_features", as_of=as_of).to_pylist()
    expected = []
    for user, row in sorted(users.items()):
        own = [one for one in found if one["user_id"] == user and 1 <= (as_of - one["observed"]).days <= 28]
        days = {one["observed"] for one in own}
        if not days:
            continue
        applied = [one["observed"] for one in own if one["kind"] == "apply"]
        near = [
            job
            for job in jobs
            if (job["job_metro_code"], job["job_occupation_group"]) == (row["metro_code"], row["user_occupation_group"])
        ]
        expected.append(
            {
                "as_of_date": as_of, "user_id": user, "days_since_last_seen": (as_of - max(days)).days,
                "days_since_first_seen_28d": (as_of - min(days)).days,
                "days_since_last_apply": (as_of - max(applied)).days if applied else None,
                "active_days_7d": sum((as_of - day).days <= 7 for day in days), "active_days_28d": len(days),
                "weekend_share_28d": sum(day.weekday() >= 5 for day in days) / len(days),
                "user_impressions_28d": count(own, "kind", "impression"), "jobs_nearby": len(near),
                "is_consented": row["is_consented"],
            }
        )  # fmt: skip
    assert expected
    assert full.warehouse.read("churn_features", as_of=as_of, columns=list(expected[0])).to_pylist() == expected


def test_a_user_is_lost_who_was_not_seen_in_the_days_asked_about(full, world) -> None:
    found, outcomes = visits(world.rows), set()
    asked = {(row["as_of_date"], row["user_id"]): row for row in full.warehouse.read("churn_features").to_pylist()}
    examples = full.warehouse.read("churn_examples").to_pylist()
    for row in examples:
        first, mature = row["as_of_date"], row["as_of_date"] + timedelta(days=8)
        assert row["label_mature_date"] == mature
        back = [
            one
            for one in found
            if one["user_id"] == row["user_id"]
            and first <= one["happened"] < first + timedelta(days=7)
            and one["observed"] < mature
        ]
        assert row["is_lost"] == (not back)
        outcomes.add(row["is_lost"])
        features = asked[first, row["user_id"]]
        assert {name: row[name] for name in features} == features
    assert outcomes == {True, False}


def test_users_are_sampled_by_a_hash_of_user_and_day_alone(full, day_of: DayOf) -> None:
    last = max(full.warehouse.read("churn_features", columns=["as_of_date"])["as_of_date"].to_pylist())
    keys = full.warehouse.read("churn_features", end=last - timedelta(days=8), columns=["as_of_date", "user_id"])
    hashes = {(day, user): md5(f"{user}/{day}".encode()).hexdigest() for day, user in _pairs(keys)}
    chosen = {key: f"chn_{digest[:16]}" for key, digest in hashes.items() if digest[0] in "0123"}
    table = full.warehouse.read("churn_examples", columns=["as_of_date", "user_id", "example_id"])
    actual = {(row["as_of_date"], row["user_id"]): row["example_id"] for row in table.to_pylist()}
    assert actual == chosen
    assert 0.1 < len(chosen) / len(hashes) < 0.4


def _pairs(table: pa.Table) -> list[tuple[date, str]]:
    return [(row["as_of_date"], row["user_id"]) for row in table.to_pylist()]


@pytest.mark.parametrize("mart", ["user_features", "job_features", "churn_features"])
def test_features_built_day_by_day_equal_a_rebuild_after_later_data_arrived(full, daily, day_of: DayOf, mart) -> None:
    for offset in range(1, 13):
        then = daily.warehouse.read(mart, as_of=day_of(offset))
        later = full.warehouse.read(mart, as_of=day_of(offset))
        assert then.num_rows > 0
        assert then.equals(later)
        assert ipc_bytes(then) == ipc_bytes(later), f"{mart} of {day_of(offset)} changed when later data arrived"


def test_examples_built_day_by_day_equal_a_rebuild_after_later_data_arrived(full, daily, day_of: DayOf) -> None:
    """Exposures of the first four feature days mature by day 12; later ones are not there yet."""
    for mart, column in (("labelled_examples", "exposure_date"), ("churn_examples", "as_of_date")):
        then = daily.warehouse.read(mart)
        days = set(then[column].to_pylist())
        assert {day_of(3), day_of(4)} <= days <= {day_of(offset) for offset in range(1, 5)}
        assert ipc_bytes(then) == ipc_bytes(full.warehouse.read(mart, end=day_of(4)))


def known_by(exposures: pa.Table, day: date) -> pa.Table:
    return exposures.filter(pc.field("available_date") <= pa.scalar(day))


def test_exposures_built_day_by_day_equal_a_rebuild_after_later_data_arrived(full, daily, day_of: DayOf) -> None:
    then, later = (known_by(one.warehouse.read("exposures"), day_of(12)) for one in (daily, full))
    assert then.num_rows > 0
    assert ipc_bytes(then) == ipc_bytes(later)


def test_a_skipped_day_leaves_no_gap_in_the_exposures(full, world, tmp_path, day_of: DayOf, dbt_built) -> None:
    """Somebody builds one day in the UI, and the days before it never were."""
    for day in (day_of(5), day_of(9)):
        one = dbt_built(tmp_path, world.lake, "+exposures", first=day, last=day)
    found = known_by(one.warehouse.read("exposures"), day_of(9))
    assert ipc_bytes(found) == ipc_bytes(known_by(full.warehouse.read("exposures"), day_of(9)))


def test_no_label_is_immature(full, daily) -> None:
    for built in (full, daily):
        last = max(built.warehouse.read("user_features", columns=["as_of_date"])["as_of_date"].to_pylist())
        for mart in ("labelled_examples", "click_examples", "churn_examples"):
            mature = built.warehouse.read(mart, columns=["label_mature_date"])["label_mature_date"]
            assert max(mature.to_pylist()) <= last
        for mart, exposed, days in (
            ("labelled_examples", "exposure_date", 8),
            ("click_examples", "exposure_date", 3),
            ("churn_examples", "as_of_date", 8),
        ):
            rows = built.warehouse.read(mart, columns=[exposed, "label_mature_date"]).to_pylist()
            assert {(row["label_mature_date"] - row[exposed]).days for row in rows} == {days}


def test_applies_are_the_distinct_applies_of_the_log(full, world) -> None:
    planned = {r["message_id"]: r["slice"] for r in first_observed(world.rows["message_planned"])}
    expected = sorted(
        (
            r["occurred_at"].date(),
            r["event_id"],
            r["source"],
            "organic" if r["source"] == "organic" else planned.get(r["exposure_id"]),
        )
        for r in first_observed(world.rows["apply"])
    )
    assert {"organic", "explore", "recruiter_rule"} <= {row[3] for row in expected}
    table = full.warehouse.read("applies", columns=["apply_date", "apply_event_id", "source", "slice"])
    assert [tuple(row.values()) for row in table.to_pylist()] == expected


def test_exposures_are_impressions_and_delivered_texts_of_the_log(full, world) -> None:
    raw = {name: first_observed(rows) for name, rows in world.rows.items()}
    expected = [
        (r["occurred_at"].date(), r["event_id"], r["user_id"], r["job_id"], "organic", r["observed_at"])
        for r in raw["impression"]
    ]
    delivered, planned = {}, {}
    for name, found, rows in (
        ("status", delivered, raw["message_status"]),
        ("channel", planned, raw["message_planned"]),
    ):
        for row in sorted(rows, key=lambda r: (r["observed_at"], r["event_id"])):
            if name == "channel" or row["status"] == "delivered":
                found.setdefault(row["message_id"], row)
    for message_id, plan in planned.items():
        if message_id in delivered and plan["channel"] == "sms":
            status = delivered[message_id]
            known = max(plan["observed_at"], status["observed_at"])
            day = status["occurred_at"].date()
            expected.append((day, message_id, plan["user_id"], plan["job_id"], plan["slice"], known))
    columns = ["exposure_date", "exposure_id", "user_id", "job_id", "slice", "observed_at"]
    found = [tuple(row.values()) for row in full.warehouse.read("exposures", columns=columns).to_pylist()]
    assert found == sorted(expected)
    assert {"organic", "explore", "recruiter_rule"} <= {row[4] for row in found}


def hired_after_messages(raw: dict[str, Rows]) -> Rows:
    """Return the hires within thirty days of the message that led to them."""
    planned = {row["message_id"]: row["occurred_at"] for row in raw["message_planned"]}
    hires = [row for row in raw["hire"] if row["source"] == "message"]
    found = [row for row in hires if row["occurred_at"] <= planned[row["exposure_id"]] + timedelta(days=30)]
    assert 0 < len(found) < len(hires)
    return found


def test_every_kpi_can_be_recomputed_from_the_raw_log(full, world) -> None:
    raw = {name: first_observed(rows) for name, rows in world.rows.items()}
    bids = {row["job_id"]: row["bid_usd_per_apply"] for row in raw["job_posted"]}
    plans = {row["message_id"]: row["as_of_date"] for row in raw["message_planned"] if row["channel"] == "sms"}
    filled = posted = 0
    for row in full.warehouse.read("kpi_daily").to_pylist():
        today = row["kpi_date"]
        sent = {name for name, planned_for in plans.items() if planned_for == today}

        def of_messages(event_type: str, sent: set[str] = sent) -> Rows:
            return [r for r in raw[event_type] if r["source"] == "message" and r["exposure_id"] in sent]

        def with_status(status: str, sent: set[str] = sent) -> int:
            return len({r["message_id"] for r in raw["message_status"] if r["status"] == status} & sent)

        def on_day(event_type: str, today: date = today) -> Rows:
            return [r for r in raw[event_type] if r["occurred_at"].date() == today]

        submitted = len({r["message_id"] for r in raw["message_submitted"]} & sent)
        delivered, clicked = with_status("delivered"), len({r["exposure_id"] for r in of_messages("click")})
        applied = len({r["exposure_id"] for r in of_messages("apply")})
        posted += sum(r["openings"] for r in on_day("job_posted"))
        filled += len(on_day("hire"))
        expected = {
            "kpi_date": today,
            "messages_planned": len(sent),
            "messages_submitted": submitted,
            "messages_delivered": delivered,
            "messages_undelivered": with_status("undelivered"),
            "messages_ambiguous": with_status("ambiguous"),
            "messages_suppressed": len(
                {
                    r["message_id"]
                    for r in raw["message_suppressed"]
                    if r["as_of_date"] == today and r["channel"] != "email"
                }
            ),
            "clicks": clicked,
            "applies": applied,
            "hires": len({r["exposure_id"] for r in hired_after_messages(raw)} & sent),
            "applies_any_cause": len(on_day("apply")),
            "opt_outs": len({r["user_id"] for r in on_day("consent") if r["source"] == "inbound_stop"}),
            "openings_posted": sum(r["openings"] for r in on_day("job_posted")),
            "openings_filled": len(on_day("hire")),
            "revenue_usd": pytest.approx(sum(bids[r["job_id"]] for r in of_messages("apply"))),
            "delivered_share": delivered / submitted if submitted else None,
            "ctr": clicked / delivered if delivered else None,
            "apply_rate": applied / delivered if delivered else None,
            "fill_rate": filled / posted if posted else None,
        }
        assert row == expected
    assert filled > 0


def test_each_application_has_the_figures_of_its_own_messages(full, world) -> None:
    raw = {name: first_observed(rows) for name, rows in world.rows.items()}
    bids = {row["job_id"]: row["bid_usd_per_apply"] for row in raw["job_posted"]}
    expected = {}
    for application, today in {(row["campaign"], row["as_of_date"]) for row in raw["message_planned"]}:
        sent = {
            row["message_id"]: row["channel"]
            for row in raw["message_planned"]
            if (row["campaign"], row["as_of_date"]) == (application, today)
        }
        after = {
            name: [r for r in raw[name] if r["source"] == "message" and r["exposure_id"] in sent]
            for name in ("click", "apply")
        }
        (channel,) = set(sent.values())
        expected[application, today] = {
            "channel": channel,
            "messages_planned": len(sent),
            "messages_submitted": len({r["message_id"] for r in raw["message_submitted"]} & sent.keys()),
            "messages_delivered": len(
                {r["message_id"] for r in raw["message_status"] if r["status"] == "delivered"} & sent.keys()
            ),
            "messages_clicked": len({r["exposure_id"] for r in after["click"]}),
            "messages_applied": len({r["exposure_id"] for r in after["apply"]}),
            "messages_hired": len({r["exposure_id"] for r in hired_after_messages(raw)} & sent.keys()),
            "revenue_usd": pytest.approx(sum(bids[r["job_id"]] for r in after["apply"])),
        }
    rows = full.warehouse.read("application_daily").to_pylist()
    assert {(row.pop("application"), row.pop("kpi_date")): row for row in rows} == expected
    assert {application for application, _ in expected} == {"job_of_the_day", "email_digest"}


def test_experiment_readout_counts_by_intention_to_treat(full, world, day_of: DayOf) -> None:
    exposed = first_observed(world.rows["experiment_exposed"])
    applies = first_observed(world.rows["apply"])
    last = max(row["as_of_date"] for row in exposed)
    posted = sorted(world.rows["job_posted"], key=lambda row: (row["observed_at"], row["event_id"]))
    bids, total = {row["job_id"]: row["bid_usd_per_apply"] for row in posted}, 0.0
    for row in full.warehouse.read("experiment_readout").to_pylist():
        start = row["period_start_date"]
        end = start + timedelta(days=6) if row["period_kind"] == "week" else last
        members: dict[str, datetime] = {}
        for event in exposed:
            if event["arm"] == row["arm"] and start <= event["as_of_date"] <= end:
                earlier = members.get(event["user_id"], event["occurred_at"])
                members[event["user_id"]] = min(event["occurred_at"], earlier)
        converted = {
            a["user_id"]
            for a in applies
            if a["user_id"] in members and members[a["user_id"]] <= a["occurred_at"] < midnight(end + timedelta(days=1))
        }
        assert (row["eligible_users"], row["users_with_apply"]) == (len(members), len(converted))
        assert row["apply_rate"] == len(converted) / len(members)
        earned: Counter[str] = Counter()
        for a in applies:
            user = a["user_id"]
            if user in members and members[user] <= a["occurred_at"] < midnight(end + timedelta(days=1)):
                earned[user] += bids.get(a["job_id"], 0.0)
        assert row["bids_usd"] == pytest.approx(sum(earned.values()), abs=1e-5)
        assert row["bids_usd_squared"] == pytest.approx(sum(v * v for v in earned.values()), abs=1e-4)
        total += row["bids_usd"]
        assert row["period_end_date"] == end
    assert total > 0
    kinds = full.warehouse.read("experiment_readout", columns=["period_kind", "arm"]).to_pylist()
    assert {(row["period_kind"], row["arm"]) for row in kinds} == {
        (kind, arm) for kind in ("week", "total") for arm in ("treated", "holdout")
    }


def test_lift_daily_sums_what_each_user_did_until_each_day(full, world) -> None:
    exposed = sorted(first_observed(world.rows["experiment_exposed"]), key=lambda row: row["occurred_at"])
    applies = first_observed(world.rows["apply"])
    before = [(row, 1) for row in first_observed(world.rows["click"]) if row["source"] == "organic"]
    before += [(row, 0) for row in applies if row["source"] == "organic"]
    posted = sorted(world.rows["job_posted"], key=lambda row: (row["observed_at"], row["event_id"]))
    bids = {row["job_id"]: row["bid_usd_per_apply"] for row in posted}
    begun: dict[tuple[str, str], dict[str, Any]] = {}
    for row in exposed:
        begun.setdefault((row["experiment"], row["user_id"]), row)
    rows = full.warehouse.read("lift_daily").to_pylist()
    totals: Counter[str] = Counter()
    for row in rows:
        expected: Counter[str] = Counter()
        for (experiment, user), first in begun.items():
            if (experiment, first["arm"]) != (row["experiment"], row["arm"]) or first["as_of_date"] > row["lift_date"]:
                continue
            did = [
                a for a in applies
                if a["user_id"] == user and first["occurred_at"] <= a["occurred_at"]
                and a["occurred_at"] < midnight(row["lift_date"] + timedelta(days=1))
            ]  # fmt: skip
            known = [
                is_click for act, is_click in before
                if act["user_id"] == user and act["occurred_at"] < first["occurred_at"]
                and midnight(first["as_of_date"] - timedelta(days=28)) <= act["occurred_at"]
            ]  # fmt: skip
            n, clicks, usd = len(did), sum(known), sum(bids.get(a["job_id"], 0.0) for a in did)
            former = len(known) - clicks
            expected.update(
                users=1, applies=n, applies_squared=n * n, applies_times_clicks=n * clicks, clicks_before=clicks,
                clicks_before_squared=clicks**2, applies_before=former, applies_before_squared=former**2,
                applies_before_times_clicks=former * clicks, bids_usd=usd, bids_usd_squared=usd * usd,
                bids_usd_times_clicks=usd * clicks,
            )  # fmt: skip
        totals.update(expected)
        for name in set(row) - {"experiment", "lift_date", "arm", "is_closed"}:
            assert row[name] == pytest.approx(expected[name], abs=1e-4), (name, row)
    assert len({(row["experiment"], row["lift_date"], row["arm"]) for row in rows}) == len(rows)
    dates = {row["lift_date"] for row in rows}
    assert len(dates) == (max(dates) - min(dates)).days + 1, "days without an exposure are there, too"
    assert totals["applies_squared"] > totals["applies"] > 0


def test_a_lake_without_files_gives_empty_marts_with_all_columns(empty, full) -> None:
    for mart in (
        "user_features",
        "job_features",
        "labelled_examples",
        "click_examples",
        "churn_features",
        "churn_examples",
        "fct_messages",
        "kpi_daily",
        "application_daily",
        "experiment_readout",
        "lift_daily",
    ):
        table = empty.warehouse.read(mart)
        assert table.num_rows == 0
        assert table.schema == full.warehouse.read(mart, end=date(2000, 1, 1)).schema


def test_the_latest_of_each_is_found_by_sorting_however_few_rows_are_expected(full) -> None:
    profile = yaml.safe_load((PROJECT / "profiles.yml").read_text(encoding="utf-8"))["mlife"]["outputs"]["duckdb"]
    (compiled,) = (full.path.parent / "target" / "compiled").rglob("user_features.sql")
    with duckdb.connect(str(full.path), read_only=True) as connection:
        for name, value in profile["settings"].items():
            connection.execute(f"set {name} = '{value}'")
        ((_, plan),) = connection.execute(f"explain {compiled.read_text(encoding='utf-8')}").fetchall()
    assert plan.count("ASOF_JOIN") == 4
    assert "NESTED_LOOP_JOIN" not in plan
