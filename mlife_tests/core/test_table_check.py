"""The check of a table: each fault is said with its column and remedy, all at once, and an honest table has none."""

from __future__ import annotations

import json
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlife_assets.core.study import Study
from mlife_assets.core.table_check import ReadTable, TableReport, check_table

TODAY, DAYS, PER_DAY = date(2026, 6, 1), 100, 60
ROLES = {
    "entity": "who", "time": "day", "label": "won", "label_time": "known", "features": ["strength", "age"],
    "categoricals": ["kind"],
}  # fmt: skip


def table(**more: object) -> pa.Table:
    rng = np.random.default_rng(3)
    rows = DAYS * PER_DAY
    strength, day = rng.normal(size=rows), np.datetime64("2026-01-01") + np.repeat(np.arange(DAYS), PER_DAY)
    columns = {
        "who": [f"w{row}" for row in range(rows)], "day": day,
        "won": rng.random(rows) < 1 / (1 + np.exp(1 - strength)), "known": day + 3, "strength": strength,
        "age": rng.integers(18, 70, rows).astype(np.float64), "kind": rng.choice(["a", "b", "c"], rows), **more,
    }  # fmt: skip
    return pa.table({name: pa.array(values) for name, values in columns.items()})


def told(
    rows: pa.Table, *, features: tuple[str, ...] = (), categoricals: tuple[str, ...] = (), **spec: object
) -> TableReport:
    more = {"features": features, "categoricals": categoricals}
    roles = ROLES | {name: [*ROLES[name], *values] for name, values in more.items()}
    promotion = {"minimum_users_with_positives": 100}
    study = Study.from_json(json.dumps({"roles": roles, "promotion": promotion, **spec}))
    return check_table(ReadTable(rows), study, TODAY)


def kinds(report: TableReport) -> set[tuple[str, str | None]]:
    return {(one.kind, one.column) for one in report.findings}


def sentence(report: TableReport, kind: str) -> str:
    (found,) = (one.sentence for one in report.findings if one.kind == kind)
    return found


def test_an_honest_table_has_no_fault_and_says_what_its_gate_can_show() -> None:
    report = told(table())
    assert kinds(report) == {("power", None)}
    assert (report.rows, report.positives) == (DAYS * PER_DAY, pc.sum(table()["won"]).as_py())
    assert report.power is not None
    assert report.power.gate_days == 20
    assert 0.005 < report.power.half_width < 0.08
    wanted = 20 * ((report.power.half_width / 0.01) ** 2 - 1)
    assert wanted <= report.power.more_days <= wanted + 1
    text = sentence(report, "power")
    assert text.startswith("The gate's 20 days, from ")
    assert f" on, can show a difference of +-{report.power.half_width:.3f} in" in text
    assert text.endswith(f"+-0.01 takes about {report.power.more_days} more days to judge on.")


def test_everything_that_is_wrong_with_columns_is_said_at_once() -> None:
    rng = np.random.default_rng(4)
    rows = DAYS * PER_DAY
    whole = table()
    day, strength = whole["day"].to_numpy(), whole["strength"].to_numpy()
    words = np.array(["red", "blue", "sofa", "with", "legs", "and", "a", "chair"])
    report = told(
        table(
            empty=pa.nulls(rows, pa.float64()),
            stopped=pa.array(np.where(day > np.datetime64("2026-03-01"), np.nan, strength), from_pandas=True),
            same=np.full(rows, 7.0),
            rare=pa.array(np.where(np.arange(rows) % 2_900 == 0, 1.0, np.nan), from_pandas=True),
            cents=100 * strength,
            number=rng.permutation(rows).astype(np.float64),
            code=[f"c{row}" for row in rng.permutation(rows)],
            city=[f"t{row}" for row in rng.integers(0, 400, rows)],
            note=[" ".join(rng.choice(words, 6)) for _ in range(rows)],
            alias=[{"a": "x", "b": "y", "c": "z"}[one] for one in whole["kind"].to_pylist()],
        ),
        features=("empty", "stopped", "same", "rare", "cents", "number"),
        categoricals=("code", "city", "note", "alias"),
    )
    assert kinds(report) == {
        ("dead", "empty"), ("dead", "stopped"), ("constant", "same"), ("copied_column", "cents"),
        ("identifier", "number"), ("identifier", "code"), ("many_values", "city"), ("free_text", "note"),
        ("copied_column", "alias"), ("power", None),
    }  # fmt: skip
    assert not report.faults
    of = {one.column: one.sentence for one in report.findings}
    assert of["empty"] == "empty is missing in every row; leave it out."
    assert of["stopped"].startswith("stopped is missing in every row since 2026-03-01; mend what delivers it")
    assert of["same"] == "same is 7.0 in every row, which tells none apart; leave it out."
    assert of["cents"].startswith("cents is a copy of strength, perhaps in another unit, in all 6,000 rows examined")
    assert "derive numbers from it (length(note), note ilike '%word%')" in of["note"]
    assert "those beyond the most frequent count as missing" in of["city"]
    assert [one.severity for one in report.findings] == sorted(one.severity for one in report.findings)[::-1]


def test_faults_of_roles_and_of_values_are_all_named_and_a_table_without_rows_is_one() -> None:
    rows = table()
    roles = rows.set_column(3, "known", rows["day"]).set_column(5, "age", rows["kind"])
    report = told(roles.drop_columns(["kind"]), features=("strength_2",))
    assert sorted(report.faults) == [
        "age holds string, which cannot be the features; cast it or choose another column",
        "examples lack column kind, the categoricals; add it or change the role categoricals",
        "examples lack column strength_2, the features; add it or change the role features",
        "known in row 0 is not after day; a label is complete after its window",
    ]
    assert report.power is None
    assert "the examples span 0 days" in told(table().slice(0, 0)).faults[0]


def test_what_a_training_would_refuse_is_a_fault_in_its_words() -> None:
    late = told(table(known=table()["day"].to_numpy() + 1_000))
    assert [fault.split(",")[0] for fault in late.faults] == [
        "known of 6000 rows is after today",
        "no label is complete by 2026-03-22",
    ]
    none = told(table(won=np.zeros(DAYS * PER_DAY, dtype=bool)))
    assert "positives" in none.faults[0]


def test_a_feature_that_gives_the_outcome_away_is_named_before_a_training() -> None:
    won = table()["won"].to_numpy(zero_copy_only=False)
    report = told(table(paid=np.where(won, 9.0, 1.0), sent=np.where(won, 0.0, 5.0)), features=("paid", "sent"))
    said = [one for one in report.findings if one.kind == "gives_the_outcome_away"]
    assert {one.column for one in said} == {"paid", "sent"}, "each, not the first alone"
    assert "it was recorded after the outcome: leave it out" in said[0].sentence


def test_label_times_that_depend_on_outcomes_are_a_warning() -> None:
    rows = table()
    known = rows["day"].to_numpy() + np.where(rows["won"].to_numpy(zero_copy_only=False), 1, 12)
    report = told(table(known=known))
    assert ("label_times", "known") in kinds(report)
    assert report.label_times is not None
    assert report.label_times.depends_on_outcome


@pytest.mark.parametrize("is_renamed", [True, False])
def test_copies_of_rows_are_found_under_their_ids_and_under_others(is_renamed: bool) -> None:
    rows = table()
    copies = rows.slice(0, 60)
    if is_renamed:
        copies = copies.set_column(0, "who", pa.array([f"copy{row}" for row in range(60)]))
    text = sentence(told(pa.concat_tables([rows, copies])), "copied_rows")
    assert text.startswith(
        "About 60 of 6,060 rows repeat another of their day in every feature and the outcome, under another who,"
        if is_renamed
        else "60 of 6,060 rows are there more than once, ids and day included; keep each once."
    )


def test_rows_of_one_entity_and_day_with_other_values_are_a_warning_since_the_gate_refuses_them() -> None:
    rows = table()
    other = rows.slice(0, 3).set_column(rows.column_names.index("strength"), "strength", pa.array([9.0, 8.0, 7.0]))
    text = sentence(told(pa.concat_tables([rows, other])), "repeated_ids")
    assert text.startswith("3 of 6,003 rows share day, who with another, which the gate refuses;")


def test_rows_that_are_alike_by_chance_or_share_the_weather_are_no_copies() -> None:
    rng = np.random.default_rng(5)
    few = rng.integers(0, 3, DAYS * PER_DAY).astype(np.float64)
    weather = np.repeat(rng.normal(size=DAYS), PER_DAY)
    report = told(table(strength=few, age=weather))
    assert ("copied_rows", "who") not in kinds(report)


def test_hours_that_are_cut_off_are_said_with_what_to_do() -> None:
    study = Study.from_json(json.dumps({"roles": ROLES}))
    report = check_table(ReadTable(table(), cut={"day": 10, "known": 6_000}), study, TODAY)
    said = {one.column: one.sentence for one in report.findings if one.kind == "times_cut_to_days"}
    assert said["day"].startswith(
        "day holds times of day in 10 of 6,000 rows, which are cut to days: features count as"
    )
    assert said["known"].endswith("values known at night count as known that morning; derive the day after, known + 1.")


def test_too_little_to_compare_says_what_is_missing() -> None:
    rows = table()
    first = pc.min(rows["day"]).as_py()
    report = told(rows.filter(pc.field("day") < pa.scalar(first + timedelta(days=20))))
    assert report.power is None
    assert sentence(report, "power") == "The gate's 10 days can show nothing yet: 10 days with positives, 14 needed."
